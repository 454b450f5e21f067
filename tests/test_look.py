"""``vireidkit look``: features of one's own and runs, opened; every way in which the files can be wrong; the notebook it writes."""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image
from safetensors.torch import save_file
from typer.testing import CliRunner
from viz_world import image_of, small_features, small_table

from vireidkit import look
from vireidkit.cli_look import look_app
from vireidkit.data import Dataset
from vireidkit.errors import CheckpointError, DatasetError, KitError, SettingError
from vireidkit.evaluation import Features
from vireidkit.look import call, notebook, open_features, open_runs, write_notebook
from vireidkit.own_features import own_trials, read_own_features

RUNNER = CliRunner()


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path, Path]:
    """A user's features, table and pictures."""
    np.savez(tmp_path / "F.npz", features=small_features().matrix.numpy())
    table = small_table()[["identity", "camera", "modality", "path"]]
    table.to_csv(tmp_path / "T.csv", index=False)
    for row, path in enumerate(table["path"]):
        file = tmp_path / "pictures" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_of(row)).save(file)
    return tmp_path / "F.npz", tmp_path / "T.csv", tmp_path / "pictures"


def change(table_file: Path, **columns: Any) -> None:
    """Write the table again with other columns; None takes one away."""
    table = pd.read_csv(table_file)
    table = table.drop(columns=[name for name, values in columns.items() if values is None])
    table.assign(**{name: values for name, values in columns.items() if values is not None}).to_csv(table_file, index=False)


# --- features of one's own ----------------------------------------------------------------------------------------------------------------


def test_own_features_open_in_both_instruments(files: tuple[Path, Path, Path]) -> None:
    found = open_features(files[0], files[1], images=files[2])
    assert list(found.trials) == ["ir2vis", "vis2ir"] and found.notes == ()
    explorer, browser = found.explorer("pca"), found.browser()
    assert len(explorer.table) == 40 and explorer.method == "F"
    assert np.array_equal(np.asarray(found.image_of(7)), image_of(7))
    assert explorer.thumbnails.of(7) and browser.thumbnails.of(7)
    assert len(browser.queries) == 20 and len(browser.answers()) == 10
    assert "F: 40 images; trials: ir2vis, vis2ir" in str(found)


def test_a_large_map_is_thinned_out_with_its_pictures(files: tuple[Path, Path, Path]) -> None:
    explorer = open_features(files[0], files[1], images=files[2]).explorer("pca", points=14)
    assert len(explorer.table) == 14 and explorer.table["path"].iloc[-1] == small_table()["path"].iloc[-1]
    for row in (0, 5, 13):
        original = small_table().index[small_table()["path"] == explorer.table["path"].iloc[row]][0]
        assert np.array_equal(np.asarray(explorer.thumbnails.image_of(row)), image_of(original))


@pytest.mark.parametrize("name", ["features", "matrix"])
def test_safetensors_hold_the_same(files: tuple[Path, Path, Path], tmp_path: Path, name: str) -> None:
    save_file({name: small_features().matrix.to(torch.bfloat16)}, str(tmp_path / "F.safetensors"))
    found = read_own_features(tmp_path / "F.safetensors", files[1], metric="euclidean")
    assert found.metric == "euclidean" and torch.allclose(found.matrix, small_features().matrix.float(), atol=0.02)


def test_names_of_people_are_numbered_and_kept(files: tuple[Path, Path, Path]) -> None:
    change(files[1], identity=[f"person {value}" for value in small_table()["identity"]])
    table = read_own_features(files[0], files[1]).table
    assert table["identity"].tolist() == (small_table()["identity"] - 10).tolist() and table["person"].iloc[0] == "person 11"


def test_what_is_optional_is_only_missed(files: tuple[Path, Path, Path]) -> None:
    change(files[1], camera=None, path=None)
    found = open_features(files[0], files[1], images=files[2])
    assert len(found.notes) == 2 and "no column path" in found.notes[0] and "no column camera" in found.notes[1]
    assert found.explorer("pca").thumbnails.of(0) is None and len(found.browser().queries) == 20


def test_a_missing_or_broken_picture_is_a_grey_place(files: tuple[Path, Path, Path]) -> None:
    paths = small_table()["path"]
    (files[2] / paths[0]).unlink()
    (files[2] / paths[1]).write_bytes(b"no picture")
    change(files[1], path=[None if row == 2 else path for row, path in enumerate(paths)])
    explorer = open_features(files[0], files[1], images=files[2]).explorer("pca")
    assert [explorer.thumbnails.of(row) is None for row in range(4)] == [True, True, True, False]
    reasons = explorer.thumbnails.missing
    assert "missing" in reasons[0] and "cannot be read" in reasons[1] and "names no picture" in reasons[2]


