"""A run: the folder that training leaves behind, and what can be read back from it."""

from __future__ import annotations

import json
import platform
import resource
import subprocess
import sys
from dataclasses import MISSING, asdict, dataclass, fields
from functools import cached_property
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from vireidkit.data.augmentation import Augmentation
from vireidkit.errors import CheckpointError, KitError, SettingError
from vireidkit.files import read_json, write_json, write_text
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Recipe
from vireidkit.methods.registry import build_method, get_recipe, start_weights, with_overrides
from vireidkit.training.checkpoint import find_checkpoint, kept_checkpoints, load_weights
from vireidkit.training.history import read_history

# What must agree before a folder's checkpoint may be continued.
IDENTITY = ("method", "dataset", "split", "profile", "seed", "fingerprint", "settings", "start_weights", "recipe")


@dataclass(frozen=True)
class Run:
    """A run folder: ``run.json``, ``history.csv``, ``checkpoint/`` and, once evaluated, ``scores.json``."""

    path: Path

    @cached_property
    def info(self) -> dict[str, Any]:
        """What ``run.json`` holds: parameters, recipe, versions, commit, fingerprint, status, durations, peak memory.

        Raises:
            CheckpointError: there is no run here.
        """
        return read_json(self.path / "run.json", what="run", error=CheckpointError)

    @property
    def finished(self) -> bool:
        """Whether training reached its end."""
        return self.info.get("status") == "finished"

    @property
    def name(self) -> str:
        """The folder's name."""
        return self.path.name

    def history(self) -> pd.DataFrame:
        """One row a step: losses, learning rate, images a second, validation scores."""
        return read_history(self.path / "history.csv")

    def kept(self) -> list[str]:
        """Names of the checkpoints that ``train(..., keep_every=N)`` kept, oldest first; none where it was not asked to."""
        return kept_checkpoints(self.path / "checkpoint")

    def best_checkpoint(self) -> str:
        """ "best" where validation chose one, else "latest"."""
        return "best" if (self.path / "checkpoint" / "best").exists() else "latest"

    def method(self, checkpoint: str | None = None) -> Method:
        """The trained network, in evaluation mode. ``checkpoint``: "best", "latest", "step-N", or None for best-if-any.

        Raises:
            CheckpointError: no such checkpoint, or a damaged one.
        """
        path = find_checkpoint(self.path / "checkpoint", checkpoint or self.best_checkpoint())
        method = self._network()
        load_weights(path, method)
        return method.eval()

    def untrained(self) -> Method:
        """The same network with the weights that training began from (loading pretrained ones where the run did).

        Raises:
            CheckpointError: the pretrained weights are gone, or are others than the run began from.
        """
        expected, found = self.info.get("start_weights"), start_weights(self.info["method"], self.info["settings"])
        if expected != found:
            raise CheckpointError(f"{self.path} began from other pretrained weights: expected {expected}, found {found}")
        method = self._network()
        recipe = get_recipe(self.info["method"], self.info["dataset"], self.info["profile"])
        recipe, _ = with_overrides(self.info["method"], recipe, self.info["overrides"])
        method.on_stage_start(next(iter(method.stages(recipe))))
        return method.eval()

    def _network(self) -> Method:
        """The run's network as it is built."""
        return build_method(self.info["method"], self.info["num_identities"], seed=self.info["seed"], **self.info["settings"])

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) that the network was trained at."""
        height, width = self.info["recipe"]["image_size"]
        return height, width

    @property
    def resample(self) -> str:
        """The filter by which pictures were brought to that size; runs that do not say were made with the kit's usual one."""
        return self.info["recipe"].get("resample", "lanczos")

    def update(self, **values: Any) -> None:
        """Write values into ``run.json``."""
        info = {**self.info, **values}
        write_json(self.path / "run.json", info)
        self.__dict__.pop("info", None)


def open_run(path: str | Path) -> Run:
    """The run in a folder.

    Raises:
        CheckpointError: the folder holds no run.
    """
    run = Run(Path(path))
    if "method" not in run.info:
        raise CheckpointError(
            f"{run.path / 'run.json'} is no run record: expected a key 'method', found {', '.join(run.info) or 'nothing'}"
        )
    return run


