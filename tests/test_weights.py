"""Start weights of the kit's own: found in three places, checked against their card, loaded, and part of what names a run."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from conftest import ROOT
from safetensors.torch import save_file
from trees import make_tree

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.experiment import run_name, train
from vireidkit.files import sha256_of
from vireidkit.methods import build_method, get_recipe, start_weights, with_overrides
from vireidkit.nn import (
    TwoStream,
    build_trunk,
    find_kit_weights,
    load_pretrained,
    origin_of,
    read_card,
    read_weights,
    start_hash,
    trunk_name,
    weights_folder,
)
from vireidkit.training import Run

SHIPPED = ROOT / "data" / "weights"
AGW = {"trunk": "resnet18", "width": 0.125, "pretrained": "twilight"}
QUICK = {**AGW, "epochs": 1, "steps_per_epoch": 2, "identities": 4, "per_modality": 2, "validate_every": 0}


def put_weights(folder: Path, *, trunk: str = "resnet18", width: float = 0.125, value: float = 0.5) -> Path:
    """A folder of weights with one trunk, every number of it ``value``."""
    folder.mkdir(parents=True, exist_ok=True)
    name = trunk_name(trunk, width)
    state = {key: torch.full_like(tensor, value) for key, tensor in build_trunk(trunk, width=width).state_dict().items()}
    path = folder / f"{name}.safetensors"
    save_file(state, path)
    card = {**read_card(folder), name: {"file": path.name, "sha256": sha256_of(path)}}
    (folder / "weights.json").write_text(json.dumps({"format": 1, "trunks": card}))
    return path


@pytest.fixture
def folder(tmp_path, monkeypatch) -> Path:
    """The folder that the environment variable names."""
    monkeypatch.setenv("VIREIDKIT_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "weights"


def test_the_argument_comes_before_the_variable_and_that_before_the_checkout(folder, tmp_path, monkeypatch):
    named = put_weights(folder)
    other = put_weights(tmp_path / "other", value=0.25)
    assert find_kit_weights("resnet18-x0.125") == named
    assert find_kit_weights("resnet18-x0.125", tmp_path / "other") == other
    monkeypatch.delenv("VIREIDKIT_WEIGHTS")
    assert weights_folder() == SHIPPED


@pytest.mark.parametrize(("trunk", "split"), [("resnet18", 1), ("resnet18", 3), ("osnet", 2)])
def test_both_streams_get_the_same_weights(trunk, split, folder):
    path = put_weights(folder, trunk=trunk)
    network = TwoStream(lambda: build_trunk(trunk, width=0.125, non_local=trunk != "osnet"), split=split)
    report = load_pretrained(network, trunk, 0.125, "twilight")
    assert (report.source, report.sha256, report.unexpected) == (path, sha256_of(path), ())
    assert all(".non_local." in name for name in report.missing)
    for name, value in network.state_dict().items():
        assert "non_local" in name or not value.is_floating_point() or (value == 0.5).all(), name


def test_a_file_is_loaded_by_its_path_and_imagenet_only_for_a_resnet(folder):
    path = put_weights(folder)
    assert load_pretrained(build_trunk("resnet18", width=0.125), "resnet18", 0.125, str(path)).missing == ()
    with pytest.raises(SettingError, match=r"no ImageNet file of osnet .* pretrained=twilight, or start at random with pretrained=none"):
        load_pretrained(build_trunk("osnet", width=0.125), "osnet", 0.125, "imagenet")
    assert [origin_of(source) for source in ("imagenet", "twilight", path, str(path))] == ["imagenet", "twilight", "file", "file"]


def test_a_missing_card_says_what_was_expected_and_what_to_do(folder):
    with pytest.raises(CheckpointError) as caught:
        find_kit_weights("resnet18-x0.25")
    told = str(caught.value)
    assert f"no pretrained weights of resnet18-x0.25: {folder / 'weights.json'} does not exist" in told
    assert "VIREIDKIT_WEIGHTS" in told and "pretrained=none" in told
    assert f"`vireidkit pretrain resnet18 --width 0.25 --data DIR --out {folder}`" in told


def test_a_trunk_that_the_card_does_not_list(folder):
    put_weights(folder)
    put_weights(folder, trunk="osnet")
    with pytest.raises(CheckpointError, match=r"weights of resnet50-x1: .* lists osnet-x0.125, resnet18-x0.125; make it with"):
        find_kit_weights(trunk_name("resnet50", 1.0))


def test_a_missing_a_damaged_and_a_changed_file_are_named(folder):
    path = put_weights(folder)
    put_weights(folder.parent / "other", value=0.25)
    shutil.copy(folder.parent / "other" / path.name, path)
    with pytest.raises(CheckpointError, match=f"{path} is not the file that weights.json lists: expected SHA-256 .*restore both"):
        find_kit_weights("resnet18-x0.125")
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(CheckpointError, match=r"is not the file that weights\.json lists"):
        find_kit_weights("resnet18-x0.125")
    path.unlink()
    with pytest.raises(CheckpointError, match=f"not found: {path}, which weights.json lists; restore it"):
        find_kit_weights("resnet18-x0.125")


@pytest.mark.parametrize("text", ["{", "[]", '{"trunks": []}', '{"trunks": {"a": {"file": "a"}}}'])
def test_a_broken_card_is_named(text, folder):
    put_weights(folder)
    (folder / "weights.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"weights\.json"):
        find_kit_weights("resnet18-x0.125")


def test_the_hash_of_a_start(folder):
    path = put_weights(folder)
    assert start_hash("resnet18", 0.125, "twilight") == start_hash("osnet", 1.0, path) == sha256_of(path)
    assert start_hash("resnet50", 1.0, "imagenet") == "resnet50-0676ba61.pth"
    with pytest.raises(CheckpointError, match=r"weight file not found: .*nowhere\.pth; start at random with pretrained=none"):
        start_hash("resnet18", 0.125, "nowhere.pth")
    assert start_weights("agw", {**AGW, "pretrained": None}) is None
    assert start_weights("agw", AGW) == sha256_of(path)


def test_the_command_line_can_say_none():
    _, settings = with_overrides("agw", get_recipe("agw", "twilight"), {"pretrained": "none"})
    assert settings["pretrained"] is None


def test_agw_starts_from_them_and_its_origin_says_so(folder):
    put_weights(folder)
    method = build_method("agw", 5, **AGW)
    assert method.origin == "random"
    (stage,) = method.stages(get_recipe("agw", "twilight"))
    method.on_stage_start(stage)
    assert method.origin == "twilight"
    assert (method.two_stream.visible.conv1.weight == 0.5).all() and (method.two_stream.infrared.conv1.weight == 0.5).all()


@pytest.fixture
def quick(tmp_path) -> Callable[..., Run]:
    """Train two steps on a small tree; takes the options of ``train``."""
    root = make_tree(tmp_path / "data")
    options = {"profile": "smoke", "overrides": QUICK, "data_root": root, "allow_partial": True, "out": tmp_path / "run", "quiet": True}
    return lambda **changed: train("agw", "sysu-mm01", **(options | changed))


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_run_remembers_its_start_and_another_file_is_another_run(folder, quick):
    path = put_weights(folder, value=0.01)
    run = quick()
    assert run.info["start_weights"] == sha256_of(path)
    untrained = run.untrained()
    assert untrained.origin == "twilight" and (untrained.two_stream.infrared.conv1.weight == 0.01).all()
    put_weights(folder, value=0.02)
    with pytest.raises(CheckpointError, match="began from other pretrained weights: expected"):
        run.untrained()
    assert run.method().origin == "trained"
    with pytest.raises(CheckpointError, match="holds another run: expected start_weights"):
        quick(resume=True)
    names = {run_name({**run.info, "start_weights": start}) for start in (None, sha256_of(path), "other")}
    assert len(names) == 3


def test_a_run_whose_weights_are_not_there_leaves_no_folder(folder, quick, tmp_path):
    with pytest.raises(CheckpointError, match=r"no pretrained weights of resnet18-x0\.125"):
        quick()
    assert not (tmp_path / "run").exists()


# What the repository ships


@pytest.fixture(scope="module")
def card() -> dict:
    return json.loads((SHIPPED / "weights.json").read_text())["trunks"]


def test_the_shipped_trunks_are_those_of_the_recipes_and_small(card):
    assert {"resnet18-x0.25", "osnet-x0.25"} <= set(card)
    settings = get_recipe("agw", "twilight", "study").settings
    assert trunk_name(settings["trunk"], settings["width"]) in card
    assert sum(path.stat().st_size for path in SHIPPED.iterdir()) < 4e6


def test_every_shipped_trunk_is_what_its_card_says(card):
    for name, entry in card.items():
        state = read_weights(find_kit_weights(name, SHIPPED))
        trunk = build_trunk(entry["trunk"], width=entry["width"])
        assert trunk_name(entry["trunk"], entry["width"]) == name
        assert state.keys() == trunk.state_dict().keys() and all(value.isfinite().all() for value in state.values())
        assert entry["parameters"] == sum(parameter.numel() for parameter in trunk.parameters())
        assert entry["bytes"] == (SHIPPED / entry["file"]).stat().st_size
        assert entry["held_out"]["map"] > entry["held_out"]["raw_pixels"]["map"]


def test_the_shipped_trunks_know_nobody_of_the_data_set(card):
    from vireidkit.twilight.settings import VERSION_1

    seeds = {value for name, value in vars(VERSION_1).items() if name.endswith("_seed")}
    for entry in card.values():
        assert entry["population"]["seed"] is not None and entry["population"]["seed"] not in seeds


def test_the_readme_holds_the_cards_table(card):
    from vireidkit.pretrain_card import markdown_table, with_table

    text = (SHIPPED / "README.md").read_text(encoding="utf-8")
    assert markdown_table(card) in text and with_table(text, card) == text
