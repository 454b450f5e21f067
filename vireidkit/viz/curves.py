"""Curves and bars: training, ranking scores, comparisons with their intervals, and where spread comes from."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vireidkit.evaluation.intervals import Interval
from vireidkit.evaluation.scores import TITLES
from vireidkit.viz.style import CYCLE, FAINT, INK, LABEL, OKABE_ITO, finish, many, new_figure, percent, signed, styled

_LINES = ("-", "--", "-.", ":")
_MARKERS = ("o", "s", "^", "D", "v", "P")


def metric_name(metric: str) -> str:
    """ "rank1" as "Rank-1", "ir2vis_map" as "ir2vis mAP"."""
    protocol, _, key = metric.rpartition("_")
    return f"{protocol} {TITLES.get(key, key)}".strip()


@styled
def training_curves(history: pd.DataFrame, *, title: str | None = None) -> Figure:
    """Loss terms, validation scores, learning rate and speed of a run over its steps.

    Args:
        history: a run's history: ``step, epoch, lr, total``, ``term.<name>``, ``images_per_second``, and at validated epochs
            ``validation.<metric>`` as fractions. Columns that are missing leave their panel out.

    Raises:
        ValueError: no step, or no column ``total``.
    """
    if len(history) == 0 or not {"step", "total"} <= set(history.columns):
        raise ValueError(
            f"a training curve needs rows with columns step and total, found {len(history)} rows of {', '.join(history.columns)}"
        )
    validated = [name for name in history.columns if name.startswith("validation.") and history[name].notna().any()]
    rest = [name for name in ("lr", "images_per_second") if name in history.columns]
    drawn = [
        _draw_losses,
        *([_draw_validation] if validated else []),
        *({"lr": _draw_rate, "images_per_second": _draw_speed}[n] for n in rest),
    ]
    lines = -(-len(drawn) // 2)
    fig = new_figure(1.1 + 2.3 * lines)
    panels = fig.subplots(lines, min(2, len(drawn)), squeeze=False)
    for axes, draw in zip(panels.flat, drawn, strict=False):
        draw(axes, history)
        axes.set_xlabel("step (batches seen)")
    for axes in panels.flat[len(drawn) :]:
        axes.set_visible(False)
    steps = len(history)
    return finish(
        fig,
        title or _training_title(history, validated),
        f"{many(steps, 'logged step')}. Thin: every step; thick: running median of {_window(steps)} steps.",
        f"Panels of {', '.join(axes.get_title(loc='left') for axes in panels.flat[: len(drawn)])} over steps.",
    )


def _window(steps: int) -> int:
    """Length of the running median: a twentieth of the run, odd."""
    return max(1, steps // 20) // 2 * 2 + 1


def _draw_losses(axes: Axes, history: pd.DataFrame) -> None:
    """Total and terms, every step thin and the running median thick."""
    terms = [name for name in history.columns if name.startswith("term.")]
    names = ["total", *terms] if len(terms) != 1 else ["total"]
    for number, name in enumerate(names):
        colour = INK if name == "total" else CYCLE[(number - 1) % len(CYCLE)]
        smooth = history[name].rolling(_window(len(history)), center=True, min_periods=1).median()
        axes.plot(history["step"], history[name], color=colour, linewidth=0.6, alpha=0.35)
        label = "total (weighted sum)" if name == "total" else name.removeprefix("term.")
        axes.plot(history["step"], smooth, _LINES[number % len(_LINES)], color=colour, label=label)
    axes.set(ylabel="loss (no unit)", title="loss terms, unweighted")
    axes.set_ylim(bottom=min(0, np.nanmin(history[names].to_numpy())))
    axes.legend(loc="upper right")


def _draw_validation(axes: Axes, history: pd.DataFrame) -> None:
    """Scores on validation identities; the epoch of the best mAP marked."""
    names = [name for name in history.columns if name.startswith("validation.") and history[name].notna().any()]
    for number, name in enumerate(names):
        points = history[history[name].notna()]
        label = metric_name(name.removeprefix("validation."))
        axes.plot(points["step"], 100 * points[name], f"{_MARKERS[number]}{_LINES[number]}", color=CYCLE[number], label=label)
    best = _best_validation(history)
    if best is not None:
        column, place = best
        axes.axvline(
            history["step"][place],
            color=FAINT,
            linestyle=":",
            linewidth=1.2,
            label=f"best {metric_name(column.removeprefix('validation.'))}",
        )
    axes.set(ylabel="score (%)", title="validation identities")
    axes.set_ylim(0, 1.35 * 100 * np.nanmax(history[names].to_numpy()) + 1)
    axes.legend(loc="upper left", ncols=3)


def _draw_rate(axes: Axes, history: pd.DataFrame) -> None:
    axes.plot(history["step"], history["lr"], color=OKABE_ITO["purple"])
    axes.set(ylabel="learning rate", title="learning rate")
    axes.set_ylim(bottom=0)


def _draw_speed(axes: Axes, history: pd.DataFrame) -> None:
    axes.plot(history["step"], history["images_per_second"], color=FAINT, linewidth=0.8)
    axes.set(ylabel="images / s", title="speed")
    axes.set_ylim(bottom=0)


def _best_validation(history: pd.DataFrame) -> tuple[str, Any] | None:
    """Column and row of the best validation score: by mAP, as checkpoints are chosen."""
    for column in ("validation.map", "validation.rank1"):
        if column in history.columns and history[column].notna().any():
            return column, history[column].idxmax()
    return None


def _training_title(history: pd.DataFrame, validated: Sequence[str]) -> str:
    """How far the loss fell, and the best validation score."""
    part = max(1, len(history) // 20)
    first, last = history["total"].head(part).median(), history["total"].tail(part).median()
    moved = "fell" if last < first else "did not fall: it went"
    text = f"The loss {moved} from {first:.2f} to {last:.2f} in {many(len(history), 'step')}"
    best = _best_validation(history)
    if best is None:
        return text
    column, place = best
    name, score = metric_name(column.removeprefix("validation.")), percent(history[column][place], 1)
    return f"{text}; validation {name} was best in epoch {int(history['epoch'][place]) + 1}, {score}"


@styled
def cmc_curves(
    curves: Mapping[str, Any], *, floors: Mapping[str, Any] | None = None, kind: str = "identity", title: str | None = None
) -> Figure:
    """Cumulative matching characteristics: share of queries whose person is found by rank k.

    Args:
        curves: name -> values for ranks 1, 2, ... (fractions); the first is the one that the title speaks of.
        floors: the same for what needs no training, such as "raw pixels" and "chance"; drawn in grey.
        kind: "identity" or "image", what a rank counts.
    """
    floors = dict(floors or {})
    fig = new_figure(4.0)
    axes = fig.subplots()
    values = {name: np.asarray(curve, dtype=np.float64) for name, curve in {**curves, **floors}.items()}
    for number, (name, curve) in enumerate(values.items()):
        style = _floor_style(number - len(curves)) if name in floors else _curve_style(number)
        axes.plot(np.arange(1, len(curve) + 1), 100 * curve, label=f"{name}, Rank-1 {percent(curve[0], 1)}", **style)
    longest = max(map(len, values.values()))
    axes.set(xlim=(0.5, longest + 0.5), ylim=(0, 102), ylabel="queries found by this rank (%)")
    axes.set_xlabel("rank (distinct people in the list)" if kind == "identity" else "rank (images in the list)")
    axes.set_xticks(sorted({1, *range(5, longest + 1, 5)}))
    fig.legend(loc="outside right center")
    return finish(
        fig,
        title or _cmc_title(values, floors),
        "Of all queries, the share whose person stands at this rank or before. Grey: what needs no training.",
        "Curves of " + "; ".join(f"{name} from {percent(v[0], 1)} to {percent(v[-1], 1)}" for name, v in values.items()) + ".",
    )


def _curve_style(number: int) -> dict[str, Any]:
    return {"color": CYCLE[number % len(CYCLE)], "linestyle": _LINES[number % 4], "marker": _MARKERS[number % 6], "markersize": 4}


def _floor_style(number: int) -> dict[str, Any]:
    return {"color": FAINT, "linestyle": ("--", ":", "-.")[number % 3], "linewidth": 1.6}


def _cmc_title(values: Mapping[str, NDArray[np.float64]], floors: Mapping[str, Any]) -> str:
    """The first method's Rank-1 beside the floors'."""
    first = next(iter(values))
    text = f"{first} finds {percent(values[first][0])} of the people at the first rank"
    beside = [f"{name} {percent(values[name][0])}" for name in floors]
    return f"{text}; {', '.join(beside)}" if beside else text


@styled
def compare_bars(
    scores: Mapping[str, Interval],
    *,
    metric: str = "rank1",
    differences: Mapping[tuple[str, str], Interval] | None = None,
    floor: tuple[str, float] | None = None,
    title: str | None = None,
) -> Figure:
    """Methods or settings as bars with 95 % intervals, the single seeds as points, and paired differences in words.

    Args:
        scores: name -> interval (``ledger.value``), top to bottom; fractions.
        metric: what the bars show, such as "rank1" or "ir2vis_map".
        differences: (first, second) -> interval of first minus second (``paired_difference``); the title speaks of the first pair.
        floor: name and score of a line to beat, such as ("raw pixels", 0.05).

    Raises:
        ValueError: nothing to compare.
    """
    if not scores:
        raise ValueError("a comparison needs at least one score, found none")
    rows, notes = len(scores), [_difference_note(*pair, found) for pair, found in (differences or {}).items()]
    fig = new_figure(1.4 + 0.45 * rows + 0.15 * len(notes) + 0.2 * bool(floor))
    axes = fig.subplots()
    for place, found in zip(range(rows - 1, -1, -1), scores.values(), strict=True):
        _draw_bar(axes, place, found)
    if floor:
        axes.axvline(100 * floor[1], color=FAINT, linestyle="--", linewidth=1.4)
        text = f"{floor[0]} {percent(floor[1], 1)}"
        axes.annotate(text, (100 * floor[1], rows - 0.55), xytext=(4, 0), textcoords="offset points", va="bottom", fontsize=9, color=FAINT)
    reach = max([*(_reach(found) for found in scores.values()), 100 * floor[1] if floor else 0])
    axes.set(xlabel=f"{metric_name(metric)} (%)", xlim=(0, 1.28 * reach + 0.5), ylim=(-0.6, rows - 0.4 + 0.4 * bool(floor)))
    axes.set_yticks(range(rows - 1, -1, -1), labels=[name + " (stale)" * found.stale for name, found in scores.items()], fontsize=LABEL)
    axes.tick_params(axis="y", length=0)
    axes.grid(axis="y", visible=False)
    return finish(
        fig,
        title or _bars_title(scores, metric, differences or {}),
        "\n".join([*notes, _bars_reading(scores.values())]),
        "Bars: " + "; ".join(f"{name} {found}" for name, found in scores.items()) + ". " + " ".join(f"{note}." for note in notes),
    )


def _draw_bar(axes: Axes, place: int, found: Interval) -> None:
    """One bar, its interval, its single seeds, and its numbers."""
    mean, low, high = (100 * value for value in (found.mean, found.low, found.high))
    axes.barh(place, mean, height=0.6, color="#CFE8DF", edgecolor=OKABE_ITO["green"], linewidth=1.2)
    seeds = 100 * np.fromiter(found.by_seed.values(), np.float64) if found.n > 1 else np.empty(0)
    axes.plot(seeds, np.full(len(seeds), place - 0.2), "D", color=INK, markersize=3, alpha=0.8)
    text = f"{mean:.1f} (1 seed)"
    if found.n > 1:
        errors = np.clip([[mean - low], [high - mean]], 0, None)
        axes.errorbar(mean, place, xerr=errors, fmt="none", ecolor=INK, elinewidth=1.6, capsize=4)
        text = f"{mean:.1f} [{low:.1f}, {high:.1f}]"
    axes.annotate(text, (_reach(found), place), xytext=(7, 0), textcoords="offset points", va="center", fontsize=9)


def _reach(found: Interval) -> float:
    """The right end of all that is drawn of a bar, in percent."""
    return 100 * max([value for value in (found.mean, found.high, *found.by_seed.values()) if value == value])


def _bars_reading(scores: Iterable[Interval]) -> str:
    """How to read the bars."""
    counts = sorted({found.n for found in scores})
    if counts == [1]:
        return "One seed each: no interval, so a difference may be luck."
    seeds = f"{counts[0]} to {counts[-1]}" if len(counts) > 1 else f"{counts[0]}"
    return f"Bars: mean of {seeds} seeds; lines: 95 % percentile intervals, seeds resampled; diamonds: single seeds."


def _difference_note(first: str, second: str, found: Interval) -> str:
    """A paired difference in words."""
    if found.n < 2:
        return f"{first} {signed(100 * found.mean)} points against {second} (1 seed, no interval)"
    ends = f"{signed(100 * found.low)} to {signed(100 * found.high)}"
    return f"{first} {signed(100 * found.mean)} points against {second}, 95 % interval {ends} ({found.n} seeds in pairs)"


def _bars_title(scores: Mapping[str, Interval], metric: str, differences: Mapping[tuple[str, str], Interval]) -> str:
    """Who is ahead, and whether the interval of the difference says so."""
    name = metric_name(metric)
    if not differences:
        best, worst = (choose(scores, key=lambda label: scores[label].mean) for choose in (max, min))
        ends = f"{percent(scores[worst].mean, 1)} ({worst}) to {percent(scores[best].mean, 1)} ({best})"
        return f"{name} runs from {ends}" if len(scores) > 1 else f"{best} reaches {percent(scores[best].mean, 1)} {name}"
    (first, second), found = next(iter(differences.items()))
    if found.n < 2 or not (found.low > 0 or found.high < 0):
        why = "one seed says little" if found.n < 2 else "the interval of the difference holds 0"
        return f"No difference shown between {first} and {second} in {name} ({signed(100 * found.mean)} points; {why})"
    ahead, behind = (first, second) if found.mean > 0 else (second, first)
    return f"{ahead} beats {behind} by {abs(100 * found.mean):.1f} points of {name}, and the interval leaves out 0"


@styled
def seed_and_trial_spread(table: pd.DataFrame, *, metric: str = "rank1", title: str | None = None) -> Figure:
    """Two spreads side by side: between training seeds (each the mean of its trials), and between gallery draws of each seed.

    Args:
        table: one row a trial: ``seed``, ``trial``, and the score as a fraction in the column ``metric``. Or one row a seed, as the
            ledger has them: ``seed``, the mean over the trials in ``metric`` and their standard deviation in ``<metric>_std``.

    Raises:
        ValueError: a column is missing.
    """
    spread = "trial" if "trial" in table.columns else f"{metric}_std"
    missing = [name for name in ("seed", metric, spread) if name not in table.columns]
    if missing:
        raise ValueError(f"the table needs a column {missing[0]!r}, found {', '.join(map(str, table.columns))}")
    seeds = _seeds_of(table, metric, spread)
    between = seeds["mean"].std(ddof=1) if len(seeds) > 1 else float("nan")
    within = seeds["std"].mean()
    fig = new_figure(3.9)
    left, right = fig.subplots(1, 2, sharey=True, width_ratios=(1, 2))
    aside = np.linspace(-0.25, 0.25, len(seeds)) if len(seeds) > 1 else [0.0]  # equal means must not hide each other
    left.plot(aside, seeds["mean"], "D", color=OKABE_ITO["green"], markersize=7, alpha=0.8)
    left.axhline(seeds["mean"].mean(), color=FAINT, linewidth=1.2, linestyle="--")
    left.set(xlim=(-1, 1), xticks=[], ylabel=f"{metric_name(metric)} (%)", title="between training seeds")
    left.set_xlabel(
        f"standard deviation {between:.1f} points\nof {many(len(seeds), 'seed')}" if len(seeds) > 1 else "one seed: no spread to see"
    )
    _draw_trials(right, seeds)
    right.set_xlabel(f"training seed\nstandard deviation {within:.1f} points{', mean over seeds' if len(seeds) > 1 else ''}")
    marks = (
        "Points: single trials, each with another random gallery. Lines: mean of a seed."
        if spread == "trial"
        else "Bars: one standard deviation of single trials, each with another random gallery, up and down from the seed's mean."
    )
    return finish(
        fig, title or _spread_title(between, within, metric_name(metric)), f"Diamonds: mean over the trials of a seed. {marks}",
        "Means of seeds: " + "; ".join(f"seed {row.Index} {row.mean:.1f} % ± {row.std:.1f}" for row in seeds.itertuples()) + ".",
    )  # fmt: skip


def _seeds_of(table: pd.DataFrame, metric: str, spread: str) -> pd.DataFrame:
    """Per seed, in percent: mean and standard deviation of its trials, and the single trials where they are known."""
    scores = table.assign(score=100 * table[metric]).groupby("seed")["score"]
    trials = scores.agg(list)
    if spread == "trial":
        return pd.DataFrame({"mean": scores.mean(), "std": scores.std(ddof=1), "trials": trials})
    return pd.DataFrame({"mean": scores.mean(), "std": 100 * table.groupby("seed")[spread].mean(), "trials": [[] for _ in trials]})


def _draw_trials(axes: Axes, seeds: pd.DataFrame) -> None:
    """The trials of every seed as points, or as a bar where only their spread is known; a line at the mean."""
    for place, row in enumerate(seeds.itertuples()):
        jitter = np.linspace(-0.18, 0.18, len(row.trials)) if len(row.trials) > 1 else [0.0] * len(row.trials)
        axes.plot(place + np.asarray(jitter), row.trials, "o", color=OKABE_ITO["purple"], markersize=4.5, alpha=0.75)
        if not row.trials:
            axes.errorbar(place, row.mean, yerr=row.std, color=OKABE_ITO["purple"], elinewidth=3, capsize=6)
        axes.plot([place - 0.28, place + 0.28], [row.mean] * 2, color=INK, linewidth=1.6)
    axes.set(xlim=(-0.6, len(seeds) - 0.4), title="between gallery draws, inside each seed")
    axes.set_xticks(range(len(seeds)), labels=seeds.index)
    axes.grid(axis="x", visible=False)


def _spread_title(between: float, within: float, name: str) -> str:
    """Which of the two spreads is larger."""
    if not np.isfinite(between):
        return f"Gallery draws move {name} by {within:.1f} points; one seed cannot tell what training does"
    if max(between, within) < 2 * min(between, within):  # a spread of five seeds is not known better than that
        return f"Another training seed moves {name} by {between:.1f} points, another gallery draw by {within:.1f}: one size of luck"
    larger, smaller = ("training", "the gallery draw") if between > within else ("the gallery draw", "training")
    values = (between, within) if between > within else (within, between)
    return f"Luck in {larger} moves {name} more ({values[0]:.1f} points) than luck in {smaller} ({values[1]:.1f} points)"
