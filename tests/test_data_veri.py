"""VeRi-776: its tables and tracklets, its counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees_video import VERI_EXPECTED, VERI_QUERY, VERI_TEST, VERI_TRAIN, every_protocol_runs, fails, make_veri, veri_names

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.veri import read_veri_tree, survey_veri_tree
from vireidkit.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "image_test" in the path of the root must not matter."""
    return make_veri(tmp_path / "image_test" / "0002_c002_00030600_0.jpg")


def read(root: Path, *, allow_partial: bool = False) -> Dataset:
    """The tree with counts of its own, so that small counts are complete counts."""
    return read_veri_tree(root, expected=VERI_EXPECTED, allow_partial=allow_partial)


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace text in a list."""
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))


# --- a whole folder ---


def test_queries_are_pictures_and_the_gallery_is_tracks(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "none") and dataset.validation.empty
    assert dataset.protocols == ("veri-image2image", "veri-image2video", "veri-video2image", "veri-video2video")
    rows = []
    for place in VERI_QUERY:
        identity, camera, time, _ = VERI_TEST[place]
        rows.append((f"image_query/{veri_names(VERI_TEST[place])[0]}", identity, camera, "visible", -1, time, "query"))
    for number, track in enumerate(VERI_TEST, 1 + len(VERI_TRAIN)):
        for place, name in enumerate(veri_names(track)):
            rows.append((f"image_test/{name}", *track[:2], "visible", number, track[2] + 5 * place, "gallery"))
    assert list(dataset.test.itertuples(index=False, name=None)) == rows


def test_training_tracklets_are_the_pictures_of_an_identity_in_a_camera(root: Path) -> None:
    table = read(root).train
    assert table["path"].tolist() == sorted(table["path"]) and len(table) == 7
    for row in table.itertuples():
        track = VERI_TRAIN[row.tracklet - 1]
        assert (row.identity, row.camera) == track[:2] and row.path.split("/")[1] in veri_names(track)


def test_the_first_tracklet_of_a_query_can_be_told(root: Path) -> None:
    """Identity 2 has two tracklets in camera 2; the earlier line has the smaller number."""
    test = read(root).test
    same = test[(test["role"] == "gallery") & (test["identity"] == 2) & (test["camera"] == 2)]
    assert same["tracklet"].unique().tolist() == [4, 6] and same.iloc[0]["frame"] == 30600


@pytest.mark.parametrize("ending", ["", " ", "  \r"])
def test_lines_may_end_in_blanks_or_not(root: Path, tmp_path: Path, ending: str) -> None:
    other = make_veri(tmp_path / "other", ending=ending)
    assert read(other).fingerprint == read(root).fingerprint


def test_veri_without_root_and_a_small_tree(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be shipped.*vehiclereid.github.io/VeRi"):
        load_dataset("veri776")
    text = fails(lambda root: load_dataset("veri776", root), root)
    assert "train: expected 576 identities / 37,778 images, found 2 / 7 (name_train.txt is truncated or edited)" in text
    assert "test query: expected 200 identities / 1,678 images, found 2 / 2" in text
    assert "name_test.txt: expected 200 identities / 11,579 images, found 2 / 10 (truncated or edited)" in text
    assert len(load_dataset("veri776", root, allow_partial=True).notes) == 3


@pytest.mark.filterwarnings("error")
def test_every_protocol_of_it_can_be_scored(root: Path) -> None:
    every_protocol_runs(read(root))


# --- broken folders ---


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(read, tmp_path / "nowhere", "does not exist")
    fails(read, root.parent, f"did you mean {root}?")
    (tmp_path / "other").mkdir()
    fails(read, tmp_path / "other", "expected image_train, image_query, image_test, name_train.txt, test_track.txt, found nothing")


def test_missing_pictures(root: Path) -> None:
    shutil.rmtree(root / "image_query")
    (root / "image_test" / veri_names(VERI_TEST[4])[1]).unlink()
    text = fails(read, root, "test files: expected 2 identities / 12 images, found 2 / 9 (folder image_query is missing)")
    assert "train files" not in text
    assert set(read(root, allow_partial=True).test["role"]) == {"gallery"}


def test_unlisted_pictures_are_a_note(root: Path) -> None:
    shutil.copy(root / "image_train" / veri_names(VERI_TRAIN[0])[0], root / "image_train" / "0777_c001_00000001_0.jpg")
    assert read(root).notes == ("ignored 1 file, image_train/0777_c001_00000001_0.jpg, that no list names",)


# --- broken lists ---


@pytest.mark.parametrize("file", ["name_train.txt", "name_query.txt", "name_test.txt", "test_track.txt"])
def test_each_list_can_be_missing_empty_or_no_text(root: Path, file: str) -> None:
    for content, words in ((b"", "is empty"), (b"\xff\xfe\x80", "is no text"), (b"a.jpg b.jpg\n", f"line 1 of {file} holds 'a.jpg")):
        (root / file).write_bytes(content)
        fails(lambda root: read(root, allow_partial=True), root, file, words)
    (root / file).unlink()
    fails(lambda root: read(root, allow_partial=True), root, f"list {file} is missing")


def test_two_missing_lists_are_told_at_once(root: Path) -> None:
    (root / "name_train.txt").unlink()
    (root / "test_track.txt").unlink()
    fails(read, root, "list name_train.txt is missing", "list test_track.txt is missing")


def test_a_survey_goes_on_without_a_list(root: Path) -> None:
    (root / "name_query.txt").unlink()
    (root / "image_test" / veri_names(VERI_TEST[4])[1]).unlink()
    survey = survey_veri_tree(root, expected=VERI_EXPECTED)
    assert survey.fatal == ["list name_query.txt is missing"]
    assert len(survey.problems) == 1 and "test files: expected 2 identities / 10 images, found 2 / 9" in survey.problems[0]


def test_names_come_once(root: Path) -> None:
    name = veri_names(VERI_TRAIN[0])[0]
    with open(root / "name_train.txt", "a") as stream:
        stream.write(f"{name}\n")
    fails(read, root, f"name_train.txt holds image_train/{name} more than once")


def test_a_track_without_frames(root: Path) -> None:
    with open(root / "test_track.txt", "a") as stream:
        stream.write("0776_c008_00000099_0.jpg \n")
    fails(read, root, "line 6 of test_track.txt holds no frame")


def test_frames_of_somebody_else_are_left_out(root: Path) -> None:
    edit(root, "test_track.txt", "0776_c007_00000010_0.jpg 0776", "0002_c007_00000010_0.jpg 0776")
    text = fails(read, root, "test_track.txt: 1 frame, image_test/0776_c007_00000010_0.jpg, of another identity or camera")
    assert "name_test.txt" not in text
    assert len(read(root, allow_partial=True).test) == 11


def test_tracks_and_name_list_may_differ(root: Path) -> None:
    lines = (root / "test_track.txt").read_text().splitlines()
    (root / "test_track.txt").write_text("\n".join([*lines[1:], lines[1]]))
    notes = read(root).notes
    assert "2 pictures come twice in test_track.txt, the first place counts" in notes
    assert any(note.startswith("test_track.txt leaves out 3 pictures, first image_test/0002_c002_00030600_0.jpg") for note in notes)
    edit(root, "name_test.txt", "0776_c007_00000010_0.jpg\n", "0776_c007_00000099_0.jpg\n")
    assert "test_track.txt holds 1 picture, image_test/0776_c007_00000010_0.jpg, that name_test.txt does not list" in read(root).notes


@settings(max_examples=25, deadline=None)
@given(content=st.text(alphabet="0123456789_c. jpg\n/\\", max_size=80))
def test_any_track_file_gives_a_data_set_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: str) -> None:
    root = tmp_path_factory.getbasetemp() / "any-veri"
    if not root.exists():
        make_veri(root)
    (root / "test_track.txt").write_text(content)
    try:
        read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)
