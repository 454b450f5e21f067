"""SMMD: no parameter more than AGW, the added terms and their memory, and AGW's very run when both weights are 0."""

from __future__ import annotations

import dataclasses
import os
import re
import signal
from pathlib import Path

import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from test_method_agw import batch, count
from torch import nn

from vireidkit import ledger
from vireidkit.data.augmentation import Augmentation
from vireidkit.errors import SettingError
from vireidkit.experiment import _extraction, make_fabric, prepared_dataset, train, training_store
from vireidkit.losses import mutual_class_distillation, prototype_classification, prototype_mimic, weighted_regularized_triplet
from vireidkit.methods import Progress, build_method, get_recipe, list_methods, method_class, with_overrides
from vireidkit.methods.smmd import ramp_up
from vireidkit.randomness import generator, scoped_randomness
from vireidkit.sweep import read_grid
from vireidkit.training import Trainer, TrainingStopped, find_checkpoint
from vireidkit.training.probe import behaviour_probe

HERE = Path(__file__).parent
SMALL = {"trunk": "resnet18", "width": 0.125}
SHORT = {"epochs": 2, "steps_per_epoch": 4, "limit_identities": 8, "identities": 4, "per_modality": 2, "width": 0.125, "validate_every": 0}
OFF = {"self_mimic_weight": 0.0, "mutual_weight": 0.0}


def small(num_identities: int = 5, **settings) -> nn.Module:
    return build_method("smmd", num_identities, **(SMALL | settings))


def at(epoch: int, epochs: int = 80) -> Progress:
    return Progress(epoch=epoch, epochs=epochs, step=0, steps_per_epoch=4)


def remembering(num_identities: int = 5, **settings) -> nn.Module:
    """A method that has seen one batch, in float64."""
    method, rows = small(num_identities, **settings).double(), doubled(batch(seed=9))
    method(rows)
    method.on_step_end(rows, {})
    return method


def doubled(rows):
    return rows.with_images(rows.images.double())


def never() -> None:
    pytest.fail("features were asked for")


# Network and settings


@pytest.mark.parametrize(("num_identities", "parameters"), [(206, 23_972_239), (395, 24_359_311), (713, 25_010_575)])
def test_no_parameter_is_added_to_the_baseline(num_identities, parameters):
    with torch.device("meta"):
        method, baseline = build_method("smmd", num_identities), build_method("agw", num_identities)
    assert count(method) == count(baseline) == parameters
    own, theirs = ({name: value.requires_grad for name, value in m.named_parameters()} for m in (method, baseline))
    assert own == theirs
    assert set(method.state_dict()) - set(baseline.state_dict()) == {"prototypes", "seen"}
    assert method.prototypes.shape == (2, num_identities, 2048) and method.seen.shape == (2, num_identities)


def test_it_says_what_it_is_wherever_its_name_shows():
    assert "smmd" in list_methods()
    cls = method_class("smmd")
    assert cls.grade == "reconstruction" and cls.title == "SMMD (reconstruction)" and "econstruct" in cls.paper
    assert cls.citation.startswith("@inproceedings") and "econstruct" in cls.__doc__


def test_initial_weights_and_descriptors_are_the_baselines():
    method, baseline, rows = small().eval(), build_method("agw", 5, **SMALL).eval(), batch()
    for name, value in baseline.state_dict().items():
        assert torch.equal(method.state_dict()[name], value)
    with torch.no_grad():
        assert torch.equal(method.embed(rows.images, rows.modality), baseline.embed(rows.images, rows.modality))
    assert method.parts == {"descriptor": slice(None)} and method.collapse_values() == baseline.collapse_values()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"self_mimic_weight": -1.0}, "'self_mimic_weight' must be 0 or more; found -1.0"),
        ({"mutual_weight": float("nan")}, "'mutual_weight' must be 0 or more; found nan"),
        ({"prototype_temperature": 0.0}, "'prototype_temperature' must be more than 0; found 0.0"),
        ({"mutual_temperature": -3.0}, "'mutual_temperature' must be more than 0; found -3.0"),
        ({"prototype_momentum": 1.1}, r"'prototype_momentum' must be in 0\.\.1; found 1\.1"),
        ({"refresh_every": -1}, "'refresh_every' must be 0 or more epochs; found -1"),
        ({"ramp_epochs": -1}, "'ramp_epochs' must be 0 or more epochs; found -1"),
        ({"self_mimic": "none"}, "'self_mimic' takes one of both, mimic, prototype; found 'none'"),
        ({"triplet": "hard"}, "'triplet' takes one of"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message), torch.device("meta"):
        build_method("smmd", 5, **settings)


