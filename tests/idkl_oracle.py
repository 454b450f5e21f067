"""IDKL's terms as plain loops over rows, identities and pairs, written from section 5 of its specification and not from the code.

Rows come in IDKL's own order: by identity, inside one infrared, visible, infrared, ... A row is a vector; gradients come from autograd.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

Rows = Sequence[Tensor]


def own_order(labels: Sequence[int], modality: Sequence[int]) -> list[int]:
    """Positions that bring a batch into IDKL's order."""
    order = []
    for identity in dict.fromkeys(label for label, code in zip(labels, modality, strict=True) if code == 0):
        mine = [[i for i in range(len(labels)) if labels[i] == identity and modality[i] == code] for code in (1, 0)]
        for infrared, visible in zip(*mine, strict=True):
            order += [infrared, visible]
    return order


def log_softmax(row: Tensor) -> Tensor:
    shifted = row - row.max().detach()
    return shifted - shifted.exp().sum().log()


def kl1(model: Rows, target: Rows) -> Tensor:
    """Mean over rows of KL(softmax(target) || softmax(model))."""
    total = 0.0
    for a, b in zip(model, target, strict=True):
        p, q = log_softmax(a), log_softmax(b)
        total = total + (q.exp() * (q - p)).sum()
    return total / len(model)


def j(first: Rows, second: Rows) -> Tensor:
    return kl1(first, second) + kl1(second, first)


def cross_entropy(logits: Rows, targets: Sequence[int]) -> Tensor:
    return sum(-log_softmax(row)[target] for row, target in zip(logits, targets, strict=True)) / len(targets)


def distance(a: Tensor, b: Tensor, floor: float) -> Tensor:
    square = (a * a).sum() + (b * b).sum() - 2 * (a * b).sum()
    return torch.sqrt(torch.clamp(square, min=floor))


def batch_hard(rows: Rows, labels: Sequence[int], margin: float) -> Tensor:
    total = 0.0
    for i, a in enumerate(rows):
        positive = [distance(a, b, 1e-12) for k, b in enumerate(rows) if labels[k] == labels[i] and k != i]
        negative = [distance(a, b, 1e-12) for k, b in enumerate(rows) if labels[k] != labels[i]]
        total = total + torch.clamp(max(positive, key=Tensor.item) - min(negative, key=Tensor.item) + margin, min=0)
    return total / len(rows)


def graph(rows: Rows, sign: int = 1) -> list[Tensor]:
    """R(u): distances of each row to all others, in order."""
    return [torch.stack([sign * distance(a, b, 1e-6) for k, b in enumerate(rows) if k != i]) for i, a in enumerate(rows)]


def structure(shared: Rows, specific: Rows, modality: Sequence[int], own: Mapping[str, Any]) -> Tensor:
    def of(rows: Rows, code: int) -> Rows:
        return [row for row, m in zip(rows, modality, strict=True) if m == code]

    sign, half = own.get("sign", 1), len(modality) // 4
    s_v, s_i, t_v, t_i = (graph(of(rows, code), sign) for rows in (shared, specific) for code in (0, 1))
    intra = j(s_v, s_i)
    if own["tgsa_cross"]:
        s_x = graph([*of(shared, 0)[:half], *of(shared, 1)[:half]], sign)
        intra = intra + j(s_v, s_x) + j(s_x, s_i)
    return own["tgsa_intra"] * intra + own["tgsa_inter"] * (j(s_v, t_v) + j(s_i, t_i))


def slots(rows: Rows, size: int) -> list[Tensor]:
    """Row r holds the r-th sample of every identity, side by side."""
    return [torch.cat([rows[start + r] for start in range(0, len(rows), size)]) for r in range(size)]


def semantic(shared: Rows, specific: Rows, modality: Sequence[int], inter: float, size: int | None = None) -> Tensor:
    def of(rows: Rows, code: int) -> Rows:
        mine = [row for row, m in zip(rows, modality, strict=True) if m == code]
        return mine if size is None else slots(mine, size)

    return j(of(shared, 0), of(shared, 1)) + inter * (j(of(shared, 0), of(specific, 0)) + j(of(shared, 1), of(specific, 1)))


def entropy(logits: Tensor) -> Tensor:
    row = log_softmax(logits)
    return -(row.exp() * row).sum()


def entropy_hinge(purified: Rows, plain: Rows) -> Tensor:
    pairs = zip(purified, plain, strict=True)
    return sum(torch.exp(torch.clamp(entropy(a) - entropy(b), min=0)) - 1 for a, b in pairs) / len(plain)


