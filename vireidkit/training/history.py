"""The history of a run: one CSV row a logged step, cut back to the checkpoint when a run is resumed."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pandas as pd

from vireidkit.errors import CheckpointError
from vireidkit.files import write_text


class History:
    """Rows in memory and in ``history.csv``. Columns: stage, epoch, step, lr, total, term.<name>, weight.<name>, images_per_second,
    and at validated epochs validation.<metric>. ``step`` counts over the whole run."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.rows: list[dict[str, Any]] = []

    def append(self, row: dict[str, Any]) -> None:
        """Add one row (kept in memory until ``flush``)."""
        self.rows.append(row)

    def amend(self, **values: Any) -> None:
        """Add columns to the last row."""
        if self.rows:
            self.rows[-1].update(values)

    def flush(self) -> None:
        """Write all rows; a stop leaves the old file or the new one."""
        columns = list(dict.fromkeys(key for row in self.rows for key in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n", restval="")
        writer.writeheader()
        writer.writerows(self.rows)
        write_text(self.path, text.getvalue())

    def restore(self, steps: int) -> None:
        """Take back the rows of an interrupted run up to ``steps`` finished steps; later ones are dropped."""
        if steps == 0 or not self.path.exists():
            return
        with open(self.path, newline="", encoding="utf-8") as stream:
            rows = [{name: _number(text) for name, text in row.items() if text} for row in csv.DictReader(stream)]
        self.rows = [row for row in rows if row["step"] < steps]


def _number(text: str) -> int | float | str:
    """A field as it was written: Python reads its own numbers back to the last digit, which a table reader need not."""
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text


def read_history(path: str | Path) -> pd.DataFrame:
    """The history of a run as a table.

    Raises:
        CheckpointError: the file is missing or is no history.
    """
    try:
        frame = pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise CheckpointError(f"history cannot be read: {path}: {error}") from error
    if "step" not in frame.columns:
        raise CheckpointError(f"history cannot be read: {path}: expected a column 'step', found {', '.join(frame.columns)}")
    return frame
