"""Data: folders in, tables and batches out."""

from vireidkit.data.augmentation import AGW, CAJ, Augmentation, Donors, augment, denormalise, normalise
from vireidkit.data.batch import Batch
from vireidkit.data.bupt import read_bupt, read_bupt_auxiliary
from vireidkit.data.check import Report, check_dataset
from vireidkit.data.corruption import Corrupted, CorruptionPlan, corrupt
from vireidkit.data.dataset import Dataset
from vireidkit.data.duke_video import read_duke_video, read_duke_video_merged
from vireidkit.data.llcm import read_llcm
from vireidkit.data.manifest import read_manifest
from vireidkit.data.market import read_duke, read_market
from vireidkit.data.mars import read_mars
from vireidkit.data.pair_sampler import PairSampler
from vireidkit.data.patches import PatchPool, pool_of
from vireidkit.data.regdb import read_regdb
from vireidkit.data.registry import list_datasets, load_dataset, register_reader
from vireidkit.data.sampler import VIEW_STRIDE, IdentitySampler
from vireidkit.data.set_sampler import SetSampler
from vireidkit.data.store import ImageStore, cache_folder
from vireidkit.data.sysu import read_sysu
from vireidkit.data.twilight import read_factors, read_twilight, read_twilight_thermal, read_twilight_tracklets
from vireidkit.data.vcm import read_vcm
from vireidkit.data.veri import read_veri

__all__ = [
    "AGW",
    "CAJ",
    "VIEW_STRIDE",
    "Augmentation",
    "Batch",
    "Corrupted",
    "CorruptionPlan",
    "Dataset",
    "Donors",
    "IdentitySampler",
    "ImageStore",
    "PairSampler",
    "PatchPool",
    "Report",
    "SetSampler",
    "augment",
    "cache_folder",
    "check_dataset",
    "corrupt",
    "denormalise",
    "list_datasets",
    "load_dataset",
    "normalise",
    "pool_of",
    "read_bupt",
    "read_bupt_auxiliary",
    "read_duke",
    "read_duke_video",
    "read_duke_video_merged",
    "read_factors",
    "read_llcm",
    "read_manifest",
    "read_market",
    "read_mars",
    "read_regdb",
    "read_sysu",
    "read_twilight",
    "read_twilight_thermal",
    "read_twilight_tracklets",
    "read_vcm",
    "read_veri",
    "register_reader",
]
