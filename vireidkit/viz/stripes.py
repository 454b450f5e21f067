"""Pictures cut into horizontal stripes, as part-based methods see them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from matplotlib.figure import Figure

from vireidkit.viz.pages import Page, picture_of
from vireidkit.viz.style import CYCLE, FAINT, SMALL, many, styled

WIDE, BESIDE, GAP, APART = 0.72, 0.55, 0.18, 0.55  # inches: of a picture, of its marks, between two, between two people


@styled
def stripe_sheet(
    pictures: Sequence[tuple[Any, str, str]], bounds: Mapping[int, Sequence[tuple[int, int]]], rows: int, *, title: str | None = None
) -> Figure:
    """Each picture whole, and once for each granularity with its stripes marked beside it. Where stripes share a row both marks cover it.

    Args:
        pictures: (uint8 picture (H, W, 3), modality, caption) from left to right, up to three.
        bounds: number of stripes -> first row and the row behind the last of each, in rows of the feature map.
        rows: of the map.

    Raises:
        ValueError: no picture or more than three, or a bound outside the map.
    """
    if not 0 < len(pictures) <= 3 or not bounds:
        raise ValueError(f"expected one to three pictures and a number of stripes, found {len(pictures)} and {len(bounds)}")
    for count, ends in bounds.items():
        if any(not 0 <= top < bottom <= rows for top, bottom in ends):
            raise ValueError(f"{count} stripes of a map of {rows} rows cannot be {list(ends)}")
    shown = [(picture_of(image), modality, caption) for image, modality, caption in pictures]
    height = WIDE * max(image.shape[0] / image.shape[1] for image, _, _ in shown)
    block = WIDE + len(bounds) * (WIDE + BESIDE + GAP)
    shared = any(first[1] > second[0] for ends in bounds.values() for first, second in pairwise(ends))
    reading = f"The map of the network has {many(rows, 'row')}; each stripe is pooled to one feature."
    reading += " Where the number of stripes does not divide the rows, neighbours share one." if shared else ""
    told = [f"{caption} ({modality}) whole and cut" for _, modality, caption in shown]
    told += [f"{count} stripes: rows " + ", ".join(f"{top} to {bottom}" for top, bottom in ends) for count, ends in bounds.items()]
    counted = " and ".join(map(str, bounds))
    page = Page(
        title or f"Cut into {counted} stripes: a stripe is a height in the picture, not a part of the body",
        height + 0.65,
        width=max(6.5, 0.5 + len(shown) * block + (len(shown) - 1) * APART),
        reading=reading,
        alt="; ".join(told) + ".",
    )
    for place, one in enumerate(shown):
        _person(page, 0.15 + place * (block + APART), height, one, bounds, height / rows)
    return page.fig


def _person(page: Page, left: float, height: float, shown: tuple[Any, str, str], bounds: Mapping[int, Any], step: float) -> None:
    """One picture whole, and once for each number of stripes."""
    image, modality, caption = shown
    top, foot = page.top + 0.3, page.top + height + 0.36
    page.badge(left + (WIDE + len(bounds) * (WIDE + BESIDE + GAP)) / 2, page.top, modality, caption, weight="bold")
    page.picture(image, left, top, WIDE, height)
    page.text(left + WIDE / 2, foot, "whole", size=SMALL, colour=FAINT)
    for number, (count, ends) in enumerate(bounds.items()):
        x = left + WIDE + GAP + number * (WIDE + BESIDE + GAP)
        page.picture(image, x, top, WIDE, height)
        page.text(x + WIDE / 2, foot, f"{count} stripes", size=SMALL, colour=FAINT)
        _mark(page, x, top, step, ends)


def _mark(page: Page, x: float, y: float, step: float, ends: Sequence[tuple[int, int]]) -> None:
    """A bracket beside the picture and a frame on it for each stripe; every second bracket stands farther out."""
    for number, (top, bottom) in enumerate(ends):
        colour, out = CYCLE[number % len(CYCLE)], WIDE + 0.08 + 0.1 * (number % 2)
        first, last = y + step * top + 0.02, y + step * bottom - 0.02
        page.border(x, first, WIDE, last - first, colour, line=1.8)
        page.axes.plot([x + out, x + out], [first, last], color=colour, linewidth=4, solid_capstyle="butt", zorder=4)
        page.text(x + WIDE + 0.26, (first + last) / 2, f"{number + 1} of {len(ends)}", size=SMALL, colour=colour, ha="left", va="center")
