"""The ImageStore: pictures decoded once to one size, then read as rows of a memory-mapped array."""

from __future__ import annotations

import copy
import hashlib
import io
import os
import warnings
import zlib
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pandas as pd
import torch
from filelock import FileLock
from PIL import Image
from torch import Tensor
from tqdm.auto import tqdm

from vireidkit.data.dataset import Dataset, open_image, read_bytes
from vireidkit.errors import KitError, SettingError
from vireidkit.files import written_aside

STORE_VERSION = 1  # part of every cache key: raise it when the same files would give other pixels
RESAMPLE = {filter.name.lower(): filter for filter in Image.Resampling}
CHECKED_BYTES = 256 << 20  # a cache file up to this size is checked whole when it is opened, a larger one by a sample of its rows
CHUNK = 256  # pictures decoded ahead of the writer


class ImageStore:
    """The pictures of a table at one size, as uint8 rows in RGB.

    The first use decodes all files in parallel into a cache file; later uses, also by other processes, map that file into memory.
    Its name is a hash over the data set's fingerprint, the table's paths, the size, the resample filter and the store's version.
    It is built under a file lock, written aside and renamed, and carries a checksum of every row: a damaged file is built again.
    When the array would be larger than ``byte_limit``, nothing is cached on disk: the encoded files are kept in memory (as many as
    fit into ``byte_limit``) and decoded on demand in threads, to the same pixels.

    Args:
        dataset: whose files they are; table: which rows, by their column ``path``.
        size: (height, width) in pixels.
        cache: folder for cache files; None is $VIREIDKIT_CACHE, else $XDG_CACHE_HOME/vireidkit, else ~/.cache/vireidkit.
        workers: decoding threads; None is one for each CPU this process may use, at most 16.
        progress: show a progress bar while decoding.
        byte_limit: largest array, in bytes.
        resample: nearest, box, bilinear, hamming, bicubic or lanczos (the published protocols' filter, datasets.md 1.6).

    Attributes:
        device: where ``images`` puts its result; resident: whether the pixels themselves lie there.

    Raises:
        SettingError: an impossible size or an unknown filter.
        DatasetError: a file is missing, truncated or no picture; it names the file.
        KitError: the cache folder cannot be written to.
    """

    def __init__(
        self,
        dataset: Dataset,
        table: pd.DataFrame,
        size: tuple[int, int],
        *,
        cache: str | os.PathLike[str] | None = None,
        workers: int | None = None,
        progress: bool = True,
        byte_limit: int = 8 << 30,
        resample: str = "lanczos",
    ) -> None:
        if len(size) != 2 or min(size) < 1:
            raise SettingError(f"an image size is (height, width) in pixels, found {tuple(size)}")
        if resample not in RESAMPLE:
            raise SettingError(f"unknown resample filter {resample!r}; known: {', '.join(RESAMPLE)}")
        self.dataset, self.table, self.size, self.resample = dataset, table, (int(size[0]), int(size[1])), resample
        self.device = torch.device("cpu")
        self._paths = table["path"].tolist()
        self._workers = max(1, workers or _cpus())
        self._byte_limit = byte_limit
        self._pixels: np.ndarray | Tensor | None = None
        self._encoded: dict[int, bytes] = {}
        self._encoded_bytes = 0
        if not self._paths:
            self._pixels = np.zeros(self.shape, dtype=np.uint8)
        elif int(np.prod(self.shape)) <= byte_limit:
            self._pixels = self._cached(cache_folder(cache) / "images", progress)

    def __len__(self) -> int:
        """Number of pictures."""
        return len(self._paths)

    @property
    def shape(self) -> tuple[int, int, int, int]:
        """(N, H, W, 3)."""
        return (len(self._paths), *self.size, 3)

    @property
    def resident(self) -> bool:
        """Whether the decoded pixels lie on ``device``, so that ``images`` only has to pick rows."""
        here = self._pixels.device if isinstance(self._pixels, Tensor) else torch.device("cpu")
        return self._pixels is not None and here == self.device

    def images(self, rows: Tensor | np.ndarray | Iterable[int]) -> Tensor:
        """Pictures at these positions of the table, in this order: uint8 (N, H, W, 3) on the store's device.

        Rows (B, N), as a batch of sets of frames has them, give pictures (B, N, H, W, 3).

        Raises:
            IndexError: a position outside 0..len-1; TypeError: positions that are no whole numbers.
            DatasetError: a file that is decoded on demand cannot be read.
        """
        positions = self._positions(rows)
        if isinstance(self._pixels, Tensor):
            return self._pixels[torch.from_numpy(positions).to(self._pixels.device)]
        if self._pixels is None:
            found = self._decode_now(positions.ravel()).reshape(*positions.shape, *self.shape[1:])
        else:
            found = np.take(self._pixels, positions, axis=0)
        return torch.from_numpy(found).to(self.device)

    def to(self, device: torch.device | str) -> ImageStore:
        """A store of the same pictures for ``device``; this one stays as it is.

        The pixels move to a CUDA device when they take at most half of its free memory. Otherwise they stay in the machine's
        memory and every call of ``images`` copies its rows; ``resident`` tells which.
        """
        other = copy.copy(self)
        other.device = _with_index(torch.device(device))
        if self._pixels is None or (self.resident and other.device == self.device):
            return other
        if other.device.type == "cpu":
            other._pixels = self._pixels.cpu().numpy() if isinstance(self._pixels, Tensor) else self._pixels
        elif isinstance(self._pixels, np.ndarray) and _fits(other.device, self._pixels.nbytes):
            moved = torch.empty(self.shape, dtype=torch.uint8, device=other.device)
            for start in range(0, len(self), CHUNK):
                moved[start : start + CHUNK] = torch.from_numpy(np.array(self._pixels[start : start + CHUNK]))
            other._pixels = moved
        return other

    def _positions(self, rows: Tensor | np.ndarray | Iterable[int]) -> np.ndarray:
        """Positions as int64 (N,) or (B, N), checked: a negative one would silently be another person's picture."""
        if isinstance(rows, Tensor):
            rows = rows.detach().cpu().numpy()
        positions = np.asarray(rows if isinstance(rows, np.ndarray) else list(rows))
        if positions.size == 0:
            return np.zeros(positions.shape, dtype=np.int64)
        if positions.ndim not in (1, 2) or positions.dtype.kind not in "iu":
            raise TypeError(f"rows must be a list of positions in the table, found {positions.dtype} {positions.shape}")
        if positions.min() < 0 or positions.max() >= len(self):
            raise IndexError(f"rows must lie in 0..{len(self) - 1}, found {positions.min()}..{positions.max()}")
        return positions.astype(np.int64)

    # --- decoding ---

    def _decode(self, source: Path | BinaryIO, name: Path) -> np.ndarray:
        """One picture as (H, W, 3)."""
        picture = open_image(source, name)
        height, width = self.size
        if picture.size != (width, height):
            picture = picture.resize((width, height), RESAMPLE[self.resample])
        return np.asarray(picture)

    def _decode_now(self, positions: np.ndarray) -> np.ndarray:
        """Decode on demand, each picture once however often it is asked for."""
        wanted, back = np.unique(positions, return_inverse=True)
        pictures = np.empty((len(wanted), *self.size, 3), dtype=np.uint8)
        with ThreadPoolExecutor(min(self._workers, max(1, len(wanted)))) as pool:
            for place, picture in enumerate(pool.map(self._decode_row, wanted.tolist())):
                pictures[place] = picture
        return pictures[back]

    def _decode_row(self, row: int) -> np.ndarray:
        file = self.dataset.root / self._paths[row]
        encoded = self._encoded.get(row)
        if encoded is None:
            encoded = read_bytes(file)
            if self._encoded_bytes + len(encoded) <= self._byte_limit:
                self._encoded[row] = encoded
                self._encoded_bytes += len(encoded)
        return self._decode(io.BytesIO(encoded), file)

    # --- the cache file ---

    def _cached(self, folder: Path, progress: bool) -> np.ndarray:
        """The memory-mapped array, built first if it is not there or is damaged."""
        file = folder / f"{self._key()}.npy"
        pixels = _open_checked(file, self.shape)
        if pixels is not None:  # no lock: a finished cache may lie where this user cannot write
            return pixels
        try:
            folder.mkdir(parents=True, exist_ok=True)
            with FileLock(folder / f"{file.stem}.lock"):  # a second process waits here, and then finds the file
                pixels = _open_checked(file, self.shape)
                if pixels is None:
                    self._build(file, progress)
                    pixels = _open_checked(file, self.shape)
        except (OSError, NotImplementedError) as error:  # the second: a file system that knows no locks
            cause = getattr(error, "strerror", None) or error
            raise KitError(f"image cache {folder} cannot be used: {cause}; name a folder with room in VIREIDKIT_CACHE") from error
        if pixels is None:
            raise KitError(f"image cache {file} does not read back as it was written; is the disk sound?")
        return pixels

    def _key(self) -> str:
        """Hash over all that the pixels depend on."""
        head = f"{STORE_VERSION}\n{self.dataset.fingerprint}\n{self.size}\n{self.resample}\n"
        return hashlib.sha256((head + "\n".join(self._paths)).encode()).hexdigest()[:32]

    def _build(self, file: Path, progress: bool) -> None:
        """Decode everything into ``file`` and its checksums, aside first. What an earlier, killed build left goes away.

        Plain writes and not a map: a full disk is then an error that can be told, not a signal that ends the process.
        """
        for left in file.parent.glob(f".{file.stem}*.part"):
            left.unlink(missing_ok=True)
        sums = np.zeros(len(self), dtype=np.uint32)
        with written_aside(file) as aside:
            with open(aside, "wb") as stream:
                header = {"descr": "|u1", "fortran_order": False, "shape": self.shape}
                np.lib.format.write_array_header_1_0(stream, header)
                for row, picture in enumerate(self._decode_all(progress)):
                    sums[row] = zlib.crc32(picture)
                    stream.write(picture)
            with written_aside(_sums_of(file)) as aside_sums, open(aside_sums, "wb") as stream:
                np.save(stream, sums)

    def _decode_all(self, progress: bool) -> Iterator[bytes]:
        """The bytes of every picture, in the table's order, decoded in threads a bounded number of pictures ahead."""
        files = [self.dataset.root / path for path in self._paths]
        bar = tqdm(total=len(files), desc=f"decode {self.dataset.title}", unit="image", disable=not progress)
        with bar, _threads(self._workers) as pool:
            for start in range(0, len(files), CHUNK):
                for picture in pool.map(lambda path: self._decode(path, path).tobytes(), files[start : start + CHUNK]):
                    yield picture
                    bar.update()


