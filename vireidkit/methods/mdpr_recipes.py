"""How MDPR is trained: one recipe for each (data set, profile).

Those of Market-1501 and DukeMTMC-reID are the released code's, on one GPU; all with two modalities are ours (mdpr.md section 11).
"""

from __future__ import annotations

from dataclasses import replace

from vireidkit.data.augmentation import Augmentation
from vireidkit.methods.agw_recipes import SMALL_TRUNK
from vireidkit.methods.agw_recipes import SMOKE as AGW_SMOKE
from vireidkit.methods.agw_recipes import TWILIGHT_COMPARE as AGW_COMPARE
from vireidkit.methods.agw_recipes import TWILIGHT_SMOKE as AGW_TWILIGHT_SMOKE
from vireidkit.methods.agw_recipes import TWILIGHT_STUDY as AGW_STUDY
from vireidkit.methods.mdpr_settings import FAITHFUL
from vireidkit.methods.recipe import Recipe

PATCHED = ("erase_mean", "patch")
WARM_UP = 1 / 6  # of all steps: 10 of 60 epochs, as on one GPU and Market-1501; a share does not depend on the length of an epoch

MARKET_PAPER = Recipe(
    source="MDPR's released code on one GPU (grade: code), with ImageNet weights for its LUPerson ones, which could not be obtained (the "
    "IBN norms start fresh, as they very likely did there); bfloat16 for float16; every batch draws its people anew, and a person "
    "short of 16 images repeats them",
    expects="not measured; no published score of this data set was obtained",
    takes="not measured; needs a GPU",
    image_size=(384, 192),
    resample="bicubic",
    identities=4,
    per_modality=16,
    augmentation=Augmentation(padding=10, visible=(PATCHED,), infrared=PATCHED),
    optimizer="adam",
    lr=3.5e-4,
    weight_decay=5e-4,
    anneal="cosine",
    final_lr=1e-7,
    warmup_steps=2000,
    epochs=60,
    steps_per_epoch=202,  # 12,936 images over 64
    precision="bf16-mixed",
    validate_every=0,
    settings={**FAITHFUL, "split": 0, "pretrained": "imagenet"},  # one band: a stem for infrared would never learn
)

DUKE_PAPER = replace(
    MARKET_PAPER,
    expects="published: Rank-1 94.4, mAP 88.7 (abstract), with person-specific weights; ours not measured",
    steps_per_epoch=258,  # 16,522 images over 64
)

SYSU_PAPER = replace(
    MARKET_PAPER,
    source="ours: MDPR on two modalities (mdpr.md section 11), with the released losses, optimiser and schedule on ResNet-50, ImageNet "
    "weights and a stem for each modality",
    expects="not measured; nobody has published MDPR on two modalities",
    image_size=(288, 144),
    resample="lanczos",
    train_on="train+validation",
    identities=8,
    per_modality=4,
    warmup_steps=0,
    warmup_share=WARM_UP,
    steps_per_epoch=None,
    settings={"pretrained": "imagenet"},
)

# RegDB and LLCM have no validation people; RegDB has ten images a person and modality, so sixteen were impossible there.
REGDB_PAPER = replace(SYSU_PAPER, train_on="train")

LLCM_PAPER = replace(SYSU_PAPER, train_on="train")

MANIFEST_PAPER = replace(
    SYSU_PAPER,
    source="ours: the recipe of SYSU-MM01 on the user's own pictures; the best checkpoint is that of the validation people, where the "
    "manifest has any. With pictures of one band, split=0 leaves out the stem that would not learn",
    expects="not measured",
    train_on="train",
    validate_every=10,
)

TWILIGHT_PAPER = replace(
    SYSU_PAPER,
    source="ours: MDPR on two modalities at full size on Twilight, from scratch because it must run offline",
    expects="not measured",
    image_size=(256, 128),
    train_on="train",
    augmentation=replace(SYSU_PAPER.augmentation, padding=9),
    validate_every=10,
    settings={},
)

# --- Twilight at study size: AGW's batches, pictures and number of updates, so that rows compare --------------------------------------

