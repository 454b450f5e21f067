"""MARS: its tables, its counts, its size, and one test for each way a folder can be broken."""

from __future__ import annotations

import dataclasses
import os
import shutil
import time
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from trees_video import MARS_EXPECTED, MARS_QUERY, MARS_TEST, MARS_TRAIN, Track, every_protocol_runs, fails, make_mars, mars_names

from vireidkit.data import load_dataset, namelists, presence
from vireidkit.data.dataset import Dataset
from vireidkit.data.mars import MARS, _sources, read_mars_tree, survey_mars_tree
from vireidkit.data.presence import Presence
from vireidkit.data.tracklets import Count, Expected
from vireidkit.errors import DatasetError, SettingError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "bbox_test" and "cam" in the path of the root must not matter."""
    return make_mars(tmp_path / "bbox_test" / "cam1" / "0001C1T0001F001.jpg")


def read(root: Path, *, allow_partial: bool = False, expected: Expected = MARS_EXPECTED) -> Dataset:
    """The tree with counts of its own, so that small counts are complete counts."""
    return read_mars_tree(root, expected=expected, allow_partial=allow_partial)


# --- a whole folder ---


def test_tables_hold_the_tracks_in_the_order_of_their_rows(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "none") and dataset.validation.empty
    rows = []
    for before, split, tracks in ((0, "train", MARS_TRAIN), (len(MARS_TRAIN), "test", MARS_TEST)):
        for number, (track, names) in enumerate(zip(tracks, mars_names(tracks), strict=True), 1):
            role = ("query" if number in MARS_QUERY else "gallery") if split == "test" else None
            for frame, name in enumerate(names, 1):
                row = (f"bbox_{split}/{name[:4]}/{name}", track[0], track[1], "visible", before + number, frame)
                rows.append((split, *row, *([role] if role else [])))
    wanted = [row for row in rows if row[2] != -1]
    assert [("train", *row) for row in dataset.train.itertuples(index=False)] == [row for row in wanted if row[0] == "train"]
    assert [("test", *row) for row in dataset.test.itertuples(index=False)] == [row for row in wanted if row[0] == "test"]


def test_junk_is_left_out_and_distractors_only_answer(root: Path) -> None:
    dataset = read(root)
    assert not dataset.test["path"].str.contains("00-1").any() and -1 not in set(dataset.test["identity"])
    assert set(dataset.test.loc[dataset.test["identity"] == 0, "role"]) == {"gallery"}
    shutil.rmtree(root / "bbox_test" / "00-1")  # nobody looks there
    assert read(root).fingerprint == dataset.fingerprint


def test_a_tracklet_is_of_one_identity_camera_role_and_split(root: Path) -> None:
    dataset = read(root)
    for table in (dataset.train, dataset.test.drop(columns="role").assign(role=dataset.test["role"])):
        columns = [name for name in ("identity", "camera", "role") if name in table.columns]
        assert (table.groupby("tracklet")[columns].nunique() == 1).all().all()
    assert not set(dataset.train["tracklet"]) & set(dataset.test["tracklet"])


def test_pictures_open_and_the_fingerprint_follows_the_bytes(root: Path, tmp_path: Path) -> None:
    dataset = read(root)
    assert dataset.open(dataset.test["path"].iloc[-1]).size == (8, 16)
    assert dataset.fingerprint == read(make_mars(tmp_path / "copy")).fingerprint
    file = root / dataset.train["path"].iloc[4]
    file.write_bytes(file.read_bytes() + b"\0")
    assert read(root).fingerprint != dataset.fingerprint


def test_mars_without_root_and_unknown_split() -> None:
    with pytest.raises(DatasetError, match=r"cannot be shipped.*liangzheng06/MARS-evaluation"):
        load_dataset("mars")
    with pytest.raises(SettingError, match="one split"):
        load_dataset("mars", "somewhere", split=2)


def test_a_small_tree_is_not_mars(root: Path) -> None:
    with pytest.raises(DatasetError) as caught:
        load_dataset("mars", root)
    assert "train: expected 625 identities / 8,298 tracklets, found 3 / 7 (tracks_train_info.mat is not the official one)" in str(
        caught.value
    )
    assert "test query: expected 626 identities / 1,980 tracklets, found 3 / 3" in str(caught.value)
    partial = load_dataset("mars", root, allow_partial=True)
    assert len(partial.notes) == 3 and partial.fingerprint == read(root).fingerprint
    assert not any(str(root) in note for note in partial.notes)


def test_lists_with_windows_line_ends_and_columns_of_other_types(root: Path) -> None:
    whole = read(root)
    file = root / "info/train_name.txt"
    file.write_bytes(b"\xef\xbb\xbf" + file.read_bytes().replace(b"\n", b"\r\n"))
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([[row] for row in MARS_QUERY], dtype=float)})
    assert read(root).fingerprint == whole.fingerprint


@pytest.mark.filterwarnings("error")
def test_every_protocol_of_it_can_be_scored(root: Path) -> None:
    every_protocol_runs(read(root))


# --- size ---


def published_tracks(people: int, tracks: int, frames: int) -> list[Track]:
    """As many tracks as published, evenly spread."""
    return [(1 + place % people, 1 + place // people % 6, 1 + place // people // 6, frames) for place in range(tracks)]


def test_a_list_of_the_published_length_is_cut_in_seconds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The counts of datasets.md 5, with invented tracks. Only the look at the files is replaced."""
    train = published_tracks(625, 8298, 3)
    test = [(-1, 1, number, 2) for number in range(1, 871)] + [(0, 1, number, 2) for number in range(1, 2001)]
    test += [(identity + 625 if identity > 0 else identity, *rest) for identity, *rest in published_tracks(626, 9310, 3)]
    (tmp_path / "info").mkdir()
    for split, tracks in (("train", train), ("test", test)):
        ends = np.cumsum([track[3] for track in tracks])
        table = np.array([(end - track[3] + 1, end, *track[:2]) for end, track in zip(ends, tracks, strict=True)], dtype=float)
        savemat(tmp_path / f"info/tracks_{split}_info.mat", {f"track_{split}_info": table})
        (tmp_path / f"info/{split}_name.txt").write_text("\n".join(name for names in mars_names(tracks) for name in names))
    savemat(tmp_path / "info/query_IDX.mat", {"query_IDX": np.arange(2871, 2871 + 1980)[None]})
    monkeypatch.setattr("vireidkit.data.tracklets.look_for", lambda root, paths, where: Presence(sizes=dict.fromkeys(paths, 1)))
    monkeypatch.setattr("vireidkit.data.tracklets.fingerprint_of", lambda *_: "0" * 64)
    begin = time.process_time()
    dataset = load_dataset("mars", tmp_path)
    assert time.process_time() - begin < 10
    assert dataset.notes == () and dataset.protocols == ("mars-image2video", "mars-video2video")
    found = dataset.test.groupby("role")["tracklet"].nunique()
    assert (found["query"], found["gallery"]) == (1980, 9330)


