"""Stripes, the relation block and the shallow head: bounds, formulas, counts, and where torch has the same thing."""

from __future__ import annotations

import math

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses import one_versus_rest
from vireidkit.nn import AveragePool, GeM, OneVersusRest, OSNetEmbedding, PartAttention, ShallowHead, pooled_stripes, stripe_bounds
from vireidkit.randomness import scoped_randomness


def randn(*shape: int, seed: int = 0) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Stripes


@pytest.mark.parametrize("height", [1, 2, 3, 4, 7, 8, 18, 24])
@pytest.mark.parametrize("stripes", [1, 2, 3, 4, 6])
def test_stripes_are_those_of_the_spec_and_of_adaptive_pooling(height, stripes):
    bounds = stripe_bounds(height, stripes)
    assert bounds == [(math.floor(i * height / stripes), math.ceil((i + 1) * height / stripes)) for i in range(stripes)]
    assert set(range(height)) == {row for top, bottom in bounds for row in range(top, bottom)}
    x = randn(2, 3, height, 5)
    expected = F.adaptive_avg_pool2d(x, (stripes, 1))[..., 0].mT
    torch.testing.assert_close(pooled_stripes(x, stripes, AveragePool()), expected)


def test_one_stripe_is_the_whole_map_and_stripes_are_pooled_each_on_its_own():
    x = randn(2, 3, 18, 9).abs()
    torch.testing.assert_close(pooled_stripes(x, 1, GeM())[:, 0], GeM()(x))
    found = pooled_stripes(x, 3, GeM())
    assert found.shape == (2, 3, 3)
    torch.testing.assert_close(found[:, 1], GeM()(x[:, :, 6:12]))


@pytest.mark.parametrize(("height", "stripes"), [(0, 2), (4, 0), (4, -1)])
def test_impossible_stripes_are_named(height, stripes):
    with pytest.raises(ValueError, match=f"at least 1; found {height} and {stripes}"):
        stripe_bounds(height, stripes)


# Relation


def relation(kind=OneVersusRest, channels: int = 6, width: int = 4, **options) -> torch.nn.Module:
    """A float64 block whose norms are no longer those of the start."""
    with scoped_randomness(0):
        block = kind(channels, width, **options).double()
    draw = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, torch.nn.BatchNorm1d):
                for tensor in (module.weight, module.bias, module.running_mean):
                    tensor.copy_(torch.randn(tensor.shape, generator=draw))
                module.running_var.copy_(torch.rand(module.running_var.shape, generator=draw) + 0.5)
    return block


@pytest.mark.parametrize(("width", "parameters"), [(256, 394_752), (128, 164_608)])
def test_parameters_of_the_relation(width, parameters):
    with torch.device("meta"):
        assert count(OneVersusRest(512, width)) == parameters
        assert count(OneVersusRest(512, width, relate=False)) == 512 * width + 2 * width


def unit(layer, x: Tensor) -> Tensor:
    """ReLU(BN(W x)) of one row, by the running statistics."""
    y, bn = layer.linear.weight @ x, layer.bn
    return ((y - bn.running_mean) / (bn.running_var + bn.eps).sqrt() * bn.weight + bn.bias).clamp(min=0)


def test_the_relation_is_its_formula_part_by_part():
    block, parts = relation().eval(), randn(3, 3, 6)
    found = block(parts, one_versus_rest(parts))
    assert found.shape == (3, 3, 4)
    for n in range(3):
        for i in range(3):
            rest = sum(parts[n, j] for j in range(3) if j != i) / 2
            a, b = unit(block.own, parts[n, i]), unit(block.rest, rest)
            torch.testing.assert_close(found[n, i], a + unit(block.pair, torch.cat([a, b])))


