"""Patterns, faces and normals of Twilight's fragments."""

from __future__ import annotations

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from vireidkit.twilight.body import load_body
from vireidkit.twilight.dressing import SLOT, Mesh, dress, two_sided
from vireidkit.twilight.face import EYE, face_normals
from vireidkit.twilight.factors import changed
from vireidkit.twilight.gait import pose, rotation
from vireidkit.twilight.people import Person, draw_person
from vireidkit.twilight.raster import Fragments, rasterise
from vireidkit.twilight.surface import Surface, shading_normals, surface_of, wrinkles

BODY = load_body()
PLAIN = {"top": "sweater", "bottom": "jeans", "bag": "none", "hat": "none", "hair": "short", "scarf": False, "opening": 0.0}
PLAIN |= {"top_colour": "white", "pattern_colour": "black", "pattern_colourant": "pigment/carbon black", "beard": False, "glasses": False}
PLAIN |= {"skin_tone": 1, "hair_colour": "black", "hair_natural": "black", "side_stripe": False, "pattern": "plain"}
PATTERNS = ("hstripe", "vstripe", "check", "block", "print", "yoke", "sleeves")


@cache
def someone(**changes) -> Person:
    return changed(draw_person(3, 1), **PLAIN | changes)


@cache
def seen(degrees: float = 0.0, **changes) -> tuple[Mesh, np.ndarray, Fragments]:
    """Mesh, vertices in camera space and fragments, orthographic at 192 x 96; shape changes only."""
    person = someone(**changes)
    mesh = dress(BODY, person)
    space = (pose(BODY, mesh, person, 1.9) - [0, 8.3, 0]) @ rotation("y", degrees).T
    xy = np.stack([(space[:, 0] + 4.8) * 10, (9.6 - space[:, 1]) * 10], 1)
    return mesh, space, rasterise(xy, space[:, 2], mesh.triangles, mesh.covers, 192, 96, two_sided(mesh))


def surface(coupling: float = 0.5, degrees: float = 0.0, **changes) -> Surface:
    mesh, _, fragments = seen(degrees)
    return surface_of(someone(**changes), mesh, fragments, coupling=coupling)


def arrays(found: Surface) -> list[np.ndarray]:
    return [found.albedo, found.nir, found.insulation, found.emissivity, found.sheen, found.wrinkle]


def test_shapes_ranges_and_repeatability() -> None:
    first, again = surface(), surface()
    f = len(first.slot)
    assert [values.shape for values in arrays(first)] == [(f, 3), *[(f,)] * 5]
    assert first.base.shape == (f, 3) and first.along.shape == (f,)
    assert all(np.array_equal(a, b) for a, b in zip(arrays(first), arrays(again), strict=True))
    for values in (first.albedo, first.nir, first.insulation, first.emissivity):
        assert values.min() >= 0 and values.max() <= 1


def test_no_fragments_are_an_empty_surface() -> None:
    mesh, space, fragments = seen()
    nothing = Fragments(*(getattr(fragments, name)[:0] for name in ("triangle", "weights", "pixel", "depth")))
    found = surface_of(someone(), mesh, nothing, coupling=0.5)
    assert found.albedo.shape == (0, 3) and shading_normals(space, mesh, nothing, found, someone()).shape == (0, 3)


def test_plain_cloth_is_the_material_of_the_cloth() -> None:
    found, material = surface(), someone().top.cloth.material(0.5)
    top = found.slot == SLOT["top"]
    assert top.sum() > 500
    assert np.allclose(found.albedo[top], material.rgb) and np.allclose(found.nir[top], material.nir)


def test_coupling_reaches_the_infrared_of_cloth_and_nothing_else() -> None:
    person = {"top_colour": "black", "top_colourant": "organic dye"}
    loose, tight = surface(0.0, **person), surface(1.0, **person)
    top, skin = loose.slot == SLOT["top"], loose.slot == SLOT["skin"]
    assert loose.nir[top].mean() > tight.nir[top].mean() + 0.2
    assert np.array_equal(loose.albedo, tight.albedo) and np.array_equal(loose.nir[skin], tight.nir[skin])


