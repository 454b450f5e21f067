"""Maps laid over pictures: what makes two of them alike, what speaks for a class, and whether a map shows the network at all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Colormap, LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray
from PIL import Image

from vireidkit.analysis.randomisation import EVERYTHING, LIMIT
from vireidkit.analysis.similarity import SideMap, SimilarityMaps
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import CROSS, CYCLE, FAINT, LABEL, MINUS, RIGHT, SMALL, TICK, WRONG, finish, many, new_figure, percent, styled

# Both are told apart by colour-blind readers. Grey, not white, in the middle: it stands for a place without colour.
SIGNED = LinearSegmentedColormap.from_list("against and for", ["#762A83", "#D9D9D9", "#1B7837"])
STRENGTH = matplotlib.colormaps["viridis"]
THIRDS = ("upper", "middle", "lower")
_MARKS = ("o", "s", "D", "^", "v", "P")


def overlay(image: Any, values: Any, limit: float, *, signed: bool = True) -> NDArray[np.uint8]:
    """A picture in grey under the colours of a map, uint8 (H, W, 3).

    Args:
        image: uint8 (H, W, 3) or PIL; values: map (h, w), enlarged to the picture with smooth steps.
        limit: the value of full colour, above 0; signed: colours for both signs, else from 0 to ``limit``.

    Raises:
        ValueError: a map that is not (h, w) of finite numbers, or a limit that is not above 0.
    """
    picture, values = picture_of(image), np.asarray(values, dtype=np.float32)
    if values.ndim != 2 or not np.isfinite(values).all() or not limit > 0:
        raise ValueError(f"expected a map (h, w) of finite numbers and a limit above 0, found {values.shape} and {limit}")
    size = (picture.shape[1], picture.shape[0])
    large = np.asarray(Image.fromarray(values).resize(size, Image.Resampling.BICUBIC)) / limit  # (H, W)
    grey = picture.mean(axis=2, keepdims=True) * 0.75 + 50
    # With two signs the strength is in the share of the colour alone, so that no edge is drawn where the sign changes.
    colours = 255 * (SIGNED((large > 0) * 1.0) if signed else STRENGTH(large.clip(0, 1)))[..., :3]
    share = 0.85 * np.abs(large).clip(0, 1)[..., None] if signed else 0.55
    return (grey * (1 - share) + colours * share).clip(0, 255).astype(np.uint8)


@styled
def similarity_sheet(
    maps: Sequence[SimilarityMaps],
    image_of: ImageOf,
    table: pd.DataFrame,
    *,
    columns: int = 2,
    height: float = 1.9,
    title: str | None = None,
) -> Figure:
    """Pairs of pictures, and in each the regions that make the two descriptors agree.

    A pair is four pictures: the query, the query under its map, the gallery picture under its map, the gallery picture. All maps share
    one scale; the positions of a map add up to the cosine.

    Args:
        maps: ``similarity_maps`` of each pair; image_of: the picture of a row; table: identity and camera of the rows.
        columns: pairs side by side; height: of a picture in inches.

    Raises:
        ValueError: no pair.
    """
    if not maps:
        raise ValueError("a similarity sheet needs a pair, found none")
    shares = np.concatenate([side.shares.ravel() for pair in maps for side in (pair.query, pair.gallery)])
    limit = max(float(np.quantile(np.abs(shares), 0.98)), 1e-9)
    shape = picture_of(image_of(maps[0].query.row)).shape
    width = min(height * shape[1] / shape[0], (8.6 / columns - 0.3) / 4)
    height, block = width * shape[0] / shape[1], 8.8 / columns
    lines = -(-len(maps) // columns)
    page = Page(
        title or _similarity_title(maps),
        (height + 0.55) * lines + 0.55,
        reading=f"Green speaks for a match, purple against it; the colours of a picture add up to the cosine. {_kind_reading(maps)}",
        alt="Pairs: " + "; ".join(_pair_text(pair, table) for pair in maps) + ".",
    )
    for number, pair in enumerate(maps):
        corner = (0.1 + block * (number % columns), page.top + (height + 0.55) * (number // columns))
        _draw_pair(page, pair, image_of, table, corner, (width, height), limit)
    _colour_bar(page, Normalize(-limit, limit), SIGNED, "what a position adds to the cosine", ("against a match", "for a match"))
    return page.fig


def _draw_pair(
    page: Page,
    pair: SimilarityMaps,
    image_of: ImageOf,
    table: pd.DataFrame,
    corner: tuple[float, float],
    size: tuple[float, float],
    limit: float,
) -> None:
    """Four pictures with their heads, the gallery's framed as right or wrong."""
    (x, y), (width, height) = corner, size
    step = width + 0.06
    right = _same(pair, table)
    colour, mark, word = (RIGHT, TICK, "right") if right else (WRONG, CROSS, "wrong")
    for place, (side, name) in enumerate(((pair.query, "query"), (pair.gallery, "gallery"))):
        entry, left = table.iloc[side.row], x + 2 * step * place
        page.badge(left + step, y, entry["modality"], f"{name}: p {entry['identity']}  c {entry['camera']}", size=SMALL)
        picture = image_of(side.row)
        plain, coloured = (left, left + step) if place == 0 else (left + step, left)
        page.picture(picture, plain, y + 0.2, width, height)
        page.picture(overlay(picture, side.shares, limit), coloured, y + 0.2, width, height)
    page.border(x + 3 * step, y + 0.2, width, height, colour, style="-" if right else (0, (4, 1)))
    page.text(x + 2 * step, y + height + 0.24, f"{mark} {word}, cosine {pair.cosine:.2f}", colour=colour, weight="bold")


