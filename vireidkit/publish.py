"""Twilight to disk: render its parts with all cores, verify a folder against its manifest, compare it with a fresh rendering.

The renderer (``vireidkit.twilight``) draws single pictures and knows no files; this room writes them. One task is one identity.
"""

from __future__ import annotations

import io
import multiprocessing
import os
import signal
import threading
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image
from tqdm.auto import tqdm

from vireidkit.errors import DatasetError, KitError, SettingError
from vireidkit.files import sha256_of, write_text
from vireidkit.publish_files import (
    MANIFEST,
    Record,
    begin,
    clean_up,
    draw_files,
    files_below,
    finish,
    hashes_of,
    read_manifest_of,
    write_identity,
    write_manifest,
)

if TYPE_CHECKING:
    from vireidkit.twilight.parts import Part
    from vireidkit.twilight.settings import Settings

PART_NAMES = ("main", "thermal", "tracklets")
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def known_parts() -> Mapping[str, Part]:
    """The parts of the data set by name. The renderer is loaded here and not before: the command line must start fast."""
    from vireidkit.twilight.parts import PARTS

    return PARTS


# --- render ------------------------------------------------------------------------------------------------------------------


def render(
    out: Path, *, parts: Sequence[str] = PART_NAMES, jobs: int | None = None, resume: bool = True, progress: bool = True
) -> dict[str, int]:
    """Render parts of the data set into ``out/<part>`` and write ``out/manifest.json``; other parts that it names stay in it.

    Every picture is written aside and renamed. Stopped at any moment, the same call goes on with the identities that are not whole.

    Args:
        parts: of "main", "thermal", "tracklets".
        jobs: processes; None is one for each CPU that this process may use.
        resume: keep identities whose files are all there with the bytes that were written; False draws everybody anew.
        progress: show a progress bar.

    Returns:
        Part -> number of identities that were drawn (the others were there).

    Raises:
        SettingError: an unknown part, or fewer than one job.
        DatasetError: the pictures that are there were drawn by another renderer or with other settings.
        KitError: a file cannot be written, or a process was killed.
    """
    chosen = [_part(name) for name in parts]
    jobs = _jobs(jobs)
    sections = read_manifest_of(out) if (out / MANIFEST).exists() else {}
    drawn = {}
    for part in chosen:
        folder = out / part.name
        records = begin(part, folder, sections.get(part.name), resume=resume)
        todo = [identity for identity in part.identities if identity not in records]
        records |= _draw_all(part, folder, todo, jobs, progress)
        drawn[part.name] = len(todo)
        sections[part.name] = finish(part, folder, records)
        write_manifest(out, {name: sections[name] for name in [*PART_NAMES, *sections] if name in sections})
        clean_up(folder)
    return drawn


def render_population(
    out: Path,
    *,
    settings: Settings,
    identities: Sequence[int] | Mapping[str, Sequence[int]],
    cameras: Mapping[int, int],
    with_people: bool = True,
    jobs: int | None = None,
    progress: bool = True,
) -> None:
    """Render a population for tuning, pretraining or a notebook: the tree of SYSU-MM01 with factor tables and a manifest.csv.

    ``load_dataset("manifest", out)`` reads it. A second call draws what is missing; the records of what was drawn stay in ``.render``.

    Args:
        settings: seeds and dials; identities of a split named "test" are drawn with ``test_seed``, all others with ``train_seed``.
        identities: numbers for "train", or split -> numbers.
        cameras: pictures of one identity in each camera.
        with_people: False draws the scenes alone, with the same crops, exposures, blurs and noise.

    Raises:
        As ``render``; ValueError: an identity in two splits, or an unknown camera.
    """
    from vireidkit.twilight.parts import Stills, modality_of

    splits = identities if isinstance(identities, Mapping) else {"train": list(identities)}
    part = Stills("population", settings, with_people, splits={name: tuple(ids) for name, ids in splits.items()}, cameras=dict(cameras))
    if not part.identities or not any(cameras.values()):
        raise SettingError("a population needs at least one identity and one picture of each")
    records = begin(part, out, None, resume=True)
    todo = [identity for identity in part.identities if identity not in records]
    records |= _draw_all(part, out, todo, _jobs(jobs), progress)
    finish(part, out, records)
    lines = ["path,identity,camera,modality,split,frame"]
    for identity, split in part.split_of.items():
        lines += [f"{key.path},{identity},{key.camera},{modality_of(key.band)},{split},{key.number}" for key in part.pictures(identity)]
    write_text(out / "manifest.csv", "\n".join(lines) + "\n")


