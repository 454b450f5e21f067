"""Checkpoints: folders of safetensors and JSON, written aside and renamed, with everything needed to resume exactly."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from vireidkit.errors import CheckpointError
from vireidkit.files import read_json, sha256_of, write_json, write_text
from vireidkit.methods.base import Method

FORMAT = 1
_FILES = ("model.safetensors", "optimizer.safetensors")


def save_checkpoint(
    folder: Path, method: Method, optimizer: torch.optim.Optimizer, counters: dict[str, Any], *, keep: tuple[str, ...] = ()
) -> Path:
    """Write ``folder/step-N`` and point ``folder/latest`` at it; older steps go, except those that ``best``, ``kept`` or ``keep`` name.

    ``counters`` must hold ``step`` (finished steps of the whole run) and whatever else the loop needs to go on.

    Raises:
        CheckpointError: the folder cannot be written to.
    """
    name = f"step-{counters['step']}"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        aside = Path(tempfile.mkdtemp(prefix=f".{name}.", suffix=".part", dir=folder))
    except OSError as error:
        raise CheckpointError(f"cannot write checkpoint folder {folder}: {error.strerror or error}") from error
    try:
        _write(aside, method, optimizer, counters)
        target = folder / name
        if target.exists():
            shutil.rmtree(target)
        os.replace(aside, target)
    except OSError as error:
        raise CheckpointError(f"cannot write checkpoint {folder / name}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    write_text(folder / "latest", name + "\n")
    _prune(folder, {name, *keep, *kept_checkpoints(folder), *([_pointed(folder, "best")] if (folder / "best").exists() else [])})
    return target


def mark_best(folder: Path, name: str) -> None:
    """Point ``folder/best`` at the checkpoint ``name``."""
    write_text(folder / "best", name + "\n")


def unmark_best(folder: Path) -> None:
    """No checkpoint of ``folder`` is the best one; what was goes when the next is written."""
    (folder / "best").unlink(missing_ok=True)


def mark_kept(folder: Path, name: str) -> None:
    """Add the checkpoint ``name`` to those that stay when later ones are written."""
    write_text(folder / "kept", "".join(f"{one}\n" for one in dict.fromkeys([*kept_checkpoints(folder), name])))


def kept_checkpoints(folder: Path) -> list[str]:
    """The names in ``folder/kept``, oldest first; none where training was not asked to keep any."""
    path = folder / "kept"
    return path.read_text(encoding="utf-8").split() if path.exists() else []


def load_weights(path: Path, method: Method) -> dict[str, Any]:
    """Load a checkpoint's weights and extra state into ``method``; return its state.

    Raises:
        CheckpointError: missing or truncated files, or a checkpoint of another method, size or setting.
    """
    state = read_state(path)
    _check_same(path, state["method"], method.described())
    tensors = _read_tensors(path, "model.safetensors", state)
    try:
        missing, unexpected = method.load_state_dict(tensors, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"checkpoint {path} does not fit the method: {str(error).splitlines()[-1].strip()}") from error
    if missing or unexpected:
        raise CheckpointError(f"checkpoint {path} does not fit the method: missing {list(missing)[:3]}, unexpected {list(unexpected)[:3]}")
    method.load_extra_state(state["extra_state"])
    return state


def load_optimizer(path: Path, optimizer: torch.optim.Optimizer, state: dict[str, Any]) -> None:
    """Load a checkpoint's optimiser state.

    Raises:
        CheckpointError: missing or truncated file, or another optimiser.
    """
    tensors = _read_tensors(path, "optimizer.safetensors", state)
    slots: dict[int, dict[str, Any]] = {}
    for name, tensor in tensors.items():
        index, key = name.split(".", 1)
        slots.setdefault(int(index), {})[key] = tensor
    for index, key, value in state["optimizer_scalars"]:
        slots.setdefault(index, {})[key] = value
    try:
        optimizer.load_state_dict({"state": slots, "param_groups": state["optimizer_groups"]})
    except (ValueError, KeyError) as error:
        raise CheckpointError(f"checkpoint {path} holds another optimiser: {error}") from error


def read_state(path: Path) -> dict[str, Any]:
    """The JSON part of a checkpoint.

    Raises:
        CheckpointError: missing, unreadable, or of another format.
    """
    state = read_json(path / "state.json", what="checkpoint", error=CheckpointError)
    if state.get("format") != FORMAT:
        raise CheckpointError(f"checkpoint {path} has format {state.get('format')}, expected {FORMAT}")
    return state


def find_checkpoint(folder: Path, which: str) -> Path:
    """The checkpoint that ``which`` ("latest", "best" or "step-N") names.

    Raises:
        CheckpointError: there is none.
    """
    name = _pointed(folder, which) if which in ("latest", "best") else which
    path = folder / name
    if not path.is_dir():
        raise CheckpointError(f"no checkpoint {which!r} in {folder}")
    return path


def _pointed(folder: Path, pointer: str) -> str:
    """The name in a pointer file."""
    try:
        return (folder / pointer).read_text(encoding="utf-8").strip()
    except OSError as error:
        raise CheckpointError(f"no checkpoint {pointer!r} in {folder}") from error


def _write(folder: Path, method: Method, optimizer: torch.optim.Optimizer, counters: dict[str, Any]) -> None:
    """All files of one checkpoint; the state goes last because it holds the others' hashes."""
    folder.chmod(0o755)
    _save_tensors(folder / "model.safetensors", dict(method.state_dict()))
    packed = optimizer.state_dict()
    tensors, scalars = {}, []
    for index, slot in packed["state"].items():
        for key, value in slot.items():
            if isinstance(value, Tensor):
                tensors[f"{index}.{key}"] = value
            else:
                scalars.append([index, key, value])
    _save_tensors(folder / "optimizer.safetensors", tensors)
    state = {
        "format": FORMAT,
        "method": method.described(),
        "extra_state": method.extra_state(),
        "counters": counters,
        "optimizer_scalars": scalars,
        "optimizer_groups": packed["param_groups"],
        "sha256": {name: sha256_of(folder / name) for name in _FILES},
    }
    write_json(folder / "state.json", state)


