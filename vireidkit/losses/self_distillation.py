"""Self-distillation: the deepest classifier of a network teaches the shallow ones of the same network."""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import at_least_float32, attached_zero, checked_rows
from vireidkit.losses.mutual_class import kl_distillation

SMALLEST_SQUARE = 1e-12  # of a distance, so that its root has a finite gradient


def self_distillation(
    students: Sequence[Tensor],
    teacher: Tensor,
    labels: Tensor,
    *,
    alpha: float = 0.3,
    temperature: float = 3.0,
    t_square: bool = True,
    hint: float = 0.0,
    student_features: Sequence[Tensor] = (),
    teacher_features: Tensor | None = None,
) -> Tensor:
    """Each student learns from the labels, from the teacher's softened prediction and, with a hint, from the teacher's feature.

        L = sum over students k of (1 - alpha) CE(o_k, y) + alpha T^2 KL( sg(softmax(o / T)) || softmax(o_k / T) )
                                   + hint * mean over rows of | e_k - sg(f) |

    sg stops the gradient: the teacher learns nothing here. No rows give a zero attached to the graph.

    Args:
        students: logits o_k (N, C) of each shallow classifier, at least one.
        teacher: logits o (N, C) of the deepest classifier. labels: integer (N,).
        alpha: share of the teacher, 0..1. temperature: T.
        t_square: multiply the divergence by T^2, which keeps the gradients of soft and hard targets comparable.
        hint: weight of the distance between features; 0 needs no features.
        student_features: e_k (N, D), one for each student. teacher_features: f (N, D).

    Raises:
        ValueError: no student, wrong shapes or dtypes, features that do not go with the students, or a number out of its range.

    Source: Zhang et al., ICCV 2019 ("Be Your Own Teacher"), released code: alpha = 0.3, T = 3, no T^2, hint = 0.03 (grade: code);
    its place in LightOS, and T^2, are ours (lightos.md section 5, grade: reconstruction).
    """
    if not students or not 0 <= alpha <= 1 or not hint >= 0:
        raise ValueError(f"expected students, alpha in 0..1 and a hint of 0 or more; found {len(students)}, {alpha} and {hint}")
    total = sum(_from_labels_and_teacher(x, teacher, labels, alpha, temperature, t_square) for x in students)
    if not hint:
        return total
    if len(student_features) != len(students) or teacher_features is None:
        found = f"{len(student_features)} and {'none' if teacher_features is None else 'one'}"
        raise ValueError(f"expected features of all {len(students)} students and of the teacher for a hint; found {found}")
    return total + hint * sum(_distance(features, teacher_features) for features in student_features)


def _from_labels_and_teacher(student: Tensor, teacher: Tensor, labels: Tensor, alpha: float, temperature: float, t_square: bool) -> Tensor:
    """(1 - alpha) CE + alpha T^2 KL of one student."""
    soft = kl_distillation(student, teacher, temperature)  # times T^2 already; it checks both logits
    rows = checked_rows(student, labels)
    hard = F.cross_entropy(rows, labels.long()) if len(rows) else attached_zero(rows)
    return (1 - alpha) * hard + alpha * (soft if t_square else soft / temperature**2)


def _distance(features: Tensor, target: Tensor) -> Tensor:
    """Mean over rows of | e - sg(f) |."""
    if features.ndim != 2 or features.shape != target.shape or not features.is_floating_point():
        raise ValueError(f"expected features (N, D) as the teacher's {tuple(target.shape)}; found {tuple(features.shape)} {features.dtype}")
    features = at_least_float32(features)
    if not features.numel():
        return attached_zero(features)
    square = (features - at_least_float32(target.detach()).to(features.dtype)).square().sum(dim=1)
    return square.clamp(min=SMALLEST_SQUARE).sqrt().mean()
