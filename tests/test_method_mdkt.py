"""MDKT: its two networks, who learns what from whom, the two stages and the way back into either of them, and its recipes."""

from __future__ import annotations

import dataclasses
import os
import signal
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from test_end_to_end_trees import command
from torch import Tensor, nn
from trees_video import make_duke_video, make_mars, make_veri

from vireidkit.data import Augmentation, Batch, load_dataset
from vireidkit.errors import SettingError
from vireidkit.evaluation import read_scores
from vireidkit.experiment import prepared_dataset, train, training_store
from vireidkit.losses import (
    batch_hard_triplet,
    cross_modality_triplet_contrast,
    kl_distillation,
    pairwise_distance_distillation,
    triplet_contrast,
)
from vireidkit.methods import Progress, Stage, build_method, get_recipe, list_methods, method_class, with_overrides
from vireidkit.methods.mdkt_settings import ALONE, VKD
from vireidkit.nn import ResNet, SetNetwork, build_trunk, untouched_statistics
from vireidkit.sweep import read_grid
from vireidkit.training import TrainingStopped, find_checkpoint, open_run
from vireidkit.training.probe import behaviour_probe

HERE = Path(__file__).parent
SMALL = {"trunk": "resnet18", "width": 0.125}
NOW = Progress(epoch=0, epochs=1, step=0, steps_per_epoch=1)
LEARNT = ("id", "triplet", "kd", "dp", "tcl")
BACK = ("teacher_id", "teacher_triplet", "teacher_kd", "teacher_tcl")


