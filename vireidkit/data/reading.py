"""What the readers of folders share: listing, file sizes, finished tables, and the notes on what does not belong."""

from __future__ import annotations

import os
import warnings
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


def stray_notes(strays: Sequence[str], expected: str, where: str) -> list[str]:
    """One sentence on files that do not belong, also issued as a warning; ``expected`` says what belongs."""
    if not strays:
        return []
    more = f" and {len(strays) - 3} more" if len(strays) > 3 else ""
    note = f"ignored {', '.join(strays[:3])}{more}: expected {expected}"
    warnings.warn(f"{where}: {note}", UserWarning, stacklevel=2)
    return [note]


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
