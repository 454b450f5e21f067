"""RegDB: its counts, its lists, its protocol, and one test for each way a folder can be broken."""

from __future__ import annotations

import dataclasses
import os
import shutil
import warnings
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import REGDB_EXPECTED, REGDB_SPLITS, make_regdb_tree, picture

from vireidkit.data import IdentitySampler, ImageStore, load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.regdb import REGDB, Expected, _Scan, read_regdb_tree
from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation import evaluate, get_protocol, raw_pixel_features, write_scores
from vireidkit.evaluation.scores import read_scores


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small tree. "Visible" in the path of the root must not matter."""
    return make_regdb_tree(tmp_path / "Visible" / "12")


def read(root: Path, *, split: int = 1, allow_partial: bool = False, expected: Expected = REGDB_EXPECTED) -> Dataset:
    """The tree as a data set of its own kind, so that small counts are complete counts."""
    return read_regdb_tree(
        root,
        split=split,
        name="small",
        title="Small",
        bands=("visible", "thermal"),
        expected=expected,
        protocols=("regdb-vis2ir", "regdb-ir2vis"),
        credit="nobody",
        allow_partial=allow_partial,
    )


def fails(root: Path, *words: str) -> str:
    """Reading fails with one line that holds the root and all these words."""
    with pytest.raises(DatasetError) as caught:
        read(root)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


# --- a whole folder ---


def test_tables_hold_the_listed_pictures_in_the_order_of_the_lists(root: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        dataset = read(root)
    assert dataset.notes == () and dataset.title == "Small, split 1" and dataset.bands == ("visible", "thermal")
    for part, members in REGDB_SPLITS[1].items():
        table = dataset.table(part)
        lists = [(root / f"idx/{part}_{band}_1.txt").read_text().split() for band in ("visible", "thermal")]
        assert table["path"].tolist() == lists[0][::2] + lists[1][::2]
        assert sorted(table["identity"].unique()) == sorted(members)
        for row in table.itertuples():
            folder, identity, name = row.path.split("/")
            assert (row.modality, row.camera) == {"Visible": ("visible", 1), "Thermal": ("infrared", 2)}[folder]
            assert (row.identity, row.frame, row.tracklet) == (int(identity), int(name.split("_")[1]), -1)


def test_there_are_no_validation_identities(root: Path) -> None:
    dataset = read(root)
    assert dataset.validation.empty and list(dataset.validation.columns) == list(dataset.train.columns)
    assert len(dataset.table("train+validation")) == len(dataset.train)
    assert dataset.labels("train") == {3: 0, 7: 1, 11: 2} and dataset.labels("validation") == {}
    assert "validation" not in set(dataset.counts()["split"])
    assert dataset.limited(1).validation.empty
    assert ImageStore(dataset, dataset.validation, (8, 4), progress=False).shape == (0, 8, 4, 3)


def test_a_split_is_a_data_set_of_its_own(root: Path) -> None:
    first, second = read(root), read(root, split=2)
    assert set(second.train["identity"]) == {2, 3, 20} and set(second.test["identity"]) == {7, 11}
    assert first.fingerprint != second.fingerprint and second.title == "Small, split 2"
    assert first.fingerprint == read(root).fingerprint


def test_pictures_of_both_bands_open_as_rgb(root: Path) -> None:
    dataset = read(root)
    for path in (dataset.test["path"].iloc[0], dataset.test["path"].iloc[-1]):
        assert np.asarray(dataset.open(path)).shape == (32, 16, 3)


def test_a_batch_can_be_drawn_from_it(root: Path) -> None:
    dataset = read(root)
    store = ImageStore(dataset, dataset.train, (8, 4), progress=False)
    sampler = IdentitySampler(dataset.train, dataset.labels("train"), identities=2, per_modality=3)
    batch = sampler.plan(0)
    assert store.images(batch.rows).shape == (2 * 3 * 2, 8, 4, 3)


@pytest.mark.parametrize("suffix", [".jpg", ".png", ".webp"])
def test_other_picture_formats_are_read(tmp_path: Path, suffix: str) -> None:
    root = make_regdb_tree(tmp_path / "set", name="male_{letter}_{number:05d}_{identity}" + suffix)
    dataset = read(root, expected=dataclasses.replace(REGDB_EXPECTED, number=REGDB.number))
    assert dataset.notes == () and set(dataset.train["frame"]) == {1, 2, 3, 4}


def test_names_without_a_number_are_read_too(tmp_path: Path) -> None:
    root = make_regdb_tree(tmp_path / "set", name="picture{number}.bmp")
    assert set(read(root).train["frame"]) == {-1}


def published_regdb() -> tuple[dict[str, int], dict[str, str]]:
    """Sizes of 8,240 pictures by path, and the lists of one split, with the counts of datasets.md 2."""
    sizes, lists = {}, {}
    for part, members in (("train", range(1, 413, 2)), ("test", range(2, 413, 2))):
        for band, folder in (("visible", "Visible"), ("thermal", "Thermal")):
            lines = []
            for label, identity in enumerate(members):
                for number in range(1, 11):
                    path = f"{folder}/{identity}/male_front_{band[0]}_{number:05d}_{identity}.bmp"
                    sizes[path] = 1
                    lines.append(f"{path} {label}")
            lists[f"{part}_{band}_1.txt"] = "\n".join(lines)
    return sizes, lists


def test_published_regdb_is_accepted_without_a_note(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Only the folder scan is replaced."""
    sizes, lists = published_regdb()
    for name in ("Visible", "Thermal", "idx"):
        (tmp_path / name).mkdir()
    for name, text in lists.items():
        (tmp_path / "idx" / name).write_text(text)
    monkeypatch.setattr("vireidkit.data.regdb._scan", lambda root, where: _Scan(sizes))
    monkeypatch.setattr("vireidkit.data.regdb.fingerprint_of", lambda *_: "0" * 64)
    dataset = load_dataset("regdb", tmp_path)
    assert dataset.notes == () and len(sizes) == 8240
    for part in ("train", "test"):
        table = dataset.table(part)
        assert table["identity"].nunique() == 206 and table["modality"].value_counts().to_dict() == {"visible": 2060, "infrared": 2060}
    assert set(dataset.train["frame"]) == set(range(1, 11))
    assert dataset.protocols == ("regdb-vis2ir", "regdb-ir2vis", "ir2vis", "vis2ir")
    trial = next(get_protocol("regdb-vis2ir").trials(dataset))
    assert (len(trial.query), len(trial.gallery)) == (2060, 2060)
    del sizes["Thermal/4/male_front_t_00003_4.bmp"]
    with pytest.raises(DatasetError, match=r"Thermal test: expected 206 identities / 2,060 images, found 206 / 2,059 \(Thermal/4/male"):
        load_dataset("regdb", tmp_path)