@pytest.mark.parametrize("waiting", [-1.0, float("inf")])
def test_with_and_without_threads_alike(root: Path, monkeypatch: pytest.MonkeyPatch, waiting: float) -> None:
    """The time that the first folders took decides about threads; here it is decided in advance."""
    whole = read(root)
    (root / "bbox_train/0003/Thumbs.db").write_bytes(b"stray")
    (root / "bbox_test/0005/0005C6T0001F001.jpg").unlink()
    monkeypatch.setattr(presence, "WAITING", waiting)
    monkeypatch.setattr(presence, "TRIED", 1)
    found = presence.look_for(root, whole.train["path"].tolist() + whole.test["path"].tolist(), "here")
    assert set(found.sizes) == set(whole.train["path"]) | set(whole.test["path"]) - {"bbox_test/0005/0005C6T0001F001.jpg"}
    assert all((root / path).stat().st_size == size for path, size in found.sizes.items())
    assert found.gone == ["bbox_test/0005/0005C6T0001F001.jpg"] and found.unlisted == ["bbox_train/0003/Thumbs.db"]


# --- broken folders ---


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(read, tmp_path / "nowhere", "does not exist")
    (tmp_path / "mars.zip").write_bytes(b"PK")
    fails(read, tmp_path / "mars.zip", "this is a file", "bbox_train, bbox_test, info")
    fails(read, root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "cam1").mkdir(parents=True)
    fails(read, tmp_path / "other", "expected bbox_train, bbox_test, info, found cam1")


