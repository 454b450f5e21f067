"""The losses of MDKT against plain loops: the triplet contrast loss with all its choices, and VKD's distillation of distances."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor

from vireidkit.losses import (
    batch_hard_triplet,
    cross_modality_triplet_contrast,
    distance_contrast,
    hardest_triplets,
    kl_distillation,
    pairwise_distance,
    pairwise_distance_distillation,
    pairwise_squared_distance,
    triplet_contrast,
    triplet_log_probability,
)

LABELS = torch.tensor([3, 3, 3, 0, 0, 7, 7, 7, 7, 5])  # 5 is alone: it has no positive, but is everybody's negative
MODALITY = torch.tensor([0, 1, 0, 1, 0, 0, 1, 1, 0, 1])
MININGS, DIVERGENCES, KINDS = ("student", "teacher", "own"), ("kl", "ce", "rkl"), ("euclidean", "squared", "cosine")


def rows(dim: int = 4, seed: int = 0, count: int = len(LABELS)) -> Tensor:
    return torch.randn(count, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def far(first: list[float], second: list[float], kind: str) -> float:
    """One distance, number by number (mdkt.md section 3.2)."""
    square = math.fsum((a - b) ** 2 for a, b in zip(first, second, strict=True))
    if kind == "cosine":
        lengths = math.sqrt(math.fsum(a * a for a in first) * math.fsum(b * b for b in second))
        return 1 - math.fsum(a * b for a, b in zip(first, second, strict=True)) / lengths
    return square if kind == "squared" else math.sqrt(square + 1e-12)


def naive(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    tau: float = 1.0,
    mining: str = "student",
    divergence: str = "kl",
    kind: str = "euclidean",
    anchors: list[int] | None = None,
    references: list[int] | None = None,
) -> float | None:
    """Section 3.6, one anchor after another: P and 1 - P of both networks, then the divergence. None without an anchor."""
    s, t, y = student.tolist(), teacher.tolist(), labels.tolist()
    anchors, references = (list(range(len(y))) if rows is None else rows for rows in (anchors, references))
    values = []
    for a in anchors:
        positives = [r for r in references if y[r] == y[a] and r != a]
        negatives = [r for r in references if y[r] != y[a]]
        if not positives or not negatives:
            continue

        ends = {}
        for name, x in (("student", s), ("teacher", t)):
            near = {r: far(x[a], x[r], kind) for r in (*positives, *negatives)}
            ends[name] = (max(positives, key=near.__getitem__), min(negatives, key=near.__getitem__))
        chosen = [ends["student"], ends["teacher"]] if mining == "own" else [ends[mining]] * 2
        deltas = [far(x[a], x[n], kind) - far(x[a], x[p], kind) for x, (p, n) in zip((s, t), chosen, strict=True)]
        p_s, p_t = (1 / (1 + math.exp(-delta / tau)) for delta in deltas)
        pairs = [(p_t, p_s), (1 - p_t, 1 - p_s)]
        values.append(
            {
                "kl": sum(t * math.log(t / s) for t, s in pairs),
                "ce": -sum(t * math.log(s) for t, s in pairs),
                "rkl": sum(s * math.log(s / t) for t, s in pairs),
            }[divergence]
        )
    return tau**2 * math.fsum(values) / len(values) if values else None


@pytest.mark.parametrize(("mining", "divergence", "tau"), [*itertools.product(MININGS, DIVERGENCES, (1.0, 0.5, 4.0))])
def test_every_choice_equals_the_loop(mining: str, divergence: str, tau: float) -> None:
    student, teacher = rows(), rows(6, seed=1)  # other widths: only distances inside a network enter
    found = triplet_contrast(student, teacher, LABELS, temperature=tau, mining=mining, divergence=divergence)
    assert found.shape == () and found.dtype == torch.float64
    assert found.item() == pytest.approx(naive(student, teacher, LABELS, tau=tau, mining=mining, divergence=divergence), rel=1e-9)


@pytest.mark.parametrize("kind", KINDS)
def test_every_distance_equals_the_loop(kind: str) -> None:
    student, teacher = rows(), rows(seed=1)
    found = triplet_contrast(student, teacher, LABELS, distance=kind)
    assert found.item() == pytest.approx(naive(student, teacher, LABELS, kind=kind), rel=1e-9)


@pytest.mark.parametrize(("mining", "divergence"), [*itertools.product(MININGS, DIVERGENCES)])
def test_gradients_are_right_and_none_reaches_the_teacher(mining: str, divergence: str) -> None:
    student, teacher = rows().requires_grad_(True), rows(6, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(
        lambda x: triplet_contrast(x, teacher.detach(), LABELS, temperature=0.7, mining=mining, divergence=divergence), student
    )
    triplet_contrast(student, teacher, LABELS, mining=mining, divergence=divergence).backward()
    assert teacher.grad is None and student.grad.abs().sum() > 0


def test_swapped_roles_are_the_other_direction() -> None:
    student, teacher = rows().requires_grad_(True), rows(seed=1).requires_grad_(True)
    back = triplet_contrast(teacher, student, LABELS)
    assert back.item() == pytest.approx(naive(teacher, student, LABELS), rel=1e-9)
    back.backward()
    assert student.grad is None and teacher.grad.abs().sum() > 0


# The identities of mdkt.md section 8, item 11


def test_equal_networks_have_nothing_to_learn() -> None:
    student = rows().requires_grad_(True)
    for mining in MININGS:
        value = triplet_contrast(student, rows(), LABELS, mining=mining)
        value.backward()
        assert value.item() == pytest.approx(0, abs=1e-15) and student.grad.abs().max() < 1e-15


@pytest.mark.parametrize("mining", MININGS)
def test_cross_entropy_and_kl_have_equal_gradients_and_differ_by_the_teachers_entropy(mining: str) -> None:
    student, teacher = rows(), rows(6, seed=1)
    gradients, values = [], []
    for divergence in ("ce", "kl"):
        learner = student.clone().requires_grad_(True)
        value = triplet_contrast(learner, teacher, LABELS, mining=mining, divergence=divergence, temperature=2.0)
        value.backward()
        gradients.append(learner.grad), values.append(value.item())
    torch.testing.assert_close(*gradients)
    distances, same = (pairwise_distance(x) for x in (student, teacher)), LABELS[:, None] == LABELS[None, :]
    own, theirs = distances
    triplets = hardest_triplets(own if mining == "student" else theirs, same & ~torch.eye(len(LABELS), dtype=torch.bool), ~same)
    log_p = triplet_log_probability(theirs, triplets, 2.0)
    entropy = -(log_p.exp() * log_p).sum(dim=1).mean().item()
    assert values[0] - values[1] == pytest.approx(4.0 * entropy, rel=1e-9)


def test_a_teacher_that_is_certain_makes_the_soft_margin_triplet_loss() -> None:
    """P_T = 1: the ``ce`` form at temperature 1 is VKD's triplet loss, on the anchors that have a positive."""
    student, labels = rows(count=8), torch.arange(4).repeat_interleave(2)
    certain = 1e4 * torch.eye(4, dtype=torch.float64).repeat_interleave(2, 0)
    assert triplet_contrast(student, certain, labels, divergence="ce").item() == pytest.approx(
        batch_hard_triplet(student, labels, None).item(), rel=1e-12
    )


