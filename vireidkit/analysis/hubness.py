"""Hubs: gallery images that stand among the nearest of far too many queries, and people whom everybody is taken for; beside luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_matrix, check_table, nearest
from vireidkit.analysis.retrieval import trial_distance
from vireidkit.randomness import numpy_generator

ENDS = (0.025, 0.975)


@dataclass(frozen=True, eq=False)
class Hubness:
    """How unevenly images stand among the k nearest of others.

    Attributes:
        table: one row a gallery image, largest first: ``row`` (position in the features), ``identity, camera, modality``;
            ``occurrences`` (N_k: for how many queries it is among the k nearest), ``wrong`` (for how many of another person),
            ``open_to`` (how many queries may find it).
        distribution: one row a number of occurrences from 0 on: ``occurrences, images`` (how many have it), ``lot`` (by lot).
        skewness: of the occurrences, E[(N_k - mean)^3] / deviation^3; 0 is even. NaN where all are equal.
        wrong_skewness: of the wrong occurrences alone.
        lot, lot_high: skewness when the k nearest are drawn by lot, mean and upper end of its 95 % interval.
        orphans: share of the images that are among nobody's nearest (0-1), lot_orphans: by lot.
        k, queries: neighbours, and how many were asked.
    """

    table: pd.DataFrame
    distribution: pd.DataFrame
    skewness: float
    wrong_skewness: float
    lot: float
    lot_high: float
    orphans: float
    lot_orphans: float
    k: int
    queries: int

    def __str__(self) -> str:
        first = self.table.iloc[0]
        return (
            f"{self.k}-occurrence over {self.queries} queries: skewness {self.skewness:.2f} "
            f"(by lot {self.lot:.2f}, up to {self.lot_high:.2f}); the largest hub is among the nearest of {first['occurrences']}, "
            f"wrongly for {first['wrong']}; {self.orphans:.0%} of the images are among nobody's ({self.lot_orphans:.0%} by lot)"
        )


def hubness(features: Any, trial: Any = None, *, k: int = 10, draws: int = 1000, seed: int = 0) -> Hubness:
    """k-occurrences of the gallery images, their skewness, and what luck would give.

        N_k(x) = number of queries that have x among their k nearest,    S = E[(N_k - mean)^3] / deviation^3

    By lot, x is among a query's k nearest with probability k / n, n being the images that the rule left to that query.

    Args:
        features: ``Features``.
        trial: a protocol's ``Trial``, whose camera rule holds; None asks with every image among all others.
        k: neighbours; queries with fewer images left count with those they have. draws, seed: of the lot.

    Raises:
        ValueError: no query, no gallery image, or k below 1.

    Source: Radovanovic, Nanopoulos, Ivanovic: Hubs in Space, JMLR 2010, section 2 ("bad" occurrences: section 7). Grade: paper.
    """
    if k < 1 or (trial is not None and 0 in (len(trial.query), len(trial.gallery))):
        raise ValueError(f"hubness needs k >= 1, queries and gallery images; found k = {k}" + ("" if k < 1 else " and an empty trial"))
    near, allowed, gallery, asking = _within(features, k) if trial is None else _across(features, trial, k)
    right = asking[:, None] == gallery["identity"].to_numpy()  # (Q, G)
    counts, wrong = near.sum(axis=0), (near & ~right).sum(axis=0)
    table = pd.DataFrame(
        {
            "row": gallery.index.to_numpy(),
            **{name: gallery[name].to_numpy() for name in ("identity", "camera", "modality")},
            "occurrences": counts,
            "wrong": wrong,
            "open_to": allowed.sum(axis=0),
        }
    ).sort_values(["occurrences", "wrong"], ascending=False, kind="stable", ignore_index=True)
    lots = _by_lot(allowed, k, draws, seed)
    skews = _skewness(lots)
    known = skews[np.isfinite(skews)]
    lot = (float(known.mean()), float(np.quantile(known, ENDS[1]))) if len(known) else (float("nan"), float("nan"))
    orphans = (float((counts == 0).mean()), float((lots == 0).mean()))
    return Hubness(table, _distribution(counts, lots), float(_skewness(counts)), float(_skewness(wrong)), *lot, *orphans, k, len(asking))


def attractors(queries: pd.DataFrame, *, people: Any = None, draws: int = 1000, seed: int = 0) -> pd.DataFrame:
    """People who are taken for others: how many wrong first places each gets, beside what luck gives to the same place of the list.

    Even by lot somebody comes out first, so the k-th largest count is compared with the k-th largest by lot. The lot keeps what one
    person's queries share: whoever asks, all her wrong answers of one person go together to another person drawn from the others.

    Args:
        queries: ``query_table``; people: everybody in the gallery, by default everybody who asks or is taken.
        draws, seed: of the lot.

    Returns:
        One row a person, most taken first: ``place`` (from 1), ``identity, taken`` (wrong first places), ``share`` (of all wrong
        ones), ``by`` (how many people were taken for this one); ``lot, lot_low, lot_high`` (mean and 95 % interval of the count at this
        place by lot), ``beyond`` (more than luck explains: above the interval at this place and at all places before it).

    Raises:
        ValueError: somebody taken is not among ``people``, or there are fewer than two of them.
    """
    failed = queries[queries["valid"] & (queries["first_hit"] != 1) & (queries["wrong_row"] >= 0)]
    everybody = np.union1d(queries["identity"], failed["wrong_identity"]) if people is None else np.unique(np.asarray(people))
    strange = np.setdiff1d(failed["wrong_identity"], everybody)
    if len(strange) or len(everybody) < 2:
        problem = f"person {strange[0]} taken but not listed" if len(strange) else f"{len(everybody)} people"
        raise ValueError(f"attractors need at least two people and everybody who is taken, found {problem}")
    pairs = failed.groupby(["identity", "wrong_identity"]).size()  # wrong first places of one person for another
    by_person = pairs.groupby(level=1)
    taken, by = (by_person.agg(how).reindex(everybody, fill_value=0).to_numpy() for how in ("sum", "size"))
    order = np.lexsort((everybody, -taken))
    lots = -np.sort(-_relabelled(pairs, everybody, draws, seed), axis=1)  # (draws, people), largest first
    low, high = np.quantile(lots, ENDS, axis=0)
    table = pd.DataFrame({"place": np.arange(1, len(everybody) + 1), "identity": everybody[order], "taken": taken[order]})
    beyond = np.logical_and.accumulate(taken[order] > high)  # further down a list somebody is always a little above
    table["share"] = table["taken"] / len(failed) if len(failed) else np.nan
    return table.assign(by=by[order], lot=lots.mean(axis=0), lot_low=low, lot_high=high, beyond=beyond)


def _relabelled(pairs: pd.Series, everybody: NDArray[Any], draws: int, seed: int) -> NDArray[np.int64]:
    """Counts of everybody (draws, people) when each asking person's wrong answers go to other people drawn by lot."""
    random, number = numpy_generator(seed, "attractors"), len(everybody)
    found = np.zeros((draws, number), np.int64)
    for asking, counts in pairs.groupby(level=0):
        keys = random.random((draws, number))
        keys[:, everybody == asking] = np.inf  # nobody is wrongly taken for herself
        drawn = np.argpartition(keys, len(counts) - 1, axis=1)[:, : len(counts)]
        # Which of the drawn people comes first is by lot too, for argpartition leaves them in no order that depends on who they are.
        np.add.at(found, (np.arange(draws)[:, None], drawn), random.permuted(np.tile(counts.to_numpy(), (draws, 1)), axis=1))
    return found


