"""The triplet losses against plain loops, a second library, their known limits, and what must never change them."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from pytorch_metric_learning import distances, losses, miners, reducers
from torch import Tensor

from vireidkit.losses import (
    batch_hard_triplet,
    enhanced_squared_difference,
    hetero_center_triplet,
    weighted_regularized_triplet,
)

LABELS = torch.tensor([3, 3, 8, 8, 5, 5, 3, 3, 8, 8, 5, 5])  # a batch: visible rows, then infrared, identities in the same order
MODALITY = torch.tensor([0] * 6 + [1] * 6)


def rows(count: int = 12, width: int = 5, *, scale: float = 1.0, seed: int = 0) -> Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


# The oracles: float64, one anchor and one pair at a time.


def log1pexp(x: float) -> float:
    return x + math.log1p(math.exp(-x)) if x > 0 else math.log1p(math.exp(x))


def table(features: Tensor) -> list[list[float]]:
    """Distances of the formula. A row's distance to itself is 1e-6."""
    return [
        [math.sqrt(max(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)), 1e-12)) for b in features.tolist()] for a in features.tolist()
    ]


def split(labels: Tensor, i: int) -> tuple[list[int], list[int]]:
    """Positives of row i, itself among them, and negatives."""
    ids = labels.tolist()
    return [j for j, y in enumerate(ids) if y == ids[i]], [j for j, y in enumerate(ids) if y != ids[i]]


def weighted(features: Tensor, labels: Tensor, stable: bool, alpha: float) -> list[tuple[float, float]]:
    """u_i and v_i of every row."""
    d, out = table(features), []
    for i in range(len(labels)):
        positives, negatives = split(labels, i)
        top = max(alpha * d[i][j] for j in positives)
        p = [math.exp(alpha * d[i][j] - top) for j in positives]
        shift = max((-alpha * d[i][j] for j in negatives), default=0.0) if stable else 0.0
        n = [math.exp(-alpha * d[i][j] - shift) for j in negatives]
        u = sum(w / (sum(p) + 1e-6) * d[i][j] for w, j in zip(p, positives, strict=True))
        v = sum(w / (sum(n) + 1e-6) * d[i][j] for w, j in zip(n, negatives, strict=True))
        out.append((u, v))
    return out


def naive_weighted(features: Tensor, labels: Tensor, *, stable: bool = False) -> float:
    return sum(log1pexp(u - v) for u, v in weighted(features, labels, stable, 1.0)) / len(labels)


def naive_squared(features: Tensor, labels: Tensor, *, alpha: float = 1.0, gamma: float = 1.0, stable: bool = False) -> float:
    total = 0.0
    for u, v in weighted(features, labels, stable, alpha):
        s = -1 if u > v else 1
        total += log1pexp(-s * min(gamma * (u - v) ** 2, 88))
    return total / len(labels)


def naive_batch_hard(features: Tensor, labels: Tensor, margin: float | None = 0.3) -> float:
    d, terms = table(features), []
    for i in range(len(labels)):
        positives, negatives = split(labels, i)
        if negatives:
            gap = max(d[i][j] for j in positives) - min(d[i][j] for j in negatives)
            terms.append(log1pexp(gap) if margin is None else max(0.0, gap + margin))
    return sum(terms) / len(terms) if terms else 0.0


def naive_hetero_center(features: Tensor, labels: Tensor, modality: Tensor, margin: float | None = 0.3) -> float:
    centers, ids = [], []
    for m in (0, 1):
        for y in dict.fromkeys(labels.tolist()):
            members = [features[i] for i in range(len(labels)) if labels[i] == y and modality[i] == m]
            if members:
                centers.append(sum(members) / len(members))
                ids.append(y)
    return naive_batch_hard(torch.stack(centers), torch.tensor(ids), margin)


