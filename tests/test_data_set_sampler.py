"""Batches of sets of frames: which frames make a set, how a batch is laid out, and the way of its pixels into the loop."""

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
from trees import make_manifest

from vireidkit.data import Augmentation, Batch, ImageStore, SetSampler, augment, load_dataset
from vireidkit.errors import SettingError
from vireidkit.methods.recipe import Recipe
from vireidkit.training.distributed import shard_positions
from vireidkit.training.loop import sampler_of

Tracks = dict[tuple[int, str], list[int]]  # (identity, modality) -> frames of each of its tracklets


def table_of(tracks: Tracks, *, singles: bool = False, shuffle: int | None = None) -> pd.DataFrame:
    """A table of tracklets, a camera each, or (``singles``) of the same pictures without tracklets."""
    rows, number = [], 0
    for (identity, modality), lengths in tracks.items():
        for camera, length in enumerate(lengths):
            number += 1
            for frame in range(length):
                known = (-1, -1) if singles else (number, 10 + frame)
                rows.append((f"{modality}/{identity}/{camera}/{frame}", identity, camera + 4 * (modality == "infrared"), modality, *known))
    table = pd.DataFrame(rows, columns=["path", "identity", "camera", "modality", "tracklet", "frame"])
    table = table if shuffle is None else table.sample(frac=1, random_state=shuffle)
    return table.reset_index(drop=True)


def made(table: pd.DataFrame, **options: object) -> SetSampler:
    labels = {identity: index for index, identity in enumerate(sorted(table["identity"].unique().tolist()))}
    return SetSampler(table, labels, **{"identities": 2, "per_modality": 2, "frames": 4, **options})


FOUR = table_of({(identity, band): [8, 8, 5] for identity in (7, 3, 40, 12, 5) for band in ("visible", "infrared")}, shuffle=3)
ONE_BAND = table_of({(identity, "visible"): [8, 8, 5] for identity in (7, 3, 40, 12)})


def check_sets(table: pd.DataFrame, sampler: SetSampler, batch: Batch) -> None:
    """Every promise on the order of a batch and on what a set holds, row by row."""
    P, K, N = sampler.identities, sampler.per_modality, sampler.frames
    batch.check()
    bands = len(sampler.bands)
    assert batch.rows.shape == batch.cameras.shape == (bands * P * K, N) and len(batch) == bands * P * K
    assert batch.labels.shape == batch.modality.shape == batch.views.shape == (len(batch),) and not batch.views.any()
    assert batch.images.shape == (len(batch), 0)
    people = batch.labels.view(bands, P, K)
    assert (people == people[:1, :, :1]).all() and len(people[0, :, 0].unique()) == P
    assert torch.equal(batch.modality, torch.tensor(sampler.bands).repeat_interleave(P * K))
    labels = {identity: index for index, identity in enumerate(sorted(table["identity"].unique().tolist()))}
    for i in range(len(batch)):
        frames = table.iloc[batch.rows[i].numpy()]
        assert {labels[identity] for identity in frames["identity"]} == {int(batch.labels[i])}
        assert set(frames["modality"]) == {("visible", "infrared")[int(batch.modality[i])]}
        assert frames["camera"].tolist() == batch.cameras[i].tolist()
        own = table[(table["identity"] == frames["identity"].iloc[0]) & (table["modality"] == frames["modality"].iloc[0])]
        check_source(own, frames, sampler)


