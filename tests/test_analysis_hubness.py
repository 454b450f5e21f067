"""Hubs and attractors: against loops, and luck where there is nothing but luck."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import skew
from viz_world import small_features, small_table, small_trial

from vireidkit.analysis import attractors, hubness, query_table
from vireidkit.evaluation import Features, random_features
from vireidkit.evaluation.protocols import Trial


@pytest.mark.parametrize("rule", [True, False])
def test_occurrences_equal_a_loop(rule: bool) -> None:
    features, trial, k = small_features(noise=0.8), small_trial(rule=rule), 3
    found = hubness(features, trial, k=k)
    counts, wrong = dict.fromkeys(trial.gallery.index, 0), dict.fromkeys(trial.gallery.index, 0)
    distance = features.distance(trial.query.index, trial.gallery.index).numpy()
    for position, (_, query) in enumerate(trial.query.iterrows()):
        left = [c for c in range(len(trial.gallery)) if not rule or not trial.excluded[position, c]]
        for column in sorted(left, key=lambda c: (distance[position, c], c))[:k]:
            entry = trial.gallery.iloc[column]
            counts[entry.name] += 1
            wrong[entry.name] += entry["identity"] != query["identity"]
    table = found.table.set_index("row")
    assert table["occurrences"].to_dict() == counts
    assert table["wrong"].to_dict() == wrong
    assert table["open_to"].max() == 20
    assert found.skewness == pytest.approx(skew(list(counts.values())))
    assert found.table["occurrences"].is_monotonic_decreasing
    assert found.distribution["images"].sum() == len(trial.gallery)
    assert found.distribution["lot"].sum() == pytest.approx(len(trial.gallery))
    assert (found.distribution["occurrences"] * found.distribution["images"]).sum() == sum(counts.values()) == 20 * k


def test_every_image_asks_all_others() -> None:
    features = small_features(noise=0.8)
    found = hubness(features, k=4)
    everything = Trial(features.table, features.table, np.eye(40, dtype=bool))
    other = hubness(features, everything, k=4)
    pd.testing.assert_frame_equal(found.table, other.table)
    assert found.queries == 40 and (found.table["open_to"] == 39).all()


def test_one_hub_is_found_and_random_features_of_low_dimension_are_near_luck() -> None:
    table = small_table()
    random = np.random.default_rng(0)
    angle = random.uniform(0, 2 * np.pi, 40)
    ring = Features(np.stack([np.cos(angle), np.sin(angle)], 1), table, "euclidean")
    even = hubness(ring, k=5)
    matrix = random.normal(size=(40, 40)) + 3 * np.eye(40)
    matrix[7] = 0  # the middle of a cloud of many dimensions is near everybody
    found = hubness(Features(matrix, table, "euclidean"), k=5)
    assert found.table["row"].iloc[0] == 7 and found.table["occurrences"].iloc[0] > 35
    assert found.skewness > found.lot_high
    assert even.skewness < found.skewness / 2
    assert f"skewness {found.skewness:.2f}" in str(found)


def test_luck_is_what_lots_give() -> None:
    """Descriptors drawn anew for each query would be by lot: skewness and orphans of such draws lie in the stated band."""
    random = np.random.default_rng(1)
    found = hubness(random_features(small_table(), dim=64), k=2)
    lots = []
    for _ in range(200):
        counts = np.zeros(40)
        for row in range(40):
            counts[random.choice(np.delete(np.arange(40), row), 2, replace=False)] += 1
        lots.append((skew(counts), (counts == 0).mean()))
    assert found.lot == pytest.approx(np.mean(lots, axis=0)[0], abs=0.06)
    assert found.lot_high == pytest.approx(np.quantile([one for one, _ in lots], 0.975), abs=0.2)
    assert found.lot_orphans == pytest.approx(np.mean(lots, axis=0)[1], abs=0.02)


def test_ties_and_short_galleries() -> None:
    features = Features(np.ones((40, 3)), small_table())
    found = hubness(features, small_trial(rule=False), k=3)
    assert found.table["occurrences"].tolist() == [20] * 3 + [0] * 7, "equal distances keep the order of the gallery"
    everything = hubness(features, small_trial(), k=99)
    assert (everything.table["occurrences"] == everything.table["open_to"]).all()
    assert hubness(features, small_trial(rule=False), k=99).skewness != hubness(features, small_trial(), k=3).skewness
    assert np.isnan(hubness(features, small_trial(rule=False), k=99).skewness)


def test_hubness_names_mistakes() -> None:
    trial = small_trial(rule=False)
    with pytest.raises(ValueError, match="k = 0"):
        hubness(small_features(), k=0)
    with pytest.raises(ValueError, match="empty trial"):
        hubness(small_features(), Trial(trial.query, trial.gallery[:0]))


# --- attractors -----------------------------------------------------------------------------------------------------------------------


def queries_of(rows: list[tuple[int, int, int]]) -> pd.DataFrame:
    """A query table from (identity, first hit, wrong identity)."""
    table = pd.DataFrame(rows, columns=["identity", "first_hit", "wrong_identity"])
    return table.assign(valid=table["first_hit"] > 0, wrong_row=0)


def test_attractors_count_by_hand() -> None:
    table = queries_of([(1, 1, 9), (1, 3, 2), (2, 2, 3), (3, 5, 2), (3, 5, 2), (4, 2, 2), (5, -1, 2)])
    found = attractors(table, people=range(1, 7)).set_index("identity")
    assert found["taken"].to_dict() == {2: 4, 3: 1, 1: 0, 4: 0, 5: 0, 6: 0}
    assert found["by"].to_dict() == {2: 3, 3: 1, 1: 0, 4: 0, 5: 0, 6: 0}
    assert found["place"].tolist() == [1, 2, 3, 4, 5, 6]
    assert found["share"].sum() == pytest.approx(1)
    assert found["lot"].sum() == pytest.approx(5)
    assert found["lot"].is_monotonic_decreasing


def test_a_person_whom_everybody_is_taken_for_is_beyond_luck_and_luck_is_not() -> None:
    one_for_all = queries_of([(person, 2, 50) for person in range(40)])
    assert attractors(one_for_all).iloc[0][["identity", "beyond"]].tolist() == [50, True]
    random, flagged = np.random.default_rng(0), 0
    for seed in range(20):
        rows = [(int(p), 2, int((p + random.integers(1, 40)) % 40)) for p in np.repeat(np.arange(40), 4)]
        flagged += bool(attractors(queries_of(rows), draws=200, seed=seed)["beyond"].any())
    assert flagged <= 3


def test_the_queries_of_one_person_go_together() -> None:
    """Forty queries of one person that all end at one other are one mistake, not forty: no sign of a hub."""
    table = queries_of([(0, 2, 1)] * 40 + [(person, 1, 0) for person in range(1, 30)])
    found = attractors(table)
    assert found["taken"].iloc[0] == 40
    assert found[["lot", "lot_low", "lot_high"]].iloc[0].tolist() == [40, 40, 40]
    assert not found["beyond"].any()


def test_attractors_without_failures_and_with_strangers() -> None:
    found = attractors(queries_of([(1, 1, 2), (2, 1, 1)]))
    assert found["taken"].tolist() == [0, 0] and found["share"].isna().all() and not found["beyond"].any()
    with pytest.raises(ValueError, match="person 7 taken but not listed"):
        attractors(queries_of([(1, 2, 7)]), people=[1, 2])
    with pytest.raises(ValueError, match="found 1 people"):
        attractors(queries_of([(1, 1, 1)]))


def test_attractors_of_a_real_table() -> None:
    table = query_table(small_features(noise=1.5), small_trial())
    found = attractors(table)
    assert found["taken"].sum() == (table["valid"] & (table["first_hit"] > 1)).sum()
