"""A folder of plain pictures as a reader might bring one: Twilight's people under the file names of a phone and of two night cameras."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import numpy as np
from PIL import Image

from vireidkit.data.dataset import Dataset
from vireidkit.data.registry import load_dataset
from vireidkit.errors import SettingError
from vireidkit.randomness import numpy_generator

PLACES = {1: "hall-1", 2: "hall-2", 3: "hall-2-night", 4: "lobby", 5: "stairs", 6: "gate-night"}  # camera of Twilight: folder
PHONE, NIGHT_CAMERA = "IMG_{:04d}.jpg", "DSC{:05d}.JPG"
SCALES = (1.0, 1.25, 1.5)  # crops come in many sizes
QUALITY = 92
BEGINNINGS = ("an", "be", "da", "el", "fa", "gi", "ha", "io", "jo", "ka", "li", "ma", "ni", "or", "pe", "ro", "sa", "ti", "vi", "yo")
ENDINGS = ("na", "lo", "mi", "ra", "sa", "tine", "ri", "la", "vin", "den", "kim", "zo", "be", "wen", "lu", "mar", "nel", "sel")


def write_plain_folder(folder: Path, *, people: int = 200, seed: int = 0) -> Path:
    """Write <place>/<name>/<file> for some of Twilight's training people, with what such a folder has besides good pictures.

    Those are a text file and a thumbnail data base, a picture that was cut off while it was copied, and one that a night camera took
    in colour, at dusk. Names, numbers and sizes are drawn by lot, each time the same.

    Args:
        folder: where to; it is made. people: how many, up to 360; seed: of the draw.

    Returns:
        The folder.

    Raises:
        SettingError: less than one person, or more than there are.
    """
    data = load_dataset("twilight")
    known = np.unique(data.train["identity"].to_numpy()).tolist()
    if not 1 <= people <= len(known):
        raise SettingError(f"a plain folder holds 1 to {len(known)} people, found {people}")
    rng = numpy_generator(seed, "plain folder")
    names = [first + last for first, last in itertools.product(BEGINNINGS, ENDINGS)]
    called = dict(zip(known[:people], rng.permutation(names).tolist(), strict=False))
    own = data.train[data.train["identity"].isin(list(called))].sort_values(["camera", "identity", "frame"])
    numbers: Counter[str] = Counter()
    for path, identity, camera in own[["path", "identity", "camera"]].itertuples(index=False):
        place = PLACES[camera]
        numbers[place] += int(rng.integers(1, 4))  # those in between were thrown away
        file = (NIGHT_CAMERA if place.endswith("night") else PHONE).format(numbers[place])
        _save(data, path, folder / place / called[identity] / file, float(rng.choice(SCALES)))
    _add_damage(data, folder, called[known[0]])
    return folder


def _save(data: Dataset, path: str, target: Path, scale: float) -> None:
    """One picture of the data set as a JPEG file of another size."""
    picture = data.open(path)
    width, height = (round(scale * side) for side in picture.size)
    target.parent.mkdir(parents=True, exist_ok=True)
    picture.resize((width, height), Image.Resampling.BICUBIC).save(target, "JPEG", quality=QUALITY)


def _add_damage(data: Dataset, folder: Path, name: str) -> None:
    """What no folder of plain pictures is without; ``name`` is that of the first person."""
    (folder / "notes.txt").write_text("gate camera: clock one hour behind\n")
    (folder / PLACES[1] / "Thumbs.db").write_bytes(bytes(64))
    cut = min((folder / PLACES[4] / name).iterdir())
    cut.write_bytes(cut.read_bytes()[: cut.stat().st_size // 2])
    dusk = min((folder / PLACES[3] / name).iterdir())  # camera 2 looks at the same room
    first = data.train.query("camera == 2")["identity"].idxmin()
    _save(data, data.train["path"][first], dusk, 1.0)
