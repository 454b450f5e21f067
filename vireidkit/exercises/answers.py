"""Reading a student's answer in whatever form it comes, and telling from a wrong one what probably went wrong."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import numpy as np
import torch


def as_number(answer: Any) -> float | None:
    """One real number out of an int, a float, a fraction, a one-element array or tensor, or text such as "0.5", "50 %", "1/2"."""
    if isinstance(answer, (torch.Tensor, np.ndarray)):
        answer = answer.item() if math.prod(answer.shape) == 1 else None
    try:
        if isinstance(answer, str):
            text = answer.strip().replace(",", ".")
            return float(Fraction(text[:-1].strip()) / 100 if text.endswith("%") else Fraction(text))
        return None if isinstance(answer, (bool, np.bool_)) else float(answer)
    except (TypeError, ValueError, OverflowError, ZeroDivisionError):
        return None


def as_numbers(answer: Any) -> list[float] | None:
    """Several numbers out of a list, tuple, set, array, tensor, Series or text such as "1, 4"; one number is a list of one."""
    if isinstance(answer, str):
        answer = re.split(r"[,;\s]+", answer.strip(" []()\n"))
    if isinstance(answer, (torch.Tensor, np.ndarray)):
        answer = answer.reshape(-1).tolist()
    items = [as_number(item) for item in (answer if isinstance(answer, Iterable) and not isinstance(answer, Mapping) else [answer])]
    return None if any(item is None for item in items) else [float(item) for item in items if item is not None]


def near(number: float, other: float, tolerance: float = 0.005) -> bool:
    """Equal but for rounding to two decimals."""
    return abs(number - other) <= tolerance + 1e-9


def judge_number(answer: Any, truth: float, mistakes: Mapping[str, float], *, stuck: str, share: bool = True) -> str:
    """Nothing ("") for the truth, else the sentence of the mistake that leads to the answer, else ``stuck``.

    Args:
        mistakes: what probably went wrong -> the number it leads to.
        share: the truth is a fraction 0-1, so that a hundred times as much is the right value in percent.
    """
    number = as_number(answer)
    if number is None:
        return f"one number is expected, found {short(answer)}."
    if near(number, truth):
        return ""
    if share and near(number, 100 * truth, 0.5):
        return f"the value is right, but in percent; this kit counts in fractions: {truth:.3f}."
    for sentence, value in mistakes.items():
        if near(number, value):
            return sentence
    verdict = f"is too {'high' if number > truth else 'low'}" if math.isfinite(number) else "is no result"
    return f"{number:g} {verdict}. {stuck}"


def judge_choice(answer: Any, options: Mapping[str, str], truth: str, mistakes: Mapping[str, str]) -> str:
    """Nothing ("") for the right letter (or the option's text), else the sentence that belongs to the wrong one."""
    text = answer.strip().lower() if isinstance(answer, str) else ""
    letters = {option.lower(): letter for letter, option in options.items()}
    letter = letters.get(text, text.strip("().: "))
    if letter not in options:
        return f"answer with one of the letters {', '.join(options)}, found {short(answer)}."
    return "" if letter == truth else mistakes[letter]


def short(answer: Any) -> str:
    """An answer as it is quoted in a hint."""
    text = repr(answer)
    return text if len(text) <= 60 else f"{text[:57]}..."


def listed(options: Mapping[str, str]) -> str:
    """The options of a choice as they are printed."""
    return "\n".join(f"  {letter}) {option}" for letter, option in options.items())
