"""The body of Twilight: its shape, its clothes as meshes, its walk."""

from __future__ import annotations

from dataclasses import fields, replace
from functools import cache
from types import SimpleNamespace

import numpy as np
import pytest

from vireidkit.twilight.body import BONE, FLESH, JOINT, SKIRT, TIGHTS, TORSO_ALONG, load_body, shape_of
from vireidkit.twilight.dressing import BOTTOMS, NECKLINES, SLOT, SLOTS, Mesh, dress, two_sided
from vireidkit.twilight.factors import changed
from vireidkit.twilight.gait import FOOT, KNEE, THIGH, bone_rotations, leg_angles, pose, rotation
from vireidkit.twilight.headwear import HAIR_STYLES, HATS
from vireidkit.twilight.people import Person, draw_person
from vireidkit.twilight.raster import Fragments, rasterise
from vireidkit.twilight.shells import COVERS, superellipsoid

BODY = load_body()


@cache
def someone(**changes) -> Person:
    return changed(draw_person(3, 1), **{"top": "sweater", "bottom": "trousers", "bag": "none", "hat": "none"} | changes)


@cache
def mesh_of(**changes) -> Mesh:
    return dress(BODY, someone(**changes))


def look(mesh: Mesh, vertices: np.ndarray, degrees: float = 0.0) -> Fragments:
    """Orthographic, from the front at 0 degrees, 96 x 48 pixels."""
    seen = vertices @ rotation("y", degrees).T
    xy = np.stack([(seen[:, 0] + 5) * 4.8, (18.5 - seen[:, 1]) * 5], 1)
    return rasterise(xy, seen[:, 2], mesh.triangles, mesh.covers, 96, 48, two_sided(mesh))


# --- the asset -------------------------------------------------------------------------------------------------------------------


def test_the_asset_is_read_once_and_is_sound() -> None:
    assert load_body() is BODY
    assert BODY.base.shape == (7254, 3) and BODY.triangles.shape == (13982, 3) and len(BODY.directions) == 17
    assert np.allclose(BODY.weights.sum(1), 1, atol=1e-5) and (BODY.weights >= 0).all()
    assert (BODY.vertex_group[BODY.triangles] == BODY.triangle_group[:, None]).all()
    assert BODY.parents[0] == -1 and all(parent < bone for bone, parent in enumerate(BODY.parents))
    assert np.isfinite(BODY.base).all() and BODY.base[:, 1].min() < -8 and BODY.base[:, 1].max() > 8


def test_along_runs_from_shoulder_to_wrist_on_both_arms_alike() -> None:
    hand = BODY.weights[:, BONE["hand_l"]] > 0.9
    trunk = BODY.weights[:, [BONE[name] for name in ("pelvis", "spine_01", "thigh_l")]].sum(1) > 0.99
    assert BODY.along[hand].min() > 0.93 and np.allclose(BODY.along[trunk], TORSO_ALONG, atol=0.01)
    elbow = np.linalg.norm(BODY.base - BODY.joints[BONE["lowerarm_l"]], axis=1) < 0.6
    assert BODY.along[elbow].min() > 0.3 and BODY.along[elbow].max() < 0.7
    left, right = (BODY.along[BODY.is_arm & (side * BODY.base[:, 0] > 0)] for side in (1, -1))
    shares = np.linspace(0, 1, 21)
    assert np.allclose(np.quantile(left, shares), np.quantile(right, shares), atol=0.03)


def test_the_front_of_the_face_has_no_hole_behind_it() -> None:
    x, y, z = BODY.base.T
    mouth = BODY.is_head & (BODY.vertex_group == FLESH) & (np.hypot(x / 0.3, (y - 7.0) / 0.2) < 1) & (z > 0.3)
    assert mouth.sum() > 5 and z[mouth].min() > 1.2


def test_shape_is_linear_in_its_factors_and_knows_two_genders() -> None:
    shape = someone().body
    none = replace(shape, gender="f", gender_weight=0.0, old=0.0, height=0.0, weight=0.0, muscle=0.0, ideal=0.0)
    vertices, joints = shape_of(BODY, none)
    assert np.array_equal(vertices, BODY.base) and np.array_equal(joints, BODY.joints)
    half, full = (shape_of(BODY, replace(none, weight=weight))[0] - BODY.base for weight in (0.4, 0.8))
    assert np.allclose(2 * half, full) and np.abs(full).max() > 0.2
    tall, short = (np.ptp(shape_of(BODY, replace(none, height=height))[0][:, 1]) for height in (1.0, -1.0))
    assert tall - short > 1.5
    with pytest.raises(ValueError, match='expected gender "f" or "m"'):
        shape_of(BODY, replace(none, gender="x"))


