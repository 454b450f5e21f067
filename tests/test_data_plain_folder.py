"""The folder of plain pictures: what notebook 13 says of it is true."""

from pathlib import Path

import numpy as np
import pytest

from vireidkit.data.dataset import open_image
from vireidkit.data.plain_folder import BEGINNINGS, ENDINGS, PLACES, write_plain_folder
from vireidkit.errors import DatasetError, SettingError


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_plain_folder(tmp_path_factory.mktemp("plain"), people=4)


def pictures_of(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.suffix.lower() == ".jpg")


def test_everybody_is_in_every_place(folder: Path) -> None:
    pictures = pictures_of(folder)
    assert len(pictures) == 4 * 16
    assert {path.parts[-3] for path in pictures} == set(PLACES.values())
    assert len({path.parts[-2] for path in pictures}) == 4
    assert {path.suffix for path in pictures if "night" in path.parts[-3]} == {".JPG"}
    assert {path.relative_to(folder).as_posix() for path in set(folder.rglob("*.*")) - set(pictures)} == {"notes.txt", "hall-1/Thumbs.db"}


def test_one_picture_is_cut_off_and_one_of_the_night_is_in_colour(folder: Path) -> None:
    broken, coloured = [], []
    for path in pictures_of(folder):
        try:
            pixels = np.asarray(open_image(path, path)).astype(int)
        except DatasetError:
            broken.append(path)
            continue
        if "night" in path.parts[-3] and np.ptp(pixels, axis=2).mean() > 4:
            coloured.append(path)
    assert [path.parts[-3] for path in broken] == ["lobby"]
    assert [path.parts[-3] for path in coloured] == ["hall-2-night"]


def test_the_same_call_writes_the_same_bytes(folder: Path, tmp_path: Path) -> None:
    again = write_plain_folder(tmp_path, people=4)
    assert [path.read_bytes() for path in pictures_of(again)] == [path.read_bytes() for path in pictures_of(folder)]


def test_there_is_a_name_for_everybody() -> None:
    assert len({first + last for first in BEGINNINGS for last in ENDINGS}) == 360


@pytest.mark.parametrize("people", [0, 361])
def test_an_impossible_number_of_people(people: int, tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=f"1 to 360 people, found {people}"):
        write_plain_folder(tmp_path, people=people)
