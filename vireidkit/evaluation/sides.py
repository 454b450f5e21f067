"""Who asks and who answers where the data set itself has fixed it, image by image or tracklet by tracklet."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd

from vireidkit.errors import SettingError
from vireidkit.evaluation.protocols import Protocol, TestedDataset, check_images

BOTH = "both"  # the role of what a data set lists among the queries and in the gallery


def with_role(table: pd.DataFrame, role: str, protocol: Protocol, dataset: TestedDataset, split: str) -> pd.DataFrame:
    """The rows of a table that have a role, "query" or "gallery"; those of role "both" have either.

    Raises:
        SettingError: the data set does not fix the roles, or no row has this one.
    """
    if "role" not in table:
        raise SettingError(
            f"protocol {protocol.key!r} needs a data set that says which images are queries (column role); {dataset.name!r} does not"
        )
    return check_images(table[table["role"].isin((role, BOTH))], f"{role} images", protocol, dataset, split)


def same_person_and_camera(query: pd.DataFrame, gallery: pd.DataFrame) -> np.ndarray:
    """True where a gallery row has the identity and the camera of the query; bool (Q, G)."""
    excluded = query["identity"].to_numpy()[:, None] == gallery["identity"].to_numpy()
    excluded &= query["camera"].to_numpy()[:, None] == gallery["camera"].to_numpy()
    return excluded


@dataclass(frozen=True, eq=False)
class Tracklets:
    """The tracklets among the rows of a table, in the order of their first rows there.

    Attributes:
        table: one row a tracklet, that of its first frame; the index is the first frame's position in the split's table.
        frames: int64, positions of all frames, tracklet by tracklet, each in the order of the column ``frame``.
        starts: int64 (tracklets + 1,), where in ``frames`` every tracklet starts and, last, where it all ends.
    """

    table: pd.DataFrame
    frames: np.ndarray
    starts: np.ndarray

    def __len__(self) -> int:
        return len(self.table)

    def of_at_least(self, frames: int) -> Tracklets:
        """Those of ``frames`` frames or more."""
        return self.chosen(np.flatnonzero(np.diff(self.starts) >= frames))

    def chosen(self, places: np.ndarray) -> Tracklets:
        """Some of them, by place in ``table``; a place may occur twice."""
        parts = [self.frames[self.starts[place] : self.starts[place + 1]] for place in places]
        ends = np.cumsum([0, *(len(part) for part in parts)])
        return Tracklets(self.table.iloc[places], np.concatenate([self.frames[:0], *parts]), ends)

    def followed_by(self, other: Tracklets) -> Tracklets:
        """These, then the others."""
        starts = np.concatenate([self.starts, self.starts[-1] + other.starts[1:]])
        return Tracklets(pd.concat([self.table, other.table]), np.concatenate([self.frames, other.frames]), starts)

    def chunked(self, chunks: int) -> tuple[np.ndarray, ...]:
        """Of every tracklet ``chunks`` frames: it is cut into as many chunks of equal length, the last ones filled up with the last
        frame, and the first frame of each is taken. A shorter tracklet gives all of its frames, then the last one again.

        Source: code of VKD (8 chunks) and MITML (6). Grade: code.
        """
        lengths = np.diff(self.starts)[:, None]
        steps = -(-lengths // chunks) * np.arange(chunks)  # (tracklets, chunks)
        return tuple(self.frames[self.starts[:-1, None] + np.minimum(steps, lengths - 1)])

    def spaced(self, count: int) -> tuple[np.ndarray, ...]:
        """Of every tracklet ``count`` frames at equal distances from the first on; a shorter one gives frames twice.

        Source: code of BUPTCampus (``linspace`` without its end, rounded down). Grade: code.
        """
        lengths = np.diff(self.starts)
        spaced = {length: np.linspace(0, length, count, endpoint=False, dtype=int) for length in np.unique(lengths).tolist()}
        return tuple(self.frames[start + spaced[length]] for start, length in zip(self.starts[:-1], lengths.tolist(), strict=True))


def tracklets_of(rows: pd.DataFrame, what: str, protocol: Protocol, dataset: TestedDataset, split: str) -> Tracklets:
    """The tracklets of some rows of a split's table; rows of no tracklet (-1) are left out.

    Frames stand in the order of the column ``frame``, equal numbers in the order of the table.

    Args:
        what: what they are called in an error, such as "gallery tracklets".

    Raises:
        SettingError: there is no tracklet, or one that shows two identities, cameras or bands.
    """
    rows = check_images(rows[rows["tracklet"] >= 0], what, protocol, dataset, split)
    numbers, first, code = np.unique(rows["tracklet"].to_numpy(), return_index=True, return_inverse=True)
    rank = np.empty(len(numbers), dtype=np.int64)
    rank[np.argsort(first)] = np.arange(len(numbers))  # tracklets by their first row
    order = np.lexsort((rows["frame"].to_numpy(), rank[code]))
    ordered = rows.iloc[order]
    starts = np.concatenate([[0], np.cumsum(np.bincount(rank[code]))])
    heads = ordered.iloc[starts[:-1]]
    for column in ("identity", "camera", "modality"):
        strange = ordered[column].to_numpy() != heads[column].to_numpy().repeat(np.diff(starts))
        if strange.any():
            row = ordered.iloc[int(strange.argmax())]
            raise SettingError(
                f"tracklet {row['tracklet']} in split {split!r} of {dataset.name!r} must show one {column}, found a second: {row['path']}"
            )
    return Tracklets(heads, ordered.index.to_numpy(dtype=np.int64), starts)
