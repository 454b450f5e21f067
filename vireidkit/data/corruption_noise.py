"""Corruptions of the sensor: noise. Parameters: datasets.md 7 (those of imagecorruptions 1.1.2; grade: code), written anew."""

from __future__ import annotations

import numpy as np

from vireidkit.data.corruption_base import corruption


@corruption((0.08,), (0.12,), (0.18,), (0.26,), (0.38,))
def gaussian_noise(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Each value plus a normal draw; parameter: its standard deviation. Every channel draws for itself."""
    return image + rng.normal(0, level[0], image.shape)


@corruption((60,), (25,), (12,), (5,), (3,))
def shot_noise(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Each value as the count of few photons, a Poisson draw; parameter: photons of a white pixel."""
    return rng.poisson(image * level[0]) / level[0]


@corruption((0.03,), (0.06,), (0.09,), (0.17,), (0.27,))
def impulse_noise(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Salt and pepper: some values become 0 or 1, as likely; parameter: the share of them."""
    hit = rng.random(image.shape) < level[0]
    return np.where(hit, rng.random(image.shape) < 0.5, image)


@corruption((0.15,), (0.2,), (0.35,), (0.45,), (0.6,))
def speckle_noise(image: np.ndarray, level: tuple[float, ...], rng: np.random.Generator) -> np.ndarray:
    """Each value times 1 plus a normal draw; parameter: its standard deviation. Black stays black."""
    return image * (1 + rng.normal(0, level[0], image.shape))
