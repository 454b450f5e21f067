"""The static twin of the retrieval browser: one query, and under it the ranked gallery of each method."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vireidkit.analysis.retrieval import ORDERS
from vireidkit.errors import SettingError
from vireidkit.viz.atlas import Thumbnails
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.retrieval_view import Filters, Rankings
from vireidkit.viz.style import CROSS, FAINT, INK, RIGHT, TICK, WRONG, many, percent, styled
from vireidkit.viz.tables import label_of

MapOf = Callable[[int, int], Any]
HEAT = "inferno"  # dark to bright, for every reader
LEFT = 1.85  # inches at the left that say which method, and what it found
READING = (
    f"{TICK} right person, {CROSS} someone else; p = person, c = camera, d = distance to the query. Solid border: right, dashed: wrong."
)
REMOVED_TOLD = " Hatched: removed by the protocol for this query, without a rank."
MAP_TOLD = " Bright: regions that make the two descriptors agree."


@styled
def retrieval_browser_static(
    features: Any,
    trials: Any,
    image_of: ImageOf | None,
    *,
    selection: int | None = None,
    trial: str | None = None,
    methods: Sequence[str] | None = None,
    k: int = 10,
    order: str = ORDERS[0],
    map_of: MapOf | Mapping[str, MapOf] | None = None,
    maps: bool = False,
    title: str | None = None,
) -> Figure:
    """One query with the k nearest gallery images of each method, as a figure that needs no kernel.

    Args:
        features, trials, image_of, map_of: as for ``RetrievalBrowser``.
        selection: position of the query in the trial; by default the first in ``order``.
        trial, methods: names of those shown; by default the first trial and the first two methods.
        maps: lay the similarity map over every gallery picture.

    Raises:
        SettingError: an unknown name, or features and trials that do not fit. IndexError: no such query.
    """
    rankings = features if isinstance(features, Rankings) else Rankings(features, trials)
    trial = known("trial", trial or next(iter(rankings.trials)), rankings.trials)
    methods = [known("method", name, rankings.features) for name in (methods or list(rankings.features)[:2])]
    if selection is None:
        selection = int(rankings.listed(trial, methods[0], order=order, filters=Filters())[0])
    entries = {method: rankings.queries(method, trial).iloc[selection] for method in methods}
    lists = {method: rankings.answers(method, trial, selection, k)[0] for method in methods}
    pictures = Thumbnails(image_of)
    size = _size(k, _aspect(pictures, image_of, int(entries[methods[0]]["row"])))
    step = size[1] + 0.66
    removed = any(shown["excluded"].any() for shown in lists.values())
    reading = READING + (REMOVED_TOLD if removed else "") + (MAP_TOLD if maps else "")
    page = Page(title or _title(entries), size[1] + 0.45 + step * len(methods), reading=reading, alt=_alt(entries, lists, trial))
    _query(page, entries[methods[0]], rankings, pictures, size, trial)
    for line, method in enumerate(methods):
        y = page.top + size[1] + 0.45 + step * line
        _method(page, method, entries[method], y, size)
        own = maps_of(map_of, method) if maps else None
        _list(page, lists[method], int(entries[method]["row"]), own, rankings.cameras, pictures, (y + 0.17, size))
    return page.fig


def _size(k: int, aspect: float) -> tuple[float, float]:
    """Width and height in inches of a picture, so that ``k`` of them stand in a row."""
    width = min(0.62, (9.0 - LEFT - 0.1) / k - 0.06)
    return width, width * aspect


def known(what: str, name: str, names: Mapping[str, Any]) -> str:
    """The name, if it is one of these.

    Raises:
        SettingError: it is not.
    """
    if name not in names:
        raise SettingError(f"unknown {what} {name!r}; known: {', '.join(names)}")
    return name


def maps_of(map_of: MapOf | Mapping[str, MapOf] | None, method: str) -> MapOf | None:
    """The function of one method: each has its own, or all share one."""
    return map_of.get(method) if isinstance(map_of, Mapping) else map_of


def heat_picture(values: Any) -> NDArray[np.uint8]:
    """A map (h, w) in 0..1 as colours, uint8 (h, w, 3).

    Raises:
        SettingError: another shape, not finite, or outside 0..1.
    """
    values = values.detach().cpu().numpy() if hasattr(values, "detach") else np.asarray(values)
    if values.ndim != 2 or 0 in values.shape:
        raise SettingError(f"a similarity map must have shape (h, w), found {values.shape}")
    values = values.astype(np.float64)
    if not np.isfinite(values).all() or values.min() < -1e-6 or values.max() > 1 + 1e-6:
        raise SettingError("a similarity map must lie in 0..1 and be finite: divide it by its largest value")
    return (255 * matplotlib.colormaps[HEAT](values.clip(0, 1))[..., :3]).round().astype(np.uint8)


def _aspect(pictures: Thumbnails, image_of: ImageOf | None, row: int) -> float:
    """Height over width of the pictures; 2, the field's shape, where the first is missing."""
    if pictures.of(row) is None:
        return 2.0
    height, width = picture_of(image_of(row)).shape[:2]
    return float(np.clip(height / width, 0.5, 3.0))