@pytest.mark.parametrize("pattern", PATTERNS)
def test_the_second_cloth_changes_only_the_pattern(pattern: str) -> None:
    plain = surface()
    black, red = (surface(pattern=pattern, pattern_colour=colour) for colour in ("black", "red"))
    top = plain.slot == SLOT["top"]
    painted = np.abs(black.albedo - plain.albedo).max(1) > 1e-9
    recoloured = np.abs(black.albedo - red.albedo).max(1) > 1e-9
    assert np.array_equal(painted, recoloured) and not painted[~top].any()
    assert 0.02 < painted[top].mean() < 0.98
    # The garment stays one piece of cloth: its warmth and folds do not know the pattern.
    assert np.array_equal(black.insulation, plain.insulation) and np.array_equal(black.wrinkle, plain.wrinkle)


def test_stripes_alternate_with_their_period() -> None:
    for period, duty in ((0.6, 0.3), (1.2, 0.5)):
        found = surface(pattern="hstripe", period=period, duty=duty)
        trunk = (found.slot == SLOT["top"]) & (found.along < 0.02)
        dark = found.albedo[trunk, 0] < 0.3
        part = (5.2 - found.base[trunk, 1]) / period % 1
        assert np.array_equal(dark, part < duty) and dark.any() and not dark.all()


def test_sleeves_and_trunk_are_told_apart() -> None:
    found = surface(pattern="sleeves")
    top = found.slot == SLOT["top"]
    assert np.array_equal(found.albedo[top, 0] < 0.3, found.along[top] > 0.02)


def test_an_unknown_pattern_is_named() -> None:
    person = someone()
    odd = replace(person, top=replace(person.top, pattern="paisley"))
    mesh, _, fragments = seen()
    with pytest.raises(ValueError, match=r"expected a pattern out of plain, .*paisley"):
        surface_of(odd, mesh, fragments, coupling=0.5)


def test_an_open_garment_shows_what_is_worn_below() -> None:
    closed, opened = surface(), surface(opening=0.6, inner_colour="red")
    inner = someone(opening=0.6, inner_colour="red").top.inner.material(0.5)
    changed_at = np.abs(closed.albedo - opened.albedo).max(1) > 1e-9
    assert np.isclose(opened.albedo, inner.rgb).all(1).sum() > 50
    assert (opened.slot[changed_at] == SLOT["top"]).all() and np.abs(opened.base[changed_at, 0]).max() < 0.9


def test_straps_and_stripes_take_their_cloth() -> None:
    for degrees, changes, slot in ((0.0, {"bag": "backpack", "bag_colour": "red"}, "top"), (90.0, {"side_stripe": True}, "bottom")):
        before, after = surface(degrees=degrees), surface(degrees=degrees, **changes)
        painted = np.abs(before.albedo - after.albedo).max(1) > 1e-9
        assert painted.sum() > 30 and (after.slot[painted] == SLOT[slot]).all()


def test_the_face_has_eyes_and_no_dark_mouth() -> None:
    found, skin = surface(), someone().skin.material()
    x, y, z = found.base.T
    face = (found.slot == SLOT["skin"]) & (z > 1.0) & (y > 6.8)
    ratio = found.albedo.mean(1) / np.mean(skin.rgb)
    eye = face & (np.hypot(np.abs(x) - EYE[0], y - EYE[1]) < 0.11)
    mouth = face & (np.hypot(x, y - 7.0) < 0.15)
    cheek = face & (np.hypot(np.abs(x) - 0.35, y - 7.3) < 0.1)
    assert eye.sum() >= 4 and mouth.sum() >= 4 and cheek.sum() >= 4
    assert ratio[eye].min() < 0.55 and ratio[mouth].min() > 0.6 and ratio[cheek].min() > 0.9
    assert found.nir[mouth].min() > 0.85 * skin.nir and found.albedo[mouth, 0].mean() > found.albedo[mouth, 2].mean()


