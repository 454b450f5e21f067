"""Loss functions: pure, tensors in, a scalar out, never computed below float32."""

from vireidkit.losses.attention import attention_area, attention_diversity
from vireidkit.losses.batch_hard import batch_hard_triplet
from vireidkit.losses.centers import class_centers
from vireidkit.losses.circle import circle_margin_logits
from vireidkit.losses.confusion import confusion_targets
from vireidkit.losses.cross_triplet import cross_modality_triplet
from vireidkit.losses.distance import pairwise_distance, pairwise_squared_distance
from vireidkit.losses.divergence import row_kl, symmetric_kl
from vireidkit.losses.hetero_center import hetero_center_triplet
from vireidkit.losses.hinges import centroid_hinge, entropy_hinge, modality_centroid_distance, row_entropy
from vireidkit.losses.mutual_class import kl_distillation, mutual_class_distillation
from vireidkit.losses.negative_cosine import negative_cosine, other_modality_targets
from vireidkit.losses.pairing import Pairs, alternating_order, modality_pairs
from vireidkit.losses.prototypes import prototype_classification, prototype_mimic, updated_prototypes
from vireidkit.losses.relation import one_versus_rest
from vireidkit.losses.self_distillation import self_distillation
from vireidkit.losses.semantic import semantic_alignment, slot_rows
from vireidkit.losses.set_distillation import pairwise_distance_distillation
from vireidkit.losses.smoothed import smoothed_cross_entropy
from vireidkit.losses.structure import cross_graph_rows, graph_rows, structure_alignment
from vireidkit.losses.triplet_contrast import (
    Triplets,
    cross_modality_triplet_contrast,
    distance_contrast,
    hardest_triplets,
    triplet_contrast,
    triplet_log_probability,
)
from vireidkit.losses.weighted_triplet import enhanced_squared_difference, weighted_regularized_triplet

__all__ = [
    "Pairs",
    "Triplets",
    "alternating_order",
    "attention_area",
    "attention_diversity",
    "batch_hard_triplet",
    "centroid_hinge",
    "circle_margin_logits",
    "class_centers",
    "confusion_targets",
    "cross_graph_rows",
    "cross_modality_triplet",
    "cross_modality_triplet_contrast",
    "distance_contrast",
    "enhanced_squared_difference",
    "entropy_hinge",
    "graph_rows",
    "hardest_triplets",
    "hetero_center_triplet",
    "kl_distillation",
    "modality_centroid_distance",
    "modality_pairs",
    "mutual_class_distillation",
    "negative_cosine",
    "one_versus_rest",
    "other_modality_targets",
    "pairwise_distance",
    "pairwise_distance_distillation",
    "pairwise_squared_distance",
    "prototype_classification",
    "prototype_mimic",
    "row_entropy",
    "row_kl",
    "self_distillation",
    "semantic_alignment",
    "slot_rows",
    "smoothed_cross_entropy",
    "structure_alignment",
    "symmetric_kl",
    "triplet_contrast",
    "triplet_log_probability",
    "updated_prototypes",
    "weighted_regularized_triplet",
]
