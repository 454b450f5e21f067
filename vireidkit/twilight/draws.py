"""Random draws that can be repeated one by one: every stream has a name and keys, and no stream ever shifts another."""

from __future__ import annotations

from zlib import crc32

import numpy as np


def generator(seed: int, stream: str, *keys: int) -> np.random.Generator:
    """The generator of one stream of draws, such as ``generator(seed, "hair", identity)``.

    Any picture can be drawn alone, because nothing depends on what was drawn before; and a factor that is added later in a stream
    of its own leaves every other factor as it was.

    Args:
        seed: of a population or of a set of pictures, not negative.
        stream: what the draws are for.
        keys: identity, camera, number of the picture and the like, not negative.

    Raises:
        ValueError: a negative seed or key.
    """
    if seed < 0 or any(key < 0 for key in keys):
        raise ValueError(f"expected a seed and keys of at least 0; found seed {seed}, keys {keys}")
    # numpy takes a trailing 0 for nothing, so that the number of keys is a key as well.
    return np.random.default_rng([seed, crc32(stream.encode()), len(keys), *keys])
