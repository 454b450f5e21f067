"""Data: folders in, tables and batches out."""

from vireidkit.data.augmentation import AGW, CAJ, Augmentation, augment, denormalise, normalise
from vireidkit.data.batch import Batch
from vireidkit.data.dataset import Dataset
from vireidkit.data.manifest import read_manifest
from vireidkit.data.regdb import read_regdb
from vireidkit.data.registry import list_datasets, load_dataset, register_reader
from vireidkit.data.sampler import VIEW_STRIDE, IdentitySampler
from vireidkit.data.store import ImageStore, cache_folder
from vireidkit.data.sysu import read_sysu
from vireidkit.data.twilight import read_factors, read_twilight, read_twilight_thermal, read_twilight_tracklets

__all__ = [
    "AGW",
    "CAJ",
    "VIEW_STRIDE",
    "Augmentation",
    "Batch",
    "Dataset",
    "IdentitySampler",
    "ImageStore",
    "augment",
    "cache_folder",
    "denormalise",
    "list_datasets",
    "load_dataset",
    "normalise",
    "read_factors",
    "read_manifest",
    "read_regdb",
    "read_sysu",
    "read_twilight",
    "read_twilight_thermal",
    "read_twilight_tracklets",
    "register_reader",
]
