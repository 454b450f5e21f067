"""The floor as a figure: what needs no training scores, inside a band and across the bands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.modality import MODALITIES
from vireidkit.viz.curves import metric_name
from vireidkit.viz.style import FAINT, INK, LABEL, OKABE_ITO, finish, new_figure, percent, styled

CHANCE = "chance"
_BARS: tuple[dict[str, Any], ...] = (
    {"facecolor": OKABE_ITO["green"]},
    {"facecolor": "#C9C9C9", "hatch": "...."},
    {"facecolor": OKABE_ITO["purple"], "hatch": "xx"},
)


def setting_name(key: str, bands: Sequence[str] = MODALITIES) -> str:
    """A protocol's key in words: "ir2vis" is "infrared asks visible". Other keys stay as they are."""
    visible, infrared = bands
    words = {
        "within-visible": f"{visible} asks {visible}",
        "within-infrared": f"{infrared} asks {infrared}",
        "ir2vis": f"{infrared} asks {visible}",
        "vis2ir": f"{visible} asks {infrared}",
    }
    return words.get(key, key)


@styled
def floor_bars(table: pd.DataFrame, *, metric: str = "rank1", bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """Scores of untrained descriptors, one group of bars a setting, with chance below them.

    Args:
        table: one row a bar: ``setting`` (protocol key), ``descriptor`` ("chance" is drawn as an outline), ``mean`` and ``std`` over the
            trials (fractions 0-1). Settings and descriptors keep their order.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("setting", "descriptor", "mean", "std") if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a score, found none")
    settings, descriptors = list(dict.fromkeys(table["setting"])), list(dict.fromkeys(table["descriptor"]))
    thick = 0.8 / len(descriptors)
    fig = new_figure(1.3 + len(settings) * (0.25 + 0.18 * len(descriptors)))
    axes = fig.subplots()
    for number, descriptor in enumerate(descriptors):
        own = table[table["descriptor"] == descriptor].set_index("setting")["mean"].reindex(settings)
        spread = table[table["descriptor"] == descriptor].set_index("setting")["std"].reindex(settings).fillna(0)
        places = -np.arange(len(settings)) - (number - (len(descriptors) - 1) / 2) * thick
        look = {"facecolor": "white", "linestyle": ":"} if descriptor == CHANCE else _BARS[number % len(_BARS)]
        axes.barh(places, 100 * own, height=0.9 * thick, edgecolor=INK, linewidth=1, label=descriptor, **look)
        axes.errorbar(100 * own, places, xerr=100 * spread, fmt="none", ecolor=FAINT, elinewidth=1.4, capsize=2)
        for place, value, wide in zip(places, own, spread, strict=True):
            if value == value:
                end = 100 * (value + wide)
                axes.annotate(f"{100 * value:.1f}", (end, place), xytext=(5, 0), textcoords="offset points", va="center", fontsize=9)
    axes.set_yticks(-np.arange(len(settings)), labels=[setting_name(key, bands) for key in settings], fontsize=LABEL)
    axes.set(xlabel=f"{metric_name(metric)} (%)", xlim=(0, 112 * (table["mean"] + table["std"].fillna(0)).max() + 1))
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    fig.legend(loc="outside right center", title="descriptor")
    alt = "; ".join(f"{setting_name(row.setting, bands)}, {row.descriptor}: {percent(row.mean, 1)}" for row in table.itertuples())
    return finish(
        fig, title or _floor_title(table, metric), "Bars: mean over the trials; lines: standard deviation of a single trial.", f"{alt}."
    )


def _floor_title(table: pd.DataFrame, metric: str) -> str:
    """Inside a band against across the bands, and chance."""
    chance = table.loc[table["descriptor"] == CHANCE, "mean"]
    inside = table["setting"].str.startswith("within")
    parts = []
    for words, rows in (("inside a band", table[inside]), ("across the bands", table[~inside])):
        known = rows.loc[rows["descriptor"] != CHANCE, "mean"]
        if len(known):
            parts.append(f"{_span(known)} {words}")
    end = f"; chance is at {_span(chance)}" if len(chance) else ""
    return f"Without training, {metric_name(metric)} is {', '.join(parts)}{end}"


def _span(values: pd.Series) -> str:
    """Lowest to highest, in percent."""
    low, high = 100 * values.min(), 100 * values.max()
    return f"{low:.0f} %" if round(low) == round(high) else f"{low:.0f} to {high:.0f} %"
