"""The body everybody is made from: a neutral mesh, the ways it can differ, its bones, and where cloth would lie on it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

if TYPE_CHECKING:
    from vireidkit.twilight.people import BodyShape

LIMB_BONES = ("clavicle_l", "upperarm_l", "lowerarm_l", "hand_l", "clavicle_r", "upperarm_r", "lowerarm_r", "hand_r")
LEG_BONES = ("thigh_l", "calf_l", "foot_l", "thigh_r", "calf_r", "foot_r")
BONES = ("pelvis", "spine_01", "spine_02", "spine_03", "neck_01", "head", *LIMB_BONES, *LEG_BONES)
BONE = {name: number for number, name in enumerate(BONES)}
# A joint is where a bone begins; five more are ends that no bone begins at.
JOINT = BONE | {name: len(BONES) + k for k, name in enumerate(("crown", "knuckle_l", "knuckle_r", "toe_l", "toe_r"))}
# What a triangle or a vertex belongs to. Tights, skirt and hair are helper surfaces of the asset: clothes are made from them.
FLESH, TIGHTS, SKIRT, HAIR = range(4)
# What a drawn value of 1 reaches of the asset's extreme (assumed). Its tallest body is 24 dm, a giant; its heaviest and thinnest differ
# from the neutral one by 2 to 3 cm only.
REACH = {"old": 0.6, "maxheight": 0.3, "minheight": 0.6, "heavy": 2.6, "thin": 2.0, "muscle": 1.0, "slack": 1.0}
TORSO_ALONG = -0.05
SKIRT_SMOOTHED = 5


@dataclass(frozen=True, eq=False)
class Body:
    """The asset, in decimetres (x: the person's left, y: up, z: forward), read-only.

    Attributes:
        base: (n, 3) the neutral body.
        directions: name -> (n, 3) displacement at full strength; joint_directions: name -> (25, 3) the same for the joints.
        triangles: (m, 3), outside seen counter-clockwise; triangle_group (m,) and vertex_group (n,): FLESH, TIGHTS, SKIRT or HAIR.
        weights: (n, 20) how much a vertex follows each bone, rows sum to 1.  parents: (20,) -1 for the pelvis.
        joints: (25, 3) of the neutral body, see JOINT.
        along: (n,) the way down the arm, 0 at the shoulder, 1 at the wrist, TORSO_ALONG off the arm.
        is_arm, is_head: (n,) bool, by the strongest bone; the neck counts as head.
        smoother: (n, n) sparse mean over the neighbours on the tights, 0 elsewhere.
    """

    base: np.ndarray
    directions: dict[str, np.ndarray]
    joint_directions: dict[str, np.ndarray]
    triangles: np.ndarray
    triangle_group: np.ndarray
    vertex_group: np.ndarray
    weights: np.ndarray
    parents: np.ndarray
    joints: np.ndarray
    along: np.ndarray
    is_arm: np.ndarray
    is_head: np.ndarray
    smoother: sp.csr_matrix


@lru_cache(maxsize=1)
def load_body() -> Body:
    """The body asset of the package (assets/README.md tells where it comes from), read once and shared."""
    with files(__package__).joinpath("assets/body.npz").open("rb") as stream, np.load(stream) as asset:
        stored = {name: asset[name] for name in asset.files}
    names = [str(name) for name in stored["names"]]
    weights = stored["W"].astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    joints, strongest = stored["J"].astype(float), weights.argmax(1)
    is_head = np.isin(strongest, [BONE["head"], BONE["neck_01"]])
    base, triangles = stored["base"].astype(float), stored["tri"].astype(int)
    base = _mended_face(base, is_head & (stored["vgrp"] == FLESH))
    weights = _hanging_weights(weights, stored["vgrp"] == SKIRT, triangles[stored["grp"] == SKIRT])
    arm_bones = [BONE[f"{part}_{side}"] for side in "lr" for part in ("upperarm", "lowerarm", "hand")]
    return Body(
        base=base,
        directions={name: stored["comp"][k].astype(np.float32) * (stored["scale"][k] / 127) for k, name in enumerate(names)},
        joint_directions={name: stored["JC"][k].astype(float) for k, name in enumerate(names)},
        triangles=triangles,
        triangle_group=stored["grp"].astype(int),
        vertex_group=stored["vgrp"].astype(int),
        weights=weights,
        parents=stored["parent"].astype(int),
        joints=joints,
        along=_along_arms(base, weights, joints),
        is_arm=np.isin(strongest, arm_bones),
        is_head=is_head,
        smoother=_neighbour_mean(triangles[stored["grp"] == TIGHTS], len(base)),
    )


def shape_of(body: Body, shape: BodyShape) -> tuple[np.ndarray, np.ndarray]:
    """Vertices (n, 3) and joints (25, 3) of one person at rest, in decimetres.

    Raises:
        ValueError: a gender other than "f" and "m", whose extremes the asset holds.
    """
    if shape.gender not in ("f", "m"):
        raise ValueError(f'expected gender "f" or "m"; found {shape.gender!r}')
    strengths = {
        "gender": shape.gender_weight,
        "old": shape.old * REACH["old"],
        f"ideal_{shape.gender}": shape.ideal,
    }
    for value, more, less in ((shape.weight, "heavy", "thin"), (shape.muscle, "muscle", "slack"), (shape.height, "maxheight", "minheight")):
        towards = more if value > 0 else less
        strengths[f"{towards}_{shape.gender}"] = abs(value) * REACH[towards]
    vertices, joints = body.base.copy(), body.joints.copy()
    for name, strength in strengths.items():
        vertices += strength * body.directions[name]
        joints += strength * body.joint_directions[name]
    return vertices, joints


def _along_arms(base: np.ndarray, weights: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Blended by the bone weights, so that a sleeve that ends near the elbow or the wrist ends in one smooth line."""
    along = np.zeros(len(base))
    on_arm = np.zeros(len(base))
    for side in "lr":
        shoulder, elbow, wrist = (joints[BONE[f"{part}_{side}"]] for part in ("upperarm", "lowerarm", "hand"))
        upper, lower = np.linalg.norm(elbow - shoulder), np.linalg.norm(wrist - elbow)
        on_upper = (base - shoulder) @ (elbow - shoulder) / upper
        on_lower = (base - elbow) @ (wrist - elbow) / lower + upper
        w_upper = weights[:, BONE[f"upperarm_{side}"]]
        w_lower = weights[:, BONE[f"lowerarm_{side}"]] + weights[:, BONE[f"hand_{side}"]]
        along += (w_upper * on_upper + w_lower * on_lower) / (upper + lower)
        on_arm += w_upper + w_lower
    return along + (1 - on_arm) * TORSO_ALONG


def _neighbour_mean(triangles: np.ndarray, count: int) -> sp.csr_matrix:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    edges = np.concatenate([edges, edges[:, ::-1]])
    links = sp.csr_matrix((np.ones(len(edges)), (edges[:, 0], edges[:, 1])), (count, count))
    links.data[:] = 1
    degree = np.maximum(1, np.asarray(links.sum(1)).ravel())
    return (sp.diags(1 / degree) @ links).tocsr()


def _hanging_weights(weights: np.ndarray, on_skirt: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Weights smoothed over the skirt, so that it hangs between the legs; with those of the asset a long step tears it."""
    neighbours = _neighbour_mean(triangles, len(weights))
    hanging = weights.copy()
    for _ in range(SKIRT_SMOOTHED):
        hanging[on_skirt] = (neighbours @ hanging)[on_skirt]
    return hanging


def _mended_face(base: np.ndarray, is_head: np.ndarray) -> np.ndarray:
    """Bring the inside of mouth, eyes and nostrils out to the skin.

    The asset merged vertices on a grid, which tore the lips open and left a dark hole. Here the front of the face is read as a
    height over (x, y), from its outermost vertices only, and the others are put on that height.
    """
    x, y, z = base.T
    front = np.where(is_head & (np.abs(x) < 0.5) & (y > 6.78) & (y < 7.95) & (z > 0.3))[0]
    apart = np.hypot(x[front, None] - x[front], y[front, None] - y[front])
    outermost = z[front] > np.where(apart < 0.13, z[front], -9).max(1) - 0.09
    near = np.exp(-((apart / 0.09) ** 2)) * outermost + 1e-12
    height = near @ z[front] / near.sum(1)
    mouth = np.clip(2.2 - np.hypot(x[front] / 0.16, (y[front] - 7.0) / 0.11), 0, 1)
    share = np.maximum(~outermost, mouth)
    mended = base.copy()
    mended[front, 2] += share * (height - z[front])
    return mended
