"""Builds data set folders of every layout with small real pictures, whole or broken, for the tests of every room."""

from __future__ import annotations

import functools
import io
import re
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

from vireidkit.data import regdb
from vireidkit.data.sysu import CAMERAS, ID_FILES, SYSU, Count, Expected, IdList

SPLITS = {"train": (1, 2, 3, 4, 5, 6), "validation": (7, 8), "test": (9, 10, 11)}
IMAGES = {1: 2, 2: 2, 3: 3, 4: 2, 5: 2, 6: 3}  # pictures of one identity in each camera
SUFFIXES = {1: ".jpg", 2: ".png", 3: ".jpg", 4: ".bmp", 5: ".webp", 6: ".jpeg"}  # every format the reader knows


def picture(identity: int, camera: int, number: int, size: tuple[int, int] = (32, 16)) -> Image.Image:
    """A picture (height, width) that tells the identity by two colours, the camera by its brightness, the number by its noise.

    Infrared pictures have one channel, and of the identity only the pattern, as in life.
    """
    height, width = size
    draw = np.random.default_rng((identity, camera, number))
    colours = np.random.default_rng(identity).uniform(40, 215, (2, 3))
    split = height * (3 + identity % 3) // 8
    image = np.where(np.arange(height)[:, None, None] < split, colours[0], colours[1]) + np.zeros((height, width, 3))
    image[:, (identity + np.arange(0, width, 4)) % width] *= 0.6  # stripes
    image = image * (0.8 + 0.05 * camera) + draw.normal(0, 6, image.shape)
    pixels = image.clip(0, 255).astype(np.uint8)
    return Image.fromarray(pixels[..., 1] if CAMERAS[camera] == "infrared" else pixels)


@functools.cache
def _encoded(identity: int, camera: int, number: int, size: tuple[int, int], suffix: str) -> bytes:
    """The bytes of a picture file; most tests build the same tree, so the drawing is done once a process."""
    stream = io.BytesIO()
    picture(identity, camera, number, size).save(stream, format=Image.registered_extensions()[suffix])
    return stream.getvalue()


def make_tree(
    root: Path,
    *,
    splits: Mapping[str, Iterable[int]] = SPLITS,
    images: Mapping[int, int] = IMAGES,
    suffixes: Mapping[int, str] = SUFFIXES,
    size: tuple[int, int] = (32, 16),
    absent: Iterable[tuple[int, int]] = (),
) -> Path:
    """Write a whole tree: identities of each split, pictures of one identity in each camera. ``absent`` are (camera, identity).

    The reader "sysu-mm01" takes it with ``allow_partial=True``; ``read_tree`` with ``expected_of(...)`` takes it as complete.
    """
    gone = set(absent)
    for camera, count in images.items():
        (root / f"cam{camera}").mkdir(parents=True, exist_ok=True)
        for identity in (identity for identities in splits.values() for identity in identities):
            if (camera, identity) in gone:
                continue
            folder = root / f"cam{camera}" / f"{identity:04d}"
            folder.mkdir()
            for number in range(1, count + 1):
                (folder / f"{number:04d}{suffixes[camera]}").write_bytes(_encoded(identity, camera, number, size, suffixes[camera]))
    write_lists(root, splits)
    return root


def write_lists(root: Path, splits: Mapping[str, Iterable[int]]) -> None:
    """Write exp/train_id.txt, val_id.txt and test_id.txt."""
    (root / "exp").mkdir(parents=True, exist_ok=True)
    for split, identities in splits.items():
        (root / "exp" / ID_FILES[split]).write_text(",".join(map(str, identities)))


def expected_of(splits: Mapping[str, Iterable[int]] = SPLITS, images: Mapping[int, int] = IMAGES) -> Expected:
    """What ``read_tree`` expects of a tree made with these arguments and nobody absent."""
    people = {split: len(list(identities)) for split, identities in splits.items()}
    return Expected(
        lists={split: IdList(number) for split, number in people.items()},
        counts=tuple(Count(split, (c,), number, number * images[c]) for split, number in people.items() for c in images),
        remedy="make it again",
    )