def _across(features: Any, trial: Any, k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], pd.DataFrame, NDArray[Any]]:
    """Near (Q, G), allowed (Q, G), the gallery, who asks (Q,), under the trial's rule."""
    distance, excluded = trial_distance(features, trial)
    order = np.where(excluded, np.inf, distance).argsort(axis=1, kind="stable")[:, :k]
    near = np.zeros_like(excluded)
    np.put_along_axis(near, order, True, axis=1)
    return near & ~excluded, ~excluded, trial.gallery, trial.query["identity"].to_numpy()


def _within(features: Any, k: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_], pd.DataFrame, NDArray[Any]]:
    """The same with every image asking all others."""
    matrix = as_matrix(features)
    check_table(features.table, len(matrix), ("identity", "camera", "modality"))
    near = np.zeros((len(matrix), len(matrix)), bool)
    np.put_along_axis(near, nearest(matrix, min(k, len(matrix) - 1)), True, axis=1)
    return near, ~np.eye(len(matrix), dtype=bool), features.table, features.table["identity"].to_numpy()


def _by_lot(allowed: NDArray[np.bool_], k: int, draws: int, seed: int) -> NDArray[np.int64]:
    """Occurrences by lot, (draws, G): as many tries as queries may find the image, each with the mean chance of these queries."""
    left = allowed.sum(axis=1)
    chance = np.where(left > 0, np.minimum(1.0, k / np.maximum(left, 1)), 0.0)  # (Q,)
    tries = allowed.sum(axis=0)
    # By the few chances that there are: a product would turn the whole matrix into floats.
    total = sum(one * allowed[chance == one].sum(axis=0) for one in np.unique(chance))
    mean = np.where(tries > 0, total / np.maximum(tries, 1), 0.0)
    return numpy_generator(seed, "hubness").binomial(tries, np.clip(mean, 0, 1), size=(draws, len(tries)))


def _distribution(counts: NDArray[np.int64], lots: NDArray[np.int64]) -> pd.DataFrame:
    """How many images have each number of occurrences, found and by lot."""
    longest = int(max(counts.max(), lots.max())) + 1
    found, lot = (np.bincount(values.ravel(), minlength=longest) for values in (counts, lots))
    return pd.DataFrame({"occurrences": np.arange(longest), "images": found, "lot": lot / len(lots)})


def _skewness(counts: NDArray[Any]) -> NDArray[np.float64]:
    """Third standardised moment along the last axis; NaN where all are equal."""
    centred = counts - counts.mean(axis=-1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=-1))
    return np.where(deviation > 0, (centred**3).mean(axis=-1) / np.where(deviation > 0, deviation, 1) ** 3, np.nan)
