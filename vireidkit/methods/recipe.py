"""Recipes: how a method is trained on one data set. A recipe is a promise, so it opens with source, score and cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal

from vireidkit.data.augmentation import LATER, Augmentation
from vireidkit.errors import SettingError

PROFILES = ("smoke", "study", "compare", "paper")
OF_THE_RUN = {"source", "expects", "takes", "train_on", "limit_identities", "settings", "resample", "stages"}  # no stage has its own


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
            IDKL's released code does (see ``vireidkit.data.PairSampler``), and asks nothing of ``replacement``; "sets" draws
            sets of frames.
        augmentation: operators of every view (see ``vireidkit.data.Augmentation``).
        optimizer: "sgd" (momentum, nesterov), "adam" (weight decay as L2 in the gradient) or "adamw" (decoupled weight decay).
        lr: base learning rate; each parameter group multiplies it by its own ``lr_factor``.
        schedule: (first epoch, factor) pairs, a step function of the epoch; factor applies until the next pair.
        warmup_epochs: over these epochs the rate rises as (epoch + 1) / warmup_epochs.
        anneal: how the rate falls: "steps" by ``schedule``; "cosine", which does not ask for it, from the first whole epoch behind the
            warm-up to ``final_lr`` in the last one, constant within an epoch.
        final_lr: of "cosine" alone, times each group's ``lr_factor`` as ``lr`` is.
        warmup_share, warmup_steps: another warm-up, over a share of all steps or over so many of them: the rate rises in every step, in a
            line from ``warmup_start`` times lr.
        epochs, steps_per_epoch: length; steps_per_epoch=None is the sampler's own length.
        clip_gradient: largest gradient norm, None for no clipping.
        precision: lightning-fabric's name, such as "32-true" or "bf16-mixed".
        validate_every: epochs between two validations; 0 is never. The last epoch is always validated when it is not 0.
        settings: what this recipe changes in the method's Settings.
        frames, sets: of ``sampler`` "sets" alone: frames of a set (N), and what a set is drawn from, "tracklet" or "multiview" (see
            ``vireidkit.data.SetSampler``); ``per_modality`` counts sets then.
        resample: filter by which pictures are brought to ``image_size`` (see ``vireidkit.data.ImageStore``), also at test.
        stages: stage name -> what that stage of a method of several changes of this recipe (see ``for_stage``). To override one of these
            name the stage, as in ``stages={"teacher": {"epochs": 1}}``; its other changes stay.
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
    sampler: Literal["identities", "pairs", "sets"] = "identities"
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
    frames: int = field(default=1, metadata=LATER)
    sets: Literal["tracklet", "multiview"] = field(default="tracklet", metadata=LATER)
    resample: str = field(default="lanczos", metadata=LATER)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict, metadata=LATER)
    anneal: Literal["steps", "cosine"] = field(default="steps", metadata=LATER)
    final_lr: float = field(default=0.0, metadata=LATER)
    warmup_share: float = field(default=0.0, metadata=LATER)
    warmup_steps: int = field(default=0, metadata=LATER)
    warmup_start: float = field(default=0.1, metadata=LATER)

    def for_stage(self, name: str) -> Recipe:
        """This recipe as the stage ``name`` runs it; its own where ``stages`` does not mention it.

        Raises:
            SettingError: the stage would change something that is no field, or that belongs to the whole run.
        """
        changes = self.stages.get(name, {})
        known = {one.name for one in fields(self)} - OF_THE_RUN
        wrong = next((key for key in changes if key not in known), None)
        if wrong is not None:
            raise SettingError(f"stage {name!r} of a recipe cannot change {wrong!r}; it can change {', '.join(sorted(known))}")
        return replace(self, **changes)


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
