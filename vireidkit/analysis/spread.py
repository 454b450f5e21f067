"""Why two pictures of one person lie apart: how far one modality scatters, and how far the two modalities' means lie apart."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import FloatMatrix, as_matrix, check_table, is_infrared
from vireidkit.randomness import numpy_generator

PARTS = ("inside visible", "inside infrared", "between the means")


def modality_spread(features: Any, table: pd.DataFrame | None = None) -> pd.DataFrame:
    """For each person, what the squared distance of a visible from an infrared picture is made of.

        mean |z_v - z_i|^2  =  W_visible + W_infrared + G
        W_m = sum over the person's n pictures z of modality m of |z - mean_m|^2 / (n - 1)
        G = |mean_v - mean_i|^2 - W_v / n_v - W_i / n_i

    The equation holds exactly, person by person, the mean being over all pairs of a visible and an infrared picture. W is the variance
    inside a modality; G the squared distance of the two means, less what the means of so few pictures differ by luck (so that it may
    fall below 0). All cameras of a modality count together.

    Args:
        features: ``Features`` or a matrix (N, D), in the method's own metric; for cosine the rows have length 1 here, and half of each
            number is a cosine distance.
        table: one row a descriptor with identity and modality; None takes that of the features.

    Returns:
        Indexed by ``identity``, ascending: the three ``PARTS``; ``one person``, their sum; ``two people``: mean squared distance of the
        person's pictures from other people's of the other modality. People without two pictures in each modality are left out.

    Raises:
        ValueError: the table does not fit.

    Source: the decomposition of a variance (ours in this form), for the spread inside a modality that the SMMD paper speaks of.
    """
    table = getattr(features, "table", None) if table is None else table
    matrix = as_matrix(features)
    check_table(table, len(matrix), ("identity", "modality"))
    infrared = is_infrared(table["modality"], len(matrix))
    people, person = np.unique(table["identity"].to_numpy(), return_inverse=True)
    counts, sums, squares = zip(*(_sums(matrix[own], person[own], len(people)) for own in (~infrared, infrared)), strict=True)
    kept = (counts[0] > 1) & (counts[1] > 1)
    means = [own[kept] / count[kept, None] for own, count in zip(sums, counts, strict=True)]
    inside = [_variance(square[kept], mean, count[kept]) for square, mean, count in zip(squares, means, counts, strict=True)]
    luck = inside[0] / counts[0][kept] + inside[1] / counts[1][kept]
    between = ((means[0] - means[1]) ** 2).sum(axis=1) - luck
    found = dict(zip(PARTS, (*inside, between), strict=True))
    found |= {"one person": inside[0] + inside[1] + between, "two people": _from_others(counts, sums, squares, means, kept)}
    return pd.DataFrame(found, index=pd.Index(people[kept], name="identity"))


def _sums(matrix: FloatMatrix, person: NDArray[np.int64], people: int) -> tuple[NDArray[Any], FloatMatrix, NDArray[np.float64]]:
    """Number of pictures (P,), sum of their descriptors (P, D), and sum of their squared lengths (P,)."""
    sums = np.zeros((people, matrix.shape[1]))
    np.add.at(sums, person, matrix)
    squares = np.bincount(person, weights=(matrix**2).sum(axis=1), minlength=people)
    return np.bincount(person, minlength=people), sums, squares


def _variance(square: NDArray[np.float64], mean: FloatMatrix, count: NDArray[Any]) -> NDArray[np.float64]:
    """Sum of squared distances from the mean over n - 1, (P,); rounding never takes it below 0."""
    return np.maximum(square - count * (mean**2).sum(axis=1), 0) / (count - 1)


def _from_others(counts: Any, sums: Any, squares: Any, means: Any, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Mean squared distance of each kept person's pictures from those of others in the other modality; mean of both directions."""
    found = []
    for own, other in ((0, 1), (1, 0)):
        others = counts[other].sum() - counts[other][kept]
        mean = (sums[other].sum(axis=0) - sums[other][kept]) / np.maximum(others, 1)[:, None]
        length = (squares[other].sum() - squares[other][kept]) / np.maximum(others, 1)
        distance = squares[own][kept] / counts[own][kept] + length - 2 * (means[own] * mean).sum(axis=1)
        found.append(np.where(others > 0, distance, np.nan))
    return np.mean(found, axis=0)


def spread_table(
    features: Mapping[str, Any], table: pd.DataFrame | None = None, *, against: str | None = None, resamples: int = 1000, seed: int = 0
) -> pd.DataFrame:
    """``modality_spread`` of several networks, in shares of the distance of two people, with intervals over people.

    A share takes out how large a network's distances are: 1 means as far as two people, on average.

    Args:
        features: name -> ``Features`` (or a matrix, then give the table) of the same images.
        against: a name; the others' differences from it are paired by person. None: no differences.
        resamples: of the bootstrap, which draws people; seed: of the draws, the same for all networks.

    Returns:
        One row a network and part (``PARTS`` and "one person"): ``network, part, value`` (mean over people), ``share, low, high``
        (value over the mean of "two people", 95 % percentile interval), ``of_pair`` (value over that of "one person"), and with
        ``against``: ``difference, difference_low, difference_high`` of the shares.

    Raises:
        ValueError: nothing given, ``against`` is not among the names, or the networks describe other people.
    """
    found = {name: modality_spread(one, table) for name, one in features.items()}
    if not found or (against is not None and against not in found):
        raise ValueError(f"expected networks{'' if against is None else f', {against!r} among them'}; found {', '.join(found) or 'none'}")
    people = next(iter(found.values())).index
    if not len(people) or any(not one.index.equals(people) for one in found.values()):
        raise ValueError(f"expected the same people in every network, with two pictures in each modality; found {len(people)}")
    draws = numpy_generator(seed, "spread").integers(len(people), size=(resamples, len(people)))
    rows, drawn = [], {}
    for name, one in found.items():
        for part in (*PARTS, "one person"):
            own, far = one[part].to_numpy(), one["two people"].to_numpy()
            drawn[name, part] = own[draws].mean(axis=1) / far[draws].mean(axis=1)
            low, high = np.quantile(drawn[name, part], [0.025, 0.975])
            share, whole = own.mean() / far.mean(), one["one person"].mean()
            rows.append((name, part, own.mean(), share, low, high, own.mean() / whole))
    table = pd.DataFrame(rows, columns=["network", "part", "value", "share", "low", "high", "of_pair"])
    return table if against is None else _with_differences(table, drawn, against)


def _with_differences(table: pd.DataFrame, drawn: Mapping[tuple[str, str], NDArray[np.float64]], against: str) -> pd.DataFrame:
    """The table with each share minus that of ``against``; the resamples are the same people, so the difference is paired."""
    share = table.set_index(["network", "part"])["share"]
    columns: dict[str, list[float]] = {"difference": [], "difference_low": [], "difference_high": []}
    for network, part in share.index:
        ends = np.quantile(drawn[network, part] - drawn[against, part], [0.025, 0.975])
        values = (share[network, part] - share[against, part], *ends) if network != against else (np.nan,) * 3
        for column, value in zip(columns, values, strict=True):
            columns[column].append(float(value))
    return table.assign(**columns)