# --- a stand-in for the real SYSU-MM01: its published counts ----------------------------------------------------------------

# datasets.md 1.3
_SYSU_TEST = """6 10 17 21 24 25 27 28 31 34 36 37 40 41 42 43 44 45 49 50 51 54 63 69 75 80 81 82 83 84 85 86 87 88 89 90 93 102 104 105
106 108 112 116 117 122 125 129 130 134 138 139 150 152 162 166 167 170 172 176 185 190 192 202 204 207 210 215 223 229 232 237 252 253
257 259 263 266 269 272 273 274 275 282 285 291 300 301 302 303 307 312 315 318 331 333"""
SYSU_TEST = [int(word) for word in _SYSU_TEST.split()]


def published_sysu() -> tuple[dict[str, list[int]], list[tuple[str, int, int, int]]]:
    """Identity lists, and (path, identity, camera, number) of every picture, with every count of datasets.md 1.3.

    Whom a camera saw is invented; the numbers of identities and images, and the sums of the lists, are the official ones.
    """
    low = [identity for identity in range(1, 334) if identity not in SYSU_TEST]
    train = _with_sum([*low[:200], *range(334, 430)], 533, SYSU.lists["train"].total or 0)
    rest = [identity for identity in range(1, 534) if identity not in SYSU_TEST and identity not in train]
    lists = {"train": train, "validation": rest[:99], "test": SYSU_TEST}
    rows = []
    for want in SYSU.counts:
        if want.split != "validation":
            camera, people = want.cameras[0], lists[want.split]
            seen = people[-want.identities :] if camera in (3, 4) else people[: want.identities]  # so that both bands see everyone
            rows += _spread(camera, seen, want.images)
    rows += _spread(3, rest[:99], 1980) + _spread(4, rest[:99], 1000) + _spread(5, rest[:99], 974)
    for camera, people, images in ((1, 9, 194), (2, 8, 210), (3, 1, 20), (4, 17, 291), (5, 14, 343), (6, 3, 60)):
        rows += _spread(camera, rest[99 : 99 + people], images)
    return lists, rows


def _with_sum(chosen: list[int], highest: int, total: int) -> list[int]:
    """Raise the largest numbers, none above ``highest``, until all add up to ``total``."""
    chosen = sorted(chosen)
    for place in range(len(chosen) - 1, -1, -1):
        room = (chosen[place + 1] - 1 if place + 1 < len(chosen) else highest) - chosen[place]
        chosen[place] += min(room, total - sum(chosen))
    assert sum(chosen) == total
    return chosen


def _spread(camera: int, people: list[int], images: int) -> list[tuple[str, int, int, int]]:
    """``images`` pictures over these people, as evenly as they go."""
    share, more = divmod(images, len(people))
    return [
        (f"cam{camera}/{identity:04d}/{number:04d}.jpg", identity, camera, number)
        for place, identity in enumerate(people)
        for number in range(1, share + (place < more) + 1)
    ]


# --- the tree of RegDB -------------------------------------------------------------------------------------------------------

REGDB_SPLITS = {1: {"train": (3, 7, 11), "test": (2, 20)}, 2: {"train": (2, 3, 20), "test": (7, 11)}}
REGDB_BANDS = {"visible": ("Visible", 1), "thermal": ("Thermal", 3)}  # folder, camera of ``picture`` whose look it takes
REGDB_EXPECTED = regdb.Expected(3, 2, 4, re.compile(r"[a-z]_([0-9]{1,9})_[0-9]+"), "made by make_regdb_tree", "make it again")


