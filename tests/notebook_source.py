"""The form in which notebooks are committed: no outputs, no counts, no leftovers in the metadata, cell ids by position.

python tests/notebook_source.py notebooks/*.ipynb     (``make tidy``) rewrites them in that form
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

METADATA = {"kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"}, "language_info": {"name": "python"}}


def tidied(book: dict[str, Any], name: str) -> dict[str, Any]:
    """The committed form of a notebook."""
    return {"cells": [_cell(cell, f"{name.replace('_', '-')}-{i:03d}") for i, cell in enumerate(book["cells"])], "metadata": METADATA} | {
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(cell: dict[str, Any], identifier: str) -> dict[str, Any]:
    """The committed form of a cell: the text, the tags and an id that follows its position."""
    tags = cell["metadata"].get("tags")
    text = "".join(cell["source"]).strip("\n")
    kept = {
        "cell_type": cell["cell_type"],
        "id": identifier,
        "metadata": {"tags": tags} if tags else {},
        "source": text.splitlines(keepends=True),
    }
    return dict(sorted((kept | ({"execution_count": None, "outputs": []} if cell["cell_type"] == "code" else {})).items()))


def text_of(book: dict[str, Any]) -> str:
    """A notebook as it is written to disk."""
    return json.dumps(book, indent=1, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    for path in map(Path, sys.argv[1:]):
        old = path.read_text(encoding="utf-8")
        new = text_of(tidied(json.loads(old), path.stem))
        if new != old:
            path.write_text(new, encoding="utf-8")
            print(f"tidied {path}")
