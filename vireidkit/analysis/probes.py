"""Linear probes: which known factors of a person can be read off a descriptor by a linear rule, in each band and over the bands.

Numbers are read by ridge regression, scored by R2; choices by penalised discriminant analysis, the same regression on one column a
choice and then the nearest class mean (Hastie, Buja, Tibshirani 1995), scored by balanced accuracy. A rule is fitted on images of one
band and read on both, each band centred on the mean of the training people's images in it. People, not images, are divided into
folds; the ridge is chosen inside the training folds; every person counts the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import FloatMatrix, as_matrix, check_table, is_infrared
from vireidkit.analysis.ridge import Ridge, nearest_class
from vireidkit.modality import MODALITIES
from vireidkit.randomness import numpy_generator

NUMBER, CHOICE = "number", "choice"
# In units of the largest squared singular value of the descriptors; for every factor one of them is chosen.
STRENGTHS = np.array([10.0, 1.0, 0.1, 0.01, 0.001])
RESAMPLES = 200


def factor_probes(
    features: Any,
    table: pd.DataFrame | None,
    factors: pd.DataFrame,
    names: Sequence[str] | None = None,
    *,
    kinds: Mapping[str, str] | None = None,
    together: str | None = None,
    folds: int = 5,
    permutations: int = 5,
    rarest: int = 5,
    metric: str | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """How much of each factor a linear rule reads off one image of a person whom it has never seen (ours).

    Args:
        features: ``Features`` or a matrix (N, D); metric: see ``as_matrix``.
        table: N rows with identity and modality; None takes that of the features.
        factors: one row a person with a column ``identity``; a missing value leaves the person out for that factor.
        names: columns of ``factors``; None is all.
        kinds: "number" or "choice" by name, where the type of the column is not to decide.
        together: column of ``factors``; people with one value there share a fold, but for missing and negative values. Without it, a rule
            may recognise an outfit that several people wear and read off what it should not see.
        folds: of people, at least 3; permutations: how often every factor is shuffled; rarest: choices of fewer people are left out.

    Returns:
        One row a factor and pair of bands: factor, kind, fitted_on, read_on, score, low, high (95 % over resampled people), chance
        (mean of the procedure on shuffled factors), chance_high (the largest), share, share_low, share_high ((score - chance) /
        (1 - chance)), people, choices. Scores are NaN for a factor with too few people or a single choice.

    Raises:
        ValueError: tables that do not fit, an unknown factor or kind, or folds that the number of people does not allow.
    """
    table = features.table if table is None else table
    matrix = as_matrix(features, metric)
    check_table(table, len(matrix), ("identity", "modality"))
    rows = _aligned(factors, table["identity"].to_numpy())
    if not 3 <= folds <= len(rows):
        raise ValueError(f"the number of folds must lie between 3 and the number of people, {len(rows)}; found {folds}")
    groups = _groups(rows, together)
    person, infrared = rows.index.get_indexer(table["identity"]), is_infrared(table["modality"], len(matrix))
    world = _world(matrix, person, infrared, groups, _folds(groups, folds, seed))
    chosen = [_factor(rows[name], (kinds or {}).get(name), rarest) for name in _named(factors, names)]
    return _probed(world, chosen, permutations, seed)


def _probed(world: _World, chosen: list[_Factor], permutations: int, seed: int) -> pd.DataFrame:
    """The table of ``factor_probes``."""
    folds = int(world.fold.max()) + 1
    series = [entry for factor in chosen if factor.usable(folds) for entry in _shuffles(factor, permutations, seed)]
    found = {band: _read_all(world, band, series) for band in np.unique(world.band).tolist()}
    groups = int(world.group.max()) + 1
    drawn = numpy_generator(seed, "probe people").multinomial(groups, np.full(groups, 1 / groups), RESAMPLES)
    draws = drawn[:, world.group]  # (R, P): people who belong together are drawn together
    table = []
    for factor in chosen:
        for bands in _pairs(list(found)):
            own = [(entry, read) for entry, read in zip(series, found[bands[0]], strict=True) if entry.name == factor.name]
            table.append(_row(world, factor, own, bands, draws))
    return pd.DataFrame(table)


@dataclass(frozen=True, eq=False)
class _World:
    """Images (N, D) with the person's position (N,) and the band's code (N,), and the group and the fold of each of P people.

    ``weight`` (N,) is one over the number of images of the person in the band, so that everybody counts the same.
    """

    matrix: FloatMatrix
    person: NDArray[np.int64]
    band: NDArray[np.int64]
    group: NDArray[np.int64]
    fold: NDArray[np.int64]
    weight: NDArray[np.float64]

    def rows(self, band: int, people: NDArray[np.bool_]) -> NDArray[np.int64]:
        """Images of these people in a band."""
        return np.flatnonzero((self.band == band) & people[self.person])

    def centred(self, rows: NDArray[np.int64], band: int, people: NDArray[np.bool_]) -> FloatMatrix:
        """Images less the mean of the training people's images in their band."""
        known = self.rows(band, people)
        return self.matrix[rows] - (np.average(self.matrix[known], axis=0, weights=self.weight[known]) if len(known) else 0.0)