def sets(people: int = 3, per_person: int = 2, frames: int = 3, *, bands: int = 1, seed: int = 0) -> Batch:
    """Random sets in float64 in the promised order; each person has a brightness of their own."""
    labels = torch.arange(people).repeat_interleave(per_person).repeat(bands)
    modality = torch.arange(bands).repeat_interleave(people * per_person)
    noise = torch.randn(len(labels), frames, 3, 32, 16, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    rows = torch.arange(len(labels) * frames).view(len(labels), frames)
    images = noise + labels[:, None, None, None, None] - 1.0
    return Batch(images, labels, modality, rows % 4, rows, torch.zeros_like(labels)).check()


def small(stage: str = "student", num_identities: int = 5, **settings) -> nn.Module:
    """A method in float64 whose stage has begun."""
    method = build_method("mdkt", num_identities, **(SMALL | settings)).double()
    method.on_stage_start(Stage(stage, get_recipe("mdkt", "mars"), start=stage))
    return method


def gradients(method: nn.Module, terms: tuple[str, ...], rows: Batch) -> dict[str, Tensor | None]:
    method.zero_grad(set_to_none=True)
    outputs, weights = method(rows, terms), method.weights(NOW)
    sum(weights[name] * outputs[name] for name in terms).backward()
    return {name: None if p.grad is None else p.grad.clone() for name, p in method.named_parameters()}


def same(first: dict[str, Tensor], second: dict[str, Tensor]) -> bool:
    return first.keys() == second.keys() and all(torch.equal(first[name], second[name]) for name in first)


def part(state: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value.clone() for name, value in state.items() if name.startswith(prefix)}


# The network (mdkt.md section 2)


def test_the_last_block_has_no_relu_and_the_last_stride_is_one():
    trunk = build_trunk("resnet50", width=0.125, last_relu=False).eval()
    plain = build_trunk("resnet50", width=0.125)
    assert trunk.state_dict().keys() == plain.state_dict().keys()
    relus = [name for name, module in plain.named_modules() if isinstance(module, nn.ReLU)]
    assert [name for name, module in trunk.named_modules() if isinstance(module, nn.ReLU)] == [n for n in relus if n != "layer4.2.relu"]
    with torch.no_grad():
        found = trunk(torch.randn(1, 3, 256, 128, generator=torch.Generator().manual_seed(0)))
        block, x = trunk.layer4[-1], torch.randn(2, 256, 2, 2, generator=torch.Generator().manual_seed(1))
        expected = block.bn3(block.conv3(block.bn2(block.conv2(block.bn1(block.conv1(x)))))) + x  # all three ReLUs are one module
        assert torch.allclose(block(x), expected, atol=1e-5)
    assert found.shape[2:] == (16, 8) and (found < 0).any()
    with pytest.raises(SettingError, match="last block without ReLU is known for ResNets only"):
        build_trunk("osnet", last_relu=False)


def test_parameter_counts():
    """Twice torchvision's ResNet-50 without its classifier, with neck and classifier: 625 identities are MARS's."""
    with torch.device("meta"):
        method = build_method("mdkt", 625)
    assert sum(p.numel() for p in ResNet(50).parameters()) == 23_508_032
    assert sum(p.numel() for p in method.parameters()) == 2 * (23_508_032 + 2 * 2048 + 2048 * 625)
    assert {name for name, p in method.named_parameters() if not p.requires_grad} == {"teacher.neck.bias", "student.neck.bias"}


def network() -> SetNetwork:
    return build_method("mdkt", 5, **SMALL).double().teacher


def test_a_set_is_the_mean_of_its_frames_and_logits_are_averaged_behind_the_head():
    net, rows = network(), sets()
    assert (net.neck.weight == 1).all() and (net.neck.bias == 0).all() and net.classifier.bias is None
    assert 0.0008 < net.classifier.weight.std() < 0.0012
    frames = net.frames_of(rows.images, rows.modality)  # (6, 3, 64), batch norms see all 18 frames
    flat = net.pool(net.two_stream(rows.images.flatten(0, 1), rows.modality.repeat_interleave(3)))
    torch.testing.assert_close(frames.flatten(0, 1), flat)
    mean, variance = flat.mean(0), flat.var(0, unbiased=False)
    each = ((flat - mean) / (variance + 1e-5).sqrt()) @ net.classifier.weight.T
    logits = net.logits_of(frames)
    torch.testing.assert_close(logits, each.view(6, 3, 5).mean(1))
    torch.testing.assert_close(net.neck.running_mean, 0.1 * mean)
    torch.testing.assert_close(net.neck.running_var, 0.9 + 0.1 * flat.var(0))
    early = frames.mean(1)
    assert not torch.allclose(logits, ((early - early.mean(0)) / (early.var(0, unbiased=False) + 1e-5).sqrt()) @ net.classifier.weight.T)
    net.eval()  # affine: the order does not matter
    torch.testing.assert_close(net.logits_of(frames), net.classifier(net.neck(frames.mean(1))))


def test_a_single_image_is_a_set_of_one():
    net, rows = network().eval(), sets(frames=1)
    torch.testing.assert_close(net.frames_of(rows.images, rows.modality), net.frames_of(rows.images[:, 0], rows.modality))
    for wrong in (rows.images[0, 0], rows.images[:, :0]):
        with pytest.raises(ValueError, match=r"expected images \(B, N, 3, H, W\)"):
            net.frames_of(wrong, rows.modality)


def test_a_frozen_teacher_uses_batch_statistics_and_keeps_none():
    net, rows = network(), sets()
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with torch.no_grad(), untouched_statistics(net):
        frozen = net.logits_of(net.frames_of(rows.images, rows.modality))
    assert same(net.state_dict(), before) and all(m.momentum == 0.1 for m in net.modules() if isinstance(m, nn.BatchNorm2d))
    trained = net.logits_of(net.frames_of(rows.images, rows.modality))
    assert torch.equal(frozen, trained) and not same(net.state_dict(), before)
    net.load_state_dict(before)
    assert not torch.allclose(net.eval().logits_of(net.frames_of(rows.images, rows.modality)), frozen)


# Terms


def test_it_says_what_it_is_wherever_its_name_shows():
    cls = method_class("mdkt")
    assert "mdkt" in list_methods() and cls.grade == "reconstruction" and "reconstruction" in cls.title and "econstruct" in cls.paper
    assert "wang2022mdkt" in cls.citation and "porrello2020vkd" in cls.citation and "reconstruction" in cls.__doc__
    for recipe in cls.recipes.values():
        assert "reconstruct" in recipe.source


@pytest.mark.parametrize("bands", [1, 2])
def test_terms_are_the_public_losses_of_both_networks(bands):
    settings = {"tcl_temperature": 2.0, "tcl_mining": "teacher", "tcl_divergence": "rkl", "kd_temperature": 4.0, "dp_form": "l1"}
    scope = "cross" if bands == 2 else "joint"
    method, rows = small(split=1, tcl_scope=scope, **settings), sets(bands=bands)
    outputs = method(rows)
    teacher, student = (
        net.frames_of(images, rows.modality)
        for net, images in ((method.teacher, rows.images), (method.student, rows.images[:, :2]))  # the first M = 2 of N = 3 frames
    )
    z_t, z_s, f_t, f_s = method.teacher.logits_of(teacher), method.student.logits_of(student), teacher.mean(1), student.mean(1)
    y = rows.labels
    options = {"temperature": 2.0, "mining": "teacher", "divergence": "rkl"}
    contrast = (
        (lambda a, b: triplet_contrast(a, b, y, **options))
        if bands == 1
        else (lambda a, b: cross_modality_triplet_contrast(a, b, y, rows.modality, **options))
    )
    expected = {
        "id": F.cross_entropy(z_s, y),
        "triplet": batch_hard_triplet(f_s, y, None),
        "kd": kl_distillation(z_s, z_t, 4.0),
        "dp": pairwise_distance_distillation(f_s, f_t, form="l1"),
        "tcl": contrast(f_s, f_t),
        "teacher_id": F.cross_entropy(z_t, y),
        "teacher_triplet": batch_hard_triplet(f_t, y, None),
        "teacher_kd": kl_distillation(z_t, z_s, 4.0),
        "teacher_tcl": contrast(f_t, f_s),
    }
    assert list(outputs) == list(expected) == list(method.weights(NOW))
    for name, value in expected.items():
        torch.testing.assert_close(outputs[name], value)
        assert value > 0


def test_weights_of_every_switch_and_stage():
    assert small("teacher").weights(NOW) == {"teacher_id": 1.0, "teacher_triplet": 1.0}
    full = {"id": 1.0, "triplet": 1.0, "kd": 0.1, "dp": 1e-4, "tcl": 1.0}
    back = {"teacher_id": 1.0, "teacher_triplet": 1.0, "teacher_kd": 0.1, "teacher_tcl": 1.0}
    assert small().weights(NOW) == full | back
    assert small(**VKD).weights(NOW) == {name: full[name] for name in ("id", "triplet", "kd", "dp")}
    assert small(**ALONE).weights(NOW) == {"id": 1.0, "triplet": 1.0}
    assert small(use_kd=False, use_dp=False, tcl_weight=0.5).weights(NOW) == {
        **{"id": 1.0, "triplet": 1.0, "tcl": 0.5},
        **{"teacher_id": 1.0, "teacher_triplet": 1.0, "teacher_tcl": 0.5},
    }
    assert small("teacher").collapse_values() == {"triplet": pytest.approx(np.log(2)), "teacher_triplet": pytest.approx(np.log(2))}


def test_a_network_that_no_term_asks_for_does_not_run(monkeypatch):
    method, rows = small(**ALONE), sets()
    monkeypatch.setattr(method.teacher, "frames_of", lambda *_: pytest.fail("the teacher ran"))
    assert list(method(rows)) == ["id", "triplet"]
    method, frames = small("teacher"), []
    monkeypatch.setattr(method.student, "frames_of", lambda *_: pytest.fail("the student ran"))
    assert list(method(rows, ["teacher_id", "tcl"])) == ["teacher_id"] and not frames


# Who learns from whom (sections 3.7, 3.8; section 8, item 12)


def test_one_backward_of_both_sums_equals_two():
    method, rows = small(split=1, tcl_scope="cross"), sets(bands=2)
    together, own, theirs = (gradients(method, terms, rows) for terms in (LEARNT + BACK, LEARNT, BACK))
    for name, value in together.items():
        if value is None:
            assert name.endswith("neck.bias")
            continue
        mine, other = (own, theirs) if name.startswith("student.") else (theirs, own)
        torch.testing.assert_close(value, mine[name], rtol=1e-9, atol=1e-12)
        assert other[name] is None or not other[name].any()


@pytest.mark.parametrize("term", ["kd", "dp", "tcl"])
def test_what_the_teacher_teaches_reaches_the_student_alone(term):
    found = gradients(small(), (term,), sets())
    assert all(value is None or not value.any() for name, value in found.items() if name.startswith("teacher."))
    assert any(value is not None and value.any() for name, value in found.items() if name.startswith("student."))


@pytest.mark.parametrize("term", ["teacher_kd", "teacher_tcl"])
def test_what_the_student_teaches_reaches_the_teacher_alone(term):
    found = gradients(small(), (term,), sets())
    assert all(value is None or not value.any() for name, value in found.items() if name.startswith("student."))
    assert any(value is not None and value.any() for name, value in found.items() if name.startswith("teacher."))


def test_without_mutual_learning_the_teacher_is_left_as_it_is():
    method, rows = small(mutual=False), sets()
    before = part(method.state_dict(), "teacher.")
    found = gradients(method, LEARNT, rows)
    assert all(value is None for name, value in found.items() if name.startswith("teacher."))
    assert same(part(method.state_dict(), "teacher."), before)
    assert method.student.neck.num_batches_tracked == 1
    mutual = small()
    mutual(rows)
    assert mutual.teacher.neck.num_batches_tracked == mutual.student.neck.num_batches_tracked == 1
    for term in LEARNT:  # batch statistics in either case
        torch.testing.assert_close(method(rows)[term], mutual(rows)[term])


def test_sets_that_are_too_small_for_the_student_are_refused():
    with pytest.raises(ValueError, match="the student sees 4 frames of a set, found sets of 3"):
        small(student_frames=4)(sets())


def test_mixed_views_give_both_students_one_teacher():
    method, plain, rows = small(split=1, mixed_views=True, mutual=False), small(split=1, mutual=False), sets(bands=2)
    frames = method.teacher.frames_of(rows.images, rows.modality)
    mixed = torch.cat([frames[:6], frames[6:]], dim=1)  # (6, 2 N, D), what one set of both modalities holds
    student = method.student.frames_of(rows.images[:, :2], rows.modality)
    z = method.teacher.logits_of(frames)
    both = (z[:6] + z[6:]).repeat(2, 1) / 2
    torch.testing.assert_close(method(rows)["kd"], kl_distillation(method.student.logits_of(student), both, 10.0))
    expected = pairwise_distance_distillation(student.mean(1), mixed.mean(1).repeat(2, 1))
    torch.testing.assert_close(method(rows)["dp"], expected)
    assert not torch.allclose(plain(rows)["dp"], expected)
    torch.testing.assert_close(method(rows.select(rows.modality == 0))["dp"], plain(rows.select(rows.modality == 0))["dp"])
    with pytest.raises(ValueError, match="as many visible as infrared sets"):
        method(rows.select(torch.arange(11)))


def test_mixed_precision_stays_close_to_float32():
    plain, mixed = (small().float() for _ in range(2))
    rows = sets()
    rows = rows.with_images(rows.images.float())
    expected = plain(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed(rows)
    for term, value in found.items():
        assert value.dtype == torch.float32 and value.isfinite()
        if term != "dp":  # squares of squares
            torch.testing.assert_close(value, expected[term], rtol=0.2, atol=0.1)


# Stages


def test_the_student_takes_over_all_but_layer4_and_head():
    method = build_method("mdkt", 5, **SMALL, split=1)
    with torch.no_grad():
        for parameter in method.teacher.parameters():
            parameter.add_(1.0)
    method.teacher.two_stream.shared.layer2[0].bn1.running_mean.fill_(7.0)
    fresh = part(method.state_dict(), "student.")
    method.on_stage_start(Stage("student", get_recipe("mdkt", "mars"), start="student"))
    teacher, student = (part(method.state_dict(), f"{name}.") for name in ("teacher", "student"))
    for name, value in student.items():
        new = "layer4" in name or name.startswith(("neck.", "classifier."))
        assert torch.equal(value, (fresh if new else teacher)[name]), name
    assert sum("layer4" in name for name in student) > 10
    method.student.two_stream.visible.conv1.weight.data.zero_()
    assert method.teacher.two_stream.visible.conv1.weight.any()  # a copy


def test_start_weights_are_loaded_once_and_layer4_starts_from_them():
    method = build_method("mdkt", 5, trunk="resnet18", width=0.25, split=1, pretrained="twilight")
    method.on_stage_start(Stage("teacher", get_recipe("mdkt", "mars"), start="teacher"))
    assert method.origin == "twilight"
    known = part(method.state_dict(), "student.two_stream.")
    assert same(known, part(method.state_dict(), "teacher.two_stream."))
    with torch.no_grad():
        for parameter in method.teacher.parameters():
            parameter.add_(1.0)
    method.on_stage_start(Stage("student", get_recipe("mdkt", "mars"), start="student"))
    found = part(method.state_dict(), "student.two_stream.")
    moved = {name for name, value in found.items() if not torch.equal(value, known[name])}
    assert moved == {name for name, _ in method.student.two_stream.named_parameters() if "layer4" not in name}
    assert method_class("mdkt").start_weights(method.settings) is not None


def test_each_stage_has_its_recipe_and_its_learners():
    recipe = get_recipe("mdkt", "mars")
    teacher, student = build_method("mdkt", 5, **SMALL).stages(recipe)
    assert (teacher.name, student.name) == ("teacher", "student") and student.recipe == recipe
    assert teacher.trainable == ("teacher.",) and student.trainable == ("student.", "teacher.")
    assert dataclasses.replace(teacher.recipe, **{key: getattr(recipe, key) for key in recipe.stages["teacher"]}) == recipe
    (_, frozen) = build_method("mdkt", 5, **SMALL, **VKD).stages(recipe)
    assert frozen.trainable == ("student.",)
    (alone,) = build_method("mdkt", 5, **SMALL, student=False).stages(recipe)
    assert alone.name == "teacher"
    (joint,) = build_method("mdkt", 5, **SMALL, teacher_first=False).stages(recipe)
    assert joint.name == "student" and joint.trainable == ("student.", "teacher.")


def test_the_rate_of_a_teacher_that_goes_on():
    def factors(stage, **settings):
        return {group["name"]: group["lr_factor"] for group in small(stage, **settings).parameter_groups()}

    assert factors("teacher") == {"student": 1.0, "teacher": 1.0}
    assert factors("student") == {"student": 1.0, "teacher": 0.1} == factors("student", teacher_lr_scale=0.1)
    assert factors("student", teacher_lr_scale=1.0)["teacher"] == factors("student", teacher_first=False)["teacher"] == 1.0
    method = small()
    listed = [id(p) for group in method.parameter_groups() for p in group["params"]]
    assert sorted(listed) == sorted(id(p) for p in method.parameters() if p.requires_grad)


def test_the_descriptor_belongs_to_the_network_of_the_stage():
    rows = sets()
    images, modality = rows.images[:, 0], rows.modality
    method = small("teacher").eval()
    assert torch.equal(method.embed(images, modality), method.embed_by("teacher", images, modality))
    assert not torch.equal(method.embed(images, modality), method.embed_by("student", images, modality))
    torch.testing.assert_close(method.embed(rows.images, modality), method.teacher.frames_of(rows.images, modality).mean(1))
    later = small("student").eval()
    assert torch.equal(later.embed(images, modality), later.student.frames_of(images, modality)[:, 0])
    assert (later.embed(images, modality) < 0).any()  # in front of the neck, and without a ReLU
    later.load_extra_state(method.extra_state())
    assert later.stage == "teacher" and torch.equal(later.embed(images, modality), later.embed_by("teacher", images, modality))
    behind = small(descriptor="neck").eval()
    torch.testing.assert_close(behind.embed(images, modality), behind.student.neck(behind.student.frames_of(images, modality)[:, 0]))
    assert list(method.stages_of(images, modality)) == ["stem", "layer1", "layer2", "layer3", "layer4"]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"student_frames": 0}, "'student_frames' must be at least 1; found 0"),
        ({"kd_weight": -1.0}, "'kd_weight' must be 0 or more; found -1.0"),
        ({"tcl_weight": float("nan")}, "'tcl_weight' must be 0 or more; found nan"),
        ({"kd_temperature": 0.0}, "'kd_temperature' must be more than 0"),
        ({"tcl_temperature": -1.0}, "'tcl_temperature' must be more than 0"),
        ({"teacher_lr_scale": 0.0}, "'teacher_lr_scale' must be more than 0"),
        ({"teacher_first": False, "mutual": False}, "teacher_first=false lets both networks learn together"),
        ({"teacher_first": False, "student": False}, "teacher_first=false lets both networks learn together"),
        ({"tcl_scope": "both"}, "'tcl_scope' takes one of joint, cross, intra"),
        ({"trunk": "osnet"}, "'trunk' takes one of resnet50, resnet18"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message), torch.device("meta"):
        build_method("mdkt", 5, **(SMALL | settings))


