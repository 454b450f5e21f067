"""Weight files of trunks, ImageNet's first of all: found, checked by hash, loaded, and what did not fit reported."""

from __future__ import annotations

import re
import shutil
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from tqdm.auto import tqdm

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.files import sha256_of, written_aside
from vireidkit.nn.trunk import Trunk

# The IMAGENET1K_V1 files that torchvision documents. The digits before ".pth" open the file's SHA-256.
IMAGENET_ADDRESSES = {
    18: "https://download.pytorch.org/models/resnet18-f37072fd.pth",
    50: "https://download.pytorch.org/models/resnet50-0676ba61.pth",
    101: "https://download.pytorch.org/models/resnet101-63fe2227.pth",
}
DOWNLOAD = "download"
WRAPPER = "module."
TIMEOUT_SECONDS = 30


@dataclass(frozen=True)
class LoadReport:
    """What became of a weight file.

    Attributes:
        source: the file; sha256: of its bytes.
        missing: names in the network's trunks that the file lacks: inserted blocks, which keep their initial values.
        unexpected: names in the file that no trunk has, such as ``fc.weight``, or norms where the trunk has others.
    """

    source: Path
    sha256: str
    missing: tuple[str, ...]
    unexpected: tuple[str, ...]

    def __str__(self) -> str:
        counted = [f"{len(names)} {kind} {_some(names)}" for kind, names in (("missing", self.missing), ("unexpected", self.unexpected))]
        return f"loaded {self.source}: {', '.join(counted)}"


def load_imagenet(network: nn.Module, depth: int, source: str | Path = DOWNLOAD) -> LoadReport:
    """Load ImageNet weights into every ``Trunk`` inside ``network``; both stems of a two-stream network get the same stem.

    Args:
        network: anything that holds trunks or parts of them, of width 1.
        depth: the trunks' depth, 18, 50 or 101.
        source: "download" (kept in torch's hub folder and not fetched twice), or a file with torchvision's names.

    Raises:
        CheckpointError: the file cannot be fetched, does not match its hash, is truncated, or belongs to another network.
        SettingError: no file is known for this depth.
    """
    return load_weight_file(network, imagenet_file(depth) if str(source) == DOWNLOAD else Path(source).expanduser())


def load_weight_file(network: nn.Module, path: Path) -> LoadReport:
    """Load a weight file into every ``Trunk`` inside ``network``.

    Raises:
        CheckpointError: the file is missing, damaged, or belongs to another network.
    """
    state = read_weights(path)
    missing, unexpected = load_trunks(network, state, what=str(path))
    return LoadReport(path, sha256_of(path), missing, unexpected)


def imagenet_file(depth: int) -> Path:
    """The path of torchvision's file for a depth, downloaded into torch's hub folder unless it lies there.

    Raises:
        SettingError: no file is known for this depth.
        CheckpointError: the download failed or its hash is wrong.
    """
    if depth not in IMAGENET_ADDRESSES:
        known = ", ".join(map(str, IMAGENET_ADDRESSES))
        raise SettingError(f"ImageNet weights are known for the depths {known}; found {depth}: give a file instead")
    address = IMAGENET_ADDRESSES[depth]
    path = Path(torch.hub.get_dir()) / "checkpoints" / address.rpartition("/")[2]
    if not path.exists():
        _download(address, path)
    return path


