"""Which pictures of a list are there, and how large they are: one pass over each of their folders, however many pictures there are.

MARS and BUPTCampus hold more than a million files. A path on its own would cost a look-up of every folder on the way to it; one
listing of a folder answers for all pictures in it, and only the size of a listed picture is asked for.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from vireidkit.data.reading import check_folder, entries_of, size_of
from vireidkit.errors import DatasetError

THREADS = 8
TRIED = 4  # folders that are read before the choice for or against threads
WAITING = 4  # times as long as the processor works, so that waiting is most of it

Item = TypeVar("Item")
Found = TypeVar("Found")


@dataclass
class Presence:
    """What was found of the listed pictures.

    Attributes:
        sizes: bytes of every listed picture that is there and not empty, by path.
        empty: listed pictures without a byte; gone: listed pictures that are not there; both in the order of the list.
        missing: folders of listed pictures that do not exist, each named by its topmost missing part, sorted.
        unlisted: other files in the folders of the listed pictures, sorted.
        errors: folders and pictures that cannot be read, one sentence each; the pictures behind them are not among those gone.
    """

    sizes: dict[str, int] = field(default_factory=dict)
    empty: list[str] = field(default_factory=list)
    gone: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    unlisted: list[str] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)


def check_root(root: Path, where: str, parts: Sequence[str]) -> None:
    """Raise DatasetError unless ``root`` is a folder that holds at least one of ``parts``; say where such a folder is."""
    check_folder(root, where, ", ".join(parts))
    names = [entry.name for entry in entries_of(root, where)]
    if any(part in names for part in parts):
        return
    inner = next((name for name in names if any(os.path.exists(root / name / part) for part in parts)), None)
    hint = f"did you mean {root / inner}?" if inner else f"found {', '.join(names[:5]) or 'nothing'}"
    raise DatasetError(f"{where}: expected {', '.join(parts)}, {hint}")


def look_for(root: Path, paths: Sequence[str], where: str) -> Presence:
    """Look for the listed pictures under ``root``.

    Cost: one listing a folder, and one question for the size of each listed picture; 7 microseconds of processor time a picture,
    measured on a local disk, which makes 9 s for MARS.

    Args:
        paths: relative to the root, "/" separators.
    """
    listed = set(paths)
    folders = sorted({path.rpartition("/")[0] for path in listed})
    present = Presence()
    topmost: set[str] = set()
    unread: set[str] = set()
    for folder, found in zip(folders, in_turn(lambda name: _look_into(root, name, listed, where), folders), strict=True):
        if isinstance(found, str):
            present.errors.append(found)
            unread.add(folder)
        elif found is None:
            topmost.add(_topmost_missing(root, folder))
        else:
            present.sizes.update(found[0])
            present.unlisted += found[1]
    sizes = present.sizes
    present.gone = [path for path in paths if path not in sizes and path.rpartition("/")[0] not in unread]
    present.empty = [path for path in dict.fromkeys(paths) if sizes.get(path) == 0]
    for path in present.empty:
        del sizes[path]
    present.missing = sorted(topmost)
    return present


def in_turn(look: Callable[[Item], Found], items: Sequence[Item]) -> Iterator[Found]:
    """``look(item)`` of every item, in order; in threads where the machine mostly waits for the drive.

    A network drive answers many questions at a time, so threads help there. On a local disk with its folders in memory they only
    hinder one another (measured: three times the CPU time), so the first folders decide.
    """
    wall, busy = time.perf_counter(), time.thread_time()
    for item in items[:TRIED]:
        yield look(item)
    waited = time.perf_counter() - wall > WAITING * (time.thread_time() - busy)
    if not waited:
        yield from map(look, items[TRIED:])
        return
    with ThreadPoolExecutor(THREADS) as pool:
        yield from pool.map(look, items[TRIED:])


def _look_into(root: Path, folder: str, listed: set[str], where: str) -> tuple[dict[str, int], list[str]] | str | None:
    """(bytes of the listed files of one folder, other files in it); an error in words, or None where there is no such folder."""
    sizes, others = {}, []
    try:
        entries = entries_of(os.path.join(root, folder), where)
    except DatasetError as error:
        gone = isinstance(error.__cause__, (FileNotFoundError, NotADirectoryError))
        return None if gone else str(error).removeprefix(f"{where}: ")
    try:
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            if entry.is_dir():
                continue
            if path in listed:
                sizes[path] = size_of(entry, where)
            else:
                others.append(path)
    except DatasetError as error:
        return str(error).removeprefix(f"{where}: ")
    return sizes, others


def _topmost_missing(root: Path, folder: str) -> str:
    """The first part of a folder's path that is not there."""
    parts = folder.split("/")
    above = ("/".join(parts[:end]) for end in range(1, len(parts)))
    return next((part for part in above if not os.path.isdir(root / part)), folder)


def missing_cause(gone: Sequence[str], present: Presence) -> str:
    """The likeliest reason for missing pictures, in a few words."""
    folders = {path.rpartition("/")[0] for path in gone}
    lacking = {"/".join(parts[:end]) for parts in (folder.split("/") for folder in folders) for end in range(1, len(parts) + 1)}
    above = [folder for folder in present.missing if folder in lacking]
    if above:
        few = f"{', '.join(above[:3])}{f' and {len(above) - 3} more' if len(above) > 3 else ''}"
        return f"folder {few} is missing" if len(above) == 1 else f"folders missing: {few}, incomplete copy"
    stems = {path.rpartition(".")[0]: path for path in present.unlisted}
    converted = next((path for path in gone if path.rpartition(".")[0] in stems), None)
    if converted:
        other = stems[converted.rpartition(".")[0]]
        return f"the list names {converted}, the folder holds {other}: converted pictures need converted lists"
    more = f" and {len(gone) - 1:,} more are" if len(gone) > 1 else " is"
    return f"{gone[0]}{more} missing, incomplete copy"


def counted_names(names: Iterable[str], what: str) -> str:
    """'3 empty files, first a.jpg' or '1 empty file, a.jpg'."""
    listed = list(names)
    return f"{len(listed):,} {what}{'s' if len(listed) > 1 else ''}, {'first ' if len(listed) > 1 else ''}{listed[0]}"
