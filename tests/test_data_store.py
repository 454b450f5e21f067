"""The ImageStore: the right pixels, decoded once, and nothing but whole files in the cache."""

from __future__ import annotations

import errno
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from filelock import FileLock
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from trees import make_tree

from vireidkit.data import Dataset, ImageStore, cache_folder, load_dataset
from vireidkit.data import store as store_module
from vireidkit.errors import DatasetError, KitError, SettingError

SIZE = (24, 12)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Dataset:
    """A data set whose files no test touches."""
    return load_dataset("sysu-mm01", make_tree(tmp_path_factory.mktemp("store") / "tree"), allow_partial=True)


@pytest.fixture
def dataset(tmp_path: Path) -> Dataset:
    """A data set whose files a test may break."""
    return load_dataset("sysu-mm01", make_tree(tmp_path / "tree"), allow_partial=True)


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


def open_store(dataset: Dataset, cache: Path, table: pd.DataFrame | None = None, **options: object) -> ImageStore:
    return ImageStore(dataset, dataset.train if table is None else table, SIZE, cache=cache, progress=False, **options)


def naive(dataset: Dataset, table: pd.DataFrame, rows: list[int], filter: Image.Resampling = Image.Resampling.LANCZOS) -> torch.Tensor:
    """One picture after another, straight from the files."""
    pictures = []
    for row in rows:
        with Image.open(dataset.root / table["path"].iloc[row]) as picture:
            pictures.append(np.asarray(picture.convert("RGB").resize((SIZE[1], SIZE[0]), filter)))
    return torch.from_numpy(np.stack(pictures))


