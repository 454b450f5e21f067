"""The learning rate as a pure function of the epoch and step, so that a resumed run needs no scheduler state."""

from __future__ import annotations

import math
from typing import Any

import torch

from vireidkit.errors import SettingError
from vireidkit.methods.recipe import Recipe

# Adam adds the weight decay to the gradient, where its step size divides it; AdamW takes it off the weights.
ADAPTIVE = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}


def learning_rate(recipe: Recipe, epoch: int, step: int = 0, steps_per_epoch: int | None = None) -> float:
    """The base rate of a step: lr x warm-up x what ``anneal`` has left of it. Epochs and their steps count from 0.

    - Steps: the factor of the last schedule entry that has begun. For AGW's recipe (baseline.md section 6, grade: code):
      0.1 (e+1)/10 for e < 10, 0.1 to 19, 0.01 to 49, 0.001 after.
    - Cosine: behind a warm-up that reaches into w epochs, f + (lr - f) (1 + cos(pi (e + 1 - w) / (epochs - w))) / 2 with f = final_lr, so f
      in the last epoch; until then lr (mdpr.md section 5, grade: code).
    - Warm-up by steps: of its W steps the i-th has lr (s + (1 - s) i / W) with s = warmup_start (the same source).

    Args:
        steps_per_epoch: needed for ``warmup_share`` and ``warmup_steps``; None is the recipe's own.

    Raises:
        SettingError: two forms of warm-up in one recipe, or a share outside 0..1.
        ValueError: a warm-up by steps, and nothing says how many steps an epoch has.
    """
    rising = warmup_length(recipe, steps_per_epoch)
    if rising:
        each = steps_per_epoch or recipe.steps_per_epoch
        done = epoch * each + step
        if done < rising:
            return recipe.lr * (recipe.warmup_start + (1 - recipe.warmup_start) * done / rising)
    warmup = min(1.0, (epoch + 1) / recipe.warmup_epochs) if recipe.warmup_epochs else 1.0
    if recipe.anneal == "cosine":
        return warmup * _cosine(recipe, epoch, math.ceil(rising / each) if rising else recipe.warmup_epochs)
    factor = 1.0
    for first, value in recipe.schedule:
        if epoch >= first:
            factor = value
    return recipe.lr * warmup * factor


def _cosine(recipe: Recipe, epoch: int, first: int) -> float:
    """The rate of an epoch where ``first`` is the first one that falls."""
    if epoch < first:
        return recipe.lr
    angle = math.pi * (epoch + 1 - first) / max(1, recipe.epochs - first)
    return recipe.final_lr + (recipe.lr - recipe.final_lr) * (1 + math.cos(angle)) / 2


def warmup_length(recipe: Recipe, steps_per_epoch: int | None = None) -> int:
    """Steps of a warm-up by steps, 0 without one. See ``learning_rate``."""
    forms = [name for name in ("warmup_epochs", "warmup_share", "warmup_steps") if getattr(recipe, name)]
    if len(forms) > 1:
        raise SettingError(f"a recipe warms up in one way, found {' and '.join(forms)}: set all but one to 0")
    if not 0 <= recipe.warmup_share <= 1:
        raise SettingError(f"warmup_share is a share of all steps, 0 to 1; found {recipe.warmup_share}")
    if not recipe.warmup_share and not recipe.warmup_steps:
        return 0
    each = steps_per_epoch or recipe.steps_per_epoch
    if each is None:
        raise ValueError("expected steps_per_epoch, which a warm-up by steps is counted in; found None")
    return recipe.warmup_steps or round(recipe.warmup_share * recipe.epochs * each)


def full_rate_epoch(recipe: Recipe, steps_per_epoch: int) -> int:
    """The first epoch that is wholly behind the warm-up; the last one where none is."""
    rising = math.ceil(warmup_length(recipe, steps_per_epoch) / steps_per_epoch)
    return min(rising, recipe.epochs - 1) if rising else recipe.warmup_epochs


def set_learning_rate(
    optimizer: torch.optim.Optimizer, recipe: Recipe, epoch: int, step: int = 0, steps_per_epoch: int | None = None
) -> float:
    """Set every group's rate to the step's base rate times the group's ``lr_factor``; return the base rate."""
    rate = learning_rate(recipe, epoch, step, steps_per_epoch)
    for group in optimizer.param_groups:
        group["lr"] = rate * group.get("lr_factor", 1.0)
    return rate


def build_optimizer(groups: list[dict[str, Any]], recipe: Recipe) -> torch.optim.Optimizer:
    """The recipe's optimiser over a method's parameter groups; parameters that do not learn are left out."""
    learning = [{**group, "params": [p for p in group["params"] if p.requires_grad]} for group in groups]
    learning = [group for group in learning if group["params"]]
    if not learning:
        raise ValueError("no parameter learns in this stage")
    if recipe.optimizer in ADAPTIVE:
        return ADAPTIVE[recipe.optimizer](learning, lr=recipe.lr, weight_decay=recipe.weight_decay)
    nesterov = recipe.nesterov and recipe.momentum > 0
    return torch.optim.SGD(learning, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, weight_decay=recipe.weight_decay)
