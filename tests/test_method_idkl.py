"""IDKL: sizes, every term and gradient against loops, the order of the batch, its switches, its recipes, its start weights."""

from __future__ import annotations

import dataclasses
import os
import re
import signal

import idkl_oracle
import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from vireidkit import ledger
from vireidkit.data.augmentation import Augmentation
from vireidkit.data.batch import Batch
from vireidkit.errors import SettingError
from vireidkit.experiment import train
from vireidkit.losses import batch_hard_triplet
from vireidkit.methods import Progress, build_method, get_recipe, list_methods, method_class, with_overrides
from vireidkit.methods.idkl_settings import IDKL_PRESETS
from vireidkit.methods.registry import parse_settings
from vireidkit.nn import BNNeck, ClampedGeM, ModalityDiscriminator, Purifier
from vireidkit.sweep import read_grid
from vireidkit.training import TrainingStopped, find_checkpoint, learning_rate

SMALL = {"trunk": "resnet18", "width": 0.125, "discriminator_width": 6}
NOW = Progress(epoch=0, epochs=1, step=0, steps_per_epoch=1)
TERMS = {
    "id": 1.0,
    "id_specific": 1.0,
    "triplet": 1.0,
    "triplet_specific": 1.0,
    "modality": 1.0,
    "confusion": 1.0,
    "entropy": 0.1,
    "centroid": 0.1,
    "tgsa": 1.0,
    "csa1": 1.0,
    "csa2": 1.0,
}


def batch(identities: int = 4, per_modality: int = 2, *, size: tuple[int, int] = (64, 32), seed: int = 0) -> Batch:
    """Random images in the promised order; each identity has a brightness of its own, so that there is something to learn."""
    half = torch.arange(identities).repeat_interleave(per_modality)
    labels, modality = half.repeat(2), torch.tensor([0, 1]).repeat_interleave(len(half))
    noise = torch.randn(len(labels), 3, *size, generator=torch.Generator().manual_seed(seed))
    images = noise + labels[:, None, None, None] - 1.0
    return Batch(images, labels, modality, modality * 2 + 1, torch.arange(len(labels)), torch.zeros_like(labels)).check()


def small(num_identities: int = 5, **settings) -> torch.nn.Module:
    return build_method("idkl", num_identities, **(SMALL | settings))


def still(**settings) -> torch.nn.Module:
    """A network without dropout, in float64, so that two passes are the same."""
    return small(**({"discriminator_dropout": 0.0} | settings)).double()


def double(rows: Batch) -> Batch:
    return rows.with_images(rows.images.double())


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


# Sizes


def test_published_parameter_counts():
    with torch.device("meta"):
        method = build_method("idkl", 395)
    assert count(method) == 49_490_084
    stem = sum(count(getattr(method.two_stream.shared, name)) for name in ("conv1", "bn1", "layer1", "layer2"))
    assert stem == 1_444_928 and count(method.specific) == 22_063_104 and count(method.two_stream) - stem == 22_063_104
    assert count(method.purifier.mask) == count(method.purifier.mask_normalised) == 524_288 and count(method.purifier.norm) == 4_096
    assert count(method.neck) + count(method.specific_neck) == 8_192
    heads = (method.classifier, method.specific_classifier, method.entropy_classifier)
    assert [count(head) for head in heads] == [808_960] * 3
    assert count(method.modality_head) == count(method.confusion_head) == 215_602
    assert count(method.two_stream) == 23_508_032  # with the neck, all that retrieval needs


def test_only_what_is_used_is_built():
    def names(**settings):
        with torch.device("meta"):
            return {name for name, _ in build_method("idkl", 7, **settings).named_children()}

    everything = names()
    assert everything - names(ip=False) == {"entropy_classifier"} == everything - names(entropy_head="identity")
    assert everything - names(confusion="none") == {"confusion_head"}
    assert names(specific_branch=False) == {"two_stream", "pool", "neck", "classifier"}
    assert names(tgsa=False, csa1=False, csa2=False) == everything
    with torch.device("meta"):
        assert count(build_method("idkl", 395, specific_branch=False)) == 23_508_032 + 4_096 + 808_960


