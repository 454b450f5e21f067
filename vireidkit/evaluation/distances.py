"""Distances of a trial: from descriptors, from the means of tracklets, and after re-ranking."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import torch
from torch import Tensor
from torch.nn import functional as F

from vireidkit.evaluation.protocols import TestedDataset, Trial
from vireidkit.evaluation.reranking import ReRanking

if TYPE_CHECKING:
    from vireidkit.evaluation.features import Features

TRACKLETS_AT_ONCE = 256  # how many have their frames in memory in float64 at one time


def comparable(descriptors: Tensor, metric: str) -> Tensor:
    """Descriptors (N, D) as ``pair_distance`` takes them: float64, and of length 1 for "cosine" (a zero vector stays zero)."""
    return F.normalize(descriptors.double(), dim=1) if metric == "cosine" else descriptors.double()


def pair_distance(query: Tensor, gallery: Tensor, metric: str) -> Tensor:
    """Distances float64 (Q, G) of what ``comparable`` made: 1 - cosine, or Euclidean."""
    if metric == "cosine":
        return 1 - query @ gallery.T
    squared = (query**2).sum(1)[:, None] + (gallery**2).sum(1) - 2 * query @ gallery.T  # (Q, G)
    return squared.clamp_(min=0).sqrt_()


def descriptors(features: Features, rows: pd.DataFrame, frames: tuple[np.ndarray, ...] | None) -> Tensor:
    """One descriptor a row of one side of a trial, (N, D): the image's own, or (float64) the mean over the tracklet's frames.

    The mean is taken of the descriptors as extracted, before any is brought to length 1. Ours, for methods that see single images;
    published video methods pool inside the network.

    Raises:
        ValueError: a position is not in 0..N-1 of the features.
    """
    if frames is None:
        return features.at(rows.index)
    means = [_means(features, frames[start : start + TRACKLETS_AT_ONCE]) for start in range(0, len(frames), TRACKLETS_AT_ONCE)]
    return torch.cat(means) if means else features.matrix[:0].double()


def _means(features: Features, frames: tuple[np.ndarray, ...]) -> Tensor:
    """Mean descriptors of some tracklets, float64."""
    lengths = torch.tensor([len(own) for own in frames])
    owner = torch.arange(len(frames)).repeat_interleave(lengths)
    found = features.at(np.concatenate(frames)).double()  # (frames of all, D)
    return found.new_zeros(len(frames), found.shape[1]).index_add_(0, owner, found) / lengths[:, None]


class TrialDistances:
    """The distances of one trial after another, float64 (Q, G), after re-ranking if that is asked for.

    The queries' descriptors are kept from one trial to the next: most protocols draw only the gallery anew.
    """

    def __init__(self, features: Features, rerank: ReRanking | None = None) -> None:
        self.features, self.rerank = features, rerank
        self._asked: tuple[np.ndarray, Tensor] | None = None

    def __call__(self, trial: Trial) -> Tensor:
        query, gallery = self._query(trial), self._comparable(trial.gallery, trial.gallery_frames)
        if self.rerank is None:
            return pair_distance(query, gallery, self.features.metric)
        return self.rerank.distance(query, gallery)  # already of length 1 where the metric asks for it

    def _comparable(self, rows: pd.DataFrame, frames: tuple[np.ndarray, ...] | None) -> Tensor:
        return comparable(descriptors(self.features, rows, frames), self.features.metric)

    def _query(self, trial: Trial) -> Tensor:
        if trial.query_frames is not None:
            return self._comparable(trial.query, trial.query_frames)
        positions = trial.query.index.to_numpy()
        if self._asked is None or not np.array_equal(self._asked[0], positions):
            self._asked = positions, self._comparable(trial.query, None)
        return self._asked[1]


def trial_distance(features: Features, trial: Trial) -> Tensor:
    """Distances float64 (Q, G) of one trial, without re-ranking; the features are those of the whole split, in its order.

    Raises:
        ValueError: a position of the trial is not among the features.
    """
    return TrialDistances(features)(trial)


def rows_by_path(features: Features, dataset: TestedDataset, split: str) -> np.ndarray | None:
    """For every row of a split's table the row of the features, int64, -1 where they have none; None when they are all alike.

    Rows are found by ``path``. Features without paths must have the rows of the split, in its order.

    Raises:
        ValueError: the features are not those of this split: another length without paths, a path twice, or a row whose identity,
            camera or modality differs.
    """
    table, theirs = dataset.table(split), features.table
    named = "path" in theirs and "path" in table
    if not named and len(theirs) != len(table):
        raise ValueError(
            f"split {split!r} of {dataset.name!r} has {len(table)} images, the features {features.name!r} have {len(theirs)} and no paths"
        )
    if not named or (len(theirs) == len(table) and np.array_equal(theirs["path"].to_numpy(), table["path"].to_numpy())):
        where = None
    else:
        twice = theirs["path"][theirs["path"].duplicated()]
        if len(twice):
            raise ValueError(f"features {features.name!r} have {twice.iloc[0]!r} twice; a path must name one descriptor")
        where = pd.Index(theirs["path"]).get_indexer(table["path"])
    _check_alike(theirs, table, where, f"split {split!r} of {dataset.name!r}")
    return where


def _check_alike(theirs: pd.DataFrame, table: pd.DataFrame, where: np.ndarray | None, split: str) -> None:
    """Raise ValueError where the features' table says something else of an image than the split's table."""
    found = np.arange(len(table)) if where is None else np.flatnonzero(where >= 0)
    rows = found if where is None else where[found]
    for column in ("identity", "camera", "modality"):
        if column in theirs and column in table:
            differ = np.flatnonzero(theirs[column].to_numpy()[rows] != table[column].to_numpy()[found])
            if len(differ):
                here, there = theirs[column].iloc[rows[differ[0]]], table[column].iloc[found[differ[0]]]
                raise ValueError(f"the features' table is not {split}: row {found[differ[0]]} has {column} {here!r}, not {there!r}")


def placed(trial: Trial, where: np.ndarray | None) -> Trial:
    """The trial with positions in the features (``rows_by_path``) instead of positions in the split's table.

    Raises:
        KeyError: an image has no descriptor; its argument is the position of the first one in the split's table.
    """
    if where is None:
        return trial
    needed = trial.rows()
    lacking = needed[where[needed] < 0]
    if len(lacking):
        raise KeyError(int(lacking[0]))
    sides = {side: getattr(trial, side).set_axis(where[getattr(trial, side).index], axis=0) for side in ("query", "gallery")}
    frames = {f"{side}_frames": getattr(trial, f"{side}_frames") for side in sides}
    moved = {name: None if own is None else tuple(where[positions] for positions in own) for name, own in frames.items()}
    return replace(trial, **sides, **moved)
