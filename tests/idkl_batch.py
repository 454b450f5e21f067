"""Batches for the tests of IDKL's losses: the kit's order, IDKL's own, and any other."""

from __future__ import annotations

import torch


def kit_order(identities: int, per_modality: int, *, people: tuple[int, ...] | None = None) -> tuple[torch.Tensor, torch.Tensor]:
    """Labels and modality: visible rows, then infrared, identity-major."""
    half = torch.tensor(people or tuple(range(identities)), dtype=torch.long).repeat_interleave(per_modality)
    return half.repeat(2), torch.tensor([0, 1]).repeat_interleave(len(half))


def rows(count: int, width: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def shuffled(count: int, seed: int = 0) -> torch.Tensor:
    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
