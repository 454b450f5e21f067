"""The report: a whole folder gives none, every damage planted at once is named, and each alone gives its own finding and no other."""

from __future__ import annotations

import builtins
import os
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from trees import REGDB_EXPECTED, SPLITS, expected_of, make_manifest, make_regdb_tree, make_tree, make_twilight, picture, write_lists
from trees_images import LLCM_EXPECTED, MARKET_EXPECTED, make_llcm_tree, make_market_tree, write_permutations
from typer.testing import CliRunner

from vireidkit.cli_data import data_app
from vireidkit.data import check_dataset, list_datasets, register_reader
from vireidkit.data.check import Report, report_on
from vireidkit.data.dataset import Dataset
from vireidkit.data.llcm import survey_llcm_tree
from vireidkit.data.market import survey_market_tree
from vireidkit.data.obtaining import guide, guides
from vireidkit.data.permutations import survey_permutations
from vireidkit.data.regdb import survey_regdb_tree
from vireidkit.data.registry import _READERS
from vireidkit.data.survey import Survey, register_survey
from vireidkit.data.sysu import read_tree, survey_tree
from vireidkit.errors import DatasetError, SettingError

SIZE = (40, 32)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A whole small SYSU-MM01. "cam" in the path of the root must not matter."""
    root = make_tree(tmp_path / "webcam3" / "cam1_0001", size=SIZE)
    write_permutations(root)
    return root


def sysu(root: Path, *, decode: bool = True) -> Report:
    """The report on a small tree whose small counts are complete counts."""
    survey = survey_tree(root, name="small", expected=expected_of())
    survey_permutations(survey)
    return report_on(survey, decode=decode, progress=False)


def regdb(root: Path) -> Report:
    return report_on(survey_regdb_tree(root, split=1, name="small", expected=REGDB_EXPECTED), progress=False)


def llcm(root: Path) -> Report:
    return report_on(survey_llcm_tree(root, expected=LLCM_EXPECTED), progress=False)


def market(root: Path) -> Report:
    return report_on(survey_market_tree(root, name="small", expected=MARKET_EXPECTED), progress=False)


def truncate(file: Path) -> None:
    file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])


def colour(file: Path) -> None:
    """A colour picture in the place of an infrared one."""
    pixels = np.random.default_rng(0).integers(0, 255, (*SIZE, 3)).astype(np.uint8)
    Image.fromarray(pixels).save(file)


def named(report: Report, expected: dict[str, str]) -> None:
    """Every planted damage is told by a sentence of its own words."""
    text = str(report)
    for damage, words in expected.items():
        assert any(words in finding for finding in report.findings), f"{damage}: {words!r} is not in\n{text}"
        assert words in text
    assert not report.ok


# --- whole folders ---


@pytest.mark.parametrize(("make", "look"), [(make_regdb_tree, regdb), (make_llcm_tree, llcm), (make_market_tree, market)])
def test_a_whole_folder_has_no_findings(tmp_path: Path, make: Callable[..., Path], look: Callable[[Path], Report]) -> None:
    report = look(make(tmp_path / "set", size=SIZE))
    assert report.findings == () and report.ok and report.opened == report.pictures > 0
    assert report.table["ok"].all() and report.table["expected"].notna().all()
    assert str(report).endswith("pictures opened; all as published")


def test_the_table_sets_every_count_beside_the_published_one(root: Path) -> None:
    report = sysu(root)
    assert report.findings == () and report.ok and (report.pictures, report.opened) == (154, 154)
    assert list(report.table.columns) == ["split", "camera", "modality", "what", "expected", "found", "ok", "cause"]
    row = report.table[(report.table["split"] == "test") & (report.table["camera"] == "3") & (report.table["what"] == "images")]
    assert row[["modality", "expected", "found", "ok"]].to_numpy().tolist() == [["infrared", 9, 9, True]]
    assert set(report.table["split"]) == set(SPLITS) and len(report.table) == 3 + 3 * 6 * 2


def test_no_picture_is_opened_unless_asked(root: Path) -> None:
    truncate(root / "cam1/0001/0001.jpg")
    report = sysu(root, decode=False)
    assert report.ok and report.opened == 0 and "154 pictures, none opened" in str(report)


# --- every damage at once ---


def test_every_damage_of_a_sysu_tree_is_named_at_once(root: Path) -> None:
    (root / "exp/train_id.txt").write_text("")
    (root / "exp/test_id.txt").write_text("9,10,11,8")
    shutil.rmtree(root / "cam5")
    for camera in (3, 6):
        shutil.rmtree(root / f"cam{camera}/0010")
    truncate(root / "cam1/0001/0001.jpg")
    truncate(root / "cam2/0009/0002.png")
    (root / "cam4/0003/0001.bmp").write_text("<html>404</html>")
    (root / "cam4/0009/0002.bmp").write_bytes(b"")
    colour(root / "cam3/0002/0001.jpg")
    picture(4, 1, 1, (20, 10)).save(root / "cam1/0004/0002.jpg")
    (root / "cam2/0007/0001.png").unlink()
    picture(5, 1, 1, SIZE).save(root / "cam1/0005/0001.png")
    (root / "cam6/0003/0002.jpeg").unlink()
    (root / "cam6/0003/0002.jpeg").symlink_to(root / "gone.jpeg")
    (root / "cam4/Thumbs.db").write_bytes(b"stray")
    shutil.copytree(root / "cam4", root / "cam7")
    named(
        sysu(root),
        {
            "empty list": "identity list exp/train_id.txt is empty",
            "foreign list": "exp/test_id.txt lists 4 identities, expected 3: not the official list",
            "two splits": "identity 8 is both in exp/val_id.txt and exp/test_id.txt",
            "missing camera": "camera folder cam5 is missing",
            "one band only": "test: identity 10 is in one modality only",
            "truncated jpg": "image file cannot be read: cam1/0001/0001.jpg: ",
            "truncated png": "image file cannot be read: cam2/0009/0002.png: ",
            "no picture": "cam4/0003/0001.bmp: no picture in a known format",
            "empty file": "cam4/0009/0002.bmp is an empty file",
            "colour": "camera 3, infrared: 1 infrared picture whose three channels differ: cam3/0002/0001.jpg",
            "small": "1 picture smaller than 32 pixels in height or width: cam1/0004/0002.jpg",
            "gap": "cam2 validation: expected 2 identities / 4 images, found 2 / 3 (numbers have a gap, cam2/0007/0001 is missing)",
            "twice": "cam1/0005/0001.jpg and cam1/0005/0001.png are two files of one picture number",
            "link": "cam6/0003/0002.jpeg cannot be read: No such file",
            "strays": "ignored cam7, cam4/Thumbs.db: expected",
            "permutations": "exp/rand_perm_cam.mat lists 10 trials of 2 images of identity 7 in camera 2, the folder holds 1",
        },
    )


def test_every_damage_of_a_regdb_tree_is_named_at_once(tmp_path: Path) -> None:
    root = make_regdb_tree(tmp_path / "Visible", size=SIZE)
    lists = {file.name: file.read_text() for file in (root / "idx").iterdir()}
    (root / "idx/train_visible_1.txt").write_text("")
    (root / "idx/train_thermal_1.txt").write_text(lists["train_thermal_1.txt"].replace("Thermal/7/t_00001_7.bmp 1", "nonsense"))
    (root / "idx/test_visible_1.txt").write_text("\n".join(lists["test_visible_1.txt"].splitlines()[:-1]))
    test = lists["test_thermal_1.txt"].replace("t_00001_2.bmp 0", "t_00001_2.bmp 9") + "Thermal/3/t_00001_3.bmp 5\n"
    (root / "idx/test_thermal_1.txt").write_text(test)
    (root / "Visible/20/v_00002_20.bmp").unlink()
    (root / "Visible/2/v_00003_2.bmp").write_bytes(b"")
    truncate(root / "Thermal/11/t_00001_11.bmp")
    colour(root / "Thermal/20/t_00004_20.bmp")
    (root / "Thermal/20/.DS_Store").write_bytes(b"stray")
    named(
        regdb(root),
        {
            "empty list": "list idx/train_visible_1.txt is empty",
            "garbled list": "list idx/train_thermal_1.txt holds 'nonsense', expected lines of the form",
            "short list": "list idx/test_visible_1.txt: expected 2 identities / 8 images, found 2 / 7 (identity 20 has 3, not 4)",
            "label": "the test lists give identity 2 the label 9 in Thermal/2/t_00001_2.bmp, but elsewhere label 0",
            "two parts": "identity 3 is in both the train and the test lists of split 1",
            "missing": "Visible test: expected 2 identities / 7 images, found 2 / 5 (Visible/20/v_00002_20.bmp is missing",
            "empty": "Visible/2/v_00003_2.bmp is an empty file",
            "truncated": "image file cannot be read: Thermal/11/t_00001_11.bmp",
            "colour": "three channels differ: Thermal/20/t_00004_20.bmp",
            "stray": "ignored Thermal/20/.DS_Store",
            "one band": "train: 3 identities (3, 7, 11) are in one modality only",
        },
    )


def test_every_damage_of_an_llcm_tree_is_named_at_once(tmp_path: Path) -> None:
    root = make_llcm_tree(tmp_path / "webcam", size=SIZE)
    (root / "idx/train_nir.txt").write_text("")
    (root / "idx/test_id.txt").write_text("351,352,353")
    shutil.rmtree(root / "test_nir/cam6")
    (root / "vis/0004/0004_c03_s200656_f0031_vis.jpg").unlink()
    (root / "vis/0351/0351_c01_s200656_f0011_vis.jpg").unlink()
    (root / "nir/0352/0352_c01_s200656_f0012_nir.jpg").write_bytes(b"")
    truncate(root / "vis/0007/0007_c06_s200656_f0062_vis.jpg")
    colour(root / "nir/0001/0001_c01_s200656_f0011_nir.jpg")
    (root / "test_vis/cam3/0352/Thumbs.db").write_bytes(b"stray")
    shutil.copytree(root / "test_vis/cam3", root / "test_nir/cam3")
    extra = root / "test_vis/cam1/0352/0352_c01_s200656_f0099_vis.jpg"
    shutil.copy(root / "vis/0352/0352_c01_s200656_f0011_vis.jpg", extra)
    named(
        llcm(root),
        {
            "empty list": "list idx/train_nir.txt is empty",
            "test ids": "identity 353 is in idx/test_id.txt but not in the test lists",
            "camera": "camera folder test_nir/cam6 is missing",
            "missing": "vis train: expected 18 images, found 17 (vis/0004/0004_c03_s200656_f0031_vis.jpg is missing, incomplete copy)",
            "one copy": "first test_vis/cam1/0351/0351_c01_s200656_f0011_vis.jpg (incomplete copy)",
            "empty": "nir/0352/0352_c01_s200656_f0012_nir.jpg is an empty file",
            "truncated": "image file cannot be read: vis/0007/0007_c06_s200656_f0062_vis.jpg",
            "colour": "three channels differ: nir/0001/0001_c01_s200656_f0011_nir.jpg",
            "strays": "ignored test_vis/cam3/0352/Thumbs.db, test_nir/cam3",
            "forms": "test_nir and idx/test_nir.txt differ: 4 only in the list",
            "more": "test_vis and idx/test_vis.txt differ: 1 only in the folders, first 0352/0352_c01_s200656_f0099_vis.jpg",
        },
    )


def test_every_damage_of_a_market_tree_is_named_at_once(tmp_path: Path) -> None:
    root = make_market_tree(tmp_path / "query", size=SIZE)
    train, query, gallery = (root / name for name in ("bounding_box_train", "query", "bounding_box_test"))
    truncate(train / "0002_c1s1_000048_02.jpg")
    (train / "0007_c6s1_000049_03.jpg").write_bytes(b"")
    (train / "0010_c1s1_000048_02.jpg").unlink()
    shutil.copy(train / "0002_c6s1_000048_02.jpg", gallery / "0002_c6s1_000048_02.jpg")
    (query / "Thumbs.db").write_bytes(b"stray")
    (gallery / "0001_c9s1_000001_01.jpg").write_bytes(b"picture")
    (gallery / "-1_c3s2_000001_01.jpg").rename(query / "-1_c3s2_000001_01.jpg")
    for name in ("0003_c1s1_000048_02.jpg", "0003_c1s1_000049_03.jpg"):
        (gallery / name).unlink()
    (query / "0003_c6s1_000047_01.jpg").write_text("no picture")
    named(
        market(root),
        {
            "truncated": "image file cannot be read: bounding_box_train/0002_c1s1_000048_02.jpg",
            "empty": "bounding_box_train/0007_c6s1_000049_03.jpg is an empty file",
            "missing": "bounding_box_train: expected 3 identities / 12 images, found 3 / 10 (incomplete copy)",
            "two parts": "identity 2 is both in bounding_box_train and bounding_box_test",
            "stray": "ignored query/Thumbs.db",
            "camera": "bounding_box_test/0001_c9s1_000001_01.jpg is of camera 9, expected 1 to 6",
            "junk": "query/-1_c3s2_000001_01.jpg is junk (identity -1), which belongs in bounding_box_test alone",
            "fewer junk": "bounding_box_test holds 1 junk images (identity -1), expected 2",
            "no match": "query: identity 3 is in no other camera of the gallery",
            "no picture": "query/0003_c6s1_000047_01.jpg: no picture in a known format",
        },
    )


def test_wrong_lines_of_a_manifest_are_named_at_once(tmp_path: Path) -> None:
    root = make_manifest(tmp_path / "mine", size=SIZE)
    lines = (root / "manifest.csv").read_text().splitlines()
    lines[1] = lines[1].replace("visible,train", "ir,train")
    lines[2] = lines[2].replace(",1,1,", ",x,1,", 1)
    lines[3] += ",more"
    lines[5] = lines[4]
    lines[6] = "../" + lines[6]
    lines[-1] = lines[-1].replace(",test,", ",train,")
    (root / "manifest.csv").write_text("\n".join(lines) + "\n")
    (root / "infrared/9/cam3_1.png").unlink()
    truncate(root / "infrared/9/cam3_2.png")
    report = check_dataset("manifest", root, progress=False)
    named(
        report,
        {
            "band": "line 2: modality must be one of visible, infrared; found 'ir'",
            "number": "line 3: identity must be a whole number from 0; found 'x'",
            "cells": "line 4 has 8 cells, the header has 7",
            "twice": "is listed twice, in lines 5 and 6",
            "outside": "line 7: path must be relative to the manifest's folder",
            "two splits": "identity 11 is in both test and train",
            "missing": "picture files is not there, first infrared/9/cam3_1.png",
            "truncated": "image file cannot be read: infrared/9/cam3_2.png",
        },
    )


# --- each alone ---


def _no_permission(root: Path) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    (root / "cam2/0002/0001.png").chmod(0)


def _permutations_cut(root: Path) -> None:
    truncate(root / "exp/rand_perm_cam.mat")


def _permutations_of_another_set(root: Path) -> None:
    write_permutations(root, trials=3)


ALONE: dict[str, tuple[Callable[[Path], object], bool, str]] = {
    "stray": (lambda root: (root / "cam1/0001/notes.txt").write_text("x"), True, "ignored cam1/0001/notes.txt: expected"),
    "no permutations": (lambda root: (root / "exp/rand_perm_cam.mat").unlink(), True, "only multi-shot and sampler=perm need it"),
    "cut permutations": (_permutations_cut, False, "exp/rand_perm_cam.mat cannot be read as the authors' file"),
    "other permutations": (_permutations_of_another_set, False, "lists 3 trials of 2 images of identity 1 in camera 1"),
    "empty ids": (lambda root: (root / "exp/val_id.txt").write_text(""), False, "identity list exp/val_id.txt is empty"),
    "missing ids": (lambda root: (root / "exp/val_id.txt").unlink(), False, "identity list exp/val_id.txt is missing"),
    "truncated": (lambda root: truncate(root / "cam5/0009/0001.webp"), False, "image file cannot be read: cam5/0009/0001.webp"),
    "no permission": (_no_permission, False, "cam2/0002/0001.png: Permission denied"),
    "colour": (lambda root: colour(root / "cam6/0009/0001.jpeg"), False, "three channels differ: cam6/0009/0001.jpeg"),
    "small": (lambda root: picture(9, 2, 1, (31, 40)).save(root / "cam2/0009/0001.png"), True, "smaller than 32 pixels in height or width"),
}


@pytest.mark.parametrize("name", ALONE)
def test_one_damage_alone_gives_its_finding(root: Path, name: str) -> None:
    plant, harmless, words = ALONE[name]
    plant(root)
    report = sysu(root)
    assert words in report.findings[0] and report.ok is harmless
    rest = [finding for finding in report.findings[1:] if "identities (7, 8) are in" not in finding]
    assert not rest, f"{name} is told more than once: {rest}"
    assert not any(str(root) in finding for finding in report.findings)


def test_identity_in_one_band_only(root: Path) -> None:
    shutil.rmtree(root / "cam3/0002")
    shutil.rmtree(root / "cam6/0002")
    report = sysu(root)
    assert report.notes == ("train: identity 2 is in one modality only; kept in the table, but no batch can hold them",)
    wrong = report.table[~report.table["ok"]]
    assert sorted(set(wrong["camera"])) == ["3", "6"] and set(wrong["cause"]) == {"1 identity folders missing or empty, incomplete copy"}


def test_grey_pictures_in_colour_files_are_no_colour(root: Path) -> None:
    """A lossy file with three equal channels comes back with nearly equal ones."""
    picture(9, 3, 1, SIZE).convert("RGB").save(root / "cam3/0009/0001.jpg", quality=40)
    assert sysu(root).findings == ()


def test_many_pictures_of_one_kind_are_counted_and_the_first_are_named(tmp_path: Path) -> None:
    root = make_tree(tmp_path / "set", images={1: 5, 3: 1}, size=(20, 10))
    report = report_on(survey_tree(root, name="small", expected=expected_of(images={1: 5, 3: 1})), progress=False)
    tiny = [note for note in report.notes if "smaller than" in note]
    assert [note.split(" picture")[0] for note in tiny] == ["camera 1, visible: 55", "camera 3, infrared: 11"]
    assert tiny[0].endswith(" and 35 more") and report.problems == (*(f"camera folder cam{camera} is missing" for camera in (2, 4, 5, 6)),)


def test_folder_without_permission_does_not_hide_the_rest(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scandir = os.scandir

    def refuse(path: str) -> object:
        if str(path).endswith(os.path.join("cam3", "0002")):
            raise PermissionError(13, "Permission denied", str(path))
        return scandir(path)

    (root / "cam1/0001/0002.jpg").write_bytes(b"")
    monkeypatch.setattr(os, "scandir", refuse)
    report = sysu(root)
    assert any("0002 cannot be read: Permission denied" in problem for problem in report.problems)
    assert "cam1/0001/0002.jpg is an empty file" in report.problems


def test_picture_without_permission_is_named(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A test may run as root, whom chmod does not stop."""
    real = builtins.open

    def refuse(file: object, *words: object, **options: object) -> object:
        if str(file).endswith("cam2/0002/0001.png"):
            raise PermissionError(13, "Permission denied", str(file))
        return real(file, *words, **options)

    monkeypatch.setattr("builtins.open", refuse)
    report = sysu(root)
    assert report.findings == ("image file cannot be read: cam2/0002/0001.png: Permission denied",) and not report.ok


