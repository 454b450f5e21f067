"""k-reciprocal re-ranking: two images are close when they have the same images as mutual neighbours.

All queries and the gallery are used at once, so a query's rank depends on the other queries (transductive). Numbers with it are far
higher than plain ones and never share a column with them: a protocol's key then ends in "-reranked".

Source: Zhong et al., CVPR 2017, as released code computes it (datasets.md 8). Grade: code. Camera rules are no part of it: they are
applied afterwards, when the result is ranked.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from vireidkit.errors import SettingError
from vireidkit.evaluation.reranking_sparse import Sparse, averaged, joined, shared, whole

NEIGHBOURS = ("all", "queries")
# Entries of a distance matrix that are held at once: 128 MiB in float32, 256 MiB in float64.
BLOCK_ENTRIES = 1 << 25
PIECE = 1 << 21  # places in neighbour lists that are looked up at once

RERANKED = "-reranked"


@dataclass(frozen=True)
class ReRanking:
    """The parameters of k-reciprocal re-ranking; the defaults are everyone's.

    Attributes:
        k1: length of the neighbour lists from which mutual neighbours are taken (an image itself comes on top of it).
        k2: over how many nearest images, itself included, the weights are averaged; 1 averages nothing.
        lambda_: share of the original distance in the result, 0..1.
        neighbours: "all", or "queries": neighbours are searched among the queries only (MPANet's ``eval_type``, used for SYSU-MM01).

    Raises:
        SettingError: a value outside its range.
    """

    k1: int = 20
    k2: int = 6
    lambda_: float = 0.3
    neighbours: Literal["all", "queries"] = "all"

    def __post_init__(self) -> None:
        for name in ("k1", "k2"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                raise SettingError(f"re-ranking needs {name} as a whole number of at least 1, found {value!r}")
        if isinstance(self.lambda_, bool) or not isinstance(self.lambda_, (int, float)) or not 0 <= self.lambda_ <= 1:
            raise SettingError(f"re-ranking needs lambda, the share of the original distance, in 0..1, found {self.lambda_!r}")
        if self.neighbours not in NEIGHBOURS:
            raise SettingError(f"re-ranking searches neighbours among {' or '.join(NEIGHBOURS)}, found {self.neighbours!r}")

    @property
    def suffix(self) -> str:
        """What the key of a re-ranked score ends in: other parameters than everyone's are named, so that they get another column."""
        usual = ReRanking()
        if self == usual:
            return RERANKED
        among = "" if self.neighbours == usual.neighbours else f"-{self.neighbours}"
        return f"{RERANKED}-{self.k1}-{self.k2}-{self.lambda_:g}{among}"

    def describe(self) -> dict[str, Any]:
        """The parameters as JSON values, for a score's protocol."""
        return {"k1": self.k1, "k2": self.k2, "lambda": self.lambda_, "neighbours": self.neighbours}

    def distance(self, query_features: Tensor, gallery_features: Tensor, *, metric: str = "euclidean") -> Tensor:
        """``k_reciprocal_rerank`` with these parameters; (Q, D) and (G, D) -> (Q, G).

        Under the metric "cosine" the descriptors are brought to length 1 first, as most released code does: the squared Euclidean
        distance is then twice the cosine distance.
        """
        if metric == "cosine":
            query_features, gallery_features = (F.normalize(_real(rows), dim=1) for rows in (query_features, gallery_features))
        options = {"k1": self.k1, "k2": self.k2, "lambda_": self.lambda_, "neighbours": self.neighbours}
        return k_reciprocal_rerank(query_features, gallery_features, **options)


def k_reciprocal_rerank(
    query_features: Tensor | np.ndarray,
    gallery_features: Tensor | np.ndarray,
    *,
    k1: int = 20,
    k2: int = 6,
    lambda_: float = 0.3,
    neighbours: Literal["all", "queries"] = "all",
    block_entries: int = BLOCK_ENTRIES,
) -> Tensor:
    """Distances of queries to the gallery after k-reciprocal re-ranking; only their order means something.

    The original distance is the squared Euclidean one of the descriptors as given (bring them to length 1 for a cosine metric), each
    image's row divided by its largest value. Equal distances are ordered by position, queries before the gallery.

    Args:
        query_features, gallery_features: (Q, D) and (G, D) on one device; float64 is computed in float64, all else in float32.
        k1, k2, lambda_, neighbours: see ``ReRanking``. Lists longer than the number of images are cut to it.
        block_entries: entries of the (Q+G, Q+G) distance matrix that are held at once. Where it does not fit it is computed twice,
            block by block; the result stays the same up to rounding.

    Returns:
        (Q, G) on the same device, float32 or float64, between 0 and 1. The inputs are not changed.

    Raises:
        SettingError: a parameter outside its range.
        ValueError: the shapes do not fit, or a descriptor is not finite.
    """
    setting = ReRanking(k1, k2, lambda_, neighbours)
    if block_entries < 1:
        raise SettingError(f"block_entries must be at least 1, found {block_entries}")
    queries = len(query_features)
    features = _stacked(query_features, gallery_features)
    if queries in (0, len(features)):
        return features.new_zeros(queries, len(features) - queries)
    with torch.no_grad():
        distances = _Distances(features, max(1, block_entries // len(features)))
        lists, original = _lists(distances, queries, setting)
        weights = _weights(distances, lists, setting.k1)
        del distances
        weights = averaged(weights, lists[:, : setting.k2], block_entries)
        for start, common in shared(weights, queries, block_entries):
            block = original[start : start + len(common)]
            block.mul_(setting.lambda_).add_((1 - common / (2 - common)).to(block.dtype), alpha=1 - setting.lambda_)
    return original


# --- distances and neighbour lists ----------------------------------------------------------------------------------------------------


def _real(rows: Tensor | np.ndarray) -> Tensor:
    """Descriptors as float32 or float64, without a graph."""
    rows = rows.detach() if isinstance(rows, Tensor) else torch.tensor(np.ascontiguousarray(rows))
    if rows.is_complex():
        raise ValueError(f"descriptors must be real numbers, found {rows.dtype}")
    return rows if rows.dtype in (torch.float32, torch.float64) else rows.float()


def _stacked(query: Tensor | np.ndarray, gallery: Tensor | np.ndarray) -> Tensor:
    """Queries, then the gallery: (N, D)."""
    query, gallery = _real(query), _real(gallery)
    if query.ndim != 2 or gallery.ndim != 2 or query.shape[1] != gallery.shape[1] or query.device != gallery.device:
        found = " and ".join(f"{tuple(rows.shape)} on {rows.device}" for rows in (query, gallery))
        raise ValueError(f"re-ranking needs descriptors (queries, D) and (gallery, D) on one device, found {found}")
    features = torch.cat([query, gallery])
    bad = (~torch.isfinite(features.square().sum(1))).nonzero().flatten()
    if len(bad):
        place = int(bad[0])
        which = f"query {place}" if place < len(query) else f"gallery image {place - len(query)}"
        raise ValueError(f"descriptors must be finite, and so their squared lengths in {features.dtype}: that of {which} is not")
    return features


class _Distances:
    """Squared Euclidean distances between all images, a block of rows at a time.

    The last block is kept: where all rows make one block, nothing is computed twice.
    """

    def __init__(self, features: Tensor, rows: int) -> None:
        self.features, self.squares = features, features.square().sum(1)
        self.blocks = [(start, min(start + rows, len(features))) for start in range(0, len(features), rows)]
        self._held: tuple[tuple[int, int], Tensor] | None = None

    def block(self, start: int, stop: int) -> Tensor:
        """Rows ``start`` to ``stop`` of the matrix, (B, N); not to be changed."""
        if self._held is None or self._held[0] != (start, stop):
            self._held = None  # frees the old block before the new one is made
            found = torch.addmm(self.squares[None], self.features[start:stop], self.features.T, alpha=-2)
            found.add_(self.squares[start:stop, None]).clamp_(min=0)
            # An image is at distance 0 of itself, whatever the rounding.
            found.diagonal(start).zero_()
            self._held = (start, stop), found
        return self._held[1]


def _lists(distances: _Distances, queries: int, setting: ReRanking) -> tuple[Tensor, Tensor]:
    """Every image's neighbour list, int64 (N, max(k1 + 1, k2)), and the normalised distances of queries to the gallery, (Q, G)."""
    count = min(max(setting.k1 + 1, setting.k2), len(distances.features))
    lists, original = [], []
    for start, stop in distances.blocks:
        block = distances.block(start, stop)
        if start < queries:
            rows = block[: queries - start]
            original.append(rows[:, queries:] / _row_maximum(rows))
        if setting.neighbours == "queries":
            block = block.clone()
            block[:, queries:] = torch.inf
        lists.append(_nearest(block, count))
    return torch.cat(lists), torch.cat(original)


def _row_maximum(block: Tensor) -> Tensor:
    """The largest distance of each row, (B, 1); 1 where all images are the same."""
    largest = block.amax(1, keepdim=True)
    return torch.where(largest > 0, largest, 1)


def _nearest(block: Tensor, count: int) -> Tensor:
    """Positions of the ``count`` smallest entries of each row, ascending; equal ones by position: a stable sort without sorting all."""
    values, places = block.topk(min(count + 1, block.shape[1]), dim=1, largest=False)
    # topk leaves open which of several equal entries it takes at the end of the list: such rows are sorted whole.
    tied = (values[:, count - 1 : -1] == values[:, count:]).any(1).nonzero().flatten()
    places, order = places[:, :count].sort(dim=1)
    places = places.gather(1, values.gather(1, order).sort(dim=1, stable=True).indices)
    for rows in tied.split(max(1, PIECE // block.shape[1])):
        places[rows] = block[rows].sort(dim=1, stable=True).indices[:, :count]
    return places


def _mutual(lists: Tensor) -> Tensor:
    """Whether an image is in the list of each image of its own list: R(i, k) as bool (N, k+1) beside the lists."""
    images, length = lists.shape
    own = torch.arange(images, device=lists.device)
    parts = own.split(max(1, PIECE // length**2))
    return torch.cat([(lists[lists[rows]] == rows[:, None, None]).any(2) for rows in parts])


# --- weights --------------------------------------------------------------------------------------------------------------------------


def _weights(distances: _Distances, lists: Tensor, k1: int) -> Sparse:
    """V: every image's mutual neighbours, with weights that fall with the distance and sum to 1 (steps 2 and 3)."""
    wide, narrow = lists[:, : k1 + 1], lists[:, : round(k1 / 2) + 1]  # round() takes 2.5 to 2, as the released code does
    mutual, mutual_narrow = _mutual(wide), _mutual(narrow)
    found = []
    for start, stop in distances.blocks:
        block = distances.block(start, stop)
        member = torch.zeros_like(block, dtype=torch.bool)
        for rows in torch.arange(start, stop, device=lists.device).split(max(1, PIECE // (wide.shape[1] * narrow.shape[1]))):
            part = member[int(rows[0]) - start : int(rows[-1]) + 1 - start]
            _fill(part, wide[rows], mutual[rows], narrow, mutual_narrow)
        weight = torch.where(member, (block / -_row_maximum(block)).exp_(), 0)
        rows, columns = member.nonzero(as_tuple=True)
        shares = weight[rows, columns].double() / weight.sum(1).double()[rows]
        found.append((torch.bincount(rows, minlength=len(block)), columns, whole(shares)))
    return joined(found)


def _fill(member: Tensor, listed: Tensor, mutual: Tensor, narrow: Tensor, mutual_narrow: Tensor) -> None:
    """Mark in ``member``, bool (B, N), the mutual neighbours E(i) of some images: R(i, k1), and the R(c, k1/2) that lie mostly in it.

    Args:
        listed, mutual: (B, k1+1), lists of these images and which of it are mutual.
        narrow, mutual_narrow: (N, k1/2 + 1), the same for all images and the shorter lists.
    """
    member.scatter_(1, listed, mutual)
    theirs, counted = narrow[listed], mutual_narrow[listed] & mutual[:, :, None]  # (B, k1+1, k1/2+1)
    inside = member.gather(1, theirs.flatten(1)).view_as(theirs) & counted
    # More than two thirds, in whole numbers. All shares are taken before any image is added.
    added = counted & (3 * inside.sum(2) > 2 * counted.sum(2))[:, :, None]
    rows = added.nonzero(as_tuple=True)[0]
    member[rows, theirs[added]] = True
