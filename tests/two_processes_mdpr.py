"""Run by test_method_mdpr under torch.distributed.run: steps of MDPR with patches, weights and buffers saved by both processes."""

import sys
from pathlib import Path

import torch

from vireidkit.data import PatchPool
from vireidkit.experiment import make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer, loop

STEPS = {"epochs": 1, "steps_per_epoch": 2, "validate_every": 0, "identities": 4, "per_modality": 2, "mining_groups": 2}


def two_steps(fabric, out):
    """Two steps at smoke size in float64 with plain SGD (Adam would blow up rounding where a gradient is 0); the state dict."""
    loop.pool_of = lambda sampler, needed, seed: PatchPool(sampler, seed, least=1) if needed else None  # patches from the first image on
    overrides = {**STEPS, "optimizer": "sgd", "lr": 0.0001}
    recipe, settings = with_overrides("mdpr", get_recipe("mdpr", "twilight", "smoke"), overrides)
    data = prepared_dataset("twilight", recipe)
    method = build_method("mdpr", len(data.labels(recipe.train_on)), seed=3, **settings).double()
    Trainer(method, data, recipe, 3, out, fabric, lambda r: training_store(data, r), quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    torch.save(two_steps(fabric, out / "run"), out / f"{fabric.global_rank}.pt")
    fabric.barrier()
