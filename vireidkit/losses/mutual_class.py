"""Distillation between predictions: of a teacher, and of the two modalities for each other."""

from __future__ import annotations

import torch
from torch import Tensor

from vireidkit.losses.centers import class_centers
from vireidkit.losses.inputs import at_least_float32, attached_zero
from vireidkit.modality import INFRARED, VISIBLE


def kl_distillation(student_logits: Tensor, teacher_logits: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 times the mean over rows of KL( softmax(teacher / T) || softmax(student / T) ).

        KL(a || b) = sum_k a_k (log a_k - log b_k)

    The teacher is a target: no gradient reaches its logits. T^2 keeps the gradients of soft and hard targets comparable. A
    constant added to a row of either changes nothing; no rows give a zero attached to the graph.

    Args:
        student_logits, teacher_logits: (N, C).
        temperature: T; the higher, the more the small probabilities count.

    Raises:
        ValueError: wrong shapes or dtypes, or a temperature that is not positive.

    Source: Hinton, Vinyals, Dean, arXiv 1503.02531 (grade: paper).
    """
    if not temperature > 0:
        raise ValueError(f"expected a positive temperature; found {temperature}")
    for name, logits in (("student", student_logits), ("teacher", teacher_logits)):
        if logits.ndim != 2 or not logits.is_floating_point() or logits.shape != student_logits.shape:
            expected = f"expected {name} logits (N, C) of a floating dtype, as many of both"
            raise ValueError(f"{expected}; found {tuple(logits.shape)} {logits.dtype} beside {tuple(student_logits.shape)}")
    if not student_logits.numel():
        return attached_zero(at_least_float32(student_logits))
    student = (at_least_float32(student_logits) / temperature).log_softmax(dim=1)
    teacher = (at_least_float32(teacher_logits.detach()) / temperature).log_softmax(dim=1).to(student.dtype)
    return temperature**2 * (teacher.exp() * (teacher - student)).sum(dim=1).mean()


def mutual_class_distillation(logits: Tensor, labels: Tensor, modality: Tensor, *, temperature: float = 3.0) -> Tensor:
    """Each modality learns the other's prediction for every person: KL between class-mean predictions, in both directions.

        obar^m_c = mean of the logits of person c in modality m,   q^m_c = softmax(obar^m_c / T)
        L_md = (1/P) sum_c (T^2 / 2) [ KL( sg(q^V_c) || q^I_c ) + KL( sg(q^I_c) || q^V_c ) ]

    sg stops the gradient, so that each of the two terms reaches the logits of one modality only. P counts the people that have
    rows in both modalities, the others are left out; with none the loss is a zero attached to the graph. Rows may come in any
    order and number.

    Args:
        logits: (N, C). labels: integer (N,), whose rows belong together. modality: integer (N,), VISIBLE=0 or INFRARED=1.
        temperature: T.

    Raises:
        ValueError: wrong shapes or dtypes, another modality, or a temperature that is not positive.

    Source: after SMMD, Zhang et al., ICME 2022, mutual-distillation learning (grade: reconstruction; class means are our
    reading of "for each person", T = 3 is CAJ's cross-modal KL, the two directions are deep mutual learning).
    """
    centers, band, person = class_centers(logits, labels, modality)  # (G, C), sorted by modality, then by label
    if ((band != VISIBLE) & (band != INFRARED)).any():
        raise ValueError(f"expected modality {VISIBLE} or {INFRARED}; found {band.unique().tolist()}")
    visible, infrared = band == VISIBLE, band == INFRARED
    visible_mean = centers[visible][torch.isin(person[visible], person[infrared])]  # (P, C)
    infrared_mean = centers[infrared][torch.isin(person[infrared], person[visible])]  # (P, C), the same people in the same order
    to_infrared = kl_distillation(infrared_mean, visible_mean, temperature)
    to_visible = kl_distillation(visible_mean, infrared_mean, temperature)
    return (to_infrared + to_visible) / 2
