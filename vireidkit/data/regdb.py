"""RegDB, and the reading of every data set that lies in its folder tree.

    <root>/Visible/<identity>/<file>.bmp    Thermal/<identity>/<file>.bmp         (.jpg .jpeg .png .webp are read as well)
    <root>/idx/{train,test}_{visible,thermal}_{1..10}.txt                         lines "Visible/<identity>/<file>.bmp <label>"

One visible camera, 1, and one thermal camera, 2. Ten splits share the same people; a split is a data set of its own, with its own
model, and has no validation identities. Layout and counts: datasets.md 2. Grade: code, the names of the picture files unverified.
"""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vireidkit.data.dataset import Dataset, fingerprint_of
from vireidkit.data.reading import SUFFIXES, band_notes, check_folder, entries_of, people_are, read_lines, size_of, table_of
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, collected, register_survey
from vireidkit.errors import DatasetError

SPLITS = 10
FOLDERS = {"visible": "Visible", "thermal": "Thermal"}  # word in the list's name: folder of its pictures
CAMERAS = {"visible": 1, "thermal": 2}
MODALITY = {"visible": "visible", "thermal": "infrared"}
LINE = re.compile(r"(?P<path>(?P<folder>[^/]+)/(?P<identity>[0-9]{1,9})/[^/]+?)\s+(?P<label>[0-9]{1,9})")
IDENTITY = re.compile("[0-9]{1,9}")
BELONGING = f"identity folders with whole numbers as names, and pictures in them ({' '.join(SUFFIXES)})"


@dataclass(frozen=True)
class Expected:
    """What a complete folder holds.

    Attributes:
        train, test: identities of one split; pictures: of one identity in one band.
        number: finds the number of a picture in its file name without suffix, as its first group; no match gives -1.
        lists_from: where the lists in idx/ come from; remedy: what to do about a difference.
    """

    train: int
    test: int
    pictures: int
    number: re.Pattern[str]
    lists_from: str
    remedy: str


# Numbers as in male_front_v_00007_1.bmp, where the last one is the identity (unverified).
REGDB = Expected(
    train=206,
    test=206,
    pictures=10,
    number=re.compile(r".*_([0-9]{1,9})_[0-9]+"),
    lists_from="the ten splits come with the prepared version of RegDB, named in github.com/mangye16/Cross-Modal-Re-ID-baseline",
    remedy="unpack RegDB again",
)