# Objective


def test_terms_are_the_public_losses_of_features_logits_and_prototypes():
    method, rows = remembering(prototype_temperature=0.2, mutual_temperature=4.0), doubled(batch(seed=1))
    method.seen[0, 1], method.prototypes[0, 1] = False, 0  # one person's rows are skipped
    outputs = method(rows)
    features = method.pool(method.two_stream(rows.images, rows.modality))
    mean, variance = features.mean(0), features.var(0, unbiased=False)
    descriptors = (features - mean) / (variance + 1e-5).sqrt() * method.neck.weight
    logits, z = descriptors @ method.classifier.weight.T, descriptors / descriptors.norm(dim=1, keepdim=True)
    memory = (rows.labels, rows.modality, method.prototypes, method.seen)
    expected = {
        "id": F.cross_entropy(logits, rows.labels),
        "triplet": weighted_regularized_triplet(features, rows.labels),
        "mimic": prototype_mimic(z, *memory),
        "prototype": prototype_classification(z, *memory, temperature=0.2),
        "mutual": mutual_class_distillation(logits, rows.labels, rows.modality, temperature=4.0),
    }
    assert list(outputs) == list(expected) == list(method.weights(at(0)))
    for name, value in expected.items():
        torch.testing.assert_close(outputs[name], value)
        assert value > 0


def test_the_ramp():
    assert [ramp_up(epoch, 10) for epoch in (0, 1, 5, 10, 79)] == [0, 0.1, 0.5, 1, 1]
    assert [ramp_up(epoch, 1) for epoch in (0, 1, 2)] == [0, 1, 1] and ramp_up(0, 0) == 1


@pytest.mark.parametrize(("epoch", "ramp"), [(0, 0.0), (1, 0.1), (9, 0.9), (10, 1.0), (79, 1.0)])
def test_weights_of_every_switch(epoch, ramp):
    table = {
        (): (1, 1, 1),
        (("self_mimic_weight", 0.5), ("mutual_weight", 2.0)): (0.5, 0.5, 2),
        (("self_mimic", "mimic"),): (1, 0, 1),
        (("self_mimic", "prototype"), ("mutual_weight", 0.0)): (0, 1, 0),
        tuple(OFF.items()): (0, 0, 0),
    }
    for settings, added in table.items():
        expected = dict(zip(("mimic", "prototype", "mutual"), added, strict=True))
        found = small(**dict(settings)).weights(at(epoch))
        assert found == {"id": 1.0, "triplet": 1.0, **{name: pytest.approx(ramp * weight) for name, weight in expected.items()}}
    assert small(id_weight=2.0, triplet_weight=0.0).weights(at(epoch))["triplet"] == 0


def test_a_term_that_is_not_asked_for_is_not_computed():
    method, rows = small(), batch()
    assert list(method(rows, ["mutual"])) == ["mutual"] and list(method(rows, {"triplet", "id"})) == ["id", "triplet"]


def test_every_term_has_finite_gradients_and_none_for_the_prototypes():
    method, rows = remembering(), doubled(batch())
    sum(method(rows).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters() if p.requires_grad)
    assert not method.prototypes.requires_grad and method.prototypes.grad is None


def test_one_band_has_nobody_to_learn_from_and_mimics_all_the_same():
    both = batch(4, 3)
    rows = both.select(both.modality == 1).check()
    method = small()
    method(rows)
    method.on_step_end(rows, {})
    terms = method(rows)
    assert terms["mutual"] == 0 and terms["mimic"].isfinite() and terms["prototype"] > 0
    sum(terms.values()).backward()
    assert not method.seen[0].any() and method.seen[1].tolist() == [True] * 4 + [False]


