"""The survey of a data set's folder: what can be read, the counts beside the published ones, and everything that is wrong with it.

Reading a published data set takes two steps. The survey looks at the whole folder and raises only where the folder is not that data
set at all, so that one damage does not hide another. ``Survey.settle`` then raises, or returns the notes of the Dataset.
``vireidkit check`` prints the survey instead.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

import pandas as pd

from vireidkit.data.dataset import SPLITS, Dataset
from vireidkit.data.reading import stray_note, table_of
from vireidkit.data.registry import list_datasets, load_dataset
from vireidkit.errors import DatasetError, SettingError

SHOWN = 20  # problems in one error; the report names them all


@dataclass(frozen=True)
class Compared:
    """One count of the folder beside the published one; ``expected`` is None where none is published."""

    split: str
    camera: str
    modality: str
    what: str
    expected: int | None
    found: int
    cause: str = ""

    @property
    def ok(self) -> bool:
        """Whether the count is the published one."""
        return self.expected is None or self.expected == self.found


@dataclass
class Survey:
    """What one look over a data set's folder found.

    Attributes:
        name: of the data set; root: its folder; remedy: what to do about a difference; at: what errors name, default the root.
        tables: split name -> table, as far as it can be read; unlisted: pictures that lie in the folder but in no table.
        sizes: path of every picture -> bytes.
        counts: every count that has a published value, equal or not.
        fatal: what keeps a Dataset from being made at all; problems: what ``allow_partial`` turns into notes.
        strays: entries that do not belong and are ignored; belonging: what does belong, in words.
        warned: notes that are also issued as a warning, as the one on strays is; notes: others.

    Texts are sentences that do not begin with the name of the folder.
    """

    name: str
    root: Path
    remedy: str
    tables: dict[str, pd.DataFrame] = field(default_factory=lambda: {split: table_of([]) for split in SPLITS})
    unlisted: pd.DataFrame = field(default_factory=lambda: table_of([]))
    sizes: dict[str, int] = field(default_factory=dict)
    counts: list[Compared] = field(default_factory=list)
    fatal: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    strays: list[str] = field(default_factory=list)
    belonging: str = ""
    at: Path | None = None
    warned: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @property
    def where(self) -> str:
        """How errors begin."""
        return f"{self.name} at {self.at or self.root}"

    def collecting(self) -> AbstractContextManager[None]:
        """Inside this context a DatasetError ends the block and is kept in ``fatal``."""
        return collected(self.fatal, self.where)

    def compare(
        self,
        split: str,
        *,
        expected: Mapping[str, int],
        found: Mapping[str, int],
        where: str | None = None,
        camera: str = "",
        modality: str = "",
        cause: str = "",
        told: bool = False,
    ) -> None:
        """Set counts such as {"identities": 296, "images": 4721} beside the published ones; a difference is one problem.

        Args:
            where: how the problem begins; default: the split.
            cause: the likely reason of a difference, in a few words.
            told: the cause has been reported already, so that the difference enters the table only.
        """
        for what, want in expected.items():
            self.counts.append(Compared(split, camera, modality, what, want, found[what], cause if want != found[what] else ""))
        if not told and any(found[what] != want for what, want in expected.items()):
            wanted = " / ".join(f"{want:,} {what}" for what, want in expected.items())
            have = " / ".join(f"{found[what]:,}" for what in expected)
            self.problems.append(f"{where or split}: expected {wanted}, found {have}{f' ({cause})' if cause else ''}")

    def settle(self, allow_partial: bool) -> tuple[str, ...]:
        """The notes of the Dataset; those on stray files are also issued as warnings.

        Raises:
            DatasetError: something is fatal, or there are problems and ``allow_partial`` is false.
        """
        if self.fatal:
            more = len(self.problems)
            rest = f" ({more} more difference{'s' if more > 1 else ''}; vireidkit check {self.name} names all)" if more else ""
            raise DatasetError(f"{self.where}: {_joined(self.fatal)}{rest}")
        if self.problems and not allow_partial:
            hint = f"({self.remedy}, or pass allow_partial=True to go on with what is there)"
            raise DatasetError(f"{self.where}: {_joined(self.problems)} {hint}")
        warned = [*stray_note(self.strays, self.belonging), *self.warned]
        for note in warned:
            warnings.warn(f"{self.where}: {one_line(note)}", UserWarning, stacklevel=2)
        return tuple(map(one_line, (*warned, *self.problems, *self.notes)))

    def listed_sizes(self) -> dict[str, int]:
        """Bytes of the pictures in the tables alone, which is what a fingerprint takes."""
        return {path: self.sizes[path] for table in self.tables.values() for path in table["path"].tolist()}

    def pictures(self) -> pd.DataFrame:
        """Every picture file that was seen, once: columns path, identity, camera, modality."""
        rows = pd.concat([*self.tables.values(), self.unlisted], ignore_index=True)
        rows = rows[rows["path"].isin(list(self.sizes))]
        return rows[["path", "identity", "camera", "modality"]].drop_duplicates("path", ignore_index=True)


def _joined(texts: list[str]) -> str:
    more = f"; and {len(texts) - SHOWN} more" if len(texts) > SHOWN else ""
    return "; ".join(map(one_line, texts[:SHOWN])) + more


def one_line(text: str) -> str:
    """The text with everything escaped that cannot be printed, such as a line break or foreign bytes in the name of a file."""
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


@contextmanager
def collected(texts: list[str], where: str) -> Iterator[None]:
    """Inside this context a DatasetError ends the block, and its text goes to ``texts`` without its beginning ``where``."""
    try:
        yield
    except DatasetError as error:
        texts.append(str(error).removeprefix(f"{where}: "))


# --- the surveys by name -----------------------------------------------------------------------------------------------------


class Surveyor(Protocol):
    """What a survey function looks like: ``root`` is None when the user named no folder."""

    def __call__(self, root: Path | None, *, split: int) -> Survey: ...


_SURVEYS: dict[str, tuple[Surveyor, int]] = {}


def register_survey(name: str, *, splits: int = 1) -> Callable[[Surveyor], Surveyor]:
    """Function decorator: make a survey known to ``survey_dataset``. The reader of this name is registered beside it."""

    def record(surveyor: Surveyor) -> Surveyor:
        _SURVEYS[name] = (surveyor, splits)
        return surveyor

    return record


def survey_dataset(name: str, root: str | os.PathLike[str] | None = None, *, split: int = 1) -> Survey:
    """Look over a data set's folder. A data set without a survey of its own is read, whole or as far as it goes.

    Args:
        name: one of ``list_datasets()``; root: its folder; split: number of the published split, from 1.

    Raises:
        SettingError: unknown name, or a split that this data set does not have.
        DatasetError: the folder is missing or is not this data set at all.
    """
    known = _SURVEYS.get(name)
    if known is None or name not in list_datasets():
        return _through_reader(name, root, split)
    surveyor, splits = known
    if not 1 <= split <= splits:
        raise SettingError(f"data set {name!r} has {'one split, 1' if splits == 1 else f'splits 1 to {splits}'}; found split {split}")
    return surveyor(Path(root).expanduser().absolute() if root is not None else None, split=split)


def _through_reader(name: str, root: str | os.PathLike[str] | None, split: int) -> Survey:
    """A survey made of what the reader returns or raises."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # the notes say the same
        try:
            return _survey_of(load_dataset(name, root, split=split), set())
        except DatasetError as error:
            told = str(error)
        try:
            dataset = load_dataset(name, root, split=split, allow_partial=True)
        except DatasetError as error:
            if root is None or not Path(root).expanduser().is_dir():
                raise
            survey = Survey(name, Path(root).expanduser().absolute(), "")
            survey.fatal += str(error).removeprefix(f"{survey.where}: ").split("; ")
            return survey
    return _survey_of(dataset, {note for note in dataset.notes if note in told} or {told})


def _survey_of(dataset: Dataset, problems: set[str]) -> Survey:
    """A data set as a survey without published counts; its notes that are ``problems`` are told as such."""
    survey = Survey(dataset.name, dataset.root, "", tables={split: dataset.table(split) for split in SPLITS})
    for row in dataset.counts().itertuples():
        for what in ("identities", "images"):
            survey.counts.append(Compared(row.split, str(row.camera), row.modality, what, None, getattr(row, what)))
    survey.sizes = {path: -1 for table in survey.tables.values() for path in table["path"].tolist()}  # not known here
    survey.problems += sorted(problems)
    survey.notes += [note for note in dataset.notes if note not in problems]
    return survey
