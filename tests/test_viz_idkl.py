"""Figures about IDKL: its drawing, the panels of its terms, and who gets the weight of a softmax of distances."""

from __future__ import annotations

import math

import numpy as np
import pandas as pd
import pytest

from vireidkit import analysis, viz
from vireidkit.viz.style import png_of


def test_the_drawing_names_every_part_and_fits_its_page() -> None:
    fig = viz.idkl_sketch()
    words = " ".join(text.get_text() for text in fig.axes[0].texts)
    assert all(part in words for part in ("shared", "specific", "purifier", "TGSA", "CSA", "IP hinges", "confusion head", "$b_{sh}$"))
    png_of(fig)
    page = fig.axes[0].get_window_extent()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts if text.get_text()]
    assert all(page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 for box in boxes)
    overlaps = [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]
    assert not overlaps


class TestTermPanels:
    history = pd.DataFrame({"step": range(8), "term.id": np.linspace(6, 3, 8), "term.confusion": 0.7, "term.centroid": 0.0, "lr": 0.1})

    def test_a_panel_a_term_with_weight_and_floor(self) -> None:
        fig = viz.term_panels(self.history, weights={"id": 1.0, "centroid": 0.1}, floors={"confusion": math.log(2)})
        shown = [axes for axes in fig.axes if axes.get_visible()]
        assert [axes.get_title(loc="left") for axes in shown] == ["id", "confusion", "centroid, weight 0.1"]
        assert [len(axes.lines) for axes in shown] == [2, 3, 2]
        assert all(axes.get_ylim()[0] == 0 < axes.get_ylim()[1] for axes in shown)
        label = fig.get_label()
        assert "id falls most" in label and "confusion falls least (to 100 %)" in label and "centroid 0 to 0" in label
        assert png_of(fig)
        assert "confusion rises most (to 225 %)" in viz.term_panels(self.history.assign(**{"term.confusion": range(1, 9)})).get_label()

    def test_one_term_and_many(self) -> None:
        assert "1 loss term over a training" in viz.term_panels(self.history[["step", "term.id"]]).get_label()
        many = self.history.assign(**{f"term.{one}": 1.0 for one in "abcdef"})
        assert sum(axes.get_visible() for axes in viz.term_panels(many).axes) == 9

    def test_mistakes(self) -> None:
        for bad in (self.history[["step", "lr"]], self.history[["term.id"]], self.history.iloc[:0]):
            with pytest.raises(ValueError, match="needs rows with columns step and term"):
                viz.term_panels(bad)


class TestDistanceWeights:
    distances = np.array([[1.0, 3.0], [1.0, 2.0], [3.0, 2.0]])
    same = np.array([[True, False], [True, False], [False, False]])

    def test_weight_on_the_same_person(self) -> None:
        table = analysis.weight_on_same(self.distances, self.same, (1.0,)).set_index("sign")
        far = (1 / (1 + math.e**2) + 1 / (1 + math.e)) / 3  # the near one is the same person in two rows of three
        near = (1 / (1 + math.e**-2) + 1 / (1 + math.e**-1)) / 3
        assert table["same person"][1] == pytest.approx(far) and table["same person"][-1] == pytest.approx(near)
        assert table["even"].tolist() == [2 / 6] * 2

    def test_huge_distances_stay_finite(self) -> None:
        table = analysis.weight_on_same(1e6 * self.distances, self.same, (1.0, 30.0))
        assert table["same person"].tolist() == pytest.approx([0, 2 / 3] * 2)

    def test_figure(self) -> None:
        fig = viz.distance_weights(self.distances, self.same, scales=(1.0, 10.0))
        plus, minus = (line.get_ydata() for line in fig.axes[1].lines[:2])
        assert plus[0] < 1 and plus[-1] > 99 and minus[0] > 99 and minus[-1] < 1
        assert "Plus gives a person's own other pictures 0 % of the weight, minus 67 %" in fig.get_label()
        assert png_of(fig)

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match=r"of one shape; found \(3, 2\) and \(3, 1\)"):
            viz.distance_weights(self.distances, self.same[:, :1])
        with pytest.raises(ValueError, match="of one shape"):
            analysis.weight_on_same(np.zeros((0, 3)), np.zeros((0, 3)))
