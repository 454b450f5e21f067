"""Corruptions of the lens and the shutter: blur. Parameters: datasets.md 7 (imagecorruptions 1.1.2; grade: code), written anew."""

from __future__ import annotations

import numpy as np
from scipy import ndimage

from vireidkit.data.corruption_base import corruption, magnified, smeared


def _soft(image: np.ndarray, sigma: float) -> np.ndarray:
    """A Gaussian blur of the two directions of the picture; edges go on with their last value."""
    return ndimage.gaussian_filter(image, (sigma, sigma, 0), mode="nearest")


@corruption((1,), (2,), (3,), (4,), (6,))
def gaussian_blur(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Parameter: sigma in pixels."""
    return _soft(image, level[0])


@corruption((0.7, 1, 2), (0.9, 2, 1), (1, 2, 3), (1.1, 3, 2), (1.5, 4, 2))
def glass_blur(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Pixels change places with near ones, between two soft blurs; parameters: sigma, largest shift in pixels, rounds.

    As in released code, pixels are visited from the lower right, shifts run from -n to n - 1, and a margin of n pixels only
    exchanges. The exchange is a true one here; there, both places end up with the same pixel.
    """
    sigma, reach, rounds = level[0], int(level[1]), int(level[2])
    height, width = image.shape[:2]
    rows, columns = np.meshgrid(np.arange(height - reach - 1, reach, -1), np.arange(width - reach - 1, reach, -1), indexing="ij")
    places = list(range(height * width))
    for _ in range(rounds):
        down, right = rng.integers(-reach, reach, (2, *rows.shape))
        here = (rows * width + columns).ravel().tolist()
        there = ((rows + down) * width + columns + right).ravel().tolist()
        # An exchange depends on those before it: plain lists are the quickest way to do one after another.
        for one, other in zip(here, there, strict=True):
            places[one], places[other] = places[other], places[one]
    return _soft(_soft(image, sigma).reshape(-1, 3)[places].reshape(image.shape), sigma)


@corruption((3, 0.1), (4, 0.5), (6, 0.5), (8, 0.5), (10, 0.5))
def defocus_blur(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Every point becomes a disc; parameters: its radius in pixels, and the sigma that softens its rim."""
    radius, sigma = int(level[0]), level[1]
    side, soft = (8, 1) if radius <= 8 else (radius, 2)
    across = np.arange(-side, side + 1)
    disc = (across[:, None] ** 2 + across**2 <= radius**2).astype(float)
    disc = ndimage.gaussian_filter(disc, sigma, mode="mirror", radius=soft)
    padded = np.pad(image, ((side, side), (side, side), (0, 0)), mode="reflect")
    shape = padded.shape[:2]
    spectrum = np.fft.rfft2(padded, axes=(0, 1)) * np.fft.rfft2(disc / disc.sum(), shape)[..., None]
    # The product wraps around at the edges, where the padding takes it up.
    return np.fft.irfft2(spectrum, shape, axes=(0, 1))[2 * side :, 2 * side :]


@corruption((10, 3), (15, 5), (15, 8), (15, 12), (20, 15))
def motion_blur(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """The camera moved along a line, at an angle of -45 to 45 degrees; parameters: radius and sigma in pixels."""
    return smeared(image, int(level[0]), level[1], rng.uniform(-45, 45))


@corruption((12, 0.01), (16, 0.01), (11, 0.02), (13, 0.02), (11, 0.03))
def zoom_blur(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """The mean of the picture and of enlarged ones; parameters: how many enlargements from 1 on, and their step.

    The counts are those of numpy.arange for the published ranges: 1.11 is in the first, 1.16 is not in the second.
    """
    zooms = 1 + level[1] * np.arange(level[0])
    return (image + sum(magnified(image, zoom) for zoom in zooms)) / (len(zooms) + 1)
