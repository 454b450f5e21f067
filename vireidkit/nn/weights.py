"""Start weights of a trunk: ImageNet's, the kit's own from visible-only pretraining on Twilight, or those of a file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from torch import nn

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.files import read_json, sha256_of
from vireidkit.nn.imagenet import IMAGENET_ADDRESSES, LoadReport, imagenet_file, load_weight_file
from vireidkit.nn.trunks import RESNET_DEPTHS, trunk_name

IMAGENET, TWILIGHT, FILE = "imagenet", "twilight", "file"
VARIABLE = "VIREIDKIT_WEIGHTS"
CARD = "weights.json"
SCRATCH = "start at random with pretrained=none"


def load_pretrained(network: nn.Module, trunk: str, width: float, source: str | Path, *, folder: str | Path | None = None) -> LoadReport:
    """Load start weights into every ``Trunk`` inside ``network``; both copies of a two-stream network's own stages get the same.

    Args:
        network: anything that holds trunks ``trunk`` of this ``width``, or parts of them.
        source: "imagenet" (torchvision's file, downloaded once), "twilight" (the kit's own), or the path of a file.
        folder: see ``find_kit_weights``.

    Raises:
        CheckpointError: the file is missing, damaged, or belongs to another network.
        SettingError: no ImageNet file is known for this trunk.
    """
    return load_weight_file(network, start_file(trunk, width, source, folder=folder))


def start_file(trunk: str, width: float, source: str | Path, *, folder: str | Path | None = None) -> Path:
    """The file that ``source`` means for this trunk; see ``load_pretrained``."""
    if source == TWILIGHT:
        return find_kit_weights(trunk_name(trunk, width), folder)
    return imagenet_file(_depth(trunk)) if source == IMAGENET else Path(source).expanduser()


def start_hash(trunk: str, width: float, source: str | Path, *, folder: str | Path | None = None) -> str:
    """What tells one start file from another: its SHA-256, or for ImageNet the published name, so that nothing is downloaded.

    Raises:
        CheckpointError: there is no such file, or the kit's own is damaged.
        SettingError: no ImageNet file is known for this trunk.
    """
    if source == IMAGENET:
        return IMAGENET_ADDRESSES[_depth(trunk)].rpartition("/")[2]
    path = start_file(trunk, width, source, folder=folder)
    if not path.is_file():
        raise CheckpointError(f"weight file not found: {path}; {SCRATCH}")
    return sha256_of(path)


def origin_of(source: str | Path) -> str:
    """What a network is said to come from once ``source`` was loaded: "imagenet", "twilight" or "file"."""
    return str(source) if source in (IMAGENET, TWILIGHT) else FILE


def _depth(trunk: str) -> int:
    """The depth under which ImageNet files are known."""
    if trunk not in RESNET_DEPTHS:
        raise SettingError(
            f"no ImageNet file of {trunk} can be downloaded (its authors' lie on a file-sharing site): "
            f"give the path of one that you have, use pretrained={TWILIGHT}, or {SCRATCH}"
        )
    return RESNET_DEPTHS[trunk]


def weights_folder(folder: str | Path | None = None) -> Path:
    """Where the kit's own weights lie: the argument, else $VIREIDKIT_WEIGHTS, else ``data/weights`` of the checkout."""
    named = folder or os.environ.get(VARIABLE)
    return Path(named).expanduser().absolute() if named else Path(__file__).resolve().parents[2] / "data" / "weights"


def read_card(folder: str | Path | None = None) -> dict[str, dict[str, Any]]:
    """What is known of each file of the kit's own weights, by trunk name; nothing where there is no card.

    Raises:
        CheckpointError: the card cannot be read.
    """
    path = weights_folder(folder) / CARD
    if not path.exists():
        return {}
    card = read_json(path, what="card of the weights", error=CheckpointError)
    trunks = card.get("trunks") if isinstance(card, Mapping) else None
    if not isinstance(trunks, dict) or not all(isinstance(entry, dict) and {"file", "sha256"} <= set(entry) for entry in trunks.values()):
        raise CheckpointError(f"{path} should hold an object 'trunks' with file and sha256 of each")
    return trunks


def find_kit_weights(name: str, folder: str | Path | None = None) -> Path:
    """The kit's own weight file of a trunk such as "resnet18-x0.25", once its bytes were compared with the card's SHA-256.

    Raises:
        CheckpointError: card or file is missing, the card does not list the trunk, or the bytes differ.
    """
    place, card = weights_folder(folder), read_card(folder)
    trunk, _, width = name.rpartition("-x")
    remedy = f"make it with `vireidkit pretrain {trunk} --width {width} --data DIR --out {place}`, or {SCRATCH}"
    if not card:
        raise CheckpointError(
            f"no pretrained weights of {name}: {place / CARD} does not exist; installed packages come without it: "
            f"name the folder data/weights of a checkout in {VARIABLE}, {remedy}"
        )
    if name not in card:
        raise CheckpointError(f"no pretrained weights of {name}: {place / CARD} lists {', '.join(sorted(card)) or 'nothing'}; {remedy}")
    path, promised = place / card[name]["file"], card[name]["sha256"]
    if not path.is_file():
        raise CheckpointError(f"weight file not found: {path}, which {CARD} lists; restore it from the repository, {remedy}")
    if (found := sha256_of(path)) != promised:
        raise CheckpointError(
            f"{path} is not the file that {CARD} lists: expected SHA-256 {promised[:12]}, found {found[:12]}; "
            f"restore both from the repository, {remedy}"
        )
    return path
