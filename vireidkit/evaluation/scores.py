"""Scores: features put through a protocol, averaged over its trials, never without the protocol's description."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from torch import Tensor

from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation.distances import TrialDistances, placed, rows_by_path, trial_distance
from vireidkit.evaluation.features import Features, random_features
from vireidkit.evaluation.metrics import rank_metrics
from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, get_protocol, sentence
from vireidkit.evaluation.reranking import ReRanking
from vireidkit.files import read_json, write_json

RANKS = (1, 5, 10, 20)
METRICS = ("rank1", "rank5", "rank10", "rank20", "map", "minp")
TITLES = {"rank1": "Rank-1", "rank5": "Rank-5", "rank10": "Rank-10", "rank20": "Rank-20", "map": "mAP", "minp": "mINP"}


@dataclass(frozen=True, eq=False)
class Scores:
    """What a protocol says of features.

    Attributes:
        trials: one row a trial: rank1 rank5 rank10 rank20 map minp as fractions 0-1, and valid_queries.
        protocol: everything that the numbers depend on besides the features, as JSON values: ``key``, ``query`` and ``gallery`` in
            words, ``sampler``, ``exclusion``, ``cmc`` and ``ap`` (their kinds), ``ties``, ``trials`` (how many), ``reranking`` (its
            parameters or None), ``metric``, ``dataset``, ``split``, and the counts of the first trial ``queries`` and
            ``gallery_images`` (``gallery_unit`` says when these are tracklets) with the mean over trials of ``valid_queries``.
    """

    trials: pd.DataFrame
    protocol: dict[str, Any]

    @property
    def mean(self) -> dict[str, float]:
        """Mean over the trials, all weighing the same; fractions 0-1."""
        return {metric: float(self.trials[metric].mean()) for metric in METRICS}

    @property
    def std(self) -> dict[str, float]:
        """Standard deviation of single trials (n - 1 in the divisor): the noise of the gallery's draw, not that of training.
        NaN for one trial.
        """
        return {metric: float(self.trials[metric].std(ddof=1)) for metric in METRICS}

    def row(self) -> dict[str, float]:
        """The columns of a ledger row: ``<key>_<metric>`` and ``<key>_<metric>_std``, fractions 0-1."""
        key, mean, std = self.protocol["key"], self.mean, self.std
        return {f"{key}_{metric}{end}": values[metric] for metric in METRICS for end, values in (("", mean), ("_std", std))}

    def __str__(self) -> str:
        mean, std = self.mean, self.std
        spread = {metric: "" if np.isnan(std[metric]) else f" ± {100 * std[metric]:.2f}" for metric in METRICS}
        numbers = "  ".join(f"{TITLES[metric]} {100 * mean[metric]:.2f}{spread[metric]}" for metric in METRICS)
        return f"{numbers}  (%, mean ± standard deviation of {len(self.trials)} trials)\n  {sentence(self.protocol)}"


def evaluate(
    features: Features, dataset: TestedDataset, protocol: Protocol | str, *, split: str = "test", rerank: ReRanking | None = None
) -> Scores:
    """Score the features of one split of a data set.

    Args:
        features: of the images of that split, found by their path; of those at least that the protocol needs (``Protocol.rows``).
        protocol: a protocol, or the name of one that needs no options.
        rerank: k-reciprocal re-ranking of every trial; None ranks by distance. Scores of re-ranked lists say so, and their key goes
            on with "-reranked": they use all queries at once, are much higher, and must never sit in one column with plain ones.

    Raises:
        SettingError: unknown protocol, the split lacks its images, or no query has a match in its gallery.
        ValueError: the features are not those of this split, or lack an image that the protocol needs.
    """
    protocol = get_protocol(protocol) if isinstance(protocol, str) else protocol
    where = rows_by_path(features, dataset, split)
    distances = TrialDistances(features, rerank)
    rows, counts = [], []
    for trial in protocol.trials(dataset, split):
        here = _placed(trial, where, features, dataset, split, protocol)
        rows.append(_scored(distances(here), here, protocol))
        counts.append((len(trial.query), len(trial.gallery)))
    trials = pd.DataFrame(rows)
    if not trials["valid_queries"].all():
        raise SettingError(f"protocol {protocol.key!r}: no query of split {split!r} of {dataset.name!r} has a match in its gallery")
    told = {
        **_described(protocol, rerank),
        "dataset": dataset.name,
        "split": split,
        "metric": features.metric,
        "queries": counts[0][0],
        "valid_queries": float(trials["valid_queries"].mean()),
        "gallery_images": counts[0][1],
    }
    return Scores(trials, told)


def _placed(trial: Trial, where: np.ndarray | None, features: Features, dataset: TestedDataset, split: str, protocol: Protocol) -> Trial:
    """The trial with positions in the features; ValueError names the first image that they lack."""
    try:
        return placed(trial, where)
    except KeyError as error:
        row = error.args[0]
        table = dataset.table(split)
        raise ValueError(
            f"split {split!r} of {dataset.name!r} has {len(table)} images, the features {features.name!r} have {len(features)} and lack "
            f"{table['path'].iloc[row]!r} (row {row}), which protocol {protocol.key!r} needs"
        ) from error


def _described(protocol: Protocol, rerank: ReRanking | None) -> dict[str, Any]:
    """The protocol's description, with the re-ranking in it and in its key."""
    told = protocol.describe()
    return told if rerank is None else {**told, "key": f"{told['key']}{rerank.suffix}", "reranking": rerank.describe()}


