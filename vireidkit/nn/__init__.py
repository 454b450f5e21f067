"""Building blocks of networks: trunks, the two-stream split, pooling, neck, attention, and the weights that they start from."""

from vireidkit.nn.clamped_gem import ClampedGeM
from vireidkit.nn.gradient_reversal import reverse_gradient
from vireidkit.nn.heads import ModalityDiscriminator, UniformClassifier
from vireidkit.nn.imagenet import IMAGENET_ADDRESSES, LoadReport, load_imagenet, load_trunks, read_weights
from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.non_local import NonLocal
from vireidkit.nn.osnet import OSBlock, OSNet
from vireidkit.nn.pooling import AveragePool, GeM
from vireidkit.nn.purifier import InstanceNorm, Purified, Purifier
from vireidkit.nn.resnet import ARCHITECTURES, ResNet
from vireidkit.nn.trunk import Trunk
from vireidkit.nn.trunks import TRUNKS, build_trunk, trunk_name
from vireidkit.nn.two_stream import TwoStream
from vireidkit.nn.weights import find_kit_weights, load_pretrained, origin_of, read_card, start_hash, weights_folder

__all__ = [
    "ARCHITECTURES",
    "IMAGENET_ADDRESSES",
    "TRUNKS",
    "AveragePool",
    "BNNeck",
    "ClampedGeM",
    "GeM",
    "IdentityClassifier",
    "InstanceNorm",
    "LoadReport",
    "ModalityDiscriminator",
    "NonLocal",
    "OSBlock",
    "OSNet",
    "Purified",
    "Purifier",
    "ResNet",
    "Trunk",
    "TwoStream",
    "UniformClassifier",
    "build_trunk",
    "find_kit_weights",
    "load_imagenet",
    "load_pretrained",
    "load_trunks",
    "origin_of",
    "read_card",
    "read_weights",
    "reverse_gradient",
    "start_hash",
    "trunk_name",
    "weights_folder",
]
