"""GeM, the non-local block, the neck and the classifier against their formulas."""

from __future__ import annotations

import pytest
import torch

from vireidkit.errors import SettingError
from vireidkit.nn import AveragePool, BNNeck, GeM, IdentityClassifier, NonLocal

HALF = [torch.float16, torch.bfloat16]


@pytest.fixture
def source() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def positive_map(source: torch.Generator) -> torch.Tensor:
    return torch.rand(2, 3, 4, 2, dtype=torch.float64, generator=source)


def test_gem_is_its_formula(source):
    """f_c = (mean over h, w of x_c^3 + 1e-12)^(1/3)."""
    x = positive_map(source)
    expected = [[(sum(v**3 for row in channel for v in row) / 8 + 1e-12) ** (1 / 3) for channel in image] for image in x.tolist()]
    torch.testing.assert_close(GeM()(x), torch.tensor(expected, dtype=torch.float64), rtol=1e-12, atol=0)


def test_gem_between_average_and_maximum(source):
    x = positive_map(source)
    torch.testing.assert_close(GeM(p=1)(x), x.mean((2, 3)), rtol=0, atol=2e-12)
    torch.testing.assert_close(GeM(p=500)(1 + x), 1 + x.amax((2, 3)), rtol=5e-3, atol=0)
    torch.testing.assert_close(AveragePool()(x), x.mean((2, 3)))


def test_gem_of_a_dead_channel():
    x = torch.zeros(1, 2, 3, 3, requires_grad=True)
    pooled = GeM()(x)
    pooled.sum().backward()
    torch.testing.assert_close(pooled, torch.full((1, 2), 1e-4))
    assert x.grad.isfinite().all()


def test_gem_gradient(source):
    x = positive_map(source).add(0.1).requires_grad_(True)
    assert torch.autograd.gradcheck(GeM(), x)
    assert list(GeM().parameters()) == []


@pytest.mark.parametrize("pool", [GeM(), AveragePool()], ids=["gem", "average"])
@pytest.mark.parametrize("dtype", HALF)
def test_pooling_of_half_precision_is_done_in_float32(pool, dtype, source):
    x = (positive_map(source) * 100).to(dtype)  # 100^3 is beyond float16
    with torch.autocast("cpu", dtype=torch.bfloat16):
        pooled = pool(x)
    assert pooled.dtype == torch.float32
    torch.testing.assert_close(pooled, pool(x.double()).float())


@pytest.mark.parametrize("p", [0.0, -1.0, float("nan")])
def test_gem_needs_a_positive_exponent(p):
    with pytest.raises(SettingError, match="above 0"):
        GeM(p)


def trained_block(channels: int, width: int) -> NonLocal:
    """A block that no longer is the identity."""
    torch.random.default_generator.manual_seed(1)
    block = NonLocal(channels, width).double().eval()
    with torch.no_grad():
        for value in (block.bn.weight, block.bn.bias, block.bn.running_mean):
            value.normal_()
        block.bn.running_var.uniform_(0.5, 2)
    return block


def naive_non_local(block: NonLocal, x: torch.Tensor) -> torch.Tensor:
    """out_i = x_i + BN(W sum_j A_ij g_j), A_ij = theta_i . phi_j / n, position by position."""
    image, (height, width) = x.flatten(2), x.shape[2:]
    n = height * width
    out = torch.empty_like(image)
    for b in range(len(image)):
        rows = [[conv.weight.flatten(1) @ image[b, :, i] + conv.bias for i in range(n)] for conv in (block.theta, block.phi, block.g)]
        for i in range(n):
            y = sum(rows[0][i].dot(rows[1][j]) / n * rows[2][j] for j in range(n))
            z = block.expand.weight.flatten(1) @ y + block.expand.bias
            bn = block.bn
            out[b, :, i] = image[b, :, i] + (z - bn.running_mean) / (bn.running_var + bn.eps).sqrt() * bn.weight + bn.bias
    return out.unflatten(2, (height, width))


