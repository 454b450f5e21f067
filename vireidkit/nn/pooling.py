"""Pooling of a map to one vector an image, never below float32."""

from __future__ import annotations

from torch import Tensor, nn

from vireidkit.errors import SettingError
from vireidkit.nn.precision import at_least_float32, without_autocast


class GeM(nn.Module):
    """Generalised mean: f_c = (mean over h, w of x_c^p + 1e-12)^(1/p). p = 1 is the average, large p nears the maximum.

    For maps of values >= 0, as they come from a ReLU; a dead channel gives 1e-4 at p = 3. p is fixed at 3, as in AGW's
    released code, although the paper describes it as learnt.

    Source: AGW, released code (grade: code); Radenovic et al., TPAMI 2019.
    """

    def __init__(self, p: float = 3.0, eps: float = 1e-12) -> None:
        super().__init__()
        if not p > 0:
            raise SettingError(f"GeM needs an exponent above 0; found {p}")
        self.p = p
        self.eps = eps

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, D, h, w) of values >= 0 to features (B, D), float32 or float64."""
        with without_autocast(x):
            return (at_least_float32(x).pow(self.p).mean(dim=(2, 3)) + self.eps).pow(1 / self.p)

    def extra_repr(self) -> str:
        return f"p={self.p}, eps={self.eps}"


class AveragePool(nn.Module):
    """The plain mean over positions."""

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, D, h, w) to features (B, D), float32 or float64."""
        with without_autocast(x):
            return at_least_float32(x).mean(dim=(2, 3))
