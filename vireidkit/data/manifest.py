"""Any data set that a user brings: a folder of pictures with a CSV file that says who, where and in which band.

    <root>/manifest.csv     columns path, identity, camera, modality, split[, role, tracklet, frame]; others are ignored

``path`` is relative to the file's folder, with "/" between its parts. ``identity`` and ``camera`` are whole numbers from 0.
``modality`` is visible or infrared. ``split`` is train, validation or test. ``role`` (query or gallery, test rows only), ``tracklet``
and ``frame`` may be left out, or their cells left empty.
"""

from __future__ import annotations

import csv
import difflib
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import COLUMNS, SPLITS, Dataset, fingerprint_of
from vireidkit.data.reading import band_notes, people_are
from vireidkit.data.registry import register_reader
from vireidkit.errors import DatasetError
from vireidkit.modality import MODALITIES

FILE = "manifest.csv"
NEEDED = ("path", "identity", "camera", "modality", "split")
NUMBERS = {"identity": 0, "camera": 0, "tracklet": -1, "frame": -1}  # column: smallest value
CHOICES = {"modality": MODALITIES, "split": SPLITS, "role": ("query", "gallery", "")}
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
    if root is None:
        raise DatasetError(f"manifest needs the folder that holds {FILE}, or a CSV file with the columns {', '.join(NEEDED)}")
    return read_manifest_tree(
        root,
        name="manifest",
        title=(root.parent if root.is_file() else root).name,
        bands=BANDS,
        credit="the user's own data; its own terms apply",
        allow_partial=allow_partial,
    )


