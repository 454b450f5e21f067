"""How not to compare networks: one projection over the descriptors of several. For notebook 04, never as evidence."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from vireidkit.analysis.aligned import check_same_images
from vireidkit.analysis.neighbours import nearest
from vireidkit.analysis.projection import MIXED_AT, Projection, checked_matrix, judged, modality_of, project


def lying_projection(
    features: Mapping[str, Any],
    *,
    seed: int = 0,
    n_neighbors: int = 15,
    min_dist: float = 0.1,
    metric: str | None = None,
    judged_at: int = 15,
    modality: Any = None,
) -> dict[str, Projection]:
    """One UMAP over the stacked descriptors of several networks: a picture that lies. Use ``project_many``.

    Number 7 of a descriptor means one thing in one network and another in the next, so a distance between descriptors of two networks
    means nothing; yet the picture shows such distances, as islands, one a network, whose places look like a finding. It exists
    to be shown once beside the aligned pictures. Networks of another width are filled up with zeros, which is no better.

    Args:
        features: name -> ``Features`` or matrix (N, D); row i is one image in all of them. The rest as in ``project``.

    Returns:
        name -> ``Projection``: the points of each network, judged against its own descriptors. ``settings["own_network"]`` is the
        share of nearest neighbours in the stacked space that come from the same network: 1 means that the picture tells networks
        apart, although they describe the same images.

    Raises:
        ValueError: fewer than two networks, other images, or see ``project``.
    """
    if len(features) < 2:
        raise ValueError(f"a lying projection needs two networks or more, found {len(features)}")
    check_same_images(features)
    matrices = {name: checked_matrix(one, metric, name) for name, one in features.items()}
    width = max(matrix.shape[1] for matrix in matrices.values())
    stacked = np.concatenate([np.pad(matrix, ((0, 0), (0, width - matrix.shape[1]))) for matrix in matrices.values()])
    made = project(stacked, seed=seed, n_neighbors=n_neighbors, min_dist=min_dist, metric="euclidean", judged_at=judged_at)
    network = np.repeat(np.arange(len(matrices)), len(stacked) // len(matrices))
    own = float((network[nearest(stacked, min(MIXED_AT, len(stacked) - 1))] == network[:, None]).mean())
    parts = np.split(made.coordinates, len(matrices))
    return {
        name: judged(
            matrices[name], points, "lying", seed, {**made.settings, "own_network": own}, judged_at, modality_of(features[name], modality)
        )
        for name, points in zip(matrices, parts, strict=True)
    }
