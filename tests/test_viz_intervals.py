"""Figures about failures: parts of a whole, and numbers with intervals."""

import numpy as np
import pandas as pd
import pytest

from vireidkit import viz
from vireidkit.viz.style import png_of

NAN = float("nan")


class TestStackedBars:
    table = pd.DataFrame({"first": [30.0, 1.0], "later": [60.0, 40.0], "never": [10.0, 59.0]}, index=["network", "by lot"])

    def test_pieces_follow_each_other(self) -> None:
        fig = viz.stacked_bars(self.table, measure="queries (%)", title="a finding")
        pieces = [bar for bar in fig.axes[0].patches if bar.get_width() > 0]
        lots = sorted((bar.get_x(), bar.get_width()) for bar in pieces if round(bar.get_y() + bar.get_height() / 2) == 1)
        assert lots == [(0, 1), (1, 40), (41, 59)]
        assert "A finding. queries (%). network: first 30, later 60, never 10; by lot: first 1" in fig.get_label()
        assert [text.get_text() for text in fig.axes[0].texts] == ["30", "60", "40", "10", "59"]  # not the 1: its piece is too small
        assert png_of(fig)

    def test_nothing_counted(self) -> None:
        assert png_of(viz.stacked_bars(0 * self.table, measure="queries", title="none"))

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="found 2 rows and 1 columns"):
            viz.stacked_bars(self.table[["first"]], measure="", title="")
        with pytest.raises(ValueError, match="found -60"):
            viz.stacked_bars(-self.table, measure="", title="")


class TestIntervalDots:
    table = pd.DataFrame(
        {
            "group": ["view", "view", "hidden"],
            "name": ["front", "back", "no"],
            "value": [0.3, 0.2, 0.4],
            "low": [0.2, 0.1, NAN],
            "high": [0.4, 0.3, NAN],
        }
    )

    def test_lines_in_order_with_their_groups(self) -> None:
        fig = viz.interval_dots(self.table, measure="share", title="a finding", line=0.0)
        axes = fig.axes[0]
        assert [label.get_text() for label in axes.get_yticklabels()] == ["view: front", "view: back", "hidden: no"]
        assert axes.get_yticks().tolist() == [0, 1, 2.5]
        assert "view back 0.20 (0.10 to 0.30); hidden no 0.40." in fig.get_label()
        assert png_of(fig)

    def test_series_stand_below_each_other(self) -> None:
        twice = pd.concat([self.table.assign(series="a"), self.table.assign(series="b", value=0.1)])
        fig = viz.interval_dots(twice, measure="share", title="two")
        first, second = (line.get_ydata() for line in fig.axes[0].lines)
        assert np.all(np.asarray(first) < np.asarray(second))
        assert [text.get_text() for text in fig.legends[0].get_texts()] == ["a", "b"]

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="'low'"):
            viz.interval_dots(self.table.drop(columns="low"), measure="", title="")
        with pytest.raises(ValueError, match="found none"):
            viz.interval_dots(self.table[:0], measure="", title="")
