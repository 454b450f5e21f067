"""Distillation of the geometry of a batch: the student's pairwise distances follow the teacher's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.distance import pairwise_squared_distance
from vireidkit.losses.inputs import at_least_float32, attached_zero

FORMS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {"l2": F.mse_loss, "l1": F.l1_loss, "huber": F.smooth_l1_loss}


def pairwise_distance_distillation(student: Tensor, teacher: Tensor, *, form: Literal["l2", "l1", "huber"] = "l2") -> Tensor:
    """Half the mean, over all pairs of rows, of the squared difference between the student's and the teacher's squared distances.

        D_X[i, j] = |x_i - x_j|^2,    L_DP = 1/2 * 1/B^2 * sum_ij (D_S[i, j] - D_T[i, j])^2

    No root, no normalisation, the zeros of the diagonal count in the mean. The teacher is a target: no gradient reaches it. Only
    distances inside each network are compared, so the two may have different widths. No rows give a zero attached to the graph.

    Args:
        student: (B, D). teacher: (B, E), the same B samples in the same order.
        form: "l2" as above; "l1" takes |D_S - D_T|, "huber" torch's smooth L1 of it, both times 1/2.

    Raises:
        ValueError: wrong shapes or dtypes, or an unknown form.

    Source: VKD, Porrello et al., ECCV 2020, released code (mdkt.md section 3.4, grade: code).
    """
    if form not in FORMS:
        raise ValueError(f"form must be one of {', '.join(FORMS)}; found {form!r}")
    for name, rows in (("student", student), ("teacher", teacher)):
        if rows.ndim != 2 or not rows.is_floating_point() or len(rows) != len(student):
            expected = f"expected {name} features (B, D) of a floating dtype, as many of both"
            raise ValueError(f"{expected}; found {tuple(rows.shape)} {rows.dtype}")
    if not len(student):
        return attached_zero(at_least_float32(student))
    own = pairwise_squared_distance(student)  # (B, B)
    return FORMS[form](own, pairwise_squared_distance(teacher.detach()).to(own.dtype)) / 2
