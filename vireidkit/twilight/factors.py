"""The factors of a person as one flat table row, and the same person with some of them changed: the questions of a counterfactual."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from difflib import get_close_matches
from functools import reduce
from types import MappingProxyType
from typing import TypeVar

from vireidkit.twilight.materials import Cloth, Material, colourants, colours, fabrics, hairs, skins
from vireidkit.twilight.people import GENDERS, HAIR_STYLES, Person
from vireidkit.twilight.wardrobe import BAGS, BOTTOMS, HATS, PATTERNS, TOPS, bottoms, tops

Value = str | int | float | bool
Path = tuple[str, ...]
Kind = type | tuple[Value, ...]
Part = TypeVar("Part")

CLOTHS: Mapping[str, Path] = MappingProxyType(
    {
        "top": ("top", "cloth"),
        "pattern": ("top", "second"),
        "inner": ("top", "inner"),
        "bottom": ("bottom", "cloth"),
        "shoes": ("shoes", "cloth"),
        "bag": ("bag", "cloth"),
        "hat": ("hat", "cloth"),
        "scarf": ("scarf", "cloth"),
    }
)
FIXED = ("identity", "seed", "look_alike")
DERIVED = ("lightness", "nir", "insulation")  # endings of the names that follow from others


def _kinds() -> dict[str, tuple[Path, Kind]]:
    """Name of each factor that can be changed -> where it stands in a person, and its type or its choices."""
    hair_colours = tuple(hairs())
    factors: dict[str, tuple[Path, Kind]] = {"gender": (("body", "gender"), GENDERS)}
    factors |= {name: (("body", name), float) for name in ("gender_weight", "old", "height", "weight", "muscle", "ideal")}
    factors |= {name: (("gait", name), float) for name in ("stride", "arm_swing", "stoop", "toe_out")}
    factors["skin_tone"] = (("skin", "tone"), tuple(int(tone) for tone in skins()))
    factors["hair"] = (("hair", "style"), HAIR_STYLES)
    factors["hair_colour"] = (("hair", "colour"), hair_colours)
    factors["hair_natural"] = (("hair", "natural"), hair_colours)
    factors["hair_length"] = (("hair", "length"), float)
    factors |= {name: ((name,), bool) for name in ("beard", "glasses")}
    factors["top"] = (("top", "kind"), TOPS)
    factors["pattern"] = (("top", "pattern"), PATTERNS)
    factors |= {name: (("top", name), float) for name in ("sleeve", "fit", "hem", "period", "duty", "pattern_height", "opening")}
    factors["bottom"] = (("bottom", "kind"), BOTTOMS)
    factors["bottom_fit"] = (("bottom", "fit"), float)
    factors |= {name: (("bottom", name), float) for name in ("cuff", "skirt_length", "skirt_width")}
    factors["side_stripe"] = (("bottom", "side_stripe"), bool)
    factors["shoe_height"] = (("shoes", "height"), float)
    factors |= {"bag": (("bag", "kind"), BAGS), "bag_size": (("bag", "size"), float), "bag_side": (("bag", "side"), (-1, 1))}
    factors |= {"hat": (("hat", "kind"), HATS), "scarf": (("scarf", "worn"), bool)}
    for garment, path in CLOTHS.items():
        choices = {"colour": tuple(colours()), "fabric": tuple(fabrics()), "colourant": tuple(colourants())}
        factors |= {f"{garment}_{part}": ((*path, part), names) for part, names in choices.items()}
    return factors


_FACTORS: Mapping[str, tuple[Path, Kind]] = MappingProxyType(_kinds())
CHANGEABLE: Mapping[str, Kind] = MappingProxyType({name: kind for name, (_, kind) in _FACTORS.items()})
"""Name of every factor that ``changed`` takes -> its type, or a tuple of its choices."""


def factors_of(person: Person, coupling: float = 0.5) -> dict[str, Value]:
    """Every factor of a person, flat: one row of ``identities.csv``, first who it is, then what was drawn, then what follows from that.

    Lengths are in dm and angles in degrees as in ``people`` and ``wardrobe``; ``*_lightness`` is the visible luminance of the albedo,
    ``*_nir`` the albedo at about 850 nm, ``*_insulation`` 0 to 1. Cloth is listed for things not worn, too (``bag`` is ``none``).

    Args:
        person: whose factors.
        coupling: how far visible lightness survives in the NIR values of cloth, 0 to 1.

    Raises:
        ValueError: a coupling outside 0 to 1, or a colour, fabric or dye that no table has.
    """
    row: dict[str, Value] = {name: getattr(person, name) for name in FIXED}
    row |= {name: reduce(getattr, path, person) for name, (path, _) in _FACTORS.items()}
    surfaces: dict[str, Material] = {"skin": person.skin.material(), "hair": person.hair.material()}
    surfaces |= {garment: _cloth_of(person, garment).material(coupling) for garment in CLOTHS}
    for name, surface in surfaces.items():
        row |= {f"{name}_lightness": surface.lightness, f"{name}_nir": surface.nir}
        if name in CLOTHS:
            row[f"{name}_insulation"] = surface.insulation
    return row


def changed(person: Person, **changes: Value) -> Person:
    """The same person with some factors changed, everything else as it was.

    Shade, NIR spread and warmth of a cloth stay, so ``changed(person, top_colour="red")`` changes the colour and what follows from it.
    ``hair_colour`` is a dye: the NIR value stays; ``hair_natural`` changes that value and not what is seen.
    Two changes bring others along: a new kind of garment moves sleeve, fit, hem or cuff to the nearest value that the kind has, unless
    they are given; a new gender turns the sign of ``gender_weight``.

    Args:
        person: to start from.
        **changes: names and values as in ``CHANGEABLE``.

    Raises:
        ValueError: an unknown name, a value of the wrong type or not among the choices, a factor that follows from others, a
            ``gender_weight`` of the wrong sign, or nothing on the legs of somebody without a dress.
    """
    new = {name: _checked(name, value) for name, value in changes.items()}
    for name, value in new.items():
        person = _with(person, _FACTORS[name][0], value)
    return _consistent(person, new)


def _checked(name: str, value: Value) -> Value:
    """The value as a plain number, text or bool of the factor's type."""
    if name not in _FACTORS:
        raise ValueError(_why_not(name))
    kind = CHANGEABLE[name]
    if isinstance(kind, tuple):
        for choice in kind:
            if choice == value and isinstance(value, bool) == isinstance(choice, bool):
                return choice
        raise ValueError(f"{name}: expected one of {', '.join(map(str, kind))}; found {value!r}")
    if kind is bool:
        if value not in (True, False):
            raise ValueError(f"{name}: expected True or False; found {value!r}")
        return bool(value)
    try:
        number = math.nan if isinstance(value, str | bool) else float(value)
    except TypeError:
        number = math.nan
    if not math.isfinite(number):
        raise ValueError(f"{name}: expected a finite number; found {value!r}")
    return number


