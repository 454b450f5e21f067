"""What is known of people and pictures, beside every query and beside whoever was taken for it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd

KEYS = ("path", "identity")
# Columns that a query table has by itself, whatever a table of factors says of them.
OWN = (*KEYS, "camera", "modality", "tracklet", "frame", "role")
VIEWS = ("front", "side", "back")


def with_factors(queries: pd.DataFrame, table: pd.DataFrame, factors: pd.DataFrame | Sequence[pd.DataFrame]) -> pd.DataFrame:
    """A query table with the factors of each query, and those of its best wrong match under ``wrong_<name>``.

    Args:
        queries: ``query_table``; table: the features' table, one row an image.
        factors: tables with one row a picture, keyed by a column ``path``, or one row a person, keyed by ``identity``, such as the
            two of ``read_factors``. Columns that every query table has (identity, camera, modality ...) are not taken again.

    Raises:
        ValueError: a table without key, with a key twice, without somebody who is asked for or taken, or with a name that is there.
    """
    found = queries
    for one in [factors] if isinstance(factors, pd.DataFrame) else factors:
        key = next((name for name in KEYS if name in one.columns and name in table.columns), None)
        if key is None:
            raise ValueError(f"a table of factors needs a column path or identity, found {', '.join(map(str, one.columns[:6])) or 'none'}")
        columns = [name for name in one.columns if name not in OWN]
        taken = [name for name in columns if name in found.columns or f"wrong_{name}" in found.columns]
        if taken:
            raise ValueError(f"the query table has a column {taken[0]!r} already; rename the factor")
        known = _keyed(one, key)[columns]
        values = table[key].to_numpy()
        own = _rows_of(known, key, values[queries["row"]])
        wrong = _rows_of(known, key, np.where(queries["wrong_row"] >= 0, values[queries["wrong_row"].clip(lower=0)], None))
        parts = [part.set_axis(queries.index) for part in (own, wrong.add_prefix("wrong_"))]
        found = pd.concat([found, *parts], axis=1)
    return found


def view_of(heading_degrees: Any) -> pd.Series:
    """From which side a person is seen: "front" up to 60 degrees from facing the camera, "back" from 120 on, else "side".

    Args:
        heading_degrees: (n,), 0 faces the camera, 180 walks away; sign and full turns do not count; NaN stays unknown.
    """
    given = pd.Series(heading_degrees)
    turned = ((given.astype(np.float64) + 180) % 360 - 180).abs()
    return pd.Series(pd.cut(turned, [-1, 60, 120, 181], labels=VIEWS), index=given.index, name="view")


def _keyed(one: pd.DataFrame, key: str) -> pd.DataFrame:
    """A table of factors by its key."""
    twice = one[key][one[key].duplicated()]
    if len(twice):
        raise ValueError(f"a table of factors must have one row for each {key}, found {twice.iloc[0]} twice")
    return one.set_index(key)


def _rows_of(known: pd.DataFrame, key: str, wanted: np.ndarray) -> pd.DataFrame:
    """The rows of the wanted keys, in order; a key that is None gets an empty row."""
    asked = pd.Series(wanted, dtype=object)
    missing = asked[asked.notna() & ~asked.isin(known.index)]
    if len(missing):
        raise ValueError(f"the table of factors lacks {key} {missing.iloc[0]} and {len(missing) - 1} more of those asked for")
    return known.reindex(asked.to_list())
