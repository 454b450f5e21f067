"""What colour means in the explorer: a column of the table or of the factors, cut into few groups that can be told apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.neighbours import is_infrared
from vireidkit.errors import SettingError
from vireidkit.modality import MODALITIES
from vireidkit.viz.style import CYCLE, FAINT, LOOKS, OKABE_ITO
from vireidkit.viz.tables import UNKNOWN, label_of

# Eight hues of Okabe and Ito without yellow, which is lost on white, and a brown for the eighth.
GROUPS = (*CYCLE[:5], OKABE_ITO["orange"], OKABE_ITO["blue"], "#7B5A3C")
# Five steps of viridis, dark to light: low to high.
STEPS = ("#440154", "#3B528B", "#21918C", "#5EC962", "#D8C51B")
REST = "#A8A8A8"
PEOPLE = 6


@dataclass(frozen=True)
class Colouring:
    """Groups of images: row i belongs to group ``codes[i]``, called ``labels[codes[i]]`` and drawn in ``colours[codes[i]]``."""

    name: str
    labels: tuple[str, ...]
    colours: tuple[str, ...]
    codes: NDArray[np.uint8]

    def counts(self) -> list[int]:
        """Images of each group."""
        return np.bincount(self.codes, minlength=len(self.labels)).tolist()


def factor_table(factors: Any, rows: int, reserved: tuple[str, ...] = ("modality", "identity", "camera")) -> pd.DataFrame:
    """Factors as a table of ``rows`` rows by position: a DataFrame, a mapping of columns, or None.

    Raises:
        SettingError: another length, or a name that the explorer uses itself.
    """
    if factors is None:
        return pd.DataFrame(index=range(rows))
    if not isinstance(factors, (pd.DataFrame, Mapping)):
        raise SettingError(f"factors are a table or a mapping name -> one value an image, found {type(factors).__name__}")
    columns = {str(name): np.asarray(factors[name], dtype=object) for name in factors}
    for name, values in columns.items():
        if values.shape != (rows,):
            raise SettingError(f"factor {name!r} needs one value for each of {rows} images, found {values.shape[0] if values.ndim else 0}")
    kept = {name: pd.Series(values).infer_objects() for name, values in columns.items() if name not in (*reserved, "path")}
    return pd.DataFrame(kept, index=range(rows))


def colour_names(table: pd.DataFrame, factors: pd.DataFrame) -> list[str]:
    """What points can be coloured by."""
    return [*(name for name in ("modality", "identity", "camera") if name in table.columns), *map(str, factors.columns)]


def colour_by(table: pd.DataFrame, factors: pd.DataFrame, name: str, bands: tuple[str, ...] = MODALITIES, people: Any = None) -> Colouring:
    """Groups and colours of one column.

    ``people``: for "identity", whom to colour (the first six of them; by default the first six of the table); all others are grey.
    A column of more than eight numbers is cut into five parts of equal size; of more than eight words the eighth and later ones
    become "other".

    Raises:
        SettingError: no such column.
    """
    if name not in colour_names(table, factors):
        raise SettingError(f"unknown colour {name!r}; known: {', '.join(colour_names(table, factors))}")
    if name == "modality":
        codes = is_infrared(table["modality"], len(table)).astype(np.uint8)
        return Colouring(name, tuple(bands), tuple(LOOKS[band].colour for band in MODALITIES), codes)
    values = table[name] if name in table.columns else factors[name]
    if name == "identity":
        return _people(values, people)
    numbers = pd.api.types.is_numeric_dtype(values) and not pd.api.types.is_bool_dtype(values)
    return _steps(name, values) if numbers and name != "camera" and values.nunique() > len(GROUPS) else _words(name, values)


def _people(values: pd.Series, people: Any) -> Colouring:
    """A few people in colours of their own, everybody else in grey."""
    labels = np.array([label_of(value) for value in values])
    wanted = [label_of(person) for person in people] if people is not None and len(people) else pd.unique(labels)
    chosen = list(dict.fromkeys(wanted))[:PEOPLE]
    place = {person: code for code, person in enumerate(chosen)}
    codes = np.array([place.get(label, len(chosen)) for label in labels], np.uint8)
    return Colouring("identity", (*(f"person {person}" for person in chosen), "all others"), (*GROUPS[: len(chosen)], REST), codes)


def _words(name: str, values: pd.Series) -> Colouring:
    """One colour a value: by number where they are numbers, else the most frequent first."""
    labels = np.array([label_of(value) for value in values], dtype=object)
    known = values[labels != UNKNOWN]
    counted = known.value_counts()
    order = sorted(known.unique()) if pd.api.types.is_numeric_dtype(known) else list(counted.index)
    names = [label_of(value) for value in order]
    shown = names if len(names) <= len(GROUPS) else names[: len(GROUPS) - 1]
    rest = ["other"] if len(names) > len(shown) else []
    absent = [UNKNOWN] if (labels == UNKNOWN).any() else []
    place = {label: code for code, label in enumerate(shown)}
    other = len(shown)
    codes = np.array([len(shown) + len(rest) if label == UNKNOWN else place.get(label, other) for label in labels], np.uint8)
    colours = (*GROUPS[: len(shown)], *[REST for _ in rest], *[FAINT for _ in absent])
    word = f"{name} " if name == "camera" else ""
    return Colouring(name, tuple(f"{word}{label}" for label in (*shown, *rest, *absent)), colours, codes)


def _steps(name: str, values: pd.Series) -> Colouring:
    """Five parts of equal size of a measured quantity, from low to high."""
    numbers = values.astype(float).to_numpy()
    known = np.isfinite(numbers)
    edges = np.unique(np.quantile(numbers[known], np.linspace(0, 1, len(STEPS) + 1)))
    parts = max(1, len(edges) - 1)
    codes = np.full(len(numbers), parts, np.uint8)
    codes[known] = np.clip(np.searchsorted(edges, numbers[known], side="right") - 1, 0, parts - 1)
    labels = [f"{low:.3g} to {high:.3g}" for low, high in itertools.pairwise(edges)] or [f"{edges[0]:.3g}"]
    absent = not known.all()
    colours = (*STEPS[:parts], *([FAINT] if absent else []))
    return Colouring(name, (*labels, *([UNKNOWN] if absent else [])), colours, codes)