def read_manifest_tree(
    root: Path,
    *,
    name: str,
    title: str,
    bands: tuple[str, str],
    credit: str,
    expected: Sequence[Count] = (),
    remedy: str = "mend the manifest or the folder",
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
    file = root / FILE if root.is_dir() else root
    where = f"{name} at {file}"
    rows = _read(file, where)
    _check_cells(rows, where)
    _check_paths(rows, where)
    rows = _typed(rows)
    _check_splits(rows, where)
    sizes, problems = _sizes(file.parent, rows["path"].tolist(), where)
    tables = _tables(rows[rows["path"].isin(list(sizes))])
    problems += [] if problems else list(_count_problems(tables, expected))
    if problems and not allow_partial:
        raise DatasetError(f"{where}: {'; '.join(problems)} ({remedy}, or pass allow_partial=True to go on with what is there)")
    if not sizes:
        raise DatasetError(f"{where}: none of the {len(rows)} pictures is there")
    protocols = possible_protocols(tables["test"])
    notes = [*problems, *band_notes(tables)]
    notes += [] if protocols else ["no protocol applies: the test rows hold no identity that a second band or camera saw"]
    fingerprint = fingerprint_of(name, file.parent, tables, sizes)
    return Dataset(
        name, title, file.parent, bands, **tables, protocols=protocols, fingerprint=fingerprint, credit=credit, notes=tuple(notes)
    )


def possible_protocols(table: pd.DataFrame) -> tuple[str, ...]:
    """The protocols for two bands that have at least one query with a match on these rows."""
    seen = table.groupby("modality")["identity"].agg(set).to_dict()
    across = seen.get("visible", set()) & seen.get("infrared", set())
    found = ["ir2vis", "vis2ir"] if across else []
    cameras = table.groupby(["modality", "identity"])["camera"].nunique()
    found += [f"within-{band}" for band in MODALITIES if band in seen and (cameras[band] > 1).any()]
    return tuple(found)


# --- the file ----------------------------------------------------------------------------------------------------------------


def _read(file: Path, where: str) -> pd.DataFrame:
    """The known columns as text, one row a picture; the index is the line in the file."""
    try:
        with open(file, encoding="utf-8-sig", newline="") as stream:
            reader = csv.reader(stream, strict=True)
            header = [name.strip() for name in next(reader, [])]
            _check_header(header, where)
            lines: dict[int, list[str]] = {}
            for row in reader:
                if any(cell.strip() for cell in row):
                    lines[reader.line_num] = [cell.strip() for cell in row]
                    if len(row) != len(header):
                        raise DatasetError(f"{where}: line {reader.line_num} has {len(row)} cells, the header has {len(header)}")
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: this file does not exist; a manifest is a CSV file with {', '.join(NEEDED)}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: this file is no text in UTF-8") from error
    except csv.Error as error:
        raise DatasetError(f"{where}: this file is no CSV table: {error}") from error
    except OSError as error:
        raise DatasetError(f"{where}: this file cannot be read: {error.strerror or error}") from error
    if not lines:
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


def _check_cells(rows: pd.DataFrame, where: str) -> None:
    """Numbers are whole numbers, choices are known ones, and roles are given to all test rows or to none."""
    for column, least in NUMBERS.items():
        if column in rows.columns:
            cells = rows[column]
            fine = cells.str.fullmatch("-?[0-9]{1,18}") | ((cells == "") & (least < 0))
            fine &= ~cells.str.startswith("-") | (cells == str(least))
            _first_wrong(rows, column, fine, f"a whole number from {max(least, 0)}", where)
    for column, choices in CHOICES.items():
        if column in rows.columns:
            words = ", ".join(filter(None, choices))
            _first_wrong(rows, column, rows[column].isin(choices), f"one of {words}", where)
    if "role" in rows.columns and (rows["role"] != "").any():
        tested = rows["split"] == "test"
        _first_wrong(rows, "role", (rows["role"] == "") ^ tested, "query or gallery in every test row, and nothing in the others", where)


def _first_wrong(rows: pd.DataFrame, column: str, fine: pd.Series, expected: str, where: str) -> None:
    """Name the first cell of a column that is not fine, and how many there are."""
    wrong = rows.loc[~fine.astype(bool), column]
    if len(wrong):
        more = f" and {len(wrong) - 1} more line{'s' if len(wrong) > 2 else ''}" if len(wrong) > 1 else ""
        raise DatasetError(f"{where}: line {wrong.index[0]}{more}: {column} must be {expected}; found {wrong.iloc[0][:40]!r}")


def _check_paths(rows: pd.DataFrame, where: str) -> None:
    """Paths are relative, inside the folder, written with "/", and come once."""
    paths = rows["path"]
    parts = paths.str.split("/")
    plain = parts.map(lambda names: all(name not in ("", ".", "..") for name in names)) & ~paths.str.contains(r"\\|^[A-Za-z]:", regex=True)
    _first_wrong(rows, "path", plain, "relative to the manifest's folder and inside it, with '/' between its parts", where)
    twice = paths[paths.duplicated(keep=False)]
    if len(twice):
        first, again = twice.index[twice == twice.iloc[0]][:2]
        raise DatasetError(f"{where}: {twice.iloc[0]} is listed twice, in lines {first} and {again}")


def _typed(rows: pd.DataFrame) -> pd.DataFrame:
    """Numbers as integers, -1 where nothing is known, and the columns of a Dataset's table besides ``split``."""
    given = {column: rows[column].replace("", "-1") if column in rows.columns else -1 for column in NUMBERS}
    rows = rows.assign(**given).astype({column: "int64" for column in NUMBERS} | {"path": "str", "modality": "str"})
    roles = ["role"] if "role" in rows.columns and (rows["role"] != "").any() else []
    return rows[[*COLUMNS, *roles, "split"]]


def _check_splits(rows: pd.DataFrame, where: str) -> None:
    """No identity is in two splits."""
    splits = rows.groupby("identity")["split"].nunique()
    both = splits.index[splits > 1].tolist()
    if both:
        names = rows.loc[rows["identity"] == both[0], "split"].drop_duplicates().tolist()
        others = "" if len(both) == 1 else f" (identity {both[0]}: {' and '.join(names)})"
        which = f"both {' and '.join(names)}" if len(both) == 1 else f"two splits{others}"
        raise DatasetError(f"{where}: {people_are(both)} in {which}; whoever is tested must not be learnt")


# --- the pictures ------------------------------------------------------------------------------------------------------------


def _sizes(folder: Path, paths: Sequence[str], where: str) -> tuple[dict[str, int], list[str]]:
    """Bytes of every file that is there, and what is wrong with the others."""
    sizes, missing, empty = {}, [], []
    for path in paths:
        try:
            size = os.stat(folder / path).st_size if not (folder / path).is_dir() else None
        except (FileNotFoundError, NotADirectoryError):
            size = None
        except (OSError, ValueError) as error:  # the second: a path that no file can have
            raise DatasetError(f"{where}: {path} cannot be read: {getattr(error, 'strerror', None) or error}") from error
        if size:
            sizes[path] = size
        else:
            (missing if size is None else empty).append(path)
    problems = []
    for gone, what in ((missing, "not there"), (empty, "empty")):
        if gone:
            problems.append(f"{len(gone)} of {len(paths)} picture files {'is' if len(gone) == 1 else 'are'} {what}, first {gone[0]}")
    return sizes, problems


def _tables(rows: pd.DataFrame) -> dict[str, pd.DataFrame]:
    """One table a split, in the order of the file."""
    return {split: rows[rows["split"] == split].drop(columns="split").reset_index(drop=True) for split in SPLITS}


def _count_problems(tables: dict[str, pd.DataFrame], expected: Sequence[Count]) -> Iterator[str]:
    """Every difference in identities or images."""
    for want in expected:
        table = tables[want.split]
        rows = table[table["camera"] == want.camera]
        if (rows["identity"].nunique(), len(rows)) != (want.identities, want.images):
            yield (
                f"camera {want.camera} {want.split}: expected {want.identities} identities / {want.images:,} images, "
                f"found {rows['identity'].nunique()} / {len(rows):,} (another or an edited manifest)"
            )
