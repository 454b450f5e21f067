"""MDPR: two views of one image, stripes (hard) and attention (soft), that teach each other and are fused."""

from __future__ import annotations

import copy
from collections.abc import Callable, Collection, Iterator
from functools import partial
from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import (
    attention_area,
    attention_diversity,
    batch_hard_triplet,
    circle_margin_logits,
    cross_modality_triplet,
    negative_cosine,
    other_modality_targets,
    smoothed_cross_entropy,
)
from vireidkit.methods.mdpr_recipes import MDPR_RECIPES
from vireidkit.methods.mdpr_settings import MDPRSettings, check_settings
from vireidkit.methods.pretrained import FromPretrained
from vireidkit.methods.recipe import Progress
from vireidkit.methods.registry import register
from vireidkit.nn import BranchFusion, CosineHead, HardMaps, HardView, Headed, Predictor, SoftMaps, SoftView, TwoStream, build_trunk

BRANCH = ("layer3", "layer4")  # once for each branch
ATTENDED = ("attended4", "attended3")  # heads that serve training only


class Views(NamedTuple):
    """The maps of the branches and their fusion Q (B, 4 E, h, w); None for what the settings leave out."""

    hard: HardMaps | None
    soft: SoftMaps | None
    fused: Tensor | None


@register
class MDPR(FromPretrained):
    """One trunk to layer2; layer3 and layer4 once for each branch; a head on every map; predictors between the branches.

        images -> stem .. layer2 -> T -> layer3, layer4 (hard) -> H          -> G_h, stripes S_i of H     \\
                                     \\-> layer3, layer4 (soft) -> X3, X4     -> G_4, G_3, attended V4, V3 -> fusion -> Q

        L = sum over heads of L_id + sum over the heads of maps of L_tri + L_div4 + L_div3 + 0.001 (L_area4 + L_area3) + L_mutual

    L_id: circle-margin cross-entropy with smoothed labels, of every head's neck. L_mutual: the neck of G_h predicts that of G_4 through a
    small network, and the other way round; negative cosine, no gradient to the target. There is no teacher, no temperature, no
    divergence of logits. The descriptor is all necks but those of V4 and V3, side by side, for the cosine of the whole.

    Source: Fu et al., arXiv 2401.06430, released code (grade: code); the paper's own equations could not be read. It is a method for
    visible pictures: on two modalities it is "MDPR (VI adaptation)", which is ours (mdpr.md section 11).
    """

    name = "mdpr"
    title = "MDPR (VI adaptation)"
    paper = "Fu, Cui, Wang, Qi, Ma: Mutual Distillation Learning for Person Re-Identification. arXiv 2401.06430, 2024"
    citation = """@misc{fu2024mdpr,
  title = {Mutual Distillation Learning for Person Re-Identification},
  author = {Fu, Huiyuan and Cui, Kuilong and Wang, Chuanming and Qi, Mengshi and Ma, Huadong},
  year = {2024},
  eprint = {2401.06430},
  archivePrefix = {arXiv}
}"""
    grade = "code"
    Settings = MDPRSettings
    recipes = MDPR_RECIPES

    def __init__(self, num_identities: int, settings: MDPRSettings) -> None:
        check_settings(settings)
        super().__init__(num_identities, settings)
        own = settings
        make_trunk = partial(build_trunk, own.trunk, width=own.width, ibn=own.ibn, ceil_pool=own.ceil_pool)
        self.two_stream = TwoStream(make_trunk, split=own.split)
        shared, channels = self.two_stream.shared, self.two_stream.stage_channels
        self.hard, self.soft = (copy.deepcopy(shared).keep(BRANCH) for _ in range(2))
        shared.keep([name for name in shared.members if name not in BRANCH])
        self.hard_view = HardView(channels["layer4"], own.embedding, stripes=own.stripes)
        self.soft_view = SoftView(channels["layer3"], channels["layer4"], own.embedding, maps=own.maps, guidance=own.guidance)
        self.fusion = BranchFusion(own.embedding)
        self.heads = nn.ModuleDict({name: self._head(name) for name in ("hard", *self._stripes(), "soft4", "soft3", "fusion", *ATTENDED)})
        self.predictors = nn.ModuleDict({name: Predictor(own.embedding) for name in ("hard", "soft")})
        self._drop_unused()

    def _head(self, name: str) -> CosineHead:
        """The head of a part of the descriptor, or of attended vectors."""
        factor = {"fusion": 4, **dict.fromkeys(ATTENDED, self.settings.maps)}.get(name, 1)
        return CosineHead(factor * self.settings.embedding, self.num_identities, pooled=name not in ATTENDED)

    def _stripes(self) -> list[str]:
        """Names of the stripes' heads, top first."""
        return [f"stripe{number}" for number in range(1, self.settings.stripes + 1)]

    def _drop_unused(self) -> None:
        """Take away what the settings leave out. It was drawn all the same: no switch changes another's initial weights."""
        own = self.settings
        parts = {
            ("hard", "hard_view", "heads.hard", *(f"heads.{name}" for name in self._stripes())): own.hard,
            ("soft", "soft_view", "heads.soft4", "heads.soft3", *(f"heads.{name}" for name in ATTENDED)): own.soft,
            ("fusion", "heads.fusion"): own.fused,
            ("predictors",): own.mutual,
        }
        for names, used in parts.items():
            for place, _, name in (full.rpartition(".") for full in names if not used):
                delattr(self.get_submodule(place), name)

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The unweighted terms, each a scalar over all rows (of all processes)."""
        wanted = [name for name in self._terms() if terms is None or name in terms]
        known = self.objective(*self._gathered(self.pooled_of(self.views_of(batch.images, batch.modality)), batch))
        return {name: known[name]() for name in wanted}

    def _gathered(self, pooled: dict[str, Tensor], batch: Batch) -> tuple[dict[str, Tensor], Batch]:
        """The rows of all processes, by one exchange."""
        flat = [rows.flatten(1) for rows in pooled.values()]
        rows, whole = self.gather(torch.cat(flat, dim=1), batch)
        parts = rows.split([own.shape[1] for own in flat], dim=1)
        return {name: own.unflatten(1, pooled[name].shape[1:]) for name, own in zip(pooled, parts, strict=True)}, whole

    def views_of(self, images: Tensor, modality: Tensor, *, attend: bool = True) -> Views:
        """The maps of the branches; without ``attend`` only what the descriptor depends on, which the attention is not."""
        own, trunk = self.settings, self.two_stream(images, modality)
        hard = self.hard_view(self.hard(trunk)) if own.hard else None
        soft = self.soft_view(*self._soft_maps(trunk), attend=attend) if own.soft else None
        fused = self.fusion(hard.stripes, hard.whole, soft.deep, soft.shallow) if own.fused else None
        return Views(hard, soft, fused)

    def _soft_maps(self, trunk: Tensor) -> list[Tensor]:
        """X3 and X4."""
        maps = []
        for stage in self.soft.stages().values():
            trunk = stage(trunk)
            maps.append(trunk)
        return maps

    def pooled_of(self, views: Views) -> dict[str, Tensor]:
        """What the heads and terms are computed from, one row an image.

        "hard", "stripe1" .., "soft4", "soft3" (B, E) and "fusion" (B, 4 E) in the order of the descriptor, and where the views attend
        "attended4", "attended3" (B, K, E), "attention4", "attention3" (B, K, h, w).
        """
        hard, soft, fused = views
        maps: dict[str, Tensor] = {}
        if hard is not None:
            maps |= {"hard": hard.whole, **dict(zip(self._stripes(), hard.stripes, strict=True))}
        if soft is not None:
            maps |= {"soft4": soft.deep, "soft3": soft.shallow}
        if fused is not None:
            maps["fusion"] = fused
        pooled = {name: self.heads[name].pool(x) for name, x in maps.items()}
        if soft is not None and soft.attended_deep is not None:
            pooled |= {"attended4": soft.attended_deep, "attended3": soft.attended_shallow}
            pooled |= {"attention4": soft.attention_deep, "attention3": soft.attention_shallow}
        return pooled

    def objective(self, pooled: dict[str, Tensor], rows: Batch) -> dict[str, Callable[[], Tensor]]:
        """The terms of pooled rows, named as in ``pooled_of``, as functions: heads run when a term first asks for them.

        Args:
            rows: labels and modality of the rows.
        """
        seen, own = _Seen(self, pooled), self.settings

        def identity(name: str) -> Tensor:
            logits = circle_margin_logits(seen.headed(name).cosine, rows.labels, gamma=own.gamma, margin=own.circle_margin)
            return smoothed_cross_entropy(logits, rows.labels, epsilon=own.smoothing)

        terms: dict[str, Callable[[], Tensor]] = {f"id_{name}": partial(identity, name) for name in self.heads}
        terms |= {f"triplet_{name}": lambda name=name: self._triplet(seen.headed(name).feature, rows) for name in self.parts}
        for depth in ("4", "3") if own.soft else ():
            terms[f"diversity{depth}"] = lambda depth=depth: attention_diversity(pooled[f"attended{depth}"].unbind(dim=1))
            terms[f"area{depth}"] = lambda depth=depth: attention_area(pooled[f"attention{depth}"])
        return terms | {"mutual": lambda: self._mutual(seen, rows)}

    def _triplet(self, features: Tensor, rows: Batch) -> Tensor:
        """Mean over the mining groups of the triplet term of each."""
        own, terms = self.settings, []
        for group in mining_groups(rows.labels, own.mining_groups):
            if own.cross_only:
                terms.append(cross_modality_triplet(features[group], rows.labels[group], rows.modality[group], own.triplet_margin))
            else:
                terms.append(batch_hard_triplet(features[group], rows.labels[group], own.triplet_margin))
        return torch.stack(terms).mean()

    def _mutual(self, seen: _Seen, rows: Batch) -> Tensor:
        """Half the sum of both directions; no vectors but those of the whole maps of the deepest stage take part."""
        terms = []
        for name, other in (("hard", "soft"), ("soft", "hard")):
            prediction, target = seen.prediction(name), seen.view(other)
            if self.settings.target == "other-modality":
                target, known = other_modality_targets(target, rows.labels, rows.modality)
                prediction, target = prediction[known], target[known]
            terms.append(negative_cosine(prediction, target, stop_gradient=self.settings.stop_gradient))
        return sum(terms) / 2

    def _terms(self) -> dict[str, float]:
        """Weight of every term that the switches leave, in the order of the sum: 19 with two stripes and everything on."""
        own = self.settings
        weights = {f"id_{name}": 1.0 for name in self.heads} | {f"triplet_{name}": 1.0 for name in self.parts}
        if own.soft:
            weights |= {"diversity4": own.diversity_weight, "diversity3": own.diversity_weight}
            weights |= {"area4": own.area_weight, "area3": own.area_weight}
        return weights | ({"mutual": own.mutual_weight} if own.mutual else {})

    def weights(self, progress: Progress) -> dict[str, float]:
        """The same from the first step to the last: 1, and 0.001 for the areas. Terms switched off are not listed."""
        return self._terms()

    def collapse_values(self) -> dict[str, float]:
        """The triplet terms of equal features sit at their margin."""
        return {f"triplet_{name}": self.settings.triplet_margin for name in self.parts if self.settings.triplet_margin}

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """The parts side by side (see ``parts``), each behind its neck, (B, (P + 7) E); not normalised: the cosine takes the whole."""
        pooled = self.pooled_of(self.views_of(images, modality, attend=False))
        return torch.cat([self.heads[name].neck(rows) for name, rows in pooled.items()], dim=1)

    @property
    def parts(self) -> dict[str, slice]:
        """The part of the descriptor of each head: "hard", "stripe1" .., "soft4", "soft3", "fusion"; a branch alone has its own."""
        found, start = {}, 0
        for name, head in self.heads.items():
            if name not in ATTENDED:
                found[name] = slice(start, start + head.neck.num_features)
                start = found[name].stop
        return found

    def stages_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Maps (B, C, h, w) after "stem", "layer1", "layer2", then of the branches side by side: "soft3", "soft4", "hard3", "hard4"."""
        maps = self.two_stream.stages_of(images, modality)
        trunk = maps["layer2"]
        for name in ("soft", "hard"):
            x = trunk
            for depth, stage in zip("34", getattr(self, name).stages().values() if getattr(self.settings, name) else (), strict=False):
                x = maps[f"{name}{depth}"] = stage(x)
        return maps

    def maps_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """The attention, (B, h, w) each: "attention4_1" .. and "background4", "attention3_1" .. and "background3" of the shallow stage."""
        if not self.settings.soft:
            return {}
        soft = self.soft_view(*self._soft_maps(self.two_stream(images, modality)))
        found = {}
        for depth, maps in (("4", soft.attention_deep), ("3", soft.attention_shallow)):
            found |= {f"attention{depth}_{number}": own for number, own in enumerate(maps.unbind(dim=1), start=1)}
            found[f"background{depth}"] = (1 - maps.sum(dim=1)).clamp(min=0)  # but for rounding it is never below
        return found

    def agreement(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """How well each branch predicts the other, for analysis: "hard" is cos(q_h(z_h), z_s), "soft" cos(q_s(z_s), z_h); (B,) each.

        Raises:
            SettingError: the network was built without mutual distillation.
        """
        if not self.settings.mutual:
            raise SettingError("this mdpr has no predictors: build it with both branches and mutual_weight above 0")
        seen = _Seen(self, self.pooled_of(self.views_of(images, modality, attend=False)))
        pairs = (("hard", "soft"), ("soft", "hard"))
        return {name: F.cosine_similarity(seen.prediction(name), seen.view(other), dim=1) for name, other in pairs}

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Trunk and branches ("trunk", at ``trunk_lr_factor``, 1 as released), and all else ("head")."""
        trunk = [p for name in ("two_stream", "hard", "soft") if hasattr(self, name) for p in getattr(self, name).parameters()]
        known = set(map(id, trunk))
        head = [parameter for parameter in self.parameters() if id(parameter) not in known]
        groups = (("trunk", trunk, self.settings.trunk_lr_factor), ("head", head, 1.0))
        return [{"params": [p for p in part if p.requires_grad], "name": name, "lr_factor": factor} for name, part, factor in groups]


class _Seen:
    """What heads and predictors make of pooled rows, computed once and only when asked for."""

    def __init__(self, method: MDPR, pooled: dict[str, Tensor]) -> None:
        self.method, self.pooled = method, pooled
        self._headed: dict[str, Headed] = {}

    def headed(self, name: str) -> Headed:
        """The neck's feature and the cosines of a head."""
        if name not in self._headed:
            self._headed[name] = self.method.heads[name](self.pooled[name].flatten(1))
        return self._headed[name]

    def view(self, branch: str) -> Tensor:
        """z_h or z_s (N, E)."""
        return self.headed({"hard": "hard", "soft": "soft4"}[branch]).feature

    def prediction(self, branch: str) -> Tensor:
        """q_h(z_h) or q_s(z_s) (N, E): what a branch guesses of the other."""
        return self.method.predictors[branch](self.view(branch))


def mining_groups(labels: Tensor, count: int) -> Iterator[Tensor]:
    """Positions of the rows of each of ``count`` groups; person i of a batch, in the order of labels, belongs to group i mod ``count``.

    It is how people are dealt to processes. Groups that would be empty are left out.
    """
    people = labels.unique()
    owner = torch.searchsorted(people, labels) % count
    return (torch.nonzero(owner == group).flatten() for group in range(min(count, len(people))))
