"""The SYSU-MM01 protocol: infrared cameras 3 and 6 ask, visible cameras 1, 2, 4, 5 answer, ten trials."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
import pandas as pd

from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation.gallery import Folder, camera_rule, draw_one_each, folders
from vireidkit.evaluation.protocols import (
    Protocol,
    TestedDataset,
    Trial,
    check_choice,
    check_images,
    check_trials,
    register_protocol,
)

QUERY_CAMERAS = (3, 6)
GALLERY_CAMERAS = {"all": (1, 2, 4, 5), "indoor": (1, 2)}
SAME_ROOM = ((3, 2),)  # camera of the query, camera of the gallery image
SAMPLERS = {
    "seed": "seed (AGW: Python's generator seeded with the trial's number, identities ascending, cameras {cameras})",
    "perm": "perm (the authors' rand_perm_cam.mat, row = trial, camera by camera)",
}
PERMUTATION_FILE = "rand_perm_cam.mat"


class SysuProtocol(Protocol):
    """All infrared images of cameras 3 and 6 ask; 1 (single-shot) or 10 (multi-shot) images per identity and camera answer.

    For a camera-3 query every camera-2 gallery image is removed, whatever its identity: the two look at one room. Identity CMC,
    plain AP. Indoor-search asks with the same queries; those whose identity has no indoor visible image drop out.

    Two galleries are published, and their numbers differ by about 0.6 Rank-1 (one sigma) from sampling alone: ``sampler="seed"``
    (AGW and most later code) and ``sampler="perm"`` (the authors' permutation file; needed for multi-shot, which has no published
    seeded sampler). The key of the latter ends in "-perm", so that the two never share a column.

    Source: Wu et al., ICCV 2017; Ye et al., TPAMI 2021. Grade: code.
    """

    def __init__(self, search: str, shots: int, *, sampler: str, trials: int, permutations: str | os.PathLike[str] | None) -> None:
        self.cameras, self.shots = GALLERY_CAMERAS[search], shots
        self.sampler = check_choice("sampler", sampler, tuple(SAMPLERS))
        self.trial_count = check_trials(trials, 10 if sampler == "perm" else None)
        self.permutations = permutations
        name = f"sysu-{search}-{'single' if shots == 1 else 'multi'}"
        if sampler == "seed" and shots > 1:
            raise SettingError(f"protocol {name!r} has no published seeded sampler; use sampler='perm'")
        if sampler == "seed" and permutations is not None:
            raise SettingError("option 'permutations' belongs to sampler='perm', found sampler='seed'")
        self.key = name if sampler == "seed" or shots > 1 else f"{name}-perm"

    def parts(self) -> dict[str, str]:
        cameras = ", ".join(map(str, self.cameras))
        return {
            "query": "all infrared images of cameras 3, 6",
            "gallery": f"{self.shots} visible image{'s' if self.shots > 1 else ''} per identity and camera of {cameras}",
            "sampler": SAMPLERS[self.sampler].format(cameras=cameras),
            "exclusion": "camera-2 gallery images for camera-3 queries, whatever the identity (same room)",
        }

    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """See ``Protocol.trials``. ``DatasetError`` where the permutation file is missing or does not fit the folders."""
        table = dataset.table(split)
        query = check_images(table[table["camera"].isin(QUERY_CAMERAS)], "images of cameras 3 and 6", self, dataset, split)
        answering = check_images(table[table["camera"].isin(self.cameras)], self.parts()["gallery"], self, dataset, split)
        found = folders(answering, self.cameras)
        permutations = None if self.sampler == "seed" else _read_permutations(_permutation_file(self.permutations, dataset))
        for number in range(self.trial_count):
            if permutations is None:
                gallery = table.loc[draw_one_each(found, number)]
            else:
                gallery = table.loc[_permuted(table, found, permutations, number, self.shots)]
            yield Trial(query, gallery, camera_rule(query["camera"], gallery["camera"], SAME_ROOM), number)


def _permuted(table: pd.DataFrame, found: list[Folder], permutations: Any, trial: int, shots: int) -> np.ndarray:
    """The first images of row ``trial`` of every folder's permutation: camera by camera, identities ascending; rows of the table."""
    chosen = []
    for folder in sorted(found, key=lambda folder: (folder.camera, folder.identity)):
        numbers = {int(PurePosixPath(table.at[row, "path"]).stem): row for row in folder.positions}
        order = _row(permutations, folder, trial)
        unknown = [number for number in order if number not in numbers]
        if len(order) != len(numbers) or unknown:
            raise DatasetError(
                f"{PERMUTATION_FILE} lists {len(order)} images of identity {folder.identity} in camera {folder.camera}, the folder holds "
                f"{len(numbers)}{f' and no number {unknown[0]}' if unknown else ''}; is the archive fully unpacked?"
            )
        chosen += [numbers[number] for number in order[:shots]]
    return np.array(chosen, dtype=np.int64)


