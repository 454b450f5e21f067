"""Intervals: means of few values with 95 % percentile bootstrap intervals, paired where two things are compared."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.randomness import numpy_generator


@dataclass(frozen=True)
class Interval:
    """A mean with its interval.

    Attributes:
        mean: mean of the values; low, high: ends of the interval, NaN for a single value.
        n: number of values.
        by_seed: seed -> value, where the values belong to seeds.
        of: what was resampled, in the plural.
        unit: what a hundredth is called: "%", or "points" for a difference.
        stale: some value was measured with code that behaves differently today.
    """

    mean: float
    low: float
    high: float
    n: int
    by_seed: Mapping[int, float] = field(default_factory=dict)
    of: str = "seeds"
    unit: str = "%"
    stale: bool = False

    def __float__(self) -> float:
        return self.mean

    def __str__(self) -> str:
        """In percent, for values that are fractions."""
        mark = " (stale)" if self.stale else ""
        if self.n == 1:
            return f"{100 * self.mean:.1f} {self.unit} (n = 1, no interval){mark}"
        ends = f"[{100 * self.low:.1f}, {100 * self.high:.1f}]"
        return f"{100 * self.mean:.1f} {self.unit} {ends} (95 % percentile interval, {self.n} {self.of} resampled){mark}"


def interval(values: Any, *, resamples: int = 10_000, seed: int = 0, of: str = "values") -> Interval:
    """Mean with its 95 % percentile bootstrap interval: values resampled with replacement, by a private generator.

    With few values the interval is too narrow (it can never leave their range), so their number is always told with it.

    Args:
        values: numbers, in any sequence; resamples: how many bootstrap means; seed: of the resampling; of: what the values are.

    Raises:
        ValueError: no values, or one that is not finite.
    """
    numbers = np.asarray(list(values), dtype=np.float64)
    if numbers.ndim != 1 or not numbers.size or not np.isfinite(numbers).all():
        raise ValueError(f"an interval needs finite numbers, found {numbers.tolist() if numbers.size else 'none'}")
    if numbers.size == 1:
        return Interval(float(numbers[0]), math.nan, math.nan, 1, of=of)
    random = numpy_generator(seed, "bootstrap")
    step = max(1, 1_000_000 // numbers.size)  # bounds the memory when the values are many
    sizes = [min(step, resamples - done) for done in range(0, resamples, step)]
    means = np.concatenate([numbers[random.integers(numbers.size, size=(size, numbers.size))].mean(axis=1) for size in sizes])
    low, high = np.quantile(means, [0.025, 0.975])
    return Interval(float(numbers.mean()), float(low), float(high), numbers.size, of=of)


def paired_difference(first: Any, second: Any, *, resamples: int = 10_000, seed: int = 0) -> Interval:
    """Mean of first - second over the seeds that both have, with its 95 % percentile interval, seeds resampled.

    Pairing takes out what a seed does to both (the same draw of batches, for example), so the interval is usually narrower than
    two separate ones suggest.

    Args:
        first, second: what ``value`` returned, or mappings (or Series) seed -> value.

    Raises:
        ValueError: no seed in common.
    """
    left, right = (_by_seed(values) for values in (first, second))
    common = sorted(left.keys() & right.keys())
    if not common:
        raise ValueError(f"no seed in common: {sorted(left)} and {sorted(right)}")
    differences = {one: left[one] - right[one] for one in common}
    found = interval(differences.values(), resamples=resamples, seed=seed)
    stale = any(getattr(values, "stale", False) is True for values in (first, second))
    return Interval(found.mean, found.low, found.high, found.n, differences, "seeds in pairs", "points", stale)


def _by_seed(values: Any) -> dict[int, float]:
    if isinstance(values, Interval):
        values = values.by_seed
    if isinstance(values, pd.Series) and not values.index.is_unique:
        raise ValueError(f"a seed appears twice: {values.index.tolist()}")
    if not isinstance(values, (Mapping, pd.Series)):
        raise ValueError(f"differences are paired by seed: give seed -> value, found {type(values).__name__}")
    return {int(one): float(value) for one, value in values.items()}
