"""Projections side by side, with the numbers that say what may be concluded from them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from vireidkit.analysis.neighbours import is_infrared
from vireidkit.modality import MODALITIES
from vireidkit.viz.style import CYCLE, FAINT, LOOKS, OKABE_ITO, band_handles, finish, many, new_figure, percent, styled

# Enough people to follow by eye; the rest stays grey.
_PEOPLE = CYCLE[:5]
# Cameras keep to the side of their band: warm or black for visible, cool for infrared.
_CAMERAS = {
    "visible": tuple(OKABE_ITO[name] for name in ("orange", "vermillion", "purple", "black")),
    "infrared": tuple(OKABE_ITO[name] for name in ("blue", "sky", "green")),
}


@styled
def projection_panels(
    projections: Mapping[tuple[str, str], Any],
    table: pd.DataFrame,
    *,
    by: str = "modality",
    mixing: Mapping[str, float] | None = None,
    no_gap: float | None = None,
    bands: Sequence[str] = MODALITIES,
    title: str | None = None,
) -> Figure:
    """A grid of projections of the same images, trustworthiness and mixing under each: before and after training by two seeds, say.

    Args:
        projections: (row name, column name) -> ``Projection``, such as ("before training", "seed 0").
        table: one row an image, with modality, and identity or camera where ``by`` asks for them.
        by: what colour means: "modality", "identity" (the first five) or "camera". The mark always means modality.
        mixing: row name -> ``modality_mixing`` in the original space, by default what the projections know of themselves;
            no_gap: its value without a gap (``gap_numbers``).

    Raises:
        ValueError: no projection, another number of points than table rows, or an unknown ``by``.
    """
    if not projections:
        raise ValueError("a projection figure needs a projection, found none")
    lines, columns = (list(dict.fromkeys(key[side] for key in projections)) for side in (0, 1))
    numbers = {key: _numbers(found, found.mixing if mixing is None else mixing.get(key[0])) for key, found in projections.items()}
    if mixing is None:
        mixing = {key[0]: found.mixing for key, found in projections.items() if found.mixing is not None}
    fig = new_figure(1.3 + 3.5 * len(lines), 9.0 if len(columns) > 1 else 6.0)
    grid = fig.add_gridspec(len(lines), len(columns))
    for (line, column), found in projections.items():
        axes = fig.add_subplot(grid[lines.index(line), columns.index(column)])
        draw_points(axes, found, table, by)
        axes.set(title=f"{line}, {column}" if line and column else line or column, xlabel=numbers[line, column])
    fig.legend(handles=legend_handles(table, by, bands), loc="outside right center")
    titles = {found.title for found in projections.values()}
    kind = titles.pop() if len(titles) == 1 else "Projections"
    words = "the axes have no unit, and distances between clusters mean nothing"
    beside = "" if no_gap is None else f" Mixing is measured in the original space; without a gap it would be {percent(no_gap)}."
    return finish(
        fig,
        title or _panels_title(projections, lines, mixing, no_gap),
        f"{kind} of {many(len(table), 'image')}; {words}.{beside}",
        "Panels: " + "; ".join(f"{' '.join(key).strip()}: {' '.join(text.split())}" for key, text in numbers.items()) + ".",
    )


def projection_scatter(
    projection: Any, table: pd.DataFrame, *, by: str = "modality", mixing: float | None = None, **options: Any
) -> Figure:
    """One projection; see ``projection_panels``."""
    name = f"{projection.title}, seed {projection.seed}"
    return projection_panels({("", name): projection}, table, by=by, mixing=None if mixing is None else {"": mixing}, **options)


def draw_points(axes: Axes, projection: Any, table: pd.DataFrame, by: str) -> None:
    """Points of a projection: mark by modality, colour by ``by``."""
    points = projection.coordinates
    if len(points) != len(table):
        raise ValueError(f"expected one table row for each of {len(points)} points, found {len(table)} rows")
    colours = _colours(table, by)
    infrared = is_infrared(table["modality"], len(table))
    size = float(np.clip(9000 / len(points), 6, 26))
    for flag, look in ((False, LOOKS["visible"]), (True, LOOKS["infrared"])):
        chosen = infrared == flag
        mark = {"marker": look.marker, "s": size, "linewidths": 0.9 if look.marker == "x" else 0.3}
        edge = {} if look.marker == "x" else {"edgecolors": "white"}
        # Grey ones first, so that they lie below; the others shuffled, so that no camera or person hides the rest.
        mixed = np.random.default_rng(0).permutation(int(chosen.sum()))
        order = mixed[np.argsort(~(colours[chosen][mixed] == FAINT), kind="stable")]
        axes.scatter(*points[chosen][order].T, c=colours[chosen][order], alpha=0.8, **mark, **edge)
    axes.set(xticks=[], yticks=[], aspect="equal", adjustable="datalim")
    for side in ("top", "right"):
        axes.spines[side].set_visible(True)


def _colours(table: pd.DataFrame, by: str) -> np.ndarray:
    """One colour an image."""
    infrared = is_infrared(table["modality"], len(table))
    if by == "modality":
        return np.where(infrared, LOOKS["infrared"].colour, LOOKS["visible"].colour)
    if by not in ("identity", "camera"):
        raise ValueError(f"by must be modality, identity or camera, found {by!r}")
    palette = _palette(table, by)
    return np.array([palette.get(value, FAINT) for value in table[by]])


def _palette(table: pd.DataFrame, by: str) -> dict[int, str]:
    """Colours of the first people, or of the cameras band by band."""
    if by == "identity":
        return dict(zip(np.unique(table["identity"]), _PEOPLE, strict=False))
    infrared = is_infrared(table["modality"], len(table))
    cameras = [np.unique(table["camera"].to_numpy()[infrared == flag]) for flag in (False, True)]
    pairs = [pair for name, own in zip(MODALITIES, cameras, strict=True) for pair in zip(own, _CAMERAS[name], strict=False)]
    return dict(sorted(pairs))


def legend_handles(table: pd.DataFrame, by: str, bands: Sequence[str]) -> list[Line2D]:
    """Legend: marks for the bands, and colours for people or cameras."""
    if by == "modality":
        return band_handles(bands)
    marks = [
        Line2D([], [], linestyle="", marker=LOOKS[name].marker, color=FAINT, markeredgewidth=1.4, label=band)
        for name, band in zip(MODALITIES, bands, strict=True)
    ]
    palette, word = _palette(table, by), "person" if by == "identity" else "camera"
    colours = [Line2D([], [], color=colour, linewidth=5, label=f"{word} {value}") for value, colour in palette.items()]
    rest = table[by].nunique() > len(palette)
    return [*marks, *colours, *([Line2D([], [], color=FAINT, linewidth=5, label="all others")] if rest else [])]


def _numbers(projection: Any, mixing: float | None) -> str:
    """What is printed under a panel."""
    mixed = "" if mixing is None else f"mixing {percent(mixing)}, "
    return f"{mixed}neighbours kept {percent(projection.knn_preservation)},\ntrustworthiness {projection.trustworthiness:.2f}"


def _panels_title(
    projections: Mapping[tuple[str, str], Any], lines: Sequence[str], mixing: Mapping[str, float] | None, no_gap: float | None
) -> str:
    """How mixing changed from the first row to the last; without it, only what the picture may be trusted for."""
    known = [line for line in lines if mixing and line in mixing]
    beside = f" ({percent(no_gap)} without a gap)" if no_gap is not None else ""
    if len(known) >= 2:
        first, last = (mixing[line] for line in (known[0], known[-1]))
        return f"Of an image's nearest neighbours, {percent(first)} are of the other band {known[0]}, {percent(last)} {known[-1]}{beside}"
    if known:
        return f"{percent(mixing[known[0]])} of an image's nearest neighbours are of the other band{beside}"
    kept = np.mean([projection.knn_preservation for projection in projections.values()])
    return f"The picture keeps {percent(kept)} of the nearest neighbours: read it as a hint"
