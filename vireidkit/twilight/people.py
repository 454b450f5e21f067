"""A person: every factor that stays from picture to picture, drawn from (seed, identity) alone. No real person is described.

Shares and spreads of the population are invented. Each group of factors has a stream of draws of its own, so that a change of one
group leaves the others as they were.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.draws import generator
from vireidkit.twilight.materials import Material, hairs, luminance, natural_surface, skins
from vireidkit.twilight.table import column_shares, look_up
from vireidkit.twilight.wardrobe import (
    Bag,
    Bottom,
    Hat,
    Scarf,
    Shoes,
    Top,
    design_bottom,
    design_shoes,
    design_top,
    draw_bag,
    draw_choice,
    draw_hat,
    draw_scarf,
    happens,
    pick,
    sew_bottom,
    sew_shoes,
    sew_top,
    uniform,
)

GENDERS = ("f", "m")
HAIR_STYLES = ("bob", "long", "ponytail", "bun", "short", "crop", "curly", "bald")
LOOK_ALIKE_SHARE = 0.5
TEMPLATES = 24
GREY_FROM = 0.7  # of ``BodyShape.old``: everybody older is grey by nature
SKIN_SPREAD = 0.09  # of the logarithm of a person's skin NIR, whatever the tone; assumed
HAIR_SPREAD = 0.28  # of the logarithm of a person's hair NIR: thickness, oil, cut; assumed
DYE_LIGHTENS = 2.5  # a dye may look this much lighter than the hair under it; bleaching would destroy the pigment too and is left out


@dataclass(frozen=True)
class BodyShape:
    """Weights of the body's morphs: -1 to 1 each, ``old`` and ``ideal`` from 0; ``gender_weight`` is negative for women."""

    gender: str
    gender_weight: float
    old: float
    height: float
    weight: float
    muscle: float
    ideal: float


@dataclass(frozen=True)
class Gait:
    """How a person walks: ``stride`` and ``arm_swing`` relative to the usual, ``stoop`` and ``toe_out`` in degrees."""

    stride: float
    arm_swing: float
    stoop: float
    toe_out: float


@dataclass(frozen=True)
class Skin:
    """``tone`` 0 (lightest) to 5 and ``shade`` make the colour; the NIR value hardly depends on tone and is spread by ``spread``."""

    tone: int
    shade: float
    spread: float

    def material(self) -> Material:
        """Its surface.

        Raises:
            ValueError: a tone that ``skin.csv`` has not.
        """
        row = look_up(skins(), str(self.tone), "skin tone")
        return natural_surface(row, self.shade, row["nir"] * self.spread)


@dataclass(frozen=True)
class Hair:
    """``colour`` is what is seen, ``natural`` what grew: dyes are nearly transparent in NIR, so that band shows the natural pigment.

    ``length`` is y of the ends of long hair in dm; ``shade`` multiplies the colour, ``spread`` the NIR value.
    """

    style: str
    colour: str
    natural: str
    length: float
    shade: float
    spread: float

    def material(self) -> Material:
        """Its surface.

        Raises:
            ValueError: a colour that ``hair.csv`` has not.
        """
        seen = look_up(hairs(), self.colour, "hair colour")
        return natural_surface(seen, self.shade, look_up(hairs(), self.natural, "hair colour")["nir"] * self.spread)


@dataclass(frozen=True)
class Person:
    """Everything about one identity. ``look_alike`` is the number of the outfit template it shares with others, or -1."""

    seed: int
    identity: int
    look_alike: int
    body: BodyShape
    gait: Gait
    skin: Skin
    hair: Hair
    beard: bool
    glasses: bool
    top: Top
    bottom: Bottom
    shoes: Shoes
    bag: Bag
    hat: Hat
    scarf: Scarf


def draw_person(seed: int, identity: int, *, look_alike_share: float = LOOK_ALIKE_SHARE, templates: int = TEMPLATES) -> Person:
    """Draw one person of a population; the same arguments always give the same person.

    Args:
        seed: of the population.
        identity: number of the person.
        look_alike_share: how likely a person wears the outfit of a template: same garments, colours and pattern as others of it,
            but fabric, dye, shade and fit of their own, so that people who look alike may differ in NIR.
        templates: how many outfits there are to share; even numbers are women's, odd ones men's.

    Raises:
        ValueError: a negative seed or identity, a share outside 0 to 1, fewer than 2 templates, or a damaged table.
    """
    if not 0 <= look_alike_share <= 1 or templates < 2:
        raise ValueError(f"expected a look_alike_share from 0 to 1 and at least 2 templates; found {look_alike_share} and {templates}")
    seed, identity = int(seed), int(identity)

    def own(stream: str) -> np.random.Generator:
        return generator(seed, stream, identity)

    body = draw_body(own("body"))
    look_alike = draw_template(own("look-alike"), body.gender, look_alike_share, templates)
    top, bottom, shoes = draw_outfit(seed, identity, body.gender, look_alike)
    beard, glasses = draw_face(own("face"), body.gender)
    return Person(
        seed=seed,
        identity=identity,
        look_alike=look_alike,
        body=body,
        gait=draw_gait(own("gait")),
        skin=draw_skin(own("skin"), body.gender),
        hair=draw_hair(own("hair"), body),
        beard=beard,
        glasses=glasses,
        top=top,
        bottom=bottom,
        shoes=shoes,
        bag=draw_bag(own("bag"), body.gender),
        hat=draw_hat(own("hat"), body.gender),
        scarf=draw_scarf(own("scarf"), body.gender),
    )


