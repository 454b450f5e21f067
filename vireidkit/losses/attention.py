"""What keeps MDPR's attention maps apart and small: terms on the attended vectors and on the maps themselves."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import at_least_float32, attached_zero


def attention_diversity(vectors: Sequence[Tensor]) -> Tensor:
    """Sum over pairs i < j of the mean over rows of cos(v_i, v_j): 1 for each pair of maps that attend to the same.

    One vector, or vectors without rows, give a zero attached to the graph.

    Args:
        vectors: K matrices (N, D), what each of K maps has attended to.

    Raises:
        ValueError: no matrix, or matrices of different shapes.

    Source: MDPR, released code (mdpr.md section 3.3, grade: code); there batches of one row and machines without a GPU break it.
    """
    if not vectors or any(v.ndim != 2 or v.shape != vectors[0].shape or not v.is_floating_point() for v in vectors):
        found = ", ".join(f"{tuple(v.shape)} {v.dtype}" for v in vectors) or "none"
        raise ValueError(f"expected floating-point matrices (N, D) of one shape; found {found}")
    if len(vectors) < 2 or not len(vectors[0]):
        return sum(attached_zero(at_least_float32(v)) for v in vectors)
    units = [F.normalize(at_least_float32(v), dim=1) for v in vectors]
    return sum((first * second).sum(dim=1).mean() for first, second in combinations(units, 2))


def attention_area(maps: Tensor) -> Tensor:
    """Mean over images of the sum over maps and positions of the attention: how much of the pictures is held to be foreground.

    Uniform attention of K = 2 maps and a background on 24 x 12 positions gives 288 * 2/3 = 192 (released with weight 0.001). No images
    give a zero attached to the graph.

    Args:
        maps: (N, K, h, w), the foreground maps alone.

    Raises:
        ValueError: another number of axes, or no floating dtype.

    Source: MDPR, released code (mdpr.md section 3.4, grade: code).
    """
    if maps.ndim != 4 or not maps.is_floating_point():
        raise ValueError(f"expected floating-point maps (N, K, h, w); found {tuple(maps.shape)} {maps.dtype}")
    maps = at_least_float32(maps)
    return maps.sum(dim=(1, 2, 3)).mean() if len(maps) else attached_zero(maps)
