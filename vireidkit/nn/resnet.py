"""ResNet trunks (He et al., CVPR 2016; torchvision's v1.5 form) without their classifier, of any width.

State-dict names are torchvision's, so its published ImageNet files load at width 1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from torch import Tensor, nn

from vireidkit.errors import SettingError
from vireidkit.nn.ibn import IBN
from vireidkit.nn.non_local import NonLocal
from vireidkit.nn.trunk import Trunk

STEM_CHANNELS = 64
STAGES = ("layer1", "layer2", "layer3", "layer4")
IBN_STAGES = STAGES[:3]  # the last one keeps its batch norms
Placement = Mapping[str, tuple[int, ...]]  # stage name -> zero-based blocks that a non-local block follows


def convolution(inputs: int, outputs: int, kernel: int, stride: int = 1, *, groups: int = 1) -> nn.Conv2d:
    """A convolution without bias that keeps the size at stride 1, initialised as torchvision's (Kaiming normal, fan-out)."""
    conv = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, groups=groups, bias=False)
    nn.init.kaiming_normal_(conv.weight, mode="fan_out", nonlinearity="relu")
    return conv


def _shortcut(inputs: int, outputs: int, stride: int) -> nn.Module:
    """The projection of a block that changes the map's shape, else the identity, which has no state-dict keys."""
    if stride == 1 and inputs == outputs:
        return nn.Identity()
    return nn.Sequential(convolution(inputs, outputs, 1, stride), nn.BatchNorm2d(outputs))


class BasicBlock(nn.Module):
    """Two 3x3 convolutions and a shortcut: the block of ResNet-18."""

    expansion = 1

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        self.conv1 = convolution(inputs, width, 3, stride)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3)
        self.bn2 = nn.BatchNorm2d(width)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, width, stride)
        self.non_local: NonLocal | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, width, h/stride, w/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)) + self.downsample(x))
        return out if self.non_local is None else self.non_local(out)


class Bottleneck(nn.Module):
    """1x1, 3x3, 1x1 convolutions and a shortcut: the block of ResNet-50. The stride lies on the 3x3 convolution (v1.5)."""

    expansion = 4

    def __init__(self, inputs: int, width: int, stride: int) -> None:
        super().__init__()
        outputs = width * self.expansion
        self.conv1 = convolution(inputs, width, 1)
        self.bn1 = nn.BatchNorm2d(width)
        self.conv2 = convolution(width, width, 3, stride)
        self.bn2 = nn.BatchNorm2d(width)
        self.conv3 = convolution(width, outputs, 1)
        self.bn3 = nn.BatchNorm2d(outputs)
        self.relu = nn.ReLU(inplace=True)
        self.downsample = _shortcut(inputs, outputs, stride)
        self.non_local: NonLocal | None = None

    def forward(self, x: Tensor) -> Tensor:
        """(B, inputs, h, w) to (B, 4*width, h/stride, w/stride)."""
        out = self.relu(self.bn1(self.conv1(x)))
        out = self.relu(self.bn2(self.conv2(out)))
        out = self.relu(self.bn3(self.conv3(out)) + self.downsample(x))
        return out if self.non_local is None else self.non_local(out)


@dataclass(frozen=True)
class Architecture:
    """A depth: its block, the number of blocks of each layer, and where AGW puts its non-local blocks."""

    block: type[BasicBlock] | type[Bottleneck]
    blocks: tuple[int, int, int, int]
    non_local: Placement


# The placement for ResNet-50 is the released code's; those for ResNet-18 and ResNet-101 (its last blocks) are ours.
ARCHITECTURES = {
    18: Architecture(BasicBlock, (2, 2, 2, 2), {"layer2": (1,), "layer3": (1,)}),
    50: Architecture(Bottleneck, (3, 4, 6, 3), {"layer2": (2, 3), "layer3": (3, 4, 5)}),
    101: Architecture(Bottleneck, (3, 4, 23, 3), {"layer2": (2, 3), "layer3": (20, 21, 22)}),
}


