"""Heads of IDKL that stand behind the row gather: the modality discriminator and a classifier with torch's own initialisation."""

from __future__ import annotations

from torch import Tensor, nn

from vireidkit.nn.neck import IdentityClassifier
from vireidkit.nn.precision import at_least_float32, without_autocast


class ModalityDiscriminator(nn.Module):
    """Features (N, D) to two modality logits (N, 2): twice linear, batch norm, ReLU and dropout, then linear.

    Args:
        channels: D. width: hidden units. dropout: probability.

    Attributes:
        sees_whole_batch: it stands behind ``Method.gather``, so its statistics are already those of all processes.

    Source: IDKL, released code (idkl.md section 3.4, grade: code): width 100, 215,602 parameters at D = 2048.
    """

    sees_whole_batch = True

    def __init__(self, channels: int, *, width: int = 100, dropout: float = 0.5) -> None:
        super().__init__()
        self.layers = nn.Sequential(*self._hidden(channels, width, dropout), *self._hidden(width, width, dropout), nn.Linear(width, 2))

    @staticmethod
    def _hidden(inputs: int, width: int, dropout: float) -> list[nn.Module]:
        return [nn.Linear(inputs, width), nn.BatchNorm1d(width), nn.ReLU(inplace=True), nn.Dropout(dropout)]

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to (N, 2), in float32 or float64."""
        with without_autocast(features):
            return self.layers(at_least_float32(features))


class UniformClassifier(IdentityClassifier):
    """``IdentityClassifier`` with torch's initialisation of linear layers, U(-1/sqrt(D), 1/sqrt(D)).

    Source: IDKL, released code (idkl.md section 3.2, grade: code).
    """

    def reset_parameters(self) -> None:
        """Draw the weights anew."""
        nn.Linear.reset_parameters(self)
