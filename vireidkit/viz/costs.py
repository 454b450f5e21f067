"""What networks cost: measured time beside counted work, and accuracy beside cost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from vireidkit.viz.style import CYCLE, FAINT, INK, LABEL, SMALL, finish, new_figure, percent, styled

MARKS = ("o", "D", "s", "^", "v", "P", "*")  # one more than there are colours, so that 42 pairs differ
MODES = {"infer": ("o", "test"), "train": ("s", "training step")}
COSTS = {
    "parameters_test": "parameters at test",
    "multiply_adds": "multiply-adds of a picture",
    "latency_ms": "milliseconds of a picture",
}


@styled
def time_against_work(table: pd.DataFrame, *, over: str = "resnet50", about: str = "ResNet-50", title: str | None = None) -> Figure:
    """Measured time against multiply-adds, both as ratios to one network, on log axes; a panel a picture size.

    Above the line of equality a network is slower than its multiply-adds promise.

    Args:
        table: ``measured.trunk_costs()``: ``trunk, mode, size, multiply_adds_over_<over>, time_over_<over>``.
        over: whose ratios; about: what that network is called.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    x, y = f"multiply_adds_over_{over}", f"time_over_{over}"
    missing = [name for name in ("trunk", "mode", "size", x, y) if name not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a measurement, found none")
    sizes, trunks = list(dict.fromkeys(table["size"])), list(dict.fromkeys(table["trunk"]))
    fig = new_figure(4.2)
    panels = fig.subplots(1, len(sizes), sharex=True, sharey=True, squeeze=False)[0]
    low, high = 0.7 * float(table[[x, y]].min(axis=None)), 1.6 * float(table[[x, y]].max(axis=None))
    for axes, size in zip(panels, sizes, strict=True):
        axes.plot([low, high], [low, high], color=INK, linestyle="--", linewidth=1.2, zorder=1)
        _draw_trunks(axes, table[table["size"] == size], trunks, (x, y))
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(low, high), title=f"pictures of {size}")
        axes.set_xlabel(f"multiply-adds, of {about}'s")
        axes.text(0.95 * high, 1.15 * low, "dashed: time\nas multiply-adds", fontsize=SMALL, color=FAINT, ha="right", va="bottom")
        for axis in (axes.xaxis, axes.yaxis):
            axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:g} %"))
            axis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel(f"time, of {about}'s")
    handles = [Line2D([], [], linestyle="", marker="o", color=CYCLE[i % len(CYCLE)], label=name) for i, name in enumerate(trunks)]
    handles += [
        Line2D([], [], linestyle="", marker=mark, color=INK, markerfacecolor=INK if mode == "infer" else "white", label=name)
        for mode, (mark, name) in MODES.items()
    ]
    fig.legend(handles=handles, loc="outside right center")
    reading = f"Each point: one network on one kind of pictures, measured in turns on one machine. {about} is at 100 %, 100 %."
    return finish(fig, title or _work_title(table, x, y, about), reading, _work_alt(table, x, y, about))


def _draw_trunks(axes: Axes, rows: pd.DataFrame, trunks: Sequence[str], columns: tuple[str, str]) -> None:
    """One mark for each network and mode."""
    for number, trunk in enumerate(trunks):
        for mode, (mark, _) in MODES.items():
            own, colour = rows[(rows["trunk"] == trunk) & (rows["mode"] == mode)], CYCLE[number % len(CYCLE)]
            look = {"markerfacecolor": colour, "markersize": 7} if mode == "infer" else {"markerfacecolor": "none", "markersize": 10}
            axes.plot(own[columns[0]], own[columns[1]], mark, color=colour, markeredgewidth=1.6, **look)


def _work_title(table: pd.DataFrame, x: str, y: str, about: str) -> str:
    """The network that is furthest above the line at test, at the last size."""
    rows = table[(table["mode"] == "infer") & (table["size"] == table["size"].iloc[-1])]
    rows = table if rows.empty else rows
    worst = rows.loc[(rows[y] / rows[x]).idxmax()]
    return f"With {percent(worst[x])} of {about}'s multiply-adds {worst['trunk']} takes {percent(worst[y])} of its time ({worst['size']})"


def _work_alt(table: pd.DataFrame, x: str, y: str, about: str) -> str:
    """Every point in words."""
    told = (
        f"{row['trunk']} {row['mode']} {row['size']}: {percent(row[x], 1)} of the multiply-adds, {percent(row[y], 1)} of the time"
        for row in table.to_dict("records")
    )
    return f"Ratios to {about}. " + "; ".join(told) + "."


