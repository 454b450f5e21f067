"""Twilight's renderer: synthetic pedestrians in visible light, near-infrared and thermal infrared, every factor known."""

from vireidkit.twilight.camera import BANDS, CAMERAS, VIEW_FACTORS, Camera, View, draw_view, follow
from vireidkit.twilight.compose import draw, draw_training_person, render
from vireidkit.twilight.draws import generator
from vireidkit.twilight.factors import CHANGEABLE, changed, factors_of
from vireidkit.twilight.people import Person, draw_person
from vireidkit.twilight.settings import VERSION_1, Settings
from vireidkit.twilight.sheet import contact_sheet

__all__ = [
    "BANDS",
    "CAMERAS",
    "CHANGEABLE",
    "VERSION_1",
    "VIEW_FACTORS",
    "Camera",
    "Person",
    "Settings",
    "View",
    "changed",
    "contact_sheet",
    "draw",
    "draw_person",
    "draw_training_person",
    "draw_view",
    "factors_of",
    "follow",
    "generator",
    "render",
]
