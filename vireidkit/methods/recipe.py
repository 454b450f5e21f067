"""Recipes: how a method is trained on one data set. A recipe is a promise, so it opens with source, score and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from vireidkit.data.augmentation import Augmentation

PROFILES = ("smoke", "study", "compare", "paper")


@dataclass(frozen=True)
class Progress:
    """Where training stands. ``epoch`` and ``step`` count from 0; ``step`` is the step inside the epoch."""

    epoch: int
    epochs: int
    step: int
    steps_per_epoch: int
    stage: int = 0

    @property
    def fraction(self) -> float:
        """Share of the stage that is done, 0 at the first step and below 1 at the last."""
        return (self.epoch * self.steps_per_epoch + self.step) / max(1, self.epochs * self.steps_per_epoch)


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Everything that training needs besides the method's own settings.

    Attributes:
        source: where the figures come from, with the grade of certainty (code, paper, reconstruction, ours).
        expects: the score to expect, with seeds and known gap; "not measured" when nobody has.
        takes: the time and machine to expect.
        image_size: (height, width) in pixels.
        train_on: which identities are learnt: "train", or "train+validation" as the field's published numbers do. Only with
            "train" are validation identities unseen, so only then is a best checkpoint chosen.
        limit_identities: keep only this many training, validation and test identities (smoke runs); None keeps all.
        identities: P, different people in a batch.
        per_modality: images of one person in each modality of a batch (of every view).
        views: number of visible views of each drawn visible image.
        replacement: draw a person's images with replacement, as AGW's released code does. False never repeats an image.
        sampler: "identities" draws every batch anew; "pairs" lets an epoch go through the images of the band that has fewer of them, as
            IDKL's released code does (see ``vireidkit.data.PairSampler``), and asks nothing of ``replacement``.
        augmentation: operators of every view (see ``vireidkit.data.Augmentation``).
        optimizer: "sgd" (momentum, nesterov), "adam" (weight decay as L2 in the gradient) or "adamw" (decoupled weight decay).
        lr: base learning rate; each parameter group multiplies it by its own ``lr_factor``.
        schedule: (first epoch, factor) pairs, a step function of the epoch; factor applies until the next pair.
        warmup_epochs: over these epochs the rate rises as (epoch + 1) / warmup_epochs.
        epochs, steps_per_epoch: length; steps_per_epoch=None is the sampler's own length.
        clip_gradient: largest gradient norm, None for no clipping.
        precision: lightning-fabric's name, such as "32-true" or "bf16-mixed".
        validate_every: epochs between two validations; 0 is never. The last epoch is always validated when it is not 0.
        settings: what this recipe changes in the method's Settings.
    """

    source: str
    expects: str
    takes: str
    image_size: tuple[int, int]
    train_on: Literal["train", "train+validation"] = "train"
    limit_identities: int | None = None
    identities: int = 8
    per_modality: int = 4
    views: int = 1
    replacement: bool = False
    sampler: Literal["identities", "pairs"] = "identities"
    augmentation: Augmentation = field(default_factory=Augmentation)
    optimizer: Literal["sgd", "adam", "adamw"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    schedule: tuple[tuple[int, float], ...] = ((0, 1.0),)
    warmup_epochs: int = 0
    epochs: int = 1
    steps_per_epoch: int | None = None
    clip_gradient: float | None = None
    precision: str = "32-true"
    validate_every: int = 0
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Stage:
    """One stretch of training: a recipe, the parts that learn, and the weights it starts from.

    Attributes:
        name: shown in the history and in the progress bar.
        recipe: how this stage is trained.
        trainable: prefixes of parameter names that learn; None is all.
        start: "previous" continues with the weights as they are; any other name is handed to ``Method.on_stage_start``.
    """

    name: str
    recipe: Recipe
    trainable: tuple[str, ...] | None = None
    start: str = "previous"
