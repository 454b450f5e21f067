"""The non-local block of AGW: every position of a map is corrected by a sum over all positions."""

from __future__ import annotations

from torch import Tensor, nn

from vireidkit.nn.precision import at_least_float32, without_autocast


class NonLocal(nn.Module):
    """x + BN(W y) with y_i = sum_j (theta_i . phi_j / n) g_j over the n = h*w positions; no softmax.

    The batch norm starts with scale and bias zero, so a fresh block returns its input unchanged. theta, phi and g are 1x1
    convolutions to ``width`` channels. The released code arrives at a width of 1 by ``r // r``, most likely an unintended
    simplification of C/2; 1 is kept to match it and C/2 can be asked for.

    Because there is no softmax, the sum over j is done first, (phi^T g) / n, and costs n*width^2 instead of n^2*width.

    Source: AGW, released code (grade: code). Parameters at width 1: 7C + 3.
    """

    def __init__(self, channels: int, width: int = 1) -> None:
        super().__init__()
        self.theta = nn.Conv2d(channels, width, 1)
        self.phi = nn.Conv2d(channels, width, 1)
        self.g = nn.Conv2d(channels, width, 1)
        self.expand = nn.Conv2d(width, channels, 1)
        self.bn = nn.BatchNorm2d(channels)
        nn.init.zeros_(self.bn.weight)
        nn.init.zeros_(self.bn.bias)

    def forward(self, x: Tensor) -> Tensor:
        """A map (B, C, h, w) to a map of the same shape."""
        theta, phi, g = (at_least_float32(conv(x)).flatten(2) for conv in (self.theta, self.phi, self.g))  # (B, width, n)
        with without_autocast(x):
            # The mean over positions leaves float16's range on large maps, so it is taken in float32.
            summary = phi @ g.transpose(1, 2) / phi.shape[-1]  # (B, width, width)
            y = summary.transpose(1, 2) @ theta  # (B, width, n)
        return x + self.bn(self.expand(y.to(x.dtype).unflatten(2, x.shape[2:])))