def test_ten_splits_and_no_more(root: Path) -> None:
    with pytest.raises(SettingError, match="splits 1 to 10; found split 11"):
        load_dataset("regdb", root, split=11)
    with pytest.raises(DatasetError, match=r"list idx/train_visible_10.txt is missing \(the ten splits come with the prepared version"):
        load_dataset("regdb", root, split=10, allow_partial=True)


# --- broken folders ---


def test_regdb_without_root_tells_how_to_get_it() -> None:
    with pytest.raises(DatasetError, match=r"copyright form.*mangye16"):
        load_dataset("regdb")


def test_broken_roots(root: Path, tmp_path: Path) -> None:
    fails(tmp_path / "nowhere", "does not exist")
    (tmp_path / "regdb.zip").write_bytes(b"PK")
    fails(tmp_path / "regdb.zip", "this is a file", "Visible, Thermal and idx")
    fails(root.parent, f"did you mean {root}?")
    (tmp_path / "other" / "cam1").mkdir(parents=True)
    fails(tmp_path / "other", "expected the folders Visible, Thermal and idx, found cam1")


def test_missing_band_is_reported_once(root: Path) -> None:
    shutil.rmtree(root / "Thermal")
    text = fails(root, "folder Thermal is missing", "make it again, or pass allow_partial=True")
    assert text.count("Thermal") == 1
    dataset = read(root, allow_partial=True)
    assert set(dataset.train["modality"]) == {"visible"}
    assert "folder Thermal is missing" in dataset.notes and any("in one modality only" in note for note in dataset.notes)


def test_missing_pictures_are_told_band_by_band(root: Path) -> None:
    (root / "Visible/3/v_00002_3.bmp").unlink()
    shutil.rmtree(root / "Thermal/20")
    text = fails(root)
    assert "Visible train: expected 3 identities / 12 images, found 3 / 11 (Visible/3/v_00002_3.bmp is missing, incomplete copy)" in text
    assert "Thermal test: expected 2 identities / 8 images, found 1 / 4 (identity folders missing or empty: 20; incomplete copy)" in text
    assert "Thermal train" not in text and "Visible test" not in text
    partial = read(root, allow_partial=True)
    assert len(partial.train) == 23 and len(partial.test) == 12 and len(partial.notes) == 3
    assert partial.notes[-1].startswith("test: identity 20 is in one modality only")


