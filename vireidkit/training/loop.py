"""The training loop. It knows a method only by its interface, and reads from top to bottom like the method section of a paper.

What it does, and what that costs: keyed draws make any step repeatable (a hash a step); a checkpoint is written after every
epoch and on SIGINT/SIGTERM (two file writes); every loss term is read back every step for the guards and the history (one
synchronisation a step on a GPU).
"""

from __future__ import annotations

import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor
from tqdm.auto import tqdm

from vireidkit.data import Batch, Dataset, IdentitySampler, ImageStore, PairSampler, SetSampler, augment, pool_of
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Progress, Recipe, Stage
from vireidkit.randomness import scoped_randomness
from vireidkit.training.checkpoint import find_checkpoint, load_optimizer, load_weights, mark_best, mark_kept, save_checkpoint, unmark_best
from vireidkit.training.distributed import RowGather, shard_positions, synchronise_batch_norm
from vireidkit.training.guards import CollapseGuard, check_finite
from vireidkit.training.history import History
from vireidkit.training.schedule import build_optimizer, set_learning_rate

Validation = Callable[[Method], dict[str, float]]
Extraction = Callable[[Method, ImageStore], tuple[Tensor, Tensor, Tensor]]


class TrainingStopped(Exception):
    """A signal stopped the run after a step; a checkpoint was written. ``signum`` is the signal's number."""

    def __init__(self, signum: int, step: int, out: Path) -> None:
        self.signum = signum
        super().__init__(f"stopped by {signal.Signals(signum).name} after step {step}; go on with --resume --out {out}")


@dataclass
class Counters:
    """Where a run stands: everything that the loop must know to go on, besides weights and optimiser."""

    stage: int = 0
    epoch: int = 0
    step_in_epoch: int = 0
    step: int = 0
    best_score: float = -1.0
    seconds: float = 0.0


