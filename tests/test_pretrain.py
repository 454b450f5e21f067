"""Pretraining of small trunks: it learns, repeats, holds people out, and leaves whole files or none."""

from __future__ import annotations

import json
import sys
import types
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest
import torch
from safetensors.torch import load_file
from trees import make_tree

from vireidkit import cli, pretrain, pretrain_card
from vireidkit.errors import DatasetError, KitError, SettingError, TrainingError
from vireidkit.files import sha256_of
from vireidkit.methods import build_method, get_recipe
from vireidkit.nn import read_card
from vireidkit.pretrain import (
    PretrainSettings,
    cosine_rate,
    jittered,
    population_of,
    settings_of,
    visible_dataset,
)
from vireidkit.pretrain_attributes import CHOICES, LEVELLED, attributes_of, level_counts
from vireidkit.pretrain_card import markdown_table, with_table

TINY = {"image_height": 32, "image_width": 16, "held_out": 3, "identities": 4, "per_identity": 2, "steps": 30, "warmup": 3, "padding": 1}
TINY |= {"lr": 0.05, "erase": 0.0, "smoothing": 0.0, "attribute_weight": 0.0}
PEOPLE = {"train": tuple(range(1, 10))}
IMAGES = {1: 2, 2: 2, 3: 2, 4: 2, 5: 2}  # camera 3 is infrared and must be left alone
NAME = "resnet18-x0.125"


@pytest.fixture(scope="module")
def people(tmp_path_factory) -> Path:
    """Nine people in four visible cameras and an infrared one."""
    return make_tree(tmp_path_factory.mktemp("people") / "tree", splits=PEOPLE, images=IMAGES, size=(32, 16))


def run(people: Path, out: Path, trunk: str = "resnet18", *, seed: int = 0, **changed: object) -> dict:
    return pretrain.pretrain(trunk, root=people, out=out, width=0.125, seed=seed, overrides=TINY | changed, quiet=True)


@pytest.fixture(scope="module")
def made(people, tmp_path_factory) -> Path:
    """A folder with one pretrained trunk."""
    out = tmp_path_factory.mktemp("weights") / "new"
    run(people, out)
    return out


def test_the_loss_falls_and_the_people_are_learnt(made):
    rows = [
        dict(zip(("step", "lr", "id", "triplet", "attributes", "accuracy", "speed"), line.split(","), strict=True))
        for line in lines(made)[1:]
    ]
    assert lines(made)[0] == "step,lr,id,triplet,attributes,accuracy,images_per_second"
    assert [row["step"] for row in rows] == ["20", "30"]
    assert float(rows[-1]["id"]) < 0.8 * float(rows[0]["id"]) and float(rows[-1]["accuracy"]) > float(rows[0]["accuracy"])
    assert float(rows[-1]["accuracy"]) > 0.5  # of six people


def lines(folder: Path) -> list[str]:
    return (folder / f"{NAME}.csv").read_text().splitlines()


def test_the_card_says_how_it_was_made(made, people):
    entry = read_card(made)[NAME]
    file = made / entry["file"]
    assert (entry["sha256"], entry["bytes"]) == (sha256_of(file), file.stat().st_size)
    assert entry["parameters"] == sum(v.numel() for k, v in load_file(file).items() if "running" not in k and "num_batches" not in k)
    assert (entry["trunk"], entry["width"], entry["seed"], entry["steps"], entry["images_seen"]) == ("resnet18", 0.125, 0, 30, 240)
    assert entry["torch"] == torch.__version__ and entry["seconds"] > 0 and entry["threads"] >= 1
    assert entry["population"]["learnt"] == 6 and entry["population"]["images"] == 6 * 8 and entry["population"]["seed"] is None
    scores = [entry["held_out"], entry["held_out"]["untrained"], entry["held_out"]["raw_pixels"]]
    assert entry["held_out"]["identities"] == 3 and entry["held_out"]["images"] == 3 * 8
    assert all(0.3 < score["rank1"] <= 1 and 0.3 < score["map"] <= 1 for score in scores)  # pictures that are easy to tell apart
    assert entry["settings"] == vars(PretrainSettings(**TINY))
    assert entry["command"].startswith(
        f"vireidkit pretrain resnet18 --width 0.125 --seed 0 --data {people.name} --set image_height=32 --set"
    )
    assert str(people.parent) not in (made / "weights.json").read_text()


