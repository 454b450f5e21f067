"""The measures of the gap against plain loops, other libraries and formulas, in float64."""

from __future__ import annotations

from itertools import combinations, product

import numpy as np
import pandas as pd
import pytest
from gap_world import World
from scipy.linalg import sqrtm
from sklearn.metrics.pairwise import linear_kernel, rbf_kernel
from sklearn.preprocessing import KernelCenterer

from vireidkit.analysis import frechet_distance, linear_cka, mmd_squared
from vireidkit.analysis.gap_frechet import Frechet
from vireidkit.analysis.gap_intervals import Resampling, jackknife_error, without_bias
from vireidkit.analysis.gap_kernels import Alignment, Mmd
from vireidkit.analysis.gap_neighbours import Mixing
from vireidkit.analysis.gap_pairs import Cosines, Overlap
from vireidkit.analysis.gap_probe import Probe
from vireidkit.analysis.gap_sample import Sample, sample_of, shuffles_of
from vireidkit.analysis.gap_shift import Shift

SMALL = World(people=7, numbers=5, shift=0.6, scale=0.8, kept=0.7)


def uneven(seed: int = 0, people: int = 7) -> Sample:
    """People with different numbers of images, some in one band only, rows in no order."""
    matrix, table = SMALL.draw(seed, people)
    kept = np.random.default_rng(seed).permutation(len(table))[: int(0.6 * len(table))]
    return sample_of(matrix[kept], table.iloc[kept].reset_index(drop=True), metric="euclidean")


def labels_of(sample: Sample, shuffles: int = 3) -> np.ndarray:
    return np.concatenate([sample.infrared[None], shuffles_of(sample, shuffles, 0)])


# --- maximum mean discrepancy ---------------------------------------------------------------------------------------------------------


def test_mmd_against_loops_and_scikit_learn() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(9, 4)), 0.5 + random.normal(size=(6, 4))
    both = np.concatenate([first, second])
    width = np.median([np.linalg.norm(a - b) for a, b in combinations(both, 2)])

    def mean(one: np.ndarray, other: np.ndarray, same: bool) -> float:
        pairs = [(i, j) for i, j in product(range(len(one)), range(len(other))) if not (same and i == j)]
        return float(np.mean([np.exp(-(np.linalg.norm(one[i] - other[j]) ** 2) / (2 * width**2)) for i, j in pairs]))

    looped = mean(first, first, True) + mean(second, second, True) - 2 * mean(first, second, False)
    assert mmd_squared(first, second) == pytest.approx(looped, abs=1e-12)
    inside, other, across = (rbf_kernel(a, b, gamma=1 / (2 * 1.7**2)) for a, b in ((first, first), (second, second), (first, second)))
    theirs = (inside.sum() - 9) / 72 + (other.sum() - 6) / 30 - 2 * across.mean()
    assert mmd_squared(first, second, bandwidth=1.7) == pytest.approx(theirs, abs=1e-12)


def test_mmd_of_people_leaves_out_pairs_of_one_person() -> None:
    sample = uneven()
    prepared = Mmd(sample)
    gram = rbf_kernel(sample.matrix, gamma=1 / (2 * prepared.bandwidth**2))
    labels = labels_of(sample)
    looped = []
    for infrared in labels:
        means = []
        for a, b in ((0, 0), (1, 1), (0, 1)):
            pairs = [
                gram[i, j]
                for i, j in product(np.flatnonzero(infrared == bool(a)), np.flatnonzero(infrared == bool(b)))
                if sample.person[i] != sample.person[j]
            ]
            means.append(np.mean(pairs))
        looped.append(means[0] + means[1] - 2 * means[2])
    np.testing.assert_allclose(prepared.values(labels)[:, 0], looped, atol=1e-12)


def test_mmd_of_people_with_one_image_each_is_the_plain_one() -> None:
    random = np.random.default_rng(1)
    matrix = random.normal(size=(20, 3))
    table = pd.DataFrame({"identity": range(20), "camera": 1, "modality": ["visible"] * 12 + ["infrared"] * 8})
    sample = sample_of(matrix, table, metric="euclidean")
    assert Mmd(sample).values(sample.infrared[None])[0, 0] == pytest.approx(mmd_squared(matrix[:12], matrix[12:]), abs=1e-12)


