"""DukeMTMC-VideoReID: tracklets of people in eight visible cameras, one folder a tracklet.

    <root>/{train,query,gallery}/<identity>/<tracklet>/0001_C6_F0099_X30823.jpg      or the older form 0001C6F0099X30823.jpg

The name tells identity, camera, frame of the tracklet and frame of the video. Identities of gallery alone are distractors, which only
answer. The data set was withdrawn by Duke University in 2019: the kit reads a copy that is there already. Layout and counts:
datasets.md 5. Grade: code; nobody here has seen the pictures.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset
from vireidkit.data.presence import check_root, counted_names, in_turn
from vireidkit.data.reading import SUFFIXES, entries_of, people_are, size_of, stray_note, table_of
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.tracklets import Count, Expected, compare, dataset_of, joined, rows_of
from vireidkit.errors import DatasetError

PARTS = {"train": "train", "query": "test", "gallery": "test"}  # folder: split
IDENTITY = re.compile("[0-9]{1,9}")
NAME = re.compile(
    rf"([0-9]{{1,9}})_?C([0-9]{{1,3}})_?F([0-9]{{1,9}})_?X([0-9]{{1,9}})(?:{'|'.join(map(re.escape, SUFFIXES))})", re.IGNORECASE
)
BELONGING = "identity folders, tracklet folders in them, and pictures named like 0001_C6_F0099_X30823.jpg"

_CAUSE = "tracklet folders are missing, incomplete copy"
DUKE = Expected(
    counts=(
        Count("train", identities=702, tracklets=2196, cause=_CAUSE),
        Count("test", identities=702, tracklets=702, role="query", cause=_CAUSE),
        Count("test", identities=1110, tracklets=2636, role="gallery", cause=_CAUSE),  # 702 and 408 distractors
    ),
    remedy="copy DukeMTMC-VideoReID again from where you have it",
)


@register_reader("dukemtmc-videoreid")
def read_duke_video(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read DukeMTMC-VideoReID (Wu et al., CVPR 2018): 702 identities in 2,196 tracklets for training, 702 others for testing.

    A tracklet is a folder, as in torchreid. ``dukemtmc-videoreid-merged`` joins tracklets as VKD does.

    Raises:
        DatasetError: see ``read_duke_video_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_duke_video_tree(_named(root, "dukemtmc-videoreid"), expected=DUKE, allow_partial=allow_partial)


@register_reader("dukemtmc-videoreid-merged")
def read_duke_video_merged(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read DukeMTMC-VideoReID with the tracklets of VKD (Porrello et al., ECCV 2020), whose numbers rest on them.

    VKD sorts the pictures of a part by path and cuts where identity or camera changes. So all tracklets of an identity in a camera
    become one: there are fewer than published. A data set of its own name, since its numbers compare with no one else's. Counts are
    checked before the tracklets are joined.

    Raises:
        DatasetError: see ``read_duke_video``.
    """
    return read_duke_video_tree(_named(root, "dukemtmc-videoreid-merged"), expected=DUKE, merged=True, allow_partial=allow_partial)