def _part(name: str) -> Part:
    parts = known_parts()
    if name not in parts:
        raise SettingError(f"unknown part {name!r} of Twilight; known: {', '.join(parts)}")
    return parts[name]


def _jobs(jobs: int | None) -> int:
    if jobs is None:
        return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    if jobs < 1:
        raise SettingError(f"rendering needs at least 1 job, found {jobs}")
    return jobs


def _draw_all(part: Part, folder: Path, todo: Sequence[int], jobs: int, progress: bool) -> dict[int, Record]:
    """Draw and write identities. However this ends, every file is whole or not there."""
    jobs = min(jobs, len(todo))
    with tqdm(total=len(todo), desc=f"render {part.name}", unit="identity", disable=not progress or not todo) as bar:
        if jobs > 1:
            return _draw_in_processes(part, folder, todo, jobs, bar)
        records = {}
        for identity in todo:
            records[identity] = write_identity(part, identity, folder)
            bar.update()
        return records


def _draw_in_processes(part: Part, folder: Path, todo: Sequence[int], jobs: int, bar: tqdm) -> dict[int, Record]:
    """The same in several processes. After an error or Ctrl-C, identities that have begun are drawn to their end, the others not."""
    records = {}
    with _single_threads(), ProcessPoolExecutor(jobs, multiprocessing.get_context("spawn"), _begin_worker) as pool:
        futures = {pool.submit(write_identity, part, identity, folder): identity for identity in todo}
        try:
            for future in as_completed(futures):
                records[futures[future]] = future.result()
                bar.update()
        except BrokenProcessPool as error:
            raise KitError(
                "a rendering process was killed, perhaps for lack of memory; the same command with fewer jobs goes on"
            ) from error
        finally:
            pool.shutdown(cancel_futures=True)
    return records


@contextmanager
def _single_threads() -> Iterator[None]:
    """Processes that begin inside compute with one thread each; several times all cores would only be slower."""
    before = {name: os.environ.get(name) for name in THREAD_VARIABLES}
    os.environ.update(dict.fromkeys(THREAD_VARIABLES, "1"))
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def _begin_worker() -> None:
    """Leave Ctrl-C to the parent, which lets every process end the identity that it is at; and never outlive the parent."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_leave_with_parent, daemon=True).start()


def _leave_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


# --- verify ------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Report:
    """What ``verify`` found: one line a problem, none if the folder is as it was published."""

    folder: Path
    files: int
    bytes: int
    problems: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.problems

    def __str__(self) -> str:
        if self.ok:
            return f"{self.folder}: {self.files:,} files, {self.bytes / 1e6:.2f} MB, all as in {MANIFEST}"
        return f"{self.folder} is not as in {MANIFEST}: {len(self.problems)} problem{'s' if len(self.problems) > 1 else ''}"


def verify(folder: Path) -> Report:
    """Check every file of Twilight's parts against manifest.json: all there, the same bytes, no others, and as many as there should be.

    Files beside the parts, such as the data card, are nobody's business.

    Raises:
        DatasetError: there is no manifest, or it is damaged.
    """
    sections = read_manifest_of(folder)
    problems = [f"{MANIFEST} names no part {name}" for name in known_parts() if name not in sections]
    problems += [f"{MANIFEST} names a part {name}, which Twilight does not have" for name in sections if name not in known_parts()]
    files = size = 0
    for name in sections:
        if name in known_parts():
            problems += _section_problems(_part(name), sections[name])
        hashes = hashes_of(sections[name])
        there = files_below(folder / name)
        problems += [f"{name}/{path} is missing" for path in sorted(set(hashes) - set(there))]
        problems += [f"{name}/{path} is not in {MANIFEST}" for path in there if path not in hashes]
        both = [path for path in there if path in hashes]
        problems += [f"{name}/{path} has other bytes than in {MANIFEST}" for path in both if _hash(folder / name / path) != hashes[path]]
        files, size = files + len(both), size + sum((folder / name / path).stat().st_size for path in both)
    return Report(folder, files, size, tuple(problems))


def _section_problems(part: Part, section: Mapping[str, Any]) -> Iterator[str]:
    """Where a part's section of the manifest is not what the part should hold."""
    pictures = {key.path for identity in part.identities for key in part.pictures(identity)}
    wanted = pictures | {*part.lists(), "identities.csv", "images.csv"}
    hashes = hashes_of(section)
    for name, want, found in (
        ("identities", len(part.identities), section["identities"]),
        ("pictures", len(pictures), section["pictures"]),
        ("files", len(wanted), section.get("files")),
    ):
        if want != found:
            yield f"{MANIFEST}, part {part.name}: expected {want:,} {name}, found {found}"
    for gone, told in ((sorted(wanted - set(hashes)), "lacks"), (sorted(set(hashes) - wanted), "should not name")):
        if gone:
            yield f"{MANIFEST}, part {part.name} {told} {len(gone):,} file{'s' if len(gone) > 1 else ''}, first {gone[0]}"