def test_missing_pictures_are_told_with_their_cause(root: Path) -> None:
    (root / "bbox_train/0001/0001C1T0001F002.jpg").unlink()
    shutil.rmtree(root / "bbox_test/0002")
    text = fails(read, root, "make it again, or pass allow_partial=True")
    assert "train files: expected 3 identities / 18 images, found 3 / 17 (bbox_train/0001/0001C1T0001F002.jpg is missing" in text
    assert "test files: expected 4 identities / 21 images, found 3 / 12 (folder bbox_test/0002 is missing)" in text
    partial = read(root, allow_partial=True)
    assert len(partial.train) == 17 and len(partial.notes) == 2
    assert sorted(partial.train.loc[partial.train["tracklet"] == 1, "frame"]) == [1, 3]


def test_many_missing_folders_are_told_in_a_few_words(root: Path) -> None:
    for identity in (0, 2, 4, 5):
        shutil.rmtree(root / f"bbox_test/{identity:04d}")
    (root / "bbox_test/0004").write_bytes(b"a file where a folder should be")
    words = "folders missing: bbox_test/0000, bbox_test/0002, bbox_test/0004 and 1 more, incomplete copy"
    assert words in fails(read, root)


def test_a_missing_half_is_told_once(root: Path) -> None:
    shutil.rmtree(root / "bbox_test")
    text = fails(read, root, "folder bbox_test is missing")
    assert text.count("bbox_test is missing") == 1
    shutil.rmtree(root / "bbox_train")
    with pytest.raises(DatasetError, match="none of the 39 listed pictures is there"):
        read(root, allow_partial=True)


def test_converted_and_empty_pictures(root: Path) -> None:
    file = root / "bbox_train/0003/0003C2T0001F001.jpg"
    file.rename(file.with_suffix(".png"))
    (root / "bbox_test/0000/0000C2T0001F001.jpg").write_bytes(b"")
    text = fails(read, root, "the list names bbox_train/0003/0003C2T0001F001.jpg, the folder holds bbox_train/0003/0003C2T0001F001.png")
    assert "1 empty picture file, bbox_test/0000/0000C2T0001F001.jpg" in text and text.count("0000C2") == 1
    assert len(read(root, allow_partial=True).test) == 20


def test_unlisted_files_are_a_note(root: Path) -> None:
    whole = read(root)
    (root / "bbox_train/0003/Thumbs.db").write_bytes(b"stray")
    shutil.copytree(root / "bbox_train/0003", root / "bbox_train/9999")
    dataset = read(root)
    assert dataset.notes == ("ignored 1 file, bbox_train/0003/Thumbs.db, that no list names",)
    assert dataset.fingerprint == whole.fingerprint


def test_folder_without_permission_and_link_to_nowhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    file = root / "bbox_test/0004/0004C1T0001F001.jpg"
    file.unlink()
    file.symlink_to(root / "gone.jpg")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith("0007"):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    text = fails(read, root, "0004C1T0001F001.jpg cannot be read: No such file", "0007 cannot be read: Permission denied")
    assert "is missing" not in text


# --- broken lists ---