def test_impossible_recipes_are_named():
    recipe = get_recipe("mdkt", "mars")
    with pytest.raises(SettingError, match="student_frames=9 frames of a set, found frames=8"):
        list(build_method("mdkt", 5, **SMALL, student_frames=9).stages(recipe))
    with pytest.raises(SettingError, match="stages teacher and student; found 'pupil'"):
        list(build_method("mdkt", 5, **SMALL).stages(dataclasses.replace(recipe, stages={"pupil": {}})))
    with pytest.raises(SettingError, match="stage 'teacher' of a recipe cannot change 'train_on'"):
        dataclasses.replace(recipe, stages={"teacher": {"train_on": "train"}}).for_stage("teacher")


def test_a_stage_is_overridden_by_its_name():
    recipe = get_recipe("mdkt", "mars")
    changed, _ = with_overrides("mdkt", recipe, {"epochs": 7, "stages": '{"teacher": {"epochs": "2"}, "student": {"lr": 1}}'})
    assert changed.stages == {"teacher": {**recipe.stages["teacher"], "epochs": 2}, "student": {"lr": 1.0}}
    assert (changed.for_stage("teacher").epochs, changed.for_stage("student").epochs, changed.for_stage("student").lr) == (2, 7, 1.0)
    assert recipe.stages["teacher"]["epochs"] == 300
    for value, message in {
        '{"teacher": {"epoch": 2}}': r"unknown setting 'epoch' \(did you mean 'epochs'\?\)",
        '{"teacher": 3}': "stages takes fields of the recipe for every stage",
        "teacher": "takes names with their values; found 'teacher'",
        '{"teacher": {"train_on": "train"}}': "stage 'teacher' of a recipe cannot change 'train_on'",
    }.items():
        with pytest.raises(SettingError, match=message):
            with_overrides("mdkt", recipe, {"stages": value})


