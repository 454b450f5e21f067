"""Schedule, guards, history, checkpoints: the parts of training that need no images."""

import json
import math
import os

import pytest
import tiny  # noqa: F401
import torch

from vireidkit.errors import CheckpointError, KitError, TrainingError
from vireidkit.methods import Recipe, build_method, get_recipe
from vireidkit.training import build_optimizer, find_checkpoint, learning_rate, load_weights, save_checkpoint
from vireidkit.training.checkpoint import load_optimizer, mark_best, read_state
from vireidkit.training.guards import CollapseGuard, check_finite
from vireidkit.training.history import History, read_history


@pytest.mark.parametrize(("epoch", "rate"), [(0, 0.01), (9, 0.1), (10, 0.1), (19, 0.1), (20, 0.01), (49, 0.01), (50, 0.001), (80, 0.001)])
def test_agw_learning_rate_table_of_the_spec(epoch, rate):
    assert learning_rate(get_recipe("agw", "sysu-mm01", "paper"), epoch) == pytest.approx(rate, rel=1e-12)


def test_finite_guard_names_the_term_that_became_nan():
    check_finite({"id": 1.0, "triplet": 0.3}, epoch=0, step=0)
    with pytest.raises(TrainingError, match=r"epoch 2, step 7: triplet = nan"):
        check_finite({"id": 1.0, "triplet": math.nan}, epoch=2, step=7)
    with pytest.raises(TrainingError, match="id = inf"):
        check_finite({"id": math.inf}, epoch=0, step=0)


def test_collapse_guard_warns_once_and_only_after_patience():
    guard = CollapseGuard({"triplet": 0.3}, patience=3)
    assert [guard.update({"triplet": 0.3}) for _ in range(2)] == [[], []]
    assert guard.update({"triplet": 0.3})[0].startswith("term 'triplet' has sat at 0.3 for 3 steps")
    assert guard.update({"triplet": 0.3}) == []
    moving = CollapseGuard({"triplet": 0.3}, patience=3)
    assert not any(moving.update({"triplet": 0.3 + 0.01 * (step % 2)}) for step in range(20))


def test_history_is_cut_back_to_the_checkpoint_and_keeps_every_digit(tmp_path):
    history = History(tmp_path / "history.csv")
    for step in range(5):
        history.append({"stage": "train", "step": step, "total": 1 / 3 + step})
    history.amend(**{"validation.map": 0.123456789012345})
    history.flush()
    again = History(tmp_path / "history.csv")
    again.restore(3)
    assert [row["step"] for row in again.rows] == [0, 1, 2]
    assert again.rows[1]["total"] == 1 / 3 + 1
    assert read_history(tmp_path / "history.csv")["validation.map"].iloc[-1] == 0.123456789012345
    (tmp_path / "history.csv").write_text("a,b\n1,2\n")
    with pytest.raises(CheckpointError, match=r"expected a column 'step', found a, b"):
        read_history(tmp_path / "history.csv")


def trained(optimizer="sgd", steps=2, **settings):
    """A tiny method and its optimiser after a few steps on noise."""
    method = build_method("tiny", 4, seed=1, **settings)
    recipe = Recipe(source="", expects="", takes="", image_size=(8, 8), optimizer=optimizer, lr=0.01)
    optim = build_optimizer(method.parameter_groups(), recipe)
    for step in range(steps):
        images = torch.randn(6, 3, 8, 8, generator=torch.Generator().manual_seed(step))
        method.head(method.embed(images, None)).square().mean().backward()
        optim.step()
        optim.zero_grad()
    return method, optim


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_a_checkpoint_restores_weights_and_optimiser_exactly(tmp_path, kind):
    method, optim = trained(kind)
    method.origin = "trained"
    path = save_checkpoint(tmp_path, method, optim, {"step": 2})
    again, other = trained(kind, steps=0)
    state = load_weights(path, again)
    load_optimizer(path, other, state)
    assert again.origin == "trained"
    assert all(torch.equal(a, b) for a, b in zip(method.state_dict().values(), again.state_dict().values(), strict=True))
    before, after = optim.state_dict(), other.state_dict()
    assert before["param_groups"] == json.loads(json.dumps(after["param_groups"])) or kind != "sgd"
    for index, slot in before["state"].items():
        for key, value in slot.items():
            assert torch.equal(torch.as_tensor(value), torch.as_tensor(after["state"][index][key])), key


