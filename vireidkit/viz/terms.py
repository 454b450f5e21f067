"""The terms of a loss over a training, a panel each, so that a small one is not lost below a large one."""

from __future__ import annotations

from collections.abc import Mapping

import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.viz.style import FAINT, INK, OKABE_ITO, SMALL, finish, many, new_figure, styled

COLUMNS = 4


@styled
def term_panels(
    history: pd.DataFrame,
    *,
    weights: Mapping[str, float] | None = None,
    floors: Mapping[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Every loss term of a run on an axis of its own, from 0 on: every step thin, the running median thick.

    Args:
        history: a run's history with columns ``step`` and ``term.<name>``.
        weights: of the terms in the total, written beside their names; floors: values worth a dashed line, such as log 2.

    Raises:
        ValueError: the history has no step or no term.
    """
    terms = [name.removeprefix("term.") for name in history.columns if name.startswith("term.") and history[name].notna().any()]
    if not terms or "step" not in history.columns or len(history) == 0:
        raise ValueError(f"a panel a term needs rows with columns step and term.<name>, found {len(history)} rows and {len(terms)} terms")
    window = max(1, len(history) // 20) // 2 * 2 + 1
    lines = -(-len(terms) // COLUMNS)
    fig = new_figure(1.0 + 1.55 * lines)
    panels = fig.subplots(lines, min(COLUMNS, len(terms)), sharex=True, squeeze=False)
    ends: dict[str, tuple[float, float]] = {}
    for axes, name in zip(panels.flat, terms, strict=False):
        values = history[f"term.{name}"]
        ends[name] = (float(values.dropna().head(3).mean()), float(values.dropna().tail(10).mean()))
        _draw(axes, history["step"], values, window)
        if floors and name in floors:
            axes.axhline(floors[name], color=FAINT, linestyle="--", linewidth=1.2)
        weight = "" if weights is None or weights.get(name, 1) == 1 else f", weight {weights[name]:g}"
        axes.set(title=f"{name}{weight}")
    for axes in panels.flat[len(terms) :]:
        axes.set_visible(False)
    for axes in panels.flat[max(0, len(terms) - panels.shape[1]) : len(terms)]:
        axes.set_xlabel("step")
        axes.tick_params(labelbottom=True)
    told = "; ".join(f"{name} {first:.3g} to {last:.3g}" for name, (first, last) in ends.items())
    reading = f"{many(len(history), 'step')}; terms unweighted. Thin: every step; thick: running median of {window} steps." + (
        " Dashed: the value that the text speaks of." if floors else ""
    )
    return finish(fig, title or _title(ends), reading, f"Every term over the steps: {told}.")


def _draw(axes: Axes, steps: pd.Series, values: pd.Series, window: int) -> None:
    """One term, from 0 on."""
    axes.plot(steps, values, color=INK, linewidth=0.5, alpha=0.35)
    axes.plot(steps, values.rolling(window, center=True, min_periods=1).median(), color=OKABE_ITO["green"])
    if values.max() > 0:
        axes.set_ylim(0, 1.1 * float(values.max()))
    else:
        axes.set(ylim=(0, 1), yticks=[0])
        axes.annotate("0 at every step", (0.5, 0.5), xycoords="axes fraction", ha="center", color=FAINT, fontsize=SMALL)
    axes.tick_params(labelsize=8)


def _title(ends: Mapping[str, tuple[float, float]]) -> str:
    """The terms that fell most and least, as a share of their first value."""
    moved = {name: last / first for name, (first, last) in ends.items() if first > 1e-6}
    if len(moved) < 2:
        return f"{many(len(ends), 'loss term')} over a training"
    most, least = min(moved, key=moved.__getitem__), max(moved, key=moved.__getitem__)
    word = "falls least" if moved[least] < 1.005 else "rises most"
    told = f"{most} falls most (to {100 * moved[most]:.0f} % of its start), {least} {word} (to {100 * moved[least]:.0f} %)"
    return f"Of {len(ends)} terms {told}"
