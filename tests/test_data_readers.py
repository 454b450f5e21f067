"""Readers: what a whole folder gives, and one test for each way a folder can be broken."""

from __future__ import annotations

import dataclasses
import os
import re
import shutil
import warnings
import zlib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import SPLITS, expected_of, make_tree, make_twilight, picture, published_sysu, write_lists

from vireidkit.data import list_datasets, load_dataset, read_factors, register_reader
from vireidkit.data.dataset import Dataset, open_image
from vireidkit.data.registry import _READERS
from vireidkit.data.sysu import Count, Expected, _Scan, read_tree
from vireidkit.errors import DatasetError, SettingError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "cam" in the path of the root must not matter."""
    return make_tree(tmp_path / "webcam3" / "cam1_0001")


def read(root: Path, *, allow_partial: bool = False, expected: Expected | None = None) -> Dataset:
    """The tree as a data set of its own kind, so that small counts are complete counts."""
    return read_tree(
        root,
        name="small",
        title="Small",
        bands=("visible", "near-infrared"),
        expected=expected or expected_of(),
        protocols=("ir2vis",),
        credit="nobody",
        allow_partial=allow_partial,
    )


def fails(root: Path, *words: str, error: type[Exception] = DatasetError) -> str:
    """Reading fails with one line that holds the root and all these words."""
    with pytest.raises(error) as caught:
        read(root)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


# --- a whole folder ---


def test_tables_hold_every_picture_in_path_order(root: Path) -> None:
    dataset = read(root)
    assert dataset.notes == ()
    for split, identities in SPLITS.items():
        table = dataset.table(split)
        on_disk = sorted(file.relative_to(root).as_posix() for file in root.glob("cam*/*/*") if int(file.parent.name) in identities)
        assert table["path"].tolist() == on_disk
        for row in table.itertuples():
            camera, identity, name = row.path.split("/")
            assert (row.camera, row.identity, row.frame) == (int(camera[3:]), int(identity), int(name.split(".")[0]))
            assert row.modality == ("infrared" if row.camera in (3, 6) else "visible")
            assert row.tracklet == -1


@pytest.mark.parametrize("camera", range(1, 7))
def test_every_format_opens_as_rgb(root: Path, camera: int) -> None:
    dataset = read(root)
    row = dataset.train[dataset.train["camera"] == camera].iloc[0]
    found = np.asarray(dataset.open(row["path"])).astype(float)
    true = np.asarray(picture(row["identity"], camera, row["frame"]).convert("RGB")).astype(float)
    assert found.shape == (32, 16, 3)
    assert np.abs(found - true).mean() < 12  # lossy formats
    if camera in (3, 6):
        assert (found[..., 0] == found[..., 1]).all() and (found[..., 0] == found[..., 2]).all()


def test_upper_case_suffixes_are_read(root: Path) -> None:
    (root / "cam1/0001/0001.jpg").rename(root / "cam1/0001/0001.JPG")
    assert "cam1/0001/0001.JPG" in set(read(root).train["path"])


def test_published_sysu_is_accepted_without_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of datasets.md 1.3 are consistent with each other and with its totals. Only the folder scan is replaced."""
    lists, rows = published_sysu()
    write_lists(tmp_path, lists)
    (tmp_path / "cam1").mkdir()
    monkeypatch.setattr("vireidkit.data.sysu._scan", lambda root, where: _Scan(rows, {row[0]: 1 for row in rows}))
    monkeypatch.setattr("vireidkit.data.sysu.fingerprint_of", lambda *_: "0" * 64)
    dataset = load_dataset("sysu-mm01", tmp_path)
    assert dataset.notes == ()
    both = dataset.table("train+validation")
    assert both["identity"].nunique() == len(dataset.labels("train+validation")) == 395
    assert both["modality"].value_counts().to_dict() == {"visible": 22258, "infrared": 11909}
    assert (dataset.test["modality"] == "infrared").sum() == 3803
    assert sum(camera in (1, 2, 4, 5) for _, _, camera, _ in rows) == 30071 and len(rows) == 30071 + 15792
    rows.remove(("cam6/0006/0020.jpg", 6, 6, 20))
    with pytest.raises(DatasetError, match=r"cam6 test: expected 96 identities / 1,920 images, found 96 / 1,919 \(last pictures"):
        load_dataset("sysu-mm01", tmp_path)


