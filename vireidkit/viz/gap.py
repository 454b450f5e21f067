"""The gap as figures: measures beside their values without a gap, and stage by stage of a network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.gridspec import GridSpec
from matplotlib.lines import Line2D
from matplotlib.patches import Patch, Rectangle

from vireidkit.viz.style import CYCLE, INK, LABEL, OKABE_ITO, SMALL, finish, many, new_figure, styled, wrapped

NEEDED = ("measure", "value", "low", "high", "no_gap_low", "no_gap_high", "split_half_value")
MARKS = "oDs^vP"
HALF: dict[str, Any] = {"marker": "|", "linestyle": "", "color": OKABE_ITO["black"], "markersize": 13, "markeredgewidth": 1.4}
SHUFFLED = "#D9D9D9"
_WITHOUT = (
    "Grey: middle 95 % when modality is shuffled inside every person, so that neither the band nor its cameras count. Black tick: random "
    "halves of one band in place of the two."
)


@styled
def gap_plot(tables: pd.DataFrame | Mapping[str, pd.DataFrame], *, title: str | None = None) -> Figure:
    """Every measure of the gap on an axis of its own: value and interval, the values without a gap, and those of a split band.

    Args:
        tables: ``modality_gap(...)``, or name -> such a table for up to six descriptors, one colour and mark each.

    Raises:
        ValueError: no table or more than six, a table without rows, or a missing column.
    """
    named = {"": tables} if isinstance(tables, pd.DataFrame) else dict(tables)
    check_tables(named, NEEDED, "the gap")
    measures = list(dict.fromkeys(name for table in named.values() for name in table["measure"]))
    strip_height = 0.46 + 0.09 * (len(named) - 1)
    fig = new_figure(1.5 + strip_height * len(measures))
    strip, grid = _with_legend(fig, len(measures), 1, strip_height)
    for line, measure in enumerate(measures):
        own = {name: table[table["measure"] == measure] for name, table in named.items()}
        _draw_strip(fig.add_subplot(grid[line + 1, 0]), own, measure)
    handles = [*_series(named), Patch(color=SHUFFLED, label="modality shuffled"), Line2D([], [], label="one band halved", **HALF)]
    _legend(strip, handles)
    level = next(iter(named.values())).attrs.get("level") or 0.95
    reading = f"{_WITHOUT} Lines: {100 * level:.0f} % intervals over people; a mark alone has none. Every measure has its own axis."
    return finish(fig, title or _gap_title(named), reading, _gap_alt(named))


def _draw_strip(axes: Axes, own: Mapping[str, pd.DataFrame], measure: str) -> None:
    """One measure: a line a descriptor, below each other."""
    several, number = len(own) > 1, 0
    for number, (_, rows) in enumerate(own.items()):
        if rows.empty or not np.isfinite(rows["value"].iloc[0]):
            continue
        row, colour = rows.iloc[0], CYCLE[number] if several else INK
        if np.isfinite(row["no_gap_low"]):
            # So thin that it would vanish, a band is still drawn.
            width = row["no_gap_high"] - row["no_gap_low"]
            axes.add_patch(Rectangle((row["no_gap_low"], number - 0.38), width, 0.76, facecolor=SHUFFLED, edgecolor=SHUFFLED, linewidth=2))
        axes.plot(row["split_half_value"], number, **HALF)
        axes.hlines(number, row["low"], row["high"], color=colour, linewidth=2)
        axes.plot(row["value"], number, MARKS[number], color=colour, markersize=6)
    axes.set(ylim=(number + 0.6, -0.6), yticks=[])
    axes.set_ylabel(measure, rotation=0, ha="right", va="center", fontsize=LABEL)
    axes.grid(axis="y", visible=False)
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", labelsize=SMALL, pad=1)
    axes.autoscale_view()
    low, high = axes.get_xlim()
    axes.set_xlim(low - 0.02 * (high - low), high + 0.02 * (high - low))


def _gap_title(named: Mapping[str, pd.DataFrame]) -> str:
    """How many measures leave the values without a gap; with several descriptors, which lies farthest on the first measure."""
    if len(named) > 1:
        first = next(iter(named.values()))["measure"].iloc[0]
        values = {
            name: float(table.loc[table["measure"] == first, "value"].iloc[0])
            for name, table in named.items()
            if first in set(table["measure"])
        }
        values = {name: value for name, value in values.items() if np.isfinite(value)}
        if not values:
            return f"The gap of {many(len(named), 'descriptor')}"
        largest, smallest = max(values, key=values.__getitem__), min(values, key=values.__getitem__)
        return f"{first}: largest for {largest} ({values[largest]:.2f}), smallest for {smallest} ({values[smallest]:.2f})"
    table = next(iter(named.values())).dropna(subset=["value", "no_gap_low", "no_gap_high"])
    table = table[~table["measure"].str.contains("within")]  # what lies within one band is no gap: shuffling moves it all the same
    if table.empty:
        return "The gap between the modalities"
    outside = (table["value"] < table["no_gap_low"]) | (table["value"] > table["no_gap_high"])
    return f"{int(outside.sum())} of {many(len(table), 'measure')} between the bands lie outside their values without a gap"


def _gap_alt(named: Mapping[str, pd.DataFrame]) -> str:
    """Every number in words."""
    texts = []
    for name, table in named.items():
        for row in table.itertuples():
            ends = "" if row.low != row.low else f" ({row.low:.3g} to {row.high:.3g})"
            without = "" if row.no_gap_low != row.no_gap_low else f", shuffled {row.no_gap_low:.3g} to {row.no_gap_high:.3g}"
            half = "" if row.split_half_value != row.split_half_value else f", one band halved {row.split_half_value:.3g}"
            texts.append(f"{f'{name}, ' if name else ''}{row.measure} {row.value:.3g}{ends}{without}{half}")
    return "Measures of the gap: " + "; ".join(texts) + "."


@styled
def gap_by_layer_plot(tables: pd.DataFrame | Mapping[str, pd.DataFrame], *, title: str | None = None) -> Figure:
    """The gap after every stage of a network: a panel a measure, the stages from left to right, the descriptor last.

    Args:
        tables: ``gap_by_layer(...)``, or name -> such a table for up to six networks with the same stages or others.

    Raises:
        ValueError: no table or more than six, a table without rows, or a missing column.
    """
    named = {"": tables} if isinstance(tables, pd.DataFrame) else dict(tables)
    check_tables(named, (*NEEDED, "layer", "depth"), "the gap by layer")
    measures = list(dict.fromkeys(name for table in named.values() for name in table["measure"]))
    layers = list(dict.fromkeys(name for table in named.values() for name in table.sort_values("depth", kind="stable")["layer"]))
    # The descriptor comes last, whatever stages a second network adds.
    layers = [name for name in layers if name != "descriptor"] + [name for name in layers if name == "descriptor"]
    columns = min(3, len(measures))
    lines = -(-len(measures) // columns)
    fig = new_figure(1.4 + 2.0 * lines)
    strip, grid = _with_legend(fig, lines, columns, 2.0)
    for place, measure in enumerate(measures):
        axes = fig.add_subplot(grid[1 + place // columns, place % columns])
        for number, table in enumerate(named.values()):
            _draw_course(axes, table[table["measure"] == measure], layers, number, len(named) > 1)
        axes.set_title(wrapped(measure, 72 * 8.2 / columns - 20))
        # The lowest panel of every column carries the names of the stages.
        lowest = place + columns >= len(measures)
        axes.set_xticks(range(len(layers)), labels=layers if lowest else [], rotation=40, ha="right", rotation_mode="anchor")
        axes.set_xlim(-0.4, len(layers) - 0.6)
    without = [Patch(color=SHUFFLED, label="modality shuffled"), Line2D([], [], label="one band halved", **HALF | {"marker": "_"})]
    _legend(strip, [*_series(named), *([] if len(named) > 1 else without)])
    reading = "Stages: maps averaged over their positions. Lines: 95 % intervals over people."
    if len(named) == 1:
        reading = f"{_WITHOUT.replace('Black tick', 'Black dash')} {reading}"
    return finish(fig, title or _layer_title(named), reading, _layer_alt(named))


def _draw_course(axes: Axes, rows: pd.DataFrame, layers: Sequence[str], number: int, several: bool) -> None:
    """One network's course through its stages."""
    rows = rows.sort_values("depth", kind="stable")
    x = np.array([layers.index(name) for name in rows["layer"]], dtype=float)
    colour = CYCLE[number] if several else INK
    if not several:
        axes.bar(
            x,
            rows["no_gap_high"] - rows["no_gap_low"],
            bottom=rows["no_gap_low"],
            width=0.5,
            color=SHUFFLED,
            edgecolor=SHUFFLED,
            linewidth=2,
        )
        axes.plot(x, rows["split_half_value"], **HALF | {"marker": "_"})
    x = x + 0.08 * number
    axes.vlines(x, rows["low"], rows["high"], color=colour, linewidth=2)
    axes.plot(x, rows["value"], marker=MARKS[number], color=colour, linewidth=1.2, markersize=5)


