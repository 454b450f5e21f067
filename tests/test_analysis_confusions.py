"""Failures by kind of query, and what mistaken people share: against counting by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vireidkit.analysis import attraction, breakdown, shared_traits


def queries_of(rows: list[tuple[int, int, int, int]]) -> pd.DataFrame:
    """A query table from (identity, camera, first hit, wrong identity); a first hit of -1 is a query without a match."""
    table = pd.DataFrame(rows, columns=["identity", "camera", "first_hit", "wrong_identity"])
    return table.assign(query=np.arange(len(table)), valid=table["first_hit"] > 0)


QUERIES = queries_of([(1, 3, 1, 2), (1, 6, 4, 2), (2, 3, 1, 3), (2, 6, 1, 3), (3, 3, 2, 1), (3, 6, 9, 1), (4, 6, -1, 1)])


def test_breakdown_counts_by_hand() -> None:
    found = breakdown(QUERIES, "camera")
    assert found.index.tolist() == [3, 6]
    assert found.index.name == "camera"
    assert found["queries"].tolist() == [3, 3]  # the query without a match counts nowhere
    assert found["identities"].tolist() == [3, 3]
    assert found["found_first"].tolist() == pytest.approx([2 / 3, 1 / 3])


def test_breakdown_takes_any_values_and_keeps_their_order() -> None:
    kinds = pd.Categorical(["low", "high", "low", "high", "low", "high", "low"], categories=["low", "high", "none"], ordered=True)
    assert breakdown(QUERIES, kinds).index.tolist() == ["low", "high"]


def test_breakdown_resamples_people_not_queries() -> None:
    """One person always found and one never, 50 queries each: over queries the interval would be narrow, over people it spans all."""
    table = queries_of([(1, 3, 1, 2)] * 50 + [(2, 3, 5, 1)] * 50)
    found = breakdown(table, "camera").iloc[0]
    assert (found["low"], found["high"]) == (0.0, 1.0)


def test_breakdown_has_no_interval_for_one_person_and_repeats() -> None:
    one = breakdown(QUERIES[QUERIES["identity"] == 1], "camera")
    assert one[["low", "high"]].isna().all(axis=None)
    pd.testing.assert_frame_equal(breakdown(QUERIES, "camera"), breakdown(QUERIES, "camera"))
    with pytest.raises(KeyError):
        breakdown(QUERIES, "shoe size")


PEOPLE = pd.DataFrame({"identity": [1, 2, 3, 4], "top": ["coat", "coat", "shirt", "coat"], "hat": ["cap", "none", "cap", "none"]})


def test_shared_traits_count_by_hand() -> None:
    """Failures: 1 taken for 2 (once), 3 taken for 1 (twice). Chance: the other three people of the test."""
    found = shared_traits(QUERIES, PEOPLE, ["hat", "top"]).set_index("trait")
    assert found["mistaken"].to_dict() == pytest.approx({"top": 1 / 3, "hat": 2 / 3})
    assert found["anybody"].to_dict() == pytest.approx({"top": (2 / 3 + 0 + 0) / 3, "hat": 1 / 3})
    assert found.index.tolist() == ["hat", "top"], "largest difference first"
    assert (found["low"] <= found["difference"]).all()
    assert (found["difference"] <= found["high"]).all()


def test_shared_traits_of_random_mistakes_are_near_chance() -> None:
    random = np.random.default_rng(0)
    people = pd.DataFrame({"identity": np.arange(60), "top": random.integers(0, 4, 60)})
    asked = np.repeat(np.arange(60), 40)
    taken = (asked + random.integers(1, 60, len(asked))) % 60
    table = queries_of([(int(a), 3, 2, int(b)) for a, b in zip(asked, taken, strict=True)])
    found = shared_traits(table, people, ["top"]).iloc[0]
    assert abs(found["difference"]) < 0.03
    assert found["low"] < 0 < found["high"]


def test_shared_traits_without_a_failure_are_unknown() -> None:
    found = shared_traits(QUERIES[QUERIES["first_hit"] == 1], PEOPLE, ["top"])
    assert found[["mistaken", "anybody", "difference", "low", "high"]].isna().all(axis=None)


def test_attraction_counts_by_hand() -> None:
    """Failures: 1 taken for 2, 3 taken for 1 twice. Nobody was taken for 3 or 4."""
    assert attraction(QUERIES, top=1).to_dict() == pytest.approx({"failures": 3, "top share": 2 / 3, "never taken": 0.5})
    assert attraction(QUERIES, top=5)["top share"] == 1
    none = attraction(QUERIES[QUERIES["first_hit"] == 1])
    assert none["failures"] == 0
    assert none[["top share", "never taken"]].isna().all()