def check_source(own: pd.DataFrame, frames: pd.DataFrame, sampler: SetSampler) -> None:
    """Where the frames of one set may come from; ``own`` are all pictures of its person in its modality."""
    N = sampler.frames
    keys = ["camera", "tracklet"]
    if sampler.source == "tracklet":
        assert len(frames[keys].drop_duplicates()) == 1
        track = own[(own[keys] == frames[keys].iloc[0]).all(axis=1)].sort_values("frame", kind="stable")
        F = len(track)
        places = sorted(track.index.get_indexer(frames.index).tolist())
        size = -(-F // N)
        # The list of section 4.1, chunk by chunk: the padded tracklet cut into N chunks.
        padded = list(range(F)) + [F - 1] * (size * N - F)
        chunks = [padded[start * size : (start + 1) * size] for start in range(N)]
        assert all(place in chunk for place, chunk in zip(places, chunks, strict=True))
        return
    tracks = own[keys].drop_duplicates()
    used = Counter(map(tuple, frames[keys].to_numpy().tolist()))
    slots = sorted((used.get(tuple(track), 0) for track in tracks.to_numpy().tolist()), reverse=True)
    assert slots == sorted((N // len(tracks) + (i < N % len(tracks)) for i in range(len(tracks))), reverse=True)
    if not sampler.replacement:
        sizes = Counter(map(tuple, own[keys].to_numpy().tolist()))
        for index, times in Counter(frames.index.tolist()).items():
            track = tuple(own.loc[index, keys].tolist())
            allotted, size = used[track], sizes[track]
            assert times in (allotted // size, -(-allotted // size))  # no frame again while another is left


@pytest.mark.parametrize("replacement", [False, True])
@pytest.mark.parametrize("source", ["tracklet", "multiview"])
@pytest.mark.parametrize("table", [FOUR, ONE_BAND], ids=["two bands", "one band"])
def test_layout_and_sources(table: pd.DataFrame, source: str, replacement: bool) -> None:
    sampler = made(table, source=source, replacement=replacement, identities=3)
    for step in range(3):
        check_sets(table, sampler, sampler.plan(step))


bands = st.lists(st.integers(1, 9), min_size=1, max_size=4)


@settings(max_examples=25, deadline=None)
@given(
    visible=st.dictionaries(st.integers(1, 99), bands, min_size=1, max_size=6),
    infrared=st.none() | bands,
    P=st.integers(1, 3),
    K=st.integers(1, 3),
    N=st.integers(1, 9),
    source=st.sampled_from(["tracklet", "multiview"]),
    replacement=st.booleans(),
    singles=st.booleans(),
    step=st.integers(0, 9999),
)
def test_any_table_gives_right_sets_or_a_setting_error(
    visible: dict[int, list[int]],
    infrared: list[int] | None,
    P: int,
    K: int,
    N: int,
    source: str,
    replacement: bool,
    singles: bool,
    step: int,
) -> None:
    tracks = {(identity, "visible"): own for identity, own in visible.items()}
    tracks |= {(identity, "infrared"): infrared for identity in visible if infrared}
    table = table_of(tracks, singles=singles, shuffle=step)
    options = {"identities": P, "per_modality": K, "frames": N, "source": source, "replacement": replacement}
    if len(visible) < P:
        with pytest.raises(SettingError, match=f"identities={P} people"):
            made(table, **options)
        return
    sampler = made(table, **options)
    check_sets(table, sampler, sampler.plan(step))


def test_pictures_without_tracklets_count_as_one_for_each_camera() -> None:
    table = table_of({(identity, "visible"): [4, 4] for identity in (1, 2)}, singles=True)
    batch = made(table, per_modality=2, source="tracklet").plan(0)
    assert all(len(set(cameras)) == 1 for cameras in batch.cameras.tolist())
    assert sorted(batch.cameras[:2, 0].tolist()) == [0, 1]
    batch = made(table, source="multiview").plan(0)
    assert all(sorted(cameras) == [0, 0, 1, 1] for cameras in batch.cameras.tolist())


def test_a_tracklet_gives_its_frames_in_the_order_of_their_numbers() -> None:
    """The table is shuffled, so its order would cut other chunks."""
    sampler = made(FOUR, source="tracklet", frames=8)
    for step in range(5):
        for rows in sampler.plan(step).rows:
            frames = sorted(FOUR["frame"].iloc[rows.numpy()].tolist())
            assert frames in ([10, 11, 12, 13, 14, 15, 16, 17], [10, 11, 12, 13, 14, 14, 14, 14])


def test_sets_of_a_person_are_different_tracklets_as_far_as_there_are() -> None:
    table = table_of({(1, "visible"): [3, 3, 3], (2, "visible"): [3]})
    for replacement in (False, True):
        sampler = made(table, per_modality=3, source="tracklet", replacement=replacement)
        for step in range(10):
            batch = sampler.plan(step)
            tracks = table["tracklet"].to_numpy()[batch.rows[:, 0].numpy()]
            assert sorted(tracks[(batch.labels == 0).numpy()]) == [1, 2, 3]
    # Short of tracklets: as evenly as possible, or at random.
    table = table_of({(1, "visible"): [3, 3], (2, "visible"): [3, 3]})
    even = [Counter(made(table, per_modality=4, source="tracklet").plan(step).cameras[:4, 0].tolist()) for step in range(20)]
    drawn = made(table, per_modality=4, source="tracklet", replacement=True)
    assert all(one == {0: 2, 1: 2} for one in even)
    assert any(Counter(drawn.plan(step).cameras[:4, 0].tolist()) != {0: 2, 1: 2} for step in range(20))


def test_the_first_frames_are_any_frames_of_the_set() -> None:
    """What a student of M frames relies on: M of N at random, for every set anew."""
    table = table_of({(identity, "visible"): [8] for identity in (1, 2)})
    sampler = made(table, identities=1, per_modality=1, frames=8, source="tracklet")
    firsts = torch.cat([sampler.plan(step).rows[:, :2] for step in range(500)])
    counts = np.bincount((firsts % 8).flatten().numpy(), minlength=8)
    assert stats.chisquare(counts).pvalue > 1e-4 and (firsts[:, 0] != firsts[:, 1]).all()
    rising = (firsts[:, 0] < firsts[:, 1]).float().mean().item()
    assert 0.42 < rising < 0.58


@pytest.mark.parametrize("replacement", [False, True])
def test_views_are_drawn_uniformly(replacement: bool) -> None:
    table = table_of({(identity, "visible"): [4, 4, 4] for identity in (1, 2)})
    sampler = made(table, identities=2, per_modality=2, frames=3, source="multiview", replacement=replacement)
    drawn = np.bincount(torch.cat([sampler.plan(step).rows.flatten() for step in range(300)]).numpy(), minlength=len(table))
    assert stats.chisquare(drawn).pvalue > 1e-4


def test_with_replacement_a_view_may_come_twice_into_a_set_and_without_it_never_does() -> None:
    table = table_of({(identity, "visible"): [6] for identity in (1, 2)})
    times = {}
    for replacement in (False, True):
        sampler = made(table, frames=4, source="multiview", replacement=replacement)
        rows = torch.cat([sampler.plan(step).rows for step in range(20)]).tolist()
        times[replacement] = sum(len(set(own)) < 4 for own in rows)
    assert times[False] == 0 < times[True]


# Passes


def test_an_epoch_shows_everybody_at_most_once() -> None:
    sampler = made(FOUR)
    assert len(sampler) == 2  # of five people, two at a time, one is dropped
    seen = [tuple(torch.cat([sampler.plan(2 * turn + place).labels.unique() for place in (0, 1)]).tolist()) for turn in range(40)]
    assert all(len(set(one)) == 4 for one in seen) and len({frozenset(one) for one in seen}) == 5
    assert len(made(FOUR, steps_per_epoch=7)) == 7


def test_published_lengths_of_an_epoch() -> None:
    """floor(people / P): MARS, DukeMTMC-VideoReID and VeRi-776 in both stages (mdkt.md section 4)."""
    for people, identities, steps in ((625, 8, 78), (625, 12, 52), (702, 8, 87), (702, 12, 58), (576, 18, 32), (576, 12, 48)):
        table = table_of({(identity, "visible"): [1] for identity in range(people)})
        assert len(made(table, identities=identities)) == steps


def test_the_draw_depends_on_seed_and_step_alone() -> None:
    first, second = made(FOUR, seed=3), made(FOUR, seed=3, steps_per_epoch=7)
    before = torch.random.get_rng_state()
    for _ in range(5):
        first.plan(1)
    assert torch.equal(torch.random.get_rng_state(), before)
    for step in (9, 2, 100_000):
        assert torch.equal(first.plan(step).rows, second.plan(step).rows)
    assert not torch.equal(first.plan(0).rows, first.plan(2).rows)
    assert any(not torch.equal(first.plan(step).rows, made(FOUR, seed=4).plan(step).rows) for step in range(3))


# Rows of one step as the first recorded results were made with: whoever moves these moves every recorded run.
FROZEN = {
    "tracklet": [[32, 26, 29], [37, 38, 34], [22, 24, 25], [13, 16, 20]],
    "multiview": [[32, 38, 31], [29, 35, 38], [18, 23, 20], [21, 20, 16]],
}


@pytest.mark.parametrize("source", FROZEN)
def test_the_draw_stays_what_it_was(source: str) -> None:
    sampler = made(table_of({(identity, "visible"): [8, 5] for identity in (7, 3, 40)}), frames=3, source=source, seed=5)
    assert sampler.plan(17).rows.tolist() == FROZEN[source]


# Mistakes


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"frames": 0}, "frames must be at least 1, found 0"),
        ({"source": "clip"}, "sets must be one of tracklet, multiview; found 'clip'"),
        ({"views": 2}, "one view of every frame, found views=2"),
        ({"identities": 6}, "identities=6 people"),
        ({"per_modality": 0}, "per_modality must be at least 1"),
    ],
)
def test_impossible_settings_are_named(options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        made(FOUR, **options)


def test_several_frames_of_a_sampler_of_single_images_are_refused() -> None:
    recipe = Recipe(source="x", expects="x", takes="x", image_size=(8, 4), frames=4)
    with pytest.raises(SettingError, match="sampler=identities draws single images, found frames=4"):
        sampler_of(recipe, None, {}, 0)


def test_a_batch_of_sets_is_checked() -> None:
    batch = made(FOUR).plan(0)
    with pytest.raises(ValueError, match=r"one shape.*found \(8, 4\) and \(8,\)"):
        Batch(**{**vars(batch), "cameras": batch.cameras[:, 0]}).check()
    images = torch.zeros(8, 4, 3, 6, 5)
    assert batch.with_images(images).check().images.shape == images.shape
    for wrong in (images[:, :3], images[:, 0]):
        with pytest.raises(ValueError, match=r"rows \(8, 4\) needs as many images"):
            batch.with_images(wrong).check()


# Pixels


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory):
    root = make_manifest(
        tmp_path_factory.mktemp("sets") / "tree", splits={"train": range(1, 5), "validation": (6,), "test": (7, 8)}, frames=5
    )
    return load_dataset("manifest", root)