CASES: list[tuple[str, Callable, Callable]] = [
    ("weighted", weighted_regularized_triplet, naive_weighted),
    ("weighted-stable", partial(weighted_regularized_triplet, stable=True), partial(naive_weighted, stable=True)),
    ("squared", enhanced_squared_difference, naive_squared),
    ("squared-alpha", partial(enhanced_squared_difference, alpha=0.5, gamma=2.0), partial(naive_squared, alpha=0.5, gamma=2.0)),
    ("squared-stable", partial(enhanced_squared_difference, stable=True, alpha=2.0), partial(naive_squared, stable=True, alpha=2.0)),
    ("batch-hard", partial(batch_hard_triplet, margin=0.3), partial(naive_batch_hard, margin=0.3)),
    ("batch-hard-soft", partial(batch_hard_triplet, margin=None), partial(naive_batch_hard, margin=None)),
    (
        "hetero-center",
        lambda f, y: hetero_center_triplet(f, y, MODALITY[: len(y)]),
        lambda f, y: naive_hetero_center(f, y, MODALITY[: len(y)]),
    ),
]
all_losses = pytest.mark.parametrize(("loss", "oracle"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])


@all_losses
@pytest.mark.parametrize("scale", [0.1, 1.0, 4.0, 20.0])
def test_equals_the_loop(loss, oracle, scale):
    for seed in range(3):
        features = rows(scale=scale, seed=seed)
        assert loss(features, LABELS).item() == pytest.approx(oracle(features, LABELS), rel=1e-9, abs=1e-9)


@all_losses
def test_gradient(loss, oracle):
    """Distinct rows in six dimensions; the zero distances on the diagonal have no gradient."""
    features = rows(12, 6, scale=0.7, seed=4).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: loss(x, LABELS), (features,), eps=1e-7, atol=1e-5)


@all_losses
def test_empty_batch_is_a_zero_attached_to_the_graph(loss, oracle):
    features = torch.zeros(0, 4, requires_grad=True)
    value = loss(features, LABELS[:0])
    value.backward()
    assert value.shape == () and value.item() == 0 and features.grad.shape == (0, 4)


@all_losses
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(loss, oracle, dtype):
    features = rows(scale=2.0).to(dtype).requires_grad_(True)
    value = loss(features, LABELS)
    value.backward()
    assert value.dtype == torch.float32 and features.grad.dtype == dtype and features.grad.isfinite().all()
    assert value.item() == pytest.approx(oracle(features.detach().double(), LABELS), rel=1e-3)


@all_losses
def test_autocast_changes_nothing(loss, oracle):
    features = rows(scale=2.0).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = loss(features, LABELS)
    assert value.dtype == torch.float32 and torch.equal(value, loss(features, LABELS))
    assert loss(features.double(), LABELS).dtype == torch.float64


@all_losses
def test_names_of_identities_turns_and_shifts_do_not_matter(loss, oracle):
    features = rows()
    value = loss(features, LABELS)
    torch.testing.assert_close(loss(features, LABELS * 7 - 4), value)
    turn = torch.linalg.qr(rows(5, seed=9)).Q
    torch.testing.assert_close(loss(features @ turn + 3.0, LABELS), value)


@pytest.mark.parametrize(("loss", "oracle"), [case[1:] for case in CASES if case[0] != "hetero-center"])
def test_order_of_rows_does_not_matter(loss, oracle):
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(loss(rows()[order], LABELS[order]), loss(rows(), LABELS))


@all_losses
@pytest.mark.parametrize("kind", ["duplicates", "one point", "huge", "tiny"])
def test_values_and_gradients_stay_finite(loss, oracle, kind):
    features = rows().float()
    features = {
        "duplicates": features[torch.tensor([0, 0, 2, 2, 4, 4, 0, 0, 2, 0, 4, 4])],
        "one point": features[:1].repeat(12, 1),
        "huge": features * 1e6,
        "tiny": features * 1e-12,
    }[kind].requires_grad_(True)
    value = loss(features, LABELS)
    value.backward()
    assert value.isfinite() and features.grad.isfinite().all()


@all_losses
def test_wrong_inputs_are_named(loss, oracle):
    with pytest.raises(ValueError, match=r"expected features \(N, D\) of a floating dtype; found \(12,\)"):
        loss(torch.zeros(12), LABELS)
    with pytest.raises(ValueError, match=r"floating dtype; found \(12, 3\) torch.int64"):
        loss(torch.zeros(12, 3, dtype=torch.int64), LABELS)
    with pytest.raises(ValueError, match=r"expected labels \(12,\) of an integer dtype.*found \(6,\)"):
        loss(torch.zeros(12, 3), LABELS[:6])
    with pytest.raises(ValueError, match=r"integer dtype.*float32"):
        loss(torch.zeros(12, 3), LABELS.float())


