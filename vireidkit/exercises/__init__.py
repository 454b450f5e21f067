"""Checked exercises of the notebooks: ``check(name, answer)`` says right or what probably went wrong.

The truth is computed, mostly by the code that the exercise is about. To add one, write a function that takes an answer and
returns "" when it is right and otherwise a hint, decorate it with ``@exercise(name, ...)``, and import its file here.
"""

from vireidkit.exercises import looking, metrics, own_data, papers, papers_idkl, task, training  # register their exercises
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
    "question",
    "task",
    "training",
]