def cache_folder(named: str | os.PathLike[str] | None = None) -> Path:
    """The folder for cache files: the argument, else $VIREIDKIT_CACHE, else $XDG_CACHE_HOME/vireidkit, else ~/.cache/vireidkit."""
    if named is not None:
        return Path(named).expanduser()
    if os.environ.get("VIREIDKIT_CACHE"):
        return Path(os.environ["VIREIDKIT_CACHE"]).expanduser()
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "vireidkit"


def _cpus() -> int:
    """CPUs that this process may use, at most 16: decoding gains nothing beyond."""
    allowed: Callable[[int], set[int]] | None = getattr(os, "sched_getaffinity", None)
    return min(16, len(allowed(0)) if allowed else os.cpu_count() or 1)


@contextmanager
def _threads(workers: int) -> Iterator[ThreadPoolExecutor]:
    """A thread pool that drops what it has not begun when the block ends early."""
    pool = ThreadPoolExecutor(workers)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _sums_of(file: Path) -> Path:
    """Where the checksums of a cache file lie."""
    return file.with_suffix(".crc32.npy")


def _open_checked(file: Path, shape: tuple[int, ...]) -> np.ndarray | None:
    """The cache file mapped into memory, or None if it is missing, truncated, of another shape, or fails its checksums."""
    try:
        pixels = np.load(file, mmap_mode="r", allow_pickle=False)
        sums = np.load(_sums_of(file), allow_pickle=False)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except (ValueError, EOFError) as error:
        return _damaged(file, str(error).splitlines()[0])
    except OSError as error:
        return _damaged(file, error.strerror or str(error))
    if pixels.shape != shape or pixels.dtype != np.uint8 or sums.shape != shape[:1]:
        return _damaged(file, f"it holds {pixels.shape}, expected {shape}")
    pixels = np.asarray(pixels)  # without np.memmap's bookkeeping on every row
    rows_checked = max(1, min(shape[0], CHECKED_BYTES // (pixels.nbytes // shape[0])))
    for row in np.unique(np.linspace(0, shape[0] - 1, rows_checked).astype(int)):
        if zlib.crc32(pixels[row]) != sums[row]:
            return _damaged(file, f"row {row} fails its checksum")
    return pixels


def _damaged(file: Path, why: str) -> None:
    warnings.warn(f"image cache {file} is damaged ({why}) and is built again", UserWarning, stacklevel=2)


def _with_index(device: torch.device) -> torch.device:
    """ "cuda" as "cuda:0", so that devices compare equal when they are."""
    if device.type == "cuda" and device.index is None:
        return torch.device("cuda", torch.cuda.current_device())
    return device


def _fits(device: torch.device, size: int) -> bool:
    """Whether so many bytes leave half of a CUDA device's free memory for training."""
    return device.type == "cuda" and 2 * size <= torch.cuda.mem_get_info(device)[0]
