"""Twilight, the synthetic data set that comes with the kit: the tree of SYSU-MM01, and every factor of every picture known."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from vireidkit.data.dataset import SPLITS, Dataset
from vireidkit.data.registry import register_reader
from vireidkit.data.sysu import CAMERAS, Count, Expected, IdList, read_tree
from vireidkit.errors import DatasetError

VARIABLE = "VIREIDKIT_TWILIGHT"
IDENTITIES = {"train": 225, "validation": 25, "test": 50}
PER_CAMERA = {"visible": 2, "infrared": 4}  # images of one identity in one camera: 8 visible and 8 infrared

EXPECTED = Expected(
    lists={split: IdList(number) for split, number in IDENTITIES.items()},
    counts=tuple(
        Count(split, (camera,), number, number * PER_CAMERA[modality])
        for split, number in IDENTITIES.items()
        for camera, modality in CAMERAS.items()
    ),
    remedy="restore data/twilight from the repository",
)


@register_reader("twilight")
def read_twilight(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read Twilight: 300 rendered identities (225 / 25 / 50), 8 visible and 8 near-infrared pictures each. No real person is shown.

    It is looked for in ``root``, then where the environment variable VIREIDKIT_TWILIGHT points, then in the checkout.

    Raises:
        DatasetError: it is at none of these places, or see ``read_tree``.
    """
    return read_tree(
        _find(root),
        name="twilight",
        title="Twilight",
        bands=("visible", "near-infrared"),
        expected=EXPECTED,
        protocols=("ir2vis", "vis2ir", "within-visible", "within-infrared", "sysu-all-single"),
        credit="Twilight, CC0; rendered from MakeHuman's CC0 body (MakeHuman; Data Collection AB, Joel Palmius, Jonas Hauquier)",
        allow_partial=allow_partial,
    )


def _find(root: Path | None) -> Path:
    """The folder that was named, or the first place that has one."""
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


def read_factors(dataset: Dataset) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The factor tables of a rendered data set: what was drawn for every identity and for every picture.

    Returns:
        (identities, images): ``identities`` has one row an identity, keyed by its column ``identity`` (body, hair, garments with
        colour, fabric and NIR value, bag, hat ...). ``images`` has one row a picture, keyed by ``path`` (heading in degrees, walk
        phase, camera elevation in degrees, occluded, exposure in stops, blur, crop). Both hold the rows of this data set only, and
        no other column of its tables, so that ``table.merge(images, on="path").merge(identities, on="identity")`` just works.

    Raises:
        DatasetError: the folder has no factor tables, or they do not cover the data set.
    """
    rows = pd.concat([dataset.table(split) for split in SPLITS], ignore_index=True)
    identities = _read_csv(dataset, "identities.csv", "id").rename(columns={"id": "identity"})
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
