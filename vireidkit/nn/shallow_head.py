"""A classifier on a map from the middle of a network, which learns beside the deepest one."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.osnet import NormalisedConv


class ShallowHead(nn.Module):
    """map -> 1x1 convolution, batch norm, ReLU -> pool -> e -> neck -> classifier -> logits.

    ``features`` stands before ``Method.gather``, neck and classifier behind it.

    Args:
        channels: of the map. width: of e. num_identities: C. pool: a map to features, such as ``GeM``; it has no parameters.

    Source: after Zhang et al., ICCV 2019, and the heads of the baseline (lightos.md section 5, grade: reconstruction).
    """

    def __init__(self, channels: int, width: int, num_identities: int, pool: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self.adapter = NormalisedConv(channels, width)
        self.pool = pool
        self.neck = BNNeck(width)
        self.classifier = IdentityClassifier(width, num_identities)

    def features(self, x: Tensor) -> Tensor:
        """e (B, width) of a map (B, channels, h, w)."""
        return self.pool(self.adapter(x))

    def forward(self, features: Tensor) -> Tensor:
        """Logits (N, C) of e (N, width)."""
        return self.classifier(self.neck(features))
