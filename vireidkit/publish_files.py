"""The files of a rendered data set: pictures, factor tables, and a manifest with the hash of every file."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import platform
import shutil
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import PIL
import scipy
from PIL import Image, features

from vireidkit.errors import DatasetError
from vireidkit.files import read_json, sha256_of, write_json, write_text, written_aside

if TYPE_CHECKING:
    from vireidkit.twilight.parts import Part, PictureKey

MANIFEST = "manifest.json"
STATE = ".render"  # folder inside a part: one record an identity, while the part is being rendered
KEY_COLUMNS = ("path", "identity", "camera", "number", "band")
DIGITS = 3  # significant ones, in the tables
RENDERER = Path(__file__).resolve().parent / "twilight"
RENDERER_FILES = (".py", ".csv", ".npz")


@dataclass(frozen=True)
class Record:
    """One rendered identity: its row of identities.csv, its rows of images.csv, and the hash of every picture by path."""

    person: dict[str, str]
    pictures: list[dict[str, str]]
    sha256: dict[str, str]


# --- one identity ------------------------------------------------------------------------------------------------------------


def draw_files(part: Part, identity: int) -> tuple[dict[str, str], list[tuple[PictureKey, bytes, dict[str, str]]]]:
    """Draw one identity.

    Returns:
        (row of identities.csv, for every picture its key, the bytes of its file and its row of images.csv).

    Raises:
        ValueError: a factor of people and a factor of pictures have one name, so that the tables could not be merged.
    """
    person = part.person(identity)
    row = {name: cell(value) for name, value in ({"identity": identity} | part.person_factors(person)).items()}
    files = []
    for key, picture, factors in part.draw(person, part.pictures(identity)):
        known = {name: cell(getattr(key, name)) for name in KEY_COLUMNS}
        files.append((key, encoded(picture), known | {name: cell(value) for name, value in factors.items() if name not in known}))
    both = sorted(name for name in row if files and name in files[0][2] and name != "identity")
    if both:
        raise ValueError(f"factors of people and of pictures need different names; both have {', '.join(both)}")
    return row, files


def encoded(picture: Image.Image) -> bytes:
    """A picture as the bytes of a WebP file, quality 80."""
    stream = io.BytesIO()
    picture.save(stream, format="WEBP", quality=80, method=6)
    return stream.getvalue()


def cell(value: Any) -> str:
    """A value as the text of a table's cell; numbers with ``DIGITS`` significant digits, None as nothing."""
    value = value.item() if hasattr(value, "item") else value
    if isinstance(value, float):
        value = float(f"{value:.{DIGITS}g}") + 0.0  # no minus before a zero
    return "" if value is None else str(value)


def write_identity(part: Part, identity: int, folder: Path) -> Record:
    """Draw one identity, write its pictures one by one, each aside first, and its record last."""
    person, files = draw_files(part, identity)
    for key, content, _ in files:
        with written_aside(folder / key.path) as aside:
            aside.write_bytes(content)
    hashes = {key.path: hashlib.sha256(content).hexdigest() for key, content, _ in files}
    record = Record(person, [row for _, _, row in files], hashes)
    write_json(folder / STATE / f"{identity}.json", asdict(record))
    return record


# --- what is there already ---------------------------------------------------------------------------------------------------


def signature(part: Part) -> dict[str, Any]:
    """All that decides the pixels of a part: pictures of two signatures must not be mixed."""
    return {"renderer": renderer_hash(), "settings": asdict(part.settings), "with_people": part.with_people}


def renderer_hash() -> str:
    """SHA-256 over the renderer's code, tables and body."""
    digest = hashlib.sha256()
    for file in sorted(path for path in RENDERER.rglob("*") if path.suffix in RENDERER_FILES):
        digest.update(f"{file.relative_to(RENDERER).as_posix()} {sha256_of(file)}\n".encode())
    return digest.hexdigest()


def begin(part: Part, folder: Path, finished: Mapping[str, Any] | None, *, resume: bool) -> dict[int, Record]:
    """Make a part's folder ready, and say who is drawn already.

    Args:
        finished: the part's section of the manifest, where there is one; resume: False forgets whatever was drawn before.

    Returns:
        Identity -> record, for everybody whose files are all there with the bytes that were written.

    Raises:
        DatasetError: the pictures that are there were drawn by another renderer or with other settings.
    """
    state = folder / STATE
    if not resume and state.exists():
        shutil.rmtree(state)
    for left in folder.rglob(".*.part"):  # of a process that was killed
        left.unlink(missing_ok=True)
    mine, known = signature(part), {}
    if resume and finished is not None:
        _check_signature(finished, mine, folder)
        known |= _records_of_tables(folder, hashes_of(finished))
    if resume and (state / "signature.json").exists():
        _check_signature(read_json(state / "signature.json", what="state of a rendering"), mine, folder)
        known |= {int(file.stem): _read_record(file) for file in state.glob("[0-9]*.json")}
    write_json(state / "signature.json", mine)
    return {identity: record for identity, record in known.items() if _is_whole(part, identity, record, folder)}


def _check_signature(found: Mapping[str, Any], mine: Mapping[str, Any], folder: Path) -> None:
    """The pictures in a folder were drawn as the next ones will be."""
    told = {"renderer": "by another version of the renderer", "settings": "with other settings", "with_people": "with or without people"}
    differ = [text for name, text in told.items() if found.get(name) != mine[name]]
    if differ:
        raise DatasetError(
            f"the pictures in {folder} were drawn {' and '.join(differ)}: draw everything anew (resume=False or --fresh), "
            "or name another folder"
        )


