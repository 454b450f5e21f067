"""Figures and tables of notebook 01: dyes, the network's view, the floor, and what a search answers first."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch

from vireidkit.analysis import first_answers
from vireidkit.evaluation import Features, Trial
from vireidkit.viz import dye_strip, floor_bars, network_view
from vireidkit.viz.floor import setting_name
from vireidkit.viz.style import png_of

TABLE = pd.DataFrame(
    {
        "path": list("abcdef"),
        "identity": [1, 1, 2, 2, 1, 9],
        "camera": [1, 2, 1, 2, 2, 1],
        "modality": ["visible"] * 6,
    }
)
POINTS = torch.tensor([[0.0], [5.0], [1.0], [9.0], [0.2], [4.0]])


def trial(excluded: np.ndarray | None = None) -> Trial:
    """Everybody but the last asks, the last four answer."""
    return Trial(TABLE.iloc[[0, 1, 3, 5]], TABLE.iloc[[1, 2, 3, 4]], excluded, 0)


class TestFirstAnswers:
    def test_names_the_nearest_image_and_both_cameras(self) -> None:
        found = first_answers(Features(POINTS, TABLE, "euclidean"), trial())
        # Row 5 (identity 9) has no match in the gallery and is left out.
        assert found["query_row"].tolist() == [0, 1, 3]
        assert found["answer_row"].tolist() == [4, 1, 3]
        assert found["correct"].tolist() == [True, True, True]
        assert found[["query_camera", "answer_camera"]].to_numpy().tolist() == [[1, 2], [2, 2], [2, 2]]

    def test_leaves_out_what_the_rule_removed(self) -> None:
        query, gallery = TABLE["camera"].iloc[[0, 1, 3, 5]].to_numpy(), TABLE["camera"].iloc[[1, 2, 3, 4]].to_numpy()
        found = first_answers(Features(POINTS, TABLE, "euclidean"), trial(query[:, None] == gallery[None, :]))
        assert (found["query_camera"] != found["answer_camera"]).all()
        # Rows 1 and 3 keep only row 2 of camera 1: wrong for row 1, whose own person is gone, so it asks no more.
        assert found["query_row"].tolist() == [0, 3]
        assert found["answer_row"].tolist() == [4, 2]

    def test_a_wrong_answer_is_wrong(self) -> None:
        found = first_answers(Features(torch.tensor([[0.0], [5.0], [1.0], [9.0], [2.0], [4.0]]), TABLE, "euclidean"), trial())
        assert found["answer_row"][0] == 2 and not found["correct"][0]


class TestDyeStrip:
    garments = pd.DataFrame(
        {"colour": ["black", "black", "black", "white"], "dye": ["soot", "soot", "plant", "plant"], "reflectance": [0.1, 0.2, 0.5, 0.6]}
    )

    def test_says_what_the_first_colour_gives_back(self) -> None:
        fig = dye_strip(self.garments, colours=["black", "white"])
        assert "15 to 50 % of the near-infrared light" in fig.get_label()
        assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == ["black", "white"]
        assert png_of(fig)

    def test_one_dye_makes_no_claim_about_dyes(self) -> None:
        assert "the dye decides" not in dye_strip(self.garments, colours=["white"]).get_label()

    def test_an_absent_colour_is_named(self) -> None:
        with pytest.raises(ValueError, match="'green'"):
            dye_strip(self.garments, colours=["black", "green"])


class TestNetworkView:
    def test_the_means_of_grey_pictures_are_those_of_the_constants(self) -> None:
        images = np.full((4, 8, 4, 3), 128, np.uint8)
        fig = network_view(images, [0, 0, 1, 1], bands=("visible", "near-infrared"))
        assert "red +0.07, green +0.21, blue +0.43" in fig.get_label()  # (128/255 - mean) / deviation
        assert png_of(fig)

    def test_needs_both_bands(self) -> None:
        with pytest.raises(ValueError, match="both bands"):
            network_view(np.zeros((2, 8, 4, 3), np.uint8), [1, 1])


class TestFloorBars:
    table = pd.DataFrame(
        {
            "setting": ["within-visible", "within-visible", "ir2vis", "ir2vis"],
            "descriptor": ["grey", "chance"] * 2,
            "mean": [0.20, 0.02, 0.05, 0.02],
            "std": [0.01, np.nan, 0.01, 0.01],
        }
    )

    def test_tells_inside_from_across_and_chance(self) -> None:
        fig = floor_bars(self.table)
        assert "20 % inside a band, 5 % across the bands; chance is at 2 %" in fig.get_label()
        assert [bar.get_width() for bar in fig.axes[0].patches] == pytest.approx([20.0, 5.0, 2.0, 2.0])
        assert png_of(fig)

    def test_bands_have_the_names_of_the_data_set(self) -> None:
        assert setting_name("ir2vis", ("visible", "thermal")) == "thermal asks visible"
        assert setting_name("sysu-all-single") == "sysu-all-single"

    def test_names_a_missing_column(self) -> None:
        with pytest.raises(ValueError, match="'std'"):
            floor_bars(self.table.drop(columns="std"))
