"""The same numbers asked of several searches: bars, a panel a search, a line a name."""

from __future__ import annotations

from typing import Any

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, INK, LABEL, SMALL, finish, new_figure, styled

LOOKS: tuple[dict[str, Any], ...] = ({"color": "#9A9A9A"}, {"color": CYCLE[0]}, {"color": CYCLE[1]})  # pointed out or not; two series
HATCHES = ("", "//")


@styled
def panel_bars(
    table: pd.DataFrame, *, measure: str, title: str, reading: str = "", marked: tuple[str, ...] = (), digits: int = 0
) -> Figure:
    """Bars from the left, one line a name and one panel a question, all panels with one axis of names.

    Args:
        table: ``name, panel, value``; also ``series`` (two at most, which then stand below each other in every line). Names and panels
            keep their order; up to four panels.
        measure: name and unit. marked: names whose bars are coloured (without series). digits: behind the point of the numbers.

    Raises:
        ValueError: a column is missing, no row, or too many panels or series.
    """
    missing = [name for name in ("name", "panel", "value") if name not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a number, found none")
    table = table.assign(series=table.get("series", ""))
    names, panels, series = (list(dict.fromkeys(table[column])) for column in ("name", "panel", "series"))
    if len(panels) > 4 or len(series) > 2:
        raise ValueError(f"the figure takes up to 4 panels and 2 series, found {len(panels)} and {len(series)}")
    fig = new_figure(1.5 + (0.27 + 0.17 * (len(series) - 1)) * len(names))
    drawn = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        own = table[table["panel"] == panel]
        for number, one in enumerate(series):
            _draw(axes, own[own["series"] == one], names, (number, len(series)), marked, digits)
        axes.set(title=panel, xlim=(0, 1.22 * max(float(own["value"].max()), 1e-9)))
        axes.grid(axis="y", visible=False)
    drawn[0].set_yticks(range(len(names)), labels=names, fontsize=LABEL)
    drawn[0].set_ylim(len(names) - 0.45, -0.55)
    drawn[len(drawn) // 2].set_xlabel(measure)
    for axes in drawn:
        axes.tick_params(axis="y", length=0)
    if len(series) > 1:
        fig.legend(*drawn[0].get_legend_handles_labels(), loc="outside right center")
    told = (" ".join(filter(None, (row.panel, row.name, row.series))) + f" {row.value:.{digits}f}" for row in table.itertuples(index=False))
    return finish(fig, title, reading, f"{measure}. " + "; ".join(told) + ".")


def _draw(axes: Axes, rows: pd.DataFrame, names: list[str], place: tuple[int, int], marked: tuple[str, ...], digits: int) -> None:
    """The bars of one series in one panel, each with its number."""
    number, several = place
    height = 0.62 / several
    heights = [names.index(name) + height * (number - (several - 1) / 2) for name in rows["name"]]
    if several > 1:
        look = {"label": rows["series"].iloc[0], "hatch": HATCHES[number], "edgecolor": "white", **LOOKS[number + 1]}
        axes.barh(heights, rows["value"], 0.9 * height, **look)
    else:
        colours = [LOOKS[1 if name in marked else 0]["color"] for name in rows["name"]]
        axes.barh(heights, rows["value"], height, color=colours)
    for y, value in zip(heights, rows["value"], strict=True):
        axes.text(value, y, f" {value:.{digits}f}", va="center", fontsize=SMALL, color=INK)
