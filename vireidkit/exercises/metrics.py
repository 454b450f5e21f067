"""Exercises of notebook 03: what a ranking is worth, and how sure that number is."""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

import numpy as np

from vireidkit.evaluation.metrics import rank_metrics
from vireidkit.exercises.answers import judge_number
from vireidkit.exercises.registry import exercise

AP_MATCHES = (1, 0, 1, 0, 0, 1, 0)
INP_MATCHES = (0, 1, 1, 0, 0, 0, 1, 0)
RANKED_IDENTITIES = {"query": 7, "gallery": (4, 4, 9, 4, 9, 2, 7, 2)}
TRIALS = {"deviation": 1.36, "trials": 10}
NEAREST = {"Q": "BAC", "A": "BCD", "B": "QAD", "C": "EQB", "D": "ABQ", "E": "DCQ"}


def _scored(matches: Iterable[int], ap: str = "plain") -> tuple[float, float]:
    """AP and INP of one ranked list of matches."""
    flags = np.array(list(matches))
    found = rank_metrics(np.arange(len(flags), dtype=float)[None], [1], flags, ap=ap)  # type: ignore[arg-type]
    return found.map, found.minp


@exercise(
    "03-ap-by-hand",
    question="A query's ranked gallery has matches (1) and others (0) in the order of `given`. What is its average precision?",
    given=AP_MATCHES,
    hint="at every match: matches so far / place. Then the mean over the matches.",
    right="Only the places of matches count, and the mean is over the matches.",
)
def _average_precision(answer: Any) -> str:
    places = np.flatnonzero(AP_MATCHES) + 1
    precision = np.cumsum(AP_MATCHES) / np.arange(1, len(AP_MATCHES) + 1)
    trapezoid = _scored(AP_MATCHES, "trapezoid")[0]
    mistakes = {
        "that is the trapezoid AP, the mean of two neighbouring precisions; here the precision at the match alone counts.": trapezoid,
        "divide by the number of matches: a mean is asked, not a sum.": float(precision[places - 1].sum()),
        "divide by the number of matches, not by the length of the list.": float(precision[places - 1].sum() / len(AP_MATCHES)),
        "that is the mean precision over all places; only the places of matches count.": float(precision.mean()),
        "that is the precision at the end of the list.": float(precision[-1]),
        "that is the precision at the last match, the INP.": _scored(AP_MATCHES)[1],
        "that is the precision at the first match only.": float(precision[places[0] - 1]),
    }
    return judge_number(answer, _scored(AP_MATCHES)[0], mistakes, stuck="Write the place of each match under it.")


@exercise(
    "03-minp-by-hand",
    question="A query's ranked gallery has matches (1) and others (0) in the order of `given`. What is its inverse negative penalty (INP)?",
    given=INP_MATCHES,
    hint="how far must you read until the last match, and how many matches have you seen by then?",
    right="INP = matches / place of the last match: it asks for the hardest one, which AP nearly ignores.",
)
def _inverse_negative_penalty(answer: Any) -> str:
    places = np.flatnonzero(INP_MATCHES) + 1
    mistakes = {
        "that is upside down: matches / place of the last match.": float(places[-1] / len(places)),
        "divide by the place of the last match, not by the length of the list.": float(len(places) / len(INP_MATCHES)),
        "count all matches, not only the last one.": float(1 / places[-1]),
        "that is at the first match; INP looks at the last.": float(1 / places[0]),
        "that is the average precision.": _scored(INP_MATCHES)[0],
    }
    return judge_number(answer, _scored(INP_MATCHES)[1], mistakes, stuck="Find the place of the last match.")


@exercise(
    "03-identity-cmc",
    question="The gallery of a query of identity 7 is ranked with the identities in `given`. Which rank does the identity CMC count?",
    given=RANKED_IDENTITIES,
    hint="keep only the first entry of every identity, then look for the query's.",
    right="Several pictures of one wrong person count once: SYSU-MM01 asks how many people, not how many pictures, come first.",
)
def _identity_cmc(answer: Any) -> str:
    gallery, query = RANKED_IDENTITIES["gallery"], [RANKED_IDENTITIES["query"]]
    found = rank_metrics(np.arange(len(gallery), dtype=float)[None], query, gallery, cmc="identity")
    truth = int(found.rank[0])
    mistakes = {
        "that is the rank among pictures (image CMC, as on RegDB); strike out repeated identities first.": float(found.first_hit[0]),
        "ranks count from 1: that is the number of people before the match.": truth - 1.0,
    }
    return judge_number(answer, truth, mistakes, stuck="Write down the list without repetitions.", share=False)


@exercise(
    "03-trial-noise",
    question="Ten trials of one and the same network have a standard deviation of 1.36 points Rank-1. Two people each draw ten galleries "
    "of their own and report the mean. How many points (one sigma) do their numbers differ by?",
    given=TRIALS,
    hint="first the standard error of one mean, then that of a difference of two.",
    right="0.6 points mean nothing, although the network is the same to the last bit. The seed of the training adds its own spread.",
)
def _trial_noise(answer: Any) -> str:
    deviation, trials = TRIALS["deviation"], TRIALS["trials"]
    mistakes = {
        "that is the noise of one mean; a difference of two has sqrt(2) times as much.": deviation / math.sqrt(trials),
        "that is the noise of one trial; the mean of ten is steadier.": deviation,
        "noise falls with the square root of the number of trials.": deviation / trials,
        "that is the difference of two single trials.": deviation * math.sqrt(2),
        "noise falls with the square root: sqrt(2/10), not 2/10.": deviation * 2 / trials,
    }
    return judge_number(answer, deviation * math.sqrt(2 / trials), mistakes, stuck="Variances add; a mean divides them.", share=False)


@exercise(
    "03-mutual-neighbours",
    question="Six pictures; `given` lists the three nearest of each, nearest first. How many mutual neighbours has the query Q?",
    given=NEAREST,
    hint="go through the list of Q, and look for Q in the list of each.",
    right="A is near to Q but has three that are nearer to it; D and E have Q in their lists, but not the other way round.",
)
def _mutual_neighbours(answer: Any) -> str:
    listed, listing = set(NEAREST["Q"]), {name for name, own in NEAREST.items() if "Q" in own}
    mistakes = {
        "that is the length of Q's list; each of them must have Q in its own list, too.": len(listed),
        "that is how many have Q in their lists; each of them must be in Q's list, too.": len(listing),
        "that is how many are in Q's list or have Q in theirs; both are asked.": len(listed | listing),
    }
    return judge_number(
        answer, len(listed & listing), mistakes, stuck="Write down the list of Q, and cross out whoever lacks Q.", share=False
    )
