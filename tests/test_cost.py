"""What a method costs: counted parameters and multiply-adds against the specifications, and the command that prints them."""

from __future__ import annotations

import pandas as pd
import pytest
import torch
from test_cli import mistake
from test_end_to_end_trees import command
from torch import nn

from vireidkit.cost import cost, cost_table, counts, methods_with, parts_of, seconds_of, used_at_test
from vireidkit.errors import SettingError
from vireidkit.methods import build_method, list_methods

SMALL = {"width": 0.125, "trunk": "resnet18"}
TINY = {"image_size": (32, 16), **SMALL}
MADE = ("agw", "idkl", "lightos", "smmd")  # tests register others


def test_lightos_is_counted_as_its_specification_says():
    """Sections 2.3 and 7: 4,853,612 in training, 2,943,084 at test, 1,238.5 M of convolutions at 288x144 and about 2 M of the parts."""
    found = counts(build_method("lightos", 395).eval(), (288, 144))
    assert (found["parameters"], found["parameters_test"], found["descriptor"]) == (4_853_612, 2_943_084, 1_792)
    assert found["multiply_adds"] / 1e6 == pytest.approx(1238.5 + 2.0, abs=0.1)


@pytest.mark.parametrize(("width", "millions"), [(1.0, 1238.5), (0.75, 723.4), (0.5, 345.2), (0.25, 104.1)])
def test_multiply_adds_of_every_width(width, millions):
    found = counts(build_method("lightos", 5, width=width, mgim=False, sdm=False).eval(), (288, 144))
    assert found["multiply_adds"] / 1e6 == pytest.approx(millions, abs=0.06)


def test_agw_at_test_is_all_but_its_classifier():
    method = build_method("agw", 395, non_local=False, width=0.25).eval()
    found = counts(method, (64, 32))
    assert found["parameters"] - found["parameters_test"] == method.classifier.weight.numel()
    assert "neck.bias" in used_at_test(method, (64, 32)) and not method.neck.bias.requires_grad  # frozen, and used


def test_of_idkl_the_specific_branch_serves_training_only():
    method = build_method("idkl", 10, **SMALL).eval()
    parts = parts_of(method, (32, 16)).set_index("part")
    assert parts.loc["specific", "parameters_test"] == 0 < parts.loc["specific", "parameters"]
    assert parts.loc["two_stream", "parameters_test"] == parts.loc["two_stream", "parameters"]
    found = counts(method, (32, 16))
    assert parts.sum()[["parameters", "parameters_test"]].tolist() == [found["parameters"], found["parameters_test"]]
    assert parts["parameters"].is_monotonic_decreasing


def test_stages_of_a_modality_count_where_its_pictures_are_described():
    method = build_method("lightos", 5, width=0.125).eval()
    both, visible = used_at_test(method, (64, 32)), used_at_test(method, (64, 32), codes=(0,))
    assert visible < both and {name.split(".")[1] for name in both - visible} == {"infrared"}


def test_the_mirror_image_costs_once_more():
    plain, mirrored = (counts(build_method("agw", 5, **SMALL, augmentation=kind).eval(), (32, 16)) for kind in ("agw", "caj"))
    assert mirrored["multiply_adds"] == 2 * plain["multiply_adds"] and mirrored["parameters"] == plain["parameters"]


def test_measuring_leaves_the_network_as_it_was():
    method = build_method("lightos", 5, width=0.125).eval()
    before = {name: value.clone() for name, value in method.state_dict().items()}
    learns = {name: p.requires_grad for name, p in method.named_parameters()}
    counts(method, (64, 32))
    assert seconds_of(method, (64, 32), 2, 3) > 0
    assert all(torch.equal(value, before[name]) for name, value in method.state_dict().items()) and not method.training
    assert {name: p.requires_grad for name, p in method.named_parameters()} == learns
    assert all(p.grad is None for p in method.parameters())


