"""The pieces a dressed person is made from: sheets over the body, cut by coverage fields, and plain solids; joined to one mesh."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.body import BONE, BONES, TIGHTS, TORSO_ALONG, Body
from vireidkit.twilight.people import Person

SLOTS = ("skin", "hair", "top", "bottom", "shoe", "bag", "hat", "scarf", "skirt", "coat")
SLOT = {name: number for number, name in enumerate(SLOTS)}
# Surfaces that are open at an end one looks into; of the others only the outside is ever seen.
OPEN_SLOTS = ("hair", "skirt", "coat")
COVERS = 4
ALWAYS = 9.0
Triple = tuple[float, float, float]


@dataclass(frozen=True, eq=False)
class Mesh:
    """One person, dressed, at rest.

    Attributes:
        vertices: (n, 3) decimetres.
        weights: (n, 20) bone weights.
        base: (n, 3) the same points on the neutral body, where patterns live.
        along: (n,) way down the arm, see Body.along.
        covers: (n, COVERS) coverage fields: a fragment exists where all of them, interpolated one by one, are positive.
        triangles: (m, 3).
        slots: (m,) int8, index into SLOTS.
        joints: (25, 3) of this person, see body.JOINT.
    """

    vertices: np.ndarray
    weights: np.ndarray
    base: np.ndarray
    along: np.ndarray
    covers: np.ndarray
    triangles: np.ndarray
    slots: np.ndarray
    joints: np.ndarray


@dataclass(frozen=True, eq=False)
class Sheet:
    """A surface with one point for every vertex of the asset: where it lies, and what belongs there on the neutral body."""

    vertices: np.ndarray
    base: np.ndarray
    along: np.ndarray

    def mixed(self, other: Sheet, share: np.ndarray) -> Sheet:
        """This sheet where `share` (n,) is 0, the other one where it is 1."""
        part = share[:, None]
        vertices = (1 - part) * self.vertices + part * other.vertices
        base = (1 - part) * self.base + part * other.base
        return Sheet(vertices, base, (1 - share) * self.along + share * other.along)


@dataclass(frozen=True, eq=False)
class Part:
    """Vertices with all that belongs to them, and the triangles of one slot."""

    vertices: np.ndarray
    weights: np.ndarray
    base: np.ndarray
    along: np.ndarray
    covers: np.ndarray
    triangles: np.ndarray
    slot: str


@dataclass(frozen=True, eq=False)
class Figure:
    """One person's bare shape, and what several garments ask of it.

    Attributes:
        bare: the body's own surface.
        joints: (25, 3).
        normals: by vertex group, (n, 3) each.
    """

    body: Body
    person: Person
    bare: Sheet
    joints: np.ndarray
    normals: dict[int, np.ndarray]

    def cut(self, group: int, sheet: Sheet, covers: list[np.ndarray], slot: str, weights: np.ndarray | None = None) -> Part:
        """The triangles of one group of the asset, moved to a sheet, where all coverage fields (n,) are positive."""
        fields = np.full((len(sheet.vertices), COVERS), ALWAYS)
        fields[:, : len(covers)] = np.stack(covers, 1)
        triangles = self.body.triangles[self.body.triangle_group == group]
        weights = self.body.weights if weights is None else weights
        return Part(sheet.vertices, weights, sheet.base, sheet.along, fields, triangles, slot)

    def cloth(self, fit: float, smoothed: int, flare: float = 0.0) -> Sheet:
        """Cloth over the tights: smoothed a number of times, then moved outwards by `fit`, less on arms and neck.

        Smoothing slides points along the body too. Their places on the neutral body slide with them, else stripes and hems would zigzag.
        """
        body = self.body
        columns = start = np.column_stack([self.bare.vertices, self.bare.base, self.bare.along])
        on_tights = (body.vertex_group == TIGHTS)[:, None]
        for _ in range(smoothed):
            columns = np.where(on_tights, 0.5 * columns + 0.5 * (body.smoother @ columns), start)
        y = body.base[:, 1]
        widening = flare * np.clip((-y - 0.5) / 7, 0, 1) * ((y < 0.4) & ~body.is_arm)
        # Close to the neck, else one would look into a gap between collar and neck.
        collar = np.clip((6.3 - y) / 0.9, 0.25, 1)
        # Smoothing shrinks; what it took is given back.
        offset = fit * np.where(body.is_arm, 0.62, 1.0) * collar + widening + 0.03 * smoothed
        return Sheet(columns[:, :3] + self.normals[TIGHTS] * offset[:, None], columns[:, 3:6], columns[:, 6])

    def raised(self, sheet: Sheet, group: int, offset: float | np.ndarray) -> Sheet:
        """The sheet moved along the body's normals."""
        return Sheet(sheet.vertices + self.normals[group] * np.reshape(offset, (-1, 1)), sheet.base, sheet.along)


