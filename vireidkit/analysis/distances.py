"""Distances between images of one person and of two, within each band and across."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_matrix, check_table, is_infrared
from vireidkit.randomness import numpy_generator

GROUPS = ("within visible", "within infrared", "across bands")


def pair_distances(
    features: Any, table: pd.DataFrame | None = None, *, pairs: int = 4000, seed: int = 0, across_cameras: bool = True
) -> pd.DataFrame:
    """Distances of random pairs of images, at most ``pairs`` of each kind: same or another person, within a band or across.

    Args:
        features: ``Features`` or a matrix (N, D), compared by cosine distance (1 - cosine) or Euclidean distance as their metric says.
        table: one row a descriptor with identity, camera, modality; ``None`` takes that of the features.
        across_cameras: leave out pairs from one camera, whose shared background makes them alike.

    Returns:
        Columns ``group`` (see ``GROUPS``), ``same`` (bool), ``distance``; ``attrs["metric"]`` names the metric.
    """
    table = features.table if table is None else table
    metric = getattr(features, "metric", "cosine")
    matrix = as_matrix(features, metric)
    check_table(table, len(matrix), ("identity", "camera", "modality"))
    infrared, identity, camera = is_infrared(table["modality"], len(matrix)), table["identity"].to_numpy(), table["camera"].to_numpy()
    random = numpy_generator(seed, "pair distances")
    found = []
    for same in (True, False):
        first, second = _candidates(identity, same, random, pairs)
        if across_cameras:
            kept = camera[first] != camera[second]
            first, second = first[kept], second[kept]
        kind = infrared[first].astype(int) + infrared[second]  # 0 visible, 1 across, 2 infrared
        for group, code in zip(GROUPS, (0, 2, 1), strict=True):
            chosen = np.flatnonzero(kind == code)[:pairs]
            difference = matrix[first[chosen]] - matrix[second[chosen]]
            squared = (difference**2).sum(axis=1)
            # Between vectors of length 1, half the squared Euclidean distance is 1 - cosine.
            distance = squared / 2 if metric == "cosine" else np.sqrt(squared)
            found.append(pd.DataFrame({"group": group, "same": same, "distance": distance}))
    pairs_found = pd.concat(found, ignore_index=True)
    pairs_found.attrs["metric"] = metric
    return pairs_found


def separation(pairs: pd.DataFrame) -> pd.DataFrame:
    """How well distance tells one person from two: one row a group of ``pair_distances``.

    Columns ``group``; ``auc``: probability that a pair of one person is closer than a pair of two (ties count half; .5 is
    chance); ``same_median, other_median``; ``same_pairs, other_pairs`` (counts). NaN where a kind of pair is missing.
    """
    rows = []
    for group in [name for name in GROUPS if (pairs["group"] == name).any()]:
        inside = pairs[pairs["group"] == group]
        same, other = (inside.loc[inside["same"] == flag, "distance"].to_numpy() for flag in (True, False))
        middles = [float(np.median(values)) if len(values) else float("nan") for values in (same, other)]
        rows.append((group, _closer(same, other), *middles, len(same), len(other)))
    return pd.DataFrame(rows, columns=["group", "auc", "same_median", "other_median", "same_pairs", "other_pairs"])


def _closer(same: NDArray[np.float64], other: NDArray[np.float64]) -> float:
    """Probability that a value of ``same`` is below one of ``other``, ties counting half (Mann-Whitney)."""
    if not len(same) or not len(other):
        return float("nan")
    ordered = np.sort(same)
    below = np.searchsorted(ordered, other, "left") + np.searchsorted(ordered, other, "right")
    return float(below.mean() / (2 * len(same)))


def _candidates(identity: NDArray[Any], same: bool, random: np.random.Generator, pairs: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions of pairs of one person (all of them, in random order) or of two people (plenty, drawn at random)."""
    if same:
        groups = pd.Series(np.arange(len(identity))).groupby(identity).indices.values()
        corners = [np.triu_indices(len(group), 1) for group in groups]
        both = [(group[a], group[b]) for group, (a, b) in zip(groups, corners, strict=True)]
        first, second = (np.concatenate(side) for side in zip(*both, strict=True))
        order = random.permutation(len(first))
        return first[order], second[order]
    # Each of the three groups may be a small part of all pairs, and equal cameras drop out.
    first, second = random.integers(len(identity), size=(2, 16 * pairs))
    kept = identity[first] != identity[second]
    return first[kept], second[kept]
