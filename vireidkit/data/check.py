"""The report on a data set's folder: counts beside the published ones, and every picture opened."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from vireidkit.data.dataset import open_image
from vireidkit.data.reading import stray_note
from vireidkit.data.survey import Compared, Survey, one_line, survey_dataset
from vireidkit.errors import DatasetError

COLUMNS = (*(field.name for field in fields(Compared) if field.name != "cause"), "ok", "cause")
SMALLEST = 32  # pixels; the corruption benchmark needs as many (datasets.md 7)
COLOUR = 4.0  # grey levels between a pixel's channels, on average; lossy files of grey pictures stay below (ours)
NAMED = 20  # entries that one sentence names
CHUNK = 64  # pictures of one task
KINDS = {  # what an open picture can be found to be: (sentence, whether it is a note only)
    "colour": ("infrared picture{s} whose three channels differ", False),
    "small": (f"picture{{s}} smaller than {SMALLEST} pixels in height or width", True),
}


@dataclass(frozen=True, eq=False)
class Report:
    """What ``check_dataset`` found. ``print(report)`` shows it.

    Attributes:
        name: of the data set; root: its folder; split: number of the published split.
        table: columns split, camera, modality, what, expected, found, ok, cause; one row a count, expected is missing where none is
            published.
        problems: differences from what is published and files that cannot be used, one sentence each.
        notes: what does no harm but should be known, one sentence each.
        pictures: number of pictures in the folder; opened: how many of them were decoded; remedy: what to do about differences.
    """

    name: str
    root: Path
    split: int
    table: pd.DataFrame
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    pictures: int
    opened: int
    remedy: str = ""

    @property
    def ok(self) -> bool:
        """Whether all is as published. Notes do not count."""
        return not self.problems and bool(self.table["ok"].all())

    @property
    def findings(self) -> tuple[str, ...]:
        """Problems, then notes."""
        return (*self.problems, *self.notes)

    def __str__(self) -> str:
        shown = self.table.drop(columns="cause").assign(ok=self.table["ok"].map({True: "yes", False: "NO"}))
        shown = shown.assign(**{column: shown[column].map(_counted) for column in ("expected", "found")})
        lines = [f"{self.name}{f', split {self.split}' if self.split > 1 else ''}: {self.root}", ""]
        lines += [shown.to_string(index=False), ""] if len(shown) else []
        for title, texts in (("problems", self.problems), ("notes", self.notes)):
            lines += [title, *(f"  - {text}" for text in texts), ""] if texts else []
        lines += [f"to mend it: {self.remedy}", ""] if self.remedy and not self.ok else []
        looked = f"{self.opened:,} of {self.pictures:,} pictures opened" if self.opened else f"{self.pictures:,} pictures, none opened"
        differ = f"{len(self.problems)} problem{'' if len(self.problems) == 1 else 's'}" if self.problems else "counts differ"
        return "\n".join([*lines, f"{looked}; {'all as published' if self.ok and self._known else 'no problems' if self.ok else differ}"])

    @property
    def _known(self) -> bool:
        return bool(self.table["expected"].notna().any())


def _counted(value: object) -> str:
    return "" if pd.isna(value) else f"{value:,}"


def check_dataset(
    name: str,
    root: str | os.PathLike[str] | None = None,
    *,
    split: int = 1,
    decode: bool = True,
    workers: int | None = None,
    progress: bool = True,
) -> Report:
    """Compare a data set's folder with what is published, open its pictures, and name everything that is wrong at once.

    Nothing is written, and nothing is fatal but a folder that is not this data set.

    Args:
        name: one of ``list_datasets()``; root: its folder; split: number of the published split, from 1.
        decode: open every picture: unreadable and truncated ones, infrared ones in colour and very small ones are named.
        workers: decoding threads; None is one a CPU, at most 16. progress: show a bar.

    Raises:
        SettingError: unknown name, or a split that this data set does not have.
        DatasetError: the folder is missing or is not this data set at all.
    """
    return report_on(survey_dataset(name, root, split=split), split=split, decode=decode, workers=workers, progress=progress)


def report_on(survey: Survey, *, split: int = 1, decode: bool = True, workers: int | None = None, progress: bool = True) -> Report:
    """The report on a survey; see ``check_dataset``."""
    pictures = survey.pictures()
    seen = list(_look(survey.root, pictures, workers, progress)) if decode else []
    unreadable = [text for _, kind, text in seen if kind == "unreadable"]
    told = {grave: list(_gathered(seen, grave)) for grave in (True, False)}
    table = pd.DataFrame([[*(getattr(row, column) for column in COLUMNS)] for row in survey.counts], columns=list(COLUMNS))
    return Report(
        name=survey.name,
        root=survey.root,
        split=split,
        table=table.astype({"expected": "Int64", "found": "int64", "ok": "bool"}),
        problems=tuple(map(one_line, (*survey.fatal, *survey.problems, *unreadable, *told[True]))),
        notes=tuple(
            map(one_line, (*stray_note(survey.strays, survey.belonging, shown=NAMED), *survey.warned, *survey.notes, *told[False]))
        ),
        pictures=len(pictures),
        opened=len(pictures) if decode else 0,
        remedy=survey.remedy,
    )


# --- the pictures ------------------------------------------------------------------------------------------------------------

_Seen = tuple[str, str, str]  # (group, kind, path or sentence)


def _look(root: Path, pictures: pd.DataFrame, workers: int | None, progress: bool) -> Iterator[_Seen]:
    """What is wrong with the pictures, in their order; decoding threads look at a chunk each."""
    rows = list(pictures[["path", "camera", "modality"]].itertuples(index=False, name=None))
    chunks = [rows[start : start + CHUNK] for start in range(0, len(rows), CHUNK)]
    pool = ThreadPoolExecutor(max(1, workers or min(16, len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else 4)))
    try:
        with tqdm(total=len(rows), desc="opening pictures", unit="picture", disable=not progress, leave=False) as bar:
            for chunk, found in zip(chunks, pool.map(lambda chunk: [_seen(root, *row) for row in chunk], chunks), strict=True):
                bar.update(len(chunk))
                yield from (own for one in found for own in one)
    finally:
        pool.shutdown(cancel_futures=True)  # when the user stops it, nobody waits for the rest


def _seen(root: Path, path: str, camera: int, modality: str) -> list[_Seen]:
    """What is wrong with one picture."""
    try:
        picture = open_image(root / path, path)
    except DatasetError as error:
        return [("", "unreadable", str(error))]
    found = []
    pixels = np.asarray(picture)  # (H, W, 3)
    if modality == "infrared" and float((pixels.max(axis=2) - pixels.min(axis=2)).mean()) > COLOUR:
        found.append((f"camera {camera}, {modality}", "colour", path))
    if min(picture.size) < SMALLEST:
        found.append((f"camera {camera}, {modality}", "small", path))
    return found


def _gathered(seen: Iterable[_Seen], grave: bool) -> Iterator[str]:
    """One sentence for each camera and kind; up to ``NAMED`` pictures are named."""
    groups: dict[tuple[str, str], list[str]] = {}
    for group, kind, path in seen:
        if kind in KINDS and KINDS[kind][1] is not grave:
            groups.setdefault((group, kind), []).append(path)
    for (group, kind), paths in groups.items():
        more = f" and {len(paths) - NAMED} more" if len(paths) > NAMED else ""
        words = KINDS[kind][0].format(s="" if len(paths) == 1 else "s")
        yield f"{group}: {len(paths):,} {words}: {', '.join(paths[:NAMED])}{more}"
