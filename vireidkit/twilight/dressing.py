"""Dressing: garments as shells around one person's body, cut to length by coverage fields.

A coverage field is a number at every vertex, in decimetres or so, positive inside a garment. Hems, sleeves and necklines are where a
field crosses zero. The rasteriser interpolates every field by itself and shows a fragment where all of them are positive, so that a
garment's edge need not follow the triangles. Lengths are in decimetres on the neutral body and, like all numbers here, assumed.
"""

from __future__ import annotations

import numpy as np

from vireidkit.twilight.belongings import bag, neckwear
from vireidkit.twilight.body import FLESH, SKIRT, TIGHTS, Body, shape_of
from vireidkit.twilight.headwear import HAIR_STYLES, HATS, hair, hat
from vireidkit.twilight.people import Person
from vireidkit.twilight.raster import vertex_normals
from vireidkit.twilight.shells import ALWAYS, OPEN_SLOTS, SLOT, SLOTS, Figure, Mesh, Part, Sheet, joined, step

__all__ = ["SLOT", "SLOTS", "Mesh", "dress", "two_sided"]

# How often a garment is smoothed: loose cloth does not follow every muscle.
SMOOTHED = {"tshirt": 2, "shirt": 2, "sweater": 3, "hoodie": 4, "jacket": 4, "down": 6, "coat": 5, "vest": 5, "dress": 1}
SMOOTHED |= {"leggings": 1, "jeans": 1, "trousers": 2, "shorts": 2, "wide": 4, "skirt": 0, "none": 0}
# Height of the neckline at the middle of the throat, and how far it rises a decimetre towards the shoulder.
NECKLINES = {"tshirt": (5.75, 0.5), "dress": (5.35, 0.5), "vest": (5.9, 0.3), "shirt": (5.95, 0.55), "sweater": (6.0, 0.25)}
NECKLINES |= {"hoodie": (6.1, 0.15), "jacket": (6.25, 0.1), "down": (6.5, 0.0), "coat": (6.2, 0.1)}
BOTTOMS = ("jeans", "trousers", "wide", "shorts", "leggings", "skirt", "none")
BAGS = ("none", "backpack", "shoulder", "handbag", "tote")
LAYER = 0.06  # between two garments where one lies under the other
WAIST, BOOT = 2.1, -7.3  # where trousers begin, and above which a shoe is a boot
UNDER = 0.4  # how far a garment goes on under the one that hides its edge
UNDER_SKIRT = 0.15  # less, since a thigh that swings forward would show through the skirt


def dress(body: Body, person: Person) -> Mesh:
    """The mesh of a person at rest, from the skin outwards. It depends on nothing but its arguments.

    Raises:
        ValueError: a garment, hair style, bag or hat that is not known.
    """
    _check_kinds(person)
    vertices, joints = shape_of(body, person.body)
    normals = {group: vertex_normals(vertices, body.triangles[body.triangle_group == group]) for group in (FLESH, TIGHTS, SKIRT)}
    figure = Figure(body, person, Sheet(vertices, body.base, body.along), joints, normals)
    top = figure.cloth(person.top.fit, SMOOTHED[person.top.kind])
    trousers = _trousers(figure, top)
    parts = [_flesh(figure), _legs(figure, trousers), _shoes(figure, trousers)]
    parts += [figure.cut(TIGHTS, top, _top_covers(figure, top), "top"), *_skirt(figure)]
    return joined([*parts, *hair(figure), *hat(figure), *neckwear(figure), *bag(figure)], joints)


def two_sided(mesh: Mesh) -> np.ndarray:
    """(m,) bool: triangles whose back may be seen too."""
    return np.isin(mesh.slots, [SLOT[name] for name in OPEN_SLOTS])


def _check_kinds(person: Person) -> None:
    known = {
        "top": (person.top.kind, tuple(NECKLINES)),
        "bottom": (person.bottom.kind, BOTTOMS),
        "hair": (person.hair.style, HAIR_STYLES),
        "bag": (person.bag.kind, BAGS),
        "hat": (person.hat.kind, HATS),
    }
    for what, (found, choices) in known.items():
        if found not in choices:
            raise ValueError(f"expected a {what} out of {', '.join(choices)}; found {found!r}")


# --- where garments end ------------------------------------------------------------------------------------------------------------


def _top_covers(figure: Figure, sheet: Sheet) -> list[np.ndarray]:
    """Hem, sleeve and neckline."""
    top, (x, y, z) = figure.person.top, sheet.base.T
    throat, rise = NECKLINES[top.kind]
    sleeve = 0.08 if top.kind == "vest" else top.sleeve
    hem = np.where(figure.body.is_arm, ALWAYS, y - _hem(figure.person))
    return [hem, (sleeve - sheet.along) * 5, throat + rise * np.abs(x) - y - 0.25 * z]


