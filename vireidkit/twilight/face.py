"""The face: soft spots for eyes, brows and lips, a beard, glasses; and the relief that light plays on. Decimetres, drawn by eye."""

from __future__ import annotations

import numpy as np

from vireidkit.twilight.canvas import COLOUR, INSULATION, Canvas
from vireidkit.twilight.people import Person
from vireidkit.twilight.shells import step

EYE, BROW, MOUTH = (0.31, 7.62), (0.32, 7.83), (0.0, 6.99)  # on the neutral face; x of one side
# The relief of a face on its rounded head: |x|, y, half widths, height, all in decimetres (drawn by eye).
RELIEF = (
    (0.0, 7.36, 0.12, 0.24, 0.13),  # nose
    (0.31, 7.64, 0.17, 0.11, -0.05),  # eye sockets
    (0.42, 7.30, 0.20, 0.18, 0.03),  # cheeks
    (0.0, 7.00, 0.22, 0.09, 0.025),  # lips
    (0.0, 6.80, 0.18, 0.10, 0.03),  # chin
)
HEAD_CENTRE, HEAD_RADII = np.array([0.0, 7.5, 0.4]), np.array([0.78, 0.92, 1.05])


def paint_face(canvas: Canvas, person: Person) -> None:
    """Soft spots, a little wider than life: at 14 pixels a head, an eye is one pixel."""
    x, y, z = canvas.base.T
    skin = np.flatnonzero(canvas.on("skin") & (y > 6.3) & (z > 0.2))
    face = Canvas(canvas.rows[skin], canvas.slot[skin], canvas.base[skin], canvas.along[skin])
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


def _spot(dx: np.ndarray, width: float, dy: np.ndarray, height: float) -> np.ndarray:
    return np.exp(-((dx / width) ** 2) - (dy / height) ** 2)
