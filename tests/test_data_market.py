"""Market-1501: its names, its roles, its counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import os
import shutil
import warnings
from pathlib import Path

import pandas as pd
import pytest
from trees_images import MARKET_EXPECTED, MARKET_PEOPLE, SIZE, make_market_tree

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.market import MARKET, read_market_tree
from vireidkit.errors import DatasetError

TRAIN, QUERY, GALLERY = "bounding_box_train", "query", "bounding_box_test"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "query" in the path of the root must not matter."""
    return make_market_tree(tmp_path / "query" / "0002_c1s1")


def read(root: Path, *, allow_partial: bool = False) -> Dataset:
    return read_market_tree(
        root, name="small", title="Small", expected=MARKET_EXPECTED, protocols=("market",), credit="nobody", allow_partial=allow_partial
    )


def fails(root: Path, *words: str, allow_partial: bool = False) -> str:
    """Reading fails with one line that holds the root and all these words."""
    with pytest.raises(DatasetError) as caught:
        read(root, allow_partial=allow_partial)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


# --- a whole folder ---


def test_tables_hold_the_pictures_by_name_queries_first(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "none") and dataset.validation.empty
    on_disk = {folder: sorted(f"{folder}/{file.name}" for file in (root / folder).iterdir()) for folder in (TRAIN, QUERY, GALLERY)}
    assert dataset.train["path"].tolist() == on_disk[TRAIN]
    assert dataset.test["path"].tolist() == on_disk[QUERY] + [path for path in on_disk[GALLERY] if "/-1_" not in path]
    assert dataset.test["role"].tolist() == ["query"] * 2 + ["gallery"] * 12 and "role" not in dataset.train
    for row in pd.concat([dataset.train, dataset.test]).itertuples():
        name = row.path.split("/")[1]
        assert (row.identity, row.camera, row.frame) == (int(name[:4]), int(name[6]), int(name[10:16]))
        assert (row.modality, row.tracklet) == ("visible", -1)
    assert set(dataset.train["identity"]) == set(MARKET_PEOPLE["train"])
    assert dataset.open(dataset.train["path"].iloc[0]).size == SIZE[::-1]


def test_junk_is_left_out_and_distractors_stay_in_the_gallery(root: Path) -> None:
    test = read(root).test
    assert (test["identity"] >= 0).all() and set(test.loc[test["identity"] == 0, "role"]) == {"gallery"}


def test_published_numbers(root: Path) -> None:
    """datasets.md 4.1: 19,732 files lie in the folder of the gallery."""
    assert MARKET.images["gallery"] + MARKET.junk == 19732 and MARKET.identities["train"] + MARKET.identities["query"] == 1501
    with pytest.raises(
        DatasetError, match=r"bounding_box_train: expected 751 identities / 12,936 images, found 3 / 12 .*query: expected 750"
    ):
        load_dataset("market1501", root)
    dataset = load_dataset("market1501", root, allow_partial=True)
    assert dataset.protocols == ("market",) and len(dataset.notes) == 4


def test_the_folder_above_is_accepted(root: Path, tmp_path: Path) -> None:
    whole = read(root)
    (tmp_path / "data").mkdir()
    root.rename(tmp_path / "data" / "Market-1501-v15.09.15")
    dataset = read(tmp_path / "data")
    assert dataset.root == tmp_path / "data" / "Market-1501-v15.09.15" and dataset.fingerprint == whole.fingerprint


def test_the_fingerprint_is_that_of_a_copy(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert read(tmp_path / "copy").fingerprint == read(root).fingerprint


# --- broken folders ---


def test_market_without_root_tells_how_to_get_it() -> None:
    with pytest.raises(DatasetError, match=r"bounding_box_train, query and bounding_box_test.*project page"):
        load_dataset("market1501")


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "does not exist")
    (tmp_path / "market.zip").write_bytes(b"PK")
    fails(tmp_path / "market.zip", "this is a file")
    fails(root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "cam1").mkdir(parents=True)
    fails(tmp_path / "other", "expected the folders bounding_box_train, query, bounding_box_test, found cam1")


