"""What can be read off a descriptor: one line a factor, one panel a descriptor, both bands and the way across."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vireidkit.modality import MODALITIES
from vireidkit.viz.style import INK, LABEL, OKABE_ITO, WIDTH, finish, look_of, new_figure, percent, styled, text_width, wrapped

NEEDED = ("features", "factor", "fitted_on", "read_on", "share", "share_low", "share_high", "chance", "chance_high")
SHUFFLED = "#DDDDDD"
DIAMOND: dict[str, Any] = {
    "marker": "D",
    "linestyle": "",
    "color": "white",
    "markeredgecolor": OKABE_ITO["purple"],
    "markeredgewidth": 1.8,
    "markersize": 5.5,
}
LOWEST = -0.08  # what is read worse than chance is drawn at the left edge


@styled
def probe_bars(
    table: pd.DataFrame,
    *,
    bands: Sequence[str] = MODALITIES,
    labels: Mapping[str, str] | None = None,
    across: bool = True,
    title: str | None = None,
) -> Figure:
    """How much of each factor linear rules read off descriptors: a panel a descriptor, two bars a factor, a diamond for the way across.

    Args:
        table: rows of ``factor_probes`` with a column ``features`` that names the descriptor; factors and descriptors keep their order.
        bands: names of the bands; labels: factor -> words for it; across: draw rules fitted on visible and read on infrared images.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a probe, found none")
    features, factors = list(dict.fromkeys(table["features"])), list(dict.fromkeys(table["factor"]))
    names = [(labels or {}).get(factor, factor.replace("_", " ")) for factor in factors]
    fig = new_figure(1.75 + 0.33 * len(factors))
    strip, panels = _panels(fig, len(features), len(factors))
    room = 72 * (WIDTH - 0.4 - max(text_width(name, LABEL) for name in names) / 72) / len(features) - 12
    for axes, name in zip(panels, features, strict=True):
        own = table[table["features"] == name]
        for place, factor in enumerate(factors):
            _draw_factor(axes, -place, own[own["factor"] == factor], across)
        axes.set_title(wrapped(name, room), fontweight="bold")
        axes.axvline(0, color=INK, linewidth=0.8)
        axes.grid(axis="y", visible=False)
        axes.tick_params(axis="y", length=0, labelleft=axes is panels[0])
    panels[0].set_yticks(-np.arange(len(factors)), labels=names, fontsize=LABEL)
    panels[0].set(xlim=(100 * LOWEST, 100), ylim=(-len(factors) + 0.45, 0.55), xticks=range(0, 101, 25))
    for axes in panels:
        axes.set_xlabel("read by a linear rule (%)")
    strip.legend(handles=_handles(bands, across), loc="center left", ncols=3, borderaxespad=0).set_in_layout(False)
    reading = (
        "0 is guessing, 100 is everything (numbers: R2; choices: balanced accuracy; chance taken off), judged on people whom the rule "
        "has never seen. At the left edge: worse than guessing. Lines: 95 % over resampled people. Grey: what shuffled factors reach."
    )
    return finish(fig, title or _title(table, dict(zip(factors, names, strict=True)), bands), reading, _alt(table, bands))


def _panels(fig: Figure, columns: int, lines: int) -> tuple[Axes, list[Axes]]:
    """A strip for the legend, and below it the panels side by side, on the same axes."""
    grid = fig.add_gridspec(2, columns, height_ratios=(0.2, 0.5 + 0.33 * lines))
    strip, first = fig.add_subplot(grid[0, :]), fig.add_subplot(grid[1, 0])
    strip.axis("off")
    return strip, [first, *(fig.add_subplot(grid[1, column], sharex=first, sharey=first) for column in range(1, columns))]


def _draw_factor(axes: Axes, place: float, own: pd.DataFrame, across: bool) -> None:
    """Two bars with their intervals, the grey of the shuffles, and the diamond."""
    for number, modality in enumerate(MODALITIES):
        row = own[(own["fitted_on"] == modality) & (own["read_on"] == modality)]
        if len(row) == 0 or row["share"].isna().all():
            continue
        entry, look, y = row.iloc[0], look_of(modality), place + (0.2, -0.2)[number]
        reached = (entry["chance_high"] - entry["chance"]) / max(1 - entry["chance"], 1e-9)
        axes.barh(y, 100 * max(reached, 0), height=0.4, color=SHUFFLED, zorder=0)
        axes.barh(y, 100 * max(entry["share"], 0), height=0.32, facecolor=look.colour, edgecolor="white", hatch=look.hatch, linewidth=0)
        low, high = (100 * max(entry[name], LOWEST) for name in ("share_low", "share_high"))
        axes.hlines(y, low, high, color=INK, linewidth=1.2)
    other = own[(own["fitted_on"] == "visible") & (own["read_on"] == "infrared")]
    if across and len(other) and other["share"].notna().all():
        share = max(float(other["share"].iloc[0]), LOWEST)
        axes.plot(100 * share, place - 0.2, **DIAMOND, zorder=4, clip_on=False)


def _handles(bands: Sequence[str], across: bool) -> list[Patch | Line2D]:
    """The legend."""
    looks = [look_of(modality) for modality in MODALITIES]
    found: list[Patch | Line2D] = [
        Patch(facecolor=look.colour, edgecolor="white", hatch=look.hatch, label=band) for look, band in zip(looks, bands, strict=True)
    ]
    if across:
        found.append(Line2D([], [], label=f"learnt in {bands[0]}, read in {bands[1]}", **DIAMOND))
    return found


def _shares(table: pd.DataFrame, fitted_on: str, read_on: str) -> pd.Series:
    """Share by (features, factor) of one pair of bands."""
    own = table[(table["fitted_on"] == fitted_on) & (table["read_on"] == read_on)]
    return own.set_index(["features", "factor"])["share"]


def _title(table: pd.DataFrame, names: Mapping[str, str], bands: Sequence[str]) -> str:
    """The factor that loses most from visible to infrared, for the first descriptor."""
    visible, infrared = (_shares(table, band, band) for band in MODALITIES)
    lost = (visible.clip(lower=0) - infrared.clip(lower=0)).dropna()
    if len(lost) == 0:
        return "What a linear rule reads of each factor"
    features, factor = lost.idxmax()
    return (
        f"{features}: {names[factor]} is read at {percent(max(visible[features, factor], 0))} in {bands[0]} images, "
        f"at {percent(max(infrared[features, factor], 0))} in {bands[1]} ones"
    )


def _alt(table: pd.DataFrame, bands: Sequence[str]) -> str:
    """All shares in words."""
    visible, infrared = (_shares(table, band, band) for band in MODALITIES)
    across = _shares(table, "visible", "infrared")
    texts = []
    for key in dict.fromkeys([*visible.index, *infrared.index]):
        values = ", ".join(percent(part.get(key, np.nan)) for part in (visible, infrared, across))
        texts.append(f"{key[0]}, {key[1]}: {values}")
    return f"Shares read in {bands[0]}, in {bands[1]}, and learnt in {bands[0]} but read in {bands[1]}. " + "; ".join(texts) + "."
