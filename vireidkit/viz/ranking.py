"""Rank lists as pictures: who was found, who was taken for whom, and how average precision comes about."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.retrieval import found_first, order_queries, precision_steps, query_table, ranked
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import CROSS, FAINT, LABEL, OKABE_ITO, RIGHT, SMALL, TICK, WRONG, many, percent, styled

_SHEET_READING = (
    f"{TICK} right person, {CROSS} someone else; p = person, c = camera, d = distance to the query. "
    "First right: rank of the first right image."
)
_REMOVED_READING = " Removed: gallery images that the protocol takes out for this query, hatched if shown."
_DIRECTIONS = {"visible": "Visible queries", "infrared": "Infrared queries"}


@styled
def rank_sheet(
    features: Any,
    trial: Any,
    image_of: ImageOf,
    *,
    queries: Sequence[int] | None = None,
    order: str = "failures first",
    rows: int = 6,
    k: int = 10,
    removed: int = 2,
    table: pd.DataFrame | None = None,
    title: str | None = None,
) -> Figure:
    """Queries, each with the k nearest gallery images: border and mark say right or wrong, below them person, camera and distance.

    The nearest images that the protocol's camera rule removes for a query stand where they would have been ranked, faded, hatched
    and marked; they take no rank. Their whole number is beside the query.

    Args:
        features: ``Features``; trial: a protocol's ``Trial``; image_of: the picture of a row of the features, see ``image_reader``.
        queries: positions in ``trial.query``; by default the first ``rows`` in ``order`` ("failures first", "by AP", "by camera").
        k: places of a row; removed: how many of them may go to removed images.
        table: ``query_table(features, trial)`` when it is there already.

    Raises:
        ValueError: no query to show. IndexError: a query that is not there.
    """
    table = query_table(features, trial) if table is None else table
    shown = list(order_queries(table, order)[:rows] if queries is None else queries)
    if not shown:
        raise ValueError("a rank sheet needs a query, found none")
    answers = {position: _shown_answers(features, trial, int(position), k, removed) for position in shown}
    first = picture_of(image_of(int(table["row"].iloc[shown[0]])))
    width = min(0.66, 7.0 / k - 0.06)
    size = (width, width * first.shape[0] / first.shape[1])
    step = size[1] + 0.62
    reading = _SHEET_READING + (_REMOVED_READING if table["removed"].iloc[shown].any() else "")
    page = Page(title or _sheet_title(table, shown), step * len(shown), reading=reading, alt=_sheet_alt(table, answers))
    for line, position in enumerate(shown):
        y = page.top + step * line
        _draw_query(page, table.iloc[position], image_of, y, size)
        for column, answer in enumerate(answers[position].itertuples(index=False)):
            _draw_answer(page, answer, image_of, (1.9 + (width + 0.06) * column, y + 0.17), size)
    return page.fig


def _draw_query(page: Page, entry: pd.Series, image_of: ImageOf, y: float, size: tuple[float, float]) -> None:
    """The query's picture at the left, with what became of it beside it."""
    lines = [f"query {entry['query']}", f"person {entry['identity']}", f"camera {entry['camera']}"]
    page.text(0.1, y + 0.17, "\n".join(lines), ha="left")
    found = [f"first right: {entry['first_hit']}", f"AP {percent(entry['ap'])}"] if entry["valid"] else ["not in", "the gallery"]
    removed = [f"removed: {entry['removed']}"] if entry["removed"] else []
    page.text(0.1, y + 0.17 + size[1], "\n".join([*found, *removed]), ha="left", va="bottom", colour=FAINT)
    page.picture(image_of(int(entry["row"])), 1.12, y + 0.17, *size)
    page.border(1.12, y + 0.17, *size, OKABE_ITO["black"], line=1.2)
    page.badge(1.12 + size[0] / 2, y, entry["modality"], "query", size=SMALL)


