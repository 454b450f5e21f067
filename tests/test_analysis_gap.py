"""The gap's numbers: equal to naive loops, large where there is a gap, at their no-gap value where there is none."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from viz_world import small_features

from vireidkit.analysis import band_distance, gap_numbers, modality_mixing
from vireidkit.analysis.gap_sample import shuffled


def people_and_bands(people: int, *, gap: float, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    """Many people with four cameras each (two a band, two images), descriptors of 8 numbers; the gap lies along the last."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame([(p, c) for p in range(people) for c in (1, 2, 3, 6) for _ in range(2)], columns=["identity", "camera"])
    table["modality"] = np.where(table["camera"] > 2, "infrared", "visible")
    matrix = random.normal(size=(people, 8))[table["identity"]] + 0.4 * random.normal(size=(len(table), 8))
    matrix[:, 7] += gap * (table["camera"] > 2)
    return matrix, table


def test_mixing_equals_a_loop() -> None:
    features = small_features(gap=0.5)
    unit = features.matrix.numpy() / np.linalg.norm(features.matrix, axis=1, keepdims=True)
    modality = features.table["modality"].tolist()
    shares = []
    for row in range(len(unit)):
        others = sorted((other for other in range(len(unit)) if other != row), key=lambda other: -(unit[row] @ unit[other]))
        shares.append(np.mean([modality[other] != modality[row] for other in others[:7]]))
    assert modality_mixing(features, features.table["modality"], 7) == pytest.approx(np.mean(shares))


def test_mixing_at_its_ends() -> None:
    apart = np.array([[1.0, 0.01 * n] for n in range(5)] + [[-1.0, 0.01 * n] for n in range(5)])
    assert modality_mixing(apart, [0] * 5 + [1] * 5, k=4) == 0
    pairs = np.repeat(np.eye(4), 2, axis=0)
    assert modality_mixing(pairs, [0, 1] * 4, k=1) == 1


def test_band_distance_by_hand() -> None:
    points = np.array([[0.0, 1], [0, -1], [3, 2], [3, -2]])
    # Means 3 apart; mean squares 1 and 4, so the spread is sqrt(2.5).
    assert band_distance(points, [0, 0, 1, 1], metric="euclidean") == pytest.approx(3 / np.sqrt(2.5))
    assert band_distance(points[[2, 3, 0, 1]] * 7, [0, 0, 1, 1], metric="euclidean") == pytest.approx(3 / np.sqrt(2.5))
    with pytest.raises(ValueError, match="both modalities"):
        band_distance(points, [0, 0, 0, 0])


def test_shuffling_keeps_every_person_s_bands() -> None:
    table = small_features().table.sample(frac=1, random_state=3)
    infrared, identity = (table["modality"] == "infrared").to_numpy(), table["identity"].to_numpy()
    for seed in range(20):
        other = shuffled(infrared, identity, np.random.default_rng(seed))
        assert pd.Series(other).groupby(identity).sum().eq(4).all()
    assert len({shuffled(infrared, identity, np.random.default_rng(seed)).tobytes() for seed in range(20)}) > 10


def test_without_a_gap_values_agree_with_their_no_gap_values() -> None:
    numbers = gap_numbers(*people_and_bands(60, gap=0.0)).set_index("measure")
    for measure, tolerance in {
        "mixing of neighbours": 0.04,
        "distance of band means over spread": 0.06,
        "linear probe accuracy": 0.08,
    }.items():
        assert numbers.loc[measure, "value"] == pytest.approx(numbers.loc[measure, "no_gap_value"], abs=tolerance), measure
    cosines = numbers.filter(like="cosine", axis=0)
    assert np.allclose(cosines["value"], cosines["no_gap_value"], atol=0.05)
    assert numbers.loc["linear probe accuracy", "no_gap_value"] == pytest.approx(0.5, abs=0.06)


def test_with_a_gap_every_number_shows_it() -> None:
    numbers = gap_numbers(*people_and_bands(40, gap=8.0)).set_index("measure")
    value, no_gap = numbers["value"], numbers["no_gap_value"]
    assert value["mixing of neighbours"] < 0.4 * no_gap["mixing of neighbours"]
    assert value["distance of band means over spread"] > 0.8 > 3 * no_gap["distance of band means over spread"]
    assert value["same-identity cosine across"] < no_gap["same-identity cosine across"] < value["same-identity cosine within infrared"]
    assert value["linear probe accuracy"] > 0.9
    assert no_gap["linear probe accuracy"] == pytest.approx(0.5, abs=0.08)
    assert numbers["reading"].str.len().min() > 20


def test_cosines_leave_out_pairs_of_one_camera() -> None:
    # Two images of one camera are equal; those of other cameras are orthogonal.
    table = pd.DataFrame({"identity": 1, "camera": [1, 1, 2, 2, 3, 3, 6, 6], "modality": ["visible"] * 4 + ["infrared"] * 4})
    matrix = np.repeat(np.eye(4), 2, axis=0)
    table = pd.concat([table, table.assign(identity=2)], ignore_index=True)
    numbers = gap_numbers(np.vstack([matrix, matrix]), table, k=3).set_index("measure")["value"]
    assert np.allclose(numbers.filter(like="cosine"), 0)


def test_one_camera_a_band_leaves_no_pair_within() -> None:
    table = pd.DataFrame({"identity": [1, 1, 2, 2, 3, 3], "camera": [1, 3] * 3, "modality": ["visible", "infrared"] * 3})
    numbers = gap_numbers(np.random.default_rng(0).normal(size=(6, 3)), table).set_index("measure")
    assert np.isnan(numbers.loc["same-identity cosine within visible", "value"])
    assert np.isfinite(numbers.loc["same-identity cosine across", "value"])
    assert "none here" in numbers.loc["same-identity cosine within visible", "reading"]


def test_same_seed_same_numbers() -> None:
    features = small_features(gap=0.3)
    first, second, third = (gap_numbers(features, shuffles=3, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert (first["value"][:5] == third["value"][:5]).all()
    assert (first["no_gap_value"] != third["no_gap_value"]).any()


def test_gap_needs_a_fitting_table() -> None:
    features = small_features()
    with pytest.raises(ValueError, match="39"):
        gap_numbers(features, features.table[1:])
    with pytest.raises(ValueError, match="'modality'"):
        gap_numbers(features, features.table.drop(columns="modality"))
