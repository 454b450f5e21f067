"""Batches of sets: P identities, K sets of N frames of each in each modality, for methods that learn from tracklets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.data.sampler import IdentitySampler, _Rows
from vireidkit.errors import SettingError
from vireidkit.modality import MODALITIES
from vireidkit.randomness import generator

SOURCES = ("tracklet", "multiview")


class SetSampler(IdentitySampler):
    """Draws the frames of every batch; the draw of a step depends on (seed, step) and on nothing else.

    A batch holds ``identities`` (P) different people, and of each ``per_modality`` (K) sets of ``frames`` (N) frames in each modality
    that the table has; all frames of a set are of one person in one modality. Where a set comes from is the ``source``:

    - "tracklet": one tracklet, cut into N chunks of equal length (the last ones filled up with the last frame), one frame at random
      of each; a tracklet of fewer frames gives all of them, then the last one again. The K sets are different tracklets as far as
      the person has as many, else some again: drawn at random with ``replacement``, as evenly as possible without.
    - "multiview": all tracklets of the person in that modality, in random order and in turn, one random frame at a time. The K sets
      are drawn independently. Without ``replacement`` no frame comes twice into a set while its tracklet has another.

    Images of no tracklet (-1) count as one tracklet for each identity, camera and modality. At the end the frames of every set are
    shuffled, so the first M of them are M of the N drawn at random, for every set anew.

    An epoch shows everybody at most once: it goes through the people in random order, P at a time, and drops the rest, so its length
    is floor(people / P). Such passes are counted over the whole run; with another ``steps_per_epoch``, and in a later stage of
    training, an epoch may begin inside a pass.

    Source: VKD, released code (mdkt.md sections 4.1, 4.2 and 4.4, grade: code), with ``replacement``; sets within a modality and the
    draw without ``replacement`` are ours, and so are the keyed draws (VKD repeats one random stream every epoch).

    Args:
        table, labels, identities, per_modality, seed, steps_per_epoch: as of ``IdentitySampler``. views: must be 1.
        frames: N, at least 1.

    Raises:
        SettingError: as ``IdentitySampler``, an unknown source, no frame, or more than one view.
    """

    def __init__(
        self,
        table: pd.DataFrame,
        labels: Mapping[int, int],
        *,
        identities: int,
        per_modality: int,
        frames: int,
        source: Literal["tracklet", "multiview"] = "tracklet",
        views: int = 1,
        replacement: bool = False,
        seed: int = 0,
        steps_per_epoch: int | None = None,
    ) -> None:
        super().__init__(
            table,
            labels,
            identities=identities,
            per_modality=per_modality,
            views=views,
            replacement=replacement,
            seed=seed,
            steps_per_epoch=steps_per_epoch,
        )
        if views != 1:
            raise SettingError(f"sampler=sets gives one view of every frame, found views={views}; use sampler=identities")
        if frames < 1:
            raise SettingError(f"frames must be at least 1, found {frames}")
        if source not in SOURCES:
            raise SettingError(f"sets must be one of {', '.join(SOURCES)}; found {source!r}")
        self.frames, self.source = frames, source
        self._tracks = {code: _tracks_of(table, self.eligible, MODALITIES[code]) for code in self.bands}
        self._pass = len(self.eligible) // identities
        if steps_per_epoch is None:
            self._steps = self._pass

    def plan(self, step: int) -> Batch:
        """The batch of a step without its pixels: ``images`` is empty, uint8 (B, 0). ``step`` counts over the whole run, from 0."""
        turn, place = divmod(step, self._pass)
        everyone = torch.randperm(len(self.eligible), generator=generator(self.seed, "set people", turn))
        people = everyone[place * self.identities : (place + 1) * self.identities]  # (P,)
        draw = generator(self.seed, "sets", step)
        rows = torch.cat([self._sets(self._tracks[code], people, draw) for code in self.bands])  # (B, N)
        return Batch(
            images=torch.empty((len(rows), 0), dtype=torch.uint8),
            labels=self._labels[people].repeat_interleave(self.per_modality).repeat(len(self.bands)),
            modality=torch.tensor(self.bands).repeat_interleave(len(rows) // len(self.bands)),
            cameras=self._cameras[rows],
            rows=rows,
            views=torch.zeros(len(rows), dtype=torch.long),
        )

    def _sets(self, own: _Tracks, people: Tensor, draw: torch.Generator) -> Tensor:
        """K sets of every person, identity-major, in random order inside: rows of the table, (P K, N)."""
        tracks = self._one_tracklet(own, people, draw) if self.source == "tracklet" else self._in_turn(own, people, draw)  # (P K, N)
        starts, counts = own.frames.starts[tracks], own.frames.counts[tracks]
        places = self._chunked(counts, draw) if self.source == "tracklet" else self._views(tracks, counts, draw)
        rows = own.frames.rows[starts + places]
        return rows.gather(1, torch.rand(rows.shape, generator=draw, dtype=torch.float64).argsort(dim=1))

    def _one_tracklet(self, own: _Tracks, people: Tensor, draw: torch.Generator) -> Tensor:
        """The tracklet of every set, once for each of its frames: (P K, N)."""
        counts = own.members.counts[people][:, None]  # (P, 1)
        order = _shuffled(counts, own.members.most, draw)  # (P, most)
        place = (torch.arange(self.per_modality) % counts).expand(len(people), -1)  # (P, K)
        if self.replacement:
            chances = torch.rand(place.shape, generator=draw, dtype=torch.float64)
            place = torch.where(counts >= self.per_modality, place, (chances * counts).long().minimum(counts - 1))
        tracks = own.members.rows[own.members.starts[people][:, None] + order.gather(1, place)]
        return tracks.flatten()[:, None].expand(-1, self.frames)

    def _in_turn(self, own: _Tracks, people: Tensor, draw: torch.Generator) -> Tensor:
        """A person's tracklets in random order, in turn: (P K, N)."""
        people = people.repeat_interleave(self.per_modality)
        counts = own.members.counts[people][:, None]
        order = _shuffled(counts, own.members.most, draw)
        slots = (torch.arange(self.frames) % counts).expand(len(people), -1)
        return own.members.rows[own.members.starts[people][:, None] + order.gather(1, slots)]

    def _chunked(self, counts: Tensor, draw: torch.Generator) -> Tensor:
        """A random place in each of N equal chunks of a tracklet of ``counts`` (S, N) frames."""
        size = -(-counts // self.frames)
        inside = (torch.rand(counts.shape, generator=draw, dtype=torch.float64) * size).long().minimum(size - 1)
        return (torch.arange(self.frames) * size + inside).minimum(counts - 1)

    def _views(self, tracks: Tensor, counts: Tensor, draw: torch.Generator) -> Tensor:
        """A random place in the tracklet of every slot; both arguments (S, N)."""
        if self.replacement:
            return (torch.rand(counts.shape, generator=draw, dtype=torch.float64) * counts).long().minimum(counts - 1)
        # How often the slot's tracklet stood in an earlier slot: that many places of its random order are used up.
        used = (tracks[:, :, None] == tracks[:, None, :]).tril(-1).sum(dim=2)  # (S, N)
        first = (tracks[:, :, None] == tracks[:, None, :]).int().argmax(dim=2)  # the slot that stands for the tracklet's order
        most, kept = int(counts.max()), min(self.frames, int(counts.max()))
        order = _shuffled(counts[:, :, None], most, draw, kept=kept)  # (S, N, kept)
        order = order.gather(1, first[:, :, None].expand(-1, -1, kept))
        return order.gather(2, (used % counts)[:, :, None])[:, :, 0]


@dataclass(frozen=True)
class _Tracks:
    """The tracklets of every eligible identity in one modality.

    Attributes:
        members: numbers of an identity's tracklets; frames: rows of the table of every tracklet, in the order of its frames.
    """

    members: _Rows
    frames: _Rows


def _shuffled(counts: Tensor, most: int, draw: torch.Generator, *, kept: int | None = None) -> Tensor:
    """For every entry of ``counts`` (..., 1) the numbers below it in random order, then those up to ``most``; ``kept`` of them."""
    chances = torch.rand((*counts.shape[:-1], most), generator=draw, dtype=torch.float64)
    return chances.masked_fill(torch.arange(most) >= counts, 2.0).topk(most if kept is None else kept, largest=False).indices


def _tracks_of(table: pd.DataFrame, identities: tuple[int, ...], modality: str) -> _Tracks:
    """The tracklets of these identities (ascending) in one modality; frames of equal number stay in the order of the table."""
    known = np.asarray(identities)
    rows = np.flatnonzero((table["modality"] == modality).to_numpy() & np.isin(table["identity"].to_numpy(), known))
    part = table.iloc[rows]
    person = np.searchsorted(known, part["identity"].to_numpy())
    tracklet = part["tracklet"].to_numpy()
    single = np.where(tracklet < 0, part["camera"].to_numpy(), -1)  # images of no tracklet are told apart by their camera
    order = np.lexsort((part["frame"].to_numpy(), single, tracklet, person))
    keys = np.stack([person, tracklet, single])[:, order]
    begins = np.flatnonzero(np.r_[True, (keys[:, 1:] != keys[:, :-1]).any(axis=0)])  # a tracklet begins
    counts = np.diff(np.r_[begins, len(order)])
    owners = np.bincount(keys[0, begins], minlength=len(known))  # tracklets of every identity
    return _Tracks(_grouped(np.arange(len(begins)), owners), _grouped(rows[order], counts))


def _grouped(values: np.ndarray, counts: np.ndarray) -> _Rows:
    """Values that lie group by group, ``counts`` of each."""
    starts = np.cumsum(counts) - counts
    return _Rows(*(torch.from_numpy(np.ascontiguousarray(x)) for x in (values, starts, counts)), int(counts.max()))
