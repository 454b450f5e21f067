"""The modality gap as a handful of plain numbers of these images, each beside the value it would have without a gap."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.gap_sample import Flags, shuffled
from vireidkit.analysis.neighbours import FloatMatrix, as_matrix, check_table, is_infrared, nearest
from vireidkit.randomness import key_of, numpy_generator


def modality_mixing(features: Any, modality: Any, k: int = 10, *, metric: str | None = None) -> float:
    """Share of each image's k nearest neighbours (itself left out) that come from the other modality, 0-1, mean over images.

    Args:
        features: ``Features`` or a matrix (N, D); modality: names or codes (N,); k: neighbours; metric: see ``as_matrix``.
    """
    matrix = as_matrix(features, metric)
    return _mixing(nearest(matrix, k), is_infrared(modality, len(matrix)))


def band_distance(features: Any, modality: Any, *, metric: str | None = None) -> float:
    """Distance of the two band means over the spread: the root mean square distance of an image to the mean of its own band,
    both bands weighing the same. No unit; 0 when the means agree.

    Raises:
        ValueError: only one modality is there.
    """
    matrix = as_matrix(features, metric)
    return _band_distance(matrix, is_infrared(modality, len(matrix)))


def gap_numbers(features: Any, table: pd.DataFrame | None = None, *, k: int = 10, shuffles: int = 20, seed: int = 0) -> pd.DataFrame:
    """The gap between the modalities as a handful of numbers (ours; definitions in ``measure`` and ``reading``).

    ``no_gap_value`` is the mean of the same measure when the modality of the images is shuffled inside every identity, which
    leaves people, cameras and the number of images of each band alone: what the number would be if band did not matter.
    Same-identity cosines compare different cameras only, so that a shared background counts for no band; without a gap all
    three would be equal. ``modality_gap`` has more measures, with intervals. The linear probe is a balanced accuracy, cross-validated
    over identities (at most 2,000 images).

    Args:
        features: ``Features`` or a matrix (N, D).
        table: one row a descriptor with identity, camera, modality; ``None`` takes that of the features.
        k: neighbours of the mixing; shuffles: how often modality is shuffled (the probe: five times); seed: of the shuffles.

    Returns:
        Table with columns measure, value, no_gap_value, reading; NaN where the images allow no such measure.

    Raises:
        ValueError: the table does not fit, or one of the modalities is missing.
    """
    table = features.table if table is None else table
    matrix = as_matrix(features)
    check_table(table, len(matrix), ("identity", "camera", "modality"))
    infrared = is_infrared(table["modality"], len(matrix))
    identity = table["identity"].to_numpy()
    random = numpy_generator(seed, "gap shuffles")
    others = [shuffled(infrared, identity, random) for _ in range(shuffles)]
    neighbours, pairs = nearest(matrix, min(k, len(matrix) - 1)), _same_identity_pairs(matrix, table)

    def measured(flags: Flags) -> list[float]:
        return [_mixing(neighbours, flags), _band_distance(matrix, flags), *_cosines(pairs, flags)]

    probe, chance = _probes(matrix, identity, infrared, others[:5], seed)
    values, no_gap = [*measured(infrared), probe], [*_mean([measured(other) for other in others]), chance]
    readings = [read(value, neighbours.shape[1]) for read, value in zip(_MEASURES.values(), values, strict=True)]
    return pd.DataFrame({"measure": list(_MEASURES), "value": values, "no_gap_value": no_gap, "reading": readings})


def _mean(rows: list[list[float]]) -> list[float]:
    """Mean of every column over the rows in which it is a number."""
    table = pd.DataFrame(rows, columns=range(len(_MEASURES) - 1), dtype=np.float64)
    return table.mean().tolist()


def _mixing(neighbours: NDArray[np.int64], infrared: Flags) -> float:
    """Share of neighbours (N, k) of the other modality."""
    return float((infrared[neighbours] != infrared[:, None]).mean())


def _band_distance(matrix: FloatMatrix, infrared: Flags) -> float:
    """Distance of the band means over the root mean square distance to the own band's mean."""
    bands = [matrix[~infrared], matrix[infrared]]
    if min(map(len, bands)) == 0:
        raise ValueError("a gap needs images of both modalities, found one")
    means = [band.mean(axis=0) for band in bands]
    spread = np.sqrt(np.mean([((band - mean) ** 2).sum(axis=1).mean() for band, mean in zip(bands, means, strict=True)]))
    return float(np.linalg.norm(means[0] - means[1]) / max(spread, 1e-12))