def test_initial_values_are_the_released_ones():
    method = small()
    bound = method.two_stream.channels**-0.5
    for head in (method.classifier, method.specific_classifier, method.entropy_classifier):
        assert head.weight.abs().max() <= bound and head.weight.std() > 0.5 * bound and head.bias is None
    for neck in (method.neck, method.specific_neck):
        assert (neck.weight == 1).all() and not neck.bias.requires_grad and isinstance(neck, BNNeck)
    shared, specific = method.two_stream.shared.state_dict(), method.specific.state_dict()
    assert {name.partition(".")[0] for name in specific} == {"layer3", "layer4"}
    assert all(torch.equal(value, shared[name]) for name, value in specific.items())
    assert isinstance(method.pool, ClampedGeM) and (method.pool.p, method.pool.eps) == (3.0, 1e-6)


def test_switching_a_head_off_leaves_the_other_initial_weights():
    whole = small().state_dict()
    for switched in ({"confusion": "none"}, {"ip": False}, {"specific_branch": False}):
        part = small(**switched).state_dict()
        assert part.keys() < whole.keys() and all(torch.equal(value, whole[name]) for name, value in part.items())


def test_idkl_is_registered_and_cited():
    assert "idkl" in list_methods()
    cls = method_class("idkl")
    assert cls.grade == "code" and cls.citation.startswith("@inproceedings") and "CVPR 2024" in cls.paper


# Terms


def leaves(method, rows, seed=0, size=(2, 3)):
    """f_sh, f_sp and the four maps F, F_p, F_IN, F_IN_p as independent numbers."""
    draw = torch.Generator().manual_seed(seed)
    shape = (len(rows), method.two_stream.channels)
    features = [torch.randn(shape, generator=draw, dtype=torch.float64).requires_grad_(True) for _ in range(2)]
    maps = [torch.randn(*shape, *size, generator=draw, dtype=torch.float64).requires_grad_(True) for _ in range(4)]
    return features, maps


PRESETS = {"sysu": IDKL_PRESETS["sysu"], "regdb": {**IDKL_PRESETS["regdb"], "tgsa": True}, "minus": {"sign": -1}}


@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("mixed", [False, True])
def test_every_term_the_total_and_all_gradients_equal_the_loops(preset, mixed):
    method, rows = still(**PRESETS[preset]), batch()
    if mixed:
        rows = rows.select(torch.randperm(len(rows), generator=torch.Generator().manual_seed(1)))
    features, maps = leaves(method, rows)
    found = {name: term() for name, term in method.objective([*features, *(method.pool(x) for x in maps)], rows).items()}
    expected = idkl_oracle.all_terms(features, maps, method, rows.labels, rows.modality)
    assert list(found) == list(TERMS) and found.keys() == expected.keys()
    for name, value in expected.items():
        assert abs(found[name] - value) < 1e-9, name
    weights = method.weights(NOW)
    total, expected_total = sum(weights[name] * found[name] for name in weights), idkl_oracle.total(expected)
    assert abs(total - expected_total) < 1e-9
    heads = [parameter for name, parameter in method.named_parameters() if parameter.requires_grad and not name.startswith(TRUNKS)]
    for ours, theirs in zip(*(torch.autograd.grad(value, [*features, *maps, *heads]) for value in (total, expected_total)), strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-9)


TRUNKS = ("two_stream", "specific.", "purifier")


def test_forward_feeds_the_objective_with_what_the_branches_see():
    method, rows = still(), double(batch())
    found = method(rows)
    stages = method.two_stream.stages_of(rows.images, rows.modality)
    specific = method.specific.layer4(method.specific.layer3(stages["layer2"]))
    maps = method.purifier(specific)
    pooled = [method.pool(x) for x in (stages["layer4"], maps.fused, specific, maps.purified, maps.normalised, maps.purified_normalised)]
    for name, term in method.objective(pooled, rows).items():
        torch.testing.assert_close(found[name], term())


def test_losses_at_the_start_are_those_of_ignorance():
    method, rows = small(50), batch(8, 4)
    terms = method(rows)
    assert abs(terms["id"] - torch.tensor(50.0).log()) < 1 and abs(terms["id_specific"] - torch.tensor(50.0).log()) < 1
    assert abs(terms["modality"] - 0.693) < 0.25 and abs(terms["confusion"] - 0.693) < 0.25


