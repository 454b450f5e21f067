"""SMMD, a reconstruction: AGW whose features mimic prototypes of their own modality, and whose modalities learn from each other.

Neither the paper's text nor its code is public. What is below follows its abstract and the habits of the field (smmd.md): it is a
method after SMMD, and the paper's scores are not to be expected from it.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import mutual_class_distillation, prototype_classification, prototype_mimic, updated_prototypes
from vireidkit.methods.agw import AGW, AGWSettings
from vireidkit.methods.recipe import Progress
from vireidkit.methods.registry import register
from vireidkit.methods.smmd_recipes import SMMD_RECIPES
from vireidkit.modality import MODALITIES


@dataclass(frozen=True)
class SMMDSettings(AGWSettings):
    """AGW's switches and those of the two added ideas; all defaults of the latter are reconstructed.

    Attributes:
        self_mimic_weight: lambda_sm, of the terms "mimic" and "prototype"; 0 leaves the prototypes empty.
        self_mimic: which of the two terms; "both" is our reading of the abstract.
        prototype_temperature: tau of the term "prototype".
        prototype_momentum: mu, the share of a prototype that one step keeps.
        refresh_every: epochs between two passes over all training images that set the prototypes anew; one always follows the
            first epoch, and 0 leaves it at that.
        mutual_weight: lambda_md, of the term "mutual".
        mutual_temperature: T of the term "mutual".
        ramp_epochs: epochs over which both weights rise from 0; 0 is full weight from the first step.
    """

    self_mimic_weight: float = 1.0
    self_mimic: Literal["both", "mimic", "prototype"] = "both"
    prototype_temperature: float = 0.1
    prototype_momentum: float = 0.9
    refresh_every: int = 0
    mutual_weight: float = 1.0
    mutual_temperature: float = 3.0
    ramp_epochs: int = 10


@register
class SMMD(AGW):
    """AGW's network and losses, plus self-mimic inside each modality and mutual distillation between the two.

        images -> two_stream -> pool -> f (B, D) -> gather -> triplet(f)
                                                       \\-> neck -> b (N, D) -> classifier -> o (N, C) -> id, mutual
                                                                      \\-> z = b / |b| -> mimic, prototype

        L = L_id + L_tri + r(e) (lambda_sm (L_mimic + L_proto) + lambda_md L_md)

    No parameter is added: prototypes are buffers of unit vectors, one per modality and identity, that follow z after each step.
    With both weights 0 training is AGW's, bit for bit.

    Attributes:
        prototypes: (2, C, D), unit vectors, by modality code and class; zero where not seen.
        seen: bool (2, C).

    Source: after Zhang et al., ICME 2022; network and recipe are AGW's (grade: reconstruction, from the abstract alone).
    """

    name = "smmd"
    title = "SMMD (reconstruction)"
    paper = (
        "After Zhang, Hong, Ye, Wang, Zhang, Luo, Xie, Qu: SMMD: Self-Mimic Mutual-Distillation for Cross-Modality Person "
        "Re-identification. ICME 2022. Reconstructed from the abstract"
    )
    citation = """@inproceedings{zhang2022smmd,
  title = {SMMD: Self-Mimic Mutual-Distillation for Cross-Modality Person Re-identification},
  author = {Zhang, Demao and Hong, Ming and Ye, Zhou and Wang, Zheng and Zhang, Zhizhong and Luo, Xiaotong and Xie, Yuan and Qu, Yanyun},
  booktitle = {IEEE International Conference on Multimedia and Expo (ICME)},
  year = {2022}
}"""
    grade = "reconstruction"
    Settings = SMMDSettings
    recipes = SMMD_RECIPES

    def __init__(self, num_identities: int, settings: SMMDSettings) -> None:
        _check(settings)
        super().__init__(num_identities, settings)
        places = (len(MODALITIES), num_identities)
        self.register_buffer("prototypes", torch.zeros(*places, self.two_stream.channels))
        self.register_buffer("seen", torch.zeros(*places, dtype=torch.bool))
        self._latest: tuple[Tensor, Tensor, Tensor] | None = None

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The terms "id", "triplet", "mimic", "prototype" and "mutual", each a scalar over all rows (of all processes)."""
        pooled = self.pool(self.two_stream(batch.images, batch.modality))  # (B, D)
        features, whole = self.gather(pooled, batch)  # f (N, D)
        descriptors = self.neck(features)  # b (N, D)
        logits = self.classifier(descriptors)  # o (N, C)
        directions = F.normalize(descriptors, dim=1)  # z (N, D)
        rows = (whole.labels, whole.modality)
        if self.training:
            self._latest = (directions.detach(), *rows)
        memory, tau = (self.prototypes, self.seen), self.settings.prototype_temperature
        known = {
            "id": lambda: F.cross_entropy(logits, whole.labels),
            "triplet": lambda: self.triplet(features, whole.labels),
            "mimic": lambda: prototype_mimic(directions, *rows, *memory),
            "prototype": lambda: prototype_classification(directions, *rows, *memory, temperature=tau),
            "mutual": lambda: mutual_class_distillation(logits, *rows, temperature=self.settings.mutual_temperature),
        }
        return {name: term() for name, term in known.items() if terms is None or name in terms}

    def weights(self, progress: Progress) -> dict[str, float]:
        """AGW's two, and the three added ones times r(e)."""
        own, ramp = self.settings, ramp_up(progress.epoch, self.settings.ramp_epochs)
        parts = {name: own.self_mimic_weight if own.self_mimic in ("both", name) else 0.0 for name in ("mimic", "prototype")}
        added = {**parts, "mutual": own.mutual_weight}
        return super().weights(progress) | {name: ramp * weight for name, weight in added.items()}

    def on_step_end(self, batch: Batch, outputs: Mapping[str, Tensor]) -> None:
        """The prototypes of the batch's identities follow the z that this step was computed from."""
        if self._latest is not None:
            self._remember(*self._latest, momentum=self.settings.prototype_momentum)
        self._latest = None

    def on_epoch_end(self, progress: Progress, extract: Callable[[], tuple[Tensor, Tensor, Tensor]]) -> None:
        """After the first epoch, and every ``refresh_every`` later ones: each prototype is the mean z of all its training images."""
        every = self.settings.refresh_every
        due = progress.epoch == 0 or (every > 0 and progress.epoch % every == 0)
        if due and self.settings.self_mimic_weight:
            features, labels, modality = extract()
            place = self.prototypes.device
            self._remember(F.normalize(features, dim=1).to(place), labels.to(place), modality.to(place), momentum=0.0)

    def _remember(self, directions: Tensor, labels: Tensor, modality: Tensor, *, momentum: float) -> None:
        """Move the prototypes of these rows (N, D); nothing without a self-mimic term."""
        if not self.settings.self_mimic_weight:
            return
        prototypes, seen = updated_prototypes(self.prototypes, self.seen, directions, labels, modality, momentum=momentum)
        # In place, because what runs several processes keeps hold of the buffers.
        self.prototypes.copy_(prototypes)
        self.seen.copy_(seen)


