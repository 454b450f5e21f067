"""Sweeps: methods x settings x seeds, two runs at a time, one ledger row a run; rows that exist are skipped."""

from __future__ import annotations

import itertools
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from tqdm.auto import tqdm

from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import Scores, read_scores
from vireidkit.experiment import prepared_dataset, training_store
from vireidkit.ledger import Ledger
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Run
from vireidkit.training.probe import behaviour_probe

KEYS = {"name", "methods", "dataset", "profile", "seeds", "settings", "note"}


@dataclass(frozen=True)
class Cell:
    """One run of a grid."""

    method: str
    dataset: str
    profile: str
    settings: dict[str, Any]
    seed: int

    def __str__(self) -> str:
        changed = " ".join(f"{key}={value}" for key, value in self.settings.items())
        return f"{self.method} {self.dataset} {self.profile} seed {self.seed} {changed}".strip()


def read_grid(path: str | Path) -> tuple[str, list[Cell]]:
    """A grid file: ``name``, ``methods``, ``dataset``, ``profile``, ``seeds``, and ``settings``, a list of key-value maps.

    Returns:
        The name of the ledger table, and the cells: seeds outermost, so that every comparison is paired early.

    Raises:
        SettingError: the file is missing, is no grid, or names an unknown method, profile or setting.
    """
    path = Path(path)
    try:
        grid = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise SettingError(f"grid {path} cannot be read: {' '.join(str(error).split())}") from error
    if not isinstance(grid, dict) or not {"methods", "dataset", "profile", "seeds"} <= set(grid) or set(grid) - KEYS:
        found = ", ".join(map(str, grid)) if isinstance(grid, dict) else type(grid).__name__
        raise SettingError(
            f"grid {path}: expected keys methods, dataset, profile, seeds and optionally name, settings, note; found {found}"
        )
    cells = []
    for seed, method, settings in itertools.product(grid["seeds"], grid["methods"], grid.get("settings") or [{}]):
        with_overrides(method, get_recipe(method, grid["dataset"], grid["profile"]), settings)
        cells.append(Cell(method, grid["dataset"], grid["profile"], dict(settings), int(seed)))
    return grid.get("name", path.stem), cells


def sweep(
    path: str | Path, *, runs: str | Path = "runs/sweep", results: str | Path | None = None, data_root: str | None = None, jobs: int = 2
) -> int:
    """Carry out the runs of a grid that the ledger does not hold yet; interrupted ones go on where they stopped.

    Returns:
        The number of new rows.

    Raises:
        KitError: a run failed; the others that were under way are finished and written first.
    """
    name, cells = read_grid(path)
    ledger = Ledger.read(results)
    todo = [cell for cell in cells if not _done(cell, ledger, data_root)]
    tqdm.write(f"{name}: {len(cells)} runs, {len(cells) - len(todo)} in the ledger, {len(todo)} to do, {jobs} at a time")
    failures = []
    with ThreadPoolExecutor(jobs) as pool, tqdm(total=len(todo), unit="run") as bar:
        waiting = {pool.submit(_run_cell, cell, Path(runs), data_root): cell for cell in todo}
        for done in as_completed(waiting):
            cell = waiting[done]
            try:
                ledger.append(name, _row(cell, done.result(), data_root))
            except KitError as error:
                failures.append(f"{cell}: {error}")
            bar.update()
    if failures:
        raise KitError(f"{len(failures)} of {len(todo)} runs failed; the first: {failures[0]}")
    return len(todo)


def _done(cell: Cell, ledger: Ledger, data_root: str | None) -> bool:
    """Whether the ledger holds this run, made on the data set as it is now."""
    recipe, _ = with_overrides(cell.method, get_recipe(cell.method, cell.dataset, cell.profile), cell.settings)
    fingerprint = prepared_dataset(cell.dataset, recipe, data_root).fingerprint
    run = {"method": cell.method, "dataset": cell.dataset, "profile": cell.profile, "settings": cell.settings, "seed": cell.seed}
    return ledger.has(**run, fingerprint=fingerprint)


def _run_cell(cell: Cell, runs: Path, data_root: str | None) -> Run:
    """Train and evaluate one cell in a process of its own with one thread."""
    settings = "-".join(f"{key}_{value}" for key, value in cell.settings.items()) or "default"
    out = runs / f"{cell.method}-{cell.dataset}-{cell.profile}-{settings}-seed{cell.seed}"
    root = ["--data-root", data_root] if data_root else []
    pairs = list(itertools.chain.from_iterable(("--set", f"{key}={_text(value)}") for key, value in cell.settings.items()))
    command = [
        "train",
        cell.method,
        cell.dataset,
        "--profile",
        cell.profile,
        "--seed",
        str(cell.seed),
        "--out",
        str(out),
        "--resume",
        "--quiet",
    ]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "MKL_NUM_THREADS": "1"}
    for arguments in ([*command, *root, *pairs], ["evaluate", str(out), "--quiet", *root]):
        done = subprocess.run([sys.executable, "-m", "vireidkit", *arguments], capture_output=True, text=True, env=environment)
        if done.returncode:
            raise KitError((done.stderr.strip().splitlines() or [f"exit code {done.returncode}"])[-1].removeprefix("error: "))
    return Run(out)


def _text(value: Any) -> str:
    """A setting as ``--set`` reads it."""
    return value if isinstance(value, str) else json.dumps(value)


def _row(cell: Cell, run: Run, data_root: str | None) -> dict[str, Any]:
    """One ledger row: what was run, its scores, its cost, and how the code behaved."""
    row: dict[str, Any] = {
        "method": cell.method,
        "dataset": cell.dataset,
        "profile": cell.profile,
        "settings": cell.settings,
        "seed": cell.seed,
        "fingerprint": run.info["fingerprint"],
        "probe": probe_of_cell(cell, data_root),
    }
    for key, scores in read_scores(run.path / "scores.json").items():
        row |= dict(_score_columns(key, scores))
    return row | {"seconds": run.info["process_seconds"], "torch": run.info["versions"]["torch"], "commit": run.info["commit"]}


def _score_columns(key: str, scores: Scores) -> Iterator[tuple[str, float]]:
    """``<protocol>_<metric>`` and its spread over trials."""
    for metric in scores.mean:
        yield f"{key}_{metric}", round(scores.mean[metric], 6)
        yield f"{key}_{metric}_std", round(scores.std[metric], 6)


def probe_of_cell(cell: Cell, data_root: str | None = None) -> list[dict[str, float]]:
    """The loss terms of three fixed steps of a cell's method: what the code does now."""
    recipe, settings = with_overrides(cell.method, get_recipe(cell.method, cell.dataset, cell.profile), cell.settings)
    data = prepared_dataset(cell.dataset, recipe, data_root)
    method = build_method(cell.method, len(data.labels(recipe.train_on)), seed=0, **settings)
    return behaviour_probe(method, data, recipe, lambda r: training_store(data, r))


def probe_of_row(row: Any) -> list[dict[str, float]]:
    """The probe of a ledger row, computed with the code as it is now."""
    return probe_of_cell(Cell(row["method"], row["dataset"], row["profile"], json.loads(row["settings"]), 0))
