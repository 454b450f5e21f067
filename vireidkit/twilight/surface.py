"""What each fragment is made of: the cloth or skin, the patterns on it, the face; and which way it faces.

Patterns and faces are painted on the neutral body (``Mesh.base``), so that they move with the person and fit every shape.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.body import BONE, TORSO_ALONG
from vireidkit.twilight.canvas import COLOUR, Canvas
from vireidkit.twilight.face import face_normals, paint_face
from vireidkit.twilight.people import Person
from vireidkit.twilight.raster import Fragments, vertex_normals
from vireidkit.twilight.shells import SLOT, Mesh, step

ARM_LENGTH = 5.2  # decimetres of cloth from shoulder to wrist, for patterns that run down the sleeve
ARM_AXIS = (0.0, 0.5, 1.0), (0.19, 0.2, 1.83)  # the way down the arm, and z of the neutral arm's axis
# Of the neutral leg: heights, |x| of its axis, z of its outermost line.
LEG_HEIGHTS, LEG_AXIS, LEG_SEAM = (-7.4, -6.0, -5.0, -3.4, -2.0, 1.0), (1.83, 1.71, 1.52, 1.44, 1.09, 1.0), (0.25, 0.15, 0.0, 0.2, 0.5, 0.5)
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
    canvas = Canvas(_materials(person, coupling)[slot], slot, place[:, :3], place[:, 3])
    _paint_top(canvas, person, coupling)
    _paint_bottom(canvas, person, coupling)
    _paint_straps(canvas, person, coupling)
    sole = canvas.on("shoe") & (canvas.base[:, 1] < -8.05)
    canvas.rows[sole, COLOUR] = 0.3 * canvas.rows[sole, COLOUR] + 0.25
    hair = np.flatnonzero(canvas.on("hair"))
    canvas.rows[hair, COLOUR] *= _strands(canvas.base[hair])[:, None]
    paint_face(canvas, person)
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


# --- garments ----------------------------------------------------------------------------------------------------------------------


def _paint_top(canvas: Canvas, person: Person, coupling: float) -> None:
    top, (x, y, z) = person.top, canvas.base.T
    cloth, arm = canvas.on("top", "coat"), canvas.along > 0.02
    front = cloth & ~arm & (z > 0.2)
    # The second cloth brings its dye; fibre, sheen and folds stay those of the garment.
    canvas.mix(cloth * _pattern(canvas, person, arm), top.second.material(coupling).row(), COLOUR)
    if top.pattern == "quilt":
        canvas.darken(cloth & (_down_cloth(canvas, arm) / 0.62 % 1 < 0.16), 0.62)
    if top.opening > 0:
        half = top.opening * (1.0 - 0.1 * (y - 3))
        shirt_end = 0.3 if person.bottom.kind != "none" else -9.0  # below it, an open coat shows what is worn below
        canvas.mix(front & (np.abs(x) < half) & (y > shirt_end), top.inner.material(coupling).row())
        canvas.mix(front & (np.abs(x) < half) & (y <= shirt_end), person.bottom.cloth.material(coupling).row())
        canvas.darken(front & (np.abs(np.abs(x) - half) < 0.08), 0.5)
    elif top.kind in ("shirt", "jacket", "coat"):
        canvas.darken(front & (np.abs(x) < 0.06), 0.6)  # buttons or a zip


def _down_cloth(canvas: Canvas, arm: np.ndarray) -> np.ndarray:
    """Decimetres from the shoulder down the trunk, or down the sleeve."""
    return np.where(arm, canvas.along * ARM_LENGTH, ARM_LENGTH - canvas.base[:, 1])


def _pattern(canvas: Canvas, person: Person, arm: np.ndarray) -> np.ndarray:
    """(f,) share of the second cloth, 0 to 1.

    Raises:
        ValueError: a pattern that is not known.
    """
    top, (x, y, z) = person.top, canvas.base.T
    down = _down_cloth(canvas, arm)
    # Across the sleeve: in front of or behind the axis of the arm, which bends forward at the elbow.
    across = np.where(arm, z - np.interp(canvas.along, *ARM_AXIS), x)
    if top.pattern in ("plain", "quilt"):
        return np.zeros(len(x))
    if top.pattern == "hstripe":
        return down / top.period % 1 < top.duty
    if top.pattern == "vstripe":
        return across / (0.7 * top.period) % 1 < top.duty
    if top.pattern == "check":
        return 0.5 * (down / top.period % 1 < 0.5) + 0.5 * (across / top.period % 1 < 0.5)
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


def _paint_bottom(canvas: Canvas, person: Person, coupling: float) -> None:
    x, y, z = canvas.base.T
    trousers = canvas.on("bottom")
    if person.bottom.side_stripe:
        axis_x, outermost_z = (np.interp(y, LEG_HEIGHTS, column) for column in (LEG_AXIS, LEG_SEAM))
        stripe = (np.abs(x) > axis_x + 0.1) & (np.abs(z - outermost_z) < 0.18)
        canvas.mix(trousers & stripe, person.top.second.material(coupling).row())
    canvas.darken(trousers & (y > 1.35) & (y < 1.62), 0.55)  # belt


def _paint_straps(canvas: Canvas, person: Person, coupling: float) -> None:
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
