"""The two-stream network: early stages once per modality, later stages shared."""

from __future__ import annotations

import copy
from collections.abc import Callable

import torch
from torch import Tensor, nn

from vireidkit.errors import SettingError
from vireidkit.modality import INFRARED, VISIBLE
from vireidkit.nn.trunk import Trunk


class TwoStream(nn.Module):
    """A trunk whose first ``split`` stages exist once per modality; the rest is shared by both.

        images (visible rows)  -> visible  --\\
                                              joined on the batch axis -> shared -> map (B, D, h, w)
        images (infrared rows) -> infrared --/

    Both copies start from the same weights. Shared batch norms therefore see both modalities in one batch. State-dict names
    are ``visible.``, ``infrared.`` or ``shared.`` followed by the trunk's own name. AGW is split 1 (the stem).

    Args:
        make_trunk: returns a fresh ``Trunk``.
        split: number of leading stages of a modality's own, from 0 (one network for both) to the number of stages.

    Attributes:
        channels: D; stage_channels: stage name -> channels.

    Raises:
        SettingError: a split that the trunk does not have.
    """

    def __init__(self, make_trunk: Callable[[], Trunk], *, split: int = 1) -> None:
        super().__init__()
        trunk = make_trunk()
        names = tuple(trunk.members)
        if not 0 <= split <= len(names):
            raise SettingError(f"split must be between 0 and {len(names)} ({', '.join(names)}); found {split}")
        self.split = split
        self.channels = trunk.channels
        self.stage_channels = dict(trunk.stage_channels)
        self.visible = copy.deepcopy(trunk).keep(names[:split])
        self.infrared = copy.deepcopy(self.visible)
        self.shared = trunk.keep(names[split:])

    def forward(self, images: Tensor, modality: Tensor | int) -> Tensor:
        """Images (B, 3, H, W) with modality codes (B,) to a map (B, D, h, w) in the order of the input rows.

        One code instead of a tensor says that all rows are of that modality. Then no value of a tensor decides what is run,
        which exporting needs.

        Rows may come in any order; visible first, then infrared, costs no copy. A batch may hold one modality only, and then
        the stages of the other are not touched.

        Raises:
            ValueError: no rows, codes that are not (B,) or neither 0 nor 1.
        """
        if isinstance(modality, int):
            return self.shared(self._own(modality)(images))
        rows = _Rows(images, modality)
        halves = [own(half) for own, half in self._pair(rows.divide(images))] if self.split else []
        return self.shared(rows.join(halves) if self.split else images)

    def stages_of(self, images: Tensor, modality: Tensor) -> dict[str, Tensor]:
        """The maps (B, C, h, w) after every stage, by name, in order; rows as in the input."""
        rows = _Rows(images, modality)
        maps: dict[str, Tensor] = {}
        x = images
        halves = [(own.stages(), half) for own, half in self._pair(rows.divide(images))]
        for name in self.visible.members:
            halves = [(stages, stages[name](half)) for stages, half in halves]
            x = maps[name] = rows.join([half for _, half in halves])
        for name, stage in self.shared.stages().items():
            x = maps[name] = stage(x)
        return maps

    def _own(self, modality: int) -> Trunk:
        """The own stages of one modality."""
        if modality not in (VISIBLE, INFRARED):
            raise ValueError(f"expected modality code {VISIBLE} or {INFRARED}; found {modality}")
        return self.infrared if modality == INFRARED else self.visible

    def _pair(self, halves: tuple[Tensor, Tensor]) -> list[tuple[Trunk, Tensor]]:
        """The modalities' own stages with their rows, without a modality that has none."""
        return [(own, half) for own, half in zip((self.visible, self.infrared), halves, strict=True) if len(half)]


class _Rows:
    """Which rows of a batch are visible and which infrared, and how they go back into their order."""

    def __init__(self, images: Tensor, modality: Tensor) -> None:
        if modality.shape != images.shape[:1] or not len(images):
            raise ValueError(f"expected images (B, 3, H, W) and modality (B,) with B > 0; found {_shape(images)} and {_shape(modality)}")
        falls = (modality[1:] < modality[:-1]).sum()
        # One transfer from the device for all three numbers.
        numbers = torch.stack([(modality == VISIBLE).sum(), (modality == INFRARED).sum(), falls])
        self.visible, infrared, falls = numbers.tolist()
        if self.visible + infrared != len(modality):
            raise ValueError(f"expected modality codes {VISIBLE} or {INFRARED}; found {modality.unique().tolist()}")
        self.order = torch.argsort(modality, stable=True) if falls else None

    def divide(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """The visible and the infrared rows of ``x``: views of it when visible rows come first."""
        x = x if self.order is None else x[self.order]
        return x[: self.visible], x[self.visible :]

    def join(self, halves: list[Tensor]) -> Tensor:
        """The halves that have rows, as one tensor in the order of the input."""
        rows = halves[0] if len(halves) == 1 else torch.cat(halves)
        return rows if self.order is None else rows[torch.argsort(self.order)]


def _shape(x: Tensor) -> tuple[int, ...]:
    """A shape as a plain tuple, for messages."""
    return tuple(x.shape)
