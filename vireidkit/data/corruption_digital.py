"""Corruptions of light and of files. Parameters: datasets.md 7 (imagecorruptions 1.1.2; grade: code), written anew."""

from __future__ import annotations

import io

import numpy as np
from PIL import Image
from scipy import ndimage

from vireidkit.data.corruption_base import corruption, from_hsv, to_hsv


def _picture(image: np.ndarray) -> Image.Image:
    return Image.fromarray(np.rint(image * 255).astype(np.uint8))


@corruption((0.4,), (0.3,), (0.2,), (0.1,), (0.05,))
def contrast(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Values move towards the mean of their channel; parameter: what is left of the difference."""
    mean = image.mean((0, 1))
    return (image - mean) * level[0] + mean


@corruption((0.1,), (0.2,), (0.3,), (0.4,), (0.5,))
def brightness(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Overexposure; parameter: what is added to the value of hue, saturation and value."""
    hsv = to_hsv(image)
    hsv[..., 2] = np.clip(hsv[..., 2] + level[0], 0, 1)
    return from_hsv(hsv)


@corruption((0.3, 0), (0.1, 0), (2, 0), (5, 0.1), (20, 0.2))
def saturate(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Saturation times the first parameter plus the second: severities 1 and 2 take colour away, 3 to 5 add it.

    Grey is hue 0: severities 1 to 3 leave it as it is, 4 and 5 make it reddish.
    """
    hsv = to_hsv(image)
    hsv[..., 1] = np.clip(hsv[..., 1] * level[0] + level[1], 0, 1)
    return from_hsv(hsv)


@corruption((25,), (18,), (15,), (10,), (7,))
def jpeg_compression(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Written as JPEG and read back; parameter: Pillow's quality."""
    stream = io.BytesIO()
    _picture(image).save(stream, "JPEG", quality=int(level[0]))
    with Image.open(stream) as read:
        return np.asarray(read) / 255.0


@corruption((0.6,), (0.5,), (0.4,), (0.3,), (0.25,))
def pixelate(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Made smaller by averaging areas, then larger by repeating pixels; parameter: the scale of both sides."""
    height, width = image.shape[:2]
    small = _picture(image).resize((int(width * level[0]), int(height * level[0])), Image.Resampling.BOX)
    return np.asarray(small.resize((width, height), Image.Resampling.NEAREST)) / 255.0


@corruption((12.5,), (16.25,), (21.25,), (25,), (30,))
def elastic_transform(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Pixels are taken from places a little off, the shifts being smooth; parameter: what smoothed shifts are multiplied by.

    Shifts are uniform up to 0.5 % of the height, smoothed with a sigma of 1 % of each side.
    """
    height, width = image.shape[:2]
    shifts = rng.uniform(-0.005 * height, 0.005 * height, (2, height, width))
    shifts = ndimage.gaussian_filter(shifts, (0, 0.01 * height, 0.01 * width), mode="reflect", truncate=3) * level[0]
    places = np.indices((height, width)) + shifts
    return np.stack([ndimage.map_coordinates(channel, places, order=1, mode="reflect") for channel in np.moveaxis(image, -1, 0)], axis=-1)
