"""Run by test_training_distributed under torch.distributed.run: three steps with each triplet form, weights saved by process 0."""

import sys
from pathlib import Path

import torch

from vireidkit.experiment import make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer

FORMS = ("weighted", "weighted-stable", "batch-hard", "squared-difference")


def three_steps(fabric, form, out):
    """Three steps of AGW at smoke size in float64 with AGW's optimiser; the state dict."""
    overrides = {
        "triplet": form,
        "epochs": 1,
        "steps_per_epoch": 3,
        "validate_every": 0,
        "identities": 4,
        "per_modality": 2,
        "optimizer": "sgd",
    }
    recipe, settings = with_overrides("agw", get_recipe("agw", "twilight", "smoke"), overrides)
    data = prepared_dataset("twilight", recipe)
    method = build_method("agw", len(data.labels(recipe.train_on)), seed=3, **settings).double()
    Trainer(method, data, recipe, 3, out / form, fabric, lambda r: training_store(data, r), quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    for form in FORMS:
        state = three_steps(fabric, form, out)
        if fabric.is_global_zero:
            torch.save(state, out / f"{form}.pt")
    fabric.barrier()
