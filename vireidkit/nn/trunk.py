"""Trunk: a network of named stages run in order, which can be cut between any two of them."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar, Self

from torch import Tensor, nn


class Trunk(nn.Module):
    """Base of the trunks. A subclass registers its children and then calls ``add_stage`` for each stage, first to last.

    Attributes:
        members: stage name -> names of the children that run in it, in order.
        stage_channels: stage name -> channels of the map that the stage returns.
        added: parts of a state-dict key that mark what published weights need not hold, such as inserted attention blocks.
        replaced: beginnings of the keys of published weights whose place something added has taken; they are left out.
    """

    added: ClassVar[tuple[str, ...]] = ()

    def __init__(self) -> None:
        super().__init__()
        self.members: dict[str, tuple[str, ...]] = {}
        self.stage_channels: dict[str, int] = {}
        self.replaced: tuple[str, ...] = ()

    def add_stage(self, name: str, children: Iterable[str], channels: int) -> None:
        """Append the stage ``name``, made of children of this module, that returns ``channels`` channels."""
        self.members[name] = tuple(children)
        self.stage_channels[name] = channels

    @property
    def channels(self) -> int:
        """Channels D of the last map.

        Raises:
            ValueError: the trunk has no stages, as the shared part of a two-stream network that shares nothing.
        """
        if not self.stage_channels:
            raise ValueError("a trunk without stages has no channels of its own")
        return next(reversed(self.stage_channels.values()))

    def stages(self) -> dict[str, nn.Sequential]:
        """The stages by name, in order; each holds this trunk's own modules."""
        return {name: nn.Sequential(*(getattr(self, child) for child in members)) for name, members in self.members.items()}

    def forward(self, x: Tensor) -> Tensor:
        """Run every stage: images (B, 3, H, W) to a map (B, D, h, w)."""
        for members in self.members.values():
            for child in members:
                x = getattr(self, child)(x)
        return x

    def keep(self, names: Iterable[str]) -> Self:
        """Drop every stage not in ``names``, with its parameters, and return the trunk. The names of what stays do not change.

        Raises:
            ValueError: a name that is no stage.
        """
        names = set(names)
        if unknown := names - self.members.keys():
            raise ValueError(f"expected stages among {', '.join(self.members)}; found {', '.join(sorted(unknown))}")
        for name in [name for name in self.members if name not in names]:
            for child in self.members.pop(name):
                delattr(self, child)
            del self.stage_channels[name]
        return self
