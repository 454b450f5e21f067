"""How the bands mix among nearest neighbours."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, jackknife_error
from vireidkit.analysis.gap_sample import Flags, Sample
from vireidkit.analysis.neighbours import nearest


class Mixing:
    """Share of each image's k nearest neighbours (itself left out) that are of the other modality, mean over images: ``modality_mixing``.

    0 where the bands lie apart; without a gap about the share of other-band images among the others. It belongs to this number of
    images and people: among more of them the neighbours are nearer. In a bootstrap the nearest neighbour of an image would be its own
    copy. Interval: value ± t * s, s² halfway between two estimates: the people's own mean shares taken for independent (too small
    where one person's images move another's share), and the delete-a-group jackknife, which seeks all neighbours again (too large
    without a gap, where the share hardly hangs on who is there). The middle is ours; what it covers was measured.

    Source: Büttner et al., A Test Metric for Assessing Single-Cell RNA-seq Batch Correction, Nature Methods 2019 (kBET), count
    neighbours of another batch; the plain mean share is ours. Grade: ours.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0, *, k: int = 10) -> None:
        self.sample = sample
        rows = len(sample.person)
        self.k = min(k, rows - 1)
        # A longer list, from which deleted people can be struck.
        self._near = nearest(sample.matrix, min(rows - 1, 4 * self.k + 24))

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 1)."""
        near = self._near[:, : self.k]
        return np.array([[float((infrared[near] != infrared[:, None]).mean())] for infrared in flags]).reshape(len(flags), 1)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in the band that has fewer."""
        return (self.sample.counts(infrared) > 0).sum(axis=1).min(keepdims=True)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (1, 2)."""
        group = plan.groups(self.sample.people)[self.sample.person]  # (N,)
        deleted = [self._without(group != one, infrared) for one in range(int(group.max()) + 1)]
        error = np.sqrt((jackknife_error(np.array(deleted)) ** 2 + self._own_error(infrared) ** 2) / 2)
        value, people = float(self.values(infrared[None])[0, 0]), int(self.units(infrared)[0])
        return np.array([plan.around(value, float(error), people - 1)]).clip(0, 1)

    def _own_error(self, infrared: Flags) -> float:
        """Standard error of the mean share if the people's shares were independent."""
        near = self._near[:, : self.k]
        share = (infrared[near] != infrared[:, None]).mean(axis=1)
        deviations = self.sample.member @ (share - share.mean())  # (n,)
        people = len(deviations)
        return float(np.sqrt((deviations**2).sum() * people / max(people - 1, 1)) / len(share))

    def _without(self, kept: Flags, infrared: Flags) -> float:
        """The mean share over the images that are kept, whose neighbours are sought among these."""
        rows = np.flatnonzero(kept)
        if len(rows) <= self.k:
            return float("nan")
        near, own = self._near[rows], infrared[rows, None]
        there = kept[near]
        counted = there & (there.cumsum(axis=1) <= self.k)
        other = (counted & (infrared[near] != own)).sum(axis=1).astype(float)
        short = np.flatnonzero(counted.sum(axis=1) < self.k)
        if len(short):
            other[short] = self._anew(rows[short], rows, infrared)
        return float(other.mean() / self.k)

    def _anew(self, asking: NDArray[np.int64], rows: NDArray[np.int64], infrared: Flags) -> Numbers:
        """Neighbours of the other band among ``rows``, counted without the list, (M,)."""
        matrix = self.sample.matrix
        distance = (matrix[rows] ** 2).sum(axis=1) - 2 * matrix[asking] @ matrix[rows].T
        distance[np.arange(len(asking)), np.searchsorted(rows, asking)] = np.inf
        near = rows[np.argsort(distance, axis=1, kind="stable")[:, : self.k]]
        return (infrared[near] != infrared[asking, None]).sum(axis=1).astype(float)
