"""A folder of plain pictures as a reader might bring one: Twilight's people under the file names of a phone and of two night cameras."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pandas as pd
from PIL import Image

from vireidkit.data.dataset import Dataset
from vireidkit.data.registry import load_dataset
from vireidkit.errors import SettingError
from vireidkit.randomness import numpy_generator

PLACES = {1: "hall-1", 2: "hall-2", 3: "hall-2-night", 4: "lobby", 5: "stairs", 6: "gate-night"}  # camera of Twilight: folder
FILES = {3: "DSC{:05d}.JPG", 6: "DSC{:05d}.JPG"}  # the night cameras; the others are a phone
PHONE = "IMG_{:04d}.jpg"
SCALES = (1.0, 1.25, 1.5)  # crops come in many sizes
QUALITY = 92
BEGINNINGS = ("an", "be", "da", "el", "fa", "gi", "ha", "io", "jo", "ka", "li", "ma", "ni", "or", "pe", "ro", "sa", "ti", "vi", "yo")
ENDINGS = ("na", "lo", "mi", "ra", "sa", "to", "ri", "la", "vin", "den", "kim", "zo", "be", "go", "lu", "mar", "nel", "pa")


def write_plain_folder(folder: Path, *, people: int = 200, seed: int = 0) -> Path:
    """Write <place>/<name>/<file> for some of Twilight's training people, with what such a folder has besides good pictures.

    Those are a text file and a thumbnail data base; a picture that was cut off while it was copied; and one that a night camera took
    in colour, at dusk. Names and sizes are drawn by lot, each time the same.

    Args:
        folder: where to; it is made. people: how many, up to 360; seed: of the draw.

    Returns:
        The folder.

    Raises:
        SettingError: fewer people than one or more than there are.
    """
    data = load_dataset("twilight")
    known = np.unique(data.train["identity"].to_numpy())
    if not 1 <= people <= min(len(known), len(BEGINNINGS) * len(ENDINGS)):
        raise SettingError(f"a plain folder holds 1 to {len(known)} people, found {people}")
    rng = numpy_generator(seed, "plain folder")
    names = [first + last for first, last in itertools.product(BEGINNINGS, ENDINGS)]
    called = dict(zip(known[:people].tolist(), rng.permutation(names).tolist(), strict=False))
    own = data.train[data.train["identity"].isin(list(called))].sort_values(["camera", "identity", "frame"])
    written = [_write(data, row, folder, called[row.identity], rng) for row in own.itertuples()]
    _add_damage(folder, data, own, written)
    return folder


def _write(data: Dataset, row: pd.Series, folder: Path, name: str, rng: np.random.Generator) -> Path:
    """One picture as a JPEG file, numbered as its camera would; returns where it lies."""
    place = folder / PLACES[row.camera]
    number = _taken(place) + int(rng.integers(1, 4))  # pictures in between were thrown away
    (place / name).mkdir(parents=True, exist_ok=True)
    target = place / name / FILES.get(row.camera, PHONE).format(number)
    picture, scale = data.open(row.path), float(rng.choice(SCALES))
    width, height = picture.size
    picture.resize((round(scale * width), round(scale * height)), Image.Resampling.BICUBIC).save(target, "JPEG", quality=QUALITY)
    _COUNTERS[place] = number
    return target