def _layer_title(named: Mapping[str, pd.DataFrame]) -> str:
    """Where the first measure of the first network is largest, and what the descriptor leaves of it."""
    name, table = next(iter(named.items()))
    measure = table["measure"].iloc[0]
    course = table[table["measure"] == measure].dropna(subset=["value"]).sort_values("depth", kind="stable")
    if course.empty:
        return "The gap by layer"
    top, last = course.loc[course["value"].idxmax()], course.iloc[-1]
    text = f"{f'{name}: ' if name else ''}{measure} is largest at {top['layer']} ({top['value']:.2f})"
    return text if top["layer"] == last["layer"] else f"{text}; the last, {last['layer']}, has {last['value']:.2f}"


def _layer_alt(named: Mapping[str, pd.DataFrame]) -> str:
    """Every number in words."""
    texts = []
    for name, table in named.items():
        for measure, rows in table.groupby("measure", sort=False):
            course = ", ".join(f"{row.layer} {row.value:.3g}" for row in rows.sort_values("depth", kind="stable").itertuples())
            texts.append(f"{f'{name}, ' if name else ''}{measure}: {course}")
    return "The gap after every stage. " + "; ".join(texts) + "."


def _with_legend(fig: Figure, lines: int, columns: int, height: float) -> tuple[Axes, GridSpec]:
    """A strip for the legend in line 0 of a grid of ``lines`` more, each ``height`` inches high."""
    grid = fig.add_gridspec(lines + 1, columns, height_ratios=[0.22, *([height] * lines)])
    strip = fig.add_subplot(grid[0, :])
    strip.axis("off")
    return strip, grid


