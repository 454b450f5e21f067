"""HITSZ-VCM: the three folder forms, its tables and counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees_video import VCM_EXPECTED, VCM_QUERY, VCM_TEST, VCM_TRAIN, every_protocol_runs, fails, make_vcm

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.tracklets import Expected
from vireidkit.data.vcm import VCM, read_vcm_tree
from vireidkit.errors import DatasetError

FORMS = ("info", "flat", "folders")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "ir" and "D2" in the path of the root must not matter."""
    return make_vcm(tmp_path / "ir" / "D2")


def read(root: Path, *, allow_partial: bool = False) -> Dataset:
    """The tree with counts of its own, so that small counts are complete counts."""
    return read_vcm_tree(root, expected=VCM_EXPECTED, allow_partial=allow_partial)


def edit(root: Path, file: str, old: str, new: str) -> None:
    """Replace text in a list."""
    text = (root / file).read_text()
    assert old in text
    (root / file).write_text(text.replace(old, new, 1))


# --- a whole folder ---


@pytest.mark.parametrize("form", FORMS)
def test_the_three_forms(tmp_path: Path, form: str) -> None:
    root = make_vcm(tmp_path / "set", form=form)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "infrared") and dataset.validation.empty
    assert dataset.protocols == ("vcm-ir2vis", "vcm-vis2ir", "ir2vis", "vis2ir")
    for split, before, tracks in (("train", 0, VCM_TRAIN), ("test", len(VCM_TRAIN), VCM_TEST)):
        rows = []
        for row, (identity, camera, tracklet, frames, modality) in enumerate(tracks, 1):
            home = f"{split.capitalize()}/" if form == "folders" else ""
            band, word = ("ir", "infrared") if modality == 1 else ("rgb", "visible")
            role = (("query" if row in VCM_QUERY else "gallery"),) if split == "test" else ()
            for frame in range(1, 5 * frames, 5):
                number = 100 * tracklet + frame
                path = f"{home}{identity:04d}/{band}/D{camera}/{number}.jpg"
                rows.append((path, identity, camera, word, before + row, number, *role))
        assert list(dataset.table(split).itertuples(index=False, name=None)) == rows
    assert dataset.open(dataset.test["path"].iloc[0]).mode == "RGB"


def test_a_camera_has_one_number_in_both_modalities(root: Path) -> None:
    test = read(root).test
    assert set(test.loc[(test["identity"] == 503) & (test["camera"] == 1), "modality"]) == {"visible", "infrared"}


def test_query_rows_may_stand_in_several_lines(root: Path) -> None:
    whole = read(root).fingerprint
    (root / "info/query_IDX.txt").write_text("1 \r\n5\r\n")
    assert read(root).fingerprint == whole


def test_vcm_without_root_and_a_small_tree(root: Path) -> None:
    with pytest.raises(DatasetError, match=r"cannot be shipped.*VCM-project233/HITSZ-VCM-data"):
        load_dataset("hitsz-vcm")
    text = fails(lambda root: load_dataset("hitsz-vcm", root), root)
    assert "train: expected 500 identities / 11,061 tracklets / 232,496 images, found 2 / 5 / 12 (truncated or edited lists)" in text
    assert "train and test infrared: expected 10,078 tracklets / 211,807 images, found 5 / 22" in text
    assert len(load_dataset("hitsz-vcm", root, allow_partial=True).notes) == 5


def test_published_counts_add_up() -> None:
    train, test, _, visible, infrared = VCM.counts
    assert train.tracklets + test.tracklets == visible.tracklets + infrared.tracklets == 21863
    assert train.images + test.images == visible.images + infrared.images == 463259
    assert train.identities + test.identities == 927


def test_every_protocol_of_it_can_be_scored(tmp_path: Path) -> None:
    """Tracklets of fewer than 12 frames are dropped, so these are longer."""
    tracks = [(identity, camera, 1, 12, modality) for identity in (503, 927) for camera in (1, 2) for modality in (1, 2)]
    root = make_vcm(tmp_path, test=tracks, query=(1, 3, 5, 7))
    dataset = read_vcm_tree(root, expected=Expected((), "make it again"))
    every_protocol_runs(dataset)


def test_a_list_out_of_order_keeps_its_order(root: Path) -> None:
    """The numbers of the first tracklet fall, so its frames are counted instead; the others keep the numbers of their names."""
    edit(root, "info/train_name.txt", "0001M1D2T1F101.jpg\n0001M1D2T1F106.jpg", "0001M1D2T1F106.jpg\n0001M1D2T1F101.jpg")
    table = read(root).train
    first = table[table["tracklet"] == 1]
    assert [path.rpartition("/")[2] for path in first["path"]] == ["106.jpg", "101.jpg", "111.jpg"] and first["frame"].tolist() == [1, 2, 3]
    assert table.loc[table["tracklet"] == 2, "frame"].tolist() == [201, 206]


# --- broken folders ---


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(read, tmp_path / "nowhere", "does not exist")
    fails(read, root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "0001").mkdir(parents=True)
    fails(read, tmp_path / "other", "expected info, Train, Test, train_name.txt, found 0001")


def test_missing_pictures_are_told_band_by_band(root: Path) -> None:
    shutil.rmtree(root / "0503/ir")
    (root / "0927/rgb/D4/101.jpg").write_bytes(b"")
    text = fails(read, root, "test infrared files: expected 2 identities / 15 images, found 1 / 12 (folder 0503/ir is missing)")
    assert "1 empty picture file, 0927/rgb/D4/101.jpg" in text and "visible files" not in text and "train" not in text
    assert len(read(root, allow_partial=True).test) == 21 - 3 - 1


