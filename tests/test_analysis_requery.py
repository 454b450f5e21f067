"""Asking again: the same descriptors give the same ranks, others change only the queries."""

import numpy as np
import pandas as pd
import pytest

from vireidkit.analysis import query_table
from vireidkit.analysis.requery import ask_again
from vireidkit.evaluation import Features, get_protocol


class World:
    """Twelve people before two cameras of each band."""

    name = "world"

    def table(self, split: str) -> pd.DataFrame:
        rows = [(f"{c}/{i}/{n}", i, c, "visible" if c < 3 else "infrared") for c in (1, 2, 3, 4) for i in range(12) for n in range(2)]
        return pd.DataFrame(rows, columns=["path", "identity", "camera", "modality"])


@pytest.fixture(scope="module")
def features() -> Features:
    return Features(np.random.default_rng(0).normal(size=(96, 8)), World().table("test"))


@pytest.mark.parametrize("key", ["vis2ir", "within-visible"])
def test_the_same_descriptors_rank_the_same(features: Features, key: str) -> None:
    trial = next(iter(get_protocol(key).trials(World())))
    some = trial.query.index[[30, 3, 17]]  # the order of the queries' features does not matter
    both, again = ask_again(features, trial, Features(features.matrix[some.tolist()], features.table.loc[some]))
    expected = query_table(features, trial).set_index("row").loc[sorted(some), ["identity", "camera", "first_hit", "ap", "removed"]]
    found = query_table(both, again)[["identity", "camera", "first_hit", "ap", "removed"]]
    assert found.to_numpy().tolist() == expected.to_numpy().tolist()
    assert len(features) == 96 and len(both) == 99


def test_only_the_queries_change(features: Features) -> None:
    trial = next(iter(get_protocol("vis2ir").trials(World())))
    own = trial.gallery.drop_duplicates("identity")
    some = trial.query.drop_duplicates("identity")
    told = Features(features.matrix[own.index.tolist()], some.set_axis(range(12)))  # each asks with its own answer
    both, again = ask_again(features, trial, told)
    assert (query_table(both, again)["first_hit"] == 1).all()


def test_what_no_query_is_cannot_ask(features: Features) -> None:
    trial = next(iter(get_protocol("vis2ir").trials(World())))
    with pytest.raises(ValueError, match="2 images ask again, but 2 differ and 1 are queries"):
        ask_again(features, trial, Features(features.matrix[[0, 95]], features.table.loc[[0, 95]]))
    with pytest.raises(ValueError, match="but 1 differ"):
        ask_again(features, trial, Features(features.matrix[[0, 0]], features.table.loc[[0, 0]]))