def test_identities_outside_the_splits_may_differ(root: Path) -> None:
    """They are counted in the published totals, and no protocol uses them: a note and no error."""
    picture(99, 1, 1).save(_folder(root / "cam1/0099") / "0001.jpg")
    expected = dataclasses.replace(
        expected_of(), whole={1: Count("all identities", (1,), 12, 24), 2: Count("all identities", (2,), 11, 22)}
    )
    notes = read(root, expected=expected).notes
    assert notes == ("cam1: expected 12 identities / 24 images in all, found 12 / 23; only identities outside the splits differ",)


def _folder(path: Path) -> Path:
    path.mkdir()
    return path


# --- broken roots ---


def test_root_that_does_not_exist(tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "does not exist")


def test_root_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "set.zip").write_bytes(b"PK")
    fails(tmp_path / "set.zip", "this is a file")


def test_root_without_camera_folders_tells_what_it_found(tmp_path: Path) -> None:
    (tmp_path / "Visible").mkdir()
    fails(tmp_path, "expected the folders cam1 to cam6", "found Visible")


def test_root_one_folder_too_high_tells_the_right_one(root: Path) -> None:
    fails(root.parent, f"did you mean {root}?")


def test_sysu_without_root_tells_how_to_get_it() -> None:
    with pytest.raises(DatasetError, match="release agreement"):
        load_dataset("sysu-mm01")


# --- broken camera folders ---


def test_missing_camera_folder(root: Path) -> None:
    shutil.rmtree(root / "cam3")
    text = fails(root, "camera folder cam3 is missing")
    assert text.replace(str(root), "").count("cam3") == 1  # the counts that follow from it are not listed again
    partial = read(root, allow_partial=True)
    assert "camera folder cam3 is missing" in partial.notes
    assert 3 not in set(partial.train["camera"])


def test_every_camera_that_differs_is_named(root: Path) -> None:
    (root / "cam2/0001/0001.png").unlink()
    (root / "cam4/0009/0002.bmp").unlink()
    shutil.rmtree(root / "cam6/0007")
    text = fails(root)
    assert "cam2 train: expected 6 identities / 12 images, found 6 / 11 (numbers have a gap, cam2/0001/0001 is missing)" in text
    assert "cam4 test: expected 3 identities / 6 images, found 3 / 5 (last pictures of some folders missing, incomplete copy)" in text
    assert "cam6 validation: expected 2 identities / 6 images, found 1 / 3 (1 identity folders missing or empty, incomplete copy)" in text
    assert "cam1" not in text.split(str(root))[1] and "cam5" not in text


def test_camera_without_any_listed_identity(root: Path) -> None:
    for identity in SPLITS["test"]:
        shutil.rmtree(root / f"cam5/{identity:04d}")
    fails(root, "cam5 test: expected 3 identities / 6 images, found 0 / 0", "the folders of these identities are missing")


def test_more_pictures_than_published(root: Path) -> None:
    picture(1, 1, 3).save(root / "cam1/0001/0003.jpg")
    fails(root, "cam1 train", "found 6 / 13", "more than published")


def test_partial_reading_lists_what_is_missing(root: Path) -> None:
    (root / "cam2/0001/0002.png").unlink()
    notes = read(root, allow_partial=True).notes
    assert len(notes) == 1 and "cam2 train: expected 6 identities / 12 images, found 6 / 11" in notes[0]


def test_a_folder_without_any_listed_identity_is_no_data_set(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "set", splits={"train": (1, 2), "validation": (3,), "test": (4,)})
    write_lists(root, {"train": (101,), "validation": (102,), "test": (103,)})
    with pytest.raises(DatasetError, match="none of the 56 images"):
        read(root, allow_partial=True)


