"""Circle margins and smoothed labels: against their definitions, where gradients go, and at the edges."""

from __future__ import annotations

import mdpr_oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.losses import circle_margin_logits, smoothed_cross_entropy


def cosines(rows: int = 4, classes: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.rand(rows, classes, dtype=torch.float64, generator=torch.Generator().manual_seed(seed)) * 2 - 1


LABELS = torch.tensor([0, 4, 2, 2])


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 5), st.integers(2, 6), st.integers(0, 99))
def test_loops_agree(rows, classes, seed):
    c = cosines(rows, classes, seed)
    labels = torch.randint(classes, (rows,), generator=torch.Generator().manual_seed(seed))
    logits = circle_margin_logits(c, labels)
    for b in range(rows):
        for k in range(classes):
            assert abs(logits[b, k] - mdpr_oracle.circle_logit(c[b, k], k == labels[b])) < 1e-12
    expected = 0.0
    for b in range(rows):
        for k in range(classes):
            target = 0.9 if k == labels[b] else 0.1 / (classes - 1)
            expected = expected - target * F.log_softmax(logits[b], 0)[k] / rows
    torch.testing.assert_close(smoothed_cross_entropy(logits, labels), expected)


def test_cosines_of_zero_give_the_figures_of_the_paper_s_code():
    logits = circle_margin_logits(torch.zeros(1, 3).double(), torch.tensor([1]))
    torch.testing.assert_close(logits, torch.tensor([[-7.84, -56.16, -7.84]]).double())


@pytest.mark.parametrize(("people", "value"), [(751, 50.11), (395, 49.46), (206, 48.81)])
def test_identity_loss_of_a_network_that_knows_nothing(people, value):
    logits = circle_margin_logits(torch.zeros(2, people).double(), torch.tensor([0, people - 1]))
    found = float(smoothed_cross_entropy(logits, torch.tensor([0, people - 1])))
    assert found == pytest.approx(value, abs=0.006) and found == pytest.approx(mdpr_oracle.expected_identity_loss_at_cosine_zero(people))


def test_only_the_cosines_themselves_learn_and_not_their_weights():
    c = cosines().requires_grad_()
    circle_margin_logits(c, LABELS).sum().backward()
    true = F.one_hot(LABELS, 5).bool()
    expected = torch.where(true, 64 * (1.35 - c).clamp(min=0), 64 * (c + 0.35).clamp(min=0))
    torch.testing.assert_close(c.grad, expected.detach())
    # A cosine that is right by more than the margin learns nothing.
    assert circle_margin_logits(torch.tensor([[0.0, -0.4]]).double(), torch.tensor([0]))[0, 1] == 0


def test_gamma_scales_and_the_margin_moves():
    torch.testing.assert_close(circle_margin_logits(cosines(), LABELS, gamma=32), circle_margin_logits(cosines(), LABELS) / 2)
    logits = circle_margin_logits(cosines(), LABELS, gamma=1, margin=0.0)
    true = F.one_hot(LABELS, 5).bool()
    torch.testing.assert_close(logits, torch.where(true, -((1 - cosines()) ** 2), cosines().clamp(min=0) ** 2))


def test_smoothing_over_all_classes_is_torchs_and_over_the_others_is_not():
    logits = cosines(seed=3) * 9
    torch.testing.assert_close(smoothed_cross_entropy(logits, LABELS, spread="all"), F.cross_entropy(logits, LABELS, label_smoothing=0.1))
    others = smoothed_cross_entropy(logits, LABELS)
    torch.testing.assert_close(others, F.cross_entropy(logits, LABELS, label_smoothing=0.1 * 5 / 4))
    # By how much they differ: the target of the true class is 0.1 / C lower.
    gap = (F.log_softmax(logits, 1).mean(1) - F.log_softmax(logits, 1).gather(1, LABELS[:, None])[:, 0]).mean()
    torch.testing.assert_close(others - smoothed_cross_entropy(logits, LABELS, spread="all"), -gap * 0.1 / 4)
    torch.testing.assert_close(smoothed_cross_entropy(logits, LABELS, epsilon=0.0), F.cross_entropy(logits, LABELS))


def test_gradients_of_both():
    logits = cosines(seed=1).requires_grad_()
    for spread in ("others", "all"):
        assert torch.autograd.gradcheck(lambda x, spread=spread: smoothed_cross_entropy(x, LABELS, spread=spread), (logits,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    c = cosines().to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = circle_margin_logits(c, LABELS)
        value = smoothed_cross_entropy((logits / 8).to(dtype), LABELS)
    assert logits.dtype == value.dtype == torch.float32
    torch.testing.assert_close(logits, circle_margin_logits(c.double(), LABELS).float())


def test_edges():
    empty = torch.zeros(0, 3, requires_grad=True)
    value = smoothed_cross_entropy(circle_margin_logits(empty, torch.zeros(0, dtype=torch.long)), torch.zeros(0, dtype=torch.long))
    value.backward()
    assert value == 0 and empty.grad.shape == (0, 3)
    assert smoothed_cross_entropy(torch.ones(2, 1), torch.zeros(2, dtype=torch.long)) == 0
    huge = (cosines() * 1e4).requires_grad_()
    smoothed_cross_entropy(huge, LABELS).backward()
    assert huge.grad.isfinite().all()
    with pytest.raises(ValueError, match='spread must be "others" or "all"'):
        smoothed_cross_entropy(cosines(), LABELS, spread="none")
    with pytest.raises(ValueError, match=r"labels \(4,\) of an integer dtype"):
        circle_margin_logits(cosines(), LABELS[:2])
