"""Augmentation: a loop over images as the oracle, the distributions of the published code, and draws that belong to a row."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from vireidkit.data import AGW, CAJ, VIEW_STRIDE, Augmentation, Batch, augment, denormalise, normalise
from vireidkit.data import augmentation as module
from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE

PLAIN = Augmentation(padding=0, flip=0.0)
EVERYTHING = Augmentation(
    padding=3,
    visible=(("erase",), ("erase", "exchange"), ("adapt_gray", "erase"), ()),
    infrared=("exchange", "erase", "adapt_gray"),
    erase_probability=0.8,
)


def plan_of(views: list[int], infrared: int) -> Batch:
    """A plan with these visible views, then infrared rows; labels and cameras are of no interest here."""
    modality = torch.tensor([VISIBLE] * len(views) + [INFRARED] * infrared)
    rows = torch.arange(len(modality))
    return Batch(torch.empty(len(rows), 0), rows, modality, rows, rows, torch.tensor(views + [0] * infrared))


def pixels(count: int, height: int = 20, width: int = 10, seed: int = 0) -> Tensor:
    return torch.randint(256, (count, height, width, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


# --- the oracle: baseline.md section 3, one image at a time ---


def naive(images: Tensor, plan: Batch, augmentation: Augmentation, seed: int, step: int) -> Tensor:
    """The same draws, applied by loops over images and pixels."""
    count, height, width, _ = images.shape
    pad = augmentation.padding
    crops = module.draw_crops(seed, step, count, pad)
    flips = module.draw_flips(seed, step, count, augmentation.flip)
    boxes = module.draw_boxes(seed, step, count, height, width, augmentation.erase_probability)
    channels, grays = module.draw_channels(seed, step, count), module.draw_gray(seed, step, count)
    results = []
    for i in range(count):
        padded = torch.zeros((height + 2 * pad, width + 2 * pad, 3), dtype=torch.uint8)
        padded[pad : pad + height, pad : pad + width] = images[i]
        top, left = crops[i].tolist()
        image = padded[top : top + height, left : left + width]
        if flips[i]:
            image = torch.stack([image[:, width - 1 - x] for x in range(width)], dim=1)
        image = torch.stack([(image[..., c].float() / 255 - module.MEAN[c]) / module.STD[c] for c in range(3)])
        pipeline = augmentation.visible[plan.views[i]] if plan.modality[i] == VISIBLE else augmentation.infrared
        for name in pipeline:
            if name == "erase":
                top, left, tall, wide = boxes[i].tolist()
                for c in range(3):
                    image[c, top : top + tall, left : left + wide] = (0.4914, 0.4822, 0.4465)[c]
            elif name == "exchange" or (name == "adapt_gray" and grays[i] < 3):
                image = image[channels[i] if name == "exchange" else grays[i]].repeat(3, 1, 1)
            elif grays[i] == 3:
                image = (0.2989 * image[0] + 0.5870 * image[1] + 0.1140 * image[2]).repeat(3, 1, 1)
        results.append(image)
    return torch.stack(results)


@pytest.mark.parametrize("augmentation", [AGW, CAJ, PLAIN, EVERYTHING], ids=["agw", "caj", "plain", "everything"])
@pytest.mark.parametrize("step", [0, 1, 12345])
def test_equals_the_loop_over_images(augmentation: Augmentation, step: int) -> None:
    plan = plan_of([view for view in range(len(augmentation.visible)) for _ in range(12)], 24)
    images = pixels(len(plan))
    before = images.clone()
    found = augment(images, plan, augmentation, seed=5, step=step)
    assert found.shape == (len(plan), 3, 20, 10) and found.dtype == torch.float32 and found.is_contiguous()
    assert torch.equal(found, naive(images, plan, augmentation, 5, step))
    assert torch.equal(images, before)


@settings(max_examples=40, deadline=None)
@given(
    height=st.integers(1, 9),
    width=st.integers(1, 9),
    padding=st.integers(0, 12),
    views=st.lists(st.integers(0, 3), max_size=6),
    infrared=st.integers(0, 4),
    seed=st.integers(0, 2**40),
)
def test_any_shape_equals_the_loop(height: int, width: int, padding: int, views: list[int], infrared: int, seed: int) -> None:
    """Also a batch of one modality, an empty one, one pixel, and padding wider than the image."""
    plan = plan_of(sorted(views), infrared)
    if not len(plan):
        return
    augmentation = Augmentation(padding=padding, visible=EVERYTHING.visible, infrared=EVERYTHING.infrared)
    images = pixels(len(plan), height, width, seed=seed % 97)
    assert torch.equal(augment(images, plan, augmentation, seed=seed, step=3), naive(images, plan, augmentation, seed, 3))


def test_an_empty_batch_stays_empty() -> None:
    assert augment(pixels(0), plan_of([], 0), CAJ, seed=0, step=0).shape == (0, 3, 20, 10)


def test_padding_is_black_pixels_and_not_zero_after_normalisation() -> None:
    images = torch.full((64, 8, 8, 3), 255, dtype=torch.uint8)
    found = augment(images, plan_of([0] * 64, 0), Augmentation(padding=4, flip=0), seed=0, step=0)
    black = torch.tensor([-mean / std for mean, std in zip(module.MEAN, module.STD, strict=True)])
    lowest = found.amin(dim=(0, 2, 3))
    torch.testing.assert_close(lowest, black)


def test_without_operators_it_is_only_normalised() -> None:
    images = pixels(6)
    assert torch.equal(augment(images, plan_of([0] * 3, 3), PLAIN, seed=0, step=0), normalise(images))


def test_two_views_of_one_image_differ() -> None:
    """Crop and mirror of a second view are drawn independently, not only its colours."""
    images = pixels(1).expand(40, -1, -1, -1)
    found = augment(images, plan_of([0] * 20 + [1] * 20, 0), Augmentation(padding=4, visible=((), ())), seed=0, step=0)
    assert sum(torch.equal(found[i], found[20 + i]) for i in range(20)) < 5


# --- draws belong to a row ---


@pytest.mark.parametrize("shards", [2, 3, 7])
def test_shards_draw_what_the_whole_batch_draws(shards: int) -> None:
    plan = plan_of([view for view in range(4) for _ in range(5)], 10)
    images = pixels(len(plan))
    whole = augment(images, plan, EVERYTHING, seed=2, step=9)
    for shard in range(shards):
        mine = torch.arange(shard, len(plan), shards).flip(0)
        part = augment(images[mine], plan.select(mine), EVERYTHING, seed=2, step=9, positions=mine, total=len(plan))
        assert torch.equal(part, whole[mine])


@pytest.mark.parametrize("operator", [None, "erase", "exchange", "adapt_gray"])
def test_draws_follow_seed_and_step(operator: str | None) -> None:
    names = (operator,) if operator else ()
    augmentation = Augmentation(padding=4 * (operator is None), flip=0.5 * (operator is None), visible=(names,), infrared=names)
    plan, images = plan_of([0] * 16, 16), pixels(32)
    before = torch.random.get_rng_state()
    first = augment(images, plan, augmentation, seed=1, step=4)
    assert torch.equal(first, augment(images, plan, augmentation, seed=1, step=4))
    assert not torch.equal(first, augment(images, plan, augmentation, seed=1, step=5))
    assert not torch.equal(first, augment(images, plan, augmentation, seed=2, step=4))
    assert torch.equal(torch.random.get_rng_state(), before)


def test_operators_do_not_share_draws() -> None:
    """Switching one operator on leaves the draws of the others as they were."""
    plan, images = plan_of([0] * 32, 0), pixels(32)
    exchanged = augment(images, plan, Augmentation(padding=2, visible=(("exchange",),)), seed=0, step=0)
    both = augment(images, plan, Augmentation(padding=2, visible=(("exchange", "erase"),)), seed=0, step=0)
    same = (exchanged == both).all(dim=1)
    assert same.any(dim=(1, 2)).all() and not same.all()


def test_every_operator_has_its_own_generator(monkeypatch: pytest.MonkeyPatch) -> None:
    keys = []
    real = module.generator
    monkeypatch.setattr(module, "generator", lambda *key: keys.append(key) or real(*key))
    augment(pixels(6), plan_of([0, 0, 1, 1], 2), CAJ, seed=8, step=3)
    assert sorted(keys) == [(8, name, 3) for name in ("adapt_gray", "crop", "erase", "exchange", "flip")]


def test_completed_views_use_the_operators_of_their_view() -> None:
    images = pixels(8)
    plain = plan_of([0, 0, 0, 0, 1, 1, 1, 1], 0)
    completed = plan_of([0, VIEW_STRIDE, 0, 2 * VIEW_STRIDE, 1, 1 + VIEW_STRIDE, 1, 1], 0)
    assert torch.equal(augment(images, plain, CAJ, seed=0, step=0), augment(images, completed, CAJ, seed=0, step=0))


# --- distributions of baseline.md section 3 ---

MANY = 20_000


def fits(observed: Counter[int], shares: dict[int, float]) -> None:
    assert set(observed) <= set(shares)
    counts = [observed[key] for key in shares]
    assert stats.chisquare(counts, np.array(list(shares.values())) * sum(counts)).pvalue > 1e-4


def test_crops_are_uniform_with_both_ends() -> None:
    crops = module.draw_crops(0, 0, MANY, 3)
    for axis in (0, 1):
        fits(Counter(crops[:, axis].tolist()), {offset: 1 / 7 for offset in range(7)})
    assert abs(np.corrcoef(crops.T)[0, 1]) < 0.03


def test_mirror_and_erase_probabilities() -> None:
    assert abs(module.draw_flips(0, 0, MANY, 0.3).float().mean() - 0.3) < 0.015
    assert not module.draw_flips(0, 0, MANY, 0.0).any() and module.draw_flips(0, 0, MANY, 1.0).all()
    treated = module.draw_boxes(0, 0, MANY, 288, 144, 0.3)[:, 2] > 0
    assert abs(treated.float().mean() - 0.3) < 0.015
    assert not module.draw_boxes(0, 0, MANY, 288, 144, 0.0).any()


def test_channel_probabilities() -> None:
    fits(Counter(module.draw_channels(0, 0, MANY).tolist()), {channel: 1 / 3 for channel in range(3)})
    fits(Counter(module.draw_gray(0, 0, MANY).tolist()), {0: 1 / 4, 1: 1 / 4, 2: 1 / 4, 3: 1 / 8, 4: 1 / 8})


def naive_boxes(count: int, height: int, width: int, seed: int) -> np.ndarray:
    """The reference's loop of attempts with draws of its own: (top, left, height, width)."""
    draw = np.random.default_rng(seed)
    boxes = []
    for _ in range(count):
        for _ in range(100):
            area = draw.uniform(0.02, 0.4) * height * width
            aspect = draw.uniform(0.3, 1 / 0.3)
            tall, wide = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if tall < height and wide < width:
                boxes.append((draw.integers(0, height - tall, endpoint=True), draw.integers(0, width - wide, endpoint=True), tall, wide))
                break
    return np.array(boxes)


