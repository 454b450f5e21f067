"""What people wear, in two steps: a design (kinds, colours, pattern) that a template may share, then the sewing, always a person's own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.materials import Cloth, rgb_of
from vireidkit.twilight.table import Numbers, as_number, column_shares, numbers, shares, table

TOPS = ("tshirt", "shirt", "sweater", "hoodie", "jacket", "down", "coat", "vest", "dress")
PATTERNS = ("plain", "hstripe", "vstripe", "check", "block", "print", "yoke", "sleeves", "quilt")
BOTTOMS = ("jeans", "trousers", "wide", "shorts", "leggings", "skirt", "none")
BAGS = ("none", "backpack", "shoulder", "handbag", "tote")
HATS = ("none", "cap", "beanie", "brim")
PADDED = ("down", "vest")
FRONTED = ("jacket", "coat", "vest", "down")  # can be worn open
INDIGO = ("navy", "blue", "sky")  # jeans of these colours are dyed with it, and it is transparent in NIR
SKIRT_LENGTH = (-6.0, -1.8)  # dm, y of the hem
SKIRT_WIDTH = (0.62, 1.0)  # of the widest there is
TRIES = 4  # draws of a second colour or cloth that shall be told from the first
COLOUR_STEP = 0.2  # in square roots of the albedo, the largest of the three channels
NIR_STEP = 0.1


@dataclass(frozen=True)
class Top:
    """The upper garment. ``sleeve`` in arm lengths, ``fit`` dm from the body, ``hem`` and ``pattern_height`` y in dm, ``period`` dm.

    ``second`` is the cloth of the pattern, ``duty`` its share of a period; ``opening`` is half the width in dm that shows ``inner``,
    0 where the garment is closed.
    """

    kind: str
    cloth: Cloth
    sleeve: float
    fit: float
    hem: float
    pattern: str
    second: Cloth
    period: float
    duty: float
    pattern_height: float
    opening: float
    inner: Cloth


@dataclass(frozen=True)
class Bottom:
    """The lower garment. ``fit`` dm from the body, ``cuff`` and ``skirt_length`` y in dm, ``skirt_width`` relative."""

    kind: str
    cloth: Cloth
    fit: float
    cuff: float
    skirt_length: float
    skirt_width: float
    side_stripe: bool


@dataclass(frozen=True)
class Shoes:
    """Shoes; ``height`` is y of their upper edge in dm: -7.45 shoes, -6.9 ankle boots, -5.2 boots."""

    cloth: Cloth
    height: float


@dataclass(frozen=True)
class Bag:
    """A bag; ``side`` 1 is the person's left. The cloth is drawn even for the kind ``none``."""

    kind: str
    cloth: Cloth
    size: float
    side: int


@dataclass(frozen=True)
class Hat:
    """A hat. The cloth is drawn even for the kind ``none``."""

    kind: str
    cloth: Cloth


@dataclass(frozen=True)
class Scarf:
    """A scarf. The cloth is drawn even where it is not worn."""

    worn: bool
    cloth: Cloth


@dataclass(frozen=True)
class TopDesign:
    """What everyone who shares a template has in common above the waist."""

    kind: str
    colours: tuple[str, str, str]  # first, of the pattern, of the inner shirt
    pattern: str
    sleeve: float
    hem: float
    period: float
    duty: float
    pattern_height: float
    opening: float


@dataclass(frozen=True)
class BottomDesign:
    """What everyone who shares a template has in common below the waist."""

    kind: str
    colour: str
    cuff: float
    skirt_length: float
    skirt_width: float
    side_stripe: bool


@dataclass(frozen=True)
class ShoesDesign:
    """The shoes that everyone who shares a template wears."""

    colour: str
    height: float


def pick(rng: np.random.Generator, choices: Mapping[str, float]) -> str:
    """One of ``choices``, drawn by its share."""
    return list(choices)[rng.choice(len(choices), p=list(choices.values()))]


def draw_choice(rng: np.random.Generator, group: str, gender: str, known: Sequence[str]) -> str:
    """One choice of a group of ``population.csv``.

    Raises:
        ValueError: the table has a choice that nothing here knows how to draw.
    """
    choices = shares(group, gender)
    unknown = [choice for choice in choices if choice not in known]
    if unknown:
        raise ValueError(f"population.csv, group {group!r}: expected choices among {', '.join(known)}; found {', '.join(unknown)}")
    return pick(rng, choices)


def happens(rng: np.random.Generator, group: str, gender: str) -> bool:
    """Whether something of ``population.csv`` with the choices yes and no is so."""
    return draw_choice(rng, group, gender, ("yes", "no")) == "yes"


