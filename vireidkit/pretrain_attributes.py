"""What a rendered person wears and looks like, as labels for pretraining: kinds and shapes, never colours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from torch import Tensor

from vireidkit.errors import DatasetError

CHOICES = ("gender", "hair", "beard", "glasses", "top", "pattern", "bottom", "side_stripe", "shoe_height", "bag", "hat", "scarf")
LEVELLED = ("weight", "sleeve", "hem", "opening", "cuff", "skirt_length")  # numbers, as up to five levels with equally many people
LEVELS = 5
# What is drawn for everyone and shows on some people only: column -> where it shows.
SHOWN = {"cuff": ("bottom", "shorts"), "skirt_length": ("bottom", "skirt")}
TABLE = "identities.csv"


def attributes_of(root: Path, identities: Sequence[int]) -> dict[str, Tensor]:
    """The attributes of people, in their order: name -> level of everyone, (N,) int64 from 0.

    Raises:
        DatasetError: the folder has no table of factors, or it lacks a column or a person.
    """
    file = root / TABLE
    try:
        # "none" is a value here (no bag), and no missing one
        table = pd.read_csv(file, keep_default_na=False, na_values=[""])
    except (OSError, ValueError) as error:
        raise DatasetError(
            f"attributes need {file}, which cannot be read ({str(error).splitlines()[0]}): render the people, or set attribute_weight=0"
        ) from error
    missing = [name for name in ("identity", *CHOICES, *LEVELLED) if name not in table]
    strangers = sorted(set(identities) - set(table.get("identity", [])))
    if missing or strangers:
        raise DatasetError(f"{file} lacks {'the columns ' + ', '.join(missing) if missing else f'identity {strangers[0]}'}")
    people = table.set_index("identity").loc[list(identities)]
    columns = {name: _as_levels(people[name]) for name in CHOICES} | {name: _binned(people, name) for name in LEVELLED}
    return {name: levels for name, levels in columns.items() if int(levels.max()) > 0}  # what all have alike teaches nothing


def level_counts(attributes: Mapping[str, Tensor]) -> tuple[tuple[str, int], ...]:
    """Name and number of levels of every attribute."""
    return tuple((name, int(levels.max()) + 1) for name, levels in attributes.items())


def _as_levels(column: pd.Series) -> Tensor:
    """Each value's place among the sorted values."""
    return torch.from_numpy(np.unique(column.astype(str), return_inverse=True)[1].astype(np.int64))


def _binned(people: pd.DataFrame, name: str) -> Tensor:
    """Numbers as levels; level 0 is left to people on whom it does not show."""
    values = people[name].to_numpy(float)
    column, kind = SHOWN.get(name, (None, None))
    shown = np.ones(len(people), bool) if column is None else (people[column] == kind).to_numpy()
    if not shown.any():
        return torch.zeros(len(people), dtype=torch.int64)
    edges = np.unique(np.quantile(values[shown], np.linspace(0, 1, LEVELS + 1)[1:-1]))
    levels = np.digitize(values, edges) + (column is not None)
    return torch.from_numpy(np.where(shown, levels, 0).astype(np.int64))
