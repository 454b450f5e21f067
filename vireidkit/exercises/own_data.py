"""Exercises of notebook 13: the manifest of one's own pictures."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pandas as pd

from vireidkit.data.manifest import FILE, NEEDED, survey_manifest_tree
from vireidkit.exercises.answers import as_numbers, judge_choice, listed, short
from vireidkit.exercises.registry import exercise

CAMERAS = {
    "a": "1: it is one phone",
    "b": "2: one for each place",
    "c": "as many as there are pictures",
    "d": "as many as there are people",
}


@exercise(
    "13-cameras",
    question=f"One phone filmed a hall in the morning and a yard in the evening. How many cameras has the manifest?\n{listed(CAMERAS)}",
    given=CAMERAS,
    hint="pictures of one camera are taken out of a search, because something other than the person makes them alike.",
    right="What counts is which pictures are alike for reasons other than the person: the same place, light, direction, the same minute.",
)
def _cameras(answer: Any) -> str:
    wrong = {
        "a": "then a search in the hall for somebody seen in the yard would be forbidden, and that is the search one wants.",
        "c": "then the next picture of the same burst would answer, and it is found without recognising anybody.",
        "d": "a camera sees many people; which person it is says the column identity.",
    }
    return judge_choice(answer, CAMERAS, "b", wrong)


LINES = pd.DataFrame(
    [
        ("hall/0001.jpg", "0", "1", "visible", "train"),
        ("hall\\0002.jpg", "0", "1", "visible", "train"),
        ("yard/0001.jpg", "0", "2", "infrared", "train"),
        ("yard/0002.jpg", "1", "2", "IR", "train"),
        ("yard/0003.jpg", "1", "2", "infrared", "train"),
        ("../old/0004.jpg", "2", "1", "visible", "test"),
        ("hall/0005.jpg", "anna", "1", "visible", "test"),
        ("hall/0006.jpg", "3", "1", "visible", "test"),
        ("hall/0007.jpg", "4", "1", "visible", "val"),
    ],
    columns=list(NEEDED),
)


@exercise(
    "13-wrong-lines",
    question="Which rows of the manifest `given` (positions from 0) will the kit refuse because of what stands in them?",
    given=LINES,
    hint="each row has at most one fault. Go through the columns: path, identity, camera, modality, split.",
    right="Five lines, five kinds of fault. That a person was seen by one band only is allowed: it is told as a note.",
)
def _wrong_lines(answer: Any) -> str:
    numbers = as_numbers(answer)
    if numbers is None:
        return f"a list of positions is expected, found {short(answer)}."
    truth, picked = _refused(LINES), set(numbers)
    if picked == truth:
        return ""
    if picked == {position + 1 for position in truth}:
        return "positions count from 0."
    if picked == {position + 2 for position in truth}:
        return "those are the lines of the file, counted from 1 with the header; positions from 0 are asked."
    innocent, missed = sorted(picked - truth), sorted(truth - picked)
    if innocent:
        found = int(innocent[0])
        return f"there is nothing wrong with row {found}." if 0 <= found < len(LINES) else f"there is no row {found}."
    columns = {1: "path", 3: "modality", 5: "path", 6: "identity", 8: "split"}
    return f"{len(missed)} more to find; look at the column {columns[int(missed[0])]}."


def _refused(lines: pd.DataFrame) -> set[float]:
    """Positions of the rows that the reader of manifests leaves out."""
    with tempfile.TemporaryDirectory() as folder:
        lines.to_csv(Path(folder) / FILE, index=False)
        survey = survey_manifest_tree(Path(folder), name="manifest")
    taken = {path for table in (*survey.tables.values(), survey.unlisted) for path in table["path"]}
    return {float(position) for position, path in enumerate(lines["path"]) if path not in taken}


PEOPLE = pd.DataFrame(
    [(f"{place}/{one}/{number}.jpg", one, place) for place in (1, 2, 3) for one in range(40) for number in (1, 2)],
    columns=["path", "identity", "camera"],
)


@exercise(
    "13-split",
    question="Can you mend the function? It takes a table with a column `identity` and gives one split a row: train, validation or test. "
    "About half of the people are to be trained on, and everybody belongs to one split only.",
    given=PEOPLE,
    hint="draw a split for each of `table['identity'].unique()`, and hand it to the rows with `map`.",
    right="People are drawn, and their pictures follow.",
)
def _split(answer: Any) -> str:
    if not callable(answer):
        return f"a function is expected, found {short(answer)}."
    return _judge_splits(answer, PEOPLE) or _judge_splits(answer, PEOPLE.sample(frac=1, random_state=1))


def _judge_splits(split_of: Callable[[pd.DataFrame], Sequence[str]], people: pd.DataFrame) -> str:
    """What is wrong with the splits that a function gives these rows; "" where nothing is."""
    found = list(split_of(people.copy()))
    if len(found) != len(people):
        return f"{len(people)} splits are expected, one a row; found {len(found)}."
    strange = next((one for one in found if one not in ("train", "validation", "test")), None)
    if strange is not None:
        return f"a split is train, validation or test; found {short(strange)}."
    table = people.assign(split=found)
    both = (table.groupby("identity")["split"].nunique() > 1).sum()
    if both:
        return f"{both} of {table['identity'].nunique()} people are in more than one split: draw people, not pictures."
    shares = table.groupby("split")["identity"].nunique() / table["identity"].nunique()
    empty = {"train", "validation", "test"} - set(shares.index)
    if empty:
        return f"nobody is in {' and '.join(sorted(empty))}."
    if not 0.35 <= shares["train"] <= 0.7:
        return f"{100 * shares['train']:.0f} % of the people are in train; about half is asked."
    return ""
