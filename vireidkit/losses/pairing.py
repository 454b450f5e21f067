"""Which visible and which infrared row stand beside each other: what losses that compare rows by position depend on."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from vireidkit.modality import INFRARED, VISIBLE


class Pairs(NamedTuple):
    """Positions of a batch's rows, put in order.

    Attributes:
        visible, infrared: (n,), position j of both is the same identity, and an identity's positions stand together.
        per_identity: s, rows of every identity in each modality; the number of identities is n / s.
    """

    visible: Tensor
    infrared: Tensor
    per_identity: int


def modality_pairs(labels: Tensor, modality: Tensor) -> Pairs:
    """Bring a batch in any order into pairs: identities in the order of their first visible row, the rows of one as they come.

    For the kit's own order (visible rows, then infrared, identity-major) that is: the first half, the second half.

    Args:
        labels, modality: integer (N,).

    Raises:
        ValueError: an identity has not as many visible as infrared rows, or two identities differ in their number.

    Source: what IDKL's released code takes for granted (idkl.md section 2, grade: code); the check is ours.
    """
    if labels.ndim != 1 or labels.shape != modality.shape or labels.is_floating_point() or modality.is_floating_point():
        found = f"{tuple(labels.shape)} {labels.dtype} and {tuple(modality.shape)} {modality.dtype}"
        raise ValueError(f"expected integer labels (N,) and modality (N,); found {found}")
    known, identity = torch.unique(labels, return_inverse=True)  # (P,), (N,)
    halves = [(modality == code).nonzero()[:, 0] for code in (VISIBLE, INFRARED)]
    counts = torch.stack([torch.bincount(identity[half], minlength=len(known)) for half in halves])  # (2, P)
    if len(halves[0]) + len(halves[1]) != len(labels) or (counts != counts[:1, :1]).any():
        raise ValueError(_refusal(known, counts, len(labels)))
    # Where an identity first shows among the visible rows.
    first = torch.full_like(known, len(labels)).scatter_reduce(0, identity[halves[0]], halves[0], "amin")
    visible, infrared = (half[torch.argsort(first[identity[half]], stable=True)] for half in halves)
    return Pairs(visible, infrared, len(visible) // max(1, len(known)))


def alternating_order(labels: Tensor, modality: Tensor) -> Tensor:
    """Positions (N,) that put a batch into IDKL's own order: by identity, and infrared, visible, infrared, ... inside one.

    Raises:
        ValueError: as ``modality_pairs``.

    Source: IDKL, released code (idkl.md section 2, grade: code).
    """
    pairs = modality_pairs(labels, modality)
    return torch.stack([pairs.infrared, pairs.visible], dim=1).flatten()


def _refusal(known: Tensor, counts: Tensor, rows: int) -> str:
    """What is wrong with a batch that cannot be paired: the first identity that stands out."""
    expected = "expected rows in pairs, as many visible as infrared ones of every identity and equally many of each identity"
    if int(counts.sum()) != rows:
        return f"{expected}; found a modality code other than {VISIBLE} and {INFRARED}"
    uneven = (counts[0] != counts[1]).nonzero()[:, 0].tolist()
    here = uneven[0] if uneven else int((counts[0] != counts[0, 0]).nonzero()[0, 0])
    visible, infrared = counts[:, here].tolist()
    other = "" if uneven else f", and {int(counts[0, 0])} and {int(counts[1, 0])} of identity {int(known[0])}"
    return f"{expected}; found {visible} visible and {infrared} infrared rows of identity {int(known[here])}{other}"
