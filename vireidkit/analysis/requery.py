"""Asking again with other descriptors of the queries, such as those of damaged pictures, in an unchanged gallery."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import torch


def ask_again(features: Any, trial: Any, queries: Any) -> tuple[Any, Any]:
    """Features and trial in which only some queries ask, and these with other descriptors; the gallery stays as it is.

    Args:
        features: ``Features`` of the whole split; trial: of a protocol on this split.
        queries: ``Features`` of some of the trial's query images, found by their path; others are left out.

    Returns:
        The features with the new rows behind them, and the trial whose queries are these rows.

    Raises:
        ValueError: an image that the trial does not ask with, or one that comes twice.
    """
    place = {path: row for row, path in enumerate(queries.table["path"])}
    asked = trial.query["path"].isin(list(place)).to_numpy()
    if len(place) != len(queries) or asked.sum() != len(queries):
        raise ValueError(f"{len(queries)} images ask again, but {len(place)} differ and {asked.sum()} are queries of the trial")
    rows = len(features) + np.array([place[path] for path in trial.query["path"][asked]], dtype=np.int64)
    both = replace(
        features,
        matrix=torch.cat([features.matrix, queries.matrix.to(features.matrix.dtype)]),
        table=pd.concat([features.table, queries.table], ignore_index=True),
    )
    excluded = None if trial.excluded is None else np.asarray(trial.excluded)[asked]
    return both, replace(trial, query=trial.query[asked].set_axis(rows), excluded=excluded)
