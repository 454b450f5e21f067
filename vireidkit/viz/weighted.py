"""What each loss term contributes to the total: its weight over a training, and weight times term."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vireidkit.viz.style import CYCLE, LABEL, finish, many, new_figure, percent, styled

_HATCHES = ("", "//", "", "xx", "..", "\\\\")
_LINES = ("-", "--", "-.", ":")


@styled
def weighted_terms(history: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Left, the weight of every term over the steps (ramps show here); right, how the total is made up, epoch by epoch.

    Args:
        history: a run's history: ``step, epoch``, and for each term ``term.<name>`` and ``weight.<name>``. A term that is not
            computed in a step counts 0.

    Raises:
        ValueError: no step, or no term with its weight.
    """
    names = [name.removeprefix("term.") for name in history.columns if name.startswith("term.")]
    names = [name for name in names if f"weight.{name}" in history.columns]
    if not names or len(history) == 0 or not {"step", "epoch"} <= set(history.columns):
        raise ValueError(
            f"the figure needs rows with step, epoch, term.<name> and weight.<name>; found {len(history)} rows, {len(names)} terms"
        )
    weights = pd.DataFrame({name: history[f"weight.{name}"].fillna(0.0) for name in names})
    parts = (weights * pd.DataFrame({name: history[f"term.{name}"].fillna(0.0) for name in names})).groupby(history["epoch"]).mean()
    fig = new_figure(3.6)
    left, right = fig.subplots(1, 2)
    below = pd.Series(0.0, index=parts.index)
    for place, name in enumerate(names):
        colour, hatch = CYCLE[place % len(CYCLE)], _HATCHES[place % len(_HATCHES)]
        # Equal weights would hide each other: each line is a little wider than the next.
        left.step(
            history["step"], weights[name], where="post", color=colour, linestyle=_LINES[place % len(_LINES)], linewidth=4.6 - 0.7 * place
        )
        right.bar(
            parts.index, parts[name], bottom=below, width=0.85, color=colour, hatch=hatch, edgecolor="white", linewidth=0.5, label=name
        )
        below = below + parts[name]
    left.set(xlabel="step (batches seen)", title="weight of each term", ylim=(0, None))
    right.set(xlabel="epoch", title="weight x term, mean of the epoch", ylim=(0, 1.05 * max(float(below.max()), 1e-12)))
    for axes in (left, right):
        axes.tick_params(labelsize=9)
    fig.legend(loc="outside right center", fontsize=LABEL)
    last = parts.iloc[-1] / max(float(parts.iloc[-1].sum()), 1e-12)
    told = ", ".join(f"{name} {percent(value)}" for name, value in last.items())
    reading = f"{many(len(history), 'step')} in {many(len(parts), 'epoch')}. A term of weight 0 is not computed."
    alt = "Weights in the last step: " + ", ".join(f"{name} {weights[name].iloc[-1]:g}" for name in names)
    return finish(fig, title or f"The total of the last epoch: {told}", reading, f"{alt}. Shares of the total in the last epoch: {told}.")
