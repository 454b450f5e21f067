"""Every data set from its folder to its scores, by the command line: trained and tested on a tiny tree of its exact layout."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from trees import make_manifest, make_regdb_tree, make_tree
from trees_images import make_duke_tree, make_llcm_tree, make_market_tree
from trees_video import make_bupt, make_duke_video, make_mars, make_vcm, make_veri

from vireidkit.cli import main
from vireidkit.data import list_datasets, load_dataset
from vireidkit.evaluation import evaluate, get_protocol, read_scores
from vireidkit.methods import method_class
from vireidkit.modality import MODALITIES
from vireidkit.scoring import dataset_of, evaluate_run, needed_rows
from vireidkit.scoring import test_features as features_of
from vireidkit.training import open_run


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """Run a command of the kit in this process, which spares it the start of another; the exit code."""
    monkeypatch.setattr(sys, "argv", ["vireidkit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0


def trained(monkeypatch: pytest.MonkeyPatch, dataset: str, root: Path, out: Path, *options: object, method: str = "agw") -> Path:
    """A smoke run on a tree, by the command that a user would give."""
    tree = ("--data-root", root, "--allow-partial", "--out", out, "--quiet", *options)
    assert command(monkeypatch, "train", method, dataset, "--profile", "smoke", *tree) == 0
    return out


def sysu(root: Path) -> Path:
    return make_tree(root, splits={"train": range(1, 9), "validation": (11, 12), "test": (21, 22, 23)})  # eight make a batch


def visible_manifest(root: Path) -> Path:
    return make_manifest(root, cameras=(1, 2, 4))


def vcm(root: Path) -> Path:
    """The protocols drop tracklets of fewer than 12 frames, so the tested ones are longer than those of the readers' tree."""
    tracks = tuple((identity, camera, 1, 12, band) for identity in (503, 927) for camera in (1, 4) for band in (1, 2))  # 1 is infrared
    return make_vcm(root, test=tracks, query=(1, 3, 5, 7))


@dataclass(frozen=True)
class Case:
    """A tree and what its run must show.

    Attributes:
        make: writes the tree into a folder and returns its root.
        bands: modality codes of the training pictures; validated: the protocol that chooses the checkpoint.
        options: of ``train``.
    """

    make: Callable[[Path], Path]
    bands: tuple[int, ...] = (0, 1)
    validated: str | None = None
    options: tuple[str, ...] = ()


CASES = {
    "sysu-mm01": Case(sysu, validated="ir2vis"),
    "regdb": Case(make_regdb_tree),
    "llcm": Case(make_llcm_tree),
    "market1501": Case(make_market_tree, bands=(0,)),
    "dukemtmc-reid": Case(make_duke_tree, bands=(0,)),
    "mars": Case(make_mars, bands=(0,)),
    "dukemtmc-videoreid": Case(make_duke_video, bands=(0,)),
    "dukemtmc-videoreid-merged": Case(make_duke_video, bands=(0,)),
    "veri776": Case(make_veri, bands=(0,)),
    "hitsz-vcm": Case(vcm),
    "buptcampus": Case(make_bupt),
    "buptcampus-auxiliary": Case(make_bupt),
    "manifest": Case(make_manifest, validated="ir2vis"),
    "manifest of visible pictures": Case(visible_manifest, bands=(0,), validated="within-visible"),
}


def test_every_data_set_has_its_recipes_and_its_case() -> None:
    """Twilight, the embedded one, has its own tests."""
    readable = {name for name in list_datasets() if not name.startswith("twilight")}
    assert readable == {name.partition(" ")[0] for name in CASES}
    for profile in ("paper", "smoke"):
        assert readable <= {dataset for dataset, own in method_class("agw").recipes if own == profile}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("name", CASES)