def test_folder_without_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(os.path.join("cam3", "0002")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)  # a test may run as root, whom chmod does not stop
    fails(root, os.path.join("cam3", "0002"), "Permission denied")


def test_link_to_nowhere(root: Path) -> None:
    (root / "cam1/0001/0002.jpg").unlink()
    (root / "cam1/0001/0002.jpg").symlink_to(root / "gone.jpg")
    fails(root, "cam1/0001/0002.jpg", "No such file")


def test_empty_picture_file(root: Path) -> None:
    (root / "cam1/0001/0002.jpg").write_bytes(b"")
    fails(root, "cam1/0001/0002.jpg is an empty file")
    partial = read(root, allow_partial=True)
    assert "cam1/0001/0002.jpg" not in set(partial.train["path"])


def test_two_files_of_one_number(root: Path) -> None:
    picture(1, 1, 1).save(root / "cam1/0001/0001.png")
    fails(root, "cam1/0001/0001.jpg", "cam1/0001/0001.png", "two files of one picture number")


@pytest.mark.parametrize(
    "stray",
    ["cam1/Thumbs.db", "cam3/0001/.DS_Store", "cam1/0001/._0001.jpg", "cam4/0001/0001 copy.bmp", "cam2/0001/1.png", "cam1/6/0001.jpg"],
)
def test_stray_files_are_ignored_with_a_warning(root: Path, stray: str) -> None:
    whole = read(root)
    (root / stray).parent.mkdir(exist_ok=True)
    (root / stray).write_bytes(b"stray")
    with pytest.warns(UserWarning, match="ignored") as caught:
        dataset = read(root)
    named = "cam1/6" if stray.startswith("cam1/6") else stray
    assert named in str(caught[0].message) and named in dataset.notes[0]
    pd.testing.assert_frame_equal(dataset.train, whole.train)
    assert dataset.fingerprint == whole.fingerprint


def test_a_seventh_camera_is_a_stray(root: Path) -> None:
    shutil.copytree(root / "cam1", root / "cam7")
    with pytest.warns(UserWarning, match="ignored cam7"):
        assert set(read(root).train["camera"]) == {1, 2, 3, 4, 5, 6}


def test_other_files_beside_the_cameras_are_nobodys_business(root: Path) -> None:
    (root / "readme.txt").write_text("hello")
    (root / "exp/train_id.mat").write_bytes(b"MATLAB")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(root).notes == ()


def test_identity_in_one_modality_stays_and_is_noted(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "set", absent=[(3, 2), (6, 2), (3, 9), (6, 9)])
    dataset = read(root, allow_partial=True)
    assert 2 in set(dataset.train["identity"])
    assert "train: identity 2 is in one modality only; kept in the table, but no batch can hold them" in dataset.notes
    assert any(note.startswith("test: identity 9 is in one modality only") for note in dataset.notes)


# --- broken identity lists ---


def test_missing_identity_list(root: Path) -> None:
    (root / "exp/val_id.txt").unlink()
    fails(root, "exp/val_id.txt is missing")


def test_missing_exp_folder(root: Path) -> None:
    shutil.rmtree(root / "exp")
    fails(root, "exp/train_id.txt is missing")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b" \n\n", "is empty"),
        (b"1,2,x", "'x'"),
        (b"1,2,", "''"),
        (b"1,-2", "'-2'"),
        (b"0,1", "'0'"),
        (b"1;2;3", "'1;2;3'"),
        (b"1.0,2.0", "'1.0'"),
        (b"1,2\n3,4", "2 lines"),
        (b"1,2,2", "identity 2 more than once"),
        (b"\xff\xfe\x00\x80", "no text"),
        ("\u0661,\u0662".encode(), "'\u0661'"),
    ],
)
def test_garbled_identity_list(root: Path, content: bytes, words: str) -> None:
    (root / "exp/train_id.txt").write_bytes(content)
    fails(root, "exp/train_id.txt", words)


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=40))
def test_any_identity_list_gives_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any-list"
    if not root.exists():
        make_tree(root, splits={"train": (1,), "validation": (2,), "test": (3,)}, images={1: 1, 3: 1})
    (root / "exp/train_id.txt").write_bytes(content)
    try:
        read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)


