"""DukeMTMC-VideoReID: folders as tracklets, VKD's merged tracklets, counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import itertools
import os
import shutil
import warnings
from pathlib import Path

import pytest
from trees_video import DUKE_EXPECTED, DUKE_TRACKS, encoded, every_protocol_runs, fails, make_duke_video

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.duke_video import read_duke_video_tree
from vireidkit.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "query" and "C3" in the path of the root must not matter."""
    return make_duke_video(tmp_path / "query" / "0002_C3_F0001_X0001.jpg")


def read(root: Path, *, allow_partial: bool = False, merged: bool = False) -> Dataset:
    """The tree with counts of its own, so that small counts are complete counts."""
    return read_duke_video_tree(root, expected=DUKE_EXPECTED, merged=merged, allow_partial=allow_partial)


# --- a whole folder ---


def test_a_folder_is_a_tracklet(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "none") and dataset.validation.empty
    assert dataset.protocols == ("dukev-image2video", "dukev-video2video")
    seen: dict[str, int] = {}
    for split, parts in (("train", ("train",)), ("test", ("query", "gallery"))):
        table = dataset.table(split)
        wanted = sorted((part, identity, tracklet, camera) for part in parts for identity, camera, tracklet, _ in DUKE_TRACKS[part])
        folders = {path.rpartition("/")[0] for path in table["path"]}
        assert folders == {f"{part}/{identity:04d}/{tracklet:04d}" for part, identity, tracklet, _ in wanted}
        for row in table.itertuples():
            part, identity, tracklet, name = row.path.split("/")
            assert (row.identity, row.camera) == (int(identity), int(name.split("_")[1][1:]))
            assert name.split("_")[2] == f"F{row.frame:04d}" and row.modality == "visible"
            assert seen.setdefault(f"{part}/{identity}/{tracklet}", row.tracklet) == row.tracklet
            assert split == "train" or row.role == part
    assert sorted(seen.values()) == list(range(1, 12))


def test_distractors_only_answer(root: Path) -> None:
    test = read(root).test
    assert set(test.loc[test["identity"] == 700, "role"]) == {"gallery"}


def test_older_names_give_the_same_tables(root: Path, tmp_path: Path) -> None:
    old = read(make_duke_video(tmp_path / "old", old_names=True))
    new = read(root)
    for split in ("train", "test"):
        assert old.table(split).drop(columns="path").equals(new.table(split).drop(columns="path"))


def test_merged_tracklets_are_those_of_a_plain_loop(root: Path) -> None:
    """The reference sorts the paths of a part and cuts where identity or camera changes."""
    dataset = read(root, merged=True)
    assert dataset.name == "dukemtmc-videoreid-merged" and dataset.fingerprint != read(root).fingerprint
    for split, parts in (("train", ("train",)), ("test", ("query", "gallery"))):
        table = dataset.table(split)
        wanted = []
        for part in parts:
            paths = sorted(file.relative_to(root) for file in (root / part).rglob("*.jpg"))
            runs = itertools.groupby(paths, key=lambda path: path.name.split("_")[:2])
            wanted += [[path.as_posix() for path in run] for _, run in runs]
        found = [group["path"].tolist() for _, group in table.groupby("tracklet", sort=False)]
        assert found == wanted
        assert [group["frame"].tolist() for _, group in table.groupby("tracklet", sort=False)] == [
            list(range(1, len(run) + 1)) for run in wanted
        ]
    assert dataset.train["tracklet"].nunique() == 4 and dataset.test["tracklet"].nunique() == 5  # of 5 and 6 folders


def test_duke_without_root_says_that_it_was_withdrawn() -> None:
    for name in ("dukemtmc-videoreid", "dukemtmc-videoreid-merged"):
        with pytest.raises(DatasetError, match=f"^{name} needs its folder.*withdrew the data set in 2019"):
            load_dataset(name)


