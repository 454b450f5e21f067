"""Exercises of notebook 09: MDPR's circle margin, the area of its attention, and what its mutual distillation asks for."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.exercises.answers import judge_choice, judge_number, listed, short
from vireidkit.exercises.registry import exercise

CIRCLE = {"cosine": 0.4, "gamma": 64.0, "margin": 0.35}


@exercise(
    "09-circle",
    question="A feature has a cosine of 0.4 with the vector of its true class. With gamma = 64 and m = 0.35, which logit does the circle "
    "margin make of it?",
    given=CIRCLE,
    hint="the true class: gamma max(0, 1 + m - c) (c - (1 - m)).",
    right="64 x 0.95 x (-0.25). Plain scaling would give +25.6, and a network that thinks it has done enough.",
)
def _circle(answer: Any) -> str:
    cosine, gamma, margin = (CIRCLE[name] for name in ("cosine", "gamma", "margin"))
    truth = gamma * (1 + margin - cosine) * (cosine - (1 - margin))
    mistakes = {
        "that is the logit of another class; the question is about the true one.": gamma * (cosine + margin) * (cosine - margin),
        "the sign is lost: 0.4 lies below 1 - m = 0.65.": -truth,
        "that is gamma times the cosine, without any margin.": gamma * cosine,
        "that is gamma (c - (1 - m)): the first factor, 1 + m - c, is missing.": gamma * (cosine - (1 - margin)),
        "gamma is missing.": truth / gamma,
        "the first factor is 1 + m - c, not 1 - c.": gamma * (1 - cosine) * (cosine - (1 - margin)),
        "the second factor is c - (1 - m), not c - m.": gamma * (1 + margin - cosine) * (cosine - margin),
    }
    return judge_number(answer, truth, mistakes, stuck="Work out 1 + m - c and c - (1 - m) first.", share=False)


AREA = {"maps": 3, "height": 18, "width": 9}


@exercise(
    "09-area",
    question="Three foreground maps and a background share out each of 18 x 9 places evenly. What is the area term (before its weight)?",
    given=AREA,
    hint="how much of one place do the three foreground maps take together? And how many places are there?",
    right="162 places, three quarters of each. The term is a sum: the same attention costs more on a larger map.",
)
def _area(answer: Any) -> str:
    maps, places = AREA["maps"], AREA["height"] * AREA["width"]
    truth = places * maps / (maps + 1)
    mistakes = {
        "that is the share of one place; the term adds up all places.": maps / (maps + 1),
        "the background takes its share too: four channels, not three.": float(places),
        "that is one map; the term adds up the three foreground maps.": places / (maps + 1),
        "the weight of 0.001 is in it; the question is about the term before it.": truth / 1000,
        "that is two maps and a background, as in the recipe; here there are three maps.": places * 2 / 3,
    }
    return judge_number(answer, truth, mistakes, stuck="Count the places, then the part of each that is foreground.", share=False)


AGREED = {
    "a": "the two branches give the same feature",
    "b": "every prediction points where its target does",
    "c": "both branches give all pictures the same feature",
    "d": "both branches find the same people",
}


@exercise(
    "09-mutual",
    question=f"The mutual term has reached -1. What do we know for certain?\n{listed(AGREED)}",
    given=AGREED,
    hint="which two vectors does the cosine compare? What stands between a branch and its prediction?",
    right="A predictor may turn, bend and stretch: z_h and z_s need not be alike, and need not be useful either.",
)
def _mutual(answer: Any) -> str:
    mistakes = {
        "a": "the cosine compares a *prediction* with a feature, and the predictor in between may turn it any way.",
        "c": "collapse would give -1 as well, but so does a perfect prediction of features that differ; the term cannot tell.",
        "d": "the term knows no people. Two branches may agree on something that tells nobody apart.",
    }
    return judge_choice(answer, AGREED, "b", mistakes)


@exercise(
    "09-detach",
    question="Where does sg( ) belong? Give a function f(q_h, z_h, q_s, z_s) of four tensors (N, D), predictions q and features z, that "
    "returns the mutual term: minus half the sum of the mean cosines between q_h and z_s and between q_s and z_h, where no gradient "
    "reaches a target.",
    given=("q_h", "z_h", "q_s", "z_s"),
    hint="sg( ) is detach(), and the target is the feature of the *other* branch.",
    right="The predictions learn, and through them each branch; the targets stand still.",
)
def _detach(answer: Any) -> str:
    if not callable(answer):
        return f"a function is expected, found {short(answer)}."
    values = torch.randn(4, 5, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    q_h, z_h, q_s, z_s = (one.clone().requires_grad_() for one in values)
    found = answer(q_h, z_h, q_s, z_s)
    if not isinstance(found, Tensor) or found.numel() != 1:
        return f"one number as a tensor is expected, found {short(found)}."
    wrong = _value(found, q_h, z_h, q_s, z_s)
    if wrong:
        return wrong
    if not found.requires_grad:
        return "nothing gets a gradient: only the targets may be detached."
    gradients = torch.autograd.grad(found.sum(), (q_h, q_s, z_h, z_s), allow_unused=True)
    if any(one is None or not bool(one.any()) for one in gradients[:2]):
        return "a prediction gets no gradient, so its predictor never learns: detach the target, not the prediction."
    if any(one is not None and bool(one.any()) for one in gradients[2:]):
        return "the value is right, but a target gets a gradient."
    return ""


def _value(found: Tensor, q_h: Tensor, z_h: Tensor, q_s: Tensor, z_s: Tensor) -> str:
    """What is wrong with the value, or nothing."""

    def mean(a: Tensor, b: Tensor) -> float:
        """The mean cosine of two matrices."""
        return float(F.cosine_similarity(a.detach(), b.detach(), dim=1).mean())

    truth, number = -(mean(q_h, z_s) + mean(q_s, z_h)) / 2, float(found.detach())
    known = {
        "": truth,
        "the sign: agreement must *lower* the loss.": -truth,
        "half the sum of both directions, not the sum.": 2 * truth,
        "q_h is to predict z_s, and q_s is to predict z_h: each the *other* branch.": -(mean(q_h, z_h) + mean(q_s, z_s)) / 2,
        "only one direction is counted.": -mean(q_h, z_s),
    }
    told = (sentence for sentence, value in known.items() if abs(number - value) < 1e-9)
    return next(told, "the value is another: means over the rows of the cosines of each prediction with its target.")
