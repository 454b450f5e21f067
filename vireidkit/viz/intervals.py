"""How wholes fall into parts, and numbers with their intervals, line by line."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, FAINT, INK, LABEL, SMALL, finish, new_figure, styled

# Three to five parts go from good to bad; two are only told apart. Hatches for those who see no colour.
PARTS = ("#009E73", "#A6D9C7", "#EDEDED", "#F2B48A", "#D55E00")
HATCHES = ("", "..", "", "//", "xx")
PAIR = ({"facecolor": "#CC79A7", "hatch": ""}, {"facecolor": "#D9D9D9", "hatch": "//"})
_MARKS = "oDs^"


@styled
def stacked_bars(table: pd.DataFrame, *, measure: str, title: str, reading: str = "", digits: int = 0) -> Figure:
    """How wholes fall into parts: one bar a row of the table, one piece a column, from the left.

    Args:
        table: sizes (0 or more), one row a bar, two to five columns; names of both are written out.
        measure: name and unit of the sizes; digits: behind the point of the numbers in the pieces.

    Raises:
        ValueError: no bar, fewer than two or more than five parts, or a size below 0.
    """
    bars, parts = table.shape
    if bars == 0 or not 2 <= parts <= len(PARTS):
        raise ValueError(f"stacked bars need a row and 2 to {len(PARTS)} columns, found {bars} rows and {parts} columns")
    sizes = table.to_numpy(dtype=np.float64)
    if not (sizes >= 0).all():
        raise ValueError(f"sizes must be 0 or more, found {np.min(sizes)}")
    shades = np.linspace(0, len(PARTS) - 1, parts).round().astype(int)
    fig = new_figure(1.75 + 0.5 * bars)
    axes = fig.subplots()
    ends, whole = sizes.cumsum(axis=1), max(float(sizes.sum(axis=1).max()), 1e-9)
    for column, shade in enumerate(shades):
        left = ends[:, column] - sizes[:, column]
        own = PAIR[column] if parts == 2 else {"facecolor": PARTS[shade], "hatch": HATCHES[shade]}
        look: dict[str, Any] = {**own, "edgecolor": "white", "linewidth": 1}
        axes.barh(range(bars), sizes[:, column], left=left, height=0.62, **look)
        axes.barh([0], [0], label=str(table.columns[column]), **look)
        for bar in np.flatnonzero(sizes[:, column] > 0.045 * whole):
            _piece(axes, left[bar] + sizes[bar, column] / 2, bar, f"{sizes[bar, column]:.{digits}f}")
    axes.set_yticks(range(bars), labels=[str(name) for name in table.index], fontsize=LABEL)
    axes.set(xlim=(0, whole), ylim=(bars - 0.5, -0.5), xlabel=measure)
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    fig.legend(loc="outside right center")
    rows = (f"{name}: " + ", ".join(f"{part} {value:.{digits}f}" for part, value in row.items()) for name, row in table.iterrows())
    return finish(fig, title, reading, f"{measure}. " + "; ".join(rows) + ".")


def _piece(axes: Axes, x: float, y: float, text: str) -> None:
    """A number in the middle of a piece, readable on every colour."""
    box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}
    axes.text(x, y, text, ha="center", va="center", fontsize=SMALL, color=INK, bbox=box)


@styled
def interval_dots(
    table: pd.DataFrame, *, measure: str, title: str, reading: str = "", line: float | None = None, names: Sequence[str] | None = None
) -> Figure:
    """Numbers with their intervals, one line each; several series of one line stand below each other.

    Args:
        table: ``name`` (of the line), ``value, low, high``; also ``series``, and ``group``, whose first line is set apart. Lines keep
            their order. Without an interval (NaN) the mark stands alone.
        measure: name and unit of the numbers; line: where a dashed line marks "nothing"; names: order of the series.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("name", "value", "low", "high") if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a number, found none")
    table = table.assign(series=table.get("series", ""), group=table.get("group", ""))
    keys = list(dict.fromkeys(zip(table["group"], table["name"], strict=True)))
    series = list(names if names is not None else dict.fromkeys(table["series"]))
    places = _places([group for group, _ in keys])
    fig = new_figure(1.3 + 0.29 * (places[-1] + 1))
    axes = fig.subplots()
    for number, one in enumerate(series):
        own = table[table["series"] == one]
        shift = 0.26 * (number - (len(series) - 1) / 2)
        y = np.array([places[keys.index(key)] for key in zip(own["group"], own["name"], strict=True)]) + shift
        colour = INK if len(series) == 1 else CYCLE[number % len(CYCLE)]
        axes.hlines(y, own["low"], own["high"], color=colour, linewidth=1.6)
        axes.plot(own["value"], y, _MARKS[number % len(_MARKS)], color=colour, markersize=5.5, label=one)
    if line is not None:
        axes.axvline(line, color=FAINT, linestyle="--", linewidth=1.2, zorder=1)
    axes.set_yticks(places, labels=[f"{group}: {name}" if group else str(name) for group, name in keys], fontsize=LABEL)
    axes.set(ylim=(places[-1] + 0.6, -0.6), xlabel=measure)
    axes.tick_params(axis="y", length=0)
    if len(series) > 1:
        fig.legend(loc="outside right center")
    return finish(fig, title, reading, _dots_alt(table, measure))


def _places(groups: Sequence[str]) -> list[float]:
    """Heights of the lines, with half a line between two groups."""
    found, place = [0.0], 0.0
    for before, group in pairwise(groups):
        place += 1.0 if group == before else 1.5
        found.append(place)
    return found


def _dots_alt(table: pd.DataFrame, measure: str) -> str:
    """Every number in words."""
    texts = []
    for row in table.itertuples(index=False):
        who = " ".join(str(part) for part in (row.group, row.name, row.series) if part != "")
        ends = "" if row.low != row.low else f" ({row.low:.2f} to {row.high:.2f})"
        texts.append(f"{who} {row.value:.2f}{ends}")
    return f"{measure}. " + "; ".join(texts) + "."
