"""LLCM: its table out of both forms of the folder, its lists, its counts, and one test for each way a folder can be broken."""

from __future__ import annotations

import shutil
import warnings
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees_images import LLCM_CAMERAS, LLCM_EXPECTED, LLCM_FRAMES, LLCM_PEOPLE, SIZE, make_llcm_tree

from vireidkit.data import load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.llcm import LLCM, read_llcm_tree
from vireidkit.errors import DatasetError

FOLDERS = {"visible": "vis", "infrared": "nir"}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "cam" and "vis" in the path of the root must not matter."""
    return make_llcm_tree(tmp_path / "webcam3" / "test_vis" / "cam7")


def read(root: Path, *, allow_partial: bool = False) -> Dataset:
    return read_llcm_tree(root, expected=LLCM_EXPECTED, name="small", title="Small", allow_partial=allow_partial)


def quietly(root: Path) -> Dataset:
    """Read what is there, without its warnings."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return read(root, allow_partial=True)


def fails(root: Path, *words: str, allow_partial: bool = False) -> str:
    """Reading fails with one line that holds the root and all these words."""
    with pytest.raises(DatasetError) as caught:
        read(root, allow_partial=allow_partial)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


def edit(root: Path, name: str, old: str, new: str) -> None:
    file = root / "idx" / name
    assert old in file.read_text()
    file.write_text(file.read_text().replace(old, new))


# --- a whole folder ---


@pytest.mark.parametrize("form", ["plain", "cameras"])
def test_tables_hold_the_listed_pictures_in_the_order_of_the_lists(tmp_path: Path, form: str) -> None:
    root = make_llcm_tree(tmp_path / "cam1", form=form)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.bands == ("visible", "near-infrared") and dataset.validation.empty
    assert dataset.protocols == ("llcm-ir2vis-L1", "llcm-vis2ir-L1", "llcm-vis2ir-L2", "llcm-L3", "ir2vis", "vis2ir")
    for part, people in LLCM_PEOPLE.items():
        table = dataset.table(part)
        expected = [
            (f"{folder}/{i:04d}/{i:04d}_c{c:02d}_s200656_f{10 * c + f:04d}_{folder}.jpg", i, c, band, -1, 10 * c + f)
            for band, folder in FOLDERS.items()
            for i in people
            for c in LLCM_CAMERAS[band]
            for f in range(1, LLCM_FRAMES + 1)
        ]
        assert list(table.itertuples(index=False, name=None)) == expected
        assert dataset.open(table["path"].iloc[-1]).size == SIZE[::-1]


def test_both_forms_of_the_lists_are_one_data_set(tmp_path: Path) -> None:
    plain, cameras = (read(make_llcm_tree(tmp_path / form, form=form)) for form in ("plain", "cameras"))
    pd.testing.assert_frame_equal(plain.test, cameras.test)
    assert plain.fingerprint == cameras.fingerprint


def test_the_folders_by_camera_are_what_the_seeded_sampler_lists(root: Path) -> None:
    """L1 lists test_vis/camX/<identity>, sorted by name: the rows of the table, sorted by path, are the same pictures."""
    test = read(root).test
    for band, folder in FOLDERS.items():
        for camera in LLCM_CAMERAS[band]:
            for identity in LLCM_PEOPLE["test"]:
                held = sorted(file.name for file in (root / f"test_{folder}/cam{camera}/{identity:04d}").iterdir())
                rows = test[(test["modality"] == band) & (test["camera"] == camera) & (test["identity"] == identity)]
                assert sorted(rows["path"].str.split("/").str[-1]) == held


def test_published_numbers_add_up() -> None:
    """datasets.md 3: 46,767 boxes, 30,921 for training and 15,846 for testing, 1,064 people."""
    assert sum(LLCM.images.values()) == 46767 and sum(LLCM.identities.values()) == 1064
    assert LLCM.images["train", "visible"] + LLCM.images["train", "infrared"] == 30921
    assert 3 not in LLCM.cameras["infrared"] and len(LLCM.cameras["visible"]) == 9


