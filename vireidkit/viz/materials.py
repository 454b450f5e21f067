"""How two bands hang together in the tables of a renderer: what visible lightness says of near-infrared, and what a dial does to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, FAINT, MINUS, OKABE_ITO, WIDTH, finish, many, new_figure, styled

_MARKS = "osD^vP"


@styled
def lightness_links(
    people: pd.DataFrame,
    parts: Sequence[str],
    *,
    band: str = "near-infrared",
    labels: Mapping[str, str] | None = None,
    title: str | None = None,
) -> Figure:
    """Visible lightness (x) against infrared reflectance (y) of parts of a person, one panel a part, one mark a person.

    Args:
        people: one row a person with ``<part>_lightness`` and ``<part>_nir`` (shares of light, 0-1) of every part.
        parts: such as "skin", "hair", "top"; labels: part -> words for it; band: name of the infrared band.

    Raises:
        ValueError: no part, a missing column, or fewer than three people.
    """
    missing = [f"{part}_{end}" for part in parts for end in ("lightness", "nir") if f"{part}_{end}" not in people.columns]
    if missing or not parts or len(people) < 3:
        what = f"the table needs a column {missing[0]!r}" if missing else f"{len(parts)} parts and {len(people)} people"
        raise ValueError(what if missing else f"the figure needs a part and 3 people, found {what}")
    names = {part: (labels or {}).get(part, part) for part in parts}
    links = {part: float(people[f"{part}_lightness"].corr(people[f"{part}_nir"])) for part in parts}
    fig = new_figure(1.25 + (WIDTH - 0.7) / max(len(parts), 3))
    panels = fig.subplots(1, len(parts), sharex=True, sharey=True, squeeze=False)[0]
    for axes, part in zip(panels, parts, strict=True):
        axes.plot([0, 1], [0, 1], color=FAINT, linewidth=1, linestyle="--")
        spots = (people[f"{part}_lightness"], people[f"{part}_nir"])
        axes.scatter(*spots, s=20, color=OKABE_ITO["purple"], marker="D", edgecolor="white", linewidth=0.4, alpha=0.8)
        axes.set(xlim=(0, 1), ylim=(0, 1), xticks=(0, 0.5, 1), yticks=(0, 0.5, 1), xlabel="visible lightness (0-1)")
        axes.set_aspect("equal")
        axes.set_title(f"{names[part]}: r = {links[part]:.2f}", fontweight="bold")
    panels[0].set_ylabel(f"{band} reflectance (0-1)")
    low, high = min(links, key=lambda part: links[part]), max(links, key=lambda part: links[part])
    return finish(
        fig,
        title
        or f"Visible lightness tells most about the {band} value of {names[high]} ({links[high]:.2f}), least of "
        f"{names[low]} ({links[low]:.2f})",
        f"One diamond a person, {many(len(people), 'person', 'people')}; r: correlation. On the dashed line a surface is equally light in "
        "both bands.",
        "Correlations: " + ", ".join(f"{names[part]} {value:.2f}" for part, value in links.items()) + ".",
    )


@styled
def dial_curves(
    table: pd.DataFrame,
    *,
    dial: str,
    measure: str,
    chance: float | None = None,
    data_set: float | None = None,
    title: str | None = None,
) -> Figure:
    """What turning a dial does to one or several measured numbers.

    Args:
        table: ``setting`` (of the dial), ``series`` (what is measured), ``value``; also ``low`` and ``high`` for intervals.
        dial: name of the dial, below the x axis; measure: name and unit of the numbers; chance: where guessing lies.
        data_set: the setting with which a data set was rendered, marked by an upright line.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("setting", "series", "value") if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a measurement, found none")
    fig = new_figure(3.7, 6.6)
    axes = fig.subplots()
    for number, (series, own) in enumerate(table.groupby("series", sort=False)):
        own, colour = own.sort_values("setting"), CYCLE[number % len(CYCLE)]
        axes.plot(own["setting"], own["value"], f"{_MARKS[number % 6]}-", color=colour, label=str(series))
        if {"low", "high"} <= set(own.columns):
            axes.fill_between(own["setting"], own["low"], own["high"], color=colour, alpha=0.15, linewidth=0)
    if chance is not None:
        axes.axhline(chance, color=FAINT, linestyle=":", label="chance")
    if data_set is not None:
        axes.axvline(data_set, color=FAINT, linestyle="--", linewidth=1.2, zorder=0, label=f"the data set ({data_set:g})")
    axes.set(xlabel=dial, ylabel=measure, xticks=sorted(table["setting"].unique()))
    low, high = min(0, axes.dataLim.y0), max(0, axes.dataLim.y1)
    axes.set_ylim(low - 0.08 * (high - low) * (low < 0), high + 0.08 * max(high - low, 1e-9))
    fig.legend(loc="outside right center")
    reading = "Shaded: 95 % intervals, what as many other people may give." if {"low", "high"} <= set(table.columns) else ""
    ends = _ends(table)
    alt = "; ".join(f"{series}: {first:.2f} to {last:.2f}" for series, (first, last) in ends.items())
    return finish(fig, title or _dial_title(ends, dial, table["setting"]), reading, f"{measure} over {dial}. {alt}.")


def _ends(table: pd.DataFrame) -> dict[str, tuple[float, float]]:
    """First and last value of every series along the dial."""
    ordered = table.sort_values("setting").groupby("series", sort=False)["value"]
    return {str(series): (float(values.iloc[0]), float(values.iloc[-1])) for series, values in ordered}


def _dial_title(ends: dict[str, tuple[float, float]], dial: str, settings: pd.Series) -> str:
    """The series that moves most."""
    moved = max(ends, key=lambda series: np.nan_to_num(abs(ends[series][1] - ends[series][0])))
    first, last = ends[moved]

    def number(value: float) -> str:
        return f"{value:.2f}".replace("-", MINUS)

    return f"{moved}: from {number(first)} to {number(last)} as {dial} goes from {settings.min():g} to {settings.max():g}"
