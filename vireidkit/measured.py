"""What was measured once and committed: the costs of the trunks, by ``benchmarks/cost.py``."""

from __future__ import annotations

import os
from pathlib import Path

import pandas as pd

from vireidkit.errors import KitError

NEEDED = ("trunk", "mode", "size", "parameters", "multiply_adds_m", "maps_m", "ms_per_picture", "gmac_per_s", "run")


def trunk_costs(path: str | os.PathLike[str] | None = None) -> pd.DataFrame:
    """The newest run of ``benchmarks/cost.py``: one row for each trunk, mode ("train", "infer") and picture size.

    Times of one run may be compared with each other; machines differ, so runs may not. Columns ``time_over_<name>`` and
    ``multiply_adds_over_<name>`` hold the ratios to ResNet-50 and to the trunk of the study recipes.

    Args:
        path: the file; None is ``benchmarks/results/cost.csv`` of the checkout that this package lies in.

    Raises:
        KitError: no such file, or it is not one of that benchmark.
    """
    path = Path(__file__).resolve().parent.parent / "benchmarks" / "results" / "cost.csv" if path is None else Path(path)
    if not path.exists():
        raise KitError(f"measured costs not found: {path}; run python benchmarks/cost.py")
    table = pd.read_csv(path)
    missing = [name for name in NEEDED if name not in table.columns]
    if missing or table.empty:
        raise KitError(f"{path.name} is no table of benchmarks/cost.py: {f'no column {missing[0]!r}' if missing else 'no row'}")
    return table[table["run"] == table["run"].max()].reset_index(drop=True)
