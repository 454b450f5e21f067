"""What a sensor measures and what the network is handed: dyes in infrared light, and pictures after normalisation."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import torch
from matplotlib.figure import Figure, SubFigure
from numpy.typing import NDArray

from vireidkit.analysis.pixels import CHANNELS
from vireidkit.data.augmentation import normalise
from vireidkit.modality import INFRARED, MODALITIES, VISIBLE
from vireidkit.viz.batches import pixels_of
from vireidkit.viz.pixels import CHANNEL_LOOKS
from vireidkit.viz.style import CYCLE, FAINT, INK, LABEL, SMALL, finish, look_of, many, new_figure, percent, signed, styled

_MARKS = "osD^vP"


@styled
def dye_strip(
    garments: pd.DataFrame, *, colours: Sequence[str] | None = None, band: str = "near-infrared", title: str | None = None
) -> Figure:
    """How much infrared light garments of one visible colour give back, by the kind of dye: one column a colour, one mark a garment.

    Args:
        garments: one row a garment: ``colour`` and ``dye`` (names), ``reflectance`` in the infrared band (share of light, 0-1).
        colours: which colours, from the left; by default the eight most frequent. The title speaks of the first.
        band: name of the infrared band.

    Raises:
        ValueError: no garment of a colour that was asked for.
    """
    shown = list(garments["colour"].value_counts().index[:8] if colours is None else colours)
    absent = [colour for colour in shown if not (garments["colour"] == colour).any()]
    if absent or not shown:
        raise ValueError(f"no garment of colour {absent[0]!r} in the table" if absent else "no colour to show")
    dyes = sorted(garments["dye"].unique())
    fig = new_figure(4.2)
    axes = fig.subplots()
    for number, dye in enumerate(dyes):
        offset = 0.5 * (number - (len(dyes) - 1) / 2) / len(dyes)
        for place, colour in enumerate(shown):
            values = garments.loc[(garments["colour"] == colour) & (garments["dye"] == dye), "reflectance"].to_numpy()
            spots = np.full(len(values), place + offset)
            label = dye if place == 0 else None
            axes.plot(spots, values, _MARKS[number % 6], color=CYCLE[number % len(CYCLE)], markersize=5, alpha=0.7, label=label)
            if len(values):
                axes.hlines(np.median(values), place + offset - 0.08, place + offset + 0.08, color=INK, linewidth=2)
    axes.set_xticks(range(len(shown)), labels=shown, fontsize=LABEL)
    axes.set(xlim=(-0.5, len(shown) - 0.5), ylim=(0, 1), xlabel="visible colour of the garment")
    axes.set_ylabel(f"{band} reflectance (0-1)")
    axes.grid(axis="x", visible=False)
    fig.legend(loc="outside right center", title="what it is dyed with")
    medians = garments[garments["colour"] == shown[0]].groupby("dye")["reflectance"].median()
    alt = f"Medians of {shown[0]} garments: " + "; ".join(f"{dye} {value:.2f}" for dye, value in medians.items()) + "."
    count = many(int(garments["colour"].isin(shown).sum()), "garment")
    reading = f"{count}, one mark each; bars: medians. Reflectance: the share of the light that is given back."
    return finish(fig, title or _dye_title(medians, shown[0], band), reading, alt)


def _dye_title(medians: pd.Series, colour: str, band: str) -> str:
    """What the dye does to the first colour."""
    if len(medians) < 2:
        return f"Garments that look {colour} give back {percent(medians.iloc[0])} of the {band} light"
    span = f"{100 * medians.min():.0f} to {percent(medians.max())} of the {band} light"
    return f"What looks {colour} gives back {span}: the dye decides, and the eye does not see it"


@styled
def network_view(images: Any, modality: Any, *, bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """What normalisation with ImageNet's constants does to pictures of both bands: two of each before and after, and the values.

    Args:
        images: uint8 (N, H, W, 3), with both bands among them; modality: codes (N,). Two pictures of each band are shown, the
            histograms are of all. After normalisation the three channels are drawn on one scale, from the lowest value to the highest.

    Raises:
        ValueError: pictures of one band only.
    """
    pixels, codes = pixels_of(images), np.asarray(modality)
    if not {VISIBLE, INFRARED} <= set(codes.tolist()) or len(codes) != len(pixels):
        raise ValueError(f"the figure needs pictures of both bands with one code each, found codes {sorted(set(codes.tolist()))}")
    values = _normalised(pixels)  # (N, H, W, 3)
    means = values[codes == INFRARED].mean(axis=(0, 1, 2))
    fig = new_figure(4.4)
    left, right = fig.subfigures(1, 2, width_ratios=(1.1, 1))
    _draw_pairs(left, pixels, values, codes, bands)
    panels = right.subplots(2, 1, sharex=True)
    for axes, code in zip(panels, (VISIBLE, INFRARED), strict=True):
        edges = np.linspace(values.min(), values.max(), 49)
        for number, channel in enumerate(CHANNELS):
            found = values[codes == code][..., number].ravel()
            colour, line = CHANNEL_LOOKS[channel]
            share = 100 * np.histogram(found, edges)[0] / len(found)
            axes.plot((edges[:-1] + edges[1:]) / 2, share, line, color=colour, label=channel)
        axes.set_ylim(0, 1.4 * axes.dataLim.y1)  # room for the legend
        axes.set_title(f"{bands[code]} pictures, as the network gets them")
        axes.set_ylabel("pixels (%)")
    panels[1].set_xlabel("value after normalisation (no unit)")
    panels[0].legend(loc="upper center", ncols=3)
    told = ", ".join(f"{channel} {signed(mean, 2)}" for channel, mean in zip(CHANNELS, means, strict=True))
    return finish(
        fig,
        title or f"One {bands[1]} value becomes three: the channels' means are {told} after normalisation",
        "After normalisation all channels are drawn on one scale. A grey picture gets a tint: equal pixels are no longer equal numbers.",
        f"Two {bands[0]} and two {bands[1]} pictures before and after, and histograms of the three channels of each band.",
    )


def _normalised(pixels: NDArray[np.uint8]) -> NDArray[np.float32]:
    """What the network gets, with the channels last: float32 (N, H, W, 3)."""
    return normalise(torch.from_numpy(np.ascontiguousarray(pixels))).movedim(1, -1).numpy()


def _draw_pairs(
    fig: SubFigure, pixels: NDArray[np.uint8], values: NDArray[np.float32], codes: NDArray[np.int64], bands: Sequence[str]
) -> None:
    """Two pictures of each band: as stored in the upper row, normalised in the lower one."""
    low, high = values.min(), values.max()
    places = [place for code in (VISIBLE, INFRARED) for place in np.flatnonzero(codes == code)[:2]]
    panels = fig.subplots(2, len(places), squeeze=False)
    for column, place in enumerate(places):
        for axes, picture in zip(panels[:, column], (pixels[place], (values[place] - low) / (high - low)), strict=True):
            axes.imshow(picture)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.grid(False)
        code = int(codes[place])
        panels[0, column].set_title(bands[code], fontsize=SMALL, color=look_of(code).colour, weight="bold")
    for axes, name in zip(panels[:, 0], ("as stored", "normalised"), strict=True):
        axes.set_ylabel(name, color=FAINT)
