"""MARS: tracklets of people in six visible cameras, for video-to-video and image-to-video search.

    <root>/bbox_train/<4-digit identity>/0001C1T0001F001.jpg      bbox_test/...          identity, camera, tracklet, frame
    <root>/info/train_name.txt  test_name.txt                                            one picture name a line
    <root>/info/tracks_train_info.mat  tracks_test_info.mat                              first line, last line, identity, camera
    <root>/info/query_IDX.mat                                                            rows of the test table that ask

Identity -1 (folder 00-1) is junk and left out; identity 0 are distractors, which only answer. Layout and counts: datasets.md 5.
Grade: code; nobody here has seen the pictures.
"""

from __future__ import annotations

import io
import re
from pathlib import Path

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset
from vireidkit.data.namelists import TRACK_COLUMNS, Sources, check_agreement, check_lines, cut, query_rows
from vireidkit.data.presence import check_root
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.tracklets import Count, Expected, check_twice, compare, dataset_of, look_at_files, read_numbered, rows_of
from vireidkit.errors import DatasetError

PARTS = ("bbox_train", "bbox_test", "info")
NAME = re.compile(r"([0-9]{4})C([0-9])T([0-9]{1,9})F([0-9]{1,9})\.(?:jpe?g|png|bmp|webp)", re.IGNORECASE)
VARIABLES = {"train": "track_train_info", "test": "track_test_info"}
QUERY_FILE = "info/query_IDX.mat"
JUNK, CAMERAS = -1, 6
MISSING = "the lists in info/ are in github.com/liangzheng06/MARS-evaluation"

_TABLES = "tracks_test_info.mat or query_IDX.mat is not the official one"
MARS = Expected(
    counts=(
        Count("train", identities=625, tracklets=8298, cause="tracks_train_info.mat is not the official one"),
        Count("test", identities=626, tracklets=1980, role="query", cause=_TABLES),
        Count("test", tracklets=9330, role="gallery", cause=_TABLES),
    ),
    remedy="copy MARS again",
)


