"""What every measure of the gap starts from: descriptors, who is on them, and the labels of worlds in which there is no gap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from scipy.sparse import csr_array

from vireidkit.analysis.neighbours import FloatMatrix, as_matrix, check_table, is_infrared
from vireidkit.modality import MODALITIES
from vireidkit.randomness import numpy_generator

Flags = NDArray[np.bool_]
Codes = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sample:
    """Descriptors whose rows have a person, a camera and a band.

    Attributes:
        matrix: (N, D) float64, of length 1 when compared by cosine.
        person, camera: codes (N,) from 0 on; infrared: (N,), False is visible.
        camera_names: what the codes stand for; empty where the table has no cameras: then every image has a code of its own.
        rows: positions of the images in the table that was given; given: how many images that had.
    """

    matrix: FloatMatrix
    person: Codes
    camera: Codes
    infrared: Flags
    camera_names: tuple[Any, ...]
    rows: Codes
    given: int

    @property
    def people(self) -> int:
        """Number of people n."""
        return int(self.person.max()) + 1

    @cached_property
    def member(self) -> csr_array:
        """(n, N): 1 where an image is of a person."""
        rows = len(self.person)
        return csr_array((np.ones(rows), (self.person, np.arange(rows))), shape=(self.people, rows))

    def counts(self, infrared: Flags) -> NDArray[np.float64]:
        """Images of each person in the visible and in the infrared band, (2, n)."""
        return np.stack([self.member @ (~infrared).astype(float), self.member @ infrared.astype(float)])

    def sums(self, values: FloatMatrix, infrared: Flags) -> NDArray[np.float64]:
        """Sums of the rows of ``values`` (N, C) by band and person, (2, n, C)."""
        inside = self.member @ (values * infrared[:, None])
        return np.stack([self.member @ values - inside, inside])

    def part(self, kept: Flags | Codes, camera: Codes | None = None) -> Sample:
        """The sample of some images, people numbered anew. ``camera``: other camera codes (M,) for them."""
        person = np.unique(self.person[kept], return_inverse=True)[1]
        own = self.camera[kept] if camera is None else camera
        return replace(self, matrix=self.matrix[kept], person=person, camera=own, infrared=self.infrared[kept], rows=self.rows[kept])


def sample_of(
    features: Any, table: pd.DataFrame | None = None, *, limit: int | None = None, seed: int = 0, metric: str | None = None
) -> Sample:
    """Checked descriptors with their table.

    Args:
        features: ``Features`` or a matrix (N, D); table: identity, modality and, where known, camera; ``None`` is that of the features.
        limit: most images; beyond it some are left out by lot, see ``_thinned``.
        metric: as in ``as_matrix``.

    Raises:
        ValueError: no table, a table that does not fit, a missing identity, or one of the modalities is missing.
    """
    table = getattr(features, "table", None) if table is None else table
    if table is None:
        raise ValueError("a bare matrix of descriptors needs a table with identity, modality and camera, found none")
    matrix = as_matrix(features, metric)
    check_table(table, len(matrix), ("identity", "modality"))
    if table["identity"].isna().any():
        raise ValueError(
            f"every image needs an identity, found none in row {int(table['identity'].isna().to_numpy().argmax())} of the table"
        )
    infrared = is_infrared(table["modality"], len(matrix))
    if infrared.all() or not infrared.any():
        raise ValueError(f"a gap needs images of both modalities, found only {MODALITIES[int(infrared[0])]} in {len(matrix)} rows")
    cameras, names = np.arange(len(matrix)), ()
    if "camera" in table.columns:
        cameras, known = pd.factorize(table["camera"], sort=True, use_na_sentinel=False)
        names = tuple(known)
    person = pd.factorize(table["identity"])[0]
    sample = Sample(matrix, person.astype(np.int64), cameras.astype(np.int64), infrared, names, np.arange(len(matrix)), len(matrix))
    return sample if limit is None or len(matrix) <= limit else _thinned(sample, limit, seed)


def _thinned(sample: Sample, limit: int, seed: int) -> Sample:
    """At most ``limit`` images: as many as fit of each person and camera, drawn by lot; when one each is too many, people drawn by lot."""
    random = numpy_generator(seed, "gap images")
    order = random.permutation(len(sample.person))
    # A camera without a name is one per image; the band then stands for it.
    place = sample.camera if sample.camera_names else sample.infrared.astype(np.int64)
    cells = pd.Series(np.arange(len(order))).groupby([sample.person[order], place[order], sample.infrared[order]])
    turn = cells.cumcount().to_numpy()
    sizes = np.bincount(turn).cumsum()  # images kept when each cell gives up to 1, 2, ... images
    allowed = int((sizes <= limit).sum())
    kept = order[turn < max(allowed, 1)]
    if not allowed:
        drawn = random.permutation(sample.people)
        counts = np.bincount(sample.person[kept], minlength=sample.people)[drawn].cumsum()
        kept = kept[np.isin(sample.person[kept], drawn[: max(2, int((counts <= limit).sum()))])]
    return sample.part(np.sort(kept))


def shuffled(infrared: Flags, identity: NDArray[Any], random: np.random.Generator) -> Flags:
    """Modality shuffled among the images of each identity: two orders of the same people, one random inside."""
    inside = np.lexsort((random.random(len(infrared)), identity))
    found = np.empty_like(infrared)
    found[np.argsort(identity, kind="stable")] = infrared[inside]
    return found


def shuffles_of(sample: Sample, number: int, seed: int) -> Flags:
    """(number, N) modalities shuffled inside identities: a world in which band does not matter."""
    random = numpy_generator(seed, "gap shuffles")
    found = [shuffled(sample.infrared, sample.person, random) for _ in range(number)]
    return np.array(found, dtype=bool).reshape(number, len(sample.person))


def halves_of(person: Codes, number: int, seed: int) -> Flags:
    """(number, M) random halves of one band's images, person by person; an odd image falls to either side by lot."""
    random = numpy_generator(seed, "gap halves")
    found = np.zeros((number, len(person)), bool)
    for row in found:
        order = np.lexsort((random.random(len(person)), person))
        starts = np.flatnonzero(np.diff(person[order], prepend=-1))
        place = np.arange(len(person)) - np.repeat(starts, np.diff(starts, append=len(person)))
        odd = random.integers(2, size=len(starts))
        row[order] = (place + np.repeat(odd, np.diff(starts, append=len(person)))) % 2 == 1
    return found


def split_bands(sample: Sample, number: int, seed: int) -> Iterator[tuple[int, Sample, Flags]]:
    """Each band (0, 1) alone, with ``number`` random halves (number, M) of it that play the two modalities.

    People with a single image in the band are left out; so is a band with fewer than two people that have more.
    """
    for band in (0, 1):
        rows = np.flatnonzero(sample.infrared == bool(band))
        often = np.bincount(sample.person[rows], minlength=sample.people) > 1
        if often.sum() < 2:
            continue
        part = sample.part(rows[often[sample.person[rows]]])
        yield band, part, halves_of(part.person, number, seed)
