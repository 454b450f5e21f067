"""LightOS: the counts of its specification, every term and switch, what the students may touch, and its runs."""

from __future__ import annotations

import dataclasses
import math
import os
import signal
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from test_end_to_end_trees import sysu, trained
from test_method_agw import batch, count
from test_nn_osnet import torchreid_shapes
from torch import nn
from trees import make_manifest, make_regdb_tree
from trees_images import make_llcm_tree

from vireidkit.errors import CheckpointError, SettingError
from vireidkit.experiment import evaluate_run, prepared_dataset, train, training_store
from vireidkit.losses import hetero_center_triplet, one_versus_rest, self_distillation, weighted_regularized_triplet
from vireidkit.methods import Progress, build_method, get_recipe, list_methods, method_class, with_overrides
from vireidkit.nn import GeM
from vireidkit.published import published
from vireidkit.sweep import read_grid
from vireidkit.training import TrainingStopped, find_checkpoint, open_run
from vireidkit.training.probe import behaviour_probe

HERE = Path(__file__).parent
SMALL = {"width": 0.125}
NOW = Progress(epoch=0, epochs=1, step=0, steps_per_epoch=1)
TERMS = ["id", "triplet", "part_id", "part_triplet", "sdm_conv2", "sdm_conv3", "sdm_conv4"]


def small(num_identities: int = 5, **settings) -> nn.Module:
    return build_method("lightos", num_identities, **(SMALL | settings))


def rows_of(*sizes: int, **options):
    """A batch in float64, of pictures that every granularity can cut."""
    rows = batch(*sizes, size=(64, 32), **options)
    return rows.with_images(rows.images.double())


# Network


@pytest.mark.parametrize(
    ("settings", "training", "at_test"),
    [
        ({}, 4_853_612, 2_943_084),
        ({"mgim": False}, 2_151_020 + 395 * 512 + 592_896 + 3 * 1_024 + 3 * 512 * 395, 2_151_020),
        ({"sdm": False}, 2_943_084 + 707_840, 2_943_084),
        ({"part_channels": 128, "sdm": False}, 2_149_996 + 1_024 + 329_216 + 5 * 256 + 395 * (512 + 5 * 128), 2_149_996 + 1_024 + 330_496),
        ({"relation": "none", "sdm": False}, 2_149_996 + 1_024 + 2 * 131_584 + 5 * 512 + 707_840, 2_149_996 + 3_584 + 263_168),
        ({"keep_fc": True, "sdm": False}, 2_943_084 + 707_840 + 263_680, 2_943_084 + 263_680),
    ],
    ids=str,
)
def test_parameters_of_the_specification(settings, training, at_test):
    """Behind the trunk: 789,504 of the parts' relations, 3,584 of the necks; classifiers and students serve training only."""
    with torch.device("meta"):
        method = build_method("lightos", 395, **settings)
    serving = {"two_stream", "fc", "neck", "relation", "part_necks"}
    assert count(method) == training
    assert sum(count(module) for name, module in method.named_children() if name in serving) == at_test


def test_the_descriptor_has_a_global_part_and_one_for_every_stripe():
    with torch.device("meta"):
        parts = build_method("lightos", 395).parts
    assert parts["global"] == slice(0, 512) and parts["stripe 1 of 2"] == slice(512, 768) and parts["stripe 3 of 3"] == slice(1536, 1792)
    assert len(parts) == 6
    method, rows = small().double().eval(), rows_of()
    with torch.no_grad():
        found = method.embed(rows.images, rows.modality)
    assert found.shape == (12, 64 + 5 * 32) and method.metric == "cosine"
    torch.testing.assert_close(found.norm(dim=1), torch.ones(12, dtype=torch.float64))
    for part in method.parts.values():
        torch.testing.assert_close(found[:, part].norm(dim=1), torch.full((12,), 6**-0.5, dtype=torch.float64))
    assert small(mgim=False).parts == {"global": slice(0, 64)}
    assert list(small(granularities=(4,)).parts) == ["global", *(f"stripe {i} of 4" for i in (1, 2, 3, 4))]


