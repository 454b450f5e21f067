"""Random patch: a loop as the oracle, the pool of the latest images of a modality, and draws that belong to a row."""

from __future__ import annotations

from types import SimpleNamespace

import pandas as pd
import pytest
import torch
from torch import Tensor

from vireidkit.data import Augmentation, Batch, Donors, IdentitySampler, PairSampler, PatchPool, augment, denormalise, pool_of
from vireidkit.data.augmentation import draw_boxes, draw_patches
from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE

PATCH = Augmentation(padding=0, flip=0.0, visible=(("patch",),), infrared=("patch",))


def plan_of(visible: int, infrared: int) -> Batch:
    modality = torch.tensor([VISIBLE] * visible + [INFRARED] * infrared)
    rows = torch.arange(len(modality))
    return Batch(torch.empty(len(rows), 0), rows, modality, rows, rows, torch.zeros_like(rows))


def pixels(count: int, height: int = 20, width: int = 10, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


def everybody(count: int, **size: int) -> Donors:
    return Donors(pixels(count, seed=9, **size), torch.ones(count, dtype=torch.bool))


# --- pasting ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0, 7])
def test_equals_the_loop_over_images(step: int) -> None:
    images, donors = pixels(48), everybody(48)
    before = images.clone()
    found = denormalise(augment(images, plan_of(24, 24), PATCH, seed=3, step=step, donors=donors))
    patches, treated = draw_patches(3, step, 48, 20, 10, 0.5).tolist(), 0
    for image, donor, expected, (top, left, tall, wide, down, across, mirrored) in zip(
        found, donors.images, images.clone(), patches, strict=True
    ):
        patch = donor[top : top + tall, left : left + wide]
        assert patch.shape[:2] == (tall, wide) and down + tall <= 20 and across + wide <= 10
        expected[down : down + tall, across : across + wide] = patch.flip(1) if mirrored else patch
        treated += tall > 0
        assert torch.equal(image, expected)
    assert 14 <= treated <= 34 and torch.equal(images, before)


def test_areas_aspects_places_and_mirrors_are_those_of_the_specification() -> None:
    patches = draw_patches(0, 0, 20000, 200, 100, 1.0).double()
    tall, wide = patches[:, 2], patches[:, 3]
    area = tall * wide / 20000
    assert (tall > 0).all() and 0.009 < area.min() < 0.012 and 0.47 < area.max() < 0.505
    assert (tall / wide).min() < 0.3 and (tall / wide).max() > 9 and (tall / wide).max() < 11
    assert patches[:, 6].mean() == pytest.approx(0.5, abs=0.02)
    for place, room in ((patches[:, 4], 200 - tall), (patches[:, 5], 100 - wide), (patches[:, 0], 200 - tall), (patches[:, 1], 100 - wide)):
        assert (place / room).mean() == pytest.approx(0.5, abs=0.02) and (place <= room).all()
    assert torch.corrcoef(torch.stack([patches[:, 0], patches[:, 4]]))[0, 1] < 0.6  # where from and where to are drawn apart
    assert (draw_patches(0, 0, 4000, 200, 100, 0.5)[:, 2] > 0).float().mean() == pytest.approx(0.5, abs=0.03)
    assert not torch.equal(draw_boxes(0, 0, 50, 20, 10, 1.0), draw_boxes(0, 0, 50, 20, 10, 1.0, form="patch"))


def test_a_shard_and_a_later_call_get_what_the_whole_batch_would() -> None:
    images, plan, donors = pixels(12), plan_of(6, 6), everybody(12)
    whole = augment(images, plan, PATCH, seed=1, step=5, donors=donors)
    mine = torch.tensor([1, 4, 7, 10])
    shard = Donors(donors.images[mine], donors.known[mine])
    part = augment(images[mine], plan.select(mine), PATCH, seed=1, step=5, positions=mine, total=12, donors=shard)
    assert torch.equal(part, whole[mine])
    assert torch.equal(whole, augment(images, plan, PATCH, seed=1, step=5, donors=donors))
    assert not torch.equal(whole, augment(images, plan, PATCH, seed=1, step=6, donors=donors))


def test_rows_without_a_donor_and_other_pipelines_are_left_alone() -> None:
    images, plan = pixels(40), plan_of(20, 20)
    plain = augment(images, plan, Augmentation(padding=0, flip=0.0), seed=0, step=0)
    nobody = Donors(pixels(40, seed=9), torch.zeros(40, dtype=torch.bool))
    assert torch.equal(augment(images, plan, PATCH, seed=0, step=0, donors=nobody), plain)
    visible = augment(images, plan, Augmentation(padding=0, flip=0.0, visible=(("patch",),)), seed=0, step=0, donors=everybody(40))
    assert torch.equal(visible[20:], plain[20:]) and not torch.equal(visible[:20], plain[:20])
    never = Augmentation(padding=0, flip=0.0, visible=(("patch",),), patch_probability=0.0)
    assert torch.equal(augment(images, plan, never, seed=0, step=0, donors=everybody(40)), plain)


def test_it_follows_erasing_in_the_order_named() -> None:
    images, plan, donors = torch.full((64, 20, 10, 3), 255, dtype=torch.uint8), plan_of(64, 0), everybody(64)
    both = Augmentation(padding=0, flip=0.0, visible=(("erase_mean", "patch"),), erase_probability=1.0, patch_probability=1.0)
    found = augment(images, plan, both, seed=0, step=0, donors=donors)
    for image, (_, _, tall, wide, down, across, _) in zip(found, draw_patches(0, 0, 64, 20, 10, 1.0).tolist(), strict=True):
        inside = image[:, down : down + tall, across : across + wide]
        assert not (inside == 0).all(dim=0).any()  # the patch lies over what was erased


def test_sets_of_frames_take_patches_frame_by_frame() -> None:
    images, donors = pixels(12).unflatten(0, (4, 3)), everybody(12)
    plan = plan_of(2, 2)
    found = augment(images, plan, PATCH, seed=2, step=1, donors=Donors(donors.images.unflatten(0, (4, 3)), donors.known.view(4, 3)))
    assert torch.equal(found.flatten(0, 1), augment(images.flatten(0, 1), plan_of(6, 6), PATCH, seed=2, step=1, donors=donors))


def test_what_does_not_fit_is_named() -> None:
    for wrong in (None, everybody(5), Donors(pixels(4, 8, 8), torch.ones(4, dtype=torch.bool))):
        with pytest.raises(ValueError, match=r'the operator "patch" needs donors \(4, 20, 10, 3\)'):
            augment(pixels(4), plan_of(2, 2), PATCH, seed=0, step=0, donors=wrong)
    with pytest.raises(SettingError, match=r"patch_probability is a probability, found 1\.5"):
        Augmentation(patch_probability=1.5)
    assert PATCH.needs_donors and not Augmentation().needs_donors
    assert Augmentation(infrared=("patch",)).needs_donors and Augmentation(visible=((), ("patch",))).needs_donors


# --- the pool ---------------------------------------------------------------------------------------


def table(identities: int = 12, each: int = 5) -> pd.DataFrame:
    rows = [(i, band, j) for i in range(identities) for band in ("visible", "infrared") for j in range(each)]
    frame = pd.DataFrame(rows, columns=["identity", "modality", "frame"])
    return frame.assign(camera=frame["modality"].map({"visible": 1, "infrared": 2}))


def sampler(kind: type = IdentitySampler, **options: object) -> IdentitySampler:
    own = table()
    settings = {"identities": 3, "per_modality": 2, "seed": 4, "steps_per_epoch": 6, **options}
    return kind(own, {i: i for i in range(12)}, **settings)


@pytest.mark.parametrize("kind", [IdentitySampler, PairSampler])
def test_donors_are_the_latest_images_of_the_modality(kind: type) -> None:
    own = sampler(kind)
    pool = PatchPool(own, seed=1, capacity=20, least=9)
    seen: dict[int, list[int]] = {0: [], 1: []}
    for step in range(14):
        plan, rows = own.plan(step), pool.rows(step)
        for row, code, donor in zip(plan.rows.tolist(), plan.modality.tolist(), rows.tolist(), strict=True):
            seen[code].append(row)
            if len(seen[code]) < 9:
                assert donor == -1
            else:
                assert donor in seen[code][-20:]
    modality = table()["modality"].to_numpy()
    assert set(modality[seen[0]]) == {"visible"} and set(modality[seen[1]]) == {"infrared"}


def test_every_place_in_the_pool_is_drawn_alike() -> None:
    rows = torch.arange(1000)

    def plan(step: int) -> SimpleNamespace:
        return SimpleNamespace(modality=torch.zeros(10, dtype=torch.long), rows=rows[10 * step : 10 * step + 10])

    own = SimpleNamespace(plan=plan)
    ages = []
    for seed in range(60):
        pool = PatchPool(own, seed, capacity=30, least=1)
        for step in (50, 71):
            ages += (own.plan(step).rows - pool.rows(step)).tolist()
    counts = torch.bincount(torch.tensor(ages), minlength=30)
    assert len(counts) == 30 and counts.min() > 15 and counts.max() < 75  # 40 expected
    first = PatchPool(own, 0, capacity=30, least=1).rows(0)
    assert (first <= rows[:10]).all() and first[0] == 0


def test_a_resumed_run_finds_the_same_donors_and_a_shard_its_part() -> None:
    straight = PatchPool(sampler(), seed=1, capacity=40, least=1)
    expected = [straight.rows(step) for step in range(8)]
    resumed = PatchPool(sampler(), seed=1, capacity=40, least=1)
    assert torch.equal(resumed.rows(7), expected[7]) and torch.equal(resumed.rows(3), expected[3])
    assert not torch.equal(PatchPool(sampler(), seed=2, capacity=40, least=1).rows(7), expected[7])
    store = SimpleNamespace(images=lambda rows: rows[:, None, None, None].expand(-1, 2, 2, 3).to(torch.uint8))
    whole, part = resumed.donors(store, 7), resumed.donors(store, 7, torch.tensor([2, 5]))
    assert torch.equal(part.images, whole.images[[2, 5]]) and torch.equal(part.known, whole.known[[2, 5]])
    assert torch.equal(whole.images[:, 0, 0, 0].long(), expected[7])


def test_one_modality_alone_sets_of_frames_and_no_pool() -> None:
    only = table().query("modality == 'visible'").reset_index(drop=True)
    own = IdentitySampler(only, {i: i for i in range(12)}, identities=3, per_modality=2, seed=0)
    assert (PatchPool(own, 0, least=1).rows(3) >= 0).all()
    sets = SimpleNamespace(
        plan=lambda step: SimpleNamespace(modality=torch.tensor([0, 0, 1]), rows=torch.arange(6).view(3, 2) + 6 * step),
    )
    rows = PatchPool(sets, 0, least=1).rows(4)
    assert rows.shape == (3, 2) and (rows[:2] % 6 < 4).all() and (rows[2] % 6 >= 4).all()
    assert pool_of(own, False, 0) is None and isinstance(pool_of(own, True, 0), PatchPool)