def test_weights_are_the_same_at_every_moment():
    method = small()
    for fraction in (0, 40, 159):
        assert method.weights(Progress(epoch=fraction, epochs=160, step=0, steps_per_epoch=9)) == TERMS
    assert list(method.weights(NOW)) == list(TERMS)
    halved = small(id_weight=0.5, triplet_weight=2.0, ip_weight=0.3).weights(NOW)
    assert halved == TERMS | dict.fromkeys(("id", "id_specific"), 0.5) | dict.fromkeys(
        ("triplet", "triplet_specific"), 2.0
    ) | dict.fromkeys(("entropy", "centroid"), 0.3)
    assert small().collapse_values() == {"triplet": 1.3, "triplet_specific": 1.3}


SWITCHES = {
    "ip": (False, {"entropy", "centroid"}),
    "tgsa": (False, {"tgsa"}),
    "csa1": (False, {"csa1"}),
    "csa2": (False, {"csa2"}),
    "confusion": ("none", {"confusion"}),
    "specific_branch": (False, set(TERMS) - {"id", "triplet"}),
}


@pytest.mark.parametrize("switch", SWITCHES)
def test_a_switch_takes_away_its_terms_and_leaves_the_others_alone(switch):
    value, gone = SWITCHES[switch]
    rows, whole, part = double(batch()), still(), still(**{switch: value})
    assert list(part.weights(NOW)) == [name for name in TERMS if name not in gone]
    with_it, without = whole(rows), part(rows)
    assert list(without) == list(part.weights(NOW))
    for name, term in without.items():
        torch.testing.assert_close(term, with_it[name])
    sum(part.weights(NOW)[name] * without[name] for name in without).backward()
    # With every term but one the whole still learns: nothing is built that no term reaches.
    for name, parameter in part.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name


def test_a_term_that_is_not_asked_for_is_not_computed():
    method, rows = small(), batch()
    assert list(method(rows, ["triplet", "tgsa"])) == ["triplet", "tgsa"]
    assert method.neck.num_batches_tracked == method.specific_neck.num_batches_tracked == 0
    assert list(method(rows, {"csa1"})) == ["csa1"]
    assert method.neck.num_batches_tracked == 1 and method.modality_head.layers[1].num_batches_tracked == 0


def test_detached_the_specific_branch_learns_nothing_from_alignment():
    rows = double(batch())
    for detach, term in ((detach, term) for detach in (False, True) for term in ("tgsa", "csa1", "csa2")):
        method = still(detach_specific=detach)
        method(rows, [term])[term].backward()
        taught, learnt = (part.layer4[0].conv1.weight.grad.abs().sum() for part in (method.specific, method.two_stream.shared))
        assert (taught == 0) == detach and learnt > 0
        values = [still(detach_specific=other)(rows, [term])[term] for other in (False, True)]
        torch.testing.assert_close(*values)


def test_sign_and_cross_layout_reach_the_loss():
    rows = double(batch())
    values = {
        still(sign=sign, cross_layout=layout)(rows, ["tgsa"])["tgsa"].item() for sign in (1, -1) for layout in ("positional", "aligned")
    }
    assert len(values) == 4


def test_kinds_of_confusion():
    rows, value = double(batch()), {}
    for kind in ("fixed", "grl", "uniform"):
        method = still(confusion=kind, reversal=0.5)
        value[kind] = method(rows, ["confusion"])["confusion"]
        value[kind].backward()
        value[kind, "features"] = method.two_stream.shared.layer4[0].conv1.weight.grad
        value[kind, "head"] = method.confusion_head.layers[0].weight.grad
    method = still()
    features = method.neck(method.pool(method.two_stream(rows.images, rows.modality)))
    logits = method.confusion_head(features)
    torch.testing.assert_close(value["grl"], F.cross_entropy(logits, rows.modality))
    torch.testing.assert_close(value["uniform"], -F.log_softmax(logits, 1).mean())
    F.cross_entropy(logits, rows.modality).backward()
    torch.testing.assert_close(value["grl", "head"], method.confusion_head.layers[0].weight.grad)
    torch.testing.assert_close(value["grl", "features"], -0.5 * method.two_stream.shared.layer4[0].conv1.weight.grad)


