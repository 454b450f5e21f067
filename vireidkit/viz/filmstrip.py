"""The projection over training: one picture an epoch, aligned, so that the eye can follow the points."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.aligned import project_many
from vireidkit.analysis.projection import Projection
from vireidkit.modality import MODALITIES
from vireidkit.viz.projection import draw_points, legend_handles
from vireidkit.viz.style import SMALL, finish, many, new_figure, percent, styled

COLUMNS = 4
_ALIGNED = {
    "joint": "laid out together (AlignedUMAP)",
    "procrustes": "each turned onto the one before (Procrustes)",
}


@styled
def filmstrip(
    features: Mapping[str, Any],
    table: pd.DataFrame | None = None,
    *,
    by: str = "modality",
    no_gap: float | None = None,
    bands: Sequence[str] = MODALITIES,
    title: str | None = None,
    **options: Any,
) -> Figure:
    """The same images at several moments of training (or in several networks): one aligned projection each.

    Under each frame stand mixing and the share of neighbours kept, both judged against that frame's own descriptors.

    Args:
        features: name -> ``Features`` of the same rows, in order, such as {"start": ..., "epoch 3": ...}; or name -> ``Projection`` as
            ``project_many`` gives them.
        table: identity, camera, modality of the images; by default that of the first features.
        by: what colour means: "modality", "identity" or "camera"; no_gap: mixing without a gap, for the reading.
        options: of ``project_many``.

    Raises:
        ValueError: fewer than two frames, projections without a table, or descriptions of other images.
    """
    if len(features) < 2:
        raise ValueError(f"a filmstrip needs two frames or more, found {len(features)}")
    if table is None:
        table = getattr(next(iter(features.values())), "table", None)
    if table is None:
        raise ValueError("a filmstrip of bare matrices or projections needs table=, found none")
    made = all(isinstance(one, Projection) for one in features.values())
    frames = dict(features) if made else project_many(features, **{"modality": table["modality"], **options})
    fig = _drawn(frames, table, by, bands)
    return finish(fig, title or _title(frames), _reading(frames, no_gap), _alt(frames))


def _drawn(frames: Mapping[str, Projection], table: pd.DataFrame, by: str, bands: Sequence[str]) -> Figure:
    """The frames in lines of four at most, as long as each other, below a strip for the legend."""
    lines = -(-len(frames) // COLUMNS)
    columns = -(-len(frames) // lines)
    fig = new_figure(1.35 + lines * (8.6 / columns + 0.6) + 0.45 * (lines - 1))
    if lines > 1:
        fig.get_layout_engine().set(hspace=0.1)  # between the numbers of one line and the names of the next
    grid = fig.add_gridspec(lines + 1, columns, height_ratios=(0.08, *[1.0] * lines))
    for number, (name, found) in enumerate(frames.items()):
        axes = fig.add_subplot(grid[1 + number // columns, number % columns])
        draw_points(axes, found, table, by)
        axes.set_title(name)
        axes.set_xlabel(_numbers(found), fontsize=SMALL)
        axes.set_box_aspect(1)
        _frame(axes, [found] if found.method == "pca" else list(frames.values()))
    strip = fig.add_subplot(grid[0, :])
    strip.axis("off")
    strip.legend(handles=legend_handles(table, by, bands), loc="center left", ncols=9, columnspacing=1.2, borderaxespad=0).set_in_layout(
        False
    )
    return fig


def _frame(axes: Any, shown: Sequence[Projection]) -> None:
    """The same square cut for all frames. PCA has a scale of its own, which grows in training, so each frame has its own cut."""
    points = np.concatenate([found.coordinates for found in shown])
    low, high = points.min(axis=0), points.max(axis=0)
    middle, half = (low + high) / 2, 0.53 * max(float((high - low).max()), 1e-9)
    axes.set(xlim=(middle[0] - half, middle[0] + half), ylim=(middle[1] - half, middle[1] + half), aspect="auto")


def _title(frames: Mapping[str, Projection]) -> str:
    """How mixing went, in the original space."""
    first, last = next(iter(frames)), next(reversed(frames))
    start, end = frames[first], frames[last]
    if start.mixing is None or end.mixing is None:
        kept = np.mean([found.knn_preservation for found in frames.values()])
        return f"{many(len(frames), 'frame')}, {first} to {last}; they keep {percent(kept)} of the nearest neighbours: read them as a hint"
    return (
        f"From {first} to {last}, the share of the other band among an image's nearest neighbours goes from "
        f"{percent(start.mixing)} to {percent(end.mixing)}"
    )


def _reading(frames: Mapping[str, Projection], no_gap: float | None) -> str:
    """How the frames were made, and what may be read from them."""
    first = next(iter(frames.values()))
    how = _ALIGNED.get(str(first.settings.get("aligned")), "not aligned: do not follow points from one to the next")
    beside = "" if no_gap is None else f" Without a gap mixing would be {percent(no_gap)}."
    return (
        f"{first.title} of the same {many(len(first.coordinates), 'image')}, seed {first.seed}; {how}. Mixing is measured in the original "
        f"space; distances between clusters mean nothing.{beside}"
    )


def _numbers(found: Projection) -> str:
    """What is printed under a frame."""
    mixed = "" if found.mixing is None else f"mixing {percent(found.mixing)} (in the picture {percent(found.picture_mixing)})\n"
    return f"{mixed}neighbours kept {percent(found.knn_preservation)}\ntrustworthiness {found.trustworthiness:.2f}"


def _alt(frames: Mapping[str, Projection]) -> str:
    """All numbers in words."""
    parts = [f"{name}: {', '.join(_numbers(found).splitlines())}" for name, found in frames.items()]
    return "Frames: " + "; ".join(parts) + "."