def _hash(file: Path) -> str:
    try:
        return sha256_of(file)
    except OSError as error:
        return f"cannot be read: {error.strerror}"


# --- compare -----------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Difference:
    """One identity drawn again: mean absolute difference of the decoded pixels in grey levels over all pictures, the largest mean of
    a picture, and how many files have equal bytes.
    """

    part: str
    identity: int
    pictures: int
    mean: float
    worst: float
    equal: int


@dataclass(frozen=True)
class Comparison:
    """What ``compare`` found, one entry an identity."""

    identities: tuple[Difference, ...]

    @property
    def pictures(self) -> int:
        """Pictures that were drawn again."""
        return sum(one.pictures for one in self.identities)

    @property
    def mean(self) -> float:
        """Mean absolute difference over all pictures, grey levels of 255."""
        return sum(one.mean * one.pictures for one in self.identities) / self.pictures

    @property
    def worst(self) -> float:
        """The largest mean absolute difference of one picture."""
        return max(one.worst for one in self.identities)

    def __str__(self) -> str:
        equal = sum(one.equal for one in self.identities)
        return (
            f"{len(self.identities)} identities, {self.pictures} pictures drawn again: mean absolute difference {self.mean:.3f} of 255 "
            f"grey levels, largest of a picture {self.worst:.3f}; {equal} files have equal bytes"
        )


def compare(folder: Path, identities: int = 20) -> Comparison:
    """Draw some identities again, in memory, and compare the decoded pictures with the files.

    The identities are spread evenly over all parts that the folder's manifest names. Another processor or version of numpy may differ
    by a fraction of a grey level.

    Raises:
        SettingError: ``identities`` is below 1.
        DatasetError: no manifest, other settings than those of this version, or a picture file that is missing or unreadable.
    """
    if identities < 1:
        raise SettingError(f"a comparison needs at least 1 identity, found {identities}")
    sections = read_manifest_of(folder)
    for name, section in sections.items():
        if section["settings"] != asdict(_part(name).settings):
            raise DatasetError(f"part {name} of {folder} was drawn with other settings than this version's: {section['settings']}")
    everybody = [(name, identity) for name in sections for identity in _part(name).identities]
    chosen = np.unique(np.linspace(0, len(everybody) - 1, min(identities, len(everybody))).round().astype(int))
    return Comparison(tuple(_difference(folder, *everybody[place]) for place in chosen))


def _difference(folder: Path, name: str, identity: int) -> Difference:
    """Draw one identity and compare it with its files."""
    _, files = draw_files(_part(name), identity)
    means, equal = [], 0
    for key, content, _ in files:
        file = folder / name / key.path
        try:
            stored = file.read_bytes()
            old, new = (np.asarray(Image.open(io.BytesIO(data)).convert("RGB"), dtype=float) for data in (stored, content))
        except OSError as error:
            raise DatasetError(f"image file cannot be read: {file}: {error.strerror or error}") from error
        if old.shape != new.shape:
            raise DatasetError(f"{file} has {old.shape[1]} x {old.shape[0]} pixels, expected {new.shape[1]} x {new.shape[0]}")
        means.append(float(np.abs(old - new).mean()))
        equal += stored == content
    return Difference(name, identity, len(files), float(np.mean(means)), max(means), equal)
