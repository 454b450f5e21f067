"""Where searches fail, kind by kind, with intervals."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from vireidkit.viz.style import FAINT, INK, LABEL, RIGHT, WRONG, finish, many, new_figure, percent, signed, styled

NEEDED = ("factor", "value", "queries", "failed", "low", "high", "difference", "difference_low", "difference_high")
_LOOKS = {
    "more often": {"facecolor": WRONG, "hatch": "////"},
    "less often": {"facecolor": RIGHT, "hatch": "...."},
    "no difference shown": {"facecolor": "#C9C9C9", "hatch": ""},
}


@styled
def failure_bars(groups: pd.DataFrame, *, labels: Mapping[str, str] | None = None, title: str | None = None) -> Figure:
    """How often each kind of query fails, its interval, and whether it fails more often than the others.

    Args:
        groups: ``failure_groups``; labels: factor -> words for it.

    Raises:
        ValueError: a column is missing, or there is no group.
    """
    missing = [name for name in NEEDED if name not in groups.columns]
    if missing or len(groups) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a group, found none")
    names = {factor: (labels or {}).get(factor, str(factor).replace("_", " ")) for factor in dict.fromkeys(groups["factor"])}
    places = -np.arange(len(groups)) - 0.7 * pd.factorize(groups["factor"])[0]
    fig = new_figure(1.7 + 0.27 * (1 - places.min()))
    axes = fig.subplots()
    for place, row in zip(places, groups.itertuples(), strict=True):
        axes.barh(place, 100 * row.failed, height=0.72, edgecolor="white", linewidth=0, **_LOOKS[_kind(row)])
        axes.hlines(place, 100 * row.low, 100 * row.high, color=INK, linewidth=1.5)
        text = f"{100 * row.failed:.0f} %  ({signed(100 * row.difference, 0)} points, {many(row.queries, 'query', 'queries')})"
        axes.annotate(
            text if row.difference == row.difference else f"{100 * row.failed:.0f} %",
            (100 * np.nanmax([row.failed, row.high]), place),
            xytext=(6, 0),
            textcoords="offset points",
            va="center",
            fontsize=9,
        )
    axes.set_yticks(places, labels=[f"{names[row.factor]}: {row.value}" for row in groups.itertuples()], fontsize=LABEL)
    _average(axes, groups)
    axes.set(xlim=(0, 148), ylim=(places.min() - 0.6, 0.6), xticks=range(0, 101, 20), xlabel="queries whose first place is wrong (%)")
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    kinds = [name for name in _LOOKS if name in {_kind(row) for row in groups.itertuples()}]
    handles = [Patch(edgecolor="white", label=name, **_LOOKS[name]) for name in kinds]
    handles = [*handles, Line2D([], [], color=FAINT, linestyle="--", label="all queries")]
    axes.legend(handles=handles, loc="lower left", bbox_to_anchor=(0, 1), ncols=4, borderaxespad=0.2)
    return finish(fig, title or _title(groups, names), _READING, _alt(groups, names))


_READING = (
    "Lines: 95 % intervals, people resampled. Points: difference to all other queries; coloured where its interval leaves out 0, which "
    "by luck alone happens to one group in twenty."
)


def _average(axes: Axes, groups: pd.DataFrame) -> None:
    """A line at the share of all queries, where it is the same for all factors."""
    shares = [np.average(own["failed"], weights=own["queries"]) for _, own in groups.groupby("factor", sort=False)]
    axes.axvline(100 * float(np.mean(shares)), color=FAINT, linestyle="--", linewidth=1.2, zorder=0)


def _kind(row: object) -> str:
    """Whether the interval of the difference leaves out 0, and to which side."""
    if row.difference_low > 0:
        return "more often"
    return "less often" if row.difference_high < 0 else "no difference shown"


def _title(groups: pd.DataFrame, names: Mapping[str, str]) -> str:
    """The group that fails most beyond the others, as far as its interval says so."""
    sure = groups[groups["difference_low"] > 0]
    if sure.empty:
        return f"None of {many(len(groups), 'kind')} of query is shown to fail more often than the others"
    worst = sure.loc[sure["difference"].idxmax()]
    ends = f"{100 * worst['difference_low']:.0f} to {100 * worst['difference_high']:.0f}"
    return (
        f"{names[worst['factor']]} {worst['value']}: {percent(worst['failed'])} of the queries fail, "
        f"{100 * worst['difference']:.0f} points more than of the others (95 % interval {ends})"
    )


def _alt(groups: pd.DataFrame, names: Mapping[str, str]) -> str:
    """All groups in words."""
    parts = [
        f"{names[row.factor]} {row.value} {percent(row.failed)} of {row.queries}, {signed(100 * row.difference, 0)} points"
        for row in groups.itertuples()
    ]
    return "Wrong first places: " + "; ".join(parts) + "."
