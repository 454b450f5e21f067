"""Two processes over gloo learn exactly what one process learns from the same whole batch."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from two_processes import CASES, trained

from vireidkit.data import Batch
from vireidkit.errors import SettingError
from vireidkit.experiment import make_fabric
from vireidkit.training.distributed import shard_positions


@pytest.fixture(scope="module")
def two(tmp_path_factory):
    """Folder with the state dicts of both processes of every case. One worker of the tests starts them, the others wait for it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base
    out, ended = shared / "two", shared / "two-ended"
    try:
        out.mkdir()
    except FileExistsError:
        deadline = time.monotonic() + 600
        while not ended.exists():
            assert time.monotonic() < deadline, "the other worker's two processes do not end"
            time.sleep(0.2)
        return out
    try:
        _start_two(out)
    finally:
        ended.touch()
    return out


def _start_two(out):
    script = str(Path(__file__).parent / "two_processes.py")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node=2", script, str(out)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env={**os.environ, "OMP_NUM_THREADS": "1"})
    assert done.returncode == 0, done.stderr[-3000:]


@pytest.mark.parametrize("name", CASES)
def test_two_processes_equal_one_and_each_other(two, name, tmp_path):
    """Batch norms, heads, dropout, mining, patches, prototypes: every term sees the whole batch in both processes."""
    expected = trained(make_fabric("cpu", 1, "64-true"), name, tmp_path)
    assert name != "smmd" or expected["seen"].all(), "the prototypes were never refreshed"
    found = [torch.load(two / f"{name}-{rank}.pt", weights_only=True) for rank in range(2)]
    for rank, state in enumerate(found):
        assert state.keys() == expected.keys()
        for key, value in expected.items():
            assert torch.allclose(state[key].double(), value.double(), rtol=CASES[name].rtol, atol=CASES[name].atol), (rank, key)
    exact = [key for key in expected if key.startswith(CASES[name].alike)] if CASES[name].alike else []
    assert bool(exact) == bool(CASES[name].alike) and all(torch.equal(found[0][key], found[1][key]) for key in exact)


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