def _world(
    matrix: FloatMatrix, person: NDArray[np.int64], infrared: NDArray[np.bool_], group: NDArray[np.int64], fold: NDArray[np.int64]
) -> _World:
    """The images with the weight of each."""
    images = np.bincount(2 * person + infrared, minlength=2 * len(fold))
    return _World(matrix, person, infrared.astype(int), group, fold, 1 / images[2 * person + infrared])


def _groups(rows: pd.DataFrame, together: str | None) -> NDArray[np.int64]:
    """(P,) number of the group of each person, from 0; whoever belongs to none is a group alone."""
    if together is None:
        return np.arange(len(rows))
    if together not in rows.columns:
        raise ValueError(f"the factors have no column {together!r} to keep people together by")
    value = rows[together]
    alone = value.isna() | (pd.to_numeric(value, errors="coerce") < 0)
    keys = [f"person {place}" if single else f"group {entry}" for place, (single, entry) in enumerate(zip(alone, value, strict=True))]
    return pd.factorize(np.array(keys))[0]


def _folds(groups: NDArray[np.int64], folds: int, seed: int) -> NDArray[np.int64]:
    """(P,) fold of each person: groups in random order, the large ones first, each into the emptiest fold."""
    sizes = np.bincount(groups)
    if len(sizes) < folds:
        raise ValueError(f"{folds} folds need as many groups of people, found {len(sizes)}")
    order = numpy_generator(seed, "probe folds").permutation(len(sizes))
    order = order[np.argsort(-sizes[order], kind="stable")]
    filled, fold = np.zeros(folds, np.int64), np.empty(len(sizes), np.int64)
    for group in order:
        fold[group] = filled.argmin()
        filled[fold[group]] += sizes[group]
    return fold[groups]


@dataclass(frozen=True, eq=False)
class _Factor:
    """A factor, or one shuffle of it: values (P,) are numbers or positions in ``choices``, NaN for people who are left out."""

    name: str
    kind: str
    values: NDArray[np.float64]
    choices: tuple[str, ...]

    @property
    def kept(self) -> NDArray[np.bool_]:
        return ~np.isnan(self.values)

    @property
    def targets(self) -> FloatMatrix:
        """(P, T): the number itself, or one column a choice."""
        if self.kind == NUMBER:
            return self.values[:, None]
        return np.where(self.kept[:, None], self.values[:, None] == np.arange(len(self.choices)), np.nan)

    def usable(self, folds: int) -> bool:
        """Whether there is something to learn and somebody to learn it from."""
        return bool(self.kept.sum() >= 2 * folds and len(np.unique(self.values[self.kept])) > 1)


def _aligned(factors: pd.DataFrame, identities: NDArray[Any]) -> pd.DataFrame:
    """The factors of the people in the pictures, indexed by identity."""
    if "identity" not in factors.columns:
        raise ValueError(f"the factors need a column 'identity', found {', '.join(map(str, factors.columns[:5]))}")
    if factors["identity"].duplicated().any():
        twice = factors.loc[factors["identity"].duplicated(), "identity"].iloc[0]
        raise ValueError(f"the factors need one row a person, found several of identity {twice}")
    missing = np.setdiff1d(identities, factors["identity"])
    if len(missing):
        raise ValueError(f"no factors are known of {len(missing)} people in the pictures, first identity {missing[0]}")
    return factors.set_index("identity").loc[np.unique(identities)]


def _named(factors: pd.DataFrame, names: Sequence[str] | None) -> list[str]:
    """The factors that were asked for."""
    known = [name for name in factors.columns if name != "identity"]
    unknown = [name for name in names or () if name not in known]
    if unknown or not known:
        raise ValueError(f"unknown factor {unknown[0]!r}; known: {', '.join(known)}" if unknown else "the table holds no factor")
    return list(known if names is None else names)