def test_it_says_what_it_is_wherever_its_name_shows():
    cls = method_class("lightos")
    assert "lightos" in list_methods() and cls.grade == "reconstruction" and cls.title == "LightOS (reconstruction)"
    assert cls.paper.startswith("After Zhang & Zeng 2024, reconstructed") and "econstruct" in cls.__doc__ and "10.1007" in cls.citation
    rows = [published(dataset) for dataset in ("sysu-mm01", "regdb", "llcm")]
    assert not any(table["method"].str.contains("LightOS", case=False).any() for table in rows)  # none could be read


def test_one_network_describes_both_bands_alike_and_two_streams_may_not():
    rows = rows_of()
    for split, same in ((0, True), (2, False)):
        method = small(split=split).double().eval()
        if split:
            assert torch.equal(method.two_stream.visible.conv1.conv.weight, method.two_stream.infrared.conv1.conv.weight)
            with torch.no_grad():
                method.two_stream.infrared.conv1.bn.bias.add_(1.0)
        with torch.no_grad():
            visible, infrared = (method.embed(rows.images, torch.full_like(rows.modality, code)) for code in (0, 1))
        assert torch.equal(visible, infrared) == same


@pytest.mark.parametrize("split", [1, 2, 5])
def test_visible_rows_teach_no_stage_of_infrared(split):
    method, both = small(split=split), batch(4, 3, size=(64, 32))
    rows = both.select(both.modality == 0).check()
    sum(method(rows).values()).backward()
    assert all(parameter.grad is None for parameter in method.two_stream.infrared.parameters())
    others = {name: p.grad for name, p in method.named_parameters() if p.requires_grad and ".infrared." not in name}
    assert all(gradient is not None and gradient.isfinite().all() for gradient in others.values())


def test_without_the_shallow_classifiers_the_descriptor_is_the_same_and_so_are_all_other_initial_weights():
    whole, without, rows = small().eval(), small(sdm=False).eval(), batch(size=(64, 32))
    own = without.state_dict()
    assert all(torch.equal(value, own[name]) for name, value in whole.state_dict().items() if not name.startswith("shallow."))
    assert not any(name.startswith("shallow.") for name in own)
    with torch.no_grad():
        assert torch.equal(whole.embed(rows.images, rows.modality), without.embed(rows.images, rows.modality))


@pytest.mark.parametrize("settings", [{"mgim": False}, {"relation": "none"}, {"relation": "attention"}], ids=str)
def test_no_switch_changes_the_initial_weights_of_what_stays(settings):
    whole, without = small().state_dict(), small(**settings).state_dict()
    shared = [name for name in without if name in whole and not (name.startswith("relation.") and settings.get("relation") == "attention")]
    assert len(shared) > 200 and all(torch.equal(whole[name], without[name]) for name in shared)


@pytest.mark.parametrize("trunk", ["osnet", "resnet18"])
def test_students_see_the_three_stages_before_the_last(trunk):
    method, rows = small(trunk=trunk).eval(), batch(size=(64, 32))
    taps = ("conv2", "conv3", "conv4") if trunk == "osnet" else ("layer1", "layer2", "layer3")
    assert method.taps == taps and tuple(method.shallow) == taps
    with torch.no_grad():
        maps = method.stages_of(rows.images, rows.modality)
        pooled = method.pooled_of(rows.images, rows.modality, taps)
        found = method.embed_students(rows.images, rows.modality)
    for tap in taps:
        head = method.shallow[tap]
        torch.testing.assert_close(pooled[tap], GeM()(head.adapter(maps[tap])))
        torch.testing.assert_close(found[tap], head.neck(pooled[tap]))
    assert small(sdm=False).embed_students(rows.images, rows.modality) == {}


def test_logits_of_every_classifier_by_name():
    method, rows = small().eval(), batch(size=(64, 32))
    with torch.no_grad():
        found = method.logits_of(rows.images, rows.modality)
        torch.testing.assert_close(found["deepest"], method.classifier(method.neck(method.pooled_of(rows.images, rows.modality)["global"])))
    assert list(found) == ["conv2", "conv3", "conv4", "deepest", *method.part_names] and found["conv2"].shape == (12, 5)
    assert list(small(sdm=False, mgim=False).logits_of(rows.images, rows.modality)) == ["deepest"]


