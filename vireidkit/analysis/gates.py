"""What the gates of an omni-scale network let through: how much of each scale, in each band."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import pandas as pd
import torch
from torch import Tensor, nn

from vireidkit.analysis.attribution import evaluating, pictures_of
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method
from vireidkit.modality import MODALITIES

GATE, INNER = "gate", "sigmoid"


def stream_gates(method: Method, store: Any, *, limit: int = 128) -> pd.DataFrame:
    """How far the gate of every omni-scale block opens for each of its streams, for pictures of each band.

    A block calls one gate once for every stream (OSNet: four, with receptive fields of 3, 5, 7 and 9 positions).

    Args:
        method: any with blocks that hold a child "gate" with a child "sigmoid". store: pictures with a table (modality).
        limit: most pictures of each band, spread evenly over the table.

    Returns:
        One row for each modality, block (from the image on) and stream (from 1): ``modality, block, stream, field`` (of the stream, in
        positions of its map), ``gate`` (mean over pictures and channels, 0..1), ``between_channels`` and ``between_pictures`` (standard
        deviation of the gates of channels, averaged over pictures, and the other way round), ``share`` (of the stream in the sum of
        all gated streams, by mean magnitude; 0..1).

    Raises:
        SettingError: no such gate in the method, or no pictures of a band.
    """
    rows = []
    for name in MODALITIES:
        chosen = np.flatnonzero(store.table["modality"] == name)
        if len(chosen) == 0:
            raise SettingError(f"gates are compared between the bands; no picture is {name}")
        chosen = chosen[np.linspace(0, len(chosen) - 1, min(limit, len(chosen))).astype(int)]
        rows += [{"modality": name, **row} for row in _of_band(method, store, chosen)]
    return pd.DataFrame(rows)


def _of_band(method: Method, store: Any, rows: Sequence[int]) -> Iterator[dict[str, Any]]:
    """The rows of one band."""
    with evaluating(method), torch.no_grad(), _watched(method) as calls:
        if not calls:
            raise SettingError(f"method {method.name!r} has no gates: it has no block with a part {GATE!r}; take a trunk of osnet")
        method.embed(*pictures_of(method, store, rows))
    for block, seen in calls.items():
        sizes = [size for _, size in seen]
        for place, (weights, size) in enumerate(seen):
            yield {
                "block": block,
                "stream": place + 1,
                "field": 2 * place + 3,
                "gate": float(weights.mean()),
                "between_channels": float(weights.std(dim=1).mean()) if weights.shape[1] > 1 else 0.0,
                "between_pictures": float(weights.std(dim=0).mean()) if len(weights) > 1 else 0.0,
                "share": size / sum(sizes) if sum(sizes) > 0 else float("nan"),
            }


@contextmanager
def _watched(method: nn.Module) -> Iterator[dict[str, list[tuple[Tensor, float]]]]:
    """Block -> for each call of its gate the weights (B, C) and the mean magnitude of what it lets through, while inside."""
    calls: dict[str, list[tuple[Tensor, float]]] = {}
    weights: dict[str, Tensor] = {}
    hooks = []

    def watch(block: str, gate: nn.Module) -> None:
        def keep_weights(_: nn.Module, __: Any, output: Tensor) -> None:
            weights[block] = output.flatten(1).double().cpu()

        def keep_call(_: nn.Module, __: Any, output: Tensor) -> None:
            calls.setdefault(block, []).append((weights[block], float(output.abs().mean())))

        hooks.extend((getattr(gate, INNER).register_forward_hook(keep_weights), gate.register_forward_hook(keep_call)))

    try:
        for name, module in method.named_modules():
            if name.split(".")[-1] == GATE and hasattr(module, INNER):
                block = _title(name)
                calls.setdefault(block, [])
                watch(block, module)
        yield calls
    finally:
        for hook in hooks:
            hook.remove()


def _title(name: str) -> str:
    """ "two_stream.visible.conv2.0.gate" is "conv2, block 1"."""
    stage, place = name.split(".")[-3:-1]
    return f"{stage}, block {int(place) + 1}" if place.isdigit() else f"{stage} {place}"
