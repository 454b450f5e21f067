"""Which regions of two pictures make their descriptors agree: the cosine, position by position."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vireidkit.analysis.attribution import SAME, embed_from, evaluating, gradient_of, pictures_of, scaled, stage_map
from vireidkit.analysis.neighbours import FloatMatrix
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method

SIDES = ("query", "gallery")


@dataclass(frozen=True, eq=False)
class SideMap:
    """One picture's share in the cosine with another: ``contributions.sum() + bias + residual`` is the cosine.

    Attributes:
        row: position in the store.
        contributions: (h, w) signed; what each position adds to the cosine.
        bias: what the descriptor would add with an empty map: the shift of a neck, or ways around the map.
        residual: what the first-order terms leave over; 0 for pooling of degree one, up to rounding and GeM's epsilon.
        exact: the descriptor is affine in the map (average pooling and a linear neck), so that every position adds what it says.
            Otherwise the contributions are first-order terms, gradient times activation at the map as it is.
    """

    row: int
    contributions: FloatMatrix
    bias: float
    residual: float
    exact: bool

    @property
    def shares(self) -> FloatMatrix:
        """The cosine shared out, (h, w): contributions with bias and residual spread evenly, so that they add up to the cosine.

        A batch-norm neck subtracts the mean feature of training; its shift, spread evenly, measures every position against that
        mean. Then above 0 speaks for a match more than an average picture would, and below 0 less.
        """
        return self.contributions + (self.bias + self.residual) / self.contributions.size

    @property
    def scaled(self) -> FloatMatrix:
        """What speaks for a match, (h, w) in 0..1: shares above 0 over the largest."""
        return scaled(self.shares)


@dataclass(frozen=True, eq=False)
class SimilarityMaps:
    """A query and a gallery picture, and where each of them takes their cosine from.

    Attributes:
        query, gallery: each picture's own decomposition of the same cosine, the other picture's descriptor held fixed.
        cosine: of the two descriptors, mirror images averaged where the method does.
        stage: whose map was decomposed.
    """

    query: SideMap
    gallery: SideMap
    cosine: float
    stage: str

    @property
    def kind(self) -> str:
        """What the numbers are: "exact" or "first order"."""
        return "exact" if self.query.exact and self.gallery.exact else "first order"


def similarity_maps(method: Method, store: Any, query_row: int, gallery_row: int, *, stage: str | None = None) -> SimilarityMaps:
    """Decompose the cosine of two descriptors over the positions of each picture's last map.

    With z (C, P) the map of one picture at P positions, d = g(z) its descriptor and u the other's descriptor of length 1,

        cos = u . d / |d|,     m_p = sum_c z_cp * d(u . g)/dz_cp / |d|,     bias = u . g(0) / |d|,

    |d| and u held fixed. For average pooling and a linear neck (batch norm in evaluation mode) g is affine, and m_p is exactly what
    position p adds: cos = sum_p m_p + bias. For other pooling m_p is the first-order term, gradient times activation at z. Generalised
    mean pooling is homogeneous of degree one, so its terms still add up to the same whole (Euler's theorem), but a position's
    share depends on the others. What is missing from the sum is kept as ``residual``; which of the two cases it is, is tested on
    the method itself (``exact``). Where a method averages an image and its mirror image, so do the maps.

    Works on every method through ``embed`` and ``stages_of``. Under the Euclidean metric too it is the cosine that is decomposed.

    Args:
        store: the pictures with their table; query_row, gallery_row: positions in it; stage: whose map; the last by default.

    Raises:
        SettingError: the method shows no map, or its descriptor does not come from that map.
        IndexError: a row that is not there. ValueError: a descriptor that is zero or not finite.

    Source: class activation maps for pairs, Stylianou et al., WACV 2019 (average pooling); gradient times activation for the rest
    is ours. Grade: paper for the exact case, ours for the first order.
    """
    with evaluating(method):
        sides = [_seen(method, store, row, stage) for row in (query_row, gallery_row)]
        query, gallery = (side.descriptor for side in sides)
        maps = [side.decomposed(method, other) for side, other in zip(sides, (gallery, query), strict=True)]
    return SimilarityMaps(maps[0], maps[1], float(_unit(query) @ _unit(gallery)), sides[0].stage)


def similarity_map_of(
    method: Method, store: Any, *, side: Literal["query", "gallery"] = "gallery", stage: str | None = None
) -> Callable[[int, int], FloatMatrix]:
    """``map_of(query_row, gallery_row)`` for browsers: what speaks for a match in one of the two pictures, (h, w) in 0..1.

    Raises:
        SettingError: another side.
    """
    if side not in SIDES:
        raise SettingError(f"side must be one of {', '.join(SIDES)}, found {side!r}")

    def map_of(query_row: int, gallery_row: int) -> FloatMatrix:
        found: SideMap = getattr(similarity_maps(method, store, query_row, gallery_row, stage=stage), side)
        return found.scaled

    return map_of


@dataclass(frozen=True, eq=False)
class _Side:
    """A picture, its mirror image where the method averages both, the map of each, and the descriptor."""

    row: int
    stage: str
    views: tuple[Tensor, ...]  # (1, 3, H, W) each
    codes: Tensor  # (1,)
    maps: tuple[Tensor, ...]  # (1, C, h, w) each
    factors: tuple[float, ...]
    descriptor: Tensor  # (D,), float64

    def decomposed(self, method: Method, other: Tensor) -> SideMap:
        """This picture's share in the cosine with the descriptor ``other`` (D,)."""
        direction = _unit(other)
        contributions, bias, exact = 0.0, 0.0, True
        for number, (image, found, factor) in enumerate(zip(self.views, self.maps, self.factors, strict=True)):
            own, empty, affine = _first_order(method, image, self.codes, self.stage, found, direction)
            contributions = contributions + factor * (own[:, ::-1] if number else own)  # the mirror image's map is turned back
            bias, exact = bias + factor * empty, exact and affine
        cosine = float(_unit(self.descriptor) @ direction)
        return SideMap(self.row, contributions, bias, cosine - float(contributions.sum()) - bias, exact)


def _seen(method: Method, store: Any, row: int, stage: str | None) -> _Side:
    """One picture as the method sees it. ``factors``: by how much the descriptor of a view counts in the final one of length 1."""
    image, codes = pictures_of(method, store, [row])
    views = (image, image.flip(-1)) if method.flip_average else (image,)
    maps = [stage_map(method, view, codes, stage) for view in views]
    with torch.no_grad():
        each = [method.embed(view, codes)[0].double() for view in views]
    lengths = [1.0 if method.metric == "euclidean" else float(one.norm()) for one in each]
    if not all(np.isfinite(float(one.norm())) and float(one.norm()) > 0 for one in each):
        raise ValueError(f"method {method.name!r} gives row {row} a descriptor that is zero or not finite: no cosine to decompose")
    descriptor = torch.stack([one / length for one, length in zip(each, lengths, strict=True)]).sum(0)
    factors = tuple(1 / (length * float(descriptor.norm())) for length in lengths)
    return _Side(row, maps[0][0], views, codes, tuple(found for _, found in maps), factors, descriptor)


def _first_order(
    method: Method, image: Tensor, codes: Tensor, stage: str, found: Tensor, direction: Tensor
) -> tuple[FloatMatrix, float, bool]:
    """Gradient times activation (h, w) of u . g at the map, u . g(0), and whether g is affine.

    Four copies of the picture go through the method at once: the map as it is, no map, and the map cut in two, each position in another
    ratio. Only of an affine g do the last two add up to the first two.
    """
    ratio = (0.618 * torch.arange(1, found[0, 0].numel() + 1, device=found.device) % 1).reshape(found.shape[2:]).to(found.dtype)
    copies = torch.cat([found, torch.zeros_like(found), found * ratio, found * (1 - ratio)]).requires_grad_()
    images, four = image.expand(4, *image.shape[1:]), codes.expand(4)
    wanted = stage_map(method, images, four, stage)[1]
    descriptors = embed_from(method, images, four, stage, wanted, copies).double()  # (4, D)
    gradient = gradient_of((descriptors[0] * direction).sum(), copies, method, stage)[0]
    own = (gradient.double() * found[0].double()).sum(0)  # (h, w)
    whole, empty, first, second = descriptors.detach()
    affine = (first + second - whole - empty).norm() <= 10 * SAME * (whole - empty).norm()
    return own.detach().cpu().numpy(), float(empty @ direction), bool(affine)


def _unit(descriptor: Tensor) -> Tensor:
    """The descriptor with length 1."""
    return F.normalize(descriptor, dim=0)
