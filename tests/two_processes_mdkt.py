"""Run by test_method_mdkt under torch.distributed.run: both stages of MDKT in short, the state of every process saved."""

import sys
from pathlib import Path

import torch

from vireidkit.experiment import make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer

SHORT = {"epochs": 1, "steps_per_epoch": 2, "width": 0.125, "validate_every": 0, "stages": {"teacher": {"epochs": 1}}}
FORMS = {"mutual": {}, "frozen": {"mutual": False, "mixed_views": True}}


def both_stages(fabric, form, out):
    """MDKT at smoke size in float64; the state dict."""
    recipe, settings = with_overrides("mdkt", get_recipe("mdkt", "twilight-tracklets", "smoke"), SHORT | FORMS[form])
    data = prepared_dataset("twilight-tracklets", recipe)
    method = build_method("mdkt", len(data.labels(recipe.train_on)), seed=3, **settings).double()
    Trainer(method, data, recipe, 3, out / form, fabric, lambda r: training_store(data, r), quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    for form in FORMS:
        torch.save(both_stages(fabric, form, out), out / f"{form}-{fabric.global_rank}.pt")
    fabric.barrier()