def test_heads_of_the_entropy_term():
    rows = double(batch())
    for kind, learns in (("own", None), ("identity", True), ("identity-detached", False)):
        method = still(entropy_head=kind)
        with torch.no_grad():
            (method.entropy_classifier if kind == "own" else method.specific_classifier).weight.mul_(10)
            method.purifier.mask[2].weight.mul_(20)
        method(rows, ["entropy"])["entropy"].backward()
        assert method.purifier.mask[2].weight.grad.abs().sum() > 0
        if kind == "own":
            assert method.entropy_classifier.weight.grad.abs().sum() > 0
        else:
            assert (method.specific_classifier.weight.grad is not None) == learns


# The batch


def test_the_kits_order_and_idkls_own_are_the_same_batch():
    method, rows = still(), double(batch())
    own = torch.stack([torch.arange(8, 16), torch.arange(8)], 1).flatten()
    for name, value in method(rows.select(own)).items():
        torch.testing.assert_close(value, method(rows)[name])


@pytest.mark.parametrize("seed", range(3))
def test_a_permuted_batch_is_re_ordered(seed):
    """Other people come first, so terms by position may differ, but they are those of a batch in that order."""
    method, rows = still(), double(batch())
    mixed = rows.select(torch.randperm(len(rows), generator=torch.Generator().manual_seed(seed)))
    order = idkl_oracle.own_order(mixed.labels.tolist(), mixed.modality.tolist())
    for name, value in method(mixed.select(torch.tensor(order))).items():
        torch.testing.assert_close(method(mixed)[name], value)


@pytest.mark.parametrize("index", [range(15), range(8), (0, 1, 8, 9, 2, 10)])
def test_a_batch_that_cannot_be_paired_is_refused(index):
    with pytest.raises(ValueError, match=r"expected rows in pairs.*; found .* of identity"):
        small()(batch().select(torch.tensor(list(index))))


def test_the_plain_baseline_takes_any_batch():
    method, rows = still(specific_branch=False), double(batch()).select(torch.arange(11))
    terms = method(rows)
    features = method.pool(method.two_stream(rows.images, rows.modality))
    torch.testing.assert_close(terms["triplet"], batch_hard_triplet(features, rows.labels, 1.3))
    torch.testing.assert_close(terms["id"], F.cross_entropy(method.classifier(method.neck(features)), rows.labels))


