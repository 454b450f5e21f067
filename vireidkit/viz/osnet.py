"""OSNet and its two streams as drawings: one omni-scale block, what its gates let through, and how much the bands share."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Circle, Patch, Rectangle

from vireidkit.modality import MODALITIES
from vireidkit.viz.sketch import arrow, box
from vireidkit.viz.style import FAINT, INK, LABEL, LOOKS, OKABE_ITO, SMALL, band_handles, finish, new_figure, percent, styled

LIGHT, GATE, SHARED = OKABE_ITO["green"], OKABE_ITO["purple"], "#D9D9D9"
ROWS = (43.0, 33.5, 24.0, 14.5)  # heights of the four streams
MIDDLE = (ROWS[0] + ROWS[-1]) / 2
FIRST, STEP, WIDE = 26.5, 9.0, 7.4  # of the light convolutions
FIELD_SIZE = (7.2, 8.4)  # of the drawn receptive field: square on the page

SHORT = {"linewidth": 1.2, "shrinkA": 0, "shrinkB": 0, "mutation_scale": 9}  # arrows that end where a box begins


@styled
def osnet_block() -> Figure:
    """The omni-scale block in one drawing: four streams of different reach, one gate, and a shortcut."""
    fig = new_figure(4.5)
    axes = fig.subplots()
    axes.set(xlim=(0, 102), ylim=(0, 51))
    axes.axis("off")
    _draw_way_in(axes)
    for depth, y in enumerate(ROWS, start=1):
        _draw_stream(axes, depth, y)
    _draw_way_out(axes)
    title = "Four streams look 3, 5, 7 and 9 positions far, and one gate weighs all of them"
    reading = (
        "A light 3x3 is a convolution across the channels, then one across the pixels of each channel. Squares: the positions of the map "
        "that one output of the stream depends on. The same gate (the same weights) is called four times, once a stream."
    )
    alt = (
        "Input x, a 1x1 convolution to a quarter of the channels, four rows of one to four light 3x3 convolutions with receptive fields of "
        "3, 5, 7 and 9 positions, a gate over all four, their sum, a 1x1 convolution back, and the input added to it."
    )
    return finish(fig, title, reading, alt)


def _draw_way_in(axes: Axes) -> None:
    """Input, first convolution, and the shortcut below."""
    box(axes, 3.6, MIDDLE, 5.6, "x", INK, height=7)
    box(axes, 14.5, MIDDLE, 9.6, "1x1\nto a quarter\nof C", INK, height=10)
    arrow(axes, (6.4, MIDDLE), (9.7, MIDDLE), **SHORT)
    for y in ROWS:
        arrow(axes, (19.3, MIDDLE), (FIRST - WIDE / 2, y), **SHORT)
    axes.plot([3.6, 3.6, 97], [MIDDLE - 3.5, 4, 4], color=FAINT, linewidth=1.4)
    axes.text(50, 4.6, "shortcut (a 1x1 convolution where the number of channels changes)", ha="center", fontsize=SMALL, color=FAINT)
    arrow(axes, (97, 4), (97, MIDDLE - 2.9), colour=FAINT, **SHORT)


def _draw_stream(axes: Axes, depth: int, y: float) -> None:
    """One stream: its light convolutions and its receptive field."""
    for place in range(depth):
        x = FIRST + STEP * place
        box(axes, x, y, WIDE, "light\n3x3", LIGHT, height=5.4)
        if place:
            arrow(axes, (x - STEP + WIDE / 2, y), (x - WIDE / 2, y), **SHORT)
    end, left = FIRST + STEP * (depth - 1) + WIDE / 2, 60.2
    wide, high = FIELD_SIZE
    axes.plot([end, left - 0.4], [y, y], color=INK, linewidth=1.2, zorder=1)
    axes.add_patch(Rectangle((left, y - high / 2), wide, high, facecolor="white", edgecolor=FAINT, linewidth=0.6, zorder=2))
    seen = (2 * depth + 1) / 9
    corner = (left + wide * (1 - seen) / 2, y - high * seen / 2)
    axes.add_patch(Rectangle(corner, wide * seen, high * seen, facecolor=LIGHT, alpha=0.5, edgecolor="none", zorder=3))
    for line in range(1, 9):
        axes.plot([left + wide * line / 9] * 2, [y - high / 2, y + high / 2], color=FAINT, linewidth=0.3, zorder=4)
        axes.plot([left, left + wide], [y - high / 2 + high * line / 9] * 2, color=FAINT, linewidth=0.3, zorder=4)
    axes.text(left - 0.7, y + 1.0, f"{2 * depth + 1}", ha="right", va="bottom", fontsize=LABEL, color=LIGHT, fontweight="bold")
    arrow(axes, (left + wide, y), (71.5, y), **SHORT)


def _draw_way_out(axes: Axes) -> None:
    """Gate, sum, last convolution and the addition of the shortcut."""
    box(axes, 75.3, MIDDLE, 7.4, "one gate:\na weight\nin 0..1\nfor each\nchannel", GATE, height=ROWS[0] - ROWS[-1] + 8)
    _sum(axes, 82.6, MIDDLE)
    arrow(axes, (79.1, MIDDLE), (81, MIDDLE), **SHORT)
    box(axes, 89.7, MIDDLE, 8.0, "1x1\nto C", INK, height=8)
    arrow(axes, (84.2, MIDDLE), (85.7, MIDDLE), **SHORT)
    arrow(axes, (93.7, MIDDLE), (95.4, MIDDLE), **SHORT)
    _sum(axes, 97, MIDDLE)
    axes.text(98, MIDDLE + 4.2, "ReLU,\nout", ha="center", fontsize=SMALL)


def _sum(axes: Axes, x: float, y: float) -> None:
    axes.add_patch(Circle((x, y), 1.6, facecolor="white", edgecolor=INK, linewidth=1.5, zorder=2))
    axes.text(x, y, "+", ha="center", va="center", fontsize=LABEL, zorder=3)


@styled
def split_sketch(
    parameters: Sequence[int], stages: Sequence[str], *, bands: Sequence[str] = MODALITIES, chosen: int | None = None
) -> Figure:
    """Which stages each band has apart, for every split of a trunk, and what that costs in parameters.

    Args:
        parameters: of the two-stream trunk at split 0, 1, 2 ... stages: names of the stages, first to last, one fewer.
        bands: names of the two bands. chosen: a split to point out.

    Raises:
        ValueError: the numbers do not fit the stages.
    """
    counts = [int(number) for number in parameters]
    if len(counts) != len(stages) + 1 or min(counts) <= 0:
        raise ValueError(f"expected parameters of the splits 0..{len(stages)}, found {len(counts)} numbers")
    fig = new_figure(1.6 + 0.44 * len(counts))
    left, right = fig.subplots(1, 2, width_ratios=[1.5, 1], sharey=True)
    _draw_splits(left, len(counts), stages)
    right.barh(range(len(counts)), counts, height=0.55, color=SHARED)
    for place, count in enumerate(counts):
        right.text(count, place, f" {count:,} ({count / counts[0]:.2f} x)", va="center", fontsize=LABEL)
    right.set(xlim=(0, 1.55 * max(counts)), xlabel="parameters of the trunk", xticks=[])
    right.grid(visible=False)
    left.set_yticks(range(len(counts)), labels=[f"split {place}" + " *" * (place == chosen) for place in range(len(counts))])
    left.set_ylim(len(counts) - 0.45, -0.95)
    handles = [Patch(facecolor="white", edgecolor=LOOKS[one].colour, hatch=LOOKS[one].hatch, label=band) for one, band in _named(bands)]
    fig.legend(handles=[*handles, Patch(facecolor=SHARED, edgecolor=INK, label="both")], loc="outside right center", title="a stage for")
    first = f"the first {chosen} of {len(stages)} stages apart" if chosen else ""
    added = f"; {first} add {percent(counts[chosen] / counts[0] - 1)}" if chosen else ""
    title = f"Two separate trunks have {counts[-1] / counts[0]:.2f} times the parameters of a shared one{added}"
    reading = (
        "Grey: one stage for both bands. Two narrow boxes: each band has its own. Multiply-adds of a picture are the same for every split."
    )
    reading += " *: the split of this recipe." if chosen is not None else ""
    told = "; ".join(f"split {place}: {count:,} parameters" for place, count in enumerate(counts))
    return finish(fig, title, reading, f"{told}. Stages: {', '.join(stages)}.")


def _named(bands: Sequence[str]) -> list[tuple[str, str]]:
    """Modalities with the names of the bands."""
    return list(zip(MODALITIES, bands, strict=True))


def _draw_splits(axes: Axes, splits: int, stages: Sequence[str]) -> None:
    """A line of boxes for each split."""
    axes.set(xlim=(-0.55, len(stages) - 0.45), xticks=[])
    for place, name in enumerate(stages):
        axes.text(place, -0.62, name, ha="center", va="center", fontsize=LABEL)
        for split in range(splits):
            if place >= split:
                axes.add_patch(Rectangle((place - 0.42, split - 0.3), 0.84, 0.6, facecolor=SHARED, edgecolor=INK, linewidth=0.8))
                continue
            for half, modality in enumerate(MODALITIES):
                look = LOOKS[modality]
                corner = (place - 0.42, split - 0.34 + 0.36 * half)
                axes.add_patch(Rectangle(corner, 0.84, 0.3, facecolor="white", edgecolor=look.colour, hatch=look.hatch, linewidth=1.3))
    axes.grid(visible=False)
    axes.tick_params(axis="y", length=0)
    for side in axes.spines.values():
        side.set_visible(False)


@styled
def gate_panels(table: pd.DataFrame, *, bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """How far the gates open for each stream, and what each stream gives to the sum; a column a block, a line a band.

    Args:
        table: ``analysis.stream_gates(...)``. bands: names of the two bands.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("modality", "block", "field", "gate", "share") if name not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a gate, found none")
    blocks = list(dict.fromkeys(table["block"]))
    fig = new_figure(4.0)
    panels = fig.subplots(2, len(blocks), sharex=True, sharey="row", squeeze=False)
    for column, block in enumerate(blocks):
        own = table[table["block"] == block]
        for row, measure in enumerate(("gate", "share")):
            _draw_gate(panels[row, column], own, measure)
        panels[0, column].set_title(block.replace(", ", "\n"), fontsize=LABEL)
        panels[1, column].set_xticks(sorted(own["field"].unique()))
    panels[0, 0].set(ylabel="mean gate", ylim=(0, 1))
    panels[1, 0].set(ylabel="share (%)", ylim=(0, 112 * float(table["share"].max())))
    for axes in panels[1]:
        axes.set_xlabel("field")
    fig.legend(handles=band_handles(bands), loc="outside right center")
    reading = (
        "Field: how many positions of the map a stream sees. Upper row: the gate's weight, mean over channels and pictures. Lower row: the "
        "gated stream's share of the sum, by mean magnitude; dotted: equal shares."
    )
    return finish(fig, title or _gate_title(table), reading, _gate_alt(table))


