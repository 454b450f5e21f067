"""Whether features have collapsed: how far they point apart, and how many directions they use."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F


def collapse_numbers(matrix: Any) -> dict[str, float]:
    """Two numbers of features (N, D), whose lengths do not count: their cosine is what is compared.

    Returns:
        ``spread``: 1 minus the squared length of the mean unit vector, 0 where all point the same way, 1 where they cancel.
        ``directions``: the exponential of the entropy of the shares of variance along the principal directions of the unit vectors: D
        where all directions vary alike, 1 where all vectors lie on a line, 0 where nothing varies.

    Raises:
        ValueError: not a matrix with a row.
    """
    rows = torch.as_tensor(matrix).detach().double()
    if rows.ndim != 2 or len(rows) == 0:
        raise ValueError(f"expected features (N, D) with a row, found {tuple(rows.shape)}")
    units = F.normalize(rows, dim=1)
    mean = units.mean(dim=0)
    variances = torch.linalg.svdvals(units - mean) ** 2
    if float(variances.sum()) <= 1e-12 * len(rows):
        return {"spread": float(1 - mean.norm() ** 2), "directions": 0.0}
    shares = variances / variances.sum()
    entropy = -(shares * shares.clamp_min(1e-300).log()).sum()
    return {"spread": float(1 - mean.norm() ** 2), "directions": float(entropy.exp())}
