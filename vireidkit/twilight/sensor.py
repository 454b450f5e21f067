"""From light to grey levels: blur, sampling, noise, the sRGB curve, 8 bits."""

from __future__ import annotations

import math

import numpy as np
from scipy.ndimage import gaussian_filter1d

from vireidkit.twilight.camera import Optics, View
from vireidkit.twilight.draws import generator
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, WIDTH


def develop(light: np.ndarray, optics: Optics, view: View) -> np.ndarray:
    """Turn linear light (256, 128, C) into a picture (128, 64, 3) of uint8. One channel is written three times.

    The blur is a Gaussian, wider sideways for people who cross the view. Noise grows with the square root of the light, as that of photons;
    infrared sensors add a fixed level to every line.
    """
    sigma = SUPERSAMPLING * view.blur_px
    motion = SUPERSAMPLING * view.motion_px * abs(math.sin(math.radians(view.heading_degrees)))
    light = gaussian_filter1d(light.astype(np.float32), sigma, axis=0, truncate=3)
    light = gaussian_filter1d(light, sigma + motion, axis=1, truncate=3)
    light = np.maximum(0, light.reshape(HEIGHT, SUPERSAMPLING, WIDTH, SUPERSAMPLING, -1).mean((1, 3)))
    random = generator(view.seed, "noise", view.identity, view.camera, view.number)
    light = light + optics.noise * 1.4 * np.sqrt(light + 0.03) * random.normal(size=light.shape)
    if light.shape[2] == 1:
        light = light + 0.004 * random.normal(size=(HEIGHT, 1, 1))
    picture = np.clip(255 * srgb(np.clip(light, 0, 1)) + 0.5, 0, 255).astype(np.uint8)
    return np.repeat(picture, 3, axis=2) if picture.shape[2] == 1 else picture


def srgb(linear: np.ndarray) -> np.ndarray:
    """Linear light 0 to 1 on the sRGB curve (IEC 61966-2-1)."""
    return np.where(linear < 0.0031308, 12.92 * linear, 1.055 * np.maximum(linear, 1e-6) ** (1 / 2.4) - 0.055)