def test_the_sign_does_not_matter() -> None:
    """The softmax over the two distances and that over their negatives hold the same numbers, swapped."""
    own, theirs = pairwise_distance(rows()), pairwise_distance(rows(seed=1))
    same = LABELS[:, None] == LABELS[None, :]
    triplets = hardest_triplets(own, same & ~torch.eye(len(LABELS), dtype=torch.bool), ~same)
    a, p, n = triplets
    by_sign = []
    for sign in (1, -1):
        s, t = ((sign * torch.stack([d[a, p], d[a, n]], 1)).log_softmax(1) for d in (own, theirs))
        by_sign.append((t.exp() * (t - s)).sum(1).mean().item())
    assert by_sign[0] == pytest.approx(by_sign[1], rel=1e-12)
    assert by_sign[0] == pytest.approx(triplet_contrast(rows(), rows(seed=1), LABELS).item(), rel=1e-12)


def test_the_gradient_of_a_margin_is_the_difference_of_the_probabilities() -> None:
    own = torch.tensor([[0.0, 2.0, 2.5]], dtype=torch.float64, requires_grad=True)
    theirs = torch.tensor([[0.0, 1.0, 4.0]], dtype=torch.float64)
    positive, negative = torch.tensor([[False, True, False]]), torch.tensor([[False, False, True]])
    distance_contrast(own, theirs, positive, negative, temperature=2.0).backward()
    p_s, p_t = (1 / (1 + math.exp(-delta / 2)) for delta in (0.5, 3.0))
    assert own.grad[0].tolist() == pytest.approx([0, -2 * (p_s - p_t), 2 * (p_s - p_t)])