def _draw(page: Page, pictures: Thumbnails, row: int, corner: tuple[float, float], size: tuple[float, float], *, faded: bool) -> None:
    """A picture, or a grey place that says it is missing."""
    if pictures.of(row) is None:
        page.shade(*corner, *size, "#DEDEDE")
        page.text(corner[0] + size[0] / 2, corner[1] + size[1] / 2, "picture\nmissing", size=6.5, va="center")
    else:
        page.picture(pictures.image_of(row), *corner, *size, faded=faded)


def _query(page: Page, entry: pd.Series, rankings: Rankings, pictures: Thumbnails, size: tuple[float, float], trial: str) -> None:
    """The query's picture on top, with who it is beside it."""
    corner = (0.15, page.top + 0.25)
    _draw(page, pictures, int(entry["row"]), corner, size, faded=False)
    page.border(*corner, *size, INK, line=1.2)
    page.badge(corner[0] + size[0] / 2, page.top + 0.06, entry["modality"], "query", size=8.5)
    camera = f"camera {label_of(entry['camera'])}" if rankings.cameras else "camera unknown"
    lines = [f"query {entry['query']} of {trial}", f"person {label_of(entry['identity'])}, {camera}, {entry['modality']}"]
    if entry["removed"]:
        lines.append(f"the protocol removes {many(int(entry['removed']), 'gallery image')} for it")
    page.text(corner[0] + size[0] + 0.15, corner[1], "\n".join(lines), ha="left")


def _method(page: Page, method: str, entry: pd.Series, y: float, size: tuple[float, float]) -> None:
    """Name and numbers of a method, left of its list."""
    page.text(0.1, y + 0.17, method, ha="left", weight="bold")
    found = [f"first right: {entry['first_hit']}", f"AP {percent(entry['ap'])}"] if entry["valid"] else ["not in the gallery"]
    page.text(0.1, y + 0.17 + size[1], "\n".join(found), ha="left", va="bottom", colour=FAINT)


def _list(
    page: Page,
    shown: pd.DataFrame,
    query: int,
    map_of: MapOf | None,
    cameras: bool,
    pictures: Thumbnails,
    where: tuple[float, tuple[float, float]],
) -> None:
    """The answers of one method from left to right; ``where``: their upper edge and the size of a picture, in inches."""
    y, size = where
    for place, answer in enumerate(shown.itertuples(index=False)):
        heat = None if map_of is None else map_of(query, int(answer.row))
        _answer(page, answer, cameras, pictures, (LEFT + (size[0] + 0.06) * place, y), size, heat)


def _answer(
    page: Page, answer: Any, cameras: bool, pictures: Thumbnails, corner: tuple[float, float], size: tuple[float, float], heat: Any
) -> None:
    """One gallery image with its border, mark and numbers, and its map where there is one."""
    x, y = corner
    _draw(page, pictures, int(answer.row), corner, size, faded=bool(answer.excluded))
    if heat is not None:
        page.axes.imshow(heat_picture(heat), extent=(x, x + size[0], y + size[1], y), aspect="auto", alpha=0.55, zorder=2.5)
    place = f"  c {label_of(answer.camera)}" if cameras else ""
    page.text(x + size[0] / 2, y + size[1] + 0.04, f"p {label_of(answer.identity)}{place}\nd {_number(answer.distance)}", size=7.5)
    if answer.excluded:
        page.hatched(x, y, *size)
        page.text(x + size[0] / 2, y - 0.02, "removed", va="bottom", colour=FAINT, size=7.5)
        return
    colour, mark = (RIGHT, TICK) if answer.correct else (WRONG, CROSS)
    page.border(x, y, *size, colour, style="-" if answer.correct else (0, (4, 1)))
    page.text(x + size[0] / 2, y - 0.03, f"{answer.rank} {mark}", va="bottom", colour=colour, weight="bold")


def _number(distance: float) -> str:
    """Three digits that tell, also where all distances are small."""
    return f"{distance:.4f}" if 0 < abs(distance) < 0.1 else f"{distance:.3f}"


def _title(entries: Mapping[str, pd.Series]) -> str:
    """Where each method finds the person."""
    first = next(iter(entries.values()))
    person = f"person {label_of(first['identity'])}"
    if not first["valid"]:
        return f"The gallery holds no image of {person}"
    ranks = [f"{method} at rank {entry['first_hit']}" for method, entry in entries.items()]
    return f"{person} is found by {' and by '.join(ranks)}"


def _alt(entries: Mapping[str, pd.Series], lists: Mapping[str, pd.DataFrame], trial: str) -> str:
    """The lists in words."""
    first = next(iter(entries.values()))
    parts = []
    for method, shown in lists.items():
        hits = shown.loc[shown["correct"] & ~shown["excluded"], "rank"].tolist()
        right = f"right at rank {', '.join(map(str, hits))}" if hits else "none of the shown is right"
        parts.append(f"{method}: {right}")
    return f"Query {first['query']} of {trial}, person {label_of(first['identity'])}, with its nearest gallery images. {'; '.join(parts)}."
