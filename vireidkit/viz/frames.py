"""What the explorer leafs through: one layout of the same images for each method and epoch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_array
from vireidkit.errors import SettingError
from vireidkit.viz.tables import common_table, named

UNJUDGED = "Coordinates that were given; how far they may be trusted is not known"


@dataclass(frozen=True, eq=False)
class Frame:
    """One layout: whose it is, its features, where each image lies (NaN: nowhere), and what may be believed of it."""

    method: str
    epoch: str
    features: Any
    points: NDArray[np.float64]  # (N, 2), y upwards
    told: str
    projection: Any = None

    @property
    def name(self) -> str:
        """Method and epoch in words."""
        epoch = f"epoch {self.epoch}" if self.epoch.isdigit() else self.epoch
        return f"{self.method}, {epoch}" if epoch else self.method

    @property
    def placeless(self) -> int:
        """Images without finite coordinates."""
        return int((~np.isfinite(self.points).all(axis=1)).sum())


def frames_of(features: Any, projections: Any) -> tuple[list[Frame], pd.DataFrame]:
    """The frames in the order of ``projections``, and the table that they share.

    Args:
        features: ``Features``, or a mapping with the keys of ``projections``.
        projections: ``Projection`` or coordinates (N, 2), or a mapping to them. A key is a method's name or a pair
            (method, epoch). One ``Features`` may stand for all keys.

    Raises:
        SettingError: keys that do not agree, another number of points than images, or features of other images.
    """
    one = not isinstance(features, Mapping)
    known = named(features)
    table = common_table(known)
    laid = dict(projections) if isinstance(projections, Mapping) else {next(iter(known)): projections}
    if not laid:
        raise SettingError("an explorer needs at least one projection, found none")
    lost = [key for key in laid if not one and key not in known]
    if lost:
        raise SettingError(f"no features for the projection {lost[0]!r}; there are features for {', '.join(map(repr, known))}")
    only = next(iter(known.values()))
    return [_frame(key, only if one else known[key], laid[key], len(table)) for key in laid], table


def _frame(key: Any, features: Any, projection: Any, rows: int) -> Frame:
    points = as_array(getattr(projection, "coordinates", projection))
    if points.ndim != 2 or points.shape[1:] != (2,) or len(points) != rows:
        raise SettingError(f"projection {key!r} needs coordinates of shape ({rows}, 2), one row an image; found {points.shape}")
    method, epoch = (str(key[0]), str(key[1])) if isinstance(key, tuple) and len(key) == 2 else (str(key), "")
    told = str(projection) if hasattr(projection, "coordinates") else UNJUDGED
    return Frame(method, epoch, features, points.astype(np.float64), told, projection)


def unit_points(frames: list[Frame]) -> list[NDArray[np.float32]]:
    """Coordinates (N, 2) in -1..1 with y downwards, as a canvas wants them. The epochs of one method keep one scale."""
    scaled: list[NDArray[np.float32]] = []
    for frame in frames:
        family = np.concatenate([other.points for other in frames if other.method == frame.method])
        family = family[np.isfinite(family).all(axis=1)]
        low, high = (family.min(axis=0), family.max(axis=0)) if len(family) else (np.zeros(2), np.ones(2))
        half = max(float((high - low).max()) / 2, 1e-12)
        scaled.append((((frame.points - (low + high) / 2) / half) * (1, -1)).astype(np.float32))
    return scaled
