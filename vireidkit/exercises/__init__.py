"""Checked exercises of the notebooks: ``check(name, answer)`` says right or what probably went wrong.

The truth is computed, mostly by the code that the exercise is about. To add one, write a function that takes an answer and
returns "" when it is right and otherwise a hint, decorate it with ``@exercise(name, ...)``, and import its file here.
"""

from vireidkit.exercises import (  # register their exercises
    looking,
    metrics,
    own_data,
    papers,
    papers_idkl,
    papers_lightos,
    papers_mdkt,
    papers_mdpr,
    task,
    training,
)
from vireidkit.exercises.registry import Exercise, check, exercise, find, given, hint, names, question

__all__ = [
    "Exercise",
    "check",
    "exercise",
    "find",
    "given",
    "hint",
    "looking",
    "metrics",
    "names",
    "own_data",
    "papers",
    "papers_idkl",
    "papers_lightos",
    "papers_mdkt",
    "papers_mdpr",
    "question",
    "task",
    "training",
]
