"""Evaluation: features, protocols, ranking metrics, scores."""

from vireidkit.evaluation import bands, crossvideo, llcm, market, regdb, sysu, tracklet_bands, video  # register their protocols
from vireidkit.evaluation.distances import trial_distance
from vireidkit.evaluation.features import Features, extract_features, modality_codes, random_features, raw_pixel_features
from vireidkit.evaluation.metrics import RankMetrics, rank_metrics
from vireidkit.evaluation.protocols import Protocol, Trial, get_protocol, list_protocols, register_protocol
from vireidkit.evaluation.reranking import ReRanking, k_reciprocal_rerank
from vireidkit.evaluation.scores import METRICS, Scores, chance_scores, evaluate, read_scores, score_trial, write_scores

__all__ = [
    "METRICS",
    "Features",
    "Protocol",
    "RankMetrics",
    "ReRanking",
    "Scores",
    "Trial",
    "bands",
    "chance_scores",
    "crossvideo",
    "evaluate",
    "extract_features",
    "get_protocol",
    "k_reciprocal_rerank",
    "list_protocols",
    "llcm",
    "market",
    "modality_codes",
    "random_features",
    "rank_metrics",
    "raw_pixel_features",
    "read_scores",
    "regdb",
    "register_protocol",
    "score_trial",
    "sysu",
    "tracklet_bands",
    "trial_distance",
    "video",
    "write_scores",
]
