"""Tiny folders of the image data sets, exact in layout and names, with real small pictures. SYSU-MM01 and RegDB are in trees.py."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
from scipy.io import savemat
from trees import _encoded

from vireidkit.data import llcm, market

SIZE = (40, 32)  # height, width: large enough for the report not to call them small
LOOK = {"visible": 1, "infrared": 3}  # the camera of ``trees.picture`` whose look a band takes


# --- LLCM --------------------------------------------------------------------------------------------------------------------

LLCM_PEOPLE = {"train": (1, 4, 7), "test": (351, 352)}
LLCM_CAMERAS = {"visible": (1, 3, 6), "infrared": (1, 6)}
LLCM_FRAMES = 2  # pictures of one person in one camera
LLCM_EXPECTED = llcm.Expected(
    identities={part: len(people) for part, people in LLCM_PEOPLE.items()},
    images={(p, b): len(LLCM_PEOPLE[p]) * len(LLCM_CAMERAS[b]) * LLCM_FRAMES for p in LLCM_PEOPLE for b in LLCM_CAMERAS},
    cameras=LLCM_CAMERAS,
    remedy="make it again",
)


def make_llcm_tree(root: Path, *, form: str = "plain", size: tuple[int, int] = SIZE) -> Path:
    """Write a whole tree of LLCM's form. ``form`` of the test lists: "plain" (vis/<identity>/...) or "cameras" (test_vis/cam1/...)."""
    lists: dict[str, list[str]] = {}
    for part, people in LLCM_PEOPLE.items():
        for band, folder in llcm.FOLDERS.items():
            for label, identity in enumerate(people):
                for camera in LLCM_CAMERAS[band]:
                    for frame in range(1, LLCM_FRAMES + 1):
                        name = f"{identity:04d}_c{camera:02d}_s200656_f{10 * camera + frame:04d}_{folder}.jpg"
                        picture = _encoded(identity, LOOK[band], 10 * camera + frame, size, ".jpg")
                        places = [f"{folder}/{identity:04d}/{name}"]
                        places += [f"test_{folder}/cam{camera}/{identity:04d}/{name}"] if part == "test" else []
                        for place in places:
                            write(root / place, picture)
                        listed = places[-1] if form == "cameras" else places[0]
                        lists.setdefault(f"{part}_{folder}", []).append(f"{listed} {label}")
    for name, lines in lists.items():
        write(root / "idx" / f"{name}.txt", ("\n".join(lines) + "\n").encode())
    write(root / "idx" / "test_id.txt", ",".join(map(str, LLCM_PEOPLE["test"])).encode())
    return root


# --- Market-1501 and DukeMTMC-reID ---------------------------------------------------------------------------------------------

MARKET_PEOPLE = {"train": (2, 7, 10), "query": (1, 3), "gallery": (0, 1, 3)}
DUKE_PEOPLE = {"train": (1, 2), "query": (5, 6), "gallery": (5, 6, 900)}
MARKET_NAMES, DUKE_NAMES = "{identity:04d}_c{camera}s1_{frame:06d}_{box:02d}", "{identity:04d}_c{camera}_f{frame:07d}"


def _market_expected(people: Mapping[str, Iterable[int]], cameras: int, junk: int, unpacked: str) -> market.Expected:
    counts = {part: len(list(members)) for part, members in people.items()}
    images = {"train": counts["train"] * 4, "query": counts["query"], "gallery": counts["gallery"] * 4}  # see make_market_tree
    return market.Expected(counts, images, junk, cameras, unpacked, "make it again")


MARKET_EXPECTED = _market_expected(MARKET_PEOPLE, 6, 2, "Market-1501-v15.09.15")
DUKE_EXPECTED = _market_expected(DUKE_PEOPLE, 8, 0, "DukeMTMC-reID")


def make_market_tree(root: Path, *, size: tuple[int, int] = SIZE) -> Path:
    """Write a whole tree of Market-1501's form: 2 pictures of a person in each of the cameras 1 and 6, one query, some junk."""
    for part, people in MARKET_PEOPLE.items():
        _write_people(root / market.FOLDERS[part], people, (6,) if part == "query" else (1, 6), MARKET_NAMES, part == "query", size)
    for number in (1, 2):
        write(root / market.FOLDERS["gallery"] / f"-1_c3s2_{number:06d}_01.jpg", _encoded(9999, 1, number, size, ".jpg"))
    return root


def make_duke_tree(root: Path, *, size: tuple[int, int] = SIZE) -> Path:
    """Write a whole tree of DukeMTMC-reID's form: 2 pictures of a person in each of the cameras 2 and 8, one query."""
    for part, people in DUKE_PEOPLE.items():
        _write_people(root / market.FOLDERS[part], people, (8,) if part == "query" else (2, 8), DUKE_NAMES, part == "query", size)
    return root


def _write_people(folder: Path, people: Iterable[int], cameras: Iterable[int], names: str, single: bool, size: tuple[int, int]) -> None:
    for identity in people:
        for camera in cameras:
            for number in (1,) if single else (2, 3):
                name = names.format(identity=identity, camera=camera, frame=46 + number, box=number) + ".jpg"
                write(folder / name, _encoded(identity, 1, 10 * camera + number, size, ".jpg"))


# --- the permutation file of SYSU-MM01 -----------------------------------------------------------------------------------------


def write_permutations(root: Path, *, identities: int = 12, trials: int = 10, seed: int = 0) -> Path:
    """Write exp/rand_perm_cam.mat for the folders of a SYSU-MM01 tree: nested cells as the authors', row t a permutation of 1..n."""
    draw = np.random.default_rng(seed)
    cameras = np.empty((6, 1), dtype=object)
    for camera in range(1, 7):
        cells = np.empty((identities, 1), dtype=object)
        for identity in range(1, identities + 1):
            folder = root / f"cam{camera}" / f"{identity:04d}"
            count = len(list(folder.iterdir())) if folder.is_dir() else 0
            rows = [draw.permutation(count) + 1 for _ in range(trials)] if count else []
            cells[identity - 1, 0] = np.array(rows, dtype=np.uint8).reshape(len(rows), count)
        cameras[camera - 1, 0] = cells
    file = root / "exp" / "rand_perm_cam.mat"
    savemat(file, {"rand_perm_cam": cameras})
    return file


def write(file: Path, content: bytes) -> None:
    """Write a file and the folders that it needs."""
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
