"""An ablation as a figure: what each setting adds to the one it is compared with, seed by seed, with the reader's own run beside it."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.viz.curves import metric_name
from vireidkit.viz.style import FAINT, INK, LABEL, OKABE_ITO, finish, many, new_figure, percent, signed, styled

NEEDED = ("metric", "name", "seeds", "mean", "difference", "difference_low", "difference_high", "by_seed", "own_difference", "stale")
BETTER, WORSE, UNCLEAR = OKABE_ITO["green"], OKABE_ITO["vermillion"], FAINT


@styled
def ablation_plot(
    table: pd.DataFrame,
    *,
    title: str | None = None,
    note: str = "",
    own: str = "your run",
    names: Mapping[str, str] | None = None,
    lower_is_better: bool = False,
) -> Figure:
    """Paired differences of an ablation, one panel a metric: mean, interval and single seeds. Green is better, vermillion worse.

    Args:
        table: ``analysis.ablation(...)``, of one metric or more.
        title: the finding; by default that of the first metric. note: what else must be known, such as whose runs these are.
        own: what the reader's own run is called (a star; drawn where the table has one).
        names: metric -> what its panel is called, in place of ``metric_name``.
        lower_is_better: left of the line is better, as with distances; right of it otherwise.

    Raises:
        ValueError: a column is missing, or nothing is compared.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing:
        raise ValueError(f"the table needs a column {missing[0]!r}, found {', '.join(map(str, table.columns))}")
    compared = table[table["difference"].notna()]
    if compared.empty:
        raise ValueError("an ablation needs a setting beside the one that all are compared with, found none")
    metrics, settings = list(dict.fromkeys(table["metric"])), list(dict.fromkeys(compared["name"]))
    columns = min(2, len(metrics))
    lines = -(-len(metrics) // columns)
    fig = new_figure(1.35 + 0.15 * bool(note) + lines * (0.85 + 0.3 * len(settings)))
    panels = fig.subplots(lines, columns, squeeze=False, sharey=True)
    called = {metric: (names or {}).get(metric, metric_name(metric)) for metric in metrics}
    for axes, metric in zip(panels.flat, metrics, strict=False):
        _draw(axes, compared[compared["metric"] == metric], settings, lower_is_better)
        base = table[(table["metric"] == metric) & table["difference"].isna()].iloc[0]
        axes.set_title(f"{called[metric]}: {base['name']} {percent(base['mean'], 1)}")
        axes.set_xlabel("difference (points)")
    for axes in panels.flat[len(metrics) :]:
        axes.set_visible(False)
    against = table.loc[table["difference"].isna(), "name"].iloc[0]
    marked = bool(compared["own_difference"].notna().any())
    title = title or _title(compared[compared["metric"] == metrics[0]], called[metrics[0]], against)
    return finish(fig, title, _reading(compared, against, own, marked, note), _alt(table, own))


def _draw(axes: Axes, rows: pd.DataFrame, settings: list[str], lower_is_better: bool) -> None:
    """One metric: a line a setting, from the top."""
    axes.axvline(0, color=INK, linewidth=1.2, linestyle="--", zorder=1)
    for row in rows.itertuples(index=False):
        place = settings.index(row.name)
        mean, low, high = (100 * value for value in (row.difference, row.difference_low, row.difference_high))
        clear = low > 0 or high < 0  # no: also where one seed has no interval
        colour = (BETTER if (mean > 0) != lower_is_better else WORSE) if clear else UNCLEAR
        axes.hlines(place, low, high, color=colour, linewidth=3)
        axes.plot(mean, place, "o" if clear else "s", color=colour, markersize=7, markerfacecolor=colour if clear else "white")
        seeds = 100 * np.fromiter(row.by_seed.values(), np.float64) if len(row.by_seed) > 1 else np.empty(0)
        axes.plot(seeds, np.full(len(seeds), place + 0.22), "D", color=INK, markersize=3, alpha=0.8)
        if row.own_difference == row.own_difference:
            axes.plot(100 * row.own_difference, place - 0.24, "*", color=OKABE_ITO["purple"], markersize=10, markeredgecolor=INK)
    stale = set(rows.loc[rows["stale"].astype(bool), "name"])
    axes.set_yticks(range(len(settings)), labels=[name + " (stale)" * (name in stale) for name in settings], fontsize=LABEL)
    axes.set_ylim(len(settings) - 0.45, -0.55)
    axes.margins(x=0.12)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)


def _title(rows: pd.DataFrame, name: str, against: str) -> str:
    """Who is ahead in the metric called ``name``, and how far the intervals allow to say so."""
    clear = rows[(rows["difference_low"] > 0) | (rows["difference_high"] < 0)]
    if rows["difference_low"].isna().all():  # one seed each
        told = ", ".join(f"{row.name} {signed(100 * row.difference)}" for row in rows.itertuples(index=False))
        return f"Points against {against} ({name}) in one seed, which shows nothing yet: {told}"
    if clear.empty:
        return f"No setting is shown to differ from {against} ({name}): every interval holds 0"
    told = [f"{row.name} {signed(100 * row.difference)}" for row in clear.itertuples(index=False)]
    rest = len(rows) - len(clear)
    also = f"; {many(rest, 'other')} not told apart from it" if rest else ""
    return f"Points against {against} ({name}): {', '.join(told)}{also}"


def _reading(compared: pd.DataFrame, against: str, own: str, marked: bool, note: str) -> str:
    """How to read the figure."""
    counts = sorted(set(compared["pairs"])) if "pairs" in compared else []
    seeds = many(counts[0], "seed") if len(counts) == 1 else f"{counts[0]} to {counts[-1]} seeds" if counts else "the same seeds"
    text = f"Each setting minus {against}, {seeds} in pairs. Line: 95 % percentile interval of the mean, seeds resampled; filled "
    text += "circle: it leaves out 0; empty square: it holds 0; diamonds: single seeds."
    star = f" Star: {own}, one seed, counted nowhere." if marked else ""
    return "\n".join(filter(None, [text + star, note]))


def _alt(table: pd.DataFrame, own: str) -> str:
    """Every number in words."""
    texts = []
    for row in table.itertuples(index=False):
        text = f"{row.metric} {row.name}: mean {percent(row.mean, 1)} of {many(row.seeds, 'seed')}"
        if row.difference == row.difference:
            ends = (
                f" ({signed(100 * row.difference_low)} to {signed(100 * row.difference_high)})"
                if row.difference_low == row.difference_low
                else ""
            )
            text += f", {signed(100 * row.difference)} points{ends}"
        if row.own_difference == row.own_difference:
            text += f", {own} {signed(100 * row.own_difference)}"
        texts.append(text)
    return "; ".join(texts) + "."
