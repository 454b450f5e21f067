"""Distillation between predictions against plain loops, the direction of its gradients, and what must never change it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses import kl_distillation, mutual_class_distillation

LABELS = torch.tensor([3, 3, 0, 0, 2, 2, 3, 3, 0, 0, 2, 2])
MODALITY = torch.tensor([0] * 6 + [1] * 6)


def logits(count: int = 12, classes: int = 5, *, scale: float = 2.0, seed: int = 0) -> Tensor:
    return torch.randn(count, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


# The oracles: float64, one row and one class at a time.


def softmax(values: list[float], temperature: float) -> list[float]:
    powers = [math.exp((value - max(values)) / temperature) for value in values]
    return [power / math.fsum(powers) for power in powers]


def kl(a: list[float], b: list[float]) -> float:
    return math.fsum(p * (math.log(p) - math.log(q)) for p, q in zip(a, b, strict=True))


def naive_kl(student: Tensor, teacher: Tensor, temperature: float) -> float:
    pairs = zip(student.tolist(), teacher.tolist(), strict=True)
    found = [kl(softmax(t, temperature), softmax(s, temperature)) for s, t in pairs]
    return temperature**2 * math.fsum(found) / len(found)


def naive_mutual(rows: Tensor, labels: Tensor, modality: Tensor, temperature: float) -> float:
    terms = []
    for c in dict.fromkeys(labels.tolist()):
        means = []
        for m in (0, 1):
            own = [rows[i].tolist() for i in range(len(labels)) if labels[i] == c and modality[i] == m]
            means.append([math.fsum(column) / len(own) for column in zip(*own, strict=True)] if own else None)
        if None not in means:
            v, i = (softmax(mean, temperature) for mean in means)
            terms.append(temperature**2 / 2 * (kl(v, i) + kl(i, v)))
    return math.fsum(terms) / len(terms) if terms else 0.0


@pytest.mark.parametrize("temperature", [1.0, 3.0, 4.0])
@pytest.mark.parametrize("scale", [0.1, 2.0, 10.0])
def test_equals_the_loop(temperature, scale):
    for seed in range(3):
        rows, others = logits(scale=scale, seed=seed), logits(scale=scale, seed=seed + 10)
        assert kl_distillation(rows, others, temperature).item() == pytest.approx(naive_kl(rows, others, temperature), rel=1e-9)
        value = mutual_class_distillation(rows, LABELS, MODALITY, temperature=temperature).item()
        assert value == pytest.approx(naive_mutual(rows, LABELS, MODALITY, temperature), rel=1e-9)


def test_kl_equals_torch():
    student, teacher = logits(seed=1), logits(seed=2)
    other = F.kl_div((student / 3).log_softmax(1), (teacher / 3).softmax(1), reduction="batchmean") * 9
    torch.testing.assert_close(kl_distillation(student, teacher, 3.0), other)


def test_unequal_numbers_any_order_and_people_of_one_modality():
    keep = torch.tensor([10, 0, 7, 1, 2, 6, 3, 11])  # person 0 has lost the infrared rows, person 2 the visible ones
    rows, labels, modality = logits()[keep], LABELS[keep], MODALITY[keep]
    value = mutual_class_distillation(rows, labels, modality)
    assert value.item() == pytest.approx(naive_mutual(rows, labels, modality, 3.0), rel=1e-9)
    both = labels == 3
    torch.testing.assert_close(mutual_class_distillation(rows[both], labels[both], modality[both]), value)


def test_gradients():
    """The teacher's part of the objective is constant, so differences are taken with it held fixed."""
    student, teacher = logits(4, seed=1).requires_grad_(True), logits(4, seed=2).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: kl_distillation(x, teacher.detach(), 3.0), (student,))
    kl_distillation(student, teacher, 3.0).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0
    # T (q_student - q_teacher) / N, the gradient that T^2 keeps comparable.
    torch.testing.assert_close(student.grad, 3 * ((student / 3).softmax(1) - (teacher / 3).softmax(1)).detach() / 4)


def test_mutual_gradient_is_that_of_two_one_sided_terms():
    rows = logits().requires_grad_(True)
    mutual_class_distillation(rows, LABELS, MODALITY, temperature=3.0).backward()
    means = rows.detach().view(2, 3, 2, 5).mean(2)  # modality, person, class
    soft = (means / 3).softmax(-1)
    # Each of K = 2 rows gets half of the gradient of its person's mean, P = 3, halved over the two directions.
    expected = (3 / 2 * (soft - soft.flip(0)) / 3 / 2)[:, :, None].expand(-1, -1, 2, -1).reshape(12, 5)
    torch.testing.assert_close(rows.grad, expected)

    def frozen(x: Tensor) -> Tensor:
        """The same value with the targets as constants."""
        mine = x.view(2, 3, 2, 5).mean(2)
        return sum(kl_distillation(mine[m], means[1 - m], 3.0) for m in (0, 1)) / 2

    assert torch.autograd.gradcheck(frozen, (rows,))