@pytest.mark.parametrize(("height", "width"), [(288, 144), (128, 64), (30, 200)])
def test_rectangles_are_distributed_as_those_of_the_loop(height: int, width: int) -> None:
    """Sides, places and their relation, by Kolmogorov and Smirnov; (30, 200) rejects most attempts."""
    found = module.draw_boxes(0, 1, 6000, height, width, 1.0).numpy()
    true = naive_boxes(6000, height, width, seed=1)
    assert len(true) == 6000 and (found[:, 2] > 0).all()
    assert (found[:, 0] + found[:, 2] <= height).all() and (found[:, 1] + found[:, 3] <= width).all()
    for quantity in (
        lambda box: box[:, 2],
        lambda box: box[:, 3],
        lambda box: box[:, 0] / (height - box[:, 2] + 1),
        lambda box: box[:, 1] / (width - box[:, 3] + 1),
        lambda box: box[:, 2] * box[:, 3],
        lambda box: box[:, 2] / box[:, 3],
    ):
        assert stats.ks_2samp(quantity(found), quantity(true)).pvalue > 1e-4


def test_rectangles_reach_every_border() -> None:
    boxes = module.draw_boxes(0, 0, MANY, 24, 12, 1.0)
    assert (boxes[:, 0] == 0).any() and (boxes[:, 0] + boxes[:, 2] == 24).any()
    assert (boxes[:, 1] == 0).any() and (boxes[:, 1] + boxes[:, 3] == 12).any()


