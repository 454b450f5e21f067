"""The places that the cameras look at: wide still backdrops, the same for everyone, so that they tell the camera and never the person."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter, zoom

from vireidkit.twilight.camera import Projection, View, camera_of
from vireidkit.twilight.draws import generator
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, WIDTH
from vireidkit.twilight.table import numbers

TALL, WIDE = 320, 960  # samples of a backdrop
CHANNELS = {"visible": (0, 1, 2), "near-infrared": (3,), "thermal": (4,)}
COLUMNS = ("red", "green", "blue", "nir", "kelvin")


@dataclass(frozen=True, eq=False)
class Backdrop:
    """A place without people.

    Attributes:
        channels: (TALL, WIDE, 5) float32: red, green, blue and near-infrared reflectance, and temperature against the air in kelvin.
        horizon: the row where the floor begins.
    """

    channels: np.ndarray
    horizon: int


@lru_cache(maxsize=1)
def scene_materials() -> dict[str, np.ndarray]:
    """Name of a material -> its five channels, from ``tables/scene.csv``."""
    return {name: np.array(list(row.values())) for name, row in numbers("scene.csv", "name", COLUMNS).items()}


class _Painter:
    """A backdrop in the making. Rows count down from the top; things at the wall stand ``above`` the line where the floor begins."""

    def __init__(self, random: np.random.Generator, wall: str, floor: str, horizon: int) -> None:
        self.random, self.horizon, self.materials = random, horizon, scene_materials()
        self.image = np.zeros((TALL, WIDE, 5))
        self.image[:horizon] = self.materials[wall]
        self.image[horizon:] = self.materials[floor]
        self.foliage = np.zeros((TALL, WIDE), bool)

    def tinted(self, material: str, spread: float = 0.2) -> np.ndarray:
        """A material, lighter or darker and slightly coloured by chance, alike in all bands as far as lightness goes."""
        value = self.materials[material].copy()
        value[:4] *= self.random.uniform(1 - spread, 1 + spread)
        value[:3] *= self.random.uniform(0.9, 1.1, 3)
        return value

    def box(self, left: float, width: float, top: float, bottom: float, value: np.ndarray | str) -> None:
        """A rectangle between two heights above the floor line (negative: on the floor, nearer)."""
        value = self.materials[value] if isinstance(value, str) else value
        rows = slice(max(0, round(self.horizon - top)), max(0, round(self.horizon - bottom)))
        self.image[rows, max(0, round(left)) : max(0, round(left + width))] = value

    def leaves(self, where: np.ndarray, material: str = "leaf") -> None:
        self.image[where] = self.materials[material] * [1, 1, 1, self.random.uniform(0.85, 1.05), 1]
        self.foliage |= where


def _door(p: _Painter, x: float) -> None:
    leaf = p.tinted(p.random.choice(["wood", "metal", "paint"]))
    p.box(x - 3, 58, 124, 0, p.tinted("dark", 0.5))
    p.box(x, 52, 121, 0, leaf)
    if p.random.random() < 0.5:
        p.box(x + 10, 32, 112, 66, p.tinted("glass"))
    p.box(x + 44, 4, 60, 54, "metal")


def _window(p: _Painter, x: float) -> None:
    width = p.random.uniform(50, 95)
    p.box(x - 3, width + 6, 108, 40, p.tinted("paint"))
    p.box(x, width, 105, 43, p.tinted("glass", 0.4))
    p.box(x + width / 2 - 1.5, 3, 105, 43, "paint")
    p.box(x - 6, width + 12, 43, 38, p.tinted("concrete"))


def _picture(p: _Painter, x: float) -> None:
    width, high = p.random.uniform(24, 44), p.random.uniform(75, 105)
    p.box(x - 2, width + 4, high + 2, high - 42, "dark")
    p.box(x, width, high, high - 40, p.tinted(p.random.choice(["poster", "paint", "fabric", "tile"]), 0.4))
    p.box(x + width * 0.2, width * 0.5, high - 8, high - 20, p.tinted(p.random.choice(["poster", "glass", "plank"]), 0.4))


def _shelf(p: _Painter, x: float) -> None:
    wood = p.tinted("wood")
    p.box(x, 76, 112, -2, wood)
    for shelf in range(4):
        low = 5 + 27 * shelf
        p.box(x + 3, 70, low + 23, low, p.tinted("dark", 0.4))
        left = x + 4
        while left < x + 64:
            thick = p.random.uniform(3, 9)
            p.box(
                left,
                thick,
                low + p.random.uniform(12, 22),
                low,
                p.tinted(p.random.choice(["poster", "paint", "glass", "fabric", "plank"]), 0.4),
            )
            left += thick + p.random.choice([0.5, 0.5, 8])


def _table(p: _Painter, x: float) -> None:
    wood = p.tinted("wood")
    for leg in (x + 3, x + 82):
        p.box(leg, 4, 32, -16, wood * [0.7, 0.7, 0.7, 0.7, 1])
    p.box(x - 2, 92, 38, 31, wood)
    if p.random.random() < 0.6:
        p.box(x + 30, 34, 62, 41, "screen")
        p.box(x + 44, 6, 41, 38, "metal")


def _sofa(p: _Painter, x: float) -> None:
    cloth = p.tinted("fabric", 0.3)
    p.box(x, 108, 44, -8, cloth)
    p.box(x + 10, 88, 20, -8, cloth * [0.8, 0.8, 0.8, 0.9, 1])
    p.box(x + 53, 2, 40, 20, "dark")


def _radiator(p: _Painter, x: float) -> None:
    width = p.random.uniform(50, 80)
    p.box(x, width, 34, 6, "radiator")
    for rib in np.arange(x + 4, x + width - 2, 6):
        p.box(rib, 1.5, 33, 7, p.materials["radiator"] * [0.7, 0.7, 0.7, 0.75, 1])


def _plant(p: _Painter, x: float) -> None:
    rows, columns = np.mgrid[:TALL, :WIDE]
    crown = ((columns - x - 15) / 24) ** 2 + ((rows - p.horizon + 46) / 34) ** 2 + 0.4 * fractal(p.random, TALL, WIDE, (32, 64))
    p.box(x + 4, 22, 18, -8, p.tinted("brick"))
    p.leaves(crown < 1)


def _pillar(p: _Painter, x: float) -> None:
    p.box(x, p.random.uniform(16, 34), p.horizon, -p.random.uniform(0, 14), p.tinted("concrete"))


def _shop(p: _Painter, x: float) -> None:
    width = p.random.uniform(70, 120)
    p.box(x, width, 112, -2, p.tinted("dark", 0.4))
    p.box(x + 4, width - 8, 84, 14, p.tinted("glass", 0.5))
    p.box(x, width, 112, 92, p.tinted(p.random.choice(["poster", "paint", "fabric", "plank"]), 0.4))


def _bush(p: _Painter, x: float) -> None:
    rows, columns = np.mgrid[:TALL, :WIDE]
    wide, tall = p.random.uniform(40, 100), p.random.uniform(25, 60)
    shape = ((columns - x) / wide) ** 2 + ((rows - p.horizon + p.random.uniform(0, 40)) / tall) ** 2
    p.leaves(shape + 0.35 * fractal(p.random, TALL, WIDE) < 1)


def _trunk(p: _Painter, x: float) -> None:
    p.box(x, p.random.uniform(4, 9), 0.35 * p.horizon, -4, p.materials["wood"] * [0.35, 0.45, 0.5, 0.6, 1])


@dataclass(frozen=True)
class Place:
    """How a place is furnished: its wall and floor, how things stand in it, and what is beyond."""

    wall: str
    floor: str
    things: tuple[Callable[[_Painter, float], None], ...]
    number: int
    beyond: str | None = None  # material above the wall: the sky
    outdoors: bool = False


PLACES = {
    "corridor": Place("paint", "tile", (_door, _door, _picture, _radiator, _window), 9),
    "room": Place("plaster", "carpet", (_shelf, _table, _sofa, _window, _picture, _plant, _door, _radiator), 9),
    "street": Place("brick", "asphalt", (_shop, _window, _door, _bush, _pillar), 8, "sky", outdoors=True),
    "park": Place("sky", "grass", (_trunk, _bush), 18, outdoors=True),
    "gate": Place("concrete", "asphalt", (_door, _pillar, _bush, _shop, _window), 8, "dark", outdoors=True),
}


def fractal(random: np.random.Generator, height: int, width: int, octaves: tuple[int, ...] = (4, 8, 16, 32, 64)) -> np.ndarray:
    """Cloudy noise (height, width) of variance 1: the sum of random grids, the finer the weaker."""
    out = np.zeros((height, width))
    for power, octave in enumerate(octaves):
        grid = random.normal(size=(max(2, height * octave // 256) + 2, max(2, width * octave // 256) + 2))
        out += zoom(grid, (height / grid.shape[0], width / grid.shape[1]), order=1)[:height, :width] / 1.5**power
    return out / out.std()


@lru_cache(maxsize=16)
def backdrop(seed: int, name: str) -> Backdrop:
    """The place of this name, made once. The array is read-only.

    Raises:
        ValueError: there is no such place.
    """
    if name not in PLACES:
        raise ValueError(f"scene must be one of {', '.join(PLACES)}; found {name!r}")
    place, random = PLACES[name], generator(seed, f"scene {name}")
    painter = _Painter(random, place.wall, place.floor, round(TALL * random.uniform(0.44, 0.50)))
    if name == "park":
        _park(painter)
    elif place.beyond:
        painter.image[: round(0.3 * painter.horizon)] = painter.materials[place.beyond]
    _floor(painter, place.floor)
    # Things stand in even steps with some play, so that no part of a place is empty.
    order = random.permutation(len(place.things))
    for index, x in enumerate(np.linspace(0, WIDE, place.number, endpoint=False)):
        place.things[order[index % len(order)]](painter, x + random.uniform(0, 12))
    _weather(painter, place)
    channels = painter.image.astype(np.float32)
    channels.setflags(write=False)
    return Backdrop(channels, painter.horizon)


def _park(p: _Painter) -> None:
    """A row of trees against the sky, and a path across the grass."""
    rows, columns = np.mgrid[:TALL, :WIDE]
    ridge = p.horizon * (0.30 + 0.16 * np.interp(np.arange(WIDE), np.linspace(0, WIDE, 24), p.random.normal(size=24)))
    p.leaves((rows > ridge[None] + 4 * fractal(p.random, TALL, WIDE, (64, 128))) & (rows < p.horizon))
    middle = p.horizon + (TALL - p.horizon) * 0.55
    path = np.abs(rows - middle - 14 * np.sin(columns / 130.0)) < 12 + (rows - p.horizon) * 0.28
    p.image[path & (rows > p.horizon + 12)] = p.materials["concrete"]


def _floor(p: _Painter, material: str) -> None:
    """Joints of tiles or marks of lanes, in perspective."""
    if material not in ("tile", "asphalt", "concrete"):
        return
    depth = TALL - p.horizon
    for line in range(12):
        row = p.horizon + round(depth * (line / 12) ** 1.7)
        p.image[row : row + 1 + line // 6, :, :4] *= 0.95 if material == "asphalt" else 0.8
    rows = np.arange(p.horizon, TALL)
    for x in np.arange(-WIDE, 2 * WIDE, 60 if material == "tile" else 240):
        columns = (WIDE / 2 + (x - WIDE / 2) * (0.35 + 0.65 * (rows - p.horizon) / depth)).astype(int)
        seen = (columns >= 0) & (columns < WIDE - 2)
        p.image[rows[seen], columns[seen], :4] *= 0.8 if material == "tile" else 1.6


def _weather(p: _Painter, place: Place) -> None:
    """Texture of surfaces, clumps of leaves, warm and cool patches, shade, and light that falls off to one side."""
    texture, random = fractal(p.random, TALL, WIDE), p.random
    p.image[..., :4] *= np.clip(1 + 0.05 * texture + 0.04 * random.normal(size=texture.shape), 0.4, 1.6)[..., None]
    clumps = np.where(p.foliage, gaussian_filter(fractal(random, TALL, WIDE, (32, 64, 128)), 1.0), 0)
    p.image[..., :3] *= np.clip(1 + 0.40 * clumps, 0.3, 2)[..., None]
    p.image[..., 3] *= np.clip(1 + 0.12 * clumps, 0.5, 1.5)  # leaves scatter near-infrared through and through: soft contrast
    p.image[..., 4] += 0.5 * texture
    if place.outdoors:
        patches = gaussian_filter((fractal(random, TALL, WIDE, (3, 6, 12)) > 0.4).astype(float), 4)
        # Nothing throws a shadow on the sky; on walls it fades upwards.
        fade = np.clip((np.arange(TALL) - 0.5 * p.horizon) / (0.5 * p.horizon), 0, 1)
        p.image[..., :3] *= (1 - 0.4 * patches * fade[:, None])[..., None]
    p.image[..., :4] *= 1 + 0.3 * np.linspace(-1, 1, WIDE)[None, :, None] * random.choice([-1, 1])
    if place.wall != "sky":
        p.image[p.horizon - 2 : p.horizon + 1, :, :4] *= 0.75  # the edge between wall and floor


def scene_window(seed: int, view: View, projection: Projection, band: str) -> np.ndarray:
    """The part of the backdrop behind the person: (256, 128, C), reflectance of the band's channels, or kelvin against the air."""
    place = backdrop(seed, camera_of(view.camera).scene)
    height = TALL * 0.78 * view.zoom / 1.1
    width = height * WIDTH / HEIGHT
    left = view.place * (WIDE - width - 1)
    # The feet stand on the floor: nearer people lower in the picture.
    feet = min(TALL - 2, place.horizon + (TALL - place.horizon) * (0.42 + 0.4 * view.zoom))
    share = min(1.0, projection.ground / (HEIGHT * SUPERSAMPLING))
    top = float(np.clip(feet - height * share, 0, TALL - height - 1))
    box = (left, top, left + width, top + height)
    size = (WIDTH * SUPERSAMPLING, HEIGHT * SUPERSAMPLING)
    planes = [Image.fromarray(place.channels[..., c]) for c in CHANNELS[band]]
    return np.stack([np.asarray(plane.resize(size, Image.Resampling.BILINEAR, box=box), np.float32) for plane in planes], -1)
