"""Protocols of MARS, DukeMTMC-VideoReID and VeRi-776: an image or a tracklet asks, images or tracklets answer."""

from __future__ import annotations

import warnings
from collections.abc import Iterator

import numpy as np
import pandas as pd

from vireidkit.evaluation.market import SAME_PERSON_SAME_CAMERA
from vireidkit.evaluation.metrics import AP_KINDS
from vireidkit.evaluation.protocols import Protocol, TestedDataset, Trial, check_choice, check_images, register_protocol
from vireidkit.evaluation.sides import Tracklets, same_person_and_camera, tracklets_of, with_role

CHUNKS = 8
UNITS = {"image": "images", "video": "tracklets"}
FRAMES = f"{CHUNKS} a tracklet (the first of each of {CHUNKS} equal chunks, filled up with the last frame), mean descriptor"


class VideoProtocol(Protocol):
    """What the three data sets share: image CMC, trapezoid or plain AP, gallery entries of the own identity and camera removed.

    VKD, whose protocols these are, takes the trapezoid AP of the data sets' own Matlab code; torchreid the plain one, several points
    higher. With ``ap="plain"`` the key ends in "-plain-ap", so that the two never share a column.

    Source: Porrello et al., ECCV 2020, and the repository aimagelab/VKD. Grade: code.
    """

    cmc = "image"
    trial_count = 1

    def __init__(self, name: str, query: str, gallery: str, *, ap: str) -> None:
        self.query, self.gallery = query, gallery
        self.ap = check_choice("ap", ap, AP_KINDS)
        self.key = f"{name}-{query}2{gallery}{'' if ap == 'trapezoid' else '-plain-ap'}"

    def parts(self) -> dict[str, str]:
        """See ``Protocol.parts``."""
        units = {"query_unit": UNITS[self.query], "gallery_unit": UNITS[self.gallery]}
        return {
            "query": self.asking(),
            "gallery": self.answering(),
            "sampler": "none (all listed queries and the whole gallery)",
            "exclusion": SAME_PERSON_SAME_CAMERA.format(unit=UNITS[self.gallery]),
            **units,
            **({"frames": FRAMES} if "video" in (self.query, self.gallery) else {}),
        }

    def asking(self) -> str:
        """The queries in words."""
        return "all listed query tracklets" if self.query == "video" else "the first frames of all listed query tracklets"

    def answering(self) -> str:
        """The gallery in words."""
        return "all listed gallery tracklets"

    def trial(self, query: Tracklets | pd.DataFrame, gallery: Tracklets | pd.DataFrame) -> Trial:
        """The one trial, of images (tables) and tracklets."""
        tables = [side.table if isinstance(side, Tracklets) else side for side in (query, gallery)]
        frames = [side.chunked(CHUNKS) if isinstance(side, Tracklets) else None for side in (query, gallery)]
        return Trial(*tables, same_person_and_camera(*tables), 0, *frames)


class TrackletProtocol(VideoProtocol):
    """MARS and DukeMTMC-VideoReID: the queries are tracklets, of which image-to-video takes the first frame.

    140 of the 1,980 queries of MARS have no match among the other gallery tracklets, so the official evaluation puts the queries back
    into the gallery; the rule on cameras keeps a query from finding itself. torchreid leaves them out, and drops those 140:
    ``queries_in_gallery=False``, and the key ends in "-without-queries". DukeMTMC-VideoReID's gallery is complete as listed.
    """

    def __init__(self, name: str, query: str, *, ap: str, queries_in_gallery: bool | None = None) -> None:
        super().__init__(name, query, "video", ap=ap)
        if queries_in_gallery is not None:
            check_choice("queries_in_gallery", queries_in_gallery, (True, False))
        self.queries_in_gallery = bool(queries_in_gallery)
        self.key += "-without-queries" if queries_in_gallery is False else ""

    def answering(self) -> str:
        return "all listed gallery tracklets, then all query tracklets" if self.queries_in_gallery else super().answering()

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        asking, answering = (
            tracklets_of(with_role(table, role, self, dataset, split), f"{role} tracklets", self, dataset, split)
            for role in ("query", "gallery")
        )
        if self.queries_in_gallery:
            alone = asking.chosen(np.flatnonzero(asking.table["role"].to_numpy() == "query"))  # of role "both": already there
            answering = answering.followed_by(alone)
        yield self.trial(asking if self.query == "video" else asking.table, answering)


