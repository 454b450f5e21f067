"""SMMD in pictures: its two ideas side by side, and prototypes on the unit circle for an example in two dimensions."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.modality import MODALITIES
from vireidkit.viz.style import FAINT, INK, LOOKS, PAPER, SMALL, finish, look_of, new_figure, styled

# A drawing, not data: the prototypes of persons A and B in each modality, and where their pictures lie around them.
HOMES = {("visible", "A"): (1.7, 4.3), ("visible", "B"): (2.6, 1.5), ("infrared", "A"): (6.4, 4.0), ("infrared", "B"): (7.6, 1.2)}
AROUND = ((-1.0, 0.55), (0.95, 0.75), (0.75, -0.85), (-0.8, -0.75))
VISIBLE_SHARES, INFRARED_SHARES = (0.08, 0.55, 0.20, 0.10, 0.07), (0.12, 0.26, 0.42, 0.13, 0.07)


@styled
def smmd_idea(bands: tuple[str, str] | list[str] = MODALITIES) -> Figure:
    """The two ideas of SMMD as this kit reads its abstract: self-mimic inside a modality, mutual distillation across. No data.

    Args:
        bands: names of the two bands.
    """
    fig = new_figure(4.0)
    left, right = fig.subplots(1, 2, width_ratios=[1.05, 1])
    _self_mimic(left, bands)
    _mutual(right, bands)
    return finish(
        fig,
        "Two steps: gather each person inside a modality, then let the modalities agree on each person",
        "A drawing, not data. Reconstructed from the abstract of SMMD (ICME 2022): the authors' own figures may look different.",
        f"Left: pictures of two people A and B, {bands[0]} as circles and {bands[1]} as crosses; an arrow leads from each picture to the "
        "prototype (star) of its own person and modality, and prototypes of two people in one modality are told apart; no arrow joins "
        "the modalities. Right: bars of the class probabilities of one person in each modality, with one arrow in each direction.",
    )


def _self_mimic(axes: Axes, bands: Any) -> None:
    """Pictures drawn to the prototype of their own modality."""
    axes.set(xlim=(0, 9), ylim=(0, 6), title="1  Self-mimic: inside a modality")
    for name, band, x in zip(MODALITIES, bands, (0.1, 4.75), strict=True):
        axes.add_patch(_box(x, 0.1, 4.15, 5.75, name))
        axes.text(x + 0.15, 5.5, band, fontsize=9, color=INK)
        axes.annotate("", HOMES[name, "A"], HOMES[name, "B"], arrowprops=_arrow("<->", FAINT, 14) | {"linestyle": ":"})
        middle = np.mean([HOMES[name, "A"], HOMES[name, "B"]], axis=0)
        axes.text(*middle, "told apart", fontsize=SMALL, color=FAINT, ha="center", va="center", bbox=_blank())
    for (name, person), home in HOMES.items():
        look = LOOKS[name]
        for shift in AROUND:
            place = np.add(home, shift)
            axes.annotate("", home, place, arrowprops=_arrow("->", look.colour, 8))
            axes.plot(*place, look.marker, color=look.colour, markersize=7, markeredgewidth=1.8)
        axes.plot(*home, "*", color=look.colour, markersize=19, markeredgecolor=INK, zorder=4)
        axes.text(home[0] + 0.42, home[1], person, fontsize=10, fontweight="bold", va="center", zorder=5, bbox=_blank())
    _bare(axes)


def _mutual(axes: Axes, bands: Any) -> None:
    """The class probabilities of one person, once from each modality."""
    axes.set(xlim=(0, 9), ylim=(0, 6), title="2  Mutual distillation: across, person by person")
    shares = dict(zip(MODALITIES, (VISIBLE_SHARES, INFRARED_SHARES), strict=True))
    for (name, values), band, x, symbol in zip(shares.items(), bands, (0.3, 6.0), ("$q^V$", "$q^I$"), strict=True):
        look = LOOKS[name]
        places = x + 0.5 * np.arange(len(values)) + 0.3
        axes.bar(places, np.multiply(5.5, values), width=0.4, bottom=1.5, color=look.colour, hatch=look.hatch, edgecolor="white")
        axes.plot([x, x + 2.6], [1.5, 1.5], color=INK, linewidth=1)
        axes.text(x + 1.3, 1.05, "people of the training", fontsize=SMALL, ha="center", color=FAINT)
        axes.text(x + 1.3, 5.2, f"{symbol}: who is A,\nseen in {band}?", fontsize=9, ha="center", va="center")
    axes.annotate("", (5.9, 3.6), (3.05, 3.6), arrowprops=_arrow("->", LOOKS["visible"].colour, 14) | {"connectionstyle": "arc3,rad=-0.25"})
    axes.annotate(
        "", (3.05, 2.4), (5.9, 2.4), arrowprops=_arrow("->", LOOKS["infrared"].colour, 14) | {"connectionstyle": "arc3,rad=-0.25"}
    )
    axes.text(4.48, 4.35, r"KL$(\,\mathrm{sg}(q^V)\;\Vert\;q^I)$", fontsize=9, ha="center")
    axes.text(4.48, 1.5, r"KL$(\,\mathrm{sg}(q^I)\;\Vert\;q^V)$", fontsize=9, ha="center")
    axes.text(4.48, 3.0, "teacher to student", fontsize=SMALL, color=FAINT, ha="center", va="center")
    axes.text(4.5, 0.35, "sg: the teacher is a target and gets no gradient", fontsize=9, ha="center")
    _bare(axes)


def _box(x: float, y: float, width: float, height: float, name: str) -> Any:
    """A pale box in a modality's colour."""
    from matplotlib.patches import FancyBboxPatch

    return FancyBboxPatch((x, y), width, height, boxstyle="round,pad=0,rounding_size=0.3", facecolor=PAPER, edgecolor=LOOKS[name].colour)


