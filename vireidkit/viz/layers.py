"""Numbers that change from layer to layer: lines over the stages of a network, a panel a question."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, FAINT, LABEL, finish, new_figure, styled

MARKS, LINES = "oDs^", ("-", "--", "-.", ":")


@styled
def layer_lines(
    table: pd.DataFrame, *, measure: str, title: str, reading: str = "", floors: dict[str, float] | None = None, digits: int = 1
) -> Figure:
    """One number for each layer, series and panel, the layers from left to right in the order of the table.

    Args:
        table: ``layer, series, panel, value``; up to four panels, up to four series. A series may lack layers.
        measure: name and unit. floors: panel -> a value worth a dotted line, such as chance.

    Raises:
        ValueError: a column is missing, no row, or too many panels or series.
    """
    missing = [name for name in ("layer", "series", "panel", "value") if name not in table.columns]
    if missing or table.empty:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a number, found none")
    layers, series, panels = (list(dict.fromkeys(table[name])) for name in ("layer", "series", "panel"))
    if len(series) > len(MARKS) or len(panels) > 4:
        raise ValueError(f"the figure takes up to {len(MARKS)} series and 4 panels, found {len(series)} and {len(panels)}")
    fig = new_figure(3.3)
    drawn = fig.subplots(1, len(panels), sharey=True, squeeze=False)[0]
    for axes, panel in zip(drawn, panels, strict=True):
        for number, one in enumerate(series):
            own = table[(table["panel"] == panel) & (table["series"] == one)]
            places = [layers.index(name) for name in own["layer"]]
            axes.plot(places, own["value"], LINES[number], marker=MARKS[number], color=CYCLE[number], label=one)
        if floors and panel in floors:
            axes.axhline(floors[panel], color=FAINT, linestyle=":", linewidth=1.2)
        axes.set_xticks(range(len(layers)), labels=layers, rotation=35, ha="right", rotation_mode="anchor")
        axes.set(title=panel, xlim=(-0.35, len(layers) - 0.65))
    drawn[0].set_ylabel(measure)
    drawn[0].set_ylim(bottom=0)
    handles, names = drawn[0].get_legend_handles_labels()
    if len(series) > 1:
        fig.legend(handles, names, loc="outside right center", fontsize=LABEL)
    told = (f"{row.panel}, {row.series}, {row.layer}: {row.value:.{digits}f}" for row in table.itertuples(index=False))
    return finish(fig, title, reading, f"{measure}. " + "; ".join(told) + ".")
