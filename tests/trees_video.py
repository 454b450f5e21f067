"""Builds folders of the video data sets with small real pictures, whole or broken: MARS, DukeMTMC-VideoReID, VeRi-776, VCM, BUPTCampus."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat
from trees import picture

from vireidkit.data import ImageStore
from vireidkit.data.dataset import Dataset
from vireidkit.data.tracklets import Count, Expected
from vireidkit.data.veri import ExpectedVeri
from vireidkit.errors import DatasetError
from vireidkit.evaluation import evaluate, raw_pixel_features

SIZE = (16, 8)  # height, width
REMEDY = "make it again"
Track = tuple[int, int, int, int]  # identity, camera, number of the tracklet, frames


@functools.cache
def encoded(identity: int, infrared: bool, number: int, size: tuple[int, int], suffix: str = ".jpg") -> bytes:
    """The bytes of a picture; most tests build the same tree, so the drawing is done once a process."""
    stream = io.BytesIO()
    picture(abs(identity), 3 if infrared else 1, number, size).save(stream, format=Image.registered_extensions()[suffix])
    return stream.getvalue()


def put(root: Path, path: str, identity: int, number: int, size: tuple[int, int], *, infrared: bool = False) -> str:
    """Write one picture; returns its path."""
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    (root / path).write_bytes(encoded(identity, infrared, number, size, Path(path).suffix.lower()))
    return path


def write(root: Path, file: str, lines: Iterable[object]) -> None:
    """A text file of these lines."""
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text("".join(f"{line}\n" for line in lines))


def fails(read: Callable[[Path], Dataset], root: Path, *words: str) -> str:
    """Reading fails with one line that holds the root and all these words."""
    with pytest.raises(DatasetError) as caught:
        read(root)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


def every_protocol_runs(dataset: Dataset) -> None:
    """Every protocol that the data set names gives a score of its raw pixels."""
    features = raw_pixel_features(ImageStore(dataset, dataset.test, (8, 4), progress=False))
    assert dataset.protocols
    for name in dataset.protocols:
        scores = evaluate(features, dataset, name)
        assert 0 < scores.mean["map"] <= 1 and scores.protocol["valid_queries"] >= 1, name


# --- MARS --------------------------------------------------------------------------------------------------------------------

MARS_TRAIN: tuple[Track, ...] = ((1, 1, 1, 3), (1, 1, 2, 2), (1, 4, 1, 4), (3, 2, 1, 3), (3, 6, 1, 2), (7, 1, 1, 2), (7, 3, 1, 2))
MARS_TEST: tuple[Track, ...] = (
    (-1, 1, 1, 2), (0, 2, 1, 3), (2, 1, 1, 3), (2, 2, 1, 2), (2, 3, 1, 4), (4, 1, 1, 3), (4, 1, 2, 2), (4, 5, 1, 3), (5, 6, 1, 1),
)  # fmt: skip
MARS_QUERY = (3, 6, 9)  # rows of MARS_TEST, from 1; identity 5 has no match
MARS_EXPECTED = Expected(
    (
        Count("train", identities=3, tracklets=7),
        Count("test", identities=3, tracklets=3, role="query", cause="query_IDX.mat is not the official one"),
        Count("test", tracklets=5, role="gallery"),
    ),
    REMEDY,
)


def mars_names(tracks: Iterable[Track]) -> list[list[str]]:
    """File names of every track."""
    folder = {-1: "00-1"}
    return [
        [f"{folder.get(identity, f'{identity:04d}')}C{camera}T{tracklet:04d}F{frame:03d}.jpg" for frame in range(1, frames + 1)]
        for identity, camera, tracklet, frames in tracks
    ]


def make_mars(
    root: Path,
    *,
    train: Sequence[Track] = MARS_TRAIN,
    test: Sequence[Track] = MARS_TEST,
    query: Sequence[int] = MARS_QUERY,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Write a whole MARS tree."""
    for split, tracks in (("train", train), ("test", test)):
        table, listed = [], []
        for (identity, camera, _, frames), names in zip(tracks, mars_names(tracks), strict=True):
            table.append((len(listed) + 1, len(listed) + frames, identity, camera))
            listed += names
            for number, name in enumerate(names):
                put(root, f"bbox_{split}/{name[:4]}/{name}", identity, number + 10 * camera, size)
        write(root, f"info/{split}_name.txt", listed)
        savemat(root / f"info/tracks_{split}_info.mat", {f"track_{split}_info": np.array(table, dtype=float)})
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([query], dtype=np.uint16)})
    return root