def _read_record(file: Path) -> Record:
    stored = read_json(file, what="record of a rendered identity")
    return Record(stored["person"], stored["pictures"], stored["sha256"])


def _records_of_tables(folder: Path, sha256: Mapping[str, str]) -> dict[int, Record]:
    """The records of a finished part. Tables that are missing or damaged give none: everybody is drawn again."""
    tables = [folder / "identities.csv", folder / "images.csv"]
    if any(not table.is_file() or sha256_of(table) != sha256.get(table.name) for table in tables):
        return {}
    people, pictures = (read_rows(table) for table in tables)
    records = {int(row["identity"]): Record(row, [], {}) for row in people}
    for row in pictures:
        record = records[int(row["identity"])]
        record.pictures.append(row)
        record.sha256[row["path"]] = sha256.get(row["path"], "")
    return records


def _is_whole(part: Part, identity: int, record: Record, folder: Path) -> bool:
    """Whether all pictures of an identity are there as they were written."""
    paths = [key.path for key in part.pictures(identity)] if identity in part.identities else []
    if not paths or paths != [row["path"] for row in record.pictures]:
        return False
    return all((folder / path).is_file() and sha256_of(folder / path) == record.sha256.get(path) for path in paths)


# --- tables and manifest -----------------------------------------------------------------------------------------------------


def finish(part: Part, folder: Path, records: Mapping[int, Record]) -> dict[str, Any]:
    """Write the lists and the factor tables of a part, and return its section of the manifest.

    Raises:
        DatasetError: the renderer's files were changed while it was drawing.
    """
    drawn_by = signature(part)
    _check_signature(read_json(folder / STATE / "signature.json", what="state of a rendering"), drawn_by, folder)
    ordered = [records[identity] for identity in part.identities]
    for path, text in part.lists().items():
        write_text(folder / path, text)
    write_rows(folder / "identities.csv", [record.person for record in ordered])
    write_rows(folder / "images.csv", [row for record in ordered for row in record.pictures])
    written = {path: digest for record in ordered for path, digest in record.sha256.items()}
    written |= {path: sha256_of(folder / path) for path in [*part.lists(), "identities.csv", "images.csv"]}
    sizes = [(folder / path).stat().st_size for path in written]
    counts = {"identities": len(ordered), "pictures": sum(len(record.pictures) for record in ordered)}
    return {**drawn_by, **counts, "files": len(written), "bytes": sum(sizes), "sha256": _by_folder(written)}


def write_rows(file: Path, rows: list[dict[str, str]]) -> None:
    """Write a table as CSV, whole or not at all."""
    stream = io.StringIO()
    writer = csv.DictWriter(stream, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(file, stream.getvalue())


def read_rows(file: Path) -> list[dict[str, str]]:
    """Read a table as text."""
    with open(file, encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def _by_folder(hashes: Mapping[str, str]) -> dict[str, dict[str, str]]:
    """Folder -> file name -> hash, sorted: half the size of a flat list."""
    nested: dict[str, dict[str, str]] = {}
    for path in sorted(hashes):
        parent, _, name = path.rpartition("/")
        nested.setdefault(parent, {})[name] = hashes[path]
    return nested


def hashes_of(section: Mapping[str, Any]) -> dict[str, str]:
    """Path -> hash of every file of a part, from its section of the manifest."""
    return {f"{folder}/{name}" if folder else name: digest for folder, own in section["sha256"].items() for name, digest in own.items()}


def write_manifest(folder: Path, sections: Mapping[str, Mapping[str, Any]]) -> None:
    """Write manifest.json: how the data set was made, totals, and the hash of every file, one line a folder."""
    made_with = {
        "python": platform.python_version(),
        "numpy": np.__version__,
        "scipy": scipy.__version__,
        "pillow": PIL.__version__,
        "webp": features.version("webp"),
    }
    totals = {name: sum(section[name] for section in sections.values()) for name in ("identities", "pictures", "files", "bytes")}
    manifest = {"title": "Twilight", "version": 1, "made_with": made_with, "totals": totals, "parts": sections}
    write_text(folder / MANIFEST, json.dumps(manifest, separators=(",", ":")).replace("},", "},\n") + "\n")


def read_manifest_of(folder: Path) -> dict[str, dict[str, Any]]:
    """The sections of manifest.json, one a part.

    Raises:
        DatasetError: it is missing or not what ``write_manifest`` writes.
    """
    stored = read_json(folder / MANIFEST, what="manifest", error=DatasetError)
    try:
        sections = dict(stored["parts"])
        for section in sections.values():
            hashes_of(section), section["settings"], section["pictures"], section["identities"]
    except (KeyError, TypeError, AttributeError) as error:
        raise DatasetError(f"manifest cannot be read: {folder / MANIFEST}: it lacks {error}") from error
    return sections


def clean_up(folder: Path) -> None:
    """Remove the records of a part that is finished."""
    shutil.rmtree(folder / STATE, ignore_errors=True)


def files_below(folder: Path) -> list[str]:
    """Every file below a folder, hidden ones too: paths relative to it, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir())