def draw_body(rng: np.random.Generator) -> BodyShape:
    """Gender and the weights of the morphs."""
    gender = draw_choice(rng, "gender", "any", GENDERS)
    return BodyShape(
        gender=gender,
        gender_weight=uniform(rng, 0.7, 1.0) * (-1 if gender == "f" else 1),
        old=max(0.0, _normal(rng, 0.1, 0.35)),
        height=_normal(rng, 0.0, 0.45, -1.0, 1.0),
        weight=_normal(rng, 0.05, 0.42, -0.75, 0.9),
        muscle=_normal(rng, 0.0, 0.4, -0.8, 0.8),
        ideal=uniform(rng, 0.0, 0.6),
    )


def draw_gait(rng: np.random.Generator) -> Gait:
    """Stride, arm swing, stoop and turn-out of the feet."""
    return Gait(
        stride=uniform(rng, 0.75, 1.25),
        arm_swing=uniform(rng, 0.5, 1.4),
        stoop=_normal(rng, 3.0, 5.0, -3.0, 16.0),
        toe_out=_normal(rng, 8.0, 5.0),
    )


def draw_skin(rng: np.random.Generator, gender: str) -> Skin:
    """Tone, and a NIR spread that knows nothing of the tone."""
    return Skin(
        tone=int(draw_choice(rng, "skin tone", gender, tuple(skins()))), shade=uniform(rng, 0.92, 1.08), spread=_lognormal(rng, SKIN_SPREAD)
    )


def draw_hair(rng: np.random.Generator, body: BodyShape) -> Hair:
    """Style, natural colour, and for about a third of people a dye."""
    style = draw_choice(rng, "hair", body.gender, HAIR_STYLES)
    natural = pick(rng, column_shares("hair.csv", "colour", "natural"))
    natural = "grey" if body.old > GREY_FROM else natural
    dyed = rng.random() < hairs()[natural]["dyed_share"]
    dye = pick(rng, dyes_on(natural))
    return Hair(
        style=style,
        colour=dye if dyed else natural,
        natural=natural,
        length=uniform(rng, 3.6, 5.2),
        shade=uniform(rng, 0.85, 1.2),
        spread=_lognormal(rng, HAIR_SPREAD),
    )


def dyes_on(natural: str) -> dict[str, float]:
    """The dyes that show on hair of this colour, with their shares: none is much lighter than the hair.

    Raises:
        ValueError: ``hair.csv`` has no dye dark enough.
    """

    def lightness(colour: str) -> float:
        row = hairs()[colour]
        return luminance((row["red"], row["green"], row["blue"]))

    limit = DYE_LIGHTENS * lightness(natural)
    showing = {dye: s for dye, s in column_shares("hair.csv", "colour", "dye").items() if dye != natural and lightness(dye) <= limit}
    if not showing:
        raise ValueError(f"hair.csv: expected a dye that shows on {natural} hair, with a weight above 0 in column 'dye'; found none")
    return {dye: share / sum(showing.values()) for dye, share in showing.items()}


def draw_face(rng: np.random.Generator, gender: str) -> tuple[bool, bool]:
    """Beard and glasses."""
    return happens(rng, "beard", gender), happens(rng, "glasses", gender)


def draw_template(rng: np.random.Generator, gender: str, share: float, templates: int) -> int:
    """The template that a person shares, or -1; whoever shares one at some share keeps it at every larger one."""
    first = GENDERS.index(gender)
    chance, number = rng.random(), first + 2 * int(rng.integers((templates - first + 1) // 2))
    return number if chance < share else -1


def draw_outfit(seed: int, identity: int, gender: str, look_alike: int) -> tuple[Top, Bottom, Shoes]:
    """Garments and shoes: designed by the template if there is one, sewn for the person in any case."""

    def designing(part: str) -> np.random.Generator:
        return generator(seed, part, identity) if look_alike < 0 else generator(seed, f"template {part}", look_alike)

    def sewing(part: str) -> np.random.Generator:
        return generator(seed, f"{part} sewing", identity)

    top = sew_top(sewing("top"), design_top(designing("top"), gender))
    bottom = sew_bottom(sewing("bottom"), design_bottom(designing("bottom"), gender, top.kind))
    return top, bottom, sew_shoes(sewing("shoes"), design_shoes(designing("shoes"), gender))


def _normal(rng: np.random.Generator, mean: float, deviation: float, low: float = -np.inf, high: float = np.inf) -> float:
    return float(np.clip(rng.normal(mean, deviation), low, high))


def _lognormal(rng: np.random.Generator, deviation: float) -> float:
    """A factor around 1, at most two deviations away."""
    return float(np.exp(np.clip(rng.normal(0, deviation), -2 * deviation, 2 * deviation)))