@dataclass
class Trainer:
    """The parts of a run. ``fit`` is the loop; the methods below it are its steps, in order.

    Attributes:
        method: what learns; dataset, recipe: from what and how; seed: keys every draw.
        out: the run folder (``history.csv`` and ``checkpoint/`` are written there).
        fabric: device, precision and processes (lightning-fabric), already launched.
        store_for: makes the ImageStore of a recipe's training table.
        validate: scores the method on validation identities; ``map`` chooses the best checkpoint. None: never.
        extract: features, labels and modality of a store's images, for methods that need them between epochs.
        quiet: no progress bar.
        keep_every: the checkpoint after every so many epochs of a stage stays (see ``Run.kept``); 0 keeps only the best and the latest.
    """

    method: Method
    dataset: Dataset
    recipe: Recipe
    seed: int
    out: Path
    fabric: Fabric
    store_for: Callable[[Recipe], ImageStore]
    validate: Validation | None = None
    extract: Extraction | None = None
    quiet: bool = False
    keep_every: int = 0

    def fit(self, *, resume: bool = False) -> Counters:
        """Train all stages; return the final counters.

        Raises:
            TrainingError: a loss term became NaN or infinite.
            TrainingStopped: SIGINT or SIGTERM arrived; the run can be resumed.
            CheckpointError: resuming from a damaged checkpoint or one of another method.
        """
        self.counters, self.history = Counters(), History(self.out / "history.csv")
        self.guard = CollapseGuard(self.method.collapse_values())
        self._stop: int | None = None
        # Parameters that a method itself froze, such as the bias of a BN neck, stay frozen in every stage.
        self._learns = {name: parameter.requires_grad for name, parameter in self.method.named_parameters()}
        state = self._restore() if resume else None
        self._started = time.monotonic() - self.counters.seconds
        self._prepare_processes()
        with self._signals():
            for index, stage in enumerate(self.method.stages(self.recipe)):
                if index >= self.counters.stage:
                    self._run_stage(stage, state)
                    state = None
        return self.counters

    def _restore(self) -> dict[str, Any]:
        """Weights, counters and history of the latest checkpoint."""
        path = find_checkpoint(self.out / "checkpoint", "latest")
        state = {**load_weights(path, self.method), "path": path}
        self.counters = Counters(**state["counters"])
        self.history.restore(self.counters.step)
        return state

    def _prepare_processes(self) -> None:
        """With several processes: one batch norm over all, and a gather that shows heads and losses the whole batch."""
        self.gather: RowGather | None = None
        if self.fabric.world_size > 1:
            synchronise_batch_norm(self.method, on_gpu=self.fabric.device.type == "cuda")
            self.gather = self.method.gather = RowGather(self.fabric.world_size)

    def _run_stage(self, stage: Stage, state: dict[str, Any] | None) -> None:
        """One stage: its data, its optimiser, its epochs."""
        recipe, at = stage.recipe, self.counters
        fresh = at.epoch == 0 and at.step_in_epoch == 0
        if fresh:
            self._begin(stage)
        for name, parameter in self.method.named_parameters():
            parameter.requires_grad_(self._learns[name] and (stage.trainable is None or name.startswith(stage.trainable)))
        store = self.store_for(recipe)
        sampler = sampler_of(recipe, store, self.dataset.labels(recipe.train_on), self.seed)
        self.pool = pool_of(sampler, recipe.augmentation.needs_donors, self.seed)
        optimizer = build_optimizer(self.method.parameter_groups(), recipe)
        module, optimizer = self.fabric.setup(self.method, optimizer)
        if state is not None and not fresh:
            load_optimizer(state["path"], optimizer.optimizer, state)
        for epoch in range(at.epoch, recipe.epochs):
            self._run_epoch(stage, epoch, module, optimizer, store, sampler)
        at.stage, at.epoch, at.step_in_epoch = at.stage + 1, 0, 0
        self._save(optimizer)

    def _begin(self, stage: Stage) -> None:
        """What a stage's first step needs. Another stage may train another network, so no checkpoint is the best one yet."""
        if self.counters.stage and self.fabric.is_global_zero:
            unmark_best(self.out / "checkpoint")
        self.counters.best_score = -1.0
        self.method.on_stage_start(stage)

    def _run_epoch(self, stage: Stage, epoch: int, module: Any, optimizer: Any, store: ImageStore, sampler: IdentitySampler) -> None:
        """One epoch from wherever the counters stand, then validation and a checkpoint."""
        at, recipe, steps = self.counters, stage.recipe, len(sampler)
        at.epoch = epoch
        if at.step_in_epoch == 0:
            self.method.on_epoch_start(self._progress(recipe, steps))
        last = epoch + 1 == recipe.epochs
        bar = tqdm(
            total=steps,
            initial=at.step_in_epoch,
            desc=f"{stage.name} {epoch + 1}/{recipe.epochs}",
            disable=self.quiet or not self.fabric.is_global_zero,
            leave=last,
            unit="step",
            mininterval=0.5,
        )
        with bar:
            while at.step_in_epoch < steps:
                row = self._train_step(stage, module, optimizer, store, sampler)
                shown = {name.removeprefix("term."): f"{value:.3f}" for name, value in row.items() if name.startswith("term.")}
                bar.set_postfix({**shown, "images/s": f"{row['images_per_second']:.0f}"}, refresh=False)
                bar.update()
                self._leave_if_stopped(optimizer)
        self._end_epoch(recipe, steps, store, optimizer)

    def _train_step(self, stage: Stage, module: Any, optimizer: Any, store: ImageStore, sampler: IdentitySampler) -> dict[str, Any]:
        """Draw, augment, forward, backward, update; return the history row."""
        began, at = time.perf_counter(), self.counters
        rate = set_learning_rate(optimizer, stage.recipe, at.epoch, at.step_in_epoch, len(sampler))
        progress = self._progress(stage.recipe, len(sampler))
        weights = self.method.weights(progress)
        active = tuple(name for name, weight in weights.items() if weight != 0)
        with scoped_randomness(self.seed, "training step", at.step):
            plan = sampler.plan(at.step)
            batch = self._load(plan, store, stage.recipe)
            self.method.train()
            terms = module(batch, active)
            total = sum(weights[name] * terms[name] for name in active)
            values = {name: float(terms[name].detach()) for name in active}
            check_finite(values, epoch=at.epoch, step=at.step_in_epoch)
            optimizer.zero_grad(set_to_none=True)
            self.fabric.backward(total)
            if stage.recipe.clip_gradient is not None:
                self.fabric.clip_gradients(module, optimizer, max_norm=stage.recipe.clip_gradient)
            optimizer.step()
            self.method.on_step_end(batch, {name: terms[name].detach() for name in active})
        if at.step == 0:
            self.method.origin = "trained"
        for warning in self.guard.update(values):
            tqdm.write(f"warning: {warning}")
        row = {"stage": stage.name, "epoch": at.epoch, "step": at.step, "lr": rate, "total": float(total.detach())}
        row |= {f"term.{k}": v for k, v in values.items()} | {f"weight.{k}": weights[k] for k in active}
        row["images_per_second"] = round(plan.rows.numel() / (time.perf_counter() - began), 1)
        self.history.append(row)
        at.step_in_epoch, at.step = at.step_in_epoch + 1, at.step + 1
        return row

    def _load(self, plan: Batch, store: ImageStore, recipe: Recipe) -> Batch:
        """The plan's images on the device, augmented; with several processes, this process's share of them."""
        positions, total, share = None, None, plan
        if self.gather is not None:
            shards = shard_positions(plan, self.fabric.world_size)
            self.gather.expect(plan, shards)
            positions, total = shards[self.fabric.global_rank], len(plan)
            share = plan.select(positions)
        images = store.images(share.rows).to(self.fabric.device)
        step = self.counters.step
        donors = None if self.pool is None else self.pool.donors(store, step, positions)
        images = augment(images, share, recipe.augmentation, seed=self.seed, step=step, positions=positions, total=total, donors=donors)
        # Channels last: a quarter faster for narrow trunks on a CPU, and what mixed precision wants on a GPU.
        frames = images.flatten(0, -4).contiguous(memory_format=torch.channels_last)
        return share.to(self.fabric.device).with_images(frames.unflatten(0, images.shape[:-3]))

    def _end_epoch(self, recipe: Recipe, steps: int, store: ImageStore, optimizer: Any) -> None:
        """Hooks, validation, best checkpoint, history."""
        at = self.counters
        if self.extract is not None:
            self.method.on_epoch_end(self._progress(recipe, steps), lambda: self.extract(self.method, store))
        last = at.epoch + 1 == recipe.epochs
        scores: dict[str, float] = {}
        if self.validate is not None and recipe.validate_every and (last or (at.epoch + 1) % recipe.validate_every == 0):
            scores = self.validate(self.method)
            self.history.amend(**{f"validation.{name}": value for name, value in scores.items()})
        better = scores.get("map", -1.0) > at.best_score
        if better:
            at.best_score = scores["map"]
        at.epoch, at.step_in_epoch = at.epoch + 1, 0
        path = self._save(optimizer)
        if better and self.fabric.is_global_zero:
            mark_best(path.parent, path.name)
        if self.keep_every and at.epoch % self.keep_every == 0 and self.fabric.is_global_zero:
            mark_kept(path.parent, path.name)

    def _progress(self, recipe: Recipe, steps: int) -> Progress:
        """Where the stage stands now."""
        at = self.counters
        return Progress(epoch=at.epoch, epochs=recipe.epochs, step=at.step_in_epoch, steps_per_epoch=steps, stage=at.stage)

    def _save(self, optimizer: Any) -> Path:
        """History, then a checkpoint, by the first process alone."""
        self.counters.seconds = round(time.monotonic() - self._started, 3)
        path = self.out / "checkpoint" / f"step-{self.counters.step}"
        if self.fabric.is_global_zero:
            self.history.flush()
            path = save_checkpoint(path.parent, self.method, optimizer.optimizer, asdict(self.counters))
        self.fabric.barrier()
        return path

    def _leave_if_stopped(self, optimizer: Any) -> None:
        """Write a checkpoint and leave when a signal has arrived in any process."""
        signum = self._stop or 0
        if self.fabric.world_size > 1:
            signum = int(self.fabric.all_reduce(torch.tensor(signum, device=self.fabric.device), reduce_op="max"))
        if signum:
            self._save(optimizer)
            raise TrainingStopped(signum, self.counters.step, self.out)

    @contextmanager
    def _signals(self) -> Iterator[None]:
        """SIGINT and SIGTERM only take note inside the block; outside the main thread they are left alone."""

        def note(signum: int, frame: object) -> None:
            if self._stop is not None:  # asked twice: do not wait for the step to end
                raise KeyboardInterrupt
            self._stop = signum

        try:
            before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
        except ValueError:  # not the main thread: Python lets only that one set handlers
            before = {}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)


def sampler_of(recipe: Recipe, store: ImageStore, labels: dict[int, int], seed: int) -> IdentitySampler:
    """The sampler that a recipe asks for, over the images of ``store``.

    Raises:
        SettingError: the images do not allow such batches, or several frames are asked of a sampler of single images.
    """
    kind = {"identities": IdentitySampler, "pairs": PairSampler, "sets": SetSampler}[recipe.sampler]
    if recipe.sampler != "sets" and recipe.frames != 1:
        raise SettingError(f"sampler={recipe.sampler} draws single images, found frames={recipe.frames}; use sampler=sets")
    return kind(
        store.table,
        labels,
        identities=recipe.identities,
        per_modality=recipe.per_modality,
        views=recipe.views,
        replacement=recipe.replacement,
        seed=seed,
        steps_per_epoch=recipe.steps_per_epoch,
        **({"frames": recipe.frames, "source": recipe.sets} if recipe.sampler == "sets" else {}),
    )


def resumable(out: Path) -> bool:
    """Whether a run folder names a checkpoint to go on from. A damaged one counts: taking it up says what is wrong with it."""
    return (out / "checkpoint" / "latest").exists()
