"""BUPTCampus: tracklets of people, visible and infrared, in six cameras; training tracklets come in pairs of both.

    <root>/DATA/<identity>/{RGB,IR,FakeIR}/<camera>/<file>.jpg
    <root>/data_paths.json                                         identity -> modality -> camera -> tracklet -> [paths below DATA]
    <root>/train.txt  train_auxiliary.txt  query.txt  gallery.txt  lines "identity modality camera tracklet"; RGB/IR stands for a pair

FakeIR pictures are the visible ones as a network would paint them in infrared; they are in no table. Cameras LS3, G25, CQ1, W4, TSG1
and TSG2 are numbered 1 to 6 in this order. Layout and counts: datasets.md 6.2; counts as a comment of the public M3-ReID code tells
them. Grade: code, counts unverified; nobody here has seen the pictures.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset
from vireidkit.data.presence import check_root, counted_names
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.tracklets import Count, Expected, check_twice, compare, dataset_of, look_at_files, read_numbered, rows_of
from vireidkit.errors import DatasetError

CAMERAS = {name: number for number, name in enumerate(("LS3", "G25", "CQ1", "W4", "TSG1", "TSG2"), 1)}
MODALITIES = {"RGB": "visible", "IR": "infrared"}
PAIR = "RGB/IR"
PATHS_FILE = "data_paths.json"
LINE = re.compile(rf"([0-9]{{1,9}})\s+({PAIR}|RGB|IR)\s+({'|'.join(CAMERAS)})\s+(\S+)")
FRAME = re.compile(r".*?([0-9]{1,12})\.[A-Za-z]+")
OUTSIDE = re.compile(r"(?:^|/)\.{0,2}(?:/|$)|\\|^[A-Za-z]:|\x00")  # an empty, "." or ".." part, or another system's separator
DATA = "DATA"
FILES = ("train.txt", "train_auxiliary.txt", "query.txt", "gallery.txt")

_TEST = (
    Count("test", identities=1076, tracklets=1076, images=101938, role="query", sure=False),
    Count("test", identities=1076, tracklets=4844, images=597542, role="gallery", sure=False),
)
BUPT = Expected(
    counts=(Count("train", identities=1074, tracklets=7148, images=796138, sure=False), *_TEST), remedy="unpack BUPTCampus again"
)
AUXILIARY = Expected(
    counts=(Count("train", identities=1074 + 930, tracklets=7148 + 1860, images=796138 + 209150, sure=False), *_TEST),
    remedy=BUPT.remedy,
)


@register_reader("buptcampus")
def read_bupt(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read BUPTCampus (Du et al., TIFS 2023): 1,074 identities for training, 1,076 for testing (unverified), visible and infrared.

    The tracklets of a training pair have successive numbers, the visible one first. A tracklet that both
    query.txt and gallery.txt list has the role "both".

    Raises:
        DatasetError: see ``read_bupt_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_bupt_tree(_named(root, "buptcampus"), expected=BUPT, allow_partial=allow_partial)


@register_reader("buptcampus-auxiliary")
def read_bupt_auxiliary(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read BUPTCampus with its auxiliary tracklets in the training table: 930 identities more, each seen by one camera (unverified).

    A data set of its own name: what is trained on it compares with methods that use the auxiliary set, and only with those.

    Raises:
        DatasetError: see ``read_bupt``.
    """
    return read_bupt_tree(_named(root, "buptcampus-auxiliary"), expected=AUXILIARY, auxiliary=True, allow_partial=allow_partial)


