"""A method in thirty lines, registered from a test: it must train, evaluate and be listed with no edit elsewhere."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import nn
from torch.nn import functional as F

from vireidkit.methods import Method, Recipe, register

SMOKE = {"source": "ours", "expects": "not measured", "takes": "seconds", "image_size": (32, 16)}
SMOKE |= {"limit_identities": 8, "identities": 4, "per_modality": 2}


@dataclass(frozen=True)
class TinySettings:
    width: int = 8
    dropout: float = 0.25


@register
class Tiny(Method):
    name, title, paper, grade = "tiny", "Tiny test method", "none", "ours"
    citation = "@misc{tiny, title={Tiny}}"
    Settings = TinySettings
    recipes: ClassVar = {("twilight", "smoke"): Recipe(**SMOKE, epochs=2, steps_per_epoch=4, lr=0.05, validate_every=1)}

    def __init__(self, num_identities, settings):
        super().__init__(num_identities, settings)
        self.body = nn.Sequential(
            nn.Conv2d(3, settings.width, 3, 2), nn.BatchNorm2d(settings.width), nn.ReLU(), nn.Dropout(settings.dropout)
        )
        self.head = nn.Linear(settings.width, num_identities)

    def embed(self, images, modality):
        return self.body(images).mean((2, 3))

    def forward(self, batch, terms=None):
        features, batch = self.gather(self.embed(batch.images, batch.modality), batch)
        return {"id": F.cross_entropy(self.head(features), batch.labels), "norm": features.square().mean()}

    def weights(self, progress):
        return {"id": 1.0, "norm": torch.tensor(0.1 * (progress.fraction > 0.4)).item()}
