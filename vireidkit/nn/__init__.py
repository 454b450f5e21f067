"""Building blocks of networks: trunks, the two-stream split, pooling, neck, attention, and ImageNet weights."""

from vireidkit.nn.imagenet import IMAGENET_ADDRESSES, LoadReport, load_imagenet, load_trunks, read_weights
from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.non_local import NonLocal
from vireidkit.nn.pooling import AveragePool, GeM
from vireidkit.nn.resnet import ARCHITECTURES, ResNet
from vireidkit.nn.trunk import Trunk
from vireidkit.nn.two_stream import TwoStream

__all__ = [
    "ARCHITECTURES",
    "IMAGENET_ADDRESSES",
    "AveragePool",
    "BNNeck",
    "GeM",
    "IdentityClassifier",
    "LoadReport",
    "NonLocal",
    "ResNet",
    "Trunk",
    "TwoStream",
    "load_imagenet",
    "load_trunks",
    "read_weights",
]
