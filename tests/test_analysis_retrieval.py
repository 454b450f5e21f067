"""Rank lists query by query: equal to naive loops and to rank_metrics, the camera rule visible."""

from __future__ import annotations

import numpy as np
import pytest
from viz_world import PEOPLE, small_features, small_trial

from vireidkit.analysis import found_by, found_first, order_queries, precision_steps, query_table, ranked
from vireidkit.errors import SettingError
from vireidkit.evaluation import Features, rank_metrics


def naive(features: Features, trial: object, position: int) -> list[tuple[float, int, bool, bool]]:
    """(distance, column, right, removed) of a query's gallery, from the nearest on."""
    row = trial.query.index[position]
    unit = features.matrix.double() / features.matrix.double().norm(dim=1, keepdim=True)
    entries = []
    for column, (index, entry) in enumerate(trial.gallery.iterrows()):
        removed = trial.excluded is not None and bool(trial.excluded[position, column])
        right = entry["identity"] == trial.query["identity"].iloc[position]
        entries.append((float(1 - unit[row] @ unit[index]), column, right, removed))
    return sorted(entries, key=lambda entry: (round(entry[0], 12), entry[1]))


@pytest.mark.parametrize("rule", [True, False])
def test_query_table_equals_a_loop(rule: bool) -> None:
    features, trial = small_features(noise=0.8), small_trial(rule=rule)
    table = query_table(features, trial)
    assert (table["removed"] > 0).any() == rule
    for position, entry in table.iterrows():
        kept = [one for one in naive(features, trial, position) if not one[3]]
        places = [place for place, one in enumerate(kept, start=1) if one[2]]
        assert entry["row"] == trial.query.index[position]
        assert entry["first_hit"] == places[0]
        assert entry["ap"] == pytest.approx(np.mean([count / place for count, place in enumerate(places, start=1)]))
        wrong = next(one for one in kept if not one[2])
        assert entry["wrong_row"] == trial.gallery.index[wrong[1]]
        assert entry["wrong_identity"] == trial.gallery["identity"].iloc[wrong[1]]
        assert entry["wrong_distance"] == pytest.approx(wrong[0])
        assert entry["right_row"] == trial.gallery.index[kept[places[0] - 1][1]]
        assert entry["removed"] == (5 if rule and entry["camera"] == 3 else 0)


def test_found_first_is_rank_1_of_the_metrics() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    distance = features.distance(trial.query.index, trial.gallery.index)
    metrics = rank_metrics(distance, trial.query["identity"].to_numpy(), trial.gallery["identity"].to_numpy(), excluded=trial.excluded)
    table = query_table(features, trial)
    assert 0 < found_first(table) < 1
    assert found_first(table) == pytest.approx(metrics.cmc[0])
    assert table["ap"].mean() == pytest.approx(metrics.map)


def test_found_by_one_both_or_neither() -> None:
    good, bad, trial = small_features(noise=0.8), small_features(noise=1.6), small_trial(absent=PEOPLE[0])
    shares = found_by({"good": good, "bad": bad}, trial)
    assert shares.index.tolist() == ["both", "only good", "only bad", "neither"] and shares.sum() == pytest.approx(1)
    assert shares["both"] + shares["only good"] == pytest.approx(found_first(query_table(good, trial)))
    assert shares["both"] + shares["only bad"] == pytest.approx(found_first(query_table(bad, trial)))
    same = found_by({"a": good, "b": good}, trial)
    assert same["only a"] == same["only b"] == 0 < same["both"] < 1
    with pytest.raises(ValueError, match="two descriptors to compare, found 1"):
        found_by({"a": good}, trial)


def test_a_person_who_is_not_in_the_gallery_is_no_failure() -> None:
    features, trial = small_features(), small_trial(absent=PEOPLE[0])
    table = query_table(features, trial)
    gone = table["identity"] == PEOPLE[0]
    assert (~table["valid"] == gone).all()
    assert (table.loc[gone, "first_hit"] == -1).all()
    assert table.loc[gone, "ap"].isna().all()
    assert (table.loc[gone, "right_row"] == -1).all()
    assert found_first(table) == found_first(table[~gone])
    assert np.isnan(found_first(table[gone]))


def test_ranked_keeps_removed_images_where_they_would_have_stood() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    for position in range(len(trial.query)):
        expected = naive(features, trial, position)
        found = ranked(features, trial, position, None)
        assert found["gallery"].tolist() == [one[1] for one in expected]
        assert found["excluded"].tolist() == [one[3] for one in expected]
        assert found["correct"].tolist() == [one[2] for one in expected]
        assert np.allclose(found["distance"], [one[0] for one in expected])
        counted = found[~found["excluded"]]
        assert counted["rank"].tolist() == list(range(1, len(counted) + 1))
        assert (found.loc[found["excluded"], "rank"] == 0).all()
        assert (found["row"] == trial.gallery.index[found["gallery"]]).all()


def test_ranked_ends_with_the_k_th_that_counts() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    for k in (1, 3, 5, 99):
        found = ranked(features, trial, 0, k)
        assert (~found["excluded"]).sum() == min(k, 5)
        assert k == 99 or not found["excluded"].iloc[-1]
    with pytest.raises(IndexError, match="between 0 and 19"):
        ranked(features, trial, 20)


def test_equal_distances_keep_the_order_of_the_gallery() -> None:
    features = Features(np.ones((40, 3)), small_features().table)
    assert ranked(features, small_trial(), 0, None)["gallery"].tolist() == list(range(10))


def test_orders() -> None:
    table = query_table(small_features(noise=1.2), small_trial(absent=PEOPLE[1]))
    first = table.iloc[order_queries(table)]
    valid = first[first["valid"]]
    assert sorted(first["query"]) == list(range(len(table)))
    assert valid["first_hit"].is_monotonic_decreasing
    assert first["valid"].tolist() == sorted(first["valid"], reverse=True)
    assert table.iloc[order_queries(table, "by AP")]["ap"].dropna().is_monotonic_increasing
    by_camera = table.iloc[order_queries(table, "by camera")]
    assert by_camera.loc[by_camera["valid"], "camera"].is_monotonic_increasing
    with pytest.raises(SettingError, match=r"luck.*failures first, by AP, by camera"):
        order_queries(table, "luck")


def test_precision_steps_by_hand() -> None:
    steps = precision_steps([True, False, True, False])
    assert steps["hits"].tolist() == [1, 1, 2, 2]
    assert np.allclose(steps["precision"], [1, 1 / 2, 2 / 3, 1 / 2])
    assert steps["adds"].sum() == pytest.approx((1 + 2 / 3) / 2)
    assert precision_steps([False, False])["adds"].sum() == 0
