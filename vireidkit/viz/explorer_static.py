"""The static twin of the gap explorer: its map, its selection and the selected pictures as one figure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vireidkit.analysis.neighbours import is_infrared
from vireidkit.modality import MODALITIES
from vireidkit.viz.atlas import Thumbnails
from vireidkit.viz.colouring import Colouring, colour_by, factor_table
from vireidkit.viz.frames import Frame, frames_of
from vireidkit.viz.pages import ImageOf, picture_of
from vireidkit.viz.style import FAINT, LOOKS, PAPER, SMALL, band_handles, finish, many, new_figure, percent, styled
from vireidkit.viz.tables import label_of

PICTURES = 14  # of the selection, in one row


@styled
def gap_explorer_static(
    features: Any,
    projections: Any,
    image_of: ImageOf | None,
    *,
    colour: str = "modality",
    selection: Sequence[int] = (),
    factors: Any = None,
    bands: Sequence[str] = MODALITIES,
    title: str | None = None,
) -> Figure:
    """What ``GapExplorer`` shows, for a page without a kernel: the maps side by side, and below them the selected pictures.

    Args:
        features, projections, image_of, factors, bands: as for ``GapExplorer``; every key gets a panel.
        colour: what colour means. selection: positions that are ringed, and whose first pictures are shown.

    Raises:
        SettingError: they do not fit each other, an unknown ``colour``, or a selected position that is not there.
    """
    frames, table = frames_of(features, projections)
    chosen = sorted({int(row) for row in selection})
    if chosen and not 0 <= chosen[0] <= chosen[-1] < len(table):
        raise IndexError(f"selected positions must lie between 0 and {len(table) - 1}, found {chosen[0]} to {chosen[-1]}")
    extra = factor_table(factors, len(table))
    people = table["identity"].iloc[chosen].value_counts().index if chosen else None
    groups = colour_by(table, extra, colour, tuple(bands), people)
    lines, columns = -(-len(frames) // 3), min(3, len(frames))
    fig = new_figure((4.4 if columns == 1 else 3.2) * lines + 0.9 + (1.35 if chosen else 0))
    upper, lower = fig.subfigures(2, 1, height_ratios=[3.4 * lines, 1.35]) if chosen else (fig, None)
    panels = upper.subplots(lines, columns, squeeze=False).flat
    for axes, frame in zip(panels, [*frames, *[None] * (lines * columns - len(frames))], strict=True):
        if frame is None:
            axes.set_visible(False)
            continue
        _map(axes, frame, table, groups, chosen)
        axes.set_title(frame.name)
    upper.legend(handles=_handles(groups, bands), loc="outside right center")
    if lower is not None:
        _strip(lower, table, image_of, chosen, bands)
    told = " ".join(f"{frame.name}: {frame.told}." for frame in frames)
    words = f"{many(len(table), 'image')}. The axes have no unit, and distances between clusters mean nothing. {told}"
    alt = f"{many(len(frames), 'map')} of {many(len(table), 'image')}, coloured by {colour}; {many(len(chosen), 'selected image')} ringed."
    return finish(fig, title or _title(frames, table, chosen, bands), words, alt)


def _map(axes: Axes, frame: Frame, table: pd.DataFrame, groups: Colouring, chosen: list[int]) -> None:
    """Points with the mark of their modality and the colour of their group, the selected ones ringed."""
    infrared = is_infrared(table["modality"], len(table))
    colours = np.array(groups.colours)[groups.codes]
    size = float(np.clip(16000 / max(1, len(table)), 5, 30))
    mixed = np.random.default_rng(0).permutation(len(table))  # so that no group hides the others
    for flag, look in ((False, LOOKS["visible"]), (True, LOOKS["infrared"])):
        rows = mixed[infrared[mixed] == flag]
        edge = {} if look.marker == "x" else {"edgecolors": "white"}
        axes.scatter(*frame.points[rows].T, c=colours[rows], marker=look.marker, s=size, linewidths=0.9 if flag else 0.3, alpha=0.8, **edge)
    if chosen:
        axes.scatter(*frame.points[chosen].T, s=size * 3 + 20, facecolors="none", edgecolors="black", linewidths=0.9, zorder=3)
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)


def _handles(groups: Colouring, bands: Sequence[str]) -> list[Line2D]:
    """Marks for the bands and, where colour means something else, a line for each group."""
    if groups.name == "modality":
        return band_handles(bands)
    marks = [
        Line2D([], [], linestyle="", marker=LOOKS[name].marker, color=FAINT, markeredgewidth=1.4, label=band)
        for name, band in zip(MODALITIES, bands, strict=True)
    ]
    return [
        *marks,
        *[Line2D([], [], color=one, linewidth=5, label=label) for one, label in zip(groups.colours, groups.labels, strict=True)],
    ]


def _strip(figure: Any, table: pd.DataFrame, image_of: ImageOf | None, chosen: list[int], bands: Sequence[str]) -> None:
    """The first selected pictures in a row, with person and camera; a grey place where one is missing."""
    pictures = Thumbnails(image_of)
    infrared = is_infrared(table["modality"], len(table))
    for axes, row in zip(figure.subplots(1, PICTURES), [*chosen[:PICTURES], *[None] * (PICTURES - len(chosen))], strict=False):
        axes.set(xticks=[], yticks=[])
        if row is None:
            axes.set_visible(False)
            continue
        if pictures.of(row) is None:
            axes.set(facecolor=PAPER, xlim=(0, 1), ylim=(0, 2), aspect="equal")
            axes.text(0.5, 1, "picture\nmissing", ha="center", va="center", fontsize=6.5, color=FAINT)
        else:
            axes.imshow(picture_of(image_of(row)))
        look = LOOKS[MODALITIES[int(infrared[row])]]
        for side in axes.spines.values():
            side.set(visible=True, edgecolor=look.colour, linewidth=1.6, linestyle=look.line)
        camera = f"\nc {label_of(table['camera'].iloc[row])}" if "camera" in table.columns else ""
        axes.set_xlabel(f"p {label_of(table['identity'].iloc[row])}{camera}", fontsize=SMALL - 1.5)


def _title(frames: list[Frame], table: pd.DataFrame, chosen: list[int], bands: Sequence[str]) -> str:
    """What was selected, or what lies there."""
    infrared = is_infrared(table["modality"], len(table))
    if chosen:
        people = table["identity"].iloc[chosen].nunique()
        share = percent(float(infrared[chosen].mean()))
        return f"{many(len(chosen), 'selected image')} of {many(people, 'person', 'people')}: {share} {bands[1]}"
    counts = f"{int((~infrared).sum()):,} {bands[0]} and {int(infrared.sum()):,} {bands[1]} images"
    return f"{counts} in {many(len(frames), 'map')}" if len(frames) > 1 else f"{counts}, as {frames[0].name} lays them out"