# Training


SHORT = {"steps_per_epoch": 2, "epochs": 2, "width": 0.125, "limit_identities": 4, "stages": {"teacher": {"epochs": 1}}}
VALIDATED = {**SHORT, "train_on": "train", "validate_every": 1}


def weights(run, which="latest") -> dict[str, Tensor]:
    return load_file(find_checkpoint(run.path / "checkpoint", which) / "model.safetensors")


def smoke(out: Path, overrides: dict, **options):
    return train("mdkt", "twilight-tracklets", profile="smoke", out=out, overrides=overrides, quiet=True, **options)


@pytest.fixture(scope="module")
def straight(tmp_path_factory):
    """A run that nothing interrupted, with validation after every epoch."""
    return smoke(tmp_path_factory.mktemp("straight") / "run", VALIDATED)


@pytest.mark.parametrize("stop_after", [1, 2, 4])
def test_stopped_inside_either_stage_or_between_them_and_resumed_equals_straight(straight, stop_after, tmp_path, monkeypatch):
    seen = []

    def stop(self, batch, outputs):
        seen.append(self.stage)
        if len(seen) == stop_after:
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(method_class("mdkt"), "on_step_end", stop)
    with pytest.raises(TrainingStopped, match=f"SIGTERM after step {stop_after}"):
        smoke(tmp_path / "run", VALIDATED)
    monkeypatch.undo()
    assert seen == ["teacher", "teacher", "student", "student", "student"][:stop_after]
    resumed = smoke(tmp_path / "run", VALIDATED, resume=True)
    assert same(weights(straight), weights(resumed)) and same(weights(straight, "best"), weights(resumed, "best"))
    histories = [run.history().drop(columns="images_per_second") for run in (straight, resumed)]
    pd.testing.assert_frame_equal(*histories, check_exact=True)
    assert resumed.method("latest").stage == "student"


