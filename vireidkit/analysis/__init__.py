"""Analysis: features and tables in, tables out."""

from vireidkit.analysis.answers import first_answers
from vireidkit.analysis.changes import changes_by_band
from vireidkit.analysis.confusions import attraction, breakdown, shared_traits
from vireidkit.analysis.distances import GROUPS, pair_distances, separation
from vireidkit.analysis.gap import band_distance, gap_numbers, modality_mixing
from vireidkit.analysis.luck import choose_the_best, scores_by_identity
from vireidkit.analysis.neighbourhood import neighbour_shares
from vireidkit.analysis.pixels import band_brightness, channel_shares, pixel_table
from vireidkit.analysis.probes import factor_probes
from vireidkit.analysis.projection import Projection, faithfulness, project
from vireidkit.analysis.retrieval import ORDERS, found_first, order_queries, precision_steps, query_table, ranked, shortened
from vireidkit.analysis.supervised import supervised_projection

__all__ = [
    "GROUPS",
    "ORDERS",
    "Projection",
    "attraction",
    "band_brightness",
    "band_distance",
    "breakdown",
    "changes_by_band",
    "channel_shares",
    "choose_the_best",
    "factor_probes",
    "faithfulness",
    "first_answers",
    "found_first",
    "gap_numbers",
    "modality_mixing",
    "neighbour_shares",
    "order_queries",
    "pair_distances",
    "pixel_table",
    "precision_steps",
    "project",
    "query_table",
    "ranked",
    "scores_by_identity",
    "separation",
    "shared_traits",
    "shortened",
    "supervised_projection",
]