# --- clothes -----------------------------------------------------------------------------------------------------------------------


def check(mesh: Mesh) -> None:
    n = len(mesh.vertices)
    assert mesh.weights.shape == (n, 20) and mesh.base.shape == (n, 3) and mesh.along.shape == (n,) and mesh.covers.shape == (n, COVERS)
    assert np.isfinite(mesh.vertices).all() and np.isfinite(mesh.covers).all()
    assert np.allclose(mesh.weights.sum(1), 1, atol=1e-4)
    assert mesh.triangles.min() == 0 and mesh.triangles.max() == n - 1 and len(np.unique(mesh.triangles)) == n
    assert mesh.slots.dtype == np.int8 and len(mesh.slots) == len(mesh.triangles) and mesh.joints.shape == (25, 3)


@pytest.mark.parametrize("top", NECKLINES)
def test_every_garment_goes_with_every_lower_garment(top: str) -> None:
    bottoms = ["none"] if top == "dress" else [bottom for bottom in BOTTOMS if bottom != "none"]
    for bottom in bottoms:
        mesh = mesh_of(top=top, bottom=bottom)
        check(mesh)
        posed = pose(BODY, mesh, someone(top=top, bottom=bottom), 0.8)
        shown = {SLOTS[slot] for view in (0, 180) for slot in np.unique(mesh.slots[look(mesh, posed, view).triangle])}
        lower = {"none": "coat", "skirt": "skirt"}.get(bottom, "bottom")
        assert {"skin", "top", "shoe"} <= shown and (lower in shown or top == "coat")
        assert ("coat" in shown) == (top in ("coat", "dress"))


def test_every_hair_style_hat_and_bag_is_seen() -> None:
    for style in HAIR_STYLES:
        mesh = mesh_of(hair=style)
        check(mesh)
        assert (SLOT["hair"] in mesh.slots[look(mesh, pose(BODY, mesh, someone(), 0.0), 180).triangle]) == (style != "bald")
    for hat in HATS:
        for style in ("curly", "long"):
            mesh = mesh_of(hat=hat, hair=style)
            check(mesh)
            assert (SLOT["hat"] in mesh.slots[look(mesh, pose(BODY, mesh, someone(), 0.0)).triangle]) == (hat != "none")
    for bag in ("none", "backpack", "shoulder", "handbag", "tote"):
        mesh = mesh_of(bag=bag)
        check(mesh)
        posed = pose(BODY, mesh, someone(bag=bag), 0.0)
        shown = {slot for view in (0, 90, 180, 270) for slot in mesh.slots[look(mesh, posed, view).triangle]}
        assert (SLOT["bag"] in shown) == (bag != "none")


def test_dressing_depends_on_its_arguments_alone() -> None:
    first, again = dress(BODY, someone()), dress(BODY, someone())
    assert all(np.array_equal(getattr(first, field.name), getattr(again, field.name)) for field in fields(Mesh))


def test_colour_changes_no_shape() -> None:
    red = mesh_of(top_colour="red", bottom_colour="white")
    assert np.array_equal(red.vertices, mesh_of().vertices) and np.array_equal(red.triangles, mesh_of().triangles)


def test_sleeve_and_hem_end_where_they_should() -> None:
    for sleeve, hem in ((0.3, 0.5), (0.6, -0.2), (1.0, 0.1)):
        mesh = mesh_of(sleeve=sleeve, hem=hem)
        posed = pose(BODY, mesh, someone(sleeve=sleeve, hem=hem), 0.0)
        seen = [look(mesh, posed, view) for view in (0, 90, 180, 270)]
        along, height = ([], [])
        for fragments in seen:
            top = mesh.slots[fragments.triangle] == SLOT["top"]
            along.append(fragments.interpolate(mesh.along, mesh.triangles)[top])
            height.append(fragments.interpolate(mesh.base, mesh.triangles)[top, 1])
        along, height = np.concatenate(along), np.concatenate(height)
        assert sleeve - 0.08 < along.max() <= sleeve + 1e-4
        assert hem - 1e-3 <= height[along < 0].min() < hem + 0.3


