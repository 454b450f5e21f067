"""The moments of a training that can be looked at again."""

from __future__ import annotations

from vireidkit.training import Run
from vireidkit.training.checkpoint import find_checkpoint


def kept_epochs(run: Run, most: int = 3) -> dict[str, str]:
    """The checkpoints on the way from the start to the finished network, for a filmstrip: "epoch 3" -> "step-168", in order.

    Only those that ``train(..., keep_every=N)`` kept, before the one that the run ends with (``run.best_checkpoint()``), and evenly
    chosen where there are more than ``most``. Epochs are counted from 1 over all stages of the training. Empty where nothing was kept.

    Raises:
        CheckpointError: the run has no finished checkpoint.
    """
    folder = run.path / "checkpoint"
    end = _step(find_checkpoint(folder, run.best_checkpoint()).name)
    history = run.history()
    done = history.groupby(["stage", "epoch"], sort=False)["step"].max() + 1  # finished steps at the end of every epoch
    epochs = {int(step): number for number, step in enumerate(done.sort_values(), start=1)}
    found = [(epochs[_step(name)], name) for name in run.kept() if _step(name) < end and _step(name) in epochs]
    places = range(len(found)) if len(found) <= most else [(2 * place + 1) * len(found) // (2 * most) for place in range(most)]
    return {f"epoch {found[place][0]}": found[place][1] for place in places}


def _step(name: str) -> int:
    """The number in "step-168"."""
    return int(name.removeprefix("step-"))
