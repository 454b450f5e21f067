"""Painting on fragments: rows of material values that are darkened or replaced where something is drawn."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from vireidkit.twilight.shells import SLOT

COLOUR, INSULATION = slice(0, 4), 4  # columns of materials.CHANNELS: what a dye changes (rgb and NIR), what a fibre does


@dataclass(frozen=True, eq=False)
class Canvas:
    """The rows that are painted, (f, 8) in the order of materials.CHANNELS, and where each fragment is."""

    rows: np.ndarray
    slot: np.ndarray
    base: np.ndarray
    along: np.ndarray

    def on(self, *names: str) -> np.ndarray:
        """(f,) bool: fragments of these slots."""
        return np.isin(self.slot, [SLOT[name] for name in names])

    def darken(self, share: np.ndarray, factor: float | np.ndarray) -> None:
        """Multiply colour and NIR by `factor` where `share` is 1, by nothing where it is 0."""
        at = np.flatnonzero(share)
        self.rows[at, COLOUR] *= 1 - share[at, None] * (1 - np.asarray(factor))

    def mix(self, share: np.ndarray, row: np.ndarray, columns: slice = slice(None)) -> None:
        """Replace by another material where `share` is 1."""
        at = np.flatnonzero(share)
        part = share[at, None].astype(float)
        self.rows[at, columns] = (1 - part) * self.rows[at, columns] + part * row[columns]
