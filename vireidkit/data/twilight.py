"""Twilight, the synthetic data set that comes with the kit, in three parts: every factor of every picture is known.

    <root>/main         the tree of SYSU-MM01, visible and near-infrared           data set "twilight"
    <root>/thermal      the tree of RegDB, visible and thermal, ten splits         data set "twilight-thermal"
    <root>/tracklets    a manifest, successive frames, visible and near-infrared   data set "twilight-tracklets"

Each part also holds identities.csv and images.csv, the factors that ``read_factors`` reads.
"""

from __future__ import annotations

import os
import re
from dataclasses import replace
from pathlib import Path

import pandas as pd

from vireidkit.data import regdb
from vireidkit.data.dataset import SPLITS, Dataset
from vireidkit.data.manifest import Count as CameraCount
from vireidkit.data.manifest import read_manifest_tree
from vireidkit.data.reading import entries_of
from vireidkit.data.regdb import read_regdb_tree
from vireidkit.data.registry import register_reader
from vireidkit.data.sysu import CAMERAS, Count, Expected, IdList, read_tree
from vireidkit.errors import DatasetError

VARIABLE = "VIREIDKIT_TWILIGHT"
CREDIT = "Twilight, CC0; rendered from MakeHuman's CC0 body (MakeHuman; Data Collection AB, Joel Palmius, Jonas Hauquier)"
REMEDY = "restore data/twilight from the repository"
PARTS = ("main", "thermal", "tracklets")

IDENTITIES = {"train": 360, "validation": 40, "test": 100}
PER_CAMERA = {"visible": 2, "infrared": 4}  # images of one identity in one camera: 8 visible and 8 infrared
EXPECTED = Expected(
    lists={split: IdList(number) for split, number in IDENTITIES.items()},
    counts=tuple(
        Count(split, (camera,), number, number * PER_CAMERA[modality])
        for split, number in IDENTITIES.items()
        for camera, modality in CAMERAS.items()
    ),
    remedy=REMEDY,
)
THERMAL = regdb.Expected(
    train=50,
    test=50,
    pictures=6,
    number=re.compile(r"(?:visible|thermal)_([0-9]{1,9})"),
    lists_from="the ten splits belong to the data set",
    remedy=REMEDY,
)
TRACKLET_IDENTITIES = {"train": 32, "validation": 8, "test": 40}
TRACKLET_CAMERAS, FRAMES = (1, 3, 4, 6), 8
KINDS = ("image2image", "image2video", "video2video")  # who asks and who answers in the protocols of tracklets
TRACKLETS = tuple(
    CameraCount(split, camera, number, number * FRAMES) for split, number in TRACKLET_IDENTITIES.items() for camera in TRACKLET_CAMERAS
)


