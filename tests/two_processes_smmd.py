"""Run by test_method_smmd under torch.distributed.run: two short epochs with a refresh between them, the state of every process saved."""

import sys
from pathlib import Path

import torch

from vireidkit.experiment import _extraction, make_fabric, prepared_dataset, training_store
from vireidkit.methods import build_method, get_recipe, with_overrides
from vireidkit.training import Trainer

SHORT = {"epochs": 2, "steps_per_epoch": 2, "limit_identities": 8, "identities": 4, "per_modality": 2, "width": 0.125, "validate_every": 0}


def two_epochs(fabric, out):
    """SMMD at smoke size in float64; the state dict, prototypes among it."""
    recipe, settings = with_overrides("smmd", get_recipe("smmd", "twilight", "smoke"), SHORT)
    data = prepared_dataset("twilight", recipe)
    labels = data.labels(recipe.train_on)
    method = build_method("smmd", len(labels), seed=3, **settings).double()
    extract = _extraction(labels)
    Trainer(method, data, recipe, 3, out, fabric, lambda r: training_store(data, r), extract=extract, quiet=True).fit()
    return {name: value.clone() for name, value in method.state_dict().items()}


if __name__ == "__main__":
    torch.set_num_threads(1)
    out = Path(sys.argv[1])
    fabric = make_fabric("cpu", 2, "64-true")
    torch.save(two_epochs(fabric, out / "run"), out / f"{fabric.global_rank}.pt")
    fabric.barrier()
