"""Who an image's nearest neighbours are: the same person, the same camera, the other band; each beside chance."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_matrix, check_table, is_infrared

LEAVE_OUT = ("identity", "camera")
_CHUNK = 1024  # rows at a time, so that memory grows with N


def neighbour_shares(
    features: Any, table: pd.DataFrame | None = None, *, k: int = 10, leave_out: Sequence[str] = (), metric: str | None = None
) -> pd.Series:
    """Shares (0-1) of the k nearest neighbours that show the same person, come from the same camera, and are of the other band.

    Mixing alone cannot tell why neighbours are of one band: because they share a background, because they show the same person, or
    because the descriptors hold the band as such. ``leave_out`` answers that by taking the first two kinds of neighbour away.

    Args:
        features: ``Features`` or a matrix (N, D); table: identity, camera, modality of each; ``None`` takes that of the features.
        k: neighbours; images that have fewer candidates count with those they have.
        leave_out: "identity", "camera" or both: images of the same one are no candidates.
        metric: see ``as_matrix``.

    Returns:
        ``same person, same camera, other band``, and ``other band by chance``: the share among all candidates. Mean over images;
        NaN when nobody has a candidate.

    Raises:
        ValueError: the table does not fit, fewer than two images, k below 1, or something else to leave out.
    """
    table = features.table if table is None else table
    matrix = as_matrix(features, metric)
    check_table(table, len(matrix), ("identity", "camera", "modality"))
    unknown = [name for name in leave_out if name not in LEAVE_OUT]
    if unknown or k < 1 or len(matrix) < 2:
        problem = f"{unknown[0]!r} to leave out" if unknown else f"k = {k}" if k < 1 else f"{len(matrix)} image"
        raise ValueError(f"neighbours need two images, k >= 1, and of {', '.join(LEAVE_OUT)} to leave out; found {problem}")
    infrared = is_infrared(table["modality"], len(matrix))
    columns = {"identity": table["identity"].to_numpy(), "camera": table["camera"].to_numpy()}
    parts = []
    for start in range(0, len(matrix), _CHUNK):
        rows = slice(start, start + _CHUNK)
        same = {name: values[rows, None] == values for name, values in columns.items()}  # (chunk, N)
        allowed = np.arange(len(matrix))[rows, None] != np.arange(len(matrix))
        for name in leave_out:
            allowed &= ~same[name]
        near = _nearest_allowed(matrix, rows, allowed, k)
        other = infrared[rows, None] != infrared
        kinds = [(same["identity"], near), (same["camera"], near), (other, near), (other, allowed)]
        parts.append(np.stack([_shares(kind, among) for kind, among in kinds], axis=1))  # (chunk, 4)
    names = ["same person", "same camera", "other band", "other band by chance"]
    return pd.DataFrame(np.concatenate(parts), columns=names).mean()


def _nearest_allowed(matrix: NDArray[np.float64], rows: slice, allowed: NDArray[np.bool_], k: int) -> NDArray[np.bool_]:
    """Which images are among the k nearest allowed ones of each of the rows; bool (chunk, N), ties by index."""
    squares = (matrix**2).sum(axis=1)
    distance = np.where(allowed, squares[rows, None] + squares - 2 * matrix[rows] @ matrix.T, np.inf)
    order = distance.argsort(axis=1, kind="stable")[:, :k]
    near = np.zeros_like(allowed)
    np.put_along_axis(near, order, True, axis=1)
    return near & allowed


def _shares(kind: NDArray[np.bool_], among: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Share of ``kind`` among the candidates of each row, NaN where a row has none; (chunk,)."""
    number = among.sum(axis=1)
    return np.where(number > 0, (kind & among).sum(axis=1) / np.maximum(number, 1), np.nan)
