"""IDKL's sampler: an epoch that goes through every person's visible and infrared images side by side, in chunks of K pairs."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
import torch
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.data.sampler import IdentitySampler, _Rows
from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE
from vireidkit.randomness import generator


class PairSampler(IdentitySampler):
    """Batches of P people with K visible and K infrared images each, drawn in passes over the images instead of one by one.

    A pass: of every person with images in both modalities, the modality with more images is cut down at random to the number of
    the other, both are shuffled, and are cut into chunks of K; what is left over is dropped. While at least P people have chunks,
    P of them are drawn uniformly and give one chunk each. People with fewer than K images in a modality give one chunk, for which
    that modality is drawn with replacement.

    The length of a pass is random. An epoch takes that of the first pass, or ``steps_per_epoch``; where its own pass is shorter,
    another pass goes on (ours: a run's steps must be countable). Draws depend on (seed, epoch, pass) and on nothing else.

    Source: IDKL, released code (idkl.md section 6, grade: code), which breaks off at people who lack K images in one modality only
    and orders a batch infrared, visible, infrared, ...; here the order is the kit's (see ``Batch``).

    Args:
        table, labels, identities, per_modality, seed, steps_per_epoch: as of ``IdentitySampler``. ``replacement`` has no meaning.

    Raises:
        SettingError: as ``IdentitySampler``, a table of one modality, or more than one view.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        labels: Mapping[int, int],
        *,
        identities: int,
        per_modality: int,
        views: int = 1,
        replacement: bool = False,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(
            table, labels, identities=identities, per_modality=per_modality, views=views, seed=seed, steps_per_epoch=steps_per_epoch
        )
        if self.bands != (VISIBLE, INFRARED):
            raise SettingError("sampler=pairs needs images of both modalities, found one; use sampler=identities")
        if views != 1:
            raise SettingError(f"sampler=pairs gives one view of every image, found views={views}; use sampler=identities")
        self._known: tuple[int, list[Tensor]] | None = None
        if steps_per_epoch is None:
            self._steps = len(self._pass(0, 0))

    def plan(self, step: int) -> Batch:
        """The batch of a step without its pixels: ``images`` is empty, uint8 (B, 0). ``step`` counts over the whole run, from 0."""
        epoch, place = divmod(step, self._steps)
        if self._known is None or self._known[0] != epoch:
            self._known = (epoch, self._epoch(epoch))
        people, drawn = self._known[1][place].split([1, 2 * self.per_modality], dim=1)  # (P, 1), (P, 2 K)
        rows = drawn.unflatten(1, (2, -1)).transpose(0, 1).flatten()  # (B,)
        half = len(rows) // 2
        return Batch(
            images=torch.empty((len(rows), 0), dtype=torch.uint8),
            labels=self._labels[people[:, 0]].repeat_interleave(self.per_modality).repeat(2),
            modality=torch.tensor(self.bands).repeat_interleave(half),
            cameras=self._cameras[rows],
            rows=rows,
            views=torch.zeros(len(rows), dtype=torch.long),
        )

    def _epoch(self, epoch: int) -> list[Tensor]:
        """An epoch's batches: passes until there are enough, the last one cut."""
        batches: list[Tensor] = []
        number = 0
        while len(batches) < self._steps:
            batches += self._pass(epoch, number)
            number += 1
        return batches[: self._steps]

    def _pass(self, epoch: int, number: int) -> list[Tensor]:
        """Batches (P, 1 + 2 K): a person's position among the eligible, then the rows of K visible and K infrared images."""
        draw = generator(self.seed, "pairs", epoch, number)
        chunks = [self._chunks(person, draw) for person in range(len(self.eligible))]
        left = torch.tensor([len(own) for own in chunks])
        batches = []
        while int((left > 0).sum()) >= self.identities:
            able = left.nonzero()[:, 0]
            people = able[torch.randperm(len(able), generator=draw)[: self.identities]]  # (P,)
            left[people] -= 1
            batches.append(torch.stack([chunks[person][left[person]] for person in people.tolist()]))
        return batches

    def _chunks(self, person: int, draw: torch.Generator) -> Tensor:
        """All chunks of one person in this pass, (chunks, 1 + 2 K), laid out as in ``_pass``."""
        bands = [self._rows[code] for code in (VISIBLE, INFRARED)]
        count = max(self.per_modality, min(int(own.counts[person]) for own in bands))
        count -= count % self.per_modality
        rows = [_some(own, person, count, draw).view(-1, self.per_modality) for own in bands]  # two (chunks, K)
        return torch.cat([torch.full((len(rows[0]), 1), person), *rows], dim=1)


def _some(own: _Rows, person: int, count: int, draw: torch.Generator) -> Tensor:
    """``count`` rows of a person's images in random order: different ones where there are as many, else with replacement."""
    start, have = int(own.starts[person]), int(own.counts[person])
    places = torch.randperm(have, generator=draw)[:count] if have >= count else torch.randint(have, (count,), generator=draw)
    return own.rows[start + places]
