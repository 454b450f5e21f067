"""Ablations: paired differences as by hand, the reader's own run beside them, published scores beside ours, and their figures."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from vireidkit import viz
from vireidkit.analysis import ablation, beside_published
from vireidkit.evaluation.intervals import paired_difference
from vireidkit.ledger import Ledger
from vireidkit.published import published
from vireidkit.viz.style import png_of

PLAIN, BETTER, MIXED = {0: 0.30, 1: 0.32, 2: 0.31}, {0: 0.33, 1: 0.34, 2: 0.36}, {0: 0.29, 1: 0.33, 2: 0.31}
SCORES = {"ir2vis_map": {"plain": PLAIN, "better": BETTER, "mixed": MIXED}, "ir2vis_rank1": {"plain": PLAIN, "better": MIXED}}
OWN = {"plain": {"ir2vis_map": 0.40}, "better": {"ir2vis_map": 0.45, "ir2vis_rank1": 0.2}}


def row(table: pd.DataFrame, metric: str, name: str) -> pd.Series:
    return table[(table["metric"] == metric) & (table["name"] == name)].iloc[0]


class TestAblation:
    def test_differences_are_those_of_the_seeds_in_pairs(self) -> None:
        table = ablation(SCORES, against="plain")
        assert list(zip(table["metric"], table["name"], strict=True)) == [(m, n) for m, names in SCORES.items() for n in names]
        found, gain = row(table, "ir2vis_map", "better"), paired_difference(BETTER, PLAIN)
        assert found["mean"] == pytest.approx(np.mean(list(BETTER.values())))
        assert found["difference"] == pytest.approx((0.03 + 0.02 + 0.05) / 3)
        assert (found["difference_low"], found["difference_high"]) == (gain.low, gain.high)
        assert found["by_seed"] == pytest.approx({0: 0.03, 1: 0.02, 2: 0.05}) and found["pairs"] == found["seeds"] == 3

    def test_it_says_which_way_it_falls(self) -> None:
        table = ablation({"x_map": {**SCORES["ir2vis_map"], "worse": {0: 0.1, 1: 0.1, 2: 0.1}, "once": {1: 0.9}}}, against="plain")
        readings = dict(zip(table["name"], table["reading"], strict=True))
        assert readings["plain"] == "what the others are compared with"
        assert readings["better"] == "higher by 3.3 points; the interval leaves out 0"
        assert readings["worse"] == "lower by 21.0 points; the interval leaves out 0"
        assert readings["mixed"] == "no difference shown (+0.0 points)"
        assert readings["once"] == "higher by 58.0 points in one seed: no interval"
        assert math.isnan(row(table, "x_map", "plain")["difference"])

    def test_own_runs_stand_beside_and_count_nowhere(self) -> None:
        table, without = ablation(SCORES, against="plain", own=OWN), ablation(SCORES, against="plain")
        found = row(table, "ir2vis_map", "better")
        assert found["own"] == 0.45 and found["own_difference"] == pytest.approx(0.05)
        assert row(table, "ir2vis_rank1", "better")["own"] == 0.2
        assert math.isnan(row(table, "ir2vis_rank1", "better")["own_difference"])  # no own run to compare it with
        assert math.isnan(row(table, "ir2vis_map", "mixed")["own"]) and math.isnan(row(table, "ir2vis_map", "plain")["own_difference"])
        others = ["mean", "difference", "difference_low", "difference_high"]
        pd.testing.assert_frame_equal(table[others], without[others])

    def test_values_of_the_ledger(self) -> None:
        """The committed ablation of notebook 02: the same numbers as the ledger's own functions give."""
        asked = {"method": "agw", "dataset": "twilight", "profile": "compare", "metric": "ir2vis_map"}
        found = {name: Ledger.read().value(**asked, settings=own) for name, own in {"AGW": {}, "plain": {"triplet": "batch-hard"}}.items()}
        table = ablation({"ir2vis_map": found}, against="AGW")
        gain = paired_difference(found["plain"], found["AGW"])
        assert row(table, "ir2vis_map", "plain")["difference"] == gain.mean
        assert row(table, "ir2vis_map", "AGW")["low"] == found["AGW"].low

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="found none"):
            ablation({}, against="plain")
        with pytest.raises(ValueError, match="no setting 'plian'; it has plain, better"):
            ablation(SCORES, against="plian")
        with pytest.raises(ValueError, match="no seed in common"):
            ablation({"x_map": {"plain": PLAIN, "other": {7: 0.1}}}, against="plain")


