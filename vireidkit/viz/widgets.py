"""A browser for rank lists, for a live notebook; its static twin is what a page without a kernel shows."""

from __future__ import annotations

import base64
import html
from typing import Any

import ipywidgets
import pandas as pd
import traitlets
from matplotlib.figure import Figure

from vireidkit.analysis.retrieval import ORDERS, order_queries, query_table
from vireidkit.viz.pages import ImageOf
from vireidkit.viz.ranking import rank_sheet
from vireidkit.viz.style import percent, png_of


class QueryBrowser(ipywidgets.VBox):
    """Leaf through the queries of a trial: an order, a slider, the rank sheet of one query, and its numbers.

    Nothing is loaded from the network. ``browser.selection`` is the position of the shown query in ``trial.query``, so that the next
    cell can go on with it; set it to jump there, ``browser.observe(function, "selection")`` to follow it.
    """

    selection = traitlets.Int(help="position of the shown query in trial.query")

    def __init__(self, features: Any, trial: Any, image_of: ImageOf, *, order: str = ORDERS[0], k: int = 10) -> None:
        """Arguments as in ``rank_sheet``.

        Raises:
            ValueError: the trial has no query. SettingError: unknown order.
        """
        if len(trial.query) == 0:
            raise ValueError("a query browser needs a trial with queries, found none")
        self.features, self.trial, self.image_of, self.k = features, trial, image_of, k
        self.queries = query_table(features, trial)
        self._sequence = order_queries(self.queries, order)
        wide = {"description_width": "4em"}
        self.order = ipywidgets.Dropdown(options=ORDERS, value=order, description="order", style=wide)
        last = len(self._sequence) - 1
        self.slider = ipywidgets.IntSlider(
            0, 0, last, description="place", continuous_update=False, style=wide, layout=ipywidgets.Layout(width="32em")
        )
        self.text, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        super().__init__([ipywidgets.HBox([self.order, self.slider]), self.text, self.picture])
        self.selection = int(self._sequence[0])
        self._draw()
        self.order.observe(self._reorder, "value")
        self.slider.observe(self._move, "value")
        self.observe(self._draw, "selection")

    def __repr__(self) -> str:
        return f"QueryBrowser(query {self.selection} of {len(self.queries)}, {self.order.value})"

    @traitlets.validate("selection")
    def _check(self, proposal: Any) -> int:
        """Only queries that are there."""
        if not 0 <= proposal["value"] < len(self.trial.query):
            raise traitlets.TraitError(f"selection must lie between 0 and {len(self.trial.query) - 1}, found {proposal['value']}")
        return proposal["value"]

    @property
    def selected(self) -> pd.Series:
        """The shown query's row of ``query_table``."""
        return self.queries.iloc[self.selection]

    def _reorder(self, change: Any) -> None:
        """Another order starts at its first query."""
        self._sequence = order_queries(self.queries, self.order.value)
        self.slider.value = 0
        self._move(change)

    def _move(self, change: Any) -> None:
        self.selection = int(self._sequence[self.slider.value])

    def _draw(self, change: Any = None) -> None:
        """Show the selected query, and bring the slider to its place."""
        self.slider.value = int((self._sequence == self.selection).argmax())
        self.text.value = f"<p>{html.escape(query_text(self.selected))}</p>"
        sheet = rank_sheet(self.features, self.trial, self.image_of, queries=[self.selection], k=self.k, table=self.queries)
        image = base64.b64encode(png_of(sheet)).decode()
        alt = html.escape(" ".join(sheet.get_label().split()), quote=True)
        self.picture.value = f'<img src="data:image/png;base64,{image}" alt="{alt}" style="max-width: 100%">'


def query_text(entry: pd.Series) -> str:
    """One query in a sentence: whose it is, where its person was found, its AP, and what the camera rule did."""
    person = f"Query {entry['query']}: person {entry['identity']}, camera {entry['camera']} ({entry['modality']})."
    found = (
        f"First right image at rank {entry['first_hit']}, AP {percent(entry['ap'], 1)}."
        if entry["valid"]
        else "The gallery holds no image of this person, so the query does not count."
    )
    rule = (
        f"The camera rule removed {entry['removed']} gallery images for this query."
        if entry["removed"]
        else "The camera rule removed no gallery image for this query."
    )
    return f"{person} {found} {rule}"


def query_browser_static(
    features: Any, trial: Any, image_of: ImageOf, *, order: str = ORDERS[0], rows: int = 3, k: int = 10, table: pd.DataFrame | None = None
) -> Figure:
    """What the browser shows at its first ``rows`` places, as one figure that needs no kernel."""
    return rank_sheet(features, trial, image_of, order=order, rows=rows, k=k, table=table)
