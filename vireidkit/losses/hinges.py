"""The two hinges of IDKL's purifier (IP): purified features must be no less certain, and no more torn between the modalities."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import at_least_float32, attached_zero, checked_rows
from vireidkit.modality import INFRARED, VISIBLE

OFFSET = 1e-6  # torch's pairwise_distance adds it to every component


def row_entropy(logits: Tensor) -> Tensor:
    """h = -sum_c s_c log s_c of s = softmax of each row, (N,) in nats: 0 when certain, log C when all classes are equal.

    Args:
        logits: (N, C).

    Raises:
        ValueError: no floating-point matrix.
    """
    if logits.ndim != 2 or not logits.is_floating_point():
        raise ValueError(f"expected floating-point logits (N, C); found {tuple(logits.shape)} {logits.dtype}")
    log_probability = F.log_softmax(at_least_float32(logits), dim=1)
    return -(log_probability.exp() * log_probability).sum(dim=1)


def entropy_hinge(purified_logits: Tensor, plain_logits: Tensor, margin: float = 0.0) -> Tensor:
    """L_ent = mean over rows of exp(max(0, h(purified) - h(plain) + margin)) - 1, h being ``row_entropy``.

    The classifier that gives the logits gets no identity supervision in the released code, so the term can fall without any
    identity meaning. No rows give an attached zero.

    Args:
        purified_logits, plain_logits: (N, C).

    Raises:
        ValueError: not two matrices of one shape.

    Source: IDKL, released code (idkl.md section 5.4, grade: code).
    """
    if purified_logits.shape != plain_logits.shape:
        raise ValueError(f"expected logits of one shape; found {tuple(purified_logits.shape)} and {tuple(plain_logits.shape)}")
    excess = row_entropy(purified_logits) - row_entropy(plain_logits) + margin  # (N,)
    return torch.expm1(F.relu(excess)).mean() if len(excess) else attached_zero(excess)


def modality_centroid_distance(features: Tensor, labels: Tensor, modality: Tensor) -> Tensor:
    """c(u, k) = |mean of k's visible rows - mean of k's infrared rows + 1e-6|, (P,), identities in ascending order.

    The 1e-6 is added to every component, so that the distance of equal centroids has a gradient.

    Args:
        features: (N, D). labels, modality: integer (N,).

    Raises:
        ValueError: wrong shapes, or an identity without rows in one of the modalities.

    Source: IDKL, released code (idkl.md section 5.4, grade: code).
    """
    features = checked_rows(features, labels)
    checked_rows(features, modality, name="modality")
    known, identity = torch.unique(labels, return_inverse=True)
    mine = identity == torch.arange(len(known), device=labels.device)[:, None]  # (P, N)
    # A product with the membership matrix, because index_add has no fixed order of summation on a GPU.
    members = torch.stack([mine & (modality == code) for code in (VISIBLE, INFRARED)]).to(features.dtype)  # (2, P, N)
    counts = members.sum(dim=2, keepdim=True)
    if (counts == 0).any():
        lonely = known[(counts == 0).any(dim=0)[:, 0]].tolist()
        raise ValueError(f"expected visible and infrared rows of every identity; found one modality only of {lonely[:5]}")
    with torch.autocast(features.device.type, enabled=False):
        visible, infrared = members @ features / counts  # (P, D) each
    return torch.linalg.vector_norm(visible - infrared + OFFSET, dim=1)


def centroid_hinge(purified: Tensor, plain: Tensor, labels: Tensor, modality: Tensor, margin: float = 0.0) -> Tensor:
    """L_cen = mean over identities of max(0, c(purified) - c(plain) + margin), c being ``modality_centroid_distance``.

    No rows give an attached zero.

    Args:
        purified, plain: (N, D). labels, modality: integer (N,).

    Raises:
        ValueError: as ``modality_centroid_distance``.

    Source: IDKL, released code (idkl.md section 5.4, grade: code).
    """
    apart = [modality_centroid_distance(features, labels, modality) for features in (purified, plain)]  # (P,) each
    return F.relu(apart[0] - apart[1] + margin).mean() if len(labels) else attached_zero(apart[0]) + attached_zero(apart[1])