def test_a_common_order_of_the_rows_does_not_matter() -> None:
    student, teacher, order = rows(), rows(6, seed=1), torch.randperm(len(LABELS), generator=torch.Generator().manual_seed(4))
    shuffled = triplet_contrast(student[order], teacher[order], LABELS[order])
    torch.testing.assert_close(shuffled, triplet_contrast(student, teacher, LABELS))


def test_a_lone_identity_is_nobodys_anchor_and_ties_go_to_the_lowest_index() -> None:
    same = LABELS[:, None] == LABELS[None, :]
    mined = hardest_triplets(torch.ones(10, 10), same & ~torch.eye(10, dtype=torch.bool), ~same)
    assert mined.anchors.tolist() == list(range(9))
    assert mined.positives.tolist() == [1, 0, 0, 4, 3, 6, 5, 5, 5] and mined.negatives.tolist() == [3, 3, 3, 0, 0, 0, 0, 0, 0]


@pytest.mark.parametrize("keep", [[0, 1, 2], [0, 3, 5, 9], []], ids=["one person", "one row each", "no rows"])
def test_a_batch_without_anchors_is_a_zero_attached_to_the_graph(keep: list[int]) -> None:
    student = rows()[keep].requires_grad_(True)
    for value in (
        triplet_contrast(student, rows(seed=1)[keep], LABELS[keep]),
        *(
            cross_modality_triplet_contrast(student, rows(seed=1)[keep], LABELS[keep], MODALITY[keep], scope=scope)
            for scope in ("cross", "intra", "joint")
        ),
    ):
        student.grad = None
        value.backward()
        assert value.shape == () and value.item() == 0 and student.grad.shape == student.shape and not student.grad.any()


@pytest.mark.parametrize("divergence", DIVERGENCES)
@pytest.mark.parametrize("scale", [1e-6, 1e4, 1e8])
def test_extreme_distances_stay_finite(scale: float, divergence: str) -> None:
    for student, teacher in ((rows() * scale, rows(seed=1)), (rows(), rows(seed=1) * scale), (rows() * scale, rows(seed=1) * scale)):
        learner = student.float().requires_grad_(True)
        value = triplet_contrast(learner, teacher.float(), LABELS, divergence=divergence)
        value.backward()
        assert value.isfinite() and learner.grad.isfinite().all()


def test_margins_in_the_thousands_have_the_value_of_the_algebra() -> None:
    """A teacher that is certain, a student that is certain of the opposite: KL is the student's margin."""
    own, theirs = torch.tensor([[0.0, 5000.0]], dtype=torch.float64), torch.tensor([[5000.0, 0.0]], dtype=torch.float64)
    positive, negative = torch.tensor([[False, True]]), torch.tensor([[True, False]])
    assert distance_contrast(own, theirs.flip(1), positive, negative).item() == 0
    assert distance_contrast(own, theirs, positive, negative).item() == pytest.approx(5000)


def test_equal_rows_do_not_break_the_gradient() -> None:
    student = torch.zeros(6, 3, requires_grad=True)
    triplet_contrast(student, rows(count=6).float(), torch.arange(3).repeat_interleave(2)).backward()
    assert student.grad.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    student, teacher = rows().to(dtype).requires_grad_(True), rows(seed=1).to(dtype)
    value = triplet_contrast(student, teacher, LABELS)
    value.backward()
    assert value.dtype == torch.float32 and student.grad.dtype == dtype and student.grad.isfinite().all()
    assert value.item() == pytest.approx(naive(student.detach().double(), teacher.double(), LABELS), rel=1e-4)
    found = pairwise_distance_distillation(student, teacher)
    assert found.dtype == torch.float32
    assert found.item() == pytest.approx(pairwise_distance_distillation(student.double(), teacher.double()).item(), rel=1e-4)