def _download(address: str, path: Path) -> None:
    """Fetch ``address`` to ``path``, whole and with the right hash, or not at all."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT_SECONDS) as stream, written_aside(path) as aside:
            size = int(stream.headers.get("Content-Length") or 0) or None
            with tqdm.wrapattr(stream, "read", total=size, desc=path.name) as counted, aside.open("wb") as out:
                shutil.copyfileobj(counted, out)
            check_hash(aside, path.name)
    except (OSError, HTTPException) as error:
        reason = getattr(error, "reason", None) or error
        advice = f"fetch it on a machine with a network and set pretrained=PATH/{path.name} or put it at {path}"
        raise CheckpointError(f"cannot download {address} ({reason}): {advice}; pretrained=none starts at random") from error


def check_hash(path: Path, name: str | None = None) -> None:
    """Compare a file with the hash that its name promises, as in ``resnet50-0676ba61.pth``; other names promise none.

    Raises:
        CheckpointError: the hash differs.
    """
    name = name or path.name
    promised = re.search(r"-([0-9a-f]{8,64})\.\w+$", name)
    if promised and not (found := sha256_of(path)).startswith(promised[1]):
        raise CheckpointError(f"{name} is damaged or not the published file: SHA-256 should begin with {promised[1]}, found {found[:12]}")


def read_weights(path: str | Path) -> dict[str, Tensor]:
    """The tensors of a .safetensors or torch file by name. Nothing but tensors is unpickled.

    Raises:
        CheckpointError: the file is missing, truncated, does not match its hash or holds something else.
    """
    path = Path(path)
    if not path.is_file():
        raise CheckpointError(f"weight file not found: {path}")
    check_hash(path)
    try:
        state = load_file(path) if path.suffix == ".safetensors" else torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # a damaged file can fail anywhere in the reader: struct.error, EOFError, UnpicklingError, ...
        reason = str(error).strip().partition("\n")[0]
        raise CheckpointError(f"weight file cannot be read, it may be truncated: {path}: {reason}") from error
    if not isinstance(state, Mapping) or not state or not all(isinstance(value, Tensor) for value in state.values()):
        raise CheckpointError(f"weight file {path} should hold tensors by name, as torchvision's do; found {type(state).__name__}")
    wrapped = all(name.startswith(WRAPPER) for name in state)  # saved from torch's DataParallel, as some of torchreid's are
    return {name.removeprefix(WRAPPER): value for name, value in state.items()} if wrapped else dict(state)


def load_trunks(network: nn.Module, state: Mapping[str, Tensor], *, what: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Copy ``state`` into every ``Trunk`` inside ``network``. Nothing is copied unless everything fits.

    Args:
        network: holds one or more trunks or parts of trunks; parts share their names with the whole.
        state: tensors under the trunk's own names; what: names their source in errors.

    Returns:
        Names missing from ``state`` (with their place in ``network``), and names of ``state`` that no trunk has.

    Raises:
        ValueError: the network holds no trunk.
        CheckpointError: a shape differs, a name of the published network is absent, or ``state`` has blocks that the trunk lacks.
    """
    trunks = {name: module for name, module in network.named_modules() if isinstance(module, Trunk)}
    if not trunks:
        raise ValueError(f"expected a network with a Trunk inside; found {type(network).__name__}")
    missing: list[str] = []
    unexpected = set(state)
    for place, trunk in trunks.items():
        missing += [".".join(filter(None, (place, key))) for key in _check_fit(trunk, state, what)]
        unexpected -= trunk.state_dict().keys()
    roots = {key.partition(".")[0] for trunk in trunks.values() for key in trunk.state_dict()}
    replaced = tuple(start for trunk in trunks.values() for start in trunk.replaced)
    if foreign := sorted(key for key in unexpected if key.partition(".")[0] in roots and not key.startswith(replaced)):
        raise CheckpointError(f"{what} belongs to another network: it has {_some(foreign)}, which the trunk has not")
    for trunk in trunks.values():
        trunk.load_state_dict({key: state[key] for key in trunk.state_dict() if key in state}, strict=False)
    return tuple(missing), tuple(sorted(unexpected))


def _check_fit(trunk: Trunk, state: Mapping[str, Tensor], what: str) -> list[str]:
    """The names that ``state`` may lack and does lack."""
    missing = []
    for key, value in trunk.state_dict().items():
        if key not in state:
            missing.append(key)
        elif state[key].shape != value.shape:
            expected, found = tuple(value.shape), tuple(state[key].shape)
            hint = "is it of another width? torchvision's ImageNet files fit width 1.0"
            raise CheckpointError(f"{what} does not fit: {key} should be {expected}, found {found}; {hint}")
    # Files from before torch 0.4.1 have no batch counters, which only a batch norm without momentum reads.
    needed = [key for key in missing if not key.endswith("num_batches_tracked") and not set(key.split(".")) & set(trunk.added)]
    if needed:
        raise CheckpointError(f"{what} lacks {len(needed)} of the trunk's tensors: {_some(needed)}")
    return missing


def _some(names: tuple[str, ...] | list[str], count: int = 3) -> str:
    """The first few names in brackets."""
    return f"({', '.join(names[:count])}{', ...' if len(names) > count else ''})"