def test_the_file_is_what_agw_starts_from(made, monkeypatch):
    monkeypatch.setenv("VIREIDKIT_WEIGHTS", str(made))
    method = build_method("agw", 5, trunk="resnet18", width=0.125, pretrained="twilight")
    (stage,) = method.stages(get_recipe("agw", "twilight"))
    method.on_stage_start(stage)
    state = load_file(made / f"{NAME}.safetensors")
    assert method.origin == "twilight"
    for stem in (method.two_stream.visible, method.two_stream.infrared):
        assert torch.equal(stem.conv1.weight, state["conv1.weight"]) and torch.equal(stem.bn1.running_var, state["bn1.running_var"])
    assert torch.equal(method.two_stream.shared.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])


def test_it_repeats_and_another_seed_is_another_trunk(made, people, tmp_path):
    files = [made / f"{NAME}.safetensors"]
    for seed in (0, 1):
        run(people, tmp_path / str(seed), seed=seed)
        files.append(tmp_path / str(seed) / f"{NAME}.safetensors")
    first, again, other = map(sha256_of, files)
    assert first == again != other


def test_a_second_trunk_joins_the_card_and_the_readme_shows_both(people, tmp_path):
    (tmp_path / "README.md").write_text(f"# Trunks\n\n{pretrain_card.TABLE_BEGINS}\nold\n{pretrain_card.TABLE_ENDS}\n\nThe end.\n")
    run(people, tmp_path, steps=1)
    run(people, tmp_path, "osnet", steps=1)
    card = json.loads((tmp_path / "weights.json").read_text())
    assert card["format"] == 1 and list(card["trunks"]) == ["osnet-x0.125", NAME]
    text = (tmp_path / "README.md").read_text()
    assert text.startswith("# Trunks\n") and text.endswith("\nThe end.\n") and "old" not in text
    assert markdown_table(card["trunks"]) in text
    assert text.count("safetensors") == 2 and "6 people, 48 pictures, population seed None" in text
    assert with_table("no marks", card["trunks"]) == "no marks"


# Attributes

TOPS = ["coat", "tshirt", "shirt"]


def factor_table(root: Path, **changed: list) -> Path:
    """A table of factors for nine people beside their pictures."""
    number = list(range(1, 10))
    columns: dict[str, list] = {name: ["none"] * 9 for name in CHOICES} | {name: [0.1 * n for n in number] for name in LEVELLED}
    columns |= {"identity": number, "top": [TOPS[n % 3] for n in number], "bottom": ["shorts"] * 6 + ["skirt"] * 3} | changed
    pd.DataFrame(columns).to_csv(root / "identities.csv", index=False)
    return root


def test_attributes_are_levels_of_what_is_worn(tmp_path):
    found = attributes_of(factor_table(tmp_path), [3, 1, 2, 9])
    assert found["top"].tolist() == [0, 2, 1, 0]  # coat, tshirt, shirt, coat: sorted by name
    assert found["sleeve"].tolist() == [3, 0, 1, 4] and found["bottom"].tolist() == [0, 0, 0, 1]
    # cuffs show under shorts only, and level 0 is for everybody else
    assert found["cuff"].tolist()[3] == 0 and min(found["cuff"].tolist()[:3]) > 0 and found["skirt_length"].tolist()[:3] == [0, 0, 0]
    assert "hat" not in found  # all alike
    assert dict(level_counts(found))["top"] == 3


@pytest.mark.parametrize(
    ("break_it", "message"),
    [
        (lambda root: (root / "identities.csv").unlink(), "attributes need .*identities.csv.*set attribute_weight=0"),
        (lambda root: pd.read_csv(root / "identities.csv").drop(columns="top").to_csv(root / "identities.csv"), "lacks the columns top"),
        (lambda root: factor_table(root, identity=list(range(2, 11))), "lacks identity 1"),
    ],
)
def test_a_broken_table_of_factors_is_named(tmp_path, break_it, message):
    factor_table(tmp_path)
    break_it(tmp_path)
    with pytest.raises(DatasetError, match=message):
        attributes_of(tmp_path, [1, 2])


def test_attributes_are_learnt_beside_the_identities(tmp_path):
    root = factor_table(make_tree(tmp_path / "tree", splits=PEOPLE, images=IMAGES, size=(32, 16)))
    run(root, tmp_path / "out", attribute_weight=3.0)
    rows = [line.split(",") for line in lines(tmp_path / "out")]
    place = rows[0].index("attributes")
    assert 0 < float(rows[-1][place]) < 0.95 * float(rows[1][place])
    assert "attribute_weight" in read_card(tmp_path / "out")[NAME]["settings"]
    assert not [name for name in load_file(tmp_path / "out" / f"{NAME}.safetensors") if "head" in name or "people" in name]


# What may go wrong


