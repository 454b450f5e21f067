"""Methods that start from the weights of a trunk: found when training starts, known by their hash, loaded once."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from torch import nn

from vireidkit.errors import SettingError
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import Recipe, Stage
from vireidkit.nn import LoadReport, load_pretrained, origin_of, start_hash

logger = logging.getLogger(__name__)

PRETRAINED = "pretrained"


class FromPretrained(Method):
    """A method whose settings name a ``trunk``, its ``width``, and in ``pretrained`` what it starts from (None: random numbers)."""

    @property
    def trunks(self) -> nn.Module:
        """The part of the network whose every ``Trunk`` is loaded."""
        return self

    def stages(self, recipe: Recipe) -> Iterator[Stage]:
        """One stage, which loads the start weights first."""
        yield Stage(name="train", recipe=recipe, start=PRETRAINED if self.settings.pretrained else "previous")

    def on_stage_start(self, stage: Stage) -> None:
        """Load the trunk's start weights where the settings ask for them: once, before the first step, never to evaluate a run."""
        if stage.start == PRETRAINED:
            logger.info("%s", self.load_pretrained())

    @classmethod
    def start_weights(cls, settings: Any) -> str | None:
        """The hash of the file that the trunk starts from."""
        return start_hash(settings.trunk, settings.width, settings.pretrained) if settings.pretrained else None

    def load_pretrained(self, source: str | Path | None = None) -> LoadReport:
        """Load start weights into every stage of every trunk and mark the network's origin; inserted blocks stay fresh.

        Args:
            source: "imagenet", "twilight" or the path of a file; None is what ``settings.pretrained`` says.

        Raises:
            SettingError: neither says where the weights are, or no ImageNet file is known for this trunk.
            CheckpointError: the file cannot be had, is damaged or does not fit.
        """
        source = source or self.settings.pretrained
        if source is None:
            raise SettingError('loading start weights needs "imagenet", "twilight" or the path of a file; found None')
        report = load_pretrained(self.trunks, self.settings.trunk, self.settings.width, source)
        self.origin = origin_of(source)
        return report
