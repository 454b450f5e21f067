"""The loop: a stopped and resumed run equals the straight run bit for bit; one seed repeats, two differ."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest
import tiny
import torch
from safetensors.torch import load_file

from vireidkit.errors import CheckpointError, SettingError, TrainingError
from vireidkit.experiment import evaluate_run, load_or_train, make_fabric, prepared_dataset, run_name, train, training_store
from vireidkit.methods import Stage, build_method, get_recipe, list_methods, method_class
from vireidkit.training import Trainer, TrainingStopped, find_checkpoint, open_run
from vireidkit.training.probe import behaviour_probe

HERE = Path(__file__).parent
SMALL = {"epochs": 2, "steps_per_epoch": 4, "validate_every": 1}


def weights(run, which="latest"):
    return load_file(find_checkpoint(run.path / "checkpoint", which) / "model.safetensors")


def equal(first, second):
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def columns_that_repeat(run):
    return run.history().drop(columns="images_per_second")


@pytest.fixture(scope="module", params=["tiny", "agw"])
def straight(request, tmp_path_factory):
    """A run that nothing interrupted."""
    return train(request.param, "twilight", profile="smoke", out=tmp_path_factory.mktemp("straight") / "run", overrides=SMALL, quiet=True)


@pytest.mark.parametrize("stop_after", [2, 4, 6])
def test_stopped_by_sigterm_and_resumed_equals_straight(straight, stop_after, tmp_path, monkeypatch):
    name = straight.info["method"]
    seen = []

    def stop(self, batch, outputs):
        seen.append(len(batch))
        if len(seen) == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(method_class(name), "on_step_end", stop)
    with pytest.raises(TrainingStopped, match=f"SIGTERM after step {stop_after}"):
        train(name, "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True)
    monkeypatch.undo()
    assert open_run(tmp_path / "run").info["status"] == "stopped"
    resumed = train(name, "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True, resume=True)
    assert len(seen) == stop_after
    assert equal(weights(straight), weights(resumed))
    assert equal(weights(straight, "best"), weights(resumed, "best"))
    pd.testing.assert_frame_equal(columns_that_repeat(straight), columns_that_repeat(resumed), check_exact=True)


def test_killed_and_resumed_equals_straight(straight, tmp_path):
    name = straight.info["method"]
    code = (
        "import os, signal, sys, torch; sys.path.insert(0, sys.argv[1]); import tiny\n"
        f"torch.set_num_threads({torch.get_num_threads()})\n"
        "from vireidkit.experiment import train; from vireidkit.methods import method_class\n"
        "steps = []\n"
        "def kill(self, batch, outputs):\n"
        "    steps.append(1)\n"
        "    if len(steps) == 6: os.kill(os.getpid(), signal.SIGKILL)\n"
        f"method_class({name!r}).on_step_end = kill\n"
        f"train({name!r}, 'twilight', profile='smoke', out=sys.argv[2], overrides={SMALL}, quiet=True)\n"
    )
    done = subprocess.run([sys.executable, "-c", code, str(HERE), str(tmp_path / "run")], capture_output=True, text=True, timeout=120)
    assert done.returncode == -signal.SIGKILL, done.stderr[-2000:]
    assert open_run(tmp_path / "run").info["status"] == "running"
    resumed = train(name, "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True, resume=True)
    assert equal(weights(straight), weights(resumed))
    pd.testing.assert_frame_equal(columns_that_repeat(straight), columns_that_repeat(resumed), check_exact=True)


@pytest.mark.parametrize("stop_after", [None, 10])
def test_kept_checkpoints_stay_and_change_nothing(tmp_path, monkeypatch, stop_after):
    longer = {**SMALL, "epochs": 4}
    options = {"profile": "smoke", "overrides": longer, "quiet": True}
    plain = train("tiny", "twilight", out=tmp_path / "plain", **options)
    if stop_after is not None:
        calls = []

        def stop(self, batch, outputs):
            calls.append(1)
            if len(calls) == stop_after:
                os.kill(os.getpid(), signal.SIGTERM)

        monkeypatch.setattr(method_class("tiny"), "on_step_end", stop)
        with pytest.raises(TrainingStopped):
            train("tiny", "twilight", out=tmp_path / "kept", keep_every=2, **options)
        monkeypatch.undo()
    kept = train("tiny", "twilight", out=tmp_path / "kept", keep_every=2, resume=stop_after is not None, **options)
    assert plain.kept() == [] and kept.kept() == ["step-8", "step-16"]
    assert equal(weights(plain), weights(kept)) and equal(weights(kept), weights(kept, "step-16"))
    every = load_or_train("tiny", "twilight", runs=tmp_path, keep_every=1, **options)
    assert every.name == run_name(plain.info) and every.kept() == ["step-4", "step-8", "step-12", "step-16"]
    assert equal(weights(kept, "step-8"), weights(every, "step-8"))
    assert not equal(weights(kept, "step-8"), weights(kept, "step-16"))
    with pytest.raises(SettingError, match="keep_every must be 0 or more"):
        train("tiny", "twilight", out=tmp_path / "never", keep_every=-1, **options)


def test_one_seed_repeats_and_two_differ(straight, tmp_path):
    name = straight.info["method"]
    again = train(name, "twilight", profile="smoke", out=tmp_path / "again", overrides=SMALL, quiet=True)
    other = train(name, "twilight", profile="smoke", out=tmp_path / "other", overrides=SMALL, quiet=True, seed=1)
    assert equal(weights(straight), weights(again))
    assert not equal(weights(straight), weights(other))


def test_a_registered_method_is_listed_trained_and_evaluated(tmp_path):
    assert "tiny" in list_methods()
    run = load_or_train("tiny", "twilight", profile="smoke", runs=tmp_path)
    scores = evaluate_run(run, ["ir2vis"])
    assert 0 <= scores["ir2vis"].mean["rank1"] <= 1
    assert load_or_train("tiny", "twilight", profile="smoke", runs=tmp_path).path == run.path
    assert load_or_train("tiny", "twilight", profile="smoke", runs=tmp_path, overrides={"width": 4}).path != run.path


def test_a_term_of_weight_zero_is_not_in_the_history_until_it_counts(tmp_path):
    history = train("tiny", "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True).history()
    assert history["term.norm"].isna().tolist() == [True] * 4 + [False] * 4
    assert history["validation.map"].notna().tolist() == [False, False, False, True] * 2


def test_a_term_that_becomes_nan_stops_the_run_and_is_named(tmp_path, monkeypatch):
    cls = method_class("tiny")
    forward = cls.forward
    monkeypatch.setattr(
        cls, "forward", lambda self, batch, terms=None: {k: v * float("nan") for k, v in forward(self, batch, terms).items()}
    )
    with pytest.raises(TrainingError, match="epoch 0, step 0: id = nan"):
        train("tiny", "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True)
    assert open_run(tmp_path / "run").info["status"] == "failed"


def test_a_folder_with_another_run_is_refused(straight, tmp_path):
    name = straight.info["method"]
    with pytest.raises(SettingError, match=r"already holds a run \(finished\)"):
        train(name, "twilight", profile="smoke", out=straight.path, overrides=SMALL)
    with pytest.raises(CheckpointError, match="expected seed 5, found 0"):
        train(name, "twilight", profile="smoke", out=straight.path, overrides=SMALL, seed=5, resume=True)
    with pytest.raises(CheckpointError, match=r"expected recipe.lr 0.5, found"):
        train(name, "twilight", profile="smoke", out=straight.path, overrides=SMALL | {"lr": 0.5}, resume=True)
    other = "agw" if name == "tiny" else "tiny"
    with pytest.raises(CheckpointError, match=f"expected method '{other}', found '{name}'"):
        train(other, "twilight", profile="smoke", out=straight.path, overrides=SMALL, resume=True)


class TwoStages(tiny.Tiny):
    """Learns its body first, then only its head."""

    name = ""

    def stages(self, recipe):
        yield Stage("body", recipe)
        yield Stage("head", recipe, trainable=("head",), start="previous")

    def on_stage_start(self, stage):
        self.started = [*getattr(self, "started", []), stage.name]


@pytest.mark.parametrize("stop_after", [None, 2, 4, 6])
def test_stages_run_in_turn_and_resume_inside_any(tmp_path, stop_after):
    recipe = get_recipe("tiny", "twilight", "smoke")
    data = prepared_dataset("twilight", recipe)

    def trainer():
        base = build_method("tiny", len(data.labels("train")), seed=0)
        base.__class__ = TwoStages
        from dataclasses import replace

        short = replace(recipe, epochs=1, steps_per_epoch=4)
        return Trainer(base, data, short, 0, tmp_path, make_fabric("cpu"), lambda r: training_store(data, r), quiet=True)

    first = trainer()
    body = {}

    def watch(batch, outputs):
        step = first.counters.step + 1
        if step == 4:
            body.update({k: v.clone() for k, v in first.method.body.named_parameters()})
        if step == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    first.method.on_step_end = watch
    if stop_after is None:
        first.fit()
        last = first
    else:
        with pytest.raises(TrainingStopped):
            first.fit()
        last = trainer()
        last.fit(resume=True)
    assert last.counters.stage == 2 and last.counters.step == 8
    if body:
        assert all(torch.equal(value, dict(last.method.body.named_parameters())[name]) for name, value in body.items())
    history = pd.read_csv(tmp_path / "history.csv")
    assert history["stage"].tolist() == ["body"] * 4 + ["head"] * 4


def test_extract_gives_a_method_features_between_epochs(tmp_path, monkeypatch):
    found = []
    monkeypatch.setattr(method_class("tiny"), "on_epoch_end", lambda self, progress, extract: found.append(extract()))
    train("tiny", "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True)
    features, labels, modality = found[0]
    assert len(found) == 2
    assert features.shape[0] == len(labels) == len(modality) == 8 * 16
    assert labels.unique().tolist() == list(range(8)) and modality.bincount().tolist() == [64, 64]


def test_untrained_weights_are_those_that_training_began_from(tmp_path, monkeypatch):
    seen = {}

    def watch(self, progress):
        if progress.epoch == 0:
            seen.update({name: value.clone() for name, value in self.state_dict().items()})

    monkeypatch.setattr(method_class("tiny"), "on_epoch_start", watch)
    run = train("tiny", "twilight", profile="smoke", out=tmp_path / "run", overrides=SMALL, quiet=True)
    assert equal(seen, run.untrained().state_dict())
    assert not equal(seen, run.method().state_dict())
    assert run.untrained().origin == "random" and run.method().origin == "trained"


def test_a_run_in_double_precision_validates_evaluates_and_resumes(tmp_path, monkeypatch):
    options = {"profile": "smoke", "overrides": SMALL, "quiet": True, "precision": "64-true"}
    run = train("tiny", "twilight", out=tmp_path / "run", **options)
    assert weights(run)["head.weight"].dtype == torch.float64
    assert run.history()["validation.map"].notna().sum() == 2
    assert evaluate_run(run, ["ir2vis"])["ir2vis"].mean["map"] > 0
    monkeypatch.setattr(method_class("tiny"), "on_epoch_end", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    with pytest.raises(TrainingStopped):
        train("tiny", "twilight", out=tmp_path / "stopped", **options)
    monkeypatch.undo()
    assert equal(weights(run), weights(train("tiny", "twilight", out=tmp_path / "stopped", resume=True, **options)))


def test_the_behaviour_probe_repeats_and_notices_another_behaviour(monkeypatch):
    def probe():
        recipe = get_recipe("tiny", "twilight", "smoke")
        data = prepared_dataset("twilight", recipe)
        return behaviour_probe(build_method("tiny", len(data.labels("train"))), data, recipe, lambda r: training_store(data, r))

    first = probe()
    assert len(first) == 3 and first == probe()
    forward = method_class("tiny").forward
    monkeypatch.setattr(method_class("tiny"), "forward", lambda *a: {k: 1.01 * v for k, v in forward(*a).items()})
    assert probe() != first


@pytest.mark.parametrize("name", ["state.json", "model.safetensors", "optimizer.safetensors"])
def test_a_damaged_checkpoint_is_not_resumed_and_not_overwritten(name, tmp_path, monkeypatch):
    monkeypatch.setattr(method_class("tiny"), "on_step_end", lambda *_: os.kill(os.getpid(), signal.SIGTERM))
    options = {"profile": "smoke", "out": tmp_path / "run", "overrides": SMALL, "quiet": True}
    with pytest.raises(TrainingStopped):
        train("tiny", "twilight", **options)
    monkeypatch.undo()
    broken = find_checkpoint(tmp_path / "run" / "checkpoint", "latest") / name
    broken.write_bytes(broken.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=name):
        train("tiny", "twilight", resume=True, **options)
    assert broken.stat().st_size == 100
