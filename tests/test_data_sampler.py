"""The sampler: what a batch is made of, and that it depends on (seed, step) alone."""

from __future__ import annotations

import time
from collections import Counter

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from vireidkit.data import VIEW_STRIDE, Batch, IdentitySampler
from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE


def table_of(counts: dict[int, tuple[int, int]]) -> pd.DataFrame:
    """A table with (visible, infrared) images of every identity, in camera order as the readers give it."""
    rows = [
        {"path": f"{modality}/{identity}/{n}", "identity": identity, "camera": camera + n % 2, "modality": modality}
        for position, (modality, camera) in enumerate((("visible", 1), ("infrared", 3)))
        for identity, numbers in counts.items()
        for n in range(numbers[position])
    ]
    return pd.DataFrame(rows, columns=["path", "identity", "camera", "modality"]).astype({"identity": int, "camera": int})


def sampler_of(table: pd.DataFrame, **options: object) -> IdentitySampler:
    labels = {identity: index for index, identity in enumerate(sorted(table["identity"].unique().tolist()))}
    return IdentitySampler(table, labels, **{"identities": 2, "per_modality": 2, **options})


TABLE = table_of({7: (8, 8), 3: (8, 8), 40: (8, 8), 12: (8, 8), 5: (8, 8)})


def check_batch(table: pd.DataFrame, sampler: IdentitySampler, batch: Batch) -> None:
    """Every promise on the order and the contents of a batch, checked row by row."""
    P, K, views = sampler.identities, sampler.per_modality, sampler.views
    batch.check()
    assert len(batch) == P * K * (views + 1) and batch.images.shape == (len(batch), 0) and batch.images.dtype == torch.uint8
    labels = {identity: index for index, identity in enumerate(sorted(table["identity"].unique().tolist()))}
    for i in range(len(batch)):
        row = table.iloc[int(batch.rows[i])]
        assert row["modality"] == ("visible", "infrared")[int(batch.modality[i])]
        assert labels[row["identity"]] == int(batch.labels[i])
        assert row["camera"] == int(batch.cameras[i])
    blocks = batch.labels.view(views + 1, P, K)
    assert (blocks == blocks[:1, :, :1]).all()  # identity-major, and the same in every block
    assert len(blocks[0, :, 0].unique()) == P
    assert batch.modality.tolist() == [VISIBLE] * (views * P * K) + [INFRARED] * (P * K)
    for view in range(views):
        block = slice(view * P * K, (view + 1) * P * K)
        assert torch.equal(batch.rows[block], batch.rows[: P * K])
        assert (batch.views[block] % VIEW_STRIDE == view).all()
    assert (batch.views[views * P * K :] % VIEW_STRIDE == 0).all()


@pytest.mark.parametrize("views", [1, 2])
@pytest.mark.parametrize("replacement", [False, True])
def test_layout_of_a_batch(views: int, replacement: bool) -> None:
    sampler = sampler_of(TABLE, identities=3, per_modality=4, views=views, replacement=replacement)
    for step in range(20):
        check_batch(TABLE, sampler, sampler.plan(step))


people = st.dictionaries(st.integers(1, 999), st.tuples(st.integers(0, 6), st.integers(0, 6)), min_size=1, max_size=8)


