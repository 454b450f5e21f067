"""HITSZ-VCM: tracklets of people, visible and infrared, in twelve cameras that record both.

    <root>/<4-digit identity>/{rgb,ir}/D<camera>/<file>.jpg                     or below <root>/Train and <root>/Test
    <root>/info/train_name.txt  test_name.txt                                   or both in <root>: a name such as 0001M1D2T1F6.jpg a line
    <root>/info/track_train_info.txt  track_test_info.txt                       modality (1 = infrared), first line, last, identity, camera
    <root>/info/query_IDX.txt                                                   rows of the test table that ask

A name encodes a path: identity, modality (M1 = ir), camera folder from D up to T, tracklet, and after F the file. Layout and counts:
datasets.md 6.1; counts of one split as a comment of the public M3-ReID code tells them, which add up to the published ones.
Grade: code; nobody here has seen the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset
from vireidkit.data.namelists import TRACK_COLUMNS, Cut, Sources, check_agreement, check_lines, cut, query_rows
from vireidkit.data.presence import check_root
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.tracklets import Count, Expected, check_twice, compare, dataset_of, look_at_files, read_numbered, rows_of
from vireidkit.errors import DatasetError

NAME = re.compile(r"([0-9]{4})[^0-9DTF/\\]([0-9]{1,2})[^0-9DTF/\\]*(D([0-9]{1,4})[^T/\\]*)T([^F/\\]*)F([^/\\]*?([0-9]{0,12})\.[A-Za-z]+)")
FIELDS = {"identity": 0, "modality": 1, "folder": 2, "camera": 3, "file": 5, "frame": 6}  # groups of NAME
FORM = "'0001M1D2T1F6.jpg'"
INFRARED = 1
FOLDERS = {"train": "Train", "test": "Test"}
MISSING = "info is a download of its own, named in github.com/VCM-project233/HITSZ-VCM-data"

VCM = Expected(
    counts=(
        Count("train", identities=500, tracklets=11061, images=232496),
        Count("test", identities=427, tracklets=10802, images=230763),
        Count("test", tracklets=5159, role="query", cause="query_IDX.txt is truncated or edited"),
        Count("", tracklets=11785, images=251452, modality="visible"),
        Count("", tracklets=10078, images=211807, modality="infrared"),
    ),
    remedy="unpack HITSZ-VCM again",
)


@register_reader("hitsz-vcm")
def read_vcm(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read HITSZ-VCM (Lin et al., CVPR 2022): 927 identities (500 / 427) in 21,863 tracklets, visible and infrared.

    Role "query" are the rows that query_IDX.txt lists, which are the infrared ones; all others are "gallery". ``camera`` is the
    same number in both modalities. Short tracklets stay: the protocols drop those of fewer than 12 frames.

    Raises:
        DatasetError: see ``read_vcm_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_vcm_tree(_named(root), expected=VCM, allow_partial=allow_partial)


@register_survey("hitsz-vcm")
def survey_vcm(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a HITSZ-VCM folder for a report."""
    return survey_vcm_tree(_named(root), expected=VCM)


def _named(root: Path | None) -> Path:
    if root is None:
        raise DatasetError(
            "hitsz-vcm needs its folder, the one that holds the identity folders (or Train and Test) and info: it cannot be shipped; "
            "github.com/VCM-project233/HITSZ-VCM-data names where its authors offer it"
        )
    return root


def read_vcm_tree(root: Path, *, expected: Expected, allow_partial: bool = False) -> Dataset:
    """Read a folder of one of the three forms and compare its tables with what is expected.

    The forms: identity folders and info/ in the root; the five list files in the root itself; Train/ and Test/ around the identity
    folders. With ``allow_partial`` missing pictures and other counts become notes.

    Raises:
        DatasetError: the root or a list is missing, unreadable or inconsistent with the others; without ``allow_partial`` also every
            difference from ``expected`` and every missing or empty picture.
    """
    return dataset_of(
        survey_vcm_tree(root, expected=expected),
        title="HITSZ-VCM",
        bands=("visible", "infrared"),
        protocols=("vcm-ir2vis", "vcm-vis2ir", "ir2vis", "vis2ir"),
        credit="Lin et al., Learning Modal-Invariant and Temporal-Memory for Video-based Visible-Infrared Person Re-Identification, "
        "CVPR 2022; academic use, no redistribution",
        allow_partial=allow_partial,
    )


def survey_vcm_tree(root: Path, *, expected: Expected) -> Survey:
    """Everything that is there and everything that is wrong with it.

    Raises:
        DatasetError: the root is no such folder.
    """
    survey = Survey("hitsz-vcm", root, remedy=expected.remedy)
    check_root(root, survey.where, ("info", *FOLDERS.values(), "train_name.txt"))
    tables: dict[str, pd.DataFrame] = {}
    before = 0
    for split in FOLDERS:
        with survey.collecting():
            tracks = _read_tracks(root, split, survey.where)
            tables[split] = _table(survey, split, tracks, before)
            before = int(tracks.index.max())
    compare(survey, tables, expected.counts)
    look_at_files(survey, tables)
    return survey


def _info(root: Path, name: str) -> str:
    """Path of a list file: in info/, or in the root."""
    return f"info/{name}" if (root / "info").is_dir() else name


