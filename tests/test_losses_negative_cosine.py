"""Negative cosine, targets and triplets from the other modality: against loops, where gradients go, and at the edges."""

from __future__ import annotations

import mdpr_oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.losses import batch_hard_triplet, cross_modality_triplet, negative_cosine, other_modality_targets


def rows(count: int = 5, width: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


LABELS, MODALITY = torch.tensor([0, 0, 1, 1, 0, 0, 1, 2]), torch.tensor([0, 0, 0, 0, 1, 1, 1, 1])


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 5), st.integers(0, 99))
def test_loops_agree(count, width, seed):
    first, second = rows(count, width, seed), rows(count, width, seed + 100)
    expected = -sum(mdpr_oracle.cosine(a, b) for a, b in zip(first, second, strict=True)) / count
    torch.testing.assert_close(negative_cosine(first, second), expected)


def test_it_lies_between_minus_one_and_one_and_lengths_do_not_count():
    x = rows()
    for factor, value in ((3.0, -1.0), (-0.5, 1.0)):
        torch.testing.assert_close(negative_cosine(x, x * factor), torch.tensor(value).double())
    torch.testing.assert_close(negative_cosine(x * 7, rows(seed=1)), negative_cosine(x, rows(seed=1)))


def test_the_target_gets_no_gradient_unless_asked():
    first, second = rows().requires_grad_(), rows(seed=1).requires_grad_()
    negative_cosine(first, second).backward()
    assert first.grad.abs().sum() > 0 and second.grad is None
    assert torch.autograd.gradcheck(lambda p: negative_cosine(p, second), (first,))
    assert torch.autograd.gradcheck(lambda p, t: negative_cosine(p, t, stop_gradient=False), (first, second))
    torch.testing.assert_close(negative_cosine(first, second), negative_cosine(first, second, stop_gradient=False))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    first, second = rows().to(dtype), rows(seed=1).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = negative_cosine(first, second)
        cross = cross_modality_triplet(rows(8).to(dtype), LABELS, MODALITY)
        targets, _ = other_modality_targets(rows(8).to(dtype), LABELS, MODALITY)
    assert found.dtype == cross.dtype == targets.dtype == torch.float32
    torch.testing.assert_close(found, negative_cosine(first.double(), second.double()).float())


def test_edges_of_the_cosine():
    empty = torch.zeros(0, 3, requires_grad=True)
    value = negative_cosine(empty, torch.zeros(0, 3))
    value.backward()
    assert value == 0 and empty.grad.shape == (0, 3)
    zero = torch.zeros(2, 3, requires_grad=True)
    value = negative_cosine(zero, torch.ones(2, 3))
    value.backward()
    assert value == 0 and zero.grad.isfinite().all()
    with pytest.raises(ValueError, match=r"two floating-point matrices \(N, D\) of one shape"):
        negative_cosine(rows(), rows(4))


def test_targets_are_unit_means_of_the_other_modality():
    x = rows(8).requires_grad_()
    targets, known = other_modality_targets(x, LABELS, MODALITY)
    assert known.tolist() == [True] * 7 + [False] and not targets.requires_grad
    for row in range(7):
        friends = [x[k] for k in range(8) if LABELS[k] == LABELS[row] and MODALITY[k] != MODALITY[row]]
        mean = sum(friends) / len(friends)
        torch.testing.assert_close(targets[row], (mean / mean.norm()).detach())
    assert (targets[7] == 0).all()


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 99), st.sampled_from([0.05, 0.3, None]))
def test_cross_modality_triplet_equals_the_loop(seed, margin):
    draw = torch.Generator().manual_seed(seed)
    labels, modality = torch.randint(3, (7,), generator=draw), torch.randint(2, (7,), generator=draw)
    x = rows(7, 3, seed)
    terms = []
    for i in range(7):
        far = [(x[i] - x[k]).norm() for k in range(7) if modality[k] != modality[i] and labels[k] == labels[i]]
        near = [(x[i] - x[k]).norm() for k in range(7) if modality[k] != modality[i] and labels[k] != labels[i]]
        if far and near:
            gap = max(far) - min(near)
            terms.append(torch.log1p(gap.exp()) if margin is None else (gap + margin).clamp(min=0))
    expected = sum(terms) / len(terms) if terms else torch.tensor(0.0).double()
    torch.testing.assert_close(cross_modality_triplet(x, labels, modality, margin), expected)


def test_cross_modality_triplet_gradient_edges_and_what_sets_it_apart():
    x = rows(8).requires_grad_()
    assert torch.autograd.gradcheck(lambda f: cross_modality_triplet(f, LABELS, MODALITY, 5.0), (x,))
    assert not torch.isclose(cross_modality_triplet(x, LABELS, MODALITY, 5.0), batch_hard_triplet(x, LABELS, 5.0))
    one = cross_modality_triplet(x, LABELS, torch.zeros_like(LABELS))
    one.backward()
    assert one == 0 and (x.grad == 0).all()
    same = torch.ones(8, 3, requires_grad=True)
    value = cross_modality_triplet(same, LABELS, MODALITY, 0.05)
    value.backward()
    torch.testing.assert_close(value, torch.tensor(0.05))
    assert same.grad.isfinite().all()
    with pytest.raises(ValueError, match=r"expected modality \(8,\)"):
        cross_modality_triplet(x, LABELS, MODALITY[:3])
