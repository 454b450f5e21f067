"""row_kl and symmetric_kl against a loop, their invariances, and what they do at the edges."""

from __future__ import annotations

import idkl_oracle
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.losses import row_kl, symmetric_kl


def matrix(rows: int = 4, columns: int = 5, seed: int = 0) -> torch.Tensor:
    return torch.randn(rows, columns, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


A, B = matrix(), matrix(seed=1)


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 5), st.integers(1, 6), st.integers(0, 99), st.floats(0.1, 30))
def test_loops_agree(rows, columns, seed, scale):
    a, b = matrix(rows, columns, seed) * scale, matrix(rows, columns, seed + 100) * scale
    torch.testing.assert_close(row_kl(a, b), torch.as_tensor(idkl_oracle.kl1(a, b)), rtol=1e-10, atol=1e-10)
    torch.testing.assert_close(symmetric_kl(a, b), idkl_oracle.j(a, b), rtol=1e-10, atol=1e-10)


def test_the_first_is_the_model_and_the_second_the_target():
    expected = F.kl_div(F.log_softmax(A, 1), F.softmax(B, 1), reduction="batchmean")
    torch.testing.assert_close(row_kl(A, B), expected)
    assert not torch.isclose(row_kl(A, B), row_kl(B, A))
    torch.testing.assert_close(symmetric_kl(A, B), row_kl(A, B) + row_kl(B, A))


def test_four_numbers_by_hand():
    """One row, two columns: p = (3/4, 1/4), q = (1/4, 3/4): J = 2 * (1/2) log 3."""
    a, b = torch.tensor([[3.0, 1.0]]).double().log(), torch.tensor([[1.0, 3.0]]).double().log()
    torch.testing.assert_close(symmetric_kl(a, b), torch.tensor(3.0).double().log())


def test_symmetric_zero_for_equal_inputs_and_blind_to_a_constant_in_a_row():
    torch.testing.assert_close(symmetric_kl(A, B), symmetric_kl(B, A))
    assert symmetric_kl(A, A).abs() < 1e-15
    torch.testing.assert_close(symmetric_kl(A + matrix(4, 1, 2), B), symmetric_kl(A, B))
    assert symmetric_kl(A, A + 5).abs() < 1e-14


def test_mean_over_rows_so_that_repeating_all_rows_changes_nothing():
    torch.testing.assert_close(symmetric_kl(A.repeat(3, 1), B.repeat(3, 1)), symmetric_kl(A, B))
    order = torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(symmetric_kl(A[order], B[order]), symmetric_kl(A, B))
    assert not torch.isclose(symmetric_kl(A[order], B), symmetric_kl(A, B))


def test_gradients_reach_both_sides():
    a, b = A.clone().requires_grad_(True), B.clone().requires_grad_(True)
    assert torch.autograd.gradcheck(symmetric_kl, (a, b)) and torch.autograd.gradcheck(row_kl, (a, b))
    assert torch.autograd.gradgradcheck(symmetric_kl, (a, b))
    symmetric_kl(a, b).backward()
    assert a.grad.abs().sum() > 0 and b.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    a, b = (A * 20).to(dtype), (B * 20).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = symmetric_kl(a, b)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, symmetric_kl(a.double(), b.double()).float())


@pytest.mark.parametrize("size", [1e3, 1e6])
def test_huge_values_stay_finite(size):
    a, b = (A.float() * size).requires_grad_(True), B.float() * size
    value = symmetric_kl(a, b)
    value.backward()
    assert value.isfinite() and a.grad.isfinite().all()


@pytest.mark.parametrize("shape", [(0, 5), (3, 0), (0, 0)])
@pytest.mark.parametrize("loss", [row_kl, symmetric_kl])
def test_nothing_to_compare_is_a_zero_attached_to_the_graph(loss, shape):
    a, b = (torch.zeros(shape, requires_grad=True) for _ in range(2))
    value = loss(a, b)
    value.backward()
    assert value.item() == 0 and a.grad.shape == b.grad.shape == shape


@pytest.mark.parametrize(("first", "second"), [((3, 4), (3, 5)), ((3,), (3,)), ((2, 3, 4), (2, 3, 4))])
@pytest.mark.parametrize("loss", [row_kl, symmetric_kl])
def test_wrong_shapes_are_named(loss, first, second):
    with pytest.raises(ValueError, match=r"two floating-point matrices \(r, c\) of one shape"):
        loss(torch.zeros(first), torch.zeros(second))


def test_integers_are_refused():
    with pytest.raises(ValueError, match="floating-point"):
        symmetric_kl(torch.zeros(2, 2, dtype=torch.long), torch.zeros(2, 2, dtype=torch.long))