def test_one_linear_layer():
    """Counted by hand: a layer of 24 x 6 numbers, of which a picture takes 144 multiply-adds."""
    method = build_method("agw", 5, **SMALL).eval()
    method.two_stream, method.pool = Flat(), nn.Identity()
    method.neck, method.classifier = nn.Identity(), nn.Linear(6, 5)
    assert counts(method, (4, 2)) == {"parameters": 144 + 35, "parameters_test": 144, "multiply_adds": 144, "descriptor": 6}


class Flat(nn.Module):
    """A linear layer in the place of a trunk."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(24, 6, bias=False)

    def forward(self, images, modality):
        return self.layer(images.flatten(1))


# Tables


def test_a_table_has_a_row_a_method_of_the_recipe():
    table = cost_table(["agw", "lightos"], "twilight", "smoke", rounds=1, batch=2, identities=20)
    assert table["method"].tolist() == ["agw", "lightos"] and (table["identities"] == 20).all()
    assert (table[["latency_ms", "batch_ms", "multiply_adds"]] > 0).all(axis=None)
    assert (table["height"] == 64).all() and (table["batch"] == 2).all()


def test_every_method_with_two_bands_has_its_row():
    assert set(MADE) <= set(methods_with("sysu-mm01", None)) <= set(list_methods())
    assert methods_with("market1501", "study") == []
    with pytest.raises(SettingError, match="no method has a recipe for data set 'market1501' at profile 'study'"):
        cost_table(dataset="market1501", profile="study")


def test_overrides_reach_method_and_picture():
    found = cost("agw", "twilight", "smoke", overrides=TINY, rounds=1, batch=1, identities=3)
    assert (found.height, found.width, found.descriptor, found.identities) == (32, 16, 64, 3)


@pytest.mark.parametrize("wrong", [{"identities": 0}, {"rounds": 0}, {"batch": -1}])
def test_impossible_numbers_are_named(wrong):
    with pytest.raises(SettingError, match=f"{next(iter(wrong))} must be at least 1; found"):
        cost("agw", "twilight", "smoke", **wrong)


# The command


def test_the_command_prints_one_method_with_its_parts_and_writes_a_table(tmp_path, monkeypatch, capsys):
    quick = ("--dataset", "twilight", "--profile", "smoke", "--rounds", 1, "--identities", 20)
    assert command(monkeypatch, "cost", "lightos", *quick, "--set", "split=5", "--out", tmp_path / "cost.csv") == 0
    shown = capsys.readouterr().out
    for text in ("parameters", "at test", "multiply-adds", "descriptor", "two_stream", "shallow", "269,584", "recipe twilight, smoke"):
        assert text in shown, text
    table = pd.read_csv(tmp_path / "cost.csv")
    assert table["method"].tolist() == ["lightos"] and table["descriptor"].tolist() == [448]


def test_the_command_without_a_method_prints_all(monkeypatch, capsys):
    assert command(monkeypatch, "cost", "--dataset", "twilight", "--profile", "smoke", "--rounds", 1) == 0
    shown = capsys.readouterr().out
    assert all(f" {name} " in f" {shown.replace(chr(10), ' ')} " for name in MADE)


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cost", "lightoss"), "unknown method 'lightoss' (did you mean 'lightos'?)"),
        (("cost", "lightos", "--profile", "study"), "no recipe for data set 'sysu-mm01' at profile 'study'"),
        (("cost", "--dataset", "nowhere"), "no method has a recipe for data set 'nowhere'"),
        (("cost", "lightos", "--set", "splitt=1"), "unknown setting 'splitt' of 'lightos' (did you mean 'split'?)"),
        (("cost", "--set", "split=1"), "--set belongs to one method: vireidkit cost METHOD --set KEY=VALUE"),
        (("cost", "lightos", "--rounds", "0"), "rounds must be at least 1; found 0"),
        (("cost", "lightos", "--device", "tpu"), "unknown device 'tpu'"),
        (("export", "/nowhere/run", "--out", "x"), "/nowhere/run"),
        (("export", "/nowhere/run", "--out", "x", "--band", "thermal"), "--band takes visible, infrared or both; found 'thermal'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments, says, monkeypatch, capsys):
    assert says in mistake(monkeypatch, capsys, *arguments)
