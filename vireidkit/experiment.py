"""Whole journeys in one call: train, evaluate, load-or-train. Notebooks and the command line use these; the rooms do not."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from lightning_fabric import Fabric
from lightning_fabric.strategies import DDPStrategy
from torch import Tensor

from vireidkit.data import Dataset, ImageStore, load_dataset
from vireidkit.errors import KitError, SettingError, TrainingError
from vireidkit.evaluation import Features, Scores, evaluate, extract_features, get_protocol, write_scores
from vireidkit.methods import Method, Recipe, build_method, default_profile, get_recipe, start_weights, with_overrides
from vireidkit.modality import MODALITIES
from vireidkit.training import Run, Trainer, discard_run, open_run, resumable, run_record, start_run
from vireidkit.training.loop import Extraction, Validation
from vireidkit.training.run import peak_memory_mb

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
) -> Run:
    """Train a method on a data set by its recipe and leave a run folder.

    Args:
        method, dataset, profile, seed: what to run; ``profile=None`` is "study" for Twilight and "paper" elsewhere.
        out: the run folder; by default ``runs/<method>-<dataset>-<profile>-seed<seed>-<hash of everything else>``.
        overrides: settings of the method or fields of the recipe.
        data_root, split, allow_partial: see ``load_dataset``.
        device, devices, precision: "auto", "cpu" or "cuda"; processes; lightning-fabric's precision names.
        resume: go on from the folder's latest checkpoint, or start when there is none; a finished run is returned as it is.

    Raises:
        KitError: anything the user can mend.
        TrainingStopped: a signal stopped the run.
    """
    plan = _plan(method, dataset, profile, seed, overrides, data_root, split, allow_partial)
    precision = precision or plan.recipe.precision
    fabric = make_fabric(device, devices, precision)
    folder = Path(out) if out is not None else Path("runs") / run_name(plan.record)
    run = _open_folder(folder, {**plan.record, "devices": devices, "precision": precision}, fabric, resume)
    return run if run.finished else _carry_out(run, _trainer(plan, run, fabric, quiet), resume)


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
    )
    return _Plan(recipe, settings, data, record)


def _trainer(plan: _Plan, run: Run, fabric: Fabric, quiet: bool) -> Trainer:
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
        validate=_validation(data, recipe),
        extract=_extraction(data.labels(recipe.train_on)),
        quiet=quiet,
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


def evaluate_run(
    run: Run | str | Path,
    protocols: Sequence[str] | None = None,
    *,
    checkpoint: str | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    quiet: bool = True,
) -> dict[str, Scores]:
    """Score a run on its data set's test split and write ``scores.json``.

    Args:
        protocols: names; by default every protocol of the data set.
        checkpoint: "best", "latest" or "step-N"; by default the best on validation identities, or the latest where there is none.
    """
    run = run if isinstance(run, Run) else open_run(run)
    data = dataset_of(run, data_root)
    chosen = [get_protocol(name) for name in protocols or data.protocols]
    features = test_features(run, data=data, checkpoint=checkpoint, device=device, quiet=quiet)
    scores = {protocol.key: evaluate(features, data, protocol) for protocol in chosen}
    write_scores(run.path / "scores.json", scores)
    return scores


def test_features(
    run: Run,
    *,
    data: Dataset | None = None,
    checkpoint: str | None = None,
    untrained: bool = False,
    device: str = "auto",
    quiet: bool = True,
) -> Features:
    """Test descriptors of a run: of a checkpoint, or (``untrained``) of the weights that training began from."""
    data = data or dataset_of(run)
    method = run.untrained() if untrained else run.method(checkpoint)
    store = ImageStore(data, data.table("test"), run.image_size, progress=not quiet)
    return extract_features(method, store, device=resolve_device(device), allow_untrained=untrained)


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


def dataset_of(run: Run, data_root: str | Path | None = None) -> Dataset:
    """The data set that a run was trained on, from its recorded folder or from ``data_root``.

    Raises:
        SettingError: the folder's content is not what the run was trained on.
    """
    info = run.info
    data = load_dataset(info["dataset"], data_root or info["data_root"], split=info["split"], allow_partial=True)
    if info["recipe"]["limit_identities"] is not None:
        data = data.limited(info["recipe"]["limit_identities"])
    if data.fingerprint != info["fingerprint"]:
        raise SettingError(
            f"{data.root} is not what {run.path} was trained on: expected fingerprint {info['fingerprint']}, found {data.fingerprint}"
        )
    return data


def training_store(data: Dataset, recipe: Recipe, *, quiet: bool = True) -> ImageStore:
    """The images that a recipe learns from."""
    return ImageStore(data, data.table(recipe.train_on), recipe.image_size, progress=not quiet)


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


def resolve_device(device: str = "auto") -> torch.device:
    """ "auto" is the GPU when there is one.

    Raises:
        SettingError: "cuda" was asked for and is not there, or another name.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SettingError(f"unknown device {device!r}; known: auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("device 'cuda' was asked for, but torch finds no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


def _open_folder(folder: Path, record: dict[str, Any], fabric: Fabric, resume: bool) -> Run:
    """Make the run folder once, by the first process."""
    if fabric.is_global_zero:
        start_run(folder, record, resume=resume)
    fabric.barrier()
    return open_run(folder)


def _validation(data: Dataset, recipe: Recipe) -> Validation | None:
    """Infrared-to-visible scores on identities that are not learnt; None where there are none."""
    if recipe.train_on != "train" or not recipe.validate_every or len(data.table("validation")) == 0:
        return None
    store = ImageStore(data, data.table("validation"), recipe.image_size, progress=False)
    protocol = get_protocol("ir2vis")

    def validate(method: Method) -> dict[str, float]:
        scores = evaluate(extract_features(method, store), data, protocol, split="validation")
        return {"rank1": scores.mean["rank1"], "map": scores.mean["map"]}

    return validate


def _extraction(labels: Mapping[int, int]) -> Extraction:
    """Features (N, D), labels (N,) and modality (N,) of a store's images in evaluation mode, without drawing random numbers."""

    def extract(method: Method, store: ImageStore) -> tuple[Tensor, Tensor, Tensor]:
        features = extract_features(method, store)
        classes = torch.as_tensor([labels[identity] for identity in store.table["identity"]])
        modality = torch.as_tensor([MODALITIES.index(name) for name in store.table["modality"]])
        return features.matrix, classes, modality

    return extract
