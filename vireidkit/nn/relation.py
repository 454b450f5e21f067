"""LightOS's relation block: what each stripe of the body shows, corrected by what the rest of it shows."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.nn.precision import at_least_float32, without_autocast


class NormalisedLinear(nn.Module):
    """ReLU(BN(W x)) of features (..., inputs); the rows of all leading dimensions make one batch for the norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs, bias=False)
        nn.init.kaiming_normal_(self.linear.weight, mode="fan_out", nonlinearity="relu")
        self.bn = nn.BatchNorm1d(outputs)

    def forward(self, x: Tensor) -> Tensor:
        """(..., inputs) to (..., outputs)."""
        return F.relu(self.bn(self.linear(x.flatten(0, -2)))).unflatten(0, x.shape[:-1])


class OneVersusRest(nn.Module):
    """Part features g from local features l and the rest of the body r, with the same weights for every part.

        a = ReLU(BN(U l))     b = ReLU(BN(V r))     g = a + ReLU(BN(R [a ; b]))

    Args:
        channels: D. width: d. relate: False leaves out V and R: g = a, which are the same a as with them.

    Attributes:
        sees_whole_batch: it stands behind ``Method.gather``, so its statistics are already those of all processes.

    Source: after Park and Ham, AAAI 2020 (RRID), with weights shared by the parts to stay light (lightos.md section 6, grade:
    reconstruction). 394,752 parameters at D = 512, d = 256.
    """

    sees_whole_batch = True

    def __init__(self, channels: int, width: int, *, relate: bool = True) -> None:
        super().__init__()
        self.own = NormalisedLinear(channels, width)
        # Drawn even where they are dropped, so that the switch changes no initial weight of what is built next.
        self.rest = NormalisedLinear(channels, width)
        self.pair = NormalisedLinear(2 * width, width)
        self.relate = relate
        if not relate:
            del self.rest, self.pair

    def forward(self, local: Tensor, rest: Tensor) -> Tensor:
        """l and r, (N, G, D) each, to g (N, G, d), in float32 or float64."""
        with without_autocast(local):
            own = self.own(at_least_float32(local))
            if not self.relate:
                return own
            return own + self.pair(torch.cat([own, self.rest(at_least_float32(rest))], dim=-1))


class PartAttention(nn.Module):
    """The other reading: every part weighs all parts of all granularities by single-head self-attention.

        a = ReLU(BN(U l))     b = softmax((Q a)(K a)' / sqrt(d)) (V a)     g = a + ReLU(BN(R [a ; b]))

    Args:
        channels: D. width: d.

    Attributes:
        sees_whole_batch: see ``OneVersusRest``.

    Source: lightos.md section 6, variant B (grade: reconstruction; the form is ours).
    """

    sees_whole_batch = True

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.own = NormalisedLinear(channels, width)
        self.query, self.key, self.value = (nn.Linear(width, width, bias=False) for _ in range(3))
        for layer in (self.query, self.key, self.value):
            nn.init.xavier_normal_(layer.weight)
        self.pair = NormalisedLinear(2 * width, width)

    def forward(self, local: Tensor) -> Tensor:
        """l (N, P, D) to g (N, P, d), in float32 or float64."""
        with without_autocast(local):
            own = self.own(at_least_float32(local))
            mixed = self.attention(own) @ self.value(own)
            return own + self.pair(torch.cat([own, mixed], dim=-1))

    def attention(self, own: Tensor) -> Tensor:
        """How much each part (row) looks at each (column): a (N, P, d) to (N, P, P), rows of sum 1."""
        return (self.query(own) @ self.key(own).mT / own.shape[-1] ** 0.5).softmax(dim=-1)