def test_caj_is_a_switch():
    (stage,) = small(augmentation="caj").stages(get_recipe("smmd", "sysu-mm01"))
    assert stage.recipe.views == 2 and stage.recipe.augmentation.infrared == ("erase", "adapt_gray")
    method, rows = small(augmentation="caj"), batch(visible_views=2)
    assert all(value.isfinite() for value in method(rows).values()) and method.flip_average


def test_mixed_precision_stays_close_to_float32():
    plain, mixed = (remembering().float() for _ in range(2))
    rows = batch()
    expected = plain(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed(rows)
    for term, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[term], rtol=0.1, atol=0.05)
    mixed.on_step_end(rows, {})
    assert mixed.prototypes.dtype == torch.float32


# Memory


def test_prototypes_follow_the_step_that_was_taken_and_absent_people_stay():
    method, rows = remembering(prototype_momentum=0.7), doubled(batch(identities=2, seed=1))
    before = method.prototypes.clone()
    assert method.seen.tolist() == [[True, True, True, False, False]] * 2
    with torch.no_grad():
        features = method.pool(method.two_stream(rows.images, rows.modality))
        z = F.normalize((features - features.mean(0)) / (features.var(0, unbiased=False) + 1e-5).sqrt() * method.neck.weight, dim=1)
    terms = method(rows)
    sum(terms.values()).backward()
    with torch.no_grad():
        for parameter in method.parameters():
            parameter.add_(1.0)  # whatever the optimiser does, the z of the step counts
    method.on_step_end(rows, terms)
    for m in (0, 1):
        for c in (0, 1):
            mean = z[(rows.modality == m) & (rows.labels == c)].mean(0)
            torch.testing.assert_close(method.prototypes[m, c], F.normalize(0.7 * before[m, c] + 0.3 * mean, dim=0))
    assert torch.equal(method.prototypes[:, 2:], before[:, 2:])
    torch.testing.assert_close(method.prototypes.norm(dim=2), method.seen.double())
    kept = method.prototypes.clone()
    method.on_step_end(rows, terms)  # nothing new was computed
    assert torch.equal(method.prototypes, kept)


def test_looking_and_a_zero_weight_leave_the_prototypes_alone():
    for method in (small().eval(), small(self_mimic_weight=0.0)):
        rows = batch()
        method(rows)
        method.on_step_end(rows, {})
        assert not method.seen.any() and not method.prototypes.any()


def test_refresh_sets_every_prototype_to_its_global_mean_after_the_first_epoch():
    method = remembering(refresh_every=3)
    features, labels, modality = torch.randn(40, 64, generator=generator(0, "features")), torch.arange(40) % 4, torch.arange(40) // 20
    asked = []

    def extract():
        asked.append(1)
        return features, labels, modality

    method.on_epoch_end(at(0), extract)
    for m in (0, 1):
        for c in range(4):
            mean = F.normalize(features, dim=1)[(modality == m) & (labels == c)].mean(0)
            torch.testing.assert_close(method.prototypes[m, c].float(), F.normalize(mean, dim=0))
    assert method.seen.tolist() == [[True] * 4 + [False]] * 2
    for epoch in range(1, 8):
        method.on_epoch_end(at(epoch), extract)
    assert len(asked) == 3  # after epochs 0, 3 and 6
    once = remembering()
    once.on_epoch_end(at(1), never)
    small(self_mimic_weight=0.0).on_epoch_end(at(0), never)


# Training


def trained(name: str, out: Path, **settings) -> Trainer:
    """SMMD's smoke recipe with the random erasing of its paper recipe, for either method."""
    recipe, own = with_overrides("smmd", get_recipe("smmd", "sysu-mm01", "smoke"), SHORT | settings)
    if name == "agw":
        own = {key: value for key, value in own.items() if key not in {*OFF, "ramp_epochs"}}
    data = prepared_dataset("twilight", recipe)
    labels = data.labels("train")
    method, extract = build_method(name, len(labels), seed=2, **own), _extraction(labels)
    trainer = Trainer(method, data, recipe, 2, out, make_fabric("cpu"), lambda r: training_store(data, r), extract=extract, quiet=True)
    trainer.fit()
    return trainer


@pytest.fixture(scope="module")
def baseline(tmp_path_factory):
    return trained("agw", tmp_path_factory.mktemp("agw"))


