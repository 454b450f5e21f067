"""How AGW is trained: one recipe for each (data set, profile).

Published are the recipes of SYSU-MM01 and RegDB, and scores of both and of LLCM. Everything else is ours and says so: AGW has two
streams, and its authors trained it on pairs of bands only; and it is an image model, so on video sets it learns from single frames.
"""

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
    expects="infrared to visible, mean of three seeds: Rank-1 28.6, mAP 31.2; with augmentation=caj 31.7 / 34.5 "
    "(data/results/first_ablation.csv)",
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
    expects="split 1 alone, mean of three seeds: visible to thermal Rank-1 10.6, mAP 14.4; with augmentation=caj 18.2 / 19.3; from "
    "scratch (pretrained=none) 9.4 / 12.8; chance 1.4 / 3.6 (data/results/twilight_thermal.csv)",
)

THERMAL_SMOKE = replace(TWILIGHT_SMOKE, validate_every=0)  # as in RegDB there are no validation people

# --- the other visible-infrared sets -------------------------------------------------------------------------------------------------

REGDB_PAPER = replace(
    SYSU_PAPER,
    source="AGW's released code (grade: code): the recipe of SYSU-MM01, one model a split. CAJ's: augmentation=caj "
    "triplet=squared-difference epochs=100",
    expects="published, mean over ten splits: visible to thermal Rank-1 70.05, mAP 66.37, mINP 50.19 (README of the released code); "
    "thermal to visible 70.49, 65.90 (secondary source); ours not measured",
    train_on="train",  # RegDB has no validation identities
)

LLCM_PAPER = replace(
    SYSU_PAPER,
    source="AGW's released code (grade: code) at the size of the LLCM authors' copy of it; that the copy keeps batch and schedule "
    "is unverified",
    expects="published: infrared to visible (L1) Rank-1 49.13, mAP 55.80, visible to infrared as the script computes it (L2) "
    "63.72, 47.21 (README of LLCM's repository); 43.6, 51.8 and (L1) 51.5, 55.3 in its paper; ours not measured",
    train_on="train",
)

# The frames of a tracklet are nearly alike, so an epoch over all of them would be tens of times one of SYSU-MM01 (696 steps).
FRAMES = {"steps_per_epoch": 700, "replacement": False, "train_on": "train", "validate_every": 0, "expects": "not measured"}
FRAMES_SOURCE = (
    "ours: AGW's schedule for SYSU-MM01 on single frames, 700 steps an epoch; an image model, at test a tracklet is the mean of its "
    "frames' descriptors"
)

VCM_PAPER = replace(SYSU_PAPER, source=FRAMES_SOURCE, **FRAMES)  # 288 x 144 is also this data set's size (grade: code)

BUPT_PAPER = replace(VCM_PAPER, image_size=(256, 128), augmentation=Augmentation(padding=9))  # the data set's size (grade: code)

MANIFEST_PAPER = replace(
    SYSU_PAPER,
    source="ours: AGW's schedule for SYSU-MM01 on the user's own pictures; the best checkpoint is that of the validation people, "
    "where the manifest has any. With pictures of one band, split=0 leaves out the stem that would not learn",
    expects="not measured",
    train_on="train",
    replacement=False,
    validate_every=10,
)

# --- visible sets --------------------------------------------------------------------------------------------------------------------

MARKET_PAPER = replace(
    SYSU_PAPER,
    source="ours: AGW's losses and schedule for SYSU-MM01 with one stream, 64 visible images a batch as there are 64 of both bands; "
    "not the single-band network of the same survey, which has another recipe",
    expects="not measured",
    image_size=(256, 128),  # what other methods take for these sets
    train_on="train",
    identities=16,
    replacement=False,
    augmentation=Augmentation(padding=9),
    settings={"pretrained": "imagenet", "split": 0},  # a stem for infrared would never learn
)

MARS_PAPER = replace(MARKET_PAPER, source=f"{FRAMES_SOURCE}; one stream, 64 visible images a batch", **FRAMES)

VERI_PAPER = replace(MARS_PAPER, image_size=(224, 224), augmentation=Augmentation(padding=8))  # vehicles, at VKD's size (grade: code)

# --- smoke -----------------------------------------------------------------------------------------------------------------------------

# Any folder with two people will do, and nobody is there to validate; batches of 16 images would make larger steps leap.
SMOKE = replace(TWILIGHT_SMOKE, identities=2, lr=0.01, validate_every=0)

VISIBLE_SMOKE = replace(SMOKE, settings={**SMOKE.settings, "split": 0})

# Eight people of a video set have as many frames as a hundred of another.
FRAMES_SMOKE = replace(SMOKE, limit_identities=8)

VISIBLE_FRAMES_SMOKE = replace(VISIBLE_SMOKE, limit_identities=8)

AGW_RECIPES = {
    ("sysu-mm01", "paper"): SYSU_PAPER,
    ("sysu-mm01", "smoke"): replace(TWILIGHT_SMOKE, replacement=True),
    ("regdb", "paper"): REGDB_PAPER,
    ("regdb", "smoke"): replace(SMOKE, replacement=True),
    ("llcm", "paper"): LLCM_PAPER,
    ("llcm", "smoke"): replace(SMOKE, replacement=True),
    ("hitsz-vcm", "paper"): VCM_PAPER,
    ("hitsz-vcm", "smoke"): FRAMES_SMOKE,
    ("buptcampus", "paper"): BUPT_PAPER,
    ("buptcampus", "smoke"): FRAMES_SMOKE,
    ("buptcampus-auxiliary", "paper"): BUPT_PAPER,
    ("buptcampus-auxiliary", "smoke"): FRAMES_SMOKE,
    ("manifest", "paper"): MANIFEST_PAPER,
    ("manifest", "smoke"): replace(SMOKE, validate_every=1),
    ("market1501", "paper"): MARKET_PAPER,
    ("market1501", "smoke"): VISIBLE_SMOKE,
    ("dukemtmc-reid", "paper"): MARKET_PAPER,
    ("dukemtmc-reid", "smoke"): VISIBLE_SMOKE,
    ("mars", "paper"): MARS_PAPER,
    ("mars", "smoke"): VISIBLE_FRAMES_SMOKE,
    ("dukemtmc-videoreid", "paper"): MARS_PAPER,
    ("dukemtmc-videoreid", "smoke"): VISIBLE_FRAMES_SMOKE,
    ("dukemtmc-videoreid-merged", "paper"): MARS_PAPER,
    ("dukemtmc-videoreid-merged", "smoke"): VISIBLE_FRAMES_SMOKE,
    ("veri776", "paper"): VERI_PAPER,
    ("veri776", "smoke"): replace(VISIBLE_FRAMES_SMOKE, image_size=(32, 32)),
    ("twilight", "paper"): TWILIGHT_PAPER,
    ("twilight", "study"): TWILIGHT_STUDY,
    ("twilight", "compare"): TWILIGHT_COMPARE,
    ("twilight", "smoke"): TWILIGHT_SMOKE,
    ("twilight-thermal", "study"): THERMAL_COMPARE,
    ("twilight-thermal", "compare"): THERMAL_COMPARE,
    ("twilight-thermal", "smoke"): THERMAL_SMOKE,
}