@pytest.mark.parametrize("file", ["train_name.txt", "test_name.txt", "tracks_train_info.mat", "tracks_test_info.mat", "query_IDX.mat"])
def test_each_file_of_info_can_be_missing_or_garbled(root: Path, file: str) -> None:
    (root / "info" / file).write_bytes(b"\xff\xfe\x00\x80 garbage")
    fails(read, root, f"info/{file}")
    (root / "info" / file).write_bytes(b"")
    fails(read, root, f"info/{file}")
    (root / "info" / file).unlink()
    fails(lambda root: read(root, allow_partial=True), root, f"info/{file} is missing", "MARS-evaluation")


def test_all_damages_are_told_at_once(root: Path) -> None:
    (root / "info/train_name.txt").unlink()
    savemat(root / "info/query_IDX.mat", {"something": 1})
    fails(read, root, "list info/train_name.txt is missing", "info/query_IDX.mat lacks the variable query_IDX")


def test_a_survey_goes_on_without_the_roles(root: Path) -> None:
    (root / "info/query_IDX.mat").unlink()
    (root / "bbox_test/0004/0004C1T0001F001.jpg").write_bytes(b"")
    (root / "bbox_test/0002/0002C1T0001F001.jpg").unlink()
    survey = survey_mars_tree(root, expected=MARS_EXPECTED)
    assert len(survey.fatal) == 1 and survey.fatal[0].startswith("info/query_IDX.mat is missing")
    assert survey.problems == [
        "test files: expected 4 identities / 21 images, found 4 / 19 (bbox_test/0002/0002C1T0001F001.jpg is missing, incomplete copy)",
        "1 empty picture file, bbox_test/0004/0004C1T0001F001.jpg",
    ]
    with pytest.raises(DatasetError, match=r"query_IDX.mat is missing.*2 more differences"):
        read(root)


def write_tracks(root: Path, split: str, table: object) -> None:
    savemat(root / f"info/tracks_{split}_info.mat", {f"track_{split}_info": table})


@pytest.mark.parametrize(
    ("table", "words"),
    [
        (np.ones((3, 5)), "a table of 3 x 5, expected 4 columns"),
        (np.ones((0, 4)), "expected 4 columns"),
        (np.array([[1, 3, 1, 1.5]]), "expected whole numbers"),
        (np.array([[1, 3, 1, np.nan]]), "expected whole numbers"),
        (np.array([[1, 3, 1, 1e12]]), "expected whole numbers"),
        ("words", "expected whole numbers"),
        (np.array([[1, 3, 1, 1], [0, 3, 1, 1]]), "row 2 of info/tracks_train_info.mat holds lines 0 to 3, expected lines inside 1 to 18"),
        (np.array([[1, 999999999, 1, 1]]), "holds lines 1 to 999999999, expected lines inside 1 to 18 of info/train_name.txt"),
        (np.array([[3, 2, 1, 1]]), "holds lines 3 to 2"),
        (np.array([[1, 3, 1, 1], [3, 5, 1, 1]]), "row 2 of info/tracks_train_info.mat holds lines that another row holds too"),
        (np.array([[1, 3, 1, 7]]), "row 1 of info/tracks_train_info.mat holds identity 1, camera 7; expected cameras 1 to 6"),
        (np.array([[1, 3, -2, 1]]), "identity -2"),
        (
            np.array([[1, 3, 2, 1]]),
            "line 1 of info/train_name.txt is a picture of identity 1, row 1 of info/tracks_train_info.mat says identity 2",
        ),
        (np.array([[1, 4, 1, 1], [5, 5, 1, 4]]), "line 5 of info/train_name.txt is a picture of camera 1"),
        (np.array([[1, 3, 1, 2]]), "is a picture of camera 1, row 1 of info/tracks_train_info.mat says camera 2"),
    ],
)
def test_impossible_tables(root: Path, table: object, words: str) -> None:
    write_tracks(root, "train", table)
    fails(lambda root: read(root, allow_partial=True), root, words)


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ([0], "names row 0, expected rows 1 to 9"),
        ([10], "names row 10"),
        ([3, 3], "names row 3 more than once"),
        ([1], "names row 1 of info/tracks_test_info.mat, which is junk"),
    ],
)
def test_impossible_queries(root: Path, rows: list[int], words: str) -> None:
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([rows])})
    fails(lambda root: read(root, allow_partial=True), root, words)


