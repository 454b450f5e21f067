"""What a training step of every method costs over its bare trunk, and how many times faster IDKL's terms are than plain loops.

    python benchmarks/methods.py [--profile compare] [--steps 10] [--methods agw idkl] [--skip-terms] [--map 24 9]

Appends rows to benchmarks/results/methods.csv. Every method runs in a process of its own, for its peak memory. Times are process
seconds on a CPU and seconds of the clock around a synchronised GPU. Compare the times of a row with each other, not with another
row: machines differ and are shared.

step: forward, backward and update of one batch of the method's Twilight recipe (random pictures), beside the bare forward and backward of
its own trunk on the same batch; of IDKL and MDPR both branches are the trunk. terms: IDKL's eleven terms, forward and backward, on given
features, logits' heads and maps (B = 120, D = 2048, C = 395), beside the loops of the tests; once with the four maps already pooled
and once with their pooling, which is the same arithmetic on both sides.
"""

from __future__ import annotations

import argparse
import csv
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from vireidkit.data.batch import Batch
from vireidkit.methods import Method, Progress, build_method, get_recipe, list_methods
from vireidkit.methods.recipe import Recipe
from vireidkit.training import build_optimizer
from vireidkit.training.run import commit

RESULTS = Path(__file__).parent / "results" / "methods.csv"
TESTS = Path(__file__).resolve().parents[1] / "tests"
COLUMNS = ("case", "method", "profile", "seconds", "beside", "seconds_beside", "ratio", "peak_mb", "device", "torch", "commit")
PEOPLE = 395
BATCH, WIDTH, PER_MODALITY = 120, 2048, 5


def seconds_of(work: Callable[[], object], steps: int, device: torch.device) -> float:
    """Seconds of one call, the smallest of ``steps`` after one that warms up."""
    clock = time.perf_counter if device.type == "cuda" else time.process_time
    found = []
    for _ in range(steps + 1):
        began = clock()
        work()
        if device.type == "cuda":
            torch.cuda.synchronize()
        found.append(clock() - began)
    return min(found[1:])


def peak_mb(device: torch.device) -> float:
    """Peak memory in MB: of the GPU, or of this process."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 2**20
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def random_batch(recipe: Recipe, device: torch.device) -> Batch:
    """Random pictures in the kit's order, as many as the recipe asks for."""
    half = torch.arange(recipe.identities).repeat_interleave(recipe.per_modality)
    labels = half.repeat(recipe.views + 1)
    views = torch.cat([torch.arange(recipe.views).repeat_interleave(len(half)), torch.zeros_like(half)])
    modality = torch.cat([torch.zeros(recipe.views * len(half), dtype=torch.long), torch.ones_like(half)])
    images = torch.randn(len(labels), 3, *recipe.image_size, generator=torch.Generator().manual_seed(0))
    batch = Batch(images, labels, modality, modality + 1, torch.arange(len(labels)), views).check().to(device)
    return batch.with_images(batch.images.contiguous(memory_format=torch.channels_last))


def bare_maps(method: Method, batch: Batch) -> Tensor:
    """A number that depends on every map of the method's trunk, and on nothing else of the method."""
    if hasattr(method, "branches_of") and method.settings.specific_branch:
        found = method.branches_of(batch.images, batch.modality)
    elif method.name == "mdpr":
        found = [maps for name, maps in method.stages_of(batch.images, batch.modality).items() if name in ("hard4", "soft4")]
    else:
        found = [method.two_stream(batch.images, batch.modality)]
    return sum(x.float().mean() for x in found)


