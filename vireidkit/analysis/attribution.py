"""What attribution starts from: a map inside the computation of any method, found by its values and put in its place again."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.overrides import TorchFunctionMode

from vireidkit.data.augmentation import normalise
from vireidkit.errors import SettingError
from vireidkit.evaluation.features import modality_codes
from vireidkit.methods.base import Method

# Two passes over the same pictures may differ by rounding, no more.
SAME = 1e-4


@contextmanager
def evaluating(method: Method) -> Iterator[Method]:
    """Evaluation mode inside the block; every module's own mode is put back after it."""
    modes = {module: module.training for module in method.modules()}
    try:
        yield method.eval()
    finally:
        for module, mode in modes.items():
            module.training = mode


def pictures_of(method: Method, store: Any, rows: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Normalised images (B, 3, H, W) and modality codes (B,) of rows of a store, where the method is and in its precision.

    Raises:
        IndexError: a row that the store does not have.
    """
    positions = torch.as_tensor(np.asarray(rows, dtype=np.int64).reshape(-1))
    if len(positions) == 0 or not 0 <= int(positions.min()) <= int(positions.max()) < len(store):
        raise IndexError(f"rows must lie between 0 and {len(store) - 1}, found {positions.tolist() or 'none'}")
    weights = [value for value in method.parameters() if value.is_floating_point()]
    like = weights[0] if weights else torch.empty(0)
    images = normalise(store.images(positions).to(like.device)).to(like.dtype)
    return images, modality_codes(store.table)[positions].to(like.device)


def stage_map(method: Method, images: Tensor, codes: Tensor, stage: str | None = None) -> tuple[str, Tensor]:
    """The map (B, C, h, w) after a stage, the last one by default, and the stage's name.

    Raises:
        SettingError: the method shows no maps, or there is no such stage.
    """
    with torch.no_grad():
        maps = method.stages_of(images, codes)
    if not maps:
        raise SettingError(f"method {method.name!r} shows no maps of its stages (stages_of is empty): nothing to lay over a picture")
    name = next(reversed(maps)) if stage is None else stage
    if name not in maps:
        raise SettingError(f"method {method.name!r} has no stage {name!r}; known: {', '.join(maps)}")
    return name, maps[name].detach()


class MapTap(TorchFunctionMode):
    """Inside the block, the first result of any torch function that equals ``wanted`` is replaced by ``replacement``.

    So a map that ``stages_of`` returns can be changed, or differentiated by, inside ``embed`` or ``forward``, and a method needs no
    more than its interface. Gradients are recorded from there on and not before: the stages below cost no memory.

    Attributes:
        found: whether the map came by.
    """

    def __init__(self, wanted: Tensor, replacement: Tensor) -> None:
        super().__init__()
        self.wanted, self.replacement, self.found = wanted, replacement, False
        self._near = SAME * float(wanted.abs().max()) if wanted.numel() else 0.0

    def __torch_function__(self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None) -> Any:
        with torch.set_grad_enabled(self.found):
            result = func(*args, **(kwargs or {}))
        if not self.found and self._is_wanted(result):
            self.found = True
            return self.replacement
        return result

    def _is_wanted(self, result: Any) -> bool:
        if not isinstance(result, Tensor) or result.shape != self.wanted.shape or result.dtype != self.wanted.dtype:
            return False
        return bool(((result.detach() - self.wanted).abs() <= self._near).all())

    def check(self, method: Method, stage: str) -> None:
        """Complain when the map never came by.

        Raises:
            SettingError: the descriptor or term is not computed from the map of this stage.
        """
        if not self.found:
            raise SettingError(f"method {method.name!r} does not compute its result from the map of stage {stage!r}; name another stage")


def embed_from(method: Method, images: Tensor, codes: Tensor, stage: str, wanted: Tensor, replacement: Tensor) -> Tensor:
    """Descriptors (B, D) with the map ``wanted`` (B, C, h, w) of a stage replaced inside ``embed``.

    Raises:
        SettingError: the descriptor is not computed from that map.
    """
    with MapTap(wanted, replacement) as tap:
        found = method.embed(images, codes)
    tap.check(method, stage)
    return found


def gradient_of(value: Tensor, at: Tensor, method: Method, stage: str) -> Tensor:
    """The gradient of a scalar by a map, of the map's shape.

    Raises:
        SettingError: the value does not depend on the map.
    """
    gradient = torch.autograd.grad(value, at, allow_unused=True)[0] if value.requires_grad else None
    if gradient is None:
        raise SettingError(f"method {method.name!r}: the result does not depend on the map of stage {stage!r}; name another stage")
    return gradient


def attention_maps(method: Method, store: Any, rows: Sequence[int]) -> dict[str, NDArray[np.float64]]:
    """The attention or mask maps that a method has of its own: name -> (B, h, w) in 0..1, by ``maps_of``.

    Args:
        store: pictures with a table; rows: positions in it.

    Raises:
        SettingError: the method has none. ValueError: a map that is not (B, h, w) of finite numbers in 0..1.
    """
    images, codes = pictures_of(method, store, rows)
    with evaluating(method), torch.no_grad():
        maps = {name: found.detach().cpu().double().numpy() for name, found in method.maps_of(images, codes).items()}
    if not maps:
        raise SettingError(f"method {method.name!r} has no attention or mask maps (maps_of is empty); try similarity maps or Grad-CAM")
    for name, found in maps.items():
        if found.ndim != 3 or len(found) != len(images) or not ((found >= 0) & (found <= 1)).all():
            raise ValueError(f"map {name!r} of method {method.name!r} must be ({len(images)}, h, w) in 0..1, found shape {found.shape}")
    return maps


def scaled(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    """Maps (..., h, w) without what is below 0, each divided by its largest value: 0..1. A map without a positive value is 0."""
    positive = np.maximum(maps, 0)
    return positive / np.maximum(positive.max(axis=(-2, -1), keepdims=True), 1e-30)