def _bottom_covers(figure: Figure, sheet: Sheet) -> list[np.ndarray]:
    """Waist, or a little above the edge of the garment that hides it, and cuff; never on an arm."""
    person, y = figure.person, sheet.base[:, 1]
    hidden_from = person.top.hem + UNDER_SKIRT if person.top.kind == "coat" else min(WAIST, _hem(person) + UNDER)
    return [np.where(figure.body.is_arm, -1.0, hidden_from - y), y - person.bottom.cuff]


def _hem(person: Person) -> float:
    """Where the shell of the upper garment ends; a coat and a dress go on below as a skirt."""
    return 0.2 if person.top.kind in ("coat", "dress") else person.top.hem


def _skirt_end(person: Person) -> float | None:
    """Height where a skirt or a dress ends, None where there is neither."""
    if person.top.kind == "dress":
        return person.top.hem
    return person.bottom.skirt_length if person.bottom.kind == "skirt" else None


def _has_trousers(person: Person) -> bool:
    return person.bottom.kind not in ("skirt", "none")


# --- from the skin outwards --------------------------------------------------------------------------------------------------------


def _flesh(figure: Figure) -> Part:
    """The skin that clothes leave bare, and a little more, so that no gap opens at an edge."""
    body, person, y = figure.body, figure.person, figure.body.base[:, 1]
    under_top = np.min(_top_covers(figure, figure.bare), 0)
    under_bottom = np.min(_bottom_covers(figure, figure.bare), 0) if _has_trousers(person) else np.full(len(y), -1.0)
    bare = UNDER - np.maximum(under_top, under_bottom)
    covers = [np.where(body.is_head & (y > 6.0), ALWAYS, bare), y - person.shoes.height + 0.3]
    end = person.top.hem if person.top.kind == "coat" else _skirt_end(person)
    if end is not None:
        covers.append(np.where(body.is_arm | (y > 1), ALWAYS, end + UNDER_SKIRT - y))
    return figure.cut(FLESH, figure.bare, covers, "skin")


def _legs(figure: Figure, trousers: Sheet) -> Part:
    """Trousers; or, since the asset has no flesh under a skirt, the tights as the skin of the legs."""
    body, person = figure.body, figure.person
    if _has_trousers(person):
        return figure.cut(TIGHTS, trousers, _bottom_covers(figure, trousers), "bottom")
    y, end = body.base[:, 1], _skirt_end(person)
    below = (0.2 if end is None else end) + UNDER_SKIRT - y
    return figure.cut(TIGHTS, figure.bare, [np.where(body.is_arm, -1.0, below), y - person.shoes.height + 0.3], "skin")


def _trousers(figure: Figure, top: Sheet) -> Sheet:
    """Their own cut below the hem of the top, close under the top above it, so that nothing pokes through."""
    bottom = figure.person.bottom
    own = figure.cloth(bottom.fit, SMOOTHED[bottom.kind], 0.22 if bottom.kind == "wide" else 0.05)
    hem = _hem(figure.person)
    return own.mixed(figure.raised(top, TIGHTS, -LAYER), step(top.base[:, 1], hem - 0.6, hem - 0.05))


def _shoes(figure: Figure, trousers: Sheet) -> Part:
    """Shoes end inside the trousers; boots outside narrow ones, inside wide ones."""
    person, shoes = figure.person, figure.cloth(0.13, 1)
    height = person.shoes.height
    if _has_trousers(person) and person.bottom.cuff < height + 0.1:
        outside = height > BOOT and person.bottom.kind in ("jeans", "leggings")
        near = step(shoes.base[:, 1], -7.6, -7.3)
        shoes = shoes.mixed(figure.raised(trousers, TIGHTS, LAYER if outside else -LAYER), near)
        height += 0.0 if outside else 0.3
    return figure.cut(TIGHTS, shoes, [np.where(figure.body.is_arm, -1.0, height - shoes.base[:, 1])], "shoe")


def _skirt(figure: Figure) -> list[Part]:
    """A skirt, or what hangs down of a dress or a coat: the asset's wide skirt, drawn in towards its hem."""
    person, bare = figure.person, figure.bare
    hangs = person.top.kind in ("dress", "coat")
    if not hangs and person.bottom.kind != "skirt":
        return []
    end = person.top.hem if hangs else person.bottom.skirt_length
    width = 0.78 if person.top.kind == "coat" else person.bottom.skirt_width
    y = bare.base[:, 1]
    drawn_in = 1 - np.clip((1.8 - y) / 9, 0, 1) * (1 - width)
    middle = np.array([0, 0, 0.2])
    vertices = middle + (bare.vertices - middle) * np.stack([drawn_in, np.ones(len(y)), drawn_in], 1)
    sheet = figure.raised(Sheet(vertices, bare.base, bare.along), SKIRT, person.top.fit * 0.8 if hangs else 0.1)
    waist = 1.9 if hangs else min(1.9, person.top.hem + 0.2)
    return [figure.cut(SKIRT, sheet, [y - end, waist - y], "coat" if hangs else "skirt")]
