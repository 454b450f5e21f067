"""What two views see of the same pictures: stripes of a rigid cut, and attention maps in shares that can be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vireidkit.viz.attribution import STRENGTH, overlay
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import CYCLE, FAINT, LABEL, OKABE_ITO, SMALL, many, styled


@styled
def view_sheet(
    rows: Sequence[int],
    maps: Mapping[str, Any],
    image_of: ImageOf,
    table: pd.DataFrame,
    *,
    stripes: int = 2,
    even: float | None = None,
    height: float = 0.95,
    title: str | None = None,
) -> Figure:
    """Pictures (columns), the stripes that a hard view cuts them into, and the attention maps of a soft one (lines), on one scale.

    Args:
        rows: of the pictures; maps: name -> (N, h, w) in 0..1, one a picture. Unlike in ``map_sheet`` nothing is stretched: 0 is 0 and 1
            is 1 in every map. A name such as "deep map 1" is broken into lines.
        image_of: the picture of a row; table: identity, camera and modality of the rows.
        stripes: P; even: the share of a map that says nothing, marked on the scale.
        height: of a picture in inches.

    Raises:
        ValueError: no picture or map, or a map that is not (N, h, w) in 0..1.
    """
    given = _checked(rows, maps)
    shape = picture_of(image_of(int(rows[0]))).shape
    width = min(height * shape[1] / shape[0], 7.4 / len(rows) - 0.06)
    height, step = width * shape[0] / shape[1], max(width + 0.06, min(7.6 / len(rows), 0.85))
    page = Page(
        title or f"{many(len(rows), 'picture')}: {many(stripes, 'stripe')} of equal height, and {many(len(given), 'map')} of attention",
        (height + 0.08) * (2 + len(given)) + 0.9,
        reading="One scale for all maps, so that colours may be compared.",
        alt=f"{many(len(rows), 'picture')}, first as they are, then cut into {stripes}; maps: {', '.join(given)}.",
    )
    for column, row in enumerate(rows):
        x, picture, entry = 1.35 + step * column, picture_of(image_of(int(row))), table.iloc[int(row)]
        page.badge(x + width / 2, page.top, entry["modality"], f"p {entry['identity']}", size=7.5)
        for line, name in enumerate(("picture", "stripes", *given)):
            y = page.top + 0.22 + (height + 0.08) * line
            page.picture(_painted(picture, given[name][column]) if line > 1 else picture, x, y, width, height)
            if line == 1:
                _cut(page, x, y, width, height, stripes)
            if column == 0:
                page.text(0.1, y + height / 2, _broken(name), size=LABEL, ha="left", va="center")
    _scale(page, even)
    return page.fig


def _painted(picture: NDArray[np.uint8], values: NDArray[np.float64]) -> NDArray[np.uint8]:
    """A picture under its map, each place of the map as a block: nothing is drawn that the map does not say."""
    lines, columns = (np.arange(size) * count // size for size, count in zip(picture.shape, values.shape, strict=False))
    return overlay(picture, values[lines][:, columns], 1.0, signed=False)


def _checked(rows: Sequence[int], maps: Mapping[str, Any]) -> dict[str, NDArray[np.float64]]:
    """The maps as arrays, one for each picture."""
    given = {name: np.asarray(values, dtype=np.float64) for name, values in maps.items()}
    for name, values in given.items():
        if values.ndim != 3 or len(values) != len(rows) or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"map {name!r} must be ({len(rows)}, h, w) in 0..1, found shape {values.shape}")
    if not given or len(rows) == 0:
        raise ValueError(f"a sheet of views needs pictures and maps, found {len(rows)} pictures and {len(given)} maps")
    return given


def _broken(name: str) -> str:
    """A name in two lines, the last word but one first."""
    words = name.split()
    return name if len(words) < 2 else f"{words[0]}\n{' '.join(words[1:])}"


def _cut(page: Page, x: float, y: float, width: float, height: float, stripes: int) -> None:
    """A frame around every stripe."""
    for number in range(stripes):
        colour = CYCLE[number % len(CYCLE)]
        page.border(x + 0.01, y + number * height / stripes + 0.01, width - 0.02, height / stripes - 0.02, colour, line=2.0)


def _scale(page: Page, even: float | None) -> None:
    """The bar of colours at the foot, from 0 to 1."""
    place = page.fig.add_axes((0.56, 0.42 / page.height, 0.36, 0.1 / page.height))
    bar = page.fig.colorbar(ScalarMappable(Normalize(0, 1), STRENGTH), cax=place, orientation="horizontal")
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.set_label("share of the place that the map takes", fontsize=SMALL, labelpad=1)
    if even is not None:
        bar.ax.plot([even, even], [0, 1], color=OKABE_ITO["vermillion"], linewidth=2)
        bar.ax.annotate("even", (even, 1), xytext=(0, 2), textcoords="offset points", ha="center", fontsize=SMALL, color=FAINT)
