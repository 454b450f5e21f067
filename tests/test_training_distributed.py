"""Two processes over gloo learn exactly what one process learns from the same whole batch."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from two_processes import FORMS, three_steps

from vireidkit.data import Batch
from vireidkit.errors import SettingError
from vireidkit.experiment import make_fabric
from vireidkit.training.distributed import shard_positions


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """State dicts of a two-process run of every form."""
    out = tmp_path_factory.mktemp("two")
    command = [
        sys.executable,
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node=2",
        str(Path(__file__).parent / "two_processes.py"),
        str(out),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]
    return out


@pytest.mark.parametrize("form", FORMS)
def test_two_processes_equal_one(two, form, tmp_path):
    expected = three_steps(make_fabric("cpu", 1, "64-true"), form, tmp_path)
    found = torch.load(two / f"{form}.pt", weights_only=True)
    assert found.keys() == expected.keys()
    for name, value in expected.items():
        assert torch.allclose(found[name].double(), value.double(), rtol=0, atol=1e-9), (name, (found[name] - value).abs().max())


def plan(people, per=2):
    labels = torch.arange(people).repeat_interleave(per).repeat(2)
    modality = torch.tensor([0, 1]).repeat_interleave(people * per)
    zeros = torch.zeros(len(labels), dtype=torch.long)
    return Batch(zeros[:, None], labels, modality, zeros, torch.arange(len(labels)), zeros)


def test_shards_hold_both_modalities_and_every_row_once():
    whole = plan(6)
    shards = shard_positions(whole, 3)
    assert torch.cat(shards).sort().values.tolist() == list(range(24))
    for shard in shards:
        share = whole.select(shard).check()
        assert share.modality.bincount().tolist() == [4, 4]


def test_people_that_cannot_be_shared_are_refused():
    with pytest.raises(SettingError, match="5 identities cannot be shared by 2 devices"):
        shard_positions(plan(5), 2)