def uniform(rng: np.random.Generator, low: float, high: float) -> float:
    """A plain number between two bounds."""
    return float(rng.uniform(low, high))


def draw_cloth(
    rng: np.random.Generator, colour: str, fabric: str, *, colourant: str | None = None, printed: bool = False, warmth: float = 1.0
) -> Cloth:
    """A piece of cloth of this colour: dye (unless named), shade and NIR spread are drawn. Shares in ``colourants.csv``, invented."""
    column = "print" if printed else "dark" if max(rgb_of(colour)) < 0.15 else "light"
    drawn = pick(rng, column_shares("colourants.csv", "colourant", column))
    red, green, blue = (float(value) for value in rng.normal(0, 0.012, 3))
    return Cloth(
        colour=colour,
        fabric=fabric,
        colourant=colourant or drawn,
        tint=(red, green, blue),
        shade=uniform(rng, 0.8, 1.2),
        spread=uniform(rng, 0.68, 1.12),
        warmth=warmth * uniform(rng, 0.85, 1.15),
    )


def design_top(rng: np.random.Generator, gender: str) -> TopDesign:
    """Kind, colours, pattern and cut of an upper garment; all shares and ranges are invented (``population.csv``, ``tops.csv``)."""
    kind = draw_choice(rng, "top", gender, TOPS)
    cut = tops()[kind]
    colour = draw_colour(rng)
    return TopDesign(
        kind=kind,
        colours=(colour, _another_colour(rng, colour), draw_colour(rng)),
        pattern=draw_choice(rng, "pattern of padded" if kind in PADDED else "pattern", gender, PATTERNS),
        sleeve=_sleeve(rng, kind),
        hem=uniform(rng, cut["hem_low"], cut["hem_high"]),
        period=uniform(rng, 0.5, 1.3),
        duty=uniform(rng, 0.25, 0.6),
        pattern_height=uniform(rng, 2.6, 4.2),
        opening=uniform(rng, 0.35, 0.9) if kind in FRONTED and happens(rng, "worn open", gender) else 0.0,
    )


def sew_top(rng: np.random.Generator, design: TopDesign) -> Top:
    """The garment of one person after a design: fabric, dyes, shades and fit are drawn.

    The cloth of the pattern is drawn up to four times until its NIR value differs by .1 from the first one's: a pattern is what
    another band can show too.
    """
    cut = tops()[design.kind]
    fabric = _one_of(rng, fabrics_of("tops.csv", "kind", design.kind))
    first_colour, second_colour, inner_colour = design.colours
    cloth = draw_cloth(rng, first_colour, fabric)
    inner = draw_cloth(rng, inner_colour, _one_of(rng, fabrics_of("accessories.csv", "item", "inner")))
    fit = uniform(rng, cut["fit_low"], cut["fit_high"])
    second = draw_cloth(rng, second_colour, fabric, printed=design.pattern == "print")
    for _ in range(TRIES - 1):
        if abs(second.material().nir - cloth.material().nir) > NIR_STEP:
            break
        second = draw_cloth(rng, second_colour, fabric, printed=design.pattern == "print")
    return Top(
        kind=design.kind,
        cloth=cloth,
        sleeve=design.sleeve,
        fit=fit,
        hem=design.hem,
        pattern=design.pattern,
        second=second,
        period=design.period,
        duty=design.duty,
        pattern_height=design.pattern_height,
        opening=design.opening,
        inner=inner,
    )


def design_bottom(rng: np.random.Generator, gender: str, top: str) -> BottomDesign:
    """Kind, colour and cut of a lower garment; under a dress there is none. Shares and ranges are invented."""
    kind = draw_choice(rng, "bottom", gender, BOTTOMS)
    kind = "none" if top == "dress" else kind
    cut = bottoms()[kind]
    stripe = happens(rng, "side stripe", gender)
    return BottomDesign(
        kind=kind,
        colour=pick(rng, column_shares("colours.csv", "colour", "jeans" if kind == "jeans" else "bottom")),
        cuff=uniform(rng, cut["cuff_low"], cut["cuff_high"]),
        skirt_length=uniform(rng, *SKIRT_LENGTH),
        skirt_width=uniform(rng, *SKIRT_WIDTH),
        side_stripe=stripe and kind in ("trousers", "leggings"),
    )