# Objective


def norm(features: torch.Tensor, neck: nn.Module) -> torch.Tensor:
    """A neck in training mode."""
    return (features - features.mean(0)) / (features.var(0, unbiased=False) + neck.eps).sqrt() * neck.weight


@pytest.mark.parametrize(
    "settings", [{}, {"sdm_hint": 0.03, "sdm_alpha": 0.5, "sdm_temperature": 2.0}, {"keep_fc": True}, {"hetero_center": True}]
)
def test_every_term_is_its_formula(settings):
    method, rows = small(sdm_triplet=1.0, **settings).double(), rows_of()
    found = method(rows)
    maps = method.stages_of(rows.images, rows.modality)
    last, gem, labels = maps["conv5"], GeM(), rows.labels

    def triplet(x):
        if method.settings.hetero_center:
            return hetero_center_triplet(x, labels, rows.modality, 0.3)
        return weighted_regularized_triplet(x, labels)

    f = method.fc(gem(last)) if method.settings.keep_fc else gem(last)
    o = norm(f, method.neck) @ method.classifier.weight.T
    expected = {"id": F.cross_entropy(o, labels), "triplet": triplet(f)}
    g = []
    for stripes in (2, 3):  # the map is four rows high
        bounds = [(0, 2), (2, 4)] if stripes == 2 else [(0, 2), (1, 3), (2, 4)]
        local = torch.stack([gem(last[:, :, top:bottom]) for top, bottom in bounds], dim=1)
        g += method.relation[str(stripes)](local, one_versus_rest(local)).unbind(1)
    heads = list(zip(g, method.part_necks, method.part_classifiers, strict=True))
    expected["part_id"] = sum(F.cross_entropy(norm(x, neck) @ c.weight.T, labels) for x, neck, c in heads) / 5
    expected["part_triplet"] = sum(triplet(x) for x in g) / 5
    own, shallow = method.settings, {tap: gem(method.shallow[tap].adapter(maps[tap])) for tap in method.taps}
    for tap, e in shallow.items():
        student = norm(e, method.shallow[tap].neck) @ method.shallow[tap].classifier.weight.T
        options = {"alpha": own.sdm_alpha, "temperature": own.sdm_temperature, "hint": own.sdm_hint}
        expected[f"sdm_{tap}"] = self_distillation([student], o, labels, **options, student_features=[e], teacher_features=f)
    expected["sdm_triplet"] = sum(triplet(e) for e in shallow.values())
    assert list(found) == list(expected) == list(method.weights(NOW)) == [*TERMS, "sdm_triplet"]
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, msg=lambda text, name=name: f"{name}: {text}")


def test_losses_at_the_start_are_those_of_ignorance():
    found = small(50)(batch(size=(64, 32)))
    for name in ("id", "part_id"):
        assert found[name].item() == pytest.approx(math.log(50), rel=0.01)
    for tap in ("conv2", "conv3", "conv4"):
        assert found[f"sdm_{tap}"].item() == pytest.approx(0.7 * math.log(50), rel=0.01)  # nobody knows more than another


def test_weights_of_every_switch():
    one = dict.fromkeys(TERMS, 1.0)
    table = [
        ({}, one),
        ({"sdm": False}, {name: 1.0 for name in TERMS[:4]}),
        ({"mgim": False}, {name: 1.0 for name in TERMS if "part" not in name}),
        ({"sdm": False, "mgim": False}, {"id": 1.0, "triplet": 1.0}),
        ({"sdm_weight": 0.5, "sdm_triplet": 0.2}, one | {name: 0.5 for name in TERMS[4:]} | {"sdm_triplet": 0.1}),
        ({"id_weight": 2.0, "triplet_weight": 0.0}, one | {"id": 2.0, "part_id": 2.0, "triplet": 0.0, "part_triplet": 0.0}),
    ]
    for settings, expected in table:
        assert small(**settings).weights(NOW) == expected
    assert small(sdm_triplet=1.0).collapse_values() == pytest.approx(
        {"triplet": math.log(2), "part_triplet": math.log(2), "sdm_triplet": 3 * math.log(2)}
    )
    assert small(hetero_center=True, mgim=False).collapse_values() == {"triplet": 0.3}
    assert small(hetero_center=True, margin=None, mgim=False).collapse_values() == {"triplet": math.log(2)}


