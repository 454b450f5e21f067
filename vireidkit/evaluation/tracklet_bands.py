"""Protocols for any data set of tracklets in two bands: how much an image tells, and how much a tracklet, on the same people."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product

import numpy as np
import pandas as pd

from vireidkit.errors import SettingError
from vireidkit.evaluation.bands import SHORT
from vireidkit.evaluation.metrics import AP_KINDS
from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_choice, check_trials, register_protocol
from vireidkit.evaluation.sides import Tracklets, tracklets_of
from vireidkit.modality import MODALITIES

CHUNKS = 8
UNITS = {"image": "images", "video": "tracklets"}
WHOLE = f"{CHUNKS} a tracklet (the first of each of {CHUNKS} equal chunks, filled up with the last frame), mean descriptor"
ONE = f"one a tracklet (trial t: the first of the t-th of {CHUNKS} equal chunks)"


class TrackletBandProtocol(Protocol):
    """Every tracklet of a band asks, every tracklet of a band answers; a side of "image" shows one frame of each, one of "video" eight.

    Nothing else differs between the kinds: image2image, image2video, video2image and video2video have the same queries, the same
    gallery and the same exclusion, so the difference of their scores is what more frames are worth. Where a side shows single frames
    there are eight trials, one for each chunk's first frame. Within a band the query's own camera is removed, across bands nothing is
    (as ``WithinBand`` and ``CrossBand`` have it). Image CMC, plain AP. Ours; chunks as in VKD's protocols.
    """

    cmc = "image"

    def __init__(self, asks: str, answers: str, query: str, gallery: str, *, trials: int | None, ap: str) -> None:
        self.query, self.gallery = check_choice("query", query, tuple(UNITS)), check_choice("gallery", gallery, tuple(UNITS))
        self.asks, self.answers = check_choice("asks", asks, MODALITIES), check_choice("answers", answers, MODALITIES)
        self.ap = check_choice("ap", ap, AP_KINDS)
        most = CHUNKS if "image" in (query, gallery) else 1
        self.trial_count = most if trials is None else check_trials(trials, most)
        # Scores of another definition must not land in the same column.
        changed = ("" if ap == "plain" else "-trapezoid") + ("" if self.trial_count == most else f"-{self.trial_count}-trials")
        self.key = f"{_name(asks, answers, query, gallery)}{changed}"

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        frames = {"image": ONE, "video": WHOLE}
        alike = self.query == self.gallery
        told = frames[self.query] if alike else f"of queries {frames[self.query]}, of the gallery {frames[self.gallery]}"
        return {
            "query": f"all {self.asks} tracklets" + (", one frame each" if self.query == "image" else ""),
            "gallery": f"all {self.answers} tracklets" + (", one frame each" if self.gallery == "image" else ""),
            "sampler": "none (every tracklet)",
            "exclusion": f"gallery {UNITS[self.gallery]} of the query's own camera" if self.asks == self.answers else "nothing",
            "query_unit": UNITS[self.query],
            "gallery_unit": UNITS[self.gallery],
            "frames": told,
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        asking, answering = (
            tracklets_of(table[table["modality"] == band], f"{band} tracklets", self, dataset, split) for band in (self.asks, self.answers)
        )
        excluded = self._excluded(asking.table["camera"].to_numpy(), answering.table["camera"].to_numpy(), dataset, split)
        for number in range(self.trial_count):
            (query, own), (gallery, theirs) = (
                self._side(side, unit, number, table) for side, unit in ((asking, self.query), (answering, self.gallery))
            )
            yield Trial(query, gallery, excluded, number, own, theirs)

    def _excluded(self, asking: np.ndarray, answering: np.ndarray, dataset: TestedDataset, split: str) -> np.ndarray | None:
        """What is removed of tracklets of these cameras.

        Raises:
            SettingError: within a band of one camera that would be everything.
        """
        if self.asks != self.answers:
            return None
        if len(np.unique(asking)) == 1:
            raise SettingError(
                f"protocol {self.key!r} removes the query's own camera, but split {split!r} of {dataset.name!r} has {self.asks} "
                f"tracklets of only one, {asking[0]}; test across bands instead"
            )
        return asking[:, None] == answering[None, :]

    @staticmethod
    def _side(side: Tracklets, unit: str, number: int, table: pd.DataFrame) -> tuple[pd.DataFrame, tuple[np.ndarray, ...] | None]:
        """Rows of a side and their frames: of tracklets, or of the frames that a trial shows of them."""
        chunks = side.chunked(CHUNKS)
        return (side.table, chunks) if unit == "video" else (table.loc[[frames[number] for frames in chunks]], None)


def _name(asks: str, answers: str, query: str, gallery: str) -> str:
    """Such as "image2video-ir2vis" or "video2video-within-visible"."""
    return f"{query}2{gallery}-" + (f"within-{asks}" if asks == answers else f"{SHORT[asks]}2{SHORT[answers]}")


def _maker(asks: str, answers: str, query: str, gallery: str) -> Callable[..., TrackletBandProtocol]:
    def make(*, trials: int | None = None, ap: str = "plain") -> TrackletBandProtocol:
        return TrackletBandProtocol(asks, answers, query, gallery, trials=trials, ap=ap)

    make.__qualname__ = f"make_{query}2{gallery}_{asks}_{answers}"
    make.__doc__ = f"{asks.capitalize()} {UNITS[query]} ask, {answers} {UNITS[gallery]} answer."
    return make


for _chosen in product(MODALITIES, MODALITIES, UNITS, UNITS):
    register_protocol(_name(*_chosen))(_maker(*_chosen))