def test_with_both_weights_zero_the_run_is_the_baselines_bit_for_bit(baseline, tmp_path):
    run = trained("smmd", tmp_path, **OFF)
    assert run.recipe.augmentation.infrared == ("erase",)
    found, expected = run.method.state_dict(), baseline.method.state_dict()
    assert all(torch.equal(found[name], value) for name, value in expected.items())
    columns = ["total", "term.id", "term.triplet"]
    rows = [pd.DataFrame(trainer.history.rows) for trainer in (run, baseline)]
    assert rows[0][columns].equals(rows[1][columns]) and not set(rows[0]) - set(rows[1])


@pytest.mark.parametrize(
    "on", [{"self_mimic": "mimic"}, {"self_mimic": "prototype"}, {"mutual_weight": 1.0}], ids=lambda on: next(iter(on))
)
def test_one_step_with_a_weight_changes_the_weights(baseline, tmp_path, on):
    """Epoch 0 has r = 0 and is the baseline's to the last bit, refresh included; the first step of epoch 1 is not."""
    settings = {**OFF, **on} if "mutual_weight" in on else {**OFF, "self_mimic_weight": 1.0, **on}
    run = trained("smmd", tmp_path, **settings)
    found, expected = ([row["total"] for row in trainer.history.rows] for trainer in (run, baseline))
    assert found[:4] == expected[:4] and found[4] > expected[4]
    # Terms are read before the step: those of step 5 tell that step 4 moved the weights, and step 4 that nothing did before.
    for key in ("term.id", "term.triplet"):
        own, theirs = ([row[key] for row in trainer.history.rows] for trainer in (run, baseline))
        assert own[:5] == theirs[:5] and own[5] != theirs[5]
    assert not torch.equal(run.method.classifier.weight, baseline.method.classifier.weight)


def test_the_refresh_draws_nothing_and_leaves_the_network_alone(baseline):
    recipe = baseline.recipe
    method = build_method("smmd", 8, **SMALL)
    method.origin = "trained"
    store = training_store(baseline.dataset, recipe)
    before, state = {k: v.clone() for k, v in method.state_dict().items()}, torch.random.get_rng_state()
    extract = _extraction(baseline.dataset.labels("train"))
    method.on_epoch_end(at(0), lambda: extract(method, store))
    assert torch.equal(torch.random.get_rng_state(), state) and method.training
    changed = {name for name, value in method.state_dict().items() if not torch.equal(value, before[name])}
    assert changed == {"prototypes", "seen"} and method.seen.all()


def weights(run) -> dict[str, torch.Tensor]:
    return load_file(find_checkpoint(run.path / "checkpoint", "latest") / "model.safetensors")


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that nothing interrupted."""
    return train("smmd", "twilight", profile="smoke", out=tmp_path_factory.mktemp("straight") / "run", overrides=SHORT, quiet=True)


@pytest.mark.parametrize("moment", [2, 4, "refresh", 6])
def test_resumed_inside_and_after_the_refresh_epoch_equals_straight(straight, moment, tmp_path, monkeypatch):
    cls, steps = method_class("smmd"), []
    step_end, epoch_end = cls.on_step_end, cls.on_epoch_end

    def stop_in_step(self, rows, outputs):
        step_end(self, rows, outputs)
        steps.append(1)
        if len(steps) == moment:
            os.kill(os.getpid(), signal.SIGTERM)

    def stop_in_refresh(self, progress, extract):
        epoch_end(self, progress, extract)
        if moment == "refresh":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(cls, "on_step_end", stop_in_step)
    monkeypatch.setattr(cls, "on_epoch_end", stop_in_refresh)
    options = {"profile": "smoke", "out": tmp_path / "run", "overrides": SHORT, "quiet": True}
    with pytest.raises(TrainingStopped, match="SIGTERM"):
        train("smmd", "twilight", **options)
    monkeypatch.undo()
    resumed = train("smmd", "twilight", resume=True, **options)
    found, expected = weights(resumed), weights(straight)
    assert found.keys() == expected.keys() and {"prototypes", "seen"} <= found.keys()
    assert all(torch.equal(found[name], expected[name]) for name in expected)
    histories = [run.history().drop(columns="images_per_second") for run in (straight, resumed)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)


def test_the_history_of_a_smoke_run_shows_the_ramp(straight):
    history = straight.history()
    for name in ("mimic", "prototype", "mutual"):
        assert history[f"term.{name}"].isna().tolist() == [True] * 4 + [False] * 4
        assert history[f"weight.{name}"].dropna().tolist() == [1.0] * 4
    assert weights(straight)["seen"].all()


def test_the_behaviour_probe_sees_every_term_and_the_memory(monkeypatch):
    """A row of the ledger must notice when a formula changes, also one that is not used in the first epoch."""
    recipe, settings = with_overrides("smmd", get_recipe("smmd", "twilight", "smoke"), SHORT)
    data = prepared_dataset("twilight", recipe)

    def probe(**changed):
        method = build_method("smmd", len(data.labels("train")), **(settings | changed))
        return behaviour_probe(method, data, recipe, lambda r: training_store(data, r))

    first = probe()
    assert set(first[0]) == {"id", "triplet", "mimic", "prototype", "mutual"} and first[0]["mimic"] == 0 < first[2]["mimic"]
    for changed in ({"prototype_momentum": 0.1}, {"prototype_temperature": 0.2}, {"mutual_temperature": 1.0}):
        assert probe(**changed) != first


class Flat(nn.Module):
    """One linear layer in the place of a trunk, so that many steps take a moment."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(24, 64, bias=False)

    def forward(self, images, modality):
        return self.layer(images.flatten(1))