def test_a_term_that_is_not_asked_for_is_not_computed():
    method, rows = small(), batch(size=(64, 32))
    assert list(method(rows, ["triplet"])) == ["triplet"]
    assert method.neck.num_batches_tracked == 0 and method.shallow["conv2"].adapter.bn.num_batches_tracked == 0
    assert list(method(rows, {"sdm_conv3", "id"})) == ["id", "sdm_conv3"]
    assert method.shallow["conv3"].neck.num_batches_tracked == 1 and method.shallow["conv2"].neck.num_batches_tracked == 0
    assert all(neck.num_batches_tracked == 0 for neck in method.part_necks)


def test_the_teacher_learns_nothing_from_its_students():
    method, rows = small(sdm_hint=0.1).double(), rows_of()
    found = method(rows, TERMS[4:])
    sum(found.values()).backward()
    silent = [method.neck, method.classifier, method.two_stream.shared.conv5, method.relation, method.part_classifiers]
    assert all(p.grad is None or not p.grad.any() for module in silent for p in module.parameters())
    assert all(
        p.grad.abs().sum() > 0 for p in [method.two_stream.shared.conv4[1].conv3.conv.weight, method.shallow["conv4"].classifier.weight]
    )


def test_heads_and_losses_see_the_gathered_rows():
    """Two halves of a batch, handed over by a stand-in for the other process, give the terms of the whole."""
    method, rows = small(sdm_hint=0.1, sdm_triplet=1.0, triplet="weighted-stable").double(), rows_of(4, 2)
    method.two_stream.eval(), method.shallow.eval()
    whole, mine = method(rows), (torch.arange(16) // 2) % 2 == 0
    seen = []

    def note(features, part):
        seen.append(features)
        return features, part

    def gather(features, part):
        assert features.shape == (8, 64 + 5 * 64 + 3 * 64)
        return torch.zeros_like(seen[0]).index_put((mine.nonzero()[:, 0],), features) + torch.where(mine[:, None], 0, seen[0]), rows

    method.gather = note
    method(rows)
    method.gather = gather
    part = method(rows.select(mine))
    for term, value in whole.items():
        torch.testing.assert_close(part[term], value)


@pytest.mark.parametrize(
    "settings", [{}, {"relation": "attention"}, {"relation": "none"}, {"keep_fc": True, "hetero_center": True, "sdm_hint": 0.03}], ids=str
)
def test_a_step_gives_every_trainable_parameter_a_finite_gradient(settings):
    method = small(**settings)
    sum(method(batch(size=(64, 32))).values()).backward()
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        else:
            assert name.endswith("neck.bias") or name.startswith("part_necks.")


def test_caj_is_a_switch():
    (stage,) = small(augmentation="caj").stages(get_recipe("lightos", "sysu-mm01"))
    assert stage.recipe.views == 2 and stage.recipe.augmentation.infrared == ("erase", "adapt_gray")
    method = small(augmentation="caj")
    assert all(value.isfinite() for value in method(batch(visible_views=2, size=(64, 32))).values()) and method.flip_average


def test_mixed_precision_stays_close_to_float32():
    """With fixed statistics; those of a tiny batch pass rounding on and make it grow."""
    plain, mixed, rows = small().eval(), small().eval(), batch(size=(64, 32))
    expected = plain(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed(rows)
        descriptor = mixed.embed(rows.images, rows.modality)
    assert descriptor.dtype == torch.float32
    for term, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[term], rtol=0.1, atol=0.05)


def test_it_learns_three_people():
    method, rows = small(3), batch(size=(64, 32))
    optimizer = torch.optim.SGD(method.parameter_groups(), lr=0.05, momentum=0.9)
    history = []
    for _ in range(10):
        terms = method(rows)
        optimizer.zero_grad()
        sum(terms.values()).backward()
        optimizer.step()
        history.append({name: float(value.detach()) for name, value in terms.items()})
    assert all(history[-1][name] < 0.5 * history[0][name] for name in ("id", "part_triplet", "sdm_conv4"))


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sdm_weight": -1.0}, "'sdm_weight' must be 0 or more; found -1.0"),
        ({"sdm_alpha": 1.5}, r"'sdm_alpha' must be in 0\.\.1; found 1.5"),
        ({"sdm_temperature": 0.0}, "'sdm_temperature' must be more than 0; found 0.0"),
        ({"sdm_hint": float("nan")}, "'sdm_hint' must be 0 or more; found nan"),
        ({"sdm_triplet": -0.1}, "'sdm_triplet' must be 0 or more; found -0.1"),
        ({"shallow_channels": 0}, "'shallow_channels' must be none or at least 1; found 0"),
        ({"part_channels": -1}, "'part_channels' must be none or at least 1; found -1"),
        ({"granularities": ()}, r"'granularities' must be different whole numbers from 2, as in \[2,3\]; without parts set mgim=false"),
        ({"granularities": (1, 2)}, r"found \(1, 2\)"),
        ({"granularities": (3, 3)}, r"found \(3, 3\)"),
        ({"granularities": (2.5,)}, r"found \(2.5,\)"),
        ({"granularities": (True, 2)}, r"found \(True, 2\)"),
        ({"sdm_hint": 0.1, "shallow_channels": 32}, "shallow_channels must be 64 or none; found 32"),
        ({"relation": "mean"}, "'relation' takes one of one-versus-rest, attention, none; found 'mean'"),
        ({"split": 6}, "split must be between 0 and 5"),
        ({"non_local": True}, "non-local blocks have no place in osnet"),
    ],
    ids=str,
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message), torch.device("meta"):
        small(**settings)


