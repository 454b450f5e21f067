"""Run by test_method_idkl under torch.distributed.run: two steps of IDKL, weights saved by process 0, buffers by both."""

import sys
from pathlib import Path

import torch

from vireidkit.experiment import make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer

STEPS = {"epochs": 1, "steps_per_epoch": 2, "validate_every": 0, "identities": 4, "per_modality": 2, "lr": 0.001, "sampler": "pairs"}


def two_steps(fabric, out):
    """Two steps at smoke size in float64; the state dict."""
    recipe, settings = with_overrides("idkl", get_recipe("idkl", "twilight", "smoke"), STEPS)
    data = prepared_dataset("twilight", recipe)
    method = build_method("idkl", len(data.labels(recipe.train_on)), seed=3, **settings).double()
    Trainer(method, data, recipe, 3, out, fabric, lambda r: training_store(data, r), quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    torch.save(two_steps(fabric, out / "run"), out / f"{fabric.global_rank}.pt")
    fabric.barrier()
