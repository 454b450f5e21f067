"""A projection that was told the answer: how a picture can show a gap that is not there. For notebook 04, never as evidence."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vireidkit.analysis.neighbours import as_matrix, is_infrared
from vireidkit.analysis.projection import Projection, faithfulness


def supervised_projection(features: Any, modality: Any, *, metric: str | None = None, judged_at: int = 15) -> Projection:
    """Lay descriptors out so that the two modalities fall apart, whether or not the descriptors hold the modality.

    Across: the direction that tells the modalities of these very images apart best (ridge regression on the label, the ridge
    being the mean squared length of a centred descriptor). Upwards: the largest spread that this direction leaves. With as many
    numbers a descriptor as there are images, some direction separates any labels, random numbers included; a rule judged on the
    images that it was made from shows nothing. Ours, made to mislead; the numbers that come with it do not.

    Args:
        features: ``Features`` or a matrix (N, D); modality: names or codes (N,); metric: see ``as_matrix``.
        judged_at: neighbours for trustworthiness and preservation, as in ``project``.

    Raises:
        ValueError: fewer than five images, or only one modality.
    """
    matrix = as_matrix(features, metric)
    rows = len(matrix)
    infrared = is_infrared(modality, rows)
    if rows < 5 or infrared.all() or not infrared.any():
        raise ValueError(f"a supervised projection needs at least 5 images of both modalities, found {rows}, {infrared.sum()} infrared")
    centred = matrix - matrix.mean(axis=0)
    kernel = centred @ centred.T  # (N, N)
    ridge = max(np.trace(kernel) / rows, 1e-12)
    weights = np.linalg.solve(kernel + ridge * np.eye(rows), infrared - infrared.mean())  # (N,)
    direction = centred.T @ weights  # (D,)
    left = centred - np.outer(centred @ direction, direction) / max(direction @ direction, 1e-12)
    largest = np.linalg.svd(left, full_matrices=False)[2][0]  # (D,)
    plane = np.stack([kernel @ weights, left @ largest], axis=1)  # (N, 2)
    coordinates = plane / np.maximum(plane.std(axis=0), 1e-12)
    judged = max(1, min(judged_at, math.ceil(rows / 2) - 1))
    trust, kept = faithfulness(matrix, coordinates, judged)
    return Projection(coordinates, trust, kept, judged / (rows - 1), "supervised", 0, {"judged_at": judged})
