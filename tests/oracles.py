"""Plain loops that a reader can check against the definitions: slow, and written without a look at the code they are compared with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np


class Ranked(NamedTuple):
    """What ``rank_loop`` finds: curve, and per query AP, INP, first hit (NaN and -1 without a match)."""

    cmc: np.ndarray
    ap: np.ndarray
    inp: np.ndarray
    first_hit: np.ndarray

    @property
    def map(self) -> float:
        return _mean(self.ap)

    @property
    def minp(self) -> float:
        return _mean(self.inp)


def _mean(values: np.ndarray) -> float:
    valid = [value for value in values.tolist() if not math.isnan(value)]
    return math.fsum(valid) / len(valid) if valid else math.nan


def rank_loop(
    distance: Any, query_ids: Sequence[Any], gallery_ids: Sequence[Any], excluded: Any, cmc: str, ap: str, max_rank: int
) -> Ranked:
    """The definitions of CMC, AP and INP, one query at a time.

    Sort by distance, equal ones in the order of the gallery; delete what is excluded; look where the matches stand.
    """
    curves, aps, inps, firsts = [], [], [], []
    for q, own in enumerate(query_ids):
        order = sorted(range(len(gallery_ids)), key=lambda g, q=q: (distance[q][g], g))
        ranked = [gallery_ids[g] for g in order if excluded is None or not excluded[q][g]]
        places = [place for place, identity in enumerate(ranked, start=1) if identity == own]
        if not places:
            aps.append(math.nan), inps.append(math.nan), firsts.append(-1)
            continue
        terms = []
        for j, place in enumerate(places, start=1):
            before = 1.0 if place == 1 else (j - 1) / (place - 1)
            terms.append(j / place if ap == "plain" else (before + j / place) / 2)
        aps.append(sum(terms) / len(places))
        inps.append(len(places) / places[-1])
        firsts.append(places[0])
        reduced = list(dict.fromkeys(ranked)) if cmc == "identity" else ranked
        rank = reduced.index(own) + 1
        curves.append([float(rank <= k) for k in range(1, max_rank + 1)])
    curve = np.mean(curves, axis=0) if curves else np.full(max_rank, np.nan)
    return Ranked(curve, np.array(aps), np.array(inps), np.array(firsts, dtype=int))


class Image(NamedTuple):
    """One image with its descriptor, as the two SYSU-MM01 evaluators below take them."""

    identity: int
    camera: int
    vector: np.ndarray


def sysu_ye(query: Sequence[Image], gallery: Sequence[Image], max_rank: int = 20) -> tuple[np.ndarray, float, float]:
    """The field's usual SYSU-MM01 evaluation, as described: rank by inner product of unit vectors; for a camera-3 query drop the
    camera-2 images; CMC over the list with only each identity's first entry; AP and INP over the whole list; a query without a match
    adds a row of zeros to the CMC, and the divisor counts the others. Returns CMC, mAP, mINP.
    """
    curve, aps, inps = np.zeros(max_rank), [], []
    unit = [image.vector / np.linalg.norm(image.vector) for image in gallery]
    for asking in query:
        own = asking.vector / np.linalg.norm(asking.vector)
        scores = [-float(own @ vector) for vector in unit]
        order = sorted(range(len(gallery)), key=lambda g, scores=scores: (scores[g], g))
        order = [g for g in order if not (asking.camera == 3 and gallery[g].camera == 2)]
        people: list[int] = []
        for g in order:
            if gallery[g].identity not in people:
                people.append(gallery[g].identity)
        hits = [place for place, g in enumerate(order, start=1) if gallery[g].identity == asking.identity]
        if not hits:
            continue
        for k in range(people.index(asking.identity), max_rank):
            curve[k] += 1
        aps.append(sum(j / place for j, place in enumerate(hits, start=1)) / len(hits))
        inps.append(len(hits) / hits[-1])
    return curve / len(aps), sum(aps) / len(aps), sum(inps) / len(inps)


LOCATION = {1: 1, 2: 2, 3: 2, 4: 4, 5: 5, 6: 6}


def sysu_off(query: Sequence[Image], gallery: Sequence[Image], max_rank: int = 20) -> tuple[np.ndarray, float]:
    """The data set authors' evaluation, as described: queries camera by camera, only those of identities in the gallery; rank by
    Euclidean distance; delete the gallery images of the query's own location (cameras 2 and 3 are one); CMC over distinct identities,
    AP over images. Returns CMC and mAP.
    """
    present = {image.identity for image in gallery}
    curve, aps = np.zeros(max_rank), []
    for camera in sorted({image.camera for image in query}):
        for asking in query:
            if asking.camera != camera or asking.identity not in present:
                continue
            answers = [image for image in gallery if LOCATION[image.camera] != LOCATION[asking.camera]]
            far = [math.sqrt(sum((asking.vector - image.vector) ** 2)) for image in answers]
            order = sorted(range(len(answers)), key=lambda g, far=far: (far[g], g))
            found, precision, others = 0, 0.0, set()
            for place, g in enumerate(order, start=1):
                if answers[g].identity == asking.identity:
                    found += 1
                    precision += found / place
                    if found == 1:
                        curve[len(others) :] += 1
                elif not found:
                    others.add(answers[g].identity)
            aps.append(precision / found)
    return curve / len(aps), sum(aps) / len(aps)


def chunk_frames(frames: int, chunks: int) -> list[int]:
    """The frames that stand for a tracklet: fill up with the last one to equal chunks of ceil(frames / chunks), first of each."""
    size = -(-frames // chunks)
    padded = list(range(frames)) + [frames - 1] * (size * chunks - frames)
    return [padded[start] for start in range(0, size * chunks, size)]


def sysu_distances(features: np.ndarray, query: np.ndarray, gallery: np.ndarray) -> Iterator[list[float]]:
    """Cosine distances of one query after another to the gallery, each from one vector product; rows are positions in features."""
    unit = [row / math.sqrt(row @ row) for row in features.astype(np.float64)]
    for q in query:
        yield [1 - float(unit[q] @ unit[g]) for g in gallery]


def rerank_rows(query: np.ndarray, gallery: np.ndarray, k1: int = 20, k2: int = 6, lambda_: float = 0.3) -> np.ndarray:
    """k-reciprocal re-ranking (datasets.md 8) row by row on whole matrices: what one writes at first, and needs (Q+G)^2 numbers for."""
    everyone = np.concatenate([query, gallery])
    squares = (everyone**2).sum(1)
    distance = squares[:, None] + squares - 2 * everyone @ everyone.T
    distance /= distance.max(1, keepdims=True)
    lists = np.argsort(distance, axis=1, kind="stable")

    def reciprocal(i: int, k: int) -> np.ndarray:
        ahead = lists[i, : k + 1]
        return ahead[(lists[ahead, : k + 1] == i).any(1)]

    weights = np.zeros_like(distance)
    for i in range(len(everyone)):
        own = reciprocal(i, k1)
        chosen = [own]
        for candidate in own:
            theirs = reciprocal(candidate, round(k1 / 2))
            if len(np.intersect1d(theirs, own)) > 2 / 3 * len(theirs):
                chosen.append(theirs)
        together = np.unique(np.concatenate(chosen))
        raw = np.exp(-distance[i, together])
        weights[i, together] = raw / raw.sum()
    if k2 > 1:
        weights = np.stack([weights[lists[i, :k2]].mean(0) for i in range(len(everyone))])
    users = [np.flatnonzero(weights[:, column]) for column in range(len(everyone))]
    found = np.empty((len(query), len(gallery)))
    for q in range(len(query)):
        shared = np.zeros(len(everyone))
        for column in np.flatnonzero(weights[q]):
            shared[users[column]] += np.minimum(weights[q, column], weights[users[column], column])
        shared = shared[len(query) :]
        found[q] = (1 - lambda_) * (1 - shared / (2 - shared)) + lambda_ * distance[q, len(query) :]
    return found
