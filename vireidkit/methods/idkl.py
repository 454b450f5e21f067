"""IDKL: a second, modality-specific branch, purified of modality style, whose knowledge is handed to the shared one."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import (
    alternating_order,
    centroid_hinge,
    confusion_targets,
    entropy_hinge,
    semantic_alignment,
    structure_alignment,
)
from vireidkit.methods.agw import AGW
from vireidkit.methods.idkl_recipes import IDKL_RECIPES
from vireidkit.methods.idkl_settings import IDKLSettings, check_settings
from vireidkit.methods.recipe import Progress
from vireidkit.methods.registry import register
from vireidkit.nn import BNNeck, ClampedGeM, LoadReport, ModalityDiscriminator, Purifier, UniformClassifier, reverse_gradient

BRANCH_STAGES = 2  # a branch of its own: layer3 and layer4
SHARED, SPECIFIC, PLAIN, PURIFIED, NORMALISED, PURIFIED_NORMALISED = range(6)


@register
class IDKL(AGW):
    """One stem, two branches of layer3 and layer4; the specific one is purified, and only the shared one is kept at test.

        images -> stem .. layer2 -> layer3, layer4 (shared)   -> G            -> GeM -> f_sh -> neck -> b_sh -> classifier -> z_sh
                                \\-> layer3, layer4 (specific) -> F -> purifier -> GeM -> f_sp -> neck -> b_sp -> classifier -> z_sp

        L = L_id(z_sh) + L_id(z_sp) + L_tri(f_sh) + L_tri(f_sp) + L_mod(b_sp) + L_conf(b_sh) + 0.1 (L_ent + L_cen)
            + L_TGSA(f_sh, f_sp) + L_CSA1(z_sh, z_sp) + L_CSA2(z_sh, z_sp)

    Nothing is detached and nothing is ramped: both branches teach each other from the first step. No layer belongs to one modality;
    the specific branch is held to its name by L_mod alone. b_sh is the descriptor.

    Source: Ren and Zhang, CVPR 2024, released code with its defects mended (grade: code). The published scores come from another
    set-up, which was not released (its author, in the repository's threads).
    """

    name = "idkl"
    title = "IDKL"
    paper = "Ren, Zhang: Implicit Discriminative Knowledge Learning for Visible-Infrared Person Re-Identification. CVPR 2024"
    citation = """@inproceedings{ren2024idkl,
  title = {Implicit Discriminative Knowledge Learning for Visible-Infrared Person Re-Identification},
  author = {Ren, Kaijie and Zhang, Lei},
  booktitle = {Proceedings of the IEEE/CVF Conference on Computer Vision and Pattern Recognition (CVPR)},
  pages = {393--402},
  year = {2024}
}"""
    grade = "code"
    Settings = IDKLSettings
    recipes = IDKL_RECIPES

    def __init__(self, num_identities: int, settings: IDKLSettings) -> None:
        check_settings(settings)
        super().__init__(num_identities, settings)
        self.metric = settings.metric
        channels = self.two_stream.channels
        if settings.pooling == "gem":
            self.pool = ClampedGeM()
        self.neck = BNNeck(channels, deviation=0.0)
        self.classifier = UniformClassifier(channels, num_identities)
        if settings.specific_branch:
            self._add_specific_branch(channels)

    def _add_specific_branch(self, channels: int) -> None:
        """All that serves training only. Every head is drawn before some are dropped: no switch changes another's initial weights."""
        own = self.settings
        trunk = self.two_stream.shared
        self.specific = copy.deepcopy(trunk).keep(list(trunk.members)[-BRANCH_STAGES:])
        self.purifier = Purifier(channels, reduction=own.mask_reduction)
        self.specific_neck = BNNeck(channels, deviation=0.0)
        self.specific_classifier = UniformClassifier(channels, self.num_identities)
        head = partial(ModalityDiscriminator, channels, width=own.discriminator_width, dropout=own.discriminator_dropout)
        self.modality_head, self.confusion_head = head(), head()
        self.entropy_classifier = UniformClassifier(channels, self.num_identities)
        if own.confusion == "none":
            del self.confusion_head
        if not (own.ip and own.entropy_head == "own"):
            del self.entropy_classifier

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The unweighted terms, each a scalar over all rows (of all processes), in IDKL's own order of rows.

        Raises:
            ValueError: rows that cannot be paired, visible with infrared, or an unequal number of them (see ``modality_pairs``).
        """
        wanted = [name for name in self._terms() if terms is None or name in terms]
        features, whole = self.gather(torch.cat(self.pooled_of(batch), dim=1), batch)  # (N, up to 6 D)
        known = self.objective(list(features.split(self.two_stream.channels, dim=1)), whole)
        return {name: known[name]() for name in wanted}

    def pooled_of(self, batch: Batch) -> list[Tensor]:
        """f_sh, f_sp, and the pooled F, F_p, F_IN, F_IN_p that the purifier's terms compare, as far as they are used; (B, D) each."""
        if not self.settings.specific_branch:
            return [self.pool(self.two_stream(batch.images, batch.modality))]
        shared, specific = self.branches_of(batch.images, batch.modality)
        maps = self.purifier(specific)
        if self.training:
            self.purifier.norm.track(self.gather(self.purifier.norm.statistics(specific), batch)[0])
        pooled = [self.pool(shared), self.pool(maps.fused)]
        if self.settings.ip:
            pooled += [self.pool(x) for x in (specific, maps.purified, maps.normalised, maps.purified_normalised)]
        return pooled

    def branches_of(self, images: Tensor, modality: Tensor) -> tuple[Tensor, Tensor]:
        """The maps G of the shared and F of the specific branch, (B, D, h, w) each."""
        maps = list(self.two_stream.stages_of(images, modality).values())
        return maps[-1], self.specific(maps[-1 - BRANCH_STAGES])

    def objective(self, pooled: list[Tensor], rows: Batch) -> dict[str, Callable[[], Tensor]]:
        """The terms of pooled features, laid out as ``pooled_of`` does, as functions: heads run when a term first asks for them.

        Args:
            pooled: one, two or six matrices (N, D). rows: labels and modality of the N rows, in any order.
        """
        own, features = self.settings, pooled[SHARED]
        if not own.specific_branch:
            return {
                "id": lambda: F.cross_entropy(self.classifier(self.neck(features)), rows.labels),
                "triplet": lambda: self.triplet(features, rows.labels),
            }
        order = alternating_order(rows.labels, rows.modality)  # refuses what cannot be paired
        seen = _Seen(self, [x[order] for x in pooled], rows.labels[order], rows.modality[order])
        logits = partial(semantic_alignment, labels=seen.labels, modality=seen.modality, detach_specific=own.detach_specific)
        return {
            "id": lambda: F.cross_entropy(seen.shared_logits, seen.labels),
            "id_specific": lambda: F.cross_entropy(seen.specific_logits, seen.labels),
            "triplet": lambda: self.triplet(seen.pooled[SHARED], seen.labels),
            "triplet_specific": lambda: self.triplet(seen.pooled[SPECIFIC], seen.labels),
            "modality": lambda: F.cross_entropy(self.modality_head(seen.specific_necked), seen.modality),
            "confusion": lambda: self._confusion(seen),
            "entropy": lambda: self._entropy(seen),
            "centroid": lambda: centroid_hinge(seen.pooled[PURIFIED_NORMALISED], seen.pooled[NORMALISED], seen.labels, seen.modality),
            "tgsa": lambda: self._structure(seen),
            "csa1": lambda: logits(seen.shared_logits, seen.specific_logits, intra=own.csa_intra, inter=own.csa_inter),
            "csa2": lambda: logits(seen.shared_logits, seen.specific_logits, intra=own.csa_intra, inter=own.csa_inter, per="slot"),
        }

    def _confusion(self, seen: _Seen) -> Tensor:
        """The head on the shared features, against what the setting ``confusion`` wants of it."""
        kind, features = self.settings.confusion, seen.shared_necked
        if kind == "grl":
            return F.cross_entropy(self.confusion_head(reverse_gradient(features, self.settings.reversal)), seen.modality)
        logits = self.confusion_head(features)
        return F.cross_entropy(logits, confusion_targets(seen.modality) if kind == "fixed" else torch.full_like(logits, 0.5))

    def _entropy(self, seen: _Seen) -> Tensor:
        """Purified features F_p against plain ones F, under the classifier that the setting ``entropy_head`` names."""
        kind = self.settings.entropy_head
        classify = self.entropy_classifier if kind == "own" else self.specific_classifier
        if kind == "identity-detached":
            classify = partial(F.linear, weight=classify.weight.detach())
        return entropy_hinge(classify(seen.pooled[PURIFIED]), classify(seen.pooled[PLAIN]))

    def _structure(self, seen: _Seen) -> Tensor:
        """TGSA with the settings' weights and switches."""
        own = self.settings
        return structure_alignment(
            seen.pooled[SHARED],
            seen.pooled[SPECIFIC],
            seen.labels,
            seen.modality,
            intra=own.tgsa_intra,
            inter=own.tgsa_inter,
            cross=own.tgsa_cross,
            cross_layout=own.cross_layout,
            sign=own.sign,
            detach_specific=own.detach_specific,
        )

    def _terms(self) -> dict[str, float]:
        """Weight of every term that the switches leave, in the order of the sum."""
        own = self.settings
        weights = {"id": own.id_weight, "triplet": own.triplet_weight}
        if not own.specific_branch:
            return weights
        weights = {"id": own.id_weight, "id_specific": own.id_weight}
        weights |= {"triplet": own.triplet_weight, "triplet_specific": own.triplet_weight, "modality": 1.0}
        switched = {
            "confusion": (own.confusion != "none", 1.0),
            "entropy": (own.ip, own.ip_weight),
            "centroid": (own.ip, own.ip_weight),
            "tgsa": (own.tgsa, 1.0),
            "csa1": (own.csa1, 1.0),
            "csa2": (own.csa2, 1.0),
        }
        return weights | {name: weight for name, (on, weight) in switched.items() if on}

    def weights(self, progress: Progress) -> dict[str, float]:
        """The same from the first step to the last: there is no ramp in the released code. Terms switched off are not listed."""
        return self._terms()

    def collapse_values(self) -> dict[str, float]:
        """AGW's, for the triplets of both branches."""
        value = super().collapse_values()["triplet"]
        return {name: value for name in ("triplet", "triplet_specific") if name in self._terms()}

    def embed_specific(self, images: Tensor, modality: Tensor) -> Tensor:
        """b_sp (B, D), what the specific branch knows, for analysis: the method's own descriptor is b_sh (``embed``).

        In evaluation mode the purifier normalises with running statistics, as the released code would.

        Raises:
            SettingError: the network was built without a specific branch.
        """
        self._needs_specific_branch()
        return self.specific_neck(self.pool(self.purifier(self.branches_of(images, modality)[1]).fused))

    def maps_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """The purifier's gates M_IN and M_F, and their product, (B, h, w), each the mean over channels."""
        if not self.settings.specific_branch:
            return {}
        maps = self.purifier(self.branches_of(images, modality)[1])
        gates = {"mask_normalised": maps.mask_normalised, "mask": maps.mask, "both": maps.mask_normalised * maps.mask}
        return {name: gate.mean(dim=1) for name, gate in gates.items()}

    def _needs_specific_branch(self) -> None:
        if not self.settings.specific_branch:
            raise SettingError("this idkl has no specific branch: build it with specific_branch=true")

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Both trunks ("trunk", at ``trunk_lr_factor``, 1 as released) and all heads ("head")."""
        trunk = [*self.two_stream.parameters(), *(self.specific.parameters() if self.settings.specific_branch else ())]
        known = set(map(id, trunk))
        head = [parameter for parameter in self.parameters() if id(parameter) not in known]
        groups = (("trunk", trunk, self.settings.trunk_lr_factor), ("head", head, 1.0))
        return [{"params": [p for p in part if p.requires_grad], "name": name, "lr_factor": factor} for name, part, factor in groups]

    def load_pretrained(self, source: str | Path | None = None) -> LoadReport:
        """As ``AGW.load_pretrained``; the specific branch starts from the same weights as the shared one."""
        report = super().load_pretrained(source)
        if self.settings.specific_branch:
            state = self.two_stream.shared.state_dict()
            self.specific.load_state_dict({name: state[name] for name in self.specific.state_dict()})
        return report


class _Seen:
    """The rows of a batch in IDKL's order, and what the heads make of them, computed once and only when asked for."""

    def __init__(self, method: IDKL, pooled: list[Tensor], labels: Tensor, modality: Tensor) -> None:
        self.method, self.pooled, self.labels, self.modality = method, pooled, labels, modality

    @cached_property
    def shared_necked(self) -> Tensor:
        """b_sh (N, D)."""
        return self.method.neck(self.pooled[SHARED])

    @cached_property
    def specific_necked(self) -> Tensor:
        """b_sp (N, D)."""
        return self.method.specific_neck(self.pooled[SPECIFIC])

    @cached_property
    def shared_logits(self) -> Tensor:
        """z_sh (N, C)."""
        return self.method.classifier(self.shared_necked)

    @cached_property
    def specific_logits(self) -> Tensor:
        """z_sp (N, C)."""
        return self.method.specific_classifier(self.specific_necked)
