"""Whose the nearest neighbours are, against a plain loop; and the projection that was told the answer."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from vireidkit.analysis import gap_numbers, neighbour_shares, project, supervised_projection
from vireidkit.analysis import neighbourhood as room


def people(rows: int = 40, seed: int = 0) -> tuple[np.ndarray, pd.DataFrame]:
    random = np.random.default_rng(seed)
    camera = random.integers(1, 7, rows)
    modality = np.where(np.isin(camera, (3, 6)), "infrared", "visible")
    return random.normal(size=(rows, 8)), pd.DataFrame({"identity": random.integers(0, 6, rows), "camera": camera, "modality": modality})


def by_loop(matrix: np.ndarray, table: pd.DataFrame, k: int, leave_out: tuple[str, ...]) -> dict[str, float]:
    """One image after the other."""
    unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
    found = []
    for i, own in table.iterrows():
        others = [j for j in range(len(table)) if j != i and not any(table[name][j] == own[name] for name in leave_out)]
        if not others:
            continue
        near = sorted(others, key=lambda j: ((unit[i] - unit[j]) ** 2).sum())[:k]
        rows = table.loc[near]
        far = table.loc[others, "modality"] != own["modality"]
        shares = [(rows[name] == own[name]).mean() for name in ("identity", "camera")]
        found.append([*shares, (rows["modality"] != own["modality"]).mean(), far.mean()])
    return dict(zip(["same person", "same camera", "other band", "other band by chance"], np.mean(found, axis=0), strict=True))


@pytest.mark.parametrize("leave_out", [(), ("identity",), ("camera",), ("identity", "camera")])
def test_shares_equal_a_plain_loop(leave_out: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    matrix, table = people()
    expected = by_loop(matrix, table, 5, leave_out)
    assert neighbour_shares(matrix, table, k=5, leave_out=leave_out).to_dict() == pytest.approx(expected)
    monkeypatch.setattr(room, "_CHUNK", 7)
    assert neighbour_shares(matrix, table, k=5, leave_out=leave_out).to_dict() == pytest.approx(expected)


def test_shares_of_random_descriptors_are_those_by_chance() -> None:
    matrix, table = people(600)
    found = neighbour_shares(matrix, table)
    assert found["other band"] == pytest.approx(found["other band by chance"], abs=0.02)


def test_left_out_images_are_no_neighbours_even_when_few_are_left() -> None:
    matrix, table = people(12)
    found = neighbour_shares(matrix, table, k=11, leave_out=("identity", "camera"))
    assert (found["same person"], found["same camera"]) == (0, 0)
    assert neighbour_shares(matrix, table.assign(identity=1), leave_out=("identity",)).isna().all()


@pytest.mark.parametrize(("options", "message"), [({"leave_out": ["tracklet"]}, "tracklet"), ({"k": 0}, "k = 0")])
def test_bad_settings_are_named(options: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        neighbour_shares(*people(), **options)


def test_a_supervised_projection_shows_a_gap_in_noise_and_its_numbers_do_not_believe_it() -> None:
    random = np.random.default_rng(0)
    noise, table = random.normal(size=(200, 2048)), people(200)[1]
    picture = supervised_projection(noise, table["modality"])
    across, infrared = picture.coordinates[:, 0], (table["modality"] == "infrared").to_numpy()
    assert across[infrared].min() > across[~infrared].max(), "the clouds do not touch"
    assert picture.trustworthiness < 0.6
    assert picture.knn_preservation < 3 * picture.chance_preservation
    numbers = gap_numbers(noise, table, shuffles=2).set_index("measure")
    assert numbers["value"]["linear probe accuracy"] == pytest.approx(0.5, abs=0.12)
    assert picture.title == "Supervised projection"


def test_a_supervised_projection_agrees_with_the_equations_of_ridge_regression() -> None:
    matrix, table = people(60)
    picture = supervised_projection(matrix, table["modality"], metric="euclidean")
    centred, labels = matrix - matrix.mean(axis=0), (table["modality"] == "infrared").to_numpy(float)
    ridge = (centred**2).sum() / len(matrix)
    direction = np.linalg.solve(centred.T @ centred + ridge * np.eye(8), centred.T @ (labels - labels.mean()))
    scores = centred @ direction
    np.testing.assert_allclose(picture.coordinates[:, 0], scores / scores.std(), atol=1e-9)


def test_a_supervised_projection_needs_both_modalities() -> None:
    matrix, table = people()
    with pytest.raises(ValueError, match="both modalities"):
        supervised_projection(matrix, ["visible"] * len(table))
    assert project(matrix, method="pca").title == "PCA"
