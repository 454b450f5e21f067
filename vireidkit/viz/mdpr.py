"""Figures about MDPR: its idea as a drawing, and what a circle margin makes of a cosine."""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from vireidkit.viz.sketch import arrow, box
from vireidkit.viz.style import FAINT, INK, MINUS, OKABE_ITO, PAPER, SMALL, TICK, finish, new_figure, styled

HARD, SOFT, BOTH, TEACHING = OKABE_ITO["green"], OKABE_ITO["purple"], INK, OKABE_ITO["vermillion"]
LEFT, MIDDLE = 47.0, 70.0  # x of the maps and of the heads
# y, name of the head, its map, colour; those of the descriptor from the top
HEADS = (
    (52, "hard", "whole map $G_h$", HARD),
    (45, "stripe1", "upper stripe $S_1$", HARD),
    (38, "stripe2", "lower stripe $S_2$", HARD),
    (30, "fusion", "both, fused: $Q$", BOTH),
    (22, "soft4", "whole map $G_4$", SOFT),
    (15, "soft3", "whole map $G_3$", SOFT),
)
ATTENDED = (5, "attended4, attended3", "attended $V_4, V_3$", SOFT)


@styled
def mdpr_sketch() -> Figure:
    """MDPR in one drawing: one trunk, a branch that cuts and one that attends, eight heads, and predictors between the branches."""
    fig = new_figure(5.4)
    axes = fig.subplots()
    axes.set(xlim=(0, 100), ylim=(-0.5, 59))
    axes.axis("off")
    axes.add_patch(FancyBboxPatch((37, 0.4), 44, 8.8, boxstyle="round,pad=0.5", facecolor=PAPER, edgecolor="none", zorder=0))
    axes.text(37.6, 0.6, "training only", fontsize=SMALL, color=FAINT, va="bottom")
    _draw_trunk(axes)
    for y, name, seen, colour in (*HEADS, ATTENDED):
        kept = (y, name, seen, colour) != ATTENDED
        box(axes, LEFT, y, 17, seen, colour, height=4.8)
        box(axes, MIDDLE, y, 19, f"{name} {TICK}" if kept else name, colour, height=4.8)
        arrow(axes, (LEFT + 9, y), (MIDDLE - 10, y))
    _draw_mutual(axes)
    axes.text(MIDDLE, 57.3, f"{TICK} six parts of the descriptor", ha="center", va="center", fontsize=SMALL, fontweight="bold")
    axes.text(LEFT, 57.3, "maps", ha="center", va="center", fontsize=SMALL, fontweight="bold")
    title = "One trunk, two views: one branch is cut into stripes, the other weighs places, and each predicts the other"
    reading = (
        "Boxes: parts of the network. Every head has the identity term, those with a tick the triplet term too. Red: the only term that "
        "compares the branches; it sees only the two vectors at its ends."
    )
    alt = (
        "Stem to layer2, then layer3 and layer4 twice. Hard branch: a whole map and two stripes, each with a head. Soft branch: whole maps "
        "of two depths, each with a head, and attended vectors with heads used in training only. A fusion of all maps has a head. "
        "Predictors join the heads hard and soft4 in both directions. Six heads make the descriptor."
    )
    return finish(fig, title, reading, alt)


def _draw_trunk(axes: Axes) -> None:
    """What lies before the maps."""
    box(axes, 8, 30, 15, "stem to\nlayer2\n(all pictures)", INK, height=9.8)
    for y, name, colour, ends in ((45, "hard", HARD, (52, 45, 38)), (16, "soft", SOFT, (22, 15, 5))):
        box(axes, 27, y, 15, f"layer3, layer4\n({name} branch)", colour, height=6.8)
        arrow(axes, (16, 30), (19, y))
        for end in ends:
            arrow(axes, (35, y), (LEFT - 9, end))
    for x, start, end in ((LEFT, 38, 30), (LEFT, 22, 30)):
        arrow(axes, (x, start + (-2.6 if start > end else 2.6)), (x, end + (2.6 if start > end else -2.6)))


def _draw_mutual(axes: Axes) -> None:
    """Each branch predicts the other."""
    x = MIDDLE + 11
    axes.plot([MIDDLE + 10, x, x, MIDDLE + 10], [52, 52, 22, 22], color=TEACHING, linewidth=1.6, zorder=1)
    for y in (52, 22):
        arrow(axes, (x, y), (MIDDLE + 9.6, y), colour=TEACHING)
    text = "mutual:\n$z_h$ predicts $z_s$,\n$z_s$ predicts $z_h$;\nthe target gets\nno gradient"
    axes.text(x + 1, 37, text, ha="left", va="center", fontsize=SMALL, color=TEACHING, linespacing=1.4)
    axes.text(x + 1, 52, "$z_h$", ha="left", va="center", fontsize=SMALL, color=TEACHING)
    axes.text(x + 1, 22, "$z_s$", ha="left", va="center", fontsize=SMALL, color=TEACHING)


@styled
def circle_margin_plot(*, gamma: float = 64.0, margin: float = 0.35) -> Figure:
    """What the circle margin makes of a cosine: the logit, and the slope that a gradient sees, for the true class and for another.

    Args:
        gamma, margin: as in ``losses.circle_margin_logits``.
    """
    cosine = np.linspace(-1, 1, 201)
    slopes = {"true class": gamma * np.clip(1 + margin - cosine, 0, None), "another class": gamma * np.clip(cosine + margin, 0, None)}
    targets = {"true class": 1 - margin, "another class": margin}
    fig = new_figure(3.4)
    left, right = fig.subplots(1, 2)
    for name, colour, line in (("true class", HARD, "-"), ("another class", TEACHING, "--")):
        left.plot(cosine, slopes[name] * (cosine - targets[name]), line, color=colour, label=name)
        right.plot(cosine, slopes[name], line, color=colour, label=name)
    for axes, name in ((left, "logit"), (right, "slope in the cosine")):
        axes.axhline(gamma if axes is right else 0, color=FAINT, linestyle=":", linewidth=1.2)
        axes.set(xlabel="cosine between feature and class", ylabel=name, xlim=(-1, 1))
    left.legend(loc="upper center", fontsize=SMALL)
    right.annotate("plain scale", (-0.98, gamma), xytext=(0, 3), textcoords="offset points", fontsize=SMALL, color=FAINT)
    steep, flat = (gamma * (1 + margin - one) for one in (0.0, 1.0))
    return finish(
        fig,
        f"A true cosine of 0 is pulled with a slope of {steep:.0f}, one of 1 with {flat:.0f}: the farther from its place, the harder",
        f"gamma {gamma:g}, m {margin:g}. Dotted on the right: logits that are just gamma times the cosine.",
        f"Left: logits of the true class cross 0 at {1 - margin:g}, of another at {margin:g} and at {MINUS}{margin:g}. "
        "Right: slopes; the true class's falls in a straight line, the other's rises from 0.",
    )
