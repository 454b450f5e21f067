"""Pictures drawn on request: labelled tables of them, and the same moment with one thing changed, band by band."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vireidkit.analysis.changes import changes_by_band, difference
from vireidkit.viz.pages import Page, picture_of
from vireidkit.viz.style import FAINT, LABEL, SMALL, WIDTH, many, styled, text_width, wrapped

# draw(person, camera, band, **changes) -> picture; the renderer's, or any other with these arguments.
Draw = Callable[..., Any]
AS_DRAWN = "as drawn"
TALLEST = 1.7  # inches
FRAME, GAP = 215, 3


@styled
def picture_table(
    pictures: Mapping[str, Sequence[Any]],
    heads: Sequence[str],
    *,
    captions: Mapping[str, Sequence[str]] | None = None,
    height: float = TALLEST,
    title: str,
    reading: str = "",
) -> Figure:
    """A table of pictures: one row a label, one column a head.

    Args:
        pictures: label of a row -> its pictures, all of one size.
        heads: one a column; captions: label of a row -> a line below each of its pictures; height: of a picture in inches.

    Raises:
        ValueError: no picture, or a row that has not one picture a head.
    """
    if not pictures or not heads:
        raise ValueError(f"a table of pictures needs a row and a column, found {len(pictures)} rows and {len(heads)} heads")
    for label, row in pictures.items():
        if len(row) != len(heads):
            raise ValueError(f"row {label!r} needs one picture for each of {len(heads)} heads, found {len(row)}")
    shape = picture_of(next(iter(pictures.values()))[0]).shape
    wide, labels = height * shape[1] / shape[0], {label: wrapped(label, 110, LABEL) for label in pictures}
    left = 0.25 + max(text_width(line, LABEL) for text in labels.values() for line in text.split("\n")) / 72
    step = min(max(wide + 0.15, max(text_width(head, LABEL) for head in heads) / 72 + 0.2), (WIDTH - left) / len(heads))
    line = height + (0.3 if captions else 0.1)
    page = Page(
        title,
        0.3 + line * len(pictures),
        width=max(6.0, left + step * len(heads) + 0.05),
        reading=reading,
        alt=f"A table of pictures; rows: {', '.join(pictures)}; columns: {', '.join(heads)}.",
    )
    places = [left + step * (column + 0.5) for column in range(len(heads))]
    for x, head in zip(places, heads, strict=True):
        page.text(x, page.top, head, size=LABEL, weight="bold")
    for number, (label, row) in enumerate(pictures.items()):
        y = page.top + 0.25 + line * number
        page.text(0.1, y + height / 2, labels[label], size=LABEL, ha="left", va="center")
        for x, picture, words in zip(places, row, (captions or {}).get(label, [""] * len(row)), strict=True):
            page.picture(picture, x - wide / 2, y, wide, height)
            page.text(x, y + height + 0.03, words, size=SMALL, colour=FAINT)
    return page.fig


def change_map(before: Any, after: Any) -> NDArray[np.uint8]:
    """Where two pictures differ, uint8 (H, W, 3): white where they agree, purple where they do not, with a thin frame."""
    share = np.sqrt(difference(picture_of(before), picture_of(after))[..., None] / 255)  # the root shows small ones
    colours = (255 * (1 - share * [0.55, 1.0, 0.45])).astype(np.uint8)
    for edge in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        colours[edge] = FRAME
    return colours


def side_by_side(left: Any, right: Any | None = None) -> NDArray[np.uint8]:
    """Two pictures in one with white between them, uint8 (H, 2 W + GAP, 3); white in place of a right one that is not there."""
    left = picture_of(left)
    blank = np.full_like(left, 255)
    return np.concatenate([left, blank[:, :GAP], blank if right is None else picture_of(right)], axis=1)


def counterfactual_sheet(
    draw: Draw,
    person: Any,
    camera: int,
    changes: Mapping[str, Mapping[str, Any]],
    *,
    bands: Sequence[str] = ("visible", "near-infrared"),
    height: float = TALLEST,
    title: str | None = None,
    **fixed: Any,
) -> Figure:
    """One moment in several bands, as it is and with one thing changed: every picture beside the map of where it changed.

    Args:
        draw: ``draw(person, camera, band, **changes)`` gives a picture.
        person, camera: who and where; changes: words for a change -> what ``draw`` is to change.
        bands: names that ``draw`` takes; height: of a picture in inches; fixed: what is the same in all pictures, such as a heading.

    Raises:
        ValueError: no band, or what ``draw`` raises.
    """
    if not bands:
        raise ValueError("a counterfactual needs a band to be drawn in, found none")
    before = {band: draw(person, camera, band, **fixed) for band in bands}
    rows = {AS_DRAWN: [side_by_side(before[band]) for band in bands]}
    captions, amounts = {AS_DRAWN: [""] * len(bands)}, {}
    for words, change in changes.items():
        after = {band: draw(person, camera, band, **{**fixed, **change}) for band in bands}
        amounts[words] = changes_by_band(before, after)
        rows[words] = [side_by_side(after[band], change_map(before[band], after[band])) for band in bands]
        captions[words] = [f"changed by {amounts[words][band]:.0f}" for band in bands]
    reading = (
        "Purple: where a picture changed, the darker the more. Numbers: grey levels (0-255), mean over the pixels that change in any of "
        "the bands."
    )
    return picture_table(
        rows,
        bands,
        captions=captions if changes else None,
        height=height,
        title=title or _title(amounts, bands),
        reading=reading if changes else "",
    )


def _title(amounts: Mapping[str, Mapping[str, float]], bands: Sequence[str]) -> str:
    """The change whose bands differ most."""
    if not amounts:
        return f"One moment in {many(len(bands), 'band')}"
    words = max(amounts, key=lambda name: max(amounts[name].values()) - min(amounts[name].values()))
    first, *others = (f"{band} {'changes ' if band == bands[0] else ''}by {amounts[words][band]:.0f}" for band in bands)
    return f"{words}: {', '.join([f'{first} grey levels', *others])}"
