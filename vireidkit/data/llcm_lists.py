"""The lists of LLCM, which may name a picture in either form of its folder (datasets.md 3)."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import NamedTuple

from vireidkit.data.reading import people_are, read_ids, read_lines
from vireidkit.data.survey import Survey

WORDS = {"visible": "vis", "infrared": "nir"}
TEST_IDS = "idx/test_id.txt"
FORMS = {  # band: the two forms of a line
    band: re.compile(
        rf"(?P<path>(?:{word}|test_{word}/cam[0-9]{{1,4}})/(?P<identity>[0-9]{{1,9}})/(?P<name>[^/]+?))\s+(?P<label>[0-9]{{1,9}})"
    )
    for band, word in WORDS.items()
}


class Line(NamedTuple):
    """One line of a list."""

    path: str
    identity: int
    name: str
    label: int

    @property
    def key(self) -> tuple[str, str]:
        """(identity folder, file name), the same in both forms."""
        return self.path.split("/")[-2], self.name


def list_name(part: str, band: str) -> str:
    """Where the list of a part ("train", "test") and a band lies."""
    return f"idx/{part}_{WORDS[band]}.txt"


def read_list(survey: Survey, part: str, band: str) -> list[Line]:
    """The lines of one list, each picture once. Lines of another form, and a list that cannot be used, are fatal."""
    name, texts = list_name(part, band), []
    with survey.collecting():
        texts = read_lines(survey.root / name, f"list {name}", survey.where, missing="the lists come with the data set")
    lines: dict[tuple[str, str], Line] = {}
    strange, twice = [], []
    for text in texts:
        match = FORMS[band].fullmatch(text)
        if match is None:
            strange.append(text)
            continue
        line = Line(match["path"], int(match["identity"]), match["name"], int(match["label"]))
        if lines.setdefault(line.key, line) is not line:
            twice.append(line.path)
    if strange:
        word = WORDS[band]
        others = f" and {len(strange) - 1} more like it" if len(strange) > 1 else ""
        forms = f"'{word}/<identity>/<file> <label>' or 'test_{word}/cam<camera>/<identity>/<file> <label>'"
        survey.fatal.append(f"list {name} holds {strange[0][:60]!r}{others}, expected lines of the form {forms}")
    if twice:
        survey.fatal.append(f"list {name} holds {twice[0]} more than once")
    return list(lines.values())


def check_labels(lines: Iterable[Line], survey: Survey) -> None:
    """Training labels and folders belong to each other one to one, in both bands; published code uses the labels as class numbers."""
    label_of: dict[int, int] = {}
    identity_of: dict[int, int] = {}
    for line in lines:
        label = label_of.setdefault(line.identity, line.label)
        identity = identity_of.setdefault(line.label, line.identity)
        if label != line.label or identity != line.identity:
            other = f"identity {identity}" if identity != line.identity else f"label {label}"
            survey.problems.append(
                f"the train lists give identity {line.identity} the label {line.label} in {line.path}, but elsewhere {other} "
                "(edited lists; the kit numbers its classes itself, other code does not)"
            )
            return


def read_test_ids(survey: Survey) -> list[int] | None:
    """The identities of idx/test_id.txt. The table does not need them, so that a file that cannot be used is a problem only."""
    before = len(survey.fatal)
    with survey.collecting():
        return read_ids(survey.root / TEST_IDS, f"identity list {TEST_IDS}", survey.where)
    survey.problems += survey.fatal[before:]
    del survey.fatal[before:]
    return None


def check_identities(tested: set[int], test_ids: Sequence[int] | None, survey: Survey) -> None:
    """The identity list and the test lists name the same people."""
    if test_ids is None or not tested:
        return
    for people, here, there in ((set(test_ids) - tested, TEST_IDS, "the test lists"), (tested - set(test_ids), "the test lists", TEST_IDS)):
        if people:
            survey.problems.append(f"{people_are(sorted(people))} in {here} but not in {there}")