@register_reader("regdb", splits=SPLITS)
def read_regdb(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read one of RegDB's ten splits (Nguyen et al., Sensors 2017): 206 identities for training, 206 others for testing.

    Of every identity there are 10 visible and 10 thermal images. Published numbers are means over ten models, one a split.

    Raises:
        DatasetError: see ``read_regdb_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_regdb_tree(
        _named(root),
        split=split,
        name="regdb",
        title="RegDB",
        bands=("visible", "thermal"),
        expected=REGDB,
        protocols=("regdb-vis2ir", "regdb-ir2vis", "ir2vis", "vis2ir"),
        credit="Nguyen et al., Person Recognition System Based on a Combination of Body Images from Visible Light and Thermal Cameras, "
        "Sensors 17(3):605, 2017; research use under the copyright form",
        allow_partial=allow_partial,
    )


@register_survey("regdb", splits=SPLITS)
def survey_regdb(root: Path | None, *, split: int = 1) -> Survey:
    """Look over a folder of RegDB and the lists of one split.

    Raises:
        DatasetError: no folder is named, or it holds neither Visible nor Thermal.
    """
    return survey_regdb_tree(_named(root), split=split, name="regdb", expected=REGDB)


def _named(root: Path | None) -> Path:
    """The folder that the user named."""
    if root is None:
        raise DatasetError(
            "regdb needs its folder, the one that holds Visible, Thermal and idx: it cannot be shipped; send the copyright form of "
            "dm.dongguk.edu/link.html (DBPerson-Recog-DB1), or ask the author of github.com/mangye16/Cross-Modal-Re-ID-baseline"
        )
    return root


def read_regdb_tree(
    root: Path,
    *,
    split: int,
    name: str,
    title: str,
    bands: tuple[str, str],
    expected: Expected,
    protocols: tuple[str, ...],
    credit: str,
    allow_partial: bool = False,
) -> Dataset:
    """Read one split of a folder tree of the RegDB form and compare its lists and folders with what is expected.

    The tables hold the listed images in the order of the lists, visible ones first. The identity is the name of the folder; the
    labels of the lists are only checked, since training numbers its classes by ascending identity. The validation table is empty.
    Pictures that no list of the split names are ignored, with a warning and a note. With ``allow_partial`` missing images and short
    lists become notes too.

    Raises:
        DatasetError: the root or a list is missing or unreadable, a line is no path with a label, a label is not a function of the
            folder, an identity is in both parts of the split; without ``allow_partial`` also every difference from ``expected``.
    """
    survey = survey_regdb_tree(root, split=split, name=name, expected=expected)
    notes = survey.settle(allow_partial)
    sizes = survey.listed_sizes()
    if not sizes:
        raise DatasetError(f"{survey.where}: none of the images that split {split} lists is there")
    fingerprint = fingerprint_of(name, root, survey.tables, sizes)
    titled = f"{title}, split {split}"
    tables = survey.tables
    return Dataset(name, titled, root, bands, **tables, protocols=protocols, fingerprint=fingerprint, credit=credit, notes=notes)


def survey_regdb_tree(root: Path, *, split: int, name: str, expected: Expected) -> Survey:
    """Look over a folder tree of the RegDB form and one split's lists; see ``read_regdb_tree``.

    Raises:
        DatasetError: the root is no folder with Visible or Thermal in it.
    """
    survey = Survey(name, root, expected.remedy, belonging=BELONGING)
    _check_root(root, survey.where)
    scan = _scan(root, survey.where)
    survey.fatal, survey.problems, survey.sizes, survey.strays = [*scan.fatal], [*scan.problems], scan.sizes, scan.strays
    lists = {(part, band): _read_list(survey, part, band, split, expected) for part in ("train", "test") for band in FOLDERS}
    _check_labels(lists, survey)
    _check_parts(lists, split, survey)
    _compare_lists(lists, split, expected, survey)
    _compare_pictures(lists, scan, survey)
    for part in ("train", "test"):
        survey.tables[part] = table_of(_rows(lists, part, scan.sizes, expected))
    _note_unlisted(lists, scan, split, survey)
    survey.notes += band_notes(survey.tables)
    return survey


# --- what lies in the folders ------------------------------------------------------------------------------------------------


@dataclass
class _Scan:
    """What one pass over Visible and Thermal found: bytes of every picture by path."""

    sizes: dict[str, int] = field(default_factory=dict)
    strays: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)
    missing: set[str] = field(default_factory=set)  # folders of a band
    reported: set[str] = field(default_factory=set)  # empty and unreadable files, which have been told already


def _check_root(root: Path, where: str) -> None:
    """The root is a folder with Visible or Thermal in it, or the error says where one is."""
    check_folder(root, where, "Visible, Thermal and idx")
    names = [entry.name for entry in entries_of(root, where)]
    if any(folder in names for folder in FOLDERS.values()):
        return
    inner = next((name for name in names if (root / name / "Visible").is_dir()), None)
    hint = f"did you mean {root / inner}?" if inner else f"found {', '.join(names[:5]) or 'nothing'}"
    raise DatasetError(f"{where}: expected the folders Visible, Thermal and idx, {hint}")


