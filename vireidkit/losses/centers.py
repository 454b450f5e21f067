"""Centres: the mean row of every (modality, identity) of a batch."""

from __future__ import annotations

import torch
from torch import Tensor

from vireidkit.losses.inputs import checked_rows


def class_centers(features: Tensor, labels: Tensor, modality: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The mean of the rows of every (modality, identity) that occurs: visible ones first, each half by ascending label.

    Rows may come in any order and in any number for each identity; gradients flow to every row.

    Args:
        features: (N, D). labels: integer (N,). modality: integer (N,), VISIBLE=0 or INFRARED=1.

    Returns:
        Centres (G, D) in float32 or float64, their modality (G,) and their labels (G,).

    Raises:
        ValueError: wrong shapes or dtypes.

    Source: the centres of the hetero-centre triplet loss, Liu, Tan, Zhou, IEEE TMM 2020 (grade: code); any order of rows is ours.
    """
    features = checked_rows(features, labels)
    checked_rows(features, modality, name="modality")
    groups, group_of_row, sizes = torch.unique(torch.stack([modality, labels]), dim=1, return_inverse=True, return_counts=True)
    # A product with the membership matrix, because index_add has no fixed order of summation on a GPU.
    members = (group_of_row == torch.arange(len(sizes), device=labels.device)[:, None]).to(features.dtype)  # (G, N)
    with torch.autocast(features.device.type, enabled=False):
        return members @ features / sizes[:, None], groups[0], groups[1]
