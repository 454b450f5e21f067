"""The registry of data sets: a decorator records a reader, ``load_dataset`` looks it up."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from vireidkit.data.dataset import Dataset
from vireidkit.errors import SettingError


class Reader(Protocol):
    """What a reader looks like: ``root`` is None when the user named no folder, ``split`` counts from 1."""

    def __call__(self, root: Path | None, *, split: int, allow_partial: bool) -> Dataset: ...


@dataclass(frozen=True)
class _Entry:
    reader: Reader
    splits: int


_READERS: dict[str, _Entry] = {}


def register_reader(name: str, *, splits: int = 1) -> Callable[[Reader], Reader]:
    """Function decorator: make a reader known as ``load_dataset(name)``. ``splits`` is the number of published splits.

    Raises:
        ValueError: another reader has this name already.
    """

    def record(reader: Reader) -> Reader:
        known = _READERS.get(name)
        if known is not None and _described(known.reader) != _described(reader):
            raise ValueError(f"data set name {name!r} is taken by {_described(known.reader)}")
        _READERS[name] = _Entry(reader, splits)
        return reader

    return record


def _described(reader: Reader) -> str:
    return f"{reader.__module__}.{getattr(reader, '__qualname__', reader)}"


def list_datasets() -> list[str]:
    """Names of all data sets that have a reader, sorted."""
    return sorted(_READERS)


def load_dataset(name: str, root: str | os.PathLike[str] | None = None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read a data set's folder, check its counts, and return its tables.

    Args:
        name: one of ``list_datasets()``.
        root: its folder. Only data sets that come with the kit are found without it.
        split: number of the published split, from 1; a split is a data set of its own.
        allow_partial: go on when images are missing; what is missing is then listed in ``Dataset.notes``.

    Raises:
        SettingError: unknown name, or a split that this data set does not have.
        DatasetError: the folder is missing, incomplete or unreadable.
    """
    if name not in _READERS:
        close = difflib.get_close_matches(name, list(_READERS), n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise SettingError(f"unknown data set {name!r}{hint}; known: {', '.join(list_datasets())}")
    entry = _READERS[name]
    if not 1 <= split <= entry.splits:
        have = "one split, 1" if entry.splits == 1 else f"splits 1 to {entry.splits}"
        raise SettingError(f"data set {name!r} has {have}; found split {split}")
    folder = Path(root).expanduser().absolute() if root is not None else None
    return entry.reader(folder, split=split, allow_partial=allow_partial)
