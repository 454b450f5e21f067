"""What pairs of images say: how alike one person's images are, and how far they mingle with those of two people."""

from __future__ import annotations

from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, ratio
from vireidkit.analysis.gap_sample import Codes, Flags, Sample
from vireidkit.randomness import numpy_generator

KINDS = (0, 2, 1)  # within visible, within infrared, across: how many of the two images are infrared
BINS = 16
PAIRS = 400_000  # most pairs of two people that are looked at


class Pairs:
    """Pairs of images from two cameras: positions ``first, second`` (P,), ``same`` (one person?) and what depends on the sample only."""

    def __init__(self, sample: Sample, seed: int, *, others: bool) -> None:
        self.sample = sample
        first, second = _same_pairs(sample)
        same = np.ones(len(first), bool)
        if others:
            more = _other_pairs(sample, numpy_generator(seed, "gap pairs"))
            first, second = (np.concatenate(ends) for ends in zip((first, second), more, strict=True))
            same = np.arange(len(first)) < len(same)
        apart = sample.camera[first] != sample.camera[second]
        self.first, self.second, self.same = first[apart], second[apart], same[apart]

    @cached_property
    def cosine(self) -> Numbers:
        """Cosine of every pair, (P,)."""
        size = np.maximum(np.linalg.norm(self.sample.matrix, axis=1), 1e-12)
        return self._products / (size[self.first] * size[self.second])

    @cached_property
    def closeness(self) -> Numbers:
        """Minus the squared distance of every pair, (P,)."""
        squares = (self.sample.matrix**2).sum(axis=1)
        return 2 * self._products - squares[self.first] - squares[self.second]

    @cached_property
    def _products(self) -> Numbers:
        """Inner product of every pair, (P,), in chunks: gathered rows are long."""
        matrix, found = self.sample.matrix, np.empty(len(self.first))
        if len(found) > len(matrix) ** 2 / 16:
            return (matrix @ matrix.T)[self.first, self.second]
        for start in range(0, len(found), 8192):
            rows = slice(start, start + 8192)
            found[rows] = np.einsum("pd,pd->p", matrix[self.first[rows]], matrix[self.second[rows]])
        return found

    def kinds(self, infrared: Flags) -> Codes:
        """How many images of each pair are infrared, (P,)."""
        return infrared[self.first].astype(np.int64) + infrared[self.second]


class Cosines:
    """Mean cosine of two images of one person from two cameras: both visible, both infrared, one of each.

    Mean over the pairs of a person, then over people who have such pairs. Pairs from one camera share its background and are left
    out; without a column ``camera`` all pairs count. Without a gap the three are equal. Interval: bootstrap over people.

    Source: ours (the within- and across-modality similarities that Ye et al., AGW, TPAMI 2021, section 4.4, draw as histograms).
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.pairs, self.people = Pairs(sample, seed, others=False), sample.people
        self._person = sample.person[self.pairs.first]

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 3)."""
        found = []
        for infrared in flags:
            means = self._means(infrared)
            known = np.isfinite(means)
            found.append(ratio(np.where(known, means, 0).sum(axis=1), known.sum(axis=1).astype(float)))
        return np.array(found).reshape(len(flags), 3)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People with such pairs, (3,)."""
        return np.isfinite(self._means(infrared)).sum(axis=1)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (3, 2)."""
        drawn, found = plan.weights(self.people), []
        for means in self._means(infrared):
            known = np.isfinite(means)
            draws = ratio(drawn @ np.where(known, means, 0), drawn @ known.astype(float))
            found.append(plan.percentile(draws, float(means[known].mean()) if known.any() else np.nan, int(known.sum())))
        return np.array(found).clip(-1, 1)

    def _means(self, infrared: Flags) -> Numbers:
        """Mean cosine (3, n) of each person's pairs of each kind, NaN where there are none."""
        place = self.pairs.kinds(infrared) * self.people + self._person
        counts = np.bincount(place, minlength=3 * self.people)
        sums = np.bincount(place, self.pairs.cosine, minlength=3 * self.people)
        return ratio(sums, counts.astype(float)).reshape(3, self.people)[list(KINDS)]


