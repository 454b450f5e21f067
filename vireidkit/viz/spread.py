"""What keeps two pictures of one person apart: bars of the spread inside each modality and of the distance of their means."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.spread import PARTS
from vireidkit.modality import MODALITIES
from vireidkit.viz.style import FAINT, INK, LABEL, LOOKS, SMALL, finish, new_figure, percent, styled

GAP = {"facecolor": "#555555", "hatch": ""}
NEEDED = ("network", "part", "share", "of_pair")


@styled
def spread_bars(table: pd.DataFrame, *, bands: Sequence[str] = MODALITIES, title: str | None = None, reading: str = "") -> Figure:
    """One bar a network: how far a visible and an infrared picture of one person lie apart, in its three parts.

    The whole bar is 100 % where one person's pictures lie as far apart as two people's (the dashed line).

    Args:
        table: ``analysis.spread_table(...)``. bands: names of the two bands. title: the finding; by default about the last network.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in NEEDED if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a network, found none")
    shares = 100 * table.pivot(index="network", columns="part", values="share").loc[list(dict.fromkeys(table["network"])), list(PARTS)]
    names = (f"inside {bands[0]}", f"inside {bands[1]}", "between their means")
    looks = [{"facecolor": LOOKS[one].colour, "hatch": LOOKS[one].hatch} for one in MODALITIES] + [GAP]
    fig = new_figure(1.75 + 0.55 * len(shares))
    axes = fig.subplots()
    left = pd.Series(0.0, index=shares.index)
    for part, name, look in zip(PARTS, names, looks, strict=True):
        own = shares[part].clip(lower=0)
        shown: dict[str, Any] = {**look, "edgecolor": "white", "linewidth": 1}
        axes.barh(range(len(shares)), own, left=left, height=0.6, label=name, **shown)
        for place, (start, width) in enumerate(zip(left, own, strict=True)):
            if width > 4:
                box = {"boxstyle": "round,pad=0.15", "facecolor": "white", "edgecolor": "none", "alpha": 0.9}
                axes.text(start + width / 2, place, f"{width:.0f}", ha="center", va="center", fontsize=SMALL, color=INK, bbox=box)
        left = left + own
    axes.axvline(100, color=FAINT, linestyle="--", linewidth=1.4)
    axes.annotate("two people", (100, -0.5), xytext=(-4, 1), textcoords="offset points", ha="right", va="bottom", fontsize=9, color=FAINT)
    axes.set_yticks(range(len(shares)), labels=list(map(str, shares.index)), fontsize=LABEL)
    axes.set(xlim=(0, max(108.0, 1.03 * float(left.max()))), ylim=(len(shares) - 0.5, -0.75))
    axes.set_xlabel("squared distance across the modalities (% of that of two people)")
    axes.grid(axis="y", visible=False)
    axes.tick_params(axis="y", length=0)
    fig.legend(loc="outside right center", title="one person:", alignment="left")
    return finish(fig, title or _title(table), reading, _alt(table, names))


def _title(table: pd.DataFrame) -> str:
    """How much of the distance of one person's pictures is spread inside the modalities, in the last network."""
    last = table[table["network"] == table["network"].iloc[-1]].set_index("part")["of_pair"]
    inside = last[PARTS[0]] + last[PARTS[1]]
    text = f"{percent(inside)} of the squared distance of one person's pictures across the modalities is spread inside a modality"
    return f"{text}, {percent(last[PARTS[2]])} lies between the two means ({table['network'].iloc[-1]})"


def _alt(table: pd.DataFrame, names: Sequence[str]) -> str:
    """Every share in words."""
    told = dict(zip(PARTS, names, strict=True))
    rows = (f"{row.network}, {told[row.part]} {percent(row.share)}" for row in table.itertuples(index=False) if row.part in told)
    return "Bars, in shares of two people's squared distance: " + "; ".join(rows) + "."
