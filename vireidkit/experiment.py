"""Whole journeys in one call: train, load-or-train, and from ``scoring`` evaluate. Notebooks and the command line use these."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from vireidkit.data import Dataset, ImageStore, load_dataset
from vireidkit.errors import KitError, SettingError, TrainingError
from vireidkit.evaluation import extract_features
from vireidkit.methods import Method, Recipe, build_method, default_profile, get_recipe, start_weights, with_overrides
from vireidkit.modality import MODALITIES
from vireidkit.scoring import dataset_of, evaluate_run, resolve_device, test_features, validation_of, validation_protocol
from vireidkit.training import Run, Trainer, discard_run, open_run, resumable, run_record, start_run
from vireidkit.training.loop import Extraction
from vireidkit.training.run import peak_memory_mb

__all__ = [
    "dataset_of",
    "evaluate_run",
    "load_or_train",
    "make_fabric",
    "prepared_dataset",
    "resolve_device",
    "run_name",
    "test_features",
    "train",
    "training_store",
]

# lightning-fabric's precisions in which the weights themselves are kept.
TRUE_PRECISION = {"64-true": torch.float64, "32-true": torch.float32, "bf16-true": torch.bfloat16, "16-true": torch.float16}


def train(
    method: str,
    dataset: str,
    *,
    profile: str | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    data_root: str | Path | None = None,
    split: int = 1,
    allow_partial: bool = False,
    device: str = "auto",
    devices: int = 1,
    precision: str | None = None,
    resume: bool = False,
    quiet: bool = False,
    keep_every: int = 0,
) -> Run:
    """Train a method on a data set by its recipe and leave a run folder.

    Args:
        method, dataset, profile, seed: what to run; ``profile=None`` is "study" for Twilight and "paper" elsewhere.
        out: the run folder; by default ``runs/<method>-<dataset>-<profile>-seed<seed>-<hash of everything else>``.
        overrides: settings of the method or fields of the recipe.
        data_root, split, allow_partial: see ``load_dataset``.
        device, devices, precision: "auto", "cpu" or "cuda"; processes; lightning-fabric's precision names.
        resume: go on from the folder's latest checkpoint, or start when there is none; a finished run is returned as it is.
        keep_every: keep the checkpoint after every so many epochs (``Run.kept``); 0 keeps only the best and the latest. It changes nothing
            else, so it is no part of the run's name, and a run that is finished already keeps what it has.

    Raises:
        KitError: anything the user can mend.
        TrainingStopped: a signal stopped the run.
    """
    plan = _plan(method, dataset, profile, seed, overrides, data_root, split, allow_partial)
    if keep_every < 0:
        raise SettingError(f"keep_every must be 0 or more epochs; found {keep_every}")
    precision = precision or plan.recipe.precision
    fabric = make_fabric(device, devices, precision)
    folder = Path(out) if out is not None else Path("runs") / run_name(plan.record)
    run = _open_folder(folder, {**plan.record, "devices": devices, "precision": precision}, fabric, resume)
    return run if run.finished else _carry_out(run, _trainer(plan, run, fabric, quiet, keep_every), resume)


@dataclass(frozen=True)
class _Plan:
    """What a run will do: its recipe and settings, its data, and the record that names it."""

    recipe: Recipe
    settings: dict[str, Any]
    data: Dataset
    record: dict[str, Any]


def _plan(
    method: str,
    dataset: str,
    profile: str | None,
    seed: int,
    overrides: Mapping[str, Any] | None,
    data_root: str | Path | None,
    split: int,
    allow_partial: bool,
) -> _Plan:
    """Look up the recipe, apply the overrides, load the data, and write down what makes this run this run."""
    recipe, settings = with_overrides(method, get_recipe(method, dataset, profile), overrides or {})
    data = prepared_dataset(dataset, recipe, data_root, split=split, allow_partial=allow_partial)
    record = run_record(
        recipe,
        method=method,
        dataset=dataset,
        data_root=str(data.root),
        split=split,
        profile=profile or default_profile(dataset),
        seed=seed,
        settings=settings,
        start_weights=start_weights(method, settings),
        overrides=dict(overrides or {}),
        fingerprint=data.fingerprint,
        num_identities=len(data.labels(recipe.train_on)),
        validation=validation_protocol(data, recipe),
    )
    return _Plan(recipe, settings, data, record)


def _trainer(plan: _Plan, run: Run, fabric: Fabric, quiet: bool, keep_every: int) -> Trainer:
    """The network with its starting weights, and everything that the loop needs."""
    record, data, recipe = plan.record, plan.data, plan.recipe
    method = build_method(record["method"], record["num_identities"], seed=record["seed"], **plan.settings)
    return Trainer(
        # Already in the precision of training, so that a checkpoint is taken up again without being rounded.
        method=method.to(TRUE_PRECISION.get(run.info["precision"])),
        dataset=data,
        recipe=recipe,
        seed=record["seed"],
        out=run.path,
        fabric=fabric,
        store_for=lambda own: training_store(data, own, quiet=quiet),
        validate=validation_of(data, recipe),
        extract=_extraction(data.labels(recipe.train_on)),
        quiet=quiet,
        keep_every=keep_every,
    )


def _carry_out(run: Run, trainer: Trainer, resume: bool) -> Run:
    """Train, and note in run.json how it ended. A run that cannot even begin leaves no folder behind."""
    lead, began = trainer.fabric.is_global_zero, time.process_time()
    status = "stopped"
    try:
        counters = trainer.fit(resume=resume and resumable(run.path))
        status = "finished"
    except KitError as error:
        status = "failed" if isinstance(error, TrainingError) or (run.path / "checkpoint").exists() else "never began"
        raise
    finally:
        if lead and status == "never began":
            discard_run(run)
        elif lead:
            spent = run.info.get("process_seconds", 0.0) + time.process_time() - began  # with what earlier tries took
            run.update(status=status, process_seconds=round(spent, 2), peak_memory_mb=peak_memory_mb(trainer.fabric.device))
    if lead:
        best = counters.best_score if counters.best_score >= 0 else None
        run.update(seconds=counters.seconds, steps=counters.step, best_validation_map=best)
    trainer.fabric.barrier()  # the other processes read what the first has written
    return open_run(run.path)


def load_or_train(
    method: str, dataset: str, *, profile: str | None = None, seed: int = 0, runs: str | Path = "runs", **options: Any
) -> Run:
    """The finished run of these parameters under ``runs`` if there is one; else train it (going on where an earlier try stopped).

    Runs are found by a name that holds a hash of every parameter and of the data, so another setting never returns a wrong run.
    ``options`` are those of ``train``.
    """
    what = [options.get(name) for name in ("overrides", "data_root")]
    plan = _plan(method, dataset, profile, seed, *what, options.get("split", 1), options.get("allow_partial", False))
    return train(method, dataset, profile=profile, seed=seed, out=Path(runs) / run_name(plan.record), resume=True, **options)


def run_name(record: Mapping[str, Any]) -> str:
    """A folder name that differs whenever the run would."""
    keys = ("method", "dataset", "split", "profile", "seed", "fingerprint", "settings", "start_weights", "recipe")
    text = json.dumps({key: record[key] for key in keys}, sort_keys=True, default=list)
    return (
        f"{record['method']}-{record['dataset']}-{record['profile']}-seed{record['seed']}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"
    )


def prepared_dataset(name: str, recipe: Recipe, root: str | Path | None = None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """The data set, cut to the recipe's ``limit_identities``."""
    data = load_dataset(name, root, split=split, allow_partial=allow_partial)
    return data if recipe.limit_identities is None else data.limited(recipe.limit_identities)


