"""Features that a user brings: a matrix file and a table file, checked against each other."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
from safetensors import SafetensorError, safe_open

from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation import Features, Trial
from vireidkit.modality import MODALITIES

ARRAYS = ("features", "matrix")  # names that the matrix may have in its file; Features.save writes "matrix"
NEEDED, USED = ("identity", "modality"), ("identity", "camera", "modality", "path")


def read_own_features(features: str | Path, table: str | Path, *, metric: str = "cosine") -> Features:
    """Features from ``.npz`` or ``.safetensors`` and their table from ``.csv``.

    Args:
        features: holds an array ``features`` (N, D) (or ``matrix``, as ``Features.save`` writes it). Nothing is unpickled.
        table: N rows with identity and modality ("visible" or "infrared"); camera and path are optional, further columns are kept.
        metric: "cosine" or "euclidean".

    Returns:
        ``Features`` whose ``identity`` is a whole number; names of people are kept in a column ``person`` and numbered in order.

    Raises:
        DatasetError: a file is missing or cannot be read.
        SettingError: the two do not fit each other, or a value is impossible; names file, expected and found.
    """
    features, table = Path(features), Path(table)
    if metric not in ("cosine", "euclidean"):
        raise SettingError(f"metric must be 'cosine' or 'euclidean', found {metric!r}")
    matrix, rows = _matrix(features), _table(table)
    if len(matrix) != len(rows):
        raise SettingError(f"{features} has {len(matrix)} rows and {table} has {len(rows)}; expected one table row for each feature row")
    bad = np.flatnonzero(~np.isfinite(matrix).all(axis=1))
    if len(bad):
        raise SettingError(
            f"{features}: {len(bad)} of {len(matrix)} rows are not finite (NaN or infinity), first row {bad[0]}; "
            "take these rows out of both files"
        )
    return Features(np.ascontiguousarray(matrix, dtype=np.float32), rows, metric, name=features.stem)


def _matrix(path: Path) -> np.ndarray:
    """The array (N, D) of a file."""
    if path.suffix not in (".npz", ".safetensors"):
        raise SettingError(f"features are read from .npz or .safetensors, found {path.name!r}")
    if not path.is_file():
        raise DatasetError(f"features not found: {path}")
    try:
        names, found = _from_npz(path) if path.suffix == ".npz" else _from_safetensors(path)
    except (OSError, ValueError, zipfile.BadZipFile, SafetensorError, TypeError) as error:
        raise DatasetError(f"features cannot be read: {path}: {' '.join(str(error).split())}") from error
    if found is None:
        raise SettingError(f"{path} needs an array named {' or '.join(ARRAYS)}, found {', '.join(names) or 'nothing'}")
    if found.ndim != 2 or 0 in found.shape or found.dtype.kind not in "fiu":
        raise SettingError(f"{path}: expected numbers of shape (N, D), found {found.dtype} of shape {found.shape}")
    return found


def _from_npz(path: Path) -> tuple[list[str], np.ndarray | None]:
    with np.load(path, allow_pickle=False) as stored:
        name = next((name for name in ARRAYS if name in stored.files), None)
        return list(stored.files), None if name is None else stored[name]


def _from_safetensors(path: Path) -> tuple[list[str], np.ndarray | None]:
    with safe_open(str(path), framework="pt") as stored:
        names = list(stored.keys())
        name = next((name for name in ARRAYS if name in names), None)
        return names, None if name is None else stored.get_tensor(name).double().numpy()


def _table(path: Path) -> pd.DataFrame:
    """The table, with whole numbers as identities."""
    try:
        table = pd.read_csv(path)
    except FileNotFoundError as error:
        raise DatasetError(f"table not found: {path}") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"table cannot be read: {path}: {str(error).splitlines()[0]}") from error
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise SettingError(f"{path} needs a column {missing[0]!r} (optional: camera, path), found {', '.join(map(str, table.columns))}")
    wrong = ~table["modality"].isin(MODALITIES)
    if wrong.any():
        row = int(wrong.argmax())
        raise SettingError(f"{path}: modality must be {' or '.join(MODALITIES)}, found {table['modality'].iloc[row]!r} in row {row}")
    for name in ("identity", "camera"):
        empty = table[name].isna() if name in table.columns else pd.Series(dtype=bool)
        if empty.any():
            raise SettingError(f"{path}: {name} is empty in {int(empty.sum())} rows, first row {int(empty.argmax())}")
    return _numbered(table)


def _numbered(table: pd.DataFrame) -> pd.DataFrame:
    """People who have names get numbers, in the order of their names; the names stay in the column ``person``."""
    whole = pd.api.types.is_numeric_dtype(table["identity"]) and (table["identity"] % 1 == 0).all()
    if whole:
        return table.astype({"identity": np.int64})
    names = table["identity"].astype(str)
    return table.assign(person=names, identity=pd.factorize(names, sort=True)[0] + 1)


def own_trials(table: pd.DataFrame) -> dict[str, Trial]:
    """Rankings of every image of one modality against all of the other, both ways; nothing is removed.

    With one modality only: every image against all others of other cameras, or against all others where cameras are unknown or one.

    Raises:
        SettingError: fewer than two images.
    """
    table = table.reset_index(drop=True)
    if len(table) < 2:
        raise SettingError(f"a ranking needs at least two images, found {len(table)}")
    bands = {name: table[table["modality"] == name] for name in MODALITIES}
    if all(len(rows) for rows in bands.values()):
        visible, infrared = bands.values()
        return {"ir2vis": Trial(infrared, visible), "vis2ir": Trial(visible, infrared)}
    name = next(name for name, rows in bands.items() if len(rows))
    cameras = table["camera"].to_numpy() if "camera" in table.columns and table["camera"].nunique() > 1 else np.arange(len(table))
    return {f"within-{name}": Trial(table, table, cameras[:, None] == cameras[None, :])}