def test_the_history_shows_both_stages(straight):
    history = straight.history()
    assert history["stage"].tolist() == ["teacher"] * 2 + ["student"] * 4
    assert history["term.id"].isna().tolist() == [True] * 2 + [False] * 4 and history["term.teacher_id"].notna().all()
    assert history["validation.map"].isna().tolist() == [True, False] * 3


def test_the_best_checkpoint_is_the_students_however_good_the_teacher_was(tmp_path, monkeypatch):
    """Validation scores are made up so that the teacher is far ahead."""
    from vireidkit import experiment

    told = []

    def validation(data, recipe):
        def validate(method):
            told.append(method.stage)
            return {"rank1": 0.0, "map": 0.9 if method.stage == "teacher" else (0.3, 0.2)[told.count("student") - 1]}

        return validate

    monkeypatch.setattr(experiment, "validation_of", validation)
    run = smoke(tmp_path / "run", VALIDATED)
    assert told == ["teacher", "student", "student"]
    best = find_checkpoint(run.path / "checkpoint", "best")
    assert best.name == "step-4" and run.method().stage == "student" and run.info["best_validation_map"] == 0.3
    # Stopped before the student was ever validated, the teacher's best is no longer the run's.

    def stop(self, batch, outputs):
        if self.stage == "student":
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(method_class("mdkt"), "on_step_end", stop)
    with pytest.raises(TrainingStopped):
        smoke(tmp_path / "stopped", VALIDATED)
    assert open_run(tmp_path / "stopped").best_checkpoint() == "latest"