def test_one_modality_is_ranked_against_other_cameras() -> None:
    table = small_table().query("modality == 'visible'").reset_index(drop=True)
    (trial,) = own_trials(table).values()
    for query in range(20):
        for answer in range(20):
            assert trial.excluded[query, answer] == (table["camera"][query] == table["camera"][answer])
    (alone,) = own_trials(table.drop(columns="camera")).values()
    assert (alone.excluded == np.eye(20, dtype=bool)).all()


def broken(kind: str, features: Path, table: Path) -> tuple[Path, Path]:
    """One way in which the two files can be wrong."""
    matrix = small_features().matrix.numpy().copy()
    if kind == "no features":
        features.unlink()
    elif kind == "no table":
        table.unlink()
    elif kind == "another name":
        np.savez(features, embeddings=matrix)
    elif kind == "pickled":
        np.savez(features, features=np.array([{"a": 1}], dtype=object))
    elif kind == "truncated":
        features.write_bytes(features.read_bytes()[:200])
    elif kind == "flat":
        np.savez(features, features=matrix.ravel())
    elif kind == "words":
        np.savez(features, features=matrix.astype(str))
    elif kind == "another length":
        np.savez(features, features=matrix[:39])
    elif kind == "NaN":
        matrix[[4, 9]] = np.nan
        np.savez(features, features=matrix)
    elif kind == "ending":
        features = features.rename(features.with_suffix(".npy"))
    elif kind == "empty table":
        table.write_text("")
    elif kind in ("identity", "modality"):
        change(table, **{kind: None})
    elif kind == "band":
        change(table, modality=["thermal" if value == "infrared" else value for value in small_table()["modality"]])
    elif kind == "nobody":
        change(table, identity=[None, *small_table()["identity"][1:]])
    return features, table


@pytest.mark.parametrize(
    ("kind", "says"),
    [
        ("no features", "features not found: {features}"),
        ("no table", "table not found: {table}"),
        ("another name", "{features} needs an array named features or matrix, found embeddings"),
        ("pickled", "features cannot be read: {features}"),
        ("truncated", "features cannot be read: {features}"),
        ("flat", "{features}: expected numbers of shape (N, D), found float64 of shape (240,)"),
        ("words", "{features}: expected numbers of shape (N, D), found <U"),
        ("another length", "{features} has 39 rows and {table} has 40"),
        ("NaN", "{features}: 2 of 40 rows are not finite (NaN or infinity), first row 4"),
        ("ending", "features are read from .npz or .safetensors, found 'F.npy'"),
        ("empty table", "table cannot be read: {table}"),
        ("identity", "{table} needs a column 'identity' (optional: camera, path), found camera, modality, path"),
        ("modality", "{table} needs a column 'modality'"),
        ("band", "{table}: modality must be visible or infrared, found 'thermal' in row 4"),
        ("nobody", "{table}: identity is empty in 1 rows, first row 0"),
    ],
)
def test_a_mistake_names_the_file_the_expected_and_the_found(files: tuple[Path, Path, Path], kind: str, says: str) -> None:
    features, table = broken(kind, files[0], files[1])
    with pytest.raises(KitError) as refused:
        read_own_features(features, table)
    assert says.format(features=features, table=table) in str(refused.value) and "\n" not in str(refused.value)


def test_other_mistakes(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="metric must be"):
        read_own_features(files[0], files[1], metric="luck")
    with pytest.raises(DatasetError, match="nowhere: this folder does not exist"):
        open_features(files[0], files[1], images=tmp_path / "nowhere")
    with pytest.raises(SettingError, match="at least two images, found 1"):
        own_trials(small_table().iloc[:1])
    with pytest.raises(SettingError, match="name a run folder"):
        open_runs([])


# --- runs ---------------------------------------------------------------------------------------------------------------------------------


class FakeRun:
    """As much of a run as looking at it needs."""

    def __init__(self, path: Path, method: str = "agw", fingerprint: str = "f") -> None:
        self.path, self.info, self.image_size = path, {"method": method, "fingerprint": fingerprint}, (16, 8)


@pytest.fixture
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeRun]:
    """Runs by folder name, on the small world as a data set without factors."""
    known = {"one": FakeRun(tmp_path / "one"), "two": FakeRun(tmp_path / "two"), "far": FakeRun(tmp_path / "far", fingerprint="g")}
    empty = small_table().iloc[:0]
    protocols = ("ir2vis", "vis2ir", "regdb-vis2ir")
    data = Dataset("world", "World", tmp_path, ("day", "night"), empty, empty, small_table(), protocols, "f", "nobody")

    def features(run: FakeRun, *, untrained: bool = False, **options: Any) -> Features:
        if untrained and run is known["two"]:
            raise CheckpointError("the start weights are gone")
        return small_features(gap=2.0 if untrained else 0.0)

    monkeypatch.setattr(look, "open_run", lambda path: known[path.name])
    monkeypatch.setattr(look, "dataset_of", lambda run, root: data)
    monkeypatch.setattr(look, "test_features", features)
    return known


