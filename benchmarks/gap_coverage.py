"""How often the 95 % intervals of the gap's measures hold what they estimate.

    python benchmarks/gap_coverage.py [--setting gap] [--simulations 500]

Writes benchmarks/results/gap_coverage.csv, one row a measure and setting (a setting that is run again replaces its rows): ``coverage``
over ``simulations`` draws of people from a normal world (tests/gap_world.py), the ``truth``, ``found_by`` (a formula; a large sample;
or, where a measure belongs to the number of people, its mean over other draws of that size), shares of the intervals that lie ``below``
and ``above`` the truth, the mean value and the median width. A measure passes (``passes``) with 90 to 99 % at a gap; where the truth is
0, the end of what the measure can be, intervals may hold it more often. One that does not pass is not trusted in
vireidkit/analysis/gap_families.py and gets no interval.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd

RESULTS = Path(__file__).parent / "results" / "gap_coverage.csv"
TESTS = Path(__file__).resolve().parents[1] / "tests"
sys.path.insert(0, str(TESTS))

from gap_world import SETTINGS, World  # noqa: E402

from vireidkit.analysis.gap_families import FAMILIES, MEASURES  # noqa: E402
from vireidkit.analysis.gap_intervals import Resampling  # noqa: E402
from vireidkit.files import write_text  # noqa: E402
from vireidkit.training.run import commit  # noqa: E402

PASSES = (0.90, 0.99)


def simulate(world: World, simulations: int, level: float = 0.95, resamples: int = 500) -> np.ndarray:
    """(simulations, measures, 3): value and ends of every interval, trusted or not, in the order of ``MEASURES``."""
    found = []
    for seed in range(simulations):
        sample, plan = world.sample(seed), Resampling(level, resamples, seed)
        rows = []
        for family in FAMILIES:
            prepared = family.prepare(sample, seed, 10)
            rows.append(np.column_stack([prepared.values(sample.infrared[None])[0], prepared.interval(sample.infrared, plan)]))
        found.append(np.concatenate(rows))
    return np.array(found)


def covered(world: World, setting: str, simulations: int) -> pd.DataFrame:
    """The rows of one setting."""
    began = time.process_time()
    truths, found = world.truths(simulations), simulate(world, simulations)
    truth, low, high = truths["truth"].to_numpy(), found[..., 1], found[..., 2]
    inside = (low <= truth) & (truth <= high)  # NaN: not inside
    coverage = inside.mean(axis=0)
    seconds = time.process_time() - began
    print(f"{setting}: {seconds:.0f} s")
    rows = truths.assign(
        setting=setting,
        people=world.people,
        images=4 * world.shots * world.people,
        numbers=world.numbers,
        simulations=simulations,
        level=0.95,
        coverage=coverage,
        below=(high < truth).mean(axis=0),
        above=(low > truth).mean(axis=0),
        mean_value=found[..., 0].mean(axis=0),
        median_width=np.median(high - low, axis=0),
    )
    at_the_end = np.isin(truths["measure"], MEASURES[:3]) & (truth == 0)
    rows["passes"] = (coverage >= PASSES[0]) & ((coverage <= PASSES[1]) | at_the_end)
    return rows


def kept_rows(path: Path, settings: list[str]) -> pd.DataFrame:
    """What the results hold of other settings."""
    if not path.exists():
        return pd.DataFrame()
    table = pd.read_csv(path)
    return table[~table["setting"].isin(settings) & table["setting"].isin(SETTINGS)]


def main() -> None:
    """Simulate, print, write after every setting."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--setting", choices=tuple(SETTINGS), action="append")
    parser.add_argument("--simulations", type=int, default=500)
    parser.add_argument("--out", type=Path, default=RESULTS)
    arguments = parser.parse_args()
    for name in arguments.setting or SETTINGS:
        rows = covered(SETTINGS[name], name, arguments.simulations)
        print(
            rows[["measure", "truth", "mean_value", "coverage", "below", "above", "median_width", "passes"]].round(3).to_string(),
            flush=True,
        )
        front = ["setting", "measure", "coverage", "passes", "simulations", "truth", "found_by"]
        rows = rows[[*front, *(column for column in rows if column not in front)]].assign(
            device="cpu", numpy=np.__version__, commit=commit()
        )
        table = pd.concat([kept_rows(arguments.out, [name]), rows])
        table["order"] = table["setting"].map({one: place for place, one in enumerate(SETTINGS)})
        table = table.sort_values("order", kind="stable").drop(columns="order")
        write_text(arguments.out, table.to_csv(index=False, float_format="%.4g", lineterminator="\n"))


if __name__ == "__main__":
    main()