def test_heads_losses_and_statistics_see_the_gathered_rows():
    """Two halves of a batch, handed over by a stand-in for the other process, give the terms and the buffers of the whole."""
    method, whole_rows = still(), double(batch())
    method.purifier.norm.momentum = 1.0
    whole, expected = method(whole_rows), method.purifier.norm.running_var.clone()
    mine = (torch.arange(16) // 2) % 2 == 0
    pooled = torch.cat(method.eval().pooled_of(whole_rows), 1)  # as below: both trunks with their running statistics
    method.purifier.train()
    statistics = method.purifier.norm.statistics(method.branches_of(whole_rows.images, whole_rows.modality)[1])
    assert not torch.allclose(statistics[:, 64:].mean(0), expected)  # another trunk mode, other statistics
    seen = []

    def gather(rows, part):
        seen.append(rows)
        other = pooled if rows.shape[1] == pooled.shape[1] else statistics
        return torch.where(mine[:, None], torch.zeros_like(other).index_put((mine.nonzero()[:, 0],), rows), other), whole_rows

    method.gather = gather
    method.training = True
    part = method(whole_rows.select(mine))
    assert [len(x) for x in seen] == [8, 8]
    torch.testing.assert_close(method.purifier.norm.running_var, statistics[:, 64:].mean(0))
    assert part.keys() == whole.keys() and all(value.isfinite() for value in part.values())


def test_a_step_gives_every_trainable_parameter_a_finite_gradient():
    method = small()
    sum(method(batch()).values()).backward()
    for name, parameter in method.named_parameters():
        if parameter.requires_grad:
            assert parameter.grad is not None and parameter.grad.isfinite().all(), name
        else:
            assert name in ("neck.bias", "specific_neck.bias")


def test_it_learns_three_people():
    method, rows = small(3), batch(3, 2)
    optimiser = torch.optim.Adam(method.parameters(), lr=2e-3)
    for _ in range(30):
        terms = method(rows)
        optimiser.zero_grad()
        sum(method.weights(NOW)[name] * value for name, value in terms.items()).backward()
        optimiser.step()
    assert terms["id"] < 0.5 and terms["id_specific"] < 0.5
    logits = method.classifier(method.neck(method.pool(method.two_stream(rows.images, rows.modality))))
    assert (logits.argmax(1) == rows.labels).all()


def test_mixed_precision_stays_close_to_float32_and_finite():
    settings, rows = {"discriminator_dropout": 0.0}, batch(4, 4)
    plain, mixed = small(**settings), small(**settings)
    expected = plain(rows)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        found = mixed(rows)
        assert mixed.branches_of(rows.images, rows.modality)[1].dtype == torch.bfloat16  # else nothing was mixed
    for name, value in found.items():
        assert value.dtype == torch.float32
        torch.testing.assert_close(value, expected[name], rtol=0.1, atol=0.1)
    sum(found.values()).backward()
    assert all(parameter.grad.isfinite().all() for parameter in mixed.parameters() if parameter.requires_grad)
    assert mixed.purifier.norm.running_mean.dtype == mixed.neck.running_mean.dtype == torch.float32


# The purifier and the heads


def test_purifier_against_its_definition_and_torchs_instance_norm():
    purifier = Purifier(6, reduction=2).double()
    norm = torch.nn.InstanceNorm2d(6, affine=True, track_running_stats=True).double()
    with torch.no_grad():
        purifier.norm.weight.uniform_(0.5, 2)
        purifier.norm.bias.normal_()
    norm.load_state_dict(purifier.norm.state_dict(), strict=False)
    x = torch.randn(4, 6, 3, 2, generator=torch.Generator().manual_seed(0)).double()
    maps = purifier(x)
    torch.testing.assert_close(maps.normalised, norm(x))
    purifier.norm.track(purifier.norm.statistics(x))
    for name in ("running_mean", "running_var"):
        torch.testing.assert_close(getattr(purifier.norm, name), getattr(norm, name))
    torch.testing.assert_close(purifier.eval()(x).normalised, norm.eval()(x))

    def gate(layers, values):
        inner = torch.einsum("oc,bchw->bohw", layers[0].weight[:, :, 0, 0], values).clamp(min=0)
        return torch.sigmoid(torch.einsum("oc,bchw->bohw", layers[2].weight[:, :, 0, 0], inner))

    m_in, m_f = gate(purifier.mask_normalised, maps.normalised), gate(purifier.mask, x)
    torch.testing.assert_close(maps.mask_normalised, m_in)
    torch.testing.assert_close(maps.purified, m_f * x)
    torch.testing.assert_close(maps.purified_normalised, m_in * maps.normalised)
    torch.testing.assert_close(maps.fused, m_in * m_f * (x + maps.normalised))


def test_clamped_gem_counts_negative_values_as_its_floor():
    x = torch.tensor([[[[-5.0, 2.0]]]]).double()
    torch.testing.assert_close(ClampedGeM()(x), torch.tensor([[((1e-18 + 8) / 2) ** (1 / 3)]]).double())
    torch.testing.assert_close(ClampedGeM()(-x.abs()), torch.tensor([[1e-6]]).double())
    x = torch.randn(2, 3, 2, 2, generator=torch.Generator().manual_seed(0), dtype=torch.float64).requires_grad_(True)
    assert torch.autograd.gradcheck(ClampedGeM(), (x,))


def test_discriminator_in_training_and_evaluation():
    head = ModalityDiscriminator(5, width=4, dropout=0.0).double()
    rows = torch.randn(6, 5, generator=torch.Generator().manual_seed(0)).double()
    expected = torch.stack(idkl_oracle.head(rows, dict(head.named_parameters())))
    torch.testing.assert_close(head(rows), expected)
    alone = torch.cat([head.eval()(row[None]) for row in rows])
    torch.testing.assert_close(alone, head(rows))
    assert ModalityDiscriminator(8).sees_whole_batch


# The descriptor


def test_the_specific_branch_is_skipped_at_test(monkeypatch):
    method, rows = small().eval(), batch()
    for part in (method.specific, method.purifier, method.specific_neck):
        monkeypatch.setattr(part, "forward", None)
    with torch.no_grad():
        descriptors = method.embed(rows.images, rows.modality)
        features = method.pool(method.two_stream(rows.images, rows.modality))
        torch.testing.assert_close(descriptors, features / (1 + 1e-5) ** 0.5)
        one = method.embed(rows.images[:1], rows.modality[:1])
        assert one.shape == (1, 64)  # the released code takes a batch of one for something else
        torch.testing.assert_close(one, descriptors[:1], rtol=1e-4, atol=1e-5)
    assert method.parts == {"descriptor": slice(None)} and list(method.stages_of(rows.images, rows.modality))[-1] == "layer4"


def test_specific_features_and_gates_for_analysis():
    method, rows = small().eval(), batch()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    with torch.no_grad():
        assert method.embed_specific(rows.images, rows.modality).shape == (16, 64)
        gates = method.maps_of(rows.images, rows.modality)
    assert list(gates) == ["mask_normalised", "mask", "both"]
    assert all(gate.shape == (16, 4, 2) and gate.min() > 0 and gate.max() < 1 for gate in gates.values())
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items())
    plain = small(specific_branch=False)
    assert plain.maps_of(rows.images, rows.modality) == {}
    with pytest.raises(SettingError, match="no specific branch: build it with specific_branch=true"):
        plain.embed_specific(rows.images, rows.modality)