class Overlap:
    """Overlap coefficient of the distances of one person's pairs and of two people's: within visible, within infrared, across.

        OVL = ∫ min(f_same(d), f_other(d)) dd

    by histograms of 16 bins, each holding as much of the even mix of all pairs of one person and all pairs of two. 0: distance tells
    one person from two without error; 1: it tells nothing. Pairs from two cameras only, as in ``pair_distances``; at most 400,000
    pairs of two people, drawn by lot. Interval: bootstrap over people (every pair of two people
    belongs to both of them), symmetric in the logit of the overlap.

    Source: Inman and Bradley, Communications in Statistics 1989 (overlap coefficient). Grade: paper; bins: ours.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.pairs, self.people = Pairs(sample, seed, others=True), sample.people
        self._bins = _binned(self.pairs.closeness, self.pairs.same) if len(self.pairs.same) else np.empty(0, np.int64)
        # Two people's pairs come after one person's: 2 * BINS columns.
        self._column = self._bins + BINS * ~self.pairs.same

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 3)."""
        found = []
        for infrared in flags:
            place = self.pairs.kinds(infrared) * 2 * BINS + self._column
            counts = np.bincount(place, minlength=6 * BINS).reshape(3, 2, BINS)[list(KINDS)].astype(float)
            found.append(_shared(counts[:, 0], counts[:, 1]))
        return np.array(found).reshape(len(flags), 3)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People with pairs of their own, (3,)."""
        own = self.pairs.same
        kind, person = self.pairs.kinds(infrared)[own], self.pairs.sample.person[self.pairs.first[own]]
        return np.array([len(np.unique(person[kind == one])) for one in KINDS])

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (3, 2)."""
        drawn, found, values = plan.weights(self.people), [], self.values(infrared[None])[0]
        kinds, units = self.pairs.kinds(infrared), self.units(infrared)
        for kind, value, people in zip(KINDS, values, units, strict=True):
            same, other = self._histograms(kinds == kind)
            # A pair of two people is drawn as often as both are: to first order w_i + w_j - 1 times.
            others = np.maximum(drawn @ other - other.sum(axis=0) / 2, 0)
            found.append(plan.on_logits(_shared(drawn @ same, others), float(value), int(people)))
        return np.array(found)

    def _histograms(self, chosen: Flags) -> tuple[Numbers, Numbers]:
        """Pairs of one person, and of a person with others, by person and bin: (n, BINS) each. A pair of two people counts for both."""
        person, size = self.pairs.sample.person, self.people * BINS
        same, other = chosen & self.pairs.same, chosen & ~self.pairs.same
        ends = [person[end] * BINS + self._bins for end in (self.pairs.first, self.pairs.second)]
        own = np.bincount(ends[0][same], minlength=size)
        shared = sum(np.bincount(end[other], minlength=size) for end in ends)
        return own.reshape(-1, BINS).astype(float), shared.reshape(-1, BINS).astype(float)


def _same_pairs(sample: Sample) -> tuple[Codes, Codes]:
    """All pairs of images of one person."""
    found: list[tuple[Codes, Codes]] = [(np.empty(0, np.int64), np.empty(0, np.int64))]
    for rows in np.split(sample.member.indices.astype(np.int64), sample.member.indptr[1:-1]):
        one, other = np.triu_indices(len(rows), 1)
        found.append((rows[one], rows[other]))
    first, second = zip(*found, strict=True)
    return np.concatenate(first), np.concatenate(second)


def _other_pairs(sample: Sample, random: np.random.Generator) -> tuple[Codes, Codes]:
    """Pairs of images of two people: all of them, or as many drawn by lot as are looked at."""
    rows = len(sample.person)
    if rows * (rows - 1) // 2 <= 2 * PAIRS:
        first, second = np.triu_indices(rows, 1)
    else:
        first, second = random.integers(rows, size=(2, 2 * PAIRS))
    apart = np.flatnonzero(sample.person[first] != sample.person[second])
    apart = apart if len(apart) <= PAIRS else random.choice(apart, PAIRS, replace=False)
    return first[apart], second[apart]


def _binned(closeness: Numbers, same: Flags) -> Codes:
    """Bin (P,) of each pair; the bins hold equal parts of an even mix of one person's and two people's pairs."""
    sides = [closeness[same == side] for side in (True, False) if (same == side).any()]
    levels = np.linspace(0, 1, 2001)[1:-1]
    # The quantiles of a mix of two equal parts are those of the quantiles of both.
    mix = np.concatenate([np.quantile(side, levels) for side in sides])
    edges = np.quantile(mix, np.linspace(0, 1, BINS + 1)[1:-1])
    return np.searchsorted(edges, closeness, side="right").astype(np.int64)


def _shared(same: Numbers, other: Numbers) -> Numbers:
    """Overlap (...,) of histograms (..., BINS), NaN where one is empty."""
    parts = [ratio(counts, counts.sum(axis=-1, keepdims=True)) for counts in (same, other)]
    return np.minimum(*parts).sum(axis=-1)
