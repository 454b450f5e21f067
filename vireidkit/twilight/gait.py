"""A walk: joint angles over one stride, and the body bent by them.

Phase 0 is the left heel's first contact, pi the right one's; a stride is 2 pi. Angles are in degrees.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from scipy.interpolate import CubicSpline, PchipInterpolator

from vireidkit.twilight.body import BONE, BONES, JOINT, Body

if TYPE_CHECKING:
    from vireidkit.twilight.people import Person
    from vireidkit.twilight.shells import Mesh

# Every 10 % of the stride from heel contact on. Shapes as in textbooks of gait analysis (heel contact, foot flat from 10 to 35 %,
# toe off near 60 %, knee 58 degrees bent in swing), rounded, and grade "assumed": they were not digitised from a table.
# Thigh and foot are against the ground, so that the sole lies flat in stance whoever walks; the ankle is what is left.
THIGH = (22, 19, 12, 3, -6, -13, -11, 5, 19, 25)
KNEE = (3, 14, 16, 11, 8, 16, 38, 58, 49, 17)
FOOT = (17, 0, 0, 0, -3, -14, -46, -52, -20, 9)
STEP_WIDTH = 0.55  # of one ankle from the middle, decimetres (assumed)
ARM_OUT = 7.0  # of a hanging arm from the vertical (assumed)
PELVIS_TURN, PELVIS_DROP, CHEST_TURN = 4.0, 2.5, 5.0


def rotation(axis: str, degrees: float) -> np.ndarray:
    """(3, 3) rotation about "x", "y" or "z", right-handed: a positive one about x bows forward, about y turns to the person's left."""
    c, s = np.cos(np.deg2rad(degrees)), np.sin(np.deg2rad(degrees))
    if axis not in ("x", "y", "z"):
        raise ValueError(f'expected an axis "x", "y" or "z"; found {axis!r}')
    rows = {"x": [[1, 0, 0], [0, c, -s], [0, s, c]], "y": [[c, 0, s], [0, 1, 0], [-s, 0, c]], "z": [[c, -s, 0], [s, c, 0], [0, 0, 1]]}
    return np.array(rows[axis])


def leg_angles(phase: float, stride: float = 1.0) -> tuple[float, float, float]:
    """Thigh (forward positive), knee (bent positive) and foot (toe up positive) in degrees at `phase` radians after heel contact."""
    thigh, knee, foot = (float(curve(phase % (2 * np.pi))) for curve in _curves())
    # The knee has to clear the ground in a short step too.
    return stride**0.7 * thigh, stride**0.4 * knee, stride * foot


def pose(body: Body, mesh: Mesh, person: Person, phase: float, *, turn: float = 0.0) -> np.ndarray:
    """The vertices of a mesh at one moment of the walk: (n, 3) decimetres, the lowest at y = 0, walking towards +z.

    Args:
        body: the asset, for its bones.
        mesh: the dressed person.
        person: of the mesh; stride, arm swing, stoop, toe out and what the hand carries are used.
        phase: radians, 0 at the left heel's contact.
        turn: of the head, degrees, positive to the person's left.
    """
    bones = bone_rotations(mesh.joints, person, phase, turn)
    frames = np.empty((len(BONES), 3, 4))
    for bone, parent in enumerate(body.parents):
        local = np.column_stack([bones[bone], mesh.joints[bone] - bones[bone] @ mesh.joints[bone]])
        if parent >= 0:
            above = frames[parent]
            local = np.column_stack([above[:, :3] @ local[:, :3], above[:, :3] @ local[:, 3] + above[:, 3]])
        frames[bone] = local
    # Linear blend skinning: every vertex moves by the weighted mean of its bones' frames.
    blended = (mesh.weights @ frames.reshape(len(BONES), 12).astype(np.float32)).reshape(-1, 3, 4)
    posed = (blended[:, :, :3] @ mesh.vertices[:, :, None])[:, :, 0] + blended[:, :, 3]
    posed[:, 1] -= posed[:, 1].min()
    return posed