# E = 64 as specified for small computers. Validation mAP of `compare`, seed 0 alone. With MDPR's erasing and patches and E = 32: 42.5 at
# a rate of 2e-3, 42.2 at 4e-3, 39.9 at 1e-3, 40.9 with SGD at 5e-3 (at AGW's 5e-2 the loss overflows). At 2e-3 with E = 64 it is 45.2, with
# AGW's crops and flips alone 45.8, with both 50.1. So short a training has no use for harder pictures.
SMALL = {**SMALL_TRUNK, "embedding": 64}
OWN = {"optimizer": "adam", "lr": 2e-3, "anneal": "cosine", "final_lr": 1e-7, "warmup_epochs": 0, "warmup_share": WARM_UP}
FLAT = ((0, 1.0),)  # AGW's steps, which the cosine does not ask for

TWILIGHT_STUDY = replace(
    AGW_STUDY,
    source="ours: MDPR's losses, optimiser and schedule on AGW's batches, crops and flips: quarter-width ResNet-18 stages that know "
    "visible pictures of other people, E = 64; rate, E and augmentation chosen on validation identities",
    expects="not measured",
    takes="about 5 minutes on two CPU cores",
    schedule=FLAT,
    settings=SMALL,
    **OWN,
)

TWILIGHT_COMPARE = replace(
    AGW_COMPARE,
    source=TWILIGHT_STUDY.source,
    expects="mean of three seeds: infrared to visible Rank-1 28.6, mAP 32.2; visible to infrared 29.5 / 36.4 (data/results/mdpr_arms.csv)",
    takes="about 3 minutes of one CPU thread",
    schedule=FLAT,
    settings=SMALL,
    **OWN,
)


def smoke(recipe: Recipe) -> Recipe:
    """A smoke recipe of AGW with MDPR's operators and schedule, from random numbers; split stays the recipe's own."""
    augmentation = replace(recipe.augmentation, visible=(PATCHED,), infrared=PATCHED)
    settings = {**SMALL, **recipe.settings, "pretrained": None}
    return replace(recipe, augmentation=augmentation, settings=settings, **{**OWN, "lr": 1e-3, "final_lr": 1e-5})


TWILIGHT_SMOKE = smoke(AGW_TWILIGHT_SMOKE)

THERMAL_COMPARE = replace(
    TWILIGHT_COMPARE,
    source="ours: the recipe of Twilight's main part, on the 50 people of a split of the thermal part; not tuned",
    expects="not measured",
)

THERMAL_SMOKE = replace(TWILIGHT_SMOKE, validate_every=0)  # as in RegDB there are no validation people

SMOKE = smoke(AGW_SMOKE)

VISIBLE_SMOKE = replace(SMOKE, settings={**SMOKE.settings, "split": 0})

MDPR_RECIPES = {
    ("market1501", "paper"): MARKET_PAPER,
    ("market1501", "smoke"): VISIBLE_SMOKE,
    ("dukemtmc-reid", "paper"): DUKE_PAPER,
    ("dukemtmc-reid", "smoke"): VISIBLE_SMOKE,
    ("sysu-mm01", "paper"): SYSU_PAPER,
    ("sysu-mm01", "smoke"): SMOKE,
    ("regdb", "paper"): REGDB_PAPER,
    ("regdb", "smoke"): SMOKE,
    ("llcm", "paper"): LLCM_PAPER,
    ("llcm", "smoke"): SMOKE,
    ("manifest", "paper"): MANIFEST_PAPER,
    ("manifest", "smoke"): replace(SMOKE, validate_every=1),
    ("twilight", "paper"): TWILIGHT_PAPER,
    ("twilight", "study"): TWILIGHT_STUDY,
    ("twilight", "compare"): TWILIGHT_COMPARE,
    ("twilight", "smoke"): TWILIGHT_SMOKE,
    ("twilight-thermal", "study"): THERMAL_COMPARE,
    ("twilight-thermal", "compare"): THERMAL_COMPARE,
    ("twilight-thermal", "smoke"): THERMAL_SMOKE,
}