def training_store(data: Dataset, recipe: Recipe, *, quiet: bool = True) -> ImageStore:
    """The images that a recipe learns from."""
    return ImageStore(data, data.table(recipe.train_on), recipe.image_size, progress=not quiet, resample=recipe.resample)


def make_fabric(device: str = "auto", devices: int = 1, precision: str = "32-true") -> Fabric:
    """Launch lightning-fabric: device, precision, and with ``devices`` > 1 one process each (gloo on CPU, nccl on GPUs).

    Raises:
        SettingError: an unknown precision, or a device that is not there.
    """
    accelerator = resolve_device(device).type
    strategy: Any = "auto"
    if devices > 1:
        # A term of weight 0 leaves parameters unused.
        strategy = DDPStrategy(process_group_backend="gloo" if accelerator == "cpu" else "nccl", find_unused_parameters=True)
    try:
        fabric = Fabric(accelerator=accelerator, devices=devices, strategy=strategy, precision=precision)
    except (ValueError, RuntimeError) as error:
        raise SettingError(f"cannot use {devices} x {accelerator} at precision {precision!r}: {' '.join(str(error).split())}") from error
    fabric.launch()
    return fabric


def _open_folder(folder: Path, record: dict[str, Any], fabric: Fabric, resume: bool) -> Run:
    """Make the run folder once, by the first process."""
    if fabric.is_global_zero:
        start_run(folder, record, resume=resume)
    fabric.barrier()
    return open_run(folder)


def _extraction(labels: Mapping[int, int]) -> Extraction:
    """Features (N, D), labels (N,) and modality (N,) of a store's images in evaluation mode, without drawing random numbers."""

    def extract(method: Method, store: ImageStore) -> tuple[Tensor, Tensor, Tensor]:
        features = extract_features(method, store)
        classes = torch.as_tensor([labels[identity] for identity in store.table["identity"]])
        modality = torch.as_tensor([MODALITIES.index(name) for name in store.table["modality"]])
        return features.matrix, classes, modality

    return extract
