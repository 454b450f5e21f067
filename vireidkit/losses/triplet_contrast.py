"""The triplet contrast loss of MDKT, a reconstruction: how sure a teacher is of each hard triplet, handed to a student."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from vireidkit.losses.distance import pairwise_distance, pairwise_squared_distance
from vireidkit.losses.inputs import at_least_float32, attached_zero, checked_rows
from vireidkit.modality import INFRARED, VISIBLE

Mining = Literal["student", "teacher", "own"]
Divergence = Literal["kl", "ce", "rkl"]
Distance = Literal["euclidean", "squared", "cosine"]
Scope = Literal["cross", "joint", "intra"]


def cosine_distance(first: Tensor, second: Tensor | None = None) -> Tensor:
    """1 - cosine between all rows, (N, M)."""
    first = F.normalize(first, dim=1)
    return 1 - first @ (first if second is None else F.normalize(second, dim=1)).T


DISTANCES: dict[str, Callable[..., Tensor]] = {
    "euclidean": pairwise_distance,
    "squared": pairwise_squared_distance,
    "cosine": cosine_distance,
}
CHOICES = {"mining": Mining.__args__, "divergence": Divergence.__args__, "distance": tuple(DISTANCES), "scope": Scope.__args__}


class Triplets(NamedTuple):
    """Positions in a matrix of distances (A, R): T anchors (rows) with a positive and a negative (columns) each, all int64 (T,)."""

    anchors: Tensor
    positives: Tensor
    negatives: Tensor


def hardest_triplets(distance: Tensor, positive: Tensor, negative: Tensor) -> Triplets:
    """Of every anchor the furthest positive and the nearest negative; an anchor without either is skipped, ties go to the lowest index.

    Args:
        distance: (A, R) from anchors to references. positive, negative: bool (A, R), which references count as what.
    """
    anchors = (positive.any(dim=1) & negative.any(dim=1)).nonzero()[:, 0]
    if not len(anchors):
        return Triplets(anchors, anchors, anchors)
    known = distance.detach()[anchors]
    furthest = known.masked_fill(~positive[anchors], float("-inf")).argmax(dim=1)
    nearest = known.masked_fill(~negative[anchors], float("inf")).argmin(dim=1)
    return Triplets(anchors, furthest, nearest)


def triplet_log_probability(distance: Tensor, triplets: Triplets, temperature: float = 1.0) -> Tensor:
    """log [P, 1 - P] of every triplet, (T, 2): the softmax over its two negative distances, so P says how sure a network is that the
    positive is nearer.

        P(a) = exp(-d(a,p) / tau) / (exp(-d(a,p) / tau) + exp(-d(a,n) / tau)) = sigmoid((d(a,n) - d(a,p)) / tau)

    Computed by log-sigmoids, never by the ratio, so that differences in the thousands stay finite.
    """
    anchors, positives, negatives = triplets
    margin = (distance[anchors, negatives] - distance[anchors, positives]) / temperature  # (T,)
    return torch.stack([F.logsigmoid(margin), F.logsigmoid(-margin)], dim=1)


def distance_contrast(
    student: Tensor,
    teacher: Tensor,
    positive: Tensor,
    negative: Tensor,
    *,
    temperature: float = 1.0,
    mining: Mining = "student",
    divergence: Divergence = "kl",
) -> Tensor:
    """The triplet contrast loss of two matrices of distances (A, R); see ``triplet_contrast``, which makes them of features.

    Args:
        student, teacher: distances from anchors to references in either network; no gradient reaches the teacher's.
        positive, negative: bool (A, R).

    Raises:
        ValueError: a temperature that is not positive, an unknown mining or divergence, or shapes that differ.
    """
    _check(temperature, mining=mining, divergence=divergence)
    if student.ndim != 2 or any(other.shape != student.shape for other in (teacher, positive, negative)):
        shapes = ", ".join(str(tuple(x.shape)) for x in (student, teacher, positive, negative))
        raise ValueError(f"expected distances of both networks and two masks of one shape (A, R); found {shapes}")
    student = at_least_float32(student)
    teacher = teacher.detach().to(student.dtype)
    mined = hardest_triplets(teacher if mining == "teacher" else student, positive, negative)
    if not len(mined.anchors):
        return attached_zero(student)
    theirs = hardest_triplets(teacher, positive, negative) if mining == "own" else mined
    learner = triplet_log_probability(student, mined, temperature)  # (T, 2)
    source = triplet_log_probability(teacher, theirs, temperature)
    terms = {
        "kl": lambda: source.exp() * (source - learner),
        "ce": lambda: -source.exp() * learner,
        "rkl": lambda: learner.exp() * (learner - source),
    }
    return temperature**2 * terms[divergence]().sum(dim=1).mean()


def triplet_contrast(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    *,
    temperature: float = 1.0,
    mining: Mining = "student",
    divergence: Divergence = "kl",
    distance: Distance = "euclidean",
) -> Tensor:
    """The student becomes as sure of its hardest triplets as the teacher is.

        P_X(a) = sigmoid((d_X(a,n) - d_X(a,p)) / tau)      (see ``triplet_log_probability``)
        L_TCL = tau^2 / |A| * sum over a in A of KL([P_T, 1 - P_T] || [P_S, 1 - P_S])

    p and n are the furthest row of a's label and the nearest of another; A are the rows that have both, and a row is not its own
    positive. The gradient with respect to d_S(a,n) - d_S(a,p) is tau (P_S - P_T) / |A|: a student that is too sure is pulled back.
    With "ce" and P_T = 1 this is the soft-margin triplet loss. Only distances inside each network enter, so widths may differ.
    For the other direction of mutual learning swap the two features: ``student`` is whoever learns. No gradient reaches ``teacher``.
    Where A is empty the loss is a zero attached to the graph.

    Args:
        student: (B, D). teacher: (B, E). labels: integer (B,).
        temperature: tau.
        mining: whose distances choose p and n: "student", "teacher", or "own" (each network its own triplet).
        divergence: "kl" as above; "ce", the cross-entropy, which has the same gradient; "rkl", KL(student || teacher).
        distance: "euclidean" (not normalised), its square ("squared"), or "cosine" (1 - cosine).

    Raises:
        ValueError: wrong shapes or dtypes, a temperature that is not positive, or an unknown choice.

    Source: after MDKT, Wang et al., ICASSP 2022 (mdkt.md section 3.6, grade: reconstruction: the paper says that probabilities of
    triplet distances are distilled; the equation could not be read). With "ce" it is the soft softmax-triplet of MMT, ICLR 2020.
    """
    own, theirs, same = _matrices(student, teacher, labels, distance)
    itself = torch.eye(len(same), dtype=torch.bool, device=same.device)
    return distance_contrast(own, theirs, same & ~itself, ~same, temperature=temperature, mining=mining, divergence=divergence)


def cross_modality_triplet_contrast(
    student: Tensor,
    teacher: Tensor,
    labels: Tensor,
    modality: Tensor,
    *,
    scope: Scope = "cross",
    temperature: float = 1.0,
    mining: Mining = "student",
    divergence: Divergence = "kl",
    distance: Distance = "euclidean",
) -> Tensor:
    """The triplet contrast loss where a batch holds both modalities: a visible set teaches an infrared image, and the reverse.

        L_TCL^X = 1/2 [TCL(visible anchors, infrared references) + TCL(infrared anchors, visible references)]

    Positives and negatives of a "cross" anchor are of the other modality only, so nothing is excluded from itself; a batch of one
    modality gives a zero attached to the graph. "intra" keeps anchors and references in one modality and takes the mean over those
    that the batch has; "joint" does not look at modality and is ``triplet_contrast``.

    Args:
        modality: integer (B,), VISIBLE=0 or INFRARED=1, rows in any order; scope: see above; the others: see ``triplet_contrast``.

    Raises:
        ValueError: as ``triplet_contrast``, or another modality or scope.

    Source: ours, after MDKT (mdkt.md section 9.4).
    """
    options = {"temperature": temperature, "mining": mining, "divergence": divergence}
    _check(temperature, mining=mining, divergence=divergence, distance=distance, scope=scope)
    checked_rows(student, modality, name="modality")
    if ((modality != VISIBLE) & (modality != INFRARED)).any():
        raise ValueError(f"expected modality {VISIBLE} or {INFRARED}; found {modality.unique().tolist()}")
    if scope == "joint":
        return triplet_contrast(student, teacher, labels, distance=distance, **options)
    own, theirs, same = _matrices(student, teacher, labels, distance)
    different = labels[:, None] != labels[None, :]
    positive = same & ~torch.eye(len(same), dtype=torch.bool, device=same.device)
    contrast = partial(_block, own, theirs, positive, different, options)
    visible, infrared = modality == VISIBLE, modality == INFRARED
    if scope == "cross":
        return (contrast(visible, infrared) + contrast(infrared, visible)) / 2
    halves = [contrast(half, half) for half in (visible, infrared) if half.any()]
    return torch.stack(halves).mean() if halves else attached_zero(own)


def _block(own: Tensor, theirs: Tensor, positive: Tensor, negative: Tensor, options: dict, anchors: Tensor, references: Tensor) -> Tensor:
    """The loss of the anchors (bool (B,)) against the references (bool (B,))."""
    return distance_contrast(*(x[anchors][:, references] for x in (own, theirs, positive, negative)), **options)


def _matrices(student: Tensor, teacher: Tensor, labels: Tensor, distance: str) -> tuple[Tensor, Tensor, Tensor]:
    """Distances (B, B) in the student and in the teacher, and who has whose label, bool (B, B)."""
    _check(1.0, distance=distance)
    student, teacher = checked_rows(student, labels), checked_rows(teacher.detach(), labels)
    with torch.autocast(student.device.type, enabled=False):
        return DISTANCES[distance](student), DISTANCES[distance](teacher), labels[:, None] == labels[None, :]


def _check(temperature: float, **chosen: str) -> None:
    """Refuse a temperature that is not positive and a word that is no choice."""
    if not temperature > 0:
        raise ValueError(f"expected a positive temperature; found {temperature}")
    for name, value in chosen.items():
        if value not in CHOICES[name]:
            raise ValueError(f"{name} must be one of {', '.join(CHOICES[name])}; found {value!r}")
