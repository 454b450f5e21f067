"""Cross-entropy with smoothed labels, in the two forms that papers mean by it."""

from __future__ import annotations

from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import attached_zero, checked_rows


def smoothed_cross_entropy(logits: Tensor, labels: Tensor, *, epsilon: float = 0.1, spread: Literal["others", "all"] = "others") -> Tensor:
    """Mean over rows of -sum over c of t_c log p_c, with p the softmax of a row and t its smoothed target.

    "others": t is 1 - epsilon at the true class and epsilon / (C - 1) at each other one. "all": 1 - epsilon + epsilon / C and
    epsilon / C, which is torch's ``label_smoothing``. An epsilon of C / (C - 1) times that of "others" makes "all" the same loss.

    The released code divides by the number of rows whose loss is not exactly 0, which with epsilon > 0 is all of them. No rows give a
    zero attached to the graph; a single class leaves nothing to spread.

    Args:
        logits: (N, C). labels: integer (N,). epsilon: in 0..1.

    Raises:
        ValueError: wrong shapes or dtypes, or an unknown spread.

    Source: MDPR, released code (mdpr.md section 3.1, grade: code).
    """
    logits = checked_rows(logits, labels)
    if spread not in ("others", "all"):
        raise ValueError(f'spread must be "others" or "all"; found {spread!r}')
    if not len(logits):
        return attached_zero(logits)
    classes = logits.shape[1]
    if spread == "others" and classes > 1:
        epsilon = epsilon * classes / (classes - 1)
    return F.cross_entropy(logits, labels) * (1 - epsilon) - epsilon * F.log_softmax(logits, dim=1).mean()
