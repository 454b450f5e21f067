"""The gap explorer: a map of descriptors to point at. What is under the pointer, and which pictures lie together?"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import traitlets
from matplotlib.figure import Figure
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import as_array, is_infrared
from vireidkit.errors import SettingError
from vireidkit.modality import MODALITIES
from vireidkit.viz.colouring import GROUPS, REST, colour_by, colour_names, factor_table
from vireidkit.viz.explorer_static import gap_explorer_static
from vireidkit.viz.frames import Frame, frames_of, unit_points
from vireidkit.viz.linked import Answer, LinkedWidget, source
from vireidkit.viz.pages import ImageOf
from vireidkit.viz.style import LOOKS
from vireidkit.viz.tables import finite_rows, label_of

LINES = ("off", "hovered person", "selected people")
NEIGHBOURS = 12


class GapExplorer(LinkedWidget):
    """Points by modality; hover shows the picture, lasso, shift-click or the keyboard selects, and the selection flows to Python.

    Beside the map: what the colours mean, and of the selection its counts, its pictures, and for a single picture its nearest ones in
    the original space, which no projection can bend. Nothing is loaded from the network, and a saved notebook holds no picture.

    Attributes:
        selection: positions of the selected images, ascending; set it to select, ``observe(function, "selection")`` to follow it.
        method, epoch, colour, lines: the switches, as texts; they can be set and followed too.
    """

    selection = traitlets.List(traitlets.Int(), help="positions of the selected images").tag(sync=True)
    method = traitlets.Unicode(help="whose layout is shown").tag(sync=True)
    epoch = traitlets.Unicode(help="of which epoch; empty where there are none").tag(sync=True)
    colour = traitlets.Unicode("modality", help="what colour means").tag(sync=True)
    lines = traitlets.Enum(LINES, LINES[1], help="between pictures of which people lines are drawn").tag(sync=True)

    _esm = source("kernel.js", "plane.js", "explorer_panels.js", "explorer.js")
    _css = source("common.css", "explorer.css")

    def __init__(
        self,
        features: Any,
        projections: Any,
        image_of: ImageOf | None,
        *,
        factors: Any = None,
        bands: Sequence[str] = MODALITIES,
    ) -> None:
        """An explorer of these features.

        Args:
            features: ``Features``, or a mapping name -> ``Features`` of the same images in the same order; a key may be a pair
                (method, epoch), which gives the explorer an epoch switch. The table needs identity and modality.
            projections: a ``Projection`` (or coordinates (N, 2)) for each key, best aligned with each other (``project_many``).
                Images whose coordinates are not finite are left out of the map and counted.
            image_of: the picture of a row, see ``image_reader``; None or an error of it leaves a grey place.
            factors: table or mapping of further columns to colour by, one value an image. bands: names of the two modalities.

        Raises:
            SettingError: features, projections, table or factors do not fit each other.
        """
        self.frames, table = frames_of(features, projections)
        self.factors = factor_table(factors, len(table))
        self.bands = (str(bands[0]), str(bands[1]))
        self._points = unit_points(self.frames)
        self._original: tuple[Any, NDArray[np.float64]] | None = None
        first = self.frames[0]
        super().__init__(table, image_of, method=first.method, epoch=self._last_epoch(first.method))
        self.questions |= self._own_questions()
        self.observe(self._follow_method, "method")

    def _own_questions(self) -> dict[str, Callable[..., Answer]]:
        return {"scene": self._scene, "points": self._layout, "colours": self._colours, "neighbours": self._neighbours}

    def __repr__(self) -> str:
        return f"GapExplorer({len(self.table)} images, {self.frame.name}, {len(self.selection)} selected)"

    @property
    def frame(self) -> Frame:
        """The layout that is shown."""
        return self.frames[self._number(self.method, self.epoch)]

    @property
    def selected(self) -> pd.DataFrame:
        """The selected rows of the table, factors included."""
        chosen = list(self.selection)
        return pd.concat([self.table.iloc[chosen], self.factors.iloc[chosen].set_index(self.table.index[chosen])], axis=1)

    def figure(self) -> Figure:
        """What is shown, selection included, as a figure that needs no kernel."""
        image_of, frames = self.thumbnails.image_of, {(self.frame.method, self.frame.epoch): self.frame}
        return gap_explorer_static(
            {key: frame.features for key, frame in frames.items()},
            {key: frame.projection for key, frame in frames.items()},
            image_of,
            colour=self.colour,
            selection=self.selection,
            factors=self.factors,
            bands=self.bands,
        )

    # --- what may be set

    @traitlets.validate("selection")
    def _check_selection(self, proposal: Any) -> list[int]:
        rows = sorted(set(proposal["value"]))
        if rows and not 0 <= rows[0] <= rows[-1] < len(self.table):
            raise traitlets.TraitError(f"selected positions must lie between 0 and {len(self.table) - 1}, found {rows[0]} to {rows[-1]}")
        return rows

    @traitlets.validate("method")
    def _check_method(self, proposal: Any) -> str:
        return _one_of("method", proposal["value"], [frame.method for frame in self.frames])

    @traitlets.validate("epoch")
    def _check_epoch(self, proposal: Any) -> str:
        return _one_of("epoch", proposal["value"], [frame.epoch for frame in self.frames])

    @traitlets.validate("colour")
    def _check_colour(self, proposal: Any) -> str:
        return _one_of("colour", proposal["value"], colour_names(self.table, self.factors))

    def _last_epoch(self, method: str) -> str:
        return [frame.epoch for frame in self.frames if frame.method == method][-1]

    def _follow_method(self, change: Any) -> None:
        """Another method may not know the epoch that was shown."""
        if self.frame.epoch != self.epoch:
            self.epoch = self._last_epoch(self.method)

    # --- what the page asks

    def _scene(self) -> Answer:
        """All that does not change: frames, names, and of each image its modality, identity and camera."""
        identities, people = _coded(self.table["identity"])
        cameras, places = _coded(self.table["camera"]) if "camera" in self.table.columns else ([], np.full(len(self.table), -1, np.int32))
        infrared = is_infrared(self.table["modality"], len(self.table)).astype(np.uint8)
        reply = {
            "images": len(self.table),
            "frames": [{"method": frame.method, "epoch": frame.epoch} for frame in self.frames],
            "colours": colour_names(self.table, self.factors),
            "lines": list(LINES),
            "bands": list(self.bands),
            "modalityColours": [LOOKS[band].colour for band in MODALITIES],
            "identities": identities,
            "cameras": cameras,
            "groupColours": list(GROUPS),
            "rest": REST,
        }
        return reply, [infrared.tobytes(), people.tobytes(), places.tobytes()]

    def _layout(self, method: str, epoch: str) -> Answer:
        """Where the images lie in one frame; float32 (N, 2), and what may be believed of it."""
        number = self._number(method, epoch)
        frame = self.frames[number]
        return {"told": frame.told, "placeless": frame.placeless, "name": frame.name}, [self._points[number].tobytes()]

    def _colours(self, name: str, people: Sequence[str] = ()) -> Answer:
        """Groups and colours of a column; ``people``: labels of those to colour by identity."""
        found = colour_by(self.table, self.factors, name, self.bands, people)
        reply = {"name": found.name, "labels": list(found.labels), "colours": list(found.colours), "counts": found.counts()}
        return reply, [found.codes.tobytes()]

    def _number(self, method: str, epoch: str) -> int:
        """The place of a frame; of the method's last one where the epoch is another method's, as for a moment it may be."""
        own = [number for number, frame in enumerate(self.frames) if frame.method == method]
        if not own:
            raise SettingError(f"unknown method {method!r}; known: {', '.join(dict.fromkeys(frame.method for frame in self.frames))}")
        return next((number for number in own if self.frames[number].epoch == epoch), own[-1])

    def _neighbours(self, row: int, method: str, epoch: str) -> Answer:
        """The nearest images in the original space of a frame's features, nearest first; those with NaN are nobody's neighbours."""
        features = self.frames[self._number(method, epoch)].features
        if self._original is None or self._original[0] is not features:
            matrix = as_array(features.matrix).astype(np.float64)
            if features.metric == "cosine":
                matrix = matrix / np.maximum(np.linalg.norm(matrix, axis=1, keepdims=True), 1e-12)
            self._original = (features, np.where(finite_rows(features)[:, None], matrix, np.nan))
        matrix = self._original[1]
        squared = ((matrix - matrix[int(row)]) ** 2).sum(axis=1)  # (N,)
        if not np.isfinite(squared[int(row)]):
            raise SettingError("this descriptor is not finite (NaN or infinity), so it has no neighbours")
        squared[int(row)] = np.inf
        order = np.argsort(squared, kind="stable")[:NEIGHBOURS]
        near = [int(other) for other in order if np.isfinite(squared[other])]
        distance = squared / 2 if features.metric == "cosine" else np.sqrt(squared)
        return {"rows": near, "distances": [round(float(distance[other]), 4) for other in near]}, []


def _one_of(what: str, value: str, known: Sequence[str]) -> str:
    """The value, if it is known."""
    if value not in known:
        raise traitlets.TraitError(f"unknown {what} {value!r}; known: {', '.join(dict.fromkeys(map(repr, known)))}")
    return value


def _coded(values: pd.Series) -> tuple[list[str], NDArray[np.int32]]:
    """Distinct values as labels, in ascending order, and each row's place among them."""
    labels = values.map(label_of)
    order = [label_of(value) for value in sorted(values.dropna().unique())] if values.dropna().nunique() else []
    names = list(dict.fromkeys([*order, *labels]))
    place = {label: code for code, label in enumerate(names)}
    return names, labels.map(place).to_numpy(dtype=np.int32)