def test_mmd_s_jackknife_really_deletes_people() -> None:
    sample, plan = uneven(people=24), Resampling(seed=3)
    prepared, group = Mmd(sample), plan.groups(24)
    deleted = []
    for one in range(20):
        kept = group[sample.person] != one
        part = sample.part(kept)
        inside = Mmd(part)
        # The bandwidth stays that of everybody.
        inside._gram = prepared._gram[np.ix_(kept, kept)]
        inside._reach = inside._gram.sum(axis=1)
        deleted.append(inside.values(part.infrared[None])[0, 0])
    low, high = prepared.interval(sample.infrared, plan)[0]
    np.testing.assert_allclose((low, high), plan.jackknife(prepared.values(sample.infrared[None])[0, 0], np.array(deleted)), atol=1e-12)


# --- centred kernel alignment ---------------------------------------------------------------------------------------------------------


def hsic_loop(first: np.ndarray, second: np.ndarray) -> float:
    """Song et al. (2012), equation 5, term by term."""
    n = len(first)
    first, second = (kernel - np.diag(np.diag(kernel)) for kernel in (first, second))
    trace = sum(first[i, j] * second[j, i] for i, j in product(range(n), repeat=2))
    crossed = sum(first[i, j] * second[j, k] for i, j, k in product(range(n), repeat=3))
    return (trace + first.sum() * second.sum() / ((n - 1) * (n - 2)) - 2 * crossed / (n - 2)) / (n * (n - 3))


def test_cka_against_loops_and_scikit_learn() -> None:
    random = np.random.default_rng(0)
    first = random.normal(size=(8, 5))
    second = first[:, :3] + random.normal(size=(8, 3))
    kernels = [linear_kernel(rows) for rows in (first, second)]
    centred = [KernelCenterer().fit_transform(kernel) for kernel in kernels]
    plain = (centred[0] * centred[1]).sum() / np.sqrt((centred[0] ** 2).sum() * (centred[1] ** 2).sum())
    assert linear_cka(first, second, unbiased=False) == pytest.approx(plain, abs=1e-12)
    looped = hsic_loop(*kernels) / np.sqrt(hsic_loop(kernels[0], kernels[0]) * hsic_loop(kernels[1], kernels[1]))
    assert linear_cka(first, second) == pytest.approx(looped, abs=1e-12)


def test_cka_at_its_ends() -> None:
    random = np.random.default_rng(0)
    rows = random.normal(size=(30, 6))
    turned = 3 * rows @ np.linalg.qr(random.normal(size=(6, 6)))[0] + 100
    assert linear_cka(rows, turned) == pytest.approx(1, abs=1e-9)
    unrelated = [linear_cka(rows, np.random.default_rng(seed).normal(size=(30, 200))) for seed in range(20)]
    assert abs(np.mean(unrelated)) < 0.1  # the plain form is pushed up by few rows
    assert linear_cka(rows, random.normal(size=(30, 200)), unbiased=False) > 0.3
    assert np.isnan(linear_cka(rows, np.full((30, 2), 0.1)))


def test_alignment_is_the_cka_of_identity_means() -> None:
    sample = uneven(people=9)
    labels, looped = labels_of(sample), []
    for infrared in labels:
        means = [[], []]
        for person in range(sample.people):
            sides = [sample.matrix[(sample.person == person) & (infrared == bool(band))] for band in (0, 1)]
            if all(map(len, sides)):
                for side, rows in zip(means, sides, strict=True):
                    side.append(rows.mean(axis=0))
        looped.append(linear_cka(*map(np.array, means)))
    np.testing.assert_allclose(Alignment(sample).values(labels)[:, 0], looped, atol=1e-12)


# --- shift and Fréchet distance -------------------------------------------------------------------------------------------------------


def test_shift_without_chance_is_a_mean_over_pairs_of_people() -> None:
    sample = SMALL.sample(0)  # as many images of everybody in each band
    sides = [sample.matrix[sample.infrared == band] for band in (False, True)]
    differences = np.array(
        [
            sample.matrix[(sample.person == p) & sample.infrared].mean(0) - sample.matrix[(sample.person == p) & ~sample.infrared].mean(0)
            for p in range(7)
        ]
    )
    square = np.mean([differences[i] @ differences[j] for i, j in product(range(7), repeat=2) if i != j])
    spreads = []
    for side, band in zip(sides, (False, True), strict=True):
        means = np.array([sample.matrix[(sample.person == p) & (sample.infrared == band)].mean(0) for p in range(7)])
        spreads.append(side.var(axis=0).sum() + means.var(axis=0, ddof=1).sum() / 7)
    assert Shift(sample).values(sample.infrared[None])[0, 0] == pytest.approx(np.sqrt(square / np.mean(spreads)), abs=1e-12)


