"""The switches of LightOS. All defaults beyond OSNet and AGW are reconstructed."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vireidkit.errors import SettingError
from vireidkit.methods.agw import AGWSettings


@dataclass(frozen=True)
class LightOSSettings(AGWSettings):
    """AGW's switches with LightOS's values, and those of self-distillation and of the parts.

    With trunk=osnet the stages are conv1 .. conv5: split=2 gives each modality its own conv1 and conv2. ImageNet weights are a file
    of torchreid that you have: pretrained=PATH.

    Attributes:
        keep_fc: put OSNet's own layer of 512 numbers behind the pooling; with a file of torchreid it starts from the file's.
        hetero_center: the hetero-centre triplet with ``margin`` in the place of ``triplet``, for all features.
        sdm: self-distillation; False builds no shallow classifiers.
        sdm_weight: lambda, of every shallow classifier's term.
        sdm_alpha: share of the teacher in it; sdm_temperature: T; sdm_t_square: multiply the divergence by T^2.
        sdm_hint: beta, weight of the distance between shallow and deepest feature; 0 is no hint, 0.03 that of "Be Your Own Teacher".
        sdm_triplet: weight of the triplet of the shallow features, in lambda; 0 is none.
        shallow_channels: numbers of a shallow feature; None is as many as the deepest feature has (512 as specified).
        mgim: multi-granularity information mining; False builds no parts, and the descriptor is the global feature.
        granularities: in how many horizontal stripes the map is cut, each a number from 2.
        relation: what corrects a part's own feature: the mean of the other parts of its granularity ("one-versus-rest"), attention
            over all parts ("attention"), or nothing ("none").
        part_channels: d, numbers of a part's feature; None is half as many as the map has channels (256 as specified).
    """

    trunk: Literal["resnet50", "resnet18", "osnet"] = "osnet"
    split: int = 2
    non_local: bool = False
    keep_fc: bool = False
    hetero_center: bool = False
    sdm: bool = True
    sdm_weight: float = 1.0
    sdm_alpha: float = 0.3
    sdm_temperature: float = 3.0
    sdm_t_square: bool = True
    sdm_hint: float = 0.0
    sdm_triplet: float = 0.0
    shallow_channels: int | None = None
    mgim: bool = True
    granularities: tuple[int, ...] = (2, 3)
    relation: Literal["one-versus-rest", "attention", "none"] = "one-versus-rest"
    part_channels: int | None = None


def check_settings(settings: LightOSSettings) -> None:
    """Refuse what the types of single settings do not catch.

    Raises:
        SettingError: names the setting, what it takes and what was found.
    """
    ranges = {
        "sdm_weight": (settings.sdm_weight >= 0, "0 or more"),
        "sdm_alpha": (0 <= settings.sdm_alpha <= 1, "in 0..1"),
        "sdm_temperature": (settings.sdm_temperature > 0, "more than 0"),
        "sdm_hint": (settings.sdm_hint >= 0, "0 or more"),
        "sdm_triplet": (settings.sdm_triplet >= 0, "0 or more"),
        "shallow_channels": (settings.shallow_channels is None or settings.shallow_channels >= 1, "none or at least 1"),
        "part_channels": (settings.part_channels is None or settings.part_channels >= 1, "none or at least 1"),
        "granularities": (_stripes(settings.granularities), "different whole numbers from 2, as in [2,3]; without parts set mgim=false"),
    }
    for name, (fine, expected) in ranges.items():
        if not fine:
            raise SettingError(f"setting {name!r} must be {expected}; found {getattr(settings, name)}")


def _stripes(granularities: tuple[int, ...]) -> bool:
    """Whether these are different numbers of stripes, each of which leaves a rest."""
    whole = all(isinstance(count, int) and not isinstance(count, bool) and count >= 2 for count in granularities)
    return whole and 0 < len(granularities) == len(set(granularities))
