"""MDPR's heads: a batch-norm neck whose output is compared with one direction per identity."""

from __future__ import annotations

from typing import NamedTuple

import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.nn.clamped_gem import LearntGeM
from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.precision import at_least_float32, without_autocast


class CosineClassifier(IdentityClassifier):
    """Cosines between features and one vector per identity, which starts as N(0, 0.01); its length has no meaning.

    Source: MDPR, released code (mdpr.md sections 2.7 and 3.1, grade: code).
    """

    def reset_parameters(self) -> None:
        """Draw the vectors anew."""
        nn.init.normal_(self.weight, 0.0, 0.01)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, D) to cosines (N, C), in float32 or float64."""
        with without_autocast(features):
            return F.linear(F.normalize(at_least_float32(features), dim=1), F.normalize(self.weight, dim=1))


class Headed(NamedTuple):
    """What a head makes of pooled features: f (N, D), behind the neck, and cosines (N, C)."""

    feature: Tensor
    cosine: Tensor


class CosineHead(nn.Module):
    """Pooling, neck, classifier. ``pool`` runs on a process's own rows, the rest behind the row gather.

    The neck's scale is learnt and starts at 1, its shift stays 0.

    Args:
        channels: D. num_identities: C. pooled: whether the head pools a map; the heads of attended vectors do not.

    Source: MDPR, released code (mdpr.md section 2.1, grade: code): 385,537 parameters for D = 512, C = 751.
    """

    def __init__(self, channels: int, num_identities: int, *, pooled: bool = True) -> None:
        super().__init__()
        self.pool = LearntGeM() if pooled else nn.Identity()
        self.neck = BNNeck(channels, deviation=0.0)
        self.classifier = CosineClassifier(channels, num_identities)

    def forward(self, pooled: Tensor) -> Headed:
        """Pooled features (N, D) to the feature behind the neck and its cosines."""
        feature = self.neck(pooled)
        return Headed(feature, self.classifier(feature))


class Predictor(nn.Sequential):
    """Guesses one branch's feature from the other's: linear without bias, batch norm, ReLU, linear; D to D, torch's initial values.

    Attributes:
        sees_whole_batch: it stands behind ``Method.gather``, so its statistics are already those of all processes.

    Source: MDPR, released code (mdpr.md section 2.6, grade: code): 525,824 parameters for D = 512.
    """

    sees_whole_batch = True

    def __init__(self, channels: int) -> None:
        super().__init__(
            nn.Linear(channels, channels, bias=False), nn.BatchNorm1d(channels), nn.ReLU(inplace=True), nn.Linear(channels, channels)
        )

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to (N, D), in float32 or float64."""
        with without_autocast(features):
            return super().forward(at_least_float32(features))
