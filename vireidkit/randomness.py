"""Randomness as an argument: generators keyed by what they are for, so that nothing depends on what was drawn before."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
import torch


def key_of(seed: int, *keys: int | str) -> int:
    """A 63-bit number that depends on the seed and every key, and on nothing else (no Python hash, no platform)."""
    text = "\x1f".join(f"{type(part).__name__}:{part}" for part in (int(seed), *keys))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def generator(seed: int, *keys: int | str) -> torch.Generator:
    """A CPU generator for one purpose, such as ``generator(seed, "flip", step)``."""
    return torch.Generator().manual_seed(key_of(seed, *keys))


def numpy_generator(seed: int, *keys: int | str) -> np.random.Generator:
    """The same for numpy."""
    return np.random.default_rng(key_of(seed, *keys))


@contextmanager
def scoped_randomness(seed: int, *keys: int | str) -> Iterator[None]:
    """Let torch's default CPU and accelerator generators follow (seed, keys) inside the block, and put them back after it.

    For code that cannot be handed a generator: layer constructors and dropout.
    """
    devices = list(range(torch.cuda.device_count())) if torch.cuda.is_available() and torch.cuda.is_initialized() else []
    with torch.random.fork_rng(devices=devices):
        number = key_of(seed, *keys)
        torch.random.default_generator.manual_seed(number)
        for device in devices:
            torch.cuda.default_generators[device].manual_seed(number)
        yield
