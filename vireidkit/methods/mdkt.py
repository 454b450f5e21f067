"""MDKT, a reconstruction on VKD: a teacher that sees many frames of a person, a student that sees few, and what each learns from the
other. One image then asks, and tracklets answer.

VKD's parts (networks, logits and distance distillation, training) were read in its code. Of MDKT only the abstract and a part of the
introduction could be read: its triplet contrast loss and its mutual stage are reconstructed (mdkt.md), and its scores, which could not be
read either, are not to be expected from this.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import batch_hard_triplet, cross_modality_triplet_contrast, kl_distillation, pairwise_distance_distillation
from vireidkit.methods.mdkt_recipes import MDKT_RECIPES
from vireidkit.methods.mdkt_settings import MDKTSettings, check_settings
from vireidkit.methods.pretrained import FromPretrained
from vireidkit.methods.recipe import Progress, Recipe, Stage
from vireidkit.methods.registry import register
from vireidkit.modality import VISIBLE
from vireidkit.nn import SetNetwork, build_trunk, untouched_statistics

logger = logging.getLogger(__name__)

TEACHER, STUDENT = "teacher", "student"  # the stages, the networks, and the first words of their parameters' names
SOFT_MARGIN = None
LOG_2 = 0.6931471805599453  # the soft-margin triplet of equal features
FRESH = (".layer4.", ".neck.", ".classifier.")  # what a student does not take over from its teacher


@register
class MDKT(FromPretrained):
    """Two networks of one form. First the teacher learns from sets of N frames, then the student, from M of them and from the teacher.

        stage "teacher":  N frames -> teacher -> f_T, z_T      L = L_id(z_T) + L_tri(f_T)
        stage "student":  N frames -> teacher -> f_T, z_T      L = L_id(z_S) + L_tri(f_S) + alpha L_KD(z_S; z_T) + beta L_DP(f_S; f_T)
                          M frames -> student -> f_S, z_S          + gamma L_TCL(f_S; f_T)
                                                   mutual:         + L_id(z_T) + L_tri(f_T) + alpha L_KD(z_T; z_S) + gamma L_TCL(f_T; f_S)

    Behind the semicolon stands who teaches: no gradient reaches it, so one backward serves both networks. f is the mean of the
    frames' features before the neck and not normalised, z the mean of their logits (see ``SetNetwork``); no ReLU in the last block.
    The student starts as a copy of the teacher but for ``layer4``, back at its start weights, and a fresh head. Not ``mutual``, the
    teacher is frozen and normalises by batch statistics, which it does not remember. The student's frames are the first M of a set,
    which the sampler has shuffled, with the very pixels that the teacher sees. The descriptor is the student's once its stage has
    begun, before that the teacher's.

    Source: VKD, Porrello et al., ECCV 2020, released code (networks, L_KD, L_DP, stages; grade: code); L_TCL and the mutual stage after
    MDKT (grade: reconstruction); two modalities are ours (mdkt.md section 9).
    """

    name = "mdkt"
    title = "MDKT (reconstruction)"
    paper = (
        "After Wang, Wang, Li: Image-to-Video Re-Identification via Mutual Discriminative Knowledge Transfer. ICASSP 2022. "
        "VKD's parts from its code; the triplet contrast loss and mutual learning reconstructed from the abstract"
    )
    citation = """@inproceedings{wang2022mdkt,
  title = {Image-to-Video Re-Identification via Mutual Discriminative Knowledge Transfer},
  author = {Wang, Pichao and Wang, Fan and Li, Hao},
  booktitle = {IEEE International Conference on Acoustics, Speech and Signal Processing (ICASSP)},
  year = {2022}
}
@inproceedings{porrello2020vkd,
  title = {Robust Re-Identification by Multiple Views Knowledge Distillation},
  author = {Porrello, Angelo and Bergamini, Luca and Calderara, Simone},
  booktitle = {European Conference on Computer Vision (ECCV)},
  year = {2020}
}"""
    grade = "reconstruction"
    Settings = MDKTSettings
    recipes = MDKT_RECIPES

    def __init__(self, num_identities: int, settings: MDKTSettings) -> None:
        check_settings(settings)
        super().__init__(num_identities, settings)
        make_trunk = partial(build_trunk, settings.trunk, width=settings.width, last_relu=False)
        self.teacher = SetNetwork(make_trunk, num_identities, split=settings.split)
        self.student = SetNetwork(make_trunk, num_identities, split=settings.split)
        self.stage = TEACHER if settings.teacher_first else STUDENT

    # --- objective ---

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The terms of the stage that runs, each a scalar over all rows (of all processes); see ``weights`` for their names.

        Raises:
            ValueError: sets of fewer frames than the student is to see.
        """
        seen = _Seen(self, batch)
        known = self.objective(seen)
        return {name: known[name]() for name in self._terms() if terms is None or name in terms}

    def objective(self, seen: _Seen) -> dict[str, Callable[[], Tensor]]:
        """Every term as a function; a network runs when a term first asks for it."""
        own = self.settings
        contrast = partial(
            cross_modality_triplet_contrast,
            scope=own.tcl_scope,
            temperature=own.tcl_temperature,
            mining=own.tcl_mining,
            divergence=own.tcl_divergence,
            distance=own.tcl_distance,
        )
        return {
            "id": lambda: F.cross_entropy(seen.student.logits, seen.student.rows.labels),
            "triplet": lambda: batch_hard_triplet(seen.student.features, seen.student.rows.labels, SOFT_MARGIN),
            "kd": lambda: kl_distillation(seen.student.logits, seen.teacher.logits, own.kd_temperature),
            "dp": lambda: pairwise_distance_distillation(seen.student.features, seen.teacher.features, form=own.dp_form),
            "tcl": lambda: contrast(seen.student.features, seen.teacher.features, seen.student.rows.labels, seen.student.rows.modality),
            "teacher_id": lambda: F.cross_entropy(seen.teacher.logits, seen.teacher.rows.labels),
            "teacher_triplet": lambda: batch_hard_triplet(seen.teacher.features, seen.teacher.rows.labels, SOFT_MARGIN),
            "teacher_kd": lambda: kl_distillation(seen.teacher.logits, seen.student.logits, own.kd_temperature),
            "teacher_tcl": lambda: contrast(
                seen.teacher.features, seen.student.features, seen.teacher.rows.labels, seen.teacher.rows.modality
            ),
        }

    def _terms(self) -> dict[str, float]:
        """Weight of every term of the stage that runs, in the order of the sum."""
        own = self.settings
        teacher = {"teacher_id": 1.0, "teacher_triplet": 1.0}
        if self.stage == TEACHER:
            return teacher
        weights = {"id": 1.0, "triplet": 1.0}
        weights |= {"kd": own.kd_weight} if own.use_kd else {}
        weights |= {"dp": own.dp_weight} if own.use_dp else {}
        weights |= {"tcl": own.tcl_weight} if own.use_tcl else {}
        if own.mutual:
            # Not the pairwise distances: without a bound they would regulate the teacher badly (mdkt.md section 3.7).
            weights |= teacher | {f"teacher_{name}": weights[name] for name in ("kd", "tcl") if name in weights}
        return weights

    def weights(self, progress: Progress) -> dict[str, float]:
        """Constant within a stage. The first has "teacher_id" and "teacher_triplet"; the second "id", "triplet", "kd", "dp" and "tcl",
        and with ``mutual`` the teacher's "teacher_id", "teacher_triplet", "teacher_kd" and "teacher_tcl".
        """
        return self._terms()

    def collapse_values(self) -> dict[str, float]:
        """The soft margin of equal features, log 2, for both networks."""
        return {"triplet": LOG_2, "teacher_triplet": LOG_2}

    # --- stages ---

    def stages(self, recipe: Recipe) -> Iterator[Stage]:
        """The teacher, then the student, alone or with the teacher; a recipe may give either fields of its own (``Recipe.stages``).

        Raises:
            SettingError: the recipe speaks of another stage, or its sets are too small for the student.
        """
        own = self.settings
        unknown = set(recipe.stages) - {TEACHER, STUDENT}
        if unknown:
            raise SettingError(f"mdkt has the stages {TEACHER} and {STUDENT}; found {sorted(unknown)[0]!r} in stages")
        if own.teacher_first:
            yield Stage(TEACHER, recipe.for_stage(TEACHER), trainable=(f"{TEACHER}.",), start=TEACHER)
        if own.student:
            second = recipe.for_stage(STUDENT)
            if second.frames < own.student_frames:
                raise SettingError(f"the student sees student_frames={own.student_frames} frames of a set, found frames={second.frames}")
            learns = (f"{STUDENT}.", f"{TEACHER}.") if own.mutual else (f"{STUDENT}.",)
            yield Stage(STUDENT, second, trainable=learns, start=STUDENT)

    def on_stage_start(self, stage: Stage) -> None:
        """Start weights before the first stage; before the student's, what it takes over from its teacher."""
        first = stage.name == TEACHER or not self.settings.teacher_first
        self.stage = stage.name
        if first and self.settings.pretrained:
            logger.info("%s", self.load_pretrained())
        if not first:
            self._inherit()

    @torch.no_grad()
    def _inherit(self) -> None:
        """The student becomes the teacher, but for ``layer4`` and head, which are still as they were built and loaded."""
        known = self.teacher.state_dict()
        for name, value in self.student.state_dict().items():
            if not any(part in f".{name}" for part in FRESH):
                value.copy_(known[name])

    @property
    def teacher_learns(self) -> bool:
        """Whether the stage that runs trains the teacher."""
        return self.stage == TEACHER or self.settings.mutual

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Both networks; a teacher that has had its own stage goes on at ``teacher_lr_scale`` of the student's rate."""
        slow = self.stage == STUDENT and self.settings.teacher_first
        factors = {STUDENT: 1.0, TEACHER: self.settings.teacher_lr_scale if slow else 1.0}
        return [
            {"params": [p for p in self.network(name).parameters() if p.requires_grad], "name": name, "lr_factor": factor}
            for name, factor in factors.items()
        ]

    def extra_state(self) -> dict[str, Any]:
        """Also which stage runs: it decides whose descriptor is the method's."""
        return {**super().extra_state(), "stage": self.stage}

    def load_extra_state(self, state: Mapping[str, Any]) -> None:
        """See ``extra_state``."""
        super().load_extra_state(state)
        self.stage = state.get("stage", self.stage)

    # --- test ---

    def network(self, name: str) -> SetNetwork:
        """ "teacher" or "student"."""
        return self.teacher if name == TEACHER else self.student

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """Descriptors (B, D) of images (B, 3, H, W), or of sets (B, N, 3, H, W), by the network that the latest stage is for."""
        return self.embed_by(self.stage, images, modality)

    def embed_by(self, name: str, images: Tensor, modality: Tensor) -> Tensor:
        """The descriptors of one of the two networks, for analysis: ``name`` is "teacher" or "student"."""
        network = self.network(name)
        frames = network.frames_of(images, modality)
        return (network.necked(frames) if self.settings.descriptor == "neck" else frames).mean(dim=1)

    def stages_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Maps (B, C, h, w) after every stage of the trunk that ``embed`` uses."""
        return self.network(self.stage).two_stream.stages_of(images, modality)


@dataclass(frozen=True)
class _Side:
    """What a network makes of a batch: features f (B, D), logits z (B, C), and the rows (of all processes) that they belong to."""

    features: Tensor
    logits: Tensor
    rows: Batch


class _Seen:
    """Both networks' view of a batch, computed once and only when asked for."""

    def __init__(self, method: MDKT, batch: Batch) -> None:
        self.method, self.batch = method, batch

    @cached_property
    def student(self) -> _Side:
        """Of the first M frames of every set."""
        images, count = self.batch.images, self.method.settings.student_frames
        if images.ndim == 5:
            if images.shape[1] < count:
                raise ValueError(f"the student sees {count} frames of a set, found sets of {images.shape[1]}")
            images = images[:, :count]
        return self._of(self.method.student, images)

    @cached_property
    def teacher(self) -> _Side:
        """Of all frames of every set; without a trace in the network where it is frozen."""
        method = self.method
        with ExitStack() as stack:
            if not method.teacher_learns:
                stack.enter_context(torch.no_grad())
                stack.enter_context(untouched_statistics(method.teacher))
            side = self._of(method.teacher, self.batch.images)
        return _mixed(side) if method.settings.mixed_views and method.stage == STUDENT else side

    def _of(self, network: SetNetwork, images: Tensor) -> _Side:
        """Frames go to all processes, so that the neck sees all of them."""
        frames, rows = self.method.gather(network.frames_of(images, self.batch.modality), self.batch)  # (B, N, D)
        return _Side(frames.mean(dim=1), network.logits_of(frames), rows)


def _mixed(side: _Side) -> _Side:
    """The visible and the infrared set at the same place of the two halves, as one set; a batch of one modality stays as it is.

    Raises:
        ValueError: the halves differ in length or in their people.
    """
    labels, visible = side.rows.labels, side.rows.modality == VISIBLE
    if visible.all() or not visible.any():
        return side
    halves = [rows.nonzero()[:, 0] for rows in (visible, ~visible)]
    if len(halves[0]) != len(halves[1]) or (labels[halves[0]] != labels[halves[1]]).any():
        raise ValueError("mixed_views needs as many visible as infrared sets, of the same people in the same order")
    partner = torch.empty_like(labels)
    partner[halves[0]], partner[halves[1]] = halves[1], halves[0]
    features, logits = ((values + values[partner]) / 2 for values in (side.features, side.logits))
    return _Side(features, logits, side.rows)
