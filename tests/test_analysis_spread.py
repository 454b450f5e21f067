"""The three parts of one person's distance: equal to loops, exact in their sum, blind to what must not matter; and their figures."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vireidkit import viz
from vireidkit.analysis import modality_spread, spread_table
from vireidkit.analysis.spread import PARTS
from vireidkit.evaluation import Features
from vireidkit.viz.style import png_of


def world(people: int = 6, *, gap: float = 1.0, inside: float = 1.0, seed: int = 0) -> Features:
    """People with 3 visible and 2 to 4 infrared pictures; their means ``gap`` apart, their pictures ``inside`` around them."""
    random = np.random.default_rng(seed)
    rows, matrix = [], []
    for person in range(people):
        home = 10 * random.normal(size=5)
        for modality, count in (("visible", 3), ("infrared", 2 + person % 3)):
            center = home + (gap if modality == "infrared" else 0) * np.eye(5)[0]
            for _ in range(count):
                rows.append((person * 7, modality))
                matrix.append(center + inside * random.normal(size=5))
    return Features(np.array(matrix), pd.DataFrame(rows, columns=["identity", "modality"]), "euclidean")


def squared(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    return ((first[:, None] - second[None]) ** 2).sum(axis=2)


@pytest.mark.parametrize("metric", ["euclidean", "cosine"])
def test_equal_to_loops_over_pairs(metric):
    features = world()
    features = Features(features.matrix.double(), features.table, metric)
    matrix = features.matrix.numpy()
    matrix = matrix / np.linalg.norm(matrix, axis=1, keepdims=True) if metric == "cosine" else matrix
    found = modality_spread(features)
    identity, visible = features.table["identity"].to_numpy(), (features.table["modality"] == "visible").to_numpy()
    for person, row in found.iterrows():
        own = [matrix[(identity == person) & side] for side in (visible, ~visible)]
        others = [matrix[(identity != person) & side] for side in (visible, ~visible)]
        for part, rows in zip(PARTS, own, strict=False):
            # The variance is half the mean squared distance of two different pictures.
            assert row[part] == pytest.approx(squared(rows, rows).sum() / (len(rows) * (len(rows) - 1)) / 2)
        assert row["one person"] == pytest.approx(squared(*own).mean())
        assert row["one person"] == pytest.approx(row[list(PARTS)].sum())
        assert row["two people"] == pytest.approx((squared(own[0], others[1]).mean() + squared(own[1], others[0]).mean()) / 2)


def test_the_worked_example_of_notebook_06():
    table = pd.DataFrame({"identity": 0, "modality": ["visible"] * 2 + ["infrared"] * 2})
    found = modality_spread(Features(np.array([[0.0], [2], [5], [7]]), table, "euclidean")).iloc[0]
    assert found[[*PARTS, "one person"]].tolist() == [2, 2, 23, 27] and np.isnan(found["two people"])


def test_the_distance_of_the_means_is_not_fooled_by_few_pictures():
    """Without a gap the part between the means is 0 on average, though the means of few noisy pictures differ."""
    found = modality_spread(world(600, gap=0.0, seed=2))
    assert found["between the means"].mean() == pytest.approx(0, abs=0.25) and (found["between the means"] < 0).any()
    assert found["inside visible"].mean() == pytest.approx(5, rel=0.1)  # five numbers of variance 1
    assert modality_spread(world(600, gap=4.0))["between the means"].mean() == pytest.approx(16, rel=0.05)


def test_each_part_answers_to_its_own_cause():
    plain, apart, loose = (spread_table({"": world(60, **own)})["share"].to_numpy() for own in ({}, {"gap": 5.0}, {"inside": 2.0}))
    assert apart[2] > 5 * plain[2] and apart[:2] == pytest.approx(plain[:2], rel=0.3)
    assert (loose[:2] > 2.5 * plain[:2]).all()


def test_people_without_two_pictures_in_each_modality_are_left_out():
    features = world(3)
    rows = np.r_[1 : len(features)][features.table["identity"].to_numpy()[1:] != 14]  # 0 keeps two visible pictures; 14 goes
    kept = Features(features.matrix[rows], features.table.iloc[rows], "euclidean")
    assert modality_spread(kept).index.tolist() == [0, 7]
    lonely = kept.table["identity"].ne(7) | kept.table["modality"].eq("visible")
    assert modality_spread(Features(kept.matrix[np.flatnonzero(lonely)], kept.table[lonely], "euclidean")).index.tolist() == [0]


def test_order_of_rows_and_size_of_the_space_do_not_matter():
    features = world()
    order = np.random.default_rng(1).permutation(len(features))
    turned = Features(features.matrix[order], features.table.iloc[order], "euclidean")
    pd.testing.assert_frame_equal(modality_spread(turned), modality_spread(features), check_exact=False, rtol=1e-5, atol=1e-4)
    larger = Features(3 * features.matrix, features.table, "euclidean")
    shares = [spread_table({"": one}, resamples=20)["share"] for one in (features, larger)]
    assert shares[1].tolist() == pytest.approx(shares[0].tolist(), rel=1e-5)


def test_differences_are_paired_by_person():
    """A part that falls by the same share for everybody is seen with certainty, though people differ among themselves."""
    features = world(40, gap=3.0, inside=1.0)
    centers = features.table.groupby(["identity", "modality"]).indices
    matrix = features.matrix.clone().double()
    for rows in centers.values():
        matrix[rows] = matrix[rows].mean(dim=0) + 0.9 * (matrix[rows] - matrix[rows].mean(dim=0))
    table = spread_table({"before": features, "after": Features(matrix, features.table, "euclidean")}, against="before")
    after = table[table["network"] == "after"].set_index("part")
    assert table.loc[table["network"] == "before", "difference"].isna().all()
    assert (after.loc[list(PARTS[:2]), "difference_high"] < 0).all()
    width = after["high"] - after["low"]
    assert (after["difference_high"] - after["difference_low"])[PARTS[0]] < width[PARTS[0]] / 2
    assert table["of_pair"][:3].sum() == pytest.approx(1) and table["low"].le(table["share"]).all()


def test_mistakes():
    features = world()
    with pytest.raises(ValueError, match="'nobody' among them"):
        spread_table({"a": features}, against="nobody")
    with pytest.raises(ValueError, match="same people"):
        spread_table({"a": features, "b": world(5)})
    with pytest.raises(ValueError, match="found none"):
        spread_table({})
    with pytest.raises(ValueError, match="'identity'"):
        modality_spread(np.ones((2, 2)), pd.DataFrame({"modality": ["visible", "infrared"]}))


class TestFigures:
    def test_bars_are_the_shares_on_top_of_each_other(self):
        table = spread_table({"one": world(), "two": world(gap=4.0)}, resamples=20)
        fig = viz.spread_bars(table, bands=("day", "night"))
        bars = [bar for bar in fig.axes[0].patches if bar.get_height() > 0.5]
        first = sorted((bar.get_x(), bar.get_width()) for bar in bars if round(bar.get_y() + bar.get_height() / 2) == 0)
        assert [width for _, width in first] == pytest.approx((100 * table["share"][:3]).tolist())
        assert [text.get_text() for text in fig.legends[0].get_texts()] == ["inside day", "inside night", "between their means"]
        assert "(two)" in fig.get_label() and png_of(fig)
        with pytest.raises(ValueError, match="'of_pair'"):
            viz.spread_bars(table.drop(columns="of_pair"))
        with pytest.raises(ValueError, match="found none"):
            viz.spread_bars(table[:0])

    def test_the_idea_and_the_circle(self):
        assert "not data" in viz.smmd_idea(("day", "night"))._supxlabel.get_text() and png_of(viz.smmd_idea())
        stars = pd.DataFrame({"name": ["A", "A"], "x": [1.0, 0.0], "y": [0.0, 1.0], "modality": ["visible", "infrared"], "identity": "A"})
        rows = pd.DataFrame({"name": ["z1"], "x": [0.8], "y": [0.6], "modality": ["visible"], "identity": ["A"]})
        fig = viz.prototype_circle(rows, stars)
        assert "z1 0.40: their mean, 0.40" in fig.get_label() and png_of(fig)
        with pytest.raises(ValueError, match="no prototype for the modality and identity of 'z1'"):
            viz.prototype_circle(rows, stars[1:])
        with pytest.raises(ValueError, match="prototypes needs a column 'x'"):
            viz.prototype_circle(rows, stars.drop(columns="x"))

    def test_weighted_terms_add_up_to_the_total(self):
        history = pd.DataFrame({"step": range(4), "epoch": [0, 0, 1, 1], "term.id": [2.0, 2, 1, 1], "weight.id": 1.0})
        history = history.assign(**{"term.mimic": [np.nan, np.nan, 4, 2], "weight.mimic": [np.nan, np.nan, 0.5, 0.5]})
        fig = viz.weighted_terms(history)
        bars = [(bar.get_x() + bar.get_width() / 2, bar.get_height()) for bar in fig.axes[1].patches]
        assert bars == [(0, 2), (1, 1), (0, 0), (1, 1.5)]
        assert "id 40 %, mimic 60 %" in fig.get_label() and png_of(fig)
        with pytest.raises(ValueError, match="0 terms"):
            viz.weighted_terms(history.drop(columns=["weight.id", "weight.mimic"]))
