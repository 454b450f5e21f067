"""BUPTCampus: pairs, roles and paths, its counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees_video import BUPT_EXPECTED, BUPT_FRAMES, BUPT_LISTS, REMEDY, every_protocol_runs, fails, make_bupt

from vireidkit.data import load_dataset
from vireidkit.data.bupt import CAMERAS, read_bupt_tree
from vireidkit.data.dataset import Dataset
from vireidkit.data.tracklets import Count, Expected
from vireidkit.errors import DatasetError


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "RGB" in the path of the root must not matter."""
    return make_bupt(tmp_path / "RGB" / "FakeIR")


def read(root: Path, *, allow_partial: bool = False, auxiliary: bool = False) -> Dataset:
    """The tree with counts of its own, so that small counts are complete counts."""
    expected = Expected((), REMEDY) if auxiliary else BUPT_EXPECTED
    return read_bupt_tree(root, expected=expected, auxiliary=auxiliary, allow_partial=allow_partial)


def rewrite(root: Path, change: Any) -> None:
    """Change the nested table of paths in place."""
    paths = json.loads((root / "data_paths.json").read_text())
    change(paths)
    (root / "data_paths.json").write_text(json.dumps(paths))


# --- a whole folder ---


def test_tables_hold_the_listed_tracklets_in_their_order(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "infrared") and dataset.validation.empty
    assert dataset.protocols == ("bupt-ir2vis", "bupt-vis2ir", "ir2vis", "vis2ir")
    rows, number = [], 0
    for line in BUPT_LISTS["train.txt"]:
        identity, _, camera, tracklet = line.split()
        for band, word in (("RGB", "visible"), ("IR", "infrared")):
            number += 1
            for frame in range(BUPT_FRAMES):
                printed = 8500 + 100 * int(tracklet) + frame
                path = f"DATA/{identity}/{band}/{camera}/{identity}_{band}_{camera}_{tracklet}_{printed}.jpg"
                rows.append((path, int(identity), CAMERAS[camera], word, number, printed))
    assert list(dataset.train.itertuples(index=False, name=None)) == rows
    assert dataset.open(dataset.train["path"].iloc[0]).size == (8, 16)


def test_roles_follow_the_two_lists(root: Path) -> None:
    test = read(root).test.drop_duplicates("tracklet")
    found = list(zip(test["identity"], test["modality"], test["camera"], test["role"], strict=True))
    assert found == [
        (5, "visible", 2, "both"),
        (6, "infrared", 1, "query"),
        (5, "infrared", 4, "gallery"),
        (6, "visible", 3, "gallery"),
        (6, "infrared", 3, "gallery"),
    ]


def test_painted_pictures_are_in_no_table(root: Path) -> None:
    whole = read(root)
    shutil.rmtree(root / "DATA/1/FakeIR")
    rewrite(root, lambda paths: [bands.pop("FakeIR", None) for bands in paths.values()])
    again = read(root)
    assert again.fingerprint == whole.fingerprint
    assert not any("/FakeIR/" in path for table in (again.train, again.test) for path in table["path"])


def test_the_auxiliary_set_is_a_data_set_of_its_own_name(root: Path) -> None:
    plain, more = read(root), read(root, auxiliary=True)
    assert more.name == "buptcampus-auxiliary" and more.fingerprint != plain.fingerprint
    assert set(more.train["identity"]) - set(plain.train["identity"]) == {30}
    assert more.test["path"].tolist() == plain.test["path"].tolist()
    (root / "train_auxiliary.txt").unlink()
    assert read(root).fingerprint == plain.fingerprint
    fails(lambda root: read(root, auxiliary=True), root, "list train_auxiliary.txt is missing")


def test_bupt_without_root_and_a_small_tree(root: Path) -> None:
    for name in ("buptcampus", "buptcampus-auxiliary"):
        with pytest.raises(DatasetError, match=f"^{name} needs its folder.*cannot be shipped.*dyhBUPT/BUPTCampus"):
            load_dataset(name)
    notes = load_dataset("buptcampus", root).notes  # nobody could check the counts, so they are no errors
    assert notes[0] == (
        "train: 1,074 identities / 7,148 tracklets / 796,138 images are said to be there, "
        "the lists hold 2 identities / 10 tracklets / 30 images (a figure that nobody could check)"
    )
    assert len(notes) == 3 and len(load_dataset("buptcampus-auxiliary", root).notes) == 3


@pytest.mark.filterwarnings("error")
def test_every_protocol_of_it_can_be_scored(root: Path) -> None:
    every_protocol_runs(read(root))


# --- broken folders ---


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(read, tmp_path / "nowhere", "does not exist")
    fails(read, root / "DATA", "expected DATA, data_paths.json, found 1, 20, 30, 5, 6")
    fails(read, root.parent, f"did you mean {root}?")


def test_missing_pictures_are_told_band_by_band(root: Path) -> None:
    shutil.rmtree(root / "DATA/20/IR/W4")
    text = fails(read, root, "train infrared files: expected 2 identities / 15 images, found 2 / 12 (folder DATA/20/IR/W4 is missing)")
    assert "visible files" not in text
    partial = read(root, allow_partial=True)
    assert partial.train.groupby("modality")["tracklet"].nunique().to_dict() == {"infrared": 4, "visible": 5}
    shutil.rmtree(root / "DATA")
    with pytest.raises(DatasetError, match="none of the 45 listed pictures is there"):
        read(root, allow_partial=True)


