"""The Batch: what a sampler and the augmentation make, and all that a method sees of the data."""

from __future__ import annotations

from dataclasses import dataclass, fields, replace

import torch
from torch import Tensor

from vireidkit.modality import INFRARED, VISIBLE


@dataclass(eq=False)
class Batch:
    """Images of one step with all that is known of them.

    Order: visible rows first, then infrared, identity-major, the same identities in the same order in both halves.
    With several visible views (CAJ), all rows of view 0 come before all rows of view 1. A batch of a data set with one modality
    has that half alone.

    A row is an image, or a set of N frames of one person in one modality (see ``SetSampler``), whose frames come in random order:
    the first M of them are M of the N drawn at random.

    Attributes:
        images: float (B, 3, H, W), or (B, N, 3, H, W) for sets of frames, normalised.
        labels: int64 (B,), class index 0..C-1, the same for one person in both modalities.
        modality: int64 (B,), VISIBLE=0 or INFRARED=1.
        cameras: int64 (B,), camera numbers as the data set prints them; of every frame, (B, N), for sets.
        rows: int64 (B,), position in the table that the batch was drawn from; of every frame, (B, N), for sets.
        views: int64 (B,), number of the view: two rows of one image in a batch differ here. ``v + 16 m`` is the m-th
            repetition of an image under view v, for people with too few images (see ``IdentitySampler``).
    """

    images: Tensor
    labels: Tensor
    modality: Tensor
    cameras: Tensor
    rows: Tensor
    views: Tensor

    def __len__(self) -> int:
        return self.labels.shape[0]

    def to(self, device: torch.device | str) -> Batch:
        """The same batch with every tensor on ``device``."""
        return Batch(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def select(self, index: Tensor) -> Batch:
        """The rows ``index`` (long or bool, (B,)) of every tensor."""
        return Batch(**{field.name: getattr(self, field.name)[index] for field in fields(self)})

    def with_images(self, images: Tensor) -> Batch:
        """The same rows with other images."""
        return replace(self, images=images)

    def check(self) -> Batch:
        """Return the batch if its order is the promised one.

        Raises:
            ValueError: lengths differ, rows and cameras do not list the same frames, a modality code is neither 0 nor 1, infrared rows
                come before visible ones, or two halves do not list the same identities in the same order.
        """
        lengths = {field.name: len(getattr(self, field.name)) for field in fields(self)}
        if len(set(lengths.values())) != 1:
            raise ValueError(f"a batch needs equally long tensors, found {lengths}")
        if self.rows.shape != self.cameras.shape or self.rows.ndim > 2:
            found = f"{tuple(self.rows.shape)} and {tuple(self.cameras.shape)}"
            raise ValueError(f"a batch needs rows and cameras of one shape, (B,) or (B, N) for sets of frames; found {found}")
        if self.images.ndim > 2 and self.images.shape[:-3] != self.rows.shape:  # a plan has no pixels yet
            raise ValueError(f"a batch of rows {tuple(self.rows.shape)} needs as many images; found {tuple(self.images.shape)}")
        if not torch.isin(self.modality, torch.tensor([VISIBLE, INFRARED], device=self.modality.device)).all():
            raise ValueError(f"modality must be {VISIBLE} or {INFRARED}, found {self.modality.unique().tolist()}")
        if (self.modality[1:] < self.modality[:-1]).any():
            raise ValueError("a batch lists visible rows first, then infrared; found an infrared row before a visible one")
        first = self.views == self.views.min() if len(self) else self.views
        order = [torch.unique_consecutive(self.labels[(self.modality == code) & first]) for code in self.modality.unique()]
        if len(order) == 2 and not torch.equal(*order):
            raise ValueError(
                f"both halves of a batch must list the same identities in the same order, found {order[0].tolist()} and {order[1].tolist()}"
            )
        return self
