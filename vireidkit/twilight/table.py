"""Reading the tables beside this file: whatever a student may want to change about people and materials stands in ``tables/*.csv``."""

from __future__ import annotations

import csv
import math
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import MappingProxyType
from typing import TypeVar

Rows = Mapping[str, Mapping[str, str]]
Numbers = Mapping[str, Mapping[str, float]]
Row = TypeVar("Row")


def read_rows(file: Traversable, columns: Sequence[str]) -> list[Mapping[str, str]]:
    """The rows of one CSV file, each cell a text without blanks around it.

    Args:
        file: comma separated, UTF-8, names of the columns in the first line.
        columns: what the caller needs; ``source`` is always needed as well. Further columns are kept.

    Raises:
        ValueError: a missing column, a line with too few or too many cells, an empty cell in a needed column, or no line at all.
    """
    needed = [*columns, "source"]
    with file.open("r", encoding="utf-8", newline="") as stream:
        reader = csv.DictReader(stream)
        found = reader.fieldnames or []
        missing = [column for column in needed if column not in found]
        if missing:
            raise ValueError(
                f"{file.name}: expected the columns {', '.join(needed)}; found {', '.join(found) or 'none'}; missing {', '.join(missing)}"
            )
        rows = list(reader)
    if not rows:
        raise ValueError(f"{file.name}: expected at least one line below the names of the columns; found none")
    for number, row in enumerate(rows, start=2):
        if None in row or None in row.values():
            raise ValueError(
                f"{file.name}, line {number}: expected {len(found)} cells; found another number of them (a text with a comma needs quotes)"
            )
        empty = [column for column in needed if not row[column].strip()]
        if empty:
            raise ValueError(f"{file.name}, line {number}: expected a value in column {empty[0]!r}; found an empty cell")
    return [MappingProxyType({name: cell.strip() for name, cell in row.items()}) for row in rows]


def keyed(rows: Sequence[Mapping[str, str]], key: str, name: str) -> Rows:
    """Rows under the value of their column ``key``, read-only and in the order of the file.

    Raises:
        ValueError: two rows with one key, which ``name`` (of the file) helps to find.
    """
    table: dict[str, Mapping[str, str]] = {}
    for row in rows:
        if row[key] in table:
            raise ValueError(f"{name}: expected each {key} once; found {row[key]!r} twice")
        table[row[key]] = row
    return MappingProxyType(table)


def as_number(cell: str, column: str, name: str) -> float:
    """A cell as a finite number.

    Raises:
        ValueError: it is none; the message names the file and the column.
    """
    try:
        value = float(cell)
    except ValueError as error:
        raise ValueError(f"{name}: expected a number in column {column!r}; found {cell!r}") from error
    if not math.isfinite(value):
        raise ValueError(f"{name}: expected a finite number in column {column!r}; found {cell!r}")
    return value


@cache
def table(name: str, key: str, columns: tuple[str, ...]) -> Rows:
    """One of the package's tables, read once: key -> column -> text.

    Raises:
        ValueError: see ``read_rows`` and ``keyed``.
    """
    return keyed(read_rows(_file(name), (key, *columns)), key, name)


@cache
def numbers(name: str, key: str, columns: tuple[str, ...]) -> Numbers:
    """One of the package's tables with numbers in ``columns``, read once: key -> column -> number.

    Raises:
        ValueError: see ``read_rows``, ``keyed`` and ``as_number``.
    """
    rows = table(name, key, columns)
    return MappingProxyType({k: MappingProxyType({c: as_number(row[c], c, name) for c in columns}) for k, row in rows.items()})


@cache
def shares(group: str, gender: str) -> Mapping[str, float]:
    """How often each choice of a group is drawn, from ``population.csv``: choice -> share, adding up to 1. All of them are invented.

    Args:
        group: such as ``"top"``.
        gender: ``"f"`` or ``"m"``; rows of the wearer ``any`` hold for both.

    Raises:
        ValueError: no row, a negative share, or shares of 0 only.
    """
    name = "population.csv"
    rows = [
        r for r in read_rows(_file(name), ("group", "wearer", "choice", "share")) if r["group"] == group and r["wearer"] in (gender, "any")
    ]
    drawn = {choice: as_number(row["share"], "share", name) for choice, row in keyed(rows, "choice", f"{name}, group {group!r}").items()}
    return _normalised(drawn, f"{name}, group {group!r}, wearer {gender!r}")


def _normalised(weights: Mapping[str, float], where: str) -> Mapping[str, float]:
    """Weights divided by their sum, those of 0 left out."""
    total = sum(weights.values())
    if any(weight < 0 for weight in weights.values()) or not total > 0:
        raise ValueError(f"{where}: expected weights of at least 0 and one above 0; found {dict(weights)}")
    return MappingProxyType({choice: weight / total for choice, weight in weights.items() if weight > 0})


@cache
def column_shares(name: str, key: str, column: str) -> Mapping[str, float]:
    """A column of weights of one of the tables as shares: key -> share, adding up to 1.

    Raises:
        ValueError: see ``numbers``; also negative weights, or weights of 0 only.
    """
    return _normalised({k: row[column] for k, row in numbers(name, key, (column,)).items()}, f"{name}, column {column!r}")


def look_up(rows: Mapping[str, Row], choice: str, what: str) -> Row:
    """The row of ``choice``.

    Raises:
        ValueError: there is none; the message lists those there are.
    """
    if choice not in rows:
        raise ValueError(f"expected a {what} among {', '.join(rows)}; found {choice!r}")
    return rows[choice]


def _file(name: str) -> Traversable:
    return files("vireidkit.twilight").joinpath("tables", name)