def _draw_answer(page: Page, answer: Any, image_of: ImageOf, corner: tuple[float, float], size: tuple[float, float]) -> None:
    """One gallery image with its border, mark and numbers."""
    x, y = corner
    page.picture(image_of(int(answer.row)), x, y, *size, faded=answer.excluded)
    below = f"p {answer.identity}  c {answer.camera}\nd {answer.distance:.3f}"
    page.text(x + size[0] / 2, y + size[1] + 0.04, below, size=7.5)
    if answer.excluded:
        page.hatched(x, y, *size)
        page.text(x + size[0] / 2, y - 0.02, "removed", va="bottom", colour=FAINT, size=7.5)
        return
    colour, mark = (RIGHT, TICK) if answer.correct else (WRONG, CROSS)
    page.border(x, y, *size, colour, style="-" if answer.correct else (0, (4, 1)))
    page.text(x + size[0] / 2, y - 0.03, f"{answer.rank} {mark}", va="bottom", colour=colour, weight="bold")


def _sheet_title(table: pd.DataFrame, shown: Sequence[int]) -> str:
    """How often the nearest image is right, over all queries of the trial, and how bad the shown ones are."""
    who = _DIRECTIONS.get(table["modality"].iloc[0], "Queries") if table["modality"].nunique() == 1 else "Queries"
    text = f"{who} find the right person first in {percent(found_first(table), 1)} of cases"
    ranks = table.iloc[list(shown)].loc[lambda part: part["valid"], "first_hit"]
    if len(ranks) == 0:
        return text
    if len(shown) == 1:
        return f"{text}; this one at rank {ranks.iloc[0]}"
    span = f"{ranks.min()}" if ranks.min() == ranks.max() else f"{ranks.min()} to {ranks.max()}"
    return f"{text}; the ones below find theirs at rank {span}"


def _sheet_alt(table: pd.DataFrame, answers: dict[int, pd.DataFrame]) -> str:
    """The sheet in words."""
    parts = []
    for position, shown in answers.items():
        entry = table.iloc[position]
        hits = shown.loc[shown["correct"] & ~shown["excluded"], "rank"].tolist()
        right = f"right at rank {', '.join(map(str, hits))}" if hits else "none of the shown is right"
        rule = f", {entry['removed']} taken out by the protocol" if entry["removed"] else ""
        parts.append(f"query {entry['query']} of person {entry['identity']}: {right}{rule}")
    return f"{many(len(answers), 'query', 'queries')} with their nearest gallery images. " + "; ".join(parts) + "."


def _shown_answers(features: Any, trial: Any, position: int, k: int, removed: int) -> pd.DataFrame:
    """The k nearest images, with at most ``removed`` removed ones among them."""
    answers = ranked(features, trial, position, k)
    return answers[~answers["excluded"] | (answers["excluded"].cumsum() <= removed)].head(k)