def step_row(name: str, profile: str, steps: int) -> dict[str, Any]:
    """One method's step beside its bare trunk."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = get_recipe(name, "twilight", profile)
    method = build_method(name, PEOPLE, **{**recipe.settings, "pretrained": None}).to(device).train()
    recipe = next(iter(method.stages(recipe))).recipe
    batch, optimizer = random_batch(recipe, device), build_optimizer(method.parameter_groups(), recipe)
    late = Progress(epoch=recipe.epochs - 1, epochs=recipe.epochs, step=0, steps_per_epoch=1)
    weights = {term: weight for term, weight in method.weights(late).items() if weight != 0}
    autocast = torch.autocast(device.type, dtype=torch.bfloat16, enabled=recipe.precision.startswith("bf16"))

    def bare() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            value = bare_maps(method, batch)
        value.backward()

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            terms = method(batch, tuple(weights))
        sum(weights[term] * terms[term] for term in weights).backward()
        optimizer.step()
        method.on_step_end(batch, {term: value.detach() for term, value in terms.items()})

    beside = seconds_of(bare, steps, device)
    whole = seconds_of(step, steps, device)
    return {"case": "step", "method": name, "profile": profile, "seconds": whole, "beside": "bare trunk", "seconds_beside": beside} | {
        "peak_mb": peak_mb(device)
    }


def terms_rows(steps: int, size: tuple[int, int]) -> list[dict[str, Any]]:
    """IDKL's terms beside the loops, with the maps pooled already and with their pooling."""
    sys.path.insert(0, str(TESTS))
    import idkl_oracle

    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    method = build_method("idkl", PEOPLE, discriminator_dropout=0.0).to(device).train()
    labels = torch.arange(BATCH // 2 // PER_MODALITY).repeat_interleave(PER_MODALITY).repeat(2).to(device)
    modality = torch.tensor([0, 1], device=device).repeat_interleave(BATCH // 2)
    none = torch.zeros_like(labels)
    rows = Batch(torch.empty(BATCH, 0), labels, modality, none, none, none)
    draw = torch.Generator().manual_seed(0)
    features = [torch.rand(BATCH, WIDTH, generator=draw).to(device).requires_grad_(True) for _ in range(2)]
    weights = method.weights(Progress(epoch=0, epochs=1, step=0, steps_per_epoch=1))
    found = []
    for case, shape in (("terms", (1, 1)), ("terms and pooling", size)):
        maps = [torch.randn(BATCH, WIDTH, *shape, generator=draw).to(device).requires_grad_(True) for _ in range(4)]

        def ours(maps: list[Tensor] = maps) -> None:
            terms = method.objective([*features, *(method.pool(x) for x in maps)], rows)
            sum(weights[name] * terms[name]() for name in weights).backward()

        def loops(maps: list[Tensor] = maps) -> None:
            idkl_oracle.total(idkl_oracle.all_terms(features, maps, method, labels, modality)).backward()

        fast, slow = seconds_of(ours, steps, device), seconds_of(loops, 1, device)
        found.append(
            {"case": f"{case}, maps {shape[0]}x{shape[1]}", "method": "idkl", "profile": f"B={BATCH} D={WIDTH} C={PEOPLE}"}
            | {"seconds": fast, "beside": "loops", "seconds_beside": slow, "peak_mb": peak_mb(device)}
        )
    return found


def append(rows: list[dict[str, Any]]) -> None:
    """Print rows and add them to the results; a ratio is a step over its trunk, or the loops over the terms."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"cpu, {torch.get_num_threads()} threads"
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, COLUMNS, lineterminator="\n")
        if fresh:
            writer.writeheader()
        for row in rows:
            whole, beside = row["seconds"], row["seconds_beside"]
            ratio = beside / whole if row["beside"] == "loops" else whole / beside
            told = {
                "seconds": f"{whole:.5f}",
                "seconds_beside": f"{beside:.5f}",
                "ratio": f"{ratio:.3f}",
                "peak_mb": f"{row['peak_mb']:.0f}",
            }
            writer.writerow(row | told | {"device": device, "torch": torch.__version__, "commit": commit()})
            print(
                f"{row['case']:<28} {row['method']:<6} {1000 * whole:9.1f} ms, {row['beside']} {1000 * beside:9.1f} ms, ratio {ratio:.2f}"
            )


def main() -> None:
    """Measure, print, append; ``--one`` is what every case's own process runs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--profile", default="compare")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--methods", nargs="*", default=list_methods())
    parser.add_argument("--map", type=int, nargs=2, default=(24, 9))
    parser.add_argument("--skip-terms", action="store_true")
    parser.add_argument("--one", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.one:
        terms = arguments.one == "terms"
        rows = terms_rows(arguments.steps, tuple(arguments.map)) if terms else [step_row(arguments.one, arguments.profile, arguments.steps)]
        print(json.dumps(rows))
        return
    common = ["--profile", arguments.profile, "--steps", str(arguments.steps), "--map", *map(str, arguments.map)]
    for case in [*arguments.methods, *([] if arguments.skip_terms else ["terms"])]:
        done = subprocess.run([sys.executable, __file__, *common, "--one", case], check=True, stdout=subprocess.PIPE, text=True)
        append(json.loads(done.stdout.splitlines()[-1]))


if __name__ == "__main__":
    main()
