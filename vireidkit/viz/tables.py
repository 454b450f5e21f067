"""What widgets and their static twins are given: features of the same images, checked, and values as people write them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.analysis.neighbours import as_array
from vireidkit.errors import SettingError
from vireidkit.modality import MODALITIES

UNKNOWN = "unknown"


def named(features: Any) -> dict[Any, Any]:
    """One ``Features`` under its own name, or a mapping as it is.

    Raises:
        SettingError: an empty mapping.
    """
    found = dict(features) if isinstance(features, Mapping) else {features.name or "features": features}
    if not found:
        raise SettingError("expected features of at least one method, found none")
    return found


def common_table(features: Mapping[Any, Any], columns: Sequence[str] = ("identity", "modality")) -> pd.DataFrame:
    """The table that all these features share.

    Raises:
        SettingError: a column is missing, a modality unknown, or two of them describe other images; names the features.
    """
    (first, model), *others = features.items()
    table = model.table
    missing = [name for name in columns if name not in table.columns]
    if missing:
        raise SettingError(f"the table of features {first!r} needs a column {missing[0]!r}; found {', '.join(map(str, table.columns))}")
    strange = ~table["modality"].isin(MODALITIES)
    if strange.any():
        row = int(strange.to_numpy().argmax())
        found = table["modality"].iloc[row]
        raise SettingError(f"the table of features {first!r}: modality must be {' or '.join(MODALITIES)}, found {found!r} in row {row}")
    for name, other in others:
        if len(other.table) != len(table):
            raise SettingError(f"all features must be of the same images: {first!r} has {len(table)} rows, {name!r} has {len(other.table)}")
        keys = [key for key in ("identity", "modality", "path") if key in table.columns and key in other.table.columns]
        for key in keys:
            differ = (table[key].to_numpy() != other.table[key].to_numpy()) & ~(table[key].isna() & other.table[key].isna()).to_numpy()
            if differ.any():
                row = int(differ.argmax())
                raise SettingError(
                    f"all features must be of the same images in the same order: row {row} is {key} {table[key].iloc[row]} in {first!r} "
                    f"and {other.table[key].iloc[row]} in {name!r}"
                )
    return table


def finite_rows(features: Any) -> np.ndarray:
    """Which descriptors are free of NaN and infinity; bool (N,)."""
    return np.isfinite(as_array(features.matrix)).all(axis=1)


def label_of(value: Any) -> str:
    """A table's value as people write it: 3.0 is "3", a missing one "unknown"."""
    if value is None or value is pd.NA or value is pd.NaT or (isinstance(value, (float, np.floating)) and math.isnan(value)):
        return UNKNOWN
    if isinstance(value, (float, np.floating)) and float(value).is_integer():
        return str(int(value))
    return str(value)


def plain(value: Any) -> Any:
    """numpy's numbers as Python's, NaN as None: what JSON can hold."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value