def test_nothing_worn_below_shows_through_the_upper_garment() -> None:
    """Where the sweater is in front of the trousers at rest, it stays in front; the trousers are seen below its hem only."""
    for bottom in ("jeans", "wide", "shorts", "leggings"):
        person = someone(bottom=bottom, hem=0.0)
        mesh = mesh_of(bottom=bottom, hem=0.0)
        for phase in (0.0, 1.6, 3.1):
            posed = pose(BODY, mesh, person, phase)
            for view in (0, 60, 180):
                fragments = look(mesh, posed, view)
                trousers = mesh.slots[fragments.triangle] == SLOT["bottom"]
                above = fragments.interpolate(mesh.base, mesh.triangles)[trousers, 1] > 0.12
                assert above.mean() < 0.02


def test_unknown_kinds_are_named() -> None:
    person = someone()
    for part, wrong in (("top", "toga"), ("bottom", "kilt"), ("hair", "mohawk"), ("bag", "trunk"), ("hat", "crown")):
        field = "style" if part == "hair" else "kind"
        odd = SimpleNamespace(**{name.name: getattr(person, name.name) for name in fields(person)})
        setattr(odd, part, replace(getattr(person, part), **{field: wrong}))
        with pytest.raises(ValueError, match=f"expected a {part} out of .*{wrong}"):
            dress(BODY, odd)


def test_superellipsoid_is_closed_and_reaches_its_half_axes() -> None:
    vertices, triangles = superellipsoid(np.array([1.0, 2, 3]), (0.5, 1.0, 2.0), 1.0, rings=25, around=40)
    assert np.allclose(np.abs(vertices - [1, 2, 3]).max(0), [0.5, 1, 2], atol=0.01)
    a, b, c = (vertices[triangles[:, k]] - [1, 2, 3] for k in range(3))
    volume = np.einsum("ij,ij->i", a, np.cross(b, c)).sum() / 6  # positive if the outside is counter-clockwise
    assert volume == pytest.approx(4 / 3 * np.pi * 0.5 * 1 * 2, rel=0.03)


# --- the walk ----------------------------------------------------------------------------------------------------------------------


def test_the_lowest_foot_stands_on_the_ground_at_every_phase() -> None:
    for phase in np.linspace(0, 2 * np.pi, 9):
        assert pose(BODY, mesh_of(), someone(), phase)[:, 1].min() == 0


def test_the_walk_is_periodic() -> None:
    for phase in (0.0, 1.0, 5.0):
        now, later = (pose(BODY, mesh_of(), someone(), phase + turns * 2 * np.pi) for turns in (0, 3))
        assert np.allclose(now, later, atol=1e-4)


def test_the_walk_has_no_jump() -> None:
    phases = np.linspace(0, 2 * np.pi, 361)
    angles = np.array([leg_angles(phase) for phase in phases])
    assert np.abs(np.diff(angles, axis=0)).max() < 4.5 and np.allclose(angles[0], angles[-1])
    assert np.allclose(angles[:-1:36], np.stack([THIGH, KNEE, FOOT], 1), atol=1e-6)


def test_half_a_stride_later_left_and_right_have_changed_places() -> None:
    mirror = np.diag([-1.0, 1, 1])
    side = {"l": "r", "r": "l"}
    other = [BONE[name[:-1] + side[name[-1]]] if name[-2:] in ("_l", "_r") else BONE[name] for name in BONE]
    joints = mesh_of().joints
    symmetric = (joints + mirrored(joints)) / 2
    now, later = (bone_rotations(symmetric, someone(), phase) for phase in (0.7, 0.7 + np.pi))
    assert np.allclose(mirror @ later[other] @ mirror, now, atol=1e-6)


def mirrored(joints: np.ndarray) -> np.ndarray:
    names = list(JOINT)
    swapped = [names.index(name[:-1] + {"l": "r", "r": "l"}[name[-1]]) if name[-2:] in ("_l", "_r") else k for k, name in enumerate(names)]
    return joints[swapped] * [-1, 1, 1]


