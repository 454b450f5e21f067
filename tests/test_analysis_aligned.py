"""Aligned projections: each from its own descriptors, turned onto the one before, and the picture that lies."""

from __future__ import annotations

import sys
import types
from dataclasses import replace

import numpy as np
import pytest
from viz_world import small_features, small_table

from vireidkit.analysis import lying_projection, modality_mixing, project, project_many
from vireidkit.analysis.aligned import procrustes
from vireidkit.errors import SettingError
from vireidkit.evaluation import Features


def turned(points: np.ndarray, degrees: float, *, mirrored: bool = False) -> np.ndarray:
    angle = np.radians(degrees)
    matrix = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    return (points * ([1, -1] if mirrored else [1, 1])) @ matrix + [3, -7]


@pytest.mark.parametrize("mirrored", [False, True])
def test_procrustes_undoes_turning_mirroring_and_moving(mirrored: bool) -> None:
    points = np.random.default_rng(0).normal(size=(20, 2)) * [3, 1]
    assert np.allclose(procrustes(turned(points, 130, mirrored=mirrored), points), points)


def test_procrustes_is_the_best_turn_and_does_not_scale() -> None:
    random = np.random.default_rng(1)
    points, onto = random.normal(size=(2, 15, 2)) * [2, 1]
    found = procrustes(points, onto)
    centred = points - points.mean(axis=0)
    tried = [turned(centred, degrees, mirrored=m) - [3, -7] + onto.mean(axis=0) for degrees in range(360) for m in (False, True)]
    assert ((found - onto) ** 2).sum() <= min(((one - onto) ** 2).sum() for one in tried) + 1e-9
    assert np.allclose(np.linalg.norm(found - found.mean(axis=0), axis=1), np.linalg.norm(centred, axis=1))


def epochs() -> dict[str, Features]:
    """Three epochs of the small world, each in a basis of its own: the second is the first, turned in its space."""
    first = small_features(noise=0.1, metric="euclidean")
    basis = np.linalg.qr(np.random.default_rng(3).normal(size=(6, 6)))[0]
    return {"start": first, "turned": replace(first, matrix=first.matrix.numpy() @ basis), "later": small_features(gap=2.0, seed=5)}


def test_a_network_that_only_turned_its_space_does_not_move() -> None:
    frames = epochs()
    found = project_many(frames, method="pca")
    assert list(found) == list(frames)
    assert np.allclose(found["start"].coordinates, project(frames["start"], method="pca").coordinates)
    assert found["turned"].settings["moved"] == pytest.approx(0, abs=1e-6)
    assert found["later"].settings["moved"] > 0.1
    assert {one.settings["aligned"] for one in found.values()} == {"procrustes"}


def test_alignment_leaves_the_numbers_of_every_frame_alone() -> None:
    frames = epochs()
    found = project_many(frames, method="tsne", n_neighbors=8)
    for name, one in frames.items():
        alone = project(one, method="tsne", n_neighbors=8)
        for number in ("trustworthiness", "knn_preservation", "mixing", "picture_mixing"):
            assert getattr(found[name], number) == pytest.approx(getattr(alone, number))


def test_mixing_of_the_original_space_stands_beside_the_picture() -> None:
    features = small_features(gap=0.4)
    found = project(features, method="pca")
    assert found.mixing == pytest.approx(modality_mixing(features, features.table["modality"], k=10))
    assert found.picture_mixing == pytest.approx(modality_mixing(found.coordinates, features.table["modality"], k=10, metric="euclidean"))
    assert f"mixing {found.mixing:.0%} in the original space" in str(found)
    assert project(features.matrix, method="pca").mixing is None
    assert project(features.matrix, method="pca", modality=features.table["modality"]).mixing == found.mixing
    one_band = features.table["modality"] == "visible"
    assert project(features.matrix[one_band.to_numpy().copy()], method="pca", modality=["visible"] * 20).mixing is None


class Joint:
    """Stands for AlignedUMAP, which compiles for a minute: says what it was called with."""

    calls: list[tuple[dict, list, list]]

    def __init__(self, **settings: object) -> None:
        self.settings = settings

    def fit_transform(self, matrices: list[np.ndarray], relations: list[dict[int, int]]) -> list[np.ndarray]:
        type(self).calls.append((self.settings, matrices, relations))
        return [matrix[:, :2] for matrix in matrices]


