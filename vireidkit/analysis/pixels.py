"""What the pixels alone say: channel histograms, colour that is left, brightness of one person in two bands."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_array, check_table

CHANNELS = ("red", "green", "blue")
# ITU-R BT.601, the weights of PIL's conversion to grey.
GREY = (0.299, 0.587, 0.114)
TORSO = (0.2, 0.5, 0.3, 0.7)
CHUNK = 256  # images at a time


def as_images(images: Any) -> NDArray[np.uint8]:
    """Images as one uint8 array (N, H, W, 3).

    Raises:
        ValueError: another shape or dtype, or pictures of different sizes.
    """
    if isinstance(images, (list, tuple)):
        pictures = [as_array(image) for image in images]
        sizes = sorted({picture.shape for picture in pictures})
        if len(sizes) > 1:
            raise ValueError(f"images must have one size, found {sizes[0]} and {sizes[1]}")
        images = np.stack(pictures) if pictures else np.empty((0, 1, 1, 3), np.uint8)
    array = as_array(images)
    if array.ndim != 4 or array.shape[3] != 3 or array.dtype != np.uint8:
        raise ValueError(f"expected uint8 images (N, H, W, 3), found {array.dtype} {array.shape}")
    return array


def pixel_table(images: Any, *, region: tuple[float, float, float, float] = TORSO) -> pd.DataFrame:
    """One row an image: mean ``red, green, blue, grey`` of a region; ``colour`` and ``hues`` of the whole image. Grey levels, 0-255.

    Args:
        images: uint8 (N, H, W, 3).
        region: (top, bottom, left, right) as fractions of height and width; the default is about where the upper garment is.

    ``colour`` is the mean difference between a pixel's largest and smallest channel: 0 in an image without colour. ``hues`` is how
    far colour differs inside the image: the root mean square deviation of red minus green and of green minus blue from their
    image means. It is 0 in an image of one tint too.
    """
    images = as_images(images)
    height, width = images.shape[1:3]
    top, bottom, left, right = region
    part = images[:, round(top * height) : max(round(bottom * height), 1), round(left * width) : max(round(right * width), 1)]
    if len(images) == 0:
        return pd.DataFrame({name: np.empty(0) for name in (*CHANNELS, "grey", "colour", "hues")})
    means = part.reshape(len(images), -1, 3).mean(axis=1)  # (N, 3)
    colour, hues = np.concatenate([_colour_of(images[start : start + CHUNK]) for start in range(0, len(images), CHUNK)], axis=1)
    return pd.DataFrame({**dict(zip(CHANNELS, means.T, strict=True)), "grey": means @ np.array(GREY), "colour": colour, "hues": hues})


def _colour_of(images: NDArray[np.uint8]) -> NDArray[np.float64]:
    """``colour`` and ``hues`` of every image, (2, N)."""
    red, green, blue = (images[..., number].reshape(len(images), -1) for number in range(3))  # (N, H*W) each
    spread = np.maximum(np.maximum(red, green), blue) - np.minimum(np.minimum(red, green), blue)
    tints = [first.astype(np.float32) - second for first, second in ((red, green), (green, blue))]
    return np.stack([spread.mean(axis=1), np.sqrt(np.mean([tint.var(axis=1) for tint in tints], axis=0))])


def channel_shares(images: Any, bins: int = 32) -> pd.DataFrame:
    """Histogram of pixel values: columns ``channel``, ``value`` (middle of the bin, 0-255), ``share`` of the channel's pixels (0-1)."""
    images = as_images(images)
    edges = np.linspace(0, 256, bins + 1)
    middles = (edges[:-1] + edges[1:]) / 2
    found = []
    for number, channel in enumerate(CHANNELS):
        levels = np.bincount(images[..., number].ravel(), minlength=256)  # many times faster than a histogram of the pixels
        counts = np.histogram(np.arange(256), edges, weights=levels)[0]
        found.append(pd.DataFrame({"channel": channel, "value": middles, "share": counts / max(1, counts.sum())}))
    return pd.concat(found, ignore_index=True)


def band_brightness(images: Any, table: pd.DataFrame) -> pd.DataFrame:
    """One row an identity seen in both bands: ``identity``, and mean torso brightness (grey levels 0-255) ``visible`` and ``infrared``.

    Args:
        images: uint8 (N, H, W, 3); table: their N rows, with identity and modality.
    """
    pixels = pixel_table(images)
    check_table(table, len(pixels), ("identity", "modality"))
    grey = pixels["grey"].groupby([table["identity"].to_numpy(), table["modality"].to_numpy()]).mean().unstack()
    both = grey.reindex(columns=["visible", "infrared"]).dropna()
    return both.rename_axis(index="identity", columns=None).reset_index()
