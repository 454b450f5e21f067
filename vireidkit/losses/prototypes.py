"""Self-mimic: every row is drawn to the prototype of its own modality and identity, and told from all other prototypes.

A prototype is a unit vector that stands for all training images of one identity in one modality. It follows the features and is
never learnt. Reconstructed from the abstract of the SMMD paper, whose text and code are not public (smmd.md sections 2 and 4).
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.centers import class_centers
from vireidkit.losses.inputs import at_least_float32, checked_rows

SHORTEST = 1e-12  # a shorter vector has no direction


def prototype_mimic(features: Tensor, labels: Tensor, modality: Tensor, prototypes: Tensor, seen: Tensor) -> Tensor:
    """Mean over rows i of |z_i - p_i|^2, p_i the prototype of i's modality and label: 2 - 2 cos for unit vectors, so 0 to 4.

        L_mimic = (1/n) sum_i || z_i - sg(p^{m_i}_{y_i}) ||^2

    sg stops the gradient: prototypes are targets. Rows whose prototype has not been seen are skipped (n counts the others);
    with none left the loss is a zero attached to the graph.

    Args:
        features: z (N, D), meant to be of unit length (the loss does not make them so).
        labels: integer (N,) in 0..C-1. modality: integer (N,) in 0..M-1.
        prototypes: (M, C, D), unit vectors. seen: bool (M, C).

    Raises:
        ValueError: wrong shapes or dtypes, or a label or modality without a place among the prototypes.

    Source: after SMMD, Zhang et al., ICME 2022, self-mimic learning (grade: reconstruction).
    """
    features = _checked(features, labels, modality, prototypes, seen)
    targets = prototypes.detach()[modality, labels].to(features.dtype)  # (N, D)
    return _mean_over((features - targets).square().sum(dim=1), seen[modality, labels])


def prototype_classification(
    features: Tensor, labels: Tensor, modality: Tensor, prototypes: Tensor, seen: Tensor, *, temperature: float = 0.1
) -> Tensor:
    """Cross-entropy of each row among the prototypes of its modality, the logits being z . p / temperature.

        L_proto = (1/n) sum_i -log [ exp(z_i . sg(p^{m_i}_{y_i}) / tau) / sum_{c seen in m_i} exp(z_i . sg(p^{m_i}_c) / tau) ]

    Prototypes that have not been seen are no candidates, and rows whose own is among those are skipped (n counts the others);
    with none left the loss is a zero attached to the graph. With one prototype seen there is nothing to confuse: zero.

    Args:
        features: z (N, D), meant to be of unit length. labels, modality, prototypes, seen: as in ``prototype_mimic``.
        temperature: tau.

    Raises:
        ValueError: as ``prototype_mimic``, or a temperature that is not positive.

    Source: after SMMD, Zhang et al., ICME 2022, self-mimic learning (grade: reconstruction; 0.1 is usual for unit vectors).
    """
    if not temperature > 0:
        raise ValueError(f"expected a positive temperature; found {temperature}")
    features = _checked(features, labels, modality, prototypes, seen)
    bands, people, _ = prototypes.shape
    with torch.autocast(features.device.type, enabled=False):
        logits = features @ prototypes.detach().to(features.dtype).flatten(0, 1).T / temperature  # (N, M C)
    logits = logits.view(len(features), bands, people)[torch.arange(len(labels), device=labels.device), modality]  # (N, C)
    counted = seen[modality, labels]
    # A row that is skipped keeps all candidates, or it might have none at all and its gradient would be NaN.
    logits = logits.masked_fill(~seen[modality] & counted[:, None], float("-inf"))
    return _mean_over(F.cross_entropy(logits, labels, reduction="none"), counted)


@torch.no_grad()
def updated_prototypes(
    prototypes: Tensor, seen: Tensor, features: Tensor, labels: Tensor, modality: Tensor, *, momentum: float = 0.9
) -> tuple[Tensor, Tensor]:
    """Prototypes and seen flags after these rows: each present (modality, identity) follows the mean of its rows.

        zbar = mean of the z_i of modality m and identity c
        p^m_c <- unit( mu p^m_c + (1 - mu) zbar ),   the first time: unit(zbar)

    Identities that are absent do not move, and where the sum has no direction the old prototype stays. Momentum 1 freezes the
    prototypes that there are, 0 keeps nothing of them. No gradient flows.

    Args:
        prototypes: (M, C, D), unit vectors. seen: bool (M, C).
        features: z (N, D), meant to be of unit length. labels: integer (N,) in 0..C-1. modality: integer (N,) in 0..M-1.
        momentum: mu, 0 to 1.

    Returns:
        New tensors (M, C, D) and (M, C); the arguments stay as they are.

    Raises:
        ValueError: as ``prototype_mimic``, or a momentum outside 0..1.

    Source: after SMMD, Zhang et al., ICME 2022, "globally viewed" and "stable" prototypes (grade: reconstruction).
    """
    if not 0 <= momentum <= 1:
        raise ValueError(f"expected a momentum in 0..1; found {momentum}")
    features = _checked(features, labels, modality, prototypes, seen)
    centers, band, person = class_centers(features, labels, modality)
    old = at_least_float32(prototypes[band, person])  # (G, D)
    moved = torch.where(seen[band, person][:, None], momentum * old + (1 - momentum) * centers, centers)
    length = moved.norm(dim=1, keepdim=True)
    directed = length > SHORTEST  # (G, 1)
    prototypes, seen = prototypes.clone(), seen.clone()
    prototypes[band, person] = torch.where(directed, moved / length.clamp(min=SHORTEST), old).to(prototypes.dtype)
    seen[band, person] |= directed[:, 0]
    return prototypes, seen


def _mean_over(values: Tensor, counted: Tensor) -> Tensor:
    """Mean of ``values`` (N,) over the rows ``counted`` (N,), attached to the graph and 0 where there are none."""
    return values.masked_fill(~counted, 0).sum() / counted.sum().clamp(min=1)


def _checked(features: Tensor, labels: Tensor, modality: Tensor, prototypes: Tensor, seen: Tensor) -> Tensor:
    """``features`` in float32 or float64, once everything is known to fit."""
    features = checked_rows(features, labels)
    checked_rows(features, modality, name="modality")
    if prototypes.ndim != 3 or prototypes.shape[2] != features.shape[1]:
        raise ValueError(f"expected prototypes (M, C, {features.shape[1]}); found {tuple(prototypes.shape)}")
    if seen.shape != prototypes.shape[:2] or seen.dtype != torch.bool:
        raise ValueError(f"expected seen {tuple(prototypes.shape[:2])} of dtype torch.bool; found {tuple(seen.shape)} {seen.dtype}")
    for name, codes, size in (("modality", modality, len(prototypes)), ("labels", labels, prototypes.shape[1])):
        if len(codes) and ((codes < 0) | (codes >= size)).any():
            raise ValueError(f"expected {name} in 0..{size - 1}; found {int(codes.min())}..{int(codes.max())}")
    return features
