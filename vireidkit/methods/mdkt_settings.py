"""The switches of MDKT."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from vireidkit.errors import SettingError


@dataclass(frozen=True)
class MDKTSettings:
    """Every switch of MDKT; VKD is ``use_tcl=False, mutual=False``.

    Attributes:
        trunk, width, split, pretrained: as of AGW, for both networks; ``split`` 0 where there is one modality.
        student_frames: M, the frames of every set that the student sees: 2 in VKD, 1 for a student of single images.
        mutual: the teacher goes on learning in the second stage, also from the student; else it is frozen, as in VKD.
        use_kd, use_dp, use_tcl: distillation of logits (VKD), of pairwise distances (VKD), and by the triplet contrast loss.
        kd_weight, kd_temperature, dp_weight: alpha, tau_kd and beta of VKD. dp_form: see ``pairwise_distance_distillation``.
        tcl_weight: gamma. tcl_temperature, tcl_mining, tcl_divergence, tcl_distance: see ``triplet_contrast``, where the student is
            whoever learns.
        tcl_scope: "joint" compares all rows of a batch; "cross" asks across modalities and "intra" within them (see
            ``cross_modality_triplet_contrast``), also in the mutual direction.
        mixed_views: in the second stage the teacher sees a visible and an infrared set of a person as one of 2N frames.
        teacher_lr_scale: learning rate of a teacher that goes on learning, as a factor of the student's.
        teacher_first: False leaves out the first stage: both networks learn together from the start weights on.
        student: False leaves out the second stage, and the teacher alone is the method.
        descriptor: "pooled", the set feature before the neck (VKD), or "neck", behind it, as most methods test.
    """

    trunk: Literal["resnet50", "resnet18"] = "resnet50"
    width: float = 1.0
    split: int = 0
    pretrained: str | None = None
    student_frames: int = 2
    mutual: bool = True
    use_kd: bool = True
    use_dp: bool = True
    use_tcl: bool = True
    kd_weight: float = 0.1
    kd_temperature: float = 10.0
    dp_weight: float = 1e-4
    dp_form: Literal["l2", "l1", "huber"] = "l2"
    tcl_weight: float = 1.0
    tcl_temperature: float = 1.0
    tcl_mining: Literal["student", "teacher", "own"] = "student"
    tcl_divergence: Literal["kl", "ce", "rkl"] = "kl"
    tcl_distance: Literal["euclidean", "squared", "cosine"] = "euclidean"
    tcl_scope: Literal["joint", "cross", "intra"] = "joint"
    mixed_views: bool = False
    teacher_lr_scale: float = 0.1
    teacher_first: bool = True
    student: bool = True
    descriptor: Literal["pooled", "neck"] = "pooled"


# What MDKT adds to a student that learns from labels alone, switched off piece by piece.
ALONE = {"use_kd": False, "use_dp": False, "use_tcl": False, "mutual": False}
VKD = {"use_tcl": False, "mutual": False}


def check_settings(settings: MDKTSettings) -> None:
    """Refuse what the types of single settings do not catch.

    Raises:
        SettingError: names the setting, what it takes and what was found.
    """
    ranges = {
        "student_frames": (settings.student_frames >= 1, "at least 1"),
        "kd_weight": (settings.kd_weight >= 0, "0 or more"),
        "dp_weight": (settings.dp_weight >= 0, "0 or more"),
        "tcl_weight": (settings.tcl_weight >= 0, "0 or more"),
        "kd_temperature": (settings.kd_temperature > 0, "more than 0"),
        "tcl_temperature": (settings.tcl_temperature > 0, "more than 0"),
        "teacher_lr_scale": (settings.teacher_lr_scale > 0, "more than 0 (mutual=false freezes the teacher)"),
    }
    for name, (fine, expected) in ranges.items():
        if not fine:
            raise SettingError(f"setting {name!r} must be {expected}; found {getattr(settings, name)}")
    if not settings.teacher_first and not (settings.student and settings.mutual):
        raise SettingError("teacher_first=false lets both networks learn together and needs student=true and mutual=true")