@pytest.mark.parametrize("training", [True, False])
def test_permuted_parts_give_permuted_features(training):
    block, parts, order = relation().train(training), randn(5, 3, 6), torch.tensor([2, 0, 1])
    found = block(parts[:, order], one_versus_rest(parts[:, order]))
    torch.testing.assert_close(found, block(parts, one_versus_rest(parts))[:, order])
    attention = relation(PartAttention).train(training)
    torch.testing.assert_close(attention(parts[:, order]), attention(parts)[:, order])


def test_a_silent_correction_leaves_the_part_alone():
    block, plain, parts = relation().eval(), relation(relate=False).eval(), randn(5, 3, 6)
    plain.own.load_state_dict(block.own.state_dict())
    with torch.no_grad():
        block.pair.bn.weight.zero_()
        block.pair.bn.bias.zero_()
    assert torch.equal(block(parts, one_versus_rest(parts)), plain(parts, one_versus_rest(parts)))
    fresh = [OneVersusRest(6, 4), None]
    with scoped_randomness(3):
        fresh[0] = OneVersusRest(6, 4)
    with scoped_randomness(3):
        fresh[1] = OneVersusRest(6, 4, relate=False)
    assert torch.equal(fresh[0].own.linear.weight, fresh[1].own.linear.weight)


def test_statistics_are_those_of_the_rows_of_all_parts():
    block, parts = relation().train(), randn(5, 3, 6)
    own = F.linear(parts.reshape(15, 6), block.own.linear.weight)
    block.own.bn.momentum = 1.0
    block(parts, one_versus_rest(parts))
    torch.testing.assert_close(block.own.bn.running_mean, own.mean(0))
    torch.testing.assert_close(block.own.bn.running_var, own.var(0))


def test_attention_is_torchs_and_its_rows_sum_to_one():
    block, parts = relation(PartAttention).eval(), randn(3, 5, 6)
    own = block.own(parts)
    weights = block.attention(own)
    torch.testing.assert_close(weights.sum(-1), torch.ones(3, 5, dtype=torch.float64))
    mixed = F.scaled_dot_product_attention(block.query(own), block.key(own), block.value(own))
    torch.testing.assert_close(block(parts), own + block.pair(torch.cat([own, mixed], dim=-1)))


def test_gradients_and_half_precision():
    block, parts = relation().eval(), randn(2, 3, 6).requires_grad_(True)
    assert torch.autograd.gradcheck(lambda x: block(x, one_versus_rest(x)), parts)
    half = block.float()(parts.bfloat16(), one_versus_rest(parts.bfloat16()))
    assert half.dtype == torch.float32 and half.isfinite().all()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert relation(PartAttention).float()(parts.float()).dtype == torch.float32


# Shallow head and OSNet's own layer


@pytest.mark.parametrize(("channels", "adapter"), [(256, 132_096), (384, 197_632), (512, 263_168)])
def test_parameters_of_a_shallow_head(channels, adapter):
    with torch.device("meta"):
        head = ShallowHead(channels, 512, 395, GeM())
    assert count(head.adapter) == adapter and count(head) == adapter + 1_024 + 512 * 395


def test_a_shallow_head_pools_what_its_adapter_sees():
    head, x = ShallowHead(6, 4, 3, GeM()).double().eval(), randn(2, 6, 5, 3)
    features = head.features(x)
    torch.testing.assert_close(features, GeM()(head.adapter(x)))
    torch.testing.assert_close(head(features), head.neck(features) @ head.classifier.weight.T)


@pytest.mark.parametrize(("channels", "parameters"), [(512, 263_680), (384, 198_144), (256, 132_608), (128, 67_072)])
def test_osnets_own_layer_has_512_numbers_at_every_width(channels, parameters):
    layer = OSNetEmbedding(channels)
    assert count(layer) == parameters
    assert list(layer.state_dict())[:3] == ["0.weight", "0.bias", "1.weight"]
    assert layer[0].weight.std().item() == pytest.approx(0.01, rel=0.05) and not layer[0].bias.any()
    found = layer.eval()(torch.randn(2, channels).bfloat16())
    assert found.shape == (2, 512) and found.dtype == torch.float32 and (found >= 0).all()
