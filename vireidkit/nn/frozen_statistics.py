"""Batch norms that use a batch's statistics and remember none of them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm


@contextmanager
def untouched_statistics(module: nn.Module) -> Iterator[None]:
    """Inside the block, batch norms below ``module`` that are in training mode leave their running statistics and counters alone.

    How a frozen teacher is run in VKD, whose flag (``track_running_stats = False`` beside training mode) has meant different things
    in different versions of torch. A momentum of 0 says the same in all of them, also to batch norms over several processes.

    Source: VKD, released code; its pitfall 4 in mdkt.md section 7 (grade: code).
    """
    norms = [norm for norm in module.modules() if isinstance(norm, _BatchNorm)]
    before = [(norm.momentum, None if norm.num_batches_tracked is None else norm.num_batches_tracked.clone()) for norm in norms]
    try:
        for norm in norms:
            norm.momentum = 0.0
        yield
    finally:
        for norm, (momentum, counted) in zip(norms, before, strict=True):
            norm.momentum = momentum
            if counted is not None:
                norm.num_batches_tracked.copy_(counted)
