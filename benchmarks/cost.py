"""What OSNet costs at each of its four widths, training and at test, beside ResNet-50 and beside the trunk of the study recipes.

    python benchmarks/cost.py [--rounds 5] [--batch 8] [--sizes 128x64 288x144]

Appends one row a case to benchmarks/results/cost.csv. The cases take turns, round after round, so that what else the machine does
meets all of them; a case's time is its smallest. Times are process seconds of one thread on a CPU, and seconds of the clock around a
synchronised GPU. Compare ratios inside one run (column ``run``), not milliseconds: machines differ and are shared.

train: forward and backward of the bare trunk on random pictures, batch norm in training mode. infer: forward alone, in evaluation mode,
without gradients. Multiply-adds are those of one picture's forward by torch's flop counter; maps are the numbers that all layers write
for one picture, the memory traffic that multiply-adds do not show.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from vireidkit.nn import build_trunk, trunk_name
from vireidkit.training.run import commit

RESULTS = Path(__file__).parent / "results" / "cost.csv"
STUDY = ("resnet18", 0.25)
RESNET = ("resnet50", 1.0)
TRUNKS = (*(("osnet", width) for width in (1.0, 0.75, 0.5, 0.25)), RESNET, STUDY)
MODES = ("train", "infer")


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """Seconds of one call: of the process on a CPU, of the clock on a GPU."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    began = clock()
    work()
    if device.type == "cuda":
        torch.cuda.synchronize()
    return clock() - began


def work_of(trunk: nn.Module, mode: str, images: torch.Tensor) -> Callable[[], object]:
    """One call of a case."""

    def train() -> None:
        trunk.train().zero_grad(set_to_none=True)
        trunk(images).mean().backward()

    def infer() -> None:
        with torch.no_grad():
            trunk.eval()(images)

    return {"train": train, "infer": infer}[mode]


def numbers(trunk: nn.Module, size: tuple[int, int], device: torch.device) -> dict[str, float]:
    """Parameters, and millions of multiply-adds and of numbers written by the layers for one picture."""
    written = 0

    def count(module: nn.Module, inputs: tuple, output: torch.Tensor) -> None:
        nonlocal written
        written += output.numel()

    hooks = [module.register_forward_hook(count) for module in trunk.modules() if not list(module.children())]
    counter = FlopCounterMode(display=False)
    with torch.no_grad(), counter:
        trunk.eval()(torch.zeros(1, 3, *size, device=device))
    for hook in hooks:
        hook.remove()
    parameters = sum(parameter.numel() for parameter in trunk.parameters())
    return {"parameters": parameters, "multiply_adds_m": counter.get_total_flops() / 2e6, "maps_m": written / 1e6}


def measure(sizes: list[tuple[int, int]], rounds: int, batch: int, device: torch.device) -> list[dict[str, object]]:
    """One row a trunk, size and mode."""
    trunks = {key: build_trunk(key[0], width=key[1]).to(device).to(memory_format=torch.channels_last) for key in TRUNKS}
    rows, works = {}, {}
    for size in sizes:
        images = torch.randn(batch, 3, *size).to(device).contiguous(memory_format=torch.channels_last)
        for key, trunk in trunks.items():
            told = numbers(trunk, size, device)
            for mode in MODES:
                case = (*key, mode, size)
                rows[case] = {"trunk": trunk_name(*key), "mode": mode, "size": f"{size[0]}x{size[1]}", "batch": batch, **told}
                works[case] = work_of(trunk, mode, images)
    best = dict.fromkeys(works, float("inf"))
    for turn in range(rounds + 1):
        for case, work in works.items():
            took = seconds(work, device)
            if turn:  # the first warms up
                best[case] = min(best[case], took)
    return [
        {**row, "ms_per_picture": 1000 * best[case] / batch} | ratios(case, rows, best) | {"gmac_per_s": speed(row, best[case], batch)}
        for case, row in rows.items()
    ]


def ratios(case: tuple, rows: dict[tuple, dict], best: dict[tuple, float]) -> dict[str, float]:
    """Time and multiply-adds over those of ResNet-50 and of the study trunk, at the same size and in the same mode."""
    found = {}
    for name, other in (("resnet50", RESNET), ("study", STUDY)):
        beside = (*other, *case[2:])
        found[f"time_over_{name}"] = best[case] / best[beside]
        found[f"multiply_adds_over_{name}"] = rows[case]["multiply_adds_m"] / rows[beside]["multiply_adds_m"]
    return found


def speed(row: dict[str, object], took: float, batch: int) -> float:
    """Thousand million multiply-adds of forwards a second; a training step counts as one forward, so it reads about three times lower."""
    return row["multiply_adds_m"] * batch / took / 1000


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--batch", type=int, default=8)
    parser.add_argument("--sizes", nargs="*", default=["128x64", "288x144"])
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    sizes = [tuple(map(int, text.split("x"))) for text in arguments.sizes]
    rows = measure(sizes, arguments.rounds, arguments.batch, device)
    name = torch.cuda.get_device_name() if device.type == "cuda" else "cpu, 1 thread"
    common = {"device": name, "torch": torch.__version__, "commit": commit(), "run": time.strftime("%Y-%m-%dT%H:%M:%S")}
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, [*rows[0], *common], lineterminator="\n")
        if fresh:
            writer.writeheader()
        for row in rows:
            writer.writerow({key: f"{value:.5g}" if isinstance(value, float) else value for key, value in row.items()} | common)
            print(
                f"{row['trunk']:<15} {row['mode']:<6} {row['size']:<8} {row['multiply_adds_m']:9.1f} M {row['ms_per_picture']:9.2f} ms a "
                f"picture; time over ResNet-50 {row['time_over_resnet50']:.3f} (multiply-adds {row['multiply_adds_over_resnet50']:.3f}), "
                f"over the study trunk {row['time_over_study']:.2f} ({row['multiply_adds_over_study']:.2f})"
            )


if __name__ == "__main__":
    main()
