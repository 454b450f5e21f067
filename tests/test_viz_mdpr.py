"""Figures about MDPR: its drawing, its margin, two views of a picture, courses over a training, and terms in groups."""

from __future__ import annotations

from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
import torch
from viz_world import image_of, small_table

from vireidkit import viz
from vireidkit.losses import circle_margin_logits
from vireidkit.viz.style import png_of
from vireidkit.viz.views import _painted


def test_the_drawing_names_every_part_and_fits_its_page() -> None:
    fig = viz.mdpr_sketch()
    words = " ".join(text.get_text() for text in fig.axes[0].texts)
    parts = ("hard", "stripe1", "stripe2", "fusion", "soft4", "soft3", "attended4", "stem", "mutual", "$z_h$", "training only")
    assert all(part in words for part in parts)
    png_of(fig)
    page = fig.axes[0].get_window_extent()
    boxes = [text.get_window_extent() for text in fig.axes[0].texts if text.get_text()]
    assert all(page.x0 - 1 <= box.x0 and box.x1 <= page.x1 + 1 for box in boxes)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


def test_the_margin_is_that_of_the_loss() -> None:
    fig = viz.circle_margin_plot(gamma=10.0, margin=0.2)
    true, other = (line.get_xydata() for line in fig.axes[0].lines[:2])
    cosine = torch.tensor(np.stack([true[:, 0], other[:, 0]], axis=1), requires_grad=True)
    logits = circle_margin_logits(cosine, torch.zeros(len(cosine), dtype=torch.long), gamma=10.0, margin=0.2)
    assert np.allclose(logits.detach().numpy(), np.stack([true[:, 1], other[:, 1]], axis=1))
    (slopes,) = torch.autograd.grad(logits.sum(), cosine)
    assert np.allclose(slopes.numpy(), np.stack([line.get_ydata() for line in fig.axes[1].lines[:2]], axis=1))
    assert "slope of 12" in fig.get_label()


class TestViewSheet:
    rows = (0, 4, 8)
    maps: ClassVar = {"deep map 1": np.full((3, 4, 2), 0.25), "background": np.full((3, 4, 2), 0.75)}

    def test_pictures_stripes_and_maps_on_one_scale(self) -> None:
        fig = viz.view_sheet(self.rows, self.maps, image_of, small_table(), stripes=3, even=1 / 3)
        assert len(fig.axes[0].images) == 3 * 4
        assert len([one for one in fig.axes[0].patches if not one.get_fill()]) == 3 * 3
        assert "3 pictures" in fig.get_label() and "deep map 1" in fig.get_label()
        assert png_of(fig)

    def test_a_map_is_shown_in_blocks_and_not_stretched(self) -> None:
        picture = np.full((8, 4, 3), 128, np.uint8)
        low = _painted(picture, np.array([[0.1, 0.1], [0.4, 0.4]]))
        assert (low[:4] == low[0, 0]).all() and (low[4:] == low[4, 0]).all() and (low[0] != low[4]).any()
        assert (low[4, 0] == _painted(picture, np.full((2, 2), 0.4))[0, 0]).all()

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match=r"must be \(3, h, w\) in 0..1"):
            viz.view_sheet(self.rows, {"map": np.full((3, 4, 2), 1.5)}, image_of, small_table())
        with pytest.raises(ValueError, match="needs pictures and maps"):
            viz.view_sheet(self.rows, {}, image_of, small_table())


def courses(panels: dict[str, tuple[str, ...]]) -> pd.DataFrame:
    """Three points of every line."""
    rows = [(panel, name, x, x * number) for panel, names in panels.items() for number, name in enumerate(names) for x in range(3)]
    return pd.DataFrame(rows, columns=["panel", "name", "x", "value"])


class TestLinePanels:
    def test_the_same_names_share_a_legend(self) -> None:
        fig = viz.line_panels(courses({"left": ("a", "b"), "right": ("a", "b")}), title="finding", marks=True, zero=True)
        assert len(fig.legends) == 1 and all(axes.get_legend() is None for axes in fig.axes)
        assert [axes.get_title(loc="left") for axes in fig.axes] == ["left", "right"]
        assert [line.get_ydata()[-1] for line in fig.axes[0].lines] == [0, 2] and "left, b: 0 to 2" in fig.get_label()
        assert png_of(fig)

    def test_other_names_stand_in_their_panel_and_many_lines_stay_apart(self) -> None:
        names = tuple("abcdefgh")
        fig = viz.line_panels(courses({"many": names, "one": ("x",)}), title="finding", columns=1)
        assert not fig.legends and fig.axes[0].get_legend() is not None and fig.axes[1].get_legend() is None
        looks = {(line.get_color(), line.get_linestyle()) for line in fig.axes[0].lines}
        assert len(looks) == len(names)

    def test_one_scale_for_all_panels(self) -> None:
        fig = viz.line_panels(courses({"left": ("a", "b"), "right": ("a", "b")}), title="finding", limits=(-1, 5))
        assert [axes.get_ylim() for axes in fig.axes] == [(-1, 5)] * 2

    def test_mistakes(self) -> None:
        table = courses({"left": ("a",)})
        with pytest.raises(ValueError, match="'value'"):
            viz.line_panels(table.drop(columns="value"), title="finding")
        with pytest.raises(ValueError, match="found none"):
            viz.line_panels(table.iloc[:0], title="finding")


class TestTermGroups:
    history = pd.DataFrame({"step": range(6), "term.id_a": 6.0, "term.id_b": np.linspace(8, 2, 6), "term.mutual": np.linspace(0, -1, 6)})
    groups: ClassVar = {"identity": ["id_a", "id_b", "id_c"], "mutual": ["mutual"], "area": ["area4"]}

    def test_a_panel_a_kind_without_what_is_not_there(self) -> None:
        fig = viz.term_groups(self.history, self.groups)
        shown = [axes for axes in fig.axes if axes.get_visible()]
        assert [axes.get_title(loc="left") for axes in shown] == ["identity", "mutual"]
        assert [text.get_text() for text in shown[0].get_legend().get_texts()] == ["a", "b"]
        assert fig.get_label().startswith("3 terms: identity 7 to 4, mutual")
        assert min(shown[1].lines[0].get_ydata()) < 0

    def test_mistakes(self) -> None:
        for bad in (self.history.drop(columns="step"), self.history[["step"]], self.history.iloc[:0]):
            with pytest.raises(ValueError, match="need rows with columns step and term"):
                viz.term_groups(bad, self.groups)
