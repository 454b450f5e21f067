"""How long evaluation takes, and how many times faster it is than plain loops, in process time inside one run.

    python benchmarks/evaluation.py [--case sysu] [--share 0.05] [--threads 1 2]

Appends one row a case and number of threads to benchmarks/results/evaluation.csv. Every case runs in a process of its own. The loops
are the oracles of the tests; they run on a share of the queries, and their time is scaled up (re-ranking cannot be cut: there the
loop sees everything). Compare the times of a row with each other, not with another row: machines differ and are shared.

sysu: ten trials of SYSU-MM01's all-search, 3,803 queries x 301 gallery images x 2,048 numbers, distances included. regdb (2,060 x 2,060)
and market (3,368 x 15,913, 6 cameras, about 20 matches a query): distances given. reranking: 2,060 + 2,060 descriptors of 2,048 numbers.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from vireidkit.evaluation import Features, evaluate, get_protocol, k_reciprocal_rerank, rank_metrics
from vireidkit.training.run import commit

RESULTS = Path(__file__).parent / "results" / "evaluation.csv"
TESTS = Path(__file__).resolve().parents[1] / "tests"
REPEATS = 3


@dataclass(frozen=True)
class Case:
    """One measurement: the work, the loop on a share of it, which part of the whole that share is, and the targets.

    Attributes:
        check: compares what the two found, and raises AssertionError if they differ.
    """

    work: Callable[[], object]
    loop: Callable[[], object]
    part: float
    check: Callable[[object, object], None]
    seconds: float
    times: float


@dataclass
class Table:
    """A data set that is a table only."""

    rows: pd.DataFrame
    name: str = "sysu-mm01 (counts)"

    def table(self, split: str) -> pd.DataFrame:
        """The same rows for every split."""
        return self.rows


def sysu(share: float) -> Case:
    """Ten trials from features, on folders of the published sizes."""
    from oracles import rank_loop, sysu_distances
    from trees import CAMERAS, SYSU_TEST, published_sysu

    rows = [row for row in published_sysu()[1] if row[1] in SYSU_TEST]
    table = pd.DataFrame(rows, columns=["path", "identity", "camera", "frame"]).assign(tracklet=-1)
    table["modality"] = table["camera"].map(CAMERAS)
    random = np.random.default_rng(0)
    people = random.standard_normal((534, 2048), dtype=np.float32)
    matrix = people[table["identity"]] + 6 * random.standard_normal((len(table), 2048), dtype=np.float32)
    features, data = Features(matrix, table), Table(table)
    asked = slice(None, None, max(1, round(1 / share)))

    def loop() -> list[np.ndarray]:
        found = []
        for trial in get_protocol("sysu-all-single").trials(data):
            query, gallery = trial.query.iloc[asked], trial.gallery
            distance = list(sysu_distances(features.matrix.numpy(), query.index.to_numpy(), gallery.index.to_numpy()))
            removed = trial.excluded[asked].tolist()
            found.append(rank_loop(distance, query["identity"].tolist(), gallery["identity"].tolist(), removed, "identity", "plain", 20).ap)
        return found

    def check(_: object, found: object) -> None:
        for trial, precision in zip(get_protocol("sysu-all-single").trials(data), found, strict=True):
            distance = features.distance(trial.query.index[asked], trial.gallery.index)
            ours = rank_metrics(distance, trial.query["identity"].iloc[asked], trial.gallery["identity"], excluded=trial.excluded[asked])
            np.testing.assert_allclose(ours.ap, precision, atol=1e-6)

    return Case(lambda: evaluate(features, data, "sysu-all-single"), loop, len(range(3803)[asked]) / 3803, check, 2.0, 15)


def given(queries: int, gallery: int, people: int, cameras: int, share: float, seconds: float, times: float) -> Case:
    """Distances given, image CMC; with several cameras the own one's pictures of the own identity are removed."""
    from oracles import rank_loop

    random = np.random.default_rng(0)
    ids = [np.arange(count) % people for count in (queries, gallery)]
    places = [random.integers(cameras, size=count) for count in (queries, gallery)]
    distance = random.random((queries, gallery), dtype=np.float32)
    distance -= 0.3 * (ids[0][:, None] == ids[1])
    removed = (ids[0][:, None] == ids[1]) & (places[0][:, None] == places[1]) if cameras > 1 else None
    asked = slice(None, None, max(1, round(1 / share)))

    def loop() -> np.ndarray:
        gone = None if removed is None else removed[asked].tolist()
        return rank_loop(distance[asked].tolist(), ids[0][asked].tolist(), ids[1].tolist(), gone, "image", "plain", 20).ap

    def check(found: object, looped: object) -> None:
        np.testing.assert_allclose(found.ap[asked], looped, atol=1e-12)

    part = len(range(queries)[asked]) / queries
    return Case(lambda: rank_metrics(distance, *ids, excluded=removed, cmc="image"), loop, part, check, seconds, times)


