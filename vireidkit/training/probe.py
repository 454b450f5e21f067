"""The behaviour probe: what the code does in three fixed steps, so that a stored result knows when the code has changed."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from vireidkit.data import Dataset, ImageStore, augment
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Progress, Recipe
from vireidkit.randomness import scoped_randomness
from vireidkit.training.loop import sampler_of
from vireidkit.training.schedule import build_optimizer, set_learning_rate

PROBE_STEPS = 3


def behaviour_probe(
    method: Method, dataset: Dataset, recipe: Recipe, store_for: Callable[[Recipe], ImageStore], *, seed: int = 0
) -> list[dict[str, float]]:
    """The loss terms of three fixed training steps of the first stage, rounded to 6 significant digits.

    Terms are weighted as in the last epoch, so that those that come in later or are ramped up are seen too.
    Compare with a relative tolerance (1e-3): the last digits depend on the number of threads and on the processor.
    """
    stage = next(iter(method.stages(recipe)))
    recipe = stage.recipe
    store = store_for(recipe)
    sampler = sampler_of(recipe, store, dataset.labels(recipe.train_on), seed)
    optimizer = build_optimizer(method.parameter_groups(), recipe)
    method.on_stage_start(stage)
    found = []
    for step in range(PROBE_STEPS):
        progress = Progress(epoch=0, epochs=recipe.epochs, step=step, steps_per_epoch=len(sampler))
        if step == 0:
            method.on_epoch_start(progress)
        set_learning_rate(optimizer, recipe, recipe.warmup_epochs)
        late = replace(progress, epoch=recipe.epochs - 1)
        weights = {name: weight for name, weight in method.weights(late).items() if weight != 0}
        with scoped_randomness(seed, "training step", step):
            plan = sampler.plan(step)
            batch = plan.with_images(augment(store.images(plan.rows), plan, recipe.augmentation, seed=seed, step=step))
            terms = method.train()(batch, tuple(weights))
            optimizer.zero_grad(set_to_none=True)
            sum(weights[name] * terms[name] for name in weights).backward()
            optimizer.step()
            method.on_step_end(batch, {name: terms[name].detach() for name in weights})
        found.append({name: float(f"{float(terms[name].detach()):.6g}") for name in weights})
    return found