# --- DukeMTMC-VideoReID ------------------------------------------------------------------------------------------------------

DUKE_TRACKS: dict[str, tuple[Track, ...]] = {
    "train": ((1, 1, 1, 3), (1, 1, 2, 2), (1, 6, 3, 2), (9, 8, 1, 3), (9, 2, 2, 2)),
    "query": ((2, 1, 1, 2), (5, 3, 1, 3)),
    "gallery": ((2, 4, 2, 3), (2, 4, 3, 2), (5, 7, 2, 2), (700, 5, 1, 1)),  # 700 is a distractor
}
DUKE_EXPECTED = Expected(
    (
        Count("train", identities=2, tracklets=5, cause="tracklet folders are missing"),
        Count("test", identities=2, tracklets=2, role="query", cause="tracklet folders are missing"),
        Count("test", identities=3, tracklets=4, role="gallery", cause="tracklet folders are missing"),
    ),
    REMEDY,
)


def make_duke_video(
    root: Path, *, tracks: dict[str, tuple[Track, ...]] = DUKE_TRACKS, old_names: bool = False, size: tuple[int, int] = SIZE
) -> Path:
    """Write a whole DukeMTMC-VideoReID tree."""
    bar = "" if old_names else "_"
    for part, members in tracks.items():
        for identity, camera, tracklet, frames in members:
            for frame in range(1, frames + 1):
                name = f"{identity:04d}{bar}C{camera}{bar}F{frame:04d}{bar}X{1000 * tracklet + frame}.jpg"
                put(root, f"{part}/{identity:04d}/{tracklet:04d}/{name}", identity, frame + 10 * camera, size)
    return root


# --- VeRi-776 ----------------------------------------------------------------------------------------------------------------

VERI_TRAIN: tuple[Track, ...] = ((1, 1, 16450, 3), (1, 20, 100, 2), (10, 3, 50, 2))  # the third number is a time
VERI_TEST: tuple[Track, ...] = ((2, 2, 30600, 3), (2, 5, 400, 2), (2, 2, 99000, 2), (776, 7, 10, 1), (776, 8, 10, 2))
VERI_QUERY = (0, 4)  # tracks of VERI_TEST whose first picture asks
VERI_EXPECTED = ExpectedVeri(
    (
        Count("train", identities=2, images=7, cause="name_train.txt is truncated or edited"),
        Count("test", identities=2, images=2, role="query", cause="name_query.txt is truncated or edited"),
    ),
    REMEDY,
    test=(2, 10),
)


def veri_names(track: Track) -> list[str]:
    """File names of a track."""
    identity, camera, time, frames = track
    return [f"{identity:04d}_c{camera:03d}_{time + 5 * frame:08d}_{frame % 2}.jpg" for frame in range(frames)]


def make_veri(root: Path, *, size: tuple[int, int] = SIZE, ending: str = " ") -> Path:
    """Write a whole VeRi-776 tree; ``ending`` closes the lines of test_track.txt."""
    for part, tracks in (("train", VERI_TRAIN), ("test", VERI_TEST)):
        names = [name for track in tracks for name in veri_names(track)]
        for number, name in enumerate(names):
            put(root, f"image_{part}/{name}", int(name[:4]), number, size)
        write(root, f"name_{part}.txt", sorted(names))
    queries = [veri_names(VERI_TEST[place])[0] for place in VERI_QUERY]
    for number, name in enumerate(queries):
        put(root, f"image_query/{name}", int(name[:4]), number, size)
    write(root, "name_query.txt", queries)
    lines = [" ".join([veri_names(track)[0], *veri_names(track)]) + ending for track in VERI_TEST]
    write(root, "test_track.txt", lines)
    return root


# --- HITSZ-VCM ---------------------------------------------------------------------------------------------------------------

