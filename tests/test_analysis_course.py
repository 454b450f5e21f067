"""Which moments of a training a filmstrip shows."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from vireidkit.analysis import kept_epochs
from vireidkit.errors import CheckpointError
from vireidkit.training import Run


def a_run(folder: Path, *, stages: dict[str, int], kept: list[int], best: int | None, steps: int = 4) -> Run:
    """A finished run's history and checkpoint names, without weights: so many epochs a stage, ``steps`` steps an epoch."""
    rows = [(stage, epoch) for stage, epochs in stages.items() for epoch in range(epochs) for _ in range(steps)]
    folder.mkdir()
    pd.DataFrame(rows, columns=["stage", "epoch"]).assign(step=range(len(rows))).to_csv(folder / "history.csv", index=False)
    names = {f"step-{step}" for step in [*kept, best, len(rows)] if step}
    for name in names:
        (folder / "checkpoint" / name).mkdir(parents=True)
    (folder / "checkpoint" / "latest").write_text(f"step-{len(rows)}\n")
    if best:
        (folder / "checkpoint" / "best").write_text(f"step-{best}\n")
    if kept:
        (folder / "checkpoint" / "kept").write_text("".join(f"step-{step}\n" for step in kept))
    return Run(folder)


def test_kept_epochs_lie_before_the_finished_network(tmp_path):
    run = a_run(tmp_path / "a", stages={"train": 8}, kept=[8, 16, 24, 32], best=24)
    assert kept_epochs(run) == {"epoch 2": "step-8", "epoch 4": "step-16"}
    run = a_run(tmp_path / "b", stages={"train": 8}, kept=[8, 16, 24, 32], best=None)
    assert list(kept_epochs(run)) == ["epoch 2", "epoch 4", "epoch 6"]  # the last one is the finished one


def test_kept_epochs_count_over_stages_and_are_thinned_evenly(tmp_path):
    run = a_run(tmp_path / "a", stages={"first": 2, "second": 10}, kept=list(range(4, 52, 4)), best=48)
    assert list(kept_epochs(run, most=11)) == [f"epoch {epoch}" for epoch in range(1, 12)]
    assert kept_epochs(run) == {"epoch 2": "step-8", "epoch 6": "step-24", "epoch 10": "step-40"}


def test_kept_epochs_are_none_where_nothing_was_kept(tmp_path):
    assert kept_epochs(a_run(tmp_path / "a", stages={"train": 2}, kept=[], best=4)) == {}
    (tmp_path / "a" / "checkpoint" / "best").write_text("step-6\n")
    with pytest.raises(CheckpointError, match="no checkpoint"):
        kept_epochs(Run(tmp_path / "a"))
