"""What the canvas widgets share: questions from the page, answers from Python.

Tables, coordinates and pictures travel by message when the page asks for them. Synced traits, which a notebook may save, hold choices
only: which query, which rows, which switch.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from importlib.resources import files
from typing import Any

import anywidget
import pandas as pd

from vireidkit.errors import SettingError
from vireidkit.viz.atlas import Thumbnails
from vireidkit.viz.pages import ImageOf
from vireidkit.viz.tables import label_of

Answer = tuple[dict[str, Any], list[bytes]]
PICTURES_AT_ONCE = 64


def source(*names: str) -> str:
    """The kit's scripts or style sheets of these names, one after the other."""
    folder = files("vireidkit.viz") / "static"
    return "\n".join((folder / name).read_text(encoding="utf-8") for name in names)


class LinkedWidget(anywidget.AnyWidget):
    """A widget that answers its page's questions. Subclasses add to ``questions``: name -> function of the question's fields."""

    def __init__(self, table: pd.DataFrame, image_of: ImageOf | None, **traits: Any) -> None:
        self.table = table
        self.thumbnails = Thumbnails(image_of)
        self.questions: dict[str, Callable[..., Answer]] = {"pictures": self._pictures}
        super().__init__(**traits)
        self.on_msg(self._heard)

    def answer(self, ask: str, **fields: Any) -> Answer:
        """What the page gets when it asks: values for JSON, and bytes.

        Raises:
            SettingError: nobody knows the question.
        """
        if ask not in self.questions:
            raise SettingError(f"unknown question {ask!r}; known: {', '.join(self.questions)}")
        return self.questions[ask](**fields)

    def _heard(self, _widget: Any, content: Any, _buffers: Any) -> None:
        """Answer one message of the page, or say in it what went wrong: a page must not wait for ever."""
        if not isinstance(content, dict) or "ask" not in content:
            return
        fields = {name: value for name, value in content.items() if name not in ("ask", "number")}
        try:
            reply, sent = self.answer(str(content["ask"]), **fields)
        except Exception as error:
            reply, sent = {"error": " ".join(str(error).split()) or type(error).__name__}, []
        self.send({**reply, "number": content.get("number")}, buffers=sent)

    def _pictures(self, rows: Sequence[int]) -> Answer:
        """Up to ``PICTURES_AT_ONCE`` pictures with their file names; ``missing`` are rows without one."""
        asked = [row for row in map(int, rows[:PICTURES_AT_ONCE]) if 0 <= row < len(self.table)]
        began = time.perf_counter()
        found = {row: self.thumbnails.of(row) for row in asked}
        spent = 1000 * (time.perf_counter() - began)
        paths = self.table["path"] if "path" in self.table.columns else None
        reply = {
            "cost": spent / max(1, len(asked)),  # milliseconds a picture
            "rows": [row for row, picture in found.items() if picture is not None],
            "missing": {str(row): self.thumbnails.missing.get(row, "") for row, picture in found.items() if picture is None},
            "paths": {str(row): "" if paths is None else label_of(paths.iloc[row]) for row in asked},
        }
        return reply, [picture for picture in found.values() if picture is not None]
