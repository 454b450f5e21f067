"""Exercises of notebooks 04 and 05: projections, mixing, rank lists and the camera rule."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd

from vireidkit.evaluation.gallery import camera_rule
from vireidkit.evaluation.metrics import rank_metrics
from vireidkit.evaluation.sysu import SAME_ROOM
from vireidkit.exercises.answers import as_numbers, judge_choice, judge_number, listed, short
from vireidkit.exercises.registry import exercise

PROJECTION = {
    "a": "how far apart the two clouds are in the picture",
    "b": "how small the clouds are in the picture",
    "c": "the trustworthiness: are neighbours in the picture neighbours among the descriptors",
    "d": "that the picture looks the same with the same seed",
}


@exercise(
    "04-lying-projection",
    question=f"Which of these tells whether a projection's neighbourhoods can be believed?\n{listed(PROJECTION)}",
    given=PROJECTION,
    hint="which of them looks at the descriptors as well as at the picture?",
    right="It compares picture and descriptors. Even then: distances between clouds say little, so measure the gap among the descriptors.",
)
def _lying_projection(answer: Any) -> str:
    wrong = {
        "a": "the method pushes clouds apart as it likes; their distance changes with n_neighbors and min_dist, the descriptors do not.",
        "b": "the size of a cloud follows from local density being evened out; it is a property of the method.",
        "d": "a picture can repeat exactly and be wrong; try another seed and another setting.",
    }
    return judge_choice(answer, PROJECTION, "c", wrong)


SHARES = {"visible": 600, "infrared": 200}


@exercise(
    "04-mixing",
    question="600 visible and 200 infrared images. If the modality did not matter at all, which share of an image's nearest neighbours "
    "would come from the other modality, on average over all images?",
    given=SHARES,
    hint="for a visible image the share is that of the infrared among all others; average over both kinds, by their numbers.",
    right="Without a gap the mixing is 2 p (1 - p), not one half, unless the modalities are equally many.",
)
def _mixing(answer: Any) -> str:
    visible, infrared = SHARES["visible"], SHARES["infrared"]
    total = visible + infrared
    mistakes = {
        "one half holds only for equally many images of both.": 0.5,
        "that is what a visible image sees; average over the infrared ones too.": infrared / total,
        "that is what an infrared image sees; average over the visible ones too.": visible / total,
        "that is the share of the same modality; the other one is asked.": (visible**2 + infrared**2) / total**2,
        "count both directions: visible images with infrared neighbours, and infrared ones with visible.": visible * infrared / total**2,
    }
    return judge_number(
        answer, 2 * visible * infrared / (total * (total - 1)), mistakes, stuck="Share of the visible x share of the infrared, twice."
    )


WALLS = {
    "a": "neither yardstick shows a gap, since the network knows nothing of bands",
    "b": "the shuffled value shows a gap, the halved one does not",
    "c": "both show a gap, and the pairs of cameras tell that it is not the band's",
    "d": "both show a gap, and so the network does sort by band",
}


@exercise(
    "04-walls",
    question="A network sees nothing but the wall behind a person, and every camera has a wall of its own. The mixing is compared with its "
    f"value for shuffled modalities and with that for a band split into halves. What is found?\n{listed(WALLS)}",
    given=WALLS,
    hint="do a visible and an infrared picture ever share a wall? Do two visible cameras?",
    right="No picture has a neighbour of the other band, so both yardsticks lie far off. But two cameras of one band are as far apart as "
    "two of both.",
)
def _walls(answer: Any) -> str:
    wrong = {
        "a": "it knows walls, and a wall belongs to a camera of one band: all neighbours come from the own camera, so from the own band.",
        "b": "in the halves of one band both sides share all cameras, so neighbours mix freely there, too: that value is far off.",
        "d": "compare two visible cameras with each other before you blame the band.",
    }
    return judge_choice(answer, WALLS, "c", wrong)


ROOM = pd.DataFrame({"identity": [5, 5, 8, 5, 8, 9, 8], "camera": [1, 2, 2, 4, 1, 2, 5]})


@exercise(
    "05-camera-rule",
    question="The query is identity 5 in camera 3. Which rows (positions from 0) of the gallery `given` does the SYSU-MM01 rule remove?",
    given=ROOM,
    hint="cameras 2 and 3 look at one room. Does the rule ask who is in the picture?",
    right="All of camera 2, whoever is in them: otherwise the room itself would be recognised.",
)
def _camera_rule(answer: Any) -> str:
    numbers = as_numbers(answer)
    if numbers is None:
        return f"a list of positions is expected, found {short(answer)}."
    truth = set(np.flatnonzero(camera_rule([3], ROOM["camera"], SAME_ROOM)[0]).tolist())
    picked, camera, identity = set(numbers), ROOM["camera"].to_numpy(), ROOM["identity"].to_numpy()
    if picked == truth:
        return ""
    if picked == {position + 1 for position in truth}:
        return "positions count from 0."
    if picked == set(np.flatnonzero((camera == 2) & (identity == 5)).tolist()):
        return "the rule does not ask for the identity: other people in that room are removed too (LLCM's rule is the one that asks)."
    if picked == set(np.flatnonzero(identity == 5).tolist()):
        return "the same person in other rooms must stay: these are the matches."
    if picked == {2}:
        return "2 is the camera; the positions of its rows are asked."
    return (
        "none would leave the room of camera 3 in the gallery." if not picked else "look for the camera that shares a room with camera 3."
    )


RANKED_ROOM = pd.DataFrame({"identity": [5, 8, 8, 5, 9, 5], "camera": [2, 1, 2, 4, 2, 5]})


@exercise(
    "05-rank-after-rule",
    question="The gallery `given` is already ranked for a query of identity 5 in camera 3. At which place (from 1) is its first match once "
    "the camera rule has been applied?",
    given=RANKED_ROOM,
    hint="strike out what the rule removes and count again.",
    right="The seeming first place was the same room. Removed pictures take no place: neither right nor wrong ones count.",
)
def _rank_after_rule(answer: Any) -> str:
    identity, camera = RANKED_ROOM["identity"].to_numpy(), RANKED_ROOM["camera"].to_numpy()
    order = np.arange(len(identity), dtype=float)[None]

    def place(excluded: np.ndarray) -> float:
        return float(rank_metrics(order, [5], identity, excluded=excluded, cmc="image").first_hit[0])

    rule = camera_rule([3], camera, SAME_ROOM)
    mistakes = {
        "that is the place without the rule: this picture shows the query's own room and is removed.": place(np.zeros_like(rule)),
        "remove the other people of camera 2 as well, they take no place.": place(rule & (identity == 5)),
        "places count from 1.": place(rule) - 1,
    }
    return judge_number(answer, place(rule), mistakes, stuck="List the rows whose camera is not 2.", share=False)
