"""Grey padding and torchvision's random erasing: shares, shapes, fill, and draws of their own."""

from __future__ import annotations

import math

import pytest
import torch

from vireidkit.data import Augmentation, Batch, augment, denormalise
from vireidkit.data import augmentation as module
from vireidkit.errors import SettingError


def plan_of(count: int) -> Batch:
    zeros = torch.zeros(count, dtype=torch.long)
    return Batch(zeros[:, None], zeros, zeros, zeros, torch.arange(count), zeros)


def test_padding_shows_its_grey_level():
    images = torch.full((64, 8, 6, 3), 200, dtype=torch.uint8)
    plain = Augmentation(padding=3, flip=0)
    for value, augmentation in ((0, plain), (127, Augmentation(padding=3, flip=0, padding_value=127))):
        found = denormalise(augment(images, plan_of(64), augmentation, seed=0, step=0))
        assert set(found.unique().tolist()) == {value, 200}
    with pytest.raises(SettingError, match="grey level from 0 to 255, found 256"):
        Augmentation(padding_value=256)


def test_boxes_are_those_of_torchvisions_defaults():
    height, width = 288, 144
    boxes = module.draw_boxes(0, 0, 4000, height, width, 0.5, form="erase_mean").double()
    treated = boxes[:, 2] > 0
    assert abs(treated.double().mean() - 0.5) < 0.04
    top, left, tall, wide = boxes[treated].T
    assert (top + tall <= height).all() and (left + wide <= width).all() and (tall < height).all() and (wide < width).all()
    area, aspect = tall * wide / (height * width), tall / wide
    assert area.min() > 0.018 and area.max() < 0.34 and aspect.min() > 0.28 and aspect.max() < 3.5
    assert area.max() > 0.29 and area.mean() == pytest.approx(0.175, abs=0.015)
    # Uniform in the logarithm, as far as all shapes fit: half of the small boxes are wider than high.
    small = area < 0.1
    assert aspect[small].log().mean() == pytest.approx((math.log(0.3) + math.log(3.3)) / 2, abs=0.08)


def test_the_fill_is_the_mean_colour_and_the_draws_are_not_those_of_erase():
    images = torch.zeros(16, 24, 12, 3, dtype=torch.uint8)
    options = {"padding": 0, "flip": 0, "erase_probability": 1.0}
    found = augment(images, plan_of(16), Augmentation(**options, visible=(("erase_mean",),)), seed=0, step=0)
    other = augment(images, plan_of(16), Augmentation(**options, visible=(("erase",),)), seed=0, step=0)
    assert ((found == 0).all(1).sum((1, 2)) > 0).all()
    assert not torch.equal((found == 0).all(1), (other - other.amin() > 0.1).all(1))
