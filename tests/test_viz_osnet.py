"""Drawings of OSNet and of stripes, what gates let through, and features of every depth in one pass."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from viz_world import small_images, small_table

from vireidkit import analysis, viz
from vireidkit.errors import SettingError
from vireidkit.methods import build_method
from vireidkit.nn import OSNet, stripe_bounds
from vireidkit.viz.style import png_of


class Store:
    """The pictures of the small world, or some of them."""

    def __init__(self, rows: slice = slice(None)) -> None:
        self.table = small_table().iloc[rows].reset_index(drop=True)
        self.pictures = torch.tensor(small_images()[rows].repeat(2, axis=1).repeat(2, axis=2))  # (N, 32, 16, 3)

    def __len__(self) -> int:
        return len(self.table)

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        return self.pictures[rows]


@pytest.fixture(scope="module")
def network():
    return build_method("lightos", 5, width=0.25, mgim=False, sdm=False).eval()


def boxes_of(fig: Figure) -> list:
    """Places of all texts of a drawing."""
    png_of(fig)
    return [text.get_window_extent() for axes in fig.axes for text in axes.texts if text.get_text()]


def test_the_block_shows_ten_light_convolutions_and_four_fields() -> None:
    fig = viz.osnet_block()
    words = [text.get_text() for text in fig.axes[0].texts]
    assert words.count("light\n3x3") == 10 and {"3", "5", "7", "9"} <= set(words) and sum("gate" in word for word in words) == 1
    boxes = boxes_of(fig)
    assert not [(a, b) for i, a in enumerate(boxes) for b in boxes[:i] if a.overlaps(b)]


class TestSplits:
    counts = (134_792, 137_176, 154_938, 196_556, 252_944, 269_584)
    stages = ("conv1", "conv2", "conv3", "conv4", "conv5")

    def test_own_stages_are_drawn_twice_and_their_price_is_told(self) -> None:
        fig = viz.split_sketch(self.counts, self.stages, chosen=2)
        drawn = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
        assert len(drawn) == sum(5 + split for split in range(6))  # each own stage is a box more
        assert "2.00 times the parameters of a shared one; the first 2 of 5 stages apart add 15 %" in fig.get_label()
        assert "split 3: 196,556 parameters" in fig.get_label()

    def test_nothing_apart_adds_nothing(self) -> None:
        assert "apart add" not in viz.split_sketch(self.counts, self.stages, chosen=0).get_label()

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match=r"splits 0\.\.5, found 5 numbers"):
            viz.split_sketch(self.counts[:-1], self.stages)


class TestGates:
    def test_a_row_for_every_band_block_and_stream(self, network) -> None:
        table = analysis.stream_gates(network, Store(), limit=6)
        assert len(table) == 2 * 6 * 4 and table["block"].iloc[0] == "conv2, block 1"
        assert table["gate"].between(0, 1).all() and set(table["field"]) == {3, 5, 7, 9}
        assert np.allclose(table.groupby(["modality", "block"])["share"].sum(), 1)
        assert not network.training and not any(one._forward_hooks for one in network.modules())

    def test_gates_are_those_of_their_own_streams(self) -> None:
        """A gate whose last layer is a constant opens by its sigmoid, in one band only where the stage is apart."""
        method = build_method("lightos", 5, width=0.25, mgim=False, sdm=False).eval()
        gate = method.two_stream.infrared.conv2[0].gate
        torch.nn.init.zeros_(gate.fc2.weight)
        torch.nn.init.constant_(gate.fc2.bias, 2.0)
        table = analysis.stream_gates(method, Store(), limit=4)
        own = table[table["block"] == "conv2, block 1"].groupby("modality")["gate"].mean()
        assert own["infrared"] == pytest.approx(1 / (1 + np.exp(-2))) and own["visible"] == pytest.approx(0.5, abs=0.2)
        rows = table[(table["block"] == "conv2, block 1") & (table["modality"] == "infrared")]
        assert (rows[["between_pictures", "between_channels"]] == 0).all(axis=None)

    def test_figure(self) -> None:
        rows = [(m, b, f, 0.5, 0.25) for m in ("visible", "infrared") for b in ("conv2, block 1", "conv3, block 2") for f in (3, 5, 7, 9)]
        table = pd.DataFrame(rows, columns=["modality", "block", "field", "gate", "share"])
        fig = viz.gate_panels(table)
        assert len(fig.axes) == 4 and "The gates differ by" in fig.get_label()
        with pytest.raises(ValueError, match="needs a column 'share'"):
            viz.gate_panels(table.drop(columns="share"))
        with pytest.raises(ValueError, match="found none"):
            viz.gate_panels(table.iloc[:0])

    def test_mistakes(self, network) -> None:
        resnet = build_method("agw", 5, trunk="resnet18", width=0.125)
        with pytest.raises(SettingError, match="method 'agw' has no gates"):
            analysis.stream_gates(resnet, Store(), limit=2)
        with pytest.raises(SettingError, match="no picture is infrared"):
            analysis.stream_gates(network, Store(slice(0, 4)), limit=2)


class TestFeaturesByName:
    @staticmethod
    def work(images: torch.Tensor, modality: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"means": images.mean(dim=(2, 3)), "band": modality[:, None].float()}

    def test_rows_are_the_stores_in_any_batch_size(self, network) -> None:
        network.train()
        whole = analysis.features_by_name(network, Store(), self.work)
        assert network.training
        network.eval()
        parts = analysis.features_by_name(network, Store(), self.work, batch_size=7)
        assert all(torch.equal(whole[name].matrix, parts[name].matrix) for name in ("means", "band"))
        infrared = torch.tensor((small_table()["modality"] == "infrared").to_numpy())
        assert torch.equal(whole["band"].matrix[:, 0] == 1, infrared) and whole["means"].metric == "cosine"

    def test_standardised(self, network) -> None:
        found = analysis.features_by_name(network, Store(), self.work, standardise=("means",))["means"].matrix
        assert found.mean(dim=0).abs().max() < 1e-5 and torch.allclose(found.square().mean(dim=0), torch.ones(3))
        with pytest.raises(KeyError):
            analysis.features_by_name(network, Store(), self.work, standardise=("other",))

    def test_no_pictures(self, network) -> None:
        with pytest.raises(SettingError, match="no images"):
            analysis.features_by_name(network, Store(slice(0, 0)), self.work)


class TestLayerLines:
    table = pd.DataFrame(
        [("conv2", "student", "across", 5.0), ("conv3", "student", "across", 8.0), ("conv3", "map", "across", 6.0)],
        columns=["layer", "series", "panel", "value"],
    )

    def test_a_line_a_series_on_the_layers_it_has(self) -> None:
        fig = viz.layer_lines(self.table, measure="mAP (%)", title="a finding", floors={"across": 2.0})
        first, second, floor = fig.axes[0].lines
        assert first.get_xydata().tolist() == [[0, 5], [1, 8]] and second.get_xydata().tolist() == [[1, 6]]
        assert floor.get_ydata()[0] == 2 and "A finding. mAP (%). across, student, conv2: 5.0" in fig.get_label()

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="needs a column 'panel'"):
            viz.layer_lines(self.table.drop(columns="panel"), measure="", title="")
        with pytest.raises(ValueError, match="found none"):
            viz.layer_lines(self.table.iloc[:0], measure="", title="")
        many = pd.DataFrame({"layer": "a", "series": list("abcde"), "panel": "p", "value": 1.0})
        with pytest.raises(ValueError, match="found 5 and 1"):
            viz.layer_lines(many, measure="", title="")


class TestStripes:
    def test_a_frame_for_every_stripe(self) -> None:
        pictures = [(small_images()[0], "visible", "camera 1"), (small_images()[4], "infrared", "camera 3")]
        fig = viz.stripe_sheet(pictures, {count: stripe_bounds(8, count) for count in (2, 3)}, 8)
        frames = [patch for patch in fig.axes[0].patches if isinstance(patch, Rectangle)]
        assert len(frames) == 2 * 5 and sum(len(axes.images) for axes in fig.axes) == 6
        assert "3 stripes: rows 0 to 3, 2 to 6, 5 to 8" in fig.get_label() and "neighbours share one" in fig.get_supxlabel().replace(
            "\n", " "
        )
        page = fig.axes[0].get_window_extent()
        assert all(page.x0 <= box.x0 and box.x1 <= page.x1 for box in boxes_of(fig))

    def test_even_stripes_share_nothing(self) -> None:
        fig = viz.stripe_sheet([(small_images()[0], "visible", "one")], {2: [(0, 4), (4, 8)]}, 8)
        assert "share one" not in fig.get_supxlabel()

    def test_mistakes(self) -> None:
        one = (small_images()[0], "visible", "one")
        with pytest.raises(ValueError, match="2 stripes of a map of 4 rows cannot be"):
            viz.stripe_sheet([one], {2: [(0, 4), (4, 8)]}, 4)
        with pytest.raises(ValueError, match="one to three pictures"):
            viz.stripe_sheet([], {2: [(0, 4)]}, 8)


def test_the_number_of_layers_that_the_notebook_speaks_of() -> None:
    """Notebook 08 says how many layers an OSNet calls for one picture."""
    calls, trunk = [], OSNet(0.25).eval()
    for module in trunk.modules():
        if not list(module.children()) and not isinstance(module, torch.nn.Identity):
            module.register_forward_hook(lambda *_: calls.append(1))
    with torch.no_grad():
        trunk(torch.zeros(1, 3, 32, 16))
    assert len(calls) == 393


class TestPanelBars:
    table = pd.DataFrame(
        [("joined", "across", 30.0), ("stripe", "across", 12.0), ("joined", "inside", 60.0), ("stripe", "inside", 40.0)],
        columns=["name", "panel", "value"],
    )

    def test_a_bar_a_name_in_every_panel(self) -> None:
        fig = viz.panel_bars(self.table, measure="Rank-1 (%)", title="a finding", marked=("joined",))
        assert [[bar.get_width() for bar in axes.patches] for axes in fig.axes] == [[30, 12], [60, 40]]
        colours = [bar.get_facecolor() for bar in fig.axes[0].patches]
        assert colours[0] != colours[1] and [text.get_text() for text in fig.axes[1].texts] == [" 60", " 40"]
        assert "A finding. Rank-1 (%). across joined 30; across stripe 12" in fig.get_label()

    def test_two_series_stand_below_each_other(self) -> None:
        both = pd.concat([self.table.assign(series="as they are"), self.table.assign(series="cut", value=5.0)])
        fig = viz.panel_bars(both, measure="Rank-1 (%)", title="", digits=1)
        heights = sorted(bar.get_y() + bar.get_height() / 2 for bar in fig.axes[0].patches)
        assert len(heights) == 4 and len({round(one, 3) for one in heights}) == 4
        assert "across joined as they are 30.0" in fig.get_label()

    def test_mistakes(self) -> None:
        with pytest.raises(ValueError, match="needs a column 'value'"):
            viz.panel_bars(self.table.drop(columns="value"), measure="", title="")
        with pytest.raises(ValueError, match="found none"):
            viz.panel_bars(self.table.iloc[:0], measure="", title="")
        with pytest.raises(ValueError, match="found 2 and 4"):
            viz.panel_bars(self.table.assign(series=list("abcd")), measure="", title="")