@pytest.mark.parametrize("kind", KINDS)
def test_autocast_changes_nothing(kind: str) -> None:
    student, teacher = rows().float(), rows(seed=1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        value = triplet_contrast(student, teacher, LABELS, distance=kind)
        distances = pairwise_distance_distillation(student, teacher)
    assert torch.equal(value, triplet_contrast(student, teacher, LABELS, distance=kind))
    assert torch.equal(distances, pairwise_distance_distillation(student, teacher))


# Two modalities


def halves() -> list[list[int]]:
    return [(code == MODALITY).nonzero()[:, 0].tolist() for code in (0, 1)]


@pytest.mark.parametrize(("mining", "divergence"), [*itertools.product(MININGS, DIVERGENCES)])
def test_across_modalities_equals_the_loop(mining: str, divergence: str) -> None:
    student, teacher, (visible, infrared) = rows(), rows(6, seed=1), halves()
    options = {"mining": mining, "divergence": divergence}
    expected = [
        naive(student, teacher, LABELS, tau=2.0, anchors=a, references=r, **options) for a, r in ((visible, infrared), (infrared, visible))
    ]
    found = cross_modality_triplet_contrast(student, teacher, LABELS, MODALITY, temperature=2.0, **options)
    assert found.item() == pytest.approx(sum(expected) / 2, rel=1e-9)


def test_within_and_regardless_of_modality_equal_the_loop() -> None:
    student, teacher, own = rows(), rows(6, seed=1), halves()
    expected = [naive(student, teacher, LABELS, anchors=half, references=half) for half in own]
    found = cross_modality_triplet_contrast(student, teacher, LABELS, MODALITY, scope="intra")
    assert found.item() == pytest.approx(sum(expected) / 2, rel=1e-9)
    alone = cross_modality_triplet_contrast(student[own[0]], teacher[own[0]], LABELS[own[0]], MODALITY[own[0]], scope="intra")
    assert alone.item() == pytest.approx(expected[0], rel=1e-9)
    joint = cross_modality_triplet_contrast(student, teacher, LABELS, MODALITY, scope="joint", distance="cosine")
    assert torch.equal(joint, triplet_contrast(student, teacher, LABELS, distance="cosine"))


def test_across_modalities_the_gradient_is_right_and_one_modality_gives_zero() -> None:
    student, teacher, (visible, _) = rows().requires_grad_(True), rows(6, seed=1), halves()
    assert torch.autograd.gradcheck(lambda x: cross_modality_triplet_contrast(x, teacher, LABELS, MODALITY), student)
    value = cross_modality_triplet_contrast(student[visible], teacher[visible], LABELS[visible], MODALITY[visible])
    value.backward()
    assert value.item() == 0 and not student.grad.any()


# VKD's distillations


def naive_dp(student: Tensor, teacher: Tensor, form: str) -> float:
    """Section 3.4, pair by pair."""
    s, t, total = student.tolist(), teacher.tolist(), 0.0
    for i, j in itertools.product(range(len(s)), repeat=2):
        gap = far(s[i], s[j], "squared") - far(t[i], t[j], "squared")
        total += {"l2": gap**2, "l1": abs(gap), "huber": gap**2 / 2 if abs(gap) < 1 else abs(gap) - 0.5}[form]
    return total / len(s) ** 2 / 2


@pytest.mark.parametrize("form", ["l2", "l1", "huber"])
def test_distances_are_distilled_as_the_loop_says(form: str) -> None:
    student, teacher = rows(), 0.6 * rows(6, seed=1)
    found = pairwise_distance_distillation(student, teacher, form=form)
    assert found.item() == pytest.approx(naive_dp(student, teacher, form), rel=1e-9)
    learner, source = student.clone().requires_grad_(True), teacher.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: pairwise_distance_distillation(x, source.detach(), form=form), learner)
    pairwise_distance_distillation(learner, source, form=form).backward()
    assert source.grad is None
    assert pairwise_distance_distillation(student, student, form=form).item() == 0


