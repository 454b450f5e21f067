"""Ranking scores: CMC, average precision and inverse negative penalty of a distance matrix."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

from vireidkit.evaluation.ranking import Codes, count_places, sort_places

CMC_KINDS = ("identity", "image")
AP_KINDS = ("plain", "trapezoid")
TIE_RULE = "stable sort: equal distances keep the order of the gallery"
BLOCK_ENTRIES = 1 << 21  # entries of the distance matrix that are checked at once


@dataclass(frozen=True, eq=False)
class RankMetrics:
    """What a ranking of the gallery says about every query, and its averages over the valid ones.

    A query is valid when the gallery, after the exclusion, holds at least one image of its identity. All shares are fractions 0-1.

    Attributes:
        cmc: float64 (max_rank,), share of valid queries whose rank is at most 1, 2, ..., max_rank; NaN without a valid query.
        map: mean of ``ap`` over valid queries; NaN without one.
        minp: mean of ``inp`` over valid queries; NaN without one.
        valid_queries: how many queries are valid.
        ap: float64 (Q,), average precision, NaN where invalid.
        inp: float64 (Q,), inverse negative penalty, NaN where invalid.
        first_hit: int64 (Q,), 1-based place of the first match in the list of images, -1 where invalid.
        rank: int64 (Q,), 1-based rank that the CMC counts: equal to ``first_hit`` for the image CMC, the place among distinct
            identities for the identity CMC; -1 where invalid.
    """

    cmc: np.ndarray
    map: float
    minp: float
    valid_queries: int
    ap: np.ndarray
    inp: np.ndarray
    first_hit: np.ndarray
    rank: np.ndarray


def rank_metrics(
    distance: Tensor | np.ndarray,
    query_ids: Sequence[Any] | Tensor | np.ndarray,
    gallery_ids: Sequence[Any] | Tensor | np.ndarray,
    *,
    excluded: Tensor | np.ndarray | None = None,
    cmc: Literal["identity", "image"] = "identity",
    ap: Literal["plain", "trapezoid"] = "plain",
    max_rank: int = 20,
) -> RankMetrics:
    """Rank the gallery by ascending distance for every query and score the ranking.

    Equal distances keep the order of the gallery. With hits at the 1-based places p_1 < ... < p_K of the list that is left after
    the exclusion: plain AP = (1/K) sum_j j/p_j; trapezoid AP = (1/K) sum_j ((j-1)/(p_j-1) + j/p_j)/2, the first summand being 1 at
    p_j = 1; INP = K/p_K. The image CMC counts p_1; the identity CMC counts 1 + the number of other identities whose best image
    precedes p_1. Where fewer than ``max_rank`` images or identities are left, the curve goes on with its last value.

    Args:
        distance: (Q, G), any real dtype and device, smaller is closer; +inf is the farthest. Nothing that is passed is changed.
        query_ids: (Q,) identities, numbers or text.
        gallery_ids: (G,) identities of the same kind.
        excluded: bool (Q, G), True where a gallery image is removed for a query; None removes nothing.
        cmc: "identity" (SYSU-MM01, LLCM) or "image" (RegDB, Market-1501, video sets). The average precision never depends on it.
        ap: "plain" (the field's usual one) or "trapezoid" (Oxford style, lower); never to be mixed in one table.
        max_rank: length of the CMC.

    Raises:
        ValueError: shapes, dtypes or kinds do not fit, or a distance that is not excluded is NaN. NaN is refused and not ranked
            last, because a network that diverged would then get the score of the gallery's order.

    Source: Ye et al., TPAMI 2021, for mINP; the official SYSU-MM01 evaluation for the identity CMC. Grade: code.
    """
    _check_kinds(cmc, ap, max_rank)
    queries, galleries = _shape_of(distance)
    codes = _identity_codes(query_ids, gallery_ids, queries, galleries)
    _check_excluded(excluded, (queries, galleries))
    on_cpu = not isinstance(distance, Tensor) or distance.device.type == "cpu"
    values = _floating_array(distance) if on_cpu else _floating_tensor(distance)
    gone = None if excluded is None else _array(excluded) if on_cpu else _tensor(excluded).to(values.device)
    _check_nan(values, gone)
    found = (count_places if on_cpu else sort_places)(values, gone, codes, cmc, ap)
    valid = found.first_hit > 0
    means = [float(column[valid].mean()) if valid.any() else float("nan") for column in (found.precision, found.penalty)]
    curve = _curve(found.rank[valid], max_rank)
    return RankMetrics(curve, *means, int(valid.sum()), found.precision, found.penalty, found.first_hit, found.rank)


def _curve(rank: np.ndarray, max_rank: int) -> np.ndarray:
    """Share of ranks that are at most 1, 2, ..., max_rank."""
    if rank.size == 0:
        return np.full(max_rank, np.nan)
    counts = np.bincount(rank[rank <= max_rank], minlength=max_rank + 1)[1:]
    return np.cumsum(counts) / rank.size


def _floating_array(values: Tensor | np.ndarray) -> np.ndarray:
    """The distances as an array of at least float32, without a copy where they are one; the conversion keeps order and ties."""
    values = _array(values)
    if values.dtype.kind != "f":
        return values.astype(np.float64)
    return values.astype(values.dtype.newbyteorder("=") if values.dtype.itemsize >= 4 else np.float32, copy=False)


def _floating_tensor(values: Tensor) -> Tensor:
    """The distances in a dtype that every device sorts; the conversion keeps order and ties."""
    values = values.detach()
    if values.dtype in (torch.float32, torch.float64):
        return values
    return values.float() if values.is_floating_point() else values.double()


def _array(values: Tensor | np.ndarray) -> np.ndarray:
    """An array of the values, which shares the memory of a tensor on the CPU."""
    if not isinstance(values, Tensor):
        return np.asarray(values)
    values = values.detach().cpu()
    return (values.float() if values.dtype == torch.bfloat16 else values).numpy()


def _tensor(values: Tensor | np.ndarray) -> Tensor:
    """A tensor of the values; arrays are copied, since torch can neither hold read-only nor reversed ones."""
    return values if isinstance(values, Tensor) else torch.tensor(np.ascontiguousarray(values))


def _shape_of(distance: Tensor | np.ndarray) -> tuple[int, int]:
    if not isinstance(distance, (Tensor, np.ndarray)) or distance.ndim != 2:
        found = getattr(distance, "shape", type(distance).__name__)
        raise ValueError(f"distance must be a tensor or array of shape (queries, gallery), found {found}")
    real = not distance.is_complex() if isinstance(distance, Tensor) else distance.dtype.kind in "fiub"
    if not real:
        raise ValueError(f"distance must be real numbers, found {distance.dtype}")
    return distance.shape[0], distance.shape[1]


def _check_kinds(cmc: str, ap: str, max_rank: int) -> None:
    for name, value, kinds in (("cmc", cmc, CMC_KINDS), ("ap", ap, AP_KINDS)):
        if value not in kinds:
            raise ValueError(f"{name} must be one of {', '.join(kinds)}, found {value!r}")
    if max_rank < 1:
        raise ValueError(f"max_rank must be at least 1, found {max_rank}")


def _check_excluded(excluded: Tensor | np.ndarray | None, shape: tuple[int, int]) -> None:
    if excluded is None:
        return
    if tuple(getattr(excluded, "shape", ())) != shape or excluded.dtype not in (torch.bool, np.dtype(bool)):
        found = f"{getattr(excluded, 'dtype', type(excluded).__name__)} {tuple(getattr(excluded, 'shape', ()))}"
        raise ValueError(f"excluded must be bool {shape}, found {found}")


def _check_nan(values: Tensor | np.ndarray, excluded: Tensor | np.ndarray | None) -> None:
    """Raise on the first NaN that would be ranked."""
    step = max(1, BLOCK_ENTRIES // max(1, values.shape[1]))
    for start in range(0, len(values), step):
        rows = slice(start, start + step)
        bad = torch.isnan(values[rows]) if isinstance(values, Tensor) else np.isnan(values[rows])
        if bad.any() and excluded is not None:
            bad = bad & ~excluded[rows]
        if bad.any():
            query, gallery = np.argwhere(_array(bad))[0].tolist()
            count = int(bad.sum())
            raise ValueError(f"distance is NaN at query {query + start}, gallery {gallery} ({count} in this block); NaN has no rank")


def _identity_codes(query_ids: Any, gallery_ids: Any, queries: int, galleries: int) -> Codes:
    """Identities as 0..n-1."""
    query, gallery = (np.asarray(ids.cpu().numpy() if isinstance(ids, Tensor) else ids) for ids in (query_ids, gallery_ids))
    for what, ids, count in (("query_ids", query, queries), ("gallery_ids", gallery, galleries)):
        if ids.shape != (count,):
            raise ValueError(f"{what} must be ({count},) to fit the distance ({queries}, {galleries}), found {ids.shape}")
        if ids.dtype.kind == "f" and np.isnan(ids).any():
            raise ValueError(f"{what} holds NaN: an identity is missing")
    kinds = ["text" if isinstance(ids[0], str) else "number" for ids in (query, gallery) if ids.size]
    if len(set(kinds)) > 1:
        raise ValueError(f"identities must be of one kind, found {kinds[0]} in the queries and {kinds[1]} in the gallery")
    names, codes = np.unique(np.concatenate([query, gallery]), return_inverse=True)
    codes = codes.reshape(-1).astype(np.int64)
    return Codes(codes[:queries], codes[queries:], len(names))
