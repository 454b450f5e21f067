"""AGW: published parameter counts, the objective piece by piece, its switches, its recipes, and where its weights come from."""

from __future__ import annotations

import dataclasses

import pytest
import torch
import torch.nn.functional as F

from vireidkit.data.augmentation import CAJ, Augmentation
from vireidkit.data.batch import Batch
from vireidkit.errors import CheckpointError, SettingError
from vireidkit.losses import batch_hard_triplet, enhanced_squared_difference, weighted_regularized_triplet
from vireidkit.methods import Progress, build_method, get_recipe, list_methods, method_class, with_overrides
from vireidkit.methods.registry import parse_settings
from vireidkit.nn import NonLocal

SMALL = {"trunk": "resnet18", "width": 0.125}
BASE = {"non_local": False, "pooling": "average", "triplet": "batch-hard"}
NOW = Progress(epoch=0, epochs=1, step=0, steps_per_epoch=1)


def batch(identities: int = 3, per_modality: int = 2, *, visible_views: int = 1, size: tuple[int, int] = (32, 16), seed: int = 0) -> Batch:
    """Random images in the promised order; each identity has a brightness of its own, so that there is something to learn."""
    half = torch.arange(identities).repeat_interleave(per_modality)
    labels = half.repeat(visible_views + 1)
    views = torch.cat([torch.arange(visible_views).repeat_interleave(len(half)), torch.zeros(len(half), dtype=torch.long)])
    modality = torch.cat([torch.zeros(visible_views * len(half), dtype=torch.long), torch.ones(len(half), dtype=torch.long)])
    noise = torch.randn(len(labels), 3, *size, generator=torch.Generator().manual_seed(seed))
    images = noise + labels[:, None, None, None] - 1.0
    return Batch(images, labels, modality, modality * 2 + 1, torch.arange(len(labels)), views).check()


def small(num_identities: int = 5, **settings) -> torch.nn.Module:
    return build_method("agw", num_identities, **(SMALL | settings))


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


@pytest.mark.parametrize(
    ("num_identities", "agw", "base"), [(206, 23_972_239, 23_943_552), (395, 24_359_311, 24_330_624), (713, 25_010_575, 24_981_888)]
)
def test_published_parameter_counts(num_identities, agw, base):
    with torch.device("meta"):
        full, plain = build_method("agw", num_identities), build_method("agw", num_identities, **BASE)
    assert (count(full), count(plain)) == (agw, base)
    assert count(full) - count(full.classifier) == 23_550_351
    assert count(full.classifier) == 2048 * num_identities and count(full.neck) == 4_096


def test_agw_is_registered_and_cited():
    assert "agw" in list_methods()
    cls = method_class("agw")
    assert cls.grade == "code" and cls.citation.startswith("@article") and cls.metric == "cosine"


