"""How much of a score is luck: scores person by person, and what choosing the best of several adds to one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vireidkit.evaluation.distances import trial_distance
from vireidkit.evaluation.metrics import rank_metrics
from vireidkit.evaluation.protocols import get_protocol
from vireidkit.randomness import numpy_generator


def scores_by_identity(features: Any, dataset: Any, protocol: Any, *, split: str = "test") -> pd.DataFrame:
    """What every test person contributes to a protocol's score, averaged over the person's queries and the trials.

    The queries of one person stand or fall together, so an interval over queries would be far too narrow: resample persons.
    Where all persons ask equally often, the mean over the rows is the protocol's score.

    Args:
        features: ``Features`` of the split; protocol: a protocol or its name.

    Returns:
        Indexed by ``identity``, ascending: ``queries`` (valid ones, mean over trials), ``rank1, map, minp`` (fractions 0-1). Persons
        without a match in any trial's gallery are left out.
    """
    protocol = get_protocol(protocol) if isinstance(protocol, str) else protocol
    parts = []
    for trial in protocol.trials(dataset, split):
        query, gallery = (rows["identity"].to_numpy() for rows in (trial.query, trial.gallery))
        found = rank_metrics(trial_distance(features, trial), query, gallery, excluded=trial.excluded, cmc=protocol.cmc, ap=protocol.ap)
        columns = {"identity": query, "rank1": found.rank == 1, "map": found.ap, "minp": found.inp, "trial": trial.number}
        parts.append(pd.DataFrame(columns)[found.rank > 0])
    rows = pd.concat(parts)
    table = rows.groupby("identity")[["rank1", "map", "minp"]].mean()
    table.insert(0, "queries", rows.groupby("identity").size() / rows["trial"].nunique())
    return table


def choose_the_best(scores: pd.DataFrame, *, splits: int = 1000, seed: int = 0) -> pd.DataFrame:
    """Choose the best of several candidates on one half of the people, and look at it again on the other half.

    That is what happens when the best epoch (or seed, or setting) is chosen by its score on the test people and this very score
    is reported: ``chosen`` is the reported number, ``fresh`` what the same candidate scores on people who had no say.

    Args:
        scores: one row a candidate, one column a person (fractions), as the columns of ``scores_by_identity`` stacked.
        splits: random divisions of the people into halves; seed: of these draws.

    Returns:
        One row a division: ``candidate`` (its position), ``chosen``, ``fresh``, and ``typical`` (mean of all candidates on the half that
        had no say). Means over the divisions are what to read.

    Raises:
        ValueError: fewer than two people, or a score that is missing.
    """
    values = scores.to_numpy(dtype=np.float64)  # (candidates, people)
    candidates, people = values.shape
    if people < 2 or candidates < 1 or not np.isfinite(values).all():
        raise ValueError(f"a choice needs candidates with finite scores of at least 2 people, found {candidates} x {people}")
    draws = numpy_generator(seed, "halves").random((splits, people)).argsort(axis=1)
    first = (draws < people // 2).astype(np.float64)  # (splits, people), 1 where the person has a say
    judged = first @ values.T / first.sum(axis=1, keepdims=True)  # (splits, candidates)
    unseen = (1 - first) @ values.T / (1 - first).sum(axis=1, keepdims=True)
    best = judged.argmax(axis=1)
    rows = np.arange(splits)
    return pd.DataFrame({"candidate": best, "chosen": judged[rows, best], "fresh": unseen[rows, best], "typical": unseen.mean(axis=1)})
