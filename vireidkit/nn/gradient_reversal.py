"""Gradient reversal: the identity on the way forward, minus the gradient on the way back."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


class _Reverse(torch.autograd.Function):
    """y = x; dL/dx = -strength dL/dy."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradient, None


def reverse_gradient(x: Tensor, strength: float = 1.0) -> Tensor:
    """``x`` itself, through which gradients pass multiplied by ``-strength``: what lies before it learns to make the loss larger.

    Source: Ganin and Lempitsky, ICML 2015 (grade: paper).
    """
    return _Reverse.apply(x, strength)
