"""Pages of pictures: thumbnails, borders and captions placed in inches from the top left corner."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray

from vireidkit.viz.style import DPI, FAINT, INK, LABEL, PAPER, SMALL, TITLE, WIDTH, capitalised, look_of, text_width, wrapped

ImageOf = Callable[[int], Any]


def image_reader(dataset: Any, split: str = "test") -> ImageOf:
    """``image_of(row)`` for the figures: the picture in one row of a data set's table, straight from its file."""
    table = dataset.table(split)

    def image_of(row: int) -> NDArray[np.uint8]:
        return picture_of(dataset.open(table["path"].iloc[row]))

    return image_of


def picture_of(image: Any) -> NDArray[np.uint8]:
    """A PIL image, tensor or array as uint8 (H, W, 3).

    Raises:
        ValueError: another shape or dtype.
    """
    if hasattr(image, "detach"):
        image = image.detach().cpu()
    picture = np.asarray(image.convert("RGB") if hasattr(image, "convert") else image)
    if picture.ndim != 3 or picture.shape[2] != 3 or picture.dtype != np.uint8:
        raise ValueError(f"expected a uint8 picture (H, W, 3), found {picture.dtype} {picture.shape}")
    return picture


class Page:
    """A figure of one invisible axes in inches, y downwards, with the title on top and the reading at the foot.

    Attributes:
        top: where the body begins, below the title. ``height`` in the constructor is that of the body.
    """

    def __init__(self, title: str, height: float, *, reading: str = "", alt: str = "", width: float = WIDTH) -> None:
        title, room = capitalised(title), 72 * (width - 0.3)
        title_text, reading_text = wrapped(title, room, TITLE, "bold"), wrapped(reading, room, SMALL)
        self.top = 0.12 + 0.2 * (title_text.count("\n") + 1) + 0.1
        foot = 0.1 + (0.16 * (reading_text.count("\n") + 1) if reading else 0.0)
        self.width, self.height = width, self.top + height + foot
        self.fig = Figure(figsize=(width, self.height), dpi=DPI)
        self.axes: Axes = self.fig.add_axes((0, 0, 1, 1))
        self.axes.set(xlim=(0, width), ylim=(self.height, 0), autoscale_on=False)
        self.axes.axis("off")
        left = 0.1 / width
        self.fig.suptitle(title_text, x=left, y=1 - 0.1 / self.height, ha="left", va="top", fontsize=TITLE, fontweight="bold")
        if reading:
            self.fig.supxlabel(reading_text, x=left, y=0.07 / self.height, ha="left", va="bottom", fontsize=SMALL, color=FAINT)
        self.fig.set_label(f"{title.rstrip('.')}. {alt}")

    def picture(self, image: Any, x: float, y: float, width: float, height: float, *, faded: bool = False) -> None:
        """Draw a picture with its top left corner at (x, y)."""
        extent = (x, x + width, y + height, y)
        self.axes.imshow(picture_of(image), extent=extent, aspect="auto", alpha=0.35 if faded else 1.0, zorder=2)

    def border(self, x: float, y: float, width: float, height: float, colour: str, *, line: float = 2.5, style: str = "-") -> None:
        """A frame around a picture."""
        frame = Rectangle((x, y), width, height, fill=False, edgecolor=colour, linewidth=line, linestyle=style, zorder=3)
        self.axes.add_patch(frame)

    def hatched(self, x: float, y: float, width: float, height: float, *, hatch: str = "////", colour: str = FAINT) -> None:
        """Hatching over a place, as for a picture that does not count or is not there."""
        patch = Rectangle((x, y), width, height, facecolor="none", edgecolor=colour, hatch=hatch, linewidth=0.8, zorder=3)
        self.axes.add_patch(patch)

    def shade(self, x: float, y: float, width: float, height: float, colour: str = PAPER) -> None:
        """A coloured ground behind a group."""
        self.axes.add_patch(Rectangle((x, y), width, height, facecolor=colour, edgecolor="none", zorder=0))

    def text(self, x: float, y: float, text: str, *, size: float = SMALL, colour: str = INK, **settings: Any) -> None:
        """Text, by default centred below (x, y)."""
        settings = {"ha": "center", "va": "top", "linespacing": 1.15, **settings}
        self.axes.text(x, y, text, fontsize=size, color=colour, zorder=4, **settings)

    def badge(self, x: float, y: float, modality: Any, text: str, *, size: float = LABEL, weight: str = "normal") -> None:
        """A line of text led by the mark of a modality, centred below (x, y)."""
        look = look_of(modality)
        width = text_width(text, size, weight) / 72
        self.axes.plot(x - width / 2 - 0.04, y + 0.6 * size / 72, look.marker, color=look.colour, markersize=7, markeredgewidth=2, zorder=4)
        self.text(x + 0.07, y + size / 72, text, size=size, weight=weight, va="baseline")