def test_other_queries_are_a_difference(root: Path) -> None:
    savemat(root / "info/query_IDX.mat", {"query_IDX": np.array([[3, 6]])})
    text = fails(read, root, "test query: expected 3 identities / 3 tracklets, found 2 / 2 (query_IDX.mat is not the official one)")
    assert "test gallery: expected 5 tracklets, found 6" in text


@pytest.mark.parametrize(
    ("place", "line", "words"),
    [
        (
            1,
            "../0001C1T0001F002.jpg",
            "line 2 of info/train_name.txt holds '../0001C1T0001F002.jpg', expected names like '0001C1T0001F001.jpg'",
        ),
        (1, "", "line 2 of info/train_name.txt holds ''"),
        (1, "0001C1T0001F001.jpg", "info/train_name.txt holds bbox_train/0001/0001C1T0001F001.jpg more than once"),
        (1, "0001C1T0001F" + "9" * 40 + ".jpg", "line 2 of info/train_name.txt"),
    ],
)
def test_impossible_names(root: Path, place: int, line: str, words: str) -> None:
    file = root / "info/train_name.txt"
    lines = file.read_text().splitlines()
    lines[place] = line
    file.write_text("\n".join(lines))
    fails(lambda root: read(root, allow_partial=True), root, words)


def test_a_truncated_name_list(root: Path) -> None:
    file = root / "info/test_name.txt"
    file.write_text("\n".join(file.read_text().splitlines()[:-2]))
    fails(read, root, "row 8 of info/tracks_test_info.mat holds lines 20 to 22, expected lines inside 1 to 21", "truncated")


def test_nobody_is_learnt_and_tested(tmp_path: Path) -> None:
    root = make_mars(tmp_path, train=((2, 1, 1, 2),))
    fails(lambda root: read(root, allow_partial=True), root, "identity 2 is in both the train and the test lists")


def test_unsure_figures_are_notes(root: Path) -> None:
    expected = dataclasses.replace(MARS_EXPECTED, counts=(Count("train", images=99, sure=False), Count("", identities=7)))
    assert read(root, expected=expected).notes == (
        "train: 99 images are said to be there, the lists hold 18 images (a figure that nobody could check)",
    )


@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_any_damage_to_a_table_gives_a_data_set_or_one_line(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    root = tmp_path_factory.getbasetemp() / "any-mars"
    if not root.exists():
        make_mars(root)
    file = root / "info" / data.draw(st.sampled_from(["tracks_train_info.mat", "query_IDX.mat", "train_name.txt"]))
    whole = file.read_bytes()
    damaged = bytearray(whole[: data.draw(st.integers(0, len(whole)))])
    for _ in range(data.draw(st.integers(0, 4)) if damaged else 0):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    try:
        file.write_bytes(damaged)
        read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)
    finally:
        file.write_bytes(whole)


def test_cut_matches_a_plain_loop() -> None:
    """Tracks in any order, with lines between them that none holds."""
    draw = np.random.default_rng(0)
    names = [f"{line:04d}C1T0001F{line:03d}.jpg" for line in range(1, 41)]
    runs = [(1, 4), (9, 9), (20, 31), (33, 40)]
    tracks = pd.DataFrame([runs[place] for place in draw.permutation(4)], columns=["first", "last"]).assign(identity=1, camera=1)
    pictures = namelists.cut(names, tracks, _sources("train"), "here")
    wanted = [
        (place, line)
        for place, (first, last) in enumerate(zip(tracks["first"], tracks["last"], strict=True))
        for line in range(first, last + 1)
    ]
    assert list(zip(pictures.tracks.tolist(), pictures.lines.tolist(), strict=True)) == wanted
    assert pictures.names == [names[line - 1] for _, line in wanted]
    assert MARS.remedy
