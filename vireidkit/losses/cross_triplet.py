"""The batch-hard triplet loss across the modalities alone."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.inputs import attached_zero, checked_rows


def cross_modality_triplet(features: Tensor, labels: Tensor, modality: Tensor, margin: float | None = 0.3) -> Tensor:
    """As ``batch_hard_triplet``, with positives and negatives of a row from the other modality only.

    Rows that lack one of the two there are left out of the mean. When all do, as in a batch of one modality, the result is a zero
    attached to the graph.

    Args:
        features: (N, D), not normalised by the loss. labels, modality: integer (N,). margin: None is the soft form.

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: ours (mdpr.md section 11).
    """
    features = checked_rows(features, labels)
    checked_rows(features, modality, name="modality")
    same, across = labels[:, None] == labels[None, :], modality[:, None] != modality[None, :]  # (N, N)
    known = (same & across).any(dim=1) & (~same & across).any(dim=1)
    if not known.any():
        return attached_zero(features)
    distance = pairwise_distance(features)
    furthest = distance.masked_fill(~(same & across), float("-inf")).amax(dim=1)[known]
    nearest = distance.masked_fill(same | ~across, float("inf")).amin(dim=1)[known]
    if margin is None:
        return F.softplus(furthest - nearest).mean()
    return F.relu(furthest - nearest + margin).mean()
