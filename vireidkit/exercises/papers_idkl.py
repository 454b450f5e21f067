"""Exercises of notebook 07: IDKL's divergence, its targets, its masks, and the order of its batches."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from vireidkit.exercises.answers import as_numbers, judge_choice, judge_number, listed, short
from vireidkit.exercises.registry import exercise

SHARES = {"p": (0.8, 0.2), "q": (0.5, 0.5)}


@exercise(
    "07-symmetric-kl",
    question="Two rows of logits give the shares (0.8, 0.2) and (0.5, 0.5). What is J, the symmetric divergence of the two?",
    given=SHARES,
    hint="J = sum of (p - q)(log p - log q) over both columns, with the natural logarithm.",
    right="Both columns count: 0.3 log 1.6 + 0.3 log 2.5 = 0.3 log 4.",
)
def _symmetric_kl(answer: Any) -> str:
    p, q = (np.array(SHARES[name]) for name in "pq")
    logs = np.log(p) - np.log(q)
    truth = float(((p - q) * logs).sum())
    mistakes = {
        "that is KL(p || q), one direction; J adds the other.": float((p * logs).sum()),
        "that is KL(q || p), one direction; J adds the other.": float(-(q * logs).sum()),
        "that is the mean of the two directions; J is their sum.": truth / 2,
        "that is the logarithm to base 2; the natural one is meant.": truth / math.log(2),
        "that is the logarithm to base 10; the natural one is meant.": truth / math.log(10),
        "that is the first column alone; the second counts too.": float((p - q)[0] * logs[0]),
        "both columns count with a plus: in the second p - q and log p - log q are both negative.": float(
            (p - q)[0] * logs[0] - (p - q)[1] * logs[1]
        ),
    }
    return judge_number(answer, truth, mistakes, stuck="Work out log 0.8 - log 0.5 and log 0.2 - log 0.5 first.", share=False)


MODALITY = (1, 0, 0, 1, 1, 0, 0, 1)


@exercise(
    "07-confusion-targets",
    question="The released formula for the targets: take the first half of the modality column, repeat each entry twice, rotate left by "
    f"one. Which targets does it give for a batch in the order {', '.join(map(str, MODALITY))} (1 is infrared)? Eight numbers.",
    given=MODALITY,
    hint="the first half is 1, 0, 0, 1. Repeat *each entry*, so it becomes 1, 1, 0, 0, ...",
    right="It never looks at the second half. In IDKL's own order (1, 0, 1, 0, ...) half of each band gets a 1; here that is luck.",
)
def _confusion_targets(answer: Any) -> str:
    numbers = as_numbers(answer)
    if numbers is None or len(numbers) != len(MODALITY):
        return f"{len(MODALITY)} numbers are expected, found {short(answer)}."
    half = np.array(MODALITY[: len(MODALITY) // 2])
    doubled = half.repeat(2)
    known = {
        "the rotation is missing: the first entry goes to the end.": doubled,
        "rotated to the right; to the left, the first entry goes to the end.": np.roll(doubled, 1),
        "each entry is repeated (1, 1, 0, 0, ...), not the half as a whole.": np.roll(np.tile(half, 2), -1),
        "that is the half twice over: repeat each entry, then rotate.": np.tile(half, 2),
    }
    if numbers == np.roll(doubled, -1).tolist():
        return ""
    return next((told for told, found in known.items() if numbers == found.tolist()), "write down the half, double each entry, rotate.")


MASKS = {
    "a": "the entropy hinge only",
    "b": "the centroid hinge only",
    "c": "both",
    "d": "neither",
}


@exercise(
    "07-mask",
    question="A purifier's masks are one half everywhere, so it halves every number. Which of its two hinges costs something?\n"
    f"{listed(MASKS)}",
    given=MASKS,
    hint="what does halving do to the distance between two centres? And to the logits, and so to how certain they look?",
    right="Half the distance satisfies the centroid hinge; half the logits are flatter, and the entropy hinge charges for it.",
)
def _mask(answer: Any) -> str:
    centres = "halving every number halves the distance between the two centres: smaller than before, so this hinge is satisfied."
    flat = "half the logits are flatter shares, with a larger entropy: the entropy hinge charges for that."
    return judge_choice(answer, MASKS, "a", {"b": centres, "c": centres, "d": flat})


# Labels and modality (1 is infrared): visible rows first; two people mixed; one picture of each.
BATCHES = (
    ((0, 0, 1, 1, 0, 0, 1, 1), (0, 0, 0, 0, 1, 1, 1, 1)),
    ((7, 3, 3, 7, 7, 3, 3, 7), (1, 1, 0, 0, 0, 1, 0, 1)),
    ((4, 9, 4, 9), (0, 0, 1, 1)),
)


@exercise(
    "07-order",
    question="In which order does IDKL want the rows of a batch? Give a function f(labels, modality) that returns their positions: all "
    "rows of a person together (the people in any order), and inside a person infrared (1), visible (0), infrared, visible, ...",
    given=BATCHES,
    hint="for each person collect the infrared and the visible rows, then take one of each in turn.",
    right="Every second row is infrared, and neighbours are a pair of one person. The released losses take exactly this for granted.",
)
def _order(answer: Any) -> str:
    if not callable(answer):
        return f"a function is expected, found {short(answer)}."
    for labels, modality in BATCHES:
        wrong = _misplaced(answer(list(labels), list(modality)), labels, modality)
        if wrong:
            return f"for labels {list(labels)} and modality {list(modality)}: {wrong}"
    return ""


def _misplaced(answer: Any, labels: Sequence[int], modality: Sequence[int]) -> str:
    """What is wrong with an order of a batch's rows, or nothing."""
    numbers = as_numbers(answer)
    if numbers is None or sorted(numbers) != list(range(len(labels))):
        return f"every position from 0 to {len(labels) - 1} must come once, found {short(answer)}."
    order = [int(one) for one in numbers]
    who, band = [labels[row] for row in order], [modality[row] for row in order]
    changes = sum(before != after for before, after in pairwise(who))
    if changes != len(set(labels)) - 1:
        return f"the rows of a person must stand together, found {who}."
    if band == [0, 1] * (len(band) // 2):
        return "infrared comes first in each pair."
    if band != [1, 0] * (len(band) // 2):
        return f"infrared and visible must take turns, found {band}."
    return ""
