"""Two guards on the loss terms: one stops a run that became NaN, one warns of a run that stopped learning."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Mapping

from vireidkit.errors import TrainingError


def check_finite(terms: Mapping[str, float], *, epoch: int, step: int) -> None:
    """Stop as soon as a loss term is not a finite number.

    Raises:
        TrainingError: names the term, its value, the epoch and the step.
    """
    bad = [name for name, value in terms.items() if not math.isfinite(value)]
    if bad:
        values = ", ".join(f"{name} = {terms[name]}" for name in bad)
        raise TrainingError(
            f"loss term became non-finite at epoch {epoch}, step {step}: {values}; lower the learning rate or use precision 32-true"
        )


class CollapseGuard:
    """Warns when a triplet term sits at its margin: every distance is then equal, so all features have fallen on one point.

    A hinge triplet with margin m is exactly m when positives and negatives are equally far; its soft form is log 2.

    Args:
        margins: term name -> value of the term for collapsed features.
        patience: number of consecutive steps within ``tolerance`` (relative) after which ``update`` warns, once a term.
    """

    def __init__(self, margins: Mapping[str, float], *, patience: int = 50, tolerance: float = 1e-3) -> None:
        self.margins = dict(margins)
        self.patience = patience
        self.tolerance = tolerance
        self._recent: dict[str, deque[bool]] = {name: deque(maxlen=patience) for name in margins}
        self._warned: set[str] = set()

    def update(self, terms: Mapping[str, float]) -> list[str]:
        """Take one step's terms; return the warnings that are new."""
        warnings = []
        for name, margin in self.margins.items():
            if name not in terms:
                continue
            recent = self._recent[name]
            recent.append(abs(terms[name] - margin) <= self.tolerance * margin)
            if name not in self._warned and len(recent) == self.patience and all(recent):
                self._warned.add(name)
                warnings.append(
                    f"term {name!r} has sat at {margin:.4g} for {self.patience} steps: all features may have collapsed to one point"
                )
        return warnings