def test_metric_is_that_of_the_released_evaluation():
    assert {name: small(**preset).metric for name, preset in IDKL_PRESETS.items()} == {
        "sysu": "cosine",
        "llcm": "euclidean",
        "regdb": "euclidean",
        "twilight": "cosine",
    }
    assert not small().flip_average


def test_parameter_groups_hold_every_trainable_parameter_once():
    for settings in ({}, {"specific_branch": False}, {"confusion": "none", "ip": False}):
        method = small(**settings, trunk_lr_factor=0.5)
        groups = method.parameter_groups()
        assert {group["name"]: group["lr_factor"] for group in groups} == {"trunk": 0.5, "head": 1.0}
        listed = [id(parameter) for group in groups for parameter in group["params"]]
        assert sorted(listed) == sorted(id(parameter) for parameter in method.parameters() if parameter.requires_grad)
    assert {group["lr_factor"] for group in small().parameter_groups()} == {1.0}  # one group, as released


# Settings


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"sign": 0}, "sign must be 1 .* or -1 .*; found 0"),
        ({"augmentation": "caj"}, "augmentation=caj doubles the visible ones"),
        ({"split": 4}, "split must be at most 3, where the branches of idkl part; found 4"),
        ({"mask_reduction": 0}, "mask_reduction must be at least 1; found 0"),
        ({"discriminator_dropout": 1.0}, "discriminator_dropout must lie in"),
        ({"confusion": "off"}, "'confusion' takes one of fixed, grl, uniform, none; found 'off'"),
        ({"cross_layout": "x"}, "'cross_layout' takes one of positional, aligned"),
        ({"tgsaa": False}, "did you mean 'tgsa'"),
    ],
)
def test_impossible_settings_are_named(settings, message):
    with pytest.raises(SettingError, match=message), torch.device("meta"):
        build_method("idkl", 5, **settings)


def test_switches_from_a_command_line():
    text = {"sign": "-1", "tgsa": "false", "confusion": "none", "csa_inter": "0.3", "specific_branch": "False", "margin": "none"}
    parsed = parse_settings(method_class("idkl").Settings, text)
    assert parsed == {"sign": -1, "tgsa": False, "confusion": "none", "csa_inter": 0.3, "specific_branch": False, "margin": None}


@pytest.mark.parametrize("split", [1, 3])
def test_stems_of_a_modality_s_own_and_osnet_work_too(split):
    rows = batch()
    method = small(split=split)
    sum(method(rows).values()).backward()
    assert method.two_stream.visible.conv1.weight.grad.abs().sum() > 0
    other = small(trunk="osnet", split=split)
    assert {name.partition(".")[0] for name in other.specific.state_dict()} == {"conv4", "conv5"}
    assert all(value.isfinite() for value in other(rows).values())


