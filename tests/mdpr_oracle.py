"""MDPR's terms as plain loops over rows, heads and pairs, and its maps step by step, written from its specification (sections 2 and 3).

A row is a vector; gradients come from autograd.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

Rows = Sequence[Tensor]
State = Mapping[str, Tensor]
GAMMA, CIRCLE_MARGIN, SMOOTHING, MARGIN = 64.0, 0.35, 0.1, 0.05


# --- section 3 ----------------------------------------------------------------------------------------------


def batch_norm(rows: Rows, scale: Tensor, shift: Tensor | None = None) -> list[Tensor]:
    """Every number of a row by the mean and the biased variance of its column."""
    columns = []
    for d in range(len(rows[0])):
        column = [row[d] for row in rows]
        mean = sum(column) / len(column)
        variance = sum((value - mean) ** 2 for value in column) / len(column)
        columns.append([(value - mean) / torch.sqrt(variance + 1e-5) * scale[d] + (0 if shift is None else shift[d]) for value in column])
    return [torch.stack([column[b] for column in columns]) for b in range(len(rows))]


def dot(a: Tensor, b: Tensor) -> Tensor:
    return sum(x * y for x, y in zip(a, b, strict=True))


def cosine(a: Tensor, b: Tensor) -> Tensor:
    return dot(a, b) / torch.sqrt(dot(a, a)) / torch.sqrt(dot(b, b))


def circle_logit(c: Tensor, true: bool) -> Tensor:
    seen = float(c.detach())
    if true:
        return GAMMA * max(0.0, 1 + CIRCLE_MARGIN - seen) * (c - (1 - CIRCLE_MARGIN))
    return GAMMA * max(0.0, seen + CIRCLE_MARGIN) * (c - CIRCLE_MARGIN)


def identity_term(features: Rows, classes: Rows, labels: Sequence[int]) -> Tensor:
    """Circle margin, then cross-entropy with 1 - eps on the true class and eps / (N - 1) on each other one."""
    total = 0.0
    for feature, label in zip(features, labels, strict=True):
        logits = torch.stack([circle_logit(cosine(feature, row), c == label) for c, row in enumerate(classes)])
        top = logits.max().detach()
        partition = top + torch.log(sum(torch.exp(value - top) for value in logits))
        for c, value in enumerate(logits):
            target = 1 - SMOOTHING if c == label else SMOOTHING / (len(classes) - 1)
            total = total - target * (value - partition)
    return total / len(features)


def triplet_term(features: Rows, labels: Sequence[int]) -> Tensor:
    def distance(a: Tensor, b: Tensor) -> Tensor:
        return torch.sqrt(torch.clamp(dot(a, a) + dot(b, b) - 2 * dot(a, b), min=1e-12))

    total = 0.0
    for i, anchor in enumerate(features):
        same = [distance(anchor, other) for k, other in enumerate(features) if labels[k] == labels[i] and k != i]
        others = [distance(anchor, other) for k, other in enumerate(features) if labels[k] != labels[i]]
        total = total + torch.clamp(max(same, key=Tensor.item) - min(others, key=Tensor.item) + MARGIN, min=0)
    return total / len(features)


def diversity_term(vectors: Tensor) -> Tensor:
    """(B, K, E) of one depth."""
    total = 0.0
    for i in range(vectors.shape[1]):
        for j in range(i + 1, vectors.shape[1]):
            total = total + sum(cosine(row[i], row[j]) for row in vectors) / len(vectors)
    return torch.as_tensor(total)


def area_term(maps: Tensor) -> Tensor:
    """(B, K, h, w), without its weight."""
    return sum(value for image in maps for own in image for line in own for value in line) / len(maps)


def predicted(rows: Rows, state: State, prefix: str) -> list[Tensor]:
    """Linear without bias, batch norm, ReLU, linear."""
    inner = [torch.stack([dot(weights, row) for weights in state[f"{prefix}.0.weight"]]) for row in rows]
    inner = [row.clamp(min=0) for row in batch_norm(inner, state[f"{prefix}.1.weight"], state[f"{prefix}.1.bias"])]
    return [torch.stack([dot(weights, row) for weights in state[f"{prefix}.3.weight"]]) + state[f"{prefix}.3.bias"] for row in inner]


def mutual_term(hard: Rows, soft: Rows, state: State) -> Tensor:
    total = 0.0
    for name, own, other in (("hard", hard, soft), ("soft", soft, hard)):
        guesses = predicted(own, state, f"predictors.{name}")
        total = total + sum(cosine(guess, target.detach()) for guess, target in zip(guesses, other, strict=True)) / len(own)
    return -total / 2


def all_terms(pooled: Mapping[str, Tensor], state: State, labels: Sequence[int]) -> dict[str, Tensor]:
    """All 19 terms (with two stripes) of pooled rows, unweighted."""
    heads = ["hard", *(name for name in pooled if name.startswith("stripe")), "soft4", "soft3", "attended4", "attended3", "fusion"]
    necks = {name: batch_norm([row.flatten() for row in pooled[name]], state[f"heads.{name}.neck.weight"]) for name in heads}
    terms = {f"id_{name}": identity_term(necks[name], state[f"heads.{name}.classifier.weight"], labels) for name in heads}
    terms |= {f"triplet_{name}": triplet_term(necks[name], labels) for name in heads if not name.startswith("attended")}
    terms |= {f"diversity{depth}": diversity_term(pooled[f"attended{depth}"]) for depth in "43"}
    terms |= {f"area{depth}": area_term(pooled[f"attention{depth}"]) for depth in "43"}
    return terms | {"mutual": mutual_term(necks["hard"], necks["soft4"], state)}


def total(terms: Mapping[str, Tensor]) -> Tensor:
    return sum((0.001 if name.startswith("area") else 1.0) * value for name, value in terms.items())


def expected_identity_loss_at_cosine_zero(classes: int) -> float:
    """Section 10, piece 7."""
    true, other = GAMMA * 1.35 * -0.65, GAMMA * 0.35 * -0.35
    partition = other + math.log(classes - 1 + math.exp(true - other))
    return partition - 0.9 * true - 0.1 * other


# --- section 2: from the maps of the branches to what the heads pool ----------------------------------------


def normalised(x: Tensor, state: State, prefix: str) -> Tensor:
    """Batch norm of a map by its own statistics, and ReLU."""
    mean, variance = x.mean(dim=(0, 2, 3)), x.var(dim=(0, 2, 3), correction=0)
    scale = state[f"{prefix}.weight"] / torch.sqrt(variance + 1e-5)
    return ((x - mean[:, None, None]) * scale[:, None, None] + state[f"{prefix}.bias"][:, None, None]).clamp(min=0)


def proj(x: Tensor, state: State, prefix: str) -> Tensor:
    return normalised(torch.einsum("oi,bihw->bohw", state[f"{prefix}.conv.weight"][:, :, 0, 0], x), state, f"{prefix}.bn")


def attention_logits(x: Tensor, state: State, prefix: str) -> Tensor:
    both = F.conv2d(x, state[f"{prefix}.point.weight"]) + F.conv2d(x, state[f"{prefix}.around.weight"], padding=1)
    return normalised(both, state, f"{prefix}.bn")


def fuse(x: Tensor, state: State, prefix: str) -> Tensor:
    mixed = F.conv2d(x, state[f"{prefix}.mix.weight"])
    return normalised(F.conv2d(mixed, state[f"{prefix}.conv.weight"], padding=1), state, f"{prefix}.bn")


def gem(x: Tensor, p: Tensor) -> Tensor:
    return x.clamp(min=1e-6).pow(p).mean(dim=(2, 3)).pow(1 / p)


def attended(x: Tensor, maps: Tensor, state: State, prefix: str) -> Tensor:
    vectors = [gem(proj(maps[:, k : k + 1] * x, state, f"{prefix}.project.{k}"), state[f"{prefix}.pool.p"]) for k in range(maps.shape[1])]
    return torch.stack(vectors, dim=1)


def pooled(h: Tensor, x3: Tensor, x4: Tensor, state: State, *, stripes: int, guidance: bool = True) -> dict[str, Tensor]:
    """What is pooled from H, X3 and X4."""
    g_h = proj(h, state, "hard_view.whole")
    size = -(-h.shape[2] // stripes)
    s = [proj(h[:, :, i * size : (i + 1) * size], state, f"hard_view.stripes.{i}") for i in range(stripes)]
    g_4, z_4 = proj(x4, state, "soft_view.deep"), attention_logits(x4, state, "soft_view.deep_logits")
    seen = x3
    if guidance:
        u = F.conv2d(z_4, state["soft_view.guidance.weight"]).clamp(min=0)
        seen = torch.cat([x3, u], dim=1)
    z_3 = attention_logits(seen, state, "soft_view.shallow_logits")
    a_4, a_3 = ((z.exp() / z.exp().sum(dim=1, keepdim=True))[:, :-1] for z in (z_4, z_3))
    y_3 = proj(x3, state, "soft_view.refine")
    g_3 = proj(y_3, state, "soft_view.shallow")
    m = fuse(torch.cat(s, dim=2), state, "fusion.stripes")
    q_h = fuse(torch.cat([m, g_h], dim=1), state, "fusion.hard")
    q_s = fuse(torch.cat([g_4, g_3], dim=1), state, "fusion.soft")
    q = fuse(torch.cat([q_h, q_s], dim=1), state, "fusion.both")
    maps = {"hard": g_h, **{f"stripe{i + 1}": own for i, own in enumerate(s)}, "soft4": g_4, "soft3": g_3, "fusion": q}
    found = {name: gem(own, state[f"heads.{name}.pool.p"]) for name, own in maps.items()}
    found |= {
        "attended4": attended(x4, a_4, state, "soft_view.deep_pool"),
        "attended3": attended(y_3, a_3, state, "soft_view.shallow_pool"),
    }
    return found | {"attention4": a_4, "attention3": a_3}
