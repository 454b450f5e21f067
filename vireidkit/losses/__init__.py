"""Loss functions: pure, tensors in, a scalar out, never computed below float32."""

from vireidkit.losses.batch_hard import batch_hard_triplet
from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.hetero_center import hetero_center_triplet
from vireidkit.losses.weighted_triplet import enhanced_squared_difference, weighted_regularized_triplet

__all__ = [
    "batch_hard_triplet",
    "enhanced_squared_difference",
    "hetero_center_triplet",
    "pairwise_distance",
    "weighted_regularized_triplet",
]
