"""Exercises of notebook 06: prototypes, stop-gradient, and what three seeds can show."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vireidkit.exercises.answers import judge_choice, judge_number, listed
from vireidkit.exercises.registry import exercise

MIMIC = {"cosines to the own prototype": [0.5, 0.0, 1.0, 0.6], "seen": [True, True, True, False]}


@exercise(
    "06-mimic",
    question="Four unit vectors have the cosines 0.5, 0, 1 and 0.6 to their own prototypes. The last prototype has not been seen yet. "
    "What is the mimic term?",
    given=MIMIC,
    hint="between unit vectors |z - p|^2 = 2 - 2 cos; then a mean, over which rows?",
    right="1, 2 and 0, and their mean over the three rows that have a target.",
)
def _mimic(answer: Any) -> str:
    cosines, seen = (np.array(values) for values in MIMIC.values())
    length = 2 - 2 * cosines
    mistakes = {
        "the row without a seen prototype is left out of the count, too: divide by 3.": float(length[seen].sum() / len(length)),
        "a prototype that has not been seen is no target: leave that row out.": float(length.mean()),
        "that is 1 - cos, half of the squared distance.": float(length[seen].mean() / 2),
        "a mean is asked, not a sum.": float(length[seen].sum()),
        "the distances are squared.": float(np.sqrt(length[seen]).mean()),
    }
    return judge_number(answer, float(length[seen].mean()), mistakes, stuck="Work out 2 - 2 cos for each row first.", share=False)


UPDATE = {"prototype": (1.0, 0.0), "rows": ((0.6, 0.8), (0.0, 1.0)), "mu": 0.8}


@exercise(
    "06-prototype-update",
    question="A prototype is (1, 0). A batch holds two rows of its person and modality: (0.6, 0.8) and (0, 1). With mu = 0.8, what is the "
    "first number of the new prototype?",
    given=UPDATE,
    hint="mean of the rows, mix, then bring to length 1.",
    right="One batch turns the prototype a little; with mu = 1 it would stay, with mu = 0 it would be the mean's direction.",
)
def _update(answer: Any) -> str:
    old, rows, mu = np.array(UPDATE["prototype"]), np.array(UPDATE["rows"]), float(UPDATE["mu"])

    def first(share: float, mean: np.ndarray, *, unit: bool = True) -> float:
        mixed = share * old + (1 - share) * mean
        return float(mixed[0] / (np.linalg.norm(mixed) if unit else 1.0))

    mean = rows.mean(axis=0)
    mistakes = {
        "a prototype has length 1: divide by the length.": first(mu, mean, unit=False),
        "mu is what the old prototype keeps, 1 - mu what the rows add.": first(1 - mu, mean),
        "the mean of the rows, not their sum.": first(mu, rows.sum(axis=0)),
        "both rows count, by their mean.": first(mu, rows[0]),
        "that is the second number.": math.sqrt(1 - first(mu, mean) ** 2),
    }
    return judge_number(answer, first(mu, mean), mistakes, stuck="Mean of the rows: (0.3, 0.9).", share=False)


GRADIENT = {
    "a": "the visible logits only",
    "b": "the infrared logits only",
    "c": "both, with opposite signs",
    "d": "neither: a target has no gradient",
}


@exercise(
    "06-stop-gradient",
    question=f"Which logits does the gradient of KL( sg(q^V) || q^I ) reach?\n{listed(GRADIENT)}",
    given=GRADIENT,
    hint="sg( ) turns what stands in it into a constant. What is left to move?",
    right="Visible is the teacher of this term; in the other term it is the student. From the infrared logits the gradient goes on into "
    "the shared layers, and so, through the weights, it reaches what visible pictures become too.",
)
def _stop_gradient(answer: Any) -> str:
    wrong = {
        "a": "what stands inside sg( ) is a constant; the visible side is the teacher here.",
        "c": "that would be so without sg: then the teacher would move towards its student as well.",
        "d": "only one of the two sides is a target; the other one is the student.",
    }
    return judge_choice(answer, GRADIENT, "b", wrong)


SEEDS = 3


@exercise(
    "06-three-seeds",
    question="Two settings are in truth equal, and each of three seeds puts the one or the other ahead with equal chance. With three "
    "seeds the percentile interval of the paired difference leaves out 0 if all three agree. How often does that happen by luck?",
    given=SEEDS,
    hint="like three throws of a coin that all come up alike, heads or tails.",
    right="One time in four. Over four scores and three settings something will look certain; believe what all scores say together, or add "
    "seeds: with six it is 1 in 32.",
)
def _three_seeds(answer: Any) -> str:
    mistakes = {
        "that is one way round only: all three may also favour the other setting.": 0.5**SEEDS,
        "95 % is what the interval promises with many seeds; with three it can only be as wide as the three values.": 0.05,
        "that is the chance that two of two agree.": 0.5,
        "that is the chance that they do not all agree.": 1 - 2 * 0.5**SEEDS,
    }
    return judge_number(answer, 2 * 0.5**SEEDS, mistakes, stuck="Count the ways: 2 x 2 x 2 in all, how many of them agree?")