def test_vertices_of_one_bone_move_rigidly() -> None:
    mesh = mesh_of()
    posed = pose(BODY, mesh, someone(), 2.0, turn=20.0)
    for bone in ("head", "foot_l", "lowerarm_r", "calf_r"):
        rigid = np.flatnonzero(mesh.weights[:, BONE[bone]] > 0.9999)[:60]
        assert len(rigid) > 5
        before, after = (np.linalg.norm(points[rigid, None] - points[rigid], axis=-1) for points in (mesh.vertices, posed))
        assert np.allclose(before, after, atol=1e-3)


def test_it_is_a_walk_and_not_a_jog() -> None:
    """Straight knee at heel contact, one sole flat in stance, 55 to 60 degrees of knee in swing, never both feet in the air."""
    strike, stance = leg_angles(0.0), [leg_angles(2 * np.pi * share) for share in (0.1, 0.15, 0.2, 0.25, 0.3)]
    assert strike[0] > 15 and strike[1] < 8 and strike[2] > 10
    assert all(abs(foot) < 1e-6 for _, _, foot in stance)
    assert 55 <= max(leg_angles(phase)[1] for phase in np.linspace(0, 2 * np.pi, 200)) <= 62
    mesh, person = mesh_of(stride=1.0), someone(stride=1.0)
    soles = {side: mesh.weights[:, BONE[f"foot_{side}"]] > 0.9 for side in "lr"}
    for phase in np.linspace(0, 2 * np.pi, 20, endpoint=False):
        posed = pose(BODY, mesh, person, phase)
        lowest = [posed[sole, 1].min() for sole in soles.values()]
        assert min(lowest) < 0.05
        if phase % np.pi < 0.1 * np.pi:  # double support
            assert max(lowest) < 0.4
    assert posed[soles["l"], 1].min() >= 0


def test_arms_hang_nearly_straight_and_swing_against_the_legs() -> None:
    joints, person = mesh_of(arm_swing=1.0).joints, someone(arm_swing=1.0)
    for phase, forward in ((0.15, -1), (np.pi + 0.15, 1)):
        bones = bone_rotations(joints, person, phase)
        upper = bones[BONE["upperarm_l"]] @ (joints[BONE["lowerarm_l"]] - joints[BONE["upperarm_l"]])
        lower = bones[BONE["upperarm_l"]] @ bones[BONE["lowerarm_l"]] @ (joints[BONE["hand_l"]] - joints[BONE["lowerarm_l"]])
        elbow = np.degrees(np.arccos(upper @ lower / np.linalg.norm(upper) / np.linalg.norm(lower)))
        assert 5 < elbow < 26
        swing = np.degrees(np.arctan2(upper[2], -upper[1]))
        assert np.sign(swing) == forward and 8 < abs(swing) < 25


def test_a_carried_bag_stills_its_arm() -> None:
    joints = mesh_of().joints

    def swing(bag: str) -> float:
        ends = [bone_rotations(joints, someone(bag=bag, bag_side=1), phase)[BONE["upperarm_l"]] for phase in (0.15, np.pi + 0.15)]
        return float(np.abs(ends[0] - ends[1]).max())

    assert swing("tote") < 0.4 * swing("none") and swing("handbag") < 0.4 * swing("none")


def test_the_head_turns_to_the_left_by_positive_degrees() -> None:
    mesh, person = mesh_of(stoop=0.0), someone(stoop=0.0)
    x, _, z = mesh.base.T
    nose = (mesh.weights[:, BONE["head"]] > 0.99) & (z > 1.35) & (np.abs(x) < 0.15)
    places = [pose(BODY, mesh, person, 0.0, turn=turn)[nose].mean(0)[0] for turn in (-30.0, 0.0, 30.0)]
    assert places[0] < places[1] - 0.3 and places[2] > places[1] + 0.3


def test_an_unknown_axis_is_named() -> None:
    with pytest.raises(ValueError, match='expected an axis "x", "y" or "z"'):
        rotation("w", 1.0)


def test_skirts_are_open_and_the_rest_is_closed() -> None:
    mesh = mesh_of(bottom="skirt")
    assert set(mesh.slots[two_sided(mesh)]) <= {SLOT["skirt"], SLOT["hair"], SLOT["coat"]}
    assert two_sided(mesh).sum() > 0 and (SKIRT, TIGHTS) == (2, 1)
