"""Building blocks of networks: trunks, the two-stream split, pooling, neck, attention, and the weights that they start from."""

from vireidkit.nn.attention_branch import AttendedPool, AttentionLogits, HardMaps, HardView, SoftMaps, SoftView, chunked_stripes, foreground
from vireidkit.nn.branch_fusion import BranchFusion, FuseBlock
from vireidkit.nn.clamped_gem import ClampedGeM, LearntGeM
from vireidkit.nn.cosine_head import CosineClassifier, CosineHead, Headed, Predictor
from vireidkit.nn.frozen_statistics import untouched_statistics
from vireidkit.nn.gradient_reversal import reverse_gradient
from vireidkit.nn.heads import ModalityDiscriminator, UniformClassifier
from vireidkit.nn.ibn import IBN
from vireidkit.nn.imagenet import IMAGENET_ADDRESSES, LoadReport, load_imagenet, load_trunks, read_weights
from vireidkit.nn.neck import BNNeck, IdentityClassifier
from vireidkit.nn.non_local import NonLocal
from vireidkit.nn.osnet import NormalisedConv, OSBlock, OSNet, OSNetEmbedding
from vireidkit.nn.pooling import AveragePool, GeM
from vireidkit.nn.purifier import InstanceNorm, Purified, Purifier
from vireidkit.nn.relation import NormalisedLinear, OneVersusRest, PartAttention
from vireidkit.nn.resnet import ARCHITECTURES, ResNet
from vireidkit.nn.set_network import SetNetwork
from vireidkit.nn.shallow_head import ShallowHead
from vireidkit.nn.stripes import pooled_stripes, stripe_bounds
from vireidkit.nn.trunk import Trunk
from vireidkit.nn.trunks import TRUNKS, build_trunk, trunk_name
from vireidkit.nn.two_stream import TwoStream
from vireidkit.nn.weights import find_kit_weights, load_pretrained, origin_of, read_card, start_hash, weights_folder

__all__ = [
    "ARCHITECTURES",
    "IBN",
    "IMAGENET_ADDRESSES",
    "TRUNKS",
    "AttendedPool",
    "AttentionLogits",
    "AveragePool",
    "BNNeck",
    "BranchFusion",
    "ClampedGeM",
    "CosineClassifier",
    "CosineHead",
    "FuseBlock",
    "GeM",
    "HardMaps",
    "HardView",
    "Headed",
    "IdentityClassifier",
    "InstanceNorm",
    "LearntGeM",
    "LoadReport",
    "ModalityDiscriminator",
    "NonLocal",
    "NormalisedConv",
    "NormalisedLinear",
    "OSBlock",
    "OSNet",
    "OSNetEmbedding",
    "OneVersusRest",
    "PartAttention",
    "Predictor",
    "Purified",
    "Purifier",
    "ResNet",
    "SetNetwork",
    "ShallowHead",
    "SoftMaps",
    "SoftView",
    "Trunk",
    "TwoStream",
    "UniformClassifier",
    "build_trunk",
    "chunked_stripes",
    "find_kit_weights",
    "foreground",
    "load_imagenet",
    "load_pretrained",
    "load_trunks",
    "origin_of",
    "pooled_stripes",
    "read_card",
    "read_weights",
    "reverse_gradient",
    "start_hash",
    "stripe_bounds",
    "trunk_name",
    "untouched_statistics",
    "weights_folder",
]