def toy(seed: int, draw: int):
    """Six people under four lights in each modality: within a modality, light differs as much as people do."""
    shapes = {"people": (6, 3, 4, 2), "lights": (8, 3, 4, 2), f"noise {draw}": (48, 3, 4, 2)}
    people, lights, noise = (torch.randn(shape, generator=generator(seed, name)) for name, shape in shapes.items())
    rows = batch(6, 4)
    return rows.with_images(people[rows.labels] + lights[torch.arange(48) % 4 + 4 * rows.modality] + 0.5 * noise)


def toy_directions(seed: int, self_mimic_weight: float) -> torch.Tensor:
    """z (2 modalities, 6 people, 4, D) of pictures with fresh noise, after forty steps."""
    method = small(6, self_mimic_weight=self_mimic_weight, mutual_weight=0.0, ramp_epochs=0)
    with scoped_randomness(seed):
        method.two_stream, method.pool = Flat(), nn.Identity()
    optimiser, weights_now = torch.optim.SGD(method.parameters(), lr=0.05, momentum=0.9), method.weights(at(1))
    for step in range(40):
        rows = toy(seed, step)
        terms = method.train()(rows, [name for name, weight in weights_now.items() if weight])
        optimiser.zero_grad()
        sum(weights_now[name] * value for name, value in terms.items()).backward()
        optimiser.step()
        method.on_step_end(rows, terms)
    rows = toy(seed, 99)
    with torch.no_grad():
        return F.normalize(method.eval().embed(rows.images, rows.modality), dim=1).view(2, 6, 4, -1)


@pytest.mark.parametrize("seed", [0, 1])
def test_self_mimic_lowers_the_spread_inside_a_modality(seed):
    """Variance of z within (modality, identity), against the baseline's; people stay as far apart, so nothing has collapsed."""
    plain, mimic = (toy_directions(seed, weight) for weight in (0.0, 1.0))
    within, between = ([part(z) for z in (plain, mimic)] for part in (variance_within, variance_between))
    assert within[1] < 0.8 * within[0] and between[1] > between[0], (within, between)


def variance_within(z: torch.Tensor) -> float:
    return (z - z.mean(2, keepdim=True)).square().sum(-1).mean().item()


def variance_between(z: torch.Tensor) -> float:
    centers = z.mean(2)  # (2, 6, D)
    return (centers - centers.mean(1, keepdim=True)).square().sum(-1).mean().item()


# Recipes

WORDS = {"source": "", "expects": "", "takes": ""}
TWO_BANDS = ("sysu-mm01", "regdb", "llcm", "manifest")