class VeriProtocol(VideoProtocol):
    """VeRi-776: the queries are images. As a tracklet, a query is the first test track of its identity and camera; a query that has
    none is dropped with a warning. The gallery is all test tracks, or all of their frames.
    """

    def __init__(self, query: str, gallery: str, *, ap: str) -> None:
        super().__init__("veri", query, gallery, ap=ap)

    def asking(self) -> str:
        image = "all listed query images"
        return image if self.query == "image" else f"{image}, each as the first test track of its identity and camera"

    def answering(self) -> str:
        return "all test tracks" if self.gallery == "video" else "all frames of all test tracks"

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``."""
        table = dataset.table(split)
        images = with_role(table, "query", self, dataset, split)
        answering = with_role(table, "gallery", self, dataset, split)
        tracks = tracklets_of(answering, "test tracks", self, dataset, split)
        query = images if self.query == "image" else self._tracks_of(images, tracks)
        check_images(query if self.query == "image" else query.table, "test tracks of the queries", self, dataset, split)
        yield self.trial(query, tracks if self.gallery == "video" else table.loc[tracks.frames])

    def _tracks_of(self, images: pd.DataFrame, tracks: Tracklets) -> Tracklets:
        """The first track of every image's identity and camera, in the order of the images."""
        place: dict[tuple[int, int], int] = {}
        for number, key in enumerate(zip(tracks.table["identity"], tracks.table["camera"], strict=True)):
            place.setdefault(key, number)
        keys = list(zip(images["identity"], images["camera"], strict=True))
        lacking = [path for path, key in zip(images["path"], keys, strict=True) if key not in place]
        if lacking:
            message = f"protocol {self.key!r} drops {len(lacking)} of {len(images)} queries: no test track of the identity and camera of"
            warnings.warn(f"{message} {lacking[0]}", stacklevel=2)
        return tracks.chosen(np.array([place[key] for key in keys if key in place], dtype=np.int64))


@register_protocol("mars-image2video")
def mars_image2video(*, ap: str = "trapezoid", queries_in_gallery: bool = True) -> TrackletProtocol:
    """MARS, one frame asks."""
    return TrackletProtocol("mars", "image", ap=ap, queries_in_gallery=queries_in_gallery)


@register_protocol("mars-video2video")
def mars_video2video(*, ap: str = "trapezoid", queries_in_gallery: bool = True) -> TrackletProtocol:
    """MARS, a tracklet asks."""
    return TrackletProtocol("mars", "video", ap=ap, queries_in_gallery=queries_in_gallery)


@register_protocol("dukev-image2video")
def dukev_image2video(*, ap: str = "trapezoid") -> TrackletProtocol:
    """DukeMTMC-VideoReID, one frame asks."""
    return TrackletProtocol("dukev", "image", ap=ap)


@register_protocol("dukev-video2video")
def dukev_video2video(*, ap: str = "trapezoid") -> TrackletProtocol:
    """DukeMTMC-VideoReID, a tracklet asks."""
    return TrackletProtocol("dukev", "video", ap=ap)


@register_protocol("veri-image2image")
def veri_image2image(*, ap: str = "trapezoid") -> VeriProtocol:
    """VeRi-776, an image asks, images answer."""
    return VeriProtocol("image", "image", ap=ap)


@register_protocol("veri-image2video")
def veri_image2video(*, ap: str = "trapezoid") -> VeriProtocol:
    """VeRi-776, an image asks, tracks answer."""
    return VeriProtocol("image", "video", ap=ap)


@register_protocol("veri-video2image")
def veri_video2image(*, ap: str = "trapezoid") -> VeriProtocol:
    """VeRi-776, a track asks, images answer."""
    return VeriProtocol("video", "image", ap=ap)


@register_protocol("veri-video2video")
def veri_video2video(*, ap: str = "trapezoid") -> VeriProtocol:
    """VeRi-776, a track asks, tracks answer."""
    return VeriProtocol("video", "video", ap=ap)
