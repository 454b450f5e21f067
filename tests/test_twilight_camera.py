"""Views and projection: draws that can be repeated alone, dials that change gradually, geometry that is right."""

from __future__ import annotations

import math

import numpy as np
import pytest

from vireidkit.twilight.camera import CAMERAS, OCCLUDERS, VIEW_FACTORS, View, draw_view, follow, project
from vireidkit.twilight.draws import generator
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, WIDTH, Settings


def views(camera: int, hardness: float, count: int = 200) -> list[View]:
    return [draw_view(5, identity, camera, number, hardness=hardness) for identity in range(1, count // 2 + 1) for number in range(2)]


def column(drawn: list[View], name: str) -> np.ndarray:
    return np.array([getattr(view, name) for view in drawn])


def box(width: float = 3.0, height: float = 17.0) -> np.ndarray:
    """The corners of an upright box on the floor."""
    return np.array([[x, y, z] for x in (-width, width) for y in (0, height) for z in (-1.0, 1.0)])


def test_a_stream_knows_nothing_of_other_streams() -> None:
    first = generator(3, "hair", 7).random(4)
    generator(3, "coat", 7).random(100)
    assert np.array_equal(first, generator(3, "hair", 7).random(4))
    others = [generator(3, "hair", 8), generator(4, "hair", 7), generator(3, "hat", 7), generator(3, "hair", 7, 0)]
    assert all(not np.allclose(first, other.random(4)) for other in others)


@pytest.mark.parametrize("arguments", [(-1, "hair"), (1, "hair", -2)])
def test_negative_keys_are_refused(arguments: tuple) -> None:
    with pytest.raises(ValueError, match="at least 0"):
        generator(*arguments)


def test_a_view_follows_from_its_key_alone() -> None:
    view = draw_view(5, 3, 4, 1, hardness=0.4)
    draw_view(5, 2, 4, 0, hardness=0.9)
    assert view == draw_view(5, 3, 4, 1, hardness=0.4)
    for other in ((6, 3, 4, 1), (5, 4, 4, 1), (5, 3, 5, 1), (5, 3, 4, 0)):
        assert view.walk_phase != draw_view(*other, hardness=0.4).walk_phase


@pytest.mark.parametrize("camera", CAMERAS)
def test_views_stay_inside_their_camera(camera: int) -> None:
    drawn, at = views(camera, 1.0), CAMERAS[camera]
    assert at.elevation[0] <= column(drawn, "elevation_degrees").min() and column(drawn, "elevation_degrees").max() <= at.elevation[1]
    assert at.distance[0] <= column(drawn, "distance_dm").min() and column(drawn, "distance_dm").max() <= at.distance[1]
    assert at.blur[0] <= column(drawn, "blur_px").min() and column(drawn, "blur_px").max() <= at.blur[1]
    assert np.abs(column(drawn, "heading_degrees")).max() <= 180
    assert set(column(drawn, "occluder")) <= {"none", *OCCLUDERS}


def test_hardness_widens_what_disturbs_and_keeps_the_draws() -> None:
    easy, medium, hard = (views(1, hardness) for hardness in (0.0, 0.4, 1.0))
    for name in ("exposure_stops", "blur_px", "top_margin", "shift", "aspect"):
        spread = [column(drawn, name).std() for drawn in (easy, medium, hard)]
        assert spread[0] < 1e-12 and spread[1] == pytest.approx(0.4 * spread[2])
    for name in ("walk_phase", "distance_dm", "place", "lamp_degrees"):
        assert np.array_equal(column(easy, name), column(hard, name))
    hidden = [(column(drawn, "occluder") != "none").mean() for drawn in (views(1, h, 2000) for h in (0.0, 0.4, 1.0))]
    assert hidden[0] == 0 and 0.03 < hidden[1] < 0.09 and 0.11 < hidden[2] < 0.19


def test_cameras_7_and_8_share_the_viewpoint_and_not_the_sensor() -> None:
    seven, eight = draw_view(5, 3, 7, 2, hardness=0.4), draw_view(5, 3, 8, 2, hardness=0.4)
    for name in ("heading_degrees", "walk_phase", "distance_dm", "place", "top_margin", "shift", "occluder"):
        assert getattr(seven, name) == getattr(eight, name), name
    assert seven.lamp_degrees != eight.lamp_degrees and seven.blur_px != eight.blur_px


def test_a_person_crosses_the_room_by_one_route_in_both_cameras() -> None:
    for identity in range(1, 30):
        headings = [draw_view(5, identity, camera, number, hardness=0.0).heading_degrees for camera in (2, 3) for number in range(3)]
        assert np.ptp(headings) == 0
    routes = {draw_view(5, identity, 3, 0, hardness=0.0).heading_degrees for identity in range(1, 60)}
    assert len(routes) == len(CAMERAS[3].headings)


def test_cameras_2_and_3_see_one_room_and_no_other_camera_does() -> None:
    assert CAMERAS[2].scene == CAMERAS[3].scene
    assert all(CAMERAS[other].scene != CAMERAS[2].scene for other in (1, 4, 5, 6))


def test_unknown_cameras_and_factors_are_named() -> None:
    with pytest.raises(ValueError, match=r"camera must be one of 1, 2.*found 9"):
        draw_view(1, 1, 9, 0, hardness=0.4)
    view = draw_view(1, 1, 1, 0, hardness=0.4)
    with pytest.raises(ValueError, match="unknown factor of a picture: heading; known: heading_degrees"):
        view.changed(heading=3)
    with pytest.raises(ValueError, match="occluder must be none"):
        view.changed(occluder="tree")
    assert view.changed(heading_degrees=3.0).heading_degrees == 3.0 and tuple(view.factors()) == VIEW_FACTORS


@pytest.mark.parametrize("name", ["hardness", "coupling", "look_alike_share"])
def test_dials_lie_between_0_and_1(name: str) -> None:
    with pytest.raises(ValueError, match=f"{name} must lie between 0 and 1; found 1.5"):
        Settings(**{name: 1.5})


def test_frames_walk_on_and_keep_light_and_blur() -> None:
    view = draw_view(5, 3, 4, 0, hardness=0.4)
    frames = [follow(view, frame) for frame in range(8)]
    assert frames[0] == view and frames[3] == follow(view, 3)
    phases = np.unwrap(column(frames, "walk_phase"))
    assert np.allclose(np.diff(phases), 2 * math.pi * 0.9 * 0.12)
    for name in ("exposure_stops", "blur_px", "lamp_degrees", "overcast", "distance_dm"):
        assert len({getattr(frame, name) for frame in frames}) == 1, name
    assert 0 < np.abs(np.diff(column(frames, "shift"))).max() < 0.03


def test_the_body_fills_the_crop_as_its_margins_say() -> None:
    view = draw_view(5, 3, 1, 0, hardness=0.0).changed(elevation_degrees=0.0, heading_degrees=0.0, shift=0.0)
    projection = project(box(), view)
    tall = HEIGHT * SUPERSAMPLING
    top, bottom = projection.points[:, 1].min(), projection.points[:, 1].max()
    height = bottom - top
    assert top / height == pytest.approx(view.top_margin) and (tall - bottom) / height == pytest.approx(view.bottom_margin)
    assert projection.ground == pytest.approx(bottom)
    assert projection.points[:, 0].mean() == pytest.approx(WIDTH * SUPERSAMPLING / 2)


def test_nearer_corners_are_larger_and_deeper_in_front() -> None:
    view = draw_view(5, 3, 1, 0, hardness=0.0).changed(elevation_degrees=0.0, heading_degrees=0.0)
    projection = project(box(), view)
    front, back = (np.ptp(projection.points[projection.space[:, 2] * side > 0, 0]) for side in (1, -1))
    assert front > back
    assert projection.depth.max() == pytest.approx(1.0)


@pytest.mark.parametrize(("heading", "x", "z"), [(0, 0, 1), (90, 1, 0), (180, 0, -1), (-90, -1, 0)])
def test_headings_turn_the_walk(heading: float, x: float, z: float) -> None:
    view = draw_view(5, 3, 1, 0, hardness=0.0).changed(elevation_degrees=0.0, heading_degrees=float(heading))
    ahead = np.array([[0.0, 0.0, 0.0], [0.0, 17.0, 0.0], [2.0, 0.0, 0.0], [0.0, 8.3, 1.0]])  # the last one lies before the person
    assert np.allclose(project(ahead, view).space[3], [x, 0, z], atol=1e-12)


def test_a_camera_that_looks_down_sees_the_head_nearer() -> None:
    view = draw_view(5, 3, 1, 0, hardness=0.0).changed(elevation_degrees=30.0)
    space = project(np.array([[0.0, 0.0, 0.0], [0.0, 17.0, 0.0], [1.0, 5.0, 0.0]]), view).space
    assert space[1, 2] > space[0, 2]
