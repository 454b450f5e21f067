"""The fixed targets of IDKL's confusion head: a modality label that says nothing."""

from __future__ import annotations

import torch
from torch import Tensor

from vireidkit.modality import INFRARED, VISIBLE


def confusion_targets(modality: Tensor, *, balanced: bool = True) -> Tensor:
    """Targets (N,) of 0 and 1, half and half inside each modality: whoever learns them can do no better than log 2.

    ``balanced=False`` is the released formula: take the first half of ``modality``, repeat each entry twice, rotate left by one. For
    rows that alternate infrared, visible, ... it gives 1, 0, 0, 1, 1, 0, 0, 1, ...; in any other order it degenerates, down to
    targets that are all equal for rows sorted by modality. The default gives the same in the alternating order, and in every
    order halves each modality: visible rows 0, 1, 0, 1, ... as they come, infrared rows 1, 0, 1, 0, ... (of an odd number the
    last gets 1).

    Args:
        modality: integer (N,), VISIBLE or INFRARED.

    Raises:
        ValueError: wrong shape, dtype or code; an odd N with ``balanced=False``.

    Source: IDKL, released code (idkl.md section 5.3, grade: code); the balanced form is ours.
    """
    if modality.ndim != 1 or modality.is_floating_point() or ((modality != VISIBLE) & (modality != INFRARED)).any():
        raise ValueError(f"expected modality (N,) of {VISIBLE} and {INFRARED}; found {tuple(modality.shape)} {modality.dtype}")
    if balanced:
        return _halved(modality)
    if len(modality) % 2:
        raise ValueError(f"the released formula takes half of the rows: expected an even number; found {len(modality)}")
    return modality[: len(modality) // 2].repeat_interleave(2).roll(-1)


def _halved(modality: Tensor) -> Tensor:
    """Alternating 0 and 1 inside each modality."""
    targets = torch.zeros_like(modality)
    for code in (VISIBLE, INFRARED):
        own = modality == code
        place = own.long().cumsum(0) - 1  # among the rows of this modality
        last = own & (place == own.sum() - 1) & (own.sum() % 2 == 1)
        value = (place + (code == INFRARED)) % 2
        targets = torch.where(own, torch.where(last, torch.ones_like(value), value).to(targets.dtype), targets)
    return targets
