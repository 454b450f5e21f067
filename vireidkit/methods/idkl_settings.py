"""The switches of IDKL, and the values that its released code takes for each data set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from vireidkit.errors import SettingError
from vireidkit.methods.agw import AGWSettings


@dataclass(frozen=True)
class IDKLSettings(AGWSettings):
    """Every switch of IDKL; the defaults are the released configuration of SYSU-MM01 (others: ``IDKL_PRESETS``).

    AGW's that it takes over have IDKL's values here: one stem for both modalities, no non-local blocks, GeM with a floor,
    batch-hard triplets with margin 1.3, one learning rate.

    Attributes:
        specific_branch: False leaves out the specific branch and every term but "id" and "triplet": a plain baseline.
        ip, tgsa, csa1, csa2: the terms of the purifier (its masks stay), of structure alignment, of semantic alignment per sample
            and per slot.
        ip_weight: of the terms "entropy" and "centroid". AGW's id_weight and triplet_weight hold for both branches.
        tgsa_intra, tgsa_inter, tgsa_cross: weights inside the term (see ``structure_alignment``); csa_intra, csa_inter: inside both terms
            of semantic alignment (see ``semantic_alignment``).
        confusion: what the head on the shared features is to learn. "fixed": released, targets that halve each modality;
            "grl": the true modality behind a gradient reversal; "uniform": one half for each; "none": no such head.
        reversal: strength of "grl".
        detach_specific: the specific branch teaches and does not learn from TGSA and CSA; as released, both learn.
        sign: of the distances in TGSA's softmax, 1 as released (far pairs weigh most) or -1.
        cross_layout: of TGSA's cross graph, "positional" as released, or "aligned" (ours).
        entropy_head: what classifies in the term "entropy". "own": released, a layer without supervision; "identity": the specific
            branch's identity classifier; "identity-detached": the same, which then does not learn from the term.
        mask_reduction: channels over inner channels of the purifier's masks.
        discriminator_width, discriminator_dropout: of the two modality heads.
        metric: distance between descriptors at test; "euclidean" as released for RegDB and LLCM.
    """

    split: int = 0
    non_local: bool = False
    triplet: Literal["weighted", "weighted-stable", "batch-hard", "squared-difference"] = "batch-hard"
    margin: float | None = 1.3
    trunk_lr_factor: float = 1.0
    specific_branch: bool = True
    ip: bool = True
    ip_weight: float = 0.1
    tgsa: bool = True
    tgsa_intra: float = 1.0
    tgsa_inter: float = 0.6
    tgsa_cross: bool = True
    csa1: bool = True
    csa2: bool = True
    csa_intra: float = 1.0
    csa_inter: float = 0.8
    confusion: Literal["fixed", "grl", "uniform", "none"] = "fixed"
    reversal: float = 1.0
    detach_specific: bool = False
    sign: int = 1
    cross_layout: Literal["positional", "aligned"] = "positional"
    entropy_head: Literal["own", "identity", "identity-detached"] = "own"
    mask_reduction: int = 16
    discriminator_width: int = 100
    discriminator_dropout: float = 0.5
    metric: Literal["cosine", "euclidean"] = "cosine"


# The released code chooses these by asking whether a batch has 120 images; here they are named. idkl.md sections 5.5, 5.6, 6 (grade: code).
SYSU: dict[str, Any] = {"margin": 1.3, "tgsa": True, "tgsa_intra": 1.0, "tgsa_inter": 0.6, "tgsa_cross": True, "csa_inter": 0.8}

IDKL_PRESETS: dict[str, dict[str, Any]] = {
    "sysu": {**SYSU, "metric": "cosine"},
    "llcm": {**SYSU, "metric": "euclidean"},
    # TGSA is off; the weights inside it are those that its code would take for batches of 60.
    "regdb": {
        "margin": 1.3,
        "tgsa": False,
        "tgsa_intra": 0.1,
        "tgsa_inter": 0.1,
        "tgsa_cross": False,
        "csa_inter": 0.3,
        "metric": "euclidean",
    },
    # What the released code takes for any batch that is not of 120 images; ours are of 64. TGSA stays on.
    "twilight": {**SYSU, "tgsa_intra": 0.1, "tgsa_inter": 0.1, "tgsa_cross": False, "csa_inter": 0.3, "metric": "cosine"},
}


def check_settings(settings: IDKLSettings) -> None:
    """Refuse what the types of single settings do not catch.

    Raises:
        SettingError: names the setting, what it takes and what was found.
    """
    if settings.sign not in (1, -1):
        raise SettingError(f"sign must be 1 (far pairs weigh most, as released) or -1 (near pairs); found {settings.sign}")
    if settings.specific_branch and settings.augmentation == "caj":
        raise SettingError("idkl pairs visible with infrared images, and augmentation=caj doubles the visible ones: use augmentation=agw")
    if settings.specific_branch and settings.split > 3:
        raise SettingError(f"split must be at most 3, where the branches of idkl part; found {settings.split}")
    for name in ("mask_reduction", "discriminator_width"):
        if getattr(settings, name) < 1:
            raise SettingError(f"{name} must be at least 1; found {getattr(settings, name)}")
    if not 0 <= settings.discriminator_dropout < 1:
        raise SettingError(f"discriminator_dropout must lie in 0..1 (1 excluded); found {settings.discriminator_dropout}")
