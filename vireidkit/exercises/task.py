"""Exercises of notebooks 00 and 01: the task, and what the two bands tell."""

from __future__ import annotations

import re
from typing import Any

import torch

from vireidkit.data.augmentation import GREY, normalise
from vireidkit.exercises.answers import as_numbers, judge_choice, judge_number, listed, near, short
from vireidkit.exercises.registry import exercise

DIRECTIONS = {"a": "ir2vis", "b": "vis2ir", "c": "within-infrared"}


@exercise(
    "00-direction",
    question=f"A night camera has seen a person. Who is she in the pictures of last noon? Which protocol is that?\n{listed(DIRECTIONS)}",
    given=DIRECTIONS,
    hint="the name says first who asks (the query) and then who answers (the gallery).",
    right="The infrared picture asks, visible pictures answer.",
)
def _direction(answer: Any) -> str:
    wrong = {
        "b": "that is the other way round: a visible query and an infrared gallery. The night picture is the one that asks.",
        "c": "then the pictures of last noon would have to be infrared.",
    }
    return judge_choice(answer, DIRECTIONS, "a", wrong)


OPEN_SET = {"train": range(1, 361), "test": range(401, 501)}


@exercise(
    "00-open-set",
    question="`given` lists the identities of a training and of a test split. How many of the people in the test were seen in training?",
    given=OPEN_SET,
    hint="intersect the two as sets.",
    right="None. The classifier cannot name them: only distances between descriptors can, so a test is a search and no classification.",
)
def _open_set(answer: Any) -> str:
    train, test = (set(OPEN_SET[split]) for split in ("train", "test"))
    mistakes = {
        "that is the number of people in the test; are they among those of training?": float(len(test)),
        "that is the number of people in training; are those of the test among them?": float(len(train)),
    }
    return judge_number(
        answer,
        float(len(train & test)),
        mistakes,
        stuck="Compare the smallest number of the one with the largest of the other.",
        share=False,
    )


NIR_PIXEL = (128, 128, 128)


@exercise(
    "01-channel-mean",
    question="A near-infrared pixel is read as RGB: (128, 128, 128). Which three numbers does the network see after normalisation?",
    given=NIR_PIXEL,
    hint="first to 0..1, then minus the mean and divided by the standard deviation of each channel (0.485 0.456 0.406; 0.229 0.224 0.225).",
    right="Equal channels come out unequal: the constants are those of colour photographs. Even grey pictures look tinted to the network.",
)
def _channel_mean(answer: Any) -> str:
    numbers = as_numbers(answer)
    if numbers is None or len(numbers) not in (1, 3):
        return f"three numbers are expected, found {short(answer)}."
    truth = normalise(torch.tensor(NIR_PIXEL, dtype=torch.uint8).reshape(1, 1, 1, 3)).flatten().tolist()
    if len(numbers) == 3 and all(near(one, other, 0.01) for one, other in zip(numbers, truth, strict=True)):
        return ""
    if max(abs(number) for number in numbers) > 20:
        return "divide by 255 first: mean and standard deviation are those of values from 0 to 1."
    if all(near(number, NIR_PIXEL[0] / 255, 0.01) for number in numbers):
        return "that is the pixel in 0..1; mean and standard deviation are still to be applied."
    if len(set(numbers)) == 1:
        return "the three are not equal: every channel has a mean and a standard deviation of its own."
    return "subtract the mean first, then divide by the standard deviation, channel by channel."


# Undyed cotton at about 850 nm, how dark the dyed cloth looks (0-1), and the share of that darkness which each dye keeps there.
CLOTH = {"fabric": 0.72, "darkness": 0.9, "organic dye": 0.22, "carbon black": 0.92}


@exercise(
    "01-dye",
    question="Two shirts of one cotton look equally black (`given`). How many times as much near-infrared light does the one with the "
    "organic dye give back as the one with carbon black?",
    given=CLOTH,
    hint="reflectance = fabric x (1 - k x darkness), with k the share that the dye keeps; then divide one by the other.",
    right="The eye sees one shirt, the lamp shows two. The fabric cancels, so this factor is the dye's alone.",
)
def _dye(answer: Any) -> str:
    kept = {dye: 1 - CLOTH[dye] * CLOTH["darkness"] for dye in ("organic dye", "carbon black")}
    truth = kept["organic dye"] / kept["carbon black"]
    mistakes = {
        "that is the other way round: how much the carbon black one gives back of the organic one.": 1 / truth,
        "that is the difference of the two reflectances; divide them.": CLOTH["fabric"] * (kept["organic dye"] - kept["carbon black"]),
        "that is the reflectance of the organic one; divide by that of the other.": CLOTH["fabric"] * kept["organic dye"],
        "that is the reflectance of the carbon black one; it goes below the line.": CLOTH["fabric"] * kept["carbon black"],
        "those are the dyes' k divided; each is multiplied by the darkness and taken from 1 first.": CLOTH["carbon black"]
        / CLOTH["organic dye"],
        "the darkness is missing: k is multiplied by it.": (1 - CLOTH["organic dye"]) / (1 - CLOTH["carbon black"]),
    }
    return judge_number(answer, truth, mistakes, stuck="Work out both reflectances first.", share=False)


COLOURS = {"red": (200, 0, 0), "green": (0, 102, 0), "blue": (0, 0, 230), "yellow": (120, 120, 0), "navy": (0, 0, 102)}


@exercise(
    "01-same-grey",
    question="Which two of these five colours look the same to a camera that sees only lightness?",
    given=COLOURS,
    hint="lightness is 0.2989 R + 0.5870 G + 0.1140 B.",
    right="Colour tells them apart, lightness does not. Near-infrared keeps even less: it depends on cloth and dye, not on colour.",
)
def _same_grey(answer: Any) -> str:
    words = re.findall(r"[a-z]+", answer.lower()) if isinstance(answer, str) else list(answer)
    picked = {str(word).strip().lower() for word in words} - {"and"}
    if len(picked) != 2 or not picked <= COLOURS.keys():
        return f"two of {', '.join(COLOURS)} are expected, found {short(answer)}."
    light = {name: sum(weight * part for weight, part in zip(GREY, colour, strict=True)) for name, colour in COLOURS.items()}
    pairs = [(abs(light[a] - light[b]), {a, b}) for a in COLOURS for b in COLOURS if a < b]
    if picked == min(pairs, key=lambda pair: pair[0])[1]:
        return ""
    told = ", ".join(f"{name} {light[name]:.0f}" for name in sorted(picked))
    same = "equal numbers in different channels are not equally light" if picked == {"green", "navy"} else "their lightness differs"
    return f"{same}: {told}."