@pytest.mark.parametrize("failure", [KeyboardInterrupt, OSError(28, "No space left on device")])
def test_a_stop_leaves_what_was_there(failure, made, people, tmp_path, monkeypatch):
    def stopped(state: dict, path: Path) -> None:
        path.write_bytes(b"half of it")
        raise failure

    (tmp_path / f"{NAME}.safetensors").write_bytes(b"old")
    monkeypatch.setattr(pretrain_card, "save_file", stopped)
    with pytest.raises((KeyboardInterrupt, OSError)):
        run(people, tmp_path, steps=1)
    assert [path.name for path in tmp_path.iterdir()] == [f"{NAME}.safetensors"]
    assert (tmp_path / f"{NAME}.safetensors").read_bytes() == b"old"


def test_a_loss_that_is_no_number_ends_it(people, tmp_path):
    with pytest.raises(TrainingError, match="non-finite"):
        run(people, tmp_path, lr=1e30, warmup=0, steps=10)
    assert not list(tmp_path.iterdir())


def test_an_output_that_cannot_be_written_is_known_at_once(people, tmp_path):
    (tmp_path / "file").write_text("kept")
    with pytest.raises(KitError, match=r"cannot write .*file/weights"):
        run(people, tmp_path / "file" / "weights", steps=10**6)


@pytest.mark.parametrize(
    ("changed", "message"),
    [
        ({"held_out": 8}, "holding out 8 people leaves too few to learn: .* shows 9; set a smaller held_out"),
        ({"identities": 7}, "a batch of identities=7 needs as many people; found 6 to learn"),
        ({"stepz": 3}, "did you mean 'steps'"),
        ({"steps": 0}, "needs a larger steps; found 0"),
        ({"held_out": 1}, "needs a larger held_out; found 1"),
        ({"jitter": 1.0}, "jitter must be at least 0 and below 1; found 1.0"),
    ],
)
def test_impossible_settings_are_named(changed, message, people, tmp_path):
    with pytest.raises(SettingError, match=message):
        run(people, tmp_path, **changed)


def test_an_unknown_trunk_is_named(people, tmp_path):
    with pytest.raises(SettingError, match="trunk must be one of resnet18, resnet50, resnet101, osnet; found 'vgg'"):
        run(people, tmp_path, "vgg")


def test_missing_pictures_are_named(tmp_path):
    with pytest.raises(DatasetError, match=r"pictures not found: .*nowhere is no folder; render them with --render"):
        run(tmp_path / "nowhere", tmp_path / "out")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match=r"no pictures in .*empty"):
        run(tmp_path / "empty", tmp_path / "out")


def test_a_damaged_picture_is_named(tmp_path):
    root = make_tree(tmp_path / "tree", splits=PEOPLE, images=IMAGES, size=(32, 16))
    (root / "cam2" / "0003" / "0001.png").write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"cam2/0003/0001\.png"):
        run(root, tmp_path / "out")


# The people


def test_only_visible_pictures_are_read_and_the_last_people_are_held_out(people):
    data = visible_dataset(people, 3)
    assert sorted(data.train["identity"].unique()) == [1, 2, 3, 4, 5, 6] and sorted(data.test["identity"].unique()) == [7, 8, 9]
    assert set(data.train["camera"]) == set(data.test["camera"]) == {1, 2, 4, 5}
    assert len(data.train) == 48 and len(data.validation) == 0
    assert data.fingerprint == visible_dataset(people, 3).fingerprint != visible_dataset(people, 4).fingerprint


@pytest.fixture
def renderer(monkeypatch) -> list[dict]:
    """A stand-in for the renderer; the list holds what it was asked for."""
    asked: list[dict] = []

    def render_population(out: Path, **options: object) -> None:
        asked.append(options)
        if len(asked) == 1:
            (out / "cam1").mkdir(parents=True)
            raise KeyboardInterrupt

    monkeypatch.setitem(sys.modules, "vireidkit.publish", types.SimpleNamespace(render_population=render_population))
    return asked


def test_people_are_rendered_once_and_a_stopped_rendering_goes_on(renderer, tmp_path):
    root = tmp_path / "population"
    with pytest.raises(KeyboardInterrupt):
        population_of(root, 50, 7)
    found = [population_of(root, *asked) for asked in ((50, 7), (50, 7), (None, 7))]
    assert len(renderer) == 2 and found == [{"seed": 7, "identities": 50}] * 3
    settings = renderer[0].pop("settings")
    assert renderer[0] == {"identities": range(1, 51), "cameras": {1: 2, 2: 2, 4: 2, 5: 2}, "progress": False}
    assert (settings.train_seed, settings.test_seed, settings.scene_seed) == (7, 7, 7)
    with pytest.raises(DatasetError, match=r"holds another population: expected \{'seed': 8, .*found \{'seed': 7, .*another folder"):
        population_of(root, 50, 8)


