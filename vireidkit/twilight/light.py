"""How surfaces look in each band: reflected light of the sky and the sun, of the camera's own lamp, or heat."""

from __future__ import annotations

import math

import numpy as np

from vireidkit.twilight.camera import Optics, View
from vireidkit.twilight.dressing import SLOTS
from vireidkit.twilight.surface import Surface

SKY, SUN = np.array([0.97, 1.0, 1.05]), np.array([1.06, 1.0, 0.92])  # tint of the light from all sides and of the direct light
SKIN_CELSIUS, HAND_CELSIUS, CORE_CELSIUS = 33.6, 30.0, 31.5  # face, hands, and the body under cloth; model settings
USUAL_DISTANCE = 62.0  # dm, at which the infrared lamp is set


def ambient_share(optics: Optics, view: View) -> float:
    """The share of light that comes from all sides in this picture."""
    return float(np.clip(optics.ambient + 0.12 * view.ambient, 0.1, 0.9))


def lamp_direction(optics: Optics, view: View) -> np.ndarray:
    """Unit vector towards the lamp in camera space."""
    azimuth, elevation = math.radians(optics.lamp[0] + view.lamp_degrees), math.radians(optics.lamp[1])
    return np.array([math.sin(azimuth) * math.cos(elevation), math.sin(elevation), math.cos(azimuth) * math.cos(elevation)])


def upwardness(normals: np.ndarray, view: View) -> np.ndarray:
    """(f,) how far each surface faces the sky, -1 to 1; normals are in camera space."""
    tilt = math.radians(view.elevation_degrees)
    return normals[:, 1] * math.cos(tilt) + normals[:, 2] * math.sin(tilt)


def visible_light(surface: Surface, normals: np.ndarray, openness: np.ndarray, optics: Optics, view: View, *, outdoors: bool) -> np.ndarray:
    """Light that fragments send to the camera, (f, 3) linear: Lambert under a sky and a sun, plus a highlight on smooth cloth.

    Args:
        normals: (f, 3) unit, in camera space; openness: (f,) share of the sky that is not hidden by the body itself.
        outdoors: whether an overcast sky takes the sun away.
    """
    ambient = ambient_share(optics, view)
    lamp = lamp_direction(optics, view)
    direct = 0.0 if outdoors and view.overcast else 1.5 * (1 - ambient)
    sky = ambient * (0.66 + 0.34 * upwardness(normals, view)) * openness
    falling = sky[:, None] * SKY + (direct * np.maximum(0, normals @ lamp))[:, None] * SUN
    halfway = np.add(lamp, (0, 0, 1))
    highlight = surface.sheen * np.maximum(0, normals @ (halfway / np.linalg.norm(halfway))) ** 22 * 2 * (1 - ambient)
    return surface.albedo * falling + highlight[:, None]


def scene_visible(reflectance: np.ndarray, optics: Optics, view: View) -> np.ndarray:
    """The scene's light in the visible band, from its reflectance."""
    ambient = ambient_share(optics, view)
    return reflectance * (0.85 * ambient + 0.8 * (1 - ambient))


def near_infrared_light(surface: Surface, normals: np.ndarray, openness: np.ndarray, optics: Optics, view: View) -> np.ndarray:
    """(f, 1): the lamp sits at the camera, so that surfaces that face it are light and edges are dark; nearer is lighter."""
    ambient = ambient_share(optics, view)
    facing = np.maximum(0, normals[:, 2])
    lamp = 1.15 * (1 - ambient) * facing**0.8 * (view.distance_dm / USUAL_DISTANCE) ** -0.6 * (0.75 + 0.25 * openness)
    sky = ambient * (0.7 + 0.3 * upwardness(normals, view)) * openness
    return (surface.nir * (lamp + sky) + 0.5 * surface.sheen * facing**30)[:, None]


def scene_near_infrared(reflectance: np.ndarray, optics: Optics, view: View) -> np.ndarray:
    """The scene is farther from the lamp than the person, and darker for it."""
    ambient = ambient_share(optics, view)
    return reflectance * (0.34 * (1 - ambient) + 0.8 * ambient)


def lamp_spot(height: int, width: int) -> np.ndarray:
    """(height, width, 1): the infrared lamp lights the middle of the picture best."""
    rows, columns = np.mgrid[:height, :width]
    spot = 1.15 - 0.5 * ((rows - 0.4 * height) / height) ** 2 - 0.7 * ((columns - width / 2) / width) ** 2
    return spot[..., None]


def temperature(surface: Surface, normals: np.ndarray, view: View) -> np.ndarray:
    """(f, 1) apparent temperature in degrees Celsius: what a thermal camera reads.

    Cloth lies between the air and the body by its insulation, and is cooler where it hangs free; skin is warm, bags and shoes are nearly
    as cold as the air. A surface that emits less shows the cold sky instead. Reconstruction from plausible settings, not a measurement.
    """
    air, base = view.air_celsius, surface.base
    slot = {name: surface.slot == SLOTS.index(name) for name in ("skin", "bag", "shoe", "hair")}
    bare = slot["skin"] & (surface.insulation < 0.2)
    skin = np.where(surface.along > 1.0, HAND_CELSIUS, SKIN_CELSIUS) - 0.36 * np.sin(3 * base[:, 0] + 2 * base[:, 1])
    # Cloth that hangs free is cooler than cloth that lies on the body: broad patches, larger in thick folds.
    free = np.sin(base @ [0.9, 0.8, 1.1] + view.walk_phase) * np.sin(base @ [-0.7, 0.5, 1.3] + 1.0)
    contact = np.clip(0.97 - (0.05 + 0.06 * surface.wrinkle) * free, 0.7, 1.1) * np.where(surface.along > 0.5, 0.9, 1)
    celsius = air + (CORE_CELSIUS - air) * (1 - surface.insulation) * contact
    celsius = np.where(bare, skin, celsius)
    celsius = np.where(slot["bag"], air + 1.5 + 0.5 * upwardness(normals, view), celsius)
    celsius = np.where(slot["shoe"], air + 3.5, celsius)
    celsius = np.where(slot["hair"], air + 0.42 * (31 - air), celsius)
    emitted = surface.emissivity * np.clip(0.82 + 0.18 * np.sqrt(np.maximum(normals[:, 2], 0)), 0, 1)
    return (emitted * celsius + (1 - emitted) * (air - 4))[:, None]


def automatic_gain(celsius: np.ndarray, air: float) -> np.ndarray:
    """Temperatures (h, w, 1) as linear light, as a thermal camera spreads them over its range: the coldest dark, skin light."""
    low = np.percentile(celsius, 2)
    high = max(np.percentile(celsius, 99.3), air + 9)
    return np.clip((celsius - low) / (high - low), 0, 1.15) ** 2.2 * 0.8