@register_survey("buptcampus")
def survey_bupt(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a BUPTCampus folder for a report."""
    return survey_bupt_tree(_named(root, "buptcampus"), expected=BUPT)


@register_survey("buptcampus-auxiliary")
def survey_bupt_auxiliary(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a BUPTCampus folder for a report, auxiliary tracklets included."""
    return survey_bupt_tree(_named(root, "buptcampus-auxiliary"), expected=AUXILIARY, auxiliary=True)


def _named(root: Path | None, name: str) -> Path:
    if root is None:
        raise DatasetError(
            f"{name} needs its folder, the one that holds {DATA} and {PATHS_FILE}: it cannot be shipped; "
            "github.com/dyhBUPT/BUPTCampus names where its authors offer it, for academic use only"
        )
    return root


def read_bupt_tree(root: Path, *, expected: Expected, auxiliary: bool = False, allow_partial: bool = False) -> Dataset:
    """Read a folder of the BUPTCampus form and compare its lists with what is expected.

    With ``allow_partial`` missing pictures, and listed tracklets that data_paths.json lacks, become notes.

    Raises:
        DatasetError: the root, a list or data_paths.json is missing, unreadable or garbled, or names a path outside DATA; without
            ``allow_partial`` also every missing tracklet or picture and every difference from what ``expected`` is sure of.
    """
    return dataset_of(
        survey_bupt_tree(root, expected=expected, auxiliary=auxiliary),
        title=f"BUPTCampus{' with its auxiliary set' if auxiliary else ''}",
        bands=("visible", "infrared"),
        protocols=("bupt-ir2vis", "bupt-vis2ir", "ir2vis", "vis2ir"),
        credit="Du et al., Video-based Visible-Infrared Person Re-Identification with Auxiliary Samples, TIFS 2023; academic use only, "
        "no redistribution",
        allow_partial=allow_partial,
    )


def survey_bupt_tree(root: Path, *, expected: Expected, auxiliary: bool = False) -> Survey:
    """Everything that is there and everything that is wrong with it.

    Raises:
        DatasetError: the root is no such folder.
    """
    survey = Survey(f"buptcampus{'-auxiliary' if auxiliary else ''}", root, remedy=expected.remedy)
    check_root(root, survey.where, (DATA, PATHS_FILE))
    tables: dict[str, pd.DataFrame] = {}
    with survey.collecting():
        paths = _read_paths(root / PATHS_FILE, survey.where)
        before = 0
        for split, files in {"train": FILES[: 1 + auxiliary], "test": FILES[2:]}.items():
            with survey.collecting():
                listed = _listed(root, files, survey.where)
                tables[split] = _table(survey, split, listed, paths, before)
                before += len(listed)
    compare(survey, tables, expected.counts)
    look_at_files(survey, tables, all_listed=False)  # folders hold tracklets that no list uses
    return survey


# --- the lists ---------------------------------------------------------------------------------------------------------------


class _Tracklet(NamedTuple):
    """One listed tracklet; the words are those of the lists."""

    identity: str
    modality: str
    camera: str
    tracklet: str


def _listed(root: Path, files: Sequence[str], where: str) -> dict[_Tracklet, str]:
    """Every tracklet of the files in their order -> its role, or the file's name for training ones. A pair is two tracklets."""
    found: dict[_Tracklet, str] = {}
    for file in files:
        role = file.removesuffix(".txt")
        for tracklet in _read_list(root, file, where):
            if file == "train_auxiliary.txt" and tracklet in found:
                raise DatasetError(f"{where}: {' '.join(tracklet)!r} is in both train.txt and {file}")
            found[tracklet] = "both" if tracklet in found else role
    return found


def _read_list(root: Path, file: str, where: str) -> list[_Tracklet]:
    """The tracklets of one list."""
    tracklets: list[_Tracklet] = []
    for number, line in enumerate(read_numbered(root / file, f"list {file}", where), 1):
        match = LINE.fullmatch(line)
        if match is None and line:
            wanted = f"'<identity> <{PAIR}, RGB or IR> <camera> <tracklet>' with a camera of {', '.join(CAMERAS)}"
            raise DatasetError(f"{where}: line {number} of {file} holds {line[:60]!r}, expected {wanted}")
        if match is not None:
            words = ("RGB", "IR") if match[2] == PAIR else (match[2],)
            tracklets += [_Tracklet(match[1], word, match[3], match[4]) for word in words]
    if len(set(tracklets)) != len(tracklets):
        twice = next(one for place, one in enumerate(tracklets) if one in tracklets[:place])
        raise DatasetError(f"{where}: {file} holds {' '.join(twice)!r} more than once")
    return tracklets


def _read_paths(file: Path, where: str) -> dict[str, Any]:
    """The nested table of paths, its inside unchecked."""
    try:
        with open(file, encoding="utf-8-sig") as stream:
            paths = json.load(stream)
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: {PATHS_FILE} is missing") from error
    except (ValueError, RecursionError) as error:
        raise DatasetError(f"{where}: {PATHS_FILE} is no JSON, or truncated: {str(error).splitlines()[0]}") from error
    except OSError as error:
        raise DatasetError(f"{where}: {PATHS_FILE} cannot be read: {error.strerror or error}") from error
    if not isinstance(paths, dict):
        raise DatasetError(f"{where}: {PATHS_FILE} holds a {type(paths).__name__}, expected identities with their paths")
    return paths


def _frames(paths: Mapping[str, Any], tracklet: _Tracklet) -> list[str] | None:
    """The paths of one tracklet, or None where the table has none."""
    inner: Any = paths
    for word in tracklet:
        inner = inner.get(word) if isinstance(inner, dict) else None
    good = isinstance(inner, list) and inner and all(isinstance(path, str) for path in inner)
    return inner if good else None


# --- the tables --------------------------------------------------------------------------------------------------------------


def _table(survey: Survey, split: str, listed: Mapping[_Tracklet, str], paths: Mapping[str, Any], before: int) -> pd.DataFrame:
    """One row a frame of the listed tracklets. ``before``: tracklets of the splits before this one."""
    known = {tracklet: frames for tracklet in listed if (frames := _frames(paths, tracklet))}
    survey.problems += _gaps(split, listed, known)
    survey.notes += _uneven(known) if split == "train" else []
    names = [path for frames in known.values() for path in frames]
    outside = next((path for path in names if OUTSIDE.search(path)), None)
    if outside is not None:
        raise DatasetError(f"{survey.where}: {PATHS_FILE} holds the path {outside[:80]!r}, expected paths below {DATA}")
    numbers = {tracklet: number for number, tracklet in enumerate(listed, before + 1)}
    owner = np.repeat(np.arange(len(known)), [len(frames) for frames in known.values()])  # (N,)
    rows = list(known)
    table = rows_of(
        [f"{DATA}/{path}" for path in names],
        identity=np.array([int(row.identity) for row in rows], dtype=np.int64)[owner],
        camera=np.array([CAMERAS[row.camera] for row in rows], dtype=np.int64)[owner],
        modality=np.array([MODALITIES[row.modality] for row in rows], dtype=object)[owner],
        tracklet=np.array([numbers[row] for row in rows], dtype=np.int64)[owner],
        frame=[int(match[1]) if (match := FRAME.fullmatch(path)) else -1 for path in names],
        role=np.array([listed[row] for row in rows], dtype=object)[owner] if split == "test" else None,
    )
    check_twice(table, PATHS_FILE, survey.where)
    return table


def _gaps(split: str, listed: Mapping[_Tracklet, str], known: Mapping[_Tracklet, list[str]]) -> Iterator[str]:
    """Listed tracklets without paths."""
    gone = [f"'{' '.join(tracklet)}'" for tracklet in listed if tracklet not in known]
    if gone:
        yield f"{split}: {PATHS_FILE} lacks {counted_names(gone, 'listed tracklet')}"


def _uneven(known: Mapping[_Tracklet, list[str]]) -> Iterator[str]:
    """Pairs that are no pairs frame by frame; the reference code lives with them as long as the visible one is the longer."""
    uneven = [
        f"'{' '.join(tracklet)}'"
        for tracklet, frames in known.items()
        if tracklet.modality == "RGB" and len(known.get(tracklet._replace(modality="IR"), frames)) != len(frames)
    ]
    if uneven:
        yield f"train: {counted_names(uneven, 'pair')}, of a visible and an infrared tracklet with unequal numbers of frames"
