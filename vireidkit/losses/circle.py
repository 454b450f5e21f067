"""Circle margins: logits made of cosines, pushed the harder the further they are from where they should be."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import checked_rows


def circle_margin_logits(cosine: Tensor, labels: Tensor, *, gamma: float = 64.0, margin: float = 0.35) -> Tensor:
    """Logits (N, C) of cosines c between features and class vectors, for a cross-entropy:

        of the true class     gamma max(0, 1 + m - sg(c)) (c - (1 - m))
        of every other class  gamma max(0, sg(c) + m) (c - m)

    sg: no gradient, so the first factors only weight: a true cosine far below 1 and a false one far above 0 learn fastest. With all
    cosines 0, gamma 64 and m 0.35 the logits are -56.16 and -7.84.

    Args:
        cosine: (N, C). labels: integer (N,), 0 to C - 1. gamma: scale. margin: m.

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: MDPR, released code (mdpr.md section 3.1, grade: code); Sun et al., CVPR 2020.
    """
    cosine = checked_rows(cosine, labels)
    weight = cosine.detach()
    true = gamma * F.relu(1 + margin - weight) * (cosine - (1 - margin))
    other = gamma * F.relu(weight + margin) * (cosine - margin)
    is_true = labels[:, None] == torch.arange(cosine.shape[1], device=cosine.device)  # (N, C)
    return torch.where(is_true, true, other)