@pytest.mark.parametrize("folder", [TRAIN, QUERY, GALLERY])
def test_missing_folder_is_told_once(root: Path, folder: str) -> None:
    shutil.rmtree(root / folder)
    text = fails(root, f"folder {folder} is missing (incomplete copy)")
    assert text.replace(str(root), "").count(folder) == 1
    assert f"folder {folder} is missing (incomplete copy)" in read(root, allow_partial=True).notes


def test_missing_and_additional_pictures(root: Path) -> None:
    (root / TRAIN / "0002_c1s1_000048_02.jpg").unlink()
    (root / QUERY / "0003_c6s1_000047_01.jpg").unlink()
    shutil.copy(root / GALLERY / "0001_c1s1_000048_02.jpg", root / GALLERY / "0001_c1s1_000050_02.jpg")
    text = fails(root, "make it again, or pass allow_partial=True")
    assert "bounding_box_train: expected 3 identities / 12 images, found 3 / 11 (incomplete copy)" in text
    assert "query: expected 2 identities / 2 images, found 1 / 1 (whole identities are missing, incomplete copy)" in text
    assert "bounding_box_test: expected 3 identities / 12 images, found 3 / 13 (more than published: another version" in text
    assert len(read(root, allow_partial=True).notes) == 3


def test_missing_junk_is_a_note(root: Path) -> None:
    """Nothing uses it, and many copies leave it out."""
    for file in (root / GALLERY).glob("-1_*"):
        file.unlink()
    assert read(root).notes == ("bounding_box_test holds 0 junk images (identity -1), expected 2; none is used",)


def test_identity_that_is_learnt_and_tested(root: Path) -> None:
    shutil.copy(root / TRAIN / "0007_c1s1_000048_02.jpg", root / QUERY / "0007_c1s1_000048_02.jpg")
    fails(root, "identity 7 is both in bounding_box_train and query", allow_partial=True)


def test_query_without_a_match_is_noted(root: Path) -> None:
    for name in ("0001_c1s1_000048_02.jpg", "0001_c1s1_000049_03.jpg"):
        (root / GALLERY / name).unlink()
    notes = read(root, allow_partial=True).notes
    assert notes[-1] == "query: identity 1 is in no other camera of the gallery; such queries have no match and drop out"


@pytest.mark.parametrize(
    "stray", ["Thumbs.db", ".DS_Store", "._0002_c1s1_000048_02.jpg", "copy of 0002.jpg", "0002_c1s1_000048_02.txt", "-2_c1s1_000001_01.jpg"]
)
def test_stray_files_are_ignored_with_a_warning(root: Path, stray: str) -> None:
    whole = read(root)
    (root / TRAIN / stray).write_bytes(b"stray")
    with pytest.warns(UserWarning, match="ignored"):
        dataset = read(root)
    assert f"ignored {TRAIN}/{stray}: expected names of the form" in dataset.notes[0] and dataset.fingerprint == whole.fingerprint


def test_folder_with_a_pictures_name_and_camera_out_of_range(root: Path) -> None:
    (root / TRAIN / "0002_c1s1_000060_02.jpg").mkdir()
    (root / TRAIN / "0002_c7s1_000061_02.jpg").write_bytes(b"picture")
    fails(root, "bounding_box_train/0002_c7s1_000061_02.jpg is of camera 7, expected 1 to 6")
    with pytest.warns(UserWarning, match=r"0002_c1s1_000060_02.jpg"):
        assert len(read(root, allow_partial=True).train) == 12


def test_empty_file_is_told_once_and_a_link_to_nowhere_is_fatal(root: Path) -> None:
    file = root / TRAIN / "0002_c1s1_000048_02.jpg"
    file.write_bytes(b"")
    text = fails(root, "bounding_box_train/0002_c1s1_000048_02.jpg is an empty file")
    assert "expected 3 identities" not in text
    file.unlink()
    file.symlink_to(root / "gone.jpg")
    fails(root, "0002_c1s1_000048_02.jpg cannot be read: No such file", allow_partial=True)


def test_folder_without_permission(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(GALLERY):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    fails(root, GALLERY, "Permission denied", allow_partial=True)


def test_nothing_there_is_an_error_even_when_partial(tmp_path: Path) -> None:
    for folder in (TRAIN, QUERY, GALLERY):
        (tmp_path / folder).mkdir()
    fails(tmp_path, "there is no picture in bounding_box_train, query, bounding_box_test", allow_partial=True)
