"""The manifest reader: what a CSV file may say, what it may not, and which protocols follow from it."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from trees import MANIFEST_COLUMNS, SPLITS, make_manifest

from vireidkit.data import ImageStore, load_dataset
from vireidkit.data.dataset import Dataset
from vireidkit.data.manifest import Count, possible_protocols, read_manifest_tree
from vireidkit.errors import DatasetError
from vireidkit.evaluation import evaluate, raw_pixel_features


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return make_manifest(tmp_path / "mine")


def lines(root: Path) -> list[str]:
    return (root / "manifest.csv").read_text().splitlines()


def write(root: Path, rows: list[str]) -> None:
    (root / "manifest.csv").write_text("\n".join(rows) + "\n")


def edit(root: Path, line: int, **cells: str) -> None:
    """Change cells of one line of the file, counted from 1 (the header)."""
    rows = lines(root)
    own = dict(zip(rows[0].split(","), rows[line - 1].split(","), strict=True)) | cells
    write(root, [*rows[: line - 1], ",".join(own.values()), *rows[line:]])


def column(root: Path, name: str, values: list[str] | None) -> None:
    """Replace, add or (None) remove a column."""
    table = pd.read_csv(root / "manifest.csv", dtype=str, keep_default_na=False)
    table = table.drop(columns=name) if values is None else table.assign(**{name: values})
    table.to_csv(root / "manifest.csv", index=False)


def fails(root: Path, *words: str, allow_partial: bool = False) -> str:
    with pytest.raises(DatasetError) as caught:
        load_dataset("manifest", root, allow_partial=allow_partial)
    text = str(caught.value)
    assert "\n" not in text
    for word in (str(root), *words):
        assert word in text, f"{word!r} not in {text!r}"
    return text


# --- a whole manifest ---


def test_tables_hold_the_rows_in_the_order_of_the_file(root: Path) -> None:
    rows = lines(root)
    write(root, [rows[0], *reversed(rows[1:])])
    dataset = load_dataset("manifest", root)
    written = [dict(zip(MANIFEST_COLUMNS, row.split(","), strict=True)) for row in reversed(rows[1:])]
    assert dataset.notes == () and dataset.title == "mine" and dataset.root == root
    for split, identities in SPLITS.items():
        table = dataset.table(split)
        mine = [row for row in written if row["split"] == split]
        assert table["path"].tolist() == [row["path"] for row in mine]
        for name in ("identity", "camera", "tracklet", "frame"):
            assert table[name].tolist() == [int(row[name]) for row in mine]
        assert table["modality"].tolist() == [row["modality"] for row in mine]
        assert sorted(table["identity"].unique()) == list(identities) and "role" not in table.columns
    assert dataset.protocols == ("ir2vis", "vis2ir", "within-visible", "within-infrared")


def test_every_protocol_that_it_names_can_be_evaluated(root: Path) -> None:
    dataset = load_dataset("manifest", root)
    features = raw_pixel_features(ImageStore(dataset, dataset.test, (8, 4), progress=False))
    for name in dataset.protocols:
        assert 0 < evaluate(features, dataset, name).mean["map"] <= 1


def test_the_csv_file_itself_may_be_named(root: Path) -> None:
    whole = load_dataset("manifest", root)
    (root / "manifest.csv").rename(root / "night only.csv")
    dataset = load_dataset("manifest", root / "night only.csv")
    assert dataset.fingerprint == whole.fingerprint and dataset.title == "mine" and dataset.root == root
    assert dataset.open(dataset.test["path"].iloc[0]).mode == "RGB"


def test_optional_columns_and_cells_may_be_left_out(root: Path) -> None:
    edit(root, 3, tracklet="", frame="")
    assert load_dataset("manifest", root).train.loc[1, ["tracklet", "frame"]].tolist() == [-1, -1]
    column(root, "tracklet", None)
    column(root, "frame", None)
    column(root, "remark", ["from the north"] * (len(lines(root)) - 1))
    table = load_dataset("manifest", root).train
    assert set(table["tracklet"]) == set(table["frame"]) == {-1} and "remark" not in table.columns


def test_blanks_quotes_byte_order_marks_and_empty_lines_are_no_harm(root: Path) -> None:
    whole = load_dataset("manifest", root)
    rows = lines(root)
    rows[1] = '"' + rows[1].replace(",", '" , "') + '"'
    rows[2] = rows[2].replace(",", " ,")
    text = "\r\n".join([rows[0], "", *rows[1:], ",,,,,,", ""])
    (root / "manifest.csv").write_bytes(b"\xef\xbb\xbf" + text.replace('" , "', '","').encode())
    assert load_dataset("manifest", root).fingerprint == whole.fingerprint


def test_roles_are_kept_where_the_data_set_fixes_them(root: Path) -> None:
    split = [row.split(",")[4] for row in lines(root)[1:]]
    column(root, "role", ["query" if own == "test" else "" for own in split])
    dataset = load_dataset("manifest", root)
    assert set(dataset.test["role"]) == {"query"} and set(dataset.train["role"]) == {""}
    fingerprint = dataset.fingerprint
    column(root, "role", ["gallery" if own == "test" else "" for own in split])
    assert load_dataset("manifest", root).fingerprint != fingerprint
    column(root, "role", [""] * len(split))
    assert "role" not in load_dataset("manifest", root).test
    edit(root, len(lines(root)), role="query")
    fails(root, "role must be query, gallery or both in every test row, and nothing in the others; found ''")
    column(root, "role", ["query"] * len(split))
    fails(root, "line 2 and ", "found 'query'")


def test_identity_in_one_modality_stays_and_is_noted(root: Path) -> None:
    rows = lines(root)
    write(root, [row for row in rows if not row.startswith(("infrared/9/", "infrared/2/"))])
    dataset = load_dataset("manifest", root)
    assert {9} <= set(dataset.test["identity"]) and len(dataset.notes) == 2
    assert dataset.notes[1].startswith("test: identity 9 is in one modality only")


@pytest.mark.parametrize(
    ("rows", "protocols"),
    [
        ([], ()),
        ([(1, 1, "visible"), (1, 3, "infrared")], ("ir2vis", "vis2ir")),
        ([(1, 1, "visible"), (2, 3, "infrared")], ()),
        ([(1, 1, "visible"), (1, 1, "visible")], ()),
        ([(1, 1, "visible"), (1, 2, "visible")], ("within-visible",)),
        ([(1, 1, "visible"), (2, 2, "visible"), (5, 3, "infrared"), (5, 6, "infrared")], ("within-infrared",)),
        ([(1, 1, "visible"), (1, 2, "visible"), (1, 3, "infrared")], ("ir2vis", "vis2ir", "within-visible")),
    ],
)
def test_protocols_are_those_that_the_test_rows_allow(rows: list[tuple[int, int, str]], protocols: tuple[str, ...]) -> None:
    assert possible_protocols(pd.DataFrame(rows, columns=["identity", "camera", "modality"])) == protocols


def test_training_rows_alone_are_a_data_set_without_protocols(root: Path) -> None:
    write(root, [row for row in lines(root) if ",test," not in row])
    dataset = load_dataset("manifest", root)
    assert dataset.protocols == () and dataset.test.empty and len(dataset.train) == 6 * 8
    assert dataset.notes == ("no protocol applies: the test rows hold no identity that a second band or camera saw",)


# --- broken manifests ---


def test_no_root_and_no_file(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match=r"folder that holds manifest.csv, or a CSV file with the columns path, identity"):
        load_dataset("manifest")
    fails(tmp_path, "manifest.csv: this file does not exist; a manifest is a CSV file with path, identity")
    fails(tmp_path / "nowhere", "does not exist")


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "column 'path' is missing; found an empty line"),
        (b"path,identity,camera,modality\n", "column 'split' is missing; found path, identity, camera, modality"),
        (b"path,identity,camera,modality,splits\n", "column 'split' is missing (did you mean 'split' by 'splits'?)"),
        (b"path;identity;camera;modality;split\n", "separated by ;, expected a comma"),
        (b"path\tidentity\tcamera\tmodality\tsplit\n", "separated by a tab, expected a comma"),
        (b"path,identity,camera,modality,split,camera\n", "column 'camera' comes twice"),
        (b"path,identity,camera,modality,split\n", "no picture is listed below the header"),
        (b"path,identity,camera,modality,split\na.png,1,1,visible\n", "line 2 has 4 cells, the header has 5"),
        (b"path,identity,camera,modality,split\n\na.png,1,1,visible,train,x\n", "line 3 has 6 cells, the header has 5"),
        (b'path,identity,camera,modality,split\n"a.png,1,1,visible,train\n', "no CSV table"),
        (b"\xff\xfe\x00\x80", "no text in UTF-8"),
    ],
)
def test_files_that_are_no_manifest(tmp_path: Path, content: bytes, words: str) -> None:
    (tmp_path / "manifest.csv").write_bytes(content)
    fails(tmp_path, words)


@pytest.mark.parametrize(
    ("cells", "words"),
    [
        ({"identity": "7a"}, "line 4: identity must be a whole number from 0; found '7a'"),
        ({"identity": "1.0"}, "found '1.0'"),
        ({"identity": ""}, "identity must be a whole number from 0; found ''"),
        ({"identity": "-1"}, "identity must be a whole number from 0; found '-1'"),
        ({"identity": "9" * 30}, "identity must be a whole number"),
        ({"identity": "\u0661"}, "identity must be a whole number"),
        ({"camera": "c1"}, "camera must be a whole number from 0; found 'c1'"),
        ({"frame": "x"}, "frame must be a whole number from 0; found 'x'"),
        ({"tracklet": "-2"}, "tracklet must be a whole number from 0; found '-2'"),
        ({"modality": "thermal"}, "line 4: modality must be one of visible, infrared; found 'thermal'"),
        ({"modality": "Visible"}, "found 'Visible'"),
        ({"split": "val"}, "line 4: split must be one of train, validation, test; found 'val'"),
        ({"split": "test"}, "identity 1 is in both train and test; whoever is tested must not be learnt"),
        ({"path": ""}, "path must be relative to the manifest's folder"),
        ({"path": "/data/1.png"}, "inside it, with '/' between its parts; found '/data/1.png'"),
        ({"path": "../1.png"}, "found '../1.png'"),
        ({"path": "a//1.png"}, "found 'a//1.png'"),
        ({"path": "a\\1.png"}, "path must be relative"),
        ({"path": "C:/1.png"}, "found 'C:/1.png'"),
        ({"path": "visible/1/cam1_1.png"}, "visible/1/cam1_1.png is listed twice, in lines 2 and 4"),
    ],
)
def test_cells_that_a_column_does_not_take(root: Path, cells: dict[str, str], words: str) -> None:
    edit(root, 4, **cells)
    fails(root, words, allow_partial=True)


def test_how_many_lines_are_wrong_is_told(root: Path) -> None:
    for line in (5, 6, 9):
        edit(root, line, modality="ir")
    fails(root, "line 5 and 2 more lines: modality must be one of")


def test_two_identities_in_two_splits(root: Path) -> None:
    rows = lines(root)
    write(
        root,
        [row.replace(",7,1,visible,validation", ",7,1,visible,train").replace(",9,3,infrared,test", ",9,3,infrared,train") for row in rows],
    )
    fails(root, "2 identities (7, 9) are in two splits (identity 7: train and validation)")


def test_missing_and_empty_pictures(root: Path) -> None:
    (root / "visible/1/cam1_1.png").unlink()
    shutil.rmtree(root / "infrared/9")
    (root / "infrared/2/cam3_1.png").write_bytes(b"")
    (root / "visible/3/cam4_1.png").unlink()
    (root / "visible/3/cam4_1.png").mkdir()
    text = fails(
        root, "6 of 88 picture files are not there, first visible/1/cam1_1.png", "1 of 88 picture files is empty, first infrared/2/"
    )
    assert "mend the manifest or the folder, or pass allow_partial=True" in text
    dataset = load_dataset("manifest", root, allow_partial=True)
    assert len(dataset.train) + len(dataset.validation) + len(dataset.test) == 81
    assert len(dataset.notes) == 3 and dataset.train.index.equals(pd.RangeIndex(len(dataset.train)))
    shutil.rmtree(root / "visible")
    shutil.rmtree(root / "infrared")
    fails(root, "none of the 88 pictures is there", allow_partial=True)


def read(root: Path, *expected: Count, allow_partial: bool = False) -> Dataset:
    return read_manifest_tree(
        root,
        name="small",
        title="Small",
        bands=("visible", "near-infrared"),
        credit="nobody",
        expected=expected,
        allow_partial=allow_partial,
    )


def test_expected_counts_are_held_against_the_rows(root: Path) -> None:
    fine = Count("test", 3, 3, 6)
    assert read(root, fine).bands == ("visible", "near-infrared")
    with pytest.raises(DatasetError, match=r"camera 4 train: expected 6 identities / 13 images, found 6 / 12 .another or an edited"):
        read(root, fine, Count("train", 4, 6, 13))
    assert len(read(root, fine, Count("train", 4, 6, 13), allow_partial=True).notes) == 1


def test_fingerprint_is_the_same_for_a_copy(root: Path, tmp_path: Path) -> None:
    shutil.copytree(root, tmp_path / "copy", copy_function=shutil.copyfile)
    assert load_dataset("manifest", tmp_path / "copy").fingerprint == load_dataset("manifest", root).fingerprint


@settings(max_examples=80, deadline=None)
@given(
    content=st.one_of(
        st.binary(max_size=80),
        st.text(max_size=40).map(lambda text: f"path,identity,camera,modality,split\n{text}".encode("utf-8", "ignore")),
    )
)
def test_any_file_gives_a_data_set_or_one_line(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    folder = tmp_path_factory.getbasetemp()
    (folder / "any.csv").write_bytes(content)
    try:
        load_dataset("manifest", folder / "any.csv", allow_partial=True)
    except DatasetError as error:
        assert "\n" not in str(error)


def test_a_large_manifest_is_read_in_reasonable_time(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """100,000 rows; only the look at each file is replaced."""
    rows = [f"p/{number}.png,{number // 100},{number % 6},{'visible' if number % 2 else 'infrared'},train" for number in range(100_000)]
    write(root, ["path,identity,camera,modality,split", *rows])
    monkeypatch.setattr("vireidkit.data.manifest._sizes", lambda folder, paths, where: (dict.fromkeys(paths, 1), []))
    monkeypatch.setattr("vireidkit.data.manifest.fingerprint_of", lambda *_: "0" * 64)
    dataset = load_dataset("manifest", root)
    assert len(dataset.train) == 100_000 and dataset.train["identity"].dtype == np.int64
