"""What a search answers first: whose picture, from which camera."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vireidkit.analysis.retrieval import query_table


def first_answers(features: Any, trial: Any) -> pd.DataFrame:
    """The nearest gallery image of every query that has a match, among those that the protocol's rule left.

    Args:
        features: ``Features``; trial: a protocol's ``Trial`` whose tables are indexed by position in the features.

    Returns:
        One row a query: ``query_row, answer_row`` (positions in the features), ``query_camera, answer_camera``, ``correct``.
        A query whose right and wrong images are equally near counts by its first hit.
    """
    found = query_table(features, trial)
    found = found[found["valid"]]
    correct = (found["first_hit"] == 1).to_numpy()
    answer = np.where(correct, found["right_row"], found["wrong_row"])
    cameras = trial.gallery["camera"].reindex(answer).to_numpy()
    return pd.DataFrame(
        {
            "query_row": found["row"].to_numpy(),
            "answer_row": answer,
            "query_camera": found["camera"].to_numpy(),
            "answer_camera": cameras,
            "correct": correct,
        }
    )
