"""Corruptions of the weather. Parameters: datasets.md 7 (imagecorruptions 1.1.2; grade: code), written anew.

Two are the kit's own, so that nothing but numpy, scipy and Pillow is needed: the frost is drawn instead of cut out of photographs,
and the rain only follows the spirit of albumentations' RandomRain.
"""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw
from scipy import ndimage

from vireidkit.data.corruption_base import corruption, grey_of, magnified, plasma, smeared

ICE = (0.82, 0.92, 1.0)  # colour of the drawn frost
WATER = (175 / 255, 238 / 255, 238 / 255)
MUD = (63 / 255, 42 / 255, 20 / 255)
DROP = 200 / 255  # grey of a rain drop
EMBOSS = np.array([[-2, -1, 0], [-1, 1, 1], [0, 1, 2]])
# Area in pixels for one drop, and length of a drop in a picture 256 pixels high.
RAINS = ((770, 10), (600, 30), (500, 60))
DRIZZLE, HEAVY, TORRENTIAL = range(3)


@corruption((1.5, 2), (2, 2), (2.5, 1.7), (2.5, 1.5), (3, 1.4))
def fog(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """A plasma fractal is added, and all is scaled back; parameters: its thickness, and how fast its detail fades."""
    thickness, decay = level
    brightest = image.max()
    clouds = plasma(image.shape[:2], decay, rng)[..., None]
    return (image + thickness * clouds) * brightest / (brightest + thickness)


@corruption((1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75))
def frost(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Ice on the lens; parameters: weight of the picture and of the ice.

    The ice is drawn (ours), where published benchmarks cut it out of six photographs: numbers differ from theirs.
    """
    return level[0] * image + level[1] * _ice(image.shape[:2], rng)[..., None] * ICE


def _ice(shape: tuple[int, int], rng: np.random.Generator) -> np.ndarray:
    """Ice crystals as lightness 0..1, (H, W): needles of three directions, each in patches of its own, over a haze."""
    length = max(2, 5 * max(shape) / 128)
    start = rng.uniform(0, 60)
    haze = plasma(shape, 1.4, rng)
    grains = [_needles(shape, length, start + 60 * turn, rng) + 3 * plasma(shape, 1.5, rng) for turn in range(3)]
    needles = np.max(grains, axis=0)
    low, high = np.quantile(needles, (0.01, 0.995))
    ice = 0.1 + 0.35 * haze + 0.7 * np.clip((needles - low) / (high - low), 0, 1) ** 1.5
    return np.minimum(ice, 1)


def _needles(shape: tuple[int, int], length: float, angle: float, rng: np.random.Generator) -> np.ndarray:
    """Noise drawn out along one direction, of mean 0 and deviation 1, (H, W)."""
    field = rng.normal(size=shape)
    for way in (angle, angle + 180):
        field = smeared(field, round(2 * length), length, way)
    field = ndimage.gaussian_filter(field, 0.14 * length, mode="nearest")
    return (field - field.mean()) / field.std()


@corruption(
    (0.1, 0.3, 3, 0.5, 10, 4, 0.8),
    (0.2, 0.3, 2, 0.5, 12, 4, 0.7),
    (0.55, 0.3, 4, 0.9, 12, 8, 0.7),
    (0.55, 0.3, 4.5, 0.85, 12, 8, 0.65),
    (0.55, 0.3, 2.5, 0.85, 12, 12, 0.55),
)
def snow(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Falling flakes before a paler scene; parameters: mean, deviation, zoom and threshold of the field whose peaks are flakes,
    radius and sigma of their motion, and how much of the scene keeps its colours.
    """
    mean, deviation, zoom, threshold, radius, sigma, kept = level
    flakes = magnified(rng.normal(mean, deviation, image.shape[:2]), zoom)
    flakes = np.clip(np.where(flakes < threshold, 0, flakes), 0, 1)
    flakes = smeared(flakes, int(radius), sigma, rng.uniform(-135, -45))
    pale = np.maximum(image, grey_of(image)[..., None] * 1.5 + 0.5)
    # The same flakes upside down give a second, independent looking layer.
    return kept * image + (1 - kept) * pale + (flakes + flakes[::-1, ::-1])[..., None]


@corruption(
    (0.65, 0.3, 4, 0.69, 0.6, 0),
    (0.65, 0.3, 3, 0.68, 0.6, 0),
    (0.65, 0.3, 2, 0.68, 0.5, 0),
    (0.65, 0.3, 1, 0.65, 1.5, 1),
    (0.67, 0.4, 1, 0.65, 1.5, 1),
)
def spatter(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Drops on the lens, of water at severities 1 to 3 and of mud at 4 and 5; parameters: mean, deviation, smoothing and threshold of
    the field that is wet above the threshold, intensity (for mud: softness of the rim in pixels), whether it is mud.
    """
    mean, deviation, sigma, threshold, intensity, mud = level
    wet = ndimage.gaussian_filter(rng.normal(mean, deviation, image.shape[:2]), sigma, mode="nearest")
    if mud:
        cover = ndimage.gaussian_filter((wet > threshold).astype(float), intensity, mode="nearest")[..., None]
        cover[cover < 0.8] = 0
        return image * (1 - cover) + cover * MUD
    return image + intensity * _relief(np.where(wet < threshold, 0, wet))[..., None] * WATER


def _relief(water: np.ndarray) -> np.ndarray:
    """How bright drops of water shine, 0..1, (H, W): embossed by the distance from their rims.

    Released code finds rims with Canny's detector; here they are the border of the wet area.
    """
    inside = water > 0
    rim = inside ^ ndimage.binary_erosion(inside)
    if not rim.any():
        return np.zeros_like(water)
    depth = np.minimum(ndimage.distance_transform_edt(~rim), 20)
    depth = ndimage.uniform_filter(depth, 3, mode="mirror").astype(np.uint8)
    ranks = np.cumsum(np.bincount(depth.ravel(), minlength=256))
    evened = 255 * (ranks - ranks[depth.min()]) / max(1, depth.size - ranks[depth.min()])
    embossed = np.clip(ndimage.correlate(evened[depth], EMBOSS, mode="mirror"), 0, 255)
    shine = water * ndimage.uniform_filter(embossed, 3, mode="mirror")
    return shine / (shine.max() or 1.0)


@corruption((DRIZZLE, 3, -0.1), (HEAVY, 4, -0.15), (HEAVY, 5, -0.2), (TORRENTIAL, 6, -0.25), (TORRENTIAL, 7, -0.3))
def rain(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Streaks of rain, a blur and less light; parameters: drizzle, heavy or torrential, side of the blurring square, added brightness.

    Ours, in the spirit of albumentations' RandomRain: drops of one grey and one slant, more and longer in stronger rain.
    """
    kind, blur, darker = int(level[0]), int(level[1]), level[2]
    height, width = image.shape[:2]
    area, length = RAINS[kind]
    reach = max(2, round(length * height / 256))
    slant = round(rng.uniform(-10, 10) * height / 256)
    layer = Image.new("L", (width, height))
    pen = ImageDraw.Draw(layer)
    count = max(1, round(height * width / area))
    for x, y in zip(rng.integers(-abs(slant), width + abs(slant), count), rng.integers(-reach, height, count), strict=True):
        pen.line((int(x), int(y), int(x) + slant, int(y) + reach), fill=255)
    drops = np.asarray(layer)[..., None] / 255.0
    wet = image * (1 - drops) + DROP * drops
    return ndimage.uniform_filter(wet, (blur, blur, 1), mode="mirror") + darker