def test_from_a_folder_to_scores(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    case, dataset = CASES[name], name.partition(" ")[0]
    root = case.make(tmp_path / "tree")
    run = open_run(trained(monkeypatch, dataset, root, tmp_path / "run", *case.options))
    assert run.finished and run.info["steps"] == 12 and run.info["validation"] == case.validated
    assert np.isfinite(run.history()[["term.id", "term.triplet"]].to_numpy()).all()
    assert ("validation.map" in run.history()) == (case.validated is not None)
    assert command(monkeypatch, "evaluate", run.path, "--quiet") == 0
    data = load_dataset(dataset, root, allow_partial=True)
    scores = read_scores(run.path / "scores.json")
    assert list(scores) == [get_protocol(name).key for name in data.protocols] and scores
    for key, one in scores.items():
        assert one.protocol["key"] == key and one.protocol["dataset"] == dataset and one.protocol["reranking"] is None
        assert all(0 <= one.mean[metric] <= 1 for metric in ("rank1", "rank20", "map", "minp"))
        assert 0 < one.protocol["valid_queries"] <= one.protocol["queries"]
    assert {MODALITIES.index(band) for band in data.train["modality"].unique()} == set(case.bands)


def test_a_band_that_a_data_set_lacks_is_not_learnt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = open_run(trained(monkeypatch, "manifest", visible_manifest(tmp_path / "tree"), tmp_path / "run"))
    before, after = run.untrained().two_stream, run.method("latest").two_stream
    assert (before.infrared.conv1.weight == after.infrared.conv1.weight).all()
    assert not (before.visible.conv1.weight == after.visible.conv1.weight).all()


def test_without_people_for_it_nothing_is_validated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Validation people who were seen by one camera, or whom no second band saw, choose no checkpoint."""
    root = make_manifest(tmp_path / "tree", cameras=(1, 2))
    table = pd.read_csv(root / "manifest.csv")
    table[(table["split"] != "validation") | (table["camera"] == 1)].to_csv(root / "manifest.csv", index=False)
    run = open_run(trained(monkeypatch, "manifest", root, tmp_path / "run"))
    assert run.info["validation"] is None and "validation.map" not in run.history()


# --- scores beside scores --------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def regdb_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An evaluated run on a RegDB tree; tests that write into it work on a copy."""
    folder = tmp_path_factory.mktemp("regdb")
    with pytest.MonkeyPatch.context() as monkeypatch:
        trained(monkeypatch, "regdb", make_regdb_tree(folder / "tree"), folder / "run")
        assert command(monkeypatch, "evaluate", folder / "run", "--protocol", "regdb-vis2ir", "--quiet") == 0
    return folder / "run"


@pytest.fixture
def evaluated(regdb_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(regdb_run, tmp_path / "run"))


def entries(run: Path) -> dict[str, Any]:
    """What scores.json holds."""
    return json.loads((run / "scores.json").read_text())["protocols"]


ONE = ("--protocol", "regdb-vis2ir", "--quiet")


@pytest.mark.parametrize(
    ("options", "ending"),
    [
        (("--rerank",), "-reranked"),
        (("--corrupt", 0), "-corrupted-seed0"),
        (("--corrupt", 7, "--severity", 5), "-corrupted-seed7-s5"),
        (("--corrupt", 0, "--corrupt-band", "infrared"), "-corrupted-seed0-infrared"),
        (("--corrupt", 0, "--corrupt-band", "both", "--rerank"), "-corrupted-seed0-both-reranked"),
    ],
)
def test_other_kinds_of_scores_stand_beside_the_plain_ones(
    options: tuple[object, ...], ending: str, evaluated: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    plain = entries(evaluated)
    assert command(monkeypatch, "evaluate", evaluated, *ONE, *options) == 0
    found = entries(evaluated)
    assert list(found) == ["regdb-vis2ir", f"regdb-vis2ir{ending}"] and found["regdb-vis2ir"] == plain["regdb-vis2ir"]
    told = found[f"regdb-vis2ir{ending}"]["protocol"]
    assert (told["reranking"] is not None) == ("--rerank" in options) and ("corruption" in told) == ("--corrupt" in options)
    assert f"regdb-vis2ir{ending}: " in capsys.readouterr().out
    # Plain again: the same numbers as before, and the others are still there.
    assert command(monkeypatch, "evaluate", evaluated, *ONE) == 0
    assert entries(evaluated) == found


def test_corrupted_scores_repeat_and_follow_from_seed_and_band(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    variants = (("--corrupt", 0), ("--corrupt", 1), ("--corrupt", 0, "--corrupt-band", "infrared"), ("--corrupt", 0, "--severity", 5))
    for options in variants:
        assert command(monkeypatch, "evaluate", evaluated, *ONE, *options) == 0
    first = entries(evaluated)
    values = [json.dumps(one["trials"]) for one in first.values()]
    assert len(first) == 5 and len(set(values)) > 1
    assert command(monkeypatch, "evaluate", evaluated, *ONE, *variants[0]) == 0
    assert entries(evaluated) == first


def test_a_band_that_is_not_there_cannot_be_corrupted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = trained(monkeypatch, "manifest", visible_manifest(tmp_path / "tree"), tmp_path / "run")
    assert command(monkeypatch, "evaluate", run, "--quiet", "--corrupt", 0, "--corrupt-band", "infrared") == 2
    assert "infrared pictures were to be corrupted, but the test part of 'manifest' has none" in capsys.readouterr().err
    assert command(monkeypatch, "evaluate", run, "--quiet", "--corrupt", 0, "--corrupt-band", "both") == 0
    assert list(entries(run)) == ["within-visible-corrupted-seed0-both"]


def test_scores_of_other_weights_and_damaged_files_do_not_stay(evaluated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    steps = {one["protocol"]["checkpoint"] for one in entries(evaluated).values()}
    assert steps == {"step-12"}
    text = (evaluated / "scores.json").read_text()
    (evaluated / "scores.json").write_text(text.replace("step-12", "step-6"))
    assert command(monkeypatch, "evaluate", evaluated, "--protocol", "regdb-ir2vis", "--quiet") == 0
    assert list(entries(evaluated)) == ["regdb-ir2vis"]
    (evaluated / "scores.json").write_text(text[:100])
    assert command(monkeypatch, "evaluate", evaluated, *ONE) == 0
    assert list(entries(evaluated)) == ["regdb-vis2ir"]


# --- the rows that are described -----------------------------------------------------------------------------------------------------


def test_of_long_tracklets_only_the_sampled_frames_are_described(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight frames a tracklet, and the scores are those of the whole table's descriptors."""
    tracks = tuple((identity, camera, 1, 24) for identity in (2, 4, 5) for camera in (1, 2))
    run = open_run(trained(monkeypatch, "mars", make_mars(tmp_path / "tree", test=tracks, query=(1, 3)), tmp_path / "run"))
    data = dataset_of(run)
    rows = needed_rows([get_protocol(name) for name in data.protocols], data)
    assert len(data.test) == 144 and rows is not None and len(rows) == 48
    part, whole = features_of(run, data=data, rows=rows), features_of(run, data=data)
    assert part.table["path"].tolist() == data.test["path"].iloc[rows].tolist() and len(whole) == 144
    for key, scores in evaluate_run(run).items():
        assert scores.mean == pytest.approx(evaluate(whole, data, key).mean, abs=1e-9)


@dataclass(frozen=True)
class Asking:
    """A protocol that needs these rows."""

    needs: list[int] | None

    def rows(self, data: object, split: str) -> np.ndarray | None:
        return None if self.needs is None else np.array(self.needs)


@pytest.mark.parametrize(
    ("needs", "expected"),
    [
        (([1, 4],), [1, 4]),
        (([4, 1], [1, 7]), [1, 4, 7]),
        (([1], None), None),
        (([0, 1, 2, 3], [4, 5, 6]), None),  # more than half of twelve
        (([0, 1, 2], [3, 4, 5]), [0, 1, 2, 3, 4, 5]),
    ],
)
def test_the_rows_of_all_protocols(needs: tuple[list[int] | None, ...], expected: list[int] | None, tmp_path: Path) -> None:
    data = load_dataset("manifest", make_manifest(tmp_path, splits={"train": (1,), "test": (2, 3)}, cameras=(1, 3, 4)))
    assert len(data.test) == 12
    found = needed_rows([Asking(rows) for rows in needs], data)
    assert (found is None) == (expected is None) and (expected is None or found.tolist() == expected)