def _save_tensors(path: Path, tensors: dict[str, Tensor]) -> None:
    """A safetensors file of independent copies (the format refuses tensors that share memory)."""
    save_file({name: tensor.detach().cpu().contiguous().clone() for name, tensor in tensors.items()}, path)


def _read_tensors(path: Path, name: str, state: dict[str, Any]) -> dict[str, Tensor]:
    """One safetensors file, checked against its recorded hash."""
    try:
        found = sha256_of(path / name)
        if found != state["sha256"][name]:
            raise CheckpointError(
                f"checkpoint file {path / name} is damaged: expected sha256 {state['sha256'][name][:12]}, found {found[:12]}"
            )
        return load_file(path / name)
    except (OSError, SafetensorError) as error:
        raise CheckpointError(f"checkpoint file {path / name} cannot be read: {error}") from error


def _check_same(path: Path, stored: dict[str, Any], wanted: dict[str, Any]) -> None:
    """Compare what a checkpoint says of its method with the method at hand, through JSON so that tuples equal lists."""
    wanted = json.loads(json.dumps(wanted))
    for key in ("name", "num_identities"):
        if stored[key] != wanted[key]:
            raise CheckpointError(f"checkpoint {path} belongs to another method: expected {key} {wanted[key]!r}, found {stored[key]!r}")
    differing = [k for k in wanted["settings"] if stored["settings"].get(k) != wanted["settings"][k]]
    if differing:
        k = differing[0]
        found, expected = stored["settings"].get(k), wanted["settings"][k]
        raise CheckpointError(f"checkpoint {path} was made with another setting: expected {k}={expected!r}, found {k}={found!r}")


def _prune(folder: Path, keep: set[str]) -> None:
    """Remove checkpoints that nothing points at."""
    for path in folder.glob("step-*"):
        if path.name not in keep:
            shutil.rmtree(path, ignore_errors=True)
