"""Hair and hats: caps on the scalp, curtains that hang from it, and a few solids. Lengths in decimetres, assumed."""

from __future__ import annotations

import numpy as np

from vireidkit.twilight.body import FLESH, JOINT
from vireidkit.twilight.shells import Figure, Part, blob, grid_triangles, only, reach, solid, step

HAIR_STYLES = ("bob", "long", "ponytail", "bun", "short", "crop", "curly", "bald")
HAIR_OFFSET = {"crop": 0.05, "short": 0.13, "curly": 0.3}
HAT_OFFSET = {"cap": 0.2, "beanie": 0.24, "brim": 0.22}
HATS = ("none", *HAT_OFFSET)
BOB_END, CURTAIN_START = 6.35, 8.1
HEAD_HEIGHT, CROWN_HEIGHT = 6.97, 8.45  # of these joints on the neutral body


def hair(figure: Figure) -> list[Part]:
    """The hair of a style; pressed flat under a hat."""
    style = figure.person.hair.style
    if style == "bald":
        return []
    x, y, z = figure.body.base.T
    # From the nape up to the ear, down before it as a sideburn, and up over the temple to the forehead.
    hairline = y - (6.95 + 0.4 * step(z, -0.3, 0.5) + 0.7 * step(z + 0.1 * np.abs(x), 0.75, 1.2))
    offset = np.full(len(y), HAIR_OFFSET.get(style, 0.1))
    if style == "curly":
        offset += 0.05 * np.sin(9 * x) * np.sin(9 * y + 1) * np.sin(9 * z)
    if figure.person.hat.kind != "none":
        offset = np.minimum(offset, np.where(_hat_line(figure) > -0.15, 0.06, 0.16))
    parts = [_cap(figure, offset, hairline - (0.08 if style == "crop" else 0.0), "hair")]
    middle = _head_middle(figure)
    if style in ("bob", "long"):
        parts.append(_curtain(figure, BOB_END if style == "bob" else figure.person.hair.length))
    if style == "bun":
        parts.append(blob(middle, (0, 0.35, -1.0), (0.42, 0.4, 0.38), "head", "hair", 0.9))
    if style == "ponytail":
        parts.append(blob(middle, (0, 0.05, -0.98), (0.22, 0.25, 0.25), "head", "hair", 0.9))
        parts.append(blob(middle, (0, -0.75, -1.12), (0.24, 0.85, 0.2), "head", "hair", 0.8))
    return parts


def hat(figure: Figure) -> list[Part]:
    """A hat: its crown, and a peak or a brim."""
    kind = figure.person.hat.kind
    if kind == "none":
        return []
    parts, middle = [_cap(figure, HAT_OFFSET[kind], _hat_line(figure), "hat", 0.12)], _head_middle(figure)
    if kind == "cap":
        parts.append(blob(middle, (0, 0.34, 1.15), (0.6, 0.05, 0.5), "head", "hat", 0.9))
    if kind == "brim":
        parts.append(blob(middle, (0, 0.36, 0.1), (1.35, 0.06, 1.45), "head", "hat", 0.95))
    return parts


def _head_middle(figure: Figure) -> np.ndarray:
    return (figure.joints[JOINT["head"]] + figure.joints[JOINT["crown"]]) / 2


def _hat_line(figure: Figure) -> np.ndarray:
    _, y, z = figure.body.base.T
    return y - 7.9 - 0.12 * (z - 0.3) + (0.08 if figure.person.hat.kind == "beanie" else 0.0)


def _cap(figure: Figure, offset: np.ndarray | float, cover: np.ndarray, slot: str, lift: float = 0.0) -> Part:
    """A shell on the head that rises from its edge within a third of a decimetre."""
    sheet = figure.raised(figure.bare, FLESH, offset * np.clip(cover * 3, 0, 1))
    sheet.vertices[:, 1] += lift * np.clip(cover, 0, 1)
    on_head = figure.body.is_head & (figure.body.base[:, 1] > 6.3)
    return figure.cut(FLESH, sheet, [np.where(on_head, cover, -1.0)], slot)


def _curtain(figure: Figure, end: float) -> Part:
    """Hair that hangs from the side of the head over neck and back, open towards the face; `end` is its height on the neutral body."""
    rows, columns = 18, 25
    head, crown = figure.joints[JOINT["head"]], figure.joints[JOINT["crown"]]
    scale = (crown[1] - head[1]) / (CROWN_HEIGHT - HEAD_HEIGHT)
    fallen = np.linspace(CURTAIN_START - end, 0, rows)[:, None]
    # Round at the top; below the shoulders narrower, and lying on the back.
    low, dome = step(fallen, 1.5, 2.3), 0.8 + 0.2 * np.sqrt(np.clip(fallen / 0.6, 0, 1))
    around = np.linspace(-1, 1, columns)[None] * (2.1 - 0.5 * low)
    locks = dome * (1 + 0.03 * np.sin(9 * around + 2 * fallen) * step(fallen, 0.3, 1.5))
    x = (0.86 - 0.08 * step(fallen, 1.0, 2.0)) * scale * np.sin(around) * locks
    y = head[1] + (CURTAIN_START - HEAD_HEIGHT - fallen) * scale
    behind = head[2] - 0.1 - (0.92 - 0.1 * step(fallen, 0.5, 1.2)) * scale * np.cos(around) * locks
    clear = 0.12 + (0.55 if figure.person.top.kind == "hoodie" else 0.0)
    back = min(reach(figure, height, 0.3)[0] for height in (4.4, 5.0, 5.6)) - clear + 0.25 * np.sin(around) ** 2
    z = (1 - low) * behind + low * np.minimum(behind, back)
    points = np.stack([-x, np.broadcast_to(y, x.shape), z], -1).reshape(-1, 3)
    # The lower end follows the back, not the turning head.
    share = step(fallen, 0.8, 2.4).repeat(columns, 1).reshape(-1, 1).astype(np.float32)
    weights = (1 - share) * only("head") + share * only("spine_03")
    return solid(points, grid_triangles(rows, columns, closed=False), "hair", weights)
