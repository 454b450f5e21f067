"""ResNet trunks: torchvision's names and figures, the shapes and costs of AGW's trunk, and what widths and places are possible."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from vireidkit.errors import SettingError
from vireidkit.nn import NonLocal, ResNet, Trunk

STAGE_SHAPES_50 = {
    "stem": (64, 72, 36),
    "layer1": (256, 72, 36),
    "layer2": (512, 36, 18),
    "layer3": (1024, 18, 9),
    "layer4": (2048, 18, 9),
}


def on_meta(depth: int, **options) -> ResNet:
    """A trunk without memory behind it, for counting."""
    with torch.device("meta"):
        return ResNet(depth, **options)


@pytest.fixture(scope="module")
def resnet50() -> ResNet:
    """A real one, whose values do not matter."""
    trunk = on_meta(50).to_empty(device="cpu").eval()
    for tensor in trunk.state_dict().values():
        tensor.fill_(1e-3)
    return trunk


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def macs(trunk: ResNet, height: int, width: int) -> int:
    """Multiply-accumulates of all convolutions for one image."""
    total = 0

    def add(conv: nn.Conv2d, _: tuple, output: torch.Tensor) -> None:
        nonlocal total
        total += conv.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [module.register_forward_hook(add) for module in trunk.modules() if isinstance(module, nn.Conv2d)]
    with torch.no_grad():
        trunk(torch.zeros(1, 3, height, width))
    for hook in hooks:
        hook.remove()
    return total


def test_stage_shapes_and_parameters_of_resnet50(resnet50):
    trunk, x = resnet50, torch.zeros(1, 3, 288, 144)
    with torch.no_grad():
        shapes = {name: tuple((x := stage(x)).shape[1:]) for name, stage in trunk.stages().items()}
    assert shapes == STAGE_SHAPES_50
    assert {name: count(stage) for name, stage in trunk.stages().items()} == {
        "stem": 9_536,
        "layer1": 215_808,
        "layer2": 1_219_584,
        "layer3": 7_098_368,
        "layer4": 14_964_736,
    }
    assert trunk.channels == 2048 and trunk.stage_channels == {name: shape[0] for name, shape in STAGE_SHAPES_50.items()}


@pytest.mark.parametrize(("height", "width", "giga"), [(288, 144, 5.13), (256, 128, 4.05), (384, 128, 6.08)])
def test_multiply_accumulates_of_resnet50(height, width, giga, resnet50):
    assert macs(resnet50, height, width) / 1e9 == pytest.approx(giga, abs=0.006)


def test_the_stride_of_a_bottleneck_lies_on_its_middle_convolution():
    block = on_meta(50).layer2[0]
    assert (block.conv1.stride, block.conv2.stride, block.downsample[0].stride) == ((1, 1), (2, 2), (2, 2))


# torchvision's models: parameters and state-dict entries, without the two of "fc".
@pytest.mark.parametrize(("depth", "parameters", "entries"), [(18, 11_689_512 - 513_000, 122 - 2), (50, 25_557_032 - 2_049_000, 320 - 2)])
def test_size_of_torchvisions_model(depth, parameters, entries):
    trunk = on_meta(depth)
    assert count(trunk) == parameters
    assert len(trunk.state_dict()) == entries


def test_names_of_torchvisions_model():
    names = on_meta(18).state_dict().keys()
    assert {"conv1.weight", "bn1.running_mean", "layer1.0.conv1.weight", "layer2.0.downsample.0.weight", "layer4.1.bn2.bias"} <= names
    assert not any(name.startswith("layer1.0.downsample") for name in names)
    assert {"layer1.0.downsample.1.running_var", "layer3.5.conv3.weight"} <= on_meta(50).state_dict().keys()


@pytest.mark.parametrize(
    ("depth", "places"), [(18, {"layer2.1", "layer3.1"}), (50, {"layer2.2", "layer2.3", "layer3.3", "layer3.4", "layer3.5"})]
)
def test_default_places_of_non_local_blocks(depth, places):
    trunk = on_meta(depth, non_local=True)
    found = {name: module for name, module in trunk.named_modules() if isinstance(module, NonLocal)}
    assert {name.removesuffix(".non_local") for name in found} == places
    if depth == 50:
        assert sum(map(count, found.values())) == 28_687


def test_non_local_blocks_where_asked_and_as_wide_as_asked():
    trunk = on_meta(18, width=0.25, non_local={"layer1": (0,)}, non_local_width=4)
    (block,) = [module for module in trunk.modules() if isinstance(module, NonLocal)]
    assert trunk.layer1[0].non_local is block
    assert block.theta.weight.shape == (4, 16, 1, 1)


def test_a_trunk_with_fresh_non_local_blocks_computes_what_one_without_does():
    torch.random.default_generator.manual_seed(0)
    plain = ResNet(18, width=0.25)
    extended = ResNet(18, width=0.25, non_local=True)
    extended.load_state_dict(plain.state_dict(), strict=False)
    x = torch.randn(2, 3, 64, 32)
    torch.testing.assert_close(extended(x), plain(x), rtol=0, atol=0)


def test_width_scales_every_stage():
    trunk = ResNet(18, width=0.25)
    assert list(trunk.stage_channels.values()) == [16, 16, 32, 64, 128]
    assert trunk(torch.zeros(2, 3, 128, 64)).shape == (2, 128, 8, 4)
    assert on_meta(50, width=0.5).channels == 1024


def test_last_stride():
    assert ResNet(50, width=0.125, last_stride=2)(torch.zeros(1, 3, 256, 128)).shape == (1, 256, 8, 4)


def test_initialisation_is_torchvisions():
    torch.random.default_generator.manual_seed(0)
    trunk = ResNet(18)
    for name, conv in trunk.named_modules():
        if isinstance(conv, nn.Conv2d):
            fan_out = conv.out_channels * conv.kernel_size[0] * conv.kernel_size[1]
            assert conv.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.05), name
            assert conv.bias is None
        if isinstance(conv, nn.BatchNorm2d):
            assert (conv.weight == 1).all() and (conv.bias == 0).all()


def test_forward_is_the_stages_in_order_and_gradients_are_finite():
    trunk = ResNet(18, width=0.25, non_local=True).double()
    x = torch.randn(2, 3, 32, 32, dtype=torch.float64)
    y = x
    for stage in trunk.stages().values():
        y = stage(y)
    torch.testing.assert_close(trunk(x), y)
    y.square().sum().backward()
    assert all(parameter.grad is not None and parameter.grad.isfinite().all() for parameter in trunk.parameters())


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"depth": 34}, "depth must be one of 18, 50, 101; found 34"),
        ({"width": 0.0}, "width must be positive.*found 0.0"),
        ({"width": 0.001}, "leave at least one of 64 channels; found 0.001"),
        ({"width": float("nan")}, "found nan"),
        ({"last_stride": 3}, "stride of layer4 must be 1 or 2; found 3"),
        ({"non_local": {"layer2": (4,)}}, "after layer2.4: ResNet-50 has no such block"),
        ({"non_local": {"layer5": (0,)}}, "after layer5.0"),
        ({"non_local": True, "non_local_width": 0}, "at least 1 channel; found 0"),
    ],
)
def test_impossible_settings_are_named(options, message):
    with pytest.raises(SettingError, match=message):
        on_meta(options.pop("depth", 50), **options)


def test_keep_cuts_a_trunk_and_leaves_the_names():
    trunk = on_meta(50)
    names = {name for name in trunk.state_dict() if name.startswith(("conv1.", "bn1.", "layer1.", "layer2."))}
    kept = trunk.keep(["stem", "layer1", "layer2"])
    assert kept is trunk and set(trunk.state_dict()) == names
    assert count(trunk) == 1_444_928 and trunk.channels == 512
    narrow = ResNet(50, width=0.125).keep(["stem", "layer1", "layer2"])
    assert narrow(torch.zeros(1, 3, 64, 32)).shape == (1, 64, 8, 4)
    with pytest.raises(ValueError, match="expected stages among stem, layer1, layer2; found layer3"):
        trunk.keep(["layer3"])
    with pytest.raises(ValueError, match="without stages"):
        _ = Trunk().channels