@pytest.mark.parametrize("dataset", TWO_BANDS)
def test_paper_recipes_are_the_baselines_with_erasing_for_eighty_epochs(dataset):
    recipe, agw = get_recipe("smmd", dataset), get_recipe("agw", dataset)
    erasing = Augmentation(padding=10, flip=0.5, visible=(("erase",),), infrared=("erase",), erase_probability=0.5)
    assert dataclasses.replace(recipe, **WORDS) == dataclasses.replace(agw, **WORDS, epochs=80, augmentation=erasing)
    own = method_class("smmd").Settings(**recipe.settings)
    figures = {
        "self_mimic_weight": 1.0,
        "self_mimic": "both",
        "prototype_temperature": 0.1,
        "prototype_momentum": 0.9,
        "refresh_every": 0,
        "mutual_weight": 1.0,
        "mutual_temperature": 3.0,
        "ramp_epochs": 10,
        "augmentation": "agw",
    }
    assert {name: getattr(own, name) for name in figures} == figures


@pytest.mark.parametrize(("dataset", "profile"), [("twilight", "study"), ("twilight", "compare"), ("twilight-thermal", "compare")])
def test_small_recipes_have_the_batches_pictures_and_updates_of_the_baseline(dataset, profile):
    recipe, agw = get_recipe("smmd", dataset, profile), get_recipe("agw", dataset, profile)
    assert dataclasses.replace(recipe, **WORDS, settings={}) == dataclasses.replace(agw, **WORDS, settings={})
    assert agw.settings.items() <= recipe.settings.items()
    assert recipe.settings["ramp_epochs"] < recipe.epochs / 2


def test_the_defined_recipes():
    assert set(method_class("smmd").recipes) == {
        *((dataset, profile) for dataset in TWO_BANDS for profile in ("paper", "smoke")),
        *(("twilight", profile) for profile in ("smoke", "study", "compare", "paper")),
        *(("twilight-thermal", profile) for profile in ("smoke", "study", "compare")),
    }
    with pytest.raises(SettingError, match="has no recipe for data set 'market1501'"):
        get_recipe("smmd", "market1501")


@pytest.mark.parametrize("key", sorted(method_class("smmd").recipes), ids=" ".join)
def test_no_recipe_promises_the_papers_scores_and_each_can_be_built(key):
    recipe = get_recipe("smmd", *key)
    assert not any(number in recipe.expects for number in ("64.8", "60.2"))
    assert "reconstruct" in recipe.source or "ours" in recipe.source
    with torch.device("meta"):
        method = build_method("smmd", 25, **recipe.settings)
    assert method.weights(at(recipe.epochs - 1, recipe.epochs))["mutual"] == 1.0
    assert max(epoch for epoch, _ in recipe.schedule) < recipe.epochs


def test_the_sweep_pairs_the_baseline_with_each_idea_and_both():
    name, cells = read_grid(HERE.parent / "data" / "results" / "smmd_ablation.yaml")
    assert name == "smmd_ablation" and {cell.seed for cell in cells} == {0, 1, 2}
    added = {}
    for cell in cells:
        _, settings = with_overrides("smmd", get_recipe("smmd", cell.dataset, cell.profile), cell.settings)
        last = build_method("smmd", 5, **settings, seed=cell.seed).weights(at(7, 8))
        added[cell.seed] = [*added.get(cell.seed, []), (last["mimic"], last["prototype"], last["mutual"])]
    assert all(rows == [(0, 0, 0), (0.2, 0.2, 0), (0, 0, 1), (0.2, 0.2, 1)] for rows in added.values())


def test_the_compare_recipe_quotes_the_ledger():
    key = {"method": "smmd", "dataset": "twilight", "profile": "compare"}
    settings = [{}, {"self_mimic_weight": 0.0, "mutual_weight": 0.0}, {"self_mimic_weight": 0.0}, {"mutual_weight": 0.0}]
    found = [[ledger.value(**key, settings=one, metric=f"ir2vis_{metric}") for metric in ("rank1", "map")] for one in settings]
    assert all(value.n == 3 for scores in found for value in scores)
    told = [f"{100 * value.mean:.1f}" for scores in found for value in scores]
    expects = get_recipe("smmd", "twilight", "compare").expects
    assert re.findall(r"\d\d\.\d", expects) == told and "data/results/smmd_ablation.csv" in expects
