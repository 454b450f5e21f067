"""Figures about MDKT: its two stages, how sure two networks are of the same triplets, and who is compared with whom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch

from vireidkit.modality import MODALITIES
from vireidkit.viz.sketch import arrow, box
from vireidkit.viz.style import FAINT, LOOKS, OKABE_ITO, PAPER, SMALL, band_handles, finish, new_figure, percent, styled

SCOPE = ListedColormap([PAPER, "#F6D9C8", "#BFE3D5"])  # not compared, negative, positive
TEACHER, STUDENT, TEACHING = OKABE_ITO["blue"], OKABE_ITO["green"], OKABE_ITO["vermillion"]


@styled
def mdkt_sketch(frames: int = 8, seen: int = 2) -> Figure:
    """Both stages in one drawing: what each network sees, who teaches whom, and where gradients stop.

    Args:
        frames: N, that the teacher sees; seen: M, that the student sees.
    """
    fig = new_figure(4.5)
    axes = fig.subplots()
    axes.set(xlim=(0, 100), ylim=(0, 46))
    axes.axis("off")
    for x, width, text in ((0.5, 30, "stage 1: teacher"), (35.5, 64, "stage 2: student, and with it the teacher")):
        axes.add_patch(FancyBboxPatch((x, 1), width, 44, boxstyle="round,pad=0.4", facecolor=PAPER, edgecolor="none", zorder=0))
        axes.text(x + 1, 43, text, fontweight="bold", va="center")
    _draw_first(axes, frames)
    _draw_second(axes, frames, seen)
    title = f"A teacher that sees {frames} frames, a student that sees {seen}; each learns from the other's answers"
    reading = (
        "Solid red: the teacher's numbers are constants of the student's loss. Dashed red: the same the other way, only with mutual "
        "learning; without it the teacher is frozen. A bar at the arrow's tail: no gradient flows back. At test the student alone works."
    )
    alt = (
        "Stage 1: frames of one tracklet, teacher, f_T and z_T, losses id and triplet. Stage 2: the teacher sees all views, the "
        "student some of them; kd goes from z_T to z_S, tcl and dp from f_T to f_S; mutual learning adds kd and tcl backwards. The student "
        "starts as a copy of the teacher but for layer4 and head."
    )
    return finish(fig, title, reading, alt)


def _draw_first(axes: Axes, frames: int) -> None:
    """The teacher alone, from the top down."""
    for y, text, colour in ((36, f"{frames} frames of\none tracklet", FAINT), (23, "teacher", TEACHER), (10, "$f_T$, $z_T$", TEACHER)):
        box(axes, 12, y, 17, text, colour, height=7.2)
    arrow(axes, (12, 32), (12, 27))
    arrow(axes, (12, 19), (12, 14))
    axes.text(22, 10, "id + triplet", fontsize=SMALL, va="center")


def _draw_second(axes: Axes, frames: int, seen: int) -> None:
    """Both networks, the teacher above; what passes between them on the right."""
    box(axes, 46, 34, 17, f"{frames} views of\na person", FAINT, height=7.2)
    box(axes, 46, 12, 17, f"{seen} of them,\nthe same pixels", FAINT, height=7.2)
    box(axes, 66, 34, 13, "teacher", TEACHER, height=7.2)
    box(axes, 66, 12, 13, "student", STUDENT, height=7.2)
    box(axes, 86, 34, 14, "$f_T$, $z_T$", TEACHER, height=7.2)
    box(axes, 86, 12, 14, "$f_S$, $z_S$", STUDENT, height=7.2)
    for y in (34, 12):
        arrow(axes, (55, y), (59, y))
        arrow(axes, (73, y), (78.5, y))
    arrow(axes, (46, 30), (46, 16))
    arrow(axes, (66, 30), (66, 16), linestyle=(0, (1, 2)))
    axes.text(65, 23, "copy, but for\nlayer4 and head", fontsize=SMALL, ha="right", va="center", color=FAINT)
    arrow(axes, (83, 30), (83, 16), colour=TEACHING)
    axes.plot([82, 84], [29.3, 29.3], color=TEACHING, linewidth=3)
    axes.text(81.5, 23, "kd, dp,\ntcl", fontsize=SMALL, ha="right", va="center", color=TEACHING)
    arrow(axes, (89, 16), (89, 30), colour=TEACHING, linestyle="--")
    axes.plot([88, 90], [16.7, 16.7], color=TEACHING, linewidth=3)
    axes.text(90.5, 23, "kd, tcl\n(mutual)", fontsize=SMALL, ha="left", va="center", color=TEACHING)
    axes.text(86, 39.3, "id + triplet (mutual)", fontsize=SMALL, ha="center", va="center")
    axes.text(86, 6.3, "id + triplet", fontsize=SMALL, ha="center", va="center")


@styled
def sureness_scatter(
    found: Mapping[str, tuple[Any, Any, Any]], *, bands: Sequence[str] = MODALITIES, title: str | None = None, reading: str = ""
) -> Figure:
    """How sure two networks are of the same triplets: one panel a moment, one mark a triplet, the diagonal where both are alike.

    Args:
        found: name -> (teacher's P, student's P, modality code of the anchor), each (T,).

    Raises:
        ValueError: no panel, more than three, or a probability outside of 0..1.
    """
    values = {name: [np.asarray(one, dtype=float) for one in own] for name, own in found.items()}
    if not 1 <= len(values) <= 3 or any(not ((own[i] >= 0) & (own[i] <= 1)).all() for own in values.values() for i in (0, 1)):
        raise ValueError(f"one to three panels of probabilities in 0..1 are expected, found {len(values)}")
    fig = new_figure(3.9)
    panels = fig.subplots(1, len(values), squeeze=False, sharex=True, sharey=True)[0]
    apart = {name: float(np.abs(teacher - student).mean()) for name, (teacher, student, _) in values.items()}
    present = set()
    for axes, (name, (teacher, student, modality)) in zip(panels, values.items(), strict=True):
        axes.axline((0.5, 0.5), slope=1, color=FAINT, linewidth=1)
        for code, (band, look) in enumerate(LOOKS.items()):
            own = modality == code
            present |= {band} if own.any() else set()
            axes.plot(teacher[own], student[own], look.marker, color=look.colour, markersize=5, alpha=0.75, linestyle="")
        axes.set(title=f"{name}\napart by {apart[name]:.3f}", xlabel="teacher's P", aspect="equal")
    low, high = _range([one for own in values.values() for one in own[:2]])
    panels[0].set(xlim=(low, high), ylim=(low, high), ylabel="student's P")
    handles = [one for one, band in zip(band_handles(bands), LOOKS, strict=True) if band in present]
    fig.legend(handles=handles, loc="outside right center", title="anchor")
    told = "; ".join(f"{name} {value:.3f}" for name, value in apart.items())
    means = "; ".join(f"{name}: teacher {own[0].mean():.2f}, student {own[1].mean():.2f}" for name, own in values.items())
    return finish(fig, title or f"Mean difference of the two networks' P: {told}", reading, f"Mean P. {means}. Mean difference: {told}.")


def _range(values: Sequence[np.ndarray]) -> tuple[float, float]:
    """A little more than what the probabilities take, at least a tenth wide."""
    low, high = min(one.min() for one in values), max(one.max() for one in values)
    room = max(0.05 * (high - low), (0.1 - (high - low)) / 2)
    return float(low - room), float(high + room)


@styled
def scope_sheet(
    labels: Sequence[int],
    modality: Sequence[int],
    scopes: Mapping[str, Any],
    *,
    title: str | None = None,
) -> Figure:
    """Who may be whose positive or negative: one square a scope, rows anchors, columns references.

    Args:
        scopes: name -> bool (B, B), which references an anchor is compared with. A reference of the anchor's label is a positive.

    Raises:
        ValueError: a scope is no (B, B).
    """
    who = np.asarray(labels)
    size = len(who)
    same = who[:, None] == who[None, :]
    fig = new_figure(3.5)
    panels = fig.subplots(1, len(scopes), squeeze=False)[0]
    names = [f"{MODALITIES[code][:3]} {label}" for code, label in zip(modality, who, strict=True)]
    told = {}
    for axes, (name, counted) in zip(panels, scopes.items(), strict=True):
        counted = np.asarray(counted)
        if counted.shape != (size, size):
            raise ValueError(f"scope {name!r} must be ({size}, {size}), found {counted.shape}")
        axes.imshow(np.where(counted, np.where(same, 2, 1), 0), cmap=SCOPE, vmin=0, vmax=2)
        axes.set_xticks(range(size), labels=names, rotation=90, fontsize=7)
        axes.set_yticks(range(size), labels=names, fontsize=7)
        axes.set(title=name)
        axes.tick_params(length=0)
        axes.grid(visible=False)
        for row, column in zip(*np.nonzero(counted), strict=True):
            axes.text(column, row, "+" if same[row, column] else "\N{MINUS SIGN}", ha="center", va="center", fontsize=8)
        told[name] = percent(counted[same].sum() / max(1, counted.sum()))
    reading = (
        "Row: the anchor. +: may be its positive (the farthest is taken), \N{MINUS SIGN}: its negative (the nearest); grey: not compared."
    )
    alt = "; ".join(f"{name}: {value} of the compared are of the same person" for name, value in told.items())
    return finish(fig, title or f"Who is compared with whom: {', '.join(scopes)}", reading, f"{alt}.")
