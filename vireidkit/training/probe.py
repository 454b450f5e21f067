"""The behaviour probe: what the code does in three fixed steps, so that a stored result knows when the code has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vireidkit.data import Dataset, ImageStore, augment, pool_of
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Progress, Recipe
from vireidkit.randomness import scoped_randomness
from vireidkit.training.loop import sampler_of
from vireidkit.training.schedule import build_optimizer, full_rate_epoch, set_learning_rate

PROBE_STEPS = 3


def behaviour_probe(
    method: Method, dataset: Dataset, recipe: Recipe, store_for: Callable[[Recipe], ImageStore], *, seed: int = 0
) -> list[dict[str, float]]:
    """The loss terms of three fixed training steps of every stage, rounded to 6 significant digits.

    Terms are weighted as in the last epoch, so that those that come in later or are ramped up are seen too.
    Compare with a relative tolerance (1e-3): the last digits depend on the number of threads and on the processor.
    """
    learns = {name: parameter.requires_grad for name, parameter in method.named_parameters()}
    found: list[dict[str, float]] = []
    for number, stage in enumerate(method.stages(recipe)):
        method.on_stage_start(stage)
        for name, parameter in method.named_parameters():
            parameter.requires_grad_(learns[name] and (stage.trainable is None or name.startswith(stage.trainable)))
        first = Progress(epoch=0, epochs=stage.recipe.epochs, step=0, steps_per_epoch=1, stage=number)
        found += _stage_probe(method, dataset, stage.recipe, store_for(stage.recipe), first, seed=seed, done=len(found))
    return found


def _stage_probe(
    method: Method, dataset: Dataset, recipe: Recipe, store: ImageStore, first: Progress, *, seed: int, done: int
) -> list[dict[str, float]]:
    """The steps of one stage that has begun; ``done`` counts those of the stages before it."""
    sampler = sampler_of(recipe, store, dataset.labels(recipe.train_on), seed)
    pool = pool_of(sampler, recipe.augmentation.needs_donors, seed)
    optimizer = build_optimizer(method.parameter_groups(), recipe)
    rate_at = full_rate_epoch(recipe, len(sampler))
    found = []
    for step in range(PROBE_STEPS):
        progress = replace(first, step=step, steps_per_epoch=len(sampler))
        if step == 0:
            method.on_epoch_start(progress)
        set_learning_rate(optimizer, recipe, rate_at, 0, len(sampler))
        late = replace(progress, epoch=recipe.epochs - 1)
        weights = {name: weight for name, weight in method.weights(late).items() if weight != 0}
        with scoped_randomness(seed, "training step", done + step):
            plan = sampler.plan(done + step)
            donors = None if pool is None else pool.donors(store, done + step)
            images = augment(store.images(plan.rows), plan, recipe.augmentation, seed=seed, step=done + step, donors=donors)
            batch = plan.with_images(images)
            terms = method.train()(batch, tuple(weights))
            optimizer.zero_grad(set_to_none=True)
            sum(weights[name] * terms[name] for name in weights).backward()
            optimizer.step()
            method.on_step_end(batch, {name: terms[name].detach() for name in weights})
        found.append({name: float(f"{float(terms[name].detach()):.6g}") for name in weights})
    return found
