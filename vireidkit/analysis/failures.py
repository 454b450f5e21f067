"""Where a search fails: by camera pair, by view, by whatever is known of the pictures, each kind beside all others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.factors import view_of
from vireidkit.analysis.neighbours import as_array
from vireidkit.analysis.retrieval import query_table
from vireidkit.randomness import numpy_generator

ENDS = (0.025, 0.975)
FEW = 6  # a number with more values than this is cut into groups
THIRDS = ("lowest", "middle", "highest")


def pair_queries(features: Any, trial: Any, **options: Any) -> pd.DataFrame:
    """The trial asked once for each camera of its gallery: a query table a gallery camera, one below the other.

    A first place can only be compared between camera pairs when each pair has a gallery of its own; in a common gallery the
    cameras compete. Columns of ``query_table`` (``options`` are its), ``gallery_camera``, and ``pair`` such as "3 to 1".

    Raises:
        ValueError: the gallery is empty.
    """
    cameras = trial.gallery["camera"].to_numpy()
    if len(cameras) == 0:
        raise ValueError("camera pairs need a trial with gallery images, found none")
    shape = (len(trial.query), len(trial.gallery))
    excluded = np.zeros(shape, bool) if trial.excluded is None else as_array(trial.excluded).astype(bool)
    parts = []
    for camera in np.unique(cameras):
        table = query_table(features, replace(trial, excluded=excluded | (cameras != camera)), **options)
        # What the other cameras hold was not removed by the protocol.
        table["removed"] = excluded[:, cameras == camera].sum(axis=1)
        pair = [f"{own} to {camera}" for own in table["camera"]]
        parts.append(table.assign(gallery_camera=camera, pair=pair))
    return pd.concat(parts, ignore_index=True)


def failure_groups(
    queries: pd.DataFrame,
    by: Sequence[str] | Mapping[str, Any] | str | None = None,
    *,
    bins: int = 3,
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """How often the first place is wrong, for each kind of query, and how much more often than for all other queries.

    95 % percentile intervals; the queries of one person stand or fall together, so identities are resampled, not queries. The
    difference is taken inside each resample. With many kinds, one in twenty intervals leaves out 0 by luck alone.

    Args:
        queries: ``query_table`` or ``pair_queries``; queries without a match in the gallery are left out.
        by: columns, or name -> one value a query. None takes what is there of camera, ``pair`` and ``heading_degrees`` (as
            "view"). A number with more than six values is cut into ``bins`` groups of equal size; unknown values are left out.
        resamples, seed: of the bootstrap.

    Returns:
        One row a kind: ``factor, value, queries, identities, failed`` (0-1), ``low, high``; ``elsewhere`` (share failed of all
        other queries), ``difference`` (failed minus elsewhere), ``difference_low, difference_high``. NaN where identities are too few.

    Raises:
        KeyError: no such column. ValueError: another number of values than queries, no factor at all, or bins below 2.
    """
    kinds = {name: _grouped(values, bins) for name, values in _values(queries, by).items()}
    if not kinds or bins < 2:
        raise ValueError(f"failure groups need a factor and at least 2 bins, found {len(kinds)} factors and {bins} bins")
    valid = queries["valid"].to_numpy(dtype=bool)
    failed = (queries["first_hit"] != 1).to_numpy()[valid]
    identity = pd.factorize(queries["identity"].to_numpy()[valid])[0]
    people = int(identity.max()) + 1 if len(identity) else 0
    # The same draws for every factor: how often each person is in each resample.
    draws = numpy_generator(seed, "failure groups").multinomial(people, np.full(people, 1 / people), size=resamples) if people else None
    parts = [_one_factor(name, kind[valid], failed, identity, draws) for name, kind in kinds.items()]
    return pd.concat(parts, ignore_index=True)


def _values(queries: pd.DataFrame, by: Sequence[str] | Mapping[str, Any] | str | None) -> dict[str, pd.Series]:
    """name -> one value a query."""
    if by is None:
        found = {name: queries[name] for name in ("camera", "pair") if name in queries.columns}
        return found | ({"view": view_of(queries["heading_degrees"])} if "heading_degrees" in queries.columns else {})
    chosen = by if isinstance(by, Mapping) else {name: queries[name] for name in ([by] if isinstance(by, str) else by)}
    for name, values in chosen.items():
        if len(values) != len(queries):
            raise ValueError(f"factor {name!r} needs one value for each of {len(queries)} queries, found {len(values)}")
    return {name: pd.Series(values) for name, values in chosen.items()}


def _grouped(values: pd.Series, bins: int) -> pd.Series:
    """The values as text in their order, numbers with many values in groups of equal size; unknown stays unknown."""
    number = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    if number and values.nunique() > FEW:
        cut = pd.qcut(values, bins, duplicates="drop")
        names = [f"{part.left:.3g} to {part.right:.3g}" for part in cut.cat.categories]
        if bins == len(THIRDS) == len(names):
            names = [f"{third} third ({name})" for third, name in zip(THIRDS, names, strict=True)]
        return pd.Series(cut.cat.rename_categories(names)).reset_index(drop=True)
    ordered = isinstance(values.dtype, pd.CategoricalDtype)
    known = values.cat.categories if ordered else sorted(values.dropna().unique(), key=lambda value: (isinstance(value, str), value))
    named = values.astype(object).map({value: str(value) for value in known}, na_action="ignore")
    return pd.Series(pd.Categorical(named, categories=list(dict.fromkeys(map(str, known))))).reset_index(drop=True)


def _one_factor(
    name: str, kind: pd.Series, failed: NDArray[np.bool_], identity: NDArray[np.int64], draws: NDArray[np.int64] | None
) -> pd.DataFrame:
    """The rows of one factor."""
    codes, names = kind.cat.codes.to_numpy(), list(kind.cat.categories)
    member = codes[:, None] == np.arange(len(names))  # (Q, G)
    people = np.zeros((2, 0 if draws is None else draws.shape[1], len(names)))
    np.add.at(people[0], identity, member & failed[:, None])  # failures of a person in a group
    np.add.at(people[1], identity, member)  # queries
    rows = []
    shares, other = _shares(people.sum(axis=1))
    resampled = _shares(draws.astype(np.float64) @ people) if draws is not None else None
    for group in np.flatnonzero(member.any(axis=0)):
        own, rest = (float(one[group]) for one in (shares, other))
        ends = [np.nan] * 4
        if resampled is not None and (people[1][:, group] > 0).sum() >= 2:
            some, others = (one[:, group] for one in resampled)
            ends = [*_ends(some), *_ends(some - others)]
        counts = (int(member[:, group].sum()), int((people[1][:, group] > 0).sum()))
        rows.append((name, names[group], *counts, own, *ends[:2], rest, own - rest, *ends[2:]))
    columns = ["queries", "identities", "failed", "low", "high", "elsewhere", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=["factor", "value", *columns])


def _shares(sums: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Share failed of each group and of all others; sums (2, ..., G) holds failures and queries. NaN without a query."""
    rest = sums.sum(axis=-1, keepdims=True) - sums
    first, second = (np.where(one[1] > 0, one[0] / np.maximum(one[1], 1), np.nan) for one in (sums, rest))
    return first, second


def _ends(values: NDArray[np.float64]) -> tuple[float, float]:
    """Ends of the 95 % interval of the resamples that hold both kinds of query."""
    known = values[np.isfinite(values)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, ENDS)
    return float(low), float(high)