def test_switches_from_a_command_line():
    _, settings = with_overrides(
        "lightos", get_recipe("lightos", "twilight", "smoke"), {"granularities": "[2,4,6]", "part_channels": "24", "sdm": "false"}
    )
    method = build_method("lightos", 5, **settings)
    assert method.settings.granularities == (2, 4, 6) and len(method.part_names) == 12 and not method.taps
    assert method.embed(torch.randn(2, 3, 64, 32), torch.tensor([0, 1])).shape == (2, 128 + 12 * 24)


def test_parameter_groups_hold_every_trainable_parameter_once():
    method = small(keep_fc=True)
    groups = {group["name"]: group for group in method.parameter_groups()}
    assert {name: group["lr_factor"] for name, group in groups.items()} == {"trunk": 0.1, "head": 1.0}
    held = [id(p) for group in groups.values() for p in group["params"]]
    assert len(held) == len(set(held)) and set(held) == {id(p) for p in method.parameters() if p.requires_grad}
    assert sum(p.numel() for p in groups["trunk"]["params"]) == count(method.two_stream)


# Start weights


@pytest.mark.parametrize("width", [1.0, 0.75, 0.5, 0.25])
def test_a_file_with_the_names_of_the_model_zoo_starts_both_streams(width, tmp_path):
    """torchreid's files of all four widths carry fc and classifier and may be wrapped by DataParallel's prefix."""
    state = {name: torch.full(shape, 0.5) for name, shape in torchreid_shapes(width, classes=10).items()}
    path = tmp_path / "osnet_imagenet.pth"
    torch.save({f"module.{name}": value for name, value in state.items()} if width == 0.5 else state, path)
    method = build_method("lightos", 5, width=width, keep_fc=True, pretrained=str(path))
    (stage,) = method.stages(get_recipe("lightos", "sysu-mm01"))
    assert method.origin == "random"
    method.on_stage_start(stage)
    assert method.origin == "file"
    trunk = {name: x for name, x in method.state_dict().items() if name.startswith(("two_stream.", "fc.")) and x.is_floating_point()}
    assert any(".infrared." in name for name in trunk) and all((value == 0.5).all() for value in trunk.values())
    assert not (method.classifier.weight == 0.5).any()


def test_a_file_without_the_layer_leaves_a_kept_one_as_it_was(tmp_path):
    state = {name: torch.full(shape, 0.5) for name, shape in torchreid_shapes(0.25).items() if not name.startswith(("fc", "classifier"))}
    torch.save(state, tmp_path / "trunk.pth")
    method = build_method("lightos", 5, width=0.25, keep_fc=True, pretrained=str(tmp_path / "trunk.pth"))
    before = method.fc[0].weight.clone()
    method.load_pretrained()
    assert torch.equal(method.fc[0].weight, before)