def _why_not(name: str) -> str:
    """What to say about a name that cannot be changed."""
    if name in FIXED:
        return f"{name}: expected a factor that can change; found what names the person: draw another one with draw_person(seed, identity)"
    thing, _, ending = name.rpartition("_")
    if ending in DERIVED and thing in (*CLOTHS, "skin", "hair"):
        causes = {"skin": ["skin_tone"], "hair": ["hair_natural" if ending == "nir" else "hair_colour"]}
        of_cloth = [f"{thing}_{part}" for part in ("colour", "fabric", "colourant")]
        of_cloth = {"lightness": of_cloth[:1], "insulation": of_cloth[1:2], "nir": of_cloth}[ending]
        instead = " or ".join(causes.get(thing, of_cloth))
        return f"{name}: expected a factor that can be set; found one that follows from others: set {instead} instead"
    close = get_close_matches(name, CHANGEABLE, n=3, cutoff=0.5) or sorted(CHANGEABLE)
    return f"expected the name of a factor, such as {', '.join(close)}; found {name!r}"


def _consistent(person: Person, new: Mapping[str, Value]) -> Person:
    """What a change brings along, and what does not go together."""
    if "top" in new:
        bounds = tops()[person.top.kind]
        nearest = {name: _nearest(getattr(person.top, name), name, bounds) for name in ("sleeve", "fit", "hem") if name not in new}
        person = replace(person, top=replace(person.top, **nearest))
    if "bottom" in new:
        bounds, given = bottoms()[person.bottom.kind], {"fit": "bottom_fit", "cuff": "cuff"}
        nearest = {part: _nearest(getattr(person.bottom, part), part, bounds) for part, name in given.items() if name not in new}
        person = replace(person, bottom=replace(person.bottom, **nearest))
    body = person.body
    if "gender" in new and "gender_weight" not in new:
        person = replace(person, body=replace(body, gender_weight=math.copysign(body.gender_weight, -1 if body.gender == "f" else 1)))
    elif body.gender_weight * (-1 if body.gender == "f" else 1) < 0:
        raise ValueError(f"gender_weight: expected at most 0 for 'f', at least 0 for 'm'; found {body.gender_weight} for {body.gender!r}")
    if person.bottom.kind == "none" and person.top.kind != "dress":
        raise ValueError(f"bottom: expected a garment, because only a dress goes with 'none'; found 'none' with top {person.top.kind!r}")
    return person


def _nearest(value: float, name: str, bounds: Mapping[str, float]) -> float:
    return min(max(value, bounds[f"{name}_low"]), bounds[f"{name}_high"])


def _with(part: Part, path: Path, value: Value) -> Part:
    """A copy of a frozen dataclass with the field at the end of ``path`` replaced."""
    first, *rest = path
    return replace(part, **{first: _with(getattr(part, first), tuple(rest), value) if rest else value})


def _cloth_of(person: Person, garment: str) -> Cloth:
    return reduce(getattr, CLOTHS[garment], person)