def test_converted_pictures_are_recognised(root: Path) -> None:
    for file in list((root / "Visible").rglob("*.bmp")):
        picture(1, 1, 1).save(file.with_suffix(".png"))
        file.unlink()
    fails(root, "the list names Visible/3/v_00001_3.bmp, the folder holds Visible/3/v_00001_3.png")
    with pytest.warns(UserWarning, match="ignored 20 pictures that no list of split 1 names"):
        assert set(read(root, allow_partial=True).train["modality"]) == {"infrared"}


def test_nothing_there_is_an_error_even_when_partial(root: Path) -> None:
    for folder in ("Visible", "Thermal"):
        shutil.rmtree(root / folder)
        (root / folder).mkdir()
    with pytest.raises(DatasetError, match="none of the images that split 1 lists is there"):
        read(root, allow_partial=True)


def test_empty_picture_file(root: Path) -> None:
    (root / "Thermal/2/t_00001_2.bmp").write_bytes(b"")
    text = fails(root, "Thermal/2/t_00001_2.bmp is an empty file")
    assert text.count("Thermal/2") == 1
    assert len(read(root, allow_partial=True).test) == 15


def test_folder_without_permission_and_link_to_nowhere(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (root / "Visible/2/v_00001_2.bmp").unlink()
    (root / "Visible/2/v_00001_2.bmp").symlink_to(root / "gone.bmp")
    fails(root, "Visible/2/v_00001_2.bmp", "No such file")
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(os.path.join("Visible", "11")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    monkeypatch.setattr(os, "scandir", refuse)
    fails(root, os.path.join("Visible", "11"), "Permission denied")


@pytest.mark.parametrize("stray", ["Visible/Thumbs.db", "Thermal/3/.DS_Store", "Thermal/3/._t_00001_3.bmp", "Visible/person/1.bmp"])
def test_stray_files_are_ignored_with_a_warning(root: Path, stray: str) -> None:
    whole = read(root)
    (root / stray).parent.mkdir(exist_ok=True)
    (root / stray).write_bytes(b"stray")
    with pytest.warns(UserWarning, match="ignored"):
        dataset = read(root)
    named = "Visible/person" if "person" in stray else stray
    assert named in dataset.notes[0] and dataset.fingerprint == whole.fingerprint


def test_pictures_that_no_list_names_are_ignored_with_a_warning(root: Path) -> None:
    shutil.copy(root / "Visible/3/v_00001_3.bmp", root / "Visible/3/copy.bmp")
    whole = read_quietly(root)
    assert whole.notes == ("ignored 1 picture that no list of split 1 names, first Visible/3/copy.bmp",)


def read_quietly(root: Path) -> Dataset:
    with pytest.warns(UserWarning):
        return read(root)


def test_other_folders_beside_the_bands_are_nobodys_business(root: Path) -> None:
    shutil.copytree(root / "Visible", root / "rgb_modify")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert read(root).notes == ()


# --- broken lists ---


@pytest.mark.parametrize("part", ["train", "test"])
@pytest.mark.parametrize("band", ["visible", "thermal"])
def test_missing_list(root: Path, part: str, band: str) -> None:
    (root / f"idx/{part}_{band}_1.txt").unlink()
    fails(root, f"list idx/{part}_{band}_1.txt is missing (made by make_regdb_tree)")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "is empty"),
        (b"\xff\xfe\x00\x80", "no text"),
        (b"Visible/3/v_00001_3.bmp", "expected lines of the form 'Visible/<identity>/<file> <label>'"),
        (b"Visible/3/v_00001_3.bmp x", "'Visible/3/v_00001_3.bmp x'"),
        (b"Visible/male/v_00001_3.bmp 0", "male"),
        (b"Thermal/3/t_00001_3.bmp 0", "'Thermal/3/t_00001_3.bmp 0'"),
        (b"RegDB/Visible/3/v_00001_3.bmp 0", "'RegDB/Visible"),
        (b"Visible/../3/v_00001_3.bmp 0", "'Visible/../3"),
        (b"Visible/3/a.bmp 0\nVisible/3/a.bmp 0", "holds Visible/3/a.bmp more than once"),
        (b"Visible/3/a.bmp 0\nVisible/3/b.bmp 1", "give identity 3 the label 1 in Visible/3/b.bmp, but elsewhere label 0"),
        (b"Visible/3/a.bmp 0\nVisible/4/b.bmp 0", "give identity 4 the label 0 in Visible/4/b.bmp, but elsewhere identity 3"),
        (b"Visible/3/a.bmp 5", "give identity 3 the label 0 in Thermal/3/t_00001_3.bmp, but elsewhere label 5"),
        (b"Visible/2/v_00001_2.bmp 9", "identity 2 is in both the train and the test lists of split 1"),
    ],
)
def test_garbled_list(root: Path, content: bytes, words: str) -> None:
    (root / "idx/train_visible_1.txt").write_bytes(content)
    with pytest.raises(DatasetError, match=r"idx/|lists") as caught:
        read(root, allow_partial=True)
    assert words in str(caught.value) and "\n" not in str(caught.value)