def test_frechet_against_the_matrix_square_root() -> None:
    random = np.random.default_rng(0)
    first, second = random.normal(size=(40, 4)), 1 + random.normal(size=(30, 4)) @ random.normal(size=(4, 4))
    covariances = [np.cov(rows, rowvar=False, bias=True) for rows in (first, second)]
    root = sqrtm(covariances[0] @ covariances[1]).real
    expected = ((first.mean(0) - second.mean(0)) ** 2).sum() + np.trace(covariances[0] + covariances[1] - 2 * root)
    assert frechet_distance(first, second) == pytest.approx(expected, rel=1e-8)
    # In one dimension: (m1 - m2)² + (s1 - s2)².
    assert frechet_distance([[0.0], [2]], [[5.0], [11]]) == pytest.approx(49 + 4)


def test_frechet_of_people_extrapolates_over_deleted_groups() -> None:
    sample = uneven(people=30)
    group, labels = Resampling(seed=0).groups(30)[sample.person], labels_of(sample, 1)
    for infrared, found in zip(labels, Frechet(sample, 0).values(labels)[:, 0], strict=True):
        plain, *deleted = (
            frechet_distance(sample.matrix[kept & ~infrared], sample.matrix[kept & infrared])
            for kept in (group >= 0, *(group != one for one in range(20)))
        )
        assert found == pytest.approx(without_bias(plain, np.array(deleted)), abs=1e-9)


@pytest.mark.parametrize("rows", [50, 300])  # fewer images than numbers, and more
def test_frechet_keeps_64_components(rows: int) -> None:
    random = np.random.default_rng(0)
    matrix = random.normal(size=(rows, 100)) * np.r_[np.full(64, 10.0), np.full(36, 1e-6)]
    table = pd.DataFrame(
        {"identity": np.arange(rows) % 10, "camera": 1, "modality": np.where(np.arange(rows) % 20 < 10, "visible", "infrared")}
    )
    sample = sample_of(matrix, table, metric="euclidean")
    prepared = Frechet(sample)
    assert prepared.scores.shape == (rows, min(rows, 64))
    plain = prepared._deleted(sample.infrared)[0]
    assert plain == pytest.approx(frechet_distance(matrix[~sample.infrared], matrix[sample.infrared]), rel=1e-4)


# --- neighbours, probe ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("listed", [11, 40])  # with the short list most neighbours have to be sought again
def test_mixing_without_people_seeks_neighbours_again(listed: int) -> None:
    sample = SMALL.sample(0, 12)
    prepared = Mixing(sample)
    prepared._near = prepared._near[:, :listed]
    kept = ~np.isin(sample.person, (1, 5, 6))
    part = sample.part(kept)
    assert prepared._without(kept, sample.infrared) == pytest.approx(Mixing(part).values(part.infrared[None])[0, 0], abs=1e-12)


def test_probe_against_a_plain_discriminant() -> None:
    from sklearn.covariance import ledoit_wolf

    sample = uneven(people=15)
    prepared, labels = Probe(sample, 2), labels_of(sample)
    for infrared, found in zip(labels, prepared.values(labels), strict=True):
        guessed = np.zeros(len(infrared), bool)
        for one in range(5):
            inside = prepared._fold != one
            assert not set(sample.person[inside]) & set(sample.person[~inside])
            centre = sample.matrix[inside].mean(axis=0)
            covariance = ledoit_wolf(sample.matrix[inside])[0]
            first, second = (sample.matrix[inside & (infrared == band)].mean(axis=0) - centre for band in (False, True))
            rule = np.linalg.solve(covariance, second - first)
            guessed[~inside] = (sample.matrix[~inside] - centre) @ rule > rule @ (first + second) / 2
        accuracy = np.mean([(guessed == infrared)[infrared == band].mean() for band in (False, True)])
        assert found == pytest.approx([accuracy, 4 * accuracy - 2], abs=1e-12)


# --- pairs ----------------------------------------------------------------------------------------------------------------------------


def looped_pairs(sample: Sample, infrared: np.ndarray, same: bool) -> dict[str, dict[int, list[tuple[int, int]]]]:
    """Pairs of two cameras by kind and, for one person's, by person."""
    found: dict[str, dict[int, list[tuple[int, int]]]] = {"visible": {}, "infrared": {}, "across": {}}
    for i, j in combinations(range(len(infrared)), 2):
        if (sample.person[i] == sample.person[j]) == same and sample.camera[i] != sample.camera[j]:
            kind = "across" if infrared[i] != infrared[j] else "infrared" if infrared[i] else "visible"
            found[kind].setdefault(int(sample.person[i]) if same else 0, []).append((i, j))
    return found