def _arrow(style: str, colour: str, shrink: float) -> dict[str, Any]:
    return {"arrowstyle": style, "color": colour, "linewidth": 1.3, "shrinkA": 5, "shrinkB": shrink}


def _blank() -> dict[str, Any]:
    return {"boxstyle": "round,pad=0.12", "facecolor": "white", "edgecolor": "none", "alpha": 0.85}


def _bare(axes: Axes) -> None:
    """No axes around a drawing."""
    axes.set_xticks([])
    axes.set_yticks([])
    axes.grid(visible=False)
    for side in axes.spines.values():
        side.set_visible(False)


@styled
def prototype_circle(rows: pd.DataFrame, prototypes: pd.DataFrame, *, bands: tuple[str, str] | list[str] = MODALITIES) -> Figure:
    """Unit vectors of two numbers on the circle, one panel a modality: each picture with a line to the prototype of its own person.

    Args:
        rows: one line a picture: ``name, x, y, modality, identity``.
        prototypes: one line a prototype: ``name, x, y, modality, identity``, and optionally ``old_x, old_y``, where it came from.
        bands: names of the two bands.

    Raises:
        ValueError: a column is missing, or a picture's own prototype is.
    """
    for table, what in ((rows, "pictures"), (prototypes, "prototypes")):
        missing = [one for one in ("name", "x", "y", "modality", "identity") if one not in table.columns]
        if missing:
            raise ValueError(f"the table of {what} needs a column {missing[0]!r}")
    homes = {(one.modality, one.identity): (one.x, one.y) for one in prototypes.itertuples()}
    lost = [one.name for one in rows.itertuples() if (one.modality, one.identity) not in homes]
    if lost:
        raise ValueError(f"no prototype for the modality and identity of {lost[0]!r}")
    fig = new_figure(4.3)
    for axes, name, band in zip(fig.subplots(1, 2), MODALITIES, bands, strict=True):
        _circle(axes, rows[rows["modality"] == name], prototypes[prototypes["modality"] == name], name)
        axes.set_title(band)
    lengths = [(one.name, (one.x - homes[key][0]) ** 2 + (one.y - homes[key][1]) ** 2) for one, key in _keyed(rows)]
    told = ", ".join(f"{name} {length:.2f}" for name, length in lengths)
    return finish(
        fig,
        f"Squared lengths of the lines, {told}: their mean, {np.mean([length for _, length in lengths]):.2f}, is the mimic term",
        "Stars: prototypes; a line joins each picture with the prototype of its own person and modality.",
        f"Two unit circles. Squared distances to the own prototype: {told}.",
    )


def _keyed(rows: pd.DataFrame) -> list[tuple[Any, tuple[Any, Any]]]:
    return [(one, (one.modality, one.identity)) for one in rows.itertuples()]


def _circle(axes: Axes, rows: pd.DataFrame, prototypes: pd.DataFrame, name: str) -> None:
    """One modality: the circle, its prototypes and its pictures."""
    look, angle = look_of(name), np.linspace(0, 2 * np.pi, 200)
    axes.plot(np.cos(angle), np.sin(angle), color=FAINT, linewidth=1)
    homes = {one.identity: (one.x, one.y) for one in prototypes.itertuples()}
    for one in rows.itertuples():
        home = homes[one.identity]
        axes.plot([one.x, home[0]], [one.y, home[1]], color=look.colour, linewidth=1.6)
        axes.plot(one.x, one.y, look.marker, color=look.colour, markersize=9, markeredgewidth=2)
        axes.annotate(one.name, (1.1 * one.x, 1.1 * one.y), ha="center", va="center", fontsize=9)
    for one in prototypes.itertuples():
        axes.plot(one.x, one.y, "*", color=look.colour, markersize=17, markeredgecolor=INK, zorder=4)
        axes.annotate(one.name, (0.78 * one.x, 0.78 * one.y), ha="center", va="center", fontsize=9, fontweight="bold", bbox=_blank())
    axes.set(xlim=(-0.35, 1.35), ylim=(-0.25, 1.25), aspect="equal", xlabel="first number", ylabel="second number")
