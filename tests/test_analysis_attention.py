"""Attention maps in numbers, pushed pictures, and features that have collapsed."""

from __future__ import annotations

import math
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from torch import nn

from vireidkit import analysis
from vireidkit.errors import SettingError


def shares(first: np.ndarray, second: np.ndarray) -> dict[str, np.ndarray]:
    """Two maps and what they leave to the background."""
    return {"attention4_1": first, "attention4_2": second, "background4": 1 - first - second}


class TestSummary:
    def test_even_maps_say_nothing(self) -> None:
        even = np.full((3, 4, 2), 1 / 3)
        row = analysis.attention_summary(shares(even, even)).iloc[0]
        assert row["evenness"] == pytest.approx(1) and row["overlap"] == pytest.approx(1) and math.isnan(row["fixed"])
        assert [row[name] for name in ("map 1", "map 2", "background")] == pytest.approx([1 / 3] * 3)

    def test_one_template_for_all_pictures_and_maps_that_differ_by_picture(self) -> None:
        template = np.random.default_rng(0).uniform(0, 0.5, size=(2, 4, 2))
        same = shares(*(np.repeat(one[None], 5, axis=0) for one in template))
        assert analysis.attention_summary(same).loc[0, "fixed"] == pytest.approx(1)
        own = np.random.default_rng(1).uniform(0, 0.5, size=(2, 400, 4, 2))
        assert analysis.attention_summary(shares(*own)).loc[0, "fixed"] < 0.02

    def test_maps_without_a_common_place_and_groups(self) -> None:
        upper = np.zeros((2, 2, 1))
        upper[:, 0] = 1.0
        found = analysis.attention_summary(shares(upper, 1 - upper), ["visible", "infrared"]).set_index("group")
        assert list(found.index) == ["visible", "infrared"]
        assert found["overlap"].tolist() == [0, 0] and found["evenness"].tolist() == [0, 0] and found["background"].tolist() == [0, 0]

    def test_two_depths_one_map_and_other_names(self) -> None:
        half = np.full((2, 2, 2), 0.5)
        maps = {
            "attention_1": half,
            "background": half,
            **{name.replace("4", "3"): one for name, one in shares(half / 2, half / 2).items()},
        }
        found = analysis.attention_summary({**maps, "mask": half})
        assert found["depth"].tolist() == ["", "3"] and math.isnan(found.loc[0, "overlap"])

    @pytest.mark.parametrize("maps", [{}, {"mask": np.zeros((1, 2, 2))}, {"attention4_1": np.zeros((1, 2, 2))}])
    def test_other_maps_are_refused(self, maps: dict[str, np.ndarray]) -> None:
        with pytest.raises(ValueError, match="expected maps attention"):
            analysis.attention_summary(maps)

    def test_groups_of_another_length(self) -> None:
        even = np.full((3, 4, 2), 1 / 3)
        with pytest.raises(ValueError, match="one group for each of 3"):
            analysis.attention_summary(shares(even, even), ["a"])


class Looking(nn.Module):
    """A method whose maps follow the picture, stay where they are, or are flat."""

    name = "looking"

    def __init__(self, **kinds: bool) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def maps_of(self, images: torch.Tensor, modality: torch.Tensor) -> dict[str, torch.Tensor]:
        seen = F.avg_pool2d(images[:, :1], 4)[:, 0].sigmoid()
        ramp = torch.linspace(0, 1, seen.shape[1])[None, :, None].expand_as(seen)
        return {"eye": seen, "template": ramp, "flat": torch.zeros_like(seen)}


def small_store() -> SimpleNamespace:
    """Eight pictures of 32 x 16 with a pattern of their own."""
    images = torch.randint(0, 256, (8, 32, 16, 3), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    table = pd.DataFrame({"modality": ["visible", "infrared"] * 4})

    class Store(SimpleNamespace):
        def __len__(self) -> int:
            return len(self.table)

    return Store(table=table, images=lambda rows: images[rows])


class TestShift:
    def test_an_eye_follows_and_a_template_stays(self) -> None:
        found = analysis.shift_check(Looking(), small_store(), range(8)).set_index("map")
        assert found.loc["eye", "follows"] == pytest.approx(1, abs=1e-6) and found.loc["eye", "stays"] < 0.5
        assert found.loc["template", "stays"] == pytest.approx(1) and found.loc["flat"].isna().all()

    def test_a_map_of_too_few_lines_and_mistakes(self) -> None:
        assert analysis.shift_check(Looking(), small_store(), [0], share=0.05)["stays"].isna().all()
        with pytest.raises(ValueError, match="between 0 and 1"):
            analysis.shift_check(Looking(), small_store(), [0], share=1.0)
        blind = Looking()
        blind.maps_of = lambda images, modality: {}
        with pytest.raises(SettingError, match="no attention or mask maps"):
            analysis.shift_check(blind, small_store(), [0])


class TestCollapse:
    def test_a_point_a_line_a_plane(self) -> None:
        point = analysis.collapse_numbers(torch.ones(6, 3) * torch.arange(1.0, 7)[:, None])  # lengths do not count
        assert point == pytest.approx({"spread": 0, "directions": 0}, abs=1e-9)
        line = analysis.collapse_numbers(torch.tensor([[1.0, 0, 0], [-2.0, 0, 0]]))
        assert line == pytest.approx({"spread": 1, "directions": 1})
        angles = torch.arange(8) * math.pi / 4
        plane = analysis.collapse_numbers(torch.stack([angles.cos(), angles.sin(), torch.zeros(8)], dim=1))
        assert plane == pytest.approx({"spread": 1, "directions": 2}, abs=1e-5)

    def test_random_features_use_all_directions_in_any_precision(self) -> None:
        rows = torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
        for matrix in (rows, rows.half(), rows.double().numpy()):
            found = analysis.collapse_numbers(matrix)
            assert found["spread"] > 0.99 and found["directions"] == pytest.approx(5, abs=0.05)

    def test_mistakes(self) -> None:
        for bad in (torch.zeros(3), torch.zeros(0, 3)):
            with pytest.raises(ValueError, match="expected features"):
                analysis.collapse_numbers(bad)
