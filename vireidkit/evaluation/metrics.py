"""Ranking scores: CMC, average precision and inverse negative penalty of a distance matrix, without a loop over queries."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor

CMC_KINDS = ("identity", "image")
AP_KINDS = ("plain", "trapezoid")
TIE_RULE = "stable sort: equal distances keep the order of the gallery"
# Entries of the distance matrix that are ranked at once: about 150 MB of working memory on top of the matrix itself.
BLOCK_ENTRIES = 1 << 21


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
    size = max(1, BLOCK_ENTRIES // max(1, galleries, codes[2]))
    blocks = [_score_block(distance, excluded, codes, slice(start, start + size), cmc, ap) for start in range(0, queries, size)]
    return _summary(blocks, max_rank)


def _summary(blocks: list[tuple[np.ndarray, ...]], max_rank: int) -> RankMetrics:
    """The blocks of queries put together, with the averages over the valid ones."""
    columns = [np.concatenate(column) for column in zip(*blocks, strict=True)] if blocks else [np.zeros(0)] * 4
    precision, penalty = (column.astype(np.float64) for column in columns[:2])
    first_hit, rank = (column.astype(np.int64) for column in columns[2:])
    valid = first_hit > 0
    means = [float(column[valid].mean()) if valid.any() else float("nan") for column in (precision, penalty)]
    return RankMetrics(_curve(rank[valid], max_rank), *means, int(valid.sum()), precision, penalty, first_hit, rank)


def _curve(rank: np.ndarray, max_rank: int) -> np.ndarray:
    """Share of ranks that are at most 1, 2, ..., max_rank."""
    if rank.size == 0:
        return np.full(max_rank, np.nan)
    counts = np.bincount(rank[rank <= max_rank], minlength=max_rank + 1)[1:]
    return np.cumsum(counts) / rank.size


def _score_block(
    distance: Tensor | np.ndarray, excluded: Tensor | np.ndarray | None, codes: tuple[Tensor, Tensor, int], rows: slice, cmc: str, ap: str
) -> tuple[np.ndarray, ...]:
    """AP, INP, first hit and rank of some rows; NaN and -1 where a row has no match. Q is the number of these rows."""
    values = _sortable(distance[rows])
    kept = torch.ones_like(values, dtype=torch.bool) if excluded is None else ~_tensor(excluded[rows]).to(values.device)
    _check_finite(values, kept, rows.start)
    query, gallery = codes[0][rows].to(values.device), codes[1].to(values.device)
    order = torch.sort(values, dim=1, stable=True).indices  # (Q, G)
    kept = kept.gather(1, order)
    ranked = gallery[order]
    match = kept & (ranked == query[:, None])
    place = kept.cumsum(1)  # (Q, G), 1-based among the kept ones
    hits = match.cumsum(1)
    total = hits[:, -1] if hits.shape[1] else hits.sum(1)
    precision = torch.where(match, _precision(hits.double(), place.double(), ap), 0.0).sum(1) / total
    penalty = total.double() / (place * match).amax(1) if hits.shape[1] else precision
    first_hit = torch.where(hits == 0, kept, 0).sum(1) + 1
    rank = first_hit if cmc == "image" else _identity_rank(ranked, place, kept, first_hit, codes[2])
    valid = total > 0
    return (
        torch.where(valid, precision, torch.nan).cpu().numpy(),
        torch.where(valid, penalty, torch.nan).cpu().numpy(),
        torch.where(valid, first_hit, -1).cpu().numpy(),
        torch.where(valid, rank, -1).cpu().numpy(),
    )


def _precision(hits: Tensor, place: Tensor, ap: str) -> Tensor:
    """What a hit at each place would add to the sum of the average precision, (Q, G)."""
    plain = hits / place
    if ap == "plain":
        return plain
    before = torch.where(place > 1, (hits - 1) / (place - 1), 1.0)
    return (before + plain) / 2


def _identity_rank(ranked: Tensor, place: Tensor, kept: Tensor, first_hit: Tensor, identities: int) -> Tensor:
    """1 + the number of identities whose best kept image precedes the first hit, (Q,)."""
    far = ranked.shape[1] + 1
    best = torch.full((ranked.shape[0], identities), far, device=ranked.device)  # (Q, identities)
    best.scatter_reduce_(1, ranked, torch.where(kept, place, far), "amin")
    return 1 + (best < first_hit[:, None]).sum(1)


def _sortable(values: Tensor | np.ndarray) -> Tensor:
    """The distances in a dtype that every device sorts; the conversion keeps order and ties."""
    values = _tensor(values)
    if values.dtype in (torch.float32, torch.float64):
        return values
    return values.float() if values.is_floating_point() else values.double()


def _tensor(values: Tensor | np.ndarray) -> Tensor:
    """A tensor of the values; arrays are copied, since torch can neither hold read-only nor reversed ones."""
    return values.detach() if isinstance(values, Tensor) else torch.tensor(np.ascontiguousarray(values))


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


def _check_finite(values: Tensor, kept: Tensor, offset: int) -> None:
    """Raise on the first NaN that would be ranked."""
    bad = torch.isnan(values) & kept
    if bad.any():
        query, gallery = bad.nonzero()[0].tolist()
        raise ValueError(f"distance is NaN at query {query + offset}, gallery {gallery} ({int(bad.sum())} in this block); NaN has no rank")


def _identity_codes(query_ids: Any, gallery_ids: Any, queries: int, galleries: int) -> tuple[Tensor, Tensor, int]:
    """Identities as 0..n-1: those of the queries, those of the gallery, and n."""
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
    codes = torch.tensor(codes.reshape(-1), dtype=torch.int64)
    return codes[:queries], codes[queries:], len(names)
