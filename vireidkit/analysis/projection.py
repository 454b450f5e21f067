"""Projections to the plane, always together with the numbers that say how far the picture can be trusted."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import FloatMatrix, as_matrix, is_infrared, nearest
from vireidkit.errors import SettingError

MIXED_AT = 10  # neighbours of both mixings, as in modality_mixing
_DENSE = 4095  # images; beyond these UMAP itself seeks neighbours approximately


@dataclass(frozen=True)
class Projection:
    """Points in the plane and how faithful they are.

    Attributes:
        coordinates: (N, 2). Never to be compared between runs: only neighbourhoods mean something, and in UMAP and t-SNE
            neither the distance between clusters nor their size does.
        trustworthiness: 0-1, 1 when no point has neighbours in the picture that it has not in the original space
            (Venna and Kaski 2001, as in scikit-learn).
        knn_preservation: share of the nearest neighbours in the original space that are nearest neighbours in the picture.
        chance_preservation: the same share for points thrown down at random.
        method, seed, settings: how it was made; ``settings["judged_at"]`` is the number of neighbours of both numbers.
        mixing: share of the ten nearest neighbours in the original space that are of the other modality (``modality_mixing``); None
            where the modality of the images is not known or there is only one.
        picture_mixing: the same share in the picture, which may be another.
    """

    coordinates: FloatMatrix
    trustworthiness: float
    knn_preservation: float
    chance_preservation: float
    method: str
    seed: int
    settings: Mapping[str, Any] = field(default_factory=dict)
    mixing: float | None = None
    picture_mixing: float | None = None

    @property
    def title(self) -> str:
        """The name of the method as it is written."""
        return _TITLES[self.method]

    def __str__(self) -> str:
        neighbours = f"{self.knn_preservation:.0%} of {self.settings['judged_at']} nearest neighbours kept"
        trust = f"trustworthiness {self.trustworthiness:.2f}, {neighbours} ({self.chance_preservation:.0%} by chance)"
        mixed = (
            "" if self.mixing is None else f", mixing {self.mixing:.0%} in the original space and {self.picture_mixing:.0%} in the picture"
        )
        return f"{self.title} of {len(self.coordinates)} images, seed {self.seed}: {trust}{mixed}"


def project(
    features: Any,
    *,
    method: str = "umap",
    seed: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str | None = None,
    judged_at: int = 15,
    modality: Any = None,
) -> Projection:
    """Lay descriptors out in the plane. For several epochs or networks see ``project_many``.

    Args:
        features: ``Features`` or a matrix (N, D).
        method: "umap", "tsne" or "pca".
        seed: the picture of one seed repeats on one machine; show two seeds before you believe a shape. PCA does not depend on it.
        n_neighbors: neighbours that UMAP keeps together; for t-SNE the perplexity. Cut down when there are few images.
        min_dist: how closely UMAP packs points.
        metric: see ``as_matrix``; descriptors compared by cosine are brought to length 1 first.
        judged_at: neighbours for trustworthiness and preservation, both measured in the original space.
        modality: names or codes (N,), for the two mixings; None takes those of the features' table.

    Raises:
        SettingError: unknown method.
        ValueError: fewer than five images, or descriptors that are not finite.
    """
    matrix = checked_matrix(features, metric)
    settings = settings_of(method, len(matrix), n_neighbors, min_dist)
    coordinates = np.ascontiguousarray(_METHODS[method](matrix, seed, settings), dtype=np.float64)  # (N, 2)
    return judged(matrix, coordinates, method, seed, settings, judged_at, modality_of(features, modality))


def checked_matrix(features: Any, metric: str | None, name: str = "") -> FloatMatrix:
    """``as_matrix`` of at least five images; ``name`` is said in the error.

    Raises:
        ValueError: see ``project``.
    """
    try:
        matrix = as_matrix(features, metric)
        if len(matrix) < 5:
            raise ValueError(f"a projection needs at least 5 images, found {len(matrix)}")
    except ValueError as error:
        if not name:
            raise
        raise ValueError(f"features {name!r}: {error}") from error
    return matrix


def settings_of(method: str, rows: int, n_neighbors: int, min_dist: float) -> dict[str, Any]:
    """The settings of a method for so many images.

    Raises:
        SettingError: unknown method.
    """
    if method not in _METHODS:
        raise SettingError(f"unknown projection {method!r}; known: {', '.join(_METHODS)}")
    n_neighbors = max(2, min(n_neighbors, rows - 1))
    return {
        "umap": {"n_neighbors": n_neighbors, "min_dist": min_dist},
        "tsne": {"perplexity": min(n_neighbors, (rows - 1) / 3)},
        "pca": {},
    }[method]


def modality_of(features: Any, modality: Any = None) -> Any:
    """The modality that was given, else that of the features' table, else None."""
    table = getattr(features, "table", None)
    return modality if modality is not None or table is None or "modality" not in table.columns else table["modality"]


