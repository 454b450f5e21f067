"""One picture, from the person to the grey levels; and the same picture with one thing changed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from PIL import Image
from scipy.ndimage import gaussian_filter

from vireidkit.twilight import light
from vireidkit.twilight.body import load_body
from vireidkit.twilight.camera import BANDS, GENERIC_OPTICS, VIEW_FACTORS, Camera, Optics, Projection, View, camera_of, draw_view, project
from vireidkit.twilight.dressing import Mesh, dress, two_sided
from vireidkit.twilight.factors import changed
from vireidkit.twilight.gait import pose
from vireidkit.twilight.people import Person, draw_person
from vireidkit.twilight.raster import Fragments, rasterise
from vireidkit.twilight.scene import CHANNELS, PLACES, scene_materials, scene_window
from vireidkit.twilight.sensor import develop
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, VERSION_1, WIDTH, Settings
from vireidkit.twilight.surface import Surface, shading_normals, surface_of

TALL, WIDE = HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING
DEVELOPING = {"visible": 1.25, "near-infrared": 1.15, "thermal": 1.0}  # brings the usual scene to the middle of the range


@dataclass(frozen=True)
class _Shot:
    """A view, and the band and sensor that it is taken with."""

    view: View
    camera: Camera
    band: str
    optics: Optics


@lru_cache(maxsize=16)
def dressed(person: Person) -> Mesh:
    """The person's body with clothes; kept, since several pictures of a person follow each other."""
    return dress(load_body(), person)


def render(
    person: Person,
    view: View,
    *,
    band: str | None = None,
    coupling: float = VERSION_1.coupling,
    scene_seed: int = VERSION_1.scene_seed,
    without_person: bool = False,
) -> np.ndarray:
    """Render one picture.

    Args:
        person: who; view: how the picture is taken (``draw_view``).
        band: "visible", "near-infrared" or "thermal"; None is the camera's own. Any camera can be asked for any band.
        coupling: see ``Settings``; scene_seed: which places the cameras look at.
        without_person: the same crop of the scene, exposure, blur and noise, and nobody there.

    Returns:
        (128, 64, 3) uint8; infrared bands hold one channel three times.

    Raises:
        ValueError: an unknown band, or a coupling outside 0 to 1.
    """
    shot = _shot(view, band)
    mesh = dressed(person)
    posed = pose(load_body(), mesh, person, view.walk_phase, turn=view.turn_degrees)
    projection = project(posed, view)
    scene = scene_window(scene_seed, view, projection, shot.band)
    if not without_person and shot.band != "thermal":
        scene = scene * contact_shadow(view, projection)
    picture = _scene_light(scene, shot)
    if not without_person:
        _add_person(picture, person, mesh, projection, shot, coupling)
    _add_occluder(picture, shot)
    if shot.band == "thermal":
        picture = light.automatic_gain(picture, view.air_celsius)
    if shot.band == "near-infrared":
        picture = picture * light.lamp_spot(TALL, WIDE)
    balance = shot.optics.balance if shot.band == "visible" else 1.0
    exposure = shot.optics.gain * DEVELOPING[shot.band] * 2**view.exposure_stops
    return develop(picture * balance * exposure, shot.optics, view)


def _shot(view: View, band: str | None) -> _Shot:
    """The view with its camera's sensor, or with a usual one where another band is asked for."""
    camera = camera_of(view.camera)
    band = camera.band if band is None else band
    if band not in BANDS:
        raise ValueError(f"band must be one of {', '.join(BANDS)}; found {band!r}")
    return _Shot(view, camera, band, camera.optics if band == camera.band else GENERIC_OPTICS[band])


def _scene_light(scene: np.ndarray, shot: _Shot) -> np.ndarray:
    """The scene's own light, or its temperature."""
    if shot.band == "visible":
        return light.scene_visible(scene, shot.optics, shot.view)
    if shot.band == "near-infrared":
        return light.scene_near_infrared(scene, shot.optics, shot.view)
    return scene + shot.view.air_celsius


def _add_person(picture: np.ndarray, person: Person, mesh: Mesh, projection: Projection, shot: _Shot, coupling: float) -> None:
    """Write the person's light over the scene."""
    fragments = rasterise(projection.points, projection.depth, mesh.triangles, mesh.covers, TALL, WIDE, two_sided(mesh))
    surface = surface_of(person, mesh, fragments, coupling=coupling)
    normals = shading_normals(projection.space, mesh, fragments, surface, person, folds=shot.view.folds)
    picture.reshape(TALL * WIDE, -1)[fragments.pixel] = _person_light(surface, normals, fragments, shot)


