"""What each part of SMMD does to the spread inside the modalities and to the distance of their means, in the runs of its ablation.

    vireidkit sweep data/results/smmd_ablation.yaml --runs RUNS        (the scores; leaves the run folders)
    python benchmarks/smmd_spread.py RUNS                              (this file)

Writes benchmarks/results/smmd_spread.csv, one row a run and part of ``analysis.modality_spread`` on the test people: ``settings`` and
``seed`` as in the ledger, ``part``, ``value`` (mean squared distance) and ``share`` (of that of two people). Notebook 06 reads it.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import pandas as pd

from vireidkit import analysis
from vireidkit.experiment import dataset_of, test_features
from vireidkit.files import write_text
from vireidkit.ledger import canonical_settings
from vireidkit.training import Run, open_run

RESULTS = Path(__file__).parent / "results" / "smmd_spread.csv"


def rows_of(run: Run, data_root: str | None) -> pd.DataFrame:
    """The parts of one run."""
    data = dataset_of(run, data_root)
    table = analysis.spread_table({"": test_features(run, data=data)}, resamples=1)
    about = {key: run.info[key] for key in ("method", "dataset", "profile")}
    changed = {key: run.info["settings"][key] for key in run.info["overrides"]}
    about |= {"settings": canonical_settings(changed), "seed": run.info["seed"], "fingerprint": data.fingerprint}
    return table[["part", "value", "share"]].round(6).assign(**about)[[*about, "part", "value", "share"]]


def main() -> None:
    """Describe every finished run of SMMD in a folder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, help="where the sweep left its run folders")
    parser.add_argument("--data-root", help="the data set, where it is not in its recorded place")
    arguments = parser.parse_args()
    found = [open_run(path.parent) for path in sorted(arguments.runs.rglob("run.json"))]
    found = [run for run in found if run.finished and run.info["method"] == "smmd"]
    rows = pd.concat([rows_of(run, arguments.data_root) for run in found]).sort_values(["settings", "seed"], kind="stable")
    write_text(RESULTS, rows.to_csv(index=False))
    print(rows.pivot_table(index="settings", columns="part", values="share", sort=False).round(3))


if __name__ == "__main__":
    main()
