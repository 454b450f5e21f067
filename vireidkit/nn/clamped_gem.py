"""Generalised-mean pooling for maps that may be negative."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vireidkit.nn.pooling import GeM
from vireidkit.nn.precision import at_least_float32, without_autocast


class ClampedGeM(GeM):
    """f_c = (mean over h, w of max(x_c, eps)^p)^(1/p): negative values count as eps, so of instance-normalised maps half is not seen.

    Source: IDKL, released code: p = 3 fixed, eps = 1e-6 (idkl.md section 3.2, grade: code).
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__(p, eps)

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, D, h, w) to features (B, D), float32 or float64, never below eps."""
        with without_autocast(x):
            return at_least_float32(x).clamp(min=self.eps).pow(self.p).mean(dim=(2, 3)).pow(1 / self.p)


class LearntGeM(ClampedGeM):
    """``ClampedGeM`` whose exponent p is learnt, one for all channels.

    Source: MDPR, released code (mdpr.md section 2.1, grade: code): p = 3 at first, eps = 1e-6.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-6) -> None:
        super().__init__(p, eps)
        self.p = nn.Parameter(torch.tensor(float(p)))

    def extra_repr(self) -> str:
        return f"p={float(self.p.detach()):.4g} (learnt), eps={self.eps}"