def make_regdb_tree(
    root: Path,
    *,
    splits: Mapping[int, Mapping[str, Iterable[int]]] = REGDB_SPLITS,
    pictures: int = 4,
    name: str = "{letter}_{number:05d}_{identity}.bmp",
    size: tuple[int, int] = (32, 16),
) -> Path:
    """Write a tree of the RegDB form: folders of both bands, and the four lists of every split.

    Args:
        name: of a picture file, with ``letter`` (v or t), ``band``, ``number`` (from 1) and ``identity``.
    """
    everybody = sorted({identity for parts in splits.values() for members in parts.values() for identity in members})
    names = {}
    for band, (folder, camera) in REGDB_BANDS.items():
        for identity in everybody:
            (root / folder / str(identity)).mkdir(parents=True)
            for number in range(1, pictures + 1):
                file = name.format(letter=band[0], band=band, number=number, identity=identity)
                names.setdefault((band, identity), []).append(f"{folder}/{identity}/{file}")
                (root / folder / str(identity) / file).write_bytes(_encoded(identity, camera, number, size, Path(file).suffix))
    (root / "idx").mkdir()
    for split, parts in splits.items():
        for part, members in parts.items():
            for band in REGDB_BANDS:
                labelled = enumerate(sorted(members))
                lines = [f"{path} {label}" for label, identity in labelled for path in names[band, identity]]
                (root / "idx" / f"{part}_{band}_{split}.txt").write_text("\n".join(lines) + "\n")
    return root


# --- a manifest --------------------------------------------------------------------------------------------------------------

MANIFEST_COLUMNS = ("path", "identity", "camera", "modality", "split", "tracklet", "frame")


def make_manifest(
    root: Path,
    *,
    splits: Mapping[str, Iterable[int]] = SPLITS,
    cameras: Iterable[int] = (1, 3, 4, 6),
    frames: int = 2,
    size: tuple[int, int] = (32, 16),
) -> Path:
    """Write pictures <visible|infrared>/<identity>/cam<c>_<frame>.png with a manifest.csv: one tracklet a person and camera."""
    rows, tracklet = [",".join(MANIFEST_COLUMNS)], 0
    for split, members in splits.items():
        for identity in members:
            for camera in cameras:
                tracklet += 1
                for frame in range(1, frames + 1):
                    path = f"{CAMERAS[camera]}/{identity}/cam{camera}_{frame}.png"
                    (root / path).parent.mkdir(parents=True, exist_ok=True)
                    (root / path).write_bytes(_encoded(identity, camera, frame, size, ".png"))
                    rows.append(f"{path},{identity},{camera},{CAMERAS[camera]},{split},{tracklet},{frame}")
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")
    return root


# --- Twilight: its three parts -----------------------------------------------------------------------------------------------


def make_twilight(root: Path, *, size: tuple[int, int] = (8, 4)) -> Path:
    """Write the three parts of Twilight with a few people each, and their factor tables. All readers take it as partial."""
    halves = {split: {"train": (0, 1, 2), "test": (3, 4)} for split in range(1, 11)}
    make_tree(root / "main", suffixes=dict.fromkeys(IMAGES, ".webp"), size=size)
    make_regdb_tree(root / "thermal", splits=halves, pictures=6, name="{band}_{number}.webp", size=size)
    make_manifest(root / "tracklets", splits={"train": (1, 2), "validation": (3,), "test": (4, 5)}, frames=8, size=size)
    for part, suffix in (("main", "webp"), ("thermal", "webp"), ("tracklets", "png")):
        write_factors(root / part, suffix)
    return root


def write_factors(part: Path, suffix: str) -> None:
    """identities.csv and images.csv of a part, a factor or two each, as the renderer writes them."""
    paths = sorted(file.relative_to(part).as_posix() for file in part.rglob(f"*.{suffix}"))
    identities = sorted({int(path.split("/")[1]) for path in paths})
    people = ["identity,top_colour,hat", *(f"{identity},red,none" for identity in identities)]
    pictures = ["path,identity,camera,number,band,blur_px", *(f"{path},{int(path.split('/')[1])},1,1,visible,0.25" for path in paths)]
    (part / "identities.csv").write_text("\n".join(people) + "\n")
    (part / "images.csv").write_text("\n".join(pictures) + "\n")