def test_one_of_train_and_test_is_missing(tmp_path: Path) -> None:
    root = make_vcm(tmp_path, form="folders")
    shutil.rmtree(root / "Test")
    text = fails(read, root, "folder Test is missing")
    assert "train visible" not in text and "train infrared" not in text
    partial = read(root, allow_partial=True)
    assert partial.test.empty and "role" in partial.test.columns and len(partial.train) == 12


def test_pictures_in_the_wrong_form_of_folder(tmp_path: Path) -> None:
    root = make_vcm(tmp_path, form="info")
    (root / "Train").mkdir()
    text = fails(read, root, "none of the 33 listed pictures is there")
    assert "\n" not in text


# --- broken lists ---


@pytest.mark.parametrize("form", ["info", "flat"])
@pytest.mark.parametrize("name", ["train_name", "test_name", "track_train_info", "track_test_info", "query_IDX"])
def test_each_list_can_be_missing_empty_or_no_text(tmp_path: Path, form: str, name: str) -> None:
    root = make_vcm(tmp_path, form=form)
    file = f"info/{name}.txt" if form == "info" else f"{name}.txt"
    for content, words in ((b"", "is empty"), (b"\xff\xfe\x80", "is no text"), (b"garbage here", file)):
        (root / file).write_bytes(content)
        fails(lambda root: read(root, allow_partial=True), root, file, words)
    (root / file).unlink()
    if (form, name) != ("flat", "train_name"):  # which tells a flat tree
        fails(lambda root: read(root, allow_partial=True), root, f"{file} is missing (info is a download of its own")


@pytest.mark.parametrize(
    ("file", "old", "new", "words"),
    [
        ("track_train_info.txt", "1 1 3 0001 2", "1 1 3 0001", "line 1 of info/track_train_info.txt holds '1 1 3 0001', expected five"),
        ("track_train_info.txt", "1 1 3 0001 2", "1 1 3 0001 2.5", "expected five whole numbers: modality, first line"),
        ("track_train_info.txt", "1 1 3 0001 2", "1 1 3 -1 2", "expected five whole numbers"),
        ("track_train_info.txt", "1 1 3 0001 2", "1 0 3 0001 2", "holds lines 0 to 3, expected lines inside 1 to 12"),
        (
            "track_train_info.txt",
            "1 1 3 0001 2",
            "1 1 4 0001 2",
            "row 2 of info/track_train_info.txt holds lines that another row holds too",
        ),
        ("track_train_info.txt", "1 1 3 0001 2", "1 1 3 0004 2", "line 1 of info/train_name.txt is a picture of identity 1, row 1 of"),
        (
            "track_train_info.txt",
            "1 1 3 0001 2",
            "2 1 3 0001 2",
            "line 1 of info/train_name.txt is infrared, row 1 of info/track_train_info.txt says visible",
        ),
        ("train_name.txt", "0001M1D2T1F101.jpg", "0001M1D2T1F../../x.jpg", "line 1 of info/train_name.txt holds '0001M1D2T1F../../x.jpg'"),
        ("train_name.txt", "0001M1D2T1F101.jpg", "0001M1D2/T1F1.jpg", "expected names like '0001M1D2T1F6.jpg'"),
        ("train_name.txt", "0001M1D2T1F106.jpg", "0001M1D2T1F101.jpg", "holds 0001/ir/D2/101.jpg more than once"),
        ("query_IDX.txt", "1 5", "1 6", "info/query_IDX.txt names row 6, expected rows 1 to 5 of info/track_test_info.txt"),
        ("query_IDX.txt", "1 5", "1 1", "names row 1 more than once"),
        ("query_IDX.txt", "1 5", "1 x", "info/query_IDX.txt holds 'x', expected whole numbers"),
    ],
)
def test_garbled_lists(root: Path, file: str, old: str, new: str, words: str) -> None:
    edit(root, f"info/{file}", old, new)
    fails(lambda root: read(root, allow_partial=True), root, words)


def test_all_damages_are_told_at_once(root: Path) -> None:
    edit(root, "info/track_train_info.txt", "1 1 3 0001 2", "1 1 3")
    (root / "info/query_IDX.txt").unlink()
    fails(read, root, "line 1 of info/track_train_info.txt", "info/query_IDX.txt is missing")


def test_other_queries_and_cameras_are_told(root: Path) -> None:
    (root / "info/query_IDX.txt").write_text("1 2")
    edit(root, "info/track_train_info.txt", "1 1 3 0001 2", "1 1 3 0001 9")
    dataset = read(root)
    assert dataset.notes == (
        "info/track_train_info.txt: 1 row with another camera than info/train_name.txt, first row 1; the table holds",
        "1 of 2 query tracklets are visible, first row 2; published ones are infrared",
    )
    assert dataset.train["camera"].iloc[0] == 9


@settings(max_examples=25, deadline=None)
@given(line=st.text(alphabet="0123456789MDTF./ \\jpg-", max_size=30), file=st.sampled_from(["train_name", "track_train_info", "query_IDX"]))
def test_any_line_gives_a_data_set_or_one_line(tmp_path_factory: pytest.TempPathFactory, line: str, file: str) -> None:
    root = tmp_path_factory.getbasetemp() / "any-vcm"
    if not root.exists():
        make_vcm(root)
    path = root / f"info/{file}.txt"
    whole = path.read_text()
    try:
        path.write_text(f"{line}\n" + "\n".join(whole.splitlines()[1:]))
        read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)
    finally:
        path.write_text(whole)


def test_order_is_that_of_the_list_not_of_the_alphabet(root: Path) -> None:
    """101, 106, 111, ... of the longest tracklet: as text 1001 would come before 106."""
    test = read(root).test
    frames = test.loc[test["tracklet"] == 10, "frame"].to_numpy()
    assert len(frames) == 12 and (np.diff(frames) == 5).all()
