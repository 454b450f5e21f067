"""Several processes, one batch: every process embeds its share of the people, heads and losses see the whole batch.

Gradients: each process computes the same loss from the gathered rows. The backward of the gather sums the gradients of all
processes, which is ``world_size`` times the true one, and DistributedDataParallel divides by ``world_size`` again. Heads behind
the gather have the true gradient in every process, and the average leaves it so.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError


def shard_positions(plan: Batch, world_size: int) -> list[Tensor]:
    """Positions of every process's rows in the whole batch: person i of the batch belongs to process i mod world_size.

    Every process so holds both modalities, in the batch's own order, and as many rows as every other.

    Raises:
        SettingError: the number of people in the batch is no multiple of the number of processes.
    """
    people = plan.labels.unique()
    if len(people) % world_size:
        raise SettingError(
            f"a batch of {len(people)} identities cannot be shared by {world_size} devices: choose a multiple of {world_size}"
        )
    owner = torch.searchsorted(people, plan.labels) % world_size
    return [torch.nonzero(owner == rank).flatten() for rank in range(world_size)]


class RowGather:
    """Gathers rows of all processes in the order of the whole batch; the gradient flows back to the process that made them."""

    def __init__(self, world_size: int) -> None:
        self.world_size = world_size
        self._plan: Batch | None = None
        self._order: Tensor | None = None

    def expect(self, plan: Batch, positions: list[Tensor]) -> None:
        """Say which batch the next rows belong to: the whole plan and every process's positions in it."""
        self._plan = plan
        self._order = torch.cat(positions).argsort()

    def __call__(self, rows: Tensor, batch: Batch) -> tuple[Tensor, Batch]:
        """(B/world, ...) rows of this process -> (B, ...) rows of all, with the whole batch's labels (and no images)."""
        whole = gather_rows(rows, self._order.to(rows.device))
        return whole, self._plan.to(rows.device)


def gather_rows(rows: Tensor, order: Tensor) -> Tensor:
    """Differentiable all-gather of equally many rows from every process, then put into the order ``order``."""
    return _AllGather.apply(rows)[order]


class _AllGather(torch.autograd.Function):
    """Concatenate over processes; backward sums the gradients of all processes and keeps the own slice."""

    @staticmethod
    def forward(ctx: Any, rows: Tensor) -> Tensor:
        parts = [torch.empty_like(rows) for _ in range(dist.get_world_size())]
        dist.all_gather(parts, rows.contiguous())
        return torch.cat(parts)

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient.chunk(dist.get_world_size())[dist.get_rank()]


class _AllReduceSum(torch.autograd.Function):
    """Sum over processes, in the forward and in the backward pass."""

    @staticmethod
    def forward(ctx: Any, value: Tensor) -> Tensor:
        total = value.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, gradient: Tensor) -> Tensor:
        gradient = gradient.contiguous().clone()
        dist.all_reduce(gradient)
        return gradient


class AllReduceBatchNorm(_BatchNorm):
    """Batch norm over the rows of all processes, on any device (torch's synchronised form refuses CPU tensors).

    Same parameters, buffers and state-dict names as ``nn.BatchNorm2d``. Takes (B, C) or (B, C, H, W).
    """

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"batch norm needs (B, C, ...) with at least 2 dimensions, found {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalise with the statistics of all processes' rows, or in evaluation mode with the running ones."""
        if not self.training:
            return super().forward(input)
        self._check_input_dim(input)
        x = input.float() if input.dtype in (torch.float16, torch.bfloat16) else input
        axes = [0, *range(2, x.dim())]
        shape = [1, -1, *[1] * (x.dim() - 2)]
        count = _AllReduceSum.apply(x.new_tensor([x.numel() / x.shape[1]]))
        mean = _AllReduceSum.apply(x.sum(axes)) / count  # (C,)
        centred = x - mean.view(shape)
        variance = _AllReduceSum.apply(centred.square().sum(axes)) / count  # (C,)
        self._update_statistics(mean.detach(), variance.detach(), float(count))
        out = centred * torch.rsqrt(variance + self.eps).view(shape)
        if self.affine:
            out = out * self.weight.view(shape) + self.bias.view(shape)
        return out.to(input.dtype)

    def _update_statistics(self, mean: Tensor, variance: Tensor, count: float) -> None:
        """Running mean and unbiased variance, as torch keeps them."""
        if not self.track_running_stats:
            return
        with torch.no_grad():
            self.num_batches_tracked += 1
            momentum = 1.0 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
            self.running_mean.lerp_(mean.to(self.running_mean.dtype), momentum)
            self.running_var.lerp_((variance * (count / max(1.0, count - 1))).to(self.running_var.dtype), momentum)


def synchronise_batch_norm(module: nn.Module, *, on_gpu: bool) -> nn.Module:
    """Replace every batch norm below ``module`` by one over all processes, keeping its parameters and names.

    Modules with ``sees_whole_batch = True`` stand behind the row gather and are left as they are.
    """
    for name, child in module.named_children():
        if getattr(child, "sees_whole_batch", False):
            continue
        if isinstance(child, _BatchNorm) and not isinstance(child, AllReduceBatchNorm | nn.SyncBatchNorm):
            setattr(module, name, nn.SyncBatchNorm.convert_sync_batchnorm(child) if on_gpu else _all_reduced(child))
        else:
            synchronise_batch_norm(child, on_gpu=on_gpu)
    return module


def _all_reduced(norm: _BatchNorm) -> AllReduceBatchNorm:
    """An AllReduceBatchNorm with the very parameters and buffers of ``norm``."""
    new = AllReduceBatchNorm(norm.num_features, norm.eps, norm.momentum, norm.affine, norm.track_running_stats)
    if norm.affine:
        new.weight, new.bias = norm.weight, norm.bias
    for name, buffer in norm.named_buffers():
        setattr(new, name, buffer)
    return new.train(norm.training)
