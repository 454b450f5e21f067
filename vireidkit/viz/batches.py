"""What the network is fed: a batch as it was drawn, and what augmentation makes of it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from vireidkit.analysis.neighbours import as_array
from vireidkit.analysis.pixels import as_images, pixel_table
from vireidkit.data.augmentation import denormalise
from vireidkit.modality import INFRARED, MODALITIES, VISIBLE
from vireidkit.viz.pages import Page
from vireidkit.viz.style import FAINT, LABEL, SMALL, WIDTH, WRONG, many, percent, styled


def pixels_of(images: Any) -> NDArray[np.uint8]:
    """Normalised images (N, 3, H, W) taken back to uint8 (N, H, W, 3); what is uint8 stays."""
    floating = isinstance(images, Tensor) and images.is_floating_point()
    return as_images(denormalise(images) if floating else images)


@styled
def batch_sheet(batch: Any, images: Any = None, *, bands: Sequence[str] = MODALITIES, title: str | None = None) -> Figure:
    """A batch as it was drawn: the visible half above the infrared half, one group of columns a person.

    Args:
        batch: a ``Batch``; labels, modality, cameras, rows and views are read.
        images: the pictures of its rows, uint8 (B, H, W, 3); by default ``batch.images``, which are taken back to pixels.

    Raises:
        ValueError: another number of images than rows, or an empty batch.
    """
    images = pixels_of(batch.images if images is None else images)
    rows = pd.DataFrame({name: as_array(getattr(batch, name)) for name in ("labels", "modality", "cameras", "rows", "views")})
    if len(images) != len(rows) or len(rows) == 0:
        raise ValueError(f"expected one picture for each of {len(rows)} rows of the batch, found {len(images)}")
    rows["repeated"] = rows.duplicated(["rows", "views"], keep=False)
    people = list(dict.fromkeys(rows["labels"]))
    halves = [(code, view) for code in (VISIBLE, INFRARED) for view in sorted(rows.loc[rows["modality"] == code, "views"].unique())]
    most = int(rows.groupby(["modality", "views", "labels"]).size().max())
    columns = most if most * len(people) <= 16 else -(-most // 2)
    width = min(0.62, (WIDTH - 1.35 - 0.1 * len(people)) / (columns * len(people)))
    height = width * images.shape[1] / images.shape[2]
    group, block = columns * width + 0.1, -(-most // columns) * (height + 0.02) + 0.18
    page = Page(
        title or _batch_title(rows, bands),
        0.3 + block * len(halves),
        reading="A group of columns is one person, the same in both halves; the small number is the camera."
        + (" A dashed frame: drawn twice." if rows["repeated"].any() else ""),
        alt=f"{len(rows)} pictures: {many(len(people), 'person', 'people')} in {len(people)} groups of columns, "
        + ", ".join(f"{(rows['modality'] == code).sum()} {bands[code]}" for code in (VISIBLE, INFRARED)) + ".",
    )  # fmt: skip
    for place, label in enumerate(people):
        page.text(1.2 + group * place + columns * width / 2, page.top, f"label {label}", size=SMALL)
    for line, (code, view) in enumerate(halves):
        y = page.top + 0.24 + block * line
        own = rows[(rows["modality"] == code) & (rows["views"] == view)]
        page.badge(0.56, y + 0.1, code, bands[code], size=SMALL)
        if len(halves) > 2:
            page.text(0.56, y + 0.28, f"view {view}", size=SMALL, colour=FAINT)
        for place, label in enumerate(people):
            corner = (1.2 + group * place, y)
            _draw_group(page, images, own[own["labels"] == label], corner, (width, height), columns)
    return page.fig


def _draw_group(
    page: Page, images: NDArray[np.uint8], own: pd.DataFrame, corner: tuple[float, float], size: tuple[float, float], columns: int
) -> None:
    """One person's pictures in one half."""
    width, height = size
    for number, row in enumerate(own.itertuples()):
        x, y = corner[0] + width * (number % columns), corner[1] + (height + 0.02) * (number // columns)
        page.picture(images[row.Index], x, y, width - 0.02, height)
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.8, "alpha": 0.8}
        page.text(x + 0.02, y + height - 0.02, str(row.cameras), size=7, ha="left", va="bottom", bbox=box)
        if row.repeated:
            page.border(x + 0.01, y + 0.01, width - 0.04, height - 0.02, WRONG, style="--")


