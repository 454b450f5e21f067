"""The batch-hard triplet loss."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.inputs import attached_zero, checked_rows


def batch_hard_triplet(features: Tensor, labels: Tensor, margin: float | None = 0.3) -> Tensor:
    """Mean over rows of max(0, d_ap - d_an + margin), d_ap to the furthest row of the same label, d_an to the nearest of another.

    With ``margin=None`` the hinge becomes soft: log(1 + exp(d_ap - d_an)). A row counts as its own positive. A batch of
    fewer than two labels has nothing to compare and gives a zero attached to the graph.

    Args:
        features: (N, D), not normalised by the loss. labels: integer (N,).

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: Hermans et al., arXiv 1703.07737; the ``base`` mode of AGW's released code with margin 0.3 (grade: code).
    """
    features = checked_rows(features, labels)
    same = labels[:, None] == labels[None, :]  # (N, N)
    if same.all():
        return attached_zero(features)
    distance = pairwise_distance(features)
    furthest = distance.masked_fill(~same, float("-inf")).amax(dim=1)  # (N,)
    nearest = distance.masked_fill(same, float("inf")).amin(dim=1)
    if margin is None:
        return F.softplus(furthest - nearest).mean()
    return F.relu(furthest - nearest + margin).mean()