def centroid_hinge(purified: Rows, plain: Rows, labels: Sequence[int], modality: Sequence[int]) -> Tensor:
    def apart(rows: Rows, identity: int) -> Tensor:
        means = []
        for code in (0, 1):
            mine = [row for row, label, m in zip(rows, labels, modality, strict=True) if label == identity and m == code]
            means.append(sum(mine) / len(mine))
        return torch.sqrt(((means[0] - means[1] + 1e-6) ** 2).sum())

    people = list(dict.fromkeys(labels))
    return sum(torch.clamp(apart(purified, k) - apart(plain, k), min=0) for k in people) / len(people)


def targets_of_confusion(modality: Sequence[int]) -> list[int]:
    """First half, each entry twice, rotated left by one."""
    twice = [code for code in modality[: len(modality) // 2] for _ in range(2)]
    return [*twice[1:], twice[0]]


def gem(maps: Tensor, p: float = 3.0, eps: float = 1e-6) -> list[Tensor]:
    return [torch.clamp(x, min=eps).pow(p).flatten(1).mean(1).pow(1 / p) for x in maps]


def batch_norm(rows: Rows, weight: Tensor, bias: Tensor, eps: float = 1e-5) -> list[Tensor]:
    mean = sum(rows) / len(rows)
    variance = sum((row - mean) ** 2 for row in rows) / len(rows)
    return [(row - mean) / torch.sqrt(variance + eps) * weight + bias for row in rows]


def linear(rows: Rows, weight: Tensor, bias: Tensor | float = 0.0) -> list[Tensor]:
    return [weight @ row + bias for row in rows]


def head(rows: Rows, state: Mapping[str, Tensor]) -> list[Tensor]:
    """A modality discriminator without dropout."""
    for first, norm in ((0, 1), (4, 5)):
        rows = linear(rows, state[f"layers.{first}.weight"], state[f"layers.{first}.bias"])
        rows = [torch.clamp(row, min=0) for row in batch_norm(rows, state[f"layers.{norm}.weight"], state[f"layers.{norm}.bias"])]
    return linear(rows, state["layers.8.weight"], state["layers.8.bias"])


def all_terms(
    features: tuple[Tensor, Tensor], maps: tuple[Tensor, Tensor, Tensor, Tensor], method: Any, labels: Tensor, modality: Tensor
) -> dict[str, Tensor]:
    """Every term of f_sh, f_sp and the maps F, F_p, F_IN, F_IN_p, with the weights of the heads of ``method``."""
    order = own_order(labels.tolist(), modality.tolist())
    y, m = [int(labels[i]) for i in order], [int(modality[i]) for i in order]
    own = vars(method.settings)
    f_sh, f_sp = ([x[i] for i in order] for x in features)
    plain, purified, normalised, purified_normalised = (gem(x[order]) for x in maps)
    b_sh = batch_norm(f_sh, method.neck.weight, method.neck.bias)
    b_sp = batch_norm(f_sp, method.specific_neck.weight, method.specific_neck.bias)
    z_sh, z_sp = linear(b_sh, method.classifier.weight), linear(b_sp, method.specific_classifier.weight)
    certain = [linear(rows, method.entropy_classifier.weight) for rows in (purified, plain)]
    return {
        "id": cross_entropy(z_sh, y),
        "id_specific": cross_entropy(z_sp, y),
        "triplet": batch_hard(f_sh, y, own["margin"]),
        "triplet_specific": batch_hard(f_sp, y, own["margin"]),
        "modality": cross_entropy(head(b_sp, dict(method.modality_head.named_parameters())), m),
        "confusion": cross_entropy(head(b_sh, dict(method.confusion_head.named_parameters())), targets_of_confusion(m)),
        "entropy": entropy_hinge(*certain),
        "centroid": centroid_hinge(purified_normalised, normalised, y, m),
        "tgsa": structure(f_sh, f_sp, m, own),
        "csa1": semantic(z_sh, z_sp, m, own["csa_inter"]),
        "csa2": semantic(z_sh, z_sp, m, own["csa_inter"], y.count(y[0]) // 2),
    }


def total(terms: Mapping[str, Tensor]) -> Tensor:
    """Section 5.7, with 0.1 for both terms of the purifier."""
    return sum(0.1 * value if name in ("entropy", "centroid") else value for name, value in terms.items())
