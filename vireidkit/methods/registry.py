"""The registry of methods: a decorator records a class, names and settings are looked up here."""

from __future__ import annotations

import dataclasses
import difflib
import json
import typing
from collections.abc import Iterable, Mapping
from typing import Any, TypeVar

import pandas as pd

from vireidkit.errors import SettingError
from vireidkit.methods.base import Method
from vireidkit.methods.recipe import PROFILES, Recipe
from vireidkit.randomness import scoped_randomness

NOTHING = ("none", "null")  # how a command line says None
_METHODS: dict[str, type[Method]] = {}
MethodClass = TypeVar("MethodClass", bound=type[Method])


def register(cls: MethodClass) -> MethodClass:
    """Class decorator: make a method known by its ``name``.

    Raises:
        ValueError: the class has no name, or another class has it already.
    """
    if not cls.name:
        raise ValueError(f"{cls.__name__} needs a class attribute `name` to be registered")
    known = _METHODS.get(cls.name)
    if known is not None and known.__qualname__ != cls.__qualname__:
        raise ValueError(f"method name {cls.name!r} is taken by {known.__qualname__}")
    _METHODS[cls.name] = cls
    return cls


def list_methods() -> list[str]:
    """Names of all registered methods, sorted."""
    return sorted(_METHODS)


def method_class(name: str) -> type[Method]:
    """The class behind a name.

    Raises:
        SettingError: no method has this name; the message lists those that exist.
    """
    if name not in _METHODS:
        raise SettingError(f"unknown method {name!r}{_nearest(name, _METHODS)}; known: {', '.join(list_methods())}")
    return _METHODS[name]


def build_method(name: str, num_identities: int, *, seed: int = 0, **settings: Any) -> Method:
    """Build a method's network for ``num_identities`` training identities; its initial weights follow from ``seed`` alone.

    Raises:
        SettingError: unknown method or setting, or a value the setting does not take.
    """
    cls = method_class(name)
    values = parse_settings(cls.Settings, settings)
    with scoped_randomness(seed, "initial weights"):
        return cls(num_identities, cls.Settings(**values))


def start_weights(method: str, settings: Mapping[str, Any]) -> str | None:
    """What tells the weight file that a method with these settings starts from; None without one. See ``Method.start_weights``."""
    cls = method_class(method)
    return cls.start_weights(cls.Settings(**parse_settings(cls.Settings, settings)))


def default_profile(dataset: str) -> str:
    """``study`` for the parts of Twilight, ``paper`` for every other data set."""
    return "study" if dataset.partition("-")[0] == "twilight" else "paper"


def get_recipe(method: str, dataset: str, profile: str | None = None) -> Recipe:
    """The recipe of (method, data set, profile). ``None`` is ``default_profile(dataset)``.

    Raises:
        SettingError: unknown profile, or a pair that is not defined; the message lists the defined ones.
    """
    cls = method_class(method)
    profile = profile or default_profile(dataset)
    if profile not in PROFILES:
        raise SettingError(f"unknown profile {profile!r}{_nearest(profile, PROFILES)}; known: {', '.join(PROFILES)}")
    if (dataset, profile) not in cls.recipes:
        raise SettingError(f"method {method!r} has no recipe for data set {dataset!r} at profile {profile!r}; {_defined(cls, dataset)}")
    return cls.recipes[dataset, profile]


def _defined(cls: type[Method], dataset: str) -> str:
    """Which profiles a method has for this data set, or, where it has none, for which data sets it has any."""
    profiles = [profile for known, profile in sorted(cls.recipes) if known == dataset]
    if profiles:
        return f"defined for it: {', '.join(profiles)}"
    return f"data sets with recipes: {', '.join(sorted({known for known, _ in cls.recipes})) or 'none'}"


def list_recipes(dataset: str | None = None) -> pd.DataFrame:
    """Every defined recipe, of one data set or of all: columns method, grade, data set, profile, cost, expects; one row a recipe."""
    rows = [
        {"method": name, "grade": _METHODS[name].grade, "data set": data, "profile": profile, "cost": own.takes, "expects": own.expects}
        for name in list_methods()
        for (data, profile), own in sorted(_METHODS[name].recipes.items())
        if dataset in (None, data)
    ]
    return pd.DataFrame(rows, columns=["method", "grade", "data set", "profile", "cost", "expects"])


