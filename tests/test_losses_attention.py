"""Diversity and area of attention: against loops, with the values of the specification, and at the edges."""

from __future__ import annotations

import mdpr_oracle
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from vireidkit.losses import attention_area, attention_diversity


def vectors(maps: int = 3, rows: int = 4, width: int = 5, seed: int = 0) -> list[torch.Tensor]:
    draw = torch.Generator().manual_seed(seed)
    return [torch.rand(rows, width, dtype=torch.float64, generator=draw) + 0.01 for _ in range(maps)]


@settings(max_examples=20, deadline=None)
@given(st.integers(2, 4), st.integers(1, 4), st.integers(1, 5), st.integers(0, 99))
def test_loops_agree(maps, rows, width, seed):
    own = vectors(maps, rows, width, seed)
    torch.testing.assert_close(attention_diversity(own), mdpr_oracle.diversity_term(torch.stack(own, 1)))
    attention = torch.rand(rows, maps, 2, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    torch.testing.assert_close(attention_area(attention), mdpr_oracle.area_term(attention))


def test_equal_maps_give_one_for_each_pair_and_length_does_not_count():
    one = vectors(1)[0]
    for maps, pairs in ((2, 1), (3, 3), (4, 6)):
        torch.testing.assert_close(attention_diversity([one * (k + 1) for k in range(maps)]), torch.tensor(float(pairs)).double())
    torch.testing.assert_close(attention_diversity([torch.eye(3)[[0]], torch.eye(3)[[1]]]), torch.tensor(0.0))


@pytest.mark.parametrize(("size", "value"), [((24, 12), 0.192), ((18, 9), 0.108)])
def test_uniform_attention_with_the_released_weight(size, value):
    assert float(0.001 * attention_area(torch.full((3, 2, *size), 1 / 3).double())) == pytest.approx(value)


def test_gradients():
    own = [x.requires_grad_() for x in vectors()]
    assert torch.autograd.gradcheck(lambda *x: attention_diversity(x), own)
    maps = torch.rand(2, 2, 3, 2, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(attention_area, (maps,))


def test_the_list_that_is_given_stays_as_it_is():
    own = vectors()
    before = [x.clone() for x in own]
    attention_diversity(own)
    assert all(torch.equal(a, b) for a, b in zip(own, before, strict=True))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype):
    own, maps = [x.to(dtype) for x in vectors()], torch.full((2, 2, 40, 20), 0.9, dtype=dtype)
    assert attention_diversity(own).dtype == attention_area(maps).dtype == torch.float32
    torch.testing.assert_close(attention_diversity(own), attention_diversity([x.double() for x in own]).float())
    torch.testing.assert_close(attention_area(maps), attention_area(maps.double()).float())


def test_edges():
    alone = torch.rand(3, 4, requires_grad=True)
    value = attention_diversity([alone])
    value.backward()
    assert value == 0 and (alone.grad == 0).all()
    assert attention_diversity([torch.zeros(0, 4), torch.zeros(0, 4)]) == 0 == attention_area(torch.zeros(0, 2, 3, 3))
    zero = [torch.zeros(2, 4, requires_grad=True) for _ in range(2)]
    attention_diversity(zero).backward()
    assert all(x.grad.isfinite().all() for x in zero)
    assert attention_diversity([torch.ones(1, 1), torch.ones(1, 1)]) == 1  # the released code fails for one row
    for wrong in ([], [torch.zeros(2, 3), torch.zeros(3, 3)], [torch.zeros(2)], [torch.zeros(2, 3).long()]):
        with pytest.raises(ValueError, match=r"expected floating-point matrices \(N, D\) of one shape"):
            attention_diversity(wrong)
    with pytest.raises(ValueError, match=r"expected floating-point maps \(N, K, h, w\)"):
        attention_area(torch.zeros(2, 3, 4))