def _same(pair: SimilarityMaps, table: pd.DataFrame) -> bool:
    """Whether both pictures show one person."""
    return bool(table["identity"].iloc[pair.query.row] == table["identity"].iloc[pair.gallery.row])


def _pair_text(pair: SimilarityMaps, table: pd.DataFrame) -> str:
    """A pair in words."""
    first, second = (table.iloc[side.row] for side in (pair.query, pair.gallery))
    who = f"person {first['identity']} (camera {first['camera']}) and person {second['identity']} (camera {second['camera']})"
    told = ", ".join(f"{name} {_told(thirds_of([side]))}" for name, side in (("query", pair.query), ("gallery", pair.gallery)))
    return f"{who}, cosine {pair.cosine:.2f}, agreement in the {told}"


def thirds_of(sides: Sequence[SideMap]) -> dict[str, float]:
    """Share of all that speaks for a match in the upper, middle and lower third of the maps (0-1; NaN where nothing does)."""
    sums = np.zeros(3)
    for side in sides:
        positive, rows = np.maximum(side.shares, 0).sum(axis=1), len(side.shares)
        # A row of the map may lie in two thirds.
        for row, value in enumerate(positive):
            ends = np.clip(3 * np.array([row, row + 1]) / rows, 0, 3)
            sums += value * np.clip(np.minimum(ends[1], np.arange(1, 4)) - np.maximum(ends[0], np.arange(3)), 0, None) * rows / 3
    return dict(zip(THIRDS, sums / sums.sum() if sums.sum() > 0 else np.full(3, np.nan), strict=True))


def _told(thirds: Mapping[str, float]) -> str:
    return ", ".join(f"{percent(value)} {name}" for name, value in thirds.items())


def _similarity_title(maps: Sequence[SimilarityMaps]) -> str:
    """Where in the pictures the agreement lies."""
    thirds = thirds_of([side for pair in maps for side in (pair.query, pair.gallery)])
    upper, middle, lower = (percent(value) for value in thirds.values())
    alike = f"Of what makes {many(len(maps), 'pair')} alike"
    return f"{alike}, {upper} lies in the upper third of the picture, {middle} in the middle, {lower} below"


def _kind_reading(maps: Sequence[SimilarityMaps]) -> str:
    """Exact or first order, in words."""
    kinds = {pair.kind for pair in maps}
    if kinds == {"exact"}:
        return "Exact: each position adds what is shown."
    return "First order: gradient times activation; a position's share depends on the others."


def _colour_bar(page: Page, norm: Normalize, colours: Colormap, label: str, ends: tuple[str, str]) -> None:
    """A colour bar at the foot of the page, with what its ends mean."""
    bottom = 0.45 + 0.16 * (page.fig.get_supxlabel().count("\n") + 1)  # inches, above the reading
    axes = page.fig.add_axes(((page.width / 2 - 1.4) / page.width, bottom / page.height, 2.8 / page.width, 0.12 / page.height))
    bar = page.fig.colorbar(ScalarMappable(norm, colours), cax=axes, orientation="horizontal")
    bar.outline.set_visible(False)
    bar.ax.tick_params(labelsize=SMALL, length=2)
    bar.set_label(label, fontsize=SMALL, labelpad=1)
    for x, align, text in ((-0.03, "right", ends[0]), (1.03, "left", ends[1])):
        axes.text(x, 0.5, text, transform=axes.transAxes, ha=align, va="center", fontsize=SMALL, color=FAINT)