def judged(
    matrix: FloatMatrix, coordinates: FloatMatrix, method: str, seed: int, settings: Mapping[str, Any], judged_at: int, modality: Any
) -> Projection:
    """A projection of ``matrix`` (N, D) with its numbers. ``modality`` (N,) or None."""
    rows = len(matrix)
    # scikit-learn defines trustworthiness only below half the number of points.
    at = max(1, min(judged_at, math.ceil(rows / 2) - 1))
    trust, kept = faithfulness(matrix, coordinates, at)
    mixing = None if modality is None else _mixings(matrix, coordinates, is_infrared(modality, rows))
    return Projection(coordinates, trust, kept, at / (rows - 1), method, seed, {**settings, "judged_at": at}, *(mixing or (None, None)))


def _mixings(matrix: FloatMatrix, coordinates: FloatMatrix, infrared: NDArray[np.bool_]) -> tuple[float, float] | None:
    """Mixing in the original space and in the picture; None where there is one modality only."""
    if infrared.all() or not infrared.any():
        return None
    k = min(MIXED_AT, len(matrix) - 1)
    first, second = (float((infrared[nearest(points, k)] != infrared[:, None]).mean()) for points in (matrix, coordinates))
    return first, second


def faithfulness(matrix: FloatMatrix, coordinates: FloatMatrix, k: int) -> tuple[float, float]:
    """Trustworthiness, and the share of k nearest neighbours in ``matrix`` (N, D) that are kept in ``coordinates`` (N, 2)."""
    from sklearn.manifold import trustworthiness

    before, after = nearest(matrix, k), nearest(coordinates, k)
    kept = np.mean([len(np.intersect1d(first, second)) / k for first, second in zip(before, after, strict=True)])
    return float(trustworthiness(matrix, coordinates, n_neighbors=k)), float(kept)


def _umap(matrix: FloatMatrix, seed: int, settings: Mapping[str, Any]) -> FloatMatrix:
    """Uniform manifold approximation and projection (McInnes et al. 2018). Imported here: it compiles for seconds."""
    from sklearn.metrics import pairwise_distances

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Tt]ensor[Ff]low.*")
        from umap import UMAP
    with warnings.catch_warnings():
        # Few or many equal points: UMAP then starts from random places, which the seed fixes too.
        warnings.filterwarnings("ignore", message=".*[Ss]pectral init.*")
        warnings.filterwarnings("ignore", message=".*not fully connected.*")
        warnings.filterwarnings("ignore", message=".*precomputed metric.*")
        metric, given = "euclidean", matrix.astype(np.float32)
        if len(matrix) <= _DENSE:
            # UMAP compares every two of so few images as well, but one pair at a time: half of the whole time.
            metric, given = "precomputed", pairwise_distances(given)
        # One job is what a fixed random_state means anyway; asking for it keeps UMAP from warning about it.
        model = UMAP(n_components=2, metric=metric, random_state=seed, n_jobs=1, **settings)
        return model.fit_transform(given)


def _tsne(matrix: FloatMatrix, seed: int, settings: Mapping[str, Any]) -> FloatMatrix:
    """t-distributed stochastic neighbour embedding (van der Maaten and Hinton 2008), started from the principal components."""
    from sklearn.manifold import TSNE

    # With a one-dimensional descriptor there is no second component to start from.
    init = "pca" if min(matrix.shape) >= 2 else "random"
    return TSNE(n_components=2, init=init, random_state=seed, **settings).fit_transform(matrix)


def _pca(matrix: FloatMatrix, seed: int, settings: Mapping[str, Any]) -> FloatMatrix:
    """The two directions of largest variance, by an exact decomposition; each points to where its largest entry is positive."""
    centred = matrix - matrix.mean(axis=0)
    _, _, directions = np.linalg.svd(centred, full_matrices=False)  # (min(N, D), D)
    directions = directions[:2]
    peak = np.abs(directions).argmax(axis=1)
    signs = np.where(directions[np.arange(len(directions)), peak] < 0, -1.0, 1.0)
    points = centred @ (directions * signs[:, None]).T
    return np.pad(points, ((0, 0), (0, 2 - points.shape[1])))


_TITLES = {
    "umap": "UMAP",
    "tsne": "t-SNE",
    "pca": "PCA",
    "supervised": "Supervised projection",
    "lying": "One UMAP over several networks",
}
_METHODS: dict[str, Callable[[FloatMatrix, int, Mapping[str, Any]], FloatMatrix]] = {"umap": _umap, "tsne": _tsne, "pca": _pca}
