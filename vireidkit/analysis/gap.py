"""The modality gap as a table of measures, each with an interval over people and with its value where there is no gap."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.analysis.gap_families import FAMILIES, MEASURES, Family, Measure
from vireidkit.analysis.gap_intervals import Numbers, Prepared, Resampling, check_settings
from vireidkit.analysis.gap_plain import band_distance, gap_numbers, modality_mixing
from vireidkit.analysis.gap_sample import Flags, Sample, sample_of, shuffles_of, split_bands
from vireidkit.errors import SettingError

__all__ = ["MEASURES", "GapTable", "band_distance", "gap_numbers", "measure_sample", "modality_gap", "modality_mixing"]

COLUMNS = ("measure", "value", "low", "high", "no_gap_value", "no_gap_low", "no_gap_high", "split_half_value", "p_value", "per", "reading")


class GapTable(pd.DataFrame):
    """One row a measure of the gap; a pandas table in every respect.

    Columns:
        measure: its name; value: of these images; low, high: ends of its interval over people, NaN where it has none.
        no_gap_value, no_gap_low, no_gap_high: mean and middle 95 % of the values when the modality is shuffled inside identities.
        split_half_value: mean value when random halves of one band play the modalities: of both bands in turn, or of
            the band that a measure speaks of.
        p_value: share of the shuffles (the data counted as one more) that show as large a gap; one-sided.
        per: what the interval resamples, or why there is none; reading: the value in words.

    ``attrs``: images, people, of_images (before any were left out), level, resamples, shuffles, seed, metric, name.
    """

    @property
    def _constructor(self) -> type[GapTable]:
        return GapTable

    def row(self, measure: str) -> pd.Series:
        """The row of one measure.

        Raises:
            SettingError: the table has no such measure.
        """
        found = self[self["measure"] == measure]
        if found.empty:
            raise SettingError(f"the gap table has no measure {measure!r}; it has {', '.join(self['measure'])}")
        return found.iloc[0]


def modality_gap(
    features: Any,
    table: pd.DataFrame | None = None,
    *,
    measures: Sequence[str] | None = None,
    interval: float = 0.95,
    resamples: int = 1000,
    shuffles: int = 99,
    halves: int = 10,
    k: int = 10,
    limit: int = 4000,
    seed: int = 0,
) -> GapTable:
    """How far apart the two modalities lie, by thirteen measures, for the people of a data set.

    Formulas and sources are in the classes: ``Shift``, ``Mmd``, ``Frechet``, ``Probe`` (accuracy, proxy A-distance), ``Mixing``,
    ``Cosines``, ``Overlap``, ``Alignment`` (CKA of identity means). Intervals resample people, never images: how a value would differ
    for other people before the same cameras. Their cover was measured (``benchmarks/gap_coverage.py``); a measure that failed, or that
    too few people carry (30; the Fréchet distance as many as components), has none.

    "No gap" is meant twice: shuffling modality inside every identity keeps people and counts but mixes the cameras of both bands, so
    what differs between cameras counts as gap; splitting a band into random halves keeps even the cameras.

    Args:
        features: ``Features``, or a matrix (N, D) compared by cosine; table: one row a descriptor with identity, modality and, if it
            can be had, camera (without it, pairs of images from one camera count too); None takes that of the features.
        measures: names out of ``MEASURES``, by default all.
        interval: level, between 0 and 1; resamples: of the bootstrap; shuffles, halves: worlds without a gap (0: none).
        k: neighbours of the mixing; limit: most images looked at; of more, every person and camera gives as many as fit, by lot.
        seed: of all of this; the same seed gives the same table.

    Returns:
        ``GapTable``. NaN where the images allow no such measure.

    Raises:
        ValueError: the table does not fit, one of the modalities is missing, or a number is out of its range.
        SettingError: an unknown measure.
    """
    check_settings(interval=interval, resamples=resamples, shuffles=shuffles, halves=halves, k=k, limit=limit)
    chosen = named_measures(measures)
    sample = sample_of(features, table, limit=limit, seed=seed)
    found = measure_sample(sample, chosen, Resampling(interval, resamples, seed), shuffles=shuffles, halves=halves, k=k)
    found.attrs.update(metric=getattr(features, "metric", "cosine"), name=getattr(features, "name", ""))
    return found


def named_measures(names: Sequence[str] | None) -> tuple[str, ...]:
    """The measures of these names in the order of ``MEASURES``.

    Raises:
        SettingError: an unknown one, or none.
    """
    wanted = tuple(MEASURES) if names is None else (names,) if isinstance(names, str) else tuple(names)
    unknown = [name for name in wanted if name not in MEASURES]
    if unknown or not wanted:
        raise SettingError(f"unknown measure {unknown[0]!r}; known: {', '.join(MEASURES)}" if unknown else "name at least one measure")
    return tuple(name for name in MEASURES if name in wanted)


def measure_sample(
    sample: Sample, names: Sequence[str], plan: Resampling | None, *, shuffles: int = 0, halves: int = 0, k: int = 10, seed: int = 0
) -> GapTable:
    """``modality_gap`` of a checked sample. ``plan=None``: no intervals (``seed`` is then that of the rest, else the plan's)."""
    seed = seed if plan is None else plan.seed
    labels = np.concatenate([sample.infrared[None], shuffles_of(sample, shuffles, seed)])
    parts = list(split_bands(sample, halves, seed)) if halves else []
    rows = []
    for family in FAMILIES:
        if not any(measure.name in names for measure in family.measures):
            continue
        prepared = family.prepare(sample, seed, k)
        values = prepared.values(labels)  # (1 + shuffles, M)
        split = _split_half(family, parts, seed, k)
        ends, per = _interval(family, prepared, sample, plan)
        for place, measure in enumerate(family.measures):
            if measure.name in names:
                rows.append(_row(measure, values[:, place], ends[place], split[place], per[place], sample, k))
    found = GapTable(rows, columns=COLUMNS)
    found.attrs = {
        "images": len(sample.person),
        "people": sample.people,
        "of_images": sample.given,
        "level": plan.level if plan else None,
        "resamples": plan.resamples if plan else 0,
        "shuffles": shuffles,
        "seed": seed,
    }
    return found


def _split_half(family: Family, parts: list[tuple[int, Sample, Flags]], seed: int, k: int) -> Numbers:
    """Mean value (M,) over the halves of the bands that count for each measure, NaN without any."""
    means = {band: _mean(family.prepare(part, seed, k).values(flags)) for band, part, flags in parts}
    found = []
    for place, measure in enumerate(family.measures):
        values = np.array([mean[place] for band, mean in means.items() if measure.half in (None, band)])
        found.append(_mean(values[:, None])[0] if len(values) else np.nan)
    return np.array(found)


def _mean(values: Numbers) -> Numbers:
    """Mean (M,) of the rows (F, M) that are numbers, NaN where none is."""
    known = np.isfinite(values)
    return np.divide(
        np.where(known, values, 0).sum(axis=0), known.sum(axis=0), out=np.full(values.shape[1], np.nan), where=known.any(axis=0)
    )


def _interval(family: Family, prepared: Prepared, sample: Sample, plan: Resampling | None) -> tuple[Numbers, list[str]]:
    """Ends (M, 2) and, for each measure, how they were made or why there are none."""
    none = np.full((len(family.measures), 2), np.nan)
    if plan is None:
        return none, ["no interval asked for"] * len(none)
    if not family.trusted:
        return none, [f"no interval: {family.per}"] * len(none)
    units = prepared.units(sample.infrared)
    few = units < prepared.fewest
    per = [f"no interval: {n} people carry it, {prepared.fewest} are needed" if n < prepared.fewest else family.per for n in units]
    return none if few.all() else np.where(few[:, None], np.nan, prepared.interval(sample.infrared, plan)), per


def _row(measure: Measure, values: Numbers, ends: Numbers, split: float, per: str, sample: Sample, k: int) -> tuple[Any, ...]:
    """One line of the table from the value under the true labels (first) and under the shuffled ones."""
    value, shuffled = float(values[0]), values[1:][np.isfinite(values[1:])]
    spread = (float(shuffled.mean()), *np.quantile(shuffled, (0.025, 0.975)).tolist()) if len(shuffled) else (float("nan"),) * 3
    p_value = float("nan")
    if len(shuffled) and np.isfinite(value) and measure.gap:
        as_large = measure.gap * shuffled >= measure.gap * value - 1e-12
        p_value = (1 + int(as_large.sum())) / (1 + len(shuffled))
    reading = measure.read(value, min(k, len(sample.person) - 1)) if np.isfinite(value) else measure.missing
    return (measure.name, value, *map(float, ends), *spread, float(split), p_value, per, reading)