def test_imagenet_weights_must_be_a_file_of_the_users_and_of_this_width(tmp_path):
    cls, recipe = method_class("lightos"), get_recipe("lightos", "sysu-mm01")
    with pytest.raises(SettingError, match=r"no ImageNet file of osnet can be downloaded .* give the path of one that you have"):
        cls.start_weights(cls.Settings(**recipe.settings))
    torch.save({name: torch.zeros(shape) for name, shape in torchreid_shapes(0.25).items()}, tmp_path / "osnet_x0_25.pth")
    with pytest.raises(CheckpointError, match=r"should be \(64, 3, 7, 7\), found \(16, 3, 7, 7\)"):
        build_method("lightos", 5, pretrained=str(tmp_path / "osnet_x0_25.pth")).load_pretrained()


def test_the_kits_own_trunk_fits():
    method = build_method("lightos", 5, **get_recipe("lightos", "twilight", "compare").settings)
    before = method.two_stream.visible.conv1.conv.weight.clone()
    assert not method.load_pretrained().missing and method.origin == "twilight"
    assert not torch.equal(method.two_stream.visible.conv1.conv.weight, before)
    assert torch.equal(method.two_stream.visible.conv1.conv.weight, method.two_stream.infrared.conv1.conv.weight)


# Recipes

WORDS = {"source": "", "expects": "", "takes": ""}
TWO_BANDS = ("sysu-mm01", "regdb", "llcm", "manifest")


@pytest.mark.parametrize("dataset", TWO_BANDS)
def test_paper_recipes_are_the_baselines_with_erasing_for_eighty_epochs(dataset):
    recipe, agw = get_recipe("lightos", dataset), get_recipe("agw", dataset)
    erasing = dataclasses.replace(agw.augmentation, visible=(("erase",),), infrared=("erase",))
    assert dataclasses.replace(recipe, **WORDS) == dataclasses.replace(agw, **WORDS, epochs=80, augmentation=erasing)
    own = method_class("lightos").Settings(**recipe.settings)
    figures = {"trunk": "osnet", "width": 1.0, "split": 2, "trunk_lr_factor": 0.1, "pooling": "gem", "triplet": "weighted"}
    figures |= {"sdm_alpha": 0.3, "sdm_temperature": 3.0, "sdm_t_square": True, "sdm_hint": 0.0, "sdm_triplet": 0.0, "sdm_weight": 1.0}
    figures |= {"granularities": (2, 3), "relation": "one-versus-rest", "part_channels": None, "keep_fc": False, "hetero_center": False}
    assert {name: getattr(own, name) for name in figures} == figures
    assert (recipe.image_size, recipe.lr, recipe.identities, recipe.per_modality) == ((288, 144), 0.1, 8, 4)


@pytest.mark.parametrize(("dataset", "profile"), [("twilight", "study"), ("twilight", "compare"), ("twilight-thermal", "compare")])
def test_small_recipes_have_the_batches_pictures_and_updates_of_the_baseline(dataset, profile):
    recipe, agw = get_recipe("lightos", dataset, profile), get_recipe("agw", dataset, profile)
    assert dataclasses.replace(recipe, **WORDS, settings={}, lr=agw.lr) == dataclasses.replace(agw, **WORDS, settings={})
    assert recipe.settings == {"trunk": "osnet", "width": 0.25, "pretrained": "twilight", "trunk_lr_factor": 0.5}
    assert recipe.lr * recipe.settings["trunk_lr_factor"] == agw.lr  # the trunk learns at the baseline's rate, the heads at twice that


def test_the_defined_recipes():
    assert set(method_class("lightos").recipes) == {
        *((dataset, profile) for dataset in TWO_BANDS for profile in ("paper", "smoke")),
        *(("twilight", profile) for profile in ("smoke", "study", "compare", "paper")),
        *(("twilight-thermal", profile) for profile in ("smoke", "study", "compare")),
    }