def test_a_reader_that_fails_at_once_names_what_the_report_names_first(root: Path) -> None:
    (root / "exp/train_id.txt").write_text("")
    (root / "exp/val_id.txt").write_text("7,x")
    (root / "cam1/0009/0001.jpg").write_bytes(b"")
    options = {"name": "small", "title": "Small", "bands": ("visible", "infrared"), "protocols": (), "credit": ""}
    with pytest.raises(DatasetError) as caught:
        read_tree(root, expected=expected_of(), allow_partial=True, **options)
    text = str(caught.value)
    assert "exp/train_id.txt is empty; " in text and "holds 'x'" in text and "vireidkit check small names all" in text


def test_names_that_cannot_be_printed(root: Path) -> None:
    """A line break, or bytes that are no text, must not break the lines of the report or its output."""
    for name in (b"two\nlines.txt", b"\xff\xfe.jpg"):
        Path(os.fsdecode(os.path.join(os.fsencode(root / "cam1/0001"), name))).write_bytes(b"stray")
    report = sysu(root)
    assert "two\\nlines.txt" in report.notes[0] and "\n" not in report.notes[0]
    assert str(report).encode() and report.ok


def test_a_file_with_a_foreign_name_is_a_stray_of_llcm_and_market(tmp_path: Path) -> None:
    places = {"vis/0001/0001_c01_s1_f1_vis": make_llcm_tree(tmp_path / "l"), "query/0001_c6s1_000047_01": make_market_tree(tmp_path / "m")}
    for start, tree in places.items():
        Path(os.fsdecode(os.fsencode(tree / start) + b"_\xff.jpg")).write_bytes(b"stray")
    for report in (llcm(tmp_path / "l"), market(tmp_path / "m")):
        assert len(report.findings) == 1 and "\\udcff" in report.notes[0] and report.ok


