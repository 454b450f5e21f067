"""What a training step of AGW spends its time on, as ratios inside one run, in process time.

    python benchmarks/training_step.py [--profile study] [--steps 20]

Appends one row a case to benchmarks/results/training_step.csv. Compare ratios, not seconds: machines differ and are shared.
Cases: drawing a batch, reading it from the store, augmenting it, and a whole step with images stored channels first or last.
"""

from __future__ import annotations

import argparse
import csv
import time
from collections.abc import Callable
from pathlib import Path

import torch

from vireidkit.data import IdentitySampler, augment
from vireidkit.experiment import prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe
from vireidkit.training import build_optimizer
from vireidkit.training.run import commit

RESULTS = Path(__file__).parent / "results" / "training_step.csv"


def process_seconds(work: Callable[[int], object], steps: int) -> float:
    """Process seconds of one call, the mean of ``steps`` calls after two that warm up."""
    for step in range(2):
        work(step)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    began = time.process_time()
    for step in range(2, 2 + steps):
        work(step)
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return (time.process_time() - began) / steps


def measure(profile: str, steps: int) -> dict[str, float]:
    """Process seconds of every case."""
    recipe = get_recipe("agw", "twilight", profile)
    data = prepared_dataset("twilight", recipe)
    labels = data.labels(recipe.train_on)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    store = training_store(data, recipe).to(device)
    sampler = IdentitySampler(store.table, labels, identities=recipe.identities, per_modality=recipe.per_modality, seed=0)
    method = build_method("agw", len(labels), seed=0, **{**recipe.settings, "pretrained": None}).to(device).train()
    optimizer = build_optimizer(method.parameter_groups(), recipe)
    plan = sampler.plan(0)
    pictures = store.images(plan.rows)
    images = augment(pictures, plan, recipe.augmentation, seed=0, step=0)

    def step(layout: torch.memory_format) -> None:
        batch = plan.to(device).with_images(images.contiguous(memory_format=layout))
        optimizer.zero_grad(set_to_none=True)
        sum(method(batch).values()).backward()
        optimizer.step()

    return {
        "draw": process_seconds(sampler.plan, steps),
        "read": process_seconds(lambda _: store.images(plan.rows), steps),
        "augment": process_seconds(lambda number: augment(pictures, plan, recipe.augmentation, seed=0, step=number), steps),
        "step, channels first": process_seconds(lambda _: step(torch.contiguous_format), steps),
        "step, channels last": process_seconds(lambda _: step(torch.channels_last), steps),
    }


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="study")
    parser.add_argument("--steps", type=int, default=20)
    arguments = parser.parse_args()
    found = measure(arguments.profile, arguments.steps)
    base = found["step, channels last"]
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if fresh:
            writer.writerow(["case", "profile", "process_seconds", "ratio_to_step", "device", "torch", "commit"])
        for case, seconds in found.items():
            writer.writerow([case, arguments.profile, f"{seconds:.6f}", f"{seconds / base:.4f}", device, torch.__version__, commit()])
            print(f"{case:<22} {1000 * seconds:8.2f} ms   {seconds / base:6.3f} of a step")


if __name__ == "__main__":
    main()