def test_names_with_spaces_and_other_formats_are_read(root: Path) -> None:
    old, new = "0001_c01_s200656_f0011_vis.jpg", "0001_c01_s200656_f0011_vis.JPG"
    (root / "vis/0001" / old).rename(root / "vis/0001" / new)
    edit(root, "train_vis.txt", old, new)
    assert read(root).train["path"].iloc[0].endswith(".JPG")
    (root / "vis/0001" / new).rename(root / "vis/0001" / "a b.jpg")
    edit(root, "train_vis.txt", new, "a b.jpg")
    text = fails(root, "1 pictures left out whose name tells no camera, first vis/0001/a b.jpg")
    assert "vis train: expected 18 images, found 17" in text


def test_the_fingerprint_is_that_of_a_copy(root: Path, tmp_path: Path) -> None:
    whole = read(root).fingerprint
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert read(tmp_path / "copy").fingerprint == whole
    shutil.rmtree(root / "test_nir")  # the tables are the same without it
    assert quietly(root).fingerprint == whole


# --- broken folders ---


def test_llcm_without_root_tells_how_to_get_it() -> None:
    with pytest.raises(DatasetError, match=r"signed release agreement .*ZYK100/LLCM"):
        load_dataset("llcm")


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "does not exist")
    (tmp_path / "llcm.zip").write_bytes(b"PK")
    fails(tmp_path / "llcm.zip", "this is a file, expected the folder that holds vis, nir, test_vis, test_nir and idx")
    fails(root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "Visible").mkdir(parents=True)
    fails(tmp_path / "other", "expected the folders vis, nir, test_vis, test_nir and idx, found Visible")


def test_missing_folders_by_camera_are_told_and_the_lists_go_on(root: Path) -> None:
    whole = read(root)
    for folder in ("test_vis", "test_nir"):
        shutil.rmtree(root / folder)
    text = fails(root, "folder test_vis is missing (L1 and L2 draw from it; part of the archive is not unpacked)", "folder test_nir")
    assert "expected" not in text.split("): ")[-1]
    pd.testing.assert_frame_equal(quietly(root).test, whole.test)  # the cameras then come from the names


def test_missing_folders_of_all_pictures_are_told_and_the_others_go_on(root: Path) -> None:
    shutil.rmtree(root / "nir")
    text = fails(root, "folder nir is missing (incomplete copy)")
    assert "nir train" not in text
    dataset = quietly(root)
    assert dataset.test.loc[dataset.test["modality"] == "infrared", "path"].str.startswith("test_nir/cam").all()
    assert set(dataset.train["modality"]) == {"visible"}


def test_missing_camera_and_missing_copy(root: Path) -> None:
    shutil.rmtree(root / "test_vis/cam3")
    text = fails(root, "camera folder test_vis/cam3 is missing")
    assert "test_vis and idx/test_vis.txt differ: 4 only in the list, first 0351/0351_c03_s200656_f0031_vis.jpg" in text
    assert len(quietly(root).test) == 20


def test_missing_pictures_are_told_band_by_band(root: Path) -> None:
    (root / "nir/0004/0004_c06_s200656_f0061_nir.jpg").unlink()
    for folder in ("vis", "test_vis/cam1"):
        (root / folder / "0352/0352_c01_s200656_f0011_vis.jpg").unlink()
    text = fails(root)
    assert "nir train: expected 12 images, found 11 (nir/0004/0004_c06_s200656_f0061_nir.jpg is missing, incomplete copy)" in text
    assert "vis test: expected 12 images, found 11 (vis/0352/0352_c01_s200656_f0011_vis.jpg is missing, incomplete copy)" in text
    assert "vis train" not in text and "nir test" not in text
    assert len(quietly(root).train) == 29


def test_missing_identity_folder(root: Path) -> None:
    for folder in ("vis/0007", "nir/0007"):
        shutil.rmtree(root / folder)
    fails(root, "train: expected 3 identities, found 2 (lists cut short, or identity folders missing)", "vis train: expected 18 images")


