"""What attention maps do: how even they are, how much of them is the same for every picture, and whether they follow what is shown."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import NDArray

from vireidkit.analysis.attribution import evaluating, pictures_of
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method

NAME = re.compile(r"(?:attention(\d*)_(\d+)|background(\d*))")


def attention_summary(maps: Mapping[str, Any], groups: Sequence[Any] | None = None) -> pd.DataFrame:
    """Maps that share out each position of a picture among foregrounds and background, in a few numbers.

    Args:
        maps: "attention4_1", "attention4_2" .. and "background4" -> (N, h, w) in 0..1, and so for other depths (``attention_maps``).
        groups: what each picture belongs to, such as its modality, (N,); None takes all together.

    Returns:
        One row a depth and group: ``depth, group``; the mean share of each map, ``map 1`` .. ``background``; ``evenness``, the mean
        entropy of a position's shares over that of equal ones (1: they say nothing); ``overlap``, the mass that the first two
        foreground maps have in common over their mean mass (1: the same map; NaN with one); ``fixed``, the share of the maps' variance
        over pictures and positions that the position alone explains (1: the same maps for every picture; NaN where nothing varies).

    Raises:
        ValueError: no such map, a depth without background, or groups of another length.
    """
    depths = _stacked(maps)
    count = len(next(iter(depths.values())))
    labels = np.asarray([""] * count if groups is None else list(groups), dtype=object)
    if len(labels) != count:
        raise ValueError(f"expected one group for each of {count} pictures, found {len(labels)}")
    rows = []
    for depth, found in depths.items():
        for group in dict.fromkeys(labels):
            rows.append({"depth": depth, "group": group, **_described(found[labels == group])})
    return pd.DataFrame(rows)


def _stacked(maps: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """Depth -> (N, K + 1, h, w), the background last."""
    parts: dict[str, dict[int, NDArray[np.float64]]] = {}
    for name, values in maps.items():
        match = NAME.fullmatch(name)
        if match:
            deep, number, behind = match.groups()
            parts.setdefault(deep if number else behind, {})[int(number or 10**6)] = np.asarray(values, dtype=np.float64)
    bare = [depth for depth, own in parts.items() if 10**6 not in own or len(own) < 2]
    if not parts or bare:
        raise ValueError(f"expected maps attention<depth>_<number> and background<depth>, found {', '.join(maps) or 'none'}")
    return {depth: np.stack([own[number] for number in sorted(own)], axis=1) for depth, own in parts.items()}


def _described(shares: NDArray[np.float64]) -> dict[str, float]:
    """The numbers of one depth and group; shares (N, K + 1, h, w)."""
    kinds = shares.shape[1]
    names = [f"map {number}" for number in range(1, kinds)] + ["background"]
    entropy = -(shares * np.log(shares.clip(1e-12))).sum(axis=1).mean() / np.log(kinds)
    common = np.minimum(shares[:, 0], shares[:, 1]).sum() / (shares[:, :2].sum() / 2) if kinds > 2 else np.nan
    whole, fixed = shares.var(axis=(0, 2, 3)).sum(), shares.mean(axis=0).var(axis=(1, 2)).sum()
    told = dict(zip(names, shares.mean(axis=(0, 2, 3)), strict=True))
    return told | {"evenness": entropy, "overlap": common, "fixed": fixed / whole if whole > 0 else np.nan}


def shift_check(method: Method, store: Any, rows: Sequence[int], *, share: float = 0.25) -> pd.DataFrame:
    """Push pictures down and see what their attention does: stay where it was, or follow what is shown.

    A picture is moved by ``share`` of its height, its first line repeated above. Maps of the moved picture are compared with those of
    the picture as it is, once at the same positions and once at those that show the same; only positions that both have count.

    Args:
        store: pictures with a table; rows: positions in it; share: rounded to whole lines of each map.

    Returns:
        One row a map: ``map, stays, follows``, mean correlations over pictures (NaN for a map of too few lines).

    Raises:
        SettingError: the method has no maps. ValueError: a share outside 0..1.
    """
    if not 0 < share < 1:
        raise ValueError(f"share must lie between 0 and 1, found {share}")
    images, codes = pictures_of(method, store, rows)
    moved = round(share * images.shape[2])
    with evaluating(method), torch.no_grad():
        before = method.maps_of(images, codes)
        after = method.maps_of(F.pad(images, (0, 0, moved, 0), mode="replicate")[:, :, : images.shape[2]], codes)
    if not before:
        raise SettingError(f"method {method.name!r} has no attention or mask maps (maps_of is empty)")
    found = []
    for name, old in before.items():
        new, lines = after[name].double(), round(share * old.shape[1])
        there, away = new[:, lines:], old.double()
        pair = (_correlation(there, away[:, lines:]), _correlation(there, away[:, : away.shape[1] - lines])) if lines else (np.nan, np.nan)
        found.append({"map": name, "stays": pair[0], "follows": pair[1]})
    return pd.DataFrame(found)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> float:
    """Mean correlation of maps (B, h, w), picture by picture; a map without any change is left out."""
    first, second = (one.flatten(1) - one.flatten(1).mean(dim=1, keepdim=True) for one in (first, second))
    lengths = first.norm(dim=1) * second.norm(dim=1)
    known = lengths > 1e-12
    return float(((first * second).sum(dim=1)[known] / lengths[known]).mean()) if known.any() else float("nan")
