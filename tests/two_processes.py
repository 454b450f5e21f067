"""Run by test_training_distributed under torch.distributed.run: every case in short, the state of both processes saved.

One start of two processes serves all methods, since starting takes longer than the steps.
"""

import sys
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from vireidkit.data import PatchPool
from vireidkit.experiment import _extraction, make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer, loop


@dataclass(frozen=True)
class Case:
    """A method at smoke size for a few steps.

    Attributes:
        overrides: of its smoke recipe; atol, rtol: how far two processes may be from one.
        alike: beginnings of the names of what must be equal bit for bit in both processes.
        patched: patches are pasted from the first image on, which a pool that has yet to fill would not.
    """

    method: str
    overrides: dict[str, Any]
    dataset: str = "twilight"
    atol: float = 1e-9
    rtol: float = 0.0
    alike: tuple[str, ...] = ()
    patched: bool = False


STEPS = {"epochs": 1, "steps_per_epoch": 2, "identities": 4, "per_modality": 2}
AGW = {**STEPS, "steps_per_epoch": 3, "optimizer": "sgd"}
THIN = {"limit_identities": 8, "width": 0.125}
LIGHTOS = {**STEPS, **THIN, "sdm_hint": 0.1, "sdm_triplet": 0.5, "relation": "one-versus-rest", "keep_fc": True}
MDKT = {"epochs": 1, "steps_per_epoch": 2, "width": 0.125, "stages": {"teacher": {"epochs": 1}}}
TOLD = ("student.classifier",)
REFRESHED = ("prototypes", "seen", "neck.running_mean", "classifier.weight")

CASES = {
    **{
        f"agw {form}": Case("agw", {**AGW, "triplet": form}) for form in ("weighted", "weighted-stable", "batch-hard", "squared-difference")
    },
    # two epochs, between which the prototypes are refreshed from features in float32
    "smmd": Case("smmd", {**STEPS, **THIN, "epochs": 2}, atol=1e-6, alike=REFRESHED),
    "idkl": Case("idkl", {**STEPS, "lr": 0.001, "sampler": "pairs"}),
    "lightos": Case("lightos", LIGHTOS, rtol=1e-9, alike=("",)),
    # plain SGD: Adam would blow up rounding where a gradient is 0
    "mdpr": Case("mdpr", {**STEPS, "mining_groups": 2, "optimizer": "sgd", "lr": 0.0001}, atol=1e-8, patched=True),
    "mdkt mutual": Case("mdkt", MDKT, dataset="twilight-tracklets", alike=TOLD),
    "mdkt frozen": Case("mdkt", {**MDKT, "mutual": False, "mixed_views": True}, dataset="twilight-tracklets", alike=TOLD),
}


def full_pool(sampler, needed, seed):
    """A pool of patches that is full after one image."""
    return PatchPool(sampler, seed, least=1) if needed else None


def trained(fabric, name, out):
    """The state dict after the steps of a case, in float64."""
    case = CASES[name]
    recipe, settings = with_overrides(case.method, get_recipe(case.method, case.dataset, "smoke"), {"validate_every": 0, **case.overrides})
    data = prepared_dataset(case.dataset, recipe)
    labels = data.labels(recipe.train_on)
    method = build_method(case.method, len(labels), seed=3, **settings).double()
    with mock.patch.object(loop, "pool_of", full_pool) if case.patched else nullcontext():
        load = {"extract": _extraction(labels), "quiet": True}
        Trainer(method, data, recipe, 3, out / name, fabric, lambda r: training_store(data, r), **load).fit()
    return {key: value.clone() for key, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    for name in CASES:
        torch.save(trained(fabric, name, out), out / f"{name}-{fabric.global_rank}.pt")
    fabric.barrier()