# Pieces


def test_settings_are_the_trunks_own_with_changes_from_text():
    assert settings_of("resnet18", {}) == PretrainSettings()
    assert settings_of("osnet", {}).steps < PretrainSettings().steps
    changed = settings_of("osnet", {"steps": "7", "lr": "1e-2", "jitter": 0})
    assert (changed.steps, changed.lr, changed.jitter, changed.image_height) == (7, 0.01, 0.0, 128)


def test_the_rate_rises_in_a_line_and_falls_as_a_cosine():
    settings = PretrainSettings(lr=0.2, warmup=10, steps=100)
    assert cosine_rate(settings, 0) == pytest.approx(0.02) and cosine_rate(settings, 4) == pytest.approx(0.1, rel=0.01)
    assert cosine_rate(settings, 50) == pytest.approx(0.1)
    rates = [cosine_rate(settings, step) for step in range(10, 100)]
    assert rates == sorted(rates, reverse=True) and 0 < rates[-1] < 1e-4
    assert cosine_rate(PretrainSettings(lr=0.2, warmup=0, steps=100), 0) == 0.2


def plans(people: Path, **changed: int) -> Callable:
    settings = PretrainSettings(**(TINY | changed))
    return pretrain._Plans(visible_dataset(people, settings.held_out), settings, seed=0).plan


def test_every_person_is_seen_once_a_round_and_a_batch_repeats(people):
    plan = plans(people, identities=2)
    rounds = [torch.cat([plan(step).labels for step in range(start, start + 3)]).unique().tolist() for start in (0, 3, 6)]
    assert rounds == [[0, 1, 2, 3, 4, 5]] * 3
    assert plan(4).labels.tolist() == [label for label in plan(4).labels.unique_consecutive().tolist() for _ in range(2)]
    assert torch.equal(plan(4).rows, plan(4).rows) and not torch.equal(plan(4).rows, plan(1).rows)
    assert len(plan(0).rows.unique()) == 4


def test_a_person_with_too_few_pictures_shows_some_twice(people):
    rows = plans(people, identities=2, per_identity=11)(0).rows.view(2, 11)
    assert [len(row.unique()) for row in rows] == [8, 8]


def pictures() -> torch.Tensor:
    return torch.randint(40, 200, (3, 4, 2, 3), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


def test_jitter_is_its_formula_and_each_picture_has_its_own_factors():
    images, strength = pictures(), 0.3
    found = jittered(images, strength, torch.Generator().manual_seed(5))
    factors = 1 + strength * (2 * torch.rand((3, 3), generator=torch.Generator().manual_seed(5)) - 1)
    assert len(factors.unique()) == 9 and (factors - 1).abs().max() <= strength
    for number, (brightness, contrast, saturation) in enumerate(factors.T.tolist()):
        values = images[number].double() * brightness
        values = values.mean() + contrast * (values - values.mean())
        grey = (values * torch.tensor([0.299, 0.587, 0.114])).sum(-1, keepdim=True)
        expected = (grey + saturation * (values - grey)).clamp(0, 255)
        assert (found[number].double() - expected).abs().max() <= 0.51
    assert found.dtype == torch.uint8 and torch.equal(found, jittered(images, strength, torch.Generator().manual_seed(5)))


def test_no_jitter_leaves_the_pictures_and_their_input_is_never_changed():
    images, before = pictures(), pictures()
    assert torch.equal(jittered(images, 0.0, torch.Generator()), before)
    jittered(images, 0.5, torch.Generator())
    assert torch.equal(images, before)


# The command line


def test_the_command_line(people, tmp_path, monkeypatch, capsys):
    pairs = [part for key, value in (TINY | {"steps": 2}).items() for part in ("--set", f"{key}={value}")]
    command = ["vireidkit", "pretrain", "resnet18", "--width", "0.125", "--data", str(people), "--out", str(tmp_path), "--quiet", *pairs]
    monkeypatch.setattr(sys, "argv", command)
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert not ended.value.code
    told = capsys.readouterr().out
    assert f"{tmp_path}/{NAME}.safetensors: 2 steps in" in told and "held-out people  within-visible Rank-1" in told
    monkeypatch.setattr(sys, "argv", [*command, "--data", str(tmp_path / "nowhere")])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    assert ended.value.code == 2 and "nowhere is no folder" in capsys.readouterr().err
