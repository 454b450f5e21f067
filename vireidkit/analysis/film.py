"""What more frames are worth: the same search with 1, 2, 4 or 8 frames a tracklet, and how much of a frame's noise their mean loses."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from vireidkit.evaluation import get_protocol, rank_metrics
from vireidkit.evaluation.distances import comparable, placed, rows_by_path, trial_distance
from vireidkit.evaluation.sides import Tracklets
from vireidkit.randomness import numpy_generator

FILM = "video2video"
METRICS = ("rank1", "map")


def film_searches(protocols: Iterable[str]) -> dict[str, str]:
    """Of a data set's protocols those in which tracklets ask and tracklets answer: short name -> key, such as "ir2vis" ->
    "video2video-ir2vis" or "mars" -> "mars-video2video".
    """
    return {key.replace(FILM, "").strip("-"): key for key in protocols if FILM in key}


def chunk_frames(length: int, chunks: int = 8) -> list[int]:
    """The frames that stand for a tracklet of ``length`` frames at test: the first of each chunk (see ``Tracklets.chunked``)."""
    one = Tracklets(pd.DataFrame({"identity": [0]}), np.arange(length), np.array([0, length]))
    return one.chunked(chunks)[0].tolist()


def thinned(trial: Any, query: int, gallery: int, number: int = 0) -> Any:
    """A trial of tracklets in which each query is known by ``query`` of its frames, and each answer by ``gallery`` of them.

    The frames are as far apart as they can be: of 8, two are t and t + 4. ``number`` says which: 0 begins with the first frame.

    Raises:
        ValueError: the trial compares no tracklets, or their frames do not fall into such parts.
    """
    sides = {}
    for side, count in (("query_frames", query), ("gallery_frames", gallery)):
        frames = getattr(trial, side)
        if frames is None:
            raise ValueError("only a trial of tracklets on both sides can be thinned")
        total = len(frames[0])
        if not 1 <= count <= total or total % count:
            raise ValueError(f"{total} frames can be thinned to one of their divisors, found {count}")
        step = total // count
        sides[side] = tuple(own[number % step :: step] for own in frames)
    return replace(trial, number=number, **sides)


def film_trials(features: Any, dataset: Any, protocol: str, *, split: str = "test") -> list[Any]:
    """The trials of a protocol of tracklets, with positions in the features, which need to hold its frames only.

    Raises:
        ValueError: the features lack a frame.
    """
    where = rows_by_path(features, dataset, split)
    try:
        return [placed(trial, where) for trial in get_protocol(protocol).trials(dataset, split)]
    except KeyError as error:
        path = dataset.table(split)["path"].iloc[error.args[0]]
        raise ValueError(f"the features {features.name!r} lack {path}, which protocol {protocol!r} needs") from error


def film_queries(
    features: Any, dataset: Any, protocol: str, query: int, gallery: int, *, split: str = "test", camera_rule: bool = True
) -> pd.DataFrame:
    """How every tracklet is found, by so many of its frames, among tracklets known by so many of theirs.

    There are as many draws as it takes for each frame to have its turn (8 for one frame of 8, 1 for all of them). On data with two
    bands the pairs (1, 1), (1, 8) and (8, 8) are the protocols image2image, image2video and video2video.

    Args:
        camera_rule: False removes nothing, so that a query may find its own tracklet: a leak, to be looked at.

    Returns:
        One row for each query with a match: ``row`` (of the features), ``identity``, and ``rank1`` and ``map``, the share of draws
        in which it is found first and its mean average precision, of the protocol's kind.
    """
    drawn = []
    for trial in film_trials(features, dataset, protocol, split=split):
        trial = trial if camera_rule else replace(trial, excluded=None)
        draws = max(len(trial.query_frames[0]) // query, len(trial.gallery_frames[0]) // gallery)
        drawn += [thinned(trial, query, gallery, number) for number in range(draws)]
    return _by_query(features, drawn, get_protocol(protocol))


def _by_query(features: Any, trials: Iterable[Any], rules: Any) -> pd.DataFrame:
    """The scores of every query with a match, averaged over the trials."""
    found = []
    for trial in trials:
        people = [side["identity"].to_numpy() for side in (trial.query, trial.gallery)]
        ranks = rank_metrics(trial_distance(features, trial), *people, excluded=trial.excluded, cmc=rules.cmc, ap=rules.ap)
        known = {"row": trial.query.index, "identity": people[0], "rank1": ranks.rank == 1, "map": ranks.ap}
        found.append(pd.DataFrame(known)[ranks.first_hit > 0])
    rows = pd.concat(found).astype({"rank1": float})
    return rows.groupby(["row", "identity"], sort=False, as_index=False)[list(METRICS)].mean()


def over_people(values: NDArray[np.float64], people: NDArray[Any], *, resamples: int = 2000, seed: int = 0) -> tuple[float, float, float]:
    """The mean of one value a query, and the ends of its 95 % percentile interval, people resampled with all of their queries."""
    names, code = np.unique(people, return_inverse=True)
    sums, counts = (np.bincount(code, weights=weights, minlength=len(names)) for weights in (values, np.ones(len(values))))
    if len(names) < 2:
        return float(values.mean()), math.nan, math.nan
    drawn = numpy_generator(seed, "film people").multinomial(len(names), np.full(len(names), 1 / len(names)), size=resamples)
    low, high = np.quantile((drawn @ sums) / (drawn @ counts), [0.025, 0.975])
    return float(values.mean()), float(low), float(high)


def film_sweep(
    features: Any,
    dataset: Any,
    searches: Mapping[str, str],
    pairs: Sequence[tuple[int, int]],
    *,
    split: str = "test",
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """The same searches with different numbers of frames.

    Args:
        searches: name -> protocol of tracklets on both sides (``film_searches``). pairs: (frames of the query, frames of the gallery).

    Returns:
        One row for each search, pair and metric ("rank1", "map"): ``search, query, gallery, metric, queries, people, value, low, high``
        (fractions; 95 % percentile interval, people resampled), and ``gain, gain_low, gain_high`` over the first pair, query by query.
    """
    rows = []
    for search, protocol in searches.items():
        first = None
        for query, gallery in pairs:
            found = film_queries(features, dataset, protocol, query, gallery, split=split)
            first = found if first is None else first
            about = {"search": search, "query": query, "gallery": gallery}
            rows += [about | row for row in _measured(found, first, resamples, seed)]
    return pd.DataFrame(rows)


def camera_sweep(
    features: Any,
    dataset: Any,
    searches: Mapping[str, str],
    pairs: Sequence[tuple[int, int]] = ((1, 1), (1, 8), (2, 2), (2, 8)),
    *,
    split: str = "test",
    resamples: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """One frame asks, people answer: each is known by the mean of some frames, of one tracklet or of several.

    Only searches that remove nothing can be asked (across bands), and only people with so many tracklets answer. All frames and all
    tracklets have their turn.

    Args:
        pairs: (tracklets, frames in all), such as (2, 8) for four frames of each of two.

    Returns:
        As ``film_sweep``, with ``cameras`` and ``frames`` in place of ``query`` and ``gallery``. No row where no search fits.
    """
    rows = []
    for search, protocol in searches.items():
        rules, first = get_protocol(protocol), None
        trials = [trial for trial in film_trials(features, dataset, protocol, split=split) if trial.excluded is None]
        for count, frames in pairs if trials else ():
            turns = len(trials[0].gallery_frames[0])
            drawn = [_people_answer(trial, count, max(pairs)[0], frames, turn) for trial in trials for turn in range(turns)]
            found = _by_query(features, drawn, rules)
            first = found if first is None else first
            rows += [{"search": search, "cameras": count, "frames": frames} | row for row in _measured(found, first, resamples, seed)]
    return pd.DataFrame(rows)


def _people_answer(trial: Any, cameras: int, most: int, frames: int, turn: int) -> Any:
    """A trial with one answer a person: the mean of ``frames`` frames of ``cameras`` tracklets; and one frame a query."""
    known: dict[int, list[int]] = {}
    for place, one in enumerate(trial.gallery["identity"]):
        known.setdefault(one, []).append(place)
    kept = [places for places in known.values() if len(places) >= most]
    step = len(trial.gallery_frames[0]) * cameras // frames
    answers = tuple(
        np.concatenate([trial.gallery_frames[places[(turn + shift) % len(places)]][turn % step :: step] for shift in range(cameras)])
        for places in kept
    )
    query = tuple(own[[turn % len(own)]] for own in trial.query_frames)
    gallery = trial.gallery.iloc[[places[0] for places in kept]]
    return replace(trial, gallery=gallery, query_frames=query, gallery_frames=answers, number=turn)


def _measured(found: pd.DataFrame, first: pd.DataFrame, resamples: int, seed: int) -> list[dict[str, Any]]:
    """Each metric with its interval, and its gain over ``first``, query by query."""
    rows, people = [], found["identity"].to_numpy()
    for metric in METRICS:
        values = found[metric].to_numpy()
        both = (values, values - first[metric].to_numpy())
        own, gain = (over_people(numbers, people, resamples=resamples, seed=seed) for numbers in both)
        ends = dict(zip(("value", "low", "high", "gain", "gain_low", "gain_high"), (*own, *gain), strict=True))
        rows.append({"metric": metric, "queries": len(found), "people": len(np.unique(people)), **ends})
    return rows


def frame_noise(
    features: Any, dataset: Any, searches: Mapping[str, str], counts: Sequence[int] = (1, 2, 4, 8), *, split: str = "test"
) -> pd.DataFrame:
    """How far tracklets of one person lie apart when each is known by the mean of n of its frames.

    Descriptors have length 1 where the metric is cosine. Within each person and modality, over the means m_t of n frames of the k
    tracklets t (usually one a camera), with m their mean,

        S_n = sum_t |m_t - m|^2 / (k - 1),   in expectation  C + F / n

    where F is the variance of a frame around its tracklet (measured inside tracklets, with the number of frames less 1) and C what all
    frames of a tracklet share: their camera, their pose. If frames were independent, C were 0 and S_n = S_1 / n. The correlation of two
    frames of a tracklet is C / (C + F), and n frames count as S_1 / S_n independent ones.

    Args:
        searches: name -> protocol of tracklets on both sides: all tracklets of the people who are asked for in one of them.

    Returns:
        One row for each n: ``frames, spread`` (S_n), ``independent`` (S_1 / n), ``expected`` (C + F / n), ``counts_as``; and, the same in
        all rows, ``inside`` (F), ``shared`` (C = S_1 - F), ``correlation``, ``groups`` (people in a modality, with two tracklets or more).
        NaN where there is no such group, or no tracklet of two frames. Where tracklets are shorter than n, frames repeat.
    """
    table, rows = _tracklets(features, dataset, searches, split)
    vectors = comparable(features.at(rows.reshape(-1)), features.metric).unflatten(0, rows.shape)  # (tracklets, N, D)
    group = pd.factorize(pd.MultiIndex.from_frame(table[["identity", "modality"]]))[0]
    several = [members for members in (np.flatnonzero(group == one) for one in range(group.max() + 1)) if len(members) > 1]
    inside = _inside(vectors, rows)
    spread = np.array([_between(vectors, several, count) for count in counts])
    alone = _between(vectors, several, 1)
    found = pd.DataFrame({"frames": list(counts), "spread": spread, "independent": alone / np.array(counts)})
    found["expected"] = alone - inside + inside / found["frames"]
    found["counts_as"] = alone / found["spread"]
    return found.assign(inside=inside, shared=alone - inside, correlation=1 - inside / alone, groups=len(several))


def _inside(vectors: torch.Tensor, rows: NDArray[np.int64]) -> float:
    """F over all tracklets, a frame that stands for several of them counted once; NaN where no tracklet has two."""
    sums, weight = 0.0, 0
    for own, places in zip(vectors, rows, strict=True):
        single = own[np.unique(places, return_index=True)[1]]
        sums += float((single - single.mean(dim=0)).square().sum())
        weight += len(single) - 1
    return sums / weight if weight else math.nan


def _tracklets(features: Any, dataset: Any, searches: Mapping[str, str], split: str) -> tuple[pd.DataFrame, NDArray[np.int64]]:
    """Every tracklet of the people who are asked for, once: one row a tracklet, and the positions of its frames."""
    tables, frames = [], []
    for protocol in searches.values():
        for trial in film_trials(features, dataset, protocol, split=split):
            for rows, own in ((trial.query, trial.query_frames), (trial.gallery, trial.gallery_frames)):
                asked = rows["identity"].isin(trial.query["identity"]).to_numpy()
                tables.append(rows[asked])
                frames += [one for one, kept in zip(own, asked, strict=True) if kept]
    table, known = pd.concat(tables), np.stack(frames)
    once = ~table.index.duplicated()
    return table[once], known[once]


def _between(vectors: torch.Tensor, several: Sequence[NDArray[np.int64]], count: int) -> float:
    """S_n over all people and all draws of ``count`` frames as far apart as can be; NaN where nobody has two tracklets."""
    step = vectors.shape[1] // count
    sums, weight = 0.0, 0
    for number in range(step):
        means = vectors[:, number::step].mean(dim=1)  # (tracklets, D)
        for members in several:
            own = means[members]
            sums += float((own - own.mean(dim=0)).square().sum())
            weight += len(members) - 1
    return sums / weight if weight else math.nan