def files_of(cache: Path) -> list[Path]:
    """All that lies in the cache but the lock, which is an empty file."""
    return sorted(file for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock")


@pytest.fixture
def no_decoding(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a picture was decoded again")

    monkeypatch.setattr(store_module, "open_image", refuse)


# --- pixels ---


@pytest.mark.parametrize("byte_limit", [8 << 30, 10_000, 0])
def test_pixels_are_those_of_the_files(shared: Dataset, cache: Path, byte_limit: int) -> None:
    """In the cached form, with encoded files in memory, and with encoded files read again each time."""
    table = shared.table("train+validation")
    store = open_store(shared, cache, table, byte_limit=byte_limit)
    assert len(store) == len(table) and store.shape == (len(table), *SIZE, 3)
    assert store.table is table and store.size == SIZE and store.dataset is shared
    assert store.resident == (byte_limit == 8 << 30) == bool(files_of(cache))
    everything = list(range(len(table)))
    found = store.images(everything)
    assert found.dtype == torch.uint8
    assert torch.equal(found, naive(shared, table, everything))
    assert torch.equal(store.images([5, 0, 5]), found[[5, 0, 5]])


@pytest.mark.parametrize("resample", ["bilinear", "nearest", "lanczos"])
def test_the_resample_filter_is_the_one_named(shared: Dataset, cache: Path, resample: str) -> None:
    store = open_store(shared, cache, resample=resample)
    assert torch.equal(store.images([0, 20]), naive(shared, shared.train, [0, 20], Image.Resampling[resample.upper()]))


@settings(max_examples=30, deadline=None)
@given(rows=st.lists(st.integers(0, 83), max_size=12))
def test_rows_may_be_anything_that_lists_positions(shared: Dataset, tmp_path_factory: pytest.TempPathFactory, rows: list[int]) -> None:
    cache = tmp_path_factory.getbasetemp() / "rows-cache"
    expected = open_store(shared, cache).images(range(84))[rows]
    for limit in (8 << 30, 20_000):
        store = open_store(shared, cache, byte_limit=limit)
        for given_rows in (rows, tuple(rows), np.array(rows, dtype=np.int32), torch.tensor(rows, dtype=torch.long), pd.Index(rows)):
            assert torch.equal(store.images(given_rows), expected)


def test_rows_are_positions_even_where_the_index_is_another(shared: Dataset, cache: Path) -> None:
    table = shared.train[shared.train["camera"] == 3]
    assert table.index[0] != 0
    assert torch.equal(open_store(shared, cache, table).images([0]), naive(shared, table, [0]))


def test_what_images_returns_belongs_to_the_caller(shared: Dataset, cache: Path) -> None:
    store = open_store(shared, cache)
    before = store.images([1]).clone()
    store.images([1]).zero_()
    assert torch.equal(store.images([1]), before)


@pytest.mark.parametrize("rows", [[-1], [84], [0, 1000]])
@pytest.mark.parametrize("byte_limit", [8 << 30, 0])
def test_positions_outside_the_table(shared: Dataset, cache: Path, rows: list[int], byte_limit: int) -> None:
    with pytest.raises(IndexError, match=r"rows must lie in 0\.\.83"):
        open_store(shared, cache, byte_limit=byte_limit).images(rows)


@pytest.mark.parametrize("rows", [[0.5], torch.zeros(84, dtype=torch.bool), np.zeros((2, 2, 2), dtype=int)])
def test_rows_that_are_no_list_of_positions(shared: Dataset, cache: Path, rows: object) -> None:
    with pytest.raises(TypeError, match="positions"):
        open_store(shared, cache).images(rows)


def test_empty_table(shared: Dataset, cache: Path) -> None:
    store = open_store(shared, cache, shared.train.iloc[:0])
    assert len(store) == 0 and store.images([]).shape == (0, *SIZE, 3)
    assert not files_of(cache)


@pytest.mark.parametrize(("options", "words"), [({"resample": "cubic"}, "known: nearest"), ({"size": (0, 4)}, "height, width")])
def test_impossible_settings(shared: Dataset, cache: Path, options: dict[str, object], words: str) -> None:
    with pytest.raises(SettingError, match=words):
        ImageStore(shared, shared.train, **{"size": SIZE, "cache": cache, **options})


def test_encoded_files_stay_in_memory_up_to_the_limit(dataset: Dataset, cache: Path) -> None:
    table = dataset.train[dataset.train["camera"] == 4].reset_index(drop=True)  # bmp: all files of one size
    each = (dataset.root / table["path"][0]).stat().st_size
    store = open_store(dataset, cache, table, byte_limit=2 * each, workers=1)  # which files come first is certain with one thread
    before = store.images([0, 1, 2])
    for path in table["path"]:
        (dataset.root / path).unlink()
    assert torch.equal(store.images([1, 0]), before[[1, 0]])
    with pytest.raises(DatasetError, match="cam4"):
        store.images([2])


# --- the cache ---


def test_second_use_decodes_nothing(shared: Dataset, cache: Path, request: pytest.FixtureRequest) -> None:
    first = open_store(shared, cache).images(range(84))
    request.getfixturevalue("no_decoding")
    assert torch.equal(open_store(shared, cache).images(range(84)), first)


def test_a_finished_cache_needs_no_lock(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may lie in a shared folder that this user cannot write to."""
    open_store(shared, cache)
    monkeypatch.setattr(store_module, "FileLock", lambda _: pytest.fail("took the lock"))
    open_store(shared, cache)


def test_the_name_depends_on_all_that_the_pixels_depend_on(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def names() -> set[str]:
        return {file.name for file in files_of(cache) if not file.name.endswith(".crc32.npy")}

    open_store(shared, cache)
    assert len(names()) == 1
    ImageStore(shared, shared.train, (12, 24), cache=cache, progress=False)  # the same number of bytes
    open_store(shared, cache, resample="bilinear")
    open_store(shared, cache, shared.train.iloc[::-1])
    open_store(shared.limited(5), cache, shared.train)
    monkeypatch.setattr(store_module, "STORE_VERSION", 2)
    open_store(shared, cache)
    assert len(names()) == 6


def damage_truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1000])


def damage_byte(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[len(content) // 2] ^= 1
    file.write_bytes(content)


def damage_header(file: Path) -> None:
    file.write_bytes(b"no array" + file.read_bytes()[8:])


def damage_empty(file: Path) -> None:
    file.write_bytes(b"")


def damage_shape(file: Path) -> None:
    np.save(file, np.load(file)[:-1])


def damage_pickle(file: Path) -> None:
    np.save(file, np.array([{"run": "me"}], dtype=object), allow_pickle=True)


@pytest.mark.parametrize("damage", [damage_truncate, damage_byte, damage_header, damage_empty, damage_shape, damage_pickle])
@pytest.mark.parametrize("suffix", [".npy", ".crc32.npy"])
def test_damaged_cache_is_noticed_and_built_again(shared: Dataset, cache: Path, damage: object, suffix: str) -> None:
    first = open_store(shared, cache).images(range(84))
    pixels, sums = sorted(files_of(cache), key=lambda file: -file.stat().st_size)
    file = {".npy": pixels, ".crc32.npy": sums}[suffix]
    whole = file.read_bytes()
    if damage is damage_truncate and suffix == ".crc32.npy":
        file.write_bytes(whole[:-5])
    else:
        damage(file)
    with pytest.warns(UserWarning, match="damaged"):
        assert torch.equal(open_store(shared, cache).images(range(84)), first)
    assert file.read_bytes() == whole


def test_lost_checksums_are_made_again(shared: Dataset, cache: Path) -> None:
    open_store(shared, cache)
    sums = min(files_of(cache), key=lambda file: file.stat().st_size)
    sums.unlink()
    open_store(shared, cache)
    assert sums.exists()


@pytest.mark.parametrize("stop", [KeyboardInterrupt, DatasetError, OSError(errno.ENOSPC, "No space left on device")])
def test_an_interrupted_build_leaves_nothing_behind(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch, stop: object) -> None:
    real, calls = store_module.open_image, []

    def stops_late(*arguments: object) -> object:
        calls.append(1)
        if len(calls) > 40:
            raise stop
        return real(*arguments)

    monkeypatch.setattr(store_module, "open_image", stops_late)
    with pytest.raises(KitError if isinstance(stop, OSError) else stop):
        open_store(shared, cache, workers=2)
    assert files_of(cache) == []
    monkeypatch.setattr(store_module, "open_image", real)
    assert torch.equal(open_store(shared, cache).images([83]), naive(shared, shared.train, [83]))


def test_what_a_killed_build_left_is_cleared_away(shared: Dataset, cache: Path) -> None:
    """SIGKILL lets nobody clean up; the next build does."""
    open_store(shared, cache)
    pixels, sums = sorted(files_of(cache), key=lambda file: -file.stat().st_size)
    left = [pixels.with_name(f".{file.name}.abc123.part") for file in (pixels, sums)]
    other = pixels.with_name(".ffff.npy.abc123.part")  # of another cache file, perhaps being written now
    for file in (*left, other):
        file.write_bytes(b"half")
    pixels.unlink()
    open_store(shared, cache)
    assert not any(file.exists() for file in left) and other.exists()


def test_a_second_builder_waits_for_the_lock_and_then_reads(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    decoded = []
    real = store_module.open_image
    monkeypatch.setattr(store_module, "open_image", lambda *arguments: decoded.append(1) or real(*arguments))
    results: list[torch.Tensor] = []
    probe = open_store(shared, cache, byte_limit=0)
    folder = cache / "images"
    folder.mkdir(parents=True)
    with FileLock(folder / f"{probe._key()}.lock"):
        threads = [threading.Thread(target=lambda: results.append(open_store(shared, cache).images(range(84)))) for _ in range(3)]
        for thread in threads:
            thread.start()
        threads[0].join(0.3)
        assert not results and not decoded and files_of(cache) == []  # all wait
    for thread in threads:
        thread.join(30)
    assert len(results) == 3 and len(decoded) == 84
    assert all(torch.equal(result, results[0]) for result in results)


def test_two_processes_build_once(shared: Dataset, cache: Path) -> None:
    script = textwrap.dedent(
        """
        import sys, warnings
        warnings.simplefilter("ignore")
        from vireidkit.data import ImageStore, load_dataset, store
        decoded, real = [], store.open_image
        store.open_image = lambda *arguments: decoded.append(1) or real(*arguments)
        dataset = load_dataset("sysu-mm01", sys.argv[1], allow_partial=True)
        images = ImageStore(dataset, dataset.train, (24, 12), cache=sys.argv[2], progress=False).images(range(84))
        print(len(decoded), int(images.sum()))
        """
    )
    command = [sys.executable, "-c", script, str(shared.root), str(cache)]
    repository = Path(store_module.__file__).resolve().parents[2]
    children = [subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=repository) for _ in range(2)]
    answers = [child.communicate(timeout=120)[0].split() for child in children]
    assert sorted(int(decoded) for decoded, _ in answers) == [0, 84]
    assert answers[0][1] == answers[1][1]


@pytest.mark.parametrize("byte_limit", [8 << 30, 0])
def test_unreadable_picture_is_named(dataset: Dataset, cache: Path, byte_limit: int) -> None:
    file = dataset.root / "cam5/0003/0002.webp"
    file.write_bytes(file.read_bytes()[:60])
    with pytest.raises(DatasetError, match=r"cam5/0003/0002\.webp") as caught:
        open_store(dataset, cache, byte_limit=byte_limit).images(range(84))
    assert "\n" not in str(caught.value)
    assert files_of(cache) == []


def test_cache_folder_that_cannot_be_made(shared: Dataset, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("not a folder")
    with pytest.raises(KitError, match=r"image cache .*file.* cannot be used.*VIREIDKIT_CACHE") as caught:
        open_store(shared, tmp_path / "file")
    assert "\n" not in str(caught.value)


def test_where_the_cache_lies(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("VIREIDKIT_CACHE", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert cache_folder() == tmp_path / ".cache/vireidkit"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "xdg/vireidkit"
    monkeypatch.setenv("VIREIDKIT_CACHE", "~/mine")
    assert cache_folder() == tmp_path / "mine"
    assert cache_folder(tmp_path / "argument") == tmp_path / "argument"


def test_large_caches_are_checked_by_a_sample(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Reading gigabytes at every start would cost more than it finds; first and last row are always in the sample."""
    open_store(shared, cache)
    row = SIZE[0] * SIZE[1] * 3
    monkeypatch.setattr(store_module, "CHECKED_BYTES", 3 * row)
    checked = []
    real = store_module.zlib.crc32
    monkeypatch.setattr(store_module.zlib, "crc32", lambda data: checked.append(1) or real(data))
    open_store(shared, cache)
    assert len(checked) == 3


# --- devices ---


def test_a_store_for_another_device_leaves_this_one_alone(shared: Dataset, cache: Path) -> None:
    """ "meta" stands for a device that the pixels do not fit on: rows are copied to it call by call."""
    store = open_store(shared, cache)
    other = store.to("meta")
    assert other.images([0, 1]).device.type == "meta" and not other.resident
    assert store.images([0, 1]).device.type == "cpu" and store.resident
    assert torch.equal(other.to("cpu").images([3]), store.images([3]))


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
def test_pixels_move_to_a_cuda_device_when_they_fit(shared: Dataset, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = open_store(shared, cache)
    there = store.to("cuda")
    assert there.resident and there.images([4, 2]).is_cuda
    assert torch.equal(there.images([4, 2]).cpu(), store.images([4, 2]))
    assert torch.equal(there.to("cpu").images([4, 2]), store.images([4, 2]))
    monkeypatch.setattr(store_module, "_fits", lambda *_: False)
    outside = store.to("cuda")
    assert not outside.resident and torch.equal(outside.images([4, 2]).cpu(), store.images([4, 2]))
