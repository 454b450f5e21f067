"""Any data set that a user brings: a folder of pictures with a CSV file that says who, where and in which band.

    <root>/manifest.csv     columns path, identity, camera, modality, split[, role, tracklet, frame]; others are ignored

``path`` is relative to the file's folder, with "/" between its parts. ``identity`` and ``camera`` are whole numbers from 0.
``modality`` is visible or infrared. ``split`` is train, validation or test. ``role`` (query, gallery or both, test rows only), ``tracklet``
and ``frame`` may be left out, or their cells left empty.
"""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import COLUMNS, SPLITS, Dataset, fingerprint_of
from vireidkit.data.reading import band_notes, people_are
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.errors import DatasetError
from vireidkit.modality import MODALITIES

FILE = "manifest.csv"
NEEDED = ("path", "identity", "camera", "modality", "split")
NUMBERS = {"identity": 0, "camera": 0, "tracklet": -1, "frame": -1}  # column: smallest value
CHOICES = {"modality": MODALITIES, "split": SPLITS, "role": ("query", "gallery", "both", "")}
BANDS = ("visible", "infrared")


@dataclass(frozen=True)
class Count:
    """Expected identities and images of one split in one camera."""

    split: str
    camera: int
    identities: int
    images: int


@register_reader("manifest")
def read_manifest(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read a data set of the user's own from its manifest.csv; ``root`` is the folder that holds it, or the CSV file itself.

    Raises:
        DatasetError: see ``read_manifest_tree``; also when no folder is named.
    """
    root = _named(root)
    return read_manifest_tree(
        root,
        name="manifest",
        title=(root.parent if root.is_file() else root).name,
        bands=BANDS,
        credit="the user's own data; its own terms apply",
        allow_partial=allow_partial,
    )


@register_survey("manifest")
def survey_manifest(root: Path | None, *, split: int = 1) -> Survey:
    """Look over a manifest and the files that it names.

    Raises:
        DatasetError: none is named, or the file is missing or no table of the promised columns.
    """
    return survey_manifest_tree(_named(root), name="manifest")


def _named(root: Path | None) -> Path:
    """The folder or file that the user named."""
    if root is None:
        raise DatasetError(f"manifest needs the folder that holds {FILE}, or a CSV file with the columns {', '.join(NEEDED)}")
    return root


REMEDY = "mend the manifest or the folder"


def read_manifest_tree(
    root: Path,
    *,
    name: str,
    title: str,
    bands: tuple[str, str],
    credit: str,
    expected: Sequence[Count] = (),
    remedy: str = REMEDY,
    allow_partial: bool = False,
) -> Dataset:
    """Read a manifest and look at every file that it names, without decoding it.

    Rows keep the order of the file. The protocols are those that the test rows allow. Identities that only one band saw stay in the
    tables, with a note. With ``allow_partial`` rows whose file is missing or empty are left out, with a note.

    Raises:
        DatasetError: the file is missing, unreadable or no table of the promised columns; a cell holds what its column does not take;
            a path is named twice or leads out of the folder; an identity is in two splits; without ``allow_partial`` also a missing
            or empty picture file and every difference from ``expected``.
    """
    survey = survey_manifest_tree(root, name=name, expected=expected, remedy=remedy)
    notes = survey.settle(allow_partial)
    tables = survey.tables
    if not survey.sizes:
        raise DatasetError(f"{survey.where}: none of the {len(survey.unlisted)} pictures is there")
    fingerprint = fingerprint_of(name, survey.root, tables, survey.sizes)
    protocols = possible_protocols(tables["test"])
    return Dataset(name, title, survey.root, bands, **tables, protocols=protocols, fingerprint=fingerprint, credit=credit, notes=notes)


def survey_manifest_tree(root: Path, *, name: str, expected: Sequence[Count] = (), remedy: str = REMEDY) -> Survey:
    """Look over a manifest and the files that it names; lines that cannot be used are told and left out.

    Raises:
        DatasetError: the file is missing, unreadable or no table of the promised columns.
    """
    file = root / FILE if root.is_dir() else root
    survey = Survey(name, file.parent, remedy, at=file)
    rows = _read(file, survey)
    rows = _typed(rows[_check_cells(rows, survey) & _check_paths(rows, survey)])
    _check_splits(rows, survey)
    survey.sizes, survey.problems = _sizes(file.parent, rows["path"].tolist(), survey.where)
    there = rows["path"].isin(list(survey.sizes))
    survey.tables = _tables(rows[there])
    survey.unlisted = rows[~there].drop(columns="split").reset_index(drop=True)
    whole = not survey.problems and not survey.fatal
    for want in expected:
        _compare(want, survey, told=not whole)
    survey.notes += band_notes(survey.tables)
    if not possible_protocols(survey.tables["test"]):
        survey.notes.append("no protocol applies: the test rows hold no identity that a second band or camera saw")
    return survey


def possible_protocols(table: pd.DataFrame) -> tuple[str, ...]:
    """The protocols for two bands that have at least one query with a match on these rows."""
    seen = table.groupby("modality")["identity"].agg(set).to_dict()
    across = seen.get("visible", set()) & seen.get("infrared", set())
    found = ["ir2vis", "vis2ir"] if across else []
    cameras = table.groupby(["modality", "identity"])["camera"].nunique()
    found += [f"within-{band}" for band in MODALITIES if band in seen and (cameras[band] > 1).any()]
    return tuple(found)


# --- the file ----------------------------------------------------------------------------------------------------------------


def _read(file: Path, survey: Survey) -> pd.DataFrame:
    """The known columns as text, one row a picture; the index is the line in the file."""
    where, ragged = survey.where, []
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, where)
            lines: dict[int, list[str]] = {}
            for row in reader:
                if any(cell.strip() for cell in row) and len(row) == len(header):
                    lines[reader.line_num] = [cell.strip() for cell in row]
                elif any(cell.strip() for cell in row):
                    ragged.append(f"line {reader.line_num} has {len(row)} cells, the header has {len(header)}")
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: this file does not exist; a manifest is a CSV file with {', '.join(NEEDED)}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: this file is no text in UTF-8") from error
    except csv.Error as error:
        raise DatasetError(f"{where}: this file is no CSV table: {error}") from error
    except OSError as error:
        raise DatasetError(f"{where}: this file cannot be read: {error.strerror or error}") from error
    if ragged:
        survey.fatal.append(ragged[0] + (f" ({_others(len(ragged))})" if len(ragged) > 1 else ""))
    elif not lines:
        raise DatasetError(f"{where}: no picture is listed below the header")
    rows = pd.DataFrame(list(lines.values()), columns=header, index=list(lines), dtype=object)
    return rows[[name for name in (*NEEDED, "role", "tracklet", "frame") if name in header]]


def _check_header(header: list[str], where: str) -> None:
    """The needed columns are there, and no known one comes twice."""
    if len(header) == 1 and any(sign in header[0] for sign in ";\t"):
        raise DatasetError(f"{where}: the columns are separated by {'a tab' if chr(9) in header[0] else ';'}, expected a comma")
    for name in NEEDED:
        if name not in header:
            close = difflib.get_close_matches(name, header, n=1)
            hint = f" (did you mean {name!r} by {close[0]!r}?)" if close else ""
            raise DatasetError(f"{where}: column {name!r} is missing{hint}; found {', '.join(filter(None, header)) or 'an empty line'}")
    twice = next((name for name in (*NEEDED, "role", "tracklet", "frame") if header.count(name) > 1), None)
    if twice:
        raise DatasetError(f"{where}: column {twice!r} comes twice")


# --- the cells ---------------------------------------------------------------------------------------------------------------


def _check_cells(rows: pd.DataFrame, survey: Survey) -> pd.Series:
    """Where numbers are whole numbers, choices are known ones, and roles are given to all test rows or to none: bool, one a row."""
    usable = pd.Series(True, index=rows.index)
    for column, least in NUMBERS.items():
        if column in rows.columns:
            cells = rows[column]
            fine = cells.str.fullmatch("-?[0-9]{1,18}") | ((cells == "") & (least < 0))
            fine &= ~cells.str.startswith("-") | (cells == str(least))
            usable &= _tell_wrong(rows, column, fine, f"a whole number from {max(least, 0)}", survey)
    for column, choices in CHOICES.items():
        if column in rows.columns:
            words = ", ".join(filter(None, choices))
            usable &= _tell_wrong(rows, column, rows[column].isin(choices), f"one of {words}", survey)
    if "role" in rows.columns and (rows["role"] != "").any():
        tested = rows["split"] == "test"
        rule = "query, gallery or both in every test row, and nothing in the others"
        usable &= _tell_wrong(rows, "role", (rows["role"] == "") ^ tested, rule, survey)
    return usable


def _tell_wrong(rows: pd.DataFrame, column: str, fine: pd.Series, expected: str, survey: Survey) -> pd.Series:
    """Name the first cell of a column that is not fine, and how many there are; returns ``fine``."""
    fine = fine.astype(bool)
    wrong = rows.loc[~fine, column]
    if len(wrong):
        more = f" and {_others(len(wrong))}" if len(wrong) > 1 else ""
        survey.fatal.append(f"line {wrong.index[0]}{more}: {column} must be {expected}; found {wrong.iloc[0][:40]!r}")
    return fine


def _others(lines: int) -> str:
    return f"{lines - 1} more line{'s' if lines > 2 else ''}"


def _check_paths(rows: pd.DataFrame, survey: Survey) -> pd.Series:
    """Where paths are relative, inside the folder, written with "/", and named for the first time: bool, one a row."""
    paths = rows["path"]
    parts = paths.str.split("/")
    plain = parts.map(lambda names: all(name not in ("", ".", "..") for name in names)) & ~paths.str.contains(r"\\|^[A-Za-z]:", regex=True)
    fine = _tell_wrong(rows, "path", plain, "relative to the manifest's folder and inside it, with '/' between its parts", survey)
    twice = paths[paths.duplicated(keep=False)]
    if len(twice):
        first, again = twice.index[twice == twice.iloc[0]][:2]
        survey.fatal.append(f"{twice.iloc[0]} is listed twice, in lines {first} and {again}")
    return fine & ~paths.duplicated()


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers as integers, -1 where nothing is known, and the columns of a Dataset's table besides ``split``."""
    given = {column: rows[column].replace("", "-1") if column in rows.columns else -1 for column in NUMBERS}
    rows = rows.assign(**given).astype({column: "int64" for column in NUMBERS} | {"path": "str", "modality": "str"})
    roles = ["role"] if "role" in rows.columns and (rows["role"] != "").any() else []
    return rows[[*COLUMNS, *roles, "split"]]


def _check_splits(rows: pd.DataFrame, survey: Survey) -> None:
    """No identity is in two splits."""
    splits = rows.groupby("identity")["split"].nunique()
    both = splits.index[splits > 1].tolist()
    if both:
        names = rows.loc[rows["identity"] == both[0], "split"].drop_duplicates().tolist()
        others = "" if len(both) == 1 else f" (identity {both[0]}: {' and '.join(names)})"
        which = f"both {' and '.join(names)}" if len(both) == 1 else f"two splits{others}"
        survey.fatal.append(f"{people_are(both)} in {which}; whoever is tested must not be learnt")


# --- the pictures ------------------------------------------------------------------------------------------------------------


def _sizes(folder: Path, paths: Sequence[str], where: str) -> tuple[dict[str, int], list[str]]:
    """Bytes of every file that is there, and what is wrong with the others."""
    sizes, missing, empty, problems = {}, [], [], []
    for path in paths:
        try:
            size = os.stat(folder / path).st_size if not (folder / path).is_dir() else None
        except (FileNotFoundError, NotADirectoryError):
            size = None
        except (OSError, ValueError) as error:  # the second: a path that no file can have
            problems.append(f"{path} cannot be read: {getattr(error, 'strerror', None) or error}")
            continue
        if size:
            sizes[path] = size
        else:
            (missing if size is None else empty).append(path)
    for gone, what in ((missing, "not there"), (empty, "empty")):
        if gone:
            problems.append(f"{len(gone)} of {len(paths)} picture files {'is' if len(gone) == 1 else 'are'} {what}, first {gone[0]}")
    return sizes, problems


def _tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One table a split, in the order of the file."""
    return {split: rows[rows["split"] == split].drop(columns="split").reset_index(drop=True) for split in SPLITS}


def _compare(want: Count, survey: Survey, *, told: bool) -> None:
    """Set the identities and images of one split and camera beside the expected ones."""
    table = survey.tables[want.split]
    rows = table[table["camera"] == want.camera]
    bands = rows["modality"].unique()
    survey.compare(
        want.split,
        where=f"camera {want.camera} {want.split}",
        camera=str(want.camera),
        modality=bands[0] if len(bands) == 1 else "",
        expected={"identities": want.identities, "images": want.images},
        found={"identities": rows["identity"].nunique(), "images": len(rows)},
        cause="another or an edited manifest",
        told=told,
    )