def test_hetero_center_names_a_wrong_modality():
    with pytest.raises(ValueError, match=r"expected modality \(12,\) of an integer dtype.*found \(3,\)"):
        hetero_center_triplet(torch.zeros(12, 3), LABELS, MODALITY[:3])


# Batch-hard: a second library, and batches without negatives.


@pytest.mark.parametrize(("margin", "smooth"), [(0.3, False), (None, True)])
def test_batch_hard_equals_pytorch_metric_learning(margin, smooth):
    distance = distances.LpDistance(normalize_embeddings=False)
    other = losses.TripletMarginLoss(margin=margin or 0.0, smooth_loss=smooth, distance=distance, reducer=reducers.MeanReducer())
    for seed in range(3):
        features = rows(seed=seed)
        triplets = miners.BatchHardMiner(distance=distance)(features, LABELS)
        torch.testing.assert_close(batch_hard_triplet(features, LABELS, margin), other(features, LABELS, triplets))


@pytest.mark.parametrize("labels", [torch.zeros(4, dtype=torch.long), torch.zeros(1, dtype=torch.long)])
def test_batch_hard_without_negatives_is_a_zero_attached_to_the_graph(labels):
    features = rows(len(labels)).requires_grad_(True)
    value = batch_hard_triplet(features, labels, 0.3)
    value.backward()
    assert value.item() == 0 and (features.grad == 0).all()


def test_batch_hard_on_paper():
    """On a line at 0 and 1 (one person), 4 and 4.5 (another): gaps 1-4, 1-3, .5-3, .5-3.5; with margin 2.6: 0, .6, .1, 0."""
    features = torch.tensor([[0.0], [1.0], [4.0], [4.5]], dtype=torch.float64)
    value = batch_hard_triplet(features, torch.tensor([0, 0, 1, 1]), 2.6)
    assert value.item() == pytest.approx((0 + 0.6 + 0.1 + 0) / 4)


def test_batch_hard_at_one_point_is_the_margin():
    assert batch_hard_triplet(torch.ones(12, 3), LABELS, 0.3).item() == pytest.approx(0.3)


# Weighted: its limits and its known flaw.


@pytest.mark.parametrize("stable", [False, True])
def test_weighted_with_one_pair_and_equal_distances(stable):
    """One positive beside the row itself: u = d_p / (1 + exp(-d_p)) (self-pair's weight), and v = d_n."""
    dp, dn = 1.5, 2.0
    height = math.sqrt(dn**2 - dp**2 / 4)
    features = torch.tensor([[-dp / 2, 0], [dp / 2, 0], [0, height], [0, height + 1e-9]], dtype=torch.float64)
    u, v = weighted(features, torch.tensor([0, 0, 1, 1]), stable, 1.0)[0]
    assert v == pytest.approx(dn, rel=1e-5)
    assert u == pytest.approx(dp / (1 + math.exp(-dp)), rel=1e-5)
    value = weighted_regularized_triplet(features, torch.tensor([0, 0, 1, 1]), stable=stable)
    # Rows 0 and 1 are as above; rows 2 and 3 lie on each other, so their u is 0.
    assert value.item() == pytest.approx((log1pexp(u - v) + log1pexp(-dn)) / 2, rel=1e-5)


def test_weighted_collapses_beyond_distance_14_and_stable_does_not():
    """exp(-30) is nothing beside 1e-6: the released form reads as large as the positive distance, however far the negatives."""
    features = torch.tensor([[0.0, 0], [1, 0], [30, 0], [31, 0]], dtype=torch.float64)
    labels = torch.tensor([0, 0, 1, 1])
    u = 1 / (1 + math.exp(-1.0))
    assert weighted_regularized_triplet(features, labels).item() == pytest.approx(log1pexp(u), abs=1e-5)
    assert weighted_regularized_triplet(features, labels, stable=True).item() < 1e-9
    near = features / 5
    both = [weighted_regularized_triplet(near, labels, stable=stable).item() for stable in (False, True)]
    assert both[0] == pytest.approx(both[1], rel=1e-2)


