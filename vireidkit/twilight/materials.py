"""What a surface does to light of each band: the dye makes the colour, fibre and kind of dye the NIR value, the fibre the heat.

Visible albedo comes from the dye. The albedo at about 850 nm is that of the fibre, darkened by the part of the visible darkness
that the kind of dye keeps there: organic dyes are nearly transparent, carbon black is black. Values and their sources stand in
``tables/``; most are assumed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.table import Numbers, look_up, numbers

CHANNELS = ("red", "green", "blue", "nir", "insulation", "emissivity", "sheen", "wrinkle")
SURFACE = ("nir", "emissivity", "insulation", "sheen", "wrinkle")
RGB = ("red", "green", "blue")
LUMINANCE = (0.3, 0.6, 0.1)  # weights of red, green and blue
DARKEST, BRIGHTEST = 0.015, 0.9  # no cloth is a black hole or a mirror
NIR_RANGE = (0.04, 0.85)
FULL_DARKNESS = 0.92  # share of the visible darkness that every dye keeps at coupling 1: that of carbon black


@dataclass(frozen=True)
class Material:
    """One surface. Albedos and emissivity 0 to 1 and linear; insulation 0 (body heat) to 1 (ambient); sheen and wrinkle relative."""

    rgb: tuple[float, float, float]
    nir: float
    emissivity: float
    insulation: float
    sheen: float
    wrinkle: float

    @property
    def lightness(self) -> float:
        """Visible luminance of the albedo."""
        return luminance(self.rgb)

    def row(self) -> np.ndarray:
        """The values in the order of ``CHANNELS``, (8,) float64."""
        return np.array([*self.rgb, self.nir, self.insulation, self.emissivity, self.sheen, self.wrinkle])


@dataclass(frozen=True)
class Cloth:
    """A piece of dyed cloth: names that lead into the tables, and how this piece differs from them.

    ``tint`` is added to the colour and ``shade`` multiplies it; ``spread`` multiplies the NIR value of the fabric (weave, wear,
    washing) and ``warmth`` its insulation.
    """

    colour: str
    fabric: str
    colourant: str
    tint: tuple[float, float, float] = (0.0, 0.0, 0.0)
    shade: float = 1.0
    spread: float = 1.0
    warmth: float = 1.0

    def material(self, coupling: float = 0.5) -> Material:
        """Its surface.

        Args:
            coupling: how far visible lightness survives in NIR. 0: no dye darkens there; 0.5: each dye as in the table;
                1: every dye keeps .92 of the darkness and pieces of one fabric do not differ.

        Raises:
            ValueError: a colour, fabric or colourant that no table has; a coupling outside 0 to 1.
        """
        fabric = look_up(fabrics(), self.fabric, "fabric")
        rgb = self._rgb()
        darkness = (1 - min(1.0, luminance(rgb) / 0.7)) ** 1.2
        kept = kept_darkness(self.colourant, coupling)
        spread = self.spread + (1 - self.spread) * max(0.0, 2 * coupling - 1)
        return Material(
            rgb=rgb,
            nir=_clip(fabric["nir"] * spread * (1 - kept * darkness), *NIR_RANGE),
            emissivity=fabric["emissivity"],
            insulation=_clip(fabric["insulation"] * self.warmth, 0.05, 0.95),
            sheen=fabric["sheen"],
            wrinkle=fabric["wrinkle"],
        )

    def _rgb(self) -> tuple[float, float, float]:
        red, green, blue = (
            _clip(base * self.shade + tint, DARKEST, BRIGHTEST) for base, tint in zip(rgb_of(self.colour), self.tint, strict=True)
        )
        return red, green, blue


def luminance(rgb: Sequence[float]) -> float:
    """Visible luminance of a linear albedo: .3 red + .6 green + .1 blue."""
    return sum(weight * value for weight, value in zip(LUMINANCE, rgb, strict=True))


def kept_darkness(colourant: str, coupling: float) -> float:
    """The share of its visible darkness that a dye keeps at about 850 nm: 0 at coupling 0, the table's value at 0.5, .92 at 1.

    Raises:
        ValueError: an unknown colourant, or a coupling outside 0 to 1.
    """
    if not 0 <= coupling <= 1:
        raise ValueError(f"expected a coupling from 0 to 1; found {coupling}")
    kept = look_up(colourants(), colourant, "colourant")["kept"]
    if coupling <= 0.5:
        return kept * 2 * coupling
    return kept + (FULL_DARKNESS - kept) * (2 * coupling - 1)


def rgb_of(colour: str) -> tuple[float, float, float]:
    """The linear albedo of a colour of the palette.

    Raises:
        ValueError: the palette has no such colour; the message lists those it has.
    """
    row = look_up(colours(), colour, "colour")
    return row["red"], row["green"], row["blue"]


def natural_surface(row: Mapping[str, float], shade: float, nir: float) -> Material:
    """Skin or hair: a row of its table, its colour times ``shade``, with the NIR value ``nir``."""
    red, green, blue = (_clip(row[channel] * shade, 0.0, BRIGHTEST) for channel in RGB)
    return Material((red, green, blue), _clip(nir, *NIR_RANGE), row["emissivity"], row["insulation"], row["sheen"], row["wrinkle"])


def fabrics() -> Numbers:
    """``fabrics.csv``: fabric -> NIR albedo of the undyed cloth, emissivity, insulation, sheen, wrinkle."""
    return numbers("fabrics.csv", "fabric", SURFACE)


def colourants() -> Numbers:
    """``colourants.csv``: colourant -> share of the darkness kept at 850 nm; how often it dyes dark and light cloth and prints."""
    return numbers("colourants.csv", "colourant", ("kept", "dark", "light", "print"))


def colours() -> Numbers:
    """``colours.csv``, the palette: colour -> linear albedo, and how often tops, lower garments, jeans and shoes have it."""
    return numbers("colours.csv", "colour", (*RGB, "top", "bottom", "jeans", "shoes"))


def skins() -> Numbers:
    """``skin.csv``: tone "0" (lightest) to "5" -> surface."""
    return numbers("skin.csv", "tone", (*RGB, *SURFACE))


def hairs() -> Numbers:
    """``hair.csv``: colour -> surface; how often it is natural, how often that hair is dyed, and how often this is the dye."""
    return numbers("hair.csv", "colour", (*RGB, *SURFACE, "natural", "dyed_share", "dye"))


def _clip(value: float, low: float, high: float) -> float:
    return float(min(max(value, low), high))
