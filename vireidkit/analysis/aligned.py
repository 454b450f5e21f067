"""The same images through training, or through several networks: one projection each, aligned, so that what moves has moved."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.analysis.neighbours import FloatMatrix
from vireidkit.analysis.projection import Projection, checked_matrix, judged, modality_of, project, settings_of
from vireidkit.errors import SettingError

ALIGNMENTS = ("joint", "procrustes")
SAME_IMAGES = ("path", "identity", "camera", "modality")


def project_many(
    features: Mapping[str, Any],
    *,
    method: str = "umap",
    align: str | None = None,
    strength: float = 0.01,
    seed: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str | None = None,
    judged_at: int = 15,
    modality: Any = None,
) -> dict[str, Projection]:
    """One projection for each of several descriptions of the same images, each aligned to the one before it.

    Every picture is made from its own descriptors alone and is judged against them. Alignment only takes away what a projection
    leaves open anyway: "joint" (AlignedUMAP) lays all of them out at once and pulls an image's points in neighbouring pictures
    together; "procrustes" turns and mirrors each picture onto the one before it and leaves its distances as they are.

    Args:
        features: name -> ``Features`` or matrix (N, D), in order; row i is one image in all of them, D may differ.
        align: "joint" (UMAP only, and its default) or "procrustes" (the default of the others). On a busy CPU core a frame of 1,600
            images took 50 s jointly and 7 s by Procrustes, after a minute of compiling.
        strength: of the pull in "joint"; 0 is none. A strong pull hides movement: compare two.
        method, seed, n_neighbors, min_dist, metric, judged_at, modality: as in ``project``.

    Returns:
        name -> ``Projection``, in the order given; ``settings["aligned"]`` says how, and ``settings["moved"]`` how far an image moved
        from the picture before, over the mean spread of both (root mean squares; 0 for the first).

    Raises:
        SettingError: no features, an unknown method or alignment, or "joint" for another method than UMAP.
        ValueError: the descriptions are of other images, or see ``project``.

    Source: AlignedUMAP of umap-learn (McInnes et al. 2018); orthogonal Procrustes, Schönemann 1966. Grade: code.
    """
    align = align or ("joint" if method == "umap" else "procrustes")
    if not features or align not in ALIGNMENTS or (align == "joint" and method != "umap"):
        problem = "no features" if not features else f"align={align!r} with method={method!r}"
        raise SettingError(f"aligned projections need features, and align='procrustes' or (UMAP) align='joint'; found {problem}")
    check_same_images(features)
    options = {"seed": seed, "n_neighbors": n_neighbors, "min_dist": min_dist, "metric": metric, "judged_at": judged_at}
    if align == "joint" and len(features) > 1:
        return _described(_laid_out_together(features, strength, modality=modality, **options), align)
    return _described(_turned({name: project(one, method=method, modality=modality, **options) for name, one in features.items()}), align)


def check_same_images(features: Mapping[str, Any]) -> None:
    """All descriptions must be of the same images in the same order, as far as their tables tell.

    Raises:
        ValueError: another number of rows, or another image in a row.
    """
    first, *others = features
    rows, table = len(features[first]), getattr(features[first], "table", None)
    for name in others:
        if len(features[name]) != rows:
            raise ValueError(f"features {name!r} must describe the {rows} images of {first!r}, found {len(features[name])} rows")
        own = getattr(features[name], "table", None)
        if table is not None and own is not None:
            _check_columns(table, own, first, name)


def _check_columns(table: pd.DataFrame, own: pd.DataFrame, first: str, name: str) -> None:
    """Row by row the same path, or without paths the same identity, camera and modality."""
    shared = [column for column in SAME_IMAGES if column in table.columns and column in own.columns]
    for column in shared[:1] if shared[:1] == ["path"] else shared:
        values, found = table[column].to_numpy(), own[column].to_numpy()
        different = np.flatnonzero(values != found)
        if len(different):
            row = different[0]
            raise ValueError(
                f"features {name!r} must describe the images of {first!r} in their order: in row {row} expected {column} "
                f"{values[row]}, found {found[row]}"
            )


def procrustes(points: FloatMatrix, onto: FloatMatrix) -> FloatMatrix:
    """Points (N, 2) moved, turned and mirrored, not scaled, so that the squared distances to ``onto`` (N, 2) are smallest."""
    own, target = points.mean(axis=0), onto.mean(axis=0)
    left, _, right = np.linalg.svd((points - own).T @ (onto - target))
    return (points - own) @ (left @ right) + target


def _turned(each: Mapping[str, Projection]) -> dict[str, Projection]:
    """Each picture turned onto the turned one before it."""
    found: dict[str, Projection] = {}
    before = None
    for name, one in each.items():
        before = one.coordinates if before is None else procrustes(one.coordinates, before)
        found[name] = replace(one, coordinates=before)
    return found


def _described(each: Mapping[str, Projection], align: str) -> dict[str, Projection]:
    """The projections, with how they were aligned and how far the images moved."""
    found: dict[str, Projection] = {}
    before = None
    for name, one in each.items():
        moved = 0.0 if before is None else _moved(before, one.coordinates)
        found[name] = replace(one, settings={**one.settings, "aligned": align, "moved": moved})
        before = one.coordinates
    return found


def _moved(before: FloatMatrix, after: FloatMatrix) -> float:
    """Root mean square way of the points (N, 2), over the mean of the root mean square spreads."""
    lengths = [np.sqrt((points**2).sum(axis=1).mean()) for points in (after - before, *(one - one.mean(axis=0) for one in (before, after)))]
    return float(lengths[0] / max((lengths[1] + lengths[2]) / 2, 1e-12))


def _laid_out_together(
    features: Mapping[str, Any],
    strength: float,
    *,
    seed: int,
    n_neighbors: int,
    min_dist: float,
    metric: str | None,
    judged_at: int,
    modality: Any,
) -> dict[str, Projection]:
    """AlignedUMAP of all descriptions, each judged against its own descriptors."""
    matrices = {name: checked_matrix(one, metric, name) for name, one in features.items()}
    settings = settings_of("umap", len(next(iter(matrices.values()))), n_neighbors, min_dist)
    laid = _aligned_umap(list(matrices.values()), seed, {**settings, "alignment_regularisation": strength})
    described = {**settings, "strength": strength}
    return {
        name: judged(matrices[name], points, "umap", seed, described, judged_at, modality_of(features[name], modality))
        for name, points in zip(matrices, laid, strict=True)
    }


def _aligned_umap(matrices: list[FloatMatrix], seed: int, settings: Mapping[str, Any]) -> list[FloatMatrix]:
    """All pictures at once. Imported here: it compiles for half a minute."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Tt]ensor[Ff]low.*")
        from umap import AlignedUMAP
    relation = {row: row for row in range(len(matrices[0]))}
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message=".*[Ss]pectral init.*")
        warnings.filterwarnings("ignore", message=".*not fully connected.*")
        warnings.filterwarnings("ignore", message=".*n_jobs value.*")
        # The last, joint layout draws by transform_seed alone.
        model = AlignedUMAP(n_components=2, metric="euclidean", random_state=seed, transform_seed=seed, **settings)
        pictures = model.fit_transform([matrix.astype(np.float32) for matrix in matrices], relations=[relation] * (len(matrices) - 1))
    found = [np.ascontiguousarray(points, dtype=np.float64) for points in pictures]
    if not all(np.isfinite(points).all() for points in found):
        raise ValueError("the joint layout lost images (points without a place); take align='procrustes' or more n_neighbors")
    return found