def test_a_small_tree_is_not_the_published_one(root: Path) -> None:
    text = fails(lambda root: load_dataset("dukemtmc-videoreid", root), root)
    assert "train: expected 702 identities / 2,196 tracklets, found 2 / 5 (tracklet folders are missing" in text
    assert "test gallery: expected 1,110 identities / 2,636 tracklets, found 3 / 4" in text
    assert len(load_dataset("dukemtmc-videoreid", root, allow_partial=True).notes) == 3
    assert load_dataset("dukemtmc-videoreid-merged", root, allow_partial=True).train["tracklet"].nunique() == 4


@pytest.mark.filterwarnings("error")
def test_every_protocol_of_it_can_be_scored(root: Path) -> None:
    every_protocol_runs(read(root))


# --- broken folders ---


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(read, tmp_path / "nowhere", "does not exist")
    fails(read, root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "bounding_box_test").mkdir(parents=True)
    fails(read, tmp_path / "other", "expected train, query, gallery, found bounding_box_test")


def test_missing_parts_and_tracklets(root: Path) -> None:
    shutil.rmtree(root / "query")
    shutil.rmtree(root / "train" / "0001" / "0002")
    text = fails(read, root, "folder query is missing", "make it again, or pass allow_partial=True")
    assert "train: expected 2 identities / 5 tracklets, found 2 / 4 (tracklet folders are missing)" in text
    assert set(read(root, allow_partial=True).test["role"]) == {"gallery"}
    shutil.rmtree(root / "gallery")
    shutil.rmtree(root / "train")
    (root / "train").mkdir()
    with pytest.raises(DatasetError, match="none of the folders holds a picture"):
        read(root, allow_partial=True)


def test_emptied_tracklets_and_files(root: Path) -> None:
    for file in (root / "gallery/0700/0001").iterdir():
        file.unlink()
    (root / "train/0009/0001/0009_C8_F0002_X1002.jpg").write_bytes(b"")
    text = fails(read, root, "1 tracklet folder, gallery/0700/0001 without a picture")
    assert "1 empty picture file, train/0009/0001/0009_C8_F0002_X1002.jpg" in text
    assert len(read(root, allow_partial=True).train) == 11


def test_pictures_of_somebody_else_and_two_cameras(root: Path) -> None:
    picture = encoded(1, False, 1, (16, 8))
    (root / "train/0001/0001/0009_C1_F0009_X1.jpg").write_bytes(picture)
    (root / "train/0001/0002/0001_C5_F0009_X1.jpg").write_bytes(picture)
    text = fails(read, root, "1 picture, train/0001/0001/0009_C1_F0009_X1.jpg, named after another identity than the folder")
    assert "1 tracklet, train/0001/0002, with pictures of more than one camera" in text
    table = read(root, allow_partial=True).train
    assert (table.groupby("tracklet")["camera"].nunique() == 1).all()
    assert not table["path"].str.contains("0009_C1").any() and table["path"].str.contains("C5_F0009").any()


@pytest.mark.parametrize("stray", ["train/Thumbs.db", "train/0001/notes.txt", "query/0002/0001/a.jpg", "gallery/extra/0001/x.jpg"])
def test_stray_files_are_ignored_with_a_warning(root: Path, stray: str) -> None:
    whole = read(root)
    (root / stray).parent.mkdir(parents=True, exist_ok=True)
    (root / stray).write_bytes(b"stray")
    with pytest.warns(UserWarning, match="ignored"):
        dataset = read(root)
    assert ("gallery/extra" if "extra" in stray else stray) in dataset.notes[0] and dataset.fingerprint == whole.fingerprint


def test_nobody_is_learnt_and_tested(tmp_path: Path) -> None:
    root = make_duke_video(tmp_path, tracks=DUKE_TRACKS | {"train": DUKE_TRACKS["query"]})
    fails(lambda root: read(root, allow_partial=True), root, "2 identities (2, 5) are in the folder train and in query or gallery")


def test_folder_without_permission_and_link_to_nowhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "query/0002/0001/0002_C1_F0001_X1001.jpg"
    file.unlink()
    file.symlink_to(root / "gone.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(os.path.join("0009", "0002")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    fails(
        read, root, os.path.join("0009", "0002") + " cannot be read: Permission denied", "0002_C1_F0001_X1001.jpg cannot be read: No such"
    )