def test_an_image_on_which_no_rectangle_fits_is_left_alone() -> None:
    """One row of 400 pixels: every rectangle drawn is at least two pixels high."""
    images, plan = pixels(64, 1, 400), plan_of([0] * 64, 0)
    found = augment(images, plan, Augmentation(padding=0, flip=0, visible=(("erase",),), erase_probability=1.0), seed=0, step=0)
    assert torch.equal(found, normalise(images))


def test_erased_pixels_hold_the_constants_of_normalised_space() -> None:
    images = torch.zeros((16, 20, 10, 3), dtype=torch.uint8)
    found = augment(images, plan_of([0] * 16, 0), Augmentation(visible=(("erase",),), erase_probability=1.0), seed=0, step=0)
    assert {round(value, 4) for value in found[:, 0].unique().tolist()} == {0.4914, round(-0.485 / 0.229, 4)}


def test_caj_view_1_and_infrared_are_treated_as_the_table_says() -> None:
    """View 0 keeps its colours, view 1 has three equal channels always, infrared in 7 of 8 (3/4 copies, 1/8 grey)."""
    plan = plan_of([0] * 400 + [1] * 400, 400)
    found = augment(pixels(1200, 4, 4), plan, Augmentation(0, 0.0, CAJ.visible, CAJ.infrared, 0.0), seed=0, step=0)
    one_channel = ((found[:, 0] == found[:, 1]) & (found[:, 1] == found[:, 2])).all(dim=(1, 2))
    assert not one_channel[:400].any() and one_channel[400:800].all()
    assert abs(one_channel[800:].float().mean() - 7 / 8) < 0.06