def score_trial(features: Features, trial: Trial, protocol: Protocol) -> dict[str, float]:
    """One trial's row: the metrics as fractions 0-1 and the number of valid queries. The features are those of the whole split."""
    return _scored(trial_distance(features, trial), trial, protocol)


def _scored(distance: Tensor, trial: Trial, protocol: Protocol) -> dict[str, float]:
    query, gallery = (rows["identity"].to_numpy() for rows in (trial.query, trial.gallery))
    found = rank_metrics(distance, query, gallery, excluded=trial.excluded, cmc=protocol.cmc, ap=protocol.ap, max_rank=max(RANKS))
    ranks = {f"rank{rank}": float(found.cmc[rank - 1]) for rank in RANKS}
    return {**ranks, "map": found.map, "minp": found.minp, "valid_queries": found.valid_queries}


def chance_scores(dataset: TestedDataset, protocol: Protocol | str, *, split: str = "test", seeds: int = 5, dim: int = 64) -> Scores:
    """What a ranking that knows nothing scores under a protocol: measured with ``random_features`` of several seeds, not derived.

    Normal random descriptors rank the gallery of a query in a uniformly random order. ``trials`` has one row a seed and trial,
    and a column ``seed``; the mean over all of them estimates the expectation.

    Raises:
        SettingError: as ``evaluate``, or ``seeds`` is below 1.
    """
    if seeds < 1:
        raise SettingError(f"chance needs at least 1 seed, found {seeds}")
    table = dataset.table(split)
    found = [evaluate(random_features(table, dim, seed), dataset, protocol, split=split) for seed in range(seeds)]
    trials = pd.concat([scores.trials.assign(seed=seed) for seed, scores in enumerate(found)], ignore_index=True)
    return Scores(trials, {**found[0].protocol, "features": f"random, {seeds} seeds"})


def write_scores(path: str | os.PathLike[str], scores: Mapping[str, Scores]) -> None:
    """Write scores.json, whole or not at all: per protocol the mean and standard deviation of every metric (fractions 0-1), the
    protocol's own description, and the values of every trial.
    """
    write_json(path, {"protocols": {key: _as_json(value) for key, value in scores.items()}})


def _as_json(scores: Scores) -> dict[str, Any]:
    mean, std = scores.mean, scores.std
    told = {metric: {"mean": mean[metric], "std": std[metric]} for metric in METRICS}
    return {**told, "protocol": scores.protocol, "trials": {name: column.tolist() for name, column in scores.trials.items()}}


def read_scores(path: str | os.PathLike[str]) -> dict[str, Scores]:
    """Read scores.json back.

    Raises:
        KitError: the file is missing, no JSON, or no scores.
    """
    stored = read_json(path, what="scores")
    try:
        return {key: _from_json(value) for key, value in stored["protocols"].items()}
    except (KeyError, TypeError, AttributeError, ValueError) as error:
        raise KitError(f"scores cannot be read: {path}: not what this kit writes ({type(error).__name__}: {error})") from error


def _from_json(value: Mapping[str, Any]) -> Scores:
    trials = pd.DataFrame(value["trials"])
    missing = {*METRICS, "valid_queries"} - set(trials.columns)
    if missing:
        raise ValueError(f"trials lack {', '.join(sorted(missing))}")
    return Scores(trials, {**value["protocol"], "key": value["protocol"]["key"]})
