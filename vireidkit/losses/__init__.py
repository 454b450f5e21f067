"""Loss functions: pure, tensors in, a scalar out, never computed below float32."""

from vireidkit.losses.batch_hard import batch_hard_triplet
from vireidkit.losses.centers import class_centers
from vireidkit.losses.confusion import confusion_targets
from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.divergence import row_kl, symmetric_kl
from vireidkit.losses.hetero_center import hetero_center_triplet
from vireidkit.losses.hinges import centroid_hinge, entropy_hinge, modality_centroid_distance, row_entropy
from vireidkit.losses.mutual_class import kl_distillation, mutual_class_distillation
from vireidkit.losses.pairing import Pairs, alternating_order, modality_pairs
from vireidkit.losses.prototypes import prototype_classification, prototype_mimic, updated_prototypes
from vireidkit.losses.semantic import semantic_alignment, slot_rows
from vireidkit.losses.structure import cross_graph_rows, graph_rows, structure_alignment
from vireidkit.losses.weighted_triplet import enhanced_squared_difference, weighted_regularized_triplet

__all__ = [
    "Pairs",
    "alternating_order",
    "batch_hard_triplet",
    "centroid_hinge",
    "class_centers",
    "confusion_targets",
    "cross_graph_rows",
    "enhanced_squared_difference",
    "entropy_hinge",
    "graph_rows",
    "hetero_center_triplet",
    "kl_distillation",
    "modality_centroid_distance",
    "modality_pairs",
    "mutual_class_distillation",
    "pairwise_distance",
    "prototype_classification",
    "prototype_mimic",
    "row_entropy",
    "row_kl",
    "semantic_alignment",
    "slot_rows",
    "structure_alignment",
    "symmetric_kl",
    "updated_prototypes",
    "weighted_regularized_triplet",
]
