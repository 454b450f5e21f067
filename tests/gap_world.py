"""Worlds in which the gap is known: people and noise are normal, the infrared band is shifted, scaled and sees part of each person anew."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vireidkit.analysis.gap import MEASURES, measure_sample
from vireidkit.analysis.gap_kernels import _squared_median
from vireidkit.analysis.gap_sample import Sample, sample_of

ARRAY = np.ndarray
LARGE = 10  # samples that stand for everybody


@dataclass(frozen=True)
class World:
    """visible = a + e, infrared = scale (kept a + sqrt(1 - kept²) a') + shift + scale e; a, a' with variances 1/j, e with noise²/j.

    Attributes:
        people: n; numbers: D; shots: images of a person by each of two cameras a band.
        shift: length of the difference of the means, spread over the first four numbers; scale, kept: see above.
    """

    people: int = 60
    numbers: int = 24
    shots: int = 2
    shift: float = 0.0
    scale: float = 1.0
    kept: float = 1.0
    noise: float = 0.7

    @property
    def variances(self) -> ARRAY:
        return 1 / np.arange(1, self.numbers + 1)

    @property
    def means(self) -> ARRAY:
        """Of the infrared band, (D,)."""
        return np.where(np.arange(self.numbers) < 4, self.shift / 2, 0.0)

    def draw(self, seed: int, people: int | None = None) -> tuple[ARRAY, pd.DataFrame]:
        """A matrix (8 n, D) for two shots, and its table, person-major, cameras 1 and 2 visible, 3 and 4 infrared."""
        random, count, roots = np.random.default_rng(seed), people or self.people, np.sqrt(self.variances)
        table = pd.DataFrame(
            [(p, c) for p in range(count) for c in (1, 2, 3, 4) for _ in range(self.shots)], columns=["identity", "camera"]
        )
        infrared = (table["camera"] > 2).to_numpy()
        first, anew = roots * random.normal(size=(2, count, self.numbers))
        second = self.kept * first + np.sqrt(1 - self.kept**2) * anew
        person = table["identity"].to_numpy()
        errors = self.noise * roots * random.normal(size=(len(table), self.numbers))
        seen = np.where(infrared[:, None], self.scale * (second[person] + errors) + self.means, first[person] + errors)
        return seen, table.assign(modality=np.where(infrared, "infrared", "visible"))

    def sample(self, seed: int, people: int | None = None) -> Sample:
        """The same, checked, compared as it is (Euclidean)."""
        return sample_of(*self.draw(seed, people), metric="euclidean")

    # --- what the measures estimate ---------------------------------------------------------------------------------------------------

    @property
    def covariances(self) -> tuple[ARRAY, ARRAY]:
        """Diagonals of the covariances of the bands' images."""
        whole = self.variances * (1 + self.noise**2)
        return whole, self.scale**2 * whole

    def distance(self) -> float:
        """Of the means over the spread."""
        return float(self.shift / np.sqrt(np.mean([part.sum() for part in self.covariances])))

    def frechet(self) -> float:
        """Of two normal distributions with the same axes."""
        first, second = map(np.sqrt, self.covariances)
        return float(self.shift**2 + ((first - second) ** 2).sum())

    def mmd(self, squared_bandwidth: float) -> float:
        """E k(x, y) of independent normal x and y is (s²)^(D/2) |s² I + Σ|^(-1/2) exp(-m' (s² I + Σ)^-1 m / 2), Σ of x - y."""

        def expected(one: ARRAY, other: ARRAY, mean: ARRAY) -> float:
            wide = squared_bandwidth + one + other
            return float(np.exp(-0.5 * (np.log(wide / squared_bandwidth).sum() + (mean**2 / wide).sum())))

        (first, second), none = self.covariances, np.zeros(self.numbers)
        return expected(first, first, none) + expected(second, second, none) - 2 * expected(first, second, self.means)

    def cka(self) -> float:
        """|C_VI|² / (|C_V| |C_I|) of the covariances of the means of a person's images in the bands."""
        own = self.variances * (1 + self.noise**2 / (2 * self.shots))
        return float(((self.kept * self.variances) ** 2).sum() / (own**2).sum())

    def truths(self, draws: int, large: int = LARGE) -> pd.DataFrame:
        """What each measure estimates, and how that was found: columns measure, truth, found_by.

        Args:
            draws: of the measures whose expected value depends on the number of people (seeds from 10^6 on).
            large: samples of 1,200 people (seeds from 10^7 on).
        """
        everybody = [self.sample(10**7 + seed, 1200) for seed in range(large)]
        formulas = {
            MEASURES[0]: self.distance(),
            "MMD squared": self.mmd(float(np.mean([_squared_median(one.matrix) for one in everybody]))),
            "CKA of identity means": self.cka(),
        }
        if self.numbers <= 64:
            formulas["Frechet distance"] = self.frechet()
        at_size = ("linear probe accuracy", "proxy A-distance", "mixing of neighbours")
        many = [name for name in MEASURES if name not in formulas and name not in at_size]
        seen = [measure_sample(self.sample(10**6 + seed), at_size, None)["value"] for seed in range(draws)]
        found = [
            (formulas, "formula"),
            (dict(zip(at_size, np.mean(seen, axis=0), strict=True)), f"mean of {draws} other draws of this size"),
            (
                dict(zip(many, np.mean([measure_sample(one, many, None)["value"] for one in everybody], axis=0), strict=True)),
                f"{large} x 1,200 people",
            ),
        ]
        rows = [(name, value, how) for values, how in found for name, value in values.items()]
        return pd.DataFrame(rows, columns=["measure", "truth", "found_by"]).set_index("measure").loc[list(MEASURES)].reset_index()


SETTINGS = {
    "gap": World(shift=0.8, scale=0.8, kept=0.7),
    "no gap": World(),
    "large gap": World(shift=2.5, scale=0.7, kept=0.4),
    "30 people": World(people=30, shift=0.8, scale=0.8, kept=0.7),
    "128 numbers": World(people=100, numbers=128, shift=0.8, scale=0.8, kept=0.7),
}