def _person_light(surface: Surface, normals: np.ndarray, fragments: Fragments, shot: _Shot) -> np.ndarray:
    """What the fragments send to the sensor, (f, C)."""
    if shot.band == "thermal":
        return light.temperature(surface, normals, shot.view)
    openness = sky_openness(fragments)
    if shot.band == "near-infrared":
        return light.near_infrared_light(surface, normals, openness, shot.optics, shot.view)
    outdoors = PLACES[shot.camera.scene].outdoors
    return light.visible_light(surface, normals, openness, shot.optics, shot.view, outdoors=outdoors)


def sky_openness(fragments: Fragments) -> np.ndarray:
    """(f,) how much of the sky a fragment sees: less where its surroundings are nearer to the camera, as under an arm."""
    depth = np.zeros(TALL * WIDE)
    body = np.zeros(TALL * WIDE)
    depth[fragments.pixel], body[fragments.pixel] = fragments.depth, 1
    half_depth, half_body = (plane.reshape(TALL, WIDE)[::2, ::2] for plane in (depth, body))
    around = gaussian_filter(half_depth, 3.5) / np.maximum(gaussian_filter(half_body, 3.5), 1e-3)
    around = around.repeat(2, 0).repeat(2, 1).ravel()[fragments.pixel]
    return np.clip(1 - 0.22 * np.maximum(0, around - fragments.depth), 0.35, 1)


def contact_shadow(view: View, projection: Projection) -> np.ndarray:
    """(256, 128, 1) factor: the floor is darker around the feet."""
    rows, columns = np.mgrid[:TALL, :WIDE]
    middle = WIDE / 2 - view.shift * TALL
    across, along = (columns - middle) / (0.26 * WIDE), (rows - projection.ground + 3 * SUPERSAMPLING) / (0.028 * TALL)
    return (1 - 0.55 * np.exp(-(across**2) - along**2))[..., None]


def _add_occluder(picture: np.ndarray, shot: _Shot) -> None:
    """A rail or a case hides the lower part, a post or a plank a strip of the width."""
    view, band = shot.view, shot.band
    if view.occluder == "none":
        return
    rows, columns = np.mgrid[:TALL, :WIDE]
    if view.occluder in ("rail", "case"):
        hidden = rows > TALL * (1 - view.occluder_share)
    else:
        hidden = np.abs(columns - WIDE * view.occluder_place) < 0.45 * WIDE * view.occluder_share
    value = scene_materials()[view.occluder][list(CHANNELS[band])]
    if band == "thermal":
        picture[hidden] = view.air_celsius + value
        return
    ribs = 0.75 + 0.25 * np.sin(0.9 * columns + 0.13 * rows)
    shade = (ribs * (1.1 - 0.4 * rows / TALL))[..., None] * (0.6 if band == "near-infrared" else 1.0)
    picture[hidden] = (value * shade)[hidden]


def picture_changes(changes: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Divide changes by name into those of the picture and those of the person."""
    of_view = {name: value for name, value in changes.items() if name in VIEW_FACTORS}
    return of_view, {name: value for name, value in changes.items() if name not in VIEW_FACTORS}


def draw(
    person: Person | int,
    camera: int,
    band: str | None = None,
    *,
    number: int = 1,
    hardness: float | None = None,
    coupling: float | None = None,
    without_person: bool = False,
    settings: Settings = VERSION_1,
    **changes: Any,
) -> Image.Image:
    """Draw a person as a camera sees them, with anything changed: the same person in another colour, fabric, pose or band.

        draw(12, camera=1)                                 # person 12 of the training population
        draw(12, camera=1, band="near-infrared")           # the same moment under an infrared lamp
        draw(12, camera=1, top_colour="red")               # in a red shirt, all else equal
        draw(12, camera=1, heading_degrees=180, blur_px=2) # from behind, out of focus

    Args:
        person: a ``Person``, or the number of one of the training population.
        camera: 1 to 8; band: None is the camera's own.
        number: which of the person's pictures by this camera, from 1; each has its own draws. With nothing changed, ``draw(12, 1)`` is
            the picture behind ``main/cam1/0012/0001.webp``.
        hardness, coupling: dials; None is the settings' value. without_person: the scene alone.
        changes: factors of the person (names as in ``identities.csv``) or of the picture (names as in ``images.csv``).

    Raises:
        ValueError: an unknown camera, band or factor, or a value that a factor does not take.
    """
    someone = draw_training_person(person, settings) if isinstance(person, int) else person
    of_view, of_person = picture_changes(changes)
    view = draw_view(someone.seed, someone.identity, camera, number, hardness=settings.hardness if hardness is None else hardness)
    picture = render(
        changed(someone, **of_person),
        view.changed(**of_view),
        band=band,
        coupling=settings.coupling if coupling is None else coupling,
        scene_seed=settings.scene_seed,
        without_person=without_person,
    )
    return Image.fromarray(picture)


def draw_training_person(identity: int, settings: Settings = VERSION_1) -> Person:
    """The person of this number in the training population of the settings."""
    return draw_person(settings.train_seed, identity, look_alike_share=settings.look_alike_share, templates=settings.templates)
