"""SYSU-MM01, and the reading of every data set that lies in its folder tree.

    <root>/cam1 .. cam6/<4-digit identity>/<4-digit number>.jpg      (.jpeg .png .bmp .webp are read as well)
    <root>/exp/train_id.txt  val_id.txt  test_id.txt                 one line of comma-separated identities each

Cameras 1, 2, 4, 5 are visible; 3 and 6 are infrared; cameras 2 and 3 look at the same room. An identity that a camera never saw
has no folder there. Layout and counts: datasets.md 1.2 and 1.3, taken from the official identity and permutation files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import Dataset, fingerprint_of
from vireidkit.data.permutations import FILE as PERMUTATIONS
from vireidkit.data.permutations import survey_permutations
from vireidkit.data.reading import SUFFIXES, band_notes, check_folder, entries_of, people_are, read_ids, size_of
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, collected, register_survey
from vireidkit.errors import DatasetError

CAMERAS = {1: "visible", 2: "visible", 3: "infrared", 4: "visible", 5: "visible", 6: "infrared"}
ID_FILES = {"train": "train_id.txt", "validation": "val_id.txt", "test": "test_id.txt"}
# The galleries of multi-shot are drawn by the authors' permutation file only, which does not come with the pictures.
SINGLE, MULTI = ("sysu-all-single", "sysu-indoor-single"), ("sysu-all-multi", "sysu-indoor-multi")
ANY_BANDS = ("ir2vis", "vis2ir", "within-visible", "within-infrared")
NUMBER = re.compile("[0-9]{4}")
BELONGING = f"cam1 to cam6, 4-digit identities, 4-digit pictures ({' '.join(SUFFIXES)})"


@dataclass(frozen=True)
class Count:
    """Expected identities (with at least one image) and images of one split in one camera, or in several together."""

    split: str
    cameras: tuple[int, ...]
    identities: int
    images: int


@dataclass(frozen=True)
class IdList:
    """Expected length of an identity list, and the sum of its identities where it is known."""

    length: int
    total: int | None = None


@dataclass(frozen=True)
class Expected:
    """What a complete folder holds."""

    lists: Mapping[str, IdList]
    counts: tuple[Count, ...]
    whole: Mapping[int, Count] = field(default_factory=dict)  # per camera, identities outside the splits included
    remedy: str = "copy or unpack it again"


def _sysu_counts() -> tuple[Count, ...]:
    """The table of datasets.md 1.3. Of the validation identities only the sums over the cameras of a band are published."""
    train = {1: (194, 4721), 2: (195, 5753), 3: (293, 5929), 4: (283, 4821), 5: (294, 4989), 6: (200, 4000)}
    test = {1: (56, 1374), 2: (56, 1565), 3: (93, 1883), 4: (94, 1918), 5: (95, 1918), 6: (96, 1920)}
    counts = [Count("train", (camera,), *numbers) for camera, numbers in train.items()]
    counts += [Count("validation", (1, 2, 4, 5), 99, 1974), Count("validation", (3, 6), 99, 1980)]
    return tuple(counts + [Count("test", (camera,), *numbers) for camera, numbers in test.items()])


SYSU = Expected(
    lists={"train": IdList(296, 83180), "validation": IdList(99), "test": IdList(96, 14511)},
    counts=_sysu_counts(),
    whole={
        camera: Count("all identities", (camera,), *numbers)
        for camera, numbers in {
            1: (259, 6289), 2: (259, 7528), 3: (486, 9812), 4: (493, 8030), 5: (502, 8224), 6: (299, 5980),
        }.items()
    },
    remedy="unpack SYSU-MM01.zip again",
)  # fmt: skip


@register_reader("sysu-mm01")
def read_sysu(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read SYSU-MM01 (Wu et al., ICCV 2017): 491 identities, 296 for training, 99 for validation, 96 for testing.

    Published numbers train on train + validation, 395 identities: ``dataset.table("train+validation")``.

    Raises:
        DatasetError: see ``read_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_tree(
        _named(root),
        name="sysu-mm01",
        title="SYSU-MM01",
        bands=("visible", "near-infrared"),
        expected=SYSU,
        protocols=(*SINGLE, *(MULTI if (_named(root) / PERMUTATIONS).is_file() else ()), *ANY_BANDS),
        credit="Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017; research use under the signed agreement",
        allow_partial=allow_partial,
    )


@register_survey("sysu-mm01")
def survey_sysu(root: Path | None, *, split: int = 1) -> Survey:
    """Look over a folder of SYSU-MM01, its permutation file included, which the reader does not need.

    Raises:
        DatasetError: no folder is named, or it holds no camera folder at all.
    """
    survey = survey_tree(_named(root), name="sysu-mm01", expected=SYSU)
    survey_permutations(survey)
    return survey


def _named(root: Path | None) -> Path:
    """The folder that the user named."""
    if root is None:
        raise DatasetError(
            "sysu-mm01 needs its folder, the one that holds cam1 to cam6: it cannot be shipped; "
            "send the signed release agreement named in github.com/wuancong/SYSU-MM01 to obtain SYSU-MM01.zip"
        )
    return root


def read_tree(
    root: Path,
    *,
    name: str,
    title: str,
    bands: tuple[str, str],
    expected: Expected,
    protocols: tuple[str, ...],
    credit: str,
    allow_partial: bool = False,
) -> Dataset:
    """Read a folder tree of the SYSU-MM01 form and compare it with what is expected, camera by camera.

    Entries that do not belong are ignored, with a warning and a note. Identities that only one band saw stay in the tables, with
    a note. With ``allow_partial`` missing cameras, images and list entries become notes too.

    Raises:
        DatasetError: the root or an identity list is missing or unreadable; without ``allow_partial`` also every difference
            between what is expected and what was found.
    """
    survey = survey_tree(root, name=name, expected=expected)
    notes = survey.settle(allow_partial)
    if all(table.empty for table in survey.tables.values()):
        raise DatasetError(f"{survey.where}: none of the {len(survey.sizes)} images belongs to an identity listed in exp/")
    fingerprint = fingerprint_of(name, root, survey.tables, survey.listed_sizes())
    return Dataset(name, title, root, bands, **survey.tables, protocols=protocols, fingerprint=fingerprint, credit=credit, notes=notes)


def survey_tree(root: Path, *, name: str, expected: Expected) -> Survey:
    """Look over a folder tree of the SYSU-MM01 form; see ``read_tree``.

    Raises:
        DatasetError: the root is no folder with at least one camera folder.
    """
    survey = Survey(name, root, expected.remedy, belonging=BELONGING)
    _check_root(root, survey.where)
    scan = _scan(root, survey.where)
    survey.fatal, survey.problems, survey.sizes, survey.strays = [*scan.fatal], [*scan.problems], scan.sizes, scan.strays
    lists = _read_lists(survey)
    _check_disjoint(lists, survey)
    frame = pd.DataFrame(scan.rows, columns=["path", "identity", "camera", "frame"])
    survey.tables = {split: _table_of(frame, lists.get(split, [])) for split in ID_FILES}
    listed = {identity for identities in lists.values() for identity in identities}
    survey.unlisted = _table_of(frame, sorted(set(frame["identity"].tolist()) - listed))
    _compare_counts(survey, scan, lists, _compare_lists(lists, survey, expected), expected)
    _compare_whole(survey, frame, scan, expected)
    survey.notes += band_notes(survey.tables)
    return survey


def _table_of(frame: pd.DataFrame, identities: list[int]) -> pd.DataFrame:
    """Rows of these identities, ordered by camera, identity and number, as sorting the paths would."""
    table = frame[frame["identity"].isin(identities)].sort_values(["camera", "identity", "frame"], ignore_index=True)
    table["modality"] = table["camera"].map(CAMERAS).astype(str)
    table["tracklet"] = -1
    table = table.astype({"identity": "int64", "camera": "int64", "tracklet": "int64", "frame": "int64"})
    return table[["path", "identity", "camera", "modality", "tracklet", "frame"]]


# --- what lies in the folder -------------------------------------------------------------------------------------------------


@dataclass
class _Scan:
    """What one pass over the folder found. ``rows`` are (path, identity, camera, number)."""

    rows: list[tuple[str, int, int, int]] = field(default_factory=list)
    sizes: dict[str, int] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    missing: set[int] = field(default_factory=set)
    fatal: list[str] = field(default_factory=list)


def _check_root(root: Path, where: str) -> None:
    """The root is a folder with at least one camera folder, or the error says where one is."""
    check_folder(root, where, "cam1 to cam6")
    names = [entry.name for entry in entries_of(root, where)]
    if any(f"cam{camera}" in names for camera in CAMERAS):
        return
    inner = next((name for name in names if (root / name / "cam1").is_dir()), None)
    hint = f"did you mean {root / inner}?" if inner else f"found {', '.join(names[:5]) or 'nothing'}"
    raise DatasetError(f"{where}: expected the folders cam1 to cam6, {hint}")


def _scan(root: Path, where: str) -> _Scan:
    """One pass over the camera folders. Paths are read part by part, so what the root is called does not matter."""
    scan = _Scan()
    for entry in entries_of(root, where):
        if re.fullmatch(r"cam\d*", entry.name, re.IGNORECASE) and entry.name not in {f"cam{camera}" for camera in CAMERAS}:
            scan.strays.append(entry.name)
    for camera in CAMERAS:
        folder = root / f"cam{camera}"
        if not folder.is_dir():
            scan.missing.add(camera)
            scan.problems.append(f"camera folder cam{camera} is missing")
            continue
        with collected(scan.fatal, where):
            for person in entries_of(folder, where):
                if NUMBER.fullmatch(person.name) and person.is_dir():
                    with collected(scan.fatal, where):
                        _scan_person(scan, camera, person, where)
                else:
                    scan.strays.append(f"cam{camera}/{person.name}")
    return scan


def _scan_person(scan: _Scan, camera: int, person: os.DirEntry[str], where: str) -> None:
    """Pictures of one identity in one camera."""
    numbers: dict[int, str] = {}
    for entry in entries_of(person.path, where):
        path = f"cam{camera}/{person.name}/{entry.name}"
        stem, dot, suffix = entry.name.partition(".")
        if f"{dot}{suffix.lower()}" not in SUFFIXES or not NUMBER.fullmatch(stem) or entry.is_dir():
            scan.strays.append(path)
            continue
        number = int(stem)
        if number in numbers:
            scan.fatal.append(f"{numbers[number]} and {path} are two files of one picture number; remove one of them")
            continue
        with collected(scan.fatal, where):
            size = size_of(entry, where)
            if size == 0:
                scan.problems.append(f"{path} is an empty file")
                continue
            numbers[number] = path
            scan.sizes[path] = size
            scan.rows.append((path, int(person.name), camera, number))


# --- the identity lists ------------------------------------------------------------------------------------------------------


def _read_lists(survey: Survey) -> dict[str, list[int]]:
    """Split -> its identities; a split whose list cannot be used is left out."""
    lists = {}
    for split, file in ID_FILES.items():
        with survey.collecting():
            lists[split] = read_ids(survey.root / "exp" / file, f"identity list exp/{file}", survey.where)
    return lists


def _check_disjoint(lists: Mapping[str, list[int]], survey: Survey) -> None:
    """Nobody is in two splits: a test on people seen in training would measure nothing."""
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = sorted(set(lists.get(first, [])) & set(lists.get(second, [])))
        if both:
            files = f"exp/{ID_FILES[first]} and exp/{ID_FILES[second]}"
            survey.fatal.append(f"{people_are(both)} both in {files}; some copies merge the validation list into the train list")


def _compare_lists(lists: Mapping[str, list[int]], survey: Survey, expected: Expected) -> set[str]:
    """Set the identity lists beside the official ones; returns the splits whose list is another one or cannot be used."""
    wrong = set()
    for split, want in expected.lists.items():
        found, file = lists.get(split, []), f"exp/{ID_FILES[split]}"
        if split not in lists:
            problem = None  # told where it was read
        elif len(found) != want.length:
            problem = f"{file} lists {len(found)} identities, expected {want.length}: not the official list"
        elif want.total is not None and sum(found) != want.total:
            problem = f"{file} adds up to {sum(found)}, expected {want.total}: not the official list"
        else:
            survey.compare(split, expected={"listed identities": want.length}, found={"listed identities": len(found)})
            continue
        wrong.add(split)
        survey.problems += [problem] if problem else []
        counts = {"listed identities": (want.length, len(found))} | ({"sum of the list": (want.total, sum(found))} if want.total else {})
        before, after = ({what: pair[side] for what, pair in counts.items()} for side in (0, 1))
        survey.compare(split, expected=before, found=after, cause=f"{file} is not the official list", told=True)
    return wrong


# --- counts ------------------------------------------------------------------------------------------------------------------


def _compare_counts(survey: Survey, scan: _Scan, lists: Mapping[str, list[int]], wrong_lists: set[str], expected: Expected) -> None:
    """Set identities and images of every split and camera beside the published ones, with the likely cause of a difference."""
    for want in expected.counts:
        table = survey.tables[want.split]
        rows = table[table["camera"].isin(want.cameras)]
        found = Count(want.split, want.cameras, rows["identity"].nunique(), len(rows))
        survey.compare(
            want.split,
            where=f"{'+'.join(f'cam{camera}' for camera in want.cameras)} {want.split}",
            camera="+".join(map(str, want.cameras)),
            modality=CAMERAS[want.cameras[0]],
            expected={"identities": want.identities, "images": want.images},
            found={"identities": found.identities, "images": found.images},
            cause="" if found == want else _cause(want, found, rows, scan, wrong_lists),
            told=scan.missing.issuperset(want.cameras) or want.split not in lists,  # a missing folder or list has been reported once
        )


def _cause(want: Count, found: Count, rows: pd.DataFrame, scan: _Scan, wrong_lists: set[str]) -> str:
    """The likeliest reason for a difference, in a few words."""
    gone = sorted(scan.missing & set(want.cameras))
    if gone:
        return f"camera folder cam{gone[0]} is missing"
    if want.split in wrong_lists:
        return f"follows from exp/{ID_FILES[want.split]}"
    if found.images > want.images or found.identities > want.identities:
        return "more than published: another version, or pictures added later"
    if found.images == 0:
        return "the folders of these identities are missing"
    gap = _first_gap(rows)
    if gap:
        return f"numbers have a gap, {gap} is missing"
    if found.identities < want.identities:
        return f"{want.identities - found.identities} identity folders missing or empty, incomplete copy"
    return "last pictures of some folders missing, incomplete copy"


def _first_gap(rows: pd.DataFrame) -> str | None:
    """The first picture that a folder skips; numbers run from 1 without gaps in every official folder."""
    grouped = rows.groupby(["camera", "identity"], sort=True)["frame"].agg(["size", "max"])
    for camera, identity in grouped.index[grouped["size"] != grouped["max"]]:
        there = set(rows.loc[(rows["camera"] == camera) & (rows["identity"] == identity), "frame"])
        first = next(number for number in range(1, len(there) + 2) if number not in there)
        return f"cam{camera}/{identity:04d}/{first:04d}"
    return None


def _compare_whole(survey: Survey, frame: pd.DataFrame, scan: _Scan, expected: Expected) -> None:
    """Counts with the identities outside every split, which no protocol uses: where only those differ it is a note and no error."""
    fine = not survey.problems and not survey.fatal
    for camera, want in expected.whole.items():
        rows = frame[frame["camera"] == camera]
        found = {"identities": rows["identity"].nunique(), "images": len(rows)}
        cause = "see the splits" if not fine else "only identities outside the splits differ"
        before = {"identities": want.identities, "images": want.images}
        survey.compare(want.split, camera=str(camera), modality=CAMERAS[camera], expected=before, found=found, cause=cause, told=True)
        if fine and found != before:
            survey.notes.append(
                f"cam{camera}: expected {want.identities} identities / {want.images:,} images in all, found "
                f"{found['identities']} / {found['images']:,}; only identities outside the splits differ"
            )
