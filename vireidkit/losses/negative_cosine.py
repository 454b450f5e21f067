"""Learning a direction from another view of the same image: the negative cosine of SimSiam, and targets from the other modality."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import at_least_float32, attached_zero, checked_rows


def negative_cosine(prediction: Tensor, target: Tensor, *, stop_gradient: bool = True) -> Tensor:
    """-(mean over rows of cos(prediction, sg(target))): -1 where every prediction points where its target does.

    sg: the target gets no gradient, unless ``stop_gradient`` is off. No rows give a zero attached to the graph.

    Args:
        prediction, target: (N, D).

    Raises:
        ValueError: not two matrices of one shape.

    Source: MDPR, released code (mdpr.md section 3.5, grade: code), where the sum of both directions is halved; Chen and He, CVPR 2021.
    """
    if prediction.ndim != 2 or prediction.shape != target.shape or not (prediction.is_floating_point() and target.is_floating_point()):
        shapes = f"{tuple(prediction.shape)} {prediction.dtype} and {tuple(target.shape)} {target.dtype}"
        raise ValueError(f"expected two floating-point matrices (N, D) of one shape; found {shapes}")
    prediction, target = at_least_float32(prediction), at_least_float32(target)
    target = target.detach() if stop_gradient else target
    if not len(prediction):
        return attached_zero(prediction)
    return -(F.normalize(prediction, dim=1) * F.normalize(target, dim=1)).sum(dim=1).mean()


def other_modality_targets(vectors: Tensor, labels: Tensor, modality: Tensor) -> tuple[Tensor, Tensor]:
    """For every row the unit mean of the vectors of its identity in the other modality, and whether there is any.

    Args:
        vectors: (N, D). labels, modality: integer (N,).

    Returns:
        Targets (N, D), zero where there is none, without a gradient; bool (N,).

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: ours (mdpr.md section 11, an extension that is not MDPR).
    """
    vectors = checked_rows(vectors, labels).detach()
    checked_rows(vectors, modality, name="modality")
    partner = (labels[:, None] == labels[None, :]) & (modality[:, None] != modality[None, :])  # (N, N)
    with torch.autocast(vectors.device.type, enabled=False):
        return F.normalize(partner.to(vectors.dtype) @ vectors, dim=1), partner.any(dim=1)