def bone_rotations(joints: np.ndarray, person: Person, phase: float, turn: float = 0.0) -> np.ndarray:
    """(20, 3, 3) rotation of each bone against its parent, from the rest pose with joints (25, 3)."""
    gait, forward = person.gait, np.cos(phase)  # forward: 1 while the left leg leads, -1 while the right one does
    bones = np.tile(np.eye(3), (len(BONES), 1, 1))
    # The hip over the leading leg comes forward and that over the swinging leg drops; the chest turns against the pelvis.
    bones[BONE["pelvis"]] = (
        rotation("y", -PELVIS_TURN * gait.stride * forward) @ rotation("z", PELVIS_DROP * np.sin(phase)) @ rotation("x", 0.2 * gait.stoop)
    )
    for name in ("spine_02", "spine_03"):
        bones[BONE[name]] = (
            rotation("x", 0.45 * gait.stoop)
            @ rotation("y", 0.5 * (PELVIS_TURN + CHEST_TURN) * gait.stride * forward)
            @ rotation("z", -0.5 * PELVIS_DROP * np.sin(phase))
        )
    steady = -CHEST_TURN * gait.stride * forward
    bones[BONE["neck_01"]] = rotation("y", steady + 0.4 * turn)
    bones[BONE["head"]] = rotation("y", 0.6 * turn) @ rotation("x", -0.7 * gait.stoop)
    for side, sign, start in (("l", 1, 0.0), ("r", -1, np.pi)):
        names = [BONE[f"{part}_{side}"] for part in ("thigh", "calf", "foot")]
        bones[names] = _leg(joints, bones[BONE["pelvis"]], person, phase - start, side, sign)
        names = [BONE[f"{part}_{side}"] for part in ("upperarm", "lowerarm")]
        bones[names] = _arm(joints, person, phase - start, side, sign)
    return bones


@lru_cache(maxsize=1)
def _curves() -> tuple[CubicSpline, CubicSpline, PchipInterpolator]:
    at = np.linspace(0, 2 * np.pi, 11)
    smooth = [CubicSpline(at, [*nodes, nodes[0]], bc_type="periodic") for nodes in (THIGH, KNEE)]
    # Monotone between its nodes, so that a flat foot stays flat; repeated on both sides to be smooth across the seam.
    around = np.concatenate([at[:-1] - 2 * np.pi, at[:-1], at[:-1] + 2 * np.pi])
    return smooth[0], smooth[1], PchipInterpolator(around, FOOT * 3)


def _leg(joints: np.ndarray, pelvis: np.ndarray, person: Person, phase: float, side: str, sign: int) -> np.ndarray:
    thigh, knee, foot = leg_angles(phase, person.gait.stride)
    hip, ankle, toe = (joints[JOINT[f"{part}_{side}"]] for part in ("thigh", "foot", "toe"))
    length = np.linalg.norm(ankle - hip)
    # Legs stand apart at rest; in a walk the feet come down close to one line.
    spread = np.rad2deg(np.arctan2(abs(ankle[0] - hip[0]), hip[1] - ankle[1]))
    inward = spread + np.rad2deg(np.arcsin(np.clip((abs(hip[0]) - STEP_WIDTH) / length, -0.2, 0.2)))
    upper = rotation("x", -thigh) @ rotation("z", -sign * inward) @ rotation("y", sign * 0.4 * person.gait.toe_out)
    lower = upper @ rotation("x", knee)
    rest_out = np.rad2deg(np.arctan2(sign * (toe[0] - ankle[0]), toe[2] - ankle[2]))
    sole = rotation("y", sign * (person.gait.toe_out - rest_out)) @ rotation("x", -foot)
    return np.stack([pelvis.T @ upper, upper.T @ lower, lower.T @ sole])


def _arm(joints: np.ndarray, person: Person, phase: float, side: str, sign: int) -> np.ndarray:
    shoulder, elbow, hand = (joints[BONE[f"{part}_{side}"]] for part in ("upperarm", "lowerarm", "hand"))
    upper, lower = elbow - shoulder, hand - elbow
    raised = np.rad2deg(np.arctan2(abs(upper[0]), -upper[1]))
    bent = np.rad2deg(np.arccos(upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower)))
    carries = person.bag.kind in ("tote", "handbag") and sign == person.bag.side
    # The arm is back while the leg of its side leads.
    swing = -np.cos(phase - 0.15) * person.gait.arm_swing * (0.3 if carries else 1.0)
    hang = rotation("z", -sign * (raised - ARM_OUT))
    upper_arm = rotation("x", -(14 * swing - 3)) @ hang
    elbow_angle = 13 + 6 * swing
    # About the axis the elbow really bends around: across the upper arm, once the arm hangs.
    lower_arm = hang.T @ rotation("x", bent - elbow_angle) @ hang
    return np.stack([upper_arm, lower_arm])