@styled
def precision_figure(answers: pd.DataFrame, image_of: ImageOf, *, query_row: int | None = None, title: str | None = None) -> Figure:
    """Average precision step by step: the precision at every rank above the pictures of the list.

    Args:
        answers: a ranked list as ``ranked`` gives it, from the nearest image on (``row, correct, distance``); removed images are left
            out, and at most ten are shown. AP is over the right images in the list, so hand over a list that holds all of them.
        image_of: the picture of a row; query_row: the row of the query, shown at the left.

    Raises:
        ValueError: an empty list.
    """
    kept = answers[~answers["excluded"]] if "excluded" in answers.columns else answers
    kept = kept.head(10).reset_index(drop=True)
    if kept.empty:
        raise ValueError("average precision needs a ranked list, found none")
    steps = precision_steps(kept["correct"])
    picture = picture_of(image_of(int(kept["row"][0])))
    width = 0.62
    height, left, step = width * picture.shape[0] / picture.shape[1], 1.6, 0.73
    page = Page(
        title or _precision_title(steps),
        2.55 + height + 0.55,
        reading="Precision at rank k: right images among the first k, over k. AP is its mean over the ranks of right images (filled).",
        alt="; ".join(f"rank {s.rank} {'right' if s.correct else 'wrong'}, precision {s.precision:.2f}" for s in steps.itertuples()) + ".",
    )
    centres = left + width / 2 + step * np.arange(len(kept))
    _draw_steps(page, steps, centres)
    y = page.top + 2.75
    for column, entry in enumerate(steps.itertuples()):
        x, colour = centres[column] - width / 2, RIGHT if entry.correct else WRONG
        page.picture(image_of(int(kept["row"][column])), x, y, width, height)
        page.border(x, y, width, height, colour, style="-" if entry.correct else (0, (4, 1)))
        page.text(centres[column], y - 0.03, f"{entry.rank} {TICK if entry.correct else CROSS}", va="bottom", colour=colour, weight="bold")
        page.text(
            centres[column],
            y + height + 0.05,
            f"{entry.hits}/{entry.rank} = {entry.precision:.2f}",
            size=7.5,
            weight="bold" if entry.correct else "normal",
        )
    if query_row is not None:
        page.picture(image_of(query_row), 0.35, y, width, height)
        page.border(0.35, y, width, height, OKABE_ITO["black"], line=1.2)
        page.text(0.35 + width / 2, y - 0.03, "query", va="bottom", size=LABEL)
    return page.fig


def _draw_steps(page: Page, steps: pd.DataFrame, centres: np.ndarray) -> None:
    """The precision at every rank as a line over the pictures; filled points at right images."""
    bottom, top = page.height - page.top - 2.2, page.height - page.top - 0.05
    axes = page.fig.add_axes((0, bottom / page.height, 1, (top - bottom) / page.height))
    axes.set(xlim=(0, page.width), ylim=(0, 1.12), yticks=[0, 0.25, 0.5, 0.75, 1.0], xticks=[])
    axes.patch.set_alpha(0)
    axes.plot(centres, steps["precision"], color=FAINT, linewidth=1.4, zorder=2)
    right = steps["correct"].to_numpy()
    axes.vlines(centres[right], 0, steps["precision"][right], color=RIGHT, linewidth=6, alpha=0.25)
    axes.plot(centres[right], steps["precision"][right], "o", color=RIGHT, markersize=9, zorder=3)
    axes.plot(
        centres[~right], steps["precision"][~right], "o", color="white", markeredgecolor=WRONG, markeredgewidth=1.6, markersize=7, zorder=3
    )
    for x, entry in zip(centres[right], steps[right].itertuples(), strict=True):
        axes.annotate(f"{entry.precision:.2f}", (x, entry.precision), xytext=(0, 8), textcoords="offset points", ha="center", fontsize=9)
    # The axis stands left of the first picture, not at the page's edge.
    axes.spines["left"].set_position(("data", centres[0] - 0.5))
    axes.spines["bottom"].set_bounds(centres[0] - 0.5, page.width - 0.2)
    axes.set_ylabel("precision (share, 0-1)", labelpad=4)
    axes.grid(False)
    for level in (0.25, 0.5, 0.75, 1.0):
        axes.plot([centres[0] - 0.5, page.width - 0.2], [level, level], color="#E3E3E3", linewidth=0.7, zorder=1)
    axes.text(centres[0] - 0.5, -0.04, "rank", va="top", ha="right", fontsize=LABEL)


def _precision_title(steps: pd.DataFrame) -> str:
    """The sum that AP is."""
    hits = steps[steps["correct"]]
    if hits.empty:
        return "AP = 0: no right image in the list"
    terms = " + ".join(f"{row.hits}/{row.rank}" for row in hits.itertuples())
    ranks = ", ".join(map(str, hits["rank"]))
    return f"AP = ({terms}) / {len(hits)} = {steps['adds'].sum():.2f}: right at rank{'s' if len(hits) > 1 else ''} {ranks}"
