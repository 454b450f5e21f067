"""Which images make a batch: P identities, K images of each in each modality, drawn anew for every step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, MODALITIES, VISIBLE
from vireidkit.randomness import generator

VIEW_STRIDE = 16  # views v and v + 16 m are made by the same operators; m counts how often the image is already in the batch


class IdentitySampler:
    """Draws the rows of every batch; the draw of a step depends on (seed, step) and on nothing else.

    A batch holds ``identities`` (P) different people, and of each ``per_modality`` (K) images in each modality. With
    ``views=2`` every visible image comes twice: all rows of view 0, then the same images as view 1, then the infrared rows.
    Length P K (views + 1). Source: baseline.md section 2 (grade: code), except for the draw without replacement (ours).

    Only identities with images in both modalities are drawn. Without replacement no image is twice in a batch; a person with
    fewer than K images in a modality is completed with the same images again, under the view numbers v + 16, v + 32, ... of
    view v (``VIEW_STRIDE``), so that (row, view) stays unique. With replacement, as in the released code, an image may repeat
    under one view number.

    Args:
        table: the training table.
        labels: identity -> class index, for every identity of the table.
        identities: P, at least 1.
        per_modality: K, at least 1.
        views: visible views of every drawn visible image, 1 to 16.
        replacement: draw a person's images with replacement.
        seed: keys all draws.
        steps_per_epoch: None is the honest length of the reference's epoch list, floor(Nmax / (P K)) + 1, where Nmax is the larger
            of the numbers of visible and infrared images.

    Attributes:
        eligible: identities (ascending) that batches are drawn from; skipped: those with images in one modality only.

    Raises:
        SettingError: P, K, views or the number of steps is below 1, or fewer than P identities have images in both modalities.
        ValueError: an identity of the table has no label.
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
        self.identities, self.per_modality, self.views = identities, per_modality, views
        self.replacement, self.seed = replacement, seed
        _check_settings(identities, per_modality, views, steps_per_epoch)
        unlabelled = sorted(set(table["identity"].unique().tolist()) - set(labels))
        if unlabelled:
            raise ValueError(f"labels must cover every identity of the table, found none for {unlabelled[:5]}")
        self.eligible, self.skipped = _split_by_bands(table)
        if len(self.eligible) < identities:
            raise SettingError(
                f"a batch needs identities={identities} people with images in both modalities, "
                f"the table has {len(self.eligible)} (and {len(self.skipped)} seen in one modality only)"
            )
        self._labels = torch.tensor([labels[identity] for identity in self.eligible])  # (N,)
        self._cameras = torch.tensor(table["camera"].to_numpy(dtype=np.int64))
        self._rows, self._counts = zip(*(_rows_of(table, self.eligible, name) for name in MODALITIES), strict=True)
        largest = int(table["modality"].value_counts().max())
        self._steps = largest // (identities * per_modality) + 1 if steps_per_epoch is None else steps_per_epoch

    def __len__(self) -> int:
        """Steps of an epoch."""
        return self._steps

    def plan(self, step: int) -> Batch:
        """The batch of a step without its pixels: ``images`` is empty, uint8 (B, 0). ``step`` counts over the whole run, from 0."""
        draw = generator(self.seed, "sampler", step)
        people = torch.randperm(len(self.eligible), generator=draw)[: self.identities]  # (P,)
        visible, visible_turn = self._draw(VISIBLE, people, draw)  # (P K,)
        infrared, infrared_turn = self._draw(INFRARED, people, draw)
        rows = torch.cat([visible] * self.views + [infrared])  # (B,)
        views = [VIEW_STRIDE * visible_turn + view for view in range(self.views)] + [VIEW_STRIDE * infrared_turn]
        halves = torch.tensor([VISIBLE] * self.views + [INFRARED])
        return Batch(
            images=torch.empty((len(rows), 0), dtype=torch.uint8),
            labels=self._labels[people].repeat_interleave(self.per_modality).repeat(self.views + 1),
            modality=halves.repeat_interleave(len(visible)),
            cameras=self._cameras[rows],
            rows=rows,
            views=torch.cat(views),
        )

    def _draw(self, modality: int, people: Tensor, draw: torch.Generator) -> tuple[Tensor, Tensor]:
        """K rows of every person, and how often each was already drawn in this batch; both (P K,), identity-major."""
        rows, counts = self._rows[modality][people], self._counts[modality][people]  # (P, M), (P,)
        if self.replacement:
            chances = torch.rand((len(people), self.per_modality), generator=draw, dtype=torch.float64)
            places = (chances * counts[:, None]).long().minimum(counts[:, None] - 1)  # (P, K)
            return rows.gather(1, places).flatten(), torch.zeros(places.numel(), dtype=torch.long)
        chances = torch.rand(rows.shape, generator=draw, dtype=torch.float64)
        absent = torch.arange(rows.shape[1]) >= counts[:, None]
        order = chances.masked_fill(absent, 2.0).argsort(dim=1)  # (P, M), a person's own images first, shuffled
        turn, place = torch.arange(self.per_modality) // counts[:, None], torch.arange(self.per_modality) % counts[:, None]
        return rows.gather(1, order.gather(1, place)).flatten(), turn.flatten()


def _check_settings(identities: int, per_modality: int, views: int, steps_per_epoch: int | None) -> None:
    for name, value in {"identities": identities, "per_modality": per_modality, "views": views}.items():
        if value < 1:
            raise SettingError(f"{name} must be at least 1, found {value}")
    if views > VIEW_STRIDE:
        raise SettingError(f"views must be at most {VIEW_STRIDE}, found {views}")
    if steps_per_epoch is not None and steps_per_epoch < 1:
        raise SettingError(f"steps_per_epoch must be at least 1, found {steps_per_epoch}")


def _split_by_bands(table: pd.DataFrame) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Identities seen in both modalities, and those seen in one."""
    bands = table.groupby("identity")["modality"].nunique()
    return tuple(map(int, bands.index[bands == 2])), tuple(map(int, bands.index[bands != 2]))


def _rows_of(table: pd.DataFrame, identities: tuple[int, ...], modality: str) -> tuple[Tensor, Tensor]:
    """Row positions of every identity in one modality, (N, M) padded with 0 to the largest M, and their numbers (N,)."""
    positions = pd.Series(np.arange(len(table)), dtype="int64")[(table["modality"] == modality).to_numpy()]
    groups = positions.groupby(table["identity"].to_numpy()[positions.index]).agg(list)
    lists = [torch.tensor(groups[identity]) for identity in identities]
    return torch.nn.utils.rnn.pad_sequence(lists, batch_first=True), torch.tensor([len(rows) for rows in lists])
