"""LLCM, in both forms of its folder at once.

    <root>/vis/<4-digit identity>/NNNN_cCC_sSSSSSS_fFFFF_vis.jpg     nir/<identity>/..._nir.jpg       all pictures (.png ... as well)
    <root>/test_vis/cam1 .. cam9/<identity>/*.jpg                    test_nir/cam1 .. cam9 (no cam3)  the test pictures by camera
    <root>/idx/{train,test}_{vis,nir}.txt                            lines "<path> <label>"
    <root>/idx/test_id.txt                                           one line of comma-separated identities

Every camera is visible by day and near-infrared by night. The protocols in print read different parts of this: L1 and L2 draw from the
folders by camera, L3 takes the lists. Here is one table with a row for every listed picture. A list may name a picture in either form;
picture, identity and band are the same where folder and file name are. The camera is the folder's where there is one, which is what
L1 and L2 go by, else the number in the file name; the folders must hold exactly the listed pictures, so that the table serves all
three. Layout and counts: datasets.md 3. Grade: code; that both numbers of the camera agree is unverified, and a difference is a note.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from vireidkit.data.dataset import Dataset, fingerprint_of
from vireidkit.data.llcm_folder import CAMERAS, FOLDERS, NAME, Scan, check_root, scan_folder
from vireidkit.data.llcm_lists import Line, check_identities, check_labels, list_name, read_list, read_test_ids
from vireidkit.data.reading import SUFFIXES, band_notes, people_are, table_of
from vireidkit.data.registry import register_reader
from vireidkit.data.survey import Survey, register_survey
from vireidkit.errors import DatasetError

PARTS = ("train", "test")
BELONGING = f"vis, nir, test_vis and test_nir with whole numbers as identities, and pictures in them ({' '.join(SUFFIXES)})"


@dataclass(frozen=True)
class Expected:
    """What a complete folder holds: identities of a part, and its images in each band."""

    identities: Mapping[str, int]
    images: Mapping[tuple[str, str], int]
    cameras: Mapping[str, Sequence[int]]
    remedy: str


# The paper's text has 13,909 test images, which does not add up to its 46,767 in all (datasets.md 3).
LLCM = Expected(
    identities={"train": 713, "test": 351},
    images={("train", "visible"): 16946, ("train", "infrared"): 13975, ("test", "visible"): 8680, ("test", "infrared"): 7166},
    cameras=CAMERAS,
    remedy="unpack LLCM again",
)


@register_reader("llcm")
def read_llcm(root: Path | None, *, split: int = 1, allow_partial: bool = False) -> Dataset:
    """Read LLCM (Zhang & Wang, CVPR 2023): 713 identities for training, 351 for testing, nine cameras, low light.

    Three incompatible protocols are in print, so that every number must name its own: llcm-...-L1, -L2 or -L3.

    Raises:
        DatasetError: see ``read_llcm_tree``; also when no folder is named, since the data set cannot be shipped.
    """
    return read_llcm_tree(_named(root), expected=LLCM, allow_partial=allow_partial)


@register_survey("llcm")
def survey_llcm(root: Path | None, *, split: int = 1) -> Survey:
    """Look over a folder of LLCM.

    Raises:
        DatasetError: no folder is named, or it holds none of LLCM's folders.
    """
    return survey_llcm_tree(_named(root), expected=LLCM)


def _named(root: Path | None) -> Path:
    """The folder that the user named."""
    if root is None:
        raise DatasetError(
            "llcm needs its folder, the one that holds vis, nir, test_vis, test_nir and idx: it cannot be shipped; "
            "send the signed release agreement that lies in github.com/ZYK100/LLCM"
        )
    return root


def read_llcm_tree(root: Path, *, expected: Expected, name: str = "llcm", title: str = "LLCM", allow_partial: bool = False) -> Dataset:
    """Read a folder tree of LLCM's form and compare its lists and folders with what is expected.

    Rows keep the order of the lists, visible ones first; ``frame`` is the number after "f" in the file name. The validation table is
    empty. ``path`` is the one in vis or nir in whichever form the list names it; only a picture that is not there is taken from its
    folder by camera. With ``allow_partial`` missing folders, images and lists become notes.

    Raises:
        DatasetError: the root is not this data set; a training list is missing; a list has lines of another form; a test list and
            the folders by camera are both missing; an identity is learnt and tested; without ``allow_partial`` also every
            difference from ``expected``.
    """
    survey = survey_llcm_tree(root, expected=expected, name=name)
    notes = survey.settle(allow_partial)
    sizes = survey.listed_sizes()
    if not sizes:
        raise DatasetError(f"{survey.where}: none of the listed images is there")
    return Dataset(
        name,
        title,
        root,
        ("visible", "near-infrared"),
        **survey.tables,
        protocols=("llcm-ir2vis-L1", "llcm-vis2ir-L1", "llcm-vis2ir-L2", "llcm-L3", "ir2vis", "vis2ir"),
        fingerprint=fingerprint_of(name, root, survey.tables, sizes),
        credit="Zhang and Wang, Diverse Embedding Expansion Network and Low-Light Cross-Modality Benchmark for Visible-Infrared Person "
        "Re-identification, CVPR 2023; research use under the signed agreement",
        notes=notes,
    )


def survey_llcm_tree(root: Path, *, expected: Expected, name: str = "llcm") -> Survey:
    """Look over a folder tree of LLCM's form; see ``read_llcm_tree``.

    Raises:
        DatasetError: the root is no folder with vis, nir, test_vis or test_nir in it.
    """
    survey = Survey(name, root, expected.remedy, belonging=BELONGING)
    check_root(root, survey.where)
    scan = scan_folder(root, survey, expected.cameras)
    survey.sizes = scan.sizes
    test_ids = read_test_ids(survey)
    lists = {(part, band): _lines(survey, scan, part, band, test_ids) for part in PARTS for band in FOLDERS}
    check_labels([line for band in FOLDERS for line in lists["train", band]], survey)
    _check_parts(lists, survey)
    check_identities({line.identity for band in FOLDERS for line in lists["test", band]}, test_ids, survey)
    for part in PARTS:
        survey.tables[part] = table_of([row for band in FOLDERS for row in _rows(lists[part, band], scan, band, survey)])
    _set_aside(survey, scan)
    _compare(lists, scan, expected, survey)
    _compare_forms(lists, scan, expected, survey)
    _note_names(survey, scan)
    survey.notes += band_notes(survey.tables)
    return survey


# --- lists and pictures ------------------------------------------------------------------------------------------------------


def _lines(survey: Survey, scan: Scan, part: str, band: str, test_ids: Sequence[int] | None) -> list[Line]:
    """The lines of one list. A missing test list can be made from the folders by camera, which is what DEEN and AGW read."""
    name = list_name(part, band)
    if part == "test" and not (survey.root / name).exists() and scan.by_camera[band]:
        survey.problems.append(f"list {name} is missing; the folders test_{FOLDERS[band]} say who is tested")
        wanted = None if test_ids is None else set(test_ids)
        found = [place for place in scan.by_camera[band].values() if wanted is None or place.identity in wanted]
        return [Line(place.path, place.identity, place.name, place.identity) for place in sorted(found, key=lambda place: place.order)]
    return read_list(survey, part, band)


def _check_parts(lists: Mapping[tuple[str, str], Sequence[Line]], survey: Survey) -> None:
    """No identity is both learnt and tested."""
    train, test = ({line.identity for band in FOLDERS for line in lists[part, band]} for part in PARTS)
    both = sorted(train & test)
    if both:
        survey.fatal.append(f"{people_are(both)} in both the train and the test lists")


def _rows(lines: Iterable[Line], scan: Scan, band: str, survey: Survey) -> list[tuple[str, int, int, str, int, int]]:
    """Rows of the listed pictures that are there: (path, identity, camera, modality, tracklet, frame)."""
    rows, nameless = {}, []
    for line in lines:
        place = scan.by_camera[band].get(line.key)
        plain = scan.plain[band].get(line.key)
        if plain is None and place is None:
            continue
        path = plain.path if plain else place.path  # the same for both forms of a list, and so is the fingerprint
        match = NAME.fullmatch(Path(line.name).stem)
        camera = place.camera if place else int(match["camera"]) if match else None
        if camera is None:
            nameless.append(path)
            continue
        rows.setdefault(path, (path, line.identity, camera, band, -1, int(match["frame"]) if match else -1))
    if nameless:
        survey.problems.append(
            f"{len(nameless)} pictures left out whose name tells no camera, first {nameless[0]} "
            "(expected names of the form NNNN_cCC_sSSSSSS_fFFFF_vis)"
        )
    return list(rows.values())


def _set_aside(survey: Survey, scan: Scan) -> None:
    """Pictures that no table holds: of nobody in a list, or the second copy of one that is listed."""
    used = {path for table in survey.tables.values() for path in table["path"].tolist()}
    rows, unknown = [], {}
    for band in FOLDERS:
        keys = {key for key in scan.by_camera[band] if scan.by_camera[band][key].path in used}
        keys |= {key for key in scan.plain[band] if scan.plain[band][key].path in used}
        for place in [*scan.plain[band].values(), *scan.by_camera[band].values()]:
            if place.path not in used:
                rows.append((place.path, place.identity, place.camera, band, -1, -1))
                if place.key not in keys:
                    unknown.setdefault((band, place.key), place.path)
    survey.unlisted = table_of(rows)
    if unknown:
        first = next(iter(unknown.values()))
        survey.warned.append(f"ignored {len(unknown)} picture{'s' if len(unknown) > 1 else ''} that no list names, first {first}")


# --- counts ------------------------------------------------------------------------------------------------------------------


def _compare(lists: Mapping[tuple[str, str], Sequence[Line]], scan: Scan, expected: Expected, survey: Survey) -> None:
    """Set the identities of both parts, and their images in each band, beside the published ones."""
    for part in PARTS:
        table = survey.tables[part]
        short = next((list_name(part, band) for band in FOLDERS if not lists[part, band]), None)
        found = {"identities": table["identity"].nunique()}
        survey.compare(
            part,
            modality="both",
            expected={"identities": expected.identities[part]},
            found=found,
            cause=f"list {short} is missing or empty" if short else "lists cut short, or identity folders missing",
            told=short is not None,
        )
        for band, folder in FOLDERS.items():
            lines, images = lists[part, band], int((table["modality"] == band).sum())
            gone = [line.path for line in lines if scan.find(band, line) is None]
            cause = f"{gone[0]} is missing, incomplete copy" if gone else "another list than the published one"
            survey.compare(
                part,
                where=f"{folder} {part}",
                modality=band,
                expected={"images": expected.images[part, band]},
                found={"images": images},
                cause=cause,
                told=not lines or folder in scan.missing or (bool(gone) and set(gone) <= scan.told),
            )


def _compare_forms(lists: Mapping[tuple[str, str], Sequence[Line]], scan: Scan, expected: Expected, survey: Survey) -> None:
    """The folders by camera and the test lists hold the same pictures; else L1 and L3 would test on different ones."""
    for band, folder in FOLDERS.items():
        if f"test_{folder}" in scan.missing:
            continue
        listed, held = {line.key for line in lists["test", band]}, set(scan.by_camera[band])
        more, less = (sorted("/".join(key) for key in keys) for keys in (held - listed, listed - held))
        parts = [f"{len(more)} only in the folders, first {more[0]}"] if more else []
        parts += [f"{len(less)} only in the list, first {less[0]}"] if less else []
        cause = (
            f"test_{folder} and {list_name('test', band)} differ: {', '.join(parts)}" if parts else "another list than the published one"
        )
        want, found = {"images by camera": expected.images["test", band]}, {"images by camera": len(held)}
        survey.compare("test", modality=band, expected=want, found=found, cause=cause, told=True)
        if parts and listed:
            # Where no name at all is shared, the copy names its pictures anew, and nothing is missing for all that can be told.
            (survey.problems if held & listed or not held else survey.warned).append(cause)


def _note_names(survey: Survey, scan: Scan) -> None:
    """File names that say another identity or camera than their folders, which decide (unverified that no official name does)."""
    other = []
    for place in (place for band in FOLDERS for place in [*scan.plain[band].values(), *scan.by_camera[band].values()]):
        match = NAME.fullmatch(Path(place.name).stem)
        if match and (int(match["identity"]) != place.identity or int(match["camera"]) != place.camera):
            other.append(place.path)
    if other:
        survey.warned.append(
            f"{len(other)} file name{'s say' if len(other) > 1 else ' says'} another identity or camera than the folder, which decides: "
            f"first {other[0]}"
        )
