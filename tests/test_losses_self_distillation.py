"""Self-distillation against plain loops, where its gradients go, and what never changes it."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses import kl_distillation, self_distillation

LABELS = torch.tensor([0, 2, 1, 1, 4, 3])


def numbers(*shape: int, seed: int = 0, scale: float = 2.0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * scale


def three(seed: int = 0, scale: float = 2.0) -> tuple[list[Tensor], Tensor]:
    """Logits of three students and of their teacher."""
    return [numbers(6, 5, seed=10 * seed + k + 1, scale=scale) for k in range(3)], numbers(6, 5, seed=10 * seed, scale=scale)


# The oracle: float64, one row and one class at a time.


def softmax(values: list[float], temperature: float) -> list[float]:
    powers = [math.exp((value - max(values)) / temperature) for value in values]
    return [power / math.fsum(powers) for power in powers]


def naive(students, teacher, labels, alpha, temperature, t_square, hint, student_features, teacher_features) -> float:
    total = 0.0
    for k, student in enumerate(students):
        hard, soft, far = [], [], []
        for i, y in enumerate(labels.tolist()):
            hard.append(-math.log(softmax(student[i].tolist(), 1.0)[y]))
            q, p = softmax(teacher[i].tolist(), temperature), softmax(student[i].tolist(), temperature)
            soft.append(math.fsum(a * (math.log(a) - math.log(b)) for a, b in zip(q, p, strict=True)))
            if hint:
                far.append(math.dist(student_features[k][i].tolist(), teacher_features[i].tolist()))
        rows = len(hard)
        factor = temperature**2 if t_square else 1.0
        total += (1 - alpha) * math.fsum(hard) / rows + alpha * factor * math.fsum(soft) / rows + hint * math.fsum(far) / rows
    return total


@pytest.mark.parametrize(
    ("alpha", "temperature", "t_square", "hint"), [(0.3, 3.0, True, 0.0), (0.3, 3.0, False, 0.03), (0.7, 1.0, True, 2.0)]
)
@pytest.mark.parametrize("scale", [0.1, 2.0, 10.0])
def test_equals_the_loop(alpha, temperature, t_square, hint, scale):
    for seed in range(3):
        students, teacher = three(seed, scale)
        features, target = [numbers(6, 4, seed=k) for k in range(3)], numbers(6, 4, seed=9)
        options = {"alpha": alpha, "temperature": temperature, "t_square": t_square, "hint": hint}
        value = self_distillation(students, teacher, LABELS, **options, student_features=features, teacher_features=target)
        assert value.item() == pytest.approx(
            naive(students, teacher, LABELS, alpha, temperature, t_square, hint, features, target), rel=1e-9
        )


def test_the_ends_of_alpha_are_labels_alone_and_teacher_alone():
    (student, *_), teacher = three()
    torch.testing.assert_close(self_distillation([student], teacher, LABELS, alpha=0.0), F.cross_entropy(student, LABELS))
    torch.testing.assert_close(self_distillation([student], teacher, LABELS, alpha=1.0), kl_distillation(student, teacher, 3.0))


def test_it_is_the_sum_over_students_in_any_order():
    students, teacher = three()
    whole = self_distillation(students, teacher, LABELS)
    torch.testing.assert_close(whole, sum(self_distillation([x], teacher, LABELS) for x in students))
    torch.testing.assert_close(whole, self_distillation(students[::-1], teacher, LABELS))
    order = torch.randperm(6, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(whole, self_distillation([x[order] for x in students], teacher[order], LABELS[order]))


def test_a_student_that_equals_its_teacher_learns_from_labels_alone():
    teacher = numbers(6, 5)
    student = teacher.clone().requires_grad_(True)
    self_distillation([student], teacher, LABELS, alpha=1.0).backward()
    assert student.grad.abs().max() < 1e-15
    assert self_distillation([teacher + 3.0], teacher, LABELS, alpha=1.0).item() == pytest.approx(0, abs=1e-12)


def test_no_gradient_reaches_the_teacher_or_its_feature():
    students, teacher = three()
    inputs = [*students, teacher, numbers(6, 4, seed=5), numbers(6, 4, seed=6)]
    for x in inputs:
        x.requires_grad_(True)
    self_distillation(students, teacher, LABELS, hint=0.03, student_features=[inputs[4]] * 3, teacher_features=inputs[5]).backward()
    assert teacher.grad is None and inputs[5].grad is None
    assert all(x.grad.abs().sum() > 0 for x in [*students, inputs[4]])


def test_gradients():
    students, teacher = three()
    features, target = numbers(6, 4, seed=5).requires_grad_(True), numbers(6, 4, seed=6)

    def loss(a: Tensor, b: Tensor, e: Tensor) -> Tensor:
        return self_distillation([a, b], teacher, LABELS, hint=0.5, student_features=[e, 2 * e], teacher_features=target)

    assert torch.autograd.gradcheck(loss, (students[0].requires_grad_(True), students[1].requires_grad_(True), features))


def test_equal_features_have_a_finite_gradient():
    (student, *_), teacher = three()
    features = numbers(6, 4).requires_grad_(True)
    self_distillation([student], teacher, LABELS, hint=1.0, student_features=[features], teacher_features=features.detach()).backward()
    assert features.grad.isfinite().all()


def test_t_square_is_a_factor_of_the_teachers_share_only():
    (student, *_), teacher = three()
    hard = F.cross_entropy(student, LABELS)
    with_square, without = (self_distillation([student], teacher, LABELS, t_square=flag) - 0.7 * hard for flag in (True, False))
    torch.testing.assert_close(with_square, 9 * without)


def test_no_rows_are_an_attached_zero():
    student = torch.zeros(0, 5, requires_grad=True)
    features = torch.zeros(0, 4, requires_grad=True)
    loss = self_distillation(
        [student], torch.zeros(0, 5), torch.zeros(0, dtype=torch.long), hint=1.0, student_features=[features], teacher_features=features
    )
    loss.backward()
    assert loss.item() == 0 and student.grad is not None and features.grad is not None


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    students, teacher = three()
    halves = [x.to(dtype) for x in students]
    value = self_distillation(halves, teacher.to(dtype), LABELS.int())
    assert value.dtype == torch.float32
    expected = self_distillation([x.double() for x in halves], teacher.to(dtype).double(), LABELS)
    assert value.item() == pytest.approx(expected.item(), rel=1e-5)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"students": []}, r"expected students, alpha in 0\.\.1 and a hint of 0 or more; found 0, 0.3 and 0"),
        ({"alpha": 1.5}, "found 3, 1.5 and"),
        ({"alpha": float("nan")}, "found 3, nan and"),
        ({"hint": -1.0}, "and -1.0"),
        ({"temperature": 0.0}, "expected a positive temperature; found 0.0"),
        ({"teacher": torch.zeros(6, 4)}, "teacher logits"),
        ({"labels": LABELS[:5]}, r"labels \(6,\) of an integer dtype"),
        ({"labels": LABELS.double()}, "integer dtype"),
        ({"hint": 0.1}, "expected features of all 3 students and of the teacher for a hint; found 0 and none"),
        (
            {"hint": 0.1, "student_features": [torch.zeros(6, 3)] * 3, "teacher_features": torch.zeros(6, 4)},
            r"as the teacher's \(6, 4\); found \(6, 3\)",
        ),
    ],
)
def test_wrong_inputs_are_named(changed, message):
    students, teacher = three()
    options = {"students": students, "teacher": teacher, "labels": LABELS} | changed
    with pytest.raises(ValueError, match=message):
        self_distillation(**options)
