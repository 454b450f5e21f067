"""The hetero-centre triplet loss: centres of an identity in each modality, compared with each other."""

from __future__ import annotations

from torch import Tensor

from vireidkit.losses.batch_hard import batch_hard_triplet
from vireidkit.losses.centers import class_centers


def hetero_center_triplet(features: Tensor, labels: Tensor, modality: Tensor, margin: float | None = 0.3) -> Tensor:
    """Batch-hard triplet over the mean feature of each (modality, identity).

    An identity's two centres are each other's positives; negatives are the centres of other identities in either modality.
    Rows may come in any order. (The released code pairs centres with sorted labels, which is right only for batches whose
    identities are sorted.) A batch of one identity gives a zero attached to the graph.

    Args:
        features: (N, D). labels: integer (N,). modality: integer (N,).
        margin: None for the soft margin.

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: Liu, Tan, Zhou, IEEE TMM 2020, released code (grade: code).
    """
    centers, _, identities = class_centers(features, labels, modality)
    return batch_hard_triplet(centers, identities, margin)