def test_without_mutual_learning_the_trained_teacher_does_not_change(tmp_path):
    """Neither by gradients nor in its running statistics, while the student's stage runs."""
    frozen, alone = (smoke(tmp_path / name, SHORT | settings) for name, settings in (("vkd", VKD), ("teacher", {"student": False})))
    assert same(part(weights(frozen), "teacher."), part(weights(alone), "teacher."))
    assert alone.info["steps"] == 2 and alone.method().stage == "teacher"


def test_the_behaviour_probe_sees_both_stages(tmp_path):
    recipe, settings = with_overrides("mdkt", get_recipe("mdkt", "twilight-tracklets", "smoke"), SHORT)
    data = prepared_dataset("twilight-tracklets", recipe)

    def probe(**changed):
        method = build_method("mdkt", len(data.labels(recipe.train_on)), **(settings | changed))
        return behaviour_probe(method, data, recipe, lambda r: training_store(data, r))

    first = probe()
    assert [set(step) for step in first] == [{"teacher_id", "teacher_triplet"}] * 3 + [{*LEARNT, *BACK}] * 3
    assert probe() == first and probe(tcl_temperature=2.0)[:4] != first[:4] and probe(tcl_temperature=2.0)[:3] == first[:3]


# Recipes


def test_paper_recipes_are_vkds():
    figures = {
        "optimizer": "adam",
        "lr": 1e-4,
        "weight_decay": 1e-5,
        "warmup_epochs": 0,
        "steps_per_epoch": None,
        "resample": "bicubic",
        "train_on": "train",
        "sampler": "sets",
        "replacement": True,
        "validate_every": 0,
        "limit_identities": None,
        "clip_gradient": None,
    }
    second = {"identities": 12, "per_modality": 4, "frames": 8, "sets": "multiview", "epochs": 500}
    first = {"per_modality": 4, "sets": "tracklet", "epochs": 300}
    for dataset, size, own, drops, operator in (
        ("mars", (256, 128), {"identities": 8, "frames": 8}, (100, 200), "erase_clip"),
        ("dukemtmc-videoreid", (256, 128), {"identities": 8, "frames": 8}, (100, 200), "erase_clip"),
        ("veri776", (224, 224), {"identities": 18, "frames": 1}, (200, 250), "erase_vehicle"),
    ):
        recipe = get_recipe("mdkt", dataset)
        teacher, student = build_method("mdkt", 5, **SMALL).stages(recipe)
        for stage, expected, at in ((teacher, first | own, drops), (student, second, (300, 450))):
            expected = figures | expected | {"schedule": ((0, 1.0), (at[0], 0.1), (at[1], 0.01)), "image_size": size}
            assert {name: getattr(stage.recipe, name) for name in expected} == expected
            assert stage.recipe.augmentation == Augmentation(padding=10, flip=0.5, visible=((operator,),), erase_probability=0.5)
        own = method_class("mdkt").Settings(**recipe.settings)
        assert (own.trunk, own.width, own.split, own.pretrained, own.student_frames) == ("resnet50", 1.0, 0, "imagenet", 2)
        assert (own.kd_weight, own.kd_temperature, own.dp_weight, own.tcl_weight, own.teacher_lr_scale) == (0.1, 10.0, 1e-4, 1.0, 0.1)
        assert "not measured" in recipe.expects


