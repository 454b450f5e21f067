"""One versus rest: each part beside the mean of all others."""

from __future__ import annotations

import pytest
import torch

from vireidkit.losses import one_versus_rest


def parts(n: int = 3, count: int = 4, width: int = 2) -> torch.Tensor:
    return torch.randn(n, count, width, dtype=torch.float64, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize("count", [2, 3, 6])
def test_equals_the_loop(count):
    x = parts(count=count)
    found = one_versus_rest(x)
    for n in range(3):
        for i in range(count):
            others = [x[n, j] for j in range(count) if j != i]
            torch.testing.assert_close(found[n, i], sum(others) / (count - 1))


def test_of_two_each_sees_the_other_and_permuted_parts_give_permuted_rests():
    x = parts(count=2)
    torch.testing.assert_close(one_versus_rest(x), x.flip(1))
    x, order = parts(), torch.tensor([2, 0, 3, 1])
    torch.testing.assert_close(one_versus_rest(x[:, order]), one_versus_rest(x)[:, order])


def test_gradients_half_precision_and_no_rows():
    assert torch.autograd.gradcheck(one_versus_rest, (parts().requires_grad_(True),))
    assert one_versus_rest(parts().bfloat16()).dtype == torch.float32
    assert one_versus_rest(parts(0)).shape == (0, 4, 2)


@pytest.mark.parametrize("wrong", [torch.zeros(3, 1, 2), torch.zeros(3, 2), torch.zeros(3, 2, 2, dtype=torch.long)])
def test_wrong_inputs_are_named(wrong):
    with pytest.raises(ValueError, match=r"expected parts \(N, G, D\) of a floating dtype with G at least 2; found"):
        one_versus_rest(wrong)
