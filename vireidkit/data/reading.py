"""What the readers of folders share: listing, file sizes, finished tables, and the notes on what does not belong."""

from __future__ import annotations

import os
import re
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import COLUMNS, SPLITS
from vireidkit.errors import DatasetError

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".webp")


def check_folder(root: Path, where: str, holding: str) -> None:
    """Raise DatasetError unless ``root`` is a folder; ``holding`` says in words which one is expected."""
    if not root.exists():
        raise DatasetError(f"{where}: this folder does not exist")
    if not root.is_dir():
        raise DatasetError(f"{where}: this is a file, expected the folder that holds {holding}")


def entries_of(folder: Path | str, where: str) -> list[os.DirEntry[str]]:
    """The entries of a folder, sorted by name.

    Raises:
        DatasetError: it cannot be read.
    """
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DatasetError(f"{where}: folder {folder} cannot be read: {error.strerror or error}") from error


def size_of(entry: os.DirEntry[str], where: str) -> int:
    """Bytes of a file.

    Raises:
        DatasetError: it cannot be read, such as a link to nowhere.
    """
    try:
        return entry.stat().st_size
    except OSError as error:
        raise DatasetError(f"{where}: {entry.path} cannot be read: {error.strerror or error}") from error


def read_lines(file: Path, what: str, where: str, *, missing: str = "") -> list[str]:
    """The lines of a text file that are not blank, stripped.

    Args:
        what: how an error calls the file; missing: what an error adds where it is not there.

    Raises:
        DatasetError: the file is missing, cannot be read, is no text, or holds nothing.
    """
    try:
        lines = [line.strip() for line in file.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    except FileNotFoundError as error:
        raise DatasetError(f"{where}: {what} is missing{f' ({missing})' if missing else ''}") from error
    except UnicodeDecodeError as error:
        raise DatasetError(f"{where}: {what} is no text") from error
    except OSError as error:
        raise DatasetError(f"{where}: {what} cannot be read: {error.strerror or error}") from error
    if not lines:
        raise DatasetError(f"{where}: {what} is empty")
    return lines


def table_of(rows: Sequence[tuple[str, int, int, str, int, int]]) -> pd.DataFrame:
    """Rows of (path, identity, camera, modality, tracklet, frame) as a table of a Dataset; none gives an empty one."""
    table = pd.DataFrame(list(rows), columns=list(COLUMNS))
    kinds = {name: "str" if name in ("path", "modality") else "int64" for name in COLUMNS}
    return table.astype(kinds)


def read_ids(file: Path, what: str, where: str) -> list[int]:
    """The identities of a list file: one line, numbers from 1 separated by commas, in the order of the file.

    Args:
        what: how an error calls the file.

    Raises:
        DatasetError: the file is missing, cannot be read, is no text, is empty, or holds anything else.
    """
    lines = read_lines(file, what, where)
    if len(lines) > 1:
        raise DatasetError(f"{where}: {what} has {len(lines)} lines, expected one line of comma-separated numbers")
    words = [word.strip() for word in lines[0].split(",")]
    strange = next((word for word in words if not re.fullmatch(r"[0-9]{1,9}", word) or int(word) == 0), None)
    if strange is not None:
        raise DatasetError(f"{where}: {what} holds {strange[:20]!r}, expected comma-separated numbers from 1 on")
    twice = [identity for identity, times in Counter(map(int, words)).items() if times > 1]
    if twice:
        raise DatasetError(f"{where}: {what} holds identity {twice[0]} more than once")
    return [int(word) for word in words]


def stray_note(strays: Sequence[str], expected: str, *, shown: int = 3) -> list[str]:
    """One sentence on files that do not belong, or none; ``expected`` says what belongs, ``shown`` how many are named."""
    more = f" and {len(strays) - shown} more" if len(strays) > shown else ""
    return [f"ignored {', '.join(strays[:shown])}{more}: expected {expected}"] if strays else []


def stray_notes(strays: Sequence[str], expected: str, where: str) -> list[str]:
    """The sentence of ``stray_note``, also issued as a warning."""
    notes = stray_note(strays, expected)
    for note in notes:
        warnings.warn(f"{where}: {note}", UserWarning, stacklevel=2)
    return notes


def band_notes(tables: Mapping[str, pd.DataFrame]) -> Iterator[str]:
    """Identities that only one band saw, one sentence a split."""
    for split in SPLITS:
        bands = tables[split].groupby("identity")["modality"].nunique()
        single = [int(identity) for identity in bands.index[bands < 2]]
        if single:
            use = "no batch can hold them" if split != "test" else "across bands they have no match"
            yield f"{split}: {people_are(single)} in one modality only; kept in the table, but {use}"


def people_are(identities: Iterable[int]) -> str:
    """'identity 7 is' or '12 identities (1, 2, 3, ...) are'."""
    listed = list(identities)
    if len(listed) == 1:
        return f"identity {listed[0]} is"
    return f"{len(listed)} identities ({', '.join(map(str, listed[:5]))}{', ...' if len(listed) > 5 else ''}) are"