def test_identity_in_one_band_stays_and_is_noted(root: Path) -> None:
    shutil.rmtree(root / "nir/0007")
    assert "train: identity 7 is in one modality only; kept in the table, but no batch can hold them" in quietly(root).notes


def test_empty_picture_file_is_told_once(root: Path) -> None:
    (root / "vis/0001/0001_c01_s200656_f0011_vis.jpg").write_bytes(b"")
    text = fails(root, "vis/0001/0001_c01_s200656_f0011_vis.jpg is an empty file")
    assert "expected 18" not in text
    assert len(quietly(root).train) == 29


def test_link_to_nowhere(root: Path) -> None:
    file = root / "vis/0001/0001_c01_s200656_f0011_vis.jpg"
    file.unlink()
    file.symlink_to(root / "gone.jpg")
    fails(root, "0001_c01_s200656_f0011_vis.jpg cannot be read: No such file", allow_partial=True)


@pytest.mark.parametrize("stray", ["vis/Thumbs.db", "nir/0001/.DS_Store", "test_vis/cam1/readme.txt", "test_nir/cam3", "vis/0001/._1.jpg"])
def test_stray_files_are_ignored_with_a_warning(root: Path, stray: str) -> None:
    whole = read(root)
    if stray == "test_nir/cam3":
        shutil.copytree(root / "test_nir/cam1", root / stray)
    else:
        (root / stray).write_bytes(b"stray")
    with pytest.warns(UserWarning, match="ignored"):
        dataset = read(root)
    assert f"ignored {stray}: expected" in dataset.notes[0] and dataset.fingerprint == whole.fingerprint


def test_pictures_that_no_list_names(root: Path) -> None:
    shutil.copy(root / "vis/0001/0001_c01_s200656_f0011_vis.jpg", root / "vis/0001/0001_c01_s200656_f0099_vis.jpg")
    with pytest.warns(UserWarning, match="ignored 1 picture that no list names, first vis/0001/0001_c01_s200656_f0099_vis.jpg"):
        assert len(read(root).train) == 30
    shutil.copy(root / "test_vis/cam1/0351/0351_c01_s200656_f0011_vis.jpg", root / "test_vis/cam1/0351/0351_c01_s200656_f0098_vis.jpg")
    text = fails(root, "test_vis and idx/test_vis.txt differ: 1 only in the folders, first 0351/0351_c01_s200656_f0098_vis.jpg")
    assert "1 test picture is not in vis" in text


def test_one_picture_in_two_cameras_and_copies_that_differ(root: Path) -> None:
    name = "0351/0351_c01_s200656_f0011_vis.jpg"
    shutil.copy(root / "test_vis/cam1" / name, root / "test_vis/cam3" / name)
    (root / "test_vis/cam6/0351/0351_c06_s200656_f0061_vis.jpg").write_bytes(b"another picture")
    fails(
        root,
        f"test_vis/cam1/{name} and test_vis/cam3/{name} are one picture in two cameras",
        "0351_c06_s200656_f0061_vis.jpg should be one picture but differ in size",
    )


def test_the_camera_folder_decides_and_the_name_is_noted(root: Path) -> None:
    """That no official name says another camera is unverified, so that it must not keep anybody from reading."""
    (root / "test_nir/cam6/0352/0352_c06_s200656_f0061_nir.jpg").rename(root / "test_nir/cam1/0352/0352_c06_s200656_f0061_nir.jpg")
    with pytest.warns(UserWarning, match="1 file name says another identity or camera than the folder, which decides"):
        test = read(root).test
    row = test[test["path"].str.endswith("0352_c06_s200656_f0061_nir.jpg")].iloc[0]
    assert row["camera"] == 1 and row["path"].startswith("nir/")


def test_folders_by_camera_that_share_no_name_with_the_lists_are_no_error(root: Path) -> None:
    """A copy may have named them anew; what is missing cannot be told then."""
    for file in list((root / "test_vis").rglob("*.jpg")):
        file.rename(file.with_name(f"x{file.name}"))
    with pytest.warns(UserWarning) as caught:
        assert len(read(root).test) == 20
    assert any("differ: 12 only in the folders" in str(warning.message) for warning in caught)


