"""Where the patches of the operator "patch" come from: a pool of the latest images of each modality."""

from __future__ import annotations

from functools import lru_cache

import torch
from torch import Tensor

from vireidkit.data.augmentation import Donors
from vireidkit.data.sampler import IdentitySampler
from vireidkit.data.store import ImageStore
from vireidkit.randomness import generator

CAPACITY, LEAST = 1000, 100


class PatchPool:
    """For every image of a batch one of the latest ``capacity`` images of its modality, itself included, to take a patch from.

    Images count in the order in which batches list them, over the whole run; the earliest ``least`` - 1 of a modality get no patch.
    Which images a batch had follows from the sampler alone, so nothing is remembered between steps: a resumed run and a shard of a
    batch find the very images that the straight run and the whole batch would.

    Source: random patch of MDPR's released code (mdpr.md section 5, grade: code), whose pool of cut patches lives in each loader process
    and mixes all that comes by. Here (ours): one pool per modality for all processes, an image is in it as stored (not yet cropped,
    mirrored or erased), and where the patch is cut out is drawn when it is pasted.

    Args:
        sampler: draws the batches. seed: keys the draws.
    """

    def __init__(self, sampler: IdentitySampler, seed: int, *, capacity: int = CAPACITY, least: int = LEAST) -> None:
        self.sampler, self.seed, self.capacity, self.least = sampler, seed, capacity, least
        # Plans that the next steps ask for again; what it holds changes no result.
        self._listed = lru_cache(maxsize=256)(self._list)

    def rows(self, step: int) -> Tensor:
        """Table rows of the donors of a step's batch, in the shape of its ``rows``; -1 where the pool is still too small."""
        modality, rows = self._listed(step)
        chances = torch.rand(rows.shape, generator=generator(self.seed, "patch donor", step), dtype=torch.float64)
        found = torch.full_like(rows, -1)
        for code in modality.unique().tolist():
            own = modality == code
            found[own] = self._choose(code, step, chances[own])
        return found

    def donors(self, store: ImageStore, step: int, positions: Tensor | None = None) -> Donors:
        """The donors' images, for the rows at ``positions`` of the batch; None is all of them."""
        rows = self.rows(step) if positions is None else self.rows(step)[positions]
        return Donors(store.images(rows.clamp(min=0)), rows >= 0)

    def _choose(self, code: int, step: int, chances: Tensor) -> Tensor:
        """A donor for every image of one modality in a batch, in the shape of ``chances``."""
        each = chances.numel()  # images of this modality in a batch
        number = step * each + torch.arange(each).view(chances.shape)  # of an image in the run
        oldest = (number - self.capacity + 1).clamp(min=0)
        chosen = oldest + (chances * (number - oldest + 1)).long().minimum(number - oldest)
        first = int(oldest.min()) // each
        pool = torch.cat([rows[modality == code].flatten() for modality, rows in map(self._listed, range(first, step + 1))])
        return pool[chosen - first * each].masked_fill(number + 1 < self.least, -1)

    def _list(self, step: int) -> tuple[Tensor, Tensor]:
        """Modality and table rows of a step's batch."""
        plan = self.sampler.plan(step)
        return plan.modality, plan.rows


def pool_of(sampler: IdentitySampler, needed: bool, seed: int) -> PatchPool | None:
    """A pool for a sampler's batches where the augmentation needs one."""
    return PatchPool(sampler, seed) if needed else None
