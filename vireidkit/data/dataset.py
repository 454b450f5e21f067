"""The Dataset: tables with one row an image, and the little that belongs to them."""

from __future__ import annotations

import hashlib
import os
import struct
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
from PIL import Image

from vireidkit.errors import DatasetError, SettingError
from vireidkit.modality import MODALITIES

COLUMNS = ("path", "identity", "camera", "modality", "tracklet", "frame")
SPLITS = ("train", "validation", "test")
FINGERPRINT_SAMPLE = 16  # files whose bytes are read for the fingerprint


@dataclass(frozen=True, eq=False, repr=False)
class Dataset:
    """A data set as pandas tables, one row an image.

    Columns of every table: ``path`` (relative to ``root``, "/" separators), ``identity`` and ``camera`` (int, as the data set
    prints them), ``modality`` ("visible" or "infrared"), ``tracklet`` and ``frame`` (int, -1 where there is none). A column
    ``role`` ("query" or "gallery") is there only if the data set itself fixes the roles.

    Attributes:
        name: name for ``load_dataset``; title: what tables and figures print.
        root: the folder that ``path`` starts from.
        bands: what the visible and the infrared modality are called here, such as ("visible", "near-infrared").
        train, validation, test: the tables. Identities of two splits never overlap.
        protocols: keys of the evaluation protocols that make sense on this data set.
        fingerprint: hash over the tables, the file sizes and the bytes of a fixed sample of files.
        credit: whom to cite, and under which terms the data may be used.
        notes: what the reader noticed and the user should know, one sentence each.
    """

    name: str
    title: str
    root: Path
    bands: tuple[str, str]
    train: pd.DataFrame
    validation: pd.DataFrame
    test: pd.DataFrame
    protocols: tuple[str, ...]
    fingerprint: str
    credit: str
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for split in SPLITS:
            _check_table(self.name, split, getattr(self, split))
        known: dict[int, str] = {}
        for split in SPLITS:
            for identity in getattr(self, split)["identity"].unique().tolist():
                if known.setdefault(identity, split) != split:
                    raise ValueError(f"identity {identity} of data set {self.name!r} is in both {known[identity]} and {split}")

    def __repr__(self) -> str:
        parts = ", ".join(f"{split} {table['identity'].nunique()} ids / {len(table)} images" for split, table in self._tables().items())
        return f"Dataset({self.name!r}: {parts}; fingerprint {self.fingerprint[:12]})"

    def _tables(self) -> dict[str, pd.DataFrame]:
        return {split: getattr(self, split) for split in SPLITS}

    def table(self, split: str) -> pd.DataFrame:
        """The rows of "train", "validation", "test" or "train+validation" (training rows first); changing it changes nothing here.

        Raises:
            SettingError: any other name.
        """
        if split == "train+validation":
            return pd.concat([self.train, self.validation], ignore_index=True)
        if split not in SPLITS:
            raise SettingError(f"unknown split {split!r} of data set {self.name!r}; known: {', '.join(SPLITS)}, train+validation")
        return getattr(self, split).copy(deep=False)  # a lazy copy: pandas copies what is written to

    def labels(self, split: str) -> dict[int, int]:
        """Class index 0..C-1 of every identity of a split, by ascending identity, never by the order of a set."""
        return {int(identity): index for index, identity in enumerate(np.unique(self.table(split)["identity"].to_numpy()))}

    def limited(self, identities: int) -> Dataset:
        """The same data set with only the first (smallest) ``identities`` identities of each split, and its own fingerprint.

        Raises:
            SettingError: ``identities`` is below 1.
        """
        if identities < 1:
            raise SettingError(f"a data set is limited to at least 1 identity a split, found {identities}")
        tables = {split: _first_identities(table, identities) for split, table in self._tables().items()}
        if all(len(tables[split]) == len(table) for split, table in self._tables().items()):
            return self
        fingerprint = hashlib.sha256(f"{self.fingerprint} limited to {identities}".encode()).hexdigest()
        note = f"limited to the first {identities} identities of each split"
        return replace(self, **tables, fingerprint=fingerprint, notes=(*self.notes, note))

    def counts(self) -> pd.DataFrame:
        """Identities and images of every split, camera and modality: columns split, camera, modality, identities, images."""
        rows = pd.concat([table.assign(split=split) for split, table in self._tables().items()], ignore_index=True)
        rows["split"] = pd.Categorical(rows["split"], SPLITS)  # keeps train before validation before test
        grouped = rows.groupby(["split", "camera", "modality"], observed=True, sort=True)
        counted = grouped.agg(identities=("identity", "nunique"), images=("path", "size")).reset_index()
        return counted.astype({"split": str})

    def open(self, path: str) -> Image.Image:
        """The picture at a table's ``path`` in RGB (an infrared picture has three equal channels).

        Raises:
            DatasetError: the file is missing, unreadable, truncated or no picture.
        """
        return open_image(self.root / path, self.root / path)


