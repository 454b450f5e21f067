"""The cameras, what is drawn for one picture, and the projection of a body onto it."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields, replace
from functools import cached_property
from typing import Any

import numpy as np

from vireidkit.twilight.draws import generator
from vireidkit.twilight.settings import HEIGHT, SUPERSAMPLING, WIDTH

BANDS = ("visible", "near-infrared", "thermal")
OCCLUDERS = ("rail", "post", "case", "plank")
OCCLUDED_SHARE = 0.15  # of the pictures at hardness 1
FRAME_SECONDS = 0.12  # between two frames of a tracklet
STEPS_PER_SECOND = 0.9  # whole walk cycles, two steps each


@dataclass(frozen=True)
class Optics:
    """A sensor in one band and the light that it works with.

    Attributes:
        gain: exposure of the camera itself; exposure_spread: standard deviation of a picture's own exposure in stops at hardness 1.
        ambient: share of light from all sides, 0 to 1; the rest comes from the lamp or the sun.
        lamp: (azimuth, elevation) of it in degrees, seen from the person; azimuth 0 is the camera's side.
        balance: factors on red, green and blue; noise: strength of the sensor noise in linear light.
    """

    gain: float
    exposure_spread: float
    ambient: float
    lamp: tuple[float, float]
    noise: float
    balance: tuple[float, float, float] = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Camera:
    """One camera, fixed in one place.

    Attributes:
        band: what it records; scene: name of what it looks at; optics: of its own band.
        headings: (centre, spread) in degrees of the directions in which people cross its view; 0 walks towards the camera.
        elevation: range in degrees, how far it looks down; distance: range in decimetres.
        blur: range of the standard deviation of the optical blur in pixels; routes: people keep one heading of the list for good.
    """

    number: int
    band: str
    scene: str
    headings: tuple[tuple[float, float], ...]
    elevation: tuple[float, float]
    distance: tuple[float, float]
    blur: tuple[float, float]
    optics: Optics
    routes: bool = False


# Where a camera is asked for a band that is not its own.
GENERIC_OPTICS = {
    "visible": Optics(1.05, 0.45, 0.6, (30, 60), 0.012),
    "near-infrared": Optics(0.80, 0.40, 0.22, (0, 10), 0.014),
    "thermal": Optics(1.0, 0.0, 1.0, (0, 0), 0.012),
}
ROOM_ROUTES = ((0.0, 20.0), (180.0, 20.0), (60.0, 20.0), (-60.0, 20.0), (120.0, 20.0), (-120.0, 20.0))

# Numbers and bands as in SYSU-MM01: 2 and 3 share a room. 7 and 8 share one viewpoint, as the pairs of RegDB do. All values are ours.
CAMERAS = {
    camera.number: camera
    for camera in (
        Camera(1, "visible", "corridor", ((0, 22), (180, 22)), (8, 16), (45, 70), (0.30, 0.70),
               Optics(1.00, 0.40, 0.62, (30, 60), 0.012, (1.12, 1.00, 0.80))),
        Camera(2, "visible", "room", ROOM_ROUTES, (12, 20), (50, 75), (0.25, 0.60),
               Optics(1.10, 0.45, 0.70, (-60, 65), 0.010, (0.93, 1.00, 1.10)), routes=True),
        Camera(3, "near-infrared", "room", ROOM_ROUTES, (12, 20), (50, 75), (0.30, 0.70),
               Optics(0.80, 0.40, 0.24, (0, 10), 0.013), routes=True),
        Camera(4, "visible", "street", ((90, 28), (-90, 28), (20, 25)), (6, 14), (60, 110), (0.30, 0.80),
               Optics(1.05, 0.60, 0.38, (70, 45), 0.012, (1.03, 1.00, 0.97))),
        Camera(5, "visible", "park", ((0, 60), (180, 60)), (4, 12), (60, 110), (0.40, 0.90),
               Optics(0.80, 0.60, 0.72, (-100, 50), 0.020, (0.95, 1.02, 1.06))),
        Camera(6, "near-infrared", "gate", ((-70, 35), (110, 35), (0, 35), (180, 25)), (12, 24), (50, 90), (0.30, 0.80),
               Optics(0.74, 0.45, 0.18, (10, 15), 0.016)),
        Camera(7, "visible", "street", ((0, 70), (180, 70)), (3, 8), (70, 110), (0.45, 0.85),
               Optics(1.00, 0.45, 0.50, (40, 50), 0.012)),
        Camera(8, "thermal", "street", ((0, 70), (180, 70)), (3, 8), (70, 110), (0.60, 1.00),
               Optics(1.00, 0.00, 1.00, (0, 0), 0.012)),
    )
}  # fmt: skip
PAIRED = {8: 7}  # camera 8 takes its viewpoint from camera 7


def camera_of(number: int) -> Camera:
    """The camera of this number.

    Raises:
        ValueError: there is none.
    """
    if number not in CAMERAS:
        raise ValueError(f"camera must be one of {', '.join(map(str, CAMERAS))}; found {number}")
    return CAMERAS[number]


@dataclass(frozen=True)
class View:
    """Everything that was drawn for one picture. Where a unit is not in the name: shares of the crop's height or plain numbers.

    Attributes:
        seed, identity, camera, number: the key of the picture's draws.
        heading_degrees: 0 walks towards the camera, 90 to the picture's right; walk_phase: 0 to 2 pi, two steps;
            folds: where the folds of the clothes lie, 0 to 2 pi.
        elevation_degrees, distance_dm: of the camera; turn_degrees: of the head; place, zoom: the part of the scene that is seen.
        top_margin, bottom_margin, side_margin, shift, aspect: the crop around the person, as a detector would cut it.
        exposure_stops: against the camera's own exposure; blur_px: standard deviation of the optical blur; motion_px: sideways.
        ambient: more (to 1) or less (to -1) light from all sides; lamp_degrees: the lamp's azimuth against the usual one.
        overcast: no sun, outdoors only; air_celsius: temperature of the air, seen in thermal only.
        occluder: what stands before the person, "none" for nothing; occluder_place, occluder_share: where and how much.
    """

    seed: int
    identity: int
    camera: int
    number: int
    heading_degrees: float
    walk_phase: float
    folds: float
    elevation_degrees: float
    distance_dm: float
    turn_degrees: float
    place: float
    zoom: float
    top_margin: float
    bottom_margin: float
    side_margin: float
    shift: float
    aspect: float
    exposure_stops: float
    blur_px: float
    motion_px: float
    ambient: float
    lamp_degrees: float
    overcast: bool
    air_celsius: float
    occluder: str
    occluder_place: float
    occluder_share: float

    def factors(self) -> dict[str, Any]:
        """The drawn factors by name, without the key: the columns of ``images.csv``."""
        return {name: getattr(self, name) for name in VIEW_FACTORS}

    def changed(self, **changes: Any) -> View:
        """The same picture with some factors set.

        Raises:
            ValueError: a name that is no factor of a picture.
        """
        if unknown := sorted(set(changes) - set(VIEW_FACTORS)):
            raise ValueError(f"unknown factor of a picture: {', '.join(unknown)}; known: {', '.join(VIEW_FACTORS)}")
        if changes.get("occluder", "none") not in ("none", *OCCLUDERS):
            raise ValueError(f"occluder must be none, {', '.join(OCCLUDERS)}; found {changes['occluder']!r}")
        return replace(self, **changes)


VIEW_FACTORS = tuple(field.name for field in fields(View))[4:]


def draw_view(seed: int, identity: int, camera: int, number: int, *, hardness: float) -> View:
    """Draw the factors of one picture.

    The spread of heading, crop, exposure and blur and the share of occluded pictures grow with ``hardness``, and the draws behind them
    stay the same, so that turning the dial changes one picture gradually. Cameras 7 and 8 share all that concerns the viewpoint.

    Raises:
        ValueError: an unknown camera, or a key below 0.
    """
    at = camera_of(camera)
    g = generator(seed, "viewpoint", identity, PAIRED.get(camera, camera), number)
    s = generator(seed, "sensor", identity, camera, number)
    # In a room with fixed routes the way a person takes is the person's own: the same at every visit, in both cameras.
    way = generator(seed, "route", identity) if at.routes else g
    centre, spread = at.headings[way.integers(len(at.headings))]
    margins = g.uniform(-1, 1, 3)
    occluded = g.random() < OCCLUDED_SHARE * hardness
    low, high = at.blur
    return View(
        seed, identity, camera, number,
        heading_degrees=_wrapped(centre + 0.75 * hardness * spread * g.normal()),
        walk_phase=g.uniform(0, 2 * math.pi),
        folds=g.uniform(0, 2 * math.pi),
        elevation_degrees=g.uniform(*at.elevation),
        distance_dm=g.uniform(*at.distance),
        turn_degrees=12 * g.normal(),
        place=g.uniform(),
        zoom=g.uniform(0.6, 1.1),
        top_margin=0.045 + 0.045 * hardness * margins[0],
        bottom_margin=0.03 + 0.06 * hardness * margins[1],
        side_margin=0.11 + 0.09 * hardness * margins[2],
        shift=0.035 * hardness * g.normal(),
        aspect=1.01 + 0.09 * hardness * g.uniform(-1, 1),
        exposure_stops=at.optics.exposure_spread * hardness * s.normal(),
        blur_px=low + hardness * (high - low) * s.uniform(),
        motion_px=s.uniform(0, 0.5),
        ambient=s.uniform(-1, 1),
        lamp_degrees=25 * s.normal(),
        overcast=bool(s.random() < 0.3),
        air_celsius=18 + 3 * s.normal(),
        occluder=OCCLUDERS[g.integers(len(OCCLUDERS))] if occluded else "none",
        occluder_place=g.uniform(),
        occluder_share=g.uniform(0.12, 0.34),
    )  # fmt: skip


def _wrapped(degrees: float) -> float:
    """The angle between -180 and 180."""
    return (degrees + 180) % 360 - 180


def follow(view: View, frame: int, stride: float = 1.0) -> View:
    """The view of a later frame of a tracklet: the walk goes on, heading, place and scale drift, the crop trembles.

    Exposure, blur and light stay those of the first frame.

    Args:
        frame: number of the frame, from 0; ``FRAME_SECONDS`` apart.
        stride: of the person; long strides are slightly faster.
    """
    if frame == 0:
        return view
    g = generator(view.seed, "tremble", view.identity, view.camera, view.number, frame)
    turn = math.radians(view.heading_degrees)
    drift = generator(view.seed, "drift", view.identity, view.camera, view.number).normal()
    tremble = 0.004 * g.normal(size=4)
    walked = 2 * math.pi * STEPS_PER_SECOND * stride**0.3 * FRAME_SECONDS * frame
    return replace(
        view,
        walk_phase=(view.walk_phase + walked) % (2 * math.pi),
        folds=view.folds + 0.8 * walked,
        heading_degrees=_wrapped(view.heading_degrees + 0.8 * drift * frame),
        place=min(1.0, max(0.0, view.place + 0.012 * frame * math.sin(turn))),
        zoom=view.zoom * (1 - 0.006 * frame * math.cos(turn)),
        top_margin=view.top_margin + tremble[0],
        bottom_margin=view.bottom_margin + tremble[1],
        side_margin=view.side_margin + tremble[2],
        shift=view.shift + tremble[3],
    )


@dataclass(frozen=True, eq=False)
class Projection:
    """A body on the picture plane.

    Attributes:
        points: (n, 2) in samples, x to the right and y down; space: (n, 3) in camera space, z towards the camera, dm.
        ground: where the feet stand, in samples from the top; scale: samples per dm of the plane through the person.
    """

    points: np.ndarray
    space: np.ndarray
    ground: float
    scale: float

    @cached_property
    def depth(self) -> np.ndarray:
        """(n,), larger is nearer."""
        return self.space[:, 2]


BODY_CENTRE = 8.3  # height that the camera aims at, dm


def project(vertices: np.ndarray, view: View) -> Projection:
    """Turn a posed body (n, 3) by the view's heading, look at it, and cut the picture around it as a detector would."""
    space = (vertices - [0, BODY_CENTRE, 0]) @ _about_y(view.heading_degrees).T @ _about_x(view.elevation_degrees).T
    plane = space[:, :2] / (view.distance_dm - space[:, 2:]) * view.distance_dm
    low, high = plane.min(0), plane.max(0)
    tall = high[1] - low[1]
    top = high[1] + view.top_margin * tall
    height = top - (low[1] - view.bottom_margin * tall)
    width = max(height * view.aspect * WIDTH / HEIGHT, (high[0] - low[0]) * (0.92 + view.side_margin))
    middle = (high[0] + low[0]) / 2 + view.shift * height
    h, w = HEIGHT * SUPERSAMPLING, WIDTH * SUPERSAMPLING
    points = np.stack([(plane[:, 0] - middle) / width * w + w / 2, (top - plane[:, 1]) / height * h], 1)
    return Projection(points, space, ground=float((top - low[1]) / height * h), scale=float(h / height))


def _about_y(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_x(degrees: float) -> np.ndarray:
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])
