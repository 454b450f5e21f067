"""Factors beside queries, failure groups and camera pairs: against counting by hand and loops."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from viz_world import CAMERAS, PEOPLE, small_features, small_table, small_trial

from vireidkit.analysis import breakdown, failure_groups, found_first, pair_queries, query_table, view_of, with_factors
from vireidkit.evaluation import rank_metrics

IDENTITIES = pd.DataFrame({"identity": PEOPLE, "hat": ["cap", "none", "cap", "none", "cap"], "height": [1.5, 1.6, 1.7, 1.8, 1.9]})
IMAGES = small_table()[["path"]].assign(heading_degrees=np.linspace(-180, 180, 40), camera=0)


def queries_of(rows: list[tuple[int, int, int]], **columns: object) -> pd.DataFrame:
    """A query table from (identity, camera, first hit)."""
    table = pd.DataFrame(rows, columns=["identity", "camera", "first_hit"])
    return table.assign(query=np.arange(len(table)), valid=table["first_hit"] > 0, **columns)


# --- factors --------------------------------------------------------------------------------------------------------------------------


def test_factors_of_the_query_and_of_the_best_wrong_match() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    found = query_table(features, trial, factors=(IDENTITIES, IMAGES))
    plain = query_table(features, trial)
    pd.testing.assert_frame_equal(found[plain.columns], plain)
    hats, heading = IDENTITIES.set_index("identity")["hat"], IMAGES["heading_degrees"]
    for row in found.itertuples():
        assert row.hat == hats[row.identity]
        assert row.wrong_hat == hats[row.wrong_identity]
        assert row.heading_degrees == heading[row.row]
        assert row.wrong_heading_degrees == heading[row.wrong_row]
    assert found["camera"].tolist() == plain["camera"].tolist(), "a factor table's own camera is not taken"
    assert {"wrong_row", "wrong_identity", "wrong_camera", "wrong_distance"} <= set(found.columns)


def test_a_query_without_a_wrong_match_has_no_wrong_factors() -> None:
    table = query_table(small_features(), small_trial()).assign(wrong_row=-1)
    found = with_factors(table, small_table(), IDENTITIES)
    assert found["wrong_hat"].isna().all() and found["hat"].notna().all()


def test_broken_factor_tables_are_named() -> None:
    table = query_table(small_features(), small_trial())
    with pytest.raises(ValueError, match="column path or identity, found hat"):
        with_factors(table, small_table(), IDENTITIES[["hat"]])
    with pytest.raises(ValueError, match="one row for each identity, found 11 twice"):
        with_factors(table, small_table(), pd.concat([IDENTITIES, IDENTITIES]))
    with pytest.raises(ValueError, match=r"lacks identity 11 and \d+ more"):
        with_factors(table, small_table(), IDENTITIES[1:])
    with pytest.raises(ValueError, match="'ap' already"):
        with_factors(table, small_table(), IDENTITIES.rename(columns={"hat": "ap"}))
    with pytest.raises(ValueError, match="column path or identity"):
        with_factors(table, small_table().drop(columns="path"), IMAGES)


def test_views() -> None:
    found = view_of([0, 60, -60.1, 119, 120.5, 180, -180, 360, 400, np.nan])
    assert found.astype(object).tolist()[:9] == ["front", "front", "side", "side", "back", "back", "back", "front", "front"]
    assert found.isna().tolist() == [False] * 9 + [True]


# --- groups ---------------------------------------------------------------------------------------------------------------------------

QUERIES = queries_of([(1, 3, 1), (1, 6, 4), (2, 3, 1), (2, 6, 1), (3, 3, 2), (3, 6, 9), (4, 6, -1)])


def test_groups_count_by_hand() -> None:
    found = failure_groups(QUERIES).set_index("value")
    assert found["factor"].unique().tolist() == ["camera"]
    assert found["queries"].to_dict() == {"3": 3, "6": 3}, "the query without a match counts nowhere"
    assert found["failed"].to_dict() == pytest.approx({"3": 1 / 3, "6": 2 / 3})
    assert found["elsewhere"].to_dict() == pytest.approx({"3": 2 / 3, "6": 1 / 3})
    assert found["difference"].to_dict() == pytest.approx({"3": -1 / 3, "6": 1 / 3})
    assert (found["low"] <= found["failed"]).all() and (found["failed"] <= found["high"]).all()


def test_groups_agree_with_the_breakdown() -> None:
    """Two ways to the same shares and, up to the draws, the same intervals."""
    random = np.random.default_rng(0)
    columns = np.repeat(np.arange(40), 5), random.choice([3, 6], 200), random.integers(1, 4, 200)
    table = queries_of(np.stack(columns, axis=1).tolist())
    groups, other = failure_groups(table).set_index("value"), breakdown(table, "camera")
    other.index = other.index.astype(str)
    assert np.allclose(groups["failed"], 1 - other["found_first"])
    assert np.allclose(groups["low"], 1 - other["high"], atol=0.02)
    assert np.allclose(groups["high"], 1 - other["low"], atol=0.02)


def test_people_are_resampled_not_queries() -> None:
    table = queries_of([(1, 3, 1)] * 50 + [(2, 3, 5)] * 50)
    found = failure_groups(table).iloc[0]
    assert (found["low"], found["high"]) == (0.0, 1.0)
    assert np.isnan(found["elsewhere"]) and np.isnan(found["difference_low"])


def test_the_interval_of_a_difference_covers_it() -> None:
    """60 draws of 40 people: two of their four queries are of a kind that fails 0.2 more often; the interval holds it in most."""
    held = 0
    for seed in range(60):
        random = np.random.default_rng(seed)
        people = np.repeat(np.arange(40), 4)
        kind = np.tile([0, 0, 1, 1], 40)
        chance = np.repeat(random.beta(2, 2, 40), 4) * 0.6 + 0.1 + 0.2 * kind
        hits = np.where(random.random(160) < chance, 2, 1)
        table = queries_of(list(zip(people.tolist(), kind.tolist(), hits.tolist(), strict=True)))
        row = failure_groups(table, resamples=400, seed=seed).iloc[1]
        held += row["difference_low"] <= 0.2 <= row["difference_high"]
    assert held >= 51


def test_numbers_are_cut_and_other_values_keep_their_order() -> None:
    size = pd.Series(np.arange(7.0))
    kind = pd.Categorical(["low", "high"] * 3 + ["low"], categories=["low", "high", "none"], ordered=True)
    found = failure_groups(QUERIES, {"size": size, "kind": kind, "hidden": [True, False] * 3 + [True], "few": [1, 2] * 3 + [1]})
    values = found.groupby("factor", sort=False)["value"].agg(list)
    assert [value.split(" third")[0] for value in values["size"]] == ["lowest", "middle", "highest"]
    assert values["kind"] == ["low", "high"]
    assert values["hidden"] == ["False", "True"]
    assert values["few"] == ["1", "2"]
    assert len(failure_groups(QUERIES, {"size": size}, bins=2)) == 2


def test_unknown_values_and_empty_tables() -> None:
    found = failure_groups(QUERIES, {"kind": ["a", None, "a", "b", "b", None, "a"]})
    assert found["queries"].sum() == 4
    assert len(failure_groups(QUERIES[:0], {"kind": []})) == 0
    assert len(failure_groups(QUERIES[QUERIES["identity"] == 4], "camera")) == 0
    assert failure_groups(QUERIES[QUERIES["identity"] == 1], "camera")[["low", "high"]].isna().all(axis=None)


def test_wrong_groupings_are_named() -> None:
    with pytest.raises(KeyError, match="shoe"):
        failure_groups(QUERIES, ["shoe"])
    with pytest.raises(ValueError, match="'kind' needs one value for each of 7 queries, found 2"):
        failure_groups(QUERIES, {"kind": ["a", "b"]})
    with pytest.raises(ValueError, match="found 0 factors"):
        failure_groups(QUERIES, [])
    with pytest.raises(ValueError, match="1 bins"):
        failure_groups(QUERIES, "camera", bins=1)


def test_headings_become_views() -> None:
    found = failure_groups(QUERIES.assign(heading_degrees=[0, 10, 90, -90, 170, 180, 0]))
    assert found.loc[found["factor"] == "view", "value"].tolist() == ["front", "side", "back"]


# --- camera pairs ---------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rule", [True, False])
def test_every_pair_has_a_gallery_of_its_own(rule: bool) -> None:
    features, trial = small_features(noise=0.8), small_trial(rule=rule)
    found = pair_queries(features, trial)
    visible = [camera for camera, band in CAMERAS.items() if band == "visible"]
    assert len(found) == len(trial.query) * len(visible)
    for camera in visible:
        own = trial.gallery[trial.gallery["camera"] == camera]
        part = found[found["gallery_camera"] == camera]
        excluded = None if trial.excluded is None else trial.excluded[:, (trial.gallery["camera"] == camera).to_numpy()]
        asked, answering = trial.query["identity"].to_numpy(), own["identity"].to_numpy()
        metrics = rank_metrics(features.distance(trial.query.index, own.index), asked, answering, excluded=excluded)
        assert part["first_hit"].tolist() == metrics.first_hit.tolist()
        assert found_first(part) == pytest.approx(metrics.cmc[0])
        assert part["removed"].tolist() == ([0] * 20 if excluded is None else excluded.sum(axis=1).tolist())
    groups = failure_groups(found, "pair")
    # The rule leaves nothing of camera 2 to camera 3, so this pair has no query.
    assert groups["value"].tolist() == ["3 to 1", *([] if rule else ["3 to 2"]), "6 to 1", "6 to 2"]


def test_a_trial_without_gallery_has_no_pairs() -> None:
    trial = small_trial(rule=False)
    empty = type(trial)(trial.query, trial.gallery[:0])
    with pytest.raises(ValueError, match="found none"):
        pair_queries(small_features(), empty)


def test_values_of_several_types_are_put_in_some_order() -> None:
    found = failure_groups(QUERIES, {"kind": pd.Series([1, "b", 2, "a", "b", 1, 2], dtype=object)})
    assert found["value"].tolist() == ["1", "2", "a", "b"]
