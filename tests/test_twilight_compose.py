"""Whole pictures: equal when drawn again, changed only where something was changed, right in every band."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from vireidkit.twilight import BANDS, CAMERAS, VERSION_1, contact_sheet, draw, draw_person, draw_view, render
from vireidkit.twilight.camera import OCCLUDERS, project
from vireidkit.twilight.compose import DEVELOPING, contact_shadow, dressed
from vireidkit.twilight.light import automatic_gain
from vireidkit.twilight.scene import PLACES, TALL, WIDE, backdrop, fractal, scene_materials, scene_window
from vireidkit.twilight.sensor import develop, srgb
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, WIDTH

SEEN = (HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING)


@pytest.fixture(scope="module")
def person():
    return draw_person(31, 4)


def picture(person, camera: int = 1, band: str | None = None, **changes) -> np.ndarray:
    return np.asarray(draw(person, camera, band, **changes), dtype=int)


# --- scenes ---------------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", PLACES)
def test_scenes_are_possible_in_every_band_and_cannot_be_written_to(name: str) -> None:
    place = backdrop(3, name)
    assert place.channels.shape == (TALL, WIDE, 5) and 0 < place.horizon < TALL
    reflectance = place.channels[..., :4]
    assert reflectance.min() >= 0 and np.percentile(reflectance, 99.9) < 1.3
    assert np.abs(place.channels[..., 4]).max() < 40
    with pytest.raises(ValueError, match="read-only"):
        place.channels[0, 0, 0] = 1


def test_a_scene_follows_from_its_seed_and_name() -> None:
    first = backdrop(3, "room").channels.copy()
    backdrop.cache_clear()
    assert np.array_equal(first, backdrop(3, "room").channels)
    assert not np.array_equal(first, backdrop(4, "room").channels)
    with pytest.raises(ValueError, match="scene must be one of corridor"):
        backdrop(3, "beach")


def test_foliage_is_dark_in_visible_and_bright_in_near_infrared() -> None:
    leaf = scene_materials()["leaf"]
    assert leaf[3] > 2 * leaf[:3].max()


def test_cloudy_noise_has_variance_one() -> None:
    noise = fractal(np.random.default_rng(0), 120, 200)
    assert noise.shape == (120, 200) and noise.std() == pytest.approx(1)


@pytest.mark.parametrize(("band", "channels"), [("visible", 3), ("near-infrared", 1), ("thermal", 1)])
def test_the_window_has_the_channels_of_its_band(person, band: str, channels: int) -> None:
    view = draw_view(1, 4, 3, 0, hardness=0.4)
    window = scene_window(1, view, project(dressed(person).vertices, view), band)
    assert window.shape == (*SEEN, channels)


def test_two_cameras_of_one_room_can_see_the_same_place(person) -> None:
    views = [draw_view(1, 4, camera, 0, hardness=0.0).changed(place=0.4, zoom=0.8) for camera in (2, 3, 1)]
    room, same, corridor = (scene_window(1, view, project(dressed(person).vertices, views[0]), "visible") for view in views)
    assert np.array_equal(room, same) and not np.allclose(room, corridor, atol=0.05)


# --- sensor ---------------------------------------------------------------------------------------------------------------------------


def test_the_grey_curve_meets_the_standard() -> None:
    assert np.allclose(srgb(np.array([0.0, 0.0031308, 0.2140411, 1.0])), [0, 0.04045, 0.5, 1], atol=1e-4)


def test_an_even_grey_stays_even_but_for_noise() -> None:
    view = draw_view(1, 4, 1, 0, hardness=0.4)
    silent = replace(CAMERAS[1].optics, noise=0.0)
    level = develop(np.full((*SEEN, 3), 0.2140411), silent, view)
    assert level.shape == (HEIGHT, WIDTH, 3) and level.dtype == np.uint8 and set(np.unique(level)) <= {127, 128}
    noisy = develop(np.full((*SEEN, 3), 0.2140411), replace(silent, noise=0.02), view).astype(float)
    assert noisy.mean() == pytest.approx(128, abs=1) and 1 < noisy.std() < 10


def test_blur_keeps_the_light_and_spreads_it() -> None:
    light = np.zeros((*SEEN, 1))
    light[126:130, 62:66] = 0.2
    silent = replace(CAMERAS[1].optics, noise=0.0)
    view = draw_view(1, 4, 1, 0, hardness=0.4).changed(heading_degrees=0.0)
    sharp, soft = (develop(light, silent, view.changed(blur_px=blur))[..., 0] for blur in (0.2, 2.0))
    assert sharp.max() > 1.5 * soft.max() and (soft > 2).sum() > (sharp > 2).sum()


def test_people_who_cross_the_view_are_blurred_sideways() -> None:
    light = np.zeros((*SEEN, 3))
    light[126:130, 62:66] = 0.5
    view = draw_view(1, 4, 1, 0, hardness=0.4).changed(motion_px=2.0, blur_px=0.4)
    silent = replace(CAMERAS[1].optics, noise=0.0)
    towards, across = (develop(light, silent, view.changed(heading_degrees=float(h)))[..., 0].astype(float) for h in (0, 90))
    lit = [(image.sum(0) > 5).sum() for image in (towards, across)]  # columns
    assert lit[1] > lit[0]


def test_automatic_gain_puts_the_coldest_dark_and_the_warmest_light() -> None:
    light = automatic_gain(np.linspace(10, 34, 1000).reshape(100, 10, 1), 18.0)
    assert light.min() == 0 and 0.7 < light.max() < 1.1 and (np.diff(light.ravel()) >= 0).all()


# --- whole pictures -------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("camera", CAMERAS)
def test_a_picture_is_equal_when_it_is_drawn_again_alone(person, camera: int) -> None:
    view = draw_view(31, 4, camera, 1, hardness=0.4)
    first = render(person, view)
    dressed.cache_clear()
    backdrop.cache_clear()
    render(draw_person(31, 5), draw_view(31, 5, 1, 0, hardness=0.4))
    assert np.array_equal(first, render(draw_person(31, 4), draw_view(31, 4, camera, 1, hardness=0.4)))


@pytest.mark.parametrize("band", BANDS)
@pytest.mark.parametrize("camera", [1, 6])
def test_any_camera_can_be_asked_for_any_band(person, camera: int, band: str) -> None:
    found = picture(person, camera, band)
    assert found.shape == (HEIGHT, WIDTH, 3)
    grey = (np.ptp(found, axis=2) == 0).all()
    assert grey == (band != "visible")
    assert 20 < found.mean() < 220 and found.std() > 8


def test_a_changed_colour_changes_the_shirt_and_nothing_else(person) -> None:
    where = [np.abs(picture(person, 1, top_colour="red") - picture(person, 1, top_colour="green")).max(2) > 12]
    assert 200 < where[0].sum() < 4000
    rows = np.nonzero(where[0].any(1))[0]
    assert rows.min() > 10 and rows.max() < 105  # neither the crown nor the feet


def test_two_dyes_of_one_colour_differ_in_infrared_only(person) -> None:
    kwargs = {"top_colour": "black", "top_fabric": "cotton", "pattern": "plain", "opening": 0.0}
    visible, infrared = (
        np.abs(
            picture(person, 1, band, top_colourant="organic dye", **kwargs)
            - picture(person, 1, band, top_colourant="pigment/carbon black", **kwargs)
        ).max()
        for band in ("visible", "near-infrared")
    )
    assert visible == 0 and infrared > 60


def test_colour_says_nothing_at_coupling_zero(person) -> None:
    black, white = (picture(person, 3, coupling=0.0, top_colour=colour) for colour in ("black", "white"))
    assert np.array_equal(black, white)
    black, white = (picture(person, 3, coupling=1.0, top_colour=colour) for colour in ("black", "white"))
    assert np.abs(black - white).max() > 60


def test_hair_dye_does_not_show_in_infrared() -> None:
    person = next(p for p in (draw_person(31, i) for i in range(1, 60)) if p.hair.style == "long" and p.hat.kind == "none" and not p.beard)
    same = [picture(person, 3, hair_colour=colour, heading_degrees=180.0) for colour in ("black", "brown")]
    seen = [picture(person, 1, hair_colour=colour, heading_degrees=180.0) for colour in ("black", "brown")]
    assert np.array_equal(*same) and np.abs(seen[0] - seen[1]).max() > 12


def test_skin_is_the_warmest_in_thermal(person) -> None:
    towards = picture(person, 8, heading_degrees=0.0, turn_degrees=0.0, occluder="none")[..., 0]
    without = picture(person, 8, heading_degrees=0.0, turn_degrees=0.0, occluder="none", without_person=True)[..., 0]
    head = towards[8:24, 22:42]
    assert np.percentile(head, 90) > 180 and np.percentile(head, 90) > np.percentile(without, 90) + 40


def test_the_scene_alone_is_the_same_but_for_the_person(person) -> None:
    whole, empty = picture(person, 1), picture(person, 1, without_person=True)
    edges = np.r_[0:3, 61:64]
    assert np.abs(whole[:60, edges] - empty[:60, edges]).mean() < 4
    assert np.abs(whole[40:80, 26:38] - empty[40:80, 26:38]).mean() > 10


def test_the_scene_alone_says_nothing_of_who_was_there() -> None:
    first, second = draw_person(31, 4), draw_person(31, 5)
    view = draw_view(31, 4, 5, 0, hardness=0.4).changed(top_margin=0.04, bottom_margin=0.03)
    difference = render(first, view, without_person=True).astype(int) - render(second, view, without_person=True)
    assert np.abs(difference).mean() < 3


def test_one_stop_doubles_the_light(person) -> None:
    levels = [picture(person, 1, exposure_stops=stops, without_person=True) / 255 for stops in (-2.0, -1.0)]
    linear = [np.where(level < 0.04045, level / 12.92, ((level + 0.055) / 1.055) ** 2.4).mean() for level in levels]
    assert linear[1] / linear[0] == pytest.approx(2, rel=0.05)


@pytest.mark.parametrize("occluder", OCCLUDERS)
def test_occluders_hide_a_part_in_every_band(person, occluder: str) -> None:
    where = {"occluder_share": 0.3, "occluder_place": 0.5}
    for band in BANDS:
        clear, hidden = (picture(person, 4, band, occluder=which, **where) for which in ("none", occluder))
        share = (np.abs(clear - hidden).max(2) > 8).mean()
        # In thermal the automatic gain answers, so that the rest of the picture may change as well.
        assert 0.03 < share < (1 if band == "thermal" else 0.5), (band, share)


def test_the_floor_is_darker_around_the_feet(person) -> None:
    view = draw_view(31, 4, 1, 0, hardness=0.0)
    shadow = contact_shadow(view, project(dressed(person).vertices, view))
    assert shadow.shape == (*SEEN, 1) and shadow.min() == pytest.approx(0.45, abs=0.02) and shadow.max() == pytest.approx(1, abs=1e-3)


def test_pictures_are_neither_black_nor_burnt_out() -> None:
    for camera in CAMERAS:
        found = np.concatenate([picture(draw_person(VERSION_1.train_seed, i), camera) for i in range(1, 9)])
        assert (found >= 254).mean() < 0.1 and (found <= 2).mean() < (0.3 if camera == 8 else 0.05), camera
    assert set(DEVELOPING) == set(BANDS)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"camera": 9}, "camera must be one of"),
        ({"camera": 1, "band": "infrared"}, "band must be one of visible, near-infrared, thermal; found 'infrared'"),
        ({"camera": 1, "top_color": "red"}, "top_colour"),
        ({"camera": 1, "top_colour": "ultraviolet"}, "ultraviolet"),
        ({"camera": 1, "top_nir": 0.5}, "top_nir"),
        ({"camera": 1, "coupling": 2.0}, "coupling"),
    ],
)
def test_bad_requests_are_named(person, arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        draw(person, **arguments)


def test_a_number_means_the_training_population() -> None:
    assert np.array_equal(draw(7, 1), draw(draw_person(VERSION_1.train_seed, 7, **POPULATION), 1))


POPULATION = {"look_alike_share": VERSION_1.look_alike_share, "templates": VERSION_1.templates}


def test_a_contact_sheet_has_one_row_a_person(person) -> None:
    sheet = contact_sheet([person, 3], cameras=(1, 3, 3), scale=1)
    assert isinstance(sheet, Image.Image) and sheet.size == (3 * 68, 2 * 132)
    pixels = np.asarray(sheet)
    assert np.array_equal(pixels[2:130, 2:66], np.asarray(draw(person, 1)))
    assert np.array_equal(pixels[2:130, 2 + 136 : 66 + 136], np.asarray(draw(person, 3, number=2)))
    with pytest.raises(ValueError, match="at least one person"):
        contact_sheet([])