@pytest.mark.parametrize("target", [0, 1])
def test_a_term_reaches_the_logits_of_one_modality_only(target):
    """KL(sg(q^V) || q^I) has a gradient of exactly zero with respect to visible logits, and the other way round."""
    halves = [logits(6, seed=seed).requires_grad_(True) for seed in (1, 2)]
    means = [half.view(3, 2, 5).mean(1) for half in halves]
    kl_distillation(means[1 - target], means[target], 3.0).backward()
    assert halves[target].grad is None and halves[1 - target].grad.abs().sum() > 0


def test_equal_means_are_zero_whatever_constant_is_added_to_a_row():
    half = logits(6)
    rows = torch.cat([half, half.view(3, 2, 5).flip(1).reshape(6, 5)])  # rows of a person change places: equal means only
    shift = torch.arange(12, dtype=torch.float64)[:, None] - 4
    for value in (rows, rows + shift):
        assert mutual_class_distillation(value, LABELS, MODALITY).item() == pytest.approx(0, abs=1e-14)
    other = logits()
    torch.testing.assert_close(
        mutual_class_distillation(other + shift, LABELS, MODALITY), mutual_class_distillation(other, LABELS, MODALITY)
    )
    assert kl_distillation(half, half + 5, 3.0).item() == pytest.approx(0, abs=1e-14)


def test_modalities_people_classes_and_rows_may_change_places():
    rows = logits()
    value = mutual_class_distillation(rows, LABELS, MODALITY)
    assert torch.equal(mutual_class_distillation(rows, LABELS, 1 - MODALITY), value)
    torch.testing.assert_close(mutual_class_distillation(rows, LABELS * 7 - 4, MODALITY), value)
    torch.testing.assert_close(mutual_class_distillation(rows[:, [4, 0, 3, 1, 2]], LABELS, MODALITY), value)
    order = torch.randperm(12, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(mutual_class_distillation(rows[order], LABELS[order], MODALITY[order]), value)


@pytest.mark.parametrize("keep", [slice(0, 0), slice(0, 6), slice(6, 12), [0, 1, 8, 9]], ids=["none", "visible", "infrared", "strangers"])
def test_nobody_in_both_modalities_is_a_zero_attached_to_the_graph(keep):
    rows = logits()[keep].requires_grad_(True)
    value = mutual_class_distillation(rows, LABELS[keep], MODALITY[keep])
    value.backward()
    assert value.shape == () and value.item() == 0 and rows.grad.shape == rows.shape and (rows.grad == 0).all()


def test_no_rows_to_distil_are_a_zero_attached_to_the_graph():
    rows = torch.zeros(0, 4, requires_grad=True)
    value = kl_distillation(rows, rows.detach(), 2.0)
    value.backward()
    assert value.shape == () and value.item() == 0 and rows.grad.shape == (0, 4)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    rows = logits().to(dtype).requires_grad_(True)
    value = mutual_class_distillation(rows, LABELS, MODALITY)
    value.backward()
    assert value.dtype == torch.float32 and rows.grad.dtype == dtype and rows.grad.isfinite().all()
    assert value.item() == pytest.approx(naive_mutual(rows.detach().double(), LABELS, MODALITY, 3.0), rel=1e-4)
    teacher = logits(seed=5).to(dtype)
    found = kl_distillation(rows.detach(), teacher, 3.0)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(naive_kl(rows.detach().double(), teacher.double(), 3.0), rel=1e-4)


def test_autocast_changes_nothing():
    rows = logits().float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = mutual_class_distillation(rows, LABELS, MODALITY)
    assert value.dtype == torch.float32 and torch.equal(value, mutual_class_distillation(rows, LABELS, MODALITY))
    assert mutual_class_distillation(rows.double(), LABELS, MODALITY).dtype == torch.float64


@pytest.mark.parametrize("scale", [1e-6, 1e4])
def test_values_and_gradients_stay_finite(scale):
    rows = (logits().float() * scale).requires_grad_(True)
    value = mutual_class_distillation(rows, LABELS, MODALITY)
    value.backward()
    assert value.isfinite() and rows.grad.isfinite().all()


def test_wrong_inputs_are_named():
    rows = logits()
    with pytest.raises(ValueError, match=r"expected modality \(12,\) of an integer dtype.*found \(3,\)"):
        mutual_class_distillation(rows, LABELS, MODALITY[:3])
    with pytest.raises(ValueError, match=r"expected labels \(12,\) of an integer dtype.*found \(6,\)"):
        mutual_class_distillation(rows, LABELS[:6], MODALITY)
    with pytest.raises(ValueError, match=r"expected modality 0 or 1; found \[0, 2\]"):
        mutual_class_distillation(rows, LABELS, MODALITY * 2)
    with pytest.raises(ValueError, match="positive temperature; found 0"):
        mutual_class_distillation(rows, LABELS, MODALITY, temperature=0)
    with pytest.raises(ValueError, match=r"expected teacher logits \(N, C\).*found \(12, 4\) torch.float64 beside \(12, 5\)"):
        kl_distillation(rows, rows[:, :4], 1.0)
    with pytest.raises(ValueError, match=r"expected student logits \(N, C\).*found \(12,\)"):
        kl_distillation(rows[:, 0], rows[:, 0], 1.0)
    with pytest.raises(ValueError, match="positive temperature; found nan"):
        kl_distillation(rows, rows, math.nan)