# identity, camera, number of the tracklet, frames; then whether it is infrared
VCM_TRAIN = ((1, 2, 1, 3, 1), (1, 2, 2, 2, 1), (1, 2, 1, 3, 2), (4, 12, 1, 2, 1), (4, 3, 1, 2, 2))
VCM_TEST = ((503, 1, 1, 3, 1), (503, 1, 1, 2, 2), (503, 7, 1, 2, 2), (927, 4, 1, 2, 2), (927, 5, 1, 12, 1))
VCM_QUERY = (1, 5)
VCM_EXPECTED = Expected(
    (
        Count("train", identities=2, tracklets=5, images=12),
        Count("test", identities=2, tracklets=5, images=21),
        Count("test", tracklets=2, role="query", cause="query_IDX.txt is truncated or edited"),
        Count("", tracklets=5, images=11, modality="visible"),
        Count("", tracklets=5, images=22, modality="infrared"),
    ),
    REMEDY,
)


def make_vcm(
    root: Path,
    *,
    form: str = "info",
    train: Sequence[tuple[int, int, int, int, int]] = VCM_TRAIN,
    test: Sequence[tuple[int, int, int, int, int]] = VCM_TEST,
    query: Sequence[int] = VCM_QUERY,
    size: tuple[int, int] = SIZE,
) -> Path:
    """Write a whole HITSZ-VCM tree; ``form``: "info" (lists in info/), "flat" (lists in the root), "folders" (Train/ and Test/)."""
    info = "" if form == "flat" else "info/"
    for split, tracks in (("train", train), ("test", test)):
        home = f"{split.capitalize()}/" if form == "folders" else ""
        names, table = [], []
        for identity, camera, tracklet, frames, modality in tracks:
            table.append(f"{modality} {len(names) + 1} {len(names) + frames} {identity:04d} {camera}")
            for frame in range(1, 5 * frames, 5):  # the numbers have gaps, and the order of the list is theirs, not the alphabet's
                number = 100 * tracklet + frame
                names.append(f"{identity:04d}M{modality}D{camera}T{tracklet}F{number}.jpg")
                band = "ir" if modality == 1 else "rgb"
                put(root, f"{home}{identity:04d}/{band}/D{camera}/{number}.jpg", identity, number, size, infrared=modality == 1)
        write(root, f"{info}{split}_name.txt", names)
        write(root, f"{info}track_{split}_info.txt", table)
    write(root, f"{info}query_IDX.txt", [" ".join(map(str, query))])
    return root


# --- BUPTCampus --------------------------------------------------------------------------------------------------------------

BUPT_LISTS = {
    "train.txt": ("1 RGB/IR LS3 1", "1 RGB/IR CQ1 1", "1 RGB/IR CQ1 2", "20 RGB/IR TSG2 1", "20 RGB/IR W4 1"),
    "train_auxiliary.txt": ("30 RGB/IR TSG1 1",),
    "query.txt": ("5 RGB G25 1", "6 IR LS3 1"),
    "gallery.txt": ("5 IR W4 1", "5 RGB G25 1", "6 RGB CQ1 1", "6 IR CQ1 1"),  # 5 RGB G25 1 is in both lists
}
BUPT_UNLISTED = ("5 RGB TSG1 7",)
BUPT_FRAMES = 3
BUPT_TEST_COUNTS = (
    Count("test", identities=2, tracklets=2, images=6, role="query", sure=False),
    Count("test", identities=2, tracklets=4, images=12, role="gallery", sure=False),
)
BUPT_EXPECTED = Expected((Count("train", identities=2, tracklets=10, images=30, sure=False), *BUPT_TEST_COUNTS), REMEDY)


def make_bupt(root: Path, *, size: tuple[int, int] = SIZE) -> Path:
    """Write a whole BUPTCampus tree, its painted FakeIR pictures included."""
    paths: dict[str, dict[str, dict[str, dict[str, list[str]]]]] = {}
    for line in (*(line for lines in BUPT_LISTS.values() for line in lines), *BUPT_UNLISTED):
        identity, modality, camera, tracklet = line.split()
        for band in (*modality.split("/"), "FakeIR") if "RGB" in modality else ("IR",):
            frames = []
            for frame in range(BUPT_FRAMES):
                number = 8500 + 100 * int(tracklet) + frame
                path = f"{identity}/{band}/{camera}/{identity}_{'RGB' if band == 'FakeIR' else band}_{camera}_{tracklet}_{number}.jpg"
                frames.append(put(root / "DATA", path, int(identity), number, size, infrared=band != "RGB"))
            paths.setdefault(identity, {}).setdefault(band, {}).setdefault(camera, {})[tracklet] = frames
    (root / "data_paths.json").write_text(json.dumps(paths))
    for file, lines in BUPT_LISTS.items():
        write(root, file, lines)
    return root
