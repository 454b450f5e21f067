"""modality_gap on worlds whose gap is known, on tables that lack something, and how often its intervals hold the truth."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from gap_world import SETTINGS, World
from viz_world import small_features

from vireidkit.analysis import MEASURES, band_distance, modality_gap, modality_mixing
from vireidkit.analysis.gap_families import FAMILIES
from vireidkit.analysis.gap_intervals import Resampling
from vireidkit.analysis.gap_sample import halves_of, sample_of
from vireidkit.errors import KitError
from vireidkit.evaluation import Features

COVERAGE = Path(__file__).resolve().parents[1] / "benchmarks" / "results" / "gap_coverage.csv"
LARGE = World(people=150, numbers=8)


def gap(world: World, seed: int = 0, **named: object) -> pd.DataFrame:
    matrix, table = world.draw(seed)
    return modality_gap(Features(matrix, table, "euclidean"), **{"shuffles": 19, "halves": 2, "resamples": 200, **named}).set_index(
        "measure"
    )


@pytest.fixture(scope="module")
def cases() -> dict[str, pd.DataFrame]:
    changes = {"none": {}, "shifted": {"shift": 1.5}, "scaled": {"scale": 0.5}, "changed": {"kept": 0.0}}
    return {name: gap(dataclasses.replace(LARGE, **change)) for name, change in changes.items()}


def test_no_gap_has_the_values_of_no_gap(cases: dict[str, pd.DataFrame]) -> None:
    table = cases["none"]
    assert table.loc["distance of band means over spread", "value"] < 0.05
    for measure, truth, tolerance in (
        ("MMD squared", 0, 0.002),
        ("Frechet distance", 0, 0.03),
        ("linear probe accuracy", 0.5, 0.05),
        ("proxy A-distance", 0, 0.2),
    ):
        assert table.loc[measure, "value"] == pytest.approx(truth, abs=tolerance), measure
    for measure in MEASURES:
        row = table.loc[measure]
        width = max(row["high"] - row["low"], 1e-3)
        assert row["value"] == pytest.approx(row["no_gap_value"], abs=2 * width), measure
    assert (table["p_value"].dropna() > 0.05).sum() >= 8


def test_a_shift_is_measured_and_harms_no_structure(cases: dict[str, pd.DataFrame]) -> None:
    table, world = cases["shifted"], dataclasses.replace(LARGE, shift=1.5)
    assert table.loc["distance of band means over spread", "value"] == pytest.approx(world.distance(), rel=0.05)
    assert table.loc["Frechet distance", "value"] == pytest.approx(1.5**2, rel=0.05)
    assert table.loc["CKA of identity means", "value"] == pytest.approx(world.cka(), abs=0.03)  # blind to a shift
    assert table.loc["CKA of identity means", "value"] == pytest.approx(cases["none"].loc["CKA of identity means", "value"], abs=0.03)
    assert table.loc["linear probe accuracy", "value"] > 0.75
    assert table.loc["mixing of neighbours", "value"] < 0.6 * table.loc["mixing of neighbours", "no_gap_value"]
    assert (
        table.loc[["distance of band means over spread", "MMD squared", "linear probe accuracy", "mixing of neighbours"], "p_value"]
        == 1 / 20
    ).all()


def test_a_scale_moves_no_mean_but_the_distributions(cases: dict[str, pd.DataFrame]) -> None:
    table, world = cases["scaled"], dataclasses.replace(LARGE, scale=0.5)
    assert table.loc["distance of band means over spread", "value"] < 0.06
    assert table.loc["linear probe accuracy", "value"] == pytest.approx(0.5, abs=0.05)  # no linear rule sees a scale
    assert table.loc["Frechet distance", "value"] == pytest.approx(world.frechet(), rel=0.15)
    assert table.loc["MMD squared", "value"] > 4 * table.loc["MMD squared", "no_gap_high"]
    assert table.loc["CKA of identity means", "value"] == pytest.approx(world.cka(), abs=0.03)


def test_identity_destroyed_between_the_bands(cases: dict[str, pd.DataFrame]) -> None:
    table = cases["changed"]  # the same distributions, other people behind the names in infrared
    assert table.loc["MMD squared", "value"] == pytest.approx(0, abs=0.002)
    assert table.loc["CKA of identity means", "value"] == pytest.approx(0, abs=0.05)
    assert table.loc["same-identity cosine across", "value"] == pytest.approx(0, abs=0.05)
    assert table.loc["same-identity cosine within visible", "value"] > 0.5
    assert table.loc["overlap across", "value"] > 0.9 > 0.5 > table.loc["overlap within infrared", "value"]
    assert table.loc[["same-identity cosine across", "overlap across", "CKA of identity means"], "p_value"].eq(1 / 20).all()


def test_values_agree_with_the_plain_functions() -> None:
    matrix, table = World(people=40, numbers=6, shift=1.0).draw(1)
    features = Features(matrix, table, "euclidean")
    found = modality_gap(features, measures=("mixing of neighbours", MEASURES[0]), shuffles=0, halves=0, k=7).set_index("measure")["value"]
    assert found["mixing of neighbours"] == pytest.approx(modality_mixing(features, table["modality"], 7), abs=1e-12)
    # Without chance a little smaller than the plain distance.
    assert 0.9 * band_distance(features, table["modality"]) < found[MEASURES[0]] < band_distance(features, table["modality"])


def test_bands_change_places_and_nothing_else_changes() -> None:
    matrix, table = World(people=32, numbers=6, shift=1.0, scale=0.7, kept=0.8).draw(2)
    turned = table.assign(modality=table["modality"].map({"visible": "infrared", "infrared": "visible"}))
    first, second = (modality_gap(matrix, one, shuffles=0, halves=0, resamples=50).set_index("measure") for one in (table, turned))
    swapped = [
        name.translate(str.maketrans({})).replace("visible", "?").replace("infrared", "visible").replace("?", "infrared")
        for name in first.index
    ]
    second = second.loc[swapped]
    np.testing.assert_allclose(first[["value", "low", "high"]].to_numpy(float), second[["value", "low", "high"]].to_numpy(float), atol=1e-9)


def test_order_of_rows_and_names_of_people_do_not_count() -> None:
    matrix, table = World(people=31, numbers=6, shift=0.5).draw(3)
    order = np.random.default_rng(0).permutation(len(table))
    other = table.iloc[order].assign(identity=[f"person {p}" for p in table["identity"].iloc[order]])
    first, second = (modality_gap(m, t, shuffles=0, halves=0, resamples=50)["value"] for m, t in ((matrix, table), (matrix[order], other)))
    # The folds of the probe follow the people's order of appearance.
    same = [place for place, name in enumerate(MEASURES) if name not in ("linear probe accuracy", "proxy A-distance", "Frechet distance")]
    np.testing.assert_allclose(first.iloc[same], second.iloc[same], atol=1e-9)


def test_same_seed_same_table() -> None:
    matrix, table = World(people=30, numbers=4, shift=0.4).draw(4)
    first, second, third = (modality_gap(matrix, table, shuffles=5, halves=2, resamples=50, seed=seed) for seed in (0, 0, 1))
    pd.testing.assert_frame_equal(first, second)
    assert (first["low"] != third["low"]).any()


# --- tables that lack something --------------------------------------------------------------------------------------------------------


def test_few_people_have_values_but_no_intervals() -> None:
    table = modality_gap(small_features(gap=0.5), shuffles=5, halves=2)
    assert table["value"].notna().all()
    assert table[["low", "high"]].isna().all().all()
    assert table["per"].eq("no interval: 5 people carry it, 30 are needed").all()
    assert table.attrs["people"] == 5 and table.attrs["images"] == 40


def test_one_camera_a_band_has_no_pairs_within() -> None:
    matrix, table = World(people=31, numbers=4).draw(5)
    found = modality_gap(matrix, table.assign(camera=table["camera"].map({1: 1, 2: 1, 3: 3, 4: 3})), shuffles=2, halves=2, resamples=20)
    within = found[found["measure"].str.contains("within")]
    assert within[["value", "low", "high"]].isna().all().all()
    assert within["reading"].str.startswith("no ").all()
    assert found.row("same-identity cosine across")[["value", "low", "high"]].notna().all()


def test_without_cameras_all_pairs_count() -> None:
    matrix, table = World(people=31, numbers=4).draw(5)
    with_all = modality_gap(matrix, table.assign(camera=range(len(table))), shuffles=3, halves=2, resamples=20)
    without = modality_gap(matrix, table.drop(columns="camera"), shuffles=3, halves=2, resamples=20)
    pd.testing.assert_frame_equal(with_all, without)


def test_people_of_one_band_only() -> None:
    matrix, table = World(people=70, numbers=4, shift=1.0).draw(6)
    # Nobody is in both bands: no pair across, no common people.
    kept = ((table["identity"] < 35) == (table["modality"] == "visible")).to_numpy()
    found = modality_gap(matrix[kept], table[kept], shuffles=3, halves=2, resamples=100)
    nothing = ["same-identity cosine across", "overlap across", "CKA of identity means"]
    assert found.set_index("measure").loc[nothing, ["value", "low", "high", "p_value"]].isna().all().all()
    assert found.row("MMD squared")["low"] > 0
    assert found.row("linear probe accuracy")["value"] > 0.7
    # Shuffling inside people changes nothing: as large a gap in every shuffle.
    assert found.row("MMD squared")["p_value"] == 1


def test_the_frechet_distance_needs_as_many_people_as_components() -> None:
    for people, numbers, known in ((31, 31, True), (31, 32, False)):
        found = modality_gap(
            *World(people=people, numbers=numbers).draw(0), measures=("Frechet distance", "MMD squared"), shuffles=0, halves=0
        )
        assert found["low"].notna().tolist() == [True, known]
    assert found.row("Frechet distance")["per"] == "no interval: 31 people carry it, 32 are needed"


@pytest.mark.parametrize("people", [1, 2, 4])
def test_hardly_anybody(people: int) -> None:
    matrix, table = World(people=people, numbers=3).draw(7)
    found = modality_gap(matrix, table, shuffles=2, halves=2)
    assert list(found["measure"]) == list(MEASURES)
    assert found["low"].isna().all()


def test_two_images() -> None:
    found = modality_gap(np.eye(2), pd.DataFrame({"identity": [1, 2], "camera": [1, 2], "modality": ["visible", "infrared"]}), shuffles=2)
    assert found.row("mixing of neighbours")["value"] == 1


@pytest.mark.filterwarnings("error")
def test_descriptors_that_all_agree() -> None:
    _, table = World(people=30, numbers=3).draw(8)
    found = modality_gap(np.ones((len(table), 5)), table, shuffles=3, halves=2, resamples=20).set_index("measure")
    assert found.loc["distance of band means over spread", "value"] == pytest.approx(0, abs=1e-6)
    assert found.loc["MMD squared", "value"] == pytest.approx(0, abs=1e-9)
    assert found.loc["same-identity cosine across", "value"] == pytest.approx(1)
    assert found.loc["overlap across", "value"] == pytest.approx(1)
    assert np.isnan(found.loc["CKA of identity means", "value"])
    assert found.loc["linear probe accuracy", "value"] == pytest.approx(0.5)


def test_limit_thins_people_evenly() -> None:
    matrix, table = World(people=20, numbers=3, shots=5).draw(9)
    sample = sample_of(matrix, table, limit=170, seed=0)
    assert len(sample.person) == 160 and sample.given == 400 and sample.people == 20
    assert (np.bincount(sample.person * 4 + sample.camera) == 2).all()
    np.testing.assert_allclose(sample.matrix, sample_of(matrix, table).matrix[sample.rows])
    few = sample_of(matrix, table, limit=30, seed=0)
    assert len(few.person) == 28 and few.people == 7
    assert modality_gap(matrix, table, limit=170, shuffles=0, halves=0).attrs["images"] == 160


def test_halves_share_people_evenly() -> None:
    person = np.array([0, 1, 0, 1, 1, 2, 2, 2, 2, 0])
    halves = halves_of(person, 50, 0)
    sizes = np.array([[half[person == one].sum() for one in range(3)] for half in halves])
    assert set(sizes[:, 0]) == {1, 2} and set(sizes[:, 1]) == {1, 2} and set(sizes[:, 2]) == {2}
    assert 0.3 < halves[:, 5].mean() < 0.7


@pytest.mark.parametrize(
    ("named", "found"),
    [
        ({"measures": ["MMD"]}, "unknown measure 'MMD'"),
        ({"measures": []}, "at least one measure"),
        ({"interval": 95}, "interval must lie between 0 and 1, found 95"),
        ({"k": 0}, "k must be at least 1, found 0"),
        ({"resamples": 1}, "resamples must be at least 2"),
    ],
)
def test_settings_are_checked(named: dict[str, object], found: str) -> None:
    with pytest.raises((KitError, ValueError), match=found):
        modality_gap(small_features(), **named)


def test_tables_are_checked() -> None:
    features = small_features()
    table = features.table
    for broken, found in (
        (table[1:], "39 rows"),
        (table.drop(columns="identity"), "'identity'"),
        (table.assign(modality="visible"), "found only visible in 40 rows"),
        (table.assign(modality="thermal"), "'thermal'"),
        (table.assign(identity=table["identity"].where(table.index != 7)), "row 7"),
    ):
        with pytest.raises(ValueError, match=found):
            modality_gap(features, broken)
    with pytest.raises(ValueError, match="needs a table"):
        modality_gap(features.matrix)
    with pytest.raises(ValueError, match="NaN"):
        modality_gap(np.where(np.eye(40, 6) > 0, np.nan, 1.0), table)
    with pytest.raises(KitError, match="no measure 'MMD'"):
        modality_gap(features, measures="MMD squared", shuffles=0, halves=0).row("MMD")


# --- intervals ---------------------------------------------------------------------------------------------------------------------------


def test_intervals_hold_the_truth_in_a_short_simulation() -> None:
    world, draws = SETTINGS["gap"], 60
    table = pd.read_csv(COVERAGE)
    truth = table[table["setting"] == "gap"].set_index("measure")["truth"]
    for measure, formula in (
        (MEASURES[0], world.distance()),
        ("Frechet distance", world.frechet()),
        ("CKA of identity means", world.cka()),
    ):
        assert truth[measure] == pytest.approx(formula, rel=1e-3)
    inside = []
    for seed in range(draws):
        sample, plan, held = world.sample(seed + 5000), Resampling(0.95, 200, seed), []
        for family in FAMILIES:
            ends = family.prepare(sample, seed, 10).interval(sample.infrared, plan)
            held += [low <= truth[measure.name] <= high for measure, (low, high) in zip(family.measures, ends, strict=True)]
        inside.append(held)
    coverage = pd.Series(np.mean(inside, axis=0), MEASURES)
    # With 60 draws, 92 % would come out below 80 % once in 500 times.
    assert (coverage >= 0.80).all(), coverage.to_string()
    assert coverage.mean() == pytest.approx(0.945, abs=0.04)


def test_only_measures_that_passed_the_coverage_check_are_trusted() -> None:
    table = pd.read_csv(COVERAGE)
    assert set(table["setting"]) == set(SETTINGS) and (table["simulations"] >= 500).all()
    passed = table.groupby("measure")["passes"].all()
    for family in FAMILIES:
        for measure in family.measures:
            assert passed[measure.name] or not family.trusted, measure.name


def test_a_measure_that_is_not_trusted_prints_no_interval(monkeypatch: pytest.MonkeyPatch) -> None:
    from vireidkit.analysis import gap as module

    doubted = tuple(dataclasses.replace(family, trusted=False, per="it fails") for family in FAMILIES)
    monkeypatch.setattr(module, "FAMILIES", doubted)
    matrix, table = World(people=40, numbers=3).draw(0)
    found = modality_gap(matrix, table, measures="MMD squared", shuffles=0, halves=0)
    assert found["low"].isna().all() and found["per"].eq("no interval: it fails").all() and found["value"].notna().all()
