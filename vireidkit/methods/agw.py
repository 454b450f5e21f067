"""AGW: the two-stream baseline of visible-infrared re-identification, with CAJ's channel augmentation as a switch."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from vireidkit.data.augmentation import CAJ
from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.losses import batch_hard_triplet, enhanced_squared_difference, weighted_regularized_triplet
from vireidkit.methods.agw_recipes import AGW_RECIPES
from vireidkit.methods.pretrained import FromPretrained
from vireidkit.methods.recipe import Progress, Recipe, Stage
from vireidkit.methods.registry import register
from vireidkit.nn import AveragePool, BNNeck, GeM, IdentityClassifier, TwoStream, build_trunk


@dataclass(frozen=True)
class AGWSettings:
    """Every switch of AGW. The released code's ``base`` mode is non_local=False, pooling="average", triplet="batch-hard".

    Attributes:
        trunk: ResNet-50 as published, or ResNet-18 or OSNet for a CPU.
        width: factor on the trunk's channels; torchvision's ImageNet files fit 1.0 only.
        split: leading stages (stem, layer1 .. layer4; conv1 .. conv5 of OSNet) that exist once per modality, 0 to 5.
        non_local: insert non-local blocks in layer2 and layer3 (for ResNet-18 after their last block, which is ours). OSNet
            has no place for them and needs False.
        non_local_width: inner channels of the non-local blocks.
        pooling: "gem" with p = 3 fixed, or "average".
        triplet: form of the triplet term; "weighted-stable" is ours, "squared-difference" is CAJ's.
        margin: of "batch-hard" only; None is the soft margin.
        augmentation: "agw" crops and flips; "caj" adds erasing and channel operators, a second visible view, and the
            average with the mirror image at test.
        pretrained: what the trunk starts from, loaded when training starts: None is random numbers, "imagenet" torchvision's
            file (downloaded once), "twilight" the kit's own visible-only trunk of this width, anything else the path of a file.
        trunk_lr_factor: learning rate of all but neck and classifier, as a factor.
        id_weight, triplet_weight: weights of the two terms; a term of weight 0 is not computed.
    """

    trunk: Literal["resnet50", "resnet18", "osnet"] = "resnet50"
    width: float = 1.0
    split: int = 1
    non_local: bool = True
    non_local_width: int = 1
    pooling: Literal["gem", "average"] = "gem"
    triplet: Literal["weighted", "weighted-stable", "batch-hard", "squared-difference"] = "weighted"
    margin: float | None = 0.3
    augmentation: Literal["agw", "caj"] = "agw"
    pretrained: str | None = None
    trunk_lr_factor: float = 0.1
    id_weight: float = 1.0
    triplet_weight: float = 1.0


@register
class AGW(FromPretrained):
    """Two-stream trunk, pooling, batch-norm neck and classifier; identity loss plus a triplet loss, weights 1:1.

        images -> two_stream -> pool -> f (B, D) -> gather -> triplet(f)
                                                       \\-> neck -> b (N, D) -> classifier -> logits (N, C) -> id

    The triplet sees f, which is not normalised; b is the descriptor at test.

    Source: Ye et al., TPAMI 2021, released code; CAJ: Ye et al., ICCV 2021, released code (grade: code).
    """

    name = "agw"
    title = "AGW"
    paper = "Ye, Shen, Lin, Xiang, Shao, Hoi: Deep Learning for Person Re-identification: A Survey and Outlook. TPAMI 2021"
    citation = """@article{ye2021agw,
  title = {Deep Learning for Person Re-identification: A Survey and Outlook},
  author = {Ye, Mang and Shen, Jianbing and Lin, Gaojie and Xiang, Tao and Shao, Ling and Hoi, Steven C. H.},
  journal = {IEEE Transactions on Pattern Analysis and Machine Intelligence},
  year = {2021}
}"""
    grade = "code"
    Settings = AGWSettings
    recipes = AGW_RECIPES

    def __init__(self, num_identities: int, settings: AGWSettings) -> None:
        super().__init__(num_identities, settings)
        self.flip_average = settings.augmentation == "caj"
        self.triplet = triplet_of(settings)
        make_trunk = partial(
            build_trunk,
            settings.trunk,
            width=settings.width,
            non_local=settings.non_local,
            non_local_width=settings.non_local_width,
        )
        self.two_stream = TwoStream(make_trunk, split=settings.split)
        self.pool = GeM() if settings.pooling == "gem" else AveragePool()
        self.neck = BNNeck(self.two_stream.channels)
        self.classifier = IdentityClassifier(self.two_stream.channels, num_identities)

    def forward(self, batch: Batch, terms: Collection[str] | None = None) -> dict[str, Tensor]:
        """The terms "id" and "triplet" of a batch, each a scalar over all its rows (of all processes)."""
        pooled = self.pool(self.two_stream(batch.images, batch.modality))  # (B, D)
        features, whole = self.gather(pooled, batch)  # (N, D)
        outputs = {}
        if terms is None or "id" in terms:
            outputs["id"] = F.cross_entropy(self.classifier(self.neck(features)), whole.labels)
        if terms is None or "triplet" in terms:
            outputs["triplet"] = self.triplet(features, whole.labels)
        return outputs

    def weights(self, progress: Progress) -> dict[str, float]:
        """The same at every moment: 1 and 1 as published."""
        return {"id": self.settings.id_weight, "triplet": self.settings.triplet_weight}

    def collapse_values(self) -> dict[str, float]:
        """The triplet term of equal features: its margin in the hinge form, log 2 in the soft ones."""
        hinge = self.settings.triplet == "batch-hard" and self.settings.margin is not None
        return {"triplet": self.settings.margin if hinge else math.log(2)}

    def embed(self, images: Tensor, modality: Tensor) -> Tensor:
        """The feature behind the neck, (B, D), not normalised: its metric is the cosine."""
        return self.neck(self.pool(self.two_stream(images, modality)))

    def stages_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """Maps (B, C, h, w) after every stage of the trunk: "stem", "layer1" .. "layer4" of a ResNet."""
        return self.two_stream.stages_of(images, modality)

    def parameter_groups(self) -> list[dict[str, Any]]:
        """Neck and classifier ("head") at the full rate, the trunk at ``trunk_lr_factor`` of it; the frozen bias is in neither."""
        head = [*self.neck.parameters(), *self.classifier.parameters()]
        groups = (("trunk", self.two_stream.parameters(), self.settings.trunk_lr_factor), ("head", head, 1.0))
        return [{"params": [p for p in part if p.requires_grad], "name": name, "lr_factor": factor} for name, part, factor in groups]

    @property
    def trunks(self) -> nn.Module:
        """Both streams."""
        return self.two_stream

    def stages(self, recipe: Recipe) -> Iterator[Stage]:
        """One stage. CAJ brings its operators and a second visible view; padding and probabilities stay the recipe's."""
        if self.settings.augmentation == "caj":
            augmentation = replace(recipe.augmentation, visible=CAJ.visible, infrared=CAJ.infrared)
            recipe = replace(recipe, views=len(CAJ.visible), augmentation=augmentation)
        yield from super().stages(recipe)


def triplet_of(settings: AGWSettings) -> Callable[[Tensor, Tensor], Tensor]:
    """The triplet loss that the settings name, as a function of features (N, D) and labels (N,).

    Raises:
        SettingError: an unknown form.
    """
    forms = {
        "weighted": weighted_regularized_triplet,
        "weighted-stable": partial(weighted_regularized_triplet, stable=True),
        "batch-hard": partial(batch_hard_triplet, margin=settings.margin),
        "squared-difference": enhanced_squared_difference,
    }
    if settings.triplet not in forms:
        raise SettingError(f"triplet must be one of {', '.join(forms)}; found {settings.triplet!r}")
    return forms[settings.triplet]
