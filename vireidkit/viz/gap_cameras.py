"""The gap between every two cameras as matrices of numbers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.modality import MODALITIES
from vireidkit.viz.gap import check_tables
from vireidkit.viz.style import INK, MINUS, SMALL, finish, look_of, new_figure, styled


@styled
def gap_camera_plot(
    table: pd.DataFrame, *, measures: Sequence[str] | None = None, bands: Sequence[str] = MODALITIES, title: str | None = None
) -> Figure:
    """Measures of the gap between every two cameras as matrices of numbers; lines part the bands, the diagonal is a camera halved.

    Args:
        table: ``gap_by_camera_pair(...)``; measures: which of them, by default the first four. bands: names of the two bands.

    Raises:
        ValueError: a column is missing, there is no row, or a measure that the table does not have.
    """
    check_tables(
        {"": table}, ("measure", "value", "kind", "first_camera", "first_modality", "second_camera", "second_modality"), "the camera pairs"
    )
    known = list(dict.fromkeys(table["measure"]))
    chosen = known[:4] if measures is None else list(measures)
    missing = [name for name in chosen if name not in known]
    if missing or not chosen:
        raise ValueError(f"the table has no measure {missing[0]!r}; it has {', '.join(known)}" if missing else "name at least one measure")
    views = list(dict.fromkeys(zip(table["first_modality"], table["first_camera"], strict=True)))
    columns = min(2, len(chosen))
    lines = -(-len(chosen) // columns)
    fig = new_figure(1.2 + lines * (0.9 + 0.36 * len(views)))
    panels = fig.subplots(lines, columns, squeeze=False).ravel()
    for axes, measure in zip(panels, chosen, strict=False):
        _draw_matrix(axes, _square(table[table["measure"] == measure], views), views, measure)
    for axes in panels[len(chosen) :]:
        axes.set_axis_off()
    reading = (
        f"o: {bands[0]} camera, x: {bands[1]} camera; thick lines part the bands. Off the diagonal: people seen by both cameras. On it: "
        "one camera's images of each person split at random. Shades run from the smallest to the largest number of each matrix."
    )
    return finish(fig, title or _camera_title(table, chosen[0]), reading, _camera_alt(table, chosen))


def _square(rows: pd.DataFrame, views: Sequence[tuple[Any, Any]]) -> np.ndarray:
    """The symmetric matrix (V, V) of one measure."""
    found = np.full((len(views), len(views)), np.nan)
    for row in rows.itertuples():
        one, other = views.index((row.first_modality, row.first_camera)), views.index((row.second_modality, row.second_camera))
        found[one, other] = found[other, one] = row.value
    return found


def _draw_matrix(axes: Axes, square: np.ndarray, views: Sequence[tuple[Any, Any]], measure: str) -> None:
    """One matrix with its numbers."""
    known = square[np.isfinite(square)]
    low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
    axes.imshow(square, cmap="cividis", vmin=low, vmax=max(high, low + 1e-9), aspect="auto")
    size, digits = SMALL if len(views) <= 8 else 6.5, 2 if max(abs(low), abs(high)) >= 0.1 else 3
    for (line, column), value in np.ndenumerate(square):
        dark = value < (low + high) / 2
        # Adding 0 turns -0 into 0.
        text = f"{round(value, digits) + 0.0:.{digits}f}".replace("-", MINUS) if np.isfinite(value) else "–"
        axes.text(column, line, text, ha="center", va="center", fontsize=size, color="white" if dark else "black")
    marks = {"visible": "o", "infrared": "x"}
    names = [f"{marks[look_name]} {camera}" for look_name, camera in views]
    axes.set_xticks(range(len(views)), labels=names)
    axes.set_yticks(range(len(views)), labels=names)
    for ticks in (axes.get_xticklabels(), axes.get_yticklabels()):
        for label, (modality, _) in zip(ticks, views, strict=True):
            label.set_color(look_of(modality).colour if modality == "infrared" else INK)
    visible = sum(modality == "visible" for modality, _ in views)
    for line in (axes.axhline, axes.axvline):
        line(visible - 0.5, color="white", linewidth=4)
        line(visible - 0.5, color=INK, linewidth=1.5)
    axes.grid(visible=False)
    axes.set_title(measure)


def _camera_title(table: pd.DataFrame, measure: str) -> str:
    """A change of camera inside a band against a change of band."""
    means = table[table["measure"] == measure].groupby("kind")["value"].mean()
    within = means.reindex(["within visible", "within infrared"]).mean()
    if not np.isfinite(within) or not np.isfinite(means.get("across", np.nan)):
        return f"{measure} between every two cameras"
    return f"{measure}: {means['across']:.2g} between cameras of two bands, {within:.2g} between cameras of one"


def _camera_alt(table: pd.DataFrame, chosen: Sequence[str]) -> str:
    """Means by kind of pair in words."""
    texts = []
    for measure in chosen:
        means = table[table["measure"] == measure].groupby("kind", sort=False)["value"].mean()
        texts.append(f"{measure}: " + ", ".join(f"{kind} {value:.3g}" for kind, value in means.items()))
    return "Matrices of camera pairs; means by kind of pair. " + "; ".join(texts) + "."