def _factor(column: pd.Series, kind: str | None, rarest: int) -> _Factor:
    """A column as numbers or as positions of choices; rare choices become NaN."""
    if kind is None:
        kind = NUMBER if pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column) else CHOICE
    if kind not in (NUMBER, CHOICE):
        raise ValueError(f"the kind of factor {column.name!r} must be number or choice, found {kind!r}")
    if kind == NUMBER:
        values = pd.to_numeric(column, errors="coerce").to_numpy(np.float64)
        if (wrong := np.isnan(values) & column.notna().to_numpy()).any():
            raise ValueError(f"factor {column.name!r} is no number: found {column[wrong].iloc[0]!r}")
        if np.isinf(values).any():
            raise ValueError(f"factor {column.name!r} must be finite, found infinity")
        return _Factor(str(column.name), kind, values, ())
    counts = column.value_counts()
    choices = sorted(counts.index[counts >= rarest], key=str)
    codes = pd.Categorical(column.where(column.isin(choices)), categories=choices).codes
    return _Factor(str(column.name), kind, np.where(codes < 0, np.nan, codes), tuple(map(str, choices)))


def _shuffles(factor: _Factor, permutations: int, seed: int) -> list[_Factor]:
    """The factor as it is, then shuffled among the people who have it."""
    random, found = numpy_generator(seed, "probe shuffles", factor.name), [factor]
    for _ in range(permutations):
        values = factor.values.copy()
        values[factor.kept] = random.permutation(values[factor.kept])
        found.append(_Factor(factor.name, factor.kind, values, factor.choices))
    return found


def _pairs(bands: list[int]) -> list[tuple[int, int]]:
    """(fitted on, read on): inside each band first, then across."""
    return [(band, band) for band in bands] + [(first, second) for first in bands for second in bands if first != second]


class _Fit:
    """Linear rules for all series at once, fitted on the training people's images of one band."""

    def __init__(self, world: _World, band: int, people: NDArray[np.bool_], targets: FloatMatrix) -> None:
        self.world, self.people = world, people
        self.rows = world.rows(band, people)
        self.weights = world.weight[self.rows]
        known = targets[world.person[self.rows]]  # (n, C)
        kept = ~np.isnan(known)
        counted = np.maximum(self.weights @ kept, 1e-12)
        self.means = self.weights @ np.where(kept, known, 0) / counted
        # People without a value weigh in the spread of the images alone; the others make up for them.
        centred = np.where(kept, known - self.means, 0) * (self.weights.sum() / counted)
        root = np.sqrt(self.weights)[:, None]
        self.ridge = Ridge(root * world.centred(self.rows, band, people), root * centred)

    def read(self, rows: NDArray[np.int64], band: int, *strengths: Any) -> list[FloatMatrix]:
        """Readings (m, C) of images of a band, one matrix a strength."""
        along = self.ridge.along(self.world.centred(rows, band, self.people))
        return [self.ridge.read(along, strength) + self.means for strength in strengths]


def _read_all(world: _World, band: int, series: list[_Factor]) -> list[NDArray[np.float64]]:
    """For every series what is read of each image (N,) by rules fitted on ``band`` without its person."""
    if not series:
        return []
    targets = np.concatenate([entry.targets for entry in series], axis=1)  # (P, C)
    starts = np.cumsum([0, *(entry.targets.shape[1] for entry in series)])
    best = _strengths(world, band, targets, starts)  # (folds, series)
    read = [np.full(len(world.matrix), np.nan) for _ in series]
    for fold in range(world.fold.max() + 1):
        fit = _Fit(world, band, world.fold != fold, targets)
        strength = np.repeat(best[fold], np.diff(starts))  # (C,)
        fitted = fit.read(fit.rows, band, strength)[0]
        for other in np.unique(world.band):
            rows = world.rows(other, world.fold == fold)
            values = fit.read(rows, other, strength)[0]
            for entry, place, start, stop in zip(series, read, starts[:-1], starts[1:], strict=True):
                place[rows] = _decided(entry, fit, fitted[:, start:stop], values[:, start:stop])
    return read


