"""A tiny method that shows its maps, with a switch for its pooling, and pictures for it: for the tests of attribution."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn
from torch.nn import functional as F
from viz_world import PEOPLE, small_images, small_table

from vireidkit.data.augmentation import normalise
from vireidkit.evaluation.features import modality_codes
from vireidkit.methods import Method
from vireidkit.randomness import scoped_randomness


@dataclass(frozen=True)
class MappedSettings:
    pooling: str = "average"
    shift: bool = True


class Mapped(Method):
    """Two convolutions, pooling, a batch norm and a classifier."""

    name, title = "mapped", "Mapped test method"
    Settings = MappedSettings

    def __init__(self, num_identities, settings):
        super().__init__(num_identities, settings)
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.ReLU(inplace=True))
        self.second = nn.Sequential(nn.Conv2d(8, 12, 3, 2, padding=1), nn.ReLU(inplace=True))
        self.neck = nn.BatchNorm1d(12)
        self.head = nn.Linear(12, num_identities, bias=False)

    def pool(self, x):
        if self.settings.pooling == "average":
            return x.mean((2, 3))
        if self.settings.pooling == "gem":
            return (x.pow(3).mean((2, 3)) + 1e-12).pow(1 / 3)
        return x.flatten(2).square().mean(2)  # of degree two: the first order does not add up

    def stages_of(self, images, modality):
        first = self.first(images)
        return {"first": first, "second": self.second(first)}

    def maps_of(self, images, modality):
        return {"bright": torch.sigmoid(self.second(self.first(images)).mean(1))}

    def embed(self, images, modality):
        pooled = self.pool(self.second(self.first(images)))
        return self.neck(pooled) if self.settings.shift else pooled

    def forward(self, batch, terms=None):
        return {"id": F.cross_entropy(self.head(self.embed(batch.images, batch.modality)), batch.labels)}


class Store:
    """The small world's pictures as a store."""

    def __init__(self) -> None:
        self.table = small_table()

    def __len__(self) -> int:
        return len(self.table)

    def images(self, rows: torch.Tensor) -> torch.Tensor:
        return torch.tensor(np.array(small_images()))[rows]


def mapped(pooling: str = "average", *, shift: bool = True, steps: int = 0, double: bool = False, **attributes: object) -> Mapped:
    """The method with weights of its own, trained for so many steps on the five people; in training mode, to see that it stays."""
    with scoped_randomness(0, "mapped"):
        method = Mapped(len(PEOPLE), MappedSettings(pooling, shift))
        for name, value in attributes.items():
            setattr(method, name, value)
        # Statistics of a neck that has seen something.
        method.neck.running_mean.normal_(0.3, 0.1)
        method.neck.running_var.uniform_(0.05, 0.3)
    store = Store()
    images, codes = normalise(store.images(torch.arange(len(store)))), modality_codes(store.table)
    labels = torch.tensor([PEOPLE.index(one) for one in store.table["identity"]])
    optimiser = torch.optim.Adam(method.parameters(), lr=0.02)
    for _ in range(steps):
        optimiser.zero_grad()
        F.cross_entropy(method.head(method.embed(images, codes)), labels).backward()
        optimiser.step()
    return method.double() if double else method
