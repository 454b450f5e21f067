"""The switches of MDPR."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vireidkit.errors import SettingError

# What the released code has and the kit's other networks do not: for comparing with it rather than with the other methods here.
FAITHFUL = {"trunk": "resnet101", "ibn": True, "ceil_pool": True}


@dataclass(frozen=True)
class MDPRSettings:
    """Every switch of MDPR. Losses and heads have the released code's values; the trunk is the kit's usual one (see ``FAITHFUL``).

    Attributes:
        trunk, width: a ResNet, and a factor on its channels.
        split: leading stages that exist once per modality, 0 (released; for one band) to 3; 1 is a stem for each.
        ibn: IBN-a norms in layer1 to layer3. ceil_pool: the released max-pool, without padding.
        pretrained: what the trunk starts from, loaded when training starts (see ``AGWSettings``); both branches start alike.
        trunk_lr_factor: learning rate of trunk and branches, as a factor; 1 as released.
        branches: "both"; "hard" or "soft" alone have neither fusion nor mutual distillation.
        embedding: E, channels of every projected map; the fused map has 4 E.
        stripes: P of the hard branch. maps: K foreground maps of the soft one.
        guidance: the deep attention guides the shallow one.
        fusion: a map and a head that merge both branches.
        mutual_weight: of the mutual distillation; 0 leaves the predictors out.
        stop_gradient: the target of the distillation does not learn from it. Without it both can agree on nothing.
        target: what a row's prediction is compared with: the other view of the same "image", or the mean of the other view over the
            identity's rows in the "other-modality" (ours, and not MDPR; it never learns).
        diversity_weight, area_weight: of the terms on attended vectors and on attention maps.
        gamma, circle_margin, smoothing: of the identity terms. triplet_margin: of the triplet terms.
        cross_only: triplets across the modalities only (ours).
        mining_groups: triplets are looked for inside groups of people, to which a batch's people are dealt in turn. 1 is the whole
            batch; as many as the released run has processes is its mining.
    """

    trunk: Literal["resnet50", "resnet101", "resnet18"] = "resnet50"
    width: float = 1.0
    split: int = 1
    ibn: bool = False
    ceil_pool: bool = False
    pretrained: str | None = None
    trunk_lr_factor: float = 1.0
    branches: Literal["both", "hard", "soft"] = "both"
    embedding: int = 512
    stripes: int = 2
    maps: int = 2
    guidance: bool = True
    fusion: bool = True
    mutual_weight: float = 1.0
    stop_gradient: bool = True
    target: Literal["image", "other-modality"] = "image"
    diversity_weight: float = 1.0
    area_weight: float = 0.001
    gamma: float = 64.0
    circle_margin: float = 0.35
    smoothing: float = 0.1
    triplet_margin: float = 0.05
    cross_only: bool = False
    mining_groups: int = 1

    @property
    def hard(self) -> bool:
        """Whether there is a hard branch."""
        return self.branches != "soft"

    @property
    def soft(self) -> bool:
        """Whether there is a soft branch."""
        return self.branches != "hard"

    @property
    def fused(self) -> bool:
        """Whether there is a fusion, which needs both."""
        return self.fusion and self.branches == "both"

    @property
    def mutual(self) -> bool:
        """Whether the branches learn from each other, which needs both."""
        return self.mutual_weight != 0 and self.branches == "both"


def check_settings(settings: MDPRSettings) -> None:
    """Refuse what the types of single settings do not catch.

    Raises:
        SettingError: names the setting, what it takes and what was found.
    """
    for name in ("embedding", "stripes", "maps", "mining_groups"):
        if getattr(settings, name) < 1:
            raise SettingError(f"{name} must be at least 1; found {getattr(settings, name)}")
    if not 0 <= settings.split <= 3:
        raise SettingError(f"split must be 0 to 3, where the branches of mdpr part; found {settings.split}")
    if not 0 <= settings.smoothing < 1:
        raise SettingError(f"smoothing must lie in 0..1 (1 excluded); found {settings.smoothing}")
    for name in ("mutual_weight", "diversity_weight", "area_weight", "triplet_margin"):
        if getattr(settings, name) < 0:
            raise SettingError(f"{name} must be 0 or more; found {getattr(settings, name)}")
    if settings.gamma <= 0:
        raise SettingError(f"gamma must be more than 0; found {settings.gamma}")