def test_short_list_is_told_with_its_cause(root: Path) -> None:
    file = root / "idx/test_thermal_1.txt"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(lines[:-1]))
    with pytest.warns(UserWarning, match="no list of split 1 names"):
        notes = read(root, allow_partial=True).notes
    assert "list idx/test_thermal_1.txt: expected 2 identities / 8 images, found 2 / 7 (identity 20 has 3, not 4)" in notes
    file.write_text("\n".join(lines[:4]))
    fails(root, "list idx/test_thermal_1.txt: expected 2 identities / 8 images, found 1 / 4 (a truncated or edited list)")


def test_test_labels_may_be_any_numbers_and_names_may_hold_spaces(root: Path) -> None:
    for band, folder in (("visible", "Visible"), ("thermal", "Thermal")):
        (root / folder / "2" / f"{band[0]}_00001_2.bmp").rename(root / folder / "2" / "a b.bmp")
        file = root / f"idx/test_{band}_1.txt"
        lines = [line.rpartition(" ")[0].replace(f"{band[0]}_00001_2.bmp", "a b.bmp") for line in file.read_text().splitlines()]
        relabelled = "\r\n".join(f"{line}  {100 + int(line.split('/')[1])}" for line in lines)
        file.write_bytes(b"\xef\xbb\xbf" + relabelled.encode())
    dataset = read(root)
    assert {"Visible/2/a b.bmp", "Thermal/2/a b.bmp"} <= set(dataset.test["path"]) and dataset.notes == ()


@settings(max_examples=60, deadline=None)
@given(content=st.binary(max_size=60))
def test_any_list_gives_a_table_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    root = tmp_path_factory.getbasetemp() / "any-regdb-list"
    if not root.exists():
        make_regdb_tree(root, splits={1: {"train": (1,), "test": (2,)}}, pictures=1, size=(4, 2))
    (root / "idx/train_visible_1.txt").write_bytes(content)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            read(root, allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)


# --- the protocol ---


def test_every_image_asks_and_every_image_of_the_other_band_answers(root: Path) -> None:
    dataset = read(root)
    for name, query, gallery in (("regdb-vis2ir", "visible", "infrared"), ("regdb-ir2vis", "infrared", "visible")):
        (trial,) = get_protocol(name).trials(dataset)
        assert trial.excluded is None and trial.number == 0
        for rows, band in ((trial.query, query), (trial.gallery, gallery)):
            assert rows["path"].tolist() == dataset.test.loc[dataset.test["modality"] == band, "path"].tolist()
            assert dataset.test.loc[rows.index, "path"].tolist() == rows["path"].tolist()


def test_the_protocol_takes_image_cmc_and_one_trial(root: Path, tmp_path: Path) -> None:
    dataset = read(root)
    features = raw_pixel_features(ImageStore(dataset, dataset.test, (16, 8), progress=False))
    scores = evaluate(features, dataset, "regdb-vis2ir")
    distance = features.distance(np.arange(8), np.arange(8, 16))  # visible rows come first
    order = np.argsort(np.asarray(distance), axis=1, kind="stable")
    identities = dataset.test["identity"].to_numpy()
    first = [int(np.flatnonzero(identities[8:][order[q]] == identities[q])[0]) for q in range(8)]
    assert scores.mean["rank1"] == pytest.approx(np.mean([rank < 1 for rank in first]))
    assert scores.mean["rank5"] == pytest.approx(np.mean([rank < 5 for rank in first]))  # images are counted, not identities
    told = scores.protocol
    assert (told["cmc"], told["ap"], told["trials"], told["queries"], told["gallery_images"]) == ("image", "plain", 1, 8, 8)
    assert "all visible images ask, all infrared images answer" in str(scores) and "trials: 1" in str(scores)
    write_scores(tmp_path / "scores.json", {"regdb-vis2ir": scores})
    assert read_scores(tmp_path / "scores.json")["regdb-vis2ir"].mean == scores.mean


def test_the_protocol_names_what_is_missing(root: Path) -> None:
    with pytest.raises(SettingError, match="'regdb-ir2vis' needs infrared query images; split 'validation' of 'small' has none"):
        next(get_protocol("regdb-ir2vis").trials(read(root), "validation"))
    with pytest.raises(SettingError, match="no option 'trials'; known: none"):
        get_protocol("regdb-vis2ir", trials=3)