def _batch_title(rows: pd.DataFrame, bands: Sequence[str]) -> str:
    """What the batch holds, and whether an image is in it twice."""
    each = []
    for code in (VISIBLE, INFRARED):
        sizes = rows[rows["modality"] == code].groupby("labels").size()
        if len(sizes):
            number = f"{sizes.min()}" if sizes.min() == sizes.max() else f"{sizes.min()} to {sizes.max()}"
            each.append(f"{number} {bands[code]}")
    views = rows.loc[rows["modality"] == VISIBLE, "views"].nunique()
    twice = int(rows["repeated"].sum())
    end = f"{twice} of them drawn more than once" if twice else "none drawn twice"
    shown = f", every visible one in {views} views" if views > 1 else ""
    return f"{len(rows)} pictures of {many(rows['labels'].nunique(), 'person', 'people')}, {' and '.join(each)} each{shown}; {end}"


@styled
def augmentation_sheet(
    original: Any, results: Mapping[str, Any], *, modality: Sequence[int] | None = None, title: str | None = None
) -> Figure:
    """Pictures (rows) and what each operator makes of them (columns), with the pixels changed and the colour left under each.

    Args:
        original: uint8 (N, H, W, 3), or normalised (N, 3, H, W); results: name of an operator -> its pictures, of the same kind.
        modality: codes (N,), marks the rows.

    Raises:
        ValueError: a result of another shape.
    """
    original = pixels_of(original)
    results = {name: pixels_of(pictures) for name, pictures in results.items()}
    for name, pictures in results.items():
        if pictures.shape != original.shape:
            raise ValueError(f"operator {name!r} must keep the shape {original.shape}, found {pictures.shape}")
    changes = augmentation_changes(original, results, modality)
    width = min(0.85, 7.6 / (len(results) + 1) - 0.2)
    height = width * original.shape[1] / original.shape[2]
    step, left = max(width + 0.2, 1.15), 0.95
    page = Page(
        title or _augmentation_title(changes),
        0.65 + (height + 0.08) * len(original),
        width=max(6.0, left + step * (len(results) + 1)),
        reading="Changed: pixels that differ from the original. Colour left: how far hues differ inside visible pictures; original 100 %.",
        alt="Columns: "
        + "; ".join(f"{e.operator}, {percent(e.changed)} changed, colour left {percent(e.colour_left)}" for e in changes.itertuples())
        + ".",
    )
    for column, entry in enumerate(changes.itertuples()):
        x = left + step * column
        page.text(x + width / 2, page.top, entry.operator, size=LABEL, weight="bold")
        text = "" if column == 0 else f"changed {percent(entry.changed)}\ncolour left {percent(entry.colour_left)}"
        page.text(x + width / 2, page.top + 0.19, text, size=SMALL, colour=FAINT)
        for line, picture in enumerate([original, *results.values()][column]):
            page.picture(picture, x, page.top + 0.55 + (height + 0.08) * line, width, height)
    for line, code in enumerate([] if modality is None else as_array(modality)):
        page.badge(0.48, page.top + 0.55 + (height + 0.08) * line + height / 2, int(code), MODALITIES[int(code)], size=SMALL)
    return page.fig


def augmentation_changes(original: Any, results: Mapping[str, Any], modality: Sequence[int] | None = None) -> pd.DataFrame:
    """One row an operator, the original first: ``operator``; ``changed``, the share of pixels that differ (0-1); ``colour_left``, the
    mean of ``hues`` of the visible pictures over that of the originals (NaN where these hold no colour). Arguments as in the sheet."""
    original = pixels_of(original)
    visible = np.ones(len(original), bool) if modality is None else as_array(modality) == VISIBLE
    rows = []
    for name, pictures in {"original": original, **results}.items():
        pictures = pixels_of(pictures)
        hues = pixel_table(pictures[visible])["hues"].mean()
        rows.append((name, float((pictures != original).any(axis=3).mean()), hues))
    changes = pd.DataFrame(rows, columns=["operator", "changed", "colour_left"])
    before = changes["colour_left"][0]
    return changes.assign(colour_left=changes["colour_left"] / before if before > 0 else np.nan)


def _augmentation_title(changes: pd.DataFrame) -> str:
    """What each operator leaves of the colour."""
    operators = changes.iloc[1:]
    if operators.empty:
        return "Pictures before augmentation"
    if operators["colour_left"].isna().all():
        return "Pixels changed: " + ", ".join(f"{e.operator} {percent(e.changed)}" for e in operators.itertuples())
    return "Colour that is left in visible pictures: " + ", ".join(f"{e.operator} {percent(e.colour_left)}" for e in operators.itertuples())