def ramp_up(epoch: int, epochs: int) -> float:
    """r(e): the share of their weights that the added terms have in an epoch (0-based): r(0) = 0, then min(1, e / epochs).

    Prototypes and logits mean nothing at first. With ``epochs`` = 0 there is no ramp, and r is 1 throughout.

    Source: smmd.md section 4 (grade: reconstruction).
    """
    return min(1.0, epoch / epochs) if epochs else 1.0


def _check(settings: SMMDSettings) -> None:
    """Raise a SettingError for a value outside its range."""
    ranges = {
        "self_mimic_weight": (settings.self_mimic_weight >= 0, "0 or more"),
        "mutual_weight": (settings.mutual_weight >= 0, "0 or more"),
        "prototype_temperature": (settings.prototype_temperature > 0, "more than 0"),
        "mutual_temperature": (settings.mutual_temperature > 0, "more than 0"),
        "prototype_momentum": (0 <= settings.prototype_momentum <= 1, "in 0..1"),
        "refresh_every": (settings.refresh_every >= 0, "0 or more epochs"),
        "ramp_epochs": (settings.ramp_epochs >= 0, "0 or more epochs"),
    }
    for name, (fine, expected) in ranges.items():
        if not fine:
            raise SettingError(f"setting {name!r} must be {expected}; found {getattr(settings, name)}")