@styled
def map_sheet(
    rows: Sequence[int],
    maps: Mapping[str, Any],
    image_of: ImageOf,
    *,
    table: pd.DataFrame | None = None,
    height: float = 1.5,
    title: str | None = None,
) -> Figure:
    """Pictures (columns) and the maps of each (lines): Grad-CAM, or the attention and mask maps that a method has.

    Args:
        rows: of the pictures; maps: name -> (N, h, w) in 0..1, one a picture (``grad_cam``, ``attention_maps``).
        image_of: the picture of a row; table: identity, camera and modality of the rows, for the heads.

    Raises:
        ValueError: no picture or map, another number of maps than pictures, or values outside 0..1.
    """
    given = {name: np.asarray(values, dtype=np.float64) for name, values in maps.items()}
    for name, values in given.items():
        if values.ndim != 3 or len(values) != len(rows) or not ((values >= 0) & (values <= 1)).all():
            raise ValueError(f"map {name!r} must be ({len(rows)}, h, w) in 0..1, found shape {values.shape}")
    if not given or len(rows) == 0:
        raise ValueError(f"a sheet of maps needs pictures and maps, found {len(rows)} pictures and {len(given)} maps")
    shape = picture_of(image_of(rows[0])).shape
    width = min(height * shape[1] / shape[0], 7.7 / len(rows) - 0.06)
    height, step = width * shape[0] / shape[1], max(width + 0.06, 0.5)
    page = Page(
        title or _maps_title(given),
        (height + 0.08) * (1 + len(given)) + 0.95,
        reading="Each map is divided by its largest value: colours of two pictures cannot be compared.",
        alt=f"{many(len(rows), 'picture')}; maps: {', '.join(given)}.",
    )
    for line, name in enumerate(("picture", *given)):
        y = page.top + 0.22 + (height + 0.08) * line
        page.text(0.1, y + height / 2, name.replace(" ", "\n"), size=LABEL, ha="left", va="center")
        for column, row in enumerate(rows):
            x, picture = 1.15 + step * column, image_of(int(row))
            page.picture(overlay(picture, given[name][column], 1.0, signed=False) if line else picture, x, y, width, height)
            if line == 0 and table is not None:
                entry = table.iloc[int(row)]
                page.badge(x + width / 2, page.top, entry["modality"], f"p {entry['identity']}", size=7.5)
    _colour_bar(page, Normalize(0, 1), STRENGTH, "share of the map's largest value", ("nothing", "most"))
    return page.fig


def _maps_title(maps: Mapping[str, NDArray[np.float64]]) -> str:
    """How much of the picture each map marks."""
    told = [f"{name} marks {percent(float((values >= 0.5).mean()))}" for name, values in maps.items()]
    return f"{', '.join(told)} of the picture with at least half its largest value"


@styled
def randomisation_plot(checks: Mapping[str, pd.DataFrame], *, title: str | None = None) -> Figure:
    """Rank correlation of maps with themselves when layer after layer becomes random: what shows the network falls to 0.

    Args:
        checks: kind of map -> ``randomisation_check`` (all with the same steps).

    Raises:
        ValueError: no check, or checks of other steps.
    """
    steps = [tuple(table["randomised"]) for table in checks.values()]
    if not steps or len(set(steps)) > 1:
        raise ValueError("a randomisation figure needs checks of the same steps, found " + ("none" if not steps else "different ones"))
    names = [name.replace("two_stream.", "") for name in steps[0]]
    fig = new_figure(max(2.6, 1.9 + 0.3 * len(names)))
    axes = fig.subplots()
    axes.axvspan(-LIMIT, LIMIT, color="#EFEFEF", zorder=0, label=f"{MINUS}{LIMIT:.1f} to {LIMIT:.1f}: passed")
    for number, (kind, table) in enumerate(checks.items()):
        colour, places = CYCLE[number % len(CYCLE)], -np.arange(len(table)) - 0.28 * (number - (len(checks) - 1) / 2)
        axes.plot(table["correlation"], places, _MARKS[number % len(_MARKS)], color=colour, label=kind)
        axes.hlines(places, table["low"], table["high"], color=colour, linewidth=1.4)
    axes.set_yticks(-np.arange(len(names)), labels=names, fontsize=LABEL)
    axes.set(xlim=(-0.6, 1.05), ylim=(-len(names) + 0.4, 0.6), xlabel="rank correlation with the maps of the trained network")
    axes.set_ylabel("made random")
    fig.legend(loc="outside right center")
    return finish(
        fig,
        title or _check_title(checks),
        "Spearman's correlation over the positions of a map, mean over pictures; lines: 95 % intervals, pictures resampled. "
        "Each line makes random what is named and all above it, from the result downwards.",
        "; ".join(f"{kind}: {', '.join(_step_text(table))}" for kind, table in checks.items()) + ".",
    )


def _step_text(table: pd.DataFrame) -> list[str]:
    return [f"{row.randomised} {row.correlation:.2f}" for row in table.itertuples()]


def _check_title(checks: Mapping[str, pd.DataFrame]) -> str:
    """Which kinds of map lose their pattern with the weights."""
    ends = {kind: table[table["randomised"] == EVERYTHING].iloc[-1] for kind, table in checks.items()}
    told = ", ".join(f"{kind} {row['correlation']:.2f}".replace("-0", f"{MINUS}0") for kind, row in ends.items())
    verdict = (
        "the maps depend on what was learnt" if all(row["passed"] for row in ends.values()) else "not all maps depend on what was learnt"
    )
    return f"With random weights the maps correlate with those of the trained network by {told}: {verdict}"
