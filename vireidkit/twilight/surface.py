"""What each fragment is made of: the cloth or skin, the patterns on it, the face; and which way it faces.

Patterns and faces are painted on the neutral body (``Mesh.base``), so that they move with the person and fit every shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.body import BONE, TORSO_ALONG
from vireidkit.twilight.people import Person
from vireidkit.twilight.raster import Fragments, vertex_normals
from vireidkit.twilight.shells import SLOT, Mesh, step

COLOUR, INSULATION = slice(0, 4), 4  # columns of materials.CHANNELS: what a dye changes (rgb and NIR), what a fibre does
ARM_LENGTH = 5.2  # decimetres of cloth from shoulder to wrist, for patterns that run down the sleeve
EYE, BROW, MOUTH = (0.31, 7.62), (0.32, 7.83), (0.0, 6.99)  # on the neutral face; x of one side
# Of the neutral leg: heights, |x| of its axis, z of its outermost line.
LEG_HEIGHTS, LEG_AXIS, LEG_SEAM = (-7.4, -6.0, -5.0, -3.4, -2.0, 1.0), (1.83, 1.71, 1.52, 1.44, 1.09, 1.0), (0.25, 0.15, 0.0, 0.2, 0.5, 0.5)
# The relief of a face on its rounded head: |x|, y, half widths, height, all in decimetres (drawn by eye).
RELIEF = (
    (0.0, 7.36, 0.12, 0.24, 0.13),  # nose
    (0.31, 7.64, 0.17, 0.11, -0.05),  # eye sockets
    (0.42, 7.30, 0.20, 0.18, 0.03),  # cheeks
    (0.0, 7.00, 0.22, 0.09, 0.025),  # lips
    (0.0, 6.80, 0.18, 0.10, 0.03),  # chin
)
HEAD_CENTRE, HEAD_RADII = np.array([0.0, 7.5, 0.4]), np.array([0.78, 0.92, 1.05])
FACE_SMOOTHNESS = 0.95  # share of the rounded head in the normals of the face


@dataclass(frozen=True, eq=False)
class Surface:
    """Per fragment; albedos are linear.

    Attributes:
        albedo: (f, 3) visible.  nir: (f,) at about 850 nm.  insulation, emissivity: (f,) for heat.  sheen, wrinkle: (f,) relative.
        slot: (f,) index into dressing.SLOTS.  base: (f, 3) the place on the neutral body.  along: (f,) the way down the arm.
    """

    albedo: np.ndarray
    nir: np.ndarray
    insulation: np.ndarray
    emissivity: np.ndarray
    sheen: np.ndarray
    wrinkle: np.ndarray
    slot: np.ndarray
    base: np.ndarray
    along: np.ndarray


@dataclass(frozen=True, eq=False)
class _Canvas:
    """The rows that are painted, (f, 8) in the order of materials.CHANNELS, and where each fragment is."""

    rows: np.ndarray
    slot: np.ndarray
    base: np.ndarray
    along: np.ndarray

    def on(self, *names: str) -> np.ndarray:
        """(f,) bool: fragments of these slots."""
        return np.isin(self.slot, [SLOT[name] for name in names])

    def darken(self, share: np.ndarray, factor: float | np.ndarray) -> None:
        """Multiply colour and NIR by `factor` where `share` is 1, by nothing where it is 0."""
        at = np.flatnonzero(share)
        self.rows[at, COLOUR] *= 1 - share[at, None] * (1 - np.asarray(factor))

    def mix(self, share: np.ndarray, row: np.ndarray, columns: slice = slice(None)) -> None:
        """Replace by another material where `share` is 1."""
        at = np.flatnonzero(share)
        part = share[at, None].astype(float)
        self.rows[at, columns] = (1 - part) * self.rows[at, columns] + part * row[columns]


def surface_of(person: Person, mesh: Mesh, fragments: Fragments, *, coupling: float = 0.5) -> Surface:
    """The materials of a person's fragments, with patterns, closures, straps and the face.

    Args:
        person: of the mesh.
        mesh: the dressed person.
        fragments: what is seen of it.
        coupling: how far visible lightness survives in NIR, 0 to 1, see Cloth.material.
    """
    place = fragments.interpolate(np.column_stack([mesh.base, mesh.along]).astype(np.float32), mesh.triangles).astype(float)
    slot = mesh.slots[fragments.triangle]
    canvas = _Canvas(_materials(person, coupling)[slot], slot, place[:, :3], place[:, 3])
    _paint_top(canvas, person, coupling)
    _paint_bottom(canvas, person, coupling)
    _paint_straps(canvas, person, coupling)
    sole = canvas.on("shoe") & (canvas.base[:, 1] < -8.05)
    canvas.rows[sole, COLOUR] = 0.3 * canvas.rows[sole, COLOUR] + 0.25
    hair = np.flatnonzero(canvas.on("hair"))
    canvas.rows[hair, COLOUR] *= _strands(canvas.base[hair])[:, None]
    _paint_face(canvas, person)
    red_to_blue, nir, insulation, emissivity, sheen, wrinkle = np.split(np.clip(canvas.rows, 0, None), [3, 4, 5, 6, 7], axis=1)
    columns = (column[:, 0] for column in (nir, insulation, emissivity, sheen, wrinkle))
    return Surface(red_to_blue, *columns, slot, canvas.base, canvas.along)


def shading_normals(
    vertices: np.ndarray, mesh: Mesh, fragments: Fragments, surface: Surface, person: Person, *, folds: float = 0.0
) -> np.ndarray:
    """Unit normals (f, 3) in camera space, facing the camera (z > 0).

    Interpolated vertex normals; on the skin of the head mostly those of a rounded head with a drawn relief, since the asset's face is
    too coarse; and on cloth the folds.

    Args:
        vertices: (n, 3) of the mesh, posed, in camera space without perspective.
        mesh: the dressed person.
        fragments: what is seen of it.
        surface: of the fragments.
        person: of the mesh; unused as yet, kept for garments that fold in their own way.
        folds: which folds the cloth throws, radians. Should change from picture to picture: tied to a person they were a fingerprint.
    """
    normals = fragments.interpolate(vertex_normals(vertices, mesh.triangles).astype(np.float32), mesh.triangles).astype(float)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    on_face = np.flatnonzero((surface.slot == SLOT["skin"]) & (surface.base[:, 1] > 6.3) & (np.abs(surface.along - TORSO_ALONG) < 0.02))
    turn = _head_turn(vertices, mesh)
    if len(on_face) and turn is not None:
        place = surface.base[on_face]
        share = FACE_SMOOTHNESS * np.maximum(step(place[:, 1], 6.55, 6.85), step(place[:, 2], 0.9, 1.1))
        share = np.maximum(share, normals[on_face, 2] < 0.1)[:, None]  # the asset's torn jaw
        normals[on_face] = (1 - share) * normals[on_face] + share * (face_normals(place) @ turn.T)
    normals += wrinkles(surface.base, surface.wrinkle, folds)
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    normals[:, 2] = np.abs(normals[:, 2])
    return normals


def wrinkles(base: np.ndarray, wrinkle: np.ndarray, folds: float) -> np.ndarray:
    """(f, 3) what folds add to the normals: waves of several directions, in patches, most around knees and waist."""

    def wave(x: float, y: float, z: float, start: float) -> np.ndarray:
        return np.sin(base @ np.array([x, y, z]) + start)

    waves = np.stack(
        [
            wave(2.1, 3.0, 1.3, folds) + 0.7 * wave(-4.2, 5.1, 2.2, 2 * folds),
            wave(1.2, 4.2, -2.0, 1.7 + folds) + 0.8 * wave(3.1, 7.3, 1.5, folds),
            wave(-2.2, 2.6, 3.1, 0.4 - folds),
        ],
        1,
    )
    patches = 0.55 + 0.45 * wave(0.9, 0.8, 1.1, 2.3 * folds)
    y = base[:, 1]
    bends = np.clip(np.exp(-(((y + 3.4) / 1.3) ** 2)) + np.exp(-(((y - 1.8) / 1.0) ** 2)) + 0.45, 0, 1.2)
    return waves * (0.15 * wrinkle * patches * bends)[:, None]


def face_normals(base: np.ndarray) -> np.ndarray:
    """Unit normals (f, 3) of a rounded head with nose, eyes, cheeks, lips and chin, at places on the neutral body."""
    away = (base - HEAD_CENTRE) / HEAD_RADII
    # Steeper than an ellipsoid in y, so that chin and forehead stand upright.
    normals = np.stack([away[:, 0], away[:, 1] * np.abs(away[:, 1]), away[:, 2]], 1) / HEAD_RADII
    normals /= np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9
    across, y = np.abs(base[:, 0]), base[:, 1]
    front = step(base[:, 2], 0.7, 1.1)
    for x0, y0, width, height, rise in RELIEF:
        bump = front * rise * _spot(across - x0, width, y - y0, height)
        normals[:, 0] += 2 * np.sign(base[:, 0]) * (across - x0) / width**2 * bump
        normals[:, 1] += 2 * (y - y0) / height**2 * bump
    return normals / (np.linalg.norm(normals, axis=1, keepdims=True) + 1e-9)


def _head_turn(vertices: np.ndarray, mesh: Mesh) -> np.ndarray | None:
    """(3, 3) rotation of the head from rest to camera space: the best fit to the vertices that only the head moves."""
    head = mesh.weights[:, BONE["head"]] > 0.98
    if head.sum() < 4:
        return None
    rest, now = mesh.vertices[head], vertices[head]
    u, _, vt = np.linalg.svd((now - now.mean(0)).T @ (rest - rest.mean(0)))
    return u @ vt


def _materials(person: Person, coupling: float) -> np.ndarray:
    """(10, 8) one row a slot."""
    top, bottom = person.top.cloth.material(coupling), person.bottom.cloth.material(coupling)
    cloths = (person.shoes.cloth, person.bag.cloth, person.hat.cloth, person.scarf.cloth)
    shoe, bag, hat, scarf = (cloth.material(coupling) for cloth in cloths)
    by_slot = (person.skin.material(), person.hair.material(), top, bottom, shoe, bag, hat, scarf, bottom, top)
    return np.stack([material.row() for material in by_slot])


def _strands(base: np.ndarray) -> np.ndarray:
    """(f,) factor: locks that fall from the crown, lighter and darker."""
    around = np.arctan2(base[:, 0], base[:, 2] - 0.35)
    return 1 + 0.1 * np.sin(15 * around + 2 * base[:, 1]) + 0.08 * np.sin(6 * around - base[:, 1])


def _spot(dx: np.ndarray, width: float, dy: np.ndarray, height: float) -> np.ndarray:
    return np.exp(-((dx / width) ** 2) - (dy / height) ** 2)


# --- garments ----------------------------------------------------------------------------------------------------------------------


def _paint_top(canvas: _Canvas, person: Person, coupling: float) -> None:
    top, (x, y, z) = person.top, canvas.base.T
    cloth, arm = canvas.on("top", "coat"), canvas.along > 0.02
    front = cloth & ~arm & (z > 0.2)
    # The second cloth brings its dye; fibre, sheen and folds stay those of the garment.
    canvas.mix(cloth * _pattern(canvas, person, arm), top.second.material(coupling).row(), COLOUR)
    if top.pattern == "quilt":
        canvas.darken(cloth & (_down_cloth(canvas, arm) / 0.62 % 1 < 0.16), 0.62)
    if top.opening > 0:
        half = top.opening * (1.0 - 0.1 * (y - 3))
        canvas.mix(front & (np.abs(x) < half), top.inner.material(coupling).row())
        canvas.darken(front & (np.abs(np.abs(x) - half) < 0.08), 0.5)
    elif top.kind in ("shirt", "jacket", "coat"):
        canvas.darken(front & (np.abs(x) < 0.06), 0.6)  # buttons or a zip


def _down_cloth(canvas: _Canvas, arm: np.ndarray) -> np.ndarray:
    """Decimetres from the shoulder down the trunk, or down the sleeve."""
    return np.where(arm, canvas.along * ARM_LENGTH, ARM_LENGTH - canvas.base[:, 1])


def _pattern(canvas: _Canvas, person: Person, arm: np.ndarray) -> np.ndarray:
    """(f,) share of the second cloth, 0 to 1.

    Raises:
        ValueError: a pattern that is not known.
    """
    top, (x, y, z) = person.top, canvas.base.T
    down = _down_cloth(canvas, arm)
    if top.pattern in ("plain", "quilt"):
        return np.zeros(len(x))
    if top.pattern == "hstripe":
        return down / top.period % 1 < top.duty
    if top.pattern == "vstripe":
        around = np.where(arm, np.arctan2(z - 0.8, y - 3) * 1.2, x)
        return around / (0.7 * top.period) % 1 < top.duty
    if top.pattern == "check":
        return 0.5 * (down / top.period % 1 < 0.5) + 0.5 * (np.where(arm, z, x) / top.period % 1 < 0.5)
    if top.pattern == "block":
        return np.where(arm, canvas.along > 0.62, y < top.pattern_height)
    if top.pattern == "print":
        size, middle = top.duty, top.pattern_height + 0.4
        field = ~arm & (z > 0.2) & (np.abs(x) < 0.5 + 0.9 * size) & (np.abs(y - middle) < 0.35 + 0.8 * size)
        return field & ~((x * 2.3 % 1 < 0.25) & (y * 1.9 % 1 < 0.5))
    if top.pattern == "yoke":
        return (y > top.pattern_height + 0.8) & ~(arm & (canvas.along > 0.3))
    if top.pattern == "sleeves":
        return arm
    known = "plain, hstripe, vstripe, check, block, print, yoke, sleeves, quilt"
    raise ValueError(f"expected a pattern out of {known}; found {top.pattern!r}")


def _paint_bottom(canvas: _Canvas, person: Person, coupling: float) -> None:
    x, y, z = canvas.base.T
    trousers = canvas.on("bottom")
    if person.bottom.side_stripe:
        axis_x, outermost_z = (np.interp(y, LEG_HEIGHTS, column) for column in (LEG_AXIS, LEG_SEAM))
        stripe = (np.abs(x) > axis_x + 0.1) & (np.abs(z - outermost_z) < 0.18)
        canvas.mix(trousers & stripe, person.top.second.material(coupling).row())
    canvas.darken(trousers & (y > 1.35) & (y < 1.62), 0.55)  # belt


def _paint_straps(canvas: _Canvas, person: Person, coupling: float) -> None:
    bag, (x, y, z) = person.bag, canvas.base.T
    chest = canvas.on("top", "coat") & (canvas.along <= 0.02)
    if bag.kind == "backpack":
        strap = (y > 2.6) & (np.abs(np.abs(x) - 0.95) < 0.2) & (z > -0.6)
    elif bag.kind == "shoulder":  # across the chest to the other shoulder
        strap = np.abs(x * bag.side * 0.85 + (y - 3.0) * 0.55) < 0.16
    elif bag.kind == "handbag":
        strap = (np.abs(x * bag.side - 1.35) < 0.16) & (y > 2.2)
    else:
        return
    canvas.mix(chest & strap, bag.cloth.material(coupling).row())


# --- the face ----------------------------------------------------------------------------------------------------------------------


def _paint_face(canvas: _Canvas, person: Person) -> None:
    """Soft spots, a little wider than life: at 14 pixels a head, an eye is one pixel."""
    x, y, z = canvas.base.T
    skin = np.flatnonzero(canvas.on("skin") & (y > 6.3) & (z > 0.2))
    face = _Canvas(canvas.rows[skin], canvas.slot[skin], canvas.base[skin], canvas.along[skin])
    x, y, z = face.base.T
    across, front = np.abs(x), step(z, 0.6, 1.0)
    hair = person.hair.material().row()
    lips = front * _spot(x, 0.24, y - MOUTH[1], 0.06)
    if person.beard:
        jaw = step(7.18 + 0.5 * np.maximum(across - 0.3, 0) - y, -0.05, 0.08) * step(y, 6.5, 6.62) * step(z, 0.35, 0.65)
        share = 0.7 * jaw * (1 - 0.85 * np.minimum(1, 1.3 * lips))
        face.mix(share, hair, COLOUR)
        face.rows[:, INSULATION] += 0.3 * share
    face.darken(lips, np.array([0.86, 0.6, 0.6, 0.92]))
    brow = front * _spot(np.maximum(np.abs(across - BROW[0]) - 0.1, 0), 0.1, y - BROW[1] + 0.12 * (across - BROW[0]), 0.05)
    face.mix(0.55 * brow, hair, COLOUR)
    eye = front * _spot(np.maximum(np.abs(across - EYE[0]) - 0.04, 0), 0.1, y - EYE[1], 0.06)
    face.darken(eye, np.array([0.25, 0.25, 0.28, 0.45]))
    face.darken(front * _spot(x, 0.16, y - 7.16, 0.05), 0.8)  # under the nose
    if person.glasses:
        lens = np.hypot((across - EYE[0]) / 0.25, (y - EYE[1]) / 0.17)
        bridge = _spot(x, 0.12, y - EYE[1] - 0.04, 0.04)
        rim = step(z, 0.4, 0.7) * np.maximum(np.exp(-(((lens - 1) / 0.28) ** 2)), bridge)
        face.darken(rim, 0.3)
        # Glass is opaque to heat: the lens shows its own temperature, near that of the air.
        face.rows[:, INSULATION] += front * step(-lens, -1.25, -0.95) * (0.75 - face.rows[:, INSULATION])
    canvas.rows[skin] = face.rows
