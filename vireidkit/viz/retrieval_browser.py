"""The retrieval browser: choose a query, see whom each method answers, why (a map) and who asks back."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import traitlets
from matplotlib.figure import Figure
from PIL import Image

from vireidkit.analysis.retrieval import ORDERS
from vireidkit.errors import SettingError
from vireidkit.files import write_text, written_aside
from vireidkit.modality import MODALITIES
from vireidkit.viz.linked import Answer, LinkedWidget, source
from vireidkit.viz.pages import ImageOf
from vireidkit.viz.retrieval_static import MapOf, heat_picture, maps_of, retrieval_browser_static
from vireidkit.viz.retrieval_view import ALL, SHOW, Filters, Rankings
from vireidkit.viz.style import LOOKS, png_of
from vireidkit.viz.tables import label_of, plain

NOBODY = -1
MOST = 50  # places of a list
KINDS = {".png": "image/png", ".csv": "text/csv"}


class RetrievalBrowser(LinkedWidget):
    """Queries by filter, and the ranked gallery of one or two methods with distances, marks and the camera rule.

    A click on a gallery picture shows it large beside the query, with the similarity map; from there it can become the query, in
    whichever trial it asks. Nothing is loaded from the network, and a saved notebook holds no picture.

    Attributes:
        selection: position of the shown query in the trial's query table; set it to jump, ``observe(function, "selection")`` to follow.
        answer_row: row of the gallery picture that is looked at, -1 for none.
        trial, first, second: names of the trial and of the methods; ``second`` is empty where one is shown.
        order, show, camera, modality, identity: order and filters of the queries; k: places of a list.
    """

    selection = traitlets.Int(help="position of the shown query").tag(sync=True)
    answer_row = traitlets.Int(NOBODY, help="row of the gallery picture that is looked at").tag(sync=True)
    trial = traitlets.Unicode(help="which trial").tag(sync=True)
    first = traitlets.Unicode(help="the method on the left").tag(sync=True)
    second = traitlets.Unicode(help="the method on the right, or nothing").tag(sync=True)
    order = traitlets.Enum(ORDERS, ORDERS[0], help="order of the queries").tag(sync=True)
    show = traitlets.Enum(SHOW, ALL, help="which queries are listed").tag(sync=True)
    camera = traitlets.Unicode(help="camera of the query, or empty").tag(sync=True)
    modality = traitlets.Unicode(help="modality of the query, or empty").tag(sync=True)
    identity = traitlets.Unicode(help="person of the query, or empty").tag(sync=True)
    k = traitlets.Int(10, min=1, max=MOST, help="places of a list").tag(sync=True)

    _esm = source("kernel.js", "retrieval_panels.js", "retrieval.js")
    _css = source("common.css", "retrieval.css")

    def __init__(
        self,
        features: Any,
        trials: Any,
        image_of: ImageOf | None,
        *,
        map_of: MapOf | Mapping[str, MapOf] | None = None,
        k: int = 10,
        order: str = ORDERS[0],
        bands: Sequence[str] = MODALITIES,
    ) -> None:
        """A browser of these rankings.

        Args:
            features: ``Features``, or a mapping name -> ``Features`` of the same images; the first two are shown.
            trials: a protocol's ``Trial``, or a mapping name -> ``Trial``. With both directions (ir2vis and vis2ir) a gallery picture
                of one is a query of the other, and can be asked back.
            image_of: the picture of a row, see ``image_reader``; None or an error of it leaves a grey place.
            map_of: ``map_of(query_row, gallery_row)`` -> (h, w) in 0..1, or one such function for each method.
            bands: names of the two modalities.

        Raises:
            SettingError: features, trials or table do not fit each other, descriptors are not finite, or an unknown order.
        """
        if order not in ORDERS:
            raise SettingError(f"unknown order {order!r}; known: {', '.join(ORDERS)}")
        self.rankings, self.map_of = Rankings(features, trials), map_of
        self.bands = (str(bands[0]), str(bands[1]))
        names, trial = list(self.rankings.features), next(iter(self.rankings.trials))
        start = {"trial": trial, "first": names[0], "second": names[1] if len(names) > 1 else ""}
        worst = int(self.rankings.listed(trial, names[0], order=order, filters=Filters())[0])
        super().__init__(self.rankings.table, image_of, **start, order=order, k=k, selection=worst)
        self.questions |= {"scene": self._scene, "queries": self._queries, "lists": self._lists, "map": self._map, "back": self._back}
        self.questions["export"] = self._export
        self.observe(self._restart, "trial")
        self.observe(self._forget, "selection")

    def __repr__(self) -> str:
        return f"RetrievalBrowser(query {self.selection} of {len(self.queries)} in {self.trial}, {' and '.join(self.methods)})"

    @property
    def methods(self) -> list[str]:
        """The methods that are shown."""
        return _two(self.first, self.second)

    @property
    def queries(self) -> pd.DataFrame:
        """``query_table`` of the first method under the shown trial."""
        return self.rankings.queries(self.first, self.trial)

    @property
    def selected(self) -> pd.Series:
        """The shown query's row of ``query_table``."""
        return self.queries.iloc[self.selection]

    @property
    def listed(self) -> list[int]:
        """Positions of the queries that pass the filters, in their order."""
        filters = Filters(self.show, self.camera, self.modality, self.identity)
        return self.rankings.listed(self.trial, self.first, self.second, order=self.order, filters=filters).tolist()

    def answers(self) -> pd.DataFrame:
        """The shown lists as one table: one row a method and place."""
        return self.rankings.export(self.methods, self.trial, self.selection, self.k)

    def figure(self, *, maps: bool = False) -> Figure:
        """What is shown as a figure that needs no kernel; ``maps``: with the similarity map over every gallery picture."""
        shown = {"selection": self.selection, "trial": self.trial, "methods": self.methods, "k": self.k, "map_of": self.map_of}
        return retrieval_browser_static(self.rankings, None, self.thumbnails.image_of, maps=maps, **shown)

    def export(self, path: str | Path) -> Path:
        """Write the shown lists: ``.png`` as a figure, ``.csv`` as a table; whole or not at all.

        Raises:
            SettingError: another ending. KitError: the folder cannot be written to.
        """
        path = Path(path)
        if path.suffix.lower() not in KINDS:
            raise SettingError(f"the view is exported as .png or .csv, found {path.name!r}")
        if path.suffix.lower() == ".csv":
            write_text(path, self.answers().to_csv(index=False))
        else:
            with written_aside(path) as aside:
                aside.write_bytes(png_of(self.figure()))
        return path

    # --- what may be set

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> int:
        queries = len(self.rankings.trials[self.trial].query) if self.trial else 0
        if not 0 <= proposal["value"] < queries:
            raise traitlets.TraitError(f"selection must lie between 0 and {queries - 1}, found {proposal['value']}")
        return proposal["value"]

    @traitlets.validate("trial")
    def _check_trial(self, proposal: Any) -> str:
        return _one_of("trial", proposal["value"], [*self.rankings.trials])

    @traitlets.validate("first")
    def _check_first(self, proposal: Any) -> str:
        return _one_of("method", proposal["value"], [*self.rankings.features])

    @traitlets.validate("second")
    def _check_second(self, proposal: Any) -> str:
        return _one_of("method", proposal["value"], ["", *self.rankings.features])

    def _restart(self, change: Any) -> None:
        """Another trial begins with its first query, unless one was chosen with it that is there."""
        if not 0 <= self.selection < len(self.queries):
            self.selection = int(self.rankings.listed(self.trial, self.first, order=self.order, filters=Filters())[0])
        self.answer_row = NOBODY

    def _forget(self, change: Any) -> None:
        """The picture that was looked at belonged to the other query."""
        self.answer_row = NOBODY

    # --- what the page asks

    def _scene(self) -> Answer:
        """Names for the switches and filters."""
        reply = {
            "methods": list(self.rankings.features),
            "trials": list(self.rankings.trials),
            "orders": list(ORDERS),
            "show": list(SHOW),
            "bands": list(self.bands),
            "modalities": list(MODALITIES),
            "modalityColours": [LOOKS[band].colour for band in MODALITIES],
            "cameras": self.rankings.cameras,
            "maps": [name for name in self.rankings.features if maps_of(self.map_of, name) is not None],
            "most": MOST,
        }
        return reply, []

    # Questions name the choices that they are about: the page may ask before its choices have arrived here.

    def _queries(self, trial: str, first: str, second: str, order: str, **filters: str) -> Answer:
        """The queries that pass the filters, in words, and what can be filtered by."""
        table = self.rankings.queries(first, trial)
        values = {name: [label_of(value) for value in sorted(table[name].unique())] for name in ("camera", "modality", "identity")}
        shown = table.iloc[self.rankings.listed(trial, first, second, order=order, filters=Filters(**filters))]
        columns = {name: [label_of(value) for value in shown[name]] for name in ("identity", "camera", "modality")}
        numbers = {name: [plain(value) for value in shown[name]] for name in ("query", "row", "first_hit", "ap", "valid")}
        return {"values": values, "all": len(table), **columns, **numbers}, []

    def _lists(self, trial: str, first: str, second: str, selection: int, k: int) -> Answer:
        """A query and the answers of each method."""
        selection = min(max(0, int(selection)), len(self.rankings.trials[trial].query) - 1)
        lists = []
        for method in _two(first, second):
            entry = self.rankings.queries(method, trial).iloc[selection]
            shown, more = self.rankings.answers(method, trial, selection, k)
            columns = {name: [plain(value) for value in shown[name]] for name in ("rank", "row", "distance", "correct", "excluded")}
            words = {name: [label_of(value) for value in shown[name]] for name in ("identity", "camera")}
            modality = self.table["modality"].to_numpy()[shown["row"]].tolist()
            facts = {name: plain(entry[name]) for name in ("valid", "first_hit", "ap", "removed")}
            lists.append({"method": method, "hidden": more, "modality": modality, **columns, **words, **facts})
        query = {name: label_of(entry[name]) for name in ("identity", "camera", "modality")}
        return {"query": {**query, "row": int(entry["row"]), "position": selection}, "trial": trial, "lists": lists}, []

    def _map(self, method: str, query_row: int, gallery_row: int) -> Answer:
        """The similarity map of a pair as PNG.

        Raises:
            SettingError: there is none, or it is no map.
        """
        found = maps_of(self.map_of, method)
        if found is None:
            raise SettingError(f"no similarity maps were given for {method!r}")
        page = io.BytesIO()
        Image.fromarray(heat_picture(found(int(query_row), int(gallery_row)))).save(page, format="PNG")
        return {}, [page.getvalue()]

    def _back(self, row: int, trial: str) -> Answer:
        """In which trial an image is a query (the given one first), and at which position; -1 where it never is."""
        found = self.rankings.asking(int(row), trial)
        return ({"trial": found[0], "position": found[1]} if found else {"trial": "", "position": NOBODY}), []

    def _export(self, kind: str) -> Answer:
        """The bytes of what ``export`` writes."""
        if f".{kind}" not in KINDS:
            raise SettingError(f"the view is exported as png or csv, found {kind!r}")
        content = self.answers().to_csv(index=False).encode() if kind == "csv" else png_of(self.figure())
        return {"name": f"query-{self.selection}-{self.trial}.{kind}", "kind": KINDS[f".{kind}"]}, [content]


def _two(first: str, second: str) -> list[str]:
    """The methods that are shown: two, or one."""
    return [name for name in dict.fromkeys([first, second]) if name]


def _one_of(what: str, value: str, known: Sequence[str]) -> str:
    """The value, if it is known."""
    if value not in known:
        raise traitlets.TraitError(f"unknown {what} {value!r}; known: {', '.join(map(repr, known))}")
    return value