@register_survey("dukemtmc-videoreid")
def survey_duke_video(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a DukeMTMC-VideoReID folder for a report."""
    return survey_duke_video_tree(_named(root, "dukemtmc-videoreid"), expected=DUKE)


@register_survey("dukemtmc-videoreid-merged")
def survey_duke_video_merged(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a DukeMTMC-VideoReID folder for a report."""
    return survey_duke_video_tree(_named(root, "dukemtmc-videoreid-merged"), expected=DUKE, merged=True)


def _named(root: Path | None, name: str) -> Path:
    if root is None:
        raise DatasetError(
            f"{name} needs its folder, the one that holds train, query and gallery: Duke University withdrew the data set in 2019 "
            "and it can no longer be obtained; the kit reads a copy that you already have"
        )
    return root


def read_duke_video_tree(root: Path, *, expected: Expected, merged: bool = False, allow_partial: bool = False) -> Dataset:
    """Read a folder of this form and compare it with what is expected.

    With ``allow_partial`` other counts become notes, and a tracklet of two cameras takes that of its first frame.

    Raises:
        DatasetError: the root is no such folder or cannot be read; without ``allow_partial`` also every difference from ``expected``.
    """
    return dataset_of(
        survey_duke_video_tree(root, expected=expected, merged=merged),
        title=f"DukeMTMC-VideoReID{', merged tracklets' if merged else ''}",
        bands=("visible", "none"),
        protocols=("dukev-image2video", "dukev-video2video"),
        credit="Ristani et al., ECCV Workshops 2016; Wu et al., Exploit the Unknown Gradually, CVPR 2018; withdrawn by Duke University "
        "in 2019, for which reason many venues no longer accept results on it",
        allow_partial=allow_partial,
    )


def survey_duke_video_tree(root: Path, *, expected: Expected, merged: bool = False) -> Survey:
    """Everything that is there and everything that is wrong with it.

    Raises:
        DatasetError: the root is no such folder.
    """
    survey = Survey(f"dukemtmc-videoreid{'-merged' if merged else ''}", root, remedy=expected.remedy)
    check_root(root, survey.where, tuple(PARTS))
    scans = {}
    for part in PARTS:
        with survey.collecting():
            scans[part] = _scan(root, part, survey.where)
    before = 0
    tables: dict[str, list[pd.DataFrame]] = {"train": [], "test": []}
    for part, scan in scans.items():
        tables[PARTS[part]].append(_table(scan, part, before))
        before += len(scan.folders)
        survey.problems += scan.problems()
        survey.sizes |= scan.sizes
    survey.tables |= {split: joined(parts) for split, parts in tables.items() if parts}
    _check_identities(survey)
    if not survey.fatal:
        compare(survey, survey.tables, expected.counts)
    survey.warned += stray_note([path for scan in scans.values() for path in scan.strays], BELONGING)
    if merged:
        survey.tables |= {split: merge(survey.tables[split]) for split in tables}
    return survey


def _check_identities(survey: Survey) -> None:
    """Somebody is there, and nobody is both learnt and tested."""
    train, test = (set(survey.tables[split]["identity"].unique().tolist()) for split in ("train", "test"))
    if train & test:
        survey.fatal.append(f"{people_are(sorted(train & test))} in the folder train and in query or gallery")
    if not train and not test:
        survey.fatal.append("none of the folders holds a picture of the expected form")


# --- what lies in the folders ------------------------------------------------------------------------------------------------


@dataclass
class _Scan:
    """What one pass over a part found: rows are (path, folder number, identity, camera, frame)."""

    part: str
    missing: bool = False
    rows: list[tuple[str, int, int, int, int]] = field(default_factory=list)
    folders: list[str] = field(default_factory=list)  # of tracklets
    sizes: dict[str, int] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    empty: list[str] = field(default_factory=list)  # files without a byte
    foreign: list[str] = field(default_factory=list)  # pictures that are named after somebody else
    mixed: list[str] = field(default_factory=list)  # tracklets that more than one camera saw

    def problems(self) -> Iterator[str]:
        """What is wrong, one sentence each."""
        if self.missing:
            yield f"folder {self.part} is missing"
        bare = sorted(set(range(len(self.folders))) - {row[1] for row in self.rows})
        if bare:
            yield counted_names((self.folders[place] for place in bare), "tracklet folder") + " without a picture"
        if self.empty:
            yield counted_names(self.empty, "empty picture file")
        if self.foreign:
            yield counted_names(self.foreign, "picture") + ", named after another identity than the folder"
        if self.mixed:
            yield counted_names(self.mixed, "tracklet") + ", with pictures of more than one camera"


def _scan(root: Path, part: str, where: str) -> _Scan:
    """One pass over a part, its folders in the order of their names."""
    scan = _Scan(part)
    if not (root / part).is_dir():
        scan.missing = True
        return scan
    places: list[tuple[str, int]] = []
    for person in entries_of(root / part, where):
        if not IDENTITY.fullmatch(person.name) or not person.is_dir():
            scan.strays.append(f"{part}/{person.name}")
            continue
        for tracklet in entries_of(person.path, where):
            path = f"{part}/{person.name}/{tracklet.name}"
            if tracklet.is_dir() and not tracklet.name.startswith("."):
                places.append((path, int(person.name)))
            else:
                scan.strays.append(path)
    scan.folders = [path for path, _ in places]
    listings = in_turn(lambda place: _listing(root, place[0], where), places)
    for number, ((folder, identity), listing) in enumerate(zip(places, listings, strict=True)):
        _scan_tracklet(scan, number, folder, identity, listing)
    return scan


def _listing(root: Path, folder: str, where: str) -> list[tuple[str, int]]:
    """(name, bytes) of the files of one folder by name; -1 bytes for what cannot be a picture of the data set."""
    entries = entries_of(os.path.join(root, folder), where)
    return [(entry.name, -1 if entry.is_dir() or not NAME.fullmatch(entry.name) else size_of(entry, where)) for entry in entries]


def _scan_tracklet(scan: _Scan, number: int, folder: str, identity: int, listing: list[tuple[str, int]]) -> None:
    """Pictures of one tracklet."""
    cameras = set()
    for name, size in listing:
        path = f"{folder}/{name}"
        match = NAME.fullmatch(name)
        if match is None or size < 0:
            scan.strays.append(path)
        elif size == 0:
            scan.empty.append(path)
        elif int(match[1]) != identity:
            scan.foreign.append(path)
        else:
            cameras.add(int(match[2]))
            scan.rows.append((path, number, identity, int(match[2]), int(match[3])))
            scan.sizes[path] = size
    if len(cameras) > 1:
        scan.mixed.append(folder)


def _table(scan: _Scan, part: str, before: int) -> pd.DataFrame:
    """One row a picture. A tracklet has one camera, that of its first frame. ``before``: folders of the parts before this one."""
    role = None if part == "train" else part
    if not scan.rows:
        return rows_of([], identity=0, camera=0, modality="", tracklet=0, frame=0, role=role) if role else table_of([])
    path, number, identity, camera, frame = zip(*scan.rows, strict=True)
    cameras = pd.Series(camera).groupby(pd.Series(number)).transform("first").to_numpy()
    tracklet = np.array(number) + 1 + before
    return rows_of(path, identity=identity, camera=cameras, modality="visible", tracklet=tracklet, frame=frame, role=role)


def merge(table: pd.DataFrame) -> pd.DataFrame:
    """The table with successive tracklets of one identity, camera and role joined; ``frame`` becomes the position, from 1.

    A joined tracklet keeps the number of its first part.
    """
    keys = table[[name for name in ("identity", "camera", "role") if name in table.columns]]
    runs = (keys != keys.shift()).any(axis=1).cumsum()
    grouped = table.groupby(runs)
    return table.assign(tracklet=grouped["tracklet"].transform("first"), frame=grouped.cumcount() + 1)
