"""Pixel statistics and pair distances against loops and by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from viz_world import small_features, small_images, small_table

from vireidkit.analysis import GROUPS, band_brightness, channel_shares, pair_distances, pixel_table, separation
from vireidkit.analysis.pixels import as_images


def test_colour_of_grey_tinted_and_coloured_pictures() -> None:
    grey = np.full((1, 4, 4, 3), 90, np.uint8)
    tinted = grey + np.array([10, 0, 0], np.uint8)
    coloured = grey.copy()
    coloured[:, :2, :, 0] = 120
    found = pixel_table(np.concatenate([grey, tinted, coloured]))
    assert found["colour"].tolist() == [0, 10, 15]
    assert found["hues"][:2].tolist() == [0, 0]
    # Red minus green is 30 in one half, so it deviates by 15 everywhere; green minus blue does not.
    assert found["hues"][2] == pytest.approx(np.sqrt(15**2 / 2))


def test_brightness_is_that_of_the_region() -> None:
    picture = np.zeros((1, 10, 10, 3), np.uint8)
    picture[:, 2:5, 3:7] = (100, 50, 0)
    found = pixel_table(torch.tensor(picture)).iloc[0]
    assert found[["red", "green", "blue"]].tolist() == [100, 50, 0]
    assert found["grey"] == pytest.approx(0.299 * 100 + 0.587 * 50)
    assert pixel_table(picture, region=(0, 1, 0, 1))["red"][0] == pytest.approx(12)


def test_no_pictures_give_no_rows() -> None:
    assert pixel_table([]).empty
    assert pixel_table([]).columns.tolist() == ["red", "green", "blue", "grey", "colour", "hues"]


@pytest.mark.parametrize("bad", [np.zeros((2, 4, 4), np.uint8), np.zeros((2, 4, 4, 3)), np.zeros((2, 4, 4, 1), np.uint8)])
def test_wrong_pictures(bad: np.ndarray) -> None:
    with pytest.raises(ValueError, match="expected uint8 images"):
        pixel_table(bad)


def test_pictures_of_two_sizes() -> None:
    with pytest.raises(ValueError, match="one size"):
        as_images([np.zeros((4, 4, 3), np.uint8), np.zeros((5, 4, 3), np.uint8)])


def test_histograms_count_every_pixel_once() -> None:
    shares = channel_shares(small_images(), bins=16)
    assert np.allclose(shares.groupby("channel")["share"].sum(), 1)
    red = shares[shares["channel"] == "red"].set_index("value")["share"]
    expected = np.mean((small_images()[..., 0] >= 96) & (small_images()[..., 0] < 112))
    assert red[104.0] == pytest.approx(expected)


def test_brightness_of_people_seen_in_both_bands() -> None:
    table = small_table()
    seen = ~((table["identity"] == 12) & (table["modality"] == "infrared")).to_numpy()
    found = band_brightness(small_images()[seen], table[seen]).set_index("identity")
    assert found.index.tolist() == [11, 13, 14, 15]
    grey = pixel_table(small_images())["grey"]
    own = (table["identity"] == 13) & (table["modality"] == "infrared")
    assert found.loc[13, "infrared"] == pytest.approx(grey[own].mean())


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_pair_distances_are_those_of_the_features(metric: str) -> None:
    features = small_features(gap=0.4, metric=metric)
    pairs = pair_distances(features, across_cameras=False)
    table = features.table
    distance = features.distance(np.arange(40), np.arange(40)).numpy()
    for group, bands in zip(GROUPS, (("visible",), ("infrared",), ("infrared", "visible")), strict=True):
        expected = [
            distance[a, b]
            for a in range(40)
            for b in range(a)
            if table["identity"][a] == table["identity"][b] and tuple(sorted({table["modality"][a], table["modality"][b]})) == bands
        ]
        found = pairs[(pairs["group"] == group) & pairs["same"]]["distance"]
        assert np.allclose(np.sort(found), np.sort(expected), atol=1e-6)


def test_pairs_of_one_camera_are_left_out_and_counts_are_bounded() -> None:
    features = small_features()
    within = pair_distances(features)
    assert len(within[(within["group"] == "within visible") & within["same"]]) == 5 * 4
    few = pair_distances(features, pairs=7)
    assert few.groupby(["group", "same"]).size().max() == 7
    pd.testing.assert_frame_equal(few, pair_distances(features, pairs=7))
    assert not few.equals(pair_distances(features, pairs=7, seed=1))


def test_separation_equals_a_loop() -> None:
    random = np.random.default_rng(0)
    pairs = pd.DataFrame({"group": "across bands", "same": random.random(60) < 0.5, "distance": random.integers(0, 6, 60)})
    same, other = (pairs.loc[pairs["same"] == flag, "distance"].tolist() for flag in (True, False))
    wins = np.mean([(a < b) + 0.5 * (a == b) for a in same for b in other])
    found = separation(pairs).iloc[0]
    assert found["auc"] == pytest.approx(wins)
    assert found["same_median"] == np.median(same)
    assert np.isnan(separation(pairs[pairs["same"]])["auc"][0])


def test_separation_sees_the_gap() -> None:
    told = separation(pair_distances(small_features(gap=1.5, noise=0.5))).set_index("group")["auc"]
    assert told["across bands"] < told["within visible"] + 0.02
    perfect = separation(pair_distances(small_features(noise=0.01)))
    assert np.allclose(perfect["auc"], 1)
