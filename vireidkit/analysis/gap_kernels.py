"""Measures that compare through kernels: maximum mean discrepancy, and centred kernel alignment."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, ratio
from vireidkit.analysis.gap_sample import Flags, Sample
from vireidkit.analysis.neighbours import FloatMatrix, as_array

SHORTEST = 1e-12  # a bandwidth, where all descriptors agree


def mmd_squared(first: Any, second: Any, *, bandwidth: float | None = None) -> float:
    """Squared maximum mean discrepancy of two sets of independent rows (n, D) and (m, D) as they are given; unbiased, so it may be
    below 0. No unit, at most 2.

        MMD² = Σ_{i≠j} k(x_i, x_j) / n(n-1) + Σ_{i≠j} k(y_i, y_j) / m(m-1) - 2 Σ_{i,j} k(x_i, y_j) / nm,  k(a, b) = exp(-|a - b|² / 2s²)

    Args:
        bandwidth: s; by default the median distance of all pairs of rows, both sets together (the median heuristic).

    Raises:
        ValueError: other shapes, fewer than two rows, or a bandwidth that is not above 0.

    Source: Gretton et al., A Kernel Two-Sample Test, JMLR 2012, equation 3 and section 8. Grade: paper.
    """
    sets = [as_array(rows).astype(np.float64) for rows in (first, second)]
    if any(rows.ndim != 2 or len(rows) < 2 for rows in sets) or sets[0].shape[1] != sets[1].shape[1]:
        raise ValueError(f"expected two matrices (n, D) and (m, D) of at least two rows, found {sets[0].shape} and {sets[1].shape}")
    if bandwidth is not None and not bandwidth > 0:
        raise ValueError(f"the bandwidth must be above 0, found {bandwidth}")
    both = np.concatenate(sets)
    gram = _gram(both, _squared_median(both) if bandwidth is None else bandwidth**2)
    np.fill_diagonal(gram, 0)
    n, m = map(len, sets)
    parts = gram[:n, :n].sum() / (n * (n - 1)), gram[n:, n:].sum() / (m * (m - 1)), gram[:n, n:].sum() / (n * m)
    return float(parts[0] + parts[1] - 2 * parts[2])


def linear_cka(first: Any, second: Any, *, unbiased: bool = True) -> float:
    """Linear centred kernel alignment of two matrices (n, D) and (n, E) whose rows belong together: 1 where one is the other turned
    and scaled, 0 where they have nothing in common. NaN where a matrix has equal rows only.

        CKA = HSIC(K, L) / sqrt(HSIC(K, K) HSIC(L, L)),    K = X X', L = Y Y'

    Args:
        unbiased: by the unbiased estimator of HSIC (Song et al., JMLR 2012, equation 5), which few rows do not push towards 1;
            False is the plain form |X'Y|² / (|X'X| |Y'Y|) of centred X and Y, as Kornblith et al. print it.

    Raises:
        ValueError: not two matrices of as many rows, or fewer than four rows.

    Source: Kornblith et al., Similarity of Neural Network Representations Revisited, ICML 2019, section 3; the unbiased form: Nguyen,
    Raghu, Kornblith, Do Wide and Deep Networks Learn the Same Things, ICLR 2021, equation 3. Grade: paper.
    """
    sets = [as_array(rows).astype(np.float64) for rows in (first, second)]
    if any(rows.ndim != 2 for rows in sets) or len(sets[0]) != len(sets[1]) or len(sets[0]) < 4:
        raise ValueError(f"expected two matrices of the same four or more rows, found {sets[0].shape} and {sets[1].shape}")
    first, second = (centred @ centred.T for centred in map(_centred, sets))
    return _alignment(first, second, unbiased)


class Mmd:
    """MMD² between the bands over pairs of images of *different* people (same formula as ``mmd_squared``, sums over other pairs).

    Images of one person are no independent draws: with pairs inside a person left out everywhere, the value is unbiased over people,
    0 without a gap, and the plain U-statistic where every image is of another person. Bandwidth: median distance of all pairs,
    kept for every labelling. The permutation test shuffles the modality inside people (``p_value`` of ``modality_gap``).
    Interval: delete-a-group jackknife over people; a bootstrap would repeat people, and k(x, x) = 1 would bias it.

    Source: Gretton et al., JMLR 2012; leaving out pairs inside a person is ours. Grade: paper, adapted.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.sample = sample
        self.bandwidth = float(np.sqrt(_squared_median(sample.matrix)))
        gram = _gram(sample.matrix, self.bandwidth**2)
        for rows in np.split(sample.member.indices, sample.member.indptr[1:-1]):
            gram[np.ix_(rows, rows)] = 0
        self._gram, self._reach = gram, gram.sum(axis=1)

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 1)."""
        labels = flags.astype(np.float64)  # (F, N)
        within = np.einsum("fn,fn->f", labels @ self._gram, labels)
        touching = labels @ self._reach
        sums = np.stack([self._reach.sum() - 2 * touching + within, within, touching - within])  # visible, infrared, across
        counts = np.array([_pairs(self.sample.counts(infrared)) for infrared in flags]).T
        return _mmd(sums, counts)[:, None]

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in the band that has fewer."""
        return (self.sample.counts(infrared) > 0).sum(axis=1).min(keepdims=True)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (1, 2)."""
        group = plan.groups(self.sample.people)
        bands = np.stack([~infrared, infrared])
        counts = self.sample.counts(infrared)
        member = np.eye(int(group.max()) + 1)[group[self.sample.person]]  # (N, g)
        sides = [member * band[:, None] for band in bands]
        blocks = [(sides[a].T @ (self._gram @ sides[b])) for a, b in ((0, 0), (1, 1), (0, 1))]  # (g, g) each
        # Without group j: all, less its row and its column, plus what was taken twice.
        left = np.stack([block.sum() - block.sum(axis=1) - block.sum(axis=0) + np.diag(block) for block in blocks])  # (3, g)
        pairs = np.array([_pairs(counts[:, group != one]) for one in range(member.shape[1])]).T
        return np.array([plan.jackknife(float(self.values(infrared[None])[0, 0]), _mmd(left, pairs))])


class Alignment:
    """Linear CKA (``linear_cka``, unbiased) between the matrices of identity means of the two bands, over the people in both.

    1: the people lie to each other in infrared as they do in visible light, up to a turn and a scale, however far the bands are
    apart. Few images a person make it smaller: compare it with its value without a gap. Interval: delete-a-group jackknife, ends
    cut at 1.

    Source: see ``linear_cka``; identity means of two bands as its rows: ours.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.sample = sample

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 1)."""
        found = [_aligned(*self._grams(infrared)) for infrared in flags]
        return np.array(found).reshape(len(flags), 1)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in both bands."""
        return (self.sample.counts(infrared) > 0).all(axis=0).sum(keepdims=True)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (1, 2)."""
        first, second = self._grams(infrared)
        group = plan.groups(len(first))
        deleted = [_aligned(*(gram[np.ix_(group != one, group != one)] for gram in (first, second))) for one in range(group.max() + 1)]
        ends = plan.jackknife(_aligned(first, second), np.array(deleted))
        return np.array([ends]).clip(-1, 1)

    def _grams(self, infrared: Flags) -> tuple[FloatMatrix, FloatMatrix]:
        """Inner products (m, m) of the people's centred means in each band."""
        counts = self.sample.counts(infrared)
        both = (counts > 0).all(axis=0)
        sums = self.sample.sums(self.sample.matrix, infrared)[:, both]
        first, second = (_centred(means) for means in sums / counts[:, both, None])
        return first @ first.T, second @ second.T