def test_byte_order_mark_and_spaces_are_no_harm(root: Path) -> None:
    (root / "exp/train_id.txt").write_bytes(b"\xef\xbb\xbf1, 2,3 ,4,5,6\r\n")
    assert read(root).notes == ()


def test_identity_list_that_cannot_be_read(root: Path) -> None:
    (root / "exp/test_id.txt").unlink()
    (root / "exp/test_id.txt").mkdir()
    fails(root, "exp/test_id.txt cannot be read")


def test_identity_in_two_splits(root: Path) -> None:
    (root / "exp/train_id.txt").write_text("1,2,3,4,5,6,7,8")
    fails(root, "2 identities (7, 8) are both in exp/train_id.txt and exp/val_id.txt", "merge the validation list")


def test_identity_list_of_another_length(root: Path) -> None:
    (root / "exp/train_id.txt").write_text("1,2,3,4,5")
    fails(root, "exp/train_id.txt lists 5 identities, expected 6", "follows from exp/train_id.txt")


def test_identity_list_of_another_sum(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "set", splits={"train": range(1, 297), "validation": (400,), "test": (500,)}, images={1: 1}, size=(2, 2))
    with pytest.raises(DatasetError, match=r"exp/train_id.txt adds up to 43956, expected 83180: not the official list"):
        load_dataset("sysu-mm01", root)


# --- broken pictures, at the time they are opened ---


@pytest.mark.parametrize("camera", range(1, 7))
def test_truncated_picture_is_named(root: Path, camera: int) -> None:
    dataset = read(root)
    path = dataset.train.loc[dataset.train["camera"] == camera, "path"].iloc[0]
    file = root / path
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
    with pytest.raises(DatasetError, match=re.escape(str(file))) as caught:
        dataset.open(path)
    assert "\n" not in str(caught.value)


def test_file_that_is_no_picture(root: Path) -> None:
    dataset = read(root)
    (root / "cam1/0001/0001.jpg").write_text("<html>404</html>")
    with pytest.raises(DatasetError, match=r"cam1/0001/0001.jpg: no picture in a known format"):
        dataset.open("cam1/0001/0001.jpg")


def test_picture_with_impossible_dimensions(root: Path) -> None:
    """A header that promises 3.6 thousand million pixels must not be believed."""
    dataset = read(root)
    content = bytearray((root / "cam2/0001/0001.png").read_bytes())
    content[16:24] = (60_000).to_bytes(4, "big") * 2
    content[29:33] = zlib.crc32(content[12:29]).to_bytes(4, "big")
    (root / "cam2/0001/0001.png").write_bytes(content)
    with pytest.raises(DatasetError, match=r"cam2/0001/0001.png: Image size \(3600000000 pixels\)"):
        dataset.open("cam2/0001/0001.png")


def test_picture_that_went_away(root: Path) -> None:
    dataset = read(root)
    (root / "cam1/0001/0001.jpg").unlink()
    with pytest.raises(DatasetError, match=r"image file is missing: .*cam1/0001/0001.jpg"):
        dataset.open("cam1/0001/0001.jpg")


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_damaged_bytes_give_a_picture_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    """Whatever a decoder makes of broken bytes, the user sees a DatasetError and nothing else."""
    file = tmp_path_factory.getbasetemp() / f"damaged{data.draw(st.sampled_from(['.jpg', '.png', '.bmp', '.webp']))}"
    picture(1, 1, 1).save(file)
    content = bytearray(file.read_bytes())
    for _ in range(data.draw(st.integers(0, 4))):
        content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    file.write_bytes(content[: data.draw(st.integers(0, len(content)))])
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # Pillow's own remarks on sizes
            assert open_image(file, file).mode == "RGB"
    except DatasetError as error:
        assert str(file) in str(error) and "\n" not in str(error)


# --- the Dataset ---