def _row(permutations: Any, folder: Folder, trial: int) -> list[int]:
    """The permutation of a folder's file numbers in one trial."""
    try:
        return permutations[folder.camera - 1][0][folder.identity - 1][0][trial].tolist()
    except (IndexError, TypeError, AttributeError) as error:
        raise DatasetError(f"{PERMUTATION_FILE} has no trial {trial} of identity {folder.identity} in camera {folder.camera}") from error


def _permutation_file(path: str | os.PathLike[str] | None, dataset: TestedDataset) -> Path:
    if path is not None:
        return Path(path)
    root = getattr(dataset, "root", None)
    if root is None:
        raise SettingError(f"data set {dataset.name!r} has no folder to find {PERMUTATION_FILE} in; give its path as permutations=...")
    return Path(root) / "exp" / PERMUTATION_FILE


def _read_permutations(path: Path) -> Any:
    """The nested cells of the permutation file: ``[camera - 1][0][identity - 1][0][trial]`` is one permutation."""
    from scipy.io import loadmat

    if not path.is_file():
        raise DatasetError(
            f"permutation file not found: {path}; it is not in SYSU-MM01.zip but in the authors' repository wuancong/SYSU-MM01 under "
            "evaluation/data_split; sampler='seed' needs no file"
        )
    try:
        variables = loadmat(path)
    except Exception as error:  # on a damaged file the parser ends wherever it stumbles, even with an UnboundLocalError
        cause = (str(error) or type(error).__name__).splitlines()[0]
        raise DatasetError(f"permutation file cannot be read: {path}: {cause}") from error
    if "rand_perm_cam" not in variables:
        raise DatasetError(f"permutation file lacks the variable rand_perm_cam: {path}")
    return variables["rand_perm_cam"]


@register_protocol("sysu-all-single")
def all_single(*, sampler: str = "seed", trials: int = 10, permutations: str | os.PathLike[str] | None = None) -> SysuProtocol:
    """All-search, single-shot: the field's main number."""
    return SysuProtocol("all", 1, sampler=sampler, trials=trials, permutations=permutations)


@register_protocol("sysu-indoor-single")
def indoor_single(*, sampler: str = "seed", trials: int = 10, permutations: str | os.PathLike[str] | None = None) -> SysuProtocol:
    """Indoor-search, single-shot."""
    return SysuProtocol("indoor", 1, sampler=sampler, trials=trials, permutations=permutations)


@register_protocol("sysu-all-multi")
def all_multi(*, sampler: str = "perm", trials: int = 10, permutations: str | os.PathLike[str] | None = None) -> SysuProtocol:
    """All-search, multi-shot."""
    return SysuProtocol("all", 10, sampler=sampler, trials=trials, permutations=permutations)


@register_protocol("sysu-indoor-multi")
def indoor_multi(*, sampler: str = "perm", trials: int = 10, permutations: str | os.PathLike[str] | None = None) -> SysuProtocol:
    """Indoor-search, multi-shot."""
    return SysuProtocol("indoor", 10, sampler=sampler, trials=trials, permutations=permutations)