def _legend(strip: Axes, handles: Sequence[Any]) -> None:
    """The legend, in its strip."""
    # A long one may reach out to the left, over the names of the measures; to the right it would leave the page.
    side = "center left" if len(handles) <= 3 else "center right"
    strip.legend(handles=handles, loc=side, ncols=min(len(handles), 6), columnspacing=1.2, handlelength=1.6, borderaxespad=0).set_in_layout(
        False
    )


def _series(named: Mapping[str, Any]) -> list[Line2D]:
    """Legend entries of the descriptors; one alone is drawn in ink."""
    several = len(named) > 1
    return [
        Line2D([], [], marker=MARKS[number], color=CYCLE[number] if several else INK, label=name or "value and interval")
        for number, name in enumerate(named)
    ]


def check_tables(named: Mapping[str, pd.DataFrame], needed: Sequence[str], what: str) -> None:
    """Tables that can be drawn.

    Raises:
        ValueError: no table or more than six, a table without rows, or a missing column.
    """
    if not 1 <= len(named) <= len(MARKS):
        raise ValueError(f"expected one to {len(MARKS)} tables of {what}, found {len(named)}")
    for name, table in named.items():
        missing = [column for column in needed if column not in table.columns]
        if missing:
            raise ValueError(f"the table of {what}{f' of {name!r}' if name else ''} needs a column {missing[0]!r}")
        if len(table) == 0:
            raise ValueError(f"the table of {what}{f' of {name!r}' if name else ''} has no row")