def test_fingerprint_is_the_same_for_a_copy_and_differs_for_other_data(root: Path, tmp_path: Path) -> None:
    first = read(root).fingerprint
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)  # new times
    assert read(tmp_path / "copy").fingerprint == first
    file = tmp_path / "copy/cam1/0001/0001.jpg"  # the first file is always in the sample
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    assert read(tmp_path / "copy").fingerprint != first
    file.write_bytes(content + b"\0")
    assert read(tmp_path / "copy").fingerprint != first
    file.write_bytes(content)
    write_lists(tmp_path / "copy", {"train": (1, 2, 3, 4, 5, 11), "test": (9, 10, 6)})
    assert read(tmp_path / "copy").fingerprint != first


def test_labels_follow_the_sorted_identities(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "set", splits={"train": (40, 3, 17), "validation": (5,), "test": (1,)})
    dataset = load_dataset("sysu-mm01", root, allow_partial=True)
    assert dataset.labels("train") == {3: 0, 17: 1, 40: 2}
    assert dataset.labels("train+validation") == {3: 0, 5: 1, 17: 2, 40: 3}


def test_table_of_both_training_parts_and_of_an_unknown_one(root: Path) -> None:
    dataset = read(root)
    both = dataset.table("train+validation")
    assert len(both) == len(dataset.train) + len(dataset.validation) and both.index.equals(pd.RangeIndex(len(both)))
    with pytest.raises(SettingError, match="unknown split 'trian'"):
        dataset.table("trian")


def test_changing_a_table_changes_nothing_inside(root: Path) -> None:
    dataset = read(root)
    table = dataset.table("train")
    table.loc[0, "identity"] = 999
    table["extra"] = 1
    assert 999 not in set(dataset.train["identity"]) and "extra" not in dataset.train


def test_limited_keeps_the_first_identities_of_each_split(root: Path) -> None:
    dataset = read(root)
    small = dataset.limited(2)
    for split, identities in SPLITS.items():
        assert sorted(small.table(split)["identity"].unique()) == list(identities[:2])
    assert small.fingerprint not in (dataset.fingerprint, dataset.limited(1).fingerprint)
    assert small.fingerprint == dataset.limited(2).fingerprint
    assert dataset.limited(100) is dataset
    with pytest.raises(SettingError, match="at least 1"):
        dataset.limited(0)


def test_counts_are_those_of_the_tables(root: Path) -> None:
    counts = read(root).counts()
    assert counts["split"].unique().tolist() == ["train", "validation", "test"]
    row = counts[(counts["split"] == "test") & (counts["camera"] == 3)].iloc[0]
    assert (row["modality"], row["identities"], row["images"]) == ("infrared", 3, 9)
    assert counts["images"].sum() == 11 * 14


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda table: table.drop(columns="frame"), "lacks the columns"),
        (lambda table: table.set_index("path", drop=False), "index"),
        (lambda table: table.astype({"camera": float}), "integers"),
        (lambda table: table.assign(modality="thermal"), "thermal"),
    ],
)
def test_a_reader_that_breaks_its_promise_is_told(root: Path, change: object, words: str) -> None:
    dataset = read(root)
    with pytest.raises(ValueError, match=words):
        dataclasses.replace(dataset, test=change(dataset.test))
    with pytest.raises(ValueError, match="both train and test"):
        dataclasses.replace(dataset, test=dataset.train)


# --- the registry ---


def test_unknown_data_set_and_split() -> None:
    assert {"sysu-mm01", "regdb", "manifest", "twilight", "twilight-thermal", "twilight-tracklets"} <= set(list_datasets())
    with pytest.raises(SettingError, match=r"unknown data set 'sysu' .*known: .*twilight"):
        load_dataset("sysu")
    with pytest.raises(SettingError, match="did you mean 'twilight'"):
        load_dataset("twighlight")
    with pytest.raises(SettingError, match="one split, 1; found split 2"):
        load_dataset("twilight", split=2)


