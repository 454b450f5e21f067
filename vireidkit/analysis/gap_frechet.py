"""Fréchet distance between the bands, each taken for a normal distribution."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, without_bias
from vireidkit.analysis.gap_sample import Codes, Flags, Sample
from vireidkit.analysis.neighbours import FloatMatrix, as_array

COMPONENTS = 64


def frechet_distance(first: Any, second: Any) -> float:
    """Squared Fréchet distance of the normal distributions fitted to two sets of rows (n, D) and (m, D), in their squared unit.

        d² = |μ_1 - μ_2|² + tr(Σ_1 + Σ_2 - 2 (Σ_1 Σ_2)^½)

    Covariances divide by the number of rows. Few rows make it too large, the more so the larger D is.

    Raises:
        ValueError: other shapes, or an empty matrix.

    Source: Dowson and Landau, Journal of Multivariate Analysis 1982; as FID: Heusel et al., NeurIPS 2017, equation 6. Grade: paper.
    """
    sets = [as_array(rows).astype(np.float64) for rows in (first, second)]
    if any(rows.ndim != 2 or 0 in rows.shape for rows in sets) or sets[0].shape[1] != sets[1].shape[1]:
        raise ValueError(f"expected two matrices (n, D) and (m, D), found {sets[0].shape} and {sets[1].shape}")
    means = np.stack([rows.mean(axis=0) for rows in sets])
    covariances = np.stack([np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], -1) for rows in sets])
    return float(_frechet(means[None], covariances[None])[0])


class Frechet:
    """Squared Fréchet distance (``frechet_distance``) of the bands on the first 64 principal components of all images together.

    Fewer where there are fewer numbers or images. Unit: that of the descriptors, squared; descriptors that are compared by cosine
    have length 1, so 4 is the most. The value is without the bias that few people cause, as the jackknife over groups of people
    estimates it: 0 without a gap, and sometimes a little below. Interval: delete-a-group jackknife, from
    as many people on as there are components.

    Source: Heusel et al., NeurIPS 2017; the extrapolation to many images: Chong and Forsyth, CVPR 2020, section 3; the projection and
    the jackknife: ours. Grade: paper, adapted.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.sample, self.groups = sample, Resampling(seed=seed).groups(sample.people)
        self.scores = _principal(sample.matrix, COMPONENTS)  # (N, p)
        # Fewer people than components leave a bias that does not fall as 1 / people.
        self.fewest = max(FEWEST, self.scores.shape[1])

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 1)."""
        found = []
        for infrared in flags:
            value, deleted = self._deleted(infrared)
            found.append(without_bias(value, deleted))
        return np.array(found).reshape(len(flags), 1)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in the band that has fewer."""
        return (self.sample.counts(infrared) > 0).sum(axis=1).min(keepdims=True)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (1, 2)."""
        value, deleted = self._deleted(infrared)
        return np.array([plan.jackknife(without_bias(value, deleted), deleted)])

    def _deleted(self, infrared: Flags) -> tuple[float, Numbers]:
        """The plain value, and the values (g,) without each group of people."""
        groups = int(self.groups.max()) + 1
        parts = [_moments(self.scores[infrared == band], self.groups[self.sample.person[infrared == band]], groups) for band in (0, 1)]
        counts, sums, products = (np.stack([part[place] for part in parts], axis=1) for place in range(3))  # (g, 2, ...)
        # One line for everybody, then one without each group.
        counts, sums, products = (np.concatenate([whole.sum(0)[None], whole.sum(0) - whole]) for whole in (counts, sums, products))
        if (counts == 0).any():
            return float("nan"), np.full(groups, np.nan)
        means = sums / counts[..., None]
        covariances = products / counts[..., None, None] - means[..., :, None] * means[..., None, :]
        found = _frechet(means, covariances)
        return float(found[0]), found[1:]


def _principal(matrix: FloatMatrix, number: int) -> FloatMatrix:
    """Scores (N, p) of the rows on their first principal components."""
    centred = matrix - matrix.mean(axis=0)
    if matrix.shape[1] <= number:
        return centred  # a turn changes no distance
    if len(matrix) < matrix.shape[1]:
        squares, vectors = np.linalg.eigh(centred @ centred.T)
        return vectors[:, -number:] * np.sqrt(np.maximum(squares[-number:], 0))
    return centred @ np.linalg.eigh(centred.T @ centred)[1][:, -number:]


def _moments(scores: FloatMatrix, group: Codes, groups: int) -> tuple[Numbers, Numbers, Numbers]:
    """Counts (g,), sums (g, p) and sums of products (g, p, p) of the rows of each group."""
    rows = [scores[group == one] for one in range(groups)]
    return np.array([len(one) for one in rows], float), np.array([one.sum(0) for one in rows]), np.array([one.T @ one for one in rows])


def _frechet(means: Numbers, covariances: Numbers) -> Numbers:
    """d² (B,) from means (B, 2, p) and covariances (B, 2, p, p)."""
    squares, vectors = np.linalg.eigh(covariances[:, 0])
    root = (vectors * np.sqrt(np.maximum(squares, 0))[:, None]) @ vectors.transpose(0, 2, 1)  # Σ_1^½
    # Σ_1 Σ_2 and the symmetric Σ_1^½ Σ_2 Σ_1^½ have the same eigenvalues.
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[:, 1] @ root), 0)).sum(axis=1)
    return ((means[:, 0] - means[:, 1]) ** 2).sum(axis=1) + np.trace(covariances, axis1=2, axis2=3).sum(axis=1) - 2 * shared