def test_folders_by_camera_that_are_empty(root: Path) -> None:
    for file in list((root / "test_nir").rglob("*.jpg")):
        file.unlink()
    fails(root, "test_nir and idx/test_nir.txt differ: 8 only in the list")


# --- broken lists ---


@pytest.mark.parametrize("name", ["train_vis.txt", "train_nir.txt"])
def test_a_missing_training_list_is_fatal(root: Path, name: str) -> None:
    (root / "idx" / name).unlink()
    fails(root, f"list idx/{name} is missing (the lists come with the data set)", allow_partial=True)


def test_a_missing_test_list_is_made_from_the_folders_by_camera(root: Path) -> None:
    whole = read(root)
    (root / "idx/test_vis.txt").unlink()
    (root / "idx/test_nir.txt").unlink()
    text = fails(root, "list idx/test_nir.txt is missing; the folders test_nir say who is tested")
    assert "expected" not in text.split("small at")[1]
    pd.testing.assert_frame_equal(quietly(root).test, whole.test)
    (root / "idx/test_id.txt").write_text("352")
    assert set(quietly(root).test["identity"]) == {352}
    shutil.rmtree(root / "test_vis")
    fails(root, "list idx/test_vis.txt is missing", allow_partial=True)


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00\x80", "no text"),
        (b"vis/0001/a_c01.jpg", "expected lines of the form 'vis/<identity>/<file> <label>' or 'test_vis/cam<camera>/"),
        (b"nir/0001/0001_c01_s1_f1_nir.jpg 0", "holds 'nir/0001/"),
        (b"LLCM/vis/0001/a.jpg 0\nvis/x/b.jpg 0", "holds 'LLCM/vis/0001/a.jpg 0' and 1 more like it"),
        (b"vis/0001/0001_c01_s200656_f0011_vis.jpg 0\n" * 2, "holds vis/0001/0001_c01_s200656_f0011_vis.jpg more than once"),
        (b"vis/0351/0351_c01_s200656_f0011_vis.jpg 0", "identity 351 is in both the train and the test lists"),
    ],
)
def test_garbled_list(root: Path, content: bytes, words: str) -> None:
    (root / "idx/train_vis.txt").write_bytes(content)
    fails(root, "list", words, allow_partial=True)


def test_labels_that_are_no_function_of_the_folder(root: Path) -> None:
    edit(root, "train_nir.txt", "0004_c01_s200656_f0011_nir.jpg 1", "0004_c01_s200656_f0011_nir.jpg 2")
    fails(root, "the train lists give identity 4 the label 2 in nir/0004/0004_c01_s200656_f0011_nir.jpg, but elsewhere identity 7")
    assert len(quietly(root).train) == 30


def test_short_lists_and_other_people(root: Path) -> None:
    file = root / "idx/train_vis.txt"
    file.write_text("\n".join(file.read_text().splitlines()[:-3]))
    (root / "idx/test_id.txt").write_text("351, 352, 400\n")
    text = fails(root, "vis train: expected 18 images, found 15 (another list than the published one)")
    assert "identity 400 is in idx/test_id.txt but not in the test lists" in text
    (root / "idx/test_id.txt").write_text("351\n352")
    fails(root, "identity list idx/test_id.txt has 2 lines")
    (root / "idx/test_id.txt").unlink()
    assert any("idx/test_id.txt is missing" in note for note in quietly(root).notes)


def test_nothing_there_is_an_error_even_when_partial(root: Path) -> None:
    for folder in ("vis", "nir", "test_vis", "test_nir"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fails(root, "none of the listed images is there", allow_partial=True)


@settings(max_examples=25, deadline=None)
@given(content=st.one_of(st.binary(max_size=60), st.text(max_size=30).map(lambda text: f"vis/0001/{text} 0".encode("utf-8", "ignore"))))
def test_any_list_gives_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any-llcm-list"
    if not root.exists():
        make_llcm_tree(root, size=(4, 4))
    (root / "idx/train_vis.txt").write_bytes(content)
    try:
        quietly(root)
    except DatasetError as error:
        assert "\n" not in str(error)
