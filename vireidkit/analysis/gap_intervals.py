"""Intervals over people: the bootstrap for means, the delete-a-group jackknife for what duplicated people would bias."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray
from scipy.special import expit, logit
from scipy.stats import norm as normal
from scipy.stats import t as student

from vireidkit.analysis.gap_sample import Codes, Flags
from vireidkit.randomness import numpy_generator

Numbers = NDArray[np.float64]
GROUPS = 20  # of the jackknife; more groups, hardly shorter intervals
FEWEST = 30  # people that must carry a number before it gets an interval: the fewest of the coverage check


class Prepared(Protocol):
    """Measures of one family with all that does not depend on the labels already computed.

    Attributes:
        fewest: people that must carry a measure before it gets an interval.
    """

    fewest: int

    def values(self, flags: Flags) -> Numbers:
        """Values (F, M) of M measures under F labellings (F, N), True is infrared. NaN where the images allow none."""
        ...

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """Ends (M, 2) of the intervals under one labelling (N,)."""
        ...

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """How many people carry each measure, (M,)."""
        ...


@dataclass(frozen=True)
class Resampling:
    """How intervals are made: their level, the draws of the bootstrap, and the seed of both."""

    level: float = 0.95
    resamples: int = 1000
    seed: int = 0

    @property
    def ends(self) -> tuple[float, float]:
        """Lower and upper quantile."""
        return (1 - self.level) / 2, (1 + self.level) / 2

    def weights(self, people: int) -> Numbers:
        """How often each of ``people`` is drawn, with replacement, in each of the resamples: (R, n)."""
        random = numpy_generator(self.seed, "gap bootstrap")
        return random.multinomial(people, np.full(people, 1 / people), size=self.resamples).astype(np.float64)

    def groups(self, people: int) -> Codes:
        """Groups (n,) of people, of nearly one size, for the jackknife."""
        random = numpy_generator(self.seed, "gap groups")
        return (random.permutation(people) % min(GROUPS, people)).astype(np.int64)

    def percentile(self, draws: Numbers, centre: float, people: int, *, wider: float = 1.0) -> tuple[float, float]:
        """Percentile interval of bootstrap draws (R,), moved so that they centre at the estimate, and stretched.

        Stretched about the median as far as Student's t with people - 1 degrees of freedom and the factor sqrt(n / (n - 1)) ask for
        (Hesterberg, What Teachers Should Know About the Bootstrap, 2015, section 3.3), and by ``wider``. Moved since drawing people
        twice biases whatever is not linear in them (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, 10.2).
        """
        known = draws[np.isfinite(draws)]
        # Draws without any image of a band have no value; a few may be, but not many.
        if people < 2 or len(known) < 0.9 * len(draws) or not len(known) or not np.isfinite(centre):
            return float("nan"), float("nan")
        low, middle, high = np.quantile(known, (self.ends[0], 0.5, self.ends[1]))
        stretch = wider * np.sqrt(people / (people - 1)) * student.ppf(self.ends[1], people - 1) / normal.ppf(self.ends[1])
        moved = middle - known.mean() + centre
        return float(moved - stretch * (middle - low)), float(moved + stretch * (high - middle))

    def on_logits(self, draws: Numbers, centre: float, people: int) -> tuple[float, float]:
        """For a share in 0..1: ``around`` its logit, with the deviation of the logits of bootstrap draws (R,), turned back."""
        if people < 2 or not np.isfinite(centre) or not len(draws) or np.isfinite(draws).mean() < 0.9:
            return float("nan"), float("nan")
        logits = logit(draws[np.isfinite(draws)].clip(1e-3, 1 - 1e-3))
        error = float(logits.std() * np.sqrt(people / (people - 1)))
        low, high = self.around(float(logit(np.clip(centre, 1e-3, 1 - 1e-3))), error, people - 1)
        # A share at the very end has itself as an end.
        return min(float(expit(low)), centre), max(float(expit(high)), centre)

    def around(self, centre: float, error: float, freedom: int) -> tuple[float, float]:
        """centre ± t * error with Student's t; NaN if either is."""
        if freedom < 1 or not np.isfinite(error) or not np.isfinite(centre):
            return float("nan"), float("nan")
        reach = float(student.ppf(self.ends[1], freedom) * error)
        return centre - reach, centre + reach

    def jackknife(self, centre: float, deleted: Numbers) -> tuple[float, float]:
        """Interval from the values (g,) without each group of people, with g - 1 degrees of freedom."""
        return self.around(centre, jackknife_error(deleted), len(deleted) - 1)


def check_settings(**settings: float) -> None:
    """Settings of the measures by name: ``interval`` inside 0..1, the others at least what they need to be.

    Raises:
        ValueError: one is out of its range; names it.
    """
    least = {"resamples": 2, "shuffles": 0, "halves": 0, "k": 1, "limit": 4, "batch_size": 1}
    for name, value in settings.items():
        if name == "interval" and not 0 < value < 1:
            raise ValueError(f"interval must lie between 0 and 1, found {value}")
        if name != "interval" and not value >= least[name]:
            raise ValueError(f"{name} must be at least {least[name]}, found {value}")


def jackknife_error(deleted: Numbers) -> float:
    """Standard error s, s² = (g - 1) / g * Σ (θ_j - mean)² over the values (g,) without each of g groups; NaN if one is.

    Source: Shao and Tu, The Jackknife and Bootstrap, 1995, section 2.3.
    """
    groups = len(deleted)
    return float(np.sqrt((groups - 1) / groups * ((deleted - deleted.mean()) ** 2).sum()))


def without_bias(value: float, deleted: Numbers) -> float:
    """g θ - (g - 1) mean(θ_j): the jackknife's estimate without the part of its bias that falls as 1 / people (Quenouille 1956)."""
    groups = len(deleted)
    return float(groups * value - (groups - 1) * deleted.mean())


def ratio(numerator: Numbers, denominator: Numbers) -> Numbers:
    """Quotient, NaN where the denominator is 0."""
    return np.divide(numerator, denominator, out=np.full(np.broadcast(numerator, denominator).shape, np.nan), where=denominator != 0)
