"""Where the matches of a query stand in its ranking: by counting what is closer (CPU), or by sorting whole rows (accelerators, and
queries with very many matches).

A match's place is 1 + the number of kept gallery images that precede it: those at a smaller distance, and those at the same distance
that come earlier in the gallery. Counting them takes one pass over a row for every match, and needs neither the order of the other
images nor memory for it. Sorting costs the same whatever the number of matches, and suits devices that sort many rows at once.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

# Distances that are worked on at once: the blocks of a fair size fit the processor's cache, and memory stays small.
COUNTED_ENTRIES = 1 << 18
SORTED_ENTRIES = 1 << 21  # about 150 MB of working memory
# From so many matches a query on, a stable sort of the row is the quicker way on a CPU too.
MANY_MATCHES = 250


@dataclass(frozen=True)
class Codes:
    """Identities as numbers.

    Attributes:
        query: int64 (Q,); gallery: int64 (G,); values 0..count-1 for the same identities in both.
    """

    query: np.ndarray
    gallery: np.ndarray
    count: int


@dataclass(frozen=True)
class Places:
    """What the scores are made of, one entry a query; arrays (Q,).

    Attributes:
        precision, penalty: AP and INP, NaN without a match.
        first_hit: int64, 1-based place of the first match, -1 without one; rank: what the CMC counts, likewise.
    """

    precision: np.ndarray
    penalty: np.ndarray
    first_hit: np.ndarray
    rank: np.ndarray

    @classmethod
    def empty(cls, queries: int) -> Places:
        """No query has a match yet."""
        nothing, never = np.full((2, queries), np.nan), np.full((2, queries), -1)
        return cls(*nothing, *never)

    def put(self, rows: np.ndarray | slice, part: Places) -> None:
        """Take over the entries of some queries."""
        for name in ("precision", "penalty", "first_hit", "rank"):
            getattr(self, name)[rows] = getattr(part, name)


# --- counting --------------------------------------------------------------------------------------------------------------------


def count_places(distance: np.ndarray, excluded: np.ndarray | None, codes: Codes, cmc: str, ap: str) -> Places:
    """The places by counting, one identity of the queries after the other: its queries have their matches in the same columns.

    Args:
        distance: (Q, G), floating, NaN only where excluded; it is not changed.
    """
    found = Places.empty(len(distance))
    people, matches = _Groups(codes.query, codes.count), _Groups(codes.gallery, codes.count)
    step = max(1, COUNTED_ENTRIES // max(1, distance.shape[1], codes.count))
    for identity in np.unique(codes.query):
        columns, rows = matches.members(identity), people.members(identity)
        for start in range(0, len(rows) if len(columns) else 0, step):
            own = rows[start : start + step]
            block, gone = distance[own], None if excluded is None else excluded[own]
            if len(columns) >= MANY_MATCHES and block.dtype.itemsize <= 8:  # torch has no wider numbers
                own_codes = Codes(codes.query[own], codes.gallery, codes.count)
                removed = None if gone is None else torch.from_numpy(gone)
                found.put(own, sort_places(torch.from_numpy(block), removed, own_codes, cmc, ap))
            else:
                _score(block, None if gone is None else ~gone, own, columns, codes if cmc == "identity" else None, ap, found)
    return found


class _Groups:
    """The positions of every code, ascending."""

    def __init__(self, codes: np.ndarray, count: int) -> None:
        self.order = np.argsort(codes, kind="stable")
        self.starts = np.concatenate([[0], np.cumsum(np.bincount(codes, minlength=count))])

    def members(self, code: int) -> np.ndarray:
        """Positions of one code."""
        return self.order[self.starts[code] : self.starts[code + 1]]


def _score(
    block: np.ndarray, kept: np.ndarray | None, rows: np.ndarray, columns: np.ndarray, codes: Codes | None, ap: str, found: Places
) -> None:
    """Fill in the entries ``rows`` of some queries of one identity.

    Args:
        block: (n, G) their distances; kept: bool (n, G), None for all; columns: (M,) where their matches are.
        codes: given where the CMC counts identities.
    """
    counts, nearest = _preceding(block, kept, columns, codes is not None)
    places, valid = counts + 1, np.ones(counts.shape, dtype=bool) if kept is None else kept[:, columns]  # (n, M)
    total = valid.sum(1)
    last = np.where(valid, places, 0).max(1)
    places[~valid] = block.shape[1] + 1
    places.sort(axis=1)
    with np.errstate(invalid="ignore"):  # 0 / 0 of a query without a match
        found.precision[rows] = (_precision(places, ap) * (np.arange(len(columns)) < total[:, None])).sum(1) / total
        found.penalty[rows] = total / last
    found.first_hit[rows] = np.where(total > 0, places[:, 0], -1)
    rank = places[:, 0] if codes is None else 1 + _people(nearest, codes)
    found.rank[rows] = np.where(total > 0, rank, -1)


def _preceding(block: np.ndarray, kept: np.ndarray | None, columns: np.ndarray, nearest: bool) -> tuple[np.ndarray, np.ndarray | None]:
    """How many kept images precede the one in each of the columns, int64 (n, M); on request, which precede the first of them.

    What precedes one match lies within what precedes a later one, so that the latter is the intersection over all kept matches.
    """
    counter = np.min_scalar_type(block.shape[1])  # the narrowest number that holds a count: sums of it are the quickest
    closer = np.empty(block.shape, dtype=bool)
    counts = np.empty((len(block), len(columns)), dtype=np.int64)
    first = np.ones(block.shape, dtype=bool) if nearest else None
    for place, column in enumerate(columns):
        own = block[:, column, None]
        np.less_equal(block[:, :column], own, out=closer[:, :column])  # ties keep the order of the gallery
        np.less(block[:, column:], own, out=closer[:, column:])
        if kept is not None:
            closer &= kept
        counts[:, place] = np.add.reduce(closer.view(np.uint8), axis=1, dtype=counter)
        if first is not None:
            if kept is not None:
                closer[~kept[:, column]] = True
            first &= closer
    return counts, first


def _people(images: np.ndarray, codes: Codes) -> np.ndarray:
    """How many identities the chosen images show, (n,); ``images`` bool (n, G)."""
    seen = np.zeros((len(images), codes.count), dtype=bool)
    row, column = np.nonzero(images)
    seen[row, codes.gallery[column]] = True
    return seen.sum(1)


def _precision(places: np.ndarray, ap: str) -> np.ndarray:
    """What the j-th hit at each place adds to the sum of the average precision; ``places`` (n, M) ascend along the second axis."""
    hit = np.arange(1, places.shape[1] + 1)
    plain = hit / places
    if ap == "plain":
        return plain
    before = np.divide(hit - 1, places - 1, out=np.ones(places.shape), where=places > 1)
    return (before + plain) / 2


# --- sorting ---------------------------------------------------------------------------------------------------------------------


def sort_places(distance: Tensor, excluded: Tensor | None, codes: Codes, cmc: str, ap: str) -> Places:
    """The places by a stable sort of whole rows on the device of ``distance`` (Q, G), which holds NaN only where excluded."""
    found = Places.empty(len(distance))
    query, gallery = (torch.as_tensor(own).to(distance.device) for own in (codes.query, codes.gallery))
    step = max(1, SORTED_ENTRIES // max(1, len(gallery), codes.count))
    for start in range(0, len(query) if len(gallery) else 0, step):
        rows = slice(start, start + step)
        gone = None if excluded is None else excluded[rows]
        columns = _sorted_block(distance[rows], gone, query[rows], gallery, codes.count, cmc, ap)
        found.put(rows, Places(*(column.cpu().numpy() for column in columns)))
    return found


def _sorted_block(
    values: Tensor, excluded: Tensor | None, query: Tensor, gallery: Tensor, people: int, cmc: str, ap: str
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """AP, INP, first hit and rank of some rows; NaN and -1 where a row has no match. Q is the number of these rows."""
    order = torch.sort(values, dim=1, stable=True).indices  # (Q, G)
    kept = torch.ones_like(order, dtype=torch.bool) if excluded is None else ~excluded.gather(1, order)
    ranked = gallery[order]
    match = kept & (ranked == query[:, None])
    place = kept.cumsum(1)  # (Q, G), 1-based among the kept ones
    hits = match.cumsum(1)
    total = hits[:, -1]
    plain = hits.double() / place
    if ap == "trapezoid":
        plain = (torch.where(place > 1, (hits - 1).double() / (place - 1), 1.0) + plain) / 2
    precision = torch.where(match, plain, 0.0).sum(1) / total
    penalty = total.double() / (place * match).amax(1)
    first = torch.where(hits == 0, kept, 0).sum(1) + 1
    rank = first if cmc == "image" else _sorted_rank(ranked, place, kept, first, people)
    valid = total > 0
    numbers = [torch.where(valid, column, torch.nan) for column in (precision, penalty)]
    return (*numbers, *(torch.where(valid, column, -1) for column in (first, rank)))


def _sorted_rank(ranked: Tensor, place: Tensor, kept: Tensor, first: Tensor, people: int) -> Tensor:
    """1 + the number of identities whose best kept image precedes the first hit, (Q,)."""
    far = ranked.shape[1] + 1
    best = torch.full((ranked.shape[0], people), far, device=ranked.device)
    best.scatter_reduce_(1, ranked, torch.where(kept, place, far), "amin")
    return 1 + (best < first[:, None]).sum(1)
