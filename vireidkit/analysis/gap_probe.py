"""Whether a linear rule tells the band of people it has not seen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.gap_intervals import FEWEST, Numbers, Resampling, ratio
from vireidkit.analysis.gap_sample import Flags, Sample
from vireidkit.analysis.neighbours import FloatMatrix
from vireidkit.randomness import numpy_generator

FOLDS = 5
WIDER = 1.25


class Probe:
    """Balanced accuracy of a linear probe for modality on people it was not fitted on, and the proxy A-distance.

        rule: infrared where w'x > w'(μ_V + μ_I) / 2,    w = S^-1 (μ_I - μ_V)
        accuracy = (share of visible images named visible + share of infrared images named infrared) / 2
        proxy A-distance = 2 (1 - 2 error) = 2 (2 accuracy - 1)

    S is the covariance of the fitted images, shrunk as Ledoit and Wolf do (Fisher's discriminant, which is least squares on the
    labels; no search, so one solution serves every labelling). Five folds share no person. 0.5 and 0 without a gap, 1 and 2 where
    the bands are apart; below chance is possible. Interval: bootstrap over people of the
    cross-validated hits, rules kept, a quarter wider since rules fitted on other people would differ too (the quarter is ours, by
    what covers; Nadeau and Bengio, Machine Learning 2003, section 3, add half for five folds).

    Source: Ben-David et al., Analysis of Representations for Domain Adaptation, NeurIPS 2006, section 4 (proxy A-distance); Ledoit and
    Wolf, Journal of Multivariate Analysis 2004. Grade: paper; folds over people: ours.
    """

    fewest = FEWEST

    def __init__(self, sample: Sample, seed: int = 0) -> None:
        self.sample = sample
        people = numpy_generator(seed, "gap folds").permutation(sample.people)
        self._fold = (people % min(FOLDS, sample.people))[sample.person]  # (N,)
        folds = range(int(self._fold.max()) + 1)
        self._rules = [_whitener(sample.matrix[self._fold != one]) for one in folds] if len(folds) > 1 else []

    def values(self, flags: Flags) -> Numbers:
        """See ``Prepared``: (F, 2), accuracy and proxy A-distance."""
        hits = self._hits(flags)
        accuracy = np.array(
            [
                np.mean([hit[infrared].mean() if infrared.any() else np.nan, hit[~infrared].mean()])
                for hit, infrared in zip(hits, flags, strict=True)
            ]
        )
        return np.stack([accuracy, 2 * (2 * accuracy - 1)], axis=1)

    def units(self, infrared: Flags) -> NDArray[np.int64]:
        """People in the band that has fewer, twice."""
        return np.repeat((self.sample.counts(infrared) > 0).sum(axis=1).min(keepdims=True), 2)

    def interval(self, infrared: Flags, plan: Resampling) -> Numbers:
        """See ``Prepared``: (2, 2)."""
        hit = self._hits(infrared[None])[0]
        right, counts = self.sample.sums(hit[:, None], infrared)[..., 0], self.sample.counts(infrared)  # (2, n) each
        drawn = plan.weights(self.sample.people)
        draws = ratio(drawn @ right.T, drawn @ counts.T).mean(axis=1)
        value, people = float((right.sum(axis=1) / counts.sum(axis=1)).mean()), int(self.units(infrared)[0])
        low, high = np.clip(plan.percentile(draws, value, people, wider=WIDER), 0, 1)
        return np.array([[low, high], [4 * low - 2, 4 * high - 2]])

    def _hits(self, flags: Flags) -> Numbers:
        """1 where the rule of the other folds names the band of an image, else 0; (F, N). NaN where a fold lacks a band."""
        hits = np.full(flags.shape, np.nan)
        for one, (mean, whitener) in enumerate(self._rules):
            inside, asked = self._fold != one, self._fold == one
            labels = flags[:, inside].astype(np.float64)  # (F, n)
            counts = labels.sum(axis=1)
            usable = (counts > 0) & (counts < labels.shape[1])
            white = (self.sample.matrix[inside] - mean) @ whitener  # (n, D); rows add up to 0
            sums = labels[usable] @ white
            means = np.stack([-sums / (labels.shape[1] - counts[usable])[:, None], sums / counts[usable][:, None]])
            rule = means[1] - means[0]  # (F, D)
            middle = (means.mean(axis=0) * rule).sum(axis=1)
            guessed = ((self.sample.matrix[asked] - mean) @ whitener @ rule.T > middle).T  # (F, M)
            hits[np.ix_(usable, asked)] = guessed == flags[np.ix_(usable, asked)]
        return hits


def _whitener(matrix: FloatMatrix) -> tuple[FloatMatrix, FloatMatrix]:
    """Mean (D,) and the root (D, r) of the inverse shrunk covariance, so that w'x is a product of whitened rows."""
    from sklearn.covariance import ledoit_wolf_shrinkage

    mean = matrix.mean(axis=0)
    centred = matrix - mean
    covariance = centred.T @ centred / len(matrix)
    size = np.trace(covariance) / len(covariance)
    if size <= 1e-24 * max(1.0, float((matrix**2).mean())):  # all images alike
        return mean, np.zeros((len(covariance), 1))
    share = float(ledoit_wolf_shrinkage(centred, assume_centered=True))
    squares, vectors = np.linalg.eigh((1 - share) * covariance + share * size * np.eye(len(covariance)))
    return mean, vectors / np.sqrt(np.maximum(squares, 1e-9 * squares[-1]))
