"""Numbers over the steps of a training: one panel a number, one line a rival; and the terms of a loss in groups."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, SMALL, finish, many, new_figure, styled

_LINES = ("-", "--", ":")


@styled
def line_panels(
    table: pd.DataFrame,
    *,
    title: str,
    reading: str = "",
    xlabel: str = "step",
    columns: int = 3,
    marks: bool = False,
    zero: bool = False,
    limits: tuple[float, float] | None = None,
) -> Figure:
    """Courses: one panel a ``panel``, one line a ``name``. Lines with the same names share one legend on the right.

    Args:
        table: columns ``panel, name, x, value``; the order of their first appearance is kept.
        marks: a mark at every point, for few points; zero: every panel begins at 0, or below where a value is below.
        limits: the same scale for all panels.

    Raises:
        ValueError: a column is missing, or there is no row.
    """
    missing = [name for name in ("panel", "name", "x", "value") if name not in table.columns]
    if missing or len(table) == 0:
        raise ValueError(f"the table needs a column {missing[0]!r}" if missing else "the figure needs a course, found none")
    names = {panel: list(dict.fromkeys(own["name"])) for panel, own in table.groupby("panel", sort=False)}
    alike = len({tuple(one) for one in names.values()}) == 1
    columns = min(columns, len(names))
    lines = -(-len(names) // columns)
    fig = new_figure(1.25 + 2.1 * lines)
    panels = fig.subplots(lines, columns, squeeze=False)
    for axes, (panel, own) in zip(panels.flat, table.groupby("panel", sort=False), strict=False):
        _draw(axes, own, names[panel], marks)
        axes.set(title=panel, xlabel=xlabel)
        if limits or zero:
            axes.set_ylim(limits or (min(0, axes.get_ylim()[0]), max(0, axes.get_ylim()[1])))
        if not alike and len(names[panel]) > 1:
            axes.legend(fontsize=7.5, ncols=2 if len(names[panel]) > 4 else 1, handlelength=1.4, columnspacing=0.8, labelspacing=0.25)
    for axes in panels.flat[len(names) :]:
        axes.set_visible(False)
    if alike and len(next(iter(names.values()))) > 1:
        fig.legend(*panels.flat[0].get_legend_handles_labels(), loc="outside right center")
    return finish(fig, title, reading, _alt(table))


def _draw(axes: Axes, own: pd.DataFrame, names: Sequence[str], marks: bool) -> None:
    """One panel's lines."""
    for number, name in enumerate(names):
        line = own[own["name"] == name]
        look = {"color": CYCLE[number % len(CYCLE)], "linestyle": _LINES[number // len(CYCLE) % len(_LINES)]}
        axes.plot(line["x"], line["value"], marker="osD^vP"[number % 6] if marks else None, label=name, **look)
    axes.tick_params(labelsize=SMALL)


def _alt(table: pd.DataFrame) -> str:
    """Where every line begins and ends."""
    ends = table.groupby(["panel", "name"], sort=False)["value"].agg(["first", "last"])
    return "; ".join(f"{panel}, {name}: {row['first']:.3g} to {row['last']:.3g}" for (panel, name), row in ends.iterrows()) + "."


@styled
def term_groups(history: pd.DataFrame, groups: Mapping[str, Sequence[str]], *, title: str | None = None) -> Figure:
    """The terms of a loss over a training, those of a kind in one panel, as running medians.

    Args:
        history: a run's history with columns ``step`` and ``term.<name>``.
        groups: kind -> names of its terms; those that the run does not have are left out. What all names of a kind begin with is not
            written into its legend.

    Raises:
        ValueError: the history has no step, or none of the terms.
    """
    known = {kind: [name for name in names if f"term.{name}" in history.columns] for kind, names in groups.items()}
    known = {kind: names for kind, names in known.items() if names}
    if not known or "step" not in history.columns or len(history) == 0:
        raise ValueError(f"terms in groups need rows with columns step and term.<name>, found {len(history)} rows and {len(known)} groups")
    window = max(1, len(history) // 20) // 2 * 2 + 1
    courses, told = [], []
    for kind, names in known.items():
        smooth = {name: history[f"term.{name}"].rolling(window, center=True, min_periods=1).median() for name in names}
        for name, values in smooth.items():
            courses.append(pd.DataFrame({"panel": kind, "name": _short(name, names), "x": history["step"], "value": values}))
        first, last = (sum(float(one.iloc[place]) for one in smooth.values()) / len(smooth) for place in (0, -1))
        told.append(f"{kind} {first:.3g} to {last:.3g}")
    title = title or f"{many(sum(map(len, known.values())), 'term')}: {', '.join(told)}"
    reading = f"{many(len(history), 'step')}, running medians of {window}; terms unweighted. Title: mean of each kind, start to end."
    return line_panels(pd.concat(courses), title=title, reading=reading)


def _short(name: str, names: Sequence[str]) -> str:
    """A term's name without the word that all of its kind begin with."""
    prefix = names[0].partition("_")[0] + "_"
    return name.removeprefix(prefix) if len(names) > 1 and all(one.startswith(prefix) for one in names) else name
