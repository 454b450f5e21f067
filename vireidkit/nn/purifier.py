"""IDKL's purifier: instance normalisation takes the style of a modality off a map, and two learned masks decide how much of it."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.nn.precision import at_least_float32, without_autocast


class Purified(NamedTuple):
    """The maps of a purifier, all (B, D, h, w), in the spec's terms F_IN, F_p, F_IN_p, X_sp, M_IN, M_F."""

    normalised: Tensor
    purified: Tensor
    purified_normalised: Tensor
    fused: Tensor
    mask_normalised: Tensor
    mask: Tensor


class InstanceNorm(nn.Module):
    """Instance normalisation of maps (B, D, h, w) with scale, bias and running statistics, under torch's names.

    In training every image and channel is normalised by its own mean and variance over h, w; in evaluation by the running ones.
    Unlike torch's ``nn.InstanceNorm2d``, forward changes no buffer: ``track`` does, with the statistics of all processes' images,
    so that buffers are the same everywhere.

    Source: IDKL, released code: affine, running statistics with momentum 0.1, eps 1e-5 (idkl.md section 3.3, grade: code).
    """

    def __init__(self, channels: int, *, eps: float = 1e-5, momentum: float = 0.1) -> None:
        super().__init__()
        self.eps = eps
        self.momentum = momentum
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.register_buffer("running_mean", torch.zeros(channels))
        self.register_buffer("running_var", torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        """(B, D, h, w) to (B, D, h, w); computed in float32 or float64, returned in the dtype of ``x``."""
        running = (None, None) if self.training else (self.running_mean, self.running_var)
        with without_autocast(x):
            out = F.instance_norm(at_least_float32(x), *running, self.weight, self.bias, self.training, self.momentum, self.eps)
        return out.to(x.dtype)

    @staticmethod
    @torch.no_grad()
    def statistics(x: Tensor) -> Tensor:
        """Mean and unbiased variance of every image and channel, (B, 2 D): what ``track`` wants."""
        variance, mean = torch.var_mean(at_least_float32(x), dim=(2, 3), correction=1)
        return torch.cat([mean, variance], dim=1)

    @torch.no_grad()
    def track(self, statistics: Tensor) -> None:
        """Move the running statistics towards the mean of these (N, 2 D) of a batch."""
        mean, variance = statistics.mean(dim=0).chunk(2)
        self.running_mean.lerp_(mean.to(self.running_mean.dtype), self.momentum)
        self.running_var.lerp_(variance.to(self.running_var.dtype), self.momentum)


class Purifier(nn.Module):
    """Masks on a map F (B, D, h, w) and on its instance-normalised twin, and their cross-gated fusion.

        F_IN = IN(F)         M_IN = mask1(F_IN)      F_IN_p = M_IN F_IN
                             M_F  = mask2(F)         F_p    = M_F F
        X_sp = M_IN F_p + M_F F_IN_p,   which is   M_IN M_F (F + F_IN)

    A mask is sigmoid(W2 ReLU(W1 x)) of 1x1 convolutions without bias and without pooling: one gate per channel and position.

    Args:
        channels: D. reduction: D over the masks' inner channels (2048 to 128 as published).

    Source: IDKL, released code (idkl.md section 3.3, grade: code).
    """

    def __init__(self, channels: int, *, reduction: int = 16) -> None:
        super().__init__()
        self.norm = InstanceNorm(channels)
        self.mask_normalised = _mask(channels, reduction)
        self.mask = _mask(channels, reduction)

    def forward(self, x: Tensor) -> Purified:
        """F (B, D, h, w) to all maps of the purifier."""
        normalised = self.norm(x)
        gate_normalised, gate = self.mask_normalised(normalised), self.mask(x)
        purified, purified_normalised = gate * x, gate_normalised * normalised
        fused = gate_normalised * purified + gate * purified_normalised
        return Purified(normalised, purified, purified_normalised, fused, gate_normalised, gate)


def _mask(channels: int, reduction: int) -> nn.Sequential:
    """Gates in (0, 1), one per channel and position."""
    inner = max(1, channels // reduction)
    return nn.Sequential(
        nn.Conv2d(channels, inner, 1, bias=False), nn.ReLU(inplace=True), nn.Conv2d(inner, channels, 1, bias=False), nn.Sigmoid()
    )
