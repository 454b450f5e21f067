"""The gap between every two cameras: how much of it is the band's, and how much any change of camera brings."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import combinations_with_replacement
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.analysis.gap import measure_sample, named_measures
from vireidkit.analysis.gap_families import MEASURES
from vireidkit.analysis.gap_intervals import Resampling, check_settings
from vireidkit.analysis.gap_sample import Codes, Sample, halves_of, sample_of
from vireidkit.errors import SettingError
from vireidkit.modality import MODALITIES

# What compares two sides; "within" speaks of one side alone.
PAIR_MEASURES = tuple(name for name in MEASURES if "within" not in name)
KINDS = ("one camera, halved", "within visible", "within infrared", "across")


@dataclass(frozen=True)
class _View:
    """One camera in one band: a camera that sees in both is two."""

    camera: Any
    modality: str
    rows: Codes


def gap_by_camera_pair(
    features: Any,
    table: pd.DataFrame | None = None,
    *,
    measures: Sequence[str] | None = None,
    interval: float = 0.95,
    resamples: int = 500,
    halves: int = 5,
    k: int = 10,
    limit: int = 4000,
    seed: int = 0,
) -> pd.DataFrame:
    """Every measure of the gap between every two cameras, which play the two modalities; people seen by both only.

    Pairs within a band show what a change of camera costs without a change of band. A camera beside itself is split into random
    halves, person by person: what the measure would be if nothing differed (mean over ``halves``; no interval). There, and there
    only, two images from one camera are compared.

    Args:
        features, table: as in ``modality_gap``; a column ``camera`` is needed.
        measures: out of ``PAIR_MEASURES`` (all but those within one band), by default all; interval and the rest: as there.

    Returns:
        One row a measure and pair, visible cameras first: ``measure; first_camera, first_modality, second_camera, second_modality;
        kind`` (see ``KINDS``); ``people`` (seen by both), ``images`` (of both); ``value, low, high, per`` as in ``GapTable``. NaN
        where the images allow no such measure.

    Raises:
        SettingError: an unknown measure or one within a band.
        ValueError: no column ``camera``, or what ``modality_gap`` raises.

    Source: ours; each measure's own source is in its class.
    """
    names = _pair_measures(measures)
    check_settings(interval=interval, resamples=resamples, halves=halves, k=k, limit=limit)
    sample = sample_of(features, table, limit=limit, seed=seed)
    if not sample.camera_names:
        raise ValueError("the gap between cameras needs a column 'camera' in the table, found none")
    plan, pairs = Resampling(interval, resamples, seed), combinations_with_replacement(_views(sample), 2)
    result = pd.concat([_pair(sample, first, second, names, plan, halves, k) for first, second in pairs], ignore_index=True)
    # Measure by measure; within one the pairs keep their order.
    result = result.sort_values("measure", key=lambda column: column.map(names.index), kind="stable", ignore_index=True)
    result.attrs = {"level": interval, "resamples": resamples, "images": len(sample.person), "of_images": sample.given, "seed": seed}
    return result


def _pair_measures(measures: Sequence[str] | None) -> list[str]:
    """The measures that compare two sides.

    Raises:
        SettingError: an unknown one, one within a band, or none.
    """
    names = named_measures(measures)
    inside = [name for name in names if name not in PAIR_MEASURES]
    if inside and measures is not None:
        raise SettingError(f"measure {inside[0]!r} speaks of one side alone; between cameras there are {', '.join(PAIR_MEASURES)}")
    return [name for name in names if name in PAIR_MEASURES]


def _views(sample: Sample) -> list[_View]:
    """Cameras of the visible band, then those of the infrared one."""
    found = []
    for band, modality in enumerate(MODALITIES):
        for code, name in enumerate(sample.camera_names):
            rows = np.flatnonzero((sample.camera == code) & (sample.infrared == bool(band)))
            if len(rows):
                found.append(_View(name, modality, rows))
    return found


def _pair(sample: Sample, first: _View, second: _View, names: list[str], plan: Resampling, halves: int, k: int) -> pd.DataFrame:
    """The rows of one pair of cameras."""
    if first is second:
        measured, part = _halved(sample, first, names, plan.seed, halves, k)
    else:
        measured, part = _between(sample, first, second, names, plan, k)
    across = first.modality != second.modality
    kind = KINDS[0] if first is second else KINDS[3] if across else f"within {first.modality}"
    told = {
        "measure": names,
        "first_camera": first.camera,
        "first_modality": first.modality,
        "second_camera": second.camera,
        "second_modality": second.modality,
        "kind": kind,
        "people": 0 if part is None else part.people,
        "images": 0 if part is None else len(part.person),
    }
    return pd.DataFrame(told).assign(**{name: measured[name].to_numpy() for name in ("value", "low", "high", "per")})


def _between(sample: Sample, first: _View, second: _View, names: list[str], plan: Resampling, k: int) -> tuple[pd.DataFrame, Sample | None]:
    """Values and intervals of two cameras, over the people that both see."""
    shared = np.intersect1d(sample.person[first.rows], sample.person[second.rows])
    if len(shared) < 2:
        return _nothing(names, f"{len(shared)} people are seen by both cameras, 2 are needed"), None
    sides = [view.rows[np.isin(sample.person[view.rows], shared)] for view in (first, second)]
    part = _posed(sample.part(np.concatenate(sides)), np.repeat([False, True], [len(side) for side in sides]))
    return measure_sample(part, names, plan, k=k), part


def _halved(sample: Sample, view: _View, names: list[str], seed: int, halves: int, k: int) -> tuple[pd.DataFrame, Sample | None]:
    """Mean values over the random halves of one camera's images of the people whom it saw more than once."""
    often = np.bincount(sample.person[view.rows], minlength=sample.people) > 1
    if halves == 0:
        return _nothing(names, "no halves asked for"), None
    if often.sum() < 2:
        return _nothing(names, f"{int(often.sum())} people were seen more than once by this camera, 2 are needed"), None
    part = sample.part(view.rows[often[sample.person[view.rows]]])
    seen = [measure_sample(_posed(part, flags), names, None, k=k, seed=seed) for flags in halves_of(part.person, halves, seed)]
    values = pd.DataFrame([one["value"].to_numpy() for one in seen]).mean()
    return _nothing(names, "no interval: random halves of one camera").assign(value=values.to_numpy()), part


def _posed(part: Sample, infrared: Any) -> Sample:
    """The sample with two sides that play the modalities, each with a camera of its own."""
    return replace(part, infrared=infrared, camera=infrared.astype(np.int64))


def _nothing(names: list[str], why: str) -> pd.DataFrame:
    """Rows without numbers."""
    return pd.DataFrame({"measure": names, "value": np.nan, "low": np.nan, "high": np.nan, "per": why})