def reranking(share: float) -> Case:
    """k-reciprocal re-ranking of as many descriptors as RegDB has, clustered by identity."""
    from oracles import rerank_rows

    random = np.random.default_rng(0)
    people = random.standard_normal((206, 2048), dtype=np.float32)
    sides = [people[np.arange(2060) % 206] + 2 * random.standard_normal((2060, 2048), dtype=np.float32) for _ in range(2)]
    query, gallery = (torch.nn.functional.normalize(torch.from_numpy(side), dim=1) for side in sides)

    def check(found: object, looped: object) -> None:
        np.testing.assert_allclose(found.numpy(), looped, atol=1e-4)

    def loop() -> np.ndarray:
        return rerank_rows(query.numpy(), gallery.numpy())

    return Case(lambda: k_reciprocal_rerank(query, gallery), loop, 1.0, check, 4.0, 3)


CASES: dict[str, Callable[[float], Case]] = {
    "sysu": sysu,
    "regdb": lambda share: given(2060, 2060, 206, 1, share, 0.5, 15),
    "market": lambda share: given(3368, 15913, 751, 6, share, 3.0, 40),
    "reranking": reranking,
}


def timed(work: Callable[[], object]) -> tuple[float, object]:
    """Process seconds of one call, and what it returned."""
    began = time.process_time()
    found = work()
    return time.process_time() - began, found


def peak_mb(work: Callable[[], object]) -> float:
    """Memory that a call needs above what the process held before, MB; NaN where the kernel does not say."""
    try:
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak to the present use
    except OSError:
        return float("nan")
    before = _status("VmRSS")
    work()
    return (_status("VmHWM") - before) / 1024


def _status(field: str) -> int:
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(f"{field}:"))


def measure(name: str, threads: int, share: float) -> dict[str, float]:
    """One case in this process."""
    torch.set_num_threads(threads)
    sys.path.insert(0, str(TESTS))
    case = CASES[name](share)
    case.work()  # warms up
    times, found = zip(*(timed(case.work) for _ in range(REPEATS)), strict=True)
    peak = peak_mb(case.work)
    looped, oracle = timed(case.loop)
    case.check(found[0], oracle)
    seconds, loop = statistics.median(times), looped / case.part
    largest = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "process_seconds": seconds,
        "target_seconds": case.seconds,
        "loop_seconds": loop,
        "loop_share": case.part,
        "times_faster": loop / seconds,
        "target_times": case.times,
        "peak_mb": peak,
        "process_peak_mb": largest,
    }


def main() -> None:
    """Measure every case in a process of its own, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--case", choices=tuple(CASES), action="append")
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--share", type=float, default=0.05, help="share of the queries that the loops see")
    parser.add_argument("--here", action="store_true", help="measure one case in this process and print JSON")
    arguments = parser.parse_args()
    if arguments.here:
        print(json.dumps(measure(arguments.case[0], arguments.threads[0], arguments.share)))
        return
    for name in arguments.case or CASES:
        for threads in arguments.threads:
            command = [sys.executable, __file__, "--here", "--case", name, "--threads", str(threads), "--share", str(arguments.share)]
            output = subprocess.run(command, check=True, capture_output=True, text=True).stdout
            found = json.loads(output)
            append({"case": name, "threads": threads, **{key: f"{value:.4g}" for key, value in found.items()}})
            met = found["process_seconds"] <= found["target_seconds"] and found["times_faster"] >= found["target_times"]
            print(
                f"{name:<10} {threads} thread(s): {found['process_seconds']:6.2f} s (target {found['target_seconds']:g}), "
                f"{found['times_faster']:6.0f} x the loop (target {found['target_times']:g}), {found['peak_mb']:5.0f} MB"
                f"{'' if met else '   MISSED'}"
            )


def append(row: dict[str, object]) -> None:
    """One row more in the results."""
    row = {**row, "device": f"cpu, {torch.get_num_threads()} threads at most", "torch": torch.__version__, "commit": commit()}
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, list(row), lineterminator="\n")
        if fresh:
            writer.writeheader()
        writer.writerow(row)


if __name__ == "__main__":
    main()
