"""The measures of the gap by name: which class computes them, which way a gap moves them, and how their values read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from vireidkit.analysis.gap_frechet import Frechet
from vireidkit.analysis.gap_intervals import Prepared
from vireidkit.analysis.gap_kernels import Alignment, Mmd
from vireidkit.analysis.gap_neighbours import Mixing
from vireidkit.analysis.gap_pairs import Cosines, Overlap
from vireidkit.analysis.gap_probe import Probe
from vireidkit.analysis.gap_sample import Sample
from vireidkit.analysis.gap_shift import Shift

BOOTSTRAP, JACKKNIFE = "people, bootstrap", "people, jackknife"


@dataclass(frozen=True)
class Measure:
    """One number.

    Attributes:
        name: in tables. gap: 1 if a gap makes it larger, -1 if smaller, 0 if it is only to be compared with its neighbours.
        read: (value, k) -> the value in words. missing: why there may be none.
        half: which band is halved for its split-half value, 0 visible, 1 infrared; None: each in turn.
    """

    name: str
    gap: int
    read: Callable[[float, int], str]
    missing: str
    half: int | None = None


@dataclass(frozen=True)
class Family:
    """Measures that are computed together.

    Attributes:
        prepare: (sample, seed, k) -> the measures with all that no label changes already computed.
        per: what the interval resamples and how, or why it is not printed.
        trusted: whether the interval passed the coverage check (benchmarks/results/gap_coverage.csv).
    """

    measures: tuple[Measure, ...]
    prepare: Callable[[Sample, int, int], Prepared]
    per: str
    trusted: bool = True


def _cosine(name: str, pair: str, gap: int, half: int | None) -> Measure:
    """A mean cosine of one kind of pair."""
    return Measure(
        f"same-identity cosine {name}",
        gap,
        lambda value, k: f"two images of one person, {pair}: cosine {value:.2f}",
        f"no two images of one person from two cameras, {pair}",
        half,
    )


def _overlap(name: str, where: str, gap: int, half: int | None) -> Measure:
    """An overlap of one kind of pair."""
    return Measure(
        f"overlap {name}",
        gap,
        lambda value, k: f"{value:.0%} of the distances of one person's and of two people's pairs {where} fall together",
        f"no pair of one person from two cameras {where}",
        half,
    )


TWO = "needs two people with images in both bands"

FAMILIES: tuple[Family, ...] = (
    Family(
        (
            Measure(
                "distance of band means over spread",
                1,
                lambda value, k: f"the band means lie {value:.2f} times as far apart as a band is wide",
                TWO,
            ),
        ),
        lambda sample, seed, k: Shift(sample, seed),
        BOOTSTRAP,
    ),
    Family(
        (
            Measure(
                "MMD squared",
                1,
                lambda value, k: (
                    f"by an RBF kernel (0 to 1) images of two people are {value / 2:.3f} less alike across the bands than inside"
                ),
                TWO,
            ),
        ),
        lambda sample, seed, k: Mmd(sample, seed),
        JACKKNIFE,
    ),
    Family(
        (
            Measure(
                "Frechet distance",
                1,
                lambda value, k: f"as normal distributions on up to 64 principal components the bands are {value:.3f} apart (squared)",
                TWO,
            ),
        ),
        lambda sample, seed, k: Frechet(sample, seed),
        JACKKNIFE,
    ),
    Family(
        (
            Measure(
                "linear probe accuracy",
                1,
                lambda value, k: f"a linear rule names the band of an unseen person in {value:.0%} of cases",
                TWO,
            ),
            Measure(
                "proxy A-distance", 1, lambda value, k: f"{value:.2f} on the scale from 0 (bands alike) to 2 (told without error)", TWO
            ),
        ),
        lambda sample, seed, k: Probe(sample, seed),
        BOOTSTRAP,
    ),
    Family(
        (
            Measure(
                "mixing of neighbours",
                -1,
                lambda value, k: f"of an image's {k} nearest neighbours, {value * k:.1f} are of the other band",
                TWO,
            ),
        ),
        lambda sample, seed, k: Mixing(sample, seed, k=k),
        JACKKNIFE,
    ),
    Family(
        (
            _cosine("within visible", "both visible", 0, 0),
            _cosine("within infrared", "both infrared", 0, 1),
            _cosine("across", "one of each band", -1, None),
        ),
        lambda sample, seed, k: Cosines(sample, seed),
        BOOTSTRAP,
    ),
    Family(
        (
            _overlap("within visible", "within visible", 0, 0),
            _overlap("within infrared", "within infrared", 0, 1),
            _overlap("across", "across the bands", 1, None),
        ),
        lambda sample, seed, k: Overlap(sample, seed),
        BOOTSTRAP,
    ),
    Family(
        (
            Measure(
                "CKA of identity means",
                -1,
                lambda value, k: f"how people lie to each other agrees between the bands to {value:.2f} (1: up to a turn and a scale)",
                "needs four people with images in both bands",
            ),
        ),
        lambda sample, seed, k: Alignment(sample, seed),
        JACKKNIFE,
    ),
)

MEASURES: tuple[str, ...] = tuple(measure.name for family in FAMILIES for measure in family.measures)