def test_a_store_gives_pictures_of_any_rows_also_when_it_decodes_on_demand(dataset, tmp_path) -> None:
    stores = [ImageStore(dataset, dataset.train, (8, 4), cache=tmp_path, progress=False, **one) for one in ({}, {"byte_limit": 100})]
    rows = SetSampler(dataset.train, dataset.labels("train"), identities=2, per_modality=2, frames=3).plan(0).rows
    for store in stores:
        found = store.images(rows)
        assert found.shape == (*rows.shape, 8, 4, 3) and torch.equal(found.flatten(0, 1), store.images(rows.flatten()))
        assert store.images(rows[:0]).shape == (0, 3, 8, 4, 3)
        with pytest.raises(TypeError, match="positions"):
            store.images(rows[None])
    assert torch.equal(stores[0].images(rows), stores[1].images(rows))


AUGMENTATION = Augmentation(padding=2, visible=(("erase_clip",),), infrared=("erase_clip", "adapt_gray"))


def pixels(batch: Batch) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randint(256, (*batch.rows.shape, 12, 6, 3), generator=generator, dtype=torch.uint8)


def test_every_frame_is_augmented_on_its_own() -> None:
    batch = made(FOUR).plan(0)
    same = torch.full((*batch.rows.shape, 12, 6, 3), 255, dtype=torch.uint8)
    same[..., 0:6, :, :] = 20  # frames differ by their draws alone
    found = augment(same, batch, AUGMENTATION, seed=1, step=2)
    assert found.shape == (8, 4, 3, 12, 6) and found.dtype == torch.float32
    assert len({frame.numpy().tobytes() for frame in found.flatten(0, 1)}) > 20


