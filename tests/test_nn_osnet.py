"""OSNet: the published counts, costs, shapes and names, and one block against its formulas, pixel by pixel."""

from __future__ import annotations

import copy
import functools

import pytest
import torch
from torch import Tensor, nn

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.modality import INFRARED, VISIBLE
from vireidkit.nn import OSBlock, OSNet, TwoStream, build_trunk, load_trunks, trunk_name

WIDTHS = (1.0, 0.75, 0.5, 0.25)

# lightos.md 2.3: parameters of every part, by width
COUNTS = {
    "conv1": (9_536, 7_152, 4_768, 2_384),
    "conv2": (234_632, 135_078, 62_788, 17_762),
    "conv2.0": (86_596, 50_259, 23_714, 6_961),
    "conv2.1": (81_988, 47_571, 22_434, 6_577),
    "conv2.2": (66_048, 37_248, 16_640, 4_224),
    "conv3": (592_332, 337_688, 154_278, 41_618),
    "conv3.0": (265_446, 151_564, 69_459, 18_889),
    "conv3.1": (178_662, 102_604, 47_571, 13_321),
    "conv3.2": (148_224, 83_520, 37_248, 9_408),
    "conv4": (806_160, 459_468, 209_544, 56_388),
    "conv4.0": (493_704, 280_806, 127_556, 33_954),
    "conv4.1": (312_456, 178_662, 81_988, 22_434),
    "conv5": (263_168, 148_224, 66_048, 16_640),
    "": (1_905_828, 1_087_610, 497_426, 134_792),
}

# lightos.md 2.3: with the 512-wide layer behind the pooling, and with a classifier of 1000 classes behind that
TEST_TIME = (2_169_508, 1_285_754, 630_034, 201_864)
CLASSIFYING = (2_682_508, 1_798_754, 1_143_034, 714_864)

# lightos.md 2.3: multiply-adds of all convolutions for one image, in millions
COSTS = {
    (256, 128): (978.6, 571.6, 272.8, 82.2),
    (288, 144): (1238.5, 723.4, 345.2, 104.1),
    (384, 128): (1467.9, 857.3, 409.1, 123.4),
}

# lightos.md 3: parameters of a two-stream trunk, by split
SPLITS = {
    0: (1_905_828, 1_087_610, 497_426, 134_792),
    1: (1_915_364, 1_094_762, 502_194, 137_176),
    2: (2_149_996, 1_229_840, 564_982, 154_938),
    3: (2_742_328, 1_567_528, 719_260, 196_556),
    4: (3_548_488, 2_026_996, 928_804, 252_944),
    5: (3_811_656, 2_175_220, 994_852, 269_584),
}

# lightos.md 2.2: maps at width 1
SHAPES = {
    (288, 144): {"conv1": (64, 72, 36), "conv2": (256, 36, 18), "conv3": (384, 18, 9), "conv4": (512, 18, 9), "conv5": (512, 18, 9)},
    (256, 128): {"conv1": (64, 64, 32), "conv2": (256, 32, 16), "conv3": (384, 16, 8), "conv4": (512, 16, 8), "conv5": (512, 16, 8)},
    (384, 128): {"conv1": (64, 96, 32), "conv2": (256, 48, 16), "conv3": (384, 24, 8), "conv4": (512, 24, 8), "conv5": (512, 24, 8)},
}


@functools.cache
def on_meta(width: float) -> OSNet:
    """A trunk without memory behind it, for counting."""
    with torch.device("meta"):
        return OSNet(width)


