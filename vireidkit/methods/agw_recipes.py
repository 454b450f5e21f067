"""How AGW is trained: one recipe for each (data set, profile)."""

from __future__ import annotations

from dataclasses import replace

from vireidkit.data.augmentation import Augmentation
from vireidkit.methods.recipe import Recipe

# Stands for ResNet-50 where no GPU is: D = 128. The kit's own visible-only weights stand for ImageNet's.
SMALL_TRUNK = {"trunk": "resnet18", "width": 0.25, "pretrained": "twilight", "trunk_lr_factor": 1.0}

SYSU_PAPER = Recipe(
    source="AGW's released code (grade: code). CAJ's: augmentation=caj triplet=squared-difference epochs=100",
    expects="published, all-search single-shot: Rank-1 47.50, mAP 47.65, mINP 35.30 (README of the released code); ours not measured",
    takes="not measured; needs a GPU (one CPU core trains 1.7 images/s)",
    image_size=(288, 144),
    train_on="train+validation",  # 395 identities, as published; no validation identity is left to choose a checkpoint by
    identities=8,
    per_modality=4,
    replacement=True,
    augmentation=Augmentation(),
    optimizer="sgd",
    lr=0.1,  # of neck and classifier; everything else learns at a tenth of it
    momentum=0.9,
    nesterov=True,
    weight_decay=5e-4,
    schedule=((0, 1.0), (20, 0.1), (50, 0.01)),
    warmup_epochs=10,
    epochs=81,
    validate_every=0,
    settings={"pretrained": "imagenet"},
)

TWILIGHT_STUDY = Recipe(
    source="ours: AGW's losses, batch and optimiser on a quarter-width ResNet-18 that knows visible pictures of other people; "
    "rates chosen on validation identities",
    expects="infrared to visible, mean of three seeds: Rank-1 30.2, mAP 32.7; with augmentation=caj 36.9 / 37.9; from scratch "
    "(pretrained=none) 24.3 / 25.1; raw pixels 2.5 / 3.7, chance 0.9 / 2.4 (data/results/twilight_card.csv)",
    takes="about 3 minutes on two CPU cores",
    image_size=(128, 64),
    identities=8,
    per_modality=4,
    augmentation=Augmentation(padding=4),  # the same share of the picture as 10 pixels of 288
    optimizer="sgd",
    lr=0.05,
    momentum=0.9,
    nesterov=True,
    weight_decay=5e-4,
    schedule=((0, 1.0), (9, 0.1), (11, 0.01)),
    warmup_epochs=1,
    epochs=12,
    steps_per_epoch=56,
    validate_every=3,
    settings=SMALL_TRUNK,
)

TWILIGHT_COMPARE = replace(
    TWILIGHT_STUDY,
    expects="not measured; from scratch (pretrained=none), infrared to visible, Twilight version 0: Rank-1 20.8, mAP 24.7 "
    "(five seeds; data/results/first_ablation.csv)",
    takes="about 2 minutes of one CPU thread",
    schedule=((0, 1.0), (5, 0.1), (7, 0.01)),
    epochs=8,
    steps_per_epoch=48,
    validate_every=0,
)

TWILIGHT_SMOKE = replace(
    TWILIGHT_STUDY,
    source="ours: two short epochs that show that everything runs",
    expects="close to chance",
    takes="a few seconds on one CPU core",
    image_size=(64, 32),
    limit_identities=24,
    augmentation=Augmentation(padding=2),
    schedule=((0, 1.0),),
    warmup_epochs=0,
    epochs=2,
    steps_per_epoch=6,
    validate_every=1,
    settings={**SMALL_TRUNK, "pretrained": None},  # so that trying things out needs no file
)

TWILIGHT_PAPER = replace(
    SYSU_PAPER,
    source="ours: AGW's full network and schedule on Twilight, from scratch because it must run offline",
    expects="not measured",
    takes="not measured; needs a GPU",
    image_size=(256, 128),
    train_on="train",
    replacement=False,
    augmentation=Augmentation(padding=9),
    validate_every=10,
    settings={"trunk_lr_factor": 1.0},
)

THERMAL_COMPARE = replace(
    TWILIGHT_COMPARE,
    source="ours: the recipe of Twilight's main part, on the 50 people of a split of the thermal part",
    expects="not measured",
)

THERMAL_SMOKE = replace(TWILIGHT_SMOKE, validate_every=0)  # as in RegDB there are no validation people

AGW_RECIPES = {
    ("sysu-mm01", "paper"): SYSU_PAPER,
    ("sysu-mm01", "smoke"): replace(TWILIGHT_SMOKE, replacement=True),
    ("twilight", "paper"): TWILIGHT_PAPER,
    ("twilight", "study"): TWILIGHT_STUDY,
    ("twilight", "compare"): TWILIGHT_COMPARE,
    ("twilight", "smoke"): TWILIGHT_SMOKE,
    ("twilight-thermal", "study"): THERMAL_COMPARE,
    ("twilight-thermal", "compare"): THERMAL_COMPARE,
    ("twilight-thermal", "smoke"): THERMAL_SMOKE,
}
