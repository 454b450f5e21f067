"""MDPR's two views of a map: equal stripes (hard), and maps of attention on two depths, the deep guiding the shallow (soft)."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.errors import SettingError
from vireidkit.nn.clamped_gem import LearntGeM
from vireidkit.nn.osnet import NormalisedConv
from vireidkit.nn.precision import at_least_float32, without_autocast
from vireidkit.nn.resnet import convolution


def chunked_stripes(x: Tensor, count: int) -> list[Tensor]:
    """A map (B, C, H, w) cut into ``count`` pieces of ceil(H / count) rows, the last of what is left: stacked they are the map again.

    ``stripe_bounds`` cuts otherwise where ``count`` does not divide H: there neighbours share rows.

    Raises:
        SettingError: so few rows that the last pieces would be empty.

    Source: MDPR, released code (mdpr.md section 2.3, grade: code).
    """
    pieces = list(x.chunk(count, dim=2))
    if len(pieces) != count:
        raise SettingError(
            f"a map of {x.shape[2]} rows falls into {len(pieces)} stripes, not {count}: use fewer stripes (best a divisor of "
            f"{x.shape[2]}) or taller images"
        )
    return pieces


class HardMaps(NamedTuple):
    """G_h (B, E, h, w), and the stripes S_i (B, E, about h / P, w)."""

    whole: Tensor
    stripes: list[Tensor]


class HardView(nn.Module):
    """A map H (B, C, h, w), whole and in stripes, each projected to E channels by weights of its own.

    Args:
        channels: C. embedding: E. stripes: P.

    Source: MDPR, released code (mdpr.md section 2.3, grade: code).
    """

    def __init__(self, channels: int, embedding: int, *, stripes: int) -> None:
        super().__init__()
        self.whole = NormalisedConv(channels, embedding)
        self.stripes = nn.ModuleList(NormalisedConv(channels, embedding) for _ in range(stripes))

    def forward(self, x: Tensor) -> HardMaps:
        """H to its projections."""
        pieces = chunked_stripes(x, len(self.stripes))
        return HardMaps(self.whole(x), [project(piece) for project, piece in zip(self.stripes, pieces, strict=True)])


class AttentionLogits(nn.Module):
    """Logits of K foreground maps and the background, never negative: a 1x1 and a 3x3 convolution, added; batch norm; ReLU.

    So no map can be pushed below e^0 before the softmax.

    Source: MDPR, released code (mdpr.md sections 2.1 and 9.1, grade: code): 61,446 parameters for C = 2048, K = 2.
    """

    def __init__(self, channels: int, maps: int) -> None:
        super().__init__()
        self.point = convolution(channels, maps + 1, 1)
        self.around = convolution(channels, maps + 1, 3)
        self.bn = nn.BatchNorm2d(maps + 1)

    def forward(self, x: Tensor) -> Tensor:
        """(B, C, h, w) to (B, K + 1, h, w), the background last."""
        return F.relu(self.bn(self.point(x) + self.around(x)))

    def narrowed(self, channels: int) -> AttentionLogits:
        """This module for the first ``channels`` of its input alone, with the weights that it has for them."""
        for conv in (self.point, self.around):
            conv.weight = nn.Parameter(conv.weight.detach()[:, :channels].clone())
            conv.in_channels = channels
        return self


def foreground(logits: Tensor) -> Tensor:
    """The first K channels of the softmax over the K + 1 channels of each position, (B, K, h, w): what is left to 1 is background."""
    with without_autocast(logits):
        return at_least_float32(logits).softmax(dim=1)[:, :-1]


class AttendedPool(nn.Module):
    """What K maps attend to: multiply the features by a map, project to E channels by the map's own weights, GeM with one p for all.

    Source: MDPR, released code (mdpr.md section 2.4, grade: code): 2,099,201 parameters for C = 2048, E = 512, K = 2.
    """

    def __init__(self, channels: int, embedding: int, maps: int) -> None:
        super().__init__()
        self.project = nn.ModuleList(NormalisedConv(channels, embedding) for _ in range(maps))
        self.pool = LearntGeM()

    def forward(self, x: Tensor, maps: Tensor) -> Tensor:
        """Features (B, C, h, w) and maps (B, K, h, w) to vectors (B, K, E)."""
        attended = (maps[:, [index]].to(x.dtype) * x for index in range(len(self.project)))
        return torch.stack([self.pool(project(part)) for project, part in zip(self.project, attended, strict=True)], dim=1)


class SoftMaps(NamedTuple):
    """Maps G_4, G_3 (B, E, h, w), attention A_4, A_3 (B, K, h, w), attended vectors v_4, v_3 (B, K, E); None where none was asked for."""

    deep: Tensor
    shallow: Tensor
    attention_deep: Tensor | None = None
    attention_shallow: Tensor | None = None
    attended_deep: Tensor | None = None
    attended_shallow: Tensor | None = None


class SoftView(nn.Module):
    """Attention on the maps X3 and X4 of stages 3 and 4, guided from the deep to the shallow.

        X4 -> logits Z4 -> softmax, background off -> A4;   v4_k = GeM(Proj_k(A4_k X4));   G4 = Proj(X4)
        U = ReLU(conv 1x1 (Z4)),  [X3, U] -> logits Z3 -> A3;   Y3 = Proj(X3);   v3_k = GeM(Proj_k(A3_k Y3));   G3 = Proj(Y3)

    The guidance takes Z4 before the softmax, background included; the shallow logits see the raw X3, pooling and G3 the projected Y3.
    Nothing is detached.

    Args:
        shallow, deep: channels of X3 and X4. embedding: E. maps: K. guidance: without it the shallow logits see X3 alone.

    Source: MDPR, released code (mdpr.md section 2.4, grade: code).
    """

    def __init__(self, shallow: int, deep: int, embedding: int, *, maps: int, guidance: bool = True) -> None:
        super().__init__()
        self.deep = NormalisedConv(deep, embedding)
        self.deep_logits = AttentionLogits(deep, maps)
        self.deep_pool = AttendedPool(deep, embedding, maps)
        self.refine = NormalisedConv(shallow, shallow)
        self.shallow = NormalisedConv(shallow, embedding)
        self.shallow_pool = AttendedPool(shallow, embedding, maps)
        # Drawn in full, so that the switch changes no other initial weight.
        self.guidance: nn.Module | None = convolution(maps + 1, maps + 1, 1)
        self.shallow_logits = AttentionLogits(shallow + maps + 1, maps)
        if not guidance:
            self.guidance, self.shallow_logits = None, self.shallow_logits.narrowed(shallow)

    def forward(self, shallow: Tensor, deep: Tensor, *, attend: bool = True) -> SoftMaps:
        """X3 and X4 to all that the branch hands on; without ``attend`` to G_4 and G_3 alone, which do not depend on the attention."""
        refined = self.refine(shallow)
        maps = SoftMaps(self.deep(deep), self.shallow(refined))
        if not attend:
            return maps
        deep_logits = self.deep_logits(deep)
        seen = shallow if self.guidance is None else torch.cat([shallow, self._guide(deep_logits, shallow)], dim=1)
        attention_deep, attention_shallow = foreground(deep_logits), foreground(self.shallow_logits(seen))
        return maps._replace(
            attention_deep=attention_deep,
            attention_shallow=attention_shallow,
            attended_deep=self.deep_pool(deep, attention_deep),
            attended_shallow=self.shallow_pool(refined, attention_shallow),
        )

    def _guide(self, logits: Tensor, shallow: Tensor) -> Tensor:
        """U, in the size of the shallow map; with a last stride of 1 both maps have it already."""
        if logits.shape[2:] != shallow.shape[2:]:
            logits = F.interpolate(logits, shallow.shape[2:], mode="bilinear", align_corners=True)
        return F.relu(self.guidance(logits)).to(shallow.dtype)