def test_adam_puts_its_weight_decay_into_the_gradient_and_adamw_does_not():
    """One step from a weight of 2 without a gradient: Adam's step is one rate, AdamW's the share rate x decay of the weight."""
    for kind, expected in (("adam", 2 - 0.1), ("adamw", 2 - 0.1 * 0.5 * 2)):
        weight = torch.nn.Parameter(torch.tensor([2.0]))
        recipe = Recipe(source="", expects="", takes="", image_size=(8, 8), optimizer=kind, lr=0.1, weight_decay=0.5)
        optimizer = build_optimizer([{"params": [weight], "name": "all", "lr_factor": 1.0}], recipe)
        weight.grad = torch.zeros(1)
        optimizer.step()
        assert weight.item() == pytest.approx(expected, abs=1e-6)


def test_old_checkpoints_go_but_latest_and_best_stay(tmp_path):
    method, optim = trained()
    for step in (1, 2, 3):
        save_checkpoint(tmp_path, method, optim, {"step": step})
        if step == 2:
            mark_best(tmp_path, "step-2")
    assert sorted(p.name for p in tmp_path.glob("step-*")) == ["step-2", "step-3"]
    assert find_checkpoint(tmp_path, "best").name == "step-2"
    assert find_checkpoint(tmp_path, "latest").name == "step-3"
    with pytest.raises(CheckpointError, match="no checkpoint 'step-1'"):
        find_checkpoint(tmp_path, "step-1")


@pytest.mark.parametrize("name", ["model.safetensors", "state.json"])
def test_a_truncated_checkpoint_is_named(tmp_path, name):
    method, optim = trained()
    path = save_checkpoint(tmp_path, method, optim, {"step": 2})
    whole = (path / name).read_bytes()
    (path / name).write_bytes(whole[: len(whole) // 2])
    with pytest.raises(CheckpointError, match=name):
        load_weights(path, method)


@pytest.mark.parametrize("name", ["model.safetensors", "state.json", "optimizer.safetensors"])
def test_a_missing_checkpoint_file_is_named(tmp_path, name):
    method, optim = trained()
    path = save_checkpoint(tmp_path, method, optim, {"step": 2})
    (path / name).unlink()
    with pytest.raises(CheckpointError, match=name if name != "state.json" else "not found"):
        load_optimizer(path, optim, load_weights(path, method))


def test_a_checkpoint_of_another_method_size_or_setting_is_refused(tmp_path):
    method, optim = trained()
    path = save_checkpoint(tmp_path, method, optim, {"step": 2})
    with pytest.raises(CheckpointError, match="expected num_identities 5, found 4"):
        load_weights(path, build_method("tiny", 5))
    with pytest.raises(CheckpointError, match="expected width=4, found width=8"):
        load_weights(path, build_method("tiny", 4, width=4))
    with pytest.raises(CheckpointError, match="expected name 'agw', found 'tiny'"):
        load_weights(path, build_method("agw", 4, trunk="resnet18", width=0.25))
    state = read_state(path)
    (path / "state.json").write_text(json.dumps(state | {"format": 99}))
    with pytest.raises(CheckpointError, match="format 99, expected 1"):
        load_weights(path, method)


def test_a_failed_write_leaves_the_old_checkpoint_and_no_part(tmp_path, monkeypatch):
    method, optim = trained()
    save_checkpoint(tmp_path, method, optim, {"step": 2})

    def full_disk(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("vireidkit.training.checkpoint.save_file", full_disk)
    with pytest.raises(CheckpointError, match="No space left on device"):
        save_checkpoint(tmp_path, method, optim, {"step": 3})
    monkeypatch.undo()
    assert find_checkpoint(tmp_path, "latest").name == "step-2"
    assert sorted(os.listdir(tmp_path)) == ["latest", "step-2"]


def test_an_unwritable_folder_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    method, optim = trained()
    with pytest.raises(KitError, match="file"):
        save_checkpoint(tmp_path / "file", method, optim, {"step": 1})