def test_a_reader_of_the_users_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vireidkit.data.registry._READERS", dict(_READERS))

    @register_reader("mine", splits=3)
    def mine(root: Path | None, *, split: int, allow_partial: bool) -> Dataset:
        assert root is not None and split == 3
        return read(root, allow_partial=allow_partial)

    assert "mine" in list_datasets()
    assert len(load_dataset("mine", str(root), split=3).train) == 84
    with pytest.raises(SettingError, match="splits 1 to 3; found split 4"):
        load_dataset("mine", root, split=4)
    with pytest.raises(ValueError, match="taken"):
        register_reader("mine")(read)


# --- Twilight ---


def test_twilight_of_the_checkout_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIREIDKIT_TWILIGHT", raising=False)
    dataset = load_dataset("twilight")
    assert dataset.notes == ()
    assert [dataset.table(split)["identity"].nunique() for split in ("train", "validation", "test")] == [360, 40, 100]
    per_identity = dataset.train.groupby(["identity", "modality"]).size()
    assert (per_identity == 8).all()
    assert dataset.open(dataset.test["path"].iloc[0]).size == (64, 128)


def test_twilight_thermal_of_the_checkout_is_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIREIDKIT_TWILIGHT", raising=False)
    tested = []
    for split in (1, 10):
        dataset = load_dataset("twilight-thermal", split=split)
        assert dataset.notes == () and dataset.validation.empty
        assert (dataset.train.groupby(["identity", "modality"]).size() == 6).all()
        assert sorted({*dataset.train["identity"], *dataset.test["identity"]}) == list(range(100))
        assert set(dataset.train["frame"]) == {1, 2, 3, 4, 5, 6}
        tested.append(set(dataset.test["identity"]))
    assert len(tested[0]) == len(tested[1]) == 50 and tested[0] != tested[1]