# --- other readers, names and roots ---


def test_readers_without_a_survey_are_read(root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vireidkit.data.registry._READERS", dict(_READERS))
    options = {"name": "mine", "title": "Mine", "bands": ("visible", "infrared"), "protocols": (), "credit": ""}

    @register_reader("mine")
    def mine(root: Path | None, *, split: int, allow_partial: bool) -> Dataset:
        return read_tree(root or tmp_path, expected=expected_of(), allow_partial=allow_partial, **options)

    report = check_dataset("mine", root, progress=False)
    assert report.ok and report.opened == 154 and report.table["expected"].isna().all() and str(report).endswith("no problems")
    truncate(root / "cam1/0001/0001.jpg")
    (root / "cam2/0009/0001.png").unlink()
    (root / "cam4/0009/0001.bmp").unlink()
    report = check_dataset("mine", root, progress=False)
    assert [text.split(":")[0] for text in report.problems] == ["cam2 test", "cam4 test", "image file cannot be read"] and not report.ok
    (root / "exp/train_id.txt").write_text("")
    report = check_dataset("mine", root, progress=False)
    assert "exp/train_id.txt is empty" in report.problems[0] and not report.ok
    with pytest.raises(DatasetError, match="does not exist"):
        check_dataset("mine", root / "nowhere")


def test_a_survey_of_the_users_own(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vireidkit.data.registry._READERS", dict(_READERS))
    monkeypatch.setattr("vireidkit.data.survey._SURVEYS", {})

    @register_reader("mine", splits=2)
    def mine(root: Path | None, *, split: int, allow_partial: bool) -> Dataset:
        raise AssertionError("the report needs the survey alone")

    @register_survey("mine", splits=2)
    def survey(root: Path | None, *, split: int) -> Survey:
        assert root is not None
        found = Survey("mine", root, "mend it")
        found.compare("query", expected={"identities": 3, "images": 1200}, found={"identities": 3, "images": 1199}, cause=f"split {split}")
        return found

    report = check_dataset("mine", root, split=2)
    assert report.problems == ("query: expected 3 identities / 1,200 images, found 3 / 1,199 (split 2)",)
    assert report.table["ok"].tolist() == [True, False] and "to mend it: mend it" in str(report)
    with pytest.raises(SettingError, match="splits 1 to 2; found split 3"):
        check_dataset("mine", root, split=3)


def test_twilight_is_found_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("VIREIDKIT_TWILIGHT", raising=False)
    assert check_dataset("twilight-tracklets", decode=False).ok
    small = make_twilight(tmp_path / "twilight")
    report = check_dataset("twilight-thermal", small, split=3, progress=False)
    assert not report.ok and any("list idx/train_visible_3.txt: expected 50 identities" in text for text in report.problems)


@pytest.mark.parametrize("name", ["sysu-mm01", "regdb", "llcm", "market1501", "dukemtmc-reid", "manifest"])
def test_wrong_roots_are_errors(name: str, tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"does not exist"):
        check_dataset(name, tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"expected the folders|does not exist"):
        check_dataset(name, tmp_path)
    with pytest.raises(DatasetError, match="needs"):
        check_dataset(name)
    with pytest.raises(SettingError, match="found split 99"):
        check_dataset(name, tmp_path, split=99)


def test_published_counts_are_those_that_are_checked(root: Path, tmp_path: Path) -> None:
    """A tiny tree under the published name differs everywhere, and says from what."""
    table = check_dataset("sysu-mm01", root, decode=False).table
    pairs = {(row.split, row.camera, row.what): row.expected for row in table.itertuples()}
    assert pairs["test", "6", "images"] == 1920 and pairs["all identities", "3", "identities"] == 486
    assert pairs["validation", "1+2+4+5", "images"] == 1974 and pairs["train", "", "sum of the list"] == 83180
    table = check_dataset("market1501", make_market_tree(tmp_path / "m"), decode=False).table
    assert table["expected"].tolist() == [751, 12936, 750, 3368, 751, 15913, 3819]
    table = check_dataset("llcm", make_llcm_tree(tmp_path / "l"), decode=False).table
    assert table["expected"].tolist() == [713, 16946, 13975, 351, 8680, 7166, 8680, 7166]
    table = check_dataset("regdb", make_regdb_tree(tmp_path / "r"), decode=False).table
    assert set(table.loc[table["what"] == "listed images", "expected"]) == {2060}


def test_the_survey_warns_of_nothing_and_writes_nothing(root: Path, recwarn: pytest.WarningsRecorder) -> None:
    (root / "cam1/Thumbs.db").write_bytes(b"stray")
    before = sorted(root.rglob("*"))
    sysu(root)
    assert not recwarn.list and sorted(root.rglob("*")) == before


# --- the command line ---


def run(*words: str) -> tuple[int, str]:
    result = CliRunner().invoke(data_app, list(words))
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result.exit_code, result.output


def test_check_ends_with_0_or_1(tmp_path: Path) -> None:
    root = make_manifest(tmp_path / "mine", size=SIZE)
    code, text = run("check", "manifest", "--root", str(root), "--quiet")
    assert code == 0 and "88 of 88 pictures opened; no problems" in text
    truncate(root / "infrared/9/cam3_2.png")
    code, text = run("check", "manifest", "--root", str(root), "--quiet")
    assert code == 1 and "image file cannot be read: infrared/9/cam3_2.png" in text and "1 problem" in text
    assert run("check", "manifest", "--root", str(root), "--no-decode")[0] == 0
    with pytest.raises(DatasetError):  # the kit's entry point ends with code 2
        run("check", "manifest", "--root", str(tmp_path / "nowhere"))
    with pytest.raises(SettingError):
        run("check", "regbd", "--root", str(root))


def test_data_prints_a_line_or_a_guide() -> None:
    code, text = run("data")
    assert code == 0 and [line.split()[0] for line in text.splitlines()] == [own.name for own in guides()]
    code, text = run("data", "dukemtmc-reid")
    assert code == 0 and "withdrew it in 2019" in text and "vireidkit check dukemtmc-reid --root DIR" in text
    with pytest.raises(SettingError, match="did you mean 'regdb'"):
        run("data", "regbd")


def test_every_data_set_of_the_kit_has_a_guide(monkeypatch: pytest.MonkeyPatch) -> None:
    kit = [name for name in list_datasets() if _READERS[name].reader.__module__.startswith("vireidkit.")]
    assert {own.name for own in guides()} == set(kit)
    for name in kit:
        text = str(guide(name))
        for title in ("how to obtain it", "terms", "layout", "published counts", "protocols"):
            assert f"\n{title}\n  " in text, f"{name} lacks {title}"
        assert max(map(len, text.splitlines())) <= 132
    assert "mirror" in guide("dukemtmc-reid").obtain and "http" not in str(guide("dukemtmc-reid"))


def test_a_guide_of_a_reader_of_the_users_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("vireidkit.data.registry._READERS", dict(_READERS))
    register_reader("mine")(lambda root, *, split, allow_partial: None)
    assert "a reader of its own" in str(guide("mine"))


def test_one_picture_in_two_tables_is_opened_once(root: Path) -> None:
    write_lists(root, {**SPLITS, "validation": (7, 8, 9)})
    survey = survey_tree(root, name="small", expected=expected_of())
    assert sum(map(len, survey.tables.values())) > 154 and len(survey.pictures()) == 154
    assert isinstance(report_on(survey, progress=False).table, pd.DataFrame)
