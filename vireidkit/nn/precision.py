"""Full precision for the few steps that need it while the rest runs in half precision."""

from __future__ import annotations

import torch
from torch import Tensor


def at_least_float32(x: Tensor) -> Tensor:
    """Half precision as float32; float32 and float64 as they are."""
    return x.float() if x.dtype in (torch.float16, torch.bfloat16) else x


def without_autocast(x: Tensor) -> torch.autocast:
    """A context in which operations on ``x``'s device keep the dtype of their inputs."""
    return torch.autocast(x.device.type, enabled=False)
