"""MDPR's fusion: the maps of both branches merged, step by step, into one."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from vireidkit.nn.resnet import convolution


class FuseBlock(nn.Module):
    """Mixes C channels: a 1x1, then at once a 3x3 convolution, batch norm, ReLU; 10 C^2 + 2 C parameters.

    Source: MDPR, released code (mdpr.md section 2.1, grade: code).
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = convolution(channels, channels, 1)
        self.conv = convolution(channels, channels, 3)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to the same shape."""
        return self.relu(self.bn(self.conv(self.mix(x))))


class BranchFusion(nn.Module):
    """The stripes stacked back and the whole map (hard), the maps of both depths (soft), then hard and soft: (B, 4 E, h, w).

        M = Fuse(stack of S_i);   Q_h = Fuse([M, G_h]);   Q_s = Fuse([G_4, G_3]);   Q = Fuse([Q_h, Q_s])

    Source: MDPR, released code (mdpr.md section 2.5, grade: code): 65,545,216 parameters for E = 512.
    """

    def __init__(self, embedding: int) -> None:
        super().__init__()
        self.stripes = FuseBlock(embedding)
        self.hard = FuseBlock(2 * embedding)
        self.soft = FuseBlock(2 * embedding)
        self.both = FuseBlock(4 * embedding)

    def forward(self, stripes: list[Tensor], whole: Tensor, deep: Tensor, shallow: Tensor) -> Tensor:
        """S_i, G_h, G_4, G_3 with E channels each to Q."""
        stacked = self.stripes(torch.cat(stripes, dim=2))
        hard = self.hard(torch.cat([stacked, whole], dim=1))
        soft = self.soft(torch.cat([deep, shallow], dim=1))
        return self.both(torch.cat([hard, soft], dim=1))