@settings(max_examples=80, deadline=None)
@given(
    counts=people, P=st.integers(1, 4), K=st.integers(1, 5), views=st.integers(1, 3), replacement=st.booleans(), step=st.integers(0, 9999)
)
def test_any_table_gives_right_batches_or_a_setting_error(
    counts: dict[int, tuple[int, int]], P: int, K: int, views: int, replacement: bool, step: int
) -> None:
    table = table_of(counts)
    both = sorted(identity for identity, numbers in counts.items() if min(numbers) > 0)
    if len(both) < P:
        with pytest.raises(SettingError, match=f"identities={P} people"):
            sampler_of(table, identities=P, per_modality=K, views=views, replacement=replacement)
        return
    sampler = sampler_of(table, identities=P, per_modality=K, views=views, replacement=replacement)
    assert sampler.eligible == tuple(both)
    batch = sampler.plan(step)
    check_batch(table, sampler, batch)
    if replacement:
        assert (batch.views < VIEW_STRIDE).all()
        return
    named = list(zip(batch.rows.tolist(), batch.views.tolist(), strict=True))
    assert len(set(named)) == len(named)  # an image twice only as two named views
    for row, times in Counter(batch.rows[batch.views % VIEW_STRIDE == 0].tolist()).items():
        person = counts[int(table["identity"].iloc[row])]
        own = person[("visible", "infrared").index(table["modality"].iloc[row])]
        assert times in (K // own, -(-K // own))  # as rarely as possible


def test_no_image_repeats_while_a_person_has_enough() -> None:
    sampler = sampler_of(TABLE, identities=5, per_modality=8)
    batch = sampler.plan(0)
    assert len(batch.rows.unique()) == len(TABLE) and (batch.views == 0).all()


def test_identities_in_one_modality_are_never_drawn() -> None:
    table = table_of({1: (5, 5), 2: (5, 0), 3: (0, 5), 4: (5, 5)})
    sampler = sampler_of(table)
    assert sampler.eligible == (1, 4) and sampler.skipped == (2, 3)
    for step in range(30):
        assert set(sampler.plan(step).labels.tolist()) == {0, 3}  # of the labels of all four


def test_the_draw_depends_on_seed_and_step_alone() -> None:
    first, second = sampler_of(TABLE, seed=3), sampler_of(TABLE, seed=3, steps_per_epoch=7)
    for _ in range(5):
        first.plan(1)
        torch.rand(3)
    for step in (9, 2, 100_000):
        assert torch.equal(first.plan(step).rows, second.plan(step).rows)
    assert not all(torch.equal(first.plan(step).rows, sampler_of(TABLE, seed=4).plan(step).rows) for step in range(3))
    assert not torch.equal(first.plan(0).rows, first.plan(1).rows)


def test_drawing_leaves_torchs_generator_alone() -> None:
    before = torch.random.get_rng_state()
    sampler_of(TABLE).plan(0)
    assert torch.equal(torch.random.get_rng_state(), before)


@pytest.mark.parametrize("replacement", [False, True])
def test_people_and_images_are_drawn_uniformly(replacement: bool) -> None:
    table = table_of({1: (3, 5), 2: (3, 5), 3: (3, 5), 4: (3, 5)})
    sampler = sampler_of(table, per_modality=1, replacement=replacement)
    rows = torch.cat([sampler.plan(step).rows for step in range(1500)]).numpy()
    drawn = np.bincount(rows, minlength=len(table))
    for modality, each in (("visible", 3000 / 12), ("infrared", 3000 / 20)):
        found = drawn[(table["modality"] == modality).to_numpy()]
        assert stats.chisquare(found, np.full(len(found), each)).pvalue > 1e-4


def test_with_replacement_images_do_repeat() -> None:
    sampler = sampler_of(TABLE, identities=2, per_modality=8, replacement=True)
    assert any(len(sampler.plan(step).rows.unique()) < 32 for step in range(5))


def test_visible_and_infrared_images_are_drawn_independently() -> None:
    table = table_of({1: (6, 6), 2: (6, 6)})
    sampler = sampler_of(table, per_modality=1)
    pairs = [sampler.plan(step).rows.view(2, 2)[:, 0].tolist() for step in range(200)]
    assert len({(visible % 6, infrared % 6) for visible, infrared in pairs}) > 25  # of 36


def test_a_small_person_is_completed_by_named_views() -> None:
    table = table_of({1: (2, 3), 2: (9, 9)})
    batch = sampler_of(table, per_modality=5, views=2).plan(0)
    mine = batch.labels == 0
    turns = batch.views[mine & (batch.modality == VISIBLE)].view(2, 5)
    assert sorted(turns[0].tolist()) == [0, 0, VIEW_STRIDE, VIEW_STRIDE, 2 * VIEW_STRIDE]
    assert torch.equal(turns[1], turns[0] + 1)
    assert sorted(batch.views[mine & (batch.modality == INFRARED)].tolist()) == [0, 0, 0, VIEW_STRIDE, VIEW_STRIDE]


@pytest.mark.parametrize(("visible", "infrared", "steps"), [(22258, 11909, 696), (2060, 2060, 65), (32, 64, 3), (31, 31, 1)])
def test_length_of_an_epoch(visible: int, infrared: int, steps: int) -> None:
    """floor(Nmax / (P K)) + 1 with P = 8, K = 4: SYSU-MM01, RegDB, an even division, less than one batch."""
    counts = {identity: (visible // 10 + (identity < visible % 10), infrared // 10 + (identity < infrared % 10)) for identity in range(10)}
    assert len(sampler_of(table_of(counts), identities=8, per_modality=4)) == steps
    assert len(sampler_of(table_of(counts), identities=8, per_modality=4, steps_per_epoch=12)) == 12


@pytest.mark.parametrize("name", ["identities", "per_modality", "views", "steps_per_epoch"])
def test_settings_below_one(name: str) -> None:
    with pytest.raises(SettingError, match=f"{name} must be at least 1, found 0"):
        sampler_of(TABLE, **{name: 0})


def test_more_views_than_there_are_names() -> None:
    with pytest.raises(SettingError, match="views must be at most"):
        sampler_of(TABLE, views=VIEW_STRIDE + 1)


def test_too_few_people() -> None:
    with pytest.raises(SettingError, match=r"identities=3 people with images in both modalities, the table has 2 \(and 1 seen in one"):
        sampler_of(table_of({1: (1, 1), 2: (1, 1), 3: (1, 0)}), identities=3)
    with pytest.raises(SettingError, match="the table has 0"):
        sampler_of(TABLE.iloc[:0])


def test_people_without_a_label() -> None:
    with pytest.raises(ValueError, match=r"found none for \[5, 12\]"):
        IdentitySampler(TABLE, {3: 0, 7: 1, 40: 2}, identities=2, per_modality=2)


def test_a_plan_is_quick() -> None:
    """Below 2 ms of processor time at the size of SYSU-MM01, the best of several, since the machine may be busy."""
    table = table_of({identity: (56, 30) for identity in range(395)})
    sampler = sampler_of(table, identities=8, per_modality=4, views=2)
    best = float("inf")
    for step in range(30):
        start = time.process_time()
        sampler.plan(step)
        best = min(best, time.process_time() - start)
    assert best < 2e-3
