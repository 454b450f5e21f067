"""Registry, recipes and settings: names are looked up, values checked, mistakes named."""

from dataclasses import dataclass
from typing import Literal

import pytest
import tiny  # noqa: F401
import torch

import vireidkit
from vireidkit.errors import SettingError
from vireidkit.methods import Method, Progress, build_method, get_recipe, list_methods, list_recipes, method_class, register, with_overrides
from vireidkit.methods.registry import parse_settings


@dataclass(frozen=True)
class Every:
    """One field of every kind that a setting may have."""

    whole: int = 1
    number: float = 0.5
    word: str = "x"
    flag: bool = False
    maybe: float | None = None
    perhaps: str | None = "x"
    choice: Literal["left", "right"] = "left"
    pair: tuple[int, int] = (1, 2)


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("whole", "3", 3),
        ("number", "3", 3.0),
        ("number", "1e-3", 0.001),
        ("word", "true", "true"),
        ("word", "7", "7"),
        ("flag", "True", True),
        ("flag", "false", False),
        ("maybe", "none", None),
        ("maybe", "0.25", 0.25),
        ("perhaps", "None", None),
        ("perhaps", "null", None),
        ("perhaps", "true", "true"),
        ("word", "none", "none"),
        ("choice", "right", "right"),
        ("pair", "[3, 4]", (3, 4)),
    ],
)
def test_text_becomes_the_type_of_the_setting(key, text, value):
    found = parse_settings(Every, {key: text})[key]
    assert found == value and type(found) is type(value)


@pytest.mark.parametrize(
    ("key", "text"),
    [("whole", "3.5"), ("whole", "true"), ("number", "fast"), ("flag", "1"), ("choice", "up"), ("pair", "3"), ("maybe", "x")],
)
def test_a_value_of_another_kind_is_refused_by_name(key, text):
    with pytest.raises(SettingError, match=f"setting '{key}' takes .*found"):
        parse_settings(Every, {key: text})


def test_an_unknown_setting_is_answered_with_the_nearest():
    with pytest.raises(SettingError, match=r"unknown setting 'numbr' \(did you mean 'number'\?\); known: whole, number"):
        parse_settings(Every, {"numbr": 1})


def test_overrides_reach_settings_and_recipe():
    recipe, settings = with_overrides("agw", get_recipe("agw", "twilight", "smoke"), {"triplet": "batch-hard", "epochs": "3", "lr": "0.5"})
    assert (recipe.epochs, recipe.lr) == (3, 0.5)
    assert settings["triplet"] == recipe.settings["triplet"] == "batch-hard" and settings["width"] == 0.25
    assert get_recipe("agw", "twilight", "smoke").epochs != 3


def test_default_profile_and_undefined_pairs():
    assert get_recipe("agw", "twilight") is get_recipe("agw", "twilight", "study")
    assert get_recipe("agw", "sysu-mm01") is get_recipe("agw", "sysu-mm01", "paper")
    with pytest.raises(SettingError, match=r"no recipe for data set 'sysu-mm01' at profile 'compare'; defined for it: paper, smoke"):
        get_recipe("agw", "sysu-mm01", "compare")


def test_every_recipe_says_what_it_promises():
    table = list_recipes()
    assert set(table["method"]) == set(list_methods()) and len(table) == sum(len(method_class(name).recipes) for name in list_methods())
    for name in list_methods():
        for recipe in method_class(name).recipes.values():
            assert recipe.source and recipe.expects and recipe.takes
    assert set(list_recipes("twilight")["data set"]) == {"twilight"}


@pytest.mark.parametrize("name", ["agw", "tiny"])
def test_every_method_keeps_the_interface(name):
    method = build_method(name, 3, **method_class(name).recipes["twilight", "smoke"].settings)
    from vireidkit.data import Batch

    labels = torch.tensor([0, 0, 1, 1, 2, 2] * 2)
    modality = torch.tensor([0, 1]).repeat_interleave(6)
    zeros = torch.zeros(12, dtype=torch.long)
    batch = Batch(torch.rand(12, 3, 64, 32), labels, modality, zeros, torch.arange(12), zeros).check()
    progress = Progress(epoch=0, epochs=1, step=3, steps_per_epoch=4)
    weights = method.weights(progress)
    terms = method(batch, tuple(weights))
    assert set(weights) <= set(terms) and all(term.ndim == 0 and torch.isfinite(term) for term in terms.values())
    sum(weights[key] * terms[key] for key in weights).backward()
    features = method.eval().embed(batch.images, batch.modality)
    assert features.shape[0] == 12 and all(features[:, part].shape[1] > 0 for part in method.parts.values())
    assert method.metric in ("cosine", "euclidean") and method.citation and method.title


def test_the_same_seed_gives_the_same_weights_whatever_was_drawn_before():
    first = build_method("tiny", 4, seed=5).state_dict()
    torch.rand(11)
    second, other = build_method("tiny", 4, seed=5).state_dict(), build_method("tiny", 4, seed=6).state_dict()
    assert all(torch.equal(first[key], second[key]) for key in first)
    assert not torch.equal(first["head.weight"], other["head.weight"])


def test_names_must_be_there_and_free():
    with pytest.raises(ValueError, match="needs a class attribute `name`"):
        register(type("Nameless", (Method,), {}))
    with pytest.raises(ValueError, match="'agw' is taken"):
        register(type("Impostor", (Method,), {"name": "agw"}))


def test_the_package_keeps_its_promises():
    assert vireidkit.list_methods is list_methods and callable(vireidkit.load_dataset) and callable(vireidkit.build_method)
