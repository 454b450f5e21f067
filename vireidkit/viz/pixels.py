"""Small multiples of pixel statistics: what colour tells and infrared does not."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.pixels import CHANNELS, as_images, band_brightness, channel_shares, pixel_table
from vireidkit.modality import MODALITIES
from vireidkit.viz.style import FAINT, OKABE_ITO, finish, many, new_figure, styled

# The three channels differ by colour and by line.
CHANNEL_LOOKS = {"red": (OKABE_ITO["vermillion"], "-"), "green": (OKABE_ITO["green"], "--"), "blue": (OKABE_ITO["blue"], ":")}


@styled
def channel_histograms(images: Any, table: pd.DataFrame, *, bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """Histograms of the three channels, one small panel a camera, visible cameras first.

    Args:
        images: uint8 (N, H, W, 3); table: their N rows, with camera and modality.
    """
    images = as_images(images)
    cameras = table[["modality", "camera"]].drop_duplicates().sort_values(["modality", "camera"], ascending=[False, True])
    columns = 2 if len(cameras) == 4 else min(len(cameras), 3)
    lines = -(-len(cameras) // columns)
    fig = new_figure(1.2 + 1.75 * lines)
    panels = fig.subplots(lines, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (modality, camera) in zip(panels.flat, cameras.itertuples(index=False), strict=False):
        shares = channel_shares(images[(table["camera"] == camera).to_numpy()])
        for channel in CHANNELS:
            own = shares[shares["channel"] == channel]
            colour, line = CHANNEL_LOOKS[channel]
            axes.plot(own["value"], 100 * own["share"], line, color=colour, label=channel, linewidth=2.2 if channel == "blue" else 1.6)
        axes.set_title(f"camera {camera}, {bands[MODALITIES.index(modality)]}")
        axes.set_xlim(0, 255)
    for axes in panels.flat[len(cameras) :]:
        axes.set_visible(False)
    for axes in panels[:, 0]:
        axes.set_ylabel("pixels (%)")
    for axes in panels.flat[max(0, len(cameras) - columns) : len(cameras)]:
        # The last panel of each column, which may stand above an empty place.
        axes.set_xlabel("pixel value (grey level, 0-255)")
        axes.tick_params(labelbottom=True)
    fig.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside right center")
    return finish(
        fig,
        title or _channel_title(images, table, bands),
        f"Pixels of {many(len(images), 'image')}, bins of 8 grey levels. Where three curves are one, there is one channel of information.",
        f"Histograms of red, green and blue for {many(len(cameras), 'camera')}.",
    )


def _channel_title(images: np.ndarray, table: pd.DataFrame, bands: Sequence[str]) -> str:
    """How far apart the channels of each band are."""
    colour = pixel_table(images)["colour"].groupby(table["modality"].to_numpy()).mean()
    if len(colour) < 2:
        return f"In {colour.index[0]} images a pixel's channels differ by {colour.iloc[0]:.1f} of 255 grey levels"
    one = "The three channels of an infrared image are one" if colour["infrared"] < 0.5 else "Infrared images hold little colour"
    apart = f"{colour['infrared']:.1f} of 255 grey levels in {bands[1]} images, by {colour['visible']:.1f} in {bands[0]} ones"
    return f"{one}: they differ by {apart}"


@styled
def brightness_scatter(images: Any, table: pd.DataFrame, *, bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """Torso brightness of every person in visible light (x) and in infrared (y), mean over their images.

    Raises:
        ValueError: fewer than three people were seen in both bands.
    """
    people = band_brightness(images, table)
    if len(people) < 3:
        raise ValueError(f"the figure needs 3 people seen in both bands, found {len(people)}")
    r = float(np.corrcoef(people["visible"], people["infrared"])[0, 1])
    fig = new_figure(4.6, 6.0)
    axes = fig.subplots()
    low, high = (f(people[["visible", "infrared"]].to_numpy()) for f in (np.min, np.max))
    limits = (max(0, 10 * np.floor(low / 10) - 10), min(255, 10 * np.ceil(high / 10) + 10))
    axes.plot(limits, limits, color=FAINT, linewidth=1, linestyle="--", label="equally bright")
    axes.scatter(people["visible"], people["infrared"], s=34, color=OKABE_ITO["purple"], marker="D", edgecolor="white", linewidth=0.6)
    axes.set(
        xlim=limits, ylim=limits, xlabel=f"{bands[0]} torso brightness (grey levels)", ylabel=f"{bands[1]} torso brightness (grey levels)"
    )
    axes.set_aspect("equal")
    axes.legend(loc="lower right")
    tells = "says little of" if abs(r) < 0.3 else "only hints at" if abs(r) < 0.85 else "tells much of"
    return finish(
        fig,
        title or f"How bright clothes look in visible light {tells} how bright they are in infrared: correlation {r:.2f}",
        f"One diamond a person ({len(people)} people), mean over all images of a band; torso = the middle of the picture.",
        f"A scatter plot of {len(people)} people with correlation {r:.2f}.",
    )
