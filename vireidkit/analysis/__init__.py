"""Analysis: features and tables in, tables out."""

from vireidkit.analysis.ablation import ablation, beside_published
from vireidkit.analysis.aligned import project_many
from vireidkit.analysis.answers import first_answers
from vireidkit.analysis.attention import attention_summary, shift_check
from vireidkit.analysis.attribution import attention_maps
from vireidkit.analysis.changes import changes_by_band
from vireidkit.analysis.collapse import collapse_numbers
from vireidkit.analysis.confusions import attraction, breakdown, shared_traits
from vireidkit.analysis.course import kept_epochs
from vireidkit.analysis.distances import GROUPS, pair_distances, separation
from vireidkit.analysis.factors import view_of, with_factors
from vireidkit.analysis.failures import failure_groups, pair_queries
from vireidkit.analysis.film import camera_sweep, chunk_frames, film_queries, film_searches, film_sweep, frame_noise, over_people, thinned
from vireidkit.analysis.found_by import found_by
from vireidkit.analysis.gap import MEASURES, GapTable, band_distance, gap_numbers, modality_gap, modality_mixing
from vireidkit.analysis.gap_cameras import gap_by_camera_pair
from vireidkit.analysis.gap_frechet import frechet_distance
from vireidkit.analysis.gap_kernels import linear_cka, mmd_squared
from vireidkit.analysis.gap_layers import gap_by_layer
from vireidkit.analysis.gates import stream_gates
from vireidkit.analysis.grad_cam import grad_cam
from vireidkit.analysis.hubness import Hubness, attractors, hubness
from vireidkit.analysis.layers import features_by_name
from vireidkit.analysis.luck import choose_the_best, scores_by_identity
from vireidkit.analysis.lying import lying_projection
from vireidkit.analysis.neighbourhood import neighbour_shares
from vireidkit.analysis.pixels import band_brightness, channel_shares, pixel_table
from vireidkit.analysis.probes import factor_probes
from vireidkit.analysis.projection import Projection, faithfulness, project
from vireidkit.analysis.randomisation import randomisation_check
from vireidkit.analysis.retrieval import ORDERS, found_first, order_queries, precision_steps, query_table, ranked, shortened
from vireidkit.analysis.sharing import weight_on_same
from vireidkit.analysis.similarity import SimilarityMaps, similarity_map_of, similarity_maps
from vireidkit.analysis.spread import modality_spread, spread_table
from vireidkit.analysis.supervised import supervised_projection

__all__ = [
    "GROUPS",
    "MEASURES",
    "ORDERS",
    "GapTable",
    "Hubness",
    "Projection",
    "SimilarityMaps",
    "ablation",
    "attention_maps",
    "attention_summary",
    "attraction",
    "attractors",
    "band_brightness",
    "band_distance",
    "beside_published",
    "breakdown",
    "camera_sweep",
    "changes_by_band",
    "channel_shares",
    "choose_the_best",
    "chunk_frames",
    "collapse_numbers",
    "factor_probes",
    "failure_groups",
    "faithfulness",
    "features_by_name",
    "film_queries",
    "film_searches",
    "film_sweep",
    "first_answers",
    "found_by",
    "found_first",
    "frame_noise",
    "frechet_distance",
    "gap_by_camera_pair",
    "gap_by_layer",
    "gap_numbers",
    "grad_cam",
    "hubness",
    "kept_epochs",
    "linear_cka",
    "lying_projection",
    "mmd_squared",
    "modality_gap",
    "modality_mixing",
    "modality_spread",
    "neighbour_shares",
    "order_queries",
    "over_people",
    "pair_distances",
    "pair_queries",
    "pixel_table",
    "precision_steps",
    "project",
    "project_many",
    "query_table",
    "randomisation_check",
    "ranked",
    "scores_by_identity",
    "separation",
    "shared_traits",
    "shift_check",
    "shortened",
    "similarity_map_of",
    "similarity_maps",
    "spread_table",
    "stream_gates",
    "supervised_projection",
    "thinned",
    "view_of",
    "weight_on_same",
    "with_factors",
]