# --- pixels in and out ---


def test_normalise_and_back_is_exact_for_every_value() -> None:
    images = torch.arange(256, dtype=torch.uint8).view(1, 16, 16, 1).repeat(2, 1, 1, 3)
    normal = normalise(images)
    assert normal.shape == (2, 3, 16, 16) and normal.dtype == torch.float32
    expected = (images.double().permute(0, 3, 1, 2) / 255 - torch.tensor([0.485, 0.456, 0.406], dtype=torch.double).view(3, 1, 1)) / (
        torch.tensor([0.229, 0.224, 0.225], dtype=torch.double).view(3, 1, 1)
    )
    torch.testing.assert_close(normal, expected.float())
    for dtype in (torch.float32, torch.float64):
        assert torch.equal(denormalise(normal.to(dtype)), images)
    half = denormalise(normal.bfloat16()).int() - images.int()  # figures of a half-precision run
    assert half.abs().max() <= 2


def test_tracklets_keep_their_axes() -> None:
    images = pixels(6).view(2, 3, 20, 10, 3)
    assert torch.equal(normalise(images), normalise(images.flatten(0, 1)).unflatten(0, (2, 3)))
    assert torch.equal(denormalise(normalise(images)), images)


def test_denormalise_clips() -> None:
    assert denormalise(torch.tensor([-9.0, 9.0]).view(2, 1, 1, 1).expand(2, 3, 1, 1)).flatten().tolist() == [0] * 3 + [255] * 3


# --- mistakes ---


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"visible": ()}, "at least one visible view"),
        ({"visible": ("erase",)}, "tuple of names"),
        ({"infrared": "erase"}, "tuple of names"),
        ({"visible": (("cutout",),)}, "'cutout'; known: erase, exchange, adapt_gray"),
        ({"infrared": ("erase", "erase")}, "once"),
        ({"padding": -1}, "padding"),
        ({"flip": 1.5}, "flip is a probability"),
        ({"erase_probability": float("nan")}, "erase_probability is a probability"),
    ],
)
def test_impossible_augmentations(arguments: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        Augmentation(**arguments)


def test_a_view_without_operators_is_an_error() -> None:
    with pytest.raises(ValueError, match="visible view 1 needs an augmentation of 2 views, found 1"):
        augment(pixels(4), plan_of([0, 1], 2), AGW, seed=0, step=0)


def test_images_and_positions_that_do_not_fit() -> None:
    plan = plan_of([0, 0], 2)
    with pytest.raises(ValueError, match="4 rows of the plan"):
        augment(pixels(3), plan, AGW, seed=0, step=0)
    with pytest.raises(ValueError, match="expected uint8"):
        augment(pixels(4).float(), plan, AGW, seed=0, step=0)
    with pytest.raises(ValueError, match="belong together"):
        augment(pixels(4), plan, AGW, seed=0, step=0, positions=torch.arange(4))
    for positions in (torch.arange(3), torch.tensor([0, 1, 2, 8]), torch.tensor([-1, 0, 1, 2])):
        with pytest.raises(ValueError, match="4 positions below 8"):
            augment(pixels(4), plan, AGW, seed=0, step=0, positions=positions, total=8)
    with pytest.raises(ValueError, match="expected uint8 images"):
        normalise(torch.zeros(2, 3, 8, 8, dtype=torch.uint8))
    with pytest.raises(ValueError, match="expected float images"):
        denormalise(torch.zeros(2, 8, 8, 3))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_the_gpu_makes_the_same_batch() -> None:
    plan = plan_of([view for view in range(4) for _ in range(8)], 16)
    images = pixels(len(plan))
    there = augment(images.to("cuda"), plan, EVERYTHING, seed=1, step=1)
    assert there.is_cuda and there.dtype == torch.float32
    torch.testing.assert_close(there.cpu(), augment(images, plan, EVERYTHING, seed=1, step=1), rtol=1e-6, atol=1e-6)
    assert torch.equal(there, augment(images.to("cuda"), plan.to("cuda"), EVERYTHING, seed=1, step=1))


@pytest.mark.parametrize("device", ["meta"])
def test_the_result_lies_where_the_images_lie(device: str) -> None:
    """ "meta" computes no values; that everything runs on it shows that no step leaves the images' device."""
    found = augment(pixels(8).to(device), plan_of([0, 0, 1, 1], 4), CAJ, seed=0, step=0)
    assert found.device.type == device and found.shape == (8, 3, 20, 10)
