"""OSNet trunks (Zhou et al., ICCV 2019) without their classifier, of any width: features of four scales at once, in few parameters.

State-dict names are those of the authors' library torchreid, so its published files load at the width they were made for.
"""

from __future__ import annotations

from torch import Tensor, nn

from vireidkit.errors import SettingError
from vireidkit.nn.precision import at_least_float32, without_autocast
from vireidkit.nn.resnet import convolution
from vireidkit.nn.trunk import Trunk

CHANNELS = (64, 256, 384, 512)  # of conv1, conv2, conv3, and of conv4 and conv5, at width 1
EMBEDDING = 512  # numbers of the layer behind the pooling, whatever the width
SCALES = 4  # streams of a block; the t-th sees 2t + 1 pixels
REDUCTION = 16  # of the gate's inner layer


class NormalisedConv(nn.Module):
    """Convolution, batch norm and, unless ``relu`` is off, ReLU."""

    def __init__(self, inputs: int, outputs: int, kernel: int = 1, *, stride: int = 1, relu: bool = True) -> None:
        super().__init__()
        self.conv = convolution(inputs, outputs, kernel, stride)
        self.bn = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True) if relu else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h/stride, w/stride)."""
        return self.relu(self.bn(self.conv(x)))


class LightConv3x3(nn.Module):
    """A 3x3 convolution in two cheap ones: across the channels first, without norm, then across the pixels of each channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv1 = convolution(channels, channels, 1)
        self.conv2 = convolution(channels, channels, 3, groups=channels)
        self.bn = nn.BatchNorm2d(channels)
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        return self.relu(self.bn(self.conv2(self.conv1(x))))


class AggregationGate(nn.Module):
    """x times a weight in 0..1 for each channel, which a small network makes of the channels' means.

    The inner layer has a sixteenth of the channels, at least one.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.fc1 = _gate_layer(channels, max(1, channels // REDUCTION))
        self.relu = nn.ReLU(inplace=True)
        self.fc2 = _gate_layer(max(1, channels // REDUCTION), channels)
        self.sigmoid = nn.Sigmoid()

    def forward(self, x: Tensor) -> Tensor:
        """(B, channels, h, w) to the same shape."""
        means = x.mean(dim=(2, 3), keepdim=True)  # (B, channels, 1, 1)
        return x * self.sigmoid(self.fc2(self.relu(self.fc1(means))))


def _gate_layer(inputs: int, outputs: int) -> nn.Conv2d:
    """A 1x1 convolution with a bias that starts at zero."""
    layer = nn.Conv2d(inputs, outputs, 1)
    nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
    nn.init.zeros_(layer.bias)
    return layer


class OSBlock(nn.Module):
    """The omni-scale block: four streams of one to four 3x3 convolutions, added under one gate, and a shortcut.

        x -> conv1 -> t light convolutions -> gate --(sum over t = 1..4)--> conv3 -> + shortcut -> ReLU

    All four streams use the same gate, so that it compares scales by one measure.

    Source: torchreid (grade: code).
    """

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        inner = outputs // 4
        self.conv1 = NormalisedConv(inputs, inner)
        self.conv2a = LightConv3x3(inner)
        self.conv2b, self.conv2c, self.conv2d = (
            nn.Sequential(*(LightConv3x3(inner) for _ in range(depth))) for depth in range(2, SCALES + 1)
        )
        self.gate = AggregationGate(inner)
        self.conv3 = NormalisedConv(inner, outputs, relu=False)
        self.downsample = NormalisedConv(inputs, outputs, relu=False) if inputs != outputs else nn.Identity()
        self.relu = nn.ReLU(inplace=True)

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, outputs, h, w)."""
        narrow = self.conv1(x)
        mixed = sum(self.gate(stream(narrow)) for stream in (self.conv2a, self.conv2b, self.conv2c, self.conv2d))
        return self.relu(self.conv3(mixed) + self.downsample(x))


class OSNet(Trunk):
    """OSNet of stages "conv1" (with its max-pool), "conv2" .. "conv5", from images (B, 3, H, W) to a map (B, D, H/16, W/16).

    D is 512 times ``width``. The released widths are 1.0, 0.75, 0.5 and 0.25. torchreid's linear layer behind the pooling
    ("fc") is not part of the trunk: see ``OSNetEmbedding``.

    Args:
        width: factor on every number of channels.

    Raises:
        SettingError: a width that leaves a block without channels.

    Source: torchreid (grade: code). Parameters and shapes: lightos.md 2.2 and 2.3.
    """

    def __init__(self, width: float = 1.0) -> None:
        super().__init__()
        if not (width > 0 and round(CHANNELS[0] * width) >= 1 and round(CHANNELS[1] * width) >= 4):
            raise SettingError(f"OSNet width must be positive and leave at least 4 of {CHANNELS[1]} channels; found {width}")
        stem, second, third, fourth = (round(channels * width) for channels in CHANNELS)
        self.conv1 = NormalisedConv(3, stem, 7, stride=2)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=1)
        self.add_stage("conv1", ("conv1", "maxpool"), stem)
        self.conv2 = nn.Sequential(OSBlock(stem, second), OSBlock(second, second), _transition(second))
        self.conv3 = nn.Sequential(OSBlock(second, third), OSBlock(third, third), _transition(third))
        self.conv4 = nn.Sequential(OSBlock(third, fourth), OSBlock(fourth, fourth))
        self.conv5 = NormalisedConv(fourth, fourth)
        for name, channels in (("conv2", second), ("conv3", third), ("conv4", fourth), ("conv5", fourth)):
            self.add_stage(name, (name,), channels)


class OSNetEmbedding(nn.Sequential):
    """OSNet's own layer behind the pooling, which no trunk of the kit has: linear, batch norm, ReLU, to 512 numbers at every width.

    State-dict names are torchreid's below its ``fc.``.

    Source: torchreid (grade: code): 263,680 parameters at width 1.
    """

    def __init__(self, channels: int) -> None:
        super().__init__(nn.Linear(channels, EMBEDDING), nn.BatchNorm1d(EMBEDDING), nn.ReLU(inplace=True))
        nn.init.normal_(self[0].weight, 0.0, 0.01)
        nn.init.zeros_(self[0].bias)

    def forward(self, features: Tensor) -> Tensor:
        """(N, D) to (N, 512), in float32 or float64."""
        with without_autocast(features):
            return super().forward(at_least_float32(features))


def _transition(channels: int) -> nn.Sequential:
    """Mix the channels, then halve height and width."""
    return nn.Sequential(NormalisedConv(channels, channels), nn.AvgPool2d(2, stride=2))
