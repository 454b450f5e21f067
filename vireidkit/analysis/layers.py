"""Several named descriptors of every picture in one pass through a network."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from vireidkit.analysis.attribution import evaluating, pictures_of
from vireidkit.errors import SettingError
from vireidkit.evaluation import Features
from vireidkit.methods.base import Method


def features_by_name(
    method: Method,
    store: Any,
    work: Callable[[Tensor, Tensor], Mapping[str, Tensor]],
    *,
    standardise: tuple[str, ...] = (),
    device: Any = None,
    batch_size: int = 128,
) -> dict[str, Features]:
    """What ``work`` gives for every picture of a store, as features to search with, in evaluation mode and without gradients.

    Args:
        work: (normalised images (B, 3, H, W), modality codes (B,)) -> name -> (B, D), the same names every time.
        standardise: names whose columns are shifted and scaled to mean 0 and spread 1 over all pictures, as a batch norm would do it; a
            pooled map, whose numbers are all positive, says little by its cosine otherwise.
        device: where to compute; None is where the method is.

    Returns:
        name -> Features with the cosine metric.

    Raises:
        SettingError: the store is empty. KeyError: a name in ``standardise`` that is not there.
    """
    if len(store) == 0:
        raise SettingError("no images to extract features from")
    found: dict[str, list[Tensor]] = {}
    home = next((one.device for one in method.parameters()), torch.device("cpu"))
    method.to(home if device is None else device)
    try:
        with evaluating(method), torch.no_grad():
            for rows in torch.arange(len(store)).split(batch_size):
                for name, one in work(*pictures_of(method, store, rows)).items():
                    found.setdefault(name, []).append(one.float().cpu())
    finally:
        method.to(home)
    whole = {name: torch.cat(parts) for name, parts in found.items()}
    whole |= {name: _standardised(whole[name]) for name in standardise}
    return {name: Features(matrix, store.table, "cosine", name=name) for name, matrix in whole.items()}


def _standardised(matrix: Tensor) -> Tensor:
    """Columns of mean 0 and spread 1; a column of one value is 0."""
    centred = matrix - matrix.mean(dim=0)
    return centred / centred.square().mean(dim=0).sqrt().clamp(min=1e-12)