def _aligned(first: FloatMatrix, second: FloatMatrix) -> float:
    """Unbiased CKA of two Gram matrices (m, m), NaN with fewer than four people."""
    return _alignment(first, second, True) if len(first) >= 4 else float("nan")


def _centred(rows: FloatMatrix) -> FloatMatrix:
    """Rows (m, D) less their mean; exactly 0 where nothing but rounding is left."""
    centred = rows - rows.mean(axis=0) if len(rows) else rows
    return centred * ((centred**2).sum() > 1e-24 * (rows**2).sum())


def _alignment(first: FloatMatrix, second: FloatMatrix, unbiased: bool) -> float:
    """CKA of two Gram matrices of centred rows."""
    score = _hsic if unbiased else lambda one, other: float((one * other).sum())
    own = score(first, first), score(second, second)
    # The unbiased HSIC of few noisy rows with themselves may be below 0.
    return float(score(first, second) / np.sqrt(own[0] * own[1])) if min(own) > 0 else float("nan")


def _hsic(first: FloatMatrix, second: FloatMatrix) -> float:
    """n (n - 3) times the unbiased HSIC of two Gram matrices, diagonals left out (Song et al. 2012, equation 5)."""
    rows = len(first)
    both = (first * second).sum() - (np.diag(first) * np.diag(second)).sum()
    reach = [gram.sum(axis=1) - np.diag(gram) for gram in (first, second)]
    return float(both + reach[0].sum() * reach[1].sum() / ((rows - 1) * (rows - 2)) - 2 * (reach[0] @ reach[1]) / (rows - 2))


def _squared_distances(matrix: FloatMatrix) -> FloatMatrix:
    """Squared Euclidean distances (N, N) of all rows."""
    centred = matrix - matrix.mean(axis=0)  # fewer digits are lost
    squares = (centred**2).sum(axis=1)
    return np.maximum(squares[:, None] + squares[None, :] - 2 * centred @ centred.T, 0)


def _squared_median(matrix: FloatMatrix) -> float:
    """Square of the median distance of all pairs of rows; with more than 2,000 rows, of every so many."""
    rows = matrix[:: -(-len(matrix) // 2000)]
    found = np.median(_squared_distances(rows)[np.triu_indices(len(rows), 1)])
    return max(float(found), SHORTEST)


def _gram(matrix: FloatMatrix, squared: float) -> FloatMatrix:
    """RBF kernel (N, N) of a squared bandwidth."""
    found = _squared_distances(matrix)
    found /= -2 * squared
    return np.exp(found, out=found)


def _pairs(counts: Numbers) -> tuple[float, float, float]:
    """Ordered pairs of images of two people within visible, within infrared, across, from images by band and person (2, n)."""
    total, own = counts.sum(axis=1), counts @ counts.T
    return total[0] ** 2 - own[0, 0], total[1] ** 2 - own[1, 1], total[0] * total[1] - own[0, 1]


def _mmd(sums: Numbers, counts: Numbers) -> Numbers:
    """MMD² from summed kernels and numbers of pairs, both (3, F): within visible, within infrared, across."""
    means = ratio(sums, counts)
    return means[0] + means[1] - 2 * means[2]
