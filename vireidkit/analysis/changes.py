"""How far two pictures of one moment differ, band by band."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from vireidkit.analysis.pixels import as_images

SEEN = 8  # grey levels; smaller differences are noise


def difference(before: Any, after: Any) -> NDArray[np.int64]:
    """The largest difference of a channel at every pixel, grey levels (H, W).

    Args:
        before, after: pictures of one size, uint8 (H, W, 3) or PIL.

    Raises:
        ValueError: other shapes or dtypes.
    """
    first, second = as_images([np.asarray(before), np.asarray(after)]).astype(np.int64)
    return np.abs(first - second).max(axis=2)


def changes_by_band(before: Mapping[str, Any], after: Mapping[str, Any]) -> dict[str, float]:
    """How much each band changed, in grey levels (0-255): mean over the pixels where any of the bands did (ours).

    The bands are averaged over the same pixels, so that their numbers can be compared. 0 where nothing changed.

    Args:
        before, after: name of a band -> picture, the same bands in both.

    Raises:
        ValueError: other bands, shapes or dtypes, or no band.
    """
    if not before or set(before) != set(after):
        raise ValueError(
            f"changes need the same bands before and after, found {', '.join(before) or 'none'} and {', '.join(after) or 'none'}"
        )
    maps = {band: difference(before[band], after[band]) for band in before}
    touched = np.any([levels > SEEN for levels in maps.values()], axis=0)
    return {band: float(levels[touched].mean()) if touched.any() else 0.0 for band, levels in maps.items()}
