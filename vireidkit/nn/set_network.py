"""A network for sets of frames: one feature a frame, their mean for the set, and logits averaged behind the head."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.pooling import AveragePool
from vireidkit.nn.trunk import Trunk
from vireidkit.nn.two_stream import TwoStream


class SetNetwork(nn.Module):
    """Two-stream trunk, average pooling, batch-norm neck and classifier, applied to every frame of a set on its own.

        images (B, N, 3, H, W) -> trunk -> pool -> frames (B, N, D) -> mean                                -> f (B, D)
                                                               \\-> neck -> classifier (B, N, C) -> mean    -> z (B, C)

    The neck's scale starts at 1, its bias stays 0, the classifier has none. In training mode the neck normalises with the statistics
    of all B N frames, so logits have to be averaged behind it.

    Args:
        make_trunk: returns a fresh ``Trunk``. num_identities: C. split: see ``TwoStream``.

    Source: VKD, released code (mdkt.md sections 2.2 and 2.3, grade: code).
    """

    def __init__(self, make_trunk: Callable[[], Trunk], num_identities: int, *, split: int = 0) -> None:
        super().__init__()
        self.two_stream = TwoStream(make_trunk, split=split)
        self.pool = AveragePool()
        self.neck = BNNeck(self.two_stream.channels, deviation=0.0)
        self.classifier = IdentityClassifier(self.two_stream.channels, num_identities)

    def frames_of(self, images: Tensor, modality: Tensor | int) -> Tensor:
        """Frames' features (B, N, D), float32 or float64, not normalised.

        Args:
            images: (B, N, 3, H, W), or (B, 3, H, W) for sets of one frame.
            modality: codes (B,), the same for all frames of a set, or one code for all sets.

        Raises:
            ValueError: another number of dimensions, or no frame.
        """
        if images.ndim not in (4, 5) or any(length == 0 for length in images.shape[:-3]):
            raise ValueError(f"expected images (B, N, 3, H, W) or (B, 3, H, W); found {tuple(images.shape)}")
        sets = images if images.ndim == 5 else images[:, None]
        frames = sets.flatten(0, 1).contiguous(memory_format=torch.channels_last)  # (B N, 3, H, W)
        codes = modality if isinstance(modality, int) else modality.repeat_interleave(sets.shape[1])  # one code for all, or (B N,)
        maps = self.two_stream(frames, codes)
        return self.pool(maps).unflatten(0, sets.shape[:2])

    def necked(self, frames: Tensor) -> Tensor:
        """Frames behind the neck, (B, N, D)."""
        return self.neck(frames.flatten(0, 1)).view_as(frames)

    def logits_of(self, frames: Tensor) -> Tensor:
        """Logits (B, C) of sets of frames' features (B, N, D)."""
        return self.classifier(self.necked(frames)).mean(dim=1)