def _scan(root: Path, where: str) -> _Scan:
    """One pass over the picture folders. Others beside them, such as rgb_modify, are nobody's business."""
    scan = _Scan()
    for folder in FOLDERS.values():
        if not (root / folder).is_dir():
            scan.missing.add(folder)
            scan.problems.append(f"folder {folder} is missing")
            continue
        with collected(scan.fatal, where):
            for person in entries_of(root / folder, where):
                if not IDENTITY.fullmatch(person.name) or not person.is_dir():
                    scan.strays.append(f"{folder}/{person.name}")
                    continue
                with collected(scan.fatal, where):
                    for entry in entries_of(person.path, where):
                        _scan_file(scan, f"{folder}/{person.name}/{entry.name}", entry, where)
    return scan


def _scan_file(scan: _Scan, path: str, entry: os.DirEntry[str], where: str) -> None:
    """One entry of an identity's folder."""
    if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith(".") or entry.is_dir():
        scan.strays.append(path)
        return
    with collected(scan.fatal, where):
        size = size_of(entry, where)
        if size:
            scan.sizes[path] = size
            return
        scan.problems.append(f"{path} is an empty file")
    scan.reported.add(path)


# --- the lists of the split --------------------------------------------------------------------------------------------------


class _Line(NamedTuple):
    """One line of a list."""

    path: str
    identity: int
    label: int


_Lists = Mapping[tuple[str, str], Sequence[_Line]]


def _list_name(part: str, band: str, split: int) -> str:
    return f"idx/{part}_{band}_{split}.txt"


def _read_list(survey: Survey, part: str, band: str, split: int, expected: Expected) -> list[_Line]:
    """The lines of one list; the first that is of another form, or comes twice, is fatal, and the others are used all the same."""
    name, texts = _list_name(part, band, split), []
    with survey.collecting():
        texts = read_lines(survey.root / name, f"list {name}", survey.where, missing=expected.lists_from)
    lines: dict[str, _Line] = {}
    strange, twice = [], []
    for text in texts:
        match = LINE.fullmatch(text)
        if match is None or match["folder"] != FOLDERS[band]:
            strange.append(text)
            continue
        if match["path"] in lines:
            twice.append(match["path"])
        lines.setdefault(match["path"], _Line(match["path"], int(match["identity"]), int(match["label"])))
    if strange:
        wanted = f"{FOLDERS[band]}/<identity>/<file> <label>"
        others = f" and {len(strange) - 1} more like it" if len(strange) > 1 else ""
        survey.fatal.append(f"list {name} holds {strange[0][:60]!r}{others}, expected lines of the form {wanted!r}")
    if twice:
        survey.fatal.append(f"list {name} holds {twice[0]} more than once")
    return list(lines.values())


def _check_labels(lists: _Lists, survey: Survey) -> None:
    """In each part of the split, folder and label belong to each other one to one, in both bands alike; the first that do not are told."""
    for part in ("train", "test"):
        label_of: dict[int, int] = {}
        identity_of: dict[int, int] = {}
        for line in (line for band in FOLDERS for line in lists[part, band]):
            label = label_of.setdefault(line.identity, line.label)
            identity = identity_of.setdefault(line.label, line.identity)
            if label != line.label or identity != line.identity:
                told = f"the {part} lists give identity {line.identity} the label {line.label} in {line.path}"
                other = f"identity {identity}" if identity != line.identity else f"label {label}"
                survey.fatal.append(f"{told}, but elsewhere {other}; a label must be a function of the folder")
                break


def _check_parts(lists: _Lists, split: int, survey: Survey) -> None:
    """No identity is both learnt and tested."""
    train, test = ({line.identity for band in FOLDERS for line in lists[part, band]} for part in ("train", "test"))
    both = sorted(train & test)
    if both:
        survey.fatal.append(f"{people_are(both)} in both the train and the test lists of split {split}")