@pytest.mark.parametrize("width", [1, 3])
def test_non_local_is_its_formula(width, source):
    block, x = trained_block(5, width), torch.randn(2, 5, 3, 2, dtype=torch.float64, generator=source)
    with torch.no_grad():
        torch.testing.assert_close(block(x), naive_non_local(block, x))


@pytest.mark.parametrize("training", [True, False])
def test_a_fresh_non_local_block_is_the_identity(training, source):
    x = torch.randn(2, 6, 4, 2, generator=source)
    torch.testing.assert_close(NonLocal(6).train(training)(x), x, rtol=0, atol=0)


@pytest.mark.parametrize(("channels", "parameters"), [(512, 3_587), (1024, 7_171)])
def test_parameters_of_a_non_local_block(channels, parameters):
    assert sum(p.numel() for p in NonLocal(channels).parameters()) == parameters == 7 * channels + 3


def test_a_fresh_non_local_block_can_begin_to_learn(source):
    block, x = NonLocal(4), torch.randn(3, 4, 3, 2, generator=source)
    block(x).square().sum().backward()
    assert block.bn.weight.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", HALF)
def test_non_local_in_half_precision_keeps_sums_in_range(dtype):
    """At 15 everywhere, y = 15 * 15 * 15 fits float16 but the sum of phi_j g_j over 512 positions, 115200, does not."""
    block = NonLocal(1).eval()
    with torch.no_grad():
        for conv in (block.theta, block.phi, block.g, block.expand):
            conv.weight.fill_(1)
            conv.bias.zero_()
        block.bn.weight.fill_(1)
    out = block.to(dtype)(torch.full((1, 1, 32, 16), 15.0, dtype=dtype))
    assert out.dtype == dtype
    torch.testing.assert_close(out.float(), torch.full((1, 1, 32, 16), 15.0**3 + 15), rtol=0.01, atol=0)


def test_non_local_under_autocast_is_close_to_float32(source):
    x, block = torch.randn(2, 5, 4, 3, generator=source), trained_block(5, 1).float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        out = block(x)
    torch.testing.assert_close(out.float(), block(x), rtol=0.05, atol=0.05)


def test_neck_starts_near_one_and_its_bias_stays_zero(source):
    torch.random.default_generator.manual_seed(0)
    neck = BNNeck(2048)
    assert sum(p.numel() for p in neck.parameters()) == 4_096
    assert neck.weight.mean().item() == pytest.approx(1, abs=1e-3)
    assert neck.weight.std().item() == pytest.approx(0.01, rel=0.1)
    assert not neck.bias.requires_grad and (neck.bias == 0).all()
    assert BNNeck.sees_whole_batch
    assert (BNNeck(8, deviation=0).weight == 1).all()
    optimiser = torch.optim.SGD(neck.parameters(), lr=1.0, weight_decay=0.5)
    neck(torch.randn(16, 2048, generator=source)).square().sum().backward()
    optimiser.step()
    assert (neck.bias == 0).all()


def test_neck_is_batch_norm(source):
    neck = BNNeck(4).double()
    x = torch.randn(6, 4, dtype=torch.float64, generator=source)
    expected = (x - x.mean(0)) / (x.var(0, unbiased=False) + 1e-5).sqrt() * neck.weight
    torch.testing.assert_close(neck(x), expected)
    torch.testing.assert_close(neck.running_mean, 0.1 * x.mean(0))


@pytest.mark.parametrize("dtype", HALF)
def test_neck_and_classifier_compute_in_float32(dtype, source):
    neck, classifier = BNNeck(16), IdentityClassifier(16, 5)
    x = torch.randn(8, 16, generator=source).to(dtype)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = classifier(neck.eval()(x))
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, (x.float() / (1 + 1e-5) ** 0.5 * neck.weight) @ classifier.weight.T)


def test_classifier_has_no_bias_and_starts_small():
    torch.random.default_generator.manual_seed(0)
    classifier = IdentityClassifier(512, 395)
    assert classifier.bias is None and classifier.weight.shape == (395, 512)
    assert classifier.weight.std().item() == pytest.approx(0.001, rel=0.02)
    assert abs(classifier.weight.mean().item()) < 1e-5