def _strengths(world: _World, band: int, targets: FloatMatrix, starts: NDArray[np.int64]) -> FloatMatrix:
    """(folds, series): the ridge that errs least on the people of the other folds; those of the outer fold take no part."""
    folds = int(world.fold.max()) + 1
    errors = np.zeros((folds, len(STRENGTHS), len(starts) - 1))
    for first, second in combinations(range(folds), 2):
        # Fitted on what neither fold holds, so it serves both.
        fit = _Fit(world, band, (world.fold != first) & (world.fold != second), targets)
        for outer, inner in ((first, second), (second, first)):
            rows = world.rows(band, world.fold == inner)
            truth = targets[world.person[rows]]
            for number, values in enumerate(fit.read(rows, band, *STRENGTHS)):
                squares = np.nansum(world.weight[rows, None] * (values - truth) ** 2, axis=0)
                errors[outer, number] += np.add.reduceat(squares, starts[:-1])
    return STRENGTHS[errors.argmin(axis=1)]


def _decided(entry: _Factor, fit: _Fit, fitted: FloatMatrix, values: FloatMatrix) -> NDArray[np.float64]:
    """Readings (m, T) as one number or the position of one choice an image."""
    if entry.kind == NUMBER:
        return values[:, 0]
    labels = entry.values[fit.world.person[fit.rows]]
    known = ~np.isnan(labels)
    return nearest_class(fitted[known], labels[known].astype(int), len(entry.choices), values, fit.weights[known]).astype(float)


def _row(
    world: _World,
    factor: _Factor,
    own: list[tuple[_Factor, NDArray[np.float64]]],
    bands: tuple[int, int],
    draws: NDArray[np.int64],
) -> dict[str, Any]:
    """One row of the table from (series, readings) of a factor: as it is first, then shuffled."""
    means = [_by_person(world, entry, read, bands[1]) for entry, read in own]
    once = np.ones((1, len(world.fold)))
    scores = [_scores(entry, mean, once)[0] for (entry, _), mean in zip(own, means, strict=True)] or [np.nan]
    low, high = np.nanpercentile(_scores(own[0][0], means[0], draws), (2.5, 97.5)) if np.isfinite(scores[0]) else (np.nan, np.nan)
    chance = float(np.mean(scores[1:])) if len(scores) > 1 else np.nan
    shares = (np.array([scores[0], low, high]) - chance) / max(1 - chance, 1e-9)
    return {
        "factor": factor.name,
        "kind": factor.kind,
        "fitted_on": MODALITIES[bands[0]],
        "read_on": MODALITIES[bands[1]],
        "score": scores[0],
        "low": low,
        "high": high,
        "chance": chance,
        "chance_high": max(scores[1:], default=np.nan),
        **dict(zip(("share", "share_low", "share_high"), shares, strict=True)),
        "people": int(np.isfinite(means[0]).sum()) if means else int(factor.kept.sum()),
        "choices": len(factor.choices),
    }


def _by_person(world: _World, entry: _Factor, read: NDArray[np.float64], band: int) -> NDArray[np.float64]:
    """(P,) mean over a person's images of the squared error of a number, or of whether the choice was named; NaN where none counts."""
    rows = np.flatnonzero((world.band == band) & entry.kept[world.person])
    person, truth = world.person[rows], entry.values[world.person[rows]]
    judged = (read[rows] - truth) ** 2 if entry.kind == NUMBER else (read[rows] == truth).astype(float)
    images = np.bincount(person, minlength=len(entry.values))
    sums = np.bincount(person, weights=judged, minlength=len(entry.values))
    return np.where(images > 0, sums / np.maximum(images, 1), np.nan)


def _scores(entry: _Factor, means: NDArray[np.float64], weights: NDArray[Any]) -> NDArray[np.float64]:
    """R2 or balanced accuracy for every row of weights (R, P) of the people."""
    seen = np.isfinite(means)
    means, values, weights = means[seen], entry.values[seen], weights[:, seen]
    with np.errstate(divide="ignore", invalid="ignore"):
        if entry.kind == NUMBER:
            total = weights.sum(axis=1)
            spread = weights @ values**2 - (weights @ values) ** 2 / total
            return 1 - weights @ means / np.where(spread > 0, spread, np.nan)
        member = values[:, None] == np.arange(len(entry.choices))  # (P, K)
        recalls = (weights @ (means[:, None] * member)) / (weights @ member)  # (R, K); NaN for a choice that was not drawn
    drawn = np.isfinite(recalls)
    return np.where(drawn, recalls, 0).sum(axis=1) / np.where(drawn.any(axis=1), drawn.sum(axis=1), np.nan)
