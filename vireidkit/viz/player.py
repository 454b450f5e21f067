"""A player for counterfactuals: choose a person, a camera and what to change, and see every band drawn anew."""

from __future__ import annotations

import base64
import html
from collections.abc import Mapping, Sequence
from typing import Any

import ipywidgets
import traitlets
from matplotlib.figure import Figure

from vireidkit.viz.counterfactual import AS_DRAWN, Draw, counterfactual_sheet
from vireidkit.viz.style import png_of

ALL_BANDS = "all"


class CounterfactualPlayer(ipywidgets.VBox):
    """Choose who, where, in which band, and what is changed; the sheet is drawn anew at every choice. Nothing is loaded from the network.

    ``player.state`` is what is shown: ``{"person": ..., "camera": ..., "bands": (...), "changes": {...}}``, so that the next cell can
    go on with it: ``draw(state["person"], state["camera"], **state["changes"])``. ``player.observe(function, "state")`` follows it.
    """

    state = traitlets.Dict(help="person, camera, bands and changes that are shown")

    def __init__(
        self,
        draw: Draw,
        people: Sequence[Any],
        cameras: Sequence[int],
        choices: Mapping[str, Sequence[Any]],
        *,
        bands: Sequence[str] = ("visible", "near-infrared", "thermal"),
        labels: Mapping[str, str] | None = None,
    ) -> None:
        """A player over these people and cameras.

        Args:
            draw: see ``counterfactual_sheet``; people: what it takes as a person.
            choices: factor -> values to choose from; "as drawn" is put before them. labels: factor -> words for it.

        Raises:
            ValueError: nobody, no camera or no band.
        """
        if not people or not cameras or not bands:
            raise ValueError(f"a player needs people, cameras and bands, found {len(people)}, {len(cameras)} and {len(bands)} of them")
        self.draw, self.bands = draw, tuple(bands)
        self.person = self._menu("person", [(str(person), person) for person in people])
        self.camera = self._menu("camera", [(str(camera), camera) for camera in cameras])
        self.band = self._menu("band", [ALL_BANDS, *self.bands])
        self.factors = {
            name: self._menu((labels or {}).get(name, name.replace("_", " ")), [(AS_DRAWN, None), *((str(v), v) for v in values)])
            for name, values in choices.items()
        }
        self.text, self.picture = ipywidgets.HTML(), ipywidgets.HTML()
        menus = [self.person, self.camera, self.band, *self.factors.values()]
        rows = [ipywidgets.HBox(menus[start : start + 3]) for start in range(0, len(menus), 3)]
        super().__init__([*rows, self.text, self.picture])
        for menu in menus:
            menu.observe(self._chosen, "value")
        self.observe(self._show, "state")
        self._chosen()

    def __repr__(self) -> str:
        return f"CounterfactualPlayer(person {self.state['person']}, camera {self.state['camera']}, {described(self.state['changes'])})"

    @staticmethod
    def _menu(words: str, options: Sequence[Any]) -> ipywidgets.Dropdown:
        """One menu; its first option is chosen."""
        first = options[0][1] if isinstance(options[0], tuple) else options[0]
        wide = ipywidgets.Layout(width="18em")
        return ipywidgets.Dropdown(options=options, value=first, description=words, style={"description_width": "6em"}, layout=wide)

    def _chosen(self, change: Any = None) -> None:
        """Read the menus."""
        self.state = {
            "person": self.person.value,
            "camera": self.camera.value,
            "bands": self.bands if self.band.value == ALL_BANDS else (self.band.value,),
            "changes": {name: menu.value for name, menu in self.factors.items() if menu.value is not None},
        }

    def _show(self, change: Any = None) -> None:
        """Draw what was chosen; what cannot be drawn is said in words, and the last picture stays."""
        try:
            sheet = player_sheet(self.draw, self.state)
        except ValueError as error:
            self.text.value = f"<p>This cannot be drawn: {html.escape(str(error))}</p>"
            return
        self.text.value = f"<p>Person {html.escape(str(self.state['person']))}: {html.escape(described(self.state['changes']))}.</p>"
        image = base64.b64encode(png_of(sheet)).decode()
        alt = html.escape(" ".join(sheet.get_label().split()), quote=True)
        self.picture.value = f'<img src="data:image/png;base64,{image}" alt="{alt}" style="max-width: 100%">'


def described(changes: Mapping[str, Any]) -> str:
    """Changes in words: "top colour red, heading degrees 90"."""
    return ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in changes.items()) or AS_DRAWN


def player_sheet(draw: Draw, state: Mapping[str, Any]) -> Figure:
    """What the player shows in a state, as a figure that needs no kernel."""
    changes = {described(state["changes"]): state["changes"]} if state["changes"] else {}
    return counterfactual_sheet(draw, state["person"], state["camera"], changes, bands=state["bands"])