def test_distilled_distances_see_neither_shift_nor_rotation_nor_the_order_of_rows() -> None:
    student, teacher = rows(), rows(seed=1)
    value = pairwise_distance_distillation(student, teacher)
    turn = torch.linalg.qr(rows(count=4))[0]
    order = torch.randperm(len(student), generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(pairwise_distance_distillation(student @ turn + 7, teacher - 3), value)
    torch.testing.assert_close(pairwise_distance_distillation(student[order], teacher[order]), value)


def test_squared_distances_are_those_of_the_loop() -> None:
    first, second = rows(), rows(seed=2, count=3)
    for other in (None, second):
        found = pairwise_squared_distance(first, other)
        expected = [[far(a, b, "squared") for b in (first if other is None else other).tolist()] for a in first.tolist()]
        torch.testing.assert_close(found, torch.tensor(expected, dtype=torch.float64))
    assert not pairwise_squared_distance(first.float()).diagonal().any()
    assert (pairwise_squared_distance(1e4 + 1e-3 * first.float()) >= 0).all()


def test_no_rows_to_distil_are_a_zero_attached_to_the_graph() -> None:
    student = torch.zeros(0, 4, requires_grad=True)
    value = pairwise_distance_distillation(student, torch.zeros(0, 9))
    value.backward()
    assert value.shape == () and value.item() == 0 and student.grad.shape == (0, 4)


def test_the_total_of_a_student_is_the_weighted_sum() -> None:
    """Section 8, item 5: alpha 0.1 and beta 1e-4 on numbers that can be checked by hand."""
    logits, target = torch.tensor([[0.0, 10.0]], dtype=torch.float64), torch.tensor([[10.0, 0.0]], dtype=torch.float64)
    p = 1 / (1 + math.exp(-1))
    kd = 100 * (p * math.log(p / (1 - p)) + (1 - p) * math.log((1 - p) / p))
    assert kl_distillation(logits, target, 10.0).item() == pytest.approx(kd)
    dp = pairwise_distance_distillation(torch.tensor([[0.0], [3.0]]), torch.tensor([[0.0], [1.0]]))
    assert dp.item() == pytest.approx((8**2 + 8**2) / 4 / 2)
    assert 0.1 * kd + 1e-4 * dp.item() == pytest.approx(0.1 * kd + 16e-4)


def test_wrong_inputs_are_named() -> None:
    student, teacher = rows(), rows(seed=1)
    for message, call in {
        "positive temperature; found 0": lambda: triplet_contrast(student, teacher, LABELS, temperature=0),
        "positive temperature; found nan": lambda: triplet_contrast(student, teacher, LABELS, temperature=math.nan),
        "mining must be one of student, teacher, own; found 'both'": lambda: triplet_contrast(student, teacher, LABELS, mining="both"),
        "divergence must be one of kl, ce, rkl; found 'js'": lambda: triplet_contrast(student, teacher, LABELS, divergence="js"),
        "distance must be one of euclidean, squared, cosine; found 'dot'": lambda: triplet_contrast(
            student, teacher, LABELS, distance="dot"
        ),
        r"expected labels \(10,\) of an integer dtype": lambda: triplet_contrast(student, teacher, LABELS[:4]),
        r"expected labels \(9,\) of an integer dtype": lambda: triplet_contrast(student, teacher[1:], LABELS),
        r"expected modality \(10,\)": lambda: cross_modality_triplet_contrast(student, teacher, LABELS, MODALITY[:2]),
        r"expected modality 0 or 1; found \[0, 2\]": lambda: cross_modality_triplet_contrast(student, teacher, LABELS, 2 * MODALITY),
        "scope must be one of cross, joint, intra; found 'all'": lambda: cross_modality_triplet_contrast(
            student, teacher, LABELS, MODALITY, scope="all"
        ),
        r"one shape \(A, R\); found \(10, 10\), \(10, 9\)": lambda: distance_contrast(
            torch.ones(10, 10), torch.ones(10, 9), torch.ones(10, 10) > 0, torch.ones(10, 10) > 0
        ),
        "form must be one of l2, l1, huber; found 'l3'": lambda: pairwise_distance_distillation(student, teacher, form="l3"),
        r"expected teacher features \(B, D\)": lambda: pairwise_distance_distillation(student, teacher[1:]),
        r"expected student features \(B, D\)": lambda: pairwise_distance_distillation(student[0], teacher[0]),
    }.items():
        with pytest.raises(ValueError, match=message):
            call()
