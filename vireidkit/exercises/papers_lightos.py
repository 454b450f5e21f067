"""Exercises of notebook 08: what a light convolution saves, why it is slow, temperature, the rest of the body, and stripes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vireidkit.exercises.answers import as_numbers, judge_choice, judge_number, listed, near, short
from vireidkit.exercises.registry import exercise

CHANNELS = 32


@exercise(
    "08-light-conv",
    question=f"How many parameters has a light 3x3 convolution of {CHANNELS} channels, batch norm left out?",
    given=CHANNELS,
    hint="a 1x1 convolution from all channels to all, then a 3x3 with nine numbers for each channel.",
    right="32 x 32 + 9 x 32. An ordinary 3x3 convolution has 9 x 32 x 32 = 9216.",
)
def _light_conv(answer: Any) -> str:
    m = CHANNELS
    mistakes = {
        "that is the ordinary 3x3 convolution.": 9 * m * m,
        "the 1x1 convolution alone; the depthwise one is missing.": m * m,
        "the depthwise convolution alone; the 1x1 is missing.": 9 * m,
        "that counts the batch norm (2 m) too; the question leaves it out.": m * m + 11 * m,
        "a depthwise convolution has 9 numbers a channel, not 3.": m * m + 3 * m,
    }
    return judge_number(answer, m * m + 9 * m, mistakes, stuck="Count the two steps one after the other.", share=False)


SLOW = {
    "a": "it has more parameters, and all of them must be loaded for every picture",
    "b": "it does more arithmetic than the table says",
    "c": "its many layers read and write wide maps and compute little with each number",
    "d": "its receptive fields are larger, and a larger field takes longer",
}


@exercise(
    "08-why-slow",
    question="OSNet x0.25 has fewer parameters and fewer multiply-adds than the study trunk, and takes longer. Why?\n" + listed(SLOW),
    given=SLOW,
    hint="compare the columns of the table in which OSNet is larger, not smaller.",
    right="Five times as many numbers are written for a picture, by seven times as many layers; the arithmetic is not what it waits for.",
)
def _why_slow(answer: Any) -> str:
    wrong = {
        "a": "it has a fifth of the study trunk's parameters, and a batch loads them once.",
        "b": "the multiply-adds are counted from the shapes and right; time also goes elsewhere.",
        "d": "a field grows by stacking small convolutions, whose cost is counted; no operation here looks farther than 3x3.",
    }
    return judge_choice(answer, SLOW, "c", wrong)


LOGITS = {"teacher": (math.log(27), 0.0), "student": (0.0, 0.0), "T": 3.0}


@exercise(
    "08-temperature",
    question="Teacher logits (log 27, 0), student logits (0, 0), T = 3. What is the derivative of T^2 KL( p || p_1 ) with respect to the "
    "student's first logit? (p and p_1 are the softmaxes at T.)",
    given=LOGITS,
    hint="with respect to o_1 / T the derivative is p_1 - p. Then the chain rule, then the factor T^2.",
    right="T (p_1 - p) = 3 (0.5 - 0.75). Without T^2 it would be a ninth of it.",
)
def _temperature(answer: Any) -> str:
    t = LOGITS["T"]

    def first(logits: tuple[float, float], temperature: float) -> float:
        powers = np.exp(np.array(logits) / temperature)
        return float(powers[0] / powers.sum())

    away = first(LOGITS["student"], t) - first(LOGITS["teacher"], t)
    mistakes = {
        "T^2 is missing: (p_1 - p) / T is the derivative of the divergence alone.": away / t,
        "that is p_1 - p, with respect to the logit divided by T: two factors are missing.": away,
        "that takes p and p_1 at T = 1.": first(LOGITS["student"], 1.0) - first(LOGITS["teacher"], 1.0),
        "the sign: the student's first share is too small, so a larger logit lowers the loss.": -t * away,
        "the inner derivative 1 / T is missing.": t * t * away,
    }
    return judge_number(answer, t * away, mistakes, stuck="The shares at T = 3 are (3/4, 1/4) and (1/2, 1/2).", share=False)


LOCAL = (2.0, 5.0, 11.0)


@exercise(
    "08-rest",
    question=f"Three stripes have the features {', '.join(f'{one:g}' for one in LOCAL)} (one number each). What is the rest r of each?",
    given=LOCAL,
    hint="r of a stripe is the mean of the others.",
    right="(5 + 11) / 2, (2 + 11) / 2, (2 + 5) / 2.",
)
def _rest(answer: Any) -> str:
    numbers, local = as_numbers(answer), np.array(LOCAL)
    if numbers is None or len(numbers) != len(LOCAL):
        return f"{len(LOCAL)} numbers are expected, found {short(answer)}."
    others = local.sum() - local
    known = {
        "that is the sum of the others; divide by how many they are.": others,
        "a stripe is not part of its own rest: divide the sum of the others by 2.": np.full(len(local), local.mean()),
        "divided by 3; there are two others.": others / len(local),
        "those are the features themselves.": local,
    }
    for sentence, values in {"": others / (len(local) - 1), **known}.items():
        if all(near(one, value) for one, value in zip(numbers, values, strict=True)):
            return sentence
    return "leave out one stripe at a time and take the mean of the other two."


HEIGHTS = ((8, 2), (8, 3), (18, 3), (9, 2), (7, 4))  # rows of a map, stripes


@exercise(
    "08-stripes",
    question="Where do the stripes of a map begin and end? Give a function f(height, count) that returns for each of count stripes a pair "
    "(first row, row behind the last).",
    given=HEIGHTS,
    hint="floor division rounds down; -(-a // b) rounds a / b up.",
    right="Every row belongs to a stripe, and all stripes are about as tall. These are the bounds of adaptive pooling.",
)
def _stripes(answer: Any) -> str:
    if not callable(answer):
        return f"a function is expected, found {short(answer)}."
    for height, count in HEIGHTS:
        found = [tuple(int(end) for end in one) for one in answer(height, count)]
        wrong = _misplaced(found, height, count)
        if wrong:
            return f"for {height} rows and {count} stripes: {wrong}"
    return ""


def _misplaced(found: list[tuple[int, ...]], height: int, count: int) -> str:
    """What is wrong with the bounds of stripes, or nothing."""
    if len(found) != count or any(len(one) != 2 for one in found):
        return f"{count} pairs are expected, found {short(found)}."
    lost = sorted(set(range(height)) - {row for top, bottom in found for row in range(top, bottom)})
    if lost:
        return f"row {lost[0]} (counted from 0) belongs to no stripe."
    truth = [(i * height // count, -(-(i + 1) * height // count)) for i in range(count)]
    wrong = next((place for place, (one, other) in enumerate(zip(found, truth, strict=True)) if one != other), None)
    return "" if wrong is None else f"stripe {wrong} should be {truth[wrong]}, found {found[wrong]}."