# --- broken lists ---


@pytest.mark.parametrize("file", ["train.txt", "query.txt", "gallery.txt", "data_paths.json"])
def test_each_list_can_be_missing_empty_or_no_text(root: Path, file: str) -> None:
    for content in (b"", b"\xff\xfe\x80", b"[1, 2]" if file.endswith("json") else b"1 RGB LS3"):
        (root / file).write_bytes(content)
        fails(lambda root: read(root, allow_partial=True), root, file)
    (root / file).unlink()
    fails(lambda root: read(root, allow_partial=True), root, f"{file} is missing")


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("1 RGB/IR LS9 1", "line 1 of train.txt holds '1 RGB/IR LS9 1', expected '<identity> <RGB/IR, RGB or IR> <camera> <tracklet>'"),
        ("1 FakeIR LS3 1", "line 1 of train.txt holds '1 FakeIR LS3 1'"),
        ("x RGB LS3 1", "line 1 of train.txt holds 'x RGB LS3 1'"),
        ("1 RGB/IR CQ1 1", "train.txt holds '1 RGB CQ1 1' more than once"),
        ("5 RGB TSG1 7", "identity 5 is in both the train and the test lists"),
    ],
)
def test_garbled_lists(root: Path, line: str, words: str) -> None:
    (root / "train.txt").write_text("\n".join([line, *BUPT_LISTS["train.txt"][1:]]))
    fails(lambda root: read(root, allow_partial=True), root, words)


def test_an_empty_picture_of_both_splits(root: Path) -> None:
    (root / "train.txt").write_text("6 IR LS3 1\n")
    (root / "DATA/6/IR/LS3/6_IR_LS3_1_8600.jpg").write_bytes(b"")
    fails(lambda root: read(root, allow_partial=True), root, "identity 6 is in both the train and the test lists")


def test_an_auxiliary_tracklet_is_no_training_tracklet(root: Path) -> None:
    (root / "train_auxiliary.txt").write_text("1 RGB/IR LS3 1\n")
    fails(lambda root: read(root, auxiliary=True), root, "'1 RGB LS3 1' is in both train.txt and train_auxiliary.txt")


def test_a_listed_tracklet_without_paths(root: Path) -> None:
    rewrite(root, lambda paths: paths["1"]["IR"]["CQ1"].update({"1": [], "2": "1/IR/CQ1/x.jpg"}))
    fails(read, root, "train: data_paths.json lacks 2 listed tracklets, first '1 IR CQ1 1'")
    partial = read(root, allow_partial=True)
    assert len(partial.train) == 8 * BUPT_FRAMES and partial.train["tracklet"].max() == 10  # the others keep their numbers


def test_pairs_of_unequal_length_are_a_note(root: Path) -> None:
    rewrite(root, lambda paths: paths["1"]["IR"]["CQ1"]["1"].pop())
    notes = read(root).notes
    assert "train: 1 pair, '1 RGB CQ1 1', of a visible and an infrared tracklet with unequal numbers of frames" in notes


@pytest.mark.parametrize("path", ["../secret.jpg", "/etc/passwd", "1/../../x.jpg", "1\\RGB\\x.jpg", "C:/x.jpg", "1//x.jpg", "", "./x.jpg"])
def test_paths_stay_in_the_folder(root: Path, path: str) -> None:
    rewrite(root, lambda paths: paths["1"]["IR"]["CQ1"].update({"1": [path]}))
    fails(lambda root: read(root, allow_partial=True), root, "data_paths.json holds the path", "expected paths below DATA")


def test_a_path_comes_once(root: Path) -> None:
    rewrite(root, lambda paths: paths["1"]["IR"]["CQ1"].update({"1": paths["1"]["IR"]["CQ1"]["2"]}))
    fails(lambda root: read(root, allow_partial=True), root, "data_paths.json holds DATA/1/IR/CQ1/1_IR_CQ1_2_8700.jpg more than once")


def test_unsure_counts_do_not_hide_sure_ones(root: Path) -> None:
    expected = Expected((Count("train", identities=3), *BUPT_EXPECTED.counts), REMEDY)
    with pytest.raises(DatasetError, match=r"train: expected 3 identities, found 2 \(truncated or edited lists\)"):
        read_bupt_tree(root, expected=expected)


@settings(max_examples=25, deadline=None)
@given(
    value=st.recursive(
        st.none() | st.integers() | st.text("a/.", max_size=4),
        lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.sampled_from(["1", "IR", "CQ1"]), inner, max_size=2),
        max_leaves=6,
    )
)
def test_any_table_of_paths_gives_a_data_set_or_one_line(tmp_path_factory: pytest.TempPathFactory, value: Any) -> None:
    root = tmp_path_factory.getbasetemp() / "any-bupt"
    if not root.exists():
        make_bupt(root)
    whole = (root / "data_paths.json").read_text()
    try:
        rewrite(root, lambda paths: paths.update({"1": value}))
        read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)
    finally:
        (root / "data_paths.json").write_text(whole)
