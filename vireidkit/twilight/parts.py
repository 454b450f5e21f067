"""The parts of the data set: who is in each, which pictures there are of whom, how the files are called, which lists go with them.

main         cam<1-6>/<4-digit identity>/<4-digit number>.webp    exp/*_id.txt              the tree of SYSU-MM01
thermal      Visible|Thermal/<identity>/visible|thermal_<number>.webp    idx/*_<1-10>.txt   the tree of RegDB
tracklets    visible|infrared/<identity>/cam<camera>_<frame>.webp        manifest.csv       a manifest
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from PIL import Image

from vireidkit.twilight.camera import View, camera_of, draw_view, follow
from vireidkit.twilight.compose import render
from vireidkit.twilight.draws import generator
from vireidkit.twilight.factors import factors_of
from vireidkit.twilight.people import Person, draw_person
from vireidkit.twilight.settings import VERSION_1, Settings

STILLS = {1: 2, 2: 2, 3: 4, 4: 2, 5: 2, 6: 4}  # camera: pictures of one identity, 8 visible and 8 near-infrared
ID_FILES = {"train": "train_id.txt", "validation": "val_id.txt", "test": "test_id.txt"}
PAIR_CAMERAS = {7: ("Visible", "visible"), 8: ("Thermal", "thermal")}  # camera: folder, name of its files
PAIRS, PAIR_SPLITS = 6, 10
TRACKLET_CAMERAS, FRAMES = (1, 4, 3, 6), 8
MAIN_SPLITS = {"train": range(1, 361), "validation": range(361, 401), "test": range(401, 501)}
TRACKLET_SPLITS = {"train": range(1, 33), "validation": range(33, 41), "test": range(41, 81)}


@dataclass(frozen=True)
class PictureKey:
    """One picture of a part.

    Attributes:
        path: relative to the part's folder; identity, camera: of whom and by which camera.
        band: "visible", "near-infrared" or "thermal"; number: of the picture, from 1 (of the frame, in a tracklet).
    """

    path: str
    identity: int
    camera: int
    band: str
    number: int


@dataclass(frozen=True)
class Part(ABC):
    """People and pictures that belong together.

    Attributes:
        name: of the part's folder; settings: seeds and dials; with_people: False draws the scenes alone, with everything else equal.
    """

    name: str
    settings: Settings = VERSION_1
    with_people: bool = True

    @property
    @abstractmethod
    def identities(self) -> list[int]:
        """Everybody, ascending."""

    @abstractmethod
    def seed_of(self, identity: int) -> int:
        """The seed of a person and of the pictures of that person."""

    @abstractmethod
    def pictures(self, identity: int) -> list[PictureKey]:
        """The pictures of one identity, in the order of the tables."""

    @abstractmethod
    def lists(self) -> dict[str, str]:
        """Text files that say which picture belongs where: path relative to the part's folder, content."""

    def person(self, identity: int) -> Person:
        """Draw one identity."""
        shared = {"look_alike_share": self.settings.look_alike_share, "templates": self.settings.templates}
        return draw_person(self.seed_of(identity), identity, **shared)

    def person_factors(self, person: Person) -> dict[str, Any]:
        """Every factor of a person: the columns of identities.csv."""
        return factors_of(person, coupling=self.settings.coupling)

    def view(self, person: Person, key: PictureKey) -> View:
        """How a picture is taken."""
        return draw_view(person.seed, person.identity, key.camera, key.number, hardness=self.settings.hardness)

    def draw(self, person: Person, keys: Sequence[PictureKey]) -> Iterator[tuple[PictureKey, Image.Image, dict[str, Any]]]:
        """Draw pictures of a person.

        Yields:
            (key, picture of 64 x 128 pixels (RGB if visible, else one channel), factors of the picture).
        """
        for key in keys:
            view = self.view(person, key)
            pixels = render(
                person,
                view,
                coupling=self.settings.coupling,
                scene_seed=self.settings.scene_seed,
                without_person=not self.with_people,
            )
            yield key, Image.fromarray(pixels if key.band == "visible" else np.ascontiguousarray(pixels[..., 0])), view.factors()