def test_stable_weights_add_up_at_any_distance():
    """Positives 1001 apart, negatives 1 and 1000 apart: exp(-1000) leaves v at 1, and the loss reads u - v = 1000."""
    features = torch.tensor([[0.0], [1], [1001], [1002]], dtype=torch.float64)
    reversed_labels = torch.tensor([0, 1, 0, 1])
    value = weighted_regularized_triplet(features, reversed_labels, stable=True)
    pairs = weighted(features, reversed_labels, True, 1.0)
    assert value.item() == pytest.approx(sum(u - v for u, v in pairs) / 4, rel=1e-9)
    assert value.item() == pytest.approx(1000, rel=1e-2)


@pytest.mark.parametrize("loss", [weighted_regularized_triplet, enhanced_squared_difference])
@pytest.mark.parametrize("stable", [False, True])
def test_one_identity_has_no_negatives_and_v_is_zero(loss, stable):
    features = rows(4).requires_grad_(True)
    labels = torch.zeros(4, dtype=torch.long)
    value = loss(features, labels, stable=stable)
    value.backward()
    oracle = naive_weighted if loss is weighted_regularized_triplet else naive_squared
    assert value.item() == pytest.approx(oracle(features.detach(), labels, stable=stable), rel=1e-6)
    assert features.grad.isfinite().all() and features.grad.abs().sum() > 0


def test_squared_difference_is_clamped_at_88_without_gradient():
    """Positives 30 apart, negatives 1: (u - v)^2 is beyond 88 in every row."""
    features = torch.tensor([[0.0], [30], [1], [31]], dtype=torch.float64, requires_grad=True)
    value = enhanced_squared_difference(features, torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert value.item() == pytest.approx(88) and (features.grad == 0).all()


def test_squared_difference_takes_the_side_of_the_sign():
    """u < v gives log(1 + exp(-(u-v)^2)) below log 2, u > v above it, equal distances log 2."""
    good = torch.tensor([[0.0], [0.5], [3.0], [3.5]])
    labels = torch.tensor([0, 0, 1, 1])
    assert (
        enhanced_squared_difference(good, labels).item()
        < math.log(2)
        < enhanced_squared_difference(good, torch.tensor([0, 1, 0, 1])).item()
    )
    assert enhanced_squared_difference(torch.ones(4, 2), labels).item() == pytest.approx(math.log(2), abs=1e-5)


# Hetero-centre: batch order, and centres.


def test_hetero_center_does_not_depend_on_the_order_of_rows_or_identities():
    features = rows()
    value = hetero_center_triplet(features, LABELS, MODALITY)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(5))
    torch.testing.assert_close(hetero_center_triplet(features[order], LABELS[order], MODALITY[order]), value)


def test_hetero_center_of_single_rows_is_batch_hard():
    features, labels, modality = rows(6), torch.tensor([4, 1, 2, 4, 1, 2]), torch.tensor([0, 0, 0, 1, 1, 1])
    torch.testing.assert_close(hetero_center_triplet(features, labels, modality, 0.3), batch_hard_triplet(features, labels, 0.3))
    torch.testing.assert_close(hetero_center_triplet(features, labels, modality, None), batch_hard_triplet(features, labels, None))


def test_hetero_center_sees_centers_only():
    """Moving two rows of one centre apart changes nothing as long as their mean stays."""
    features = rows()
    moved = features.clone()
    moved[0] += 5
    moved[1] -= 5
    torch.testing.assert_close(hetero_center_triplet(moved, LABELS, MODALITY), hetero_center_triplet(features, LABELS, MODALITY))


def test_hetero_center_of_one_identity_is_a_zero_attached_to_the_graph():
    features = rows(4).requires_grad_(True)
    value = hetero_center_triplet(features, torch.ones(4, dtype=torch.long), torch.tensor([0, 0, 1, 1]))
    value.backward()
    assert value.item() == 0 and (features.grad == 0).all()