@pytest.mark.parametrize("what", ["beard", "glasses"])
def test_beard_and_glasses_change_the_face_alone(what: str) -> None:
    without, with_it = surface(), surface(**{what: True})
    changed_at = np.flatnonzero(np.abs(without.albedo - with_it.albedo).max(1) > 0.01)
    assert len(changed_at) > 15 and (without.slot[changed_at] == SLOT["skin"]).all()
    assert (without.base[changed_at, 1] > 6.4).all() and (with_it.insulation[changed_at] >= without.insulation[changed_at]).all()
    assert with_it.insulation.max() <= 1


def test_natural_hair_is_seen_in_the_infrared_band_only() -> None:
    dark, light = surface(hair_natural="black"), surface(hair_natural="blond")
    hair = dark.slot == SLOT["hair"]
    assert np.array_equal(dark.albedo, light.albedo) and (light.nir[hair] > dark.nir[hair]).all()


@pytest.mark.parametrize("top", ["sweater", "jacket", "down"])
def test_heights_on_a_loose_garment_do_not_zigzag(top: str) -> None:
    """On the back, from pixel to pixel: smoothing cloth slides its points, and stripes and hems zigzag if their places stay behind."""
    mesh, _, fragments = seen(180.0, top=top, fit=0.3)
    base, along = (fragments.interpolate(values, mesh.triangles) for values in (mesh.base, mesh.along))
    back = (mesh.slots[fragments.triangle] == SLOT["top"]) & (along < 0) & (np.abs(base[:, 0]) < 1.3)
    height = np.full(192 * 96, np.nan)
    height[fragments.pixel[back]] = base[back, 1]
    bend = np.abs(np.diff(height.reshape(192, 96), n=2, axis=1))
    assert np.isfinite(bend).sum() > 500 and np.nanmean(bend) < 0.009


# --- normals -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("degrees", [0.0, 70.0, 180.0])
def test_normals_are_unit_and_face_the_camera(degrees: float) -> None:
    mesh, space, fragments = seen(degrees)
    normals = shading_normals(space, mesh, fragments, surface(degrees=degrees), someone(), folds=2.0)
    assert np.allclose(np.linalg.norm(normals, axis=1), 1, atol=1e-6) and normals[:, 2].min() >= 0


def test_normals_of_the_face_turn_with_the_head() -> None:
    fronts = []
    for degrees in (-40.0, 0.0, 40.0):
        mesh, space, fragments = seen(degrees)
        found = surface(degrees=degrees)
        normals = shading_normals(space, mesh, fragments, found, someone())
        forehead = (found.slot == SLOT["skin"]) & (np.abs(found.base[:, 1] - 7.9) < 0.2) & (np.abs(found.base[:, 0]) < 0.2)
        fronts.append(normals[forehead].mean(0)[0])
    assert fronts[0] < -0.4 < abs(fronts[1]) - 0.3 and fronts[2] > 0.4


def test_the_face_is_smooth_and_symmetric() -> None:
    y, x = (grid.ravel() for grid in np.meshgrid(np.linspace(6.75, 8.2, 60), np.linspace(-0.6, 0.6, 49), indexing="ij"))
    place = np.stack([x, y, np.full(len(x), 1.35)], 1)
    normals = face_normals(place).reshape(60, 49, 3)
    assert np.allclose(normals, normals[:, ::-1] * [-1, 1, 1], atol=1e-9)
    assert normals[..., 2].min() > 0.3  # no part of the face looks away, as the torn mouth of the asset did
    assert max(np.abs(np.diff(normals, axis=axis)).max() for axis in (0, 1)) < 0.5


def test_folds_are_of_cloth_and_change_with_their_argument() -> None:
    mesh, space, fragments = seen()
    found = surface()
    now, later = (shading_normals(space, mesh, fragments, found, someone(), folds=folds) for folds in (0.0, 1.0))
    moved = np.abs(now - later).max(1)
    assert moved[found.slot == SLOT["skin"]].max() < 1e-9 and moved[found.slot == SLOT["top"]].mean() > 0.02
    assert (wrinkles(found.base, np.zeros(len(found.base)), 3.0) == 0).all()
