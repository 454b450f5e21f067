"""Triplet losses over softly weighted distances: AGW's and CAJ's."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.distance import pairwise_distance
from vireidkit.losses.inputs import attached_zero, checked_rows

LARGEST_EXPONENT = 88.0  # exp(88) is about the largest float32


def weighted_regularized_triplet(features: Tensor, labels: Tensor, *, stable: bool = False) -> Tensor:
    """Mean over rows i of log(1 + exp(u_i - v_i)): u_i, v_i the weighted distances to positives and to negatives.

    With d the Euclidean distance, P_i the rows of i's label (i itself among them) and N_i all others,

        u_i = sum over P_i of w_ij d_ij,   w_ij = exp(d_ij - M_i) / (sum over P_i of exp(d_ik - M_i) + 1e-6),   M_i = max d
        v_i = sum over N_i of w_ij d_ij,   w_ij = exp(-d_ij - M'_i) / (sum over N_i of exp(-d_ik - M'_i) + 1e-6)

    and M'_i = 0. Once all negatives are further than about 14, exp(-14) is near 1e-6, the denominator's constant takes over
    and v_i falls to 0: the loss then reads as large as u_i. That is the released code's behaviour, because its maximum runs
    over a masked row of zeros, and it is the default here. ``stable=True`` sets M'_i = max of -d over N_i, which keeps v_i
    a weighted mean at any distance: a deviation of ours.

    A row without negatives has v_i = 0; a batch without rows gives a zero attached to the graph. Gradients flow through
    the weights.

    Args:
        features: (N, D), not normalised by the loss. labels: integer (N,).

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: Ye et al., TPAMI 2021 (AGW), released code (grade: code); ``stable=True`` is ours.
    """
    features = checked_rows(features, labels)
    if not len(features):
        return attached_zero(features)
    positive, negative = _weighted_distances(features, labels, scale=1.0, stable=stable)
    return F.softplus(positive - negative).mean()


def enhanced_squared_difference(
    features: Tensor, labels: Tensor, *, alpha: float = 1.0, gamma: float = 1.0, stable: bool = False
) -> Tensor:
    """Mean over rows of log(1 + exp(-s z)), z = min(gamma (u - v)^2, 88), s = -1 where u > v, else +1.

    u and v as in ``weighted_regularized_triplet``, with distances multiplied by ``alpha`` inside the weights only. Rows at
    the limit of 88 have zero gradient.

    Args:
        features: (N, D), not normalised by the loss. labels: integer (N,).
        alpha: sharpness of the weights. gamma: factor on the squared difference.
        stable: see ``weighted_regularized_triplet``.

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: Ye et al., ICCV 2021 (CAJ), released code (grade: code); ``stable=True`` is ours.
    """
    features = checked_rows(features, labels)
    if not len(features):
        return attached_zero(features)
    positive, negative = _weighted_distances(features, labels, scale=alpha, stable=stable)
    size = (gamma * (positive - negative).square()).clamp(max=LARGEST_EXPONENT)
    return F.softplus(torch.where(positive > negative, size, -size)).mean()


def _weighted_distances(features: Tensor, labels: Tensor, *, scale: float, stable: bool) -> tuple[Tensor, Tensor]:
    """u (N,) over positives and v (N,) over negatives."""
    distance = pairwise_distance(features)
    same = labels[:, None] == labels[None, :]  # (N, N)
    exponent = scale * distance
    positive = _weights(exponent - _largest(exponent, same), same)
    negative = _weights(-exponent - _largest(-exponent, ~same) if stable else -exponent, ~same)
    return (positive * distance).sum(dim=1), (negative * distance).sum(dim=1)


def _largest(values: Tensor, mask: Tensor) -> Tensor:
    """Row maxima (N, 1) over ``mask``."""
    return values.masked_fill(~mask, float("-inf")).amax(dim=1, keepdim=True)


def _weights(exponent: Tensor, mask: Tensor) -> Tensor:
    """exp(exponent) over ``mask``, divided by its row sum plus 1e-6; zero elsewhere."""
    terms = exponent.masked_fill(~mask, float("-inf")).exp()
    return terms / (terms.sum(dim=1, keepdim=True) + 1e-6)
