"""The folders of LLCM: all pictures by identity, and the test pictures once more by camera (datasets.md 3)."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from vireidkit.data.llcm_lists import Line
from vireidkit.data.reading import SUFFIXES, check_folder, entries_of, size_of
from vireidkit.data.survey import Survey
from vireidkit.errors import DatasetError

FOLDERS = {"visible": "vis", "infrared": "nir"}
CAMERAS = {"visible": (1, 2, 3, 4, 5, 6, 7, 8, 9), "infrared": (1, 2, 4, 5, 6, 7, 8, 9)}
IDENTITY = re.compile("[0-9]{1,9}")
NAME = re.compile("(?P<identity>[0-9]{1,9})_c(?P<camera>[0-9]{1,4})_s[0-9]+_f(?P<frame>[0-9]{1,15})_(?:vis|nir)")


class Place(NamedTuple):
    """A picture file. ``camera`` is the folder's, or the file name's where no folder tells it, or -1."""

    path: str
    identity: int
    camera: int
    name: str

    @property
    def key(self) -> tuple[str, str]:
        """(identity folder, file name), the same in both forms."""
        return self.path.split("/")[-2], self.name

    @property
    def order(self) -> tuple[int, int, str]:
        """By identity, camera and name."""
        return self.identity, self.camera, self.name


@dataclass
class Scan:
    """What one pass over the folders found: bytes of every picture, and the pictures of each band in both forms by key."""

    sizes: dict[str, int] = field(default_factory=dict)
    plain: dict[str, dict[tuple[str, str], Place]] = field(default_factory=lambda: {band: {} for band in FOLDERS})
    by_camera: dict[str, dict[tuple[str, str], Place]] = field(default_factory=lambda: {band: {} for band in FOLDERS})
    missing: set[str] = field(default_factory=set)
    told: set[str] = field(default_factory=set)  # empty and unreadable files

    def find(self, band: str, line: Line) -> Place | None:
        """The file of a listed picture, in either form."""
        return self.plain[band].get(line.key) or self.by_camera[band].get(line.key)


def check_root(root: Path, where: str) -> None:
    """The root is a folder with at least one of the four picture folders, or the error says where one is.

    Raises:
        DatasetError: it is not.
    """
    expected = "vis, nir, test_vis, test_nir and idx"
    check_folder(root, where, expected)
    names = [entry.name for entry in entries_of(root, where)]
    if {"vis", "nir", "test_vis", "test_nir"} & set(names):
        return
    inner = next((name for name in names if (root / name / "nir").is_dir()), None)
    hint = f"did you mean {root / inner}?" if inner else f"found {', '.join(names[:5]) or 'nothing'}"
    raise DatasetError(f"{where}: expected the folders {expected}, {hint}")


def scan_folder(root: Path, survey: Survey, cameras: Mapping[str, Sequence[int]]) -> Scan:
    """One pass over all four folders; problems go to the survey. Paths are read part by part, whatever the root is called."""
    scan = Scan()
    for band, folder in FOLDERS.items():
        if _there(scan, survey, folder, "incomplete copy"):
            _scan_people(scan, survey, folder, band, None)
    for band, folder in FOLDERS.items():
        test = f"test_{folder}"
        if not _there(scan, survey, test, "L1 and L2 draw from it; part of the archive is not unpacked"):
            continue
        wanted = {f"cam{camera}": camera for camera in cameras[band]}
        with survey.collecting():
            names = [entry.name for entry in entries_of(root / test, survey.where) if entry.is_dir() or entry.name not in wanted]
            survey.strays += [f"{test}/{name}" for name in names if name not in wanted]
            for name, camera in wanted.items():
                if name in names:
                    _scan_people(scan, survey, f"{test}/{name}", band, camera)
                else:
                    survey.problems.append(f"camera folder {test}/{name} is missing")
    _check_twins(scan, survey)
    return scan


def _there(scan: Scan, survey: Survey, folder: str, why: str) -> bool:
    """Whether a folder is there; a missing one is a problem."""
    if (survey.root / folder).is_dir():
        return True
    scan.missing.add(folder)
    survey.problems.append(f"folder {folder} is missing ({why})")
    return False


def _scan_people(scan: Scan, survey: Survey, folder: str, band: str, camera: int | None) -> None:
    """The identity folders in ``folder``; ``camera`` is None where the file names tell it."""
    with survey.collecting():
        for person in entries_of(survey.root / folder, survey.where):
            if not IDENTITY.fullmatch(person.name) or not person.is_dir():
                survey.strays.append(f"{folder}/{person.name}")
                continue
            with survey.collecting():
                for entry in entries_of(person.path, survey.where):
                    _scan_file(scan, survey, f"{folder}/{person.name}", entry, band, camera)


def _scan_file(scan: Scan, survey: Survey, folder: str, entry: os.DirEntry[str], band: str, camera: int | None) -> None:
    """One entry of an identity's folder."""
    path = f"{folder}/{entry.name}"
    if not entry.name.lower().endswith(SUFFIXES) or entry.name.startswith(".") or not entry.name.isprintable() or entry.is_dir():
        survey.strays.append(path)
        return
    scan.told.add(path)
    with survey.collecting():
        size = size_of(entry, survey.where)
        if size == 0:
            survey.problems.append(f"{path} is an empty file")
            return
        scan.told.discard(path)
        scan.sizes[path] = size
        match = NAME.fullmatch(Path(entry.name).stem)
        number = camera if camera is not None else int(match["camera"]) if match else -1
        place = Place(path, int(folder.rpartition("/")[2]), number, entry.name)
        known = scan.plain[band] if camera is None else scan.by_camera[band]
        before = known.setdefault(place.key, place)
        if before is not place:
            survey.problems.append(f"{before.path} and {path} are one picture in two cameras")


def _check_twins(scan: Scan, survey: Survey) -> None:
    """Every test picture lies in the folder of all pictures too, and both copies are of one size."""
    for band, folder in FOLDERS.items():
        known = scan.plain[band]
        pairs = [(place.path, known[key].path) for key, place in scan.by_camera[band].items() if key in known]
        alone = [place.path for key, place in scan.by_camera[band].items() if key not in known]
        alone = [path for path in alone if f"{folder}/{'/'.join(path.split('/')[-2:])}" not in scan.told]
        if alone and folder not in scan.missing:
            text = f"{len(alone)} test picture{'s are' if len(alone) > 1 else ' is'} not in {folder}, first {alone[0]} (incomplete copy)"
            (survey.problems if pairs else survey.warned).append(text)
        other = [pair for pair in pairs if scan.sizes[pair[0]] != scan.sizes[pair[1]]]
        if other:
            more = f" (and {len(other) - 1} more pairs)" if len(other) > 1 else ""
            survey.problems.append(f"{other[0][0]} and {other[0][1]} should be one picture but differ in size{more}")