# Recipes


def test_presets_replace_the_test_of_the_batch_size():
    defaults = method_class("idkl").Settings()
    assert dataclasses.replace(defaults, **IDKL_PRESETS["sysu"]) == defaults
    regdb = dataclasses.replace(defaults, **IDKL_PRESETS["regdb"])
    assert (regdb.tgsa, regdb.csa_inter, regdb.margin, regdb.tgsa_intra, regdb.tgsa_inter, regdb.tgsa_cross) == (
        False,
        0.3,
        1.3,
        0.1,
        0.1,
        False,
    )
    assert "tgsa" not in small(**IDKL_PRESETS["regdb"]).weights(NOW)


def test_paper_recipe_of_sysu_is_the_released_one():
    recipe = get_recipe("idkl", "sysu-mm01")
    figures = {
        "image_size": (384, 144),
        "train_on": "train+validation",
        "identities": 12,
        "per_modality": 5,
        "views": 1,
        "sampler": "pairs",
        "augmentation": Augmentation(
            padding=10, padding_value=127, flip=0.5, visible=(("erase_mean",),), infrared=("erase_mean",), erase_probability=0.5
        ),
        "optimizer": "adam",
        "lr": 3.5e-4,
        "weight_decay": 5e-3,
        "schedule": ((0, 1.0), (55, 0.1), (95, 0.01)),
        "warmup_epochs": 0,
        "epochs": 160,
        "steps_per_epoch": None,
        "clip_gradient": None,
        "validate_every": 0,
    }
    assert {name: getattr(recipe, name) for name in figures} == figures
    assert recipe.settings == {**IDKL_PRESETS["sysu"], "pretrained": "imagenet"}


@pytest.mark.parametrize(("epoch", "rate"), [(1, 3.5e-4), (55, 3.5e-4), (56, 3.5e-5), (95, 3.5e-5), (96, 3.5e-6), (160, 3.5e-6)])
def test_learning_rate_table_of_the_spec(epoch, rate):
    assert learning_rate(get_recipe("idkl", "sysu-mm01"), epoch - 1) == pytest.approx(rate, rel=1e-12)


def test_paper_recipes_of_the_other_sets():
    regdb, llcm, sysu = (get_recipe("idkl", name) for name in ("regdb", "llcm", "sysu-mm01"))
    words = {"source": "", "expects": "", "takes": ""}
    assert dataclasses.replace(llcm, **words) == dataclasses.replace(
        sysu, **words, train_on="train", settings={**IDKL_PRESETS["llcm"], "pretrained": "imagenet"}
    )
    assert (regdb.image_size, regdb.identities, regdb.per_modality, regdb.settings["tgsa"]) == ((256, 128), 6, 5, False)


def test_published_scores_are_marked_as_published_and_not_as_ours():
    for (dataset, profile), recipe in method_class("idkl").recipes.items():
        if dataset in ("sysu-mm01", "regdb", "llcm") and profile == "paper":
            assert recipe.expects.startswith("published") and "set-up that was not released; ours not measured" in recipe.expects
            assert "released code (grade: code)" in recipe.source
        elif profile == "paper":
            assert recipe.source.startswith("ours: ") and recipe.expects == "not measured"


@pytest.mark.parametrize("key", sorted(method_class("idkl").recipes), ids=" ".join)
def test_every_recipe_is_whole_and_its_settings_are_valid(key):
    recipe = get_recipe("idkl", *key)
    assert recipe.source and recipe.expects and recipe.takes
    changed, settings = with_overrides("idkl", recipe, {"csa2": "false", "epochs": "3"})
    assert changed.epochs == 3 and settings == {**recipe.settings, "csa2": False}
    with torch.device("meta"):
        build_method("idkl", 25, **settings)
    assert max(epoch for epoch, _ in recipe.schedule) < recipe.epochs
    assert recipe.validate_every == 0 or recipe.train_on == "train"


