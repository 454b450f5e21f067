"""The batch-norm neck between the feature of the metric losses and the classifier, and the classifier."""

from __future__ import annotations

from torch import Tensor, nn

from vireidkit.nn.precision import at_least_float32, without_autocast


class BNNeck(nn.BatchNorm1d):
    """Batch norm over features (N, D) whose bias is frozen at 0, computed in float32 or float64.

    The metric losses see the feature before it, the classifier and the test the feature behind it.

    Args:
        channels: D.
        deviation: standard deviation of the initial scale around 1 (AGW: 0.01).

    Attributes:
        sees_whole_batch: the neck stands behind ``Method.gather``, so its statistics are already those of all processes.

    Source: Luo et al., CVPR Workshops 2019; initialisation of AGW's released code (grade: code).
    """

    sees_whole_batch = True

    def __init__(self, channels: int, *, deviation: float = 0.01) -> None:
        super().__init__(channels)
        nn.init.normal_(self.weight, 1.0, deviation)
        self.bias.requires_grad_(False)

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to (N, D)."""
        with without_autocast(features):
            return super().forward(at_least_float32(features))


class IdentityClassifier(nn.Linear):
    """Logits of the training identities: a linear layer without bias, initialised N(0, 0.001), in float32 or float64.

    Source: AGW, released code (grade: code).
    """

    def __init__(self, channels: int, num_identities: int) -> None:
        super().__init__(channels, num_identities, bias=False)

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.init.normal_(self.weight, 0.0, 0.001)

    def forward(self, features: Tensor) -> Tensor:
        """Features (N, D) to logits (N, C)."""
        with without_autocast(features):
            return super().forward(at_least_float32(features))
