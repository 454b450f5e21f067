"""Hubs as pictures: the images that too many queries find near, and the people whom others are taken for."""

from __future__ import annotations

import pandas as pd
from matplotlib.figure import Figure

from vireidkit.analysis.hubness import Hubness
from vireidkit.viz.pages import ImageOf, Page, picture_of
from vireidkit.viz.style import INK, OKABE_ITO, WRONG, finish, many, new_figure, percent, styled


@styled
def hub_sheet(found: Hubness, image_of: ImageOf, *, top: int = 8, title: str | None = None) -> Figure:
    """The largest hubs with their counts, above the distribution of all counts beside luck.

    Args:
        found: ``hubness``; image_of: the picture of a row; top: how many hubs are shown.

    Raises:
        ValueError: top below 1.
    """
    if top < 1:
        raise ValueError(f"a hub sheet shows at least one hub, found top = {top}")
    shown = found.table.head(top)
    shape = picture_of(image_of(int(shown["row"].iloc[0]))).shape
    width = min(0.85, 8.7 / len(shown) - 0.1)
    height, step = width * shape[0] / shape[1], max(width + 0.1, 8.8 / max(len(shown), 8))
    page = Page(
        title or _title(found),
        height + 0.75 + 2.35,
        reading=f"N: queries, of {found.queries:,}, that have the image among their {found.k} nearest; wrong: of another person. "
        "By lot: the nearest are drawn at random. Skewness: 0 is even; hubs make it large.",
        alt="Largest hubs: "
        + "; ".join(f"person {r.identity}, camera {r.camera}: {r.occurrences} queries, {r.wrong} wrong" for r in shown.itertuples())
        + f". {found}.",
    )
    for place, row in enumerate(shown.itertuples(index=False)):
        x = 0.1 + step * place
        page.badge(x + width / 2, page.top, row.modality, f"c {row.camera}")
        page.picture(image_of(int(row.row)), x, page.top + 0.22, width, height)
        page.text(x + width / 2, page.top + 0.26 + height, f"p {row.identity}\nN = {row.occurrences}\nwrong {row.wrong}", size=8.5)
    _draw_distribution(page, found, page.top + height + 0.95)
    return page.fig


def _draw_distribution(page: Page, found: Hubness, y: float) -> None:
    """How many images have each count, as bars, with luck as a line; y in inches from the top."""
    axes = page.fig.add_axes((0.75 / page.width, 1 - (y + 1.45) / page.height, (page.width - 1.0) / page.width, 1.45 / page.height))
    table = found.distribution
    axes.bar(table["occurrences"], table["images"], width=0.85, color="#B9B9B9", label="found")
    axes.plot(table["occurrences"], table["lot"], color=OKABE_ITO["purple"], linestyle="--", label="by lot")
    last = table.loc[(table["images"] > 0) | (table["lot"] > 0.5), "occurrences"].max()
    axes.set(xlim=(-0.8, last + 0.8), ylabel="images")
    axes.set_xlabel("N: queries that have the image among their nearest")
    axes.legend(loc="upper right")


def _title(found: Hubness) -> str:
    """The largest hub, and whether counts are more uneven than luck."""
    first = found.table.iloc[0]
    beyond = "more uneven than luck" if found.skewness > found.lot_high else "no more uneven than luck"
    return (
        f"One image is among the {found.k} nearest of {first['occurrences']} queries, for {first['wrong']} of them wrongly; "
        f"skewness {found.skewness:.2f}, {beyond} ({found.lot:.2f} by lot)"
    )


@styled
def attractor_plot(table: pd.DataFrame, *, top: int = 20, title: str | None = None) -> Figure:
    """Wrong first places by person, most taken first, beside what luck gives to the same place of the list.

    Args:
        table: ``attractors``; top: how many people are shown.

    Raises:
        ValueError: nobody to show.
    """
    shown = table.head(top)
    if shown.empty:
        raise ValueError("the figure needs a person, found none")
    fig = new_figure(3.6)
    axes = fig.subplots()
    colours = [WRONG if beyond else "#B9B9B9" for beyond in shown["beyond"]]
    bars = axes.bar(shown["place"], shown["taken"], width=0.75, color=colours)
    for bar, beyond in zip(bars, shown["beyond"], strict=True):
        bar.set_hatch("////" if beyond else "")
        bar.set_edgecolor("white")
    axes.fill_between(shown["place"], shown["lot_low"], shown["lot_high"], color=OKABE_ITO["purple"], alpha=0.25, linewidth=0)
    axes.plot(shown["place"], shown["lot"], color=OKABE_ITO["purple"], linestyle="--")
    for row in shown.itertuples():
        axes.annotate(str(row.by), (row.place, row.taken), xytext=(0, 3), textcoords="offset points", ha="center", fontsize=8.5, color=INK)
    axes.set_xticks(shown["place"], labels=shown["identity"], rotation=60 if len(shown) > 12 else 0)
    axes.set(xlabel="person who was taken for others, most often first", ylabel="wrong first places")
    axes.grid(axis="x", visible=False)
    alt = "; ".join(f"person {r.identity} {r.taken} (by lot {r.lot_low:.0f} to {r.lot_high:.0f})" for r in shown.itertuples())
    reading = (
        "Number above a bar: how many different people were taken for this one. Purple: the same place of the list by lot, mean and 95 % "
        "interval. Hatched: more than luck explains."
    )
    return finish(fig, title or _attractor_title(table), reading, f"Wrong first places: {alt}.")


def _attractor_title(table: pd.DataFrame) -> str:
    """How many people attract more than luck, and how much of all mistakes is theirs."""
    beyond, failures = table[table["beyond"]], int(table["taken"].sum())
    if failures == 0:
        return "No query has a wrong first place"
    if beyond.empty:
        first = table.iloc[0]
        return f"Person {first['identity']} got {first['taken']} of {failures} wrong first places, no more than luck gives the first"
    who = many(len(beyond), "person", "people")
    return f"{who} of {len(table)} got {percent(beyond['share'].sum())} of {failures} wrong first places, more than luck explains"
