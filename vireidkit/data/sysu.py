"""SYSU-MM01, and the reading of every data set that lies in its folder tree.

    <root>/cam1 .. cam6/<4-digit identity>/<4-digit number>.jpg      (.jpeg .png .bmp .webp are read as well)
    <root>/exp/train_id.txt  val_id.txt  test_id.txt                 one line of comma-separated identities each

Cameras 1, 2, 4, 5 are visible; 3 and 6 are infrared; cameras 2 and 3 look at the same room. An identity that a camera never saw
has no folder there. Layout and counts: datasets.md 1.2 and 1.3, taken from the official identity and permutation files.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import Dataset, fingerprint_of
from vireidkit.data.reading import SUFFIXES, band_notes, check_folder, entries_of, people_are, read_lines, size_of, stray_notes
from vireidkit.data.registry import register_reader
from vireidkit.errors import DatasetError

CAMERAS = {1: "visible", 2: "visible", 3: "infrared", 4: "visible", 5: "visible", 6: "infrared"}
ID_FILES = {"train": "train_id.txt", "validation": "val_id.txt", "test": "test_id.txt"}
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
    if root is None:
        raise DatasetError(
            "sysu-mm01 needs its folder, the one that holds cam1 to cam6: it cannot be shipped; "
            "send the signed release agreement named in github.com/wuancong/SYSU-MM01 to obtain SYSU-MM01.zip"
        )
    return read_tree(
        root,
        name="sysu-mm01",
        title="SYSU-MM01",
        bands=("visible", "near-infrared"),
        expected=SYSU,
        protocols=("sysu-all-single", "sysu-indoor-single", "ir2vis", "vis2ir", "within-visible", "within-infrared"),
        credit="Wu et al., RGB-Infrared Cross-Modality Person Re-Identification, ICCV 2017; research use under the signed agreement",
        allow_partial=allow_partial,
    )


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
    where = f"{name} at {root}"
    _check_root(root, where)
    scan = _scan(root, where)
    lists = {split: _read_ids(root / "exp" / file, where) for split, file in ID_FILES.items()}
    _check_disjoint(lists, where)
    frame = pd.DataFrame(scan.rows, columns=["path", "identity", "camera", "frame"])
    tables = {split: _table_of(frame, identities) for split, identities in lists.items()}
    wrong_lists = _list_problems(lists, expected)
    problems = [*scan.problems, *wrong_lists.values(), *_count_problems(tables, scan, set(wrong_lists), expected)]
    if problems and not allow_partial:
        raise DatasetError(f"{where}: {'; '.join(problems)} ({expected.remedy}, or pass allow_partial=True to go on with what is there)")
    if all(table.empty for table in tables.values()):
        raise DatasetError(f"{where}: none of the {len(frame)} images belongs to an identity listed in exp/")
    notes = [
        *stray_notes(scan.strays, BELONGING, where),
        *problems,
        *band_notes(tables),
        *([] if problems else _whole_notes(frame, expected)),
    ]
    sizes = {path: scan.sizes[path] for table in tables.values() for path in table["path"]}
    fingerprint = fingerprint_of(name, root, tables, sizes)
    return Dataset(name, title, root, bands, **tables, protocols=protocols, fingerprint=fingerprint, credit=credit, notes=tuple(notes))


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
        for person in entries_of(folder, where):
            if NUMBER.fullmatch(person.name) and person.is_dir():
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
            raise DatasetError(f"{where}: {numbers[number]} and {path} are two files of one picture number; remove one of them")
        size = size_of(entry, where)
        if size == 0:
            scan.problems.append(f"{path} is an empty file")
            continue
        numbers[number] = path
        scan.sizes[path] = size
        scan.rows.append((path, int(person.name), camera, number))


# --- the identity lists ------------------------------------------------------------------------------------------------------


def _read_ids(file: Path, where: str) -> list[int]:
    """The identities of one list: one line, positive numbers separated by commas."""
    lines = read_lines(file, f"identity list exp/{file.name}", where)
    if len(lines) > 1:
        raise DatasetError(f"{where}: identity list exp/{file.name} has {len(lines)} lines, expected one line of comma-separated numbers")
    words = [word.strip() for word in lines[0].split(",")]
    strange = next((word for word in words if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) == 0), None)
    if strange is not None:
        raise DatasetError(f"{where}: identity list exp/{file.name} holds {strange[:20]!r}, expected comma-separated numbers from 1 on")
    twice = [identity for identity, times in Counter(map(int, words)).items() if times > 1]
    if twice:
        raise DatasetError(f"{where}: identity list exp/{file.name} holds identity {twice[0]} more than once")
    return [int(word) for word in words]


def _check_disjoint(lists: Mapping[str, list[int]], where: str) -> None:
    """Nobody is in two splits: a test on people seen in training would measure nothing."""
    for first, second in (("train", "validation"), ("train", "test"), ("validation", "test")):
        both = sorted(set(lists[first]) & set(lists[second]))
        if both:
            files = f"exp/{ID_FILES[first]} and exp/{ID_FILES[second]}"
            raise DatasetError(f"{where}: {people_are(both)} both in {files}; some copies merge the validation list into the train list")


def _list_problems(lists: Mapping[str, list[int]], expected: Expected) -> dict[str, str]:
    """Split -> how its identity list differs from the official one."""
    problems = {}
    for split, want in expected.lists.items():
        found, file = lists[split], f"exp/{ID_FILES[split]}"
        if len(found) != want.length:
            problems[split] = f"{file} lists {len(found)} identities, expected {want.length}: not the official list"
        elif want.total is not None and sum(found) != want.total:
            problems[split] = f"{file} adds up to {sum(found)}, expected {want.total}: not the official list"
    return problems


# --- counts ------------------------------------------------------------------------------------------------------------------


def _count_problems(tables: Mapping[str, pd.DataFrame], scan: _Scan, wrong_lists: set[str], expected: Expected) -> Iterator[str]:
    """Every difference in identities or images, with its likely cause."""
    for want in expected.counts:
        rows = tables[want.split][tables[want.split]["camera"].isin(want.cameras)]
        found = Count(want.split, want.cameras, rows["identity"].nunique(), len(rows))
        if found == want or scan.missing.issuperset(want.cameras):
            continue  # a missing folder has been reported once
        cameras = "+".join(f"cam{camera}" for camera in want.cameras)
        yield (
            f"{cameras} {want.split}: expected {want.identities} identities / {want.images:,} images, "
            f"found {found.identities} / {found.images:,} ({_cause(want, found, rows, scan, wrong_lists)})"
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


# --- notes -------------------------------------------------------------------------------------------------------------------


def _whole_notes(frame: pd.DataFrame, expected: Expected) -> Iterator[str]:
    """Differences among identities outside every split, which no protocol uses and which are therefore no error."""
    for camera, want in expected.whole.items():
        rows = frame[frame["camera"] == camera]
        if len(rows) != want.images or rows["identity"].nunique() != want.identities:
            yield (
                f"cam{camera}: expected {want.identities} identities / {want.images:,} images in all, found "
                f"{rows['identity'].nunique()} / {len(rows):,}; only identities outside the splits differ"
            )
