"""Contact sheets: people in rows, pictures in columns, for looking at a population by eye."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from PIL import Image

from vireidkit.twilight.camera import camera_of
from vireidkit.twilight.compose import draw
from vireidkit.twilight.people import Person
from vireidkit.twilight.settings import VERSION_1, Settings

USUAL_CAMERAS = (1, 2, 4, 5, 3, 3, 6, 6)
GAP = 2  # white pixels around every picture


def contact_sheet(
    people: Sequence[Person | int],
    cameras: Sequence[int] = USUAL_CAMERAS,
    *,
    band: str | None = None,
    scale: int = 2,
    settings: Settings = VERSION_1,
    hardness: float | None = None,
    coupling: float | None = None,
) -> Image.Image:
    """One row a person, one column an entry of ``cameras``; a camera that is named again shows its next picture.

    Args:
        people: persons or numbers of the training population; cameras: 1 to 8, in any order, also repeated.
        band: None is each camera's own.
        scale: enlargement.

    Raises:
        ValueError: nobody, no camera, or an unknown camera or band.
    """
    if not people or not cameras:
        raise ValueError(f"expected at least one person and one camera; found {len(people)} people, {len(cameras)} cameras")
    numbers = [1 + list(cameras[:index]).count(camera_of(camera).number) for index, camera in enumerate(cameras)]
    rows = []
    for person in people:
        pictures = [
            draw(person, camera, band, number=number, settings=settings, hardness=hardness, coupling=coupling)
            for camera, number in zip(cameras, numbers, strict=True)
        ]
        rows.append(tile(pictures))
    sheet = Image.fromarray(np.concatenate(rows))
    return sheet.resize((sheet.width * scale, sheet.height * scale), Image.Resampling.BICUBIC)


def tile(pictures: Sequence[Image.Image]) -> np.ndarray:
    """Pictures of one size side by side with white between them, (height, width, 3)."""
    padded = [np.pad(np.asarray(picture.convert("RGB")), ((GAP, GAP), (GAP, GAP), (0, 0)), constant_values=255) for picture in pictures]
    return np.concatenate(padded, axis=1)