def test_sets_are_augmented_as_the_frames_of_one_long_batch() -> None:
    batch = made(FOUR).plan(0)
    images = pixels(batch)
    found = augment(images, batch, AUGMENTATION, seed=1, step=2)
    long = batch.select(torch.arange(8).repeat_interleave(4))
    assert torch.equal(found.flatten(0, 1), augment(images.flatten(0, 1), long, AUGMENTATION, seed=1, step=2))
    with pytest.raises(ValueError, match=r"images \(B, N, H, W, 3\) with the 8 sets"):
        augment(images[:5], batch, AUGMENTATION, seed=1, step=2)


def test_a_shard_of_sets_has_the_draws_of_the_whole_batch() -> None:
    batch = made(FOUR, identities=4).plan(0)
    images = pixels(batch)
    whole = augment(images, batch, AUGMENTATION, seed=1, step=2)
    for shard in shard_positions(batch, 2):
        share = batch.select(shard).check()
        assert share.rows.shape == (8, 4) and share.modality.bincount().tolist() == [4, 4]
        part = augment(images[shard], share, AUGMENTATION, seed=1, step=2, positions=shard, total=len(batch))
        assert torch.equal(part, whole[shard])


# Size


def test_half_a_million_frames_of_eight_thousand_tracklets() -> None:
    """The size of MARS. Measured: built in 0.3 s, a plan in 2 to 3 ms."""
    draw = np.random.default_rng(0)
    tracks = np.sort(draw.integers(0, 625, 8298))
    tracks[:625] = np.arange(625)
    lengths = draw.integers(2, 121, 8298)
    table = pd.DataFrame({"path": "p", "identity": np.repeat(tracks, lengths), "camera": 1, "modality": "visible"})
    table["tracklet"] = np.repeat(np.arange(8298), lengths)
    table["frame"] = np.concatenate([np.arange(length) for length in lengths])
    began = time.process_time()
    samplers = [made(table, identities=12, per_modality=4, frames=8, source=one, replacement=True) for one in ("tracklet", "multiview")]
    assert time.process_time() - began < 8
    began = time.process_time()
    for sampler in samplers:
        for step in range(5):
            batch = sampler.plan(step)
            assert batch.rows.shape == (48, 8)
    assert (time.process_time() - began) / 10 < 0.05
    assert (table["identity"].to_numpy()[batch.rows.numpy()] == batch.labels.numpy()[:, None]).all()
