"""What every number of this room starts from: descriptors as a checked float64 matrix in the method's own metric, and neighbour lists."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.modality import INFRARED, MODALITIES

FloatMatrix = NDArray[np.float64]


def as_array(values: Any) -> NDArray[Any]:
    """A tensor (on any device), table column or list as a numpy array."""
    if hasattr(values, "detach"):
        # numpy has no bfloat16.
        values = values.detach().cpu()
        values = values.float() if values.dtype.is_floating_point and values.element_size() == 2 else values
    return np.asarray(values)


def as_matrix(features: Any, metric: str | None = None) -> FloatMatrix:
    """Descriptors (N, D) in float64; of length 1 when they are compared by cosine, so that Euclidean distance ranks alike.

    Args:
        features: ``Features`` (its ``metric`` is used), or a matrix (N, D).
        metric: "cosine" or "euclidean"; ``None`` takes that of the features, and "cosine" for a bare matrix.

    Raises:
        ValueError: not two-dimensional, empty, not finite, or an unknown metric.
    """
    metric = metric or getattr(features, "metric", "cosine")
    if metric not in ("cosine", "euclidean"):
        raise ValueError(f"metric must be 'cosine' or 'euclidean', found {metric!r}")
    matrix = as_array(getattr(features, "matrix", features)).astype(np.float64)
    if matrix.ndim != 2 or 0 in matrix.shape:
        raise ValueError(f"expected descriptors of shape (N, D), found {matrix.shape}")
    if not np.isfinite(matrix).all():
        raise ValueError(f"descriptors must be finite, found NaN or infinity in {int((~np.isfinite(matrix)).any(axis=1).sum())} rows")
    if metric == "cosine":
        matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
    return matrix


def is_infrared(modality: Any, rows: int) -> NDArray[np.bool_]:
    """Modality names or codes of ``rows`` images as "is it infrared?".

    Raises:
        ValueError: another length, or a value that is no modality.
    """
    values = as_array(modality)
    if values.shape != (rows,):
        raise ValueError(f"expected the modality of {rows} images, found shape {values.shape}")
    if values.dtype.kind in "iub":
        known, infrared = np.isin(values, range(len(MODALITIES))), values == INFRARED
    else:
        known, infrared = np.isin(values.astype(str), MODALITIES), values.astype(str) == MODALITIES[INFRARED]
    if not known.all():
        raise ValueError(f"modality must be one of {', '.join(MODALITIES)} (or 0, 1), found {values[~known][0]!r}")
    return infrared


def nearest(matrix: FloatMatrix, k: int, *, chunk: int = 2048) -> NDArray[np.int64]:
    """Indices (N, k) of the k nearest other rows by Euclidean distance, nearest first, ties by index.

    Raises:
        ValueError: k is not between 1 and N - 1.
    """
    rows = len(matrix)
    if not 1 <= k < rows:
        raise ValueError(f"the number of neighbours must lie between 1 and {rows - 1} for {rows} images, found {k}")
    squares = (matrix**2).sum(axis=1)
    found = np.empty((rows, k), np.int64)
    for start in range(0, rows, chunk):
        stop = min(start + chunk, rows)
        distance = squares[start:stop, None] + squares[None, :] - 2 * matrix[start:stop] @ matrix.T  # (chunk, N)
        distance[np.arange(stop - start), np.arange(start, stop)] = np.inf
        found[start:stop] = np.argsort(distance, axis=1, kind="stable")[:, :k]
    return found


def check_table(table: pd.DataFrame, rows: int, columns: tuple[str, ...]) -> None:
    """One row an image, with the columns that are needed.

    Raises:
        ValueError: another number of rows, or a missing column.
    """
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise ValueError(f"the table needs a column {missing[0]!r}, found {', '.join(map(str, table.columns))}")
    if len(table) != rows:
        raise ValueError(f"expected one table row for each of {rows} descriptors, found {len(table)} rows")
