"""Builds folder trees of the SYSU-MM01 form with small real pictures, whole or broken, for the tests of every room."""

from __future__ import annotations

import functools
import io
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from PIL import Image

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