def test_aligned_umap_is_asked_for_what_was_asked(monkeypatch: pytest.MonkeyPatch) -> None:
    Joint.calls = []
    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(AlignedUMAP=Joint))
    frames = {"a": small_features(), "b": small_features(gap=1), "wider": np.hstack([small_features().matrix.numpy()] * 2)}
    found = project_many(frames, seed=4, strength=0.5, modality=small_table()["modality"])
    (settings, matrices, relations) = Joint.calls[0]
    assert {"random_state": 4, "transform_seed": 4, "alignment_regularisation": 0.5}.items() <= settings.items()
    assert [matrix.shape for matrix in matrices] == [(40, 6), (40, 6), (40, 12)]
    assert relations == [{row: row for row in range(40)}] * 2
    assert all(np.allclose(np.linalg.norm(matrix, axis=1), 1, atol=1e-6) for matrix in matrices)
    assert [one.title for one in found.values()] == ["UMAP"] * 3
    assert found["b"].settings["aligned"] == "joint"
    assert found["b"].mixing == pytest.approx(modality_mixing(frames["b"], small_table()["modality"]))


def test_a_layout_that_lost_points_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    class Losing(Joint):
        def fit_transform(self, matrices, relations):
            return [np.full((len(matrix), 2), np.nan) for matrix in matrices]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(AlignedUMAP=Losing))
    with pytest.raises(ValueError, match="align='procrustes'"):
        project_many({"a": small_features(), "b": small_features(seed=1)})


def test_other_images_are_refused() -> None:
    first = small_features()
    swapped = Features(first.matrix, first.table.iloc[::-1])
    with pytest.raises(ValueError, match=r"'b' must describe the images of 'a'.*row 0 expected path cam1/0011/0001.png, found cam6"):
        project_many({"a": first, "b": swapped}, method="pca")
    with pytest.raises(ValueError, match="'b' must describe the 40 images of 'a', found 39 rows"):
        project_many({"a": first, "b": first.matrix[1:]}, method="pca")
    nameless = Features(first.matrix, first.table.drop(columns="path").assign(camera=9))
    with pytest.raises(ValueError, match="expected camera 1, found 9"):
        project_many({"a": first, "b": nameless}, method="pca")
    broken = first.matrix.clone()
    broken[3, 2] = float("nan")
    with pytest.raises(ValueError, match=r"descriptors must be finite.* 1 rows"):
        project_many({"a": first, "b": broken}, method="pca")


def test_alignments_that_do_not_exist() -> None:
    for options in ({"align": "rotate"}, {"align": "joint", "method": "tsne"}):
        with pytest.raises(SettingError, match="align='procrustes'"):
            project_many(epochs(), **options)
    with pytest.raises(SettingError, match="found no features"):
        project_many({})
    with pytest.raises(SettingError, match="isomap"):
        project_many(epochs(), method="isomap", align="procrustes")


def test_the_lying_projection_shows_networks_not_gaps(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two networks that say the very same, one of them in a turned basis, fall apart into two islands."""

    class Plane:
        def __init__(self, **settings: object) -> None:
            pass

        def fit_transform(self, matrix: np.ndarray) -> np.ndarray:
            return matrix[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Plane))
    first = small_features(noise=0.1)
    second = replace(first, matrix=np.roll(np.hstack([first.matrix.numpy(), np.zeros((40, 6))]), 6, axis=1))
    found = lying_projection({"a": first, "b": second})
    assert found["a"].settings["own_network"] > 0.95
    assert [one.coordinates.shape for one in found.values()] == [(40, 2)] * 2
    assert found["a"].mixing == pytest.approx(found["b"].mixing)
    assert "One UMAP over several networks" in str(found["a"])
    same = lying_projection({"a": first, "b": first})
    assert same["a"].settings["own_network"] < 0.8
    with pytest.raises(ValueError, match="two networks or more, found 1"):
        lying_projection({"a": first})
