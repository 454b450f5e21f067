"""Sheets of pictures of a data set: people by cameras, and one person taken apart into channels."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.pixels import GREY, pixel_table
from vireidkit.modality import MODALITIES
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import FAINT, LABEL, SMALL, many, signed, styled


@styled
def image_grid(
    image_of: ImageOf,
    table: pd.DataFrame,
    *,
    identities: Sequence[int] | None = None,
    per_cell: int = 1,
    bands: Sequence[str] = MODALITIES,
    title: str | None = None,
) -> Figure:
    """People (rows) before cameras (columns, visible ones first).

    Args:
        image_of: the picture of one table row, uint8 (H, W, 3) or PIL; see ``image_reader``.
        table: identity, camera, modality; its index is what ``image_of`` takes.
        identities: who; by default the first six. per_cell: pictures of one person by one camera; bands: names of the two bands.
        title: instead of the one that is computed.

    Raises:
        ValueError: an identity that is not in the table.
    """
    people = _people(table, identities)
    cameras = table[["modality", "camera"]].drop_duplicates().sort_values(["modality", "camera"], ascending=[False, True])
    cells = _cells(table, people, cameras, per_cell)
    pictures = {row: picture_of(image_of(row)) for rows in cells.values() for row in rows}
    width = min(0.72, 7.9 / (len(cameras) * per_cell))
    height = width * np.divide(*next(iter(pictures.values())).shape[:2])
    step_x, step_y = max(1.05, width * per_cell + 0.12), height + 0.1
    counts = f"{many(len(people), 'person', 'people')} before {many(len(cameras), 'camera')}"
    page = Page(
        title or _colour_title(table, pictures, bands),
        0.5 + step_y * len(people),
        width=max(6.0, 1.05 + step_x * len(cameras)),
        reading=f"Rows: {counts}." + ("" if all(cells.values()) else " A hatched place: this camera never saw this person."),
        alt=f"A grid of pictures of {counts}; visible cameras are on the left, infrared ones on the right.",
    )
    for column, (modality, camera) in enumerate(cameras.itertuples(index=False)):
        centre = 1.0 + step_x * column + width * per_cell / 2
        page.badge(centre, page.top, modality, f"camera {camera}", weight="bold")
        page.text(centre, page.top + 0.2, bands[MODALITIES.index(modality)], size=SMALL, colour=FAINT)
    for line, person in enumerate(people):
        y = page.top + 0.45 + step_y * line
        page.text(0.1, y + height / 2, f"person\n{person}", size=LABEL, ha="left", va="center")
        for column, camera in enumerate(cameras["camera"]):
            _fill(page, pictures, cells[person, camera], (1.0 + step_x * column, y), (width, height), per_cell)
    return page.fig


def _people(table: pd.DataFrame, identities: Sequence[int] | None) -> list[int]:
    """The identities asked for, or the first six."""
    people = list(identities) if identities is not None else sorted(table["identity"].unique())[:6]
    absent = [person for person in people if not (table["identity"] == person).any()]
    if absent or not people:
        raise ValueError(f"no image of identity {absent[0]} in the table" if absent else "a grid needs people, found none")
    return people


def _cells(table: pd.DataFrame, people: Sequence[int], cameras: pd.DataFrame, per_cell: int) -> dict[tuple[int, int], list[int]]:
    """Table rows of every (person, camera)."""
    groups = table.groupby(["identity", "camera"]).groups
    return {(person, camera): list(groups.get((person, camera), []))[:per_cell] for person in people for camera in cameras["camera"]}


def _fill(
    page: Page, pictures: dict[int, Any], rows: list[int], corner: tuple[float, float], size: tuple[float, float], places: int
) -> None:
    """The pictures of one place of the grid, hatching where there is none."""
    for number in range(places):
        x, y = corner[0] + size[0] * number, corner[1]
        if number < len(rows):
            page.picture(pictures[rows[number]], x, y, *size)
        elif number == 0:
            page.hatched(x, y, *size)


def _colour_title(table: pd.DataFrame, pictures: dict[int, Any], bands: Sequence[str]) -> str:
    """How much colour the shown pictures of each band hold."""
    colour = pd.Series({row: float(pixel_table(picture[None])["colour"].iloc[0]) for row, picture in pictures.items()})
    means = colour.groupby(table.loc[colour.index, "modality"]).mean()
    if len(means) < 2:
        return f"{many(table['identity'].nunique(), 'person', 'people')}, {means.index[0]} images only"
    return (
        f"Infrared has no colour: a pixel's channels differ by {means['infrared']:.0f} of 255 grey levels in {bands[1]} images, "
        f"by {means['visible']:.0f} in {bands[0]} ones"
    )


@styled
def band_comparison(
    image_of: ImageOf,
    table: pd.DataFrame,
    *,
    identities: Sequence[int] | None = None,
    bands: Sequence[str] = MODALITIES,
    title: str | None = None,
) -> Figure:
    """One person a row: the visible picture in colour, its three channels, its grey version, and two infrared pictures.

    The title says how alike the grey versions and the infrared pictures of the shown people rank by torso brightness.

    Raises:
        ValueError: nobody in the table was seen in both bands.
    """
    both = table.groupby("identity")["modality"].nunique() == 2
    people = [person for person in (identities if identities is not None else both.index) if both.get(person, False)][:5]
    if not people:
        raise ValueError("the comparison needs people seen in both bands, found none")
    heads = [f"{bands[0]}, colour", "red only", "green only", "blue only", "grey", bands[1], bands[1]]
    rows = [_row_of_bands(image_of, table[table["identity"] == person]) for person in people]
    ratio = rows[0][0].shape[0] / rows[0][0].shape[1]
    page = Page(
        title or _brightness_title(rows),
        0.3 + (0.8 * ratio + 0.1) * len(people),
        reading="One person a row, in the same clothes. Exposure differs by camera, too.",
        alt=f"{many(len(people), 'person', 'people')}; each row shows {', '.join(heads)}.",
    )
    for column, head in enumerate(heads):
        page.badge(1.4 + 1.12 * column + 0.2 * (column > 4), page.top, "visible" if column < 5 else "infrared", head, size=SMALL)
    for line, (person, pictures) in enumerate(zip(people, rows, strict=True)):
        y = page.top + 0.25 + (0.8 * ratio + 0.1) * line
        page.text(0.1, y + 0.4 * ratio, f"person\n{person}", size=LABEL, ha="left", va="center")
        for column, picture in enumerate(pictures):
            page.picture(picture, 1.0 + 1.12 * column + 0.2 * (column > 4), y, 0.8, 0.8 * ratio)
    return page.fig


def _row_of_bands(image_of: ImageOf, own: pd.DataFrame) -> list[Any]:
    """A visible picture, its three channels, its grey version, and two infrared pictures of one person."""
    colour = picture_of(image_of(own.index[own["modality"] == "visible"][0]))
    infrared = list(own.index[own["modality"] == "infrared"])
    # Two cameras where there are two: the same cloth under other light.
    second = own.loc[infrared].drop_duplicates("camera").index[-1]
    second = infrared[-1] if second == infrared[0] else second
    channels = [np.repeat(colour[..., number : number + 1], 3, axis=2) for number in range(3)]
    grey = np.repeat((colour @ np.array(GREY)).round().astype(np.uint8)[..., None], 3, axis=2)
    return [colour, *channels, grey, picture_of(image_of(infrared[0])), picture_of(image_of(second))]


def _brightness_title(rows: list[list[Any]]) -> str:
    """Whose torso changes most from grey to infrared."""
    grey, infrared = (pixel_table([pictures[place] for pictures in rows])["grey"].to_numpy() for place in (4, 5))
    change = infrared - grey
    if len(rows) == 1:
        return f"From grey to infrared this torso changes by {signed(change[0], 0)} of 255 grey levels"
    return (
        f"From grey to infrared the torso changes by {signed(change.min(), 0)} to {signed(change.max(), 0)} of 255 grey levels: "
        "no one shift turns visible into infrared"
    )
