"""A small world for the tests of analysis and viz: five people before four cameras, pictures that say who and where they are."""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import pandas as pd
import torch

from vireidkit.evaluation import Features
from vireidkit.evaluation.protocols import Trial

PEOPLE = (11, 12, 13, 14, 15)
CAMERAS = {1: "visible", 2: "visible", 3: "infrared", 6: "infrared"}
SHOTS = 2


def small_table() -> pd.DataFrame:
    """40 rows: identity-major, then camera, two images each; the columns of a Dataset's table."""
    rows = [(person, camera, shot) for person in PEOPLE for camera in CAMERAS for shot in range(1, SHOTS + 1)]
    table = pd.DataFrame(rows, columns=["identity", "camera", "frame"])
    table["modality"] = table["camera"].map(CAMERAS)
    table["path"] = [f"cam{c}/{p:04d}/{s:04d}.png" for p, c, s in rows]
    return table.assign(tracklet=-1)


@lru_cache(maxsize=1)
def small_images() -> np.ndarray:
    """Their pictures, uint8 (40, 16, 8, 3): coloured and of one tint a person in visible light, grey in infrared."""
    table, random = small_table(), np.random.default_rng(0)
    tints = random.integers(40, 200, size=(len(PEOPLE), 3))
    images = np.empty((len(table), 16, 8, 3), np.uint8)
    for row, entry in table.iterrows():
        noise = random.integers(0, 40, size=(16, 8, 3))
        picture = tints[PEOPLE.index(entry["identity"])] + noise
        images[row] = picture if entry["modality"] == "visible" else picture.mean(axis=2, keepdims=True)
    images.setflags(write=False)
    return images


def image_of(row: int) -> np.ndarray:
    """The picture of a row."""
    return small_images()[row]


def small_features(*, gap: float = 0.0, noise: float = 0.3, seed: int = 0, metric: str = "cosine") -> Features:
    """Descriptors (40, 6): one direction a person, noise, and the modality along a direction of its own, ``gap`` long."""
    table, random = small_table(), np.random.default_rng(seed)
    matrix = np.zeros((len(table), 6))
    matrix[np.arange(len(table)), [PEOPLE.index(person) for person in table["identity"]]] = 1.0
    matrix += noise * random.normal(size=matrix.shape)
    matrix[:, 5] += gap * np.where(table["modality"] == "infrared", 1, -1)
    return Features(torch.tensor(matrix), table, metric=metric)


def small_trial(*, rule: bool = True, absent: int | None = None) -> Trial:
    """Infrared queries, the first visible image of every person and camera as gallery; camera 3 must not see camera 2.

    ``absent`` leaves a person out of the gallery.
    """
    table = small_table()
    query = table[table["modality"] == "infrared"]
    gallery = table[(table["modality"] == "visible") & (table["frame"] == 1) & (table["identity"] != absent)]
    excluded = (query["camera"].to_numpy()[:, None] == 3) & (gallery["camera"].to_numpy()[None, :] == 2)
    return Trial(query, gallery, excluded if rule else None)