def start_run(path: Path, info: dict[str, Any], *, resume: bool) -> Run:
    """Make or take up a run folder.

    Raises:
        SettingError: the folder already holds a run and ``resume`` is off.
        CheckpointError: the folder holds a run of another method, data set, seed or setting.
    """
    run = Run(path)
    if (path / "run.json").exists():
        if not resume:
            raise SettingError(f"{path} already holds a run ({run.info.get('status', 'unknown status')}): use --resume, or another --out")
        _check_same(run, info)
        return run
    if path.exists() and not path.is_dir():
        raise KitError(f"cannot write {path}: it is a file, expected a folder")
    write_json(path / "run.json", info)
    write_text(path / ".gitignore", "*\n")
    return run


def discard_run(run: Run) -> None:
    """Take back what ``start_run`` wrote, for a run that could not begin; other files in the folder stay."""
    for name in ("run.json", ".gitignore"):
        (run.path / name).unlink(missing_ok=True)
    if not any(run.path.iterdir()):
        run.path.rmdir()


def run_record(recipe: Recipe, **values: Any) -> dict[str, Any]:
    """The first content of ``run.json``: what was asked for, and with which software."""
    return {
        "format": 1,
        **values,
        # What a recipe says of itself may be reworded; what it does makes the run.
        "recipe": _essential({key: value for key, value in asdict(recipe).items() if key not in ("source", "expects", "takes")}),
        "status": "running",
        "versions": versions(),
        "commit": commit(),
        "command": " ".join(sys.argv),
    }


def versions() -> dict[str, str]:
    """Versions of what results depend on."""
    found = {"python": platform.python_version()}
    for name in ("vireidkit", "torch", "lightning-fabric", "numpy", "pandas", "pillow"):
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def commit() -> str:
    """The checkout's commit, with ``+`` when files differ from it; "unknown" outside a checkout."""
    root = Path(__file__).resolve().parents[2]
    if not (root / ".git").exists():
        return "unknown"
    try:
        head = subprocess.run(["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, timeout=20, check=True)
        dirty = subprocess.run(
            ["git", "status", "--porcelain", "--untracked-files=no"], cwd=root, capture_output=True, text=True, timeout=20
        )
    except (OSError, subprocess.SubprocessError):
        return "unknown"
    return head.stdout.strip() + ("+" if dirty.stdout.strip() else "")


def peak_memory_mb(device: torch.device) -> dict[str, float]:
    """Peak memory of this process in MB, and of the GPU when there is one."""
    found = {"process": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, 1)}
    if device.type == "cuda":
        found["gpu"] = round(torch.cuda.max_memory_allocated(device) / 2**20, 1)
    return found


def _essential(recipe: dict[str, Any]) -> dict[str, Any]:
    """A recorded recipe as JSON, without what came later than the first records and stands at its default: old runs are still the same."""
    recipe = _as_json(recipe)
    for kind, values in ((Recipe, recipe), (Augmentation, recipe["augmentation"])):
        for field in fields(kind):
            default = field.default_factory() if field.default is MISSING and field.default_factory is not MISSING else field.default
            if field.metadata.get("later") and values.get(field.name) == default:
                del values[field.name]
    return recipe


def _as_json(value: Any) -> Any:
    """The value as JSON gives it back (tuples become lists)."""
    return json.loads(json.dumps(value))


def _check_same(run: Run, info: dict[str, Any]) -> None:
    """The folder's run must be the one asked for."""
    info = _as_json(info)
    for key in IDENTITY:
        expected, found = info[key], run.info.get(key)
        if key == "recipe" and isinstance(found, dict) and isinstance(found.get("augmentation"), dict):
            found = _essential(found)
        if expected == found:
            continue
        if isinstance(expected, dict) and isinstance(found, dict):
            inner = next(k for k in {**expected, **found} if expected.get(k) != found.get(k))
            key, expected, found = f"{key}.{inner}", expected.get(inner), found.get(inner)
        raise CheckpointError(f"{run.path} holds another run: expected {key} {expected!r}, found {found!r}")
