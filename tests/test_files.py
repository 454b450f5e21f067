"""Files are written whole or not at all; random draws depend on their keys alone."""

import json
import os
import stat

import numpy as np
import pytest
import torch

from vireidkit.errors import CheckpointError, KitError
from vireidkit.files import read_json, sha256_of, write_json, write_text, written_aside
from vireidkit.randomness import generator, key_of, numpy_generator, scoped_randomness


def test_a_failure_half_way_keeps_the_old_file_and_leaves_no_other(tmp_path):
    write_text(tmp_path / "file.txt", "old")
    with pytest.raises(RuntimeError), written_aside(tmp_path / "file.txt") as aside:
        aside.write_text("half")
        raise RuntimeError("stop")
    assert (tmp_path / "file.txt").read_text() == "old"
    assert os.listdir(tmp_path) == ["file.txt"]


def test_folders_are_made_and_the_file_can_be_read_by_others(tmp_path):
    write_text(tmp_path / "deep" / "er" / "file.txt", "text")
    mask = os.umask(0)
    os.umask(mask)
    assert stat.S_IMODE((tmp_path / "deep" / "er" / "file.txt").stat().st_mode) == 0o666 & ~mask


def test_a_path_below_a_file_is_refused_by_name(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(KitError, match=r"cannot write .*file/below"):
        write_text(tmp_path / "file" / "below", "text")


def test_json_holds_numpy_numbers_tuples_and_nan(tmp_path):
    value = {"a": np.float64(0.5), 2: (1, np.int64(3)), "nan": float("nan"), "inner": {"b": torch.tensor(2.0)}}
    write_json(tmp_path / "value.json", value)
    assert read_json(tmp_path / "value.json", what="value") == {"a": 0.5, "2": [1, 3], "nan": None, "inner": {"b": 2.0}}


def test_missing_and_broken_json_are_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"thing not found: .*none\.json"):
        read_json(tmp_path / "none.json", what="thing", error=CheckpointError)
    (tmp_path / "half.json").write_text(json.dumps({"a": 1})[:-1])
    with pytest.raises(KitError, match=r"thing cannot be read: .*half\.json"):
        read_json(tmp_path / "half.json", what="thing")


def test_sha256_of_known_bytes(tmp_path):
    (tmp_path / "abc").write_bytes(b"abc")
    assert sha256_of(tmp_path / "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_keys_are_stable_over_machines_and_tell_types_and_places_apart():
    # The number itself is part of every stored result: a change makes all of them stale.
    assert key_of(0, "flip", 3) == 8226292380533805366
    numbers = {key_of(0), key_of(1), key_of(0, 1), key_of(0, "1"), key_of(0, 1, 2), key_of(0, 12), key_of(0, "1", "2")}
    assert len(numbers) == 7 and all(0 <= number < 2**63 for number in numbers)


def test_generators_repeat_by_key():
    draw = [torch.rand(3, generator=generator(seed, "crop", step)) for seed, step in ((0, 0), (0, 0), (0, 1), (1, 0))]
    assert torch.equal(draw[0], draw[1])
    assert not torch.equal(draw[0], draw[2]) and not torch.equal(draw[0], draw[3])
    assert numpy_generator(0, "a").random() == numpy_generator(0, "a").random() != numpy_generator(0, "b").random()


def test_scoped_randomness_repeats_inside_and_leaves_the_outside_alone():
    before = torch.random.get_rng_state()
    with scoped_randomness(3, "weights"):
        first = torch.rand(4)
    assert torch.equal(torch.random.get_rng_state(), before)
    torch.rand(7)
    with scoped_randomness(3, "weights"):
        assert torch.equal(torch.rand(4), first)
