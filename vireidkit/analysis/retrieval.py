"""What a ranking looks like query by query: who is found, who is taken for whom, and what the camera rule removed."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.factors import with_factors
from vireidkit.analysis.neighbours import as_array
from vireidkit.errors import SettingError
from vireidkit.evaluation.metrics import rank_metrics
from vireidkit.randomness import numpy_generator

ORDERS = ("failures first", "by AP", "by camera")


def query_table(features: Any, trial: Any, *, ap: str = "plain", factors: Any = None) -> pd.DataFrame:
    """One row a query of a trial, in the trial's order.

    Args:
        features: ``Features``; trial: a protocol's ``Trial`` whose tables are indexed by position in the features.
        ap: "plain" or "trapezoid", as the protocol says.
        factors: what is known of people or pictures, one table or several, see ``with_factors``.

    Returns:
        Columns ``query`` (position in ``trial.query``), ``row`` (position in the features), ``identity, camera, modality``;
        ``valid`` (the gallery holds the person); ``first_hit`` (1-based place of the first right image, -1 where invalid);
        ``ap`` (0-1, NaN where invalid); ``removed`` (gallery images taken out by the camera rule); ``right_row,
        right_distance`` and ``wrong_row, wrong_identity, wrong_camera, wrong_distance``: the closest right and the closest wrong
        image that the rule left, rows being positions in the features (-1, NaN where there is none). With factors, their columns too.
    """
    distance, excluded = trial_distance(features, trial)
    query, gallery = trial.query, trial.gallery
    people, found = query["identity"].to_numpy(), gallery["identity"].to_numpy()
    metrics = rank_metrics(distance, people, found, excluded=excluded, ap=ap)
    same = people[:, None] == found[None, :]  # (Q, G)
    right, right_distance = _closest(distance, same & ~excluded)
    wrong, wrong_distance = _closest(distance, ~same & ~excluded)
    table = pd.DataFrame(
        {
            "query": np.arange(len(query)),
            "row": query.index.to_numpy(),
            **{name: query[name].to_numpy() for name in ("identity", "camera", "modality")},
            "valid": metrics.first_hit > 0,
            "first_hit": metrics.first_hit,
            "ap": metrics.ap,
            "removed": excluded.sum(axis=1),
            "right_row": _taken(gallery.index.to_numpy(), right),
            "right_distance": right_distance,
            "wrong_row": _taken(gallery.index.to_numpy(), wrong),
            "wrong_identity": _taken(found, wrong),
            "wrong_camera": _taken(gallery["camera"].to_numpy(), wrong),
            "wrong_distance": wrong_distance,
        }
    )
    return table if factors is None else with_factors(table, features.table, factors)


def ranked(features: Any, trial: Any, query_position: int, k: int = 10) -> pd.DataFrame:
    """The gallery of one query from the nearest on, down to the k-th image that counts (fewer when the gallery ends).

    Images that the camera rule removes stay in the list, marked, where they would have stood.

    Args:
        query_position: position in ``trial.query``; k: images that count; None is the whole gallery.

    Returns:
        Columns ``rank`` (1-based among those that count, 0 for removed ones), ``gallery`` (position in ``trial.gallery``), ``row``
        (position in the features), ``identity, camera, distance, correct, excluded``.

    Raises:
        IndexError: there is no such query.
    """
    if not 0 <= query_position < len(trial.query):
        raise IndexError(f"query position must lie between 0 and {len(trial.query) - 1}, found {query_position}")
    gallery = trial.gallery
    row = trial.query.index[query_position : query_position + 1].to_numpy()
    distance = as_array(features.distance(row, gallery.index.to_numpy()))[0].astype(np.float64)  # (G,)
    excluded = np.zeros(len(gallery), bool) if trial.excluded is None else as_array(trial.excluded)[query_position].astype(bool)
    order = np.argsort(distance, kind="stable")
    kept = ~excluded[order]
    rank = np.where(kept, np.cumsum(kept), 0)
    if k is not None and k <= kept.sum():
        order = order[: np.flatnonzero(rank == k)[0] + 1]
    found = gallery.iloc[order]
    return pd.DataFrame(
        {
            "rank": rank[: len(order)],
            "gallery": order,
            "row": found.index.to_numpy(),
            "identity": found["identity"].to_numpy(),
            "camera": found["camera"].to_numpy(),
            "distance": distance[order],
            "correct": found["identity"].to_numpy() == trial.query["identity"].iloc[query_position],
            "excluded": excluded[order],
        }
    )


def shortened(trial: Any, images: int = 10, *, seed: int = 0) -> Any:
    """The trial with a gallery so short that it can be read at a glance: the rest is marked as excluded.

    Of every query's gallery all right images stay (as many as there is room for), and random wrong ones fill up to ``images``. The
    exclusion of the trial stays as well. Only for looking: a shorter list is an easier one, and its scores mean nothing.

    Args:
        trial: a protocol's ``Trial``; images: how many stay for each query; seed: of the draw.
    """
    same = trial.query["identity"].to_numpy()[:, None] == trial.gallery["identity"].to_numpy()  # (Q, G)
    excluded = np.zeros(same.shape, bool) if trial.excluded is None else as_array(trial.excluded).astype(bool)
    keys = np.where(excluded, 2.0, np.where(same, -1.0, numpy_generator(seed, "shortened").random(same.shape)))
    place = keys.argsort(axis=1, kind="stable").argsort(axis=1, kind="stable")
    return replace(trial, excluded=excluded | (place >= images))


def precision_steps(correct: Any) -> pd.DataFrame:
    """Average precision, step by step: one row a place of a ranked list.

    Args:
        correct: bool (n,), from the nearest image on; removed images must be left out.

    Returns:
        Columns ``rank, correct, hits`` (so far), ``precision`` (hits / rank), ``adds`` (what the place adds to AP: precision over
        the number of right images in this list, 0 at a wrong one). The sum of ``adds`` is the AP when all right images are listed.
    """
    correct = as_array(correct).astype(bool)
    rank, hits = np.arange(1, len(correct) + 1), np.cumsum(correct)
    precision = hits / rank
    adds = np.where(correct, precision / max(1, correct.sum()), 0.0)
    return pd.DataFrame({"rank": rank, "correct": correct, "hits": hits, "precision": precision, "adds": adds})


def order_queries(queries: pd.DataFrame, order: str = "failures first") -> NDArray[np.int64]:
    """Query positions in the order asked for; queries that are not valid come last.

    "failures first": the later the first right image, the earlier; then by AP. "by AP": lowest first. "by camera": camera number.

    Raises:
        SettingError: unknown order.
    """
    if order not in ORDERS:
        raise SettingError(f"unknown order {order!r}; known: {', '.join(ORDERS)}")
    keys = {
        "failures first": (["invalid", "first_hit", "ap"], [True, False, True]),
        "by AP": (["invalid", "ap", "first_hit"], [True, True, False]),
        "by camera": (["invalid", "camera", "query"], [True, True, True]),
    }[order]
    table = queries.assign(invalid=~queries["valid"])
    return table.sort_values(keys[0], ascending=keys[1], kind="stable")["query"].to_numpy(dtype=np.int64)


def found_first(queries: pd.DataFrame) -> float:
    """Share of valid queries whose nearest image is the right person (Rank-1, 0-1); NaN without a valid query."""
    valid = queries[queries["valid"]]
    return float((valid["first_hit"] == 1).mean()) if len(valid) else float("nan")


def trial_distance(features: Any, trial: Any) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Distances (Q, G) of a trial, and which gallery images are removed for which query (Q, G)."""
    distance = as_array(features.distance(trial.query.index.to_numpy(), trial.gallery.index.to_numpy())).astype(np.float64)
    excluded = np.zeros(distance.shape, bool) if trial.excluded is None else as_array(trial.excluded).astype(bool)
    return distance, excluded


def _closest(distance: NDArray[np.float64], allowed: NDArray[np.bool_]) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """Column of the smallest allowed distance of each row (-1 where there is none), and the distance (NaN there)."""
    if distance.shape[1] == 0:
        return np.full(len(distance), -1), np.full(len(distance), np.nan)
    masked = np.where(allowed, distance, np.inf)
    column = masked.argmin(axis=1)
    found = allowed.any(axis=1)
    return np.where(found, column, -1), np.where(found, masked[np.arange(len(masked)), column], np.nan)


def _taken(values: NDArray[Any], columns: NDArray[np.int64]) -> NDArray[Any]:
    """``values[columns]``, -1 where the column is -1."""
    padded = np.append(values, -1)
    return padded[columns]