def test_one_run_is_seen_before_and_after_training(runs: dict[str, FakeRun]) -> None:
    found = open_runs(["one"])
    assert list(found.mapped) == [("agw", "before training"), ("agw", "after training")]
    assert list(found.ranked) == ["agw", "agw before training"] and list(found.map_of) == ["agw"]
    assert {"ir2vis", "vis2ir"} <= set(found.trials) and found.bands == ("day", "night") and found.factors is None
    explorer = found.explorer("pca")
    assert [frame.name for frame in explorer.frames] == ["agw, before training", "agw, after training"]
    assert explorer.epoch == "after training" and len(found.browser().methods) == 2


def test_two_runs_are_told_apart_and_what_is_gone_is_said(runs: dict[str, FakeRun]) -> None:
    found = open_runs(["one", "two"])
    assert list(found.ranked) == ["one", "two"]  # one method twice: by folder
    assert list(found.mapped) == [("one", "before training"), ("one", "after training"), ("two", "after training")]
    assert any("start weights are gone" in note for note in found.notes)
    with pytest.raises(SettingError, match="only on the same data"):
        open_runs(["one", "far"])
    with pytest.raises(SettingError, match="named twice"):
        open_runs(["one", "one"])


# --- the notebook and the command line ----------------------------------------------------------------------------------------------------


def test_the_notebook_is_one_and_its_code_can_be_read(tmp_path: Path) -> None:
    import nbformat

    path = write_notebook(tmp_path / "new", call("open_features", Path("a 'b'.npz"), Path("T.csv"), images=None, metric="cosine"), "pca")
    book = json.loads(path.read_text(encoding="utf-8"))
    nbformat.validate(book)
    code = ["".join(cell["source"]) for cell in book["cells"] if cell["cell_type"] == "code"]
    for text in code:
        ast.parse(text)
    assert repr(str(Path("a 'b'.npz").absolute())) in code[0] and "images" not in code[0] and "'pca'" in code[1]
    assert notebook("open_runs([])")["cells"][1]["source"][0] == "from vireidkit.look import open_runs\n"


def test_the_written_notebook_runs(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    arguments = ["--features", files[0], "--table", files[1], "--images", files[2], "--projection", "pca", "--out", tmp_path / "out"]
    done = RUNNER.invoke(look_app, [*map(str, arguments), "--no-open"])
    assert done.exit_code == 0, done.output
    path = Path(done.output.strip().splitlines()[-1])
    assert path == tmp_path / "out" / "look.ipynb"
    code = ["".join(cell["source"]) for cell in json.loads(path.read_text())["cells"] if cell["cell_type"] == "code"]
    names: dict[str, Any] = {}
    for text in code:
        exec(compile(text, "look", "exec"), names)
    assert len(names["explorer"].table) == 40 and len(names["browser"].queries) == 20


def test_the_command_refuses_in_one_line(files: tuple[Path, Path, Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    run.mkdir()
    wrong = {
        "look at runs, or at features of your own": [],
        "--table is missing": ["--features", files[0]],
        "--features is missing": ["--table", files[1]],
        "unknown projection 'luck'": [run, "--projection", "luck"],
        str(run): [run],
        "features not found": ["--features", tmp_path / "no.npz", "--table", files[1]],
    }
    for says, arguments in wrong.items():
        done = RUNNER.invoke(look_app, [*map(str, arguments), "--no-open", "--out", str(tmp_path / "out")])
        assert isinstance(done.exception, KitError) and says in str(done.exception), says
    assert not (tmp_path / "out").exists()


def test_jupyterlab_is_started_on_the_notebook(files: tuple[Path, Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[Any] = []

    def started(command: list[str], cwd: Path) -> subprocess.CompletedProcess[bytes]:
        calls.append((command, cwd))
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(look.subprocess, "run", started)
    monkeypatch.setattr(look.os, "geteuid", lambda: 1000, raising=False)
    arguments = ["--features", str(files[0]), "--table", str(files[1]), "--out", str(tmp_path / "out")]
    done = RUNNER.invoke(look_app, arguments)
    assert done.exit_code == 3 and "No pictures" in done.stderr
    lab = [sys.executable, "-m", "jupyterlab", "look.ipynb"]
    assert calls == [(lab, tmp_path / "out")]
    monkeypatch.setattr(look.os, "geteuid", lambda: 0, raising=False)  # JupyterLab refuses root, with many lines
    done = RUNNER.invoke(look_app, arguments)
    assert isinstance(done.exception, SettingError) and "--allow-root" in str(done.exception) and len(calls) == 1
    assert (tmp_path / "out" / "look.ipynb").exists()
    assert RUNNER.invoke(look_app, [*arguments, "--allow-root"]).exit_code == 3
    assert calls[1] == ([*lab, "--allow-root"], tmp_path / "out")
    monkeypatch.setattr(look.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SettingError, match="JupyterLab is not installed"):
        look.start_lab(tmp_path / "out" / "look.ipynb")