@styled
def accuracy_against_cost(
    table: pd.DataFrame, *, costs: Mapping[str, str] = COSTS, measure: str = "mAP", title: str | None = None, note: str = ""
) -> Figure:
    """Methods by what they cost and what they reach: a panel a cost (log axis), all with one axis of accuracy.

    A grey staircase joins the methods that no other beats in both: fewer of this cost, and at least as accurate.

    Args:
        table: one row a method: ``name, value, low, high`` (fractions; NaN where there is no interval) and the columns of ``costs``.
        costs: column -> what it is called. measure: what the values are. note: what else must be known.

    Raises:
        ValueError: a column is missing, no row, a cost that is not above 0, or a name that comes twice.
    """
    missing = [name for name in ("name", "value", "low", "high", *costs) if name not in table.columns]
    if missing or table.empty or not costs:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a method and a cost")
    if not (table[list(costs)] > 0).all(axis=None) or table["name"].duplicated().any():
        raise ValueError("every method needs a name of its own and costs above 0")
    fig = new_figure(4.1)
    panels = fig.subplots(1, len(costs), sharey=True, squeeze=False)[0]
    for axes, (column, words) in zip(panels, costs.items(), strict=True):
        _draw_frontier(axes, table, column)
        for number, row in enumerate(table.to_dict("records")):
            colour, mark = CYCLE[number % len(CYCLE)], MARKS[number % len(MARKS)]
            axes.vlines(row[column], 100 * row["low"], 100 * row["high"], color=colour, linewidth=2)
            axes.plot(row[column], 100 * row["value"], mark, color=colour, markersize=8, markeredgecolor=INK, markeredgewidth=0.6)
        axes.set(xscale="log", xlabel=words)
        axes.set_xlim(0.55 * float(table[column].min()), 1.8 * float(table[column].max()))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: short_number(value)))
        axes.xaxis.set_minor_formatter(FuncFormatter(_few_minor(table[column])))
        axes.tick_params(axis="x", which="both", labelsize=SMALL)
    panels[0].set_ylabel(f"{measure} (%)")
    handles = [
        Line2D([], [], linestyle="", marker=MARKS[number % len(MARKS)], color=CYCLE[number % len(CYCLE)], label=name)
        for number, name in enumerate(table["name"])
    ]
    fig.legend(handles=handles, loc="outside right center", fontsize=LABEL)
    reading = "Left and up is better. Lines: 95 % percentile intervals, seeds resampled. Grey: methods that no other beats in both."
    return finish(
        fig, title or _cost_title(table, costs, measure), "\n".join(filter(None, [reading, note])), _cost_alt(table, costs, measure)
    )


def frontier(costs: Sequence[float], values: Sequence[float]) -> list[int]:
    """Positions, cheapest first, of those that no other beats: none costs as little or less and reaches more, or costs less and reaches
    as much."""
    order = sorted(range(len(costs)), key=lambda place: (costs[place], -values[place]))
    kept: list[int] = []
    for place in order:
        if not kept or values[place] > values[kept[-1]]:
            kept.append(place)
    return kept


def short_number(value: float) -> str:
    """A large number as an axis shows it: 20,686,464 is "21 M"."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if value >= size:
            return f"{value / size:.3g}{letter}"
    return f"{value:.3g}"


def _few_minor(column: pd.Series) -> object:
    """Names for some ticks between the powers of ten, where the costs span so little that few powers lie among them."""
    span = float(column.max() / column.min())
    named = "25" if span < 8 else "3" if span < 50 else ""
    return lambda value, _: short_number(value) if f"{value:.0e}"[0] in named else ""


def _draw_frontier(axes: Axes, table: pd.DataFrame, column: str) -> None:
    """The staircase of the methods that no other beats in both."""
    best = table.iloc[frontier(table[column].tolist(), table["value"].tolist())]
    x = [*best[column], 10 * float(table[column].max())]
    y = 100 * np.array([*best["value"], best["value"].iloc[-1]])
    axes.step(x, y, where="post", color=FAINT, linewidth=1.2, alpha=0.7, zorder=1)


def _cost_title(table: pd.DataFrame, costs: Mapping[str, str], measure: str) -> str:
    """The most accurate, and the cheapest by the first cost."""
    column, words = next(iter(costs.items()))
    best, cheap = table.loc[table["value"].idxmax()], table.loc[table[column].idxmin()]
    told = f"{best['name']} reaches the highest {measure}, {percent(best['value'], 1)}"
    if best["name"] == cheap["name"]:
        return f"{told}, with the fewest {words} as well"
    share = percent(cheap[column] / best[column])
    return f"{told}; {cheap['name']} has {share} of its {words} and is {100 * (best['value'] - cheap['value']):.1f} points below"


def _cost_alt(table: pd.DataFrame, costs: Mapping[str, str], measure: str) -> str:
    """Every method in words."""
    told = []
    for row in table.to_dict("records"):
        ends = "" if row["low"] != row["low"] else f" ({percent(row['low'], 1)} to {percent(row['high'], 1)})"
        spent = ", ".join(f"{short_number(row[column])} {words}" for column, words in costs.items())
        told.append(f"{row['name']}: {measure} {percent(row['value'], 1)}{ends}, {spent}")
    return "; ".join(told) + "."
