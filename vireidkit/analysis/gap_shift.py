"""How far apart the means of the two bands lie."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, ratio
from vireidkit.analysis.gap_sample import Flags, Sample


class Shift:
    """Distance of the modality means over the spread, without the part that is due to few people.

        value = sqrt(max(0, |μ_V - μ_I|² - c) / σ²),    σ² = (tr Σ_V + tr Σ_I) / 2

    c is the squared distance that the means of n people have by chance: Σ_i |u_i|² / (n (n - 1)), where u_i is what person i adds to
    μ_V - μ_I (linearised). Without c the value is that of ``band_distance``. No unit; 0 without a gap, unless cameras differ too.
    Interval: bootstrap over people of the square.

    Source: ours. The root mean square distance to the mean as unit is Liang et al., Mind the Gap (NeurIPS 2022, section 2.2), who
    take the difference of the means of unit vectors without it. Grade: ours.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.sample = sample
        self._squares = (sample.matrix**2).sum(axis=1)[:, None]  # (N, 1)

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 1)."""
        return np.array([[np.sqrt(max(self._square(infrared), 0.0))] for infrared in flags]).reshape(len(flags), 1)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in the band that has fewer."""
        return (self.sample.counts(infrared) > 0).sum(axis=1).min(keepdims=True)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (1, 2)."""
        sums, counts, squares = self._moments(infrared)
        drawn = plan.weights(self.sample.people)
        totals = np.stack([drawn @ counts[band] for band in (0, 1)])[..., None]  # (2, R, 1)
        means = ratio(np.stack([drawn @ sums[band] for band in (0, 1)]), totals)  # (2, R, D)
        inside = ratio(np.stack([drawn @ squares[band] for band in (0, 1)]), totals[..., 0]) - (means**2).sum(axis=2)
        draws = ratio(((means[0] - means[1]) ** 2).sum(axis=1), inside.mean(axis=0))
        low, high = plan.percentile(draws, self._square(infrared), int(self.units(infrared)[0]))
        return np.sqrt(np.maximum([[low, high]], 0.0))

    def _moments(self, infrared: Flags) -> tuple[Numbers, Numbers, Numbers]:
        """Sums (2, n, D), counts (2, n) and summed squares (2, n) by band and person."""
        sample = self.sample
        return sample.sums(sample.matrix, infrared), sample.counts(infrared), sample.sums(self._squares, infrared)[..., 0]

    def _square(self, infrared: Flags) -> float:
        """The square without chance; below 0 where the means lie closer than chance puts them."""
        sums, counts, squares = self._moments(infrared)
        people, totals = self.sample.people, counts.sum(axis=1)
        if people < 2 or not totals.all():
            return float("nan")
        means = sums.sum(axis=1) / totals[:, None]  # (2, D)
        added = (sums - counts[..., None] * means[:, None]) * (people / totals)[:, None, None]  # (2, n, D)
        chance = (added**2).sum(axis=(1, 2)) / (people * (people - 1))  # of each mean alone
        together = ((added[0] - added[1]) ** 2).sum() / (people * (people - 1))
        spread = np.mean(squares.sum(axis=1) / totals - (means**2).sum(axis=1) + chance)
        return float((((means[0] - means[1]) ** 2).sum() - together) / max(spread, 1e-24))
