"""The command line as a user meets it: real processes, one-line errors, exit code 2, nothing half-written."""

import json
import os
import shutil
import subprocess
import sys

import pytest
import torch
from trees import make_tree

from vireidkit.cli import main
from vireidkit.training import find_checkpoint


def vireidkit(*arguments, **options):
    """Run the command line in a process of its own."""
    return subprocess.run([sys.executable, "-m", "vireidkit", *map(str, arguments)], capture_output=True, text=True, timeout=180, **options)


def refused(code, stderr):
    """The one-line error of a refused command."""
    assert code == 2, stderr
    lines = [line for line in stderr.splitlines() if line.strip()]
    assert len(lines) == 1 and lines[0].startswith("error: "), stderr
    return lines[0]


def mistake(monkeypatch, capsys, *arguments):
    """The one-line error of a command that is run in this process, which spares it the start of another."""
    monkeypatch.setattr(sys, "argv", ["vireidkit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return refused(stopped.value.code, capsys.readouterr().err)


def printed(monkeypatch, capsys, *arguments):
    """What a command that is run in this process prints; it must succeed."""
    monkeypatch.setattr(sys, "argv", ["vireidkit", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    shown = capsys.readouterr()
    assert not stopped.value.code, shown.err
    return shown.out


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """A smoke run made by the command line."""
    out = tmp_path_factory.mktemp("cli") / "run"
    done = vireidkit("train", "agw", "twilight", "--profile", "smoke", "--seed", "0", "--out", out)
    assert done.returncode == 0, done.stderr
    return out


def test_evaluate_prints_scores_with_their_protocol_and_writes_them(run):
    done = vireidkit("evaluate", run)
    assert done.returncode == 0, done.stderr
    scores = json.loads((run / "scores.json").read_text())["protocols"]
    assert {"ir2vis", "vis2ir", "within-visible", "within-infrared"} <= set(scores)
    for key, entry in scores.items():
        assert {"rank1", "rank5", "rank10", "rank20", "map", "minp"} <= set(entry), key
        assert all(0 <= entry[m]["mean"] <= 1 and entry[m]["std"] >= 0 for m in ("rank1", "map", "minp"))
        assert {"ap", "cmc", "ties", "exclusion"} <= set(entry["protocol"]), entry["protocol"]
    assert "Rank-1" in done.stdout and "mAP" in done.stdout and "trials" in done.stdout


def test_a_protocol_takes_its_options_from_the_command_line(run, tmp_path, monkeypatch, capsys):
    copy = shutil.copytree(run, tmp_path / "run")
    shown = printed(monkeypatch, capsys, "evaluate", copy, "--quiet", "--protocol", "ir2vis:trials=2,cmc=image")
    entry = json.loads((copy / "scores.json").read_text())["protocols"]["ir2vis-image-cmc"]
    assert len(entry["trials"]["map"]) == 2 and entry["protocol"]["cmc"] == "image"
    assert "ir2vis-image-cmc: " in shown


def test_every_command_explains_itself():
    shown = vireidkit("--help").stdout
    for command in ("list", "train", "evaluate", "check", "data", "twilight"):
        assert f" {command} " in shown


def test_list_and_cite():
    listed = vireidkit("list").stdout
    assert "agw" in listed and "twilight" in listed and "sysu-mm01" in listed
    assert vireidkit("cite", "agw").stdout.startswith("@")


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("train", "agww", "twilight"), "unknown method 'agww' (did you mean 'agw'?); known: agw"),
        (("train", "agw", "twilght"), "twilight"),
        (("train", "agw", "twilight", "--profile", "smok"), "unknown profile 'smok' (did you mean 'smoke'?)"),
        (
            ("train", "agw", "sysu-mm01", "--profile", "study"),
            "no recipe for data set 'sysu-mm01' at profile 'study'; defined for it: paper",
        ),
        (
            ("train", "agw", "twilight", "--profile", "smoke", "--set", "triplt=weighted"),
            "unknown setting 'triplt' of 'agw' (did you mean 'triplet'?)",
        ),
        (("train", "agw", "twilight", "--profile", "smoke", "--set", "triplet=hard"), "setting 'triplet' takes one of"),
        (("train", "agw", "twilight", "--profile", "smoke", "--set", "epochs=many"), "setting 'epochs' takes int; found 'many'"),
        (("train", "agw", "twilight", "--profile", "smoke", "--device", "cuda"), "torch finds no GPU"),
        (("train", "agw", "sysu-mm01", "--data-root", "/nowhere/at/all"), "/nowhere/at/all"),
        (("evaluate", "/nowhere/run"), "/nowhere/run"),
        (("evaluate", "/nowhere/run", "--severity", "3"), "--severity belongs to --corrupt SEED, which was not given"),
        (("evaluate", "/nowhere/run", "--corrupt-band", "both"), "--corrupt-band belongs to --corrupt SEED"),
        (("evaluate", "/nowhere/run", "--corrupt", "0", "--corrupt-band", "thermal"), "takes visible, infrared or both; found 'thermal'"),
        (("evaluate", "/nowhere/run", "--corrupt", "0", "--severity", "6"), "severity is 1, 2, 3, 4 or 5, found 6"),
        (("evaluate", "/nowhere/run", "--protocol", "ir2vi"), "unknown protocol 'ir2vi' (did you mean 'ir2vis'?)"),
        (("evaluate", "/nowhere/run", "--protocol", "ir2vis:trials"), "a protocol's option takes KEY=VALUE, found 'trials'"),
        (("evaluate", "/nowhere/run", "--protocol", "ir2vis:trials=0"), "takes a whole number from 1; found 0"),
        (("evaluate", "/nowhere/run", "--protocol", "ir2vis:seed=1"), "protocol 'ir2vis' has no option 'seed'; known: trials, cmc, ap"),
        (("cite", "nobody"), "unknown method 'nobody'"),
        (("sweep", "/nowhere/grid.yaml"), "/nowhere/grid.yaml"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments, says, tmp_path, monkeypatch, capsys):
    if says == "torch finds no GPU" and torch.cuda.is_available():
        pytest.skip("not run: this machine has a GPU")
    out = ["--out", tmp_path / "run"] if arguments[0] == "train" else []
    assert says in mistake(monkeypatch, capsys, *arguments, *out)
    assert list(tmp_path.iterdir()) == []


def test_a_mistake_in_a_process_of_its_own_leaves_no_traceback(tmp_path):
    done = vireidkit("train", "agww", "twilight", "--out", tmp_path / "run")
    assert "unknown method 'agww'" in refused(done.returncode, done.stderr)


@pytest.mark.parametrize("damage", ["camera folder", "image"])
def test_a_damaged_data_set_is_named_and_leaves_no_run(damage, tmp_path, monkeypatch, capsys):
    root = make_tree(tmp_path / "data", splits={"train": tuple(range(1, 11)), "validation": (11, 12), "test": (13, 14)})
    command = ["train", "agw", "sysu-mm01", "--profile", "smoke", "--data-root", root, "--out", tmp_path / "run", "--quiet"]
    if damage == "camera folder":
        shutil.rmtree(root / "cam4")
        assert "cam4 is missing" in mistake(monkeypatch, capsys, *command)
    else:
        (root / "cam1" / "0003" / "0001.jpg").write_bytes(b"no picture")
        assert "cam1/0003/0001.jpg" in mistake(monkeypatch, capsys, *command, "--allow-partial")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["data"]


def test_an_unwritable_output_is_named(tmp_path, monkeypatch, capsys):
    (tmp_path / "file").write_text("kept")
    assert "file" in mistake(monkeypatch, capsys, "train", "agw", "twilight", "--profile", "smoke", "--out", tmp_path / "file" / "run")
    assert (tmp_path / "file").read_text() == "kept"


def test_a_truncated_checkpoint_is_named(run, tmp_path, monkeypatch, capsys):
    shutil.copytree(run, tmp_path / "run")
    broken = find_checkpoint(tmp_path / "run" / "checkpoint", "latest") / "model.safetensors"
    broken.write_bytes(broken.read_bytes()[:1000])
    before = sorted(os.listdir(tmp_path / "run"))
    assert "model.safetensors" in mistake(monkeypatch, capsys, "evaluate", tmp_path / "run", "--checkpoint", "latest")
    assert sorted(os.listdir(tmp_path / "run")) == before


def test_a_finished_run_is_not_overwritten(run, monkeypatch, capsys):
    command = ("train", "agw", "twilight", "--profile", "smoke", "--seed", "0", "--out", run)
    assert "already holds a run (finished)" in mistake(monkeypatch, capsys, *command)


def test_ledger_of_a_sweep(tmp_path, monkeypatch, capsys):
    grid = tmp_path / "grid.yaml"
    grid.write_text("name: check\nmethods: [agw]\ndataset: twilight\nprofile: smoke\nseeds: [0, 1]\nsettings: [{triplet: batch-hard}]\n")
    command = ("sweep", grid, "--runs", tmp_path / "runs", "--results", tmp_path / "results")
    first = vireidkit(*command)
    assert first.returncode == 0 and first.stdout.strip().endswith("2 new rows"), first.stderr
    assert printed(monkeypatch, capsys, *command).strip().endswith("0 new rows")
    assert "batch-hard" in printed(monkeypatch, capsys, "ledger", "--results", tmp_path / "results", "--metric", "ir2vis_rank1")
