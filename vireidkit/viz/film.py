"""Figures about tracklets: their frames, which of them stand for the whole, and what a search gains by more of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from vireidkit.analysis.film import chunk_frames
from vireidkit.modality import MODALITIES
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import CYCLE, FAINT, INK, LABEL, OKABE_ITO, PAPER, SMALL, finish, many, new_figure, styled

_MARKS = "osD^"
_SMALL = (16, 32)  # width, height at which pictures of any size are compared


@styled
def film_sheet(
    tracklets: pd.DataFrame,
    frames: Sequence[Sequence[int]],
    image_of: ImageOf,
    *,
    bands: Sequence[str] = MODALITIES,
    height: float = 1.15,
    title: str | None = None,
) -> Figure:
    """Tracklets (lines) and their frames (columns), with how much pictures change inside a tracklet and between two of one band.

    Args:
        tracklets: one row a tracklet with identity, camera and modality. frames: positions of each one's frames, which ``image_of`` takes.
        bands: what the data set calls its modalities; height: of a picture in inches.

    Raises:
        ValueError: no tracklet, or not as many frames as tracklets.
    """
    if len(tracklets) == 0 or len(tracklets) != len(frames):
        raise ValueError(f"a film sheet needs the frames of every tracklet, found {len(tracklets)} tracklets and {len(frames)} lists")
    pictures = [[picture_of(image_of(int(place))) for place in own] for own in frames]
    inside, across = _changes(pictures, tracklets["modality"].tolist())
    told = f"Inside a tracklet two frames differ by {inside:.0f} of 255 grey levels a pixel"
    told += f", two tracklets of a band by {across:.0f}" if across == across else ""
    most = max(map(len, pictures))
    shape = pictures[0][0].shape
    width = min(height * shape[1] / shape[0], 7.3 / most - 0.06)
    height = width * shape[0] / shape[1]
    page = Page(
        title or told,
        (height + 0.1) * len(frames) + 0.22,
        reading="One line a tracklet, frames in the order of time. Difference: mean over pixels of small grey copies, over all pairs.",
        alt=f"{many(len(frames), 'tracklet')} of {most} frames. {told}.",
    )
    for line, (own, entry) in enumerate(zip(pictures, tracklets.to_dict("records"), strict=True)):
        y = page.top + 0.2 + (height + 0.1) * line
        name = bands[MODALITIES.index(entry["modality"])]
        page.badge(0.85, y + height / 2 - 0.18, entry["modality"], f"person {entry['identity']}", size=9)
        page.text(0.85, y + height / 2 + 0.02, f"camera {entry['camera']}\n{name}", size=SMALL)
        for column, picture in enumerate(own):
            page.picture(picture, 1.65 + (width + 0.06) * column, y, width, height)
            if line == 0:
                page.text(1.65 + (width + 0.06) * column + width / 2, page.top + 0.02, str(column), colour=FAINT)
    return page.fig


def _changes(pictures: Sequence[Sequence[NDArray[np.uint8]]], modality: Sequence[str]) -> tuple[float, float]:
    """Mean grey difference of two frames of a tracklet, and of two of different tracklets of one modality (NaN without)."""
    small = [[np.asarray(Image.fromarray(one).convert("L").resize(_SMALL), dtype=float) for one in own] for own in pictures]
    inside = [abs(a - b).mean() for own in small for place, a in enumerate(own) for b in own[place + 1 :]]
    across = [
        abs(a - b).mean()
        for place, own in enumerate(small)
        for other, theirs in enumerate(small[place + 1 :], place + 1)
        if modality[place] == modality[other]
        for a in own
        for b in theirs
    ]
    return (float(np.mean(found)) if found else float("nan") for found in (inside, across))  # type: ignore[return-value]


@styled
def chunk_sheet(lengths: Sequence[int] = (3, 8, 9, 20), *, chunks: int = 8, title: str | None = None) -> Figure:
    """Which frames of a tracklet stand for it: chunks as shades, at test the first of each, with how often it counts.

    Raises:
        ValueError: no length, or one below 1.
    """
    if not lengths or min(lengths) < 1:
        raise ValueError(f"a tracklet has at least one frame, found lengths {list(lengths)}")
    fig = new_figure(1.2 + 0.56 * len(lengths))
    axes = fig.subplots()
    picked = {length: chunk_frames(length, chunks) for length in lengths}
    for line, (length, chosen) in enumerate(picked.items()):
        size = -(-length // chunks)
        for frame in range(length):
            shade = PAPER if frame // size % 2 else "#DDE8F3"
            axes.add_patch(Rectangle((frame, line + 0.12), 0.94, 0.6, facecolor=shade, edgecolor=FAINT, linewidth=0.6))
        for frame, times in Counter(chosen).items():
            axes.add_patch(Rectangle((frame, line + 0.12), 0.94, 0.6, fill=False, edgecolor=OKABE_ITO["vermillion"], linewidth=2.2))
            axes.text(frame + 0.47, line + 0.42, f"{frame}" if times == 1 else f"{frame} ×{times}", ha="center", va="center", fontsize=7.5)
    axes.set(xlim=(-0.2, max(lengths) + 0.2), ylim=(len(lengths), 0), xticks=[])
    axes.set_yticks([line + 0.42 for line in range(len(lengths))], labels=[many(length, "frame") for length in lengths], fontsize=LABEL)
    axes.tick_params(length=0)
    axes.grid(visible=False)
    axes.spines[:].set_visible(False)
    worst = max(picked, key=lambda length: (max(Counter(picked[length]).values()) if length >= chunks else 0, -length))
    frame, times = Counter(picked[worst]).most_common(1)[0]
    told = f"Of {worst} frames frame {frame} counts {times} times among the {chunks} that stand for the tracklet"
    reading = f"Shades: {chunks} chunks of equal length, empty ones at the end filled up with the last frame. Red: the frames of a test."
    return finish(fig, title or told, reading, "; ".join(f"{length} frames: {chosen}" for length, chosen in picked.items()) + ".")


@styled
def frame_curves(table: pd.DataFrame, *, measure: str, title: str, reading: str = "", columns: int = 2) -> Figure:
    """A score over the number of frames, with intervals: one panel a search, one line a series.

    Args:
        table: ``panel, series, frames, value, low, high``; values in the unit of ``measure``, frames from 1 on.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("panel", "series", "frames", "value", "low", "high") if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a score, found none")
    panels, series = (list(dict.fromkeys(table[name])) for name in ("panel", "series"))
    columns = min(columns, len(panels))
    lines = -(-len(panels) // columns)
    fig = new_figure(1.5 + 2.2 * lines)
    grid = fig.subplots(lines, columns, squeeze=False, sharex=True)
    for axes, panel in zip(grid.flat, panels, strict=False):
        for number, name in enumerate(series):
            own = table[(table["panel"] == panel) & (table["series"] == name)]
            _draw_curve(axes, own, number, name)
        frames = sorted(set(table["frames"]))
        axes.set_xscale("log", base=2)
        axes.set_xticks(frames, labels=[f"{one:g}" for one in frames])
        axes.minorticks_off()
        axes.set(title=panel, xlabel="frames")
        axes.tick_params(labelbottom=True)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes in grid[:, 0]:
        axes.set_ylabel(measure)
    fig.legend(*grid.flat[0].get_legend_handles_labels(), loc="outside right center")
    told = "; ".join(f"{row.panel}, {row.series}, {row.frames:g}: {row.value:.1f}" for row in table.itertuples(index=False))
    return finish(fig, title, reading, f"{measure} by frames: {told}.")


def _draw_curve(axes: Axes, own: pd.DataFrame, number: int, name: str) -> None:
    """One series: marks, a line, and its intervals."""
    shift = 2 ** (0.06 * (number - 0.5))
    x, colour = own["frames"] * shift, CYCLE[number % len(CYCLE)]
    axes.plot(x, own["value"], marker=_MARKS[number % len(_MARKS)], color=colour, label=name, linewidth=1.5, markersize=5)
    axes.vlines(x, own["low"], own["high"], color=colour, linewidth=1.2, alpha=0.7)


@styled
def noise_curves(tables: Mapping[str, pd.DataFrame], *, title: str | None = None) -> Figure:
    """How far a person's tracklets lie apart by the number of frames averaged, beside what independent frames would give.

    Args:
        tables: name of a network -> ``analysis.frame_noise(...)``; at most three panels.

    Raises:
        ValueError: no table, or more than three.
    """
    if not 1 <= len(tables) <= 3:
        raise ValueError(f"one to three networks have room, found {len(tables)}")
    fig = new_figure(3.6)
    panels = fig.subplots(1, len(tables), squeeze=False, sharey=True)[0]
    told = {}
    for axes, (name, own) in zip(panels, tables.items(), strict=True):
        top = own["spread"].iloc[0]
        axes.plot(own["frames"], 100 * own["spread"] / top, "o-", color=OKABE_ITO["green"], label="measured")
        axes.plot(own["frames"], 100 * own["expected"] / top, "x:", color=INK, label="C + F / n")
        axes.plot(own["frames"], 100 * own["independent"] / top, "--", color=FAINT, label="frames independent")
        axes.axhline(100 * max(0.0, own["correlation"].iloc[0]), color=OKABE_ITO["vermillion"], linewidth=1, label="C: no film gets below")
        axes.set_xscale("log", base=2)
        axes.set_xticks(own["frames"], labels=[f"{one:g}" for one in own["frames"]])
        axes.minorticks_off()
        axes.set(title=f"{name}: correlation {own['correlation'].iloc[0]:.2f}", xlabel="frames averaged", ylim=(0, 108))
        told[name] = float(own["counts_as"].iloc[-1])
    panels[0].set_ylabel("squared distance (% of one frame's)")
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    last = next(iter(tables.values()))["frames"].iloc[-1]
    finding = f"{last} frames of a tracklet count as {', '.join(f'{value:.1f} ({name})' for name, value in told.items())} independent ones"
    reading = "Between tracklets of one person in one band, each the mean of n of its frames. Correlation: of two frames of a tracklet."
    shares = {name: 100 * own["spread"] / own["spread"].iloc[0] for name, own in tables.items()}
    alt = "; ".join(f"{name}: {', '.join(f'{value:.0f} %' for value in own)}" for name, own in shares.items())
    return finish(fig, title or finding, reading, f"Squared distance by frames: {alt}.")
