"""What every loss does with its inputs: check them, and compute in float32 at least."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def checked_rows(features: Tensor, labels: Tensor, *, name: str = "labels") -> Tensor:
    """``features`` (N, D) in float32 or float64, once they are known to fit ``labels`` (N,).

    Raises:
        ValueError: wrong shape or dtype; the message says what was expected.
    """
    if features.ndim != 2 or not features.is_floating_point():
        raise ValueError(f"expected features (N, D) of a floating dtype; found {tuple(features.shape)} {features.dtype}")
    if labels.shape != features.shape[:1] or labels.is_floating_point():
        expected = f"{name} ({len(features)},) of an integer dtype"
        raise ValueError(f"expected {expected}, one for each row of features; found {tuple(labels.shape)} {labels.dtype}")
    return at_least_float32(features)


def attached_zero(features: Tensor) -> Tensor:
    """A scalar zero through which gradients (all zero) reach ``features``: the loss of a batch that has nothing to compare."""
    return (features * 0).sum()
