"""Drawing galleries, and the camera rule: what the protocols of several data sets share."""

from __future__ import annotations

import random
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd


@dataclass(frozen=True)
class Folder:
    """All images of one identity in one camera: what is one folder ``camX/NNNN`` in SYSU-MM01.

    Attributes:
        positions: int64, rows of the table that the folder was made from, sorted by path.
    """

    identity: int
    camera: int
    positions: np.ndarray


def folders(table: pd.DataFrame, cameras: Sequence[int] | None = None) -> list[Folder]:
    """The folders of a table in the order in which galleries are drawn: identities ascending, then cameras in the order given.

    Identities are ordered as the released code orders them, as text of at least four digits. ``None`` takes every camera, ascending.
    """
    cameras = sorted(table["camera"].unique().tolist()) if cameras is None else list(cameras)
    rows = table[table["camera"].isin(cameras)].sort_values("path", kind="stable")
    found = [Folder(int(i), int(c), part.index.to_numpy()) for (i, c), part in rows.groupby(["identity", "camera"], sort=False)]
    return sorted(found, key=lambda folder: (f"{folder.identity:04d}", cameras.index(folder.camera)))


def pick(generator: random.Random, count: int) -> int:
    """A number below ``count``: what ``generator.choice`` does with a list of that length, written out because Python promises
    the stream of ``getrandbits`` for a seed but not the algorithm of ``choice``.
    """
    bits = count.bit_length()
    number = generator.getrandbits(bits)
    while number >= count:
        number = generator.getrandbits(bits)
    return number


def draw_one_each(found: Sequence[Folder], trial: int) -> np.ndarray:
    """One random image of every folder, in the order of the folders; int64 (folders,) rows of the table.

    The published seeded sampler of SYSU-MM01: Python's Mersenne Twister seeded with the number of the trial, one draw a folder.
    The generator is private, so that nothing else moves the stream. Source: code of AGW (Ye et al., TPAMI 2021). Grade: code.
    """
    generator = random.Random(trial)
    return np.array([folder.positions[pick(generator, len(folder.positions))] for folder in found], dtype=np.int64)


def camera_rule(query_cameras: Collection[int], gallery_cameras: Collection[int], removed: Collection[tuple[int, int]]) -> np.ndarray:
    """Which gallery images are removed for which query, whatever their identity; bool (Q, G).

    Args:
        removed: pairs (camera of the query, camera of the gallery image). SYSU-MM01 has one, (3, 2): these two share a room.
    """
    query, gallery = np.asarray(query_cameras).reshape(-1, 1), np.asarray(gallery_cameras).reshape(1, -1)
    excluded = np.zeros((query.size, gallery.size), dtype=bool)
    for asking, answering in removed:
        excluded |= (query == asking) & (gallery == answering)
    return excluded
