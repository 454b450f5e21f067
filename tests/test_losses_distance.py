"""pairwise_distance against a plain loop, at zero, at huge values, far from the origin and in every precision."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.losses import pairwise_distance


def rows(count: int, width: int = 4, seed: int = 0) -> torch.Tensor:
    return torch.randn(count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def naive(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """sqrt(max(sum of squared differences, 1e-12)), pair by pair."""
    table = [[math.sqrt(max(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)), 1e-12)) for b in second.tolist()] for a in first.tolist()]
    return torch.tensor(table, dtype=torch.float64)


def test_one_matrix_and_two():
    a, b = rows(5), rows(3, seed=1)
    torch.testing.assert_close(pairwise_distance(a), naive(a, a))
    torch.testing.assert_close(pairwise_distance(a, b), naive(a, b))
    torch.testing.assert_close(pairwise_distance(a, b), pairwise_distance(b, a).T)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 6), st.integers(1, 5), st.floats(-1e3, 1e3), st.integers(0, 99))
def test_rows_in_any_order_and_anywhere(count, width, shift, seed):
    a = rows(count, width, seed)
    order = torch.randperm(count, generator=torch.Generator().manual_seed(seed))
    distance = pairwise_distance(a)
    torch.testing.assert_close(pairwise_distance(a[order]), distance[order][:, order], rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(pairwise_distance(a + shift), distance, rtol=1e-6, atol=1e-5)
    torch.testing.assert_close(distance, naive(a, a), rtol=1e-6, atol=1e-5)


def test_float32_rows_far_from_the_origin_keep_their_digits():
    """Features behind a ReLU share a large mean; |a|^2 + |b|^2 - 2ab alone would lose distances of 1e-1 at a norm of 1e4."""
    a = rows(6, 16) * 0.1
    torch.testing.assert_close(pairwise_distance((a + 2500).float()).double().square(), naive(a, a).square(), rtol=5e-2, atol=1e-3)


def test_a_row_is_at_1e6_from_itself_whatever_the_rounding():
    a = (rows(6, 64).float() * 1e4).requires_grad_(True)
    diagonal = pairwise_distance(a).diagonal()
    assert torch.equal(diagonal, torch.full((6,), 1e-12).sqrt())
    diagonal.sum().backward()
    assert (a.grad == 0).all()


def test_equal_rows_are_1e6_apart_and_give_no_gradient():
    a = torch.full((4, 8), 0.7, requires_grad=True)
    distance = pairwise_distance(a)
    torch.testing.assert_close(distance, torch.full((4, 4), 1e-6))
    distance.sum().backward()
    assert (a.grad == 0).all()


@pytest.mark.parametrize("scale", [1e-20, 1e-6, 1e6, 1e15])
def test_values_and_gradients_are_finite(scale):
    a = (rows(6).float() * scale).requires_grad_(True)
    distance = pairwise_distance(torch.cat([a, a[:2]]))
    distance.sum().backward()
    assert distance.isfinite().all() and a.grad.isfinite().all()


def test_gradient():
    a, b = rows(4).requires_grad_(True), rows(3, seed=1).requires_grad_(True)
    assert torch.autograd.gradcheck(pairwise_distance, (a, b))
    assert torch.autograd.gradcheck(pairwise_distance, (a,))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    a = (rows(5, 64) * 100).to(dtype)  # squared norms are beyond float16
    distance = pairwise_distance(a)
    assert distance.dtype == torch.float32
    torch.testing.assert_close(distance, pairwise_distance(a.double()).float(), rtol=1e-5, atol=0.5)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_autocast_does_not_reach_it(dtype):
    a = rows(5, 64).to(dtype)
    expected = pairwise_distance(a)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = pairwise_distance(a)
    assert found.dtype == dtype and torch.equal(found, expected)


def test_no_rows():
    assert pairwise_distance(torch.empty(0, 4)).shape == (0, 0)
    assert pairwise_distance(rows(0), rows(3)).shape == (0, 3)
    assert pairwise_distance(rows(3), rows(0)).shape == (3, 0)


@pytest.mark.parametrize(("first", "second"), [((3,), (3,)), ((3, 4), (3, 5)), ((2, 3, 4), (2, 3, 4))])
def test_wrong_shapes_are_named(first, second):
    with pytest.raises(ValueError, match=r"expected features \(N, D\) and \(M, D\)"):
        pairwise_distance(torch.zeros(first), torch.zeros(second))
