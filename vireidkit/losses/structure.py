"""Triplet graph structure alignment (TGSA) of IDKL: rows of distances, compared as distributions."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor

from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.divergence import symmetric_kl
from vireidkit.losses.inputs import attached_zero, checked_rows
from vireidkit.losses.pairing import modality_pairs

SHORTEST = 1e-3  # the square root of the released code's 1e-6
CrossLayout = Literal["positional", "aligned"]


def graph_rows(features: Tensor, others: Tensor | None = None) -> Tensor:
    """R(u): distances sqrt(max(|u_i - u_j|^2, 1e-6)) from each row to all others, (n, n - 1), the diagonal left out.

    Args:
        features: (n, D), not normalised. others: (n, D), measure to these rows instead; row i is still left out of line i.

    Raises:
        ValueError: not matrices of one shape.

    Source: IDKL, released code (idkl.md section 5.5, grade: code); ``others`` is ours.
    """
    if others is not None and others.shape != features.shape:
        raise ValueError(f"expected two matrices (n, D) of one shape; found {tuple(features.shape)} and {tuple(others.shape)}")
    distance = pairwise_distance(features, others).clamp(min=SHORTEST)  # (n, n)
    n = len(distance)
    # Behind the first entry the diagonal stands at the end of every n + 1 entries.
    return distance.flatten()[1:].view(n - 1, n + 1)[:, :-1].reshape(n, n - 1) if n else distance


def cross_graph_rows(visible: Tensor, infrared: Tensor, *, layout: CrossLayout = "positional") -> Tensor:
    """S_X (n, n - 1): distances across the modalities.

    "positional" is the released form: R of the first half of the visible rows followed by the first half of the infrared rows,
    so that only a quarter of its entries stand for the same identities as in the visible and infrared graphs. "aligned" is ours:
    from visible row i to the infrared rows j other than i, every entry at its place.

    Args:
        visible, infrared: (n, D), row j of both the same identity.

    Raises:
        ValueError: shapes differ, an unknown layout, or "positional" with an odd n.

    Source: IDKL, released code (idkl.md section 5.5, grade: code); "aligned" is ours.
    """
    if visible.ndim != 2 or visible.shape != infrared.shape:
        raise ValueError(f"expected visible and infrared rows (n, D); found {tuple(visible.shape)} and {tuple(infrared.shape)}")
    if layout == "aligned":
        return graph_rows(visible, infrared)
    if layout != "positional":
        raise ValueError(f"layout must be positional or aligned; found {layout!r}")
    half, odd = divmod(len(visible), 2)
    if odd:
        raise ValueError(f"the positional cross graph takes half of the rows of a modality: expected an even number; found {len(visible)}")
    return graph_rows(torch.cat([visible[:half], infrared[:half]]))


def structure_alignment(
    shared: Tensor,
    specific: Tensor,
    labels: Tensor,
    modality: Tensor,
    *,
    intra: float = 1.0,
    inter: float = 0.6,
    cross: bool = True,
    cross_layout: CrossLayout = "positional",
    sign: int = 1,
    detach_specific: bool = False,
) -> Tensor:
    """L_TGSA = intra [J(S_V, S_I) + J(S_V, S_X) + J(S_X, S_I)] + inter [J(S_V, T_V) + J(S_I, T_I)].

    S and T are the distance graphs of shared and specific features; V, I and X: of visible rows, of infrared rows, and across. J is
    ``symmetric_kl``; its softmax runs over plus the distance, so far pairs get the large probabilities (``sign=-1``: near ones).
    Rows are compared by position (see ``modality_pairs``, which orders or refuses them).

    Args:
        shared, specific: (N, D) and (N, D'), before the necks, not normalised. labels, modality: integer (N,).
        intra: weight of the terms inside the shared space; inter: of those between the two spaces. 0 is not computed.
        cross: False drops the cross graph. cross_layout: see ``cross_graph_rows``.
        detach_specific: let the specific features teach only; in the released code both sides learn.

    Raises:
        ValueError: wrong shapes, rows that cannot be paired, a sign other than 1 and -1.

    Source: IDKL, released code (idkl.md 5.5, grade: code): 1 and 0.6 with cross for batches of 120, else 0.1 and 0.1 without.
    """
    shared, specific = checked_rows(shared, labels), checked_rows(specific, labels)
    if sign not in (1, -1):
        raise ValueError(f"sign must be 1 (far pairs weigh most) or -1 (near pairs); found {sign}")
    specific = specific.detach() if detach_specific else specific
    halves = modality_pairs(labels, modality)[:2]
    own, total = [sign * graph_rows(shared[rows]) for rows in halves], attached_zero(shared)  # S_V, S_I
    if intra:
        total = total + intra * symmetric_kl(*own)
    if intra and cross:
        across = sign * cross_graph_rows(*(shared[rows] for rows in halves), layout=cross_layout)
        total = total + intra * (symmetric_kl(own[0], across) + symmetric_kl(across, own[1]))
    if inter:
        taught = [sign * graph_rows(specific[rows]) for rows in halves]  # T_V, T_I
        total = total + inter * (symmetric_kl(own[0], taught[0]) + symmetric_kl(own[1], taught[1]))
    return total
