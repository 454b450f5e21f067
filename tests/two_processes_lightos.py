"""Run by test_method_lightos under torch.distributed.run: two steps of LightOS at smoke size, the state of every process saved."""

import sys
from pathlib import Path

import torch

from vireidkit.experiment import make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer

STEPS = {"epochs": 1, "steps_per_epoch": 2, "limit_identities": 8, "identities": 4, "per_modality": 2, "width": 0.125, "validate_every": 0}
STEPS |= {"sdm_hint": 0.1, "sdm_triplet": 0.5, "relation": "one-versus-rest", "keep_fc": True}


def two_steps(fabric, out):
    """LightOS with every term, in float64; the state dict."""
    recipe, settings = with_overrides("lightos", get_recipe("lightos", "twilight", "smoke"), STEPS)
    data = prepared_dataset("twilight", recipe)
    method = build_method("lightos", len(data.labels(recipe.train_on)), seed=3, **settings).double()
    Trainer(method, data, recipe, 3, out, fabric, lambda r: training_store(data, r), quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    torch.save(two_steps(fabric, out / "run"), out / f"{fabric.global_rank}.pt")
    fabric.barrier()