def test_recipes_of_twilight_say_what_they_learn_from():
    recipes = method_class("mdkt").recipes
    for profile in ("study", "compare", "smoke"):
        tracklets, main = recipes["twilight-tracklets", profile], recipes["twilight", profile]
        assert tracklets.train_on == "train+validation" and main.train_on == "train"
        assert tracklets.for_stage("teacher").sets == "tracklet" and main.for_stage("teacher").sets == "multiview"
        for recipe in (tracklets, main):
            assert recipe.settings["student_frames"] == 1 and recipe.settings["tcl_scope"] == "cross" and recipe.frames > 1
    data = load_dataset("twilight-tracklets")
    assert len(data.labels("train+validation")) == 40 and data.test["identity"].nunique() == 40
    assert "training and of the validation part" in recipes["twilight-tracklets", "compare"].source


def test_the_grid_of_the_ablation():
    name, cells = read_grid(HERE.parent / "data" / "results" / "mdkt_ablation.yaml")
    assert name == "mdkt_ablation" and {cell.dataset for cell in cells} == {"twilight-tracklets"} and len(cells) == 3 * 7
    settings = [cell.settings for cell in cells[:7]]
    contrast_alone, one_way, without_contrast = {"use_kd": False, "use_dp": False, "mutual": False}, {"mutual": False}, {"use_tcl": False}
    assert settings == [{"student": False}, ALONE, VKD, contrast_alone, one_way, without_contrast, {}]


TREES = {"mars": make_mars, "dukemtmc-videoreid": make_duke_video, "dukemtmc-videoreid-merged": make_duke_video, "veri776": make_veri}


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("dataset", TREES)
def test_from_a_folder_of_tracklets_to_scores(dataset, tmp_path, monkeypatch):
    root = TREES[dataset](tmp_path / "tree")
    tree = ("--data-root", root, "--allow-partial", "--out", tmp_path / "run", "--quiet", "--profile", "smoke")
    assert command(monkeypatch, "train", "mdkt", dataset, *tree, "--set", "width=0.125") == 0
    run = open_run(tmp_path / "run")
    assert run.finished and run.info["steps"] == 9 and run.history()["stage"].tolist() == ["teacher"] * 3 + ["student"] * 6
    assert np.isfinite(run.history()[[f"term.{name}" for name in LEARNT]].iloc[3:].to_numpy()).all()
    assert command(monkeypatch, "evaluate", run.path, "--quiet") == 0
    scores = read_scores(run.path / "scores.json")
    assert set(scores) == set(load_dataset(dataset, root, allow_partial=True).protocols)
    assert all(0 <= one.mean["map"] <= 1 and one.protocol["ap"] == "trapezoid" for one in scores.values())