class ResNet(Trunk):
    """ResNet of stages "stem" (with its max-pool), "layer1" .. "layer4", from images (B, 3, H, W) to a map (B, D, h, w).

    D is 2048 for ResNet-50 and ResNet-101 and 512 for ResNet-18, times ``width``. With ``last_stride`` 1, as re-identification has it,
    h = H/16 and w = W/16.

    Args:
        depth: 18, 50 or 101.
        width: factor on every number of channels; torchvision's files fit 1.0 only.
        last_stride: stride of layer4, 1 or 2.
        non_local: False for none, True for AGW's places, or stage name -> zero-based blocks that one follows.
        non_local_width: inner channels of the non-local blocks.
        ibn: the first norm of every block of layer1 to layer3 is an ``IBN``. Weights published for the plain network load all but these
            norms, which keep their initial values.
        ceil_pool: the max-pool of the stem without padding and with its last window reaching over the edge, as FastReID has it: the
            same size for even maps, each window one pixel further.
        last_relu: False makes the ReLU of layer4's last block the identity. That one module stands behind every batch norm of the
            block, so the block is linear but for its batch norms, and features can be negative (VKD, released code; grade: code).

    Raises:
        SettingError: a depth, width, stride or placement that does not exist.
    """

    added = ("non_local", "IN", "BN")

    def __init__(
        self,
        depth: int = 50,
        *,
        width: float = 1.0,
        last_stride: int = 1,
        non_local: bool | Placement = False,
        non_local_width: int = 1,
        ibn: bool = False,
        ceil_pool: bool = False,
        last_relu: bool = True,
    ) -> None:
        super().__init__()
        self.depth = depth
        design = _architecture(depth, width, last_stride)
        stem = round(STEM_CHANNELS * width)
        self.conv1 = convolution(3, stem, 7, stride=2)
        self.bn1 = nn.BatchNorm2d(stem)
        self.relu = nn.ReLU(inplace=True)
        self.maxpool = nn.MaxPool2d(3, stride=2, padding=0 if ceil_pool else 1, ceil_mode=ceil_pool)
        self.add_stage("stem", ("conv1", "bn1", "relu", "maxpool"), stem)
        strides = (1, 2, 2, last_stride)
        channels = stem
        for index, (name, stride) in enumerate(zip(STAGES, strides, strict=True)):
            layer = _layer(design.block, channels, stem * 2**index, design.blocks[index], stride)
            channels = stem * 2**index * design.block.expansion
            self.add_module(name, layer)
            self.add_stage(name, (name,), channels)
        if ibn:
            self._exchange_norms()
        if not last_relu:
            self.layer4[-1].relu = nn.Identity()
        self._insert_non_local(design.non_local if non_local is True else (non_local or {}), non_local_width)

    def _exchange_norms(self) -> None:
        """Make the first norm of every block of the stages that have it an IBN."""
        for name in IBN_STAGES:
            for index, block in enumerate(getattr(self, name)):
                block.bn1 = IBN(block.bn1.num_features)
                self.replaced += (f"{name}.{index}.bn1.",)

    def _insert_non_local(self, placement: Placement, width: int) -> None:
        """Hang a non-local block behind each named block."""
        if placement and width < 1:
            raise SettingError(f"non-local blocks need a width of at least 1 channel; found {width}")
        for name, blocks in placement.items():
            for index in blocks:
                if name not in STAGES or not 0 <= index < len(getattr(self, name)):
                    raise SettingError(f"non-local block after {name}.{index}: ResNet-{self.depth} has no such block")
                getattr(self, name)[index].non_local = NonLocal(self.stage_channels[name], width)


def _architecture(depth: int, width: float, last_stride: int) -> Architecture:
    """The design of a depth, once the options are known to be possible."""
    if depth not in ARCHITECTURES:
        raise SettingError(f"ResNet depth must be one of {', '.join(map(str, ARCHITECTURES))}; found {depth}")
    if not (width > 0 and round(STEM_CHANNELS * width) >= 1):
        raise SettingError(f"ResNet width must be positive and leave at least one of {STEM_CHANNELS} channels; found {width}")
    if last_stride not in (1, 2):
        raise SettingError(f"the stride of layer4 must be 1 or 2; found {last_stride}")
    return ARCHITECTURES[depth]


def _layer(block: type[nn.Module], inputs: int, width: int, blocks: int, stride: int) -> nn.Sequential:
    """The blocks of one layer; the first one strides and changes the number of channels."""
    first = block(inputs, width, stride)
    return nn.Sequential(first, *(block(width * block.expansion, width, 1) for _ in range(blocks - 1)))