@register_reader("twilight")
def read_twilight(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read Twilight: 500 rendered identities (360 / 40 / 100), 8 visible and 8 near-infrared pictures each. No real person is shown.

    It is looked for in ``root`` (the folder that holds main, thermal and tracklets), then where the environment variable
    VIREIDKIT_TWILIGHT points, then in the checkout.

    Raises:
        DatasetError: it is at none of these places, or see ``read_tree``.
    """
    return read_tree(
        _part(root, "main"),
        name="twilight",
        title="Twilight",
        bands=("visible", "near-infrared"),
        expected=EXPECTED,
        protocols=("ir2vis", "vis2ir", "within-visible", "within-infrared", "sysu-all-single"),
        credit=CREDIT,
        allow_partial=allow_partial,
    )


@register_reader("twilight-thermal", splits=regdb.SPLITS)
def read_twilight_thermal(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read one of ten splits of Twilight's thermal part: 100 rendered identities (50 / 50), 6 visible and 6 thermal pictures each.

    It is found like ``read_twilight``. Picture k of both bands was taken from one viewpoint at one moment.

    Raises:
        DatasetError: it is at none of these places, or see ``read_regdb_tree``.
    """
    return read_regdb_tree(
        _part(root, "thermal"),
        split=split,
        name="twilight-thermal",
        title="Twilight thermal",
        bands=("visible", "thermal"),
        expected=THERMAL,
        protocols=("regdb-vis2ir", "regdb-ir2vis", "ir2vis", "vis2ir"),
        credit=CREDIT,
        allow_partial=allow_partial,
    )


@register_reader("twilight-tracklets")
def read_twilight_tracklets(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read Twilight's tracklets: 80 rendered identities (32 / 8 / 40), one tracklet of 8 frames in each of four cameras.

    It is found like ``read_twilight``. Cameras 1 and 4 are visible, 3 and 6 near-infrared; ``tracklet`` is unique in the data set.
    Besides the protocols of single images it has those in which images or tracklets ask and answer.

    Raises:
        DatasetError: it is at none of these places, or see ``read_manifest_tree``.
    """
    dataset = read_manifest_tree(
        _part(root, "tracklets"),
        name="twilight-tracklets",
        title="Twilight tracklets",
        bands=("visible", "near-infrared"),
        credit=CREDIT,
        expected=TRACKLETS,
        remedy=REMEDY,
        allow_partial=allow_partial,
    )
    return replace(dataset, protocols=(*dataset.protocols, *(f"{kind}-{bands}" for kind in KINDS for bands in dataset.protocols)))


def find_twilight(root: Path | None = None) -> Path:
    """The folder of Twilight: the one that was named, or the first place that has one.

    Raises:
        DatasetError: none was named and there is none.
    """
    if root is not None:
        return root
    named = os.environ.get(VARIABLE)
    if named:
        folder = Path(named).expanduser().absolute()
        if not folder.is_dir():
            raise DatasetError(f"twilight: the environment variable {VARIABLE} names {folder}, which is no folder")
        return folder
    checkout = _checkout()
    if not checkout.is_dir():
        raise DatasetError(
            f"twilight is not part of an installed package and {checkout} does not exist: "
            f"clone the vireidkit repository and name its folder data/twilight as root or in {VARIABLE}"
        )
    return checkout


def _checkout() -> Path:
    """Where the repository keeps Twilight, seen from this file."""
    return Path(__file__).resolve().parents[2] / "data" / "twilight"


def _part(root: Path | None, part: str) -> Path:
    """The folder of one part. A named root may be that folder itself: a run remembers where its pictures lay."""
    folder = find_twilight(root)
    if folder.name == part and not (folder / part).exists():
        return folder
    if folder.is_dir() and not (folder / part).is_dir():
        names = [entry.name for entry in entries_of(folder, f"twilight at {folder}")]
        above = any((folder.parent / other).samefile(folder) for other in PARTS if (folder.parent / other).exists())
        hint = f"did you mean {folder.parent}?" if above else f"found {', '.join(names[:5]) or 'nothing'}"
        raise DatasetError(f"twilight at {folder}: expected the folders {', '.join(PARTS)}, {hint} ({REMEDY})")
    return folder / part


def read_factors(dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The factor tables of a rendered data set: what was drawn for every identity and for every picture.

    Returns:
        (identities, images): ``identities`` has one row an identity, keyed by its column ``identity`` (body, hair, garments with
        colour, fabric and NIR value, bag, hat ...). ``images`` has one row a picture, keyed by ``path`` (heading in degrees, walk
        phase, camera elevation in degrees, occluder, exposure in stops, blur, crop). Both hold the rows of this data set only, and
        no other column of its tables, so that ``table.merge(images, on="path").merge(identities, on="identity")`` just works.

    Raises:
        DatasetError: the folder has no factor tables, or they do not cover the data set.
    """
    rows = pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True)
    identities = _read_csv(dataset, "identities.csv", "identity")
    images = _read_csv(dataset, "images.csv", "path").drop(columns=["identity", "camera", "number", "band"], errors="ignore")
    return _covering(dataset, identities, "identity", rows), _covering(dataset, images, "path", rows)


def _read_csv(dataset: Dataset, name: str, key: str) -> pd.DataFrame:
    file = dataset.root / name
    try:
        # "none" and "None" are values here (no bag, no hat), only an empty cell is missing
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except FileNotFoundError as error:
        raise DatasetError(f"data set {dataset.name!r} has no factor table {file}; only rendered data sets know their factors") from error
    except (OSError, ValueError) as error:
        raise DatasetError(f"factor table cannot be read: {file}: {str(error).splitlines()[0]}") from error
    if key not in table.columns:
        raise DatasetError(f"factor table {file} needs a column {key!r}, found {', '.join(map(str, table.columns[:5]))}")
    return table


def _covering(dataset: Dataset, factors: pd.DataFrame, key: str, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows of ``factors`` whose key is in the data set; every key must be there."""
    missing = ~rows[key].isin(factors[key])
    if missing.any():
        first = rows.loc[missing, key].iloc[0]
        raise DatasetError(f"the factor tables of {dataset.root} lack {int(missing.sum())} rows of the data set, first {key} {first}")
    return factors[factors[key].isin(rows[key])].reset_index(drop=True)
