"""How a softmax of distances shares out its weight: over pictures of the same person, and over all others."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray


def weight_on_same(distances: Any, same: Any, scales: tuple[float, ...] = (1.0, 10.0)) -> pd.DataFrame:
    """Mean share of a row's weight that falls on pictures of the same person, with softmax(+ distance) and with softmax(- distance).

    Args:
        distances: (n, n - 1), from each picture to all others. same: of that shape, whether the other shows the same person.
        scales: what the distances are multiplied by.

    Returns:
        One row for each scale and sign: ``scale, sign`` (1 or -1), ``same person`` (0-1), and ``even``, the share that it would be
        if all others weighed the same.

    Raises:
        ValueError: the two do not have one shape, or nothing is in them.
    """
    distances, same = checked_graph(distances, same)
    shares = {(scale, sign): (row_softmax(sign * scale * distances) * same).sum(axis=1).mean() for scale in scales for sign in (1, -1)}
    rows = [(scale, sign, float(share), float(same.mean())) for (scale, sign), share in shares.items()]
    return pd.DataFrame(rows, columns=["scale", "sign", "same person", "even"])


def checked_graph(distances: Any, same: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Both as arrays (n, m).

    Raises:
        ValueError: the two do not have one shape, or nothing is in them.
    """
    distances, same = np.asarray(distances, dtype=np.float64), np.asarray(same, dtype=bool)
    if distances.ndim != 2 or distances.shape != same.shape or not distances.size:
        raise ValueError(f"expected distances and same (n, n - 1) of one shape; found {distances.shape} and {same.shape}")
    return distances, same


def row_softmax(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Shares (n, m) of each row, which add up to 1."""
    weights = np.exp(values - values.max(axis=1, keepdims=True))
    return weights / weights.sum(axis=1, keepdims=True)
