"""Projections carry the numbers that judge them; coordinates are never compared with stored ones."""

from __future__ import annotations

import importlib
import sys
import types

import numpy as np
import pytest
from sklearn.datasets import make_blobs
from sklearn.decomposition import PCA
from viz_world import small_features

from vireidkit.analysis import faithfulness, project
from vireidkit.errors import SettingError


def test_pca_spans_the_plane_of_scikit_learn() -> None:
    matrix = np.random.default_rng(0).normal(size=(30, 5)) * [5, 3, 1, 1, 1]
    own, theirs = project(matrix, method="pca", metric="euclidean").coordinates, PCA(2).fit_transform(matrix)
    assert np.allclose(np.abs(own), np.abs(theirs))


def test_pca_of_few_numbers_is_padded_and_perfect() -> None:
    found = project(np.arange(8.0)[:, None] ** 2, method="pca", metric="euclidean")
    assert found.coordinates.shape == (8, 2)
    assert np.allclose(found.coordinates[:, 1], 0)
    assert found.trustworthiness == pytest.approx(1)
    assert found.knn_preservation == pytest.approx(1)


def test_faithfulness_of_a_picture_and_of_noise() -> None:
    random = np.random.default_rng(0)
    matrix = np.pad(random.normal(size=(60, 2)), ((0, 0), (0, 3)))
    assert faithfulness(matrix, matrix[:, :2] * 9, 5) == (pytest.approx(1), pytest.approx(1))
    trust, kept = faithfulness(matrix, random.normal(size=(60, 2)), 5)
    assert trust < 0.7
    assert kept == pytest.approx(5 / 59, abs=0.08)


def test_tsne_keeps_clusters_and_repeats() -> None:
    matrix, _ = make_blobs(60, 6, centers=3, cluster_std=0.3, random_state=0)
    first, second = (project(matrix, method="tsne", seed=seed, n_neighbors=8, metric="euclidean") for seed in (3, 3))
    assert np.array_equal(first.coordinates, second.coordinates)
    assert first.trustworthiness > 0.9
    assert first.settings["perplexity"] == 8
    assert "t-SNE of 60 images, seed 3" in str(first)


@pytest.mark.parametrize("few", [True, False])
def test_umap_is_asked_for_what_was_asked(monkeypatch: pytest.MonkeyPatch, few: bool) -> None:
    """The real UMAP compiles for half a minute; notebook 04 runs it. Here a stand-in says what it was called with."""
    calls = []

    class Recorder:
        def __init__(self, **settings: object) -> None:
            calls.append(settings)

        def fit_transform(self, given: np.ndarray) -> np.ndarray:
            matrix = small_features().matrix.double().numpy()
            unit = matrix / np.linalg.norm(matrix, axis=1, keepdims=True)
            cosines = unit @ unit.T
            assert np.allclose(given**2, 2 - 2 * cosines, atol=1e-5) if few else np.allclose(given @ given.T, cosines, atol=1e-5)
            return given[:, :2]

    monkeypatch.setitem(sys.modules, "umap", types.SimpleNamespace(UMAP=Recorder))
    if not few:
        monkeypatch.setattr(importlib.import_module("vireidkit.analysis.projection"), "_DENSE", 39)
    found = project(small_features(), seed=7, n_neighbors=100, min_dist=0.3)
    # Anything but one job makes UMAP warn that a seed means one.
    expected = {"n_components": 2, "random_state": 7, "n_jobs": 1, "n_neighbors": 39, "min_dist": 0.3}
    assert calls == [{**expected, "metric": "precomputed" if few else "euclidean"}]
    assert (found.method, found.title, found.seed) == ("umap", "UMAP", 7)
    assert found.coordinates.shape == (40, 2)


def test_cosine_is_judged_on_unit_vectors() -> None:
    features = small_features(noise=0.05)
    longer = features.matrix.numpy() * np.linspace(1, 50, len(features))[:, None]
    same = project(features, method="pca")
    assert np.allclose(project(longer, method="pca").coordinates, same.coordinates)
    assert not np.allclose(project(longer, method="pca", metric="euclidean").coordinates, same.coordinates)


def test_small_and_wrong_inputs() -> None:
    found = project(np.random.default_rng(0).normal(size=(5, 3)), method="pca")
    assert found.settings["judged_at"] == 2
    with pytest.raises(ValueError, match="at least 5"):
        project(np.ones((4, 3)), method="pca")
    with pytest.raises(SettingError, match=r"isomap.*umap, tsne, pca"):
        project(np.ones((9, 3)), method="isomap")