class TestFigure:
    def test_a_panel_a_metric_with_stars_where_there_is_an_own_run(self) -> None:
        fig = viz.ablation_plot(ablation(SCORES, against="plain", own=OWN), note="of Twilight")
        first, second = (axes for axes in fig.axes if axes.get_visible())
        assert first.get_title(loc="left") == "ir2vis mAP: plain 31.0 %" and second.get_title(loc="left") == "ir2vis Rank-1: plain 31.0 %"
        assert [label.get_text() for label in first.get_yticklabels()] == ["better", "mixed"]
        stars = [[line for line in axes.lines if line.get_marker() == "*"] for axes in (first, second)]
        assert [len(own) for own in stars] == [1, 0] and stars[0][0].get_xdata()[0] == pytest.approx(5)
        assert "of Twilight" in fig._supxlabel.get_text() and "Star: your run" in fig._supxlabel.get_text()
        assert "better +3.3; 1 other not told apart from it" in fig.get_label()
        assert "ir2vis_map better: mean 34.3 % of 3 seeds, +3.3 points (+2.0 to +5.0), your run +5.0" in fig.get_label()
        assert png_of(fig)

    def test_green_is_better_whichever_way(self) -> None:
        table = ablation({"x_map": {"plain": PLAIN, "better": BETTER}}, against="plain")
        colours = []
        for lower in (False, True):
            marks = [line for line in viz.ablation_plot(table, lower_is_better=lower).axes[0].lines if line.get_marker() == "o"]
            colours.append(marks[0].get_color())
        assert colours == ["#009E73", "#D55E00"]

    def test_one_seed_and_nothing_shown(self) -> None:
        once = ablation({"x_map": {"plain": {0: 0.1}, "other": {0: 0.2}}}, against="plain")
        fig = viz.ablation_plot(once, names={"x_map": "my metric"})
        assert "Points against plain (my metric) in one seed, which shows nothing yet: other +10.0" in fig.get_label()
        assert "1 seed in pairs" in fig._supxlabel.get_text() and fig.axes[0].get_title(loc="left").startswith("my metric")
        assert png_of(fig)
        level = ablation({"x_map": {"plain": {0: 0.1, 1: 0.3}, "other": {0: 0.2, 1: 0.2}}}, against="plain")
        assert "No setting is shown to differ from plain" in viz.ablation_plot(level).get_label()

    def test_mistakes(self) -> None:
        table = ablation(SCORES, against="plain")
        with pytest.raises(ValueError, match="'by_seed'"):
            viz.ablation_plot(table.drop(columns="by_seed"))
        with pytest.raises(ValueError, match="found none"):
            viz.ablation_plot(table[table["name"] == "plain"])


class TestBesidePublished:
    theirs = published("sysu-mm01").query("method == 'SMMD'")

    def test_percent_beside_percent_and_what_each_was_measured_on(self) -> None:
        table = beside_published(self.theirs, {"mine": {"on": "Twilight", "with": "a small network", "rank1": 0.31, "minp": 0.2}})
        assert table["whose"].tolist() == ["published"] * len(self.theirs) + ["ours"]
        assert table.loc[0, ["Rank-1", "mAP"]].tolist() == self.theirs.iloc[0][["rank1", "map"]].tolist()
        mine = table.iloc[-1]
        assert mine["Rank-1"] == pytest.approx(31) and math.isnan(mine["mAP"]) and mine["measured on"] == "Twilight"
        assert "all-search" in table.loc[0, "measured on"] and "abstract" in table.loc[0, "with"]

    @pytest.mark.parametrize("lost", ["on", "with"])
    def test_ours_must_say_where_it_comes_from(self, lost: str) -> None:
        entry = {"on": "Twilight", "with": "a small network", "rank1": 0.3}
        with pytest.raises(ValueError, match=f"'mine' needs '{lost}'"):
            beside_published(self.theirs, {"mine": {key: value for key, value in entry.items() if key != lost}})
        with pytest.raises(ValueError, match="rank1 or map"):
            beside_published(self.theirs, {"mine": {"on": "a", "with": "b"}})