def _compare_lists(lists: _Lists, split: int, expected: Expected, survey: Survey) -> None:
    """Set the lengths of the lists beside the published ones. An empty list has been told where it was read."""
    for (part, band), lines in lists.items():
        want = expected.train if part == "train" else expected.test
        pictures = Counter(line.identity for line in lines)
        uneven = next((identity for identity, count in sorted(pictures.items()) if count != expected.pictures), None)
        cause = "a truncated or edited list" if uneven is None else f"identity {uneven} has {pictures[uneven]}, not {expected.pictures}"
        counts = ((want, want * expected.pictures), (len(pictures), len(lines)))
        before, found = ({"listed identities": people, "listed images": images} for people, images in counts)
        survey.compare(part, camera=str(CAMERAS[band]), modality=MODALITY[band], expected=before, found=found, cause=cause, told=True)
        if lines and (before != found or uneven is not None):
            survey.problems.append(
                f"list {_list_name(part, band, split)}: expected {want} identities / {want * expected.pictures:,} images, "
                f"found {len(pictures)} / {len(lines):,} ({cause})"
            )


def _compare_pictures(lists: _Lists, scan: _Scan, survey: Survey) -> None:
    """Set the listed images beside those that are there. A missing folder or an empty file has been reported already."""
    for (part, band), lines in lists.items():
        missing = [line for line in lines if line.path not in scan.sizes]
        gone = [line for line in missing if line.path not in scan.reported]
        there = [line for line in lines if line.path in scan.sizes]
        counts = [{"identities": len({line.identity for line in some}), "images": len(some)} for some in (lines, there)]
        survey.compare(
            part,
            where=f"{FOLDERS[band]} {part}",
            camera=str(CAMERAS[band]),
            modality=MODALITY[band],
            expected=counts[0],
            found=counts[1],
            cause=_cause(gone, scan) if gone else "empty or unreadable files",
            told=not gone or FOLDERS[band] in scan.missing,
        )


def _cause(gone: Sequence[_Line], scan: _Scan) -> str:
    """The likeliest reason for missing images, in a few words."""
    stems = {path.rpartition(".")[0]: path for path in scan.sizes}
    converted = next((line.path for line in gone if line.path.rpartition(".")[0] in stems), None)
    if converted:
        return (
            f"the list names {converted}, the folder holds {stems[converted.rpartition('.')[0]]}: converted pictures need converted lists"
        )
    folders = {path.rpartition("/")[0] for path in scan.sizes}
    empty = sorted({line.identity for line in gone if line.path.rpartition("/")[0] not in folders})
    if empty:
        return f"identity folders missing or empty: {', '.join(map(str, empty[:5]))}{', ...' if len(empty) > 5 else ''}; incomplete copy"
    return f"{gone[0].path} is missing, incomplete copy"


def _rows(lists: _Lists, part: str, sizes: Mapping[str, int], expected: Expected) -> list[tuple[str, int, int, str, int, int]]:
    """Rows of one part's table: (path, identity, camera, modality, tracklet, frame)."""
    rows = []
    for band in FOLDERS:
        for line in lists[part, band]:
            if line.path in sizes:
                number = expected.number.fullmatch(Path(line.path).stem)
                rows.append((line.path, line.identity, CAMERAS[band], MODALITY[band], -1, int(number[1]) if number else -1))
    return rows


def _note_unlisted(lists: _Lists, scan: _Scan, split: int, survey: Survey) -> None:
    """One sentence on pictures that the split does not use. A list that is too short is told elsewhere."""
    listed = {line.path for lines in lists.values() for line in lines}
    more = sorted(set(scan.sizes) - listed)
    if more:
        survey.warned.append(
            f"ignored {len(more)} picture{'s' if len(more) > 1 else ''} that no list of split {split} names, first {more[0]}"
        )
    band_of = {folder: band for band, folder in FOLDERS.items()}
    parts = [(path, *path.split("/")) for path in more]
    survey.unlisted = table_of(
        [(path, int(person), CAMERAS[band_of[folder]], MODALITY[band_of[folder]], -1, -1) for path, folder, person, _ in parts]
    )
