"""Exercises of notebook 10: what correlated frames are worth, the triplet contrast loss, the frames of a test, and the trapezoid AP."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from vireidkit.analysis import chunk_frames
from vireidkit.evaluation import rank_metrics
from vireidkit.exercises.answers import as_numbers, judge_number, short
from vireidkit.exercises.registry import exercise

FRAMES = {"frames": 8, "correlation": 0.5}


@exercise(
    "10-effective",
    question=f"Two frames of a tracklet have the correlation {FRAMES['correlation']}. As how many independent frames does the mean of "
    f"{FRAMES['frames']} count?",
    given=FRAMES,
    hint="n / (1 + (n - 1) rho).",
    right="8 / 4.5. With ever more frames it comes near 1 / rho = 2, and never beyond.",
)
def _effective(answer: Any) -> str:
    n, rho = FRAMES["frames"], FRAMES["correlation"]
    truth = n / (1 + (n - 1) * rho)
    mistakes = {
        "that would be so if the frames were independent.": float(n),
        "that is what infinitely many frames would count as.": 1 / rho,
        "the denominator is 1 + (n - 1) rho, not 1 + n rho: a frame is not correlated with itself.": n / (1 + n * rho),
        "that is n (1 - rho): half of the frames do not simply vanish, all of them share something.": n * (1 - rho),
        "that is the denominator; divide the number of frames by it.": 1 + (n - 1) * rho,
        "turn it round: it is how many count as one.": 1 / truth,
    }
    return judge_number(answer, truth, mistakes, stuck="Work out 1 + 7 times one half first.", share=False)


SURE = {"teacher": 0.6, "student": 0.8}


@exercise(
    "10-tcl",
    question=f"For one triplet the teacher's P is {SURE['teacher']}, the student's {SURE['student']}. What is the triplet contrast loss, "
    "KL with the teacher first, at temperature 1?",
    given=SURE,
    hint="P_T log(P_T / P_S) + (1 - P_T) log((1 - P_T) / (1 - P_S)), with the natural logarithm.",
    right="0.6 log 0.75 + 0.4 log 2. The student has the right one nearer and still pays: it is surer than its teacher.",
)
def _tcl(answer: Any) -> str:
    p, q = SURE["teacher"], SURE["student"]
    wanted, other = p * math.log(p / q), (1 - p) * math.log((1 - p) / (1 - q))
    truth = wanted + other
    back = q * math.log(q / p) + (1 - q) * math.log((1 - q) / (1 - p))
    mistakes = {
        "the first part alone; the other candidate counts too.": wanted,
        "the other candidate alone; the first part counts too, and it is negative.": other,
        "the first part is negative: log(0.6 / 0.8) is below 0.": other - wanted,
        "that is KL(student || teacher); the teacher comes first.": back,
        "that is the cross-entropy; subtract the teacher's entropy.": -p * math.log(q) - (1 - p) * math.log(1 - q),
        "that is the logarithm to base 2; the natural one is meant.": truth / math.log(2),
        "that is the logarithm to base 10; the natural one is meant.": truth / math.log(10),
        "that is the soft-margin triplet loss, -log P_S, whose target is 1; here the target is the teacher's.": -math.log(q),
        "that is the slope, P_S - P_T.": q - p,
    }
    return judge_number(answer, truth, mistakes, stuck="Work out log 0.75 and log 2 first.", share=False)


HITS = (2, 4)


@exercise(
    "10-trapezoid",
    question=f"A query's two right answers stand at places {HITS[0]} and {HITS[1]}. What is its trapezoid AP?",
    given=HITS,
    hint="for the j-th right answer at place p take the mean of (j - 1) / (p - 1) and j / p.",
    right="(0 + 1/2) / 2 and (1/3 + 2/4) / 2, and their mean. The plain AP is 1/2.",
)
def _trapezoid(answer: Any) -> str:
    people = [1 if place in HITS else 0 for place in range(1, HITS[-1] + 1)]
    distance = np.arange(len(people), dtype=float)[None]
    truth, plain = (rank_metrics(distance, [1], people, ap=kind).map for kind in ("trapezoid", "plain"))
    before = [number / (place - 1) for number, place in enumerate(HITS)]
    mistakes = {
        "that is the plain AP.": plain,
        "that takes the precision before each hit only; take its mean with the one at the hit.": sum(before) / len(HITS),
        "divide by the number of right answers.": truth * len(HITS),
        "the precision before the first hit is 0 here, since a wrong answer stands there.": (0.75 + (before[1] + 0.5) / 2) / 2,
    }
    return judge_number(answer, truth, mistakes, stuck="Work out the two precisions at each hit: just before it, and at it.")


LENGTHS = ((8, 8), (9, 8), (3, 8), (20, 8), (17, 4), (1, 6))  # frames, chunks


@exercise(
    "10-chunks",
    question="Which frames stand for a tracklet at test? Give a function f(count, chunks): cut count frames into chunks of equal length, "
    "the last ones filled up with the last frame, and return the position (from 0) of the first frame of each.",
    given=LENGTHS,
    hint="chunks of equal length that hold all frames: round count / chunks up, -(-count // chunks).",
    right="Rounded up, the chunks reach beyond the end, and the last frame fills them. Rounded down, the end of the film is never seen.",
)
def _chunks(answer: Any) -> str:
    if not callable(answer):
        return f"a function is expected, found {short(answer)}."
    for count, chunks in LENGTHS:
        found, truth = as_numbers(answer(count, chunks)), chunk_frames(count, chunks)
        if found is None or len(found) != chunks:
            return f"for {count} frames and {chunks} chunks: {chunks} positions are expected, found {short(found)}."
        if found != truth:
            known = [int(one) for one in found]
            return f"for {count} frames and {chunks} chunks the positions are {truth}, found {known}."
    return ""
