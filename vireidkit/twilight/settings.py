"""The settings of a rendered data set: its seeds and its dials. Version 1 of Twilight is one of them."""

from __future__ import annotations

from dataclasses import dataclass

HEIGHT, WIDTH = 128, 64  # pixels of a picture
SUPERSAMPLING = 2  # each pixel is the mean of 2 x 2 samples


@dataclass(frozen=True)
class Settings:
    """Everything that two renderings must share to be equal.

    Attributes:
        train_seed: of the people and pictures of training and validation; test_seed: of those of the test.
        thermal_seed, tracklet_seed: of the other two parts.
        scene_seed: of the scenes; two populations with one scene seed are filmed in the same places.
        hardness: spread of heading, crop, exposure, blur and occlusion; 0 removes it, 1 is hard.
        coupling: how far the visible lightness of cloth survives in near-infrared; 0 not at all, 0.5 as in the table of
            colourants, 1 nearly fully.
        look_alike_share: share of people who wear the clothes of a template, as others do; templates: how many there are.
    """

    train_seed: int = 20261122
    test_seed: int = 20261123
    thermal_seed: int = 20261124
    tracklet_seed: int = 20261125
    scene_seed: int = 20261126
    hardness: float = 0.3
    coupling: float = 0.7
    look_alike_share: float = 0.5
    templates: int = 24

    def __post_init__(self) -> None:
        for name in ("hardness", "coupling", "look_alike_share"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must lie between 0 and 1; found {getattr(self, name)}")


VERSION_1 = Settings()
