"""Class semantic alignment (CSA) of IDKL: logits compared across the modalities and between the two branches."""

from __future__ import annotations

from typing import Literal

from torch import Tensor

from vireidkit.losses.divergence import symmetric_kl
from vireidkit.losses.inputs import attached_zero, checked_rows
from vireidkit.losses.pairing import modality_pairs


def slot_rows(logits: Tensor, per_identity: int) -> Tensor:
    """S(z): cut (n, C) logits into the identities' blocks of s rows and put them side by side, (s, P C).

    Row r holds the r-th sample of every identity, so that a softmax over it runs over identities and classes jointly.

    Args:
        logits: (n, C), identity-major. per_identity: s.

    Raises:
        ValueError: n is no multiple of s.

    Source: IDKL, released code (idkl.md section 5.6, grade: code).
    """
    if logits.ndim != 2 or per_identity < 1 or len(logits) % per_identity:
        raise ValueError(f"expected logits (n, C) with n a multiple of {per_identity}; found {tuple(logits.shape)}")
    return logits.unflatten(0, (-1, per_identity)).transpose(0, 1).flatten(1) if len(logits) else logits


def semantic_alignment(
    shared_logits: Tensor,
    specific_logits: Tensor,
    labels: Tensor,
    modality: Tensor,
    *,
    per: Literal["sample", "slot"] = "sample",
    intra: float = 1.0,
    inter: float = 0.8,
    detach_specific: bool = False,
) -> Tensor:
    """L_CSA = intra J(z_sh[V], z_sh[I]) + inter [J(z_sh[V], z_sp[V]) + J(z_sh[I], z_sp[I])], J being ``symmetric_kl``.

    ``per="sample"`` (CSA1) compares the rows of logits. ``per="slot"`` (CSA2) compares ``slot_rows`` of them: the softmax then runs
    over all identities' classes and the mean over s rows only, so that this term is large. Visible and infrared rows are paired by
    position: the same identity, otherwise arbitrary images (see ``modality_pairs``, which orders or refuses them).

    Args:
        shared_logits, specific_logits: (N, C). labels, modality: integer (N,).
        intra: weight across the modalities, inside the shared branch; inter: between the branches. 0 is not computed.
        detach_specific: let the specific logits teach only; in the released code both sides learn.

    Raises:
        ValueError: wrong shapes, rows that cannot be paired, an unknown ``per``.

    Source: IDKL, released code (idkl.md section 5.6, grade: code), where inter is 0.8 for batches of 120 and 0.3 for all others.
    """
    shared, specific = checked_rows(shared_logits, labels), checked_rows(specific_logits, labels)
    if per not in ("sample", "slot"):
        raise ValueError(f"per must be sample or slot; found {per!r}")
    specific = specific.detach() if detach_specific else specific
    *halves, size = modality_pairs(labels, modality)
    own, taught = (
        [slot_rows(logits[rows], size) if per == "slot" and size else logits[rows] for rows in halves] for logits in (shared, specific)
    )
    total = attached_zero(shared)
    if intra:
        total = total + intra * symmetric_kl(*own)
    if inter:
        total = total + inter * (symmetric_kl(own[0], taught[0]) + symmetric_kl(own[1], taught[1]))
    return total