def _home(root: Path, split: str) -> str:
    """What paths of a split begin with."""
    return f"{FOLDERS[split]}/" if any((root / folder).is_dir() for folder in FOLDERS.values()) else ""


def _sources(root: Path, split: str) -> Sources:
    return Sources(_info(root, f"{split}_name.txt"), _info(root, f"track_{split}_info.txt"), FORM, NAME)


def _table(survey: Survey, split: str, tracks: pd.DataFrame, before: int) -> pd.DataFrame:
    """One row a picture. ``before``: tracklets of the splits before this one."""
    root, where = survey.root, survey.where
    sources = _sources(root, split)
    names = read_numbered(root / sources.names, f"list {sources.names}", where, missing=MISSING)
    check_lines(tracks, names, sources, where)
    if split == "test":
        with survey.collecting():  # without its roles the table still tells which pictures there should be
            rows = _read_query(root, where)
            tracks = tracks.assign(role=query_rows(rows, tracks, _info(root, "query_IDX.txt"), sources, where))
    pictures = cut(names, tracks, sources, where)
    check_agreement(pictures, tracks, FIELDS["identity"], "identity", sources, where)
    _check_modality(pictures, tracks, sources, where)
    owner = pictures.tracks
    table = rows_of(
        _paths(pictures, _home(root, split)),
        identity=tracks["identity"].to_numpy()[owner],
        camera=tracks["camera"].to_numpy()[owner],
        modality=tracks["modality"].to_numpy()[owner],
        tracklet=tracks.index.to_numpy()[owner] + before,
        frame=[int(number) if number else -1 for number in pictures.fields[:, FIELDS["frame"]]],
        role=tracks["role"].to_numpy()[owner] if "role" in tracks.columns else None,
    )
    check_twice(table, sources.names, where)
    survey.notes += _oddities(pictures, tracks, sources)
    return table


def _paths(pictures: Cut, home: str) -> list[str]:
    """Paths that the names encode."""
    identity, modality, folder, file = (pictures.fields[:, FIELDS[name]] for name in ("identity", "modality", "folder", "file"))
    bands = np.where(modality.astype("int64") == INFRARED, "ir", "rgb")
    return [f"{home}{one}/{band}/{two}/{name}" for one, band, two, name in zip(identity, bands.tolist(), folder, file, strict=True)]


def _check_modality(pictures: Cut, tracks: pd.DataFrame, sources: Sources, where: str) -> None:
    """Names and table agree on what is infrared."""
    named = np.where(pictures.fields[:, FIELDS["modality"]].astype("int64") == INFRARED, "infrared", "visible")
    told = tracks["modality"].to_numpy()[pictures.tracks]
    wrong = np.flatnonzero(named != told)
    if len(wrong):
        place = wrong[0]
        raise DatasetError(
            f"{where}: line {pictures.lines[place]} of {sources.names} is {named[place]}, row {tracks.index[pictures.tracks[place]]} of "
            f"{sources.tracks} says {told[place]}; the two files do not belong together"
        )


def _oddities(pictures: Cut, tracks: pd.DataFrame, sources: Sources) -> Iterator[str]:
    """What the reference code lives with, and a user should know."""
    named = pictures.fields[:, FIELDS["camera"]].astype("int64")
    wrong = np.unique(pictures.tracks[named != tracks["camera"].to_numpy()[pictures.tracks]])
    if len(wrong):
        rows = f"{len(wrong)} row{'s' if len(wrong) > 1 else ''} with another camera than {sources.names}"
        yield f"{sources.tracks}: {rows}, first row {tracks.index[wrong[0]]}; the table holds"
    if "role" in tracks.columns:
        asking = tracks[tracks["role"] == "query"]
        visible = asking.index[asking["modality"] == "visible"]
        if len(visible):
            yield f"{len(visible)} of {len(asking)} query tracklets are visible, first row {visible[0]}; published ones are infrared"


# --- the tables --------------------------------------------------------------------------------------------------------------


def _read_tracks(root: Path, split: str, where: str) -> pd.DataFrame:
    """The track table of a split; the index is the row, from 1."""
    file = _sources(root, split).tracks
    rows = []
    for number, line in enumerate(read_numbered(root / file, f"table {file}", where, missing=MISSING), 1):
        words = line.split()
        if len(words) != 5 or not all(re.fullmatch("[0-9]{1,9}", word) for word in words):
            wanted = "five whole numbers: modality, first line, last line, identity, camera"
            raise DatasetError(f"{where}: line {number} of {file} holds {line[:40]!r}, expected {wanted}")
        rows.append([int(word) for word in words])
    tracks = pd.DataFrame(rows, columns=["modality", *TRACK_COLUMNS], index=pd.RangeIndex(1, len(rows) + 1))
    return tracks.assign(modality=np.where(tracks["modality"] == INFRARED, "infrared", "visible"))


def _read_query(root: Path, where: str) -> np.ndarray:
    """Rows of the test table that ask. Published as one line; several are read alike."""
    file = _info(root, "query_IDX.txt")
    words = " ".join(read_numbered(root / file, f"list {file}", where, missing=MISSING)).split()
    strange = next((word for word in words if not re.fullmatch("[0-9]{1,9}", word)), None)
    if strange is not None:
        raise DatasetError(f"{where}: {file} holds {strange[:20]!r}, expected whole numbers separated by blanks")
    return np.array([int(word) for word in words], dtype=np.int64)