def with_overrides(method: str, recipe: Recipe, overrides: Mapping[str, Any]) -> tuple[Recipe, dict[str, Any]]:
    """Apply ``--set key=value`` pairs: keys of the method's Settings, or else fields of the recipe.

    Returns:
        The changed recipe, and the full method settings (the recipe's own, then the overrides).

    Raises:
        SettingError: a key that is neither.
    """
    cls = method_class(method)
    own = {field.name for field in dataclasses.fields(cls.Settings)}
    free = {field.name for field in dataclasses.fields(Recipe)} - {"settings", "augmentation", "source", "expects", "takes"}
    unknown = [key for key in overrides if key not in own | free]
    if unknown:
        known = f"method settings: {', '.join(sorted(own)) or 'none'}; recipe fields: {', '.join(sorted(free))}"
        raise SettingError(f"unknown setting {unknown[0]!r} of {method!r}{_nearest(unknown[0], own | free)}; {known}")
    settings = {**recipe.settings, **{key: value for key, value in overrides.items() if key in own}}
    settings = parse_settings(cls.Settings, settings)
    changed = parse_settings(Recipe, {key: value for key, value in overrides.items() if key not in own})
    if "stages" in changed:
        changed["stages"] = _changed_stages(recipe, changed["stages"])
    return dataclasses.replace(recipe, **changed, settings=settings), settings


def _changed_stages(recipe: Recipe, changes: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """A recipe's ``stages`` with some fields of some stages changed.

    Raises:
        SettingError: a stage with something else than fields, an unknown field, or a value that it does not take.
    """
    stages = {name: dict(own) for name, own in recipe.stages.items()}
    for name, own in changes.items():
        if not isinstance(own, Mapping):
            raise SettingError(f"stages takes fields of the recipe for every stage, as in {{{name!r}: {{'epochs': 1}}}}; found {own!r}")
        stages[name] = {**stages.get(name, {}), **parse_settings(Recipe, own)}
        dataclasses.replace(recipe, stages=stages).for_stage(name)
    return stages


def parse_settings(kind: type, values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn text values (from a command line) into the types of a dataclass's fields, and check all of them.

    Raises:
        SettingError: an unknown field, or a value of the wrong type or outside the choices of a Literal.
    """
    hints = typing.get_type_hints(kind)
    names = [field.name for field in dataclasses.fields(kind)]
    parsed = {}
    for key, value in values.items():
        if key not in names:
            raise SettingError(f"unknown setting {key!r}{_nearest(key, names)}; known: {', '.join(names) or 'none'}")
        parsed[key] = _parse(key, value, hints[key])
    return parsed


def _parse(key: str, value: Any, hint: Any) -> Any:
    """One value as the type ``hint``; text is read as JSON where the type is not text."""
    if typing.get_origin(hint) is Mapping:
        value = _from_text(value) if isinstance(value, str) else value
        if isinstance(value, Mapping):
            return dict(value)
        raise SettingError(f"setting {key!r} takes names with their values; found {value!r}")
    choices = [option for option in (typing.get_args(hint) or (hint,))] if typing.get_origin(hint) is not tuple else [hint]
    if typing.get_origin(hint) is typing.Literal:
        if value not in choices:
            raise SettingError(f"setting {key!r} takes one of {', '.join(map(str, choices))}; found {value!r}")
        return value
    nothing = type(None) in choices and str(value).lower() in NOTHING
    if isinstance(value, str) and (nothing or str not in choices):
        value = _from_text(value)
    for option in choices:
        origin = typing.get_origin(option) or option
        if origin is tuple and isinstance(value, (list, tuple)):
            return tuple(tuple(item) if isinstance(item, list) else item for item in value)
        if origin is float and isinstance(value, int) and not isinstance(value, bool):
            return float(value)
        if isinstance(value, origin) and not (isinstance(value, bool) and origin is int):
            return value
    raise SettingError(f"setting {key!r} takes {_type_name(hint)}; found {value!r}")


def _from_text(text: str) -> Any:
    """Text from a command line as a value: none/true/false in any case, else JSON, else the text itself."""
    words = {**dict.fromkeys(NOTHING), "true": True, "false": False}
    if text.lower() in words:
        return words[text.lower()]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _type_name(hint: Any) -> str:
    """A type as a reader would write it."""
    return getattr(hint, "__name__", None) if not typing.get_args(hint) else str(hint).replace("typing.", "")


def _nearest(word: str, known: Iterable[str]) -> str:
    """A hint such as ' (did you mean "agw"?)' where a known word is close."""
    close = difflib.get_close_matches(word, list(known), n=1)
    return f" (did you mean {close[0]!r}?)" if close else ""