def _same_identity_pairs(matrix: FloatMatrix, table: pd.DataFrame) -> pd.DataFrame:
    """All pairs of images of one identity from different cameras: first, second (positions), identity, cosine."""
    unit, camera = as_matrix(matrix, "cosine"), table["camera"].to_numpy()
    found = []
    for identity, rows in pd.Series(np.arange(len(table))).groupby(table["identity"].to_numpy()):
        index = rows.to_numpy()
        first, second = (index[side] for side in np.triu_indices(len(index), 1))
        keep = camera[first] != camera[second]
        first, second = first[keep], second[keep]
        cosine = np.einsum("nd,nd->n", unit[first], unit[second])
        found.append(pd.DataFrame({"first": first, "second": second, "identity": identity, "cosine": cosine}))
    return pd.concat(found, ignore_index=True)


def _cosines(pairs: pd.DataFrame, infrared: Flags) -> NDArray[np.float64]:
    """Mean cosine within visible, within infrared, across: mean over the pairs of an identity, then over identities."""
    kind = infrared[pairs["first"]].astype(int) + infrared[pairs["second"]]  # 0 visible, 1 across, 2 infrared
    means = pairs["cosine"].groupby([kind, pairs["identity"].to_numpy()]).mean().groupby(level=0).mean()
    return means.reindex([0, 2, 1]).to_numpy(dtype=np.float64)


def _probes(matrix: FloatMatrix, identity: NDArray[Any], infrared: Flags, others: list[Flags], seed: int) -> tuple[float, float]:
    """Balanced accuracy of a linear probe for modality, and its mean on shuffled modalities. NaN with fewer than two identities."""
    people = numpy_generator(seed, "gap probe").permutation(np.unique(identity))
    if len(people) < 2:
        return float("nan"), float("nan")
    sizes = np.cumsum([(identity == person).sum() for person in people])
    kept = np.isin(identity, people[: max(2, int((sizes <= 2000).sum()))])
    values = [_probe(matrix[kept], identity[kept], labels[kept], seed) for labels in (infrared, *others)]
    return values[0], float(np.mean(values[1:])) if others else float("nan")


def _probe(matrix: FloatMatrix, identity: NDArray[Any], infrared: Flags, seed: int) -> float:
    """Balanced accuracy of logistic regression in up to five folds that share no identity."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score
    from sklearn.model_selection import StratifiedGroupKFold, cross_val_predict
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    folds = StratifiedGroupKFold(min(5, len(np.unique(identity))), shuffle=True, random_state=key_of(seed, "gap folds") % 2**32)
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=300, class_weight="balanced"))
    guessed = cross_val_predict(model, matrix, infrared, groups=identity, cv=folds)
    return float(balanced_accuracy_score(infrared, guessed))


def _read_cosine(pair: str) -> Callable[[float, int], str]:
    """What a cosine of a kind of pair means."""

    def read(value: float, k: int) -> str:
        return f"two images of one person, {pair}, from two cameras: " + (f"cosine {value:.2f}" if np.isfinite(value) else "none here")

    return read


def _read_probe(value: float, k: int) -> str:
    """What a probe's accuracy means."""
    return f"a linear rule names the band of an unseen person in {value:.0%} of cases" if np.isfinite(value) else "needs two identities"


_MEASURES: dict[str, Callable[[float, int], str]] = {
    "mixing of neighbours": lambda value, k: f"of an image's {k} nearest neighbours, {value * k:.1f} are of the other band",
    "distance of band means over spread": lambda value, k: f"the band means lie {value:.2f} times as far apart as a band is wide",
    "same-identity cosine within visible": _read_cosine("both visible"),
    "same-identity cosine within infrared": _read_cosine("both infrared"),
    "same-identity cosine across": _read_cosine("one of each band"),
    "linear probe accuracy": _read_probe,
}
