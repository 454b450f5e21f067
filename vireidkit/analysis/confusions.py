"""What failures have in common: queries by camera or by what is in the picture, and what mistaken people share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.randomness import numpy_generator


def breakdown(queries: pd.DataFrame, by: Any, *, resamples: int = 2000, seed: int = 0) -> pd.DataFrame:
    """How often the right person comes first, for each kind of query, with a 95 % percentile interval.

    The queries of one person stand or fall together, so identities are resampled, not queries.

    Args:
        queries: ``query_table``; by: a column, or a Series or array with one value a query. Queries that are not valid are left out.
        resamples: bootstrap draws; seed: of these draws.

    Returns:
        One row a value of ``by``, in order: ``queries, identities, found_first`` (0-1), ``low, high``; NaN ends with one identity.

    Raises:
        KeyError: no such column.
    """
    kinds = queries[by] if isinstance(by, str) else pd.Series(by).set_axis(queries.index)
    table = pd.DataFrame({"kind": kinds, "identity": queries["identity"], "first": queries["first_hit"] == 1})[queries["valid"]]
    rows = {}
    for kind, part in table.groupby("kind", observed=True):
        people = part.groupby("identity")["first"].agg(["sum", "size"]).to_numpy(dtype=np.float64)  # (identities, 2)
        low, high = _ends(people, resamples, seed)
        rows[kind] = (len(part), len(people), part["first"].mean(), low, high)
    found = pd.DataFrame.from_dict(rows, orient="index", columns=["queries", "identities", "found_first", "low", "high"])
    return found.rename_axis(index=kinds.name or "kind")


def _ends(people: np.ndarray, resamples: int, seed: int) -> tuple[float, float]:
    """Ends of the interval of hits over queries, identities resampled; people (identities, 2) holds hits and queries."""
    if len(people) < 2:
        return float("nan"), float("nan")
    drawn = numpy_generator(seed, "breakdown").integers(len(people), size=(resamples, len(people)))
    sums = people[drawn].sum(axis=1)  # (resamples, 2)
    low, high = np.quantile(sums[:, 0] / sums[:, 1], [0.025, 0.975])
    return float(low), float(high)


def attraction(queries: pd.DataFrame, *, top: int = 5) -> pd.Series:
    """How unevenly wrong first places fall on people: the sign of hubs. Compare with a ranking by lot, which is uneven too.

    Args:
        queries: ``query_table``; top: how many of the most attractive people are counted together.

    Returns:
        ``failures`` (valid queries whose first image is wrong), ``top share`` (of these, how many went to the ``top`` people who got
        most), ``never taken`` (share of the asking people who got none); shares 0-1, NaN without a failure.
    """
    failed = queries[queries["valid"] & (queries["first_hit"] > 1)]
    taken = failed["wrong_identity"].value_counts()
    people = queries["identity"].unique()
    shares = (taken.head(top).sum() / len(failed), np.mean(~np.isin(people, taken.index))) if len(failed) else (np.nan, np.nan)
    return pd.Series({"failures": float(len(failed)), "top share": shares[0], "never taken": shares[1]}, dtype=np.float64)


def shared_traits(
    queries: pd.DataFrame, people: pd.DataFrame, traits: Sequence[str], *, resamples: int = 2000, seed: int = 0
) -> pd.DataFrame:
    """Which traits a person shares with whoever was taken for them: a hint at what the descriptors hold.

    For every valid query whose first image is wrong, the query's person and the wrong one are compared; beside it stands how
    often that person would share the trait with anybody else of the test, all equally likely.

    Args:
        queries: ``query_table``; people: one row an identity with a column ``identity`` and the traits (``read_factors``), at
            least everybody of the test. Everybody asked or taken is "the test".
        traits: columns of ``people``; equal values count as shared.
        resamples, seed: of the 95 % percentile interval of the difference, identities of the queries resampled.

    Returns:
        One row a trait, largest difference first: ``trait, mistaken, anybody`` (shares 0-1), ``difference, low, high``. NaN
        without a failure; no interval with one failing identity.
    """
    failed = queries[queries["valid"] & (queries["first_hit"] > 1)]
    test = np.union1d(queries["identity"], failed["wrong_identity"])
    values = people.set_index("identity").loc[test]
    place = pd.Series(np.arange(len(test)), index=test)
    asked, taken = (place.loc[failed[name]].to_numpy() for name in ("identity", "wrong_identity"))
    rows = []
    for trait in traits:
        codes = values[trait].astype(str).to_numpy()
        equal = codes[:, None] == codes  # (identities, identities)
        anybody = (equal.sum(axis=1) - 1) / max(1, len(test) - 1)
        mistaken, expected = equal[asked, taken].astype(np.float64), anybody[asked]
        by_person = pd.DataFrame({"person": asked, "difference": mistaken - expected, "size": 1.0}).groupby("person").sum()
        low, high = _ends(by_person.to_numpy(), resamples, seed)
        means = (mistaken.mean(), expected.mean()) if len(failed) else (float("nan"), float("nan"))
        rows.append((trait, *means, means[0] - means[1], low, high))
    found = pd.DataFrame(rows, columns=["trait", "mistaken", "anybody", "difference", "low", "high"])
    return found.sort_values("difference", ascending=False, ignore_index=True)
