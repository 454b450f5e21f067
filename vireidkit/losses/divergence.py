"""Divergences between the softmax rows of two matrices."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.inputs import at_least_float32, attached_zero


def row_kl(model: Tensor, target: Tensor) -> Tensor:
    """KL1(A, B) = (1/r) sum over rows of KL(q || p), with p = softmax(A) the model's rows and q = softmax(B) the target's.

    Temperature 1, division by the number of rows r, nothing detached. Matrices without rows or columns give an attached zero.

    Args:
        model, target: (r, c), any real numbers, such as logits or distances.

    Raises:
        ValueError: not two matrices of one shape.

    Source: IDKL, released code (idkl.md section 5, grade: code).
    """
    model, target = _checked(model, target)
    if not model.numel():
        return attached_zero(model) + attached_zero(target)
    log_p, log_q = F.log_softmax(model, dim=1), F.log_softmax(target, dim=1)
    return (log_q.exp() * (log_q - log_p)).sum() / len(model)


def symmetric_kl(first: Tensor, second: Tensor) -> Tensor:
    """J(A, B) = KL1(A, B) + KL1(B, A) = (1/r) sum over rows and columns of (p - q)(log p - log q), p = softmax(A), q = softmax(B).

    Temperature 1, no factor 1/2, division by the number of rows r. Gradients reach both sides: each is the other's teacher.
    J is symmetric, 0 for equal inputs, and does not see a constant added to a row. Matrices without rows or columns give an
    attached zero.

    Args:
        first, second: (r, c), any real numbers, such as logits or distances.

    Raises:
        ValueError: not two matrices of one shape.

    Source: IDKL, released code (idkl.md section 5, grade: code).
    """
    first, second = _checked(first, second)
    if not first.numel():
        return attached_zero(first) + attached_zero(second)
    log_p, log_q = F.log_softmax(first, dim=1), F.log_softmax(second, dim=1)
    return ((log_p.exp() - log_q.exp()) * (log_p - log_q)).sum() / len(first)


def _checked(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Both in float32 or float64, once they are known to be matrices of one shape."""
    if first.ndim != 2 or first.shape != second.shape or not (first.is_floating_point() and second.is_floating_point()):
        shapes = f"{tuple(first.shape)} {first.dtype} and {tuple(second.shape)} {second.dtype}"
        raise ValueError(f"expected two floating-point matrices (r, c) of one shape; found {shapes}")
    return at_least_float32(first), at_least_float32(second)
