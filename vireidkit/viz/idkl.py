"""Figures about IDKL: its idea as a drawing, and what the sign in its softmax of distances does."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch
from numpy.typing import NDArray

from vireidkit.analysis.sharing import checked_graph, row_softmax, weight_on_same
from vireidkit.viz.sketch import arrow, box
from vireidkit.viz.style import FAINT, INK, OKABE_ITO, PAPER, SMALL, TICK, finish, new_figure, percent, styled

SHARED, SPECIFIC, TEACHING = OKABE_ITO["green"], OKABE_ITO["purple"], OKABE_ITO["vermillion"]
UP, DOWN = 33.0, 13.0  # heights of the two branches
# x of the middle, width, text; a line break where it would not fit
SHARED_BOXES = (
    (30, 13, "layer3, layer4\n(shared)"),
    (56, 11, "GeM\n$f_{sh}$"),
    (71, 11, "neck\n$b_{sh}$"),
    (88, 13, "classifier\n$z_{sh}$"),
)
SPECIFIC_BOXES = (
    (30, 13, "layer3, layer4\n(specific)"),
    (44, 10, "purifier\n$X_{sp}$"),
    (56, 11, "GeM\n$f_{sp}$"),
    (71, 11, "neck\n$b_{sp}$"),
    (88, 13, "classifier\n$z_{sp}$"),
)


@styled
def idkl_sketch() -> Figure:
    """IDKL in one drawing: one stem, two branches, and the terms that let each teach the other."""
    fig = new_figure(4.6)
    axes = fig.subplots()
    axes.set(xlim=(0, 97), ylim=(0, 46.5))
    axes.axis("off")
    _draw_branches(axes)
    _draw_terms(axes)
    title = "Two branches see every picture; only the lower one has to know the modality, and the two teach each other"
    reading = (
        "Boxes: parts of the network. Double arrows: terms that compare the branches (and, inside the shared one, visible with infrared), "
        "with gradients into both ends. Other words: the remaining terms, at the feature that they act on. At test the stem and the upper "
        "branch up to its neck are kept."
    )
    alt = (
        "Stem to layer2, then layer3 and layer4 twice. The shared branch gives f_sh, b_sh, z_sh; the specific branch passes a purifier and "
        "gives f_sp, b_sp, z_sp. TGSA joins f_sh and f_sp, CSA z_sh and z_sp; the modality head is on b_sp, the confusion head on b_sh."
    )
    return finish(fig, title, reading, alt)


def _draw_branches(axes: Axes) -> None:
    """The parts of the network, from left to right."""
    axes.add_patch(FancyBboxPatch((22, 1.5), 73.5, 19, boxstyle="round,pad=0.5", facecolor=PAPER, edgecolor="none", zorder=0))
    axes.text(22.5, 2.0, "training only", fontsize=SMALL, color=FAINT, va="bottom")
    box(axes, 11, 23, 17, "stem, layer1, layer2\n(all pictures)", INK, height=6.8)
    for boxes, y, colour in ((SHARED_BOXES, UP, SHARED), (SPECIFIC_BOXES, DOWN, SPECIFIC)):
        arrow(axes, (19.5, 23), (boxes[0][0] - boxes[0][1] / 2, y))
        for before, after in pairwise(boxes):
            arrow(axes, (before[0] + before[1] / 2, y), (after[0] - after[1] / 2, y))
        for x, width, text in boxes:
            box(axes, x, y, width, text, colour, height=6.8)


def _draw_terms(axes: Axes) -> None:
    """The terms of the loss, each beside the feature that it acts on."""
    for x, text in ((56, "structure (TGSA):\nwho is how far\nfrom whom"), (88, "classes (CSA):\nwho resembles\nwhom")):
        arrow(axes, (x, DOWN + 4), (x, UP - 4), "<|-|>", TEACHING)
        axes.text(x - 1.2, (UP + DOWN) / 2, text, ha="right", va="center", fontsize=SMALL, color=TEACHING)
    for x, y, text in ((56, 41, "triplet"), (71, 41, "confusion head"), (88, 41, "who is it?")):
        _aim(axes, x, (UP + 3.5, y), text)
    for x, y, text in ((44, 5, "IP hinges"), (56, 5, "triplet"), (71, 5, "which modality?"), (88, 5, "who is it?")):
        _aim(axes, x, (DOWN - 3.5, y), text)
    axes.text(71, 45.2, f"{TICK} descriptor at test: $b_{{sh}}$", ha="center", va="center", color=SHARED, fontweight="bold")


def _aim(axes: Axes, x: float, ends: tuple[float, float], text: str) -> None:
    """A term that acts on the feature it stands beside."""
    axes.plot([x, x], [ends[0], ends[1] + (1.2 if ends[1] < ends[0] else -1.2)], color=FAINT, linewidth=1, linestyle=":", zorder=1)
    axes.text(x, ends[1], text, ha="center", va="center", fontsize=SMALL, color=INK)


@styled
def distance_weights(distances: Any, same: Any, *, scales: tuple[float, ...] = (1.0, 10.0), title: str | None = None) -> Figure:
    """How a softmax of plus and of minus the distance shares out its weight over the others, from the nearest to the farthest.

    Args:
        distances: (n, n - 1), from each picture to all others of its modality. same: whether the other shows the same person.
        scales: what the distances are multiplied by, one panel each.

    Raises:
        ValueError: the two do not have one shape, or nothing is in them.
    """
    distances, same = checked_graph(distances, same)
    fig = new_figure(3.4)
    panels = fig.subplots(1, len(scales), sharex=True, squeeze=False)[0]
    shares = weight_on_same(distances, same, scales)
    for axes, scale in zip(panels, scales, strict=True):
        _draw_weights(axes, distances, scale)
    panels[0].set_ylabel("weight (%)")
    panels[0].legend(loc="lower left", fontsize=SMALL)
    last = shares[shares["scale"] == scales[-1]].set_index("sign")["same person"]
    chance = percent(same.mean())
    told = f"Plus gives a person's own other pictures {percent(last[1])} of the weight, minus {percent(last[-1])}; even would be {chance}"
    reading = "Mean over all rows. Dotted: the same weight for everybody."
    rows = "; ".join(f"{row['sign']:+d} times {row['scale']:g}: {percent(row['same person'], 1)}" for row in shares.to_dict("records"))
    return finish(fig, title or f"{told} (distances times {scales[-1]:g})", reading, f"Weight on the same person's pictures: {rows}.")


def _draw_weights(axes: Axes, distances: NDArray[np.float64], scale: float) -> None:
    """One panel: the mean weight of the nearest, second nearest ... picture, by both signs."""
    order, places = np.argsort(distances, axis=1), np.arange(1, distances.shape[1] + 1)
    for sign, colour, line, name in ((1, TEACHING, "-", "plus the distance (released)"), (-1, SHARED, "--", "minus the distance")):
        weights = np.take_along_axis(row_softmax(sign * scale * distances), order, axis=1).mean(axis=0)
        axes.plot(places, 100 * weights, line, color=colour, label=name)
    axes.axhline(100 / len(places), color=FAINT, linestyle=":", linewidth=1.2)
    axes.set(xlabel="other pictures, nearest first", title="distances as they are" if scale == 1 else f"distances times {scale:g}")
    axes.set_ylim(bottom=0)
