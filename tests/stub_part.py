"""A part of a rendered data set whose pictures take no time, in a module of its own so that other processes can import it."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np
from PIL import Image

from vireidkit.twilight.settings import VERSION_1, Settings


@dataclass(frozen=True)
class StubPart:
    """Two pictures of everybody, one visible and one near-infrared, of a colour that follows from identity and seed."""

    name: str = "main"
    settings: Settings = VERSION_1
    with_people: bool = True
    people: int = 4
    seconds: float = 0.0  # that a picture takes
    clash: bool = False  # whether a factor of pictures has the name of one of people

    @property
    def identities(self) -> list[int]:
        return list(range(1, self.people + 1))

    def pictures(self, identity: int) -> list[Any]:
        bands = {1: "visible", 3: "near-infrared"}
        return [
            SimpleNamespace(path=f"cam{camera}/{identity:04d}/0001.webp", identity=identity, camera=camera, band=band, number=1)
            for camera, band in bands.items()
        ]

    def person(self, identity: int) -> int:
        return identity

    def person_factors(self, person: int) -> dict[str, Any]:
        return {"identity": person, "top": "none", "height": person / 3, "beard": person % 2 == 0}

    def draw(self, person: int, keys: Sequence[Any]) -> Iterator[tuple[Any, Image.Image, dict[str, Any]]]:
        for key in keys:
            time.sleep(self.seconds)
            noise = np.random.default_rng((self.settings.train_seed, person, key.camera)).integers(0, 256, (128, 64, 3), dtype=np.uint8)
            picture = Image.fromarray(noise if key.band == "visible" else noise[..., 0].copy())
            yield key, picture, {"height" if self.clash else "blur_px": np.float64(person / 7), "camera": key.camera, "occluder": "none"}

    def lists(self) -> dict[str, str]:
        return {"exp/train_id.txt": ",".join(map(str, self.identities)) + "\n"}
