"""Rows of the ledger as text and back: every field is checked, so that a cut-off or hand-edited file names its file and line."""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock

from vireidkit.errors import KitError
from vireidkit.files import write_text

RUN = ("method", "dataset", "profile", "settings", "seed")  # what makes two runs the same
FIRST = (*RUN, "fingerprint", "probe")
LAST = ("seconds", "torch", "commit", "stale")
REQUIRED = (*FIRST, "seconds", "torch", "commit")
TEXT = {*RUN, "fingerprint", "probe", "torch", "commit", "stale"} - {"seed"}
SCORE = re.compile(r".+_(rank1|rank5|rank10|rank20|map|minp)(_std)?")


def canonical_settings(settings: Mapping[str, Any] | str | None) -> str:
    """Settings as one line of JSON with sorted keys, so that equal settings are equal text. None is ``{}``.

    Raises:
        ValueError: text that is not a JSON object, or a value that JSON cannot hold.
    """
    settings = json.loads(settings) if isinstance(settings, str) else (settings or {})
    if not isinstance(settings, Mapping):
        raise ValueError(f"settings must be a JSON object, found {settings!r}")
    return json.dumps(dict(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def run_of(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What names the run of a row."""
    return tuple(row[column] for column in RUN)


def ordered(columns: Sequence[str]) -> list[str]:
    """Columns as they are written: what names the run, the scores by name, the rest."""
    middle = sorted(set(columns) - {*FIRST, *LAST}, key=lambda column: (not SCORE.fullmatch(column), column))
    return [*FIRST, *middle, *LAST]


def as_text(row: Mapping[str, Any]) -> dict[str, str]:
    """A row as it is written: settings and probe in JSON, an absent value as an empty field."""
    probe = row.get("probe")
    given = {
        **row,
        "settings": canonical_settings(row.get("settings")),
        "probe": json.dumps(probe) if isinstance(probe, (list, tuple)) else probe,
    }
    text = {column: "" for column in (*FIRST, *LAST)}
    for column, item in given.items():
        item = item.item() if isinstance(item, np.generic) else item
        text[column] = "" if item is None or item != item else str(item)
    return {**text, "stale": ""}


def checked(row: Mapping[str, str], problem: Callable[[str], Exception]) -> dict[str, Any]:
    """A written row as values; raises what ``problem`` makes of a sentence about the first field that does not belong there."""
    empty = [column for column in RUN if not row[column]]
    if empty:
        raise problem(f"column {empty[0]} is empty")
    values = {column: text if column in TEXT else _number(column, text, problem) for column, text in row.items()}
    if not float(values["seed"]).is_integer():
        raise problem(f"column seed must hold a whole number, found {row['seed']!r}")
    try:
        values["settings"] = canonical_settings(row["settings"])
    except ValueError as error:
        raise problem(f"column settings must hold a JSON object, found {row['settings']!r}") from error
    if row["probe"] and not _is_probe(row["probe"]):
        raise problem(f"column probe must hold a JSON list of loss terms, found {row['probe']!r}")
    if row["stale"] not in ("", "yes", "no"):
        raise problem(f"column stale must hold yes, no or nothing, found {row['stale']!r}")
    return {**values, "seed": int(values["seed"])}


def _number(column: str, text: str, problem: Callable[[str], Exception]) -> float | int | str:
    """A field as a number. Columns that this kit does not know may hold text."""
    known = bool(SCORE.fullmatch(column)) or column in ("seed", "seconds")
    if not known and re.fullmatch(r"-?\d+", text):
        return int(text)
    try:
        number = float(text) if text else math.nan
    except ValueError as error:
        if not known:
            return text
        raise problem(f"column {column} must hold a number, found {text!r}") from error
    if SCORE.fullmatch(column) and not (math.isnan(number) or 0 <= number <= 1):
        raise problem(f"column {column} must hold a fraction 0-1, found {text!r}")
    return number


def _is_probe(text: str) -> bool:
    try:
        steps = json.loads(text)
        return isinstance(steps, list) and all(float(number) == number for step in steps for number in step.values())
    except (ValueError, TypeError, AttributeError):
        return False


def read_file(path: Path) -> list[dict[str, Any]]:
    """The rows of one file, every field checked."""
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise KitError(f"ledger file cannot be read: {path}: {error}") from error
    if text and not text.endswith("\n"):
        raise KitError(f"ledger file {path}, line {text.count(chr(10)) + 1}: cut off, the line does not end; restore the file from git")
    reader = csv.reader(io.StringIO(text), strict=True)
    rows: list[dict[str, Any]] = []
    try:
        header = next(reader, [])
        missing = [column for column in REQUIRED if column not in header]
        if missing or len(set(header)) != len(header):
            what = f"the header lacks the column {missing[0]}" if missing else "the header names a column twice"
            raise KitError(f"ledger file {path}, line 1: {what}")
        for fields in reader:
            rows.append(_read_row(path, reader.line_num, header, fields, rows))
    except csv.Error as error:
        raise KitError(f"ledger file {path}, line {reader.line_num}: {error}") from error
    return rows


def _read_row(path: Path, line: int, header: list[str], fields: list[str], before: list[dict[str, Any]]) -> dict[str, Any]:
    """One line as a checked row that no line before it repeats."""

    def problem(text: str) -> KitError:
        return KitError(f"ledger file {path}, line {line}: {text}")

    if len(fields) != len(header):
        raise problem(f"{len(header)} fields expected, found {len(fields)}")
    row = checked({"stale": "", **dict(zip(header, fields, strict=True))}, problem)
    if any(run_of(row) == run_of(other) for other in before):
        raise problem(f"the run {', '.join(map(str, run_of(row)))} stands in the file twice")
    return row


def write_file(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    """Write the rows with the union of their columns, whole or not at all."""
    columns = ordered([column for row in rows for column in row])
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    writer.writerow(columns)
    for row in rows:
        fields = [row.get(column, "") for column in columns]
        writer.writerow(["" if item != item else item for item in fields])
    write_text(path, stream.getvalue())


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold the lock of a ledger file; its folder is made if needed."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = FileLock(path.parent / f".{path.name}.lock")
        lock.acquire()
    except OSError as error:
        raise KitError(f"cannot write {path}: {error.strerror or error}") from error
    try:
        yield
    finally:
        lock.release()
