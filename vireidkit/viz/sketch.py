"""Boxes and arrows of drawings of networks."""

from __future__ import annotations

from typing import Any

from matplotlib.axes import Axes
from matplotlib.patches import FancyBboxPatch

from vireidkit.viz.style import INK, SMALL

ROUNDING = 0.4  # of a box's corners, inside its size


def box(axes: Axes, x: float, y: float, width: float, text: str, colour: str = INK, *, height: float) -> None:
    """A part of a network: words in a rounded box around (x, y), in the units of the axes."""
    corner, size = (x - width / 2 + ROUNDING, y - height / 2 + ROUNDING), (width - 2 * ROUNDING, height - 2 * ROUNDING)
    look = {"facecolor": "white", "edgecolor": colour, "linewidth": 1.5, "zorder": 2}
    axes.add_patch(FancyBboxPatch(corner, *size, boxstyle=f"round,pad={ROUNDING}", **look))
    axes.text(x, y, text, ha="center", va="center", fontsize=SMALL, zorder=3)


def arrow(axes: Axes, start: tuple[float, float], end: tuple[float, float], style: str = "-|>", colour: str = INK, **look: Any) -> None:
    """An arrow below the boxes. ``style`` and ``look`` are matplotlib's, of its head and of the rest."""
    look = {"arrowstyle": style, "color": colour, "linewidth": 1.4, "shrinkA": 1, "shrinkB": 1} | look
    axes.annotate("", end, start, arrowprops=look, zorder=1)