def _check_table(name: str, split: str, table: pd.DataFrame) -> None:
    """Hold a reader to the promised columns; a mistake here is the reader author's, not the user's."""
    missing = [column for column in COLUMNS if column not in table.columns]
    if missing:
        raise ValueError(f"table {split} of data set {name!r} lacks the columns {missing}")
    if not table.index.equals(pd.RangeIndex(len(table))):
        raise ValueError(f"table {split} of data set {name!r} needs the index 0..{len(table) - 1}")
    for column in ("identity", "camera", "tracklet", "frame"):
        if not pd.api.types.is_integer_dtype(table[column]):
            raise ValueError(f"column {column} of table {split} of data set {name!r} must hold integers, found {table[column].dtype}")
    strange = set(table["modality"].unique()) - set(MODALITIES)
    if strange:
        raise ValueError(f"modality must be one of {MODALITIES}, found {sorted(map(str, strange))} in table {split} of {name!r}")


def _first_identities(table: pd.DataFrame, identities: int) -> pd.DataFrame:
    kept = np.unique(table["identity"].to_numpy())[:identities]
    return table[table["identity"].isin(kept)].reset_index(drop=True)


def open_image(source: Path | BinaryIO, name: str | os.PathLike[str]) -> Image.Image:
    """Decode a file or a stream of encoded bytes to an RGB picture; ``name`` is what an error calls it.

    Raises:
        DatasetError: missing, no permission, truncated, too large to be a picture of a person, or no picture at all.
    """
    try:
        with Image.open(source) as picture:
            return picture.convert("RGB")
    except FileNotFoundError as error:
        raise DatasetError(f"image file is missing: {name}") from error
    except (OSError, ValueError, SyntaxError, EOFError, struct.error, Image.DecompressionBombError) as error:
        # Pillow's decoders name the stream or span several lines; the file's name and the first line are what helps.
        cause = getattr(error, "strerror", None) or str(error).splitlines()[0] if str(error) else type(error).__name__
        if "cannot identify image file" in cause:
            cause = "no picture in a known format, or damaged at its start"
        raise DatasetError(f"image file cannot be read: {name}: {cause}") from error


def fingerprint_of(name: str, root: Path, tables: Mapping[str, pd.DataFrame], sizes: Mapping[str, int]) -> str:
    """Hash over a data set's tables, the size of every file, and the bytes of a fixed sample of files.

    The root, the machine and the file times do not enter: a copy has the fingerprint of the original.

    Args:
        tables: split name -> table.
        sizes: path of every row -> bytes.

    Raises:
        DatasetError: a sampled file cannot be read.
    """
    digest = hashlib.sha256(f"vireidkit data set 1\n{name}\n".encode())
    for split, table in tables.items():
        digest.update(f"{split} {len(table)}\n".encode())
        columns = [table[column].tolist() for column in (*COLUMNS, "role") if column in table.columns]
        lines = ["\t".join(map(str, (*row, sizes[row[0]]))) for row in zip(*columns, strict=True)]
        digest.update("\n".join(lines).encode())
    paths = sorted(sizes)
    chosen = np.unique(np.linspace(0, len(paths) - 1, FINGERPRINT_SAMPLE).round().astype(int)) if paths else []
    for position in chosen:
        digest.update(read_bytes(root / paths[position]))
    return digest.hexdigest()


def read_bytes(file: Path) -> bytes:
    """The bytes of an image file.

    Raises:
        DatasetError: it is missing or cannot be read.
    """
    try:
        return file.read_bytes()
    except OSError as error:
        raise DatasetError(f"image file cannot be read: {file}: {error.strerror or error}") from error