@pytest.mark.parametrize("profile", ["study", "compare"])
def test_twilight_rows_compare_with_agws(profile):
    ours, agw = get_recipe("idkl", "twilight", profile), get_recipe("agw", "twilight", profile)
    same = ("image_size", "identities", "per_modality", "replacement", "sampler", "augmentation", "epochs", "steps_per_epoch", "train_on")
    assert {name: getattr(ours, name) for name in same} == {name: getattr(agw, name) for name in same}
    assert {name: ours.settings[name] for name in ("trunk", "width", "pretrained")} == {
        "trunk": "resnet18",
        "width": 0.25,
        "pretrained": "twilight",
    }


# Start weights


def test_both_branches_start_from_the_same_file(tmp_path):
    parts = small().two_stream.shared.state_dict()
    torch.save({name: torch.full_like(value, 0.5) for name, value in parts.items()}, tmp_path / "trunk.pth")
    method = small(pretrained=str(tmp_path / "trunk.pth"))
    (stage,) = method.stages(get_recipe("idkl", "twilight"))
    assert method.origin == "random"
    method.on_stage_start(stage)
    assert method.origin == "file"
    assert (method.specific.layer4[1].conv2.weight == 0.5).all() and (method.two_stream.shared.conv1.weight == 0.5).all()
    assert method.specific.layer3[0].conv1.weight.data_ptr() != method.two_stream.shared.layer3[0].conv1.weight.data_ptr()


# Runs


def test_a_stopped_run_resumes_bit_for_bit(tmp_path, monkeypatch):
    options = {"profile": "smoke", "quiet": True, "overrides": {"epochs": 2, "steps_per_epoch": 2, "validate_every": 0, "sampler": "pairs"}}
    straight = train("idkl", "twilight", out=tmp_path / "straight", **options)
    seen = []

    def stop(self, batch, outputs):
        seen.append(len(batch))
        if len(seen) == 3:  # inside the second epoch
            os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(method_class("idkl"), "on_step_end", stop)
    with pytest.raises(TrainingStopped, match="SIGTERM after step 3"):
        train("idkl", "twilight", out=tmp_path / "stopped", **options)
    monkeypatch.undo()
    resumed = train("idkl", "twilight", out=tmp_path / "stopped", resume=True, **options)
    states = [load_file(find_checkpoint(run.path / "checkpoint", "latest") / "model.safetensors") for run in (straight, resumed)]
    assert states[0].keys() == states[1].keys() and all(torch.equal(value, states[1][name]) for name, value in states[0].items())
    terms = straight.history().filter(regex=r"^(term|weight)\.")
    assert terms.equals(resumed.history().filter(regex=r"^(term|weight)\.")) and terms.shape == (4, 22)
    assert terms.notna().all(axis=None)


def test_the_compare_recipe_quotes_the_ledger():
    key = {"dataset": "twilight", "profile": "compare"}
    rows = [{"method": "idkl", "settings": {}}, {"method": "idkl", "settings": {"specific_branch": False}}, {"method": "agw"}]
    found = [[ledger.value(**row, **key, metric=f"ir2vis_{metric}") for metric in ("rank1", "map")] for row in rows]
    assert all(value.n == 3 for scores in found for value in scores)
    expects = get_recipe("idkl", "twilight", "compare").expects
    assert re.findall(r"\d\d\.\d", expects) == [f"{100 * value.mean:.1f}" for scores in found for value in scores]
    assert "data/results/idkl_ablation.csv" in expects
    assert get_recipe("idkl", "twilight-thermal", "compare").expects == "not measured"


@pytest.mark.parametrize(("name", "expected"), [("idkl_ablation", 21), ("idkl_transfer", 6)])
def test_the_committed_sweeps_are_whole_and_their_settings_are_what_they_say(name, expected):
    folder = ledger.default_folder()
    title, cells = read_grid(folder / f"{name}.yaml")
    assert title == name and len(cells) == expected and {cell.seed for cell in cells} == {0, 1, 2}
    rows = ledger.Ledger.read(folder)
    for cell in cells:
        assert rows.has(method=cell.method, dataset=cell.dataset, profile=cell.profile, settings=cell.settings, seed=cell.seed)
        with_overrides("idkl", get_recipe("idkl", cell.dataset, cell.profile), cell.settings)
