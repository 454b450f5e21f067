"""Exercises of notebook 02: the batch and the losses."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vireidkit.exercises.answers import judge_number
from vireidkit.exercises.registry import exercise

BATCH = {"identities": 8, "per_modality": 4, "views": 2}


@exercise(
    "02-batch-size",
    question="A batch draws 8 identities with 4 images of each in each modality; every visible image comes in 2 views. How many rows is "
    "that? Give the number, or a function f(identities, per_modality, views).",
    given=BATCH,
    hint="count the visible rows, then the infrared rows.",
    right="Infrared images have one view, visible images have `views`: identities x per_modality x (views + 1).",
)
def _batch_size(answer: Any) -> str:
    if callable(answer):
        for case in ((8, 4, 2), (8, 4, 1), (6, 3, 1), (2, 5, 3)):
            wrong = _rows(answer(*case), *case)
            if wrong:
                return f"for f{case}: {wrong}"
        return ""
    return _rows(answer, **BATCH)


def _rows(answer: Any, identities: int, per_modality: int, views: int) -> str:
    half = identities * per_modality
    mistakes = {
        "both modalities have two views in this count; infrared images have one.": 2.0 * half * views,
        "that is one view; every visible image comes in more than one.": 2.0 * half,
        "that is the infrared half alone.": 1.0 * half,
        "that is the visible rows alone; the infrared ones are missing.": 1.0 * half * views,
    }
    return judge_number(answer, half * (views + 1), mistakes, stuck="Visible rows: identities x images x views.", share=False)


PAIR = {"positive": 1.2, "negative": 0.7}


@exercise(
    "02-triplet-by-hand",
    question="An anchor is 1.2 from its positive and 0.7 from its negative. What is the soft-margin triplet loss?",
    given=PAIR,
    hint="log(1 + exp(difference)), with the natural logarithm; which difference is bad?",
    right="The loss is large where the positive is farther than the negative, and never quite zero.",
)
def _triplet(answer: Any) -> str:
    bad = PAIR["positive"] - PAIR["negative"]
    truth = math.log1p(math.exp(bad))
    mistakes = {
        "that is positive - negative with the sign turned: here the positive is farther, so the loss must be above log 2.": math.log1p(
            math.exp(-bad)
        ),
        "that is the hinge with a margin of 0.3; the soft margin has none: log(1 + exp(...)).": bad + 0.3,
        "that is the difference alone; put it into log(1 + exp(...)).": bad,
        "the logarithm is missing.": 1 + math.exp(bad),
        "that is exp of the difference; it still goes into log(1 + ...).": math.exp(bad),
        "that is the logarithm to base 2; the natural one is meant.": truth / math.log(2),
        "that is the logarithm to base 10; the natural one is meant.": truth / math.log(10),
    }
    return judge_number(answer, truth, mistakes, stuck="Work out exp(1.2 - 0.7) first.", share=False)


POSITIVES = (0.0, 1.0, 2.0)


@exercise(
    "02-weighted-positive",
    question="The weighted triplet replaces the hardest positive by a weighted mean of all. An anchor is 0, 1 and 2 from its positives "
    "(the 0 is the anchor itself, which counts). The weights are proportional to exp(distance). What is the mean?",
    given=POSITIVES,
    hint="weights: exp(0), exp(1), exp(2), divided by their sum.",
    right="It lies between the mean and the hardest positive: far positives count more, none counts alone.",
)
def _weighted_positive(answer: Any) -> str:
    distance = np.array(POSITIVES)

    def softmax_mean(values: np.ndarray, sign: float = 1.0) -> float:
        weights = np.exp(sign * values)
        return float((weights * values).sum() / weights.sum())

    mistakes = {
        "the anchor itself is among its positives: exp(0) = 1 belongs into the sum of the weights.": softmax_mean(distance[1:]),
        "that is the plain mean; weight the distances by exp(distance).": float(distance.mean()),
        "that is the hardest positive; the weighted loss takes all.": float(distance.max()),
        "the weights have the sign of the negatives: exp(-distance) is for them.": softmax_mean(distance, -1.0),
        "the weights must be divided by their sum.": float((np.exp(distance) * distance).sum()),
    }
    return judge_number(answer, softmax_mean(distance), mistakes, stuck="Divide the weighted sum by the sum of the weights.", share=False)
