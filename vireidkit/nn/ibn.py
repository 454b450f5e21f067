"""IBN-a: a norm whose first half of the channels forgets the style of each image, and whose second half is batch norm."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vireidkit.nn.precision import at_least_float32, without_autocast


class IBN(nn.Module):
    """Instance norm with scale and shift on the first ``channels // 2`` channels, batch norm on the others.

    As many parameters as a batch norm. State-dict names ("IN", "BN") are the authors'.

    Source: Pan et al., ECCV 2018; as MDPR's released code has it (mdpr.md section 2.2, grade: code).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.half = channels // 2
        self.IN = nn.InstanceNorm2d(self.half, affine=True)
        self.BN = nn.BatchNorm2d(channels - self.half)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape and dtype; the instance half is computed in float32 or float64."""
        first, second = x.split([self.half, x.shape[1] - self.half], dim=1)
        with without_autocast(x):
            styled = self.IN(at_least_float32(first))
        return torch.cat([styled.to(x.dtype), self.BN(second)], dim=1)