def test_initial_weights_follow_from_the_seed_alone():
    states = [build_method("agw", 5, seed=seed, **SMALL).state_dict() for seed in (0, 0, 1)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    assert not torch.equal(states[0]["classifier.weight"], states[2]["classifier.weight"])


FORMS = {
    "weighted": weighted_regularized_triplet,
    "weighted-stable": lambda f, y: weighted_regularized_triplet(f, y, stable=True),
    "batch-hard": lambda f, y: batch_hard_triplet(f, y, 0.7),
    "squared-difference": enhanced_squared_difference,
}


@pytest.mark.parametrize("triplet", FORMS)
def test_terms_are_cross_entropy_behind_the_neck_and_the_triplet_before_it(triplet):
    method, rows = small(triplet=triplet, margin=0.7).double(), batch()
    rows = rows.with_images(rows.images.double())
    outputs = method(rows)
    features = method.pool(method.two_stream(rows.images, rows.modality))
    mean, variance = features.mean(0), features.var(0, unbiased=False)
    logits = ((features - mean) / (variance + 1e-5).sqrt() * method.neck.weight) @ method.classifier.weight.T
    assert list(outputs) == ["id", "triplet"] == list(method.weights(NOW))
    torch.testing.assert_close(outputs["id"], F.cross_entropy(logits, rows.labels))
    torch.testing.assert_close(outputs["triplet"], FORMS[triplet](features, rows.labels))


def test_soft_margin_from_a_command_line():
    settings = parse_settings(method_class("agw").Settings, {"margin": "none", "triplet": "batch-hard"})
    method, rows = small(**settings), batch()
    features = method.pool(method.two_stream(rows.images, rows.modality))
    torch.testing.assert_close(method(rows)["triplet"], batch_hard_triplet(features, rows.labels, None))


def test_weights_are_one_to_one_and_a_term_that_is_not_asked_for_is_not_computed():
    method, rows = small(), batch()
    assert method.weights(NOW) == {"id": 1.0, "triplet": 1.0}
    assert small(triplet_weight=0.0).weights(NOW) == {"id": 1.0, "triplet": 0.0}
    assert list(method(rows, ["triplet"])) == ["triplet"]
    assert method.neck.num_batches_tracked == 0
    assert list(method(rows, {"id"})) == ["id"]


def test_heads_and_losses_see_the_gathered_rows():
    """Two halves of a batch, handed over by a stand-in for the other process, give the terms of the whole."""
    method, rows = small(triplet="weighted-stable").double().eval(), batch(4, 2)
    rows = rows.with_images(rows.images.double())
    whole = method(rows)
    pooled = method.pool(method.two_stream(rows.images, rows.modality))
    mine = (torch.arange(len(rows)) // 2) % 2 == 0
    seen = []

    def gather(features, part):
        seen.append(features)
        return torch.where(mine[:, None], torch.zeros_like(pooled).index_put((mine.nonzero()[:, 0],), features), pooled), rows

    method.gather = gather
    part = method(rows.select(mine))
    assert seen[0].shape == (8, 64)
    for term, value in whole.items():
        torch.testing.assert_close(part[term], value)


@pytest.mark.parametrize("augmentation", ["agw", "caj"])
def test_a_step_gives_every_trainable_parameter_a_finite_gradient(augmentation):
    method = small(augmentation=augmentation)
    sum(method(batch(visible_views=2 if augmentation == "caj" else 1)).values()).backward()
    # A fresh non-local block passes nothing to what lies before its batch norm, whose scale is zero.
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        else:
            assert name == "neck.bias" and parameter.grad is None


@pytest.mark.parametrize("triplet", FORMS)
@pytest.mark.parametrize("code", [0, 1])
@pytest.mark.parametrize("split", [0, 1])
def test_a_batch_of_one_band_is_learnt_from_and_leaves_the_other_stem_alone(triplet, code, split):
    both = batch(4, 3)
    rows = both.select(both.modality == code).check()
    method = small(triplet=triplet, margin=0.7, split=split).double()
    rows = rows.with_images(rows.images.double())
    terms = method(rows)
    features = method.pool(method.two_stream(rows.images, rows.modality))
    torch.testing.assert_close(terms["triplet"], FORMS[triplet](features, rows.labels))
    sum(terms.values()).backward()
    own, other = (method.two_stream.visible, method.two_stream.infrared)[:: 1 - 2 * code]
    assert all(parameter.grad is None for parameter in other.parameters())
    learnt = [*own.parameters(), *method.two_stream.shared.parameters(), method.classifier.weight]
    assert all(parameter.grad.isfinite().all() for parameter in learnt) and features.requires_grad


def test_caj_learns_from_visible_images_alone():
    method = small(augmentation="caj", triplet="squared-difference")
    rows = batch(4, 2, visible_views=2)
    rows = rows.select(rows.modality == 0).check()
    terms = method(rows)
    assert len(rows) == 16 and all(value.isfinite() and value > 0 for value in terms.values())


def test_two_halves_of_a_batch_must_agree_and_one_half_stands_alone():
    rows = batch(3, 2)
    assert len(rows.select(rows.modality == 1).check()) == 6
    wrong = torch.tensor([0, 1, 2, 3, 4, 5, 10, 11, 8, 9, 6, 7])
    with pytest.raises(ValueError, match=r"same identities in the same order, found \[0, 1, 2\] and \[2, 1, 0\]"):
        rows.select(wrong).check()
    with pytest.raises(ValueError, match="same identities in the same order"):
        rows.select(torch.arange(10)).check()


def test_it_learns_three_people():
    method, rows = small(3, triplet="batch-hard"), batch()
    optimiser = torch.optim.AdamW(method.parameters(), lr=2e-3)
    losses = []
    for _ in range(25):
        loss = sum(method(rows).values())
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
        losses.append(loss.item())
    assert losses[-1] < 0.25 * losses[0]
    logits = method.classifier(method.neck(method.pool(method.two_stream(rows.images, rows.modality))))
    assert (logits.argmax(1) == rows.labels).all()


def test_embed_is_the_feature_behind_the_neck_and_leaves_the_state_alone():
    method, rows = small().eval(), batch()
    before = {key: value.clone() for key, value in method.state_dict().items()}
    with torch.no_grad():
        descriptors = method.embed(rows.images, rows.modality)
        features = method.pool(method.two_stream(rows.images, rows.modality))
        torch.testing.assert_close(descriptors, features / (1 + 1e-5) ** 0.5 * method.neck.weight)
        apart = torch.cat([method.embed(rows.images[i : i + 1], rows.modality[i : i + 1]) for i in range(len(rows))])
        torch.testing.assert_close(apart, descriptors, rtol=1e-4, atol=1e-5)
        order = torch.randperm(len(rows), generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(method.embed(rows.images[order], rows.modality[order]), descriptors[order], rtol=1e-4, atol=1e-5)
    assert all(torch.equal(value, before[key]) for key, value in method.state_dict().items())
    assert method.parts == {"descriptor": slice(None)}


def test_maps_after_every_stage():
    method, rows = small().eval(), batch()
    with torch.no_grad():
        maps = method.stages_of(rows.images, rows.modality)
    assert {name: tuple(value.shape) for name, value in maps.items()} == {
        "stem": (12, 8, 8, 4),
        "layer1": (12, 8, 8, 4),
        "layer2": (12, 16, 4, 2),
        "layer3": (12, 32, 2, 1),
        "layer4": (12, 64, 2, 1),
    }


@pytest.mark.parametrize("triplet", FORMS)
def test_mixed_precision_stays_close_to_float32_and_finite(triplet):
    plain, mixed, rows = small(triplet=triplet), small(triplet=triplet), batch()
    expected = plain(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed(rows)
        half = mixed.two_stream(rows.images, rows.modality)
    assert half.dtype == torch.bfloat16  # else nothing was mixed
    for term, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[term], rtol=0.05, atol=0.02)
    sum(found.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in mixed.parameters() if parameter.requires_grad)
    assert mixed.neck.running_mean.dtype == torch.float32


def test_parameter_groups_hold_every_trainable_parameter_once():
    method = small(trunk_lr_factor=0.1)
    groups = {group["name"]: group for group in method.parameter_groups()}
    assert {name: group["lr_factor"] for name, group in groups.items()} == {"trunk": 0.1, "head": 1.0}
    listed = [id(parameter) for group in groups.values() for parameter in group["params"]]
    assert sorted(listed) == sorted(id(parameter) for parameter in method.parameters() if parameter.requires_grad)
    assert {id(p) for p in groups["head"]["params"]} == {id(method.neck.weight), id(method.classifier.weight)}


def test_switches_change_the_network():
    assert sum(isinstance(module, NonLocal) for module in small().modules()) == 2
    assert not any(isinstance(module, NonLocal) for module in small(non_local=False).modules())
    assert {module.theta.out_channels for module in small(non_local_width=4).modules() if isinstance(module, NonLocal)} == {4}
    assert count(small(split=0).two_stream.visible) == 0
    assert count(small(split=5).two_stream.shared) == 0
    assert small(pooling="average").pool(torch.ones(1, 2, 3, 3)).tolist() == [[1, 1]]


def test_caj_brings_a_second_visible_view_its_operators_and_mirror_images():
    recipe = dataclasses.replace(get_recipe("agw", "twilight"), augmentation=Augmentation(padding=4, flip=0.25))
    (stage,) = small(augmentation="caj").stages(recipe)
    assert stage.recipe.views == 2
    assert stage.recipe.augmentation == dataclasses.replace(CAJ, padding=4, flip=0.25)
    assert dataclasses.replace(stage.recipe, views=1, augmentation=recipe.augmentation) == recipe
    (plain,) = small().stages(recipe)
    assert plain.recipe == recipe and plain.trainable is None and plain.start == "previous"
    assert small(augmentation="caj").flip_average and not small().flip_average


# Recipes


def test_paper_recipe_of_sysu_is_the_papers():
    recipe = get_recipe("agw", "sysu-mm01")
    figures = {
        "image_size": (288, 144),
        "train_on": "train+validation",
        "limit_identities": None,
        "identities": 8,
        "per_modality": 4,
        "views": 1,
        "replacement": True,
        "augmentation": Augmentation(padding=10, flip=0.5, visible=((),), infrared=()),
        "optimizer": "sgd",
        "lr": 0.1,
        "momentum": 0.9,
        "nesterov": True,
        "weight_decay": 5e-4,
        "schedule": ((0, 1.0), (20, 0.1), (50, 0.01)),
        "warmup_epochs": 10,
        "epochs": 81,
        "steps_per_epoch": None,
        "clip_gradient": None,
        "validate_every": 0,
    }
    assert {name: getattr(recipe, name) for name in figures} == figures
    method = method_class("agw").Settings(**recipe.settings)
    assert (method.trunk, method.width, method.trunk_lr_factor, method.triplet, method.pretrained) == (
        "resnet50",
        1.0,
        0.1,
        "weighted",
        "imagenet",
    )
    assert (method.split, method.non_local, method.non_local_width, method.pooling) == (1, True, 1, "gem")


PUBLISHED = {"regdb": ("70.05", "66.37", "50.19"), "llcm": ("49.13", "55.80", "63.72", "47.21")}
ONE_BAND = ("market1501", "dukemtmc-reid", "mars", "dukemtmc-videoreid", "dukemtmc-videoreid-merged", "veri776")
VIDEO = (*ONE_BAND[2:], "hitsz-vcm", "buptcampus", "buptcampus-auxiliary")


@pytest.mark.parametrize("dataset", PUBLISHED)
def test_paper_recipes_of_the_other_published_sets_are_that_of_sysu_on_the_training_part(dataset):
    recipe, sysu = get_recipe("agw", dataset), get_recipe("agw", "sysu-mm01")
    words = {"source": "", "expects": "", "takes": ""}
    assert dataclasses.replace(recipe, **words) == dataclasses.replace(sysu, **words, train_on="train")
    assert recipe.expects.startswith("published") and recipe.expects.endswith("ours not measured")
    assert all(number in recipe.expects for number in PUBLISHED[dataset])


def test_a_score_is_promised_only_where_the_authors_or_we_have_one():
    for (dataset, profile), recipe in method_class("agw").recipes.items():
        if profile == "paper" and dataset not in ("sysu-mm01", *PUBLISHED):
            assert recipe.source.startswith("ours: ") and recipe.expects == "not measured", dataset


@pytest.mark.parametrize("dataset", ONE_BAND)
def test_visible_sets_train_one_stream_with_as_many_rows_as_two_bands_have(dataset):
    recipe = get_recipe("agw", dataset)
    assert recipe.identities * recipe.per_modality == 64 and recipe.train_on == "train" and not recipe.validate_every
    assert recipe.image_size == ((224, 224) if dataset == "veri776" else (256, 128))
    with torch.device("meta"):
        method = build_method("agw", 395, **recipe.settings)
    assert count(method) == 24_359_311 - 9_536  # SYSU's network without the stem of the second band (baseline.md section 4)
    assert not list(method.two_stream.infrared.parameters())
    assert get_recipe("agw", dataset, "smoke").settings["split"] == 0


@pytest.mark.parametrize("dataset", VIDEO)
def test_video_sets_say_that_frames_are_learnt_and_bound_an_epoch(dataset):
    recipe = get_recipe("agw", dataset)
    assert "single frames" in recipe.source and "mean of its frames' descriptors" in recipe.source
    assert recipe.steps_per_epoch == 700
    smoke = get_recipe("agw", dataset, "smoke")
    assert smoke.limit_identities == 8 and smoke.identities <= smoke.limit_identities


def test_the_defined_recipes():
    sets = ("sysu-mm01", "regdb", "llcm", "manifest", *ONE_BAND, *VIDEO)
    assert set(method_class("agw").recipes) == {
        *((dataset, profile) for dataset in sets for profile in ("paper", "smoke")),
        *(("twilight", profile) for profile in ("smoke", "study", "compare", "paper")),
        *(("twilight-thermal", profile) for profile in ("smoke", "study", "compare")),
    }
    with pytest.raises(SettingError, match=r"no recipe for data set 'sysu-mm01' at profile 'study'; defined for it: paper, smoke"):
        get_recipe("agw", "sysu-mm01", "study")


@pytest.mark.parametrize("key", sorted(method_class("agw").recipes), ids=" ".join)
def test_every_recipe_is_whole_and_its_settings_are_valid(key):
    recipe = get_recipe("agw", *key)
    assert recipe.source and recipe.expects and recipe.takes
    changed, settings = with_overrides("agw", recipe, {"triplet": "batch-hard", "epochs": "3"})
    assert changed.epochs == 3 and settings == {**recipe.settings, "triplet": "batch-hard"}
    with torch.device("meta"):
        method = build_method("agw", 25, **settings)
    assert {group["lr_factor"] for group in method.parameter_groups()} == {1.0, settings.get("trunk_lr_factor", 0.1)}
    assert [epoch for epoch, _ in recipe.schedule] == sorted({epoch for epoch, _ in recipe.schedule}) and recipe.schedule[0][0] == 0
    assert max(epoch for epoch, _ in recipe.schedule) < recipe.epochs and recipe.warmup_epochs <= recipe.epochs


def test_only_recipes_that_validate_leave_validation_identities_out():
    """A best checkpoint may be chosen only on people that were not learnt."""
    for recipe in method_class("agw").recipes.values():
        assert recipe.validate_every == 0 or recipe.train_on == "train"


@pytest.mark.parametrize(("profile", "size"), [("smoke", (64, 32)), ("study", (128, 64)), ("compare", (128, 64)), ("paper", (256, 128))])
def test_twilight_recipes_fit_their_machine_and_start_without_a_network(profile, size):
    recipe = get_recipe("agw", "twilight", profile)
    assert recipe.image_size == size and recipe.train_on == "train"
    assert recipe.settings.get("pretrained") == ("twilight" if profile in ("study", "compare") else None)
    if profile != "paper":
        assert recipe.settings["trunk"] == "resnet18" and recipe.settings["width"] == 0.25
        assert recipe.epochs * recipe.steps_per_epoch <= {"smoke": 12, "study": 1100, "compare": 400}[profile]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"trunk": "resnet34"}, "'trunk' takes one of resnet50, resnet18, osnet; found 'resnet34'"),
        ({"triplet": "hard"}, "'triplet' takes one of weighted, weighted-stable, batch-hard, squared-difference; found 'hard'"),
        ({"split": 6}, "split must be between 0 and 5"),
        ({"width": -1.0}, "width must be positive"),
        ({"non_local_width": 0}, "at least 1 channel; found 0"),
        ({"trunk": "osnet"}, "non-local blocks have no place in osnet; set non_local=False"),
        ({"trunk": "osnet", "non_local": False, "width": 0.0}, "OSNet width must be positive"),
        ({"tripplet": "weighted"}, "did you mean 'triplet'"),
        ({"augmentation": "CAJ"}, "'augmentation' takes one of agw, caj; found 'CAJ'"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message), torch.device("meta"):
        build_method("agw", 5, **settings)


# Start weights


def trunk_file(tmp_path, method) -> str:
    """A weight file with the published names for this method's trunk, every value 0.5, and a classifier that nobody wants."""
    parts = method.two_stream.state_dict().items()
    state = {key.partition(".")[2]: torch.full_like(value, 0.5) for key, value in parts if "non_local" not in key}
    torch.save(state | {"fc.weight": torch.zeros(2, 2), "fc.bias": torch.zeros(2)}, tmp_path / "trunk.pth")
    return str(tmp_path / "trunk.pth")


def test_weights_are_loaded_when_training_starts_and_not_when_a_network_is_built(tmp_path):
    path = trunk_file(tmp_path, small())
    method, recipe = small(pretrained=path), get_recipe("agw", "twilight")
    assert method.origin == "random" and not (method.two_stream.visible.conv1.weight == 0.5).all()
    (stage,) = method.stages(recipe)
    method.on_stage_start(stage)
    assert method.origin == "file"
    for stem in (method.two_stream.visible, method.two_stream.infrared):
        assert (stem.conv1.weight == 0.5).all() and (stem.bn1.running_mean == 0.5).all()
    assert (method.two_stream.shared.layer4[1].conv2.weight == 0.5).all()
    assert method.extra_state() == {"origin": "file"}
    assert (method.two_stream.shared.layer2[1].non_local.bn.weight == 0).all()


def test_a_run_from_scratch_starts_at_random():
    method = small()
    (stage,) = method.stages(get_recipe("agw", "twilight"))
    method.on_stage_start(stage)
    assert method.origin == "random"


def test_loading_by_hand_reports_and_failing_leaves_the_origin(tmp_path):
    method = small()
    report = method.load_pretrained(trunk_file(tmp_path, method))
    assert report.unexpected == ("fc.bias", "fc.weight")
    assert report.missing and all(".non_local." in name for name in report.missing)
    fresh = small(width=0.25, pretrained=str(tmp_path / "trunk.pth"))
    with pytest.raises(CheckpointError, match=r"ImageNet files fit width 1\.0"):
        fresh.load_pretrained()
    assert fresh.origin == "random"
    with pytest.raises(SettingError, match='needs "imagenet", "twilight" or the path'):
        small().load_pretrained()


def test_osnet_is_a_trunk_like_the_others(tmp_path):
    options = {"trunk": "osnet", "non_local": False, "split": 2}
    method, rows = small(**options), batch()
    sum(method(rows).values()).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in method.parameters() if p.requires_grad)
    assert list(method.eval().stages_of(rows.images, rows.modality)) == ["conv1", "conv2", "conv3", "conv4", "conv5"]
    assert method.embed(rows.images, rows.modality).shape == (12, 64)
    fresh = small(**options, pretrained=trunk_file(tmp_path, method))
    fresh.load_pretrained()
    for part in (fresh.two_stream.visible, fresh.two_stream.infrared):
        assert all((value == 0.5).all() for value in part.state_dict().values() if value.is_floating_point())
    with pytest.raises(SettingError, match="no ImageNet file of osnet can be downloaded"):
        fresh.load_pretrained("imagenet")