def _draw_gate(axes: Axes, own: pd.DataFrame, measure: str) -> None:
    """One block, one measure, both bands."""
    for name in MODALITIES:
        rows, look = own[own["modality"] == name], LOOKS[name]
        values = rows[measure] * (100 if measure == "share" else 1)
        axes.plot(rows["field"], values, look.line, marker=look.marker, color=look.colour, markersize=5, markeredgewidth=1.4)
    if measure == "share":
        axes.axhline(100 / max(1, own["field"].nunique()), color=FAINT, linestyle=":", linewidth=1)


def _gate_title(table: pd.DataFrame) -> str:
    """How different the bands are, beside how different the streams are."""
    wide = table.pivot_table(index=["block", "field"], columns="modality", values="gate")
    apart = float((wide[MODALITIES[0]] - wide[MODALITIES[1]]).abs().mean())
    streams = float(wide.mean(axis=1).groupby(level="block").agg(lambda one: one.max() - one.min()).mean())
    return f"The gates differ by {apart:.2f} between the bands and by {streams:.2f} between the streams of a block (of 1, on average)"


def _gate_alt(table: pd.DataFrame) -> str:
    """Every number in words."""
    rows: list[Any] = list(table.itertuples(index=False))
    told = (f"{row.modality} {row.block} field {row.field}: gate {row.gate:.2f}, share {percent(row.share)}" for row in rows)
    return "; ".join(told) + f". Mean gate {np.mean(table['gate']):.2f}."
