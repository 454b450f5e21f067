"""How LightOS is trained: one recipe for each (data set, profile) with pictures of both modalities.

The paper's own recipe is not known. What is below is the baseline's, as reconstructed (lightos.md section 7).
"""

from __future__ import annotations

from dataclasses import replace

from vireidkit.methods.agw_recipes import (
    LLCM_PAPER,
    MANIFEST_PAPER,
    REGDB_PAPER,
    SMOKE,
    SYSU_PAPER,
    THERMAL_COMPARE,
    THERMAL_SMOKE,
    TWILIGHT_COMPARE,
    TWILIGHT_PAPER,
    TWILIGHT_SMOKE,
    TWILIGHT_STUDY,
)
from vireidkit.methods.recipe import Recipe

NOT_MEASURED = "not measured; the scores of the paper, which could not be read, are not to be expected from a reconstruction"
FROM_FILE = (
    "OSNet's ImageNet weights lie on a file-sharing site: give torchreid's file of this width by pretrained=PATH, or start at random by "
    "pretrained=none trunk_lr_factor=1, and expect far lower scores"
)
SCRATCH = {"pretrained": None, "trunk_lr_factor": 1.0}


def after(recipe: Recipe, source: str) -> Recipe:
    """A ``paper`` recipe of AGW as LightOS takes it: with random erasing in both modalities, for 80 epochs."""
    return replace(
        recipe,
        source=source,
        expects=NOT_MEASURED,
        takes="not measured; needs a GPU",
        augmentation=replace(recipe.augmentation, visible=(("erase",),), infrared=("erase",)),
        epochs=80,
    )


SYSU = after(SYSU_PAPER, f"AGW's recipe with random erasing (grade: reconstruction: the paper's own is not known). {FROM_FILE}")
REGDB = after(REGDB_PAPER, f"AGW's recipe with random erasing, one model a split (grade: reconstruction). {FROM_FILE}")
LLCM = after(LLCM_PAPER, f"AGW's recipe with random erasing (grade: reconstruction). {FROM_FILE}")
MANIFEST = after(MANIFEST_PAPER, f"ours: the reconstructed recipe of SYSU-MM01 on the user's own pictures of both modalities. {FROM_FILE}")
TWILIGHT = replace(
    after(TWILIGHT_PAPER, "ours: the reconstructed recipe on Twilight, from scratch because it must run offline"), settings=SCRATCH
)

# AGW's batches, pictures and updates, so that rows compare. Stands for the full width where no GPU is: D = 128, d = 64.
SMALL = {"trunk": "osnet", "width": 0.25, "pretrained": "twilight", "trunk_lr_factor": 1.0}

# Validation mAP of `compare`, seed 0 alone: 46.8 at AGW's rate for everything, 47.7 at twice that, 48.7 at twice that for the heads
# alone, 41.3 with Adam at 1e-3.
RATES = {"lr": 0.1, "settings": {**SMALL, "trunk_lr_factor": 0.5}}

STUDY = replace(
    TWILIGHT_STUDY,
    source="ours: AGW's study recipe on a quarter-width OSNet that knows visible pictures of other people, with the reconstructed terms; "
    "the trunk learns at AGW's rate, the heads at twice that, the best of four tries on validation identities",
    expects="not measured",
    takes="about 6 minutes on two CPU cores, by the time of a step",
    **RATES,
)

COMPARE = replace(
    TWILIGHT_COMPARE,
    source=STUDY.source,
    expects="mean of three seeds: infrared to visible Rank-1 23.3, mAP 27.8; visible to infrared 25.0 / 32.3 "
    "(data/results/lightos_split.csv)",
    takes="about 5 minutes of one CPU thread",
    **RATES,
)

THERMAL = replace(
    THERMAL_COMPARE,
    source="ours: the recipe of Twilight's main part, on the 50 people of a split of the thermal part; not tuned",
    expects="not measured",
    takes=COMPARE.takes,
    **RATES,
)


def smoke(recipe: Recipe) -> Recipe:
    """A smoke recipe of AGW on the quarter-width OSNet, from random weights."""
    return replace(recipe, settings={**SMALL, "pretrained": None})


LIGHTOS_RECIPES = {
    ("sysu-mm01", "paper"): SYSU,
    ("sysu-mm01", "smoke"): smoke(replace(TWILIGHT_SMOKE, replacement=True)),
    ("regdb", "paper"): REGDB,
    ("regdb", "smoke"): smoke(replace(SMOKE, replacement=True)),
    ("llcm", "paper"): LLCM,
    ("llcm", "smoke"): smoke(replace(SMOKE, replacement=True)),
    ("manifest", "paper"): MANIFEST,
    ("manifest", "smoke"): smoke(replace(SMOKE, validate_every=1)),
    ("twilight", "paper"): TWILIGHT,
    ("twilight", "study"): STUDY,
    ("twilight", "compare"): COMPARE,
    ("twilight", "smoke"): smoke(TWILIGHT_SMOKE),
    ("twilight-thermal", "study"): THERMAL,
    ("twilight-thermal", "compare"): THERMAL,
    ("twilight-thermal", "smoke"): smoke(THERMAL_SMOKE),
}