def test_cosines_against_a_loop() -> None:
    sample = uneven()
    unit = sample.matrix / np.linalg.norm(sample.matrix, axis=1, keepdims=True)
    labels = labels_of(sample)
    for infrared, found in zip(labels, Cosines(sample).values(labels), strict=True):
        pairs = looped_pairs(sample, infrared, True)
        looped = [np.mean([np.mean([unit[i] @ unit[j] for i, j in own]) for own in pairs[kind].values()]) for kind in pairs]
        np.testing.assert_allclose(found, looped, atol=1e-12)


def test_overlap_against_a_loop() -> None:
    sample = uneven()
    prepared, labels = Overlap(sample), labels_of(sample)
    bins = {
        frozenset((int(i), int(j))): int(b) for i, j, b in zip(prepared.pairs.first, prepared.pairs.second, prepared._bins, strict=True)
    }
    for infrared, found in zip(labels, prepared.values(labels), strict=True):
        same, other = (looped_pairs(sample, infrared, side) for side in (True, False))
        for kind, value in zip(("visible", "infrared", "across"), found, strict=True):
            shares = []
            for side in (same, other):
                flat = [bins[frozenset(pair)] for own in side[kind].values() for pair in own]
                shares.append(np.bincount(flat, minlength=16) / len(flat))
            assert value == pytest.approx(np.minimum(*shares).sum(), abs=1e-12)


def test_bins_hold_equal_parts_of_the_even_mix() -> None:
    sample = SMALL.sample(0, 30)
    prepared = Overlap(sample)
    mix = sum(
        np.bincount(prepared._bins[prepared.pairs.same == side], minlength=16) / (prepared.pairs.same == side).sum()
        for side in (True, False)
    )
    np.testing.assert_allclose(mix / 2, 1 / 16, atol=0.01)
    # Ordered from far to near: two people's pairs lie in the first bins.
    assert prepared._bins[prepared.pairs.same].mean() > prepared._bins[~prepared.pairs.same].mean() + 3


# --- intervals ------------------------------------------------------------------------------------------------------------------------


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    values = np.random.default_rng(0).normal(size=20)
    deleted = np.array([np.delete(values, place).mean() for place in range(20)])
    assert jackknife_error(deleted) == pytest.approx(values.std(ddof=1) / np.sqrt(20))
    # The plain variance is too small by (n - 1) / n; the jackknife takes exactly that away.
    assert without_bias(values.var(), np.array([np.delete(values, p).var() for p in range(20)])) == pytest.approx(values.var(ddof=1))


def test_bootstrap_of_a_mean_is_student_s_interval() -> None:
    values = np.random.default_rng(1).normal(size=40)
    plan = Resampling(0.9, 20000, 0)
    draws = plan.weights(40) @ values / 40
    low, high = plan.percentile(draws + 5, values.mean(), 40)  # a bias of the draws is taken out
    student = plan.around(values.mean(), values.std(ddof=1) / np.sqrt(40), 39)
    np.testing.assert_allclose((low, high), student, atol=0.02)


def test_no_interval_from_nothing() -> None:
    plan = Resampling()
    assert np.isnan(plan.percentile(np.array([1.0, np.nan, np.nan]), 1.0, 40)).all()
    assert np.isnan(plan.percentile(np.ones(100), np.nan, 40)).all()
    assert np.isnan(plan.jackknife(1.0, np.array([1.0, np.nan]))).all()


@pytest.mark.parametrize(
    ("function", "first", "second"),
    [
        (mmd_squared, np.ones((1, 3)), np.ones((4, 3))),
        (mmd_squared, np.ones((4, 2)), np.ones((4, 3))),
        (linear_cka, np.ones((5, 2)), np.ones((4, 2))),
        (linear_cka, np.ones((3, 2)), np.ones((3, 2))),
        (frechet_distance, np.ones((4, 2)), np.ones((4, 3))),
        (frechet_distance, np.ones((0, 2)), np.ones((4, 2))),
    ],
)
def test_shapes_are_checked(function: object, first: np.ndarray, second: np.ndarray) -> None:
    with pytest.raises(ValueError, match="found"):
        function(first, second)


def test_bandwidth_is_checked() -> None:
    with pytest.raises(ValueError, match="found 0"):
        mmd_squared(np.ones((3, 2)), np.zeros((3, 2)), bandwidth=0)