def step(values: np.ndarray, start: float, end: float) -> np.ndarray:
    """0 up to `start`, 1 from `end` on, smooth between."""
    t = np.clip((values - start) / (end - start), 0, 1)
    return t * t * (3 - 2 * t)


def reach(figure: Figure, height: float, within: float) -> tuple[float, float]:
    """How far the dressed trunk reaches back (z) and to the side (x) at a height on the neutral body."""
    body, fit = figure.body, figure.person.top.fit
    there = (body.vertex_group == TIGHTS) & ~body.is_arm & (np.abs(body.base[:, 1] - height) < within)
    return figure.bare.vertices[there, 2].min() - fit, np.abs(figure.bare.vertices[there, 0]).max() + fit


def superellipsoid(centre: np.ndarray, size: Triple, squareness: float, rings: int = 14, around: int = 20) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (rings * around, 3) and triangles of a closed superellipsoid with half axes `size`, outside counter-clockwise."""
    latitude = np.linspace(-np.pi / 2, np.pi / 2, rings)[:, None]
    longitude = np.linspace(-np.pi, np.pi, around, endpoint=False)[None]

    def power(values: np.ndarray) -> np.ndarray:
        return np.sign(values) * np.abs(values) ** squareness

    ring, rise = power(np.cos(latitude)), np.broadcast_to(power(np.sin(latitude)), (rings, around))
    unit = np.stack([ring * power(np.sin(longitude)), rise, ring * power(np.cos(longitude))], -1)
    return unit.reshape(-1, 3) * size + centre, grid_triangles(rings, around, closed=True)


def grid_triangles(rows: int, columns: int, *, closed: bool) -> np.ndarray:
    """Triangles of a grid of points, row by row upwards, counter-clockwise; closed: the last column meets the first."""
    i, j = (grid.ravel() for grid in np.meshgrid(np.arange(rows - 1), np.arange(columns - (not closed)), indexing="ij"))
    a, b = i * columns + j, i * columns + (j + 1) % columns
    return np.concatenate([np.stack([a, b, b + columns], 1), np.stack([a, b + columns, a + columns], 1)])


def blob(origin: np.ndarray, offset: Triple, size: Triple, bone: str, slot: str, squareness: float) -> Part:
    """A superellipsoid on one bone, `offset` away from `origin`: an ellipsoid at squareness 1, nearly a box at 0.3."""
    vertices, triangles = superellipsoid(np.add(origin, offset), size, squareness)
    return solid(vertices, triangles, slot, only(bone))


def only(bone: str) -> np.ndarray:
    """(20,) weights of a vertex that follows one bone."""
    weights = np.zeros(len(BONES), np.float32)
    weights[BONE[bone]] = 1
    return weights


def solid(vertices: np.ndarray, triangles: np.ndarray, slot: str, weights: np.ndarray) -> Part:
    """A part that is no sheet over the body; weights (20,) or (n, 20)."""
    n = len(vertices)
    weights = np.broadcast_to(weights, (n, len(BONES)))
    return Part(vertices, weights, vertices, np.full(n, TORSO_ALONG), np.full((n, COVERS), ALWAYS), triangles, slot)


def joined(parts: list[Part], joints: np.ndarray) -> Mesh:
    """One mesh of all parts, without triangles on which no fragment can be covered, and without vertices that nothing uses."""
    columns: dict[str, list[np.ndarray]] = {name: [] for name in ("vertices", "weights", "base", "along", "covers")}
    triangles, slots, before = [], [], 0
    for part in parts:
        a, b, c = (part.covers[part.triangles[:, corner]] > 0 for corner in range(3))
        kept = part.triangles[(a | b | c).all(1)]
        used, renumbered = np.unique(kept, return_inverse=True)
        for name, column in columns.items():
            column.append(getattr(part, name)[used])
        triangles.append(renumbered.reshape(-1, 3) + before)
        slots.append(np.full(len(kept), SLOT[part.slot], np.int8))
        before += len(used)
    whole = {name: np.concatenate(column) for name, column in columns.items()}
    whole |= {name: whole[name].astype(np.float32) for name in ("weights", "along", "covers")}
    return Mesh(**whole, triangles=np.concatenate(triangles), slots=np.concatenate(slots), joints=joints)
