"""What the readers of video data sets share: tables of a million rows from name lists, counts, and the way to a Dataset.

The rows of a tracklet stand together, in the order of its frames, and the column ``frame`` never falls along them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.data.dataset import Dataset, fingerprint_of
from vireidkit.data.presence import Presence, counted_names, look_for, missing_cause
from vireidkit.data.reading import people_are, table_of
from vireidkit.data.survey import Survey
from vireidkit.errors import DatasetError

NUMBERS = ("identity", "camera", "tracklet", "frame")


@dataclass(frozen=True)
class Count:
    """Expected numbers of one split, or of its rows with one role or modality; None is not checked.

    Attributes:
        split: "train", "test", or "" for all splits together.
        cause: the likely reason for a difference; sure: False makes a difference a note, for figures that nobody could check.
    """

    split: str
    identities: int | None = None
    tracklets: int | None = None
    images: int | None = None
    role: str = ""
    modality: str = ""
    cause: str = "truncated or edited lists"
    sure: bool = True

    @property
    def where(self) -> str:
        """What a report calls these rows."""
        return " ".join(filter(None, (self.split or "train and test", self.modality, self.role)))

    def expected(self) -> dict[str, int]:
        """The numbers that are checked."""
        numbers = {"identities": self.identities, "tracklets": self.tracklets, "images": self.images}
        return {name: number for name, number in numbers.items() if number is not None}

    def found(self, tables: Mapping[str, pd.DataFrame]) -> dict[str, int]:
        """The same numbers of these tables. An image of role "both" counts in either role."""
        rows = tables[self.split] if self.split else pd.concat(list(tables.values()), ignore_index=True)
        if self.role:
            rows = rows[rows["role"].isin((self.role, "both"))]
        if self.modality:
            rows = rows[rows["modality"] == self.modality]
        counted = {"identities": rows["identity"].nunique(), "tracklets": number_of_tracklets(rows), "images": len(rows)}
        return {name: counted[name] for name in self.expected()}


@dataclass(frozen=True)
class Expected:
    """What a complete folder holds; ``remedy`` says what to do about a difference."""

    counts: tuple[Count, ...]
    remedy: str


def number_of_tracklets(rows: pd.DataFrame) -> int:
    """Different tracklets among these rows; single images (-1) are none."""
    tracklets = rows["tracklet"].unique()
    return int((tracklets >= 0).sum())


# --- tables ------------------------------------------------------------------------------------------------------------------


def rows_of(
    paths: Sequence[str], *, identity: Any, camera: Any, modality: Any, tracklet: Any, frame: Any, role: Any = None
) -> pd.DataFrame:
    """A table with one row a path. Each column is given as one value for all rows, or as one value a row.

    ``frame`` is the number that the file's name prints. Protocols put frames in order by it; where it falls along the rows of a
    tracklet, whose order is the data set's own, it becomes the position in that tracklet instead, from 1.
    """
    if not len(paths):
        return _no_rows(role is not None)
    columns = {"path": list(paths), "identity": identity, "camera": camera, "modality": modality, "tracklet": tracklet, "frame": frame}
    if role is not None:
        columns["role"] = role
    table = pd.DataFrame(columns)
    kinds = {name: "int64" if name in NUMBERS else "str" for name in columns}
    table = table.astype(kinds)
    table["frame"] = _rising(table["tracklet"].to_numpy(), table["frame"].to_numpy())
    return table


def _rising(tracklets: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """The frame numbers (N,), in tracklets where they fall replaced by positions; single images (-1) are left alone."""
    falls = (tracklets[1:] == tracklets[:-1]) & (frames[1:] < frames[:-1]) & (tracklets[1:] >= 0)
    unordered = np.isin(tracklets, tracklets[1:][falls])
    positions = pd.Series(tracklets).groupby(tracklets).cumcount().to_numpy() + 1
    return np.where(unordered, positions, frames)


def _no_rows(with_role: bool) -> pd.DataFrame:
    table = table_of([])
    return table.assign(role=pd.Series([], dtype="str")) if with_role else table


def joined(tables: Iterable[pd.DataFrame]) -> pd.DataFrame:
    """Several tables one below the other, with a fresh index."""
    return pd.concat(list(tables), ignore_index=True)


def check_twice(table: pd.DataFrame, what: str, where: str) -> None:
    """Raise DatasetError if a picture is listed more than once; ``what`` lists it."""
    twice = table["path"][table["path"].duplicated()]
    if len(twice):
        raise DatasetError(f"{where}: {what} holds {twice.iloc[0]} more than once; get the official list again")


def fields_of(names: Sequence[str], pattern: re.Pattern[str], lines: np.ndarray, file: str, form: str, where: str) -> np.ndarray:
    """The groups of every name as text (N, groups).

    Args:
        lines: (N,) number of each name's line in ``file``; form: what a name should look like, in words.

    Raises:
        DatasetError: a name that the pattern does not match; it is told with its line.
    """
    found = [match.groups() if (match := pattern.fullmatch(name)) else None for name in names]
    wrong = next((place for place, groups in enumerate(found) if groups is None), None)
    if wrong is not None:
        raise DatasetError(f"{where}: line {lines[wrong]} of {file} holds {names[wrong][:60]!r}, expected names like {form}")
    return np.array(found, dtype=object).reshape(len(names), pattern.groups)


# --- counts, files, Dataset --------------------------------------------------------------------------------------------------


def compare(survey: Survey, tables: Mapping[str, pd.DataFrame], counts: Iterable[Count]) -> None:
    """Compare the tables that could be made with what is published; an unsure figure that differs becomes a note."""
    for want in counts:
        if (want.split or "train") not in tables or (not want.split and len(tables) < 2):
            continue  # what kept the table from being made has been told
        if want.role and "role" not in tables[want.split].columns:
            continue  # and what kept its roles from being read, too
        expected, found = want.expected(), want.found(tables)
        if want.sure:
            rows = " ".join(filter(None, (want.split or "train and test", want.role)))
            survey.compare(rows, where=want.where, modality=want.modality, expected=expected, found=found, cause=want.cause)
        elif expected != found:
            said, there = (" / ".join(f"{number:,} {name}" for name, number in numbers.items()) for numbers in (expected, found))
            survey.notes.append(f"{want.where}: {said} are said to be there, the lists hold {there} (a figure that nobody could check)")


def look_at_files(survey: Survey, tables: dict[str, pd.DataFrame], *, all_listed: bool = True) -> None:
    """Look for every picture of the tables; give the survey the tables of those that are there, their sizes and what is wrong.

    Args:
        all_listed: other files beside the listed pictures are worth a note.
    """
    _check_disjoint(survey, tables)
    paths = [path for table in tables.values() for path in table["path"].tolist()]
    present = look_for(survey.root, paths, survey.where) if paths else Presence()
    _compare_files(survey, tables, present)
    survey.fatal += present.errors
    if present.empty:
        survey.problems.append(counted_names(present.empty, "empty picture file"))
    if present.unlisted and all_listed:
        survey.notes.append(f"ignored {counted_names(present.unlisted, 'file')}, that no list names")
    if paths and not present.sizes and not present.errors:
        survey.fatal.append(f"none of the {len(paths):,} listed pictures is there")
    survey.sizes = present.sizes
    survey.tables |= {split: table[table["path"].isin(present.sizes)].reset_index(drop=True) for split, table in tables.items()}


def _compare_files(survey: Survey, tables: Mapping[str, pd.DataFrame], present: Presence) -> None:
    """One line of the report a split and modality: listed pictures, and those that are there."""
    gone = set(present.gone)
    bands = {modality for table in tables.values() for modality in table["modality"].unique().tolist()}
    for split, table in tables.items():
        there = table["path"].isin(present.sizes)
        for modality in sorted(bands & set(table["modality"]), reverse=True):  # visible before infrared
            listed = table["modality"] == modality
            found = table[listed & there]
            lost = [path for path in table.loc[listed & ~there, "path"].tolist() if path in gone]
            survey.compare(
                f"{split} files",
                where=f"{split} {modality} files" if len(bands) > 1 else f"{split} files",
                modality=modality,
                expected={"identities": table.loc[listed, "identity"].nunique(), "images": int(listed.sum())},
                found={"identities": found["identity"].nunique(), "images": len(found)},
                cause=missing_cause(lost, present) if lost else "empty files",
                told=not lost,
            )


def _check_disjoint(survey: Survey, tables: dict[str, pd.DataFrame]) -> None:
    """Nobody is in two splits: a test on people seen in training would measure nothing."""
    if "train" in tables and "test" in tables:
        both = sorted(set(tables["train"]["identity"].unique().tolist()) & set(tables["test"]["identity"].unique().tolist()))
        if both:
            survey.fatal.append(f"{people_are(both)} in both the train and the test lists")


def dataset_of(
    survey: Survey, *, title: str, bands: tuple[str, str], protocols: tuple[str, ...], credit: str, allow_partial: bool
) -> Dataset:
    """The Dataset of a surveyed folder.

    Raises:
        DatasetError: something that no table can be made with; without ``allow_partial`` also every difference.
    """
    notes = survey.settle(allow_partial)
    fingerprint = fingerprint_of(survey.name, survey.root, survey.tables, survey.sizes)
    return Dataset(
        survey.name,
        title,
        survey.root,
        bands,
        **survey.tables,
        protocols=protocols,
        fingerprint=fingerprint,
        credit=credit,
        notes=tuple(notes),
    )


def read_numbered(file: Path, what: str, where: str, *, missing: str = "") -> list[str]:
    """The lines of a text file, stripped, blank ones too: tables count the lines of this file.

    Args:
        what: how an error calls the file; missing: what an error adds where it is not there.

    Raises:
        DatasetError: the file is missing, cannot be read, is no text, or holds nothing.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").split("\n")]
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: {what} is missing{f' ({missing})' if missing else ''}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: {what} is no text") from error
    except OSError as error:
        raise DatasetError(f"{where}: {what} cannot be read: {error.strerror or error}") from error
    while lines and not lines[-1]:
        lines.pop()
    if not lines:
        raise DatasetError(f"{where}: {what} is empty")
    return lines
