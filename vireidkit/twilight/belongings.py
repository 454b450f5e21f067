"""What people carry and wear around the neck: bags, scarf, hood. Lengths in decimetres, assumed."""

from __future__ import annotations

import numpy as np

from vireidkit.twilight.body import JOINT
from vireidkit.twilight.shells import Figure, Part, blob, reach


def neckwear(figure: Figure) -> list[Part]:
    """A scarf with one hanging end, and the hood of a hoodie."""
    parts, neck, fit = [], figure.joints[JOINT["neck_01"]], figure.person.top.fit
    if figure.person.scarf.worn:
        parts.append(blob(neck, (0, 0.1, 0.18), (0.8, 0.34, 0.82), "neck_01", "scarf", 0.8))
        parts.append(blob(neck, (0.3, -1.0, 0.98 + 0.8 * fit), (0.22, 1.0, 0.16), "spine_03", "scarf", 0.5))
    if figure.person.top.kind == "hoodie":
        parts.append(blob(neck, (0, -0.15, -0.55), (0.85, 0.42, 0.5), "spine_03", "top", 0.8))
    return parts


def bag(figure: Figure) -> list[Part]:
    """A bag on the back, at the hip, under the arm or in the hand; its strap is painted on the garment."""
    carried, joints = figure.person.bag, figure.joints
    if carried.kind == "none":
        return []
    size, side = carried.size, carried.side
    if carried.kind == "tote":
        letter = "l" if side > 0 else "r"
        hand = joints[JOINT[f"knuckle_{letter}"]]
        return [blob(hand, (side * 0.05, -0.6, 0.35), (0.7 * size, 0.9 * size, 0.7 * size), f"hand_{letter}", "bag", 0.4)]
    if carried.kind == "backpack":
        middle = np.array([0, joints[JOINT["spine_03"], 1] + 0.95, reach(figure, 4.0, 0.6)[0]])
        return [blob(middle, (0, 0, -0.52 * size), (1.15 * size, 1.5 * size, 0.62 * size), "spine_03", "bag", 0.35)]
    beside = np.array([side * reach(figure, 0.8, 0.5)[1], 0, 0])
    if carried.kind == "shoulder":
        return [blob(beside, (side * 0.28, 0.4, -0.1), (0.34, 0.75 * size, 1.05 * size), "pelvis", "bag", 0.35)]
    return [blob(beside, (side * 0.42, 1.9, 0.2), (0.3, 0.6 * size, 0.95 * size), "spine_01", "bag", 0.35)]
