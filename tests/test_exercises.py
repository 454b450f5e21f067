"""Exercises: right answers in every form are right, typical wrong ones get the hint that fits, nothing raises."""

from __future__ import annotations

import inspect
import math
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import pytest
import torch

from vireidkit import exercises
from vireidkit.errors import SettingError
from vireidkit.evaluation.gallery import camera_rule

AP = (1 + 2 / 3 + 3 / 6) / 3


def split_by_person(table: pd.DataFrame) -> pd.Series:
    """The solution of 13-split."""
    people = np.random.default_rng(0).permutation(table["identity"].unique())
    third = len(people) // 4
    names = {one: "test" if place < third else "validation" if place < 2 * third else "train" for place, one in enumerate(people)}
    return table["identity"].map(names)


def own_order(labels: list[int], modality: list[int]) -> list[int]:
    """The solution of 07-order."""
    order = []
    for who in dict.fromkeys(labels):
        infrared, visible = ([row for row in range(len(labels)) if labels[row] == who and modality[row] == code] for code in (1, 0))
        order += [row for pair in zip(infrared, visible, strict=True) for row in pair]
    return order


def thirds(height: int, count: int) -> list[tuple[int, int]]:
    """The solution of 08-stripes."""
    return [(height * i // count, math.ceil(height * (i + 1) / count)) for i in range(count)]


def cosine(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """The mean cosine of two matrices."""
    return torch.nn.functional.cosine_similarity(a, b, dim=1).mean()


def mutual_term(q_h: torch.Tensor, z_h: torch.Tensor, q_s: torch.Tensor, z_s: torch.Tensor) -> torch.Tensor:
    """The solution of 09-detach."""
    return -(cosine(q_h, z_s.detach()) + cosine(q_s, z_h.detach())) / 2


RIGHT = {
    "00-direction": ["a", "A", " a) ", "(a)", "ir2vis"],
    "00-open-set": [0, 0.0, np.int64(0), "0", torch.tensor(0)],
    "01-channel-mean": [
        [0.0741, 0.2052, 0.4265],
        (0.07, 0.21, 0.43),
        np.array([0.0741, 0.2052, 0.4265], dtype=np.float32),
        torch.tensor([[0.0741], [0.2052], [0.4265]]),
        "0.074, 0.205, 0.426",
    ],
    "01-dye": [4.663, "4.66", Fraction(802, 172), np.float32(0.72 * 0.802 / (0.72 * 0.172))],
    "01-same-grey": ["red and green", ["green", "red"], ("Red", "Green"), {"red", "green"}, "green, red"],
    "02-batch-size": [96, 96.0, "96", np.int32(96), lambda p, k, views: p * k * (views + 1), lambda p, k, views: p * k * views + p * k],
    "02-triplet-by-hand": [0.9741, "0.97", np.float16(0.974), math.log(1 + math.exp(0.5)), torch.tensor([1 + math.exp(0.5)]).log()],
    "02-weighted-positive": [1.5752, Decimal("1.575"), "1.58"],
    "03-ap-by-hand": [AP, 0.72, "0.722", "13/18", "72.2 %", Fraction(13, 18), np.float32(AP), torch.tensor(AP), np.array([AP])],
    "03-minp-by-hand": [3 / 7, "3/7", 0.43, "0,43", torch.tensor([3 / 7], dtype=torch.float64)],
    "03-identity-cmc": [4, "4", 4.0, np.uint8(4)],
    "03-mutual-neighbours": [2, 2.0, "2", np.int8(2)],
    "03-trial-noise": [0.608, 0.61, "0.61", 1.36 * math.sqrt(2 / 10)],
    "04-lying-projection": ["c", "C)", "the trustworthiness: are neighbours in the picture neighbours among the descriptors"],
    "04-mixing": [0.375, 0.3755, "37.5 %", "3/8", Fraction(3, 8)],
    "04-walls": ["c", "C)", "both show a gap, and the pairs of cameras tell that it is not the band's"],
    "05-camera-rule": [[1, 2, 5], (5, 1, 2), {1, 2, 5}, np.array([1, 2, 5]), torch.tensor([1, 2, 5]), pd.Series([1, 2, 5]), "1, 2, 5"],
    "05-rank-after-rule": [2, "2", np.int64(2)],
    "06-mimic": [1, 1.0, "1", np.float32(1.0), torch.tensor([1.0])],
    "06-prototype-update": [0.9788, "0.98", np.float64(0.9788), 0.86 / math.hypot(0.86, 0.18)],
    "06-stop-gradient": ["b", "B)", "the infrared logits only"],
    "06-three-seeds": [0.25, "1/4", "25 %", Fraction(1, 4)],
    "07-confusion-targets": [[1, 0, 0, 0, 0, 1, 1, 1], np.array([1, 0, 0, 0, 0, 1, 1, 1]), "1,0,0,0,0,1,1,1"],
    "07-mask": ["a", "A)", "the entropy hinge only"],
    "07-order": [lambda labels, modality: own_order(labels, modality), lambda labels, modality: np.array(own_order(labels, modality))],
    "07-symmetric-kl": [0.4159, "0.42", 0.3 * math.log(4), np.float32(0.4159), torch.tensor(0.4159)],
    "08-light-conv": [1312, "1312", np.int64(1312), 32 * 32 + 9 * 32, torch.tensor(1312)],
    "08-rest": [[8, 6.5, 3.5], "8, 6.5, 3.5", np.array([8, 6.5, 3.5]), torch.tensor([[8.0], [6.5], [3.5]])],
    "08-stripes": [lambda height, count: thirds(height, count), lambda height, count: torch.tensor(thirds(height, count))],
    "08-temperature": [-0.75, "-3/4", Fraction(-3, 4), torch.tensor([-0.75])],
    "08-why-slow": ["c", "C)", "its many layers read and write wide maps and compute little with each number"],
    "09-area": [121.5, "121.5", "243/2", 162 * 3 / 4, torch.tensor(121.5)],
    "09-circle": [-15.2, "-15.2", np.float32(-15.2), 64 * 0.95 * -0.25],
    "09-detach": [lambda *four: mutual_term(*four), lambda *four: mutual_term(*four).reshape(1)],
    "09-mutual": ["b", "B)", "every prediction points where its target does"],
    "10-chunks": [
        lambda count, chunks: [min(-(-count // chunks) * chunk, count - 1) for chunk in range(chunks)],
        lambda count, chunks: np.minimum(math.ceil(count / chunks) * np.arange(chunks), count - 1),
    ],
    "10-effective": [8 / 4.5, 1.78, "1.7778", Fraction(16, 9), torch.tensor(1.7778)],
    "10-tcl": [0.1047, "0.105", 0.6 * math.log(0.75) + 0.4 * math.log(2), np.float32(0.1047)],
    "10-trapezoid": [1 / 3, "1/3", "0,333", Fraction(1, 3), np.array([1 / 3])],
    "13-cameras": ["b", "B)", "2: one for each place"],
    "13-split": [lambda table: split_by_person(table), lambda table: split_by_person(table).tolist()],
    "13-wrong-lines": [[1, 3, 5, 6, 8], {8, 6, 5, 3, 1}, "1, 3, 5, 6, 8", np.array([1, 3, 5, 6, 8])],
}  # fmt: skip

CLOSE_BUT_WRONG = [
    ("00-direction", "b", "the other way round"),
    ("00-direction", "c", "would have to be infrared"),
    ("00-direction", 1, "answer with one of the letters a, b, c"),
    ("00-open-set", 100, "number of people in the test"),
    ("00-open-set", 360, "number of people in training"),
    ("01-channel-mean", [0.5, 0.5, 0.5], "that is the pixel in 0..1"),
    ("01-channel-mean", [0.07, 0.07, 0.07], "not equal: every channel"),
    ("01-channel-mean", 0.07, "not equal: every channel"),
    ("01-channel-mean", [(128 - m) / s for m, s in ((0.485, 0.229), (0.456, 0.224), (0.406, 0.225))], "divide by 255 first"),
    ("01-channel-mean", [2.19, 2.24, 2.23], "subtract the mean first"),
    ("01-channel-mean", [0.1, 0.2], "three numbers are expected"),
    ("01-dye", 0.2145, "the other way round"),
    ("01-dye", 0.72 * (0.802 - 0.172), "divide them"),
    ("01-dye", 0.58, "reflectance of the organic one"),
    ("01-dye", 0.124, "below the line"),
    ("01-dye", 4.18, "taken from 1 first"),
    ("01-dye", 9.75, "darkness is missing"),
    ("01-dye", 3, "too low. Work out both"),
    ("01-same-grey", ["green", "navy"], "equal numbers in different channels"),
    ("01-same-grey", ["red", "blue"], "their lightness differs: blue 26, red 60"),
    ("01-same-grey", "red", "two of red, green"),
    ("02-batch-size", 128, "both modalities have two views"),
    ("02-batch-size", 64, "comes in more than one"),
    ("02-batch-size", 32, "infrared half alone"),
    ("02-batch-size", 95.9, "too low"),
    ("02-batch-size", lambda p, k, views: 2 * p * k, "for f(8, 4, 2): that is one view"),
    ("02-batch-size", lambda p, k, views: p * k * 3, "for f(8, 4, 1):"),
    ("02-batch-size", lambda p: p, "TypeError"),
    ("02-triplet-by-hand", 0.4741, "the sign turned"),
    ("02-triplet-by-hand", 0.8, "hinge with a margin"),
    ("02-triplet-by-hand", 0.5, "the difference alone"),
    ("02-triplet-by-hand", 1.6487, "exp of the difference"),
    ("02-triplet-by-hand", 2.6487, "logarithm is missing"),
    ("02-triplet-by-hand", 1.4053, "base 2"),
    ("02-triplet-by-hand", 0.423, "base 10"),
    ("02-weighted-positive", 1.0, "plain mean"),
    ("02-weighted-positive", 2, "hardest positive"),
    ("02-weighted-positive", 1.7311, "the anchor itself is among its positives"),
    ("02-weighted-positive", 0.4248, "sign of the negatives"),
    ("02-weighted-positive", 17.4964, "divided by their sum"),
    ("03-ap-by-hand", 0.6778, "trapezoid"),
    ("03-ap-by-hand", 2.1667, "a mean is asked, not a sum"),
    ("03-ap-by-hand", 0.3095, "not by the length of the list"),
    ("03-ap-by-hand", 0.5707, "only the places of matches count"),
    ("03-ap-by-hand", 3 / 7, "end of the list"),
    ("03-ap-by-hand", 0.5, "the INP"),
    ("03-ap-by-hand", 1.0, "first match only"),
    ("03-ap-by-hand", 72.2, "in percent"),
    ("03-minp-by-hand", 7 / 3, "upside down"),
    ("03-minp-by-hand", 3 / 8, "not by the length"),
    ("03-minp-by-hand", 1 / 7, "count all matches"),
    ("03-minp-by-hand", 0.5, "INP looks at the last"),
    ("03-minp-by-hand", (1 / 2 + 2 / 3 + 3 / 7) / 3, "average precision"),
    ("03-identity-cmc", 7, "rank among pictures"),
    ("03-identity-cmc", 3, "ranks count from 1"),
    ("03-mutual-neighbours", 3, "the length of Q's list"),
    ("03-mutual-neighbours", 4, "have Q in their lists"),
    ("03-mutual-neighbours", 5, "both are asked"),
    ("03-mutual-neighbours", 1, "too low"),
    ("03-trial-noise", 0.43, "sqrt(2) times as much"),
    ("03-trial-noise", 1.36, "noise of one trial"),
    ("03-trial-noise", 0.136, "square root of the number of trials"),
    ("03-trial-noise", 1.923, "two single trials"),
    ("03-trial-noise", 0.272, "sqrt(2/10), not 2/10"),
    ("04-lying-projection", "a", "pushes clouds apart"),
    ("04-lying-projection", "b", "density"),
    ("04-lying-projection", "d", "repeat exactly and be wrong"),
    ("04-lying-projection", "e", "one of the letters"),
    ("04-mixing", 0.5, "equally many"),
    ("04-mixing", 0.25, "what a visible image sees"),
    ("04-mixing", 0.75, "what an infrared image sees"),
    ("04-mixing", 0.625, "share of the same modality"),
    ("04-mixing", 0.1875, "both directions"),
    ("04-walls", "a", "a wall belongs to a camera"),
    ("04-walls", "b", "share all cameras"),
    ("04-walls", "d", "before you blame the band"),
    ("05-camera-rule", [1], "does not ask for the identity"),
    ("05-camera-rule", [2, 3, 6], "count from 0"),
    ("05-camera-rule", [0, 1, 3], "must stay"),
    ("05-camera-rule", 2, "2 is the camera"),
    ("05-camera-rule", [], "none would leave the room"),
    ("05-camera-rule", [0, 4], "shares a room"),
    ("05-rank-after-rule", 1, "without the rule"),
    ("05-rank-after-rule", 3, "other people of camera 2"),
    ("06-mimic", 0.75, "divide by 3"),
    ("06-mimic", 0.95, "has not been seen is no target"),
    ("06-mimic", 0.5, "half of the squared distance"),
    ("06-mimic", 3, "not a sum"),
    ("06-mimic", 0.8047, "the distances are squared"),
    ("06-prototype-update", 0.86, "divide by the length"),
    ("06-prototype-update", 0.5214, "what the old prototype keeps"),
    ("06-prototype-update", 0.9323, "not their sum"),
    ("06-prototype-update", 0.9852, "both rows count"),
    ("06-prototype-update", 0.2049, "second number"),
    ("06-stop-gradient", "a", "is a constant"),
    ("06-stop-gradient", "c", "without sg"),
    ("06-stop-gradient", "d", "the other one is the student"),
    ("06-three-seeds", 0.125, "one way round only"),
    ("06-three-seeds", 0.05, "as wide as the three values"),
    ("06-three-seeds", 0.5, "two of two"),
    ("06-three-seeds", 0.75, "do not all agree"),
    ("07-confusion-targets", [1, 1, 0, 0, 0, 0, 1, 1], "the rotation is missing"),
    ("07-confusion-targets", [1, 1, 1, 0, 0, 0, 0, 1], "rotated to the right"),
    ("07-confusion-targets", [0, 0, 1, 1, 0, 0, 1, 1], "each entry is repeated"),
    ("07-confusion-targets", [1, 0, 0, 1, 1, 0, 0, 1], "the half twice over"),
    ("07-confusion-targets", [0] * 8, "double each entry"),
    ("07-confusion-targets", [1, 0], "8 numbers are expected"),
    ("07-mask", "b", "this hinge is satisfied"),
    ("07-mask", "c", "this hinge is satisfied"),
    ("07-mask", "d", "charges for that"),
    ("07-order", lambda labels, modality: sorted(range(len(labels)), key=lambda row: (labels[row], -modality[row])), "must take turns"),
    ("07-order", lambda labels, modality: list(range(len(labels))), "must stand together"),
    ("07-order", lambda labels, modality: own_order(labels, [1 - one for one in modality]), "infrared comes first"),
    ("07-order", lambda labels, modality: [0, 1], "must come once"),
    ("07-order", [0, 1], "a function is expected"),
    ("07-symmetric-kl", 0.1927, "KL(p || q), one direction"),
    ("07-symmetric-kl", 0.2231, "KL(q || p), one direction"),
    ("07-symmetric-kl", 0.2079, "mean of the two directions"),
    ("07-symmetric-kl", 0.6, "base 2"),
    ("07-symmetric-kl", 0.1806, "base 10"),
    ("07-symmetric-kl", 0.141, "first column alone"),
    ("07-symmetric-kl", -0.1339, "both columns count with a plus"),
    ("07-symmetric-kl", 3, "too high. Work out"),
    ("08-light-conv", 9216, "the ordinary 3x3"),
    ("08-light-conv", 1024, "the 1x1 convolution alone"),
    ("08-light-conv", 288, "the depthwise convolution alone"),
    ("08-light-conv", 1376, "counts the batch norm"),
    ("08-light-conv", 1120, "not 3"),
    ("08-light-conv", 7, "too low. Count the two steps"),
    ("08-rest", [16, 13, 7], "the sum of the others"),
    ("08-rest", [6, 6, 6], "not part of its own rest"),
    ("08-rest", [16 / 3, 13 / 3, 7 / 3], "there are two others"),
    ("08-rest", [2, 5, 11], "the features themselves"),
    ("08-rest", [1, 2, 3], "leave out one stripe"),
    ("08-rest", 8, "3 numbers are expected"),
    ("08-stripes", 3, "a function is expected"),
    ("08-stripes", lambda height, count: [(i * (height // count), (i + 1) * (height // count)) for i in range(count)], "row 6 ("),
    ("08-stripes", lambda height, count: [(0, height)] * count, "stripe 0 should be (0, 4), found (0, 8)"),
    ("08-stripes", lambda height, count: [(0, height)], "2 pairs are expected"),
    ("08-temperature", -0.0833, "T^2 is missing"),
    ("08-temperature", -0.25, "two factors are missing"),
    ("08-temperature", -0.4643, "at T = 1"),
    ("08-temperature", 0.75, "the sign"),
    ("08-temperature", -2.25, "inner derivative"),
    ("08-temperature", 5, "too high. The shares at T = 3"),
    ("08-why-slow", "a", "a batch loads them once"),
    ("08-why-slow", "b", "counted from the shapes"),
    ("08-why-slow", "d", "no operation here looks farther"),
    ("09-area", 0.75, "the share of one place"),
    ("09-area", 162, "four channels, not three"),
    ("09-area", 40.5, "that is one map"),
    ("09-area", 0.1215, "the weight of 0.001"),
    ("09-area", 108, "two maps and a background"),
    ("09-area", 1, "too low. Count the places"),
    ("09-circle", 15.2, "the sign is lost"),
    ("09-circle", 2.4, "the logit of another class"),
    ("09-circle", 3.04, "not c - m"),
    ("09-circle", 25.6, "without any margin"),
    ("09-circle", -16, "the first factor, 1 + m - c, is missing"),
    ("09-circle", -0.2375, "gamma is missing"),
    ("09-circle", -9.6, "not 1 - c"),
    ("09-circle", 100, "too high. Work out"),
    ("09-detach", -1.0, "a function is expected"),
    ("09-detach", lambda *four: -1.0, "one number as a tensor"),
    ("09-detach", lambda *four: -mutual_term(*four), "the sign"),
    ("09-detach", lambda *four: 2 * mutual_term(*four), "half the sum"),
    ("09-detach", lambda q_h, z_h, q_s, z_s: mutual_term(q_h, z_s, q_s, z_h), "each the *other* branch"),
    ("09-detach", lambda q_h, z_h, q_s, z_s: -cosine(q_h, z_s), "only one direction"),
    ("09-detach", lambda *four: mutual_term(*four).detach(), "nothing gets a gradient"),
    ("09-detach", lambda q_h, z_h, q_s, z_s: -(cosine(q_h.detach(), z_s) + cosine(q_s.detach(), z_h)) / 2, "never learns"),
    ("09-detach", lambda q_h, z_h, q_s, z_s: -(cosine(q_h, z_s) + cosine(q_s, z_h)) / 2, "a target gets a gradient"),
    ("09-detach", lambda *four: mutual_term(*four) + 1, "the value is another"),
    ("09-mutual", "a", "may turn it any way"),
    ("09-mutual", "c", "the term cannot tell"),
    ("09-mutual", "d", "knows no people"),
    ("10-chunks", [0, 2], "a function is expected"),
    ("10-chunks", lambda count, chunks: [min(count // chunks * chunk, count - 1) for chunk in range(chunks)], "found [0, 1, 2, 3, 4"),
    ("10-chunks", lambda count, chunks: list(range(0, count, -(-count // chunks))), "8 positions are expected"),
    ("10-effective", 8, "if the frames were independent"),
    ("10-effective", 2, "infinitely many"),
    ("10-effective", 1.6, "not correlated with itself"),
    ("10-effective", 4, "half of the frames do not simply vanish"),
    ("10-effective", 4.5, "that is the denominator"),
    ("10-effective", 0.5625, "turn it round"),
    ("10-effective", 3, "too high. Work out 1 + 7 times"),
    ("10-tcl", -0.1726, "the first part alone"),
    ("10-tcl", 0.2773, "the other candidate alone"),
    ("10-tcl", 0.4499, "the first part is negative"),
    ("10-tcl", 0.0915, "the teacher comes first"),
    ("10-tcl", 0.7777, "the cross-entropy"),
    ("10-tcl", 0.151, "base 2"),
    ("10-tcl", 0.0454, "base 10"),
    ("10-tcl", 0.2231, "the soft-margin triplet loss"),
    ("10-tcl", 0.2, "that is the slope"),
    ("10-tcl", 5, "too high. Work out log 0.75"),
    ("10-trapezoid", 0.5, "the plain AP"),
    ("10-trapezoid", 1 / 6, "before each hit only"),
    ("10-trapezoid", 2 / 3, "divide by the number"),
    ("10-trapezoid", 0.5833, "before the first hit is 0 here"),
    ("10-trapezoid", 0.05, "too low. Work out the two precisions"),
    ("13-cameras", "a", "forbidden"),
    ("13-cameras", "c", "burst"),
    ("13-cameras", "d", "column identity"),
    ("13-split", "train", "a function is expected"),
    ("13-split", lambda table: ["train"], "one a row; found 1"),
    ("13-split", lambda table: ["val"] * len(table), "found 'val'"),
    ("13-split", lambda table: np.tile(["train", "train", "test"], len(table) // 3), "draw people, not pictures"),
    ("13-split", lambda table: ["train"] * len(table), "nobody is in test and validation"),
    ("13-split", lambda table: table["identity"].map({0: "train", 1: "test"}).fillna("validation"), "about half is asked"),
    ("13-split", lambda table: table["nobody"], "KeyError"),
    ("13-wrong-lines", "all", "a list of positions"),
    ("13-wrong-lines", [2, 4, 6, 7, 9], "positions count from 0"),
    ("13-wrong-lines", [3, 5, 7, 8, 10], "lines of the file"),
    ("13-wrong-lines", [1, 3, 7], "nothing wrong with row 7"),
    ("13-wrong-lines", [1, 99], "no row 99"),
    ("13-wrong-lines", [1, 3], "3 more to find; look at the column path"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "answer"), [(name, answer) for name, answers in RIGHT.items() for answer in answers])
def test_right_answers_are_right(capsys, name, answer):
    assert exercises.check(name, answer) is True
    said = capsys.readouterr().out
    assert said.startswith("Right. ") and exercises.find(name).right in said


@pytest.mark.parametrize(("name", "answer", "hint"), CLOSE_BUT_WRONG)
def test_typical_mistakes_get_their_hint(capsys, name, answer, hint):
    assert exercises.check(name, answer) is False
    said = capsys.readouterr().out
    assert said.startswith("Not yet: ") and hint in said and said.count("\n") == 1


def test_every_exercise_is_tested_and_every_mistake_known_to_it():
    assert set(RIGHT) == set(exercises.names())
    assert {name for name, _, _ in CLOSE_BUT_WRONG} == set(exercises.names())


class Hostile:
    """An answer that breaks whoever looks at it."""

    def __float__(self) -> float:
        raise RuntimeError("no")

    def __iter__(self):
        raise RuntimeError("no")


NONSENSE = [None, True, "", "?", "1/0", float("nan"), float("inf"), -3, 10**400, 1j, [], {}, {"a": 1}, [None], object(), Hostile(), len]
NONSENSE += [np.zeros((2, 2)), torch.zeros(0), torch.ones(3, dtype=torch.bool), pd.DataFrame(), exercises]


@pytest.mark.parametrize("name", list(RIGHT))
def test_no_answer_raises(capsys, name):
    for answer in NONSENSE:
        assert exercises.check(name, answer) is False
        assert capsys.readouterr().out.startswith("Not yet: ")


@pytest.mark.parametrize("call", [exercises.hint, exercises.question, exercises.given, lambda name: exercises.check(name, 1)])
def test_unknown_names_list_the_known(call):
    with pytest.raises(SettingError, match=r"unknown exercise '03-ap-by-hnd' \(did you mean '03-ap-by-hand'\?\); known: 00-direction, "):
        call("03-ap-by-hnd")


@pytest.mark.parametrize("name", list(RIGHT))
def test_every_exercise_explains_itself(capsys, name):
    exercises.question(name)
    exercises.hint(name)
    said = capsys.readouterr().out
    assert "?" in said and "Hint: " in said and exercises.given(name) is not None
    assert list(inspect.signature(exercises.find(name).judge).parameters) == ["answer"]


def test_given_can_be_changed_without_changing_the_question():
    room = exercises.given("05-camera-rule")
    room["camera"] = 1
    assert exercises.check("05-camera-rule", [1, 2, 5])
    room = exercises.given("05-camera-rule")
    assert np.flatnonzero(camera_rule([3], room["camera"], [(3, 2)])[0]).tolist() == [1, 2, 5]


def test_new_exercises_are_one_decorator(capsys):
    @exercises.exercise("test-own", question="One?", hint="One.", right="Yes.")
    def own(answer: object) -> str:
        return "" if answer == 1 else "take one."

    assert exercises.check("test-own", 1) and not exercises.check("test-own", 2)
    assert "Not yet: take one." in capsys.readouterr().out
    with pytest.raises(ValueError, match="exists already"):

        @exercises.exercise("test-own", question="", hint="", right="")
        def other(answer: object) -> str:
            return ""

    from vireidkit.exercises import registry

    del registry._EXERCISES["test-own"]


def test_mixing_exercise_means_what_the_analysis_measures():
    """Descriptors that know nothing of the modality mix as the exercise says."""
    from vireidkit.analysis.gap import modality_mixing

    shares = exercises.given("04-mixing")
    modality = np.repeat(["visible", "infrared"], [shares["visible"], shares["infrared"]])
    found = [modality_mixing(np.random.default_rng(seed).normal(size=(len(modality), 8)), modality, k=10) for seed in range(5)]
    assert exercises.check("04-mixing", np.mean(found))


def test_triplet_exercise_means_what_the_loss_computes():
    """The soft-margin triplet of the package on a line: the anchor of the exercise is its first row."""
    from vireidkit.losses import batch_hard_triplet

    features = torch.tensor([[0.0], [1.2], [-0.7]], dtype=torch.float64)
    loss = batch_hard_triplet(features, torch.tensor([0, 0, 1]), None)
    # Anchors: 0 -> (1.2, 0.7), 1.2 -> (1.2, 1.9); the lonely third has only itself as a positive, at distance 0.
    terms = [math.log1p(math.exp(gap)) for gap in (1.2 - 0.7, 1.2 - 1.9, 0 - 0.7)]
    assert float(loss) == pytest.approx(sum(terms) / 3, abs=1e-4)
    assert exercises.check("02-triplet-by-hand", terms[0])


def test_idkl_exercises_mean_what_the_losses_compute():
    """J and the released targets of the package, and the order that its own function gives."""
    from vireidkit.losses import alternating_order, confusion_targets, symmetric_kl

    p, q = (torch.tensor([exercises.given("07-symmetric-kl")[name]], dtype=torch.float64) for name in "pq")
    assert exercises.check("07-symmetric-kl", symmetric_kl(p.log(), q.log()))
    modality = torch.tensor(exercises.given("07-confusion-targets"))
    assert exercises.check("07-confusion-targets", confusion_targets(modality, balanced=False))
    assert exercises.check("07-order", lambda labels, modality: alternating_order(torch.tensor(labels), torch.tensor(modality)))


def test_mdpr_exercises_mean_what_the_losses_compute():
    """The circle margin, the area and the mutual term of the package; the logit that an exercise calls that of another class."""
    from vireidkit.losses import attention_area, circle_margin_logits, negative_cosine

    told = exercises.given("09-circle")
    cosines, zero = torch.tensor([[told["cosine"], told["cosine"]]]).double(), torch.tensor([0])
    true, other = circle_margin_logits(cosines, zero, gamma=told["gamma"], margin=told["margin"])[0]
    assert exercises.check("09-circle", true) and float(other) == pytest.approx(2.4)
    told = exercises.given("09-area")
    even = torch.full((2, told["maps"], told["height"], told["width"]), 1 / (told["maps"] + 1))
    assert exercises.check("09-area", attention_area(even))
    assert exercises.check("09-detach", lambda q_h, z_h, q_s, z_s: (negative_cosine(q_h, z_s) + negative_cosine(q_s, z_h)) / 2)


def test_prototype_exercises_mean_what_the_losses_compute():
    """Rows at the given cosines to their prototypes, and one update of a memory, by the package's own functions."""
    from vireidkit.losses import prototype_mimic, updated_prototypes

    cosines, seen = (torch.tensor(values) for values in exercises.given("06-mimic").values())
    rows = torch.stack([cosines, (1 - cosines**2).sqrt()], dim=1).double()
    memory = torch.tensor([1.0, 0.0]).double().expand(1, 4, 2)  # a prototype a row, all alike
    labels, modality = torch.arange(4), torch.zeros(4, dtype=torch.int64)
    assert exercises.check("06-mimic", prototype_mimic(rows, labels, modality, memory, seen[None]))
    told = exercises.given("06-prototype-update")
    old, rows = torch.tensor(told["prototype"]).double().view(1, 1, 2), torch.tensor(told["rows"]).double()
    zeros = torch.zeros(2, dtype=torch.int64)
    moved, _ = updated_prototypes(old, torch.ones(1, 1, dtype=torch.bool), rows, zeros, zeros, momentum=told["mu"])
    assert exercises.check("06-prototype-update", moved[0, 0, 0])


def test_three_seeds_exercise_means_what_the_interval_does():
    """The interval of three paired differences leaves out 0 exactly when they agree in sign; of eight cases two do."""
    from itertools import product

    from vireidkit.evaluation.intervals import paired_difference

    found = [paired_difference(dict(enumerate(signs)), dict.fromkeys(range(3), 0.0)) for signs in product((-1.0, 1.0), repeat=3)]
    assert exercises.check("06-three-seeds", np.mean([one.low > 0 or one.high < 0 for one in found]))


def test_lightos_exercises_mean_what_the_package_computes():
    """A light convolution's own parameters, the slope of the distillation, the rest of the parts, and the bounds of the stripes."""
    from vireidkit.losses import kl_distillation, one_versus_rest
    from vireidkit.nn import stripe_bounds
    from vireidkit.nn.osnet import LightConv3x3

    light = LightConv3x3(exercises.given("08-light-conv"))
    assert exercises.check("08-light-conv", light.conv1.weight.numel() + light.conv2.weight.numel())
    told = exercises.given("08-temperature")
    student = torch.tensor([told["student"]], requires_grad=True)
    kl_distillation(student, torch.tensor([told["teacher"]]), told["T"]).backward()
    assert exercises.check("08-temperature", student.grad[0, 0])
    assert exercises.check("08-rest", one_versus_rest(torch.tensor(exercises.given("08-rest"))[None, :, None]))
    assert exercises.check("08-stripes", stripe_bounds)


def test_mdkt_exercises_mean_what_the_package_computes():
    """The triplet contrast loss of one triplet, and the frames of a tracklet of the protocol."""
    from vireidkit.analysis import chunk_frames
    from vireidkit.losses import distance_contrast

    sure = exercises.given("10-tcl")
    student, teacher = (torch.tensor([[1.0, 1.0 + math.log(p / (1 - p))]]) for p in (sure["student"], sure["teacher"]))
    chosen = torch.tensor([[True, False]])
    assert exercises.check("10-tcl", distance_contrast(student, teacher, chosen, ~chosen))
    assert exercises.check("10-chunks", chunk_frames)