@register_reader("mars")
def read_mars(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read MARS (Zheng et al., ECCV 2016): 625 identities in 8,298 tracklets for training; 1,980 tracklets ask, 9,330 others answer.

    ``tracklet`` is the row of the train table, and goes on with the rows of the test table. The published 1,261 identities in all are
    not compared: whether they count the distractors and the junk could not be found out.

    Raises:
        DatasetError: see ``read_mars_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_mars_tree(_named(root), expected=MARS, allow_partial=allow_partial)


@register_survey("mars")
def survey_mars(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a MARS folder for a report; see ``survey_mars_tree``."""
    return survey_mars_tree(_named(root), expected=MARS)


def _named(root: Path | None) -> Path:
    if root is None:
        raise DatasetError(
            "mars needs its folder, the one that holds bbox_train, bbox_test and info: it cannot be shipped; ask for the pictures at the "
            f"project page of its authors (Zheng et al., ECCV 2016); {MISSING}"
        )
    return root


def read_mars_tree(root: Path, *, expected: Expected, allow_partial: bool = False) -> Dataset:
    """Read a folder of the MARS form and compare its tables with what is expected.

    With ``allow_partial`` missing pictures and other counts become notes; a tracklet is then what is left of it.

    Raises:
        DatasetError: the root, a list or a table is missing, unreadable or inconsistent with the others; without ``allow_partial``
            also every difference from ``expected`` and every missing or empty picture.
    """
    survey = survey_mars_tree(root, expected=expected)
    return dataset_of(
        survey,
        title="MARS",
        bands=("visible", "none"),
        protocols=("mars-image2video", "mars-video2video"),
        credit="Zheng et al., MARS: A Video Benchmark for Large-Scale Person Re-identification, ECCV 2016; research use",
        allow_partial=allow_partial,
    )


def survey_mars_tree(root: Path, *, expected: Expected) -> Survey:
    """Everything that is there and everything that is wrong with it.

    Raises:
        DatasetError: the root is no such folder.
    """
    survey = Survey("mars", root, remedy=expected.remedy)
    check_root(root, survey.where, PARTS)
    tables: dict[str, pd.DataFrame] = {}
    tracklets = 0
    for split in VARIABLES:
        with survey.collecting():
            tracks = _read_tracks(root, split, survey.where)
            tables[split] = _table(survey, split, tracks, tracklets)
            tracklets = int(tracks.index.max())
    compare(survey, tables, expected.counts)
    look_at_files(survey, tables)
    return survey


def _table(survey: Survey, split: str, tracks: pd.DataFrame, before: int) -> pd.DataFrame:
    """One row a picture of the tracks that are no junk. ``before``: tracklets of the splits before this one."""
    root, where = survey.root, survey.where
    sources = _sources(split)
    names = read_numbered(root / sources.names, f"list {sources.names}", where, missing=MISSING)
    check_lines(tracks, names, sources, where)
    if split == "test":
        with survey.collecting():  # without its roles the table still tells which pictures there should be
            tracks = tracks.assign(role=_roles(root, tracks, sources, where))
    tracks = tracks[tracks["identity"] != JUNK]
    pictures = cut(names, tracks, sources, where)
    check_agreement(pictures, tracks, 0, "identity", sources, where)
    check_agreement(pictures, tracks, 1, "camera", sources, where)
    folders = pictures.fields[:, 0].tolist()
    owner = pictures.tracks
    table = rows_of(
        [f"bbox_{split}/{folder}/{name}" for folder, name in zip(folders, pictures.names, strict=True)],
        identity=tracks["identity"].to_numpy()[owner],
        camera=tracks["camera"].to_numpy()[owner],
        modality="visible",
        tracklet=tracks.index.to_numpy()[owner] + before,
        frame=pictures.fields[:, 3].astype("int64"),
        role=tracks["role"].to_numpy()[owner] if "role" in tracks.columns else None,
    )
    check_twice(table, sources.names, where)
    return table


def _sources(split: str) -> Sources:
    return Sources(f"info/{split}_name.txt", f"info/tracks_{split}_info.mat", "'0001C1T0001F001.jpg'", NAME)


def _read_tracks(root: Path, split: str, where: str) -> pd.DataFrame:
    """The track table of a split; the index is the row, from 1."""
    file = _sources(split).tracks
    matrix = read_matrix(root / file, VARIABLES[split], file, where)
    if matrix.ndim != 2 or matrix.shape[1] != len(TRACK_COLUMNS) or not len(matrix):
        raise DatasetError(f"{where}: {file} holds a table of {' x '.join(map(str, matrix.shape))}, expected 4 columns")
    tracks = pd.DataFrame(matrix, columns=list(TRACK_COLUMNS), index=pd.RangeIndex(1, len(matrix) + 1))
    wrong = tracks[(tracks["identity"] < JUNK) | ((tracks["identity"] != JUNK) & ~tracks["camera"].between(1, CAMERAS))]
    if len(wrong):
        row = wrong.iloc[0]
        told = f"identity {row['identity']}, camera {row['camera']}"
        raise DatasetError(f"{where}: row {wrong.index[0]} of {file} holds {told}; expected cameras 1 to {CAMERAS}, identities from -1")
    return tracks


def _roles(root: Path, tracks: pd.DataFrame, sources: Sources, where: str) -> np.ndarray:
    """Role of every track of the test table."""
    rows = read_matrix(root / QUERY_FILE, "query_IDX", QUERY_FILE, where).ravel()
    roles = query_rows(rows, tracks, QUERY_FILE, sources, where)
    junk = tracks.index[(roles == "query") & (tracks["identity"] == JUNK).to_numpy()]
    if len(junk):
        raise DatasetError(f"{where}: {QUERY_FILE} names row {junk[0]} of {sources.tracks}, which is junk (identity -1)")
    return roles


def read_matrix(file: Path, variable: str, what: str, where: str) -> np.ndarray:
    """A matrix of whole numbers from a Matlab file, as int64.

    Raises:
        DatasetError: the file is missing, cannot be read, lacks the variable, or holds something else there.
    """
    from scipy.io import loadmat  # only here: it takes long to import

    try:
        stored = file.read_bytes()
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: {what} is missing ({MISSING})") from error
    except OSError as error:
        raise DatasetError(f"{where}: {what} cannot be read: {error.strerror or error}") from error
    try:
        variables = loadmat(io.BytesIO(stored))
    except Exception as error:  # on a damaged file the parser ends wherever it stumbles, even with an UnboundLocalError
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise DatasetError(f"{where}: {what} is no Matlab file, or damaged: {cause}") from error
    if variable not in variables:
        raise DatasetError(f"{where}: {what} lacks the variable {variable}")
    matrix = np.asarray(variables[variable])
    if matrix.dtype.kind not in "iuf" or not np.isfinite(matrix).all() or (matrix != np.trunc(matrix)).any() or (abs(matrix) > 1e9).any():
        raise DatasetError(f"{where}: {variable} of {what} holds {matrix.dtype} values, expected whole numbers")
    return matrix.astype("int64")