def test_twilight_tracklets_of_the_checkout_are_whole(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIREIDKIT_TWILIGHT", raising=False)
    dataset = load_dataset("twilight-tracklets")
    assert dataset.notes == ()
    assert [dataset.table(split)["identity"].nunique() for split in ("train", "validation", "test")] == [32, 8, 40]
    rows = pd.concat([dataset.table("train+validation"), dataset.test])
    assert rows["tracklet"].nunique() == 80 * 4 and (rows.groupby("tracklet").size() == 8).all()
    bands = ("ir2vis", "vis2ir", "within-visible", "within-infrared")
    kinds = ("image2image", "image2video", "video2video")
    assert dataset.protocols == (*bands, *(f"{kind}-{band}" for kind in kinds for band in bands))


@pytest.fixture
def twilight(tmp_path: Path) -> Path:
    """The three parts of Twilight, small."""
    return make_twilight(tmp_path / "twilight")


PARTS = [("twilight", "main"), ("twilight-thermal", "thermal"), ("twilight-tracklets", "tracklets")]


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_every_part_is_found_by_argument_then_variable_then_checkout(
    name: str, part: str, twilight: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VIREIDKIT_TWILIGHT", str(twilight))
    assert load_dataset(name, allow_partial=True).root == twilight / part
    other = make_twilight(tmp_path / "other")
    assert load_dataset(name, other, allow_partial=True).root == other / part
    with pytest.raises(DatasetError, match=r"expected .*restore data/twilight"):
        load_dataset(name)
    monkeypatch.setenv("VIREIDKIT_TWILIGHT", str(tmp_path / "gone"))
    with pytest.raises(DatasetError, match=r"VIREIDKIT_TWILIGHT names .*gone"):
        load_dataset(name)
    monkeypatch.delenv("VIREIDKIT_TWILIGHT")
    monkeypatch.setattr("vireidkit.data.twilight._checkout", lambda: tmp_path / "no-checkout")
    with pytest.raises(DatasetError, match="clone the vireidkit repository"):
        load_dataset(name)
    monkeypatch.setattr("vireidkit.data.twilight._checkout", lambda: other)
    assert load_dataset(name, allow_partial=True).root == other / part


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_a_part_that_is_missing_or_named_itself(name: str, part: str, twilight: Path) -> None:
    assert load_dataset(name, twilight / part, allow_partial=True).root == twilight / part
    other = next(folder for folder in ("main", "thermal", "tracklets") if folder != part)
    with pytest.raises(DatasetError, match=rf"expected the folders main, thermal, tracklets, did you mean {twilight}\?"):
        load_dataset(name, twilight / other)
    shutil.rmtree(twilight / part)
    rest = ", ".join(sorted({"main", "thermal", "tracklets"} - {part}))
    with pytest.raises(DatasetError, match=f"expected the folders main, thermal, tracklets, found {rest} .restore data/twilight"):
        load_dataset(name, twilight)
    with pytest.raises(DatasetError, match="does not exist"):
        load_dataset(name, twilight / "nowhere")


def test_twilight_of_another_size_is_told_camera_by_camera(twilight: Path) -> None:
    with pytest.raises(DatasetError, match=r"exp/train_id.txt lists 6 identities, expected 360"):
        load_dataset("twilight", twilight)
    with pytest.raises(DatasetError, match=r"list idx/train_visible_1.txt: expected 50 identities / 300 images, found 3 / 18"):
        load_dataset("twilight-thermal", twilight)
    with pytest.raises(DatasetError, match=r"camera 3 validation: expected 8 identities / 64 images, found 1 / 8"):
        load_dataset("twilight-tracklets", twilight)


def test_twilight_thermal_keeps_the_numbers_that_pair_its_pictures(twilight: Path) -> None:
    test = load_dataset("twilight-thermal", twilight, allow_partial=True, split=4).test
    pairs = test.pivot(index=["identity", "frame"], columns="modality", values="path")
    assert len(pairs) == 2 * 6
    for (identity, frame), row in pairs.iterrows():
        assert (
            row["visible"] == f"Visible/{identity}/visible_{frame}.webp" and row["infrared"] == f"Thermal/{identity}/thermal_{frame}.webp"
        )


# --- factor tables ---


@pytest.mark.parametrize(("name", "part"), PARTS)
def test_factor_tables_merge_with_the_tables(name: str, part: str, twilight: Path) -> None:
    dataset = load_dataset(name, twilight, allow_partial=True).limited(1)
    identities, images = read_factors(dataset)
    rows = pd.concat([dataset.table("train+validation"), dataset.test])
    assert set(identities["identity"]) == set(rows["identity"]) and set(images["path"]) == set(rows["path"])
    merged = dataset.test.merge(images, on="path", validate="1:1").merge(identities, on="identity", validate="m:1")
    assert len(merged) == len(dataset.test)
    assert set(merged.columns) == {*dataset.test.columns, *images.columns, *identities.columns}  # no column came twice
    assert set(identities["hat"]) == {"none"} and set(images["blur_px"]) == {0.25}


def test_factor_tables_that_are_missing_or_short(root: Path) -> None:
    dataset = read(root)
    with pytest.raises(DatasetError, match=r"no factor table .*identities.csv"):
        read_factors(dataset)
    (root / "identities.csv").write_text("identity,hat\n1,none\n")
    (root / "images.csv").write_text("path,blur\ncam1/0001/0001.jpg,0.5\n")
    with pytest.raises(DatasetError, match="lack 140 rows of the data set, first identity 2"):
        read_factors(dataset)
    (root / "identities.csv").write_text("person,hat\n1,none\n")
    with pytest.raises(DatasetError, match="needs a column 'identity'"):
        read_factors(dataset)
    (root / "identities.csv").write_text("")
    with pytest.raises(DatasetError, match=r"factor table cannot be read: .*identities.csv"):
        read_factors(dataset)


def test_multi_shot_is_offered_where_the_permutation_file_lies(tmp_path: Path) -> None:
    make_tree(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert "sysu-all-multi" not in load_dataset("sysu-mm01", tmp_path, allow_partial=True).protocols
        (tmp_path / "exp" / "rand_perm_cam.mat").write_bytes(b"its content is the protocol's business")
        assert {"sysu-all-multi", "sysu-indoor-multi"} < set(load_dataset("sysu-mm01", tmp_path, allow_partial=True).protocols)
