"""Whether two descriptors find the same people: every query of a trial, asked of both."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pandas as pd

from vireidkit.analysis.retrieval import query_table


def found_by(features: Mapping[str, Any], trial: Any) -> pd.Series:
    """Shares of the queries that have an answer whose first answer is right: with both descriptors, with one of them only, with neither.

    Args:
        features: two names -> ``Features`` of the same rows; trial: a protocol's ``Trial``.

    Returns:
        Four shares that add up to 1: "both", "only <first name>", "only <second name>", "neither". NaN without any such query.

    Raises:
        ValueError: not two descriptors.
    """
    if len(features) != 2:
        raise ValueError(f"expected two descriptors to compare, found {len(features)}")
    asked = {name: query_table(one, trial) for name, one in features.items()}
    first, second = (table.loc[table["valid"], "first_hit"].to_numpy() == 1 for table in asked.values())
    one, other = features
    shares = {"both": first & second, f"only {one}": first & ~second, f"only {other}": second & ~first, "neither": ~first & ~second}
    return pd.Series({name: float(hits.mean()) if len(hits) else float("nan") for name, hits in shares.items()})
