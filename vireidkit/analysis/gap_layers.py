"""The gap at every stage of a network: where it opens, and where it closes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from tqdm.auto import tqdm

from vireidkit.analysis.attribution import evaluating, pictures_of
from vireidkit.analysis.gap import GapTable, measure_sample, named_measures
from vireidkit.analysis.gap_intervals import Resampling, check_settings
from vireidkit.analysis.gap_sample import sample_of
from vireidkit.analysis.neighbours import FloatMatrix
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method

DESCRIPTOR = "descriptor"
LAYER_MEASURES = (
    "distance of band means over spread",
    "MMD squared",
    "linear probe accuracy",
    "mixing of neighbours",
    "CKA of identity means",
)


def gap_by_layer(
    method: Method,
    store: Any,
    *,
    rows: Sequence[int] | None = None,
    measures: Sequence[str] | None = LAYER_MEASURES,
    interval: float = 0.95,
    resamples: int = 500,
    shuffles: int = 49,
    halves: int = 5,
    k: int = 10,
    limit: int = 1600,
    batch_size: int = 128,
    seed: int = 0,
    progress: bool = False,
) -> GapTable:
    """``modality_gap`` after every stage of a method (``stages_of``), and of its descriptor.

    A map (C, h, w) is averaged over its positions to C numbers, scaled to a spread of 1 (the root mean square distance of an image to
    the mean of its band), and compared by Euclidean distance; the descriptor by the method's own metric, without the mirror image that
    evaluation may add. Stages differ in width, which the probe and the MMD feel: read the course of a gap rather than its size.

    Args:
        method: any method; store: pictures with a table (identity, modality, camera); rows: positions in it, None is all.
        measures: None is all; these, interval, resamples, shuffles, halves, k, seed: see ``modality_gap``.
        limit: most images that go through the network, ``batch_size`` at a time; progress: show a bar.

    Returns:
        ``GapTable`` with columns ``layer, depth`` (from 0 on, the descriptor last) and ``width`` (numbers an image) in front.

    Raises:
        SettingError: no images, or the method shows no stages. ValueError: a map that is not (B, C, h, w) or not finite. What
            ``modality_gap`` raises.

    Source: ours; linear probes after every layer: Alain and Bengio, ICLR workshop 2017. Grade: ours.
    """
    names = named_measures(measures)
    check_settings(interval=interval, resamples=resamples, shuffles=shuffles, halves=halves, k=k, limit=limit, batch_size=batch_size)
    chosen, asked = _drawn(store, rows, limit, seed)
    plan, found = Resampling(interval, resamples, seed), []
    for depth, (layer, matrix) in enumerate(_layers(method, store, chosen, batch_size, progress).items()):
        sample = sample_of(matrix, store.table.iloc[chosen], metric=method.metric if layer == DESCRIPTOR else "euclidean")
        measured = measure_sample(sample, names, plan, shuffles=shuffles, halves=halves, k=k)
        found.append(_placed(measured, layer, depth, matrix.shape[1]))
    return _joined(found, {**measured.attrs, "of_images": asked, "metric": method.metric, "name": method.name})


def _placed(measured: GapTable, layer: str, depth: int, width: int) -> pd.DataFrame:
    """The table with its place in the network in front."""
    return measured.assign(layer=layer, depth=depth, width=width)[["layer", "depth", "width", *measured.columns]]


def _joined(tables: list[pd.DataFrame], about: dict[str, Any]) -> GapTable:
    """The tables below each other."""
    found = GapTable(pd.concat(tables, ignore_index=True))
    found.attrs = about
    return found


def _drawn(store: Any, rows: Sequence[int] | None, limit: int, seed: int) -> tuple[NDArray[np.int64], int]:
    """Positions of at most ``limit`` of the images asked for, and how many those were.

    Raises:
        SettingError: none was asked for.
    """
    asked = np.arange(len(store)) if rows is None else np.asarray(rows, dtype=np.int64)
    if len(asked) == 0:
        raise SettingError("the gap by layer needs images, found none")
    return asked[sample_of(np.ones((len(asked), 1)), store.table.iloc[asked], limit=limit, seed=seed).rows], len(asked)


def _layers(method: Method, store: Any, rows: NDArray[np.int64], batch_size: int, progress: bool) -> dict[str, FloatMatrix]:
    """Pooled and scaled maps (N, C) of every stage in order, and the descriptors (N, D)."""
    found: dict[str, list[FloatMatrix]] = {}
    with evaluating(method), torch.no_grad():
        for batch in tqdm(list(_chunks(rows, batch_size)), desc="layers", unit="batch", disable=not progress):
            images, codes = pictures_of(method, store, batch)
            maps = method.stages_of(images, codes)
            if not maps:
                raise SettingError(
                    f"method {method.name!r} shows no maps of its stages (stages_of is empty): measure its descriptor instead"
                )
            for name, one in maps.items():
                if one.ndim != 4 or len(one) != len(batch) or name == DESCRIPTOR:
                    raise ValueError(
                        f"stage {name!r} of method {method.name!r} must be a map ({len(batch)}, C, h, w), found {tuple(one.shape)}"
                    )
                found.setdefault(name, []).append(one.double().mean(dim=(2, 3)).cpu().numpy())
            found.setdefault(DESCRIPTOR, []).append(method.embed(images, codes).double().cpu().numpy())
    layers = {name: np.concatenate(parts) for name, parts in found.items()}
    for name, matrix in layers.items():
        if not np.isfinite(matrix).all():
            raise ValueError(
                f"stage {name!r} of method {method.name!r} is not finite for {int((~np.isfinite(matrix)).any(axis=1).sum())} images"
            )
    infrared = store.table["modality"].to_numpy()[rows] == "infrared"
    return {name: layers[name] if name == DESCRIPTOR else _scaled(layers[name], infrared) for name in [*_stages(layers), DESCRIPTOR]}


def _stages(layers: dict[str, FloatMatrix]) -> list[str]:
    """Names of the stages, without the descriptor."""
    return [name for name in layers if name != DESCRIPTOR]


def _chunks(rows: NDArray[np.int64], size: int) -> Iterator[NDArray[np.int64]]:
    """The rows, ``size`` at a time."""
    return (rows[start : start + size] for start in range(0, len(rows), size))


def _scaled(matrix: FloatMatrix, infrared: NDArray[np.bool_]) -> FloatMatrix:
    """The matrix in units of its spread: measures with a unit (the Fréchet distance) can then be compared over stages."""
    spread = np.sqrt(np.mean([matrix[infrared == band].var(axis=0).sum() for band in (False, True)]))
    return matrix / max(float(spread), 1e-12)