def sew_bottom(rng: np.random.Generator, design: BottomDesign) -> Bottom:
    """The garment of one person after a design: fabric, dye, shade and fit are drawn."""
    cut = bottoms()[design.kind]
    fabric = _one_of(rng, fabrics_of("bottoms.csv", "kind", design.kind))
    indigo = design.kind == "jeans" and design.colour in INDIGO
    return Bottom(
        kind=design.kind,
        cloth=draw_cloth(rng, design.colour, fabric, colourant="organic dye" if indigo else None),
        fit=uniform(rng, cut["fit_low"], cut["fit_high"]),
        cuff=design.cuff,
        skirt_length=design.skirt_length,
        skirt_width=design.skirt_width,
        side_stripe=design.side_stripe,
    )


def design_shoes(rng: np.random.Generator, gender: str) -> ShoesDesign:
    """Colour and height of the shoes; shares are invented."""
    colour = pick(rng, column_shares("colours.csv", "colour", "shoes"))
    return ShoesDesign(colour, as_number(pick(rng, shares("shoe height", gender)), "choice", "population.csv, group 'shoe height'"))


def sew_shoes(rng: np.random.Generator, design: ShoesDesign) -> Shoes:
    """The shoes of one person after a design."""
    return Shoes(_accessory_cloth(rng, "shoes", design.colour), design.height)


def draw_bag(rng: np.random.Generator, gender: str) -> Bag:
    """A bag or none; shares are invented."""
    kind = draw_choice(rng, "bag", gender, BAGS)
    cloth = _accessory_cloth(rng, "bag", draw_colour(rng))
    return Bag(kind, cloth, uniform(rng, 0.75, 1.2), int(draw_choice(rng, "bag side", gender, ("-1", "1"))))


def draw_hat(rng: np.random.Generator, gender: str) -> Hat:
    """A hat or none; shares are invented."""
    kind = draw_choice(rng, "hat", gender, HATS)
    return Hat(kind, _accessory_cloth(rng, "hat", draw_colour(rng)))


def draw_scarf(rng: np.random.Generator, gender: str) -> Scarf:
    """A scarf or none; shares are invented."""
    worn = happens(rng, "scarf", gender)
    return Scarf(worn, _accessory_cloth(rng, "scarf", draw_colour(rng)))


def draw_colour(rng: np.random.Generator) -> str:
    """A colour as tops have it; bags, hats and scarves take theirs from the same shares."""
    return pick(rng, column_shares("colours.csv", "colour", "top"))


def tops() -> Numbers:
    """``tops.csv``: kind -> bounds of sleeve (arm lengths), fit (dm) and hem (y in dm)."""
    return numbers("tops.csv", "kind", ("sleeve_low", "sleeve_high", "fit_low", "fit_high", "hem_low", "hem_high"))


def bottoms() -> Numbers:
    """``bottoms.csv``: kind -> bounds of fit (dm) and cuff (y in dm)."""
    return numbers("bottoms.csv", "kind", ("fit_low", "fit_high", "cuff_low", "cuff_high"))


def fabrics_of(name: str, key: str, kind: str) -> tuple[str, ...]:
    """The fabrics a garment is made of, each as often as the others."""
    return tuple(table(name, key, ("fabrics",))[kind]["fabrics"].split())


def _accessory_cloth(rng: np.random.Generator, item: str, colour: str) -> Cloth:
    fabric = _one_of(rng, fabrics_of("accessories.csv", "item", item))
    return draw_cloth(rng, colour, fabric, warmth=numbers("accessories.csv", "item", ("warmth",))[item]["warmth"])


def _another_colour(rng: np.random.Generator, first: str) -> str:
    """A colour that is never the first, and after four tries at the most one that the eye tells from it."""
    others = {colour: share for colour, share in column_shares("colours.csv", "colour", "top").items() if colour != first}
    total = sum(others.values())
    others = {colour: share / total for colour, share in others.items()}
    colour = pick(rng, others)
    for _ in range(TRIES - 1):
        if np.abs(np.sqrt(rgb_of(colour)) - np.sqrt(rgb_of(first))).max() > COLOUR_STEP:
            break
        colour = pick(rng, others)
    return colour


def _sleeve(rng: np.random.Generator, kind: str) -> float:
    """Anywhere between the bounds of the kind, or one of them where the table says ``either``."""
    low, high = tops()[kind]["sleeve_low"], tops()[kind]["sleeve_high"]
    if table("tops.csv", "kind", ("sleeve_draw",))[kind]["sleeve_draw"] == "either":
        return float(rng.choice([low, high]))
    return uniform(rng, low, high)


def _one_of(rng: np.random.Generator, names: tuple[str, ...]) -> str:
    return names[rng.integers(len(names))]
