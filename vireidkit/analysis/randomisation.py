"""Do maps show what the network learnt? Weights are made random; maps that stay as they were show the picture, not the network."""

from __future__ import annotations

import copy
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from vireidkit.errors import SettingError
from vireidkit.methods.base import Method
from vireidkit.randomness import numpy_generator, scoped_randomness

LIMIT = 0.3
EVERYTHING = "everything"
MapsOf = Callable[[Method], Any]


def randomisation_check(
    method: Method, maps_of: MapsOf, *, draws: int = 3, seed: int = 0, cascade: bool = False, resamples: int = 2000
) -> pd.DataFrame:
    """Rank correlation of maps before and after the weights were made random: near 0 for maps that show what was learnt.

    Every layer that can draw its start anew does (batch norms forget their statistics, too); the numbers of any other parameter are
    shuffled. The method itself is left alone. Spearman's correlation is taken over the positions of each map, then averaged.

    Args:
        maps_of: method -> maps (N, h, w) of some pictures, such as ``lambda m: [similarity_maps(m, store, q, g).gallery.shares]``.
            A small map has few positions: take 20 pictures or more.
        draws: networks of random weights, averaged; seed: of them.
        cascade: also randomise from the result downwards, one group of layers after the other, as the paper does.
        resamples: for the 95 % percentile interval, pictures resampled.

    Returns:
        One row a step: ``randomised`` (the group of layers that was added; the last row is "everything"), ``correlation, low, high``
        (-1 to 1), ``absolute`` (of the maps without their sign), ``maps`` (how many had both maps uneven), ``passed``
        (both between -0.3 and 0.3).

    Raises:
        ValueError: maps that are not (N, h, w) of finite numbers. SettingError: fewer than one draw.

    Source: Adebayo et al., NeurIPS 2018 (cascading randomisation, Spearman with and without sign). The limit 0.3 is ours.
    """
    if draws < 1:
        raise SettingError(f"the check needs at least one draw, found {draws}")
    before = _checked(maps_of(method))
    rows = []
    for name, chosen in _steps(method, cascade):
        after = [_checked(maps_of(randomised(method, chosen, seed=seed + draw)), before.shape) for draw in range(draws)]
        signed, absolute = (np.stack([_spearman(f(before), f(one)) for one in after]) for f in (np.asarray, np.abs))  # (draws, N)
        rows.append((name, *_summary(signed, resamples, seed), _mean(absolute), int((~np.isnan(signed)).any(axis=0).sum())))
    table = pd.DataFrame(rows, columns=["randomised", "correlation", "low", "high", "absolute", "maps"])
    return table.assign(passed=(table["correlation"].abs() < LIMIT) & ~(table["absolute"].abs() >= LIMIT))


def randomised(method: Method, names: tuple[str, ...] | None = None, *, seed: int = 0) -> Method:
    """A copy of the method whose weights are random, in all modules or in those named; nothing else changes."""
    found = copy.deepcopy(method)
    with scoped_randomness(seed, "randomised weights"):
        for name, module in found.named_modules():
            if names is not None and name not in names:
                continue
            if hasattr(module, "reset_parameters"):
                module.reset_parameters()
                continue
            for key, parameter in module.named_parameters(recurse=False):
                mixed = numpy_generator(seed, "shuffled", name, key).permutation(parameter.numel())
                mixed = torch.from_numpy(mixed).to(parameter.device)
                parameter.data = parameter.data.flatten()[mixed].reshape(parameter.shape)
    return found


def _steps(method: Method, cascade: bool) -> list[tuple[str, tuple[str, ...] | None]]:
    """What is randomised step by step: groups of modules from the result downwards, each with all before it; then everything."""
    groups: dict[str, list[str]] = {}
    for name, module in method.named_modules():
        if next(module.parameters(recurse=False), None) is not None:
            groups.setdefault(".".join(name.split(".")[:3]), []).append(name)
    steps, chosen = [], []
    for group in reversed(groups) if cascade else ():
        chosen += groups[group]
        steps.append((group, tuple(chosen)))
    return [*steps, (EVERYTHING, None)]


def _checked(maps: Any, shape: tuple[int, ...] | None = None) -> NDArray[np.float64]:
    """Maps as (N, h, w)."""
    found = np.asarray(maps, dtype=np.float64)
    if found.ndim != 3 or 0 in found.shape or not np.isfinite(found).all() or (shape is not None and found.shape != shape):
        expected = "(N, h, w)" if shape is None else str(shape)
        raise ValueError(f"expected maps {expected} of finite numbers, found {found.shape}")
    return found


def _spearman(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rank correlation of each pair of maps, (N,); NaN where one of the two is even."""
    from scipy.stats import rankdata

    ranks = [rankdata(maps.reshape(len(maps), -1), axis=1) for maps in (first, second)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    lengths = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return np.where(lengths > 0, (a * b).sum(axis=1) / np.where(lengths > 0, lengths, 1), np.nan)


def _mean(values: NDArray[np.float64]) -> float:
    """Mean of what is a number; NaN where nothing is."""
    return float(np.nanmean(values)) if np.isfinite(values).any() else float("nan")


def _summary(values: NDArray[np.float64], resamples: int, seed: int) -> tuple[float, float, float]:
    """Mean of (draws, N) and the ends of its interval over pictures; NaN ends with fewer than two."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # a picture whose maps are all even has no mean
        pictures = np.nanmean(values, axis=0)
    pictures = pictures[np.isfinite(pictures)]
    if len(pictures) < 2:
        return _mean(values), float("nan"), float("nan")
    drawn = numpy_generator(seed, "randomisation").integers(len(pictures), size=(resamples, len(pictures)))
    low, high = np.quantile(pictures[drawn].mean(axis=1), [0.025, 0.975])
    return _mean(values), float(low), float(high)
