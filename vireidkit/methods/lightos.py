"""LightOS, a reconstruction: a two-stream OSNet whose deepest classifier teaches shallow ones, with features of body parts.

Of the paper only the abstract could be read. OSNet is exact; the blocks around it follow the public methods that the abstract evidently
descends from (lightos.md): it is a method after Zhang & Zeng 2024, and the paper's scores are not to be expected from it.
"""

from __future__ import annotations

from collections.abc import Collection
from functools import cached_property
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import hetero_center_triplet, one_versus_rest, self_distillation
from vireidkit.methods.agw import AGW
from vireidkit.methods.lightos_recipes import LIGHTOS_RECIPES
from vireidkit.methods.lightos_settings import LightOSSettings, check_settings
from vireidkit.methods.recipe import Progress
from vireidkit.methods.registry import register
from vireidkit.nn import (
    BNNeck,
    IdentityClassifier,
    LoadReport,
    OneVersusRest,
    OSNetEmbedding,
    PartAttention,
    ShallowHead,
    pooled_stripes,
    read_weights,
)

SHALLOW = 3  # students, on the stages before the last one


@register
class LightOS(AGW):
    """A global feature, features of horizontal stripes, and three shallow classifiers that serve training only.

        images -> conv1 .. conv5 -> F -> pool -> f (B, D) -> neck -> classifier -> o                  the teacher
                                      \\-> 2 and 3 stripes -> pool -> l -> relation -> g (B, 5, d) -> necks -> classifiers
        conv2, conv3, conv4 -> adapter -> pool -> e_k -> neck -> classifier -> o_k                    the students

        L = L_id(o) + L_tri(f) + mean over parts (L_id + L_tri(g)) + lambda * sum over k of L_SDM(o_k, sg(o), y)

    The first ``split`` stages exist once per modality. The descriptor is [f ; g_1 ; ... ; g_5] behind the necks, each part of length 1:
    512 + 5 x 256 = 1,792 numbers at full width.

    Attributes:
        taps: names of the stages whose maps the students see.
        part_names: of the stripes, in the order of the descriptor.

    Source: after Zhang and Zeng, The Journal of Supercomputing 2024, from the abstract alone (grade: reconstruction); OSNet: Zhou
    et al., ICCV 2019, authors' code; two streams and recipe: AGW's.
    """

    name = "lightos"
    title = "LightOS (reconstruction)"
    paper = (
        "After Zhang & Zeng 2024, reconstructed from the abstract: Lightweight network for visible-infrared person re-identification "
        "via self-distillation and multi-granularity information mining. The Journal of Supercomputing"
    )
    citation = """@article{zhang2024lightweight,
  title = {Lightweight network for visible-infrared person re-identification via self-distillation and multi-granularity
           information mining},
  author = {Zhang, Hongying and Zeng, Jiangbing},
  journal = {The Journal of Supercomputing},
  year = {2024},
  doi = {10.1007/s11227-024-06543-6}
}"""
    grade = "reconstruction"
    Settings = LightOSSettings
    recipes = LIGHTOS_RECIPES

    def __init__(self, num_identities: int, settings: LightOSSettings) -> None:
        check_settings(settings)
        super().__init__(num_identities, settings)
        self.width = self.two_stream.channels  # of the global feature
        if settings.keep_fc:
            self.fc = OSNetEmbedding(self.width)
            self.width = self.fc[0].out_features
            self.neck = BNNeck(self.width)
            self.classifier = IdentityClassifier(self.width, num_identities)
        self._add_students()
        self.part_names = tuple(f"stripe {i + 1} of {count}" for count in self._granularities for i in range(count))
        if settings.mgim:
            self._add_parts(self.two_stream.channels)

    @property
    def _granularities(self) -> tuple[int, ...]:
        return self.settings.granularities if self.settings.mgim else ()

    def _add_students(self) -> None:
        """Drawn even where they are dropped, so that the switch changes no other initial weight."""
        channels, own = self.two_stream.stage_channels, self.settings
        width = own.shallow_channels or self.width
        if own.sdm and own.sdm_hint and width != self.width:
            raise SettingError(f"sdm_hint compares features of one length: shallow_channels must be {self.width} or none; found {width}")
        self.taps = tuple(channels)[-1 - SHALLOW : -1]
        heads = {name: ShallowHead(channels[name], width, self.num_identities, self.pool) for name in self.taps}
        self.taps = self.taps if own.sdm else ()
        self.shallow = nn.ModuleDict({name: heads[name] for name in self.taps})

    def _add_parts(self, channels: int) -> None:
        """Necks and classifiers of all parts, then what relates them: drawn last, so that its form changes no other initial weight."""
        own = self.settings
        width = own.part_channels or max(1, channels // 2)
        self.part_necks = nn.ModuleList(BNNeck(width) for _ in self.part_names)
        self.part_classifiers = nn.ModuleList(IdentityClassifier(width, self.num_identities) for _ in self.part_names)
        if own.relation == "attention":
            self.relation = PartAttention(channels, width)
        else:
            relate = own.relation == "one-versus-rest"
            self.relation = nn.ModuleDict({str(count): OneVersusRest(channels, width, relate=relate) for count in own.granularities})

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The unweighted terms, each a scalar over all rows (of all processes)."""
        wanted = [name for name in self._terms() if terms is None or name in terms]
        students = self.taps if any(name.startswith("sdm") for name in wanted) else ()
        pooled = self.pooled_of(batch.images, batch.modality, students)
        rows, whole = self.gather(torch.cat([x.flatten(1) for x in pooled.values()], dim=1), batch)  # (N, all numbers)
        pieces = rows.split([x[0].numel() for x in pooled.values()], dim=1)
        seen = _Seen(self, {name: x.unflatten(1, pooled[name].shape[1:]) for name, x in zip(pooled, pieces, strict=True)})
        return {name: self._term(name, seen, whole) for name in wanted}

    def pooled_of(self, images: Tensor, modality: Tensor, students: Collection[str] = ()) -> dict[str, Tensor]:
        """What the trunk gives for images (B, 3, H, W): "global" f (B, D), "2" and "3" l (B, G, C), and e_k (B, D) of ``students``."""
        maps = self.two_stream.stages_of(images, modality) if students else {"": self.two_stream(images, modality)}
        last = next(reversed(maps.values()))  # F (B, C, h, w)
        feature = self.pool(last)
        found = {"global": self.fc(feature) if self.settings.keep_fc else feature}
        found |= {str(count): pooled_stripes(last, count, self.pool) for count in self._granularities}
        return found | {name: self.shallow[name].features(maps[name]) for name in students}

    def parts_of(self, pooled: dict[str, Tensor]) -> Tensor:
        """g (N, P, d), the features of all parts, from the pooled stripes; P = 5 as specified."""
        local = [pooled[str(count)] for count in self._granularities]
        if self.settings.relation == "attention":
            return self.relation(torch.cat(local, dim=1))
        return torch.cat([self.relation[str(x.shape[1])](x, one_versus_rest(x)) for x in local], dim=1)

    def _term(self, name: str, seen: _Seen, rows: Batch) -> Tensor:
        """One loss term by name."""
        if name == "id":
            return F.cross_entropy(seen.logits, rows.labels)
        if name == "triplet":
            return self._triplet(seen.feature, rows)
        if name == "part_id":
            return torch.stack([F.cross_entropy(x, rows.labels) for x in seen.part_logits]).mean()
        if name == "part_triplet":
            return torch.stack([self._triplet(g, rows) for g in seen.parts.unbind(1)]).mean()
        if name == "sdm_triplet":
            return sum(self._triplet(seen.pooled[tap], rows) for tap in self.taps)
        own, tap = self.settings, name.removeprefix("sdm_")
        return self_distillation(
            [seen.student(tap)],
            seen.logits,
            rows.labels,
            alpha=own.sdm_alpha,
            temperature=own.sdm_temperature,
            t_square=own.sdm_t_square,
            hint=own.sdm_hint,
            student_features=[seen.pooled[tap]],
            teacher_features=seen.feature,
        )

    def _triplet(self, features: Tensor, rows: Batch) -> Tensor:
        """The triplet loss that the settings ask for."""
        if self.settings.hetero_center:
            return hetero_center_triplet(features, rows.labels, rows.modality, self.settings.margin)
        return self.triplet(features, rows.labels)

    def _terms(self) -> dict[str, float]:
        """Weight of every term that the switches leave, in the order of the sum."""
        own = self.settings
        weights = {"id": own.id_weight, "triplet": own.triplet_weight}
        if own.mgim:
            weights |= {"part_id": own.id_weight, "part_triplet": own.triplet_weight}
        weights |= {f"sdm_{tap}": own.sdm_weight for tap in self.taps}
        return weights | ({"sdm_triplet": own.sdm_weight * own.sdm_triplet} if own.sdm and own.sdm_triplet else {})

    def weights(self, progress: Progress) -> dict[str, float]:
        """The same from the first step to the last. Terms switched off are not listed."""
        return self._terms()

    def collapse_values(self) -> dict[str, float]:
        """AGW's, for every triplet; that of the shallow features is a sum over them."""
        own = self.settings
        value = own.margin if own.hetero_center and own.margin is not None else super().collapse_values()["triplet"]
        values = {"triplet": value, "part_triplet": value, "sdm_triplet": len(self.taps) * value}
        return {name: value for name, value in values.items() if name in self._terms()}

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """The global feature and the parts behind their necks, each of length 1, joined and of length 1 again: (B, D + P d)."""
        seen = _Seen(self, self.pooled_of(images, modality))
        joined = [seen.necked, *(seen.parts_necked if self.settings.mgim else ())]
        return F.normalize(torch.cat([F.normalize(x, dim=1) for x in joined], dim=1), dim=1)

    @property
    def parts(self) -> dict[str, slice]:
        """The global feature, which is a descriptor of its own, and every stripe."""
        named = {"global": slice(0, self.width)}
        width = self.part_necks[0].num_features if self.settings.mgim else 0
        return named | {name: slice(self.width + i * width, self.width + (i + 1) * width) for i, name in enumerate(self.part_names)}

    def embed_students(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """What the shallow classifiers see, e_k behind its neck, (B, D) by stage, for layer-wise analysis; empty without them."""
        pooled = self.pooled_of(images, modality, self.taps)
        return {tap: self.shallow[tap].neck(pooled[tap]) for tap in self.taps}

    def logits_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Logits (B, C) of every classifier: the students by stage, "deepest", and the parts by name."""
        seen = _Seen(self, self.pooled_of(images, modality, self.taps))
        found = {tap: seen.student(tap) for tap in self.taps} | {"deepest": seen.logits}
        return found | (dict(zip(self.part_names, seen.part_logits, strict=True)) if self.settings.mgim else {})

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The trunk ("trunk", at ``trunk_lr_factor``) and everything else ("head")."""
        head = [parameter for name, parameter in self.named_parameters() if not name.startswith("two_stream.")]
        groups = (("trunk", self.two_stream.parameters(), self.settings.trunk_lr_factor), ("head", head, 1.0))
        return [{"params": [p for p in part if p.requires_grad], "name": name, "lr_factor": factor} for name, part, factor in groups]

    def load_pretrained(self, source: str | Path | None = None) -> LoadReport:
        """As ``AGW.load_pretrained``; a layer kept by ``keep_fc`` starts from the file's where the file has it."""
        report = super().load_pretrained(source)
        state = {name.removeprefix("fc."): value for name, value in read_weights(report.source).items() if name.startswith("fc.")}
        if self.settings.keep_fc and {name: x.shape for name, x in state.items()} == {k: x.shape for k, x in self.fc.state_dict().items()}:
            self.fc.load_state_dict(state)
        return report


class _Seen:
    """The pooled rows, and what the heads make of them, computed once and only when asked for."""

    def __init__(self, method: LightOS, pooled: dict[str, Tensor]) -> None:
        self.method, self.pooled = method, pooled
        self._students: dict[str, Tensor] = {}

    @property
    def feature(self) -> Tensor:
        """f (N, D)."""
        return self.pooled["global"]

    @cached_property
    def necked(self) -> Tensor:
        """f behind its neck, (N, D)."""
        return self.method.neck(self.feature)

    @cached_property
    def logits(self) -> Tensor:
        """o (N, C), of the deepest classifier."""
        return self.method.classifier(self.necked)

    @cached_property
    def parts(self) -> Tensor:
        """g (N, P, d)."""
        return self.method.parts_of(self.pooled)

    @cached_property
    def parts_necked(self) -> list[Tensor]:
        """Each part behind its neck, (N, d)."""
        return [neck(g) for neck, g in zip(self.method.part_necks, self.parts.unbind(1), strict=True)]

    @cached_property
    def part_logits(self) -> list[Tensor]:
        """Logits (N, C) of each part."""
        return [classifier(x) for classifier, x in zip(self.method.part_classifiers, self.parts_necked, strict=True)]

    def student(self, tap: str) -> Tensor:
        """o_k (N, C), of a shallow classifier."""
        if tap not in self._students:
            self._students[tap] = self.method.shallow[tap](self.pooled[tap])
        return self._students[tap]