@pytest.mark.parametrize("key", sorted(method_class("lightos").recipes), ids=" ".join)
def test_no_recipe_promises_a_score(key):
    recipe = get_recipe("lightos", *key)
    measured = key == ("twilight", "compare")  # see test_told_scores.py
    assert measured or recipe.expects.startswith("not measured") or recipe.expects == "close to chance"
    assert "reconstruct" in recipe.source or "ours" in recipe.source
    assert method_class("lightos").Settings(**recipe.settings).sdm and max(epoch for epoch, _ in recipe.schedule) < recipe.epochs


def test_the_sweeps_hold_every_split_and_the_four_arms():
    folder, splits, arms = HERE.parent / "data" / "results", {}, {}
    for name, found in (("lightos_split", splits), ("lightos_arms", arms)):
        title, cells = read_grid(folder / f"{name}.yaml")
        assert title == name and {cell.seed for cell in cells} == {0, 1, 2}
        for cell in cells:
            recipe, settings = with_overrides("lightos", get_recipe("lightos", cell.dataset, cell.profile), cell.settings)
            own = method_class("lightos").Settings(**settings)
            assert recipe.epochs == get_recipe("agw", "twilight", "compare").epochs
            found.setdefault(cell.seed, []).append(own.split if found is splits else (own.sdm, own.mgim))
    assert all(found == [0, 1, 2, 3, 4, 5] for found in splits.values())
    assert all(found == [(False, False), (True, False), (False, True), (True, True)] for found in arms.values())


# Runs

TREES = {"sysu-mm01": sysu, "regdb": make_regdb_tree, "llcm": make_llcm_tree, "manifest": make_manifest}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dataset", TREES)
def test_from_a_folder_to_scores(dataset, tmp_path, monkeypatch):
    options = ("--set", "width=0.125", "--set", "epochs=1", "--set", "steps_per_epoch=2")
    run = open_run(trained(monkeypatch, dataset, TREES[dataset](tmp_path / "tree"), tmp_path / "run", *options, method="lightos"))
    assert run.finished and run.info["steps"] == 2 and run.history()[[f"term.{name}" for name in TERMS]].notna().all(axis=None)
    scores = evaluate_run(run, quiet=True)
    assert scores and all(0 <= one.mean[metric] <= 1 for one in scores.values() for metric in ("rank1", "map"))


SHORT = {"epochs": 2, "steps_per_epoch": 2, "limit_identities": 8, "identities": 4, "per_modality": 2, "width": 0.125, "validate_every": 0}


def test_a_stopped_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    options = {"profile": "smoke", "quiet": True, "overrides": SHORT}
    straight = train("lightos", "twilight", out=tmp_path / "straight", **options)
    seen = []

    def stop(self, rows, outputs):
        seen.append(len(rows))
        if len(seen) == 3:  # inside the second epoch
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(method_class("lightos"), "on_step_end", stop)
    with pytest.raises(TrainingStopped, match="SIGTERM after step 3"):
        train("lightos", "twilight", out=tmp_path / "stopped", **options)
    monkeypatch.undo()
    resumed = train("lightos", "twilight", out=tmp_path / "stopped", resume=True, **options)
    states = [load_file(find_checkpoint(run.path / "checkpoint", "latest") / "model.safetensors") for run in (straight, resumed)]
    assert states[0].keys() == states[1].keys() and all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    terms = straight.history().filter(regex=r"^(term|weight)\.")
    assert terms.equals(resumed.history().filter(regex=r"^(term|weight)\.")) and terms.shape == (4, 2 * len(TERMS))
    assert straight.method().settings.granularities == (2, 3)  # JSON knows no tuples


def test_the_behaviour_probe_sees_every_term_and_switch():
    recipe, settings = with_overrides("lightos", get_recipe("lightos", "twilight", "smoke"), SHORT)
    data = prepared_dataset("twilight", recipe)

    def probe(**changed):
        method = build_method("lightos", len(data.labels("train")), **(settings | changed))
        return behaviour_probe(method, data, recipe, lambda r: training_store(data, r))

    first = probe()
    assert set(first[0]) == set(TERMS)
    for changed in ({"sdm_alpha": 0.5}, {"sdm_temperature": 1.0}, {"relation": "none"}, {"split": 0}):
        assert probe(**changed) != first
