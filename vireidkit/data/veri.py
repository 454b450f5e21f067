"""VeRi-776: vehicles in twenty visible cameras, as single pictures and as tracklets.

    <root>/image_train  image_query  image_test      0001_c001_00016450_0.jpg      identity, camera, time, number
    <root>/name_train.txt  name_query.txt  name_test.txt                           one picture name a line
    <root>/test_track.txt                            a tracklet a line: a name that stands for it, then its frames, separated by blanks

The queries are single pictures; the video of a query is the first test tracklet of its identity and camera, which a protocol looks up.
Training tracklets are all pictures of an identity in a camera. Layout and counts: datasets.md 5. Grade: code; nobody here has seen
the pictures.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset
from vireidkit.data.presence import check_root, counted_names
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.tracklets import (
    Count,
    Expected,
    check_twice,
    compare,
    dataset_of,
    fields_of,
    joined,
    look_at_files,
    read_numbered,
    rows_of,
)
from vireidkit.errors import DatasetError

PARTS = ("image_train", "image_query", "image_test", "name_train.txt", "test_track.txt")
NAME = re.compile(r"([0-9]{1,9})_c([0-9]{1,9})_([0-9]{1,12})_([0-9]{1,9})\.(?:jpe?g|png|bmp|webp)", re.IGNORECASE)
FORM = "'0001_c001_00016450_0.jpg'"
TRACK_FILE = "test_track.txt"
LISTED = "listed"  # a count of name_test.txt, which no table holds


@dataclass(frozen=True)
class ExpectedVeri(Expected):
    """What a complete folder holds; ``test`` is (identities, images) of name_test.txt."""

    test: tuple[int, int] = (200, 11579)


VERI = ExpectedVeri(
    counts=(
        Count("train", identities=576, images=37778, cause="name_train.txt is truncated or edited"),
        Count("test", identities=200, images=1678, role="query", cause="name_query.txt is truncated or edited"),
    ),
    remedy="unpack VeRi again",
)


@register_reader("veri776")
def read_veri(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read VeRi-776 (Liu et al., ECCV 2016): 576 vehicles for training; 1,678 pictures of 200 others ask, 11,579 answer.

    Query rows have no tracklet (-1). Training tracklets come first in the count, then those of test_track.txt, line by line.

    Raises:
        DatasetError: see ``read_veri_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_veri_tree(_named(root), expected=VERI, allow_partial=allow_partial)


@register_survey("veri776")
def survey_veri(root: Path | None, *, split: int = 1) -> Survey:
    """Look at a VeRi-776 folder for a report."""
    return survey_veri_tree(_named(root), expected=VERI)


def _named(root: Path | None) -> Path:
    if root is None:
        raise DatasetError(
            "veri776 needs its folder, the one that holds image_train, image_query and image_test: it cannot be shipped; ask its authors "
            "by e-mail as vehiclereid.github.io/VeRi says"
        )
    return root


def read_veri_tree(root: Path, *, expected: ExpectedVeri, allow_partial: bool = False) -> Dataset:
    """Read a folder of the VeRi form and compare its lists with what is expected.

    Pictures of name_test.txt that no tracklet holds are left out, with a note: VKD's galleries are the tracklets. With
    ``allow_partial`` missing pictures, other counts, and frames of another identity or camera than their tracklet become notes.

    Raises:
        DatasetError: the root or a list is missing, unreadable or garbled; without ``allow_partial`` also every difference.
    """
    return dataset_of(
        survey_veri_tree(root, expected=expected),
        title="VeRi-776",
        bands=("visible", "none"),
        protocols=("veri-image2image", "veri-image2video", "veri-video2image", "veri-video2video"),
        credit="Liu et al., A Deep Learning-Based Approach to Progressive Vehicle Re-identification for Urban Surveillance, ECCV 2016; "
        "research use, on request",
        allow_partial=allow_partial,
    )


def survey_veri_tree(root: Path, *, expected: ExpectedVeri) -> Survey:
    """Everything that is there and everything that is wrong with it.

    Raises:
        DatasetError: the root is no such folder.
    """
    survey = Survey("veri776", root, remedy=expected.remedy)
    check_root(root, survey.where, PARTS)
    tables: dict[str, pd.DataFrame] = {}
    with survey.collecting():
        tables["train"] = _train(root, survey.where)
    parts: list[pd.DataFrame] = []
    with survey.collecting():
        parts.append(_single(root, "query", "query", survey.where))
        check_twice(parts[0], "name_query.txt", survey.where)
    with survey.collecting():
        parts.append(_tracks(survey, tables["train"]["tracklet"].max() if "train" in tables else 0))
        _compare_test(survey, parts[-1], expected)
    if parts:
        tables["test"] = joined(parts) if len(parts) == 2 else parts[0].drop(columns="role")
    compare(survey, tables, expected.counts)
    look_at_files(survey, tables)
    return survey


def _single(root: Path, part: str, role: str | None, where: str) -> pd.DataFrame:
    """One row a picture of name_<part>.txt, in the order of the list, without tracklets."""
    file = f"name_{part}.txt"
    numbered = [(line, name) for line, name in enumerate(read_numbered(root / file, f"list {file}", where), 1) if name]
    lines, names = (list(values) for values in zip(*numbered, strict=True))
    fields = fields_of(names, NAME, np.array(lines), file, FORM, where)
    identity, camera, time = (fields[:, group].astype("int64") for group in range(3))
    paths = [f"image_{part}/{name}" for name in names]
    return rows_of(paths, identity=identity, camera=camera, modality="visible", tracklet=-1, frame=time, role=role)


def _train(root: Path, where: str) -> pd.DataFrame:
    """The training pictures by name; those of one identity in one camera are a tracklet (VKD)."""
    table = _single(root, "train", None, where).sort_values(["identity", "camera", "path"], ignore_index=True)
    check_twice(table, "name_train.txt", where)
    return table.assign(tracklet=table.groupby(["identity", "camera"], sort=True).ngroup() + 1)


def _tracks(survey: Survey, before: int) -> pd.DataFrame:
    """One row a frame of test_track.txt. ``before``: tracklets of the training part.

    VKD drops a last word instead and so relies on the blank at a line's end; words are what blanks separate here, with it or without.
    """
    lines = read_numbered(survey.root / TRACK_FILE, f"list {TRACK_FILE}", survey.where)
    frames, owner, heads = [], [], []
    for number, line in enumerate(lines, 1):
        words = line.split()
        if len(words) == 1:
            raise DatasetError(f"{survey.where}: line {number} of {TRACK_FILE} holds no frame, only the name that stands for the tracklet")
        if words:
            heads.append((number, words[0]))
            frames += words[1:]
            owner += [len(heads) - 1] * (len(words) - 1)
    places, track = np.array([number for number, _ in heads]), np.array(owner)
    named = fields_of([name for _, name in heads], NAME, places, TRACK_FILE, FORM, survey.where)[track]
    fields = fields_of(frames, NAME, places[track], TRACK_FILE, FORM, survey.where)
    identity, camera, time = (fields[:, group].astype("int64") for group in range(3))
    strange = (identity != named[:, 0].astype("int64")) | (camera != named[:, 1].astype("int64"))
    paths = [f"image_test/{name}" for name in frames]
    table = rows_of(paths, identity=identity, camera=camera, modality="visible", tracklet=track + 1 + before, frame=time, role="gallery")
    survey.problems += _track_problems(table, strange)
    kept = table[~strange].drop_duplicates("path")
    if int((~strange).sum()) > len(kept):
        survey.notes.append(f"{int((~strange).sum()) - len(kept)} pictures come twice in {TRACK_FILE}, the first place counts")
    return kept.reset_index(drop=True)


def _track_problems(table: pd.DataFrame, strange: np.ndarray) -> Iterator[str]:
    """Frames that their tracklet's name contradicts."""
    if strange.any():
        wrong = counted_names(table.loc[strange, "path"], "frame")
        yield f"{TRACK_FILE}: {wrong}, of another identity or camera than the name at the beginning of the line"


def _compare_test(survey: Survey, tracks: pd.DataFrame, expected: ExpectedVeri) -> None:
    """name_test.txt beside the published counts, and beside the tracklets."""
    listed = _single(survey.root, "test", None, survey.where)
    check_twice(listed, "name_test.txt", survey.where)
    survey.compare(
        "test gallery",
        where="name_test.txt",
        modality="visible",
        expected=dict(zip(("identities", "images"), expected.test, strict=True)),
        found={"identities": listed["identity"].nunique(), "images": len(listed)},
        cause="truncated or edited",
    )
    alone = listed.loc[~listed["path"].isin(tracks["path"]), "path"]
    if len(alone):
        survey.notes.append(f"{TRACK_FILE} leaves out {counted_names(alone, 'picture')}, of name_test.txt; no protocol uses them")
    unknown = tracks.loc[~tracks["path"].isin(listed["path"]), "path"]
    if len(unknown):
        survey.notes.append(f"{TRACK_FILE} holds {counted_names(unknown, 'picture')}, that name_test.txt does not list")