def count(module: nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def millions(trunk: OSNet, height: int, width: int) -> float:
    """Multiply-adds of all convolutions for one image; the gate counts four times, once a stream."""
    total = 0

    def add(conv: nn.Conv2d, _: tuple, output: Tensor) -> None:
        nonlocal total
        total += conv.weight.numel() * output.shape[2] * output.shape[3]

    hooks = [module.register_forward_hook(add) for module in trunk.modules() if isinstance(module, nn.Conv2d)]
    trunk(torch.zeros(1, 3, height, width, device="meta"))
    for hook in hooks:
        hook.remove()
    return total / 1e6


# Figures


@pytest.mark.parametrize(("column", "width"), list(enumerate(WIDTHS)))
def test_parameters_of_every_part(column, width):
    trunk = on_meta(width)
    assert {part: count(trunk.get_submodule(part)) for part in COUNTS} == {part: row[column] for part, row in COUNTS.items()}
    assert {name: count(stage) for name, stage in trunk.stages().items()} == {f"conv{n}": COUNTS[f"conv{n}"][column] for n in range(1, 6)}
    with_fc = count(trunk) + trunk.channels * 512 + 512 + 2 * 512
    assert with_fc == TEST_TIME[column]
    assert with_fc + 512 * 1000 + 1000 == CLASSIFYING[column]


@pytest.mark.parametrize("size", COSTS, ids=str)
@pytest.mark.parametrize(("column", "width"), list(enumerate(WIDTHS)))
def test_multiply_adds(column, width, size):
    assert millions(on_meta(width), *size) == pytest.approx(COSTS[size][column], abs=0.06)


@pytest.mark.parametrize("size", SHAPES, ids=str)
def test_shapes_of_the_maps(size):
    trunk, x = on_meta(1.0), torch.zeros(2, 3, *size, device="meta")
    found = {name: tuple((x := stage(x)).shape[1:]) for name, stage in trunk.stages().items()}
    assert found == SHAPES[size]
    assert trunk.stage_channels == {name: shape[0] for name, shape in found.items()} and trunk.channels == 512


@pytest.mark.parametrize("split", SPLITS)
def test_parameters_of_every_split(split):
    found = [count(TwoStream(lambda w=width: copy.deepcopy(on_meta(w)), split=split)) for width in WIDTHS]
    assert found == list(SPLITS[split])


def test_any_width_rounds_the_channels():
    assert list(on_meta(0.3).stage_channels.values()) == [19, 77, 115, 154, 154]
    narrow = OSNet(0.05)
    assert list(narrow.stage_channels.values()) == [3, 13, 19, 26, 26]
    assert narrow(torch.zeros(1, 3, 64, 32)).shape == (1, 26, 4, 2)
    assert narrow.conv2[0].gate.fc1.out_channels == 1


@pytest.mark.parametrize("width", [0.0, -1.0, 0.012, float("nan")])
def test_impossible_widths_are_named(width):
    with pytest.raises(SettingError, match=f"OSNet width must be positive.*found {width}"):
        on_meta(width)


# Names: written down from torchreid's modules, not from ours


def torchreid_shapes(width: float, classes: int = 7) -> dict[str, tuple[int, ...]]:
    """Names and shapes of torchreid's state dict."""
    c0, c1, c2, c3 = (int(channels * width) for channels in (64, 256, 384, 512))
    shapes = unit("conv1", (c0, 3, 7, 7))
    for name, inputs, outputs in (("conv2", c0, c1), ("conv3", c1, c2), ("conv4", c2, c3)):
        shapes |= block(f"{name}.0", inputs, outputs) | block(f"{name}.1", outputs, outputs)
        if name != "conv4":
            shapes |= unit(f"{name}.2.0", (outputs, outputs, 1, 1))
    shapes |= unit("conv5", (c3, c3, 1, 1))
    shapes |= {"fc.0.weight": (512, c3), "fc.0.bias": (512,)} | norm("fc.1", 512)
    return shapes | {"classifier.weight": (classes, 512), "classifier.bias": (classes,)}


def norm(name: str, channels: int) -> dict[str, tuple[int, ...]]:
    parts = ("weight", "bias", "running_mean", "running_var")
    return {f"{name}.{part}": (channels,) for part in parts} | {f"{name}.num_batches_tracked": ()}


def unit(name: str, weight: tuple[int, ...]) -> dict[str, tuple[int, ...]]:
    return {f"{name}.conv.weight": weight} | norm(f"{name}.bn", weight[0])


def block(name: str, inputs: int, outputs: int) -> dict[str, tuple[int, ...]]:
    m = outputs // 4
    shapes = unit(f"{name}.conv1", (m, inputs, 1, 1)) | unit(f"{name}.conv3", (outputs, m, 1, 1))
    streams = ["conv2a", *(f"conv2{letter}.{index}" for letter, depth in zip("bcd", (2, 3, 4), strict=True) for index in range(depth))]
    for stream in streams:
        shapes |= {f"{name}.{stream}.conv1.weight": (m, m, 1, 1), f"{name}.{stream}.conv2.weight": (m, 1, 3, 3)}
        shapes |= norm(f"{name}.{stream}.bn", m)
    shapes |= {f"{name}.gate.fc1.weight": (m // 16, m, 1, 1), f"{name}.gate.fc1.bias": (m // 16,)}
    shapes |= {f"{name}.gate.fc2.weight": (m, m // 16, 1, 1), f"{name}.gate.fc2.bias": (m,)}
    return shapes | (unit(f"{name}.downsample", (outputs, inputs, 1, 1)) if inputs != outputs else {})


@pytest.mark.parametrize("width", WIDTHS)
def test_names_and_shapes_are_torchreids(width):
    ours = {name: tuple(value.shape) for name, value in on_meta(width).state_dict().items()}
    theirs = torchreid_shapes(width)
    assert ours == {name: shape for name, shape in theirs.items() if not name.startswith(("fc.", "classifier."))}


def test_a_file_with_torchreids_names_loads_into_both_streams_and_another_width_is_refused():
    network = TwoStream(lambda: OSNet(0.25), split=2)
    state = {name: torch.full(shape, 0.5) for name, shape in torchreid_shapes(0.25).items()}
    missing, unexpected = load_trunks(network, state, what="osnet_x0_25.pth")
    assert missing == () and {name.split(".")[0] for name in unexpected} == {"fc", "classifier"}
    assert all((value == 0.5).all() for value in network.state_dict().values() if value.is_floating_point())
    with pytest.raises(CheckpointError, match=r"conv1.conv.weight should be \(32, 3, 7, 7\), found \(16, 3, 7, 7\)"):
        load_trunks(OSNet(0.5), state, what="osnet_x0_25.pth")


def test_a_resnet_file_is_refused():
    with torch.device("meta"):
        resnet = build_trunk("resnet18", width=0.25)
    with pytest.raises(CheckpointError, match=r"lacks \d+ of the trunk's tensors"):
        load_trunks(OSNet(0.25), {name: torch.zeros(value.shape) for name, value in resnet.state_dict().items()}, what="r18")


# One block against its formulas


def naive_norm(x: list, bn: nn.BatchNorm2d) -> list:
    """Batch norm of maps given as nested lists [image][channel][row][column], with the norm's running statistics."""

    def scaled(value: float, c: int) -> float:
        mean, variance = bn.running_mean[c].item(), bn.running_var[c].item()
        return (value - mean) / (variance + bn.eps) ** 0.5 * bn.weight[c].item() + bn.bias[c].item()

    return [[[[scaled(v, c) for v in row] for row in plane] for c, plane in enumerate(image)] for image in x]


def naive_relu(x: list) -> list:
    return [[[[max(0.0, v) for v in row] for row in plane] for plane in image] for image in x]


def naive_mix(x: list, weight: Tensor) -> list:
    """A 1x1 convolution: every output channel is a weighted sum of the input channels, pixel by pixel."""
    rows, (h, w) = weight.flatten(1).tolist(), (len(x[0][0]), len(x[0][0][0]))
    return [[[[sum(k * image[c][i][j] for c, k in enumerate(row)) for j in range(w)] for i in range(h)] for row in rows] for image in x]


def naive_depthwise(x: list, weight: Tensor) -> list:
    """A 3x3 convolution of each channel on its own, zeros around the map."""
    h, w = len(x[0][0]), len(x[0][0][0])

    def at(plane: list, i: int, j: int) -> float:
        return plane[i][j] if 0 <= i < h and 0 <= j < w else 0.0

    def value(plane: list, kernel: list, i: int, j: int) -> float:
        return sum(kernel[a][b] * at(plane, i + a - 1, j + b - 1) for a in range(3) for b in range(3))

    kernels = weight[:, 0].tolist()
    return [[[[value(plane, kernels[c], i, j) for j in range(w)] for i in range(h)] for c, plane in enumerate(image)] for image in x]


def naive_gate(x: list, fc1: nn.Conv2d, fc2: nn.Conv2d) -> list:
    """Each channel times the sigmoid of a two-layer network of the channel means."""
    gated = []
    for image in x:
        means = torch.tensor([sum(map(sum, plane)) / (len(plane) * len(plane[0])) for plane in image], dtype=torch.float64)
        inner = (fc1.weight.flatten(1) @ means + fc1.bias).clamp(min=0)
        weights = (1 / (1 + torch.exp(-(fc2.weight.flatten(1) @ inner + fc2.bias)))).tolist()
        gated.append([[[weights[c] * v for v in row] for row in plane] for c, plane in enumerate(image)])
    return gated


def naive_block(block: OSBlock, x: Tensor) -> Tensor:
    """lightos.md 2.1, step by step."""
    x1 = naive_relu(naive_norm(naive_mix(x.tolist(), block.conv1.conv.weight), block.conv1.bn))
    streams = ([block.conv2a], block.conv2b, block.conv2c, block.conv2d)
    total = torch.zeros(torch.tensor(x1).shape, dtype=torch.float64)
    for stream in streams:
        s = x1
        for light in stream:
            s = naive_relu(naive_norm(naive_depthwise(naive_mix(s, light.conv1.weight), light.conv2.weight), light.bn))
        total += torch.tensor(naive_gate(s, block.gate.fc1, block.gate.fc2), dtype=torch.float64)
    out = torch.tensor(naive_norm(naive_mix(total.tolist(), block.conv3.conv.weight), block.conv3.bn), dtype=torch.float64)
    if isinstance(block.downsample, nn.Identity):
        return (out + x).clamp(min=0)
    projected = naive_norm(naive_mix(x.tolist(), block.downsample.conv.weight), block.downsample.bn)
    return (out + torch.tensor(projected, dtype=torch.float64)).clamp(min=0)


def trained_block(inputs: int, outputs: int) -> OSBlock:
    """A float64 block in evaluation mode whose norms and biases are no longer those of the start."""
    torch.random.default_generator.manual_seed(inputs)
    block = OSBlock(inputs, outputs).double().eval()
    with torch.no_grad():
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.weight.uniform_(0.5, 2)
                module.running_var.uniform_(0.5, 2)
                module.bias.normal_()
                module.running_mean.normal_()
        block.gate.fc1.bias.normal_()
        block.gate.fc2.bias.normal_()
    return block


@pytest.mark.parametrize(("inputs", "outputs"), [(3, 8), (8, 8)], ids=["projected", "plain"])
def test_a_block_is_its_formulas(inputs, outputs):
    block = trained_block(inputs, outputs)
    x = torch.randn(2, inputs, 4, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        found = block(x.clone())
        assert 0.1 < (found > 0).double().mean() < 0.9, "the last ReLU should cut something"
        torch.testing.assert_close(found, naive_block(block, x), rtol=1e-12, atol=1e-12)


def test_the_input_of_a_block_is_left_as_it_is():
    block, x = trained_block(8, 8), torch.randn(1, 8, 4, 3, dtype=torch.float64)
    before = x.clone()
    block(x)
    assert torch.equal(x, before)


def test_four_streams_share_one_gate_and_see_3_to_9_pixels():
    block = trained_block(4, 4)
    with torch.no_grad():
        for parameter in block.parameters():
            parameter.abs_()  # with nothing negative no ReLU hides a pixel
        for module in block.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.running_mean.zero_()
    calls = []
    block.gate.register_forward_hook(lambda gate, inputs, output: calls.append(inputs[0]))
    x = torch.zeros(1, 4, 11, 11, dtype=torch.float64)
    touched = x.clone()
    touched[0, :, 5, 5] = 10.0
    with torch.no_grad():
        block(x)
        block(touched)
    assert len(calls) == 8 and sum("gate" in name for name, _ in block.named_parameters()) == 4
    for depth, (before, after) in enumerate(zip(calls[:4], calls[4:], strict=True), start=1):
        seen = ((before - after).abs().sum((0, 1)) > 0).nonzero()
        assert (seen.amin(0).tolist(), seen.amax(0).tolist()) == ([5 - depth] * 2, [5 + depth] * 2)


def test_gradients_of_a_block():
    block = trained_block(3, 4)
    x = torch.randn(2, 3, 3, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(3), requires_grad=True)
    assert torch.autograd.gradcheck(lambda value: block(value.clone()), x)
    block.train()
    assert torch.autograd.gradcheck(lambda value: block(value.clone()), x)


# The trunk at work


def images(batch: int = 4) -> Tensor:
    return torch.randn(batch, 3, 64, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def small() -> OSNet:
    torch.random.default_generator.manual_seed(0)
    return OSNet(0.25)


def test_initialisation_is_torchreids(small):
    torch.random.default_generator.manual_seed(0)
    for name, module in OSNet(1.0).named_modules():
        if isinstance(module, nn.Conv2d):
            fan_out = module.weight.shape[0] * module.kernel_size[0] * module.kernel_size[1]  # of a depthwise one too
            if module.weight.numel() > 1500:
                assert module.weight.std().item() == pytest.approx((2 / fan_out) ** 0.5, rel=0.1), name
            assert (module.bias is not None) == (".gate." in name)
            assert module.bias is None or (module.bias == 0).all()
        if isinstance(module, nn.BatchNorm2d):
            assert (module.weight == 1).all() and (module.bias == 0).all()


def test_forward_is_the_stages_in_order_and_every_parameter_learns(small):
    small, x = small.double(), images().double()
    y = x
    for stage in small.stages().values():
        y = stage(y)
    found = small(x)
    torch.testing.assert_close(found, y)
    assert (found >= 0).all()  # so that GeM may take it
    found.square().sum().backward()
    assert all(parameter.grad.isfinite().all() for parameter in small.parameters())
    still = [name for name, parameter in small.named_parameters() if parameter.grad.abs().sum() == 0]
    assert all(".gate." in name for name in still)  # a gate's inner ReLU may be shut, with one channel behind it


def test_channels_last_gives_the_same_map(small):
    x = images()
    with torch.no_grad():
        expected = small.eval()(x)
        found = small.to(memory_format=torch.channels_last)(x.contiguous(memory_format=torch.channels_last))
    assert found.is_contiguous(memory_format=torch.channels_last)
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)


def test_mixed_precision_is_close_to_float32(small):
    """With fixed statistics the whole trunk, with a batch's own (which pass errors on and make them grow) its first block."""
    x = images(16)
    block, y = small.conv2[0], torch.rand(16, 16, 16, 8, generator=torch.Generator().manual_seed(1))
    for module, inputs in ((small.eval(), x), (block.train(), y)):
        with torch.no_grad():
            expected = module(inputs)
            with torch.autocast("cpu", dtype=torch.bfloat16):
                found = module(inputs)
        assert found.dtype == torch.bfloat16
        assert (found.float() - expected).norm() < 0.03 * expected.norm()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = small.train()(x)
    found.float().square().mean().backward()
    assert all(parameter.grad.isfinite().all() for parameter in small.parameters())
    half = small.eval().bfloat16()(x.bfloat16())
    assert half.dtype == torch.bfloat16 and half.isfinite().all()


@pytest.mark.parametrize("split", range(6))
def test_a_two_stream_osnet(split):
    torch.random.default_generator.manual_seed(0)
    network = TwoStream(lambda: OSNet(0.125), split=split).double()
    x = images(2).double()
    both = torch.cat([x, x])
    modality = torch.tensor([VISIBLE, VISIBLE, INFRARED, INFRARED])
    network.eval()
    with torch.no_grad():
        maps = network.stages_of(both, modality)
        torch.testing.assert_close(maps["conv5"][:2], maps["conv5"][2:])  # both copies start equal
    assert list(maps) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    network.train()(x, torch.full((2,), VISIBLE)).sum().backward()
    assert all(parameter.grad is None for parameter in network.infrared.parameters())


# Trunks by name


def test_trunks_by_name():
    with torch.device("meta"):
        assert isinstance(build_trunk("osnet", width=0.5), OSNet) and build_trunk("osnet", width=0.5).channels == 256
        assert build_trunk("resnet18", width=0.25).channels == 128
        assert any("non_local" in name for name in build_trunk("resnet50", non_local=True).state_dict())
        with pytest.raises(SettingError, match="non-local blocks have no place in osnet; set non_local=False"):
            build_trunk("osnet", non_local=True)
        with pytest.raises(SettingError, match="trunk must be one of resnet18, resnet50, resnet101, osnet; found 'vgg'"):
            build_trunk("vgg")
    assert (trunk_name("resnet18", 0.25), trunk_name("osnet", 1.0)) == ("resnet18-x0.25", "osnet-x1")