@dataclass(frozen=True)
class Divided(Part):
    """A part whose people are in one split each.

    Attributes:
        splits: identities of "train", "validation" and "test", each of them possibly left out.

    Raises:
        ValueError: another name of a split, or an identity that comes twice.
    """

    splits: Mapping[str, Sequence[int]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        members = [identity for ids in self.splits.values() for identity in ids]
        if set(self.splits) - set(ID_FILES) or len(set(members)) < len(members):
            known = ", ".join(ID_FILES)
            raise ValueError(f"expected the splits {known} with every identity in one of them; found {dict(self.splits)}")

    @property
    def split_of(self) -> dict[int, str]:
        """The split of everybody, by ascending identity."""
        return dict(sorted((identity, split) for split, members in self.splits.items() for identity in members))

    @property
    def identities(self) -> list[int]:
        return list(self.split_of)


@dataclass(frozen=True)
class Stills(Divided):
    """Single pictures in the tree of SYSU-MM01; the test split has a seed of its own.

    Attributes:
        cameras: pictures of one identity in each camera.
    """

    cameras: Mapping[int, int] = field(default_factory=lambda: STILLS)

    def seed_of(self, identity: int) -> int:
        return self.settings.test_seed if self.split_of.get(identity) == "test" else self.settings.train_seed

    def pictures(self, identity: int) -> list[PictureKey]:
        return [
            PictureKey(f"cam{camera}/{identity:04d}/{number:04d}.webp", identity, camera, camera_of(camera).band, number)
            for camera, count in sorted(self.cameras.items())
            for number in range(1, count + 1)
        ]

    def lists(self) -> dict[str, str]:
        members = {split: [identity for identity, own in self.split_of.items() if own == split] for split in ID_FILES}
        lists = {f"exp/{ID_FILES[split]}": ids for split, ids in members.items() if ids}
        lists["exp/available_id.txt"] = self.identities
        return {path: ",".join(map(str, ids)) + "\n" for path, ids in lists.items()}


@dataclass(frozen=True)
class Pairs(Part):
    """Visible and thermal pictures, number k of both from one viewpoint at one moment, in the tree of RegDB."""

    people: int = 100

    @property
    def identities(self) -> list[int]:
        return list(range(self.people))

    def seed_of(self, identity: int) -> int:
        return self.settings.thermal_seed

    def pictures(self, identity: int) -> list[PictureKey]:
        return [
            PictureKey(f"{folder}/{identity}/{name}_{number}.webp", identity, camera, camera_of(camera).band, number)
            for camera, (folder, name) in PAIR_CAMERAS.items()
            for number in range(1, PAIRS + 1)
        ]

    def halves(self, split: int) -> dict[str, list[int]]:
        """The identities of "train" and "test" in one of the ten random splits, from 1; each half ascending."""
        order = generator(self.settings.thermal_seed, "splits", split).permutation(self.people).tolist()
        return {"train": sorted(order[: self.people // 2]), "test": sorted(order[self.people // 2 :])}

    def lists(self) -> dict[str, str]:
        """Four lists a split. The label in a train list is the class, in a test list the identity."""
        lists = {}
        for split in range(1, PAIR_SPLITS + 1):
            for half, members in self.halves(split).items():
                for camera, (_, name) in PAIR_CAMERAS.items():
                    lines = [
                        f"{key.path} {label if half == 'train' else identity}"
                        for label, identity in enumerate(members)
                        for key in self.pictures(identity)
                        if key.camera == camera
                    ]
                    lists[f"idx/{half}_{name}_{split}.txt"] = "\n".join(lines) + "\n"
        return lists


@dataclass(frozen=True)
class Tracklets(Divided):
    """Successive frames, one tracklet of everybody in each of four cameras, with a manifest."""

    def seed_of(self, identity: int) -> int:
        return self.settings.tracklet_seed

    def pictures(self, identity: int) -> list[PictureKey]:
        return [
            PictureKey(f"{modality_of(band)}/{identity}/cam{camera}_{frame}.webp", identity, camera, band, frame)
            for camera, band in ((camera, camera_of(camera).band) for camera in TRACKLET_CAMERAS)
            for frame in range(1, FRAMES + 1)
        ]

    def view(self, person: Person, key: PictureKey) -> View:
        first = draw_view(person.seed, person.identity, key.camera, 1, hardness=self.settings.hardness)
        return follow(first, key.number - 1, person.gait.stride)

    def lists(self) -> dict[str, str]:
        lines = ["path,identity,camera,modality,split,tracklet,frame"]
        for place, (identity, split) in enumerate(self.split_of.items()):
            for key in self.pictures(identity):
                tracklet = place * len(TRACKLET_CAMERAS) + TRACKLET_CAMERAS.index(key.camera) + 1
                lines.append(f"{key.path},{identity},{key.camera},{modality_of(key.band)},{split},{tracklet},{key.number}")
        return {"manifest.csv": "\n".join(lines) + "\n"}


def modality_of(band: str) -> str:
    """The modality of a band: "visible", or "infrared" for all others."""
    return "visible" if band == "visible" else "infrared"


PARTS: dict[str, Part] = {
    part.name: part for part in (Stills("main", splits=MAIN_SPLITS), Pairs("thermal"), Tracklets("tracklets", splits=TRACKLET_SPLITS))
}
