"""Grad-CAM for the classification terms of any method: which regions lower the loss of a picture's own class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from vireidkit.analysis.attribution import MapTap, evaluating, gradient_of, pictures_of, scaled, stage_map
from vireidkit.analysis.neighbours import FloatMatrix
from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.methods.base import Method


def grad_cam(
    method: Method, store: Any, rows: Sequence[int], labels: Sequence[int], *, term: str = "id", stage: str | None = None
) -> FloatMatrix:
    """Class activation maps by gradients, (B, h, w) in 0..1, each divided by its largest value; all 0 where nothing speaks for the class.

        a_c = mean over positions of -dL/dz_c,    map = max(0, sum_c a_c z_c)

    with z the picture's map after a stage and L the loss term. Of a cross-entropy, -L is the logarithm of the probability of the
    picture's class, which stands here for the paper's class score: a method shows its terms, not its logits. Evaluation mode, so
    that no picture depends on the others of the call.

    Args:
        store: pictures with their table; rows: positions in it.
        labels: the class (0 .. C-1) asked about, one a picture: ``dataset.labels("train")`` gives the pictures' own. People who
            were not learnt have no class.
        term: name of the loss term; stage: whose map, the last by default.

    Raises:
        SettingError: no such term or stage, or the term is not computed from that map. ValueError: labels that do not fit.

    Source: Selvaraju et al., ICCV 2017, eq. 1 and 2 (grade: paper, but for the score).
    """
    order, batch = _batch(method, store, rows, labels)
    with evaluating(method):
        name, wanted = stage_map(method, batch.images, batch.modality, stage)
        leaf = wanted.clone().requires_grad_()
        with MapTap(wanted, leaf) as tap:
            terms = method.forward(batch, (term,))
        if term not in terms:
            raise SettingError(f"method {method.name!r} has no loss term {term!r}; found {', '.join(terms) or 'none'}")
        tap.check(method, name)
        gradient = -gradient_of(terms[term], leaf, method, name)
    weight = gradient.double().mean(dim=(2, 3), keepdim=True)  # (B, C, 1, 1)
    maps = scaled((weight * wanted.double()).sum(1).cpu().numpy())
    found = np.empty_like(maps)
    found[order] = maps
    return found


def _batch(method: Method, store: Any, rows: Sequence[int], labels: Sequence[int]) -> tuple[np.ndarray, Batch]:
    """The pictures as a batch, visible ones first, and where each of its rows stood in ``rows``."""
    classes = np.asarray(labels, dtype=np.int64).reshape(-1)
    if len(classes) != len(rows) or not ((classes >= 0) & (classes < method.num_identities)).all():
        raise ValueError(
            f"expected a class from 0 to {method.num_identities - 1} for each of {len(rows)} pictures, found {classes.tolist()[:8]}"
        )
    images, codes = pictures_of(method, store, rows)
    order = torch.argsort(codes, stable=True)

    def column(values: Any) -> Tensor:
        return torch.as_tensor(np.asarray(values, dtype=np.int64), device=codes.device)[order]

    places = np.asarray(rows, dtype=np.int64)
    cameras = store.table["camera"].to_numpy()[places]
    return order.cpu().numpy(), Batch(
        images[order], column(classes), codes[order], column(cameras), column(places), torch.zeros_like(codes)
    )
