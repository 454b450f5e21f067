"""Figures of the gap: what they say, what they draw, and what they refuse."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from viz_world import small_features

from vireidkit import viz
from vireidkit.analysis import gap_by_camera_pair, modality_gap
from vireidkit.viz.style import png_of


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return modality_gap(small_features(gap=0.8), shuffles=9, halves=2)


@pytest.fixture(scope="module")
def pairs() -> pd.DataFrame:
    return gap_by_camera_pair(small_features(gap=0.8), resamples=20, halves=2)


def by_layer(shift: float = 0.0) -> pd.DataFrame:
    rows = [
        (layer, depth, measure, value + shift, value - 0.1, value + 0.1, -0.05, 0.0, 0.05, 0.01)
        for measure, values in (("distance of band means over spread", (0.5, 1.5, 0.2)), ("MMD squared", (0.1, 0.3, np.nan)))
        for (depth, layer), value in zip(enumerate(("stem", "layer1", "descriptor")), values, strict=True)
    ]
    names = ["layer", "depth", "measure", "value", "low", "high", "no_gap_low", "no_gap_value", "no_gap_high", "split_half_value"]
    return pd.DataFrame(rows, columns=names)


def test_gap_plot_says_how_many_measures_leave_no_gap(table: pd.DataFrame) -> None:
    fig = viz.gap_plot(table)
    known = table.dropna(subset=["value", "no_gap_low"])
    known = known[~known["measure"].str.contains("within")]
    outside = ((known["value"] < known["no_gap_low"]) | (known["value"] > known["no_gap_high"])).sum()
    assert fig.get_label().startswith(f"{outside} of {len(known)} measures between the bands lie outside")
    assert "MMD squared" in fig.get_label()
    assert [axes.get_ylabel() for axes in fig.axes if axes.get_ylabel()] == list(table["measure"])
    assert png_of(fig)


def test_gap_plot_draws_value_interval_and_worlds_without_a_gap(table: pd.DataFrame) -> None:
    row = table.iloc[[1]].assign(value=0.5, low=0.4, high=0.7, no_gap_low=-0.1, no_gap_high=0.1, split_half_value=0.05)
    axes = next(axes for axes in viz.gap_plot(row).axes if axes.get_ylabel())
    assert [tuple(line.get_xdata()) for line in axes.lines] == [(0.05,), (0.5,)]
    (ends,) = axes.collections[0].get_segments()
    assert ends[:, 0].tolist() == [0.4, 0.7]
    (box,) = axes.patches
    assert (box.get_x(), box.get_x() + box.get_width()) == pytest.approx((-0.1, 0.1))


def test_gap_plot_of_several_names_the_ends(table: pd.DataFrame) -> None:
    other = table.assign(value=table["value"] + 1)
    fig = viz.gap_plot({"one": table[:4], "other": other[:4]})
    assert "largest for other" in fig.get_label() and "smallest for one" in fig.get_label()
    texts = [text.get_text() for axes in fig.axes if axes.get_legend() for text in axes.get_legend().get_texts()]
    assert texts[:2] == ["one", "other"]
    assert png_of(fig)


def test_gap_plot_without_numbers(table: pd.DataFrame) -> None:
    blank = table[:3].assign(**{name: np.nan for name in ("value", "low", "high", "no_gap_low", "no_gap_high", "split_half_value")})
    assert png_of(viz.gap_plot(blank))
    assert png_of(viz.gap_plot({"a": blank, "b": blank}))


def test_layers_say_where_the_gap_is_largest() -> None:
    fig = viz.gap_by_layer_plot(by_layer())
    assert fig.get_label().startswith("Distance of band means over spread is largest at layer1 (1.50); the last, descriptor, has 0.20")
    assert "stem 0.5, layer1 1.5, descriptor 0.2" in fig.get_label()
    assert png_of(fig)


def test_layers_of_networks_with_other_stages() -> None:
    other = by_layer(0.3).replace({"layer": {"layer1": "block"}})
    fig = viz.gap_by_layer_plot({"first": by_layer(), "second": other})
    last = [axes for axes in fig.axes if axes.get_title(loc="left")][-1]
    assert [label.get_text() for label in last.get_xticklabels()] == ["stem", "layer1", "block", "descriptor"]
    assert png_of(fig)


def test_camera_matrix_is_symmetric_and_sorted_by_band(pairs: pd.DataFrame) -> None:
    fig = viz.gap_camera_plot(pairs, measures=["MMD squared", "overlap across"])
    square = fig.axes[0].images[0].get_array()
    np.testing.assert_allclose(square, square.T)
    assert [label.get_text() for label in fig.axes[0].get_xticklabels()] == ["o 1", "o 2", "x 3", "x 6"]
    assert "between cameras of two bands" in fig.get_label()
    one = pairs[(pairs["measure"] == "MMD squared") & (pairs["first_camera"] == 2) & (pairs["second_camera"] == 6)]
    assert square[1, 3] == one["value"].iloc[0]
    assert png_of(fig)


def test_camera_matrix_with_holes(pairs: pd.DataFrame) -> None:
    assert png_of(viz.gap_camera_plot(pairs.assign(value=pairs["value"].where(pairs["kind"] != "across"))))
    assert png_of(viz.gap_camera_plot(pairs.assign(value=np.nan), measures=["MMD squared"]))


def test_mistakes(table: pd.DataFrame, pairs: pd.DataFrame) -> None:
    with pytest.raises(ValueError, match="'split_half_value'"):
        viz.gap_plot(table.drop(columns="split_half_value"))
    with pytest.raises(ValueError, match="'empty' has no row"):
        viz.gap_plot({"empty": table[:0]})
    with pytest.raises(ValueError, match="found 0"):
        viz.gap_plot({})
    with pytest.raises(ValueError, match="found 7"):
        viz.gap_plot(dict.fromkeys("abcdefg", table))
    with pytest.raises(ValueError, match="'layer'"):
        viz.gap_by_layer_plot(table)
    with pytest.raises(ValueError, match="no measure 'overlap within visible'"):
        viz.gap_camera_plot(pairs, measures=["overlap within visible"])
    with pytest.raises(ValueError, match="'kind'"):
        viz.gap_camera_plot(table)
