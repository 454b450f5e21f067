"""Sparse rows of weights, as k-reciprocal re-ranking needs them: averaged over lists of rows, and compared two by two."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

PIECE = 1 << 21  # pairs of entries that are spread out at once, at about 50 bytes each
# Weights are summed as whole numbers of this unit: such a sum does not depend on the order, which a GPU does not keep.
UNIT = 2.0**-48


class Sparse(NamedTuple):
    """A non-negative matrix (N, N) by its non-zero entries, row by row.

    Attributes:
        pointer: int64 (N+1,), where the entries of each row begin.
        columns: int64 (entries,); values: int64 (entries,), in units of UNIT.
    """

    pointer: Tensor
    columns: Tensor
    values: Tensor


def joined(blocks: list[tuple[Tensor, Tensor, Tensor]]) -> Sparse:
    """Blocks of rows put together; each is the number of entries of its rows, their columns and their values."""
    counts, columns, values = (torch.cat(parts) for parts in zip(*blocks, strict=True))
    return Sparse(F.pad(counts.cumsum(0), (1, 0)), columns, values)


def entries(block: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The entries of a dense block of whole numbers (B, N), for ``joined``."""
    rows, columns = block.nonzero(as_tuple=True)
    return torch.bincount(rows, minlength=len(block)), columns, block[rows, columns]


def whole(values: Tensor) -> Tensor:
    """Values 0..1 as whole numbers of UNIT."""
    return (values / UNIT).round_().long()


def averaged(weights: Sparse, lists: Tensor, block_entries: int) -> Sparse:
    """The mean of the weights over the first k2 images of every image's list (step 4); ``lists`` is (N, k2)."""
    images, count = lists.shape
    if count == 1:  # not even the image's list is asked: a duplicate may stand first in it
        return weights
    found = []
    for rows in lists.split(max(1, block_entries // (2 * images))):
        total = torch.zeros(len(rows) * images, dtype=torch.int64, device=lists.device)
        sources = rows.flatten()
        for part, owner, place in spread(weights.pointer, sources):
            total.index_add_(0, (part + owner) // count * images + weights.columns[place], weights.values[place])
        found.append(entries(total.view(len(rows), images)))
    mean = joined(found)
    return mean._replace(values=whole(mean.values.double() * UNIT / count))


def shared(weights: Sparse, queries: int, block_entries: int) -> Iterator[tuple[int, Tensor]]:
    """What the weights of a query and of a gallery image have in common, the sum of the smaller of each two (step 5).

    Only columns that both have count: the entries of the gallery are put in order of their columns, and each entry of a query meets
    those of its own column.

    Yields:
        The first query of a block and float64 (B, G), 0..1.
    """
    gallery = len(weights.pointer) - 1 - queries
    first = int(weights.pointer[queries])  # entries before it are the queries'
    columns, order = weights.columns[first:].sort(stable=True)
    owners = torch.repeat_interleave(torch.arange(gallery, device=order.device), weights.pointer[queries:].diff())[order]
    values = weights.values[first:][order]
    pointer = F.pad(torch.bincount(columns, minlength=len(weights.pointer) - 1).cumsum(0), (1, 0))
    rows = max(1, block_entries // (2 * gallery))
    for start in range(0, queries, rows):
        bounds = weights.pointer[start : min(start + rows, queries) + 1]
        low, high = int(bounds[0]), int(bounds[-1])
        asking = torch.repeat_interleave(torch.arange(len(bounds) - 1, device=order.device), bounds.diff())
        total = torch.zeros((len(bounds) - 1) * gallery, dtype=torch.int64, device=order.device)
        for part, owner, place in spread(pointer, weights.columns[low:high]):
            smaller = torch.minimum(weights.values[low + part :][owner], values[place])
            total.index_add_(0, asking[part:][owner] * gallery + owners[place], smaller)
        yield start, total.view(-1, gallery).double().mul_(UNIT)


def spread(pointer: Tensor, rows: Tensor) -> Iterator[tuple[int, Tensor, Tensor]]:
    """The entries of all listed rows of a compressed matrix, some PIECE entries at a time.

    Yields:
        Where in ``rows`` a piece begins; for every entry of the piece, which of its rows it belongs to (counted from there), and
        its place in the matrix.
    """
    counts = pointer[rows + 1] - pointer[rows]
    sizes = torch.unique_consecutive(counts.cumsum(0) // PIECE, return_counts=True)[1].tolist()
    part = 0
    for here, count in zip(rows.split(sizes), counts.split(sizes), strict=True):
        owner = torch.repeat_interleave(torch.arange(len(here), device=rows.device), count)
        # Places run on inside a row; what is subtracted is the number of entries of the piece before it.
        offset = pointer[here] - (count.cumsum(0) - count)
        yield part, owner, torch.arange(len(owner), device=rows.device) + offset[owner]
        part += len(here)
