"""The registry of exercises, and the functions that a notebook calls."""

from __future__ import annotations

import copy
import difflib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from vireidkit.errors import SettingError

Checker = Callable[[Any], str]


@dataclass(frozen=True)
class Exercise:
    """One exercise.

    Attributes:
        name: starts with the number of its notebook.
        question: what is asked, in one or two sentences.
        given: what the question is about: the notebook shows it and the checker uses it.
        hint: a first step for those who are stuck.
        right: what is said after a right answer.
        judge: "" for a right answer, else what probably went wrong ("" + hint if nothing known fits).
    """

    name: str
    question: str
    given: Any
    hint: str
    right: str
    judge: Checker


_EXERCISES: dict[str, Exercise] = {}


def exercise(name: str, *, question: str, hint: str, right: str, given: Any = None) -> Callable[[Checker], Checker]:
    """Decorator for a checker: register it under ``name``.

    Raises:
        ValueError: the name is taken.
    """

    def record(judge: Checker) -> Checker:
        if name in _EXERCISES and _EXERCISES[name].judge.__qualname__ != judge.__qualname__:
            raise ValueError(f"exercise {name!r} exists already")
        _EXERCISES[name] = Exercise(name, question, given, hint, right, judge)
        return judge

    return record


def names() -> list[str]:
    """Names of all exercises, sorted."""
    return sorted(_EXERCISES)


def find(name: str) -> Exercise:
    """The exercise with this name.

    Raises:
        SettingError: there is none; lists those that exist.
    """
    if name not in _EXERCISES:
        close = difflib.get_close_matches(str(name), _EXERCISES, n=1)
        meant = f" (did you mean {close[0]!r}?)" if close else ""
        raise SettingError(f"unknown exercise {name!r}{meant}; known: {', '.join(names())}")
    return _EXERCISES[name]


def given(name: str) -> Any:
    """What an exercise is about, such as a list of matches."""
    return copy.deepcopy(find(name).given)  # whoever changes it must not change the question


def question(name: str) -> None:
    """Print what an exercise asks."""
    print(find(name).question)


def hint(name: str) -> None:
    """Print a first step."""
    print(f"Hint: {find(name).hint}")


def check(name: str, answer: Any) -> bool:
    """Print whether ``answer`` is right, with the reason or a hint, and return it. A wrong answer of any kind never raises.

    Raises:
        SettingError: there is no such exercise.
    """
    found = find(name)
    try:
        wrong = found.judge(answer)
    except Exception as error:  # the answer may be a function of the student's or anything else
        wrong = f"the answer could not be used: {type(error).__name__}: {error}"
    print(f"Not yet: {wrong}" if wrong else f"Right. {found.right}")
    return not wrong
