"""What all corruptions share: the form of the functions, colour as hue, saturation and value, and random fields."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

SEVERITIES = (1, 2, 3, 4, 5)
SMALLEST = 16  # pixels a side; published benchmarks use pictures of 32 and more

Corruption = Callable[[np.ndarray, int, np.random.Generator], np.ndarray]
# What a corruption's author writes: pixels 0..1 and the parameters of the severity; the result may leave 0..1.
Work = Callable[[np.ndarray, tuple[float, ...], np.random.Generator], np.ndarray]


def corruption(*levels: tuple[float, ...]) -> Callable[[Work], Corruption]:
    """Decorator that makes a corruption of a function of pixels 0..1 and parameters.

    The corruption takes a picture uint8 (H, W, 3), a severity 1..5 and a generator, and gives a new picture of the same kind. It draws
    from that generator alone. Values are cut to 0..1 and rounded to the nearest of 256 levels (released code cuts them off).

    Args:
        levels: the parameters of severities 1..5, one tuple each.
    """
    if len(levels) != len(SEVERITIES):
        raise ValueError(f"a corruption needs parameters for severities 1..5, found {len(levels)}")

    def wrap(work: Work) -> Corruption:
        """The checked operator around the work on a picture scaled to 0..1."""

        @functools.wraps(work)
        def corrupted(image: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
            check_picture(image)
            if severity not in SEVERITIES:
                raise ValueError(f"severity must be one of 1, 2, 3, 4, 5, found {severity!r}")
            found = work(image / 255.0, levels[severity - 1], rng)
            return np.rint(np.clip(found, 0, 1) * 255).astype(np.uint8)

        return corrupted

    return wrap


def check_picture(image: np.ndarray) -> None:
    """Raise ValueError unless this is a picture uint8 (H, W, 3) of at least SMALLEST pixels a side."""
    if not isinstance(image, np.ndarray) or image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        found = f"{getattr(image, 'dtype', type(image).__name__)} {tuple(getattr(image, 'shape', ()))}"
        raise ValueError(f"a corruption needs a picture uint8 (H, W, 3), found {found}")
    if min(image.shape[:2]) < SMALLEST:
        raise ValueError(
            f"a corruption needs pictures of at least {SMALLEST} x {SMALLEST} pixels, found {image.shape[0]} x {image.shape[1]}"
        )


def to_hsv(image: np.ndarray) -> np.ndarray:
    """Hue, saturation and value, each 0..1, of colours 0..1; (..., 3) -> (..., 3). Grey has hue and saturation 0."""
    value = image.max(-1)
    spread = value - image.min(-1)
    some = np.where(spread > 0, spread, 1)
    red, green, blue = np.moveaxis(image, -1, 0)
    sector = np.select(
        [spread == 0, value == red, value == green],
        [0.0, (green - blue) / some, 2 + (blue - red) / some],
        default=4 + (red - green) / some,
    )
    return np.stack([sector / 6 % 1, spread / np.where(value > 0, value, 1), value], axis=-1)


def from_hsv(hsv: np.ndarray) -> np.ndarray:
    """Colours 0..1 of hue, saturation and value; the inverse of ``to_hsv``."""
    hue, saturation, value = np.moveaxis(hsv, -1, 0)
    # A channel falls from 1 to 0 with the distance of the hue from its own third of the colour circle.
    channels = [np.clip(np.abs((hue * 6 + shift) % 6 - 3) - 1, 0, 1) for shift in (0, 4, 2)]
    return np.stack([value * (1 - saturation * (1 - channel)) for channel in channels], axis=-1)


def plasma(shape: tuple[int, int], decay: float, rng: np.random.Generator) -> np.ndarray:
    """A cloudy random field (H, W) in 0..1, by halving squares: each new point is the mean of its four neighbours plus a draw.

    From one level to the next the draws shrink by the square of ``decay``, as in released code (grade: code), whose amplitude enters
    twice. The field is cut out of a square with a power of two as its side, which repeats at its edges.
    """
    size = 1 << max(1, (max(shape) - 1).bit_length())
    field, step, amplitude = np.zeros((size, size)), size, 1.0
    while step >= 2:
        half = step // 2
        corners = field[::step, ::step]
        pairs = corners + np.roll(corners, -1, 0)
        centres = (pairs + np.roll(pairs, -1, 1)) / 4
        draws = rng.uniform(-amplitude, amplitude, (3, *centres.shape))
        centres = centres + draws[0]
        field[half::step, half::step] = centres
        field[half::step, ::step] = (pairs + centres + np.roll(centres, 1, 1)) / 4 + draws[1]
        field[::step, half::step] = (corners + np.roll(corners, -1, 1) + centres + np.roll(centres, 1, 0)) / 4 + draws[2]
        step, amplitude = half, amplitude / decay**2
    field -= field.min()
    return (field / (field.max() or 1.0))[: shape[0], : shape[1]]


def grey_of(image: np.ndarray) -> np.ndarray:
    """Lightness (H, W) of colours (H, W, 3)."""
    return image @ np.array([0.299, 0.587, 0.114])


def magnified(image: np.ndarray, zoom: float) -> np.ndarray:
    """The middle of a picture (H, W) or (H, W, C) enlarged to its whole size, bilinear; ``zoom`` is at least 1."""
    for axis in (0, 1):
        size = image.shape[axis]
        place = (np.arange(size) - (size - 1) / 2) / zoom + (size - 1) / 2
        low = np.clip(np.floor(place).astype(int), 0, max(size - 2, 0))
        share = (place - low).reshape((-1,) + (1,) * (image.ndim - axis - 1))
        image = image.take(low, axis) * (1 - share) + image.take(np.minimum(low + 1, size - 1), axis) * share
    return image


def smeared(image: np.ndarray, radius: int, sigma: float, angle: float) -> np.ndarray:
    """Motion blur of a picture (H, W) or (H, W, C): shifted copies along a line, weighted by one half of a Gaussian.

    Args:
        radius: the line is 2 radius + 1 pixels long; sigma: of the Gaussian, in pixels; angle: of the line, in degrees.

    Copies are shifted by whole pixels and continue at the edges, so that nothing becomes darker there.
    """
    length = 2 * radius + 1
    steps = np.arange(length)
    weights = np.exp(-(steps**2) / (2 * sigma**2))
    weights /= weights.sum()
    shifts = [np.ceil(steps * part - 0.5).astype(int) for part in (np.sin(np.deg2rad(angle)), np.cos(np.deg2rad(angle)))]
    padded = np.pad(image, [(length, length)] * 2 + [(0, 0)] * (image.ndim - 2), mode="edge")
    height, width = image.shape[:2]
    found = np.zeros_like(image)
    for weight, down, right in zip(weights, *shifts, strict=True):
        found += weight * padded[length - down : length - down + height, length - right : length - right + width]
    return found
