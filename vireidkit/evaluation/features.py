"""Features: one descriptor an image with the table it belongs to, from a method or from simpler sources."""

from __future__ import annotations

import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Literal, Protocol

import numpy as np
import pandas as pd
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn
from torch.nn import functional as F
from tqdm.auto import tqdm

from vireidkit.data.augmentation import GREY, normalise
from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation.distances import comparable, pair_distance
from vireidkit.files import written_aside
from vireidkit.methods.base import Method
from vireidkit.modality import MODALITIES
from vireidkit.randomness import generator

DISTANCES = ("cosine", "euclidean")


class Images(Protocol):
    """All that is asked of an image store."""

    table: pd.DataFrame

    def __len__(self) -> int: ...

    def images(self, rows: Tensor) -> Tensor: ...  # uint8 (N, H, W, 3)


@dataclass(frozen=True, eq=False)
class Features:
    """Descriptors with the table that says whose they are; row i of one is row i of the other.

    Attributes:
        matrix: (N, D) on the CPU, float32 or float64 (whatever real array is given is converted).
        table: N rows with identity, camera, modality, path.
        metric: "cosine" (1 - cosine, 0..2; a zero vector is at distance 1 of everything) or "euclidean".
        parts: name -> slice of the descriptor, for methods that join several.
        name: what figures and tables call them.

    Raises:
        ValueError: the matrix does not fit the table, or the metric is unknown.
    """

    matrix: Tensor
    table: pd.DataFrame
    metric: Literal["cosine", "euclidean"] = "cosine"
    parts: Mapping[str, slice] = field(default_factory=dict)
    name: str = ""

    def __post_init__(self) -> None:
        matrix = self.matrix.detach().cpu() if isinstance(self.matrix, Tensor) else torch.tensor(np.ascontiguousarray(self.matrix))
        if matrix.ndim != 2 or len(matrix) != len(self.table):
            raise ValueError(f"features must be a matrix with one row for each of {len(self.table)} images, found {tuple(matrix.shape)}")
        if self.metric not in DISTANCES:
            raise ValueError(f"metric must be one of {', '.join(DISTANCES)}, found {self.metric!r}")
        object.__setattr__(self, "matrix", matrix if matrix.dtype == torch.float64 else matrix.float())
        object.__setattr__(self, "table", self.table.reset_index(drop=True))

    def __len__(self) -> int:
        return len(self.table)

    def __repr__(self) -> str:
        return f"Features({self.name!r}: {len(self)} images x {self.matrix.shape[1]} numbers, {self.metric})"

    def part(self, name: str) -> Features:
        """The features of one part of the descriptor alone.

        Raises:
            SettingError: there is no such part.
        """
        if name not in self.parts:
            raise SettingError(f"features {self.name!r} have no part {name!r}; known: {', '.join(self.parts) or 'none'}")
        return replace(self, matrix=self.matrix[:, self.parts[name]], parts={}, name=f"{self.name} {name}".strip())

    def distance(self, query_index: Any, gallery_index: Any) -> Tensor:
        """Distances float64 (Q, G) between the rows ``query_index`` and ``gallery_index`` (positions: tensor, array, list, pandas index).

        Raises:
            ValueError: a position is not in 0..N-1.
        """
        query, gallery = (comparable(self.at(index), self.metric) for index in (query_index, gallery_index))
        return pair_distance(query, gallery, self.metric)

    def at(self, index: Any) -> Tensor:
        """Descriptors (M, D) of the rows ``index``, in its order.

        Raises:
            ValueError: a position is not in 0..N-1.
        """
        positions = index.cpu().long() if isinstance(index, Tensor) else torch.tensor(np.array(index, dtype=np.int64))
        positions = positions.reshape(-1)
        if len(positions) and not 0 <= int(positions.min()) <= int(positions.max()) < len(self):
            raise ValueError(f"positions must be in 0..{len(self) - 1}, found {int(positions.min())}..{int(positions.max())}")
        return self.matrix[positions]

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write ``path`` (.safetensors is added if missing) and the table beside it as .csv, each whole or not at all."""
        path = _with_suffix(path)
        table = self.table.to_csv(index=False).encode()
        parts = {name: [part.start, part.stop, part.step] for name, part in self.parts.items()}
        # The hash ties the two files together: a stop between the two renames is noticed when they are read.
        about = {"metric": self.metric, "name": self.name, "parts": json.dumps(parts), "table": hashlib.sha256(table).hexdigest()}
        with written_aside(path.with_suffix(".csv")) as aside:
            aside.write_bytes(table)
        with written_aside(path) as aside:
            save_file({"matrix": self.matrix.contiguous()}, str(aside), metadata=about)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Features:
        """Read what ``save`` wrote.

        Raises:
            KitError: one of the two files is missing, damaged, or belongs to another save.
        """
        path = _with_suffix(path)
        try:
            table = path.with_suffix(".csv").read_bytes()
            with safe_open(str(path), framework="pt") as stored:
                about, matrix = stored.metadata() or {}, stored.get_tensor("matrix")
        except FileNotFoundError as error:
            raise KitError(f"features not found: {error.filename or path}") from error
        except (OSError, SafetensorError) as error:
            raise KitError(f"features cannot be read: {path}: {error}") from error
        if about.get("table") != hashlib.sha256(table).hexdigest():
            raise KitError(f"features {path} were saved with another table than {path.with_suffix('.csv').name}; extract them again")
        parts = {name: slice(*bounds) for name, bounds in json.loads(about["parts"]).items()}
        return cls(matrix, pd.read_csv(io.BytesIO(table), keep_default_na=False), about["metric"], parts, about["name"])


def _with_suffix(path: str | os.PathLike[str]) -> Path:
    path = Path(path)
    return path if path.suffix == ".safetensors" else path.with_name(f"{path.name}.safetensors")


def extract_features(
    method: Method,
    store: Images,
    *,
    batch_size: int = 128,
    device: torch.device | str | None = None,
    allow_untrained: bool = False,
    progress: bool = False,
) -> Features:
    """Descriptors of every image of a store, in evaluation mode, without gradients, in float32.

    The method is left as it was: training mode of every module, device. With ``flip_average`` the descriptor of an image and that
    of its mirror image are averaged; under the cosine metric each is brought to length 1 first, and so is the mean (CAJ,
    Ye et al., ICCV 2021; grade: code).

    Args:
        batch_size: images at a time.
        device: where to compute; None is where the method is.
        allow_untrained: also take a network whose trunk was neither loaded nor trained.
        progress: show a bar.

    Raises:
        SettingError: the network is of random origin and ``allow_untrained`` is not set, or the store is empty.
        KitError: a descriptor is not finite; names the image.
    """
    if method.origin == "random" and not allow_untrained:
        raise SettingError(
            f"method {method.name!r} has random weights: its trunk was neither loaded nor trained; "
            "train it, load a checkpoint, or pass allow_untrained=True to see what an untrained network does"
        )
    if len(store) == 0:
        raise SettingError("no images to extract features from")
    codes = modality_codes(store.table)
    chunks = torch.arange(len(store)).split(_checked_size(batch_size))
    with _evaluating(method, device) as place:
        bar = tqdm(chunks, desc="features", unit="batch", disable=not progress)
        matrix = torch.cat([_embed(method, store.images(rows), codes[rows], place) for rows in bar])
    bad = (~torch.isfinite(matrix).all(dim=1)).nonzero().flatten()
    if len(bad):
        path = store.table["path"].iloc[int(bad[0])]
        raise KitError(f"method {method.name!r} gives descriptors that are not finite for {len(bad)} of {len(store)} images, first {path}")
    return Features(matrix, store.table, method.metric, dict(method.parts), method.name)


def _checked_size(batch_size: int) -> int:
    if batch_size < 1:
        raise SettingError(f"batch_size must be at least 1, found {batch_size}")
    return batch_size


def modality_codes(table: pd.DataFrame) -> Tensor:
    """The column ``modality`` as VISIBLE=0 and INFRARED=1; int64 (N,).

    Raises:
        ValueError: another name is in it.
    """
    codes = table["modality"].map({name: code for code, name in enumerate(MODALITIES)})
    if codes.isna().any():
        raise ValueError(f"modality must be one of {MODALITIES}, found {table['modality'][codes.isna()].iloc[0]!r}")
    return torch.tensor(codes.to_numpy(dtype=np.int64))


@contextmanager
def _evaluating(method: nn.Module, device: torch.device | str | None) -> Iterator[torch.device]:
    """Evaluation mode on a device inside the block; modes (of every module of its own) and device are put back after it."""
    home = next((tensor.device for tensor in (*method.parameters(), *method.buffers())), torch.device("cpu"))
    place = home if device is None else torch.device(device)
    modes = {module: module.training for module in method.modules()}
    try:
        method.to(place).eval()
        with torch.no_grad(), torch.autocast(place.type, enabled=False):
            yield place
    finally:
        for module, mode in modes.items():
            module.training = mode
        method.to(home)


def _embed(method: Method, images: Tensor, codes: Tensor, device: torch.device) -> Tensor:
    """Descriptors of one batch; uint8 (B, H, W, 3) -> float32 (B, D) on the CPU."""
    # A network trained at 64-true or bf16-true takes pictures of its own precision.
    dtype = next((value.dtype for value in method.parameters() if value.is_floating_point()), torch.float32)
    pictures, codes = normalise(images.to(device)).to(dtype), codes.to(device)  # (B, 3, H, W)
    found = method.embed(pictures, codes).float()
    if method.flip_average:
        mirrored = method.embed(pictures.flip(-1), codes).float()
        if method.metric == "cosine":
            found = F.normalize(F.normalize(found, dim=1) + F.normalize(mirrored, dim=1), dim=1)
        else:
            found = (found + mirrored) / 2
    return found.cpu()


def raw_pixel_features(store: Images, *, size: tuple[int, int] = (32, 16), grey: bool = True) -> Features:
    """The image itself as its descriptor, made smaller by averaging areas: the floor that every method must beat (ours).

    Args:
        size: (height, width) in pixels.
        grey: compare lightness only, since infrared has no colour; otherwise the three channels.

    Returns:
        Features of values 0-1, compared by Euclidean distance; D = height * width, times 3 in colour.

    Raises:
        SettingError: the store is empty.
    """
    if len(store) == 0:
        raise SettingError("no images to extract features from")
    found = []
    for rows in torch.arange(len(store)).split(128):
        pictures = store.images(rows).float().permute(0, 3, 1, 2) / 255  # (B, 3, H, W)
        if grey:
            pictures = (pictures * pictures.new_tensor(GREY).reshape(3, 1, 1)).sum(1, keepdim=True)
        found.append(F.adaptive_avg_pool2d(pictures, size).flatten(1).cpu())
    return Features(torch.cat(found), store.table, "euclidean", name=f"raw pixels{' in grey' if grey else ''}")


def random_features(table: pd.DataFrame, dim: int = 64, seed: int = 0) -> Features:
    """Descriptors that know nothing: normal random numbers, the same for the same seed and table length."""
    matrix = torch.randn(len(table), dim, generator=generator(seed, "random features"))
    return Features(matrix, table, "cosine", name="chance")
