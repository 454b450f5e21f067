"""Linear probes: what was planted is found, what is absent is at chance, and nobody is judged by a rule that knows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from vireidkit.analysis import factor_probes
from vireidkit.analysis.ridge import Ridge, nearest_class
from vireidkit.evaluation import Features

PEOPLE, SHOTS, WIDTH = 60, 4, 12


def small_world(seed: int = 0) -> tuple[np.ndarray, pd.DataFrame, pd.DataFrame]:
    """Noise (N, D), the table of its rows (four visible and four infrared images a person), and factors nobody has used yet."""
    random = np.random.default_rng(seed)
    table = pd.DataFrame(
        [(person, band) for person in range(PEOPLE) for band in ("visible", "infrared") for _ in range(SHOTS)],
        columns=["identity", "modality"],
    )
    factors = pd.DataFrame(
        {
            "identity": np.arange(PEOPLE),
            "size": random.normal(size=PEOPLE),
            "colour": random.permutation(["red", "green", "blue"] * (PEOPLE // 3)),
            "bag": random.permutation([True, False] * (PEOPLE // 2)),
        }
    )
    return random.normal(size=(len(table), WIDTH)), table, factors


def planted(
    matrix: np.ndarray, table: pd.DataFrame, factors: pd.DataFrame, *, visible: float = 4.0, infrared: float = 4.0, **column: int
) -> np.ndarray:
    """The matrix with ``name=d`` written into dimension d, times a strength in each band."""
    strength = np.where(table["modality"] == "visible", visible, infrared)
    out = matrix.copy()
    for name, dimension in column.items():
        values = factors.set_index("identity")[name].loc[table["identity"]].to_numpy()
        if values.dtype.kind == "f":
            out[:, dimension] += strength * values
        else:
            for number, choice in enumerate(sorted(set(values))):
                out[:, dimension + number] += strength * (values == choice)
    return out


def shares(found: pd.DataFrame, factor: str, what: str = "share") -> dict[str, float]:
    """By pair of bands: "vv", "ii", "vi" (fitted on visible, read on infrared), "iv"."""
    own = found[found["factor"] == factor]
    return {row.fitted_on[0] + row.read_on[0]: getattr(row, what) for row in own.itertuples()}


class TestRidge:
    @pytest.mark.parametrize("shape", [(30, 8), (8, 30)])
    def test_solves_the_normal_equations(self, shape: tuple[int, int]) -> None:
        """B = (X'X + r s I)^-1 X'Y with s the largest eigenvalue of X'X; a strength of its own for every target."""
        random = np.random.default_rng(1)
        images, targets, strengths = random.normal(size=shape), random.normal(size=(shape[0], 2)), np.array([0.5, 0.01])
        ridge = Ridge(images, targets)
        square = images.T @ images
        top = np.linalg.eigvalsh(square)[-1]
        for number, strength in enumerate(strengths):
            rule = np.linalg.solve(square + strength * top * np.eye(shape[1]), images.T @ targets[:, number])
            np.testing.assert_allclose(ridge.read(ridge.along(images), strengths)[:, number], images @ rule, atol=1e-10)

    def test_images_that_do_not_differ_say_nothing(self) -> None:
        ridge = Ridge(np.zeros((5, 3)), np.ones((5, 1)))
        assert (ridge.read(ridge.along(np.ones((2, 3))), 0.1) == 0).all()

    def test_classes_are_named_as_by_discriminant_analysis(self) -> None:
        random = np.random.default_rng(2)
        labels = random.choice(3, 90, p=(0.7, 0.2, 0.1))
        fitted, readings = random.normal(size=(90, 4)) + labels[:, None] * [1.0, 0.3, 0, 0], random.normal(size=(50, 4))
        oracle = LinearDiscriminantAnalysis(solver="svd", priors=np.full(3, 1 / 3)).fit(fitted, labels)
        assert (nearest_class(fitted, labels, 3, readings) == oracle.predict(readings)).all()

    def test_a_class_without_rows_is_never_named(self) -> None:
        named = nearest_class(np.eye(2), np.array([0, 2]), 3, np.random.default_rng(3).normal(size=(40, 2)))
        assert set(named) == {0, 2}


class TestFactorProbes:
    def test_planted_factors_are_found_and_absent_ones_are_at_chance(self) -> None:
        matrix, table, factors = small_world()
        found = factor_probes(planted(matrix, table, factors, size=0, colour=3), table, factors, metric="euclidean")
        assert min(shares(found, "size").values()) > 0.85
        assert min(shares(found, "colour").values()) > 0.8
        assert max(shares(found, "bag").values()) < 0.15
        assert found.set_index("factor")["kind"].to_dict() == {"size": "number", "colour": "choice", "bag": "choice"}
        assert list(found["chance"][found["factor"] == "colour"]) == pytest.approx([1 / 3] * 4, abs=0.08)
        assert (found["low"] <= found["score"]).all() and (found["score"] <= found["high"]).all()

    def test_bands_are_read_apart_and_across(self) -> None:
        matrix, table, factors = small_world()
        one_band = factor_probes(planted(matrix, table, factors, infrared=0, colour=3), table, factors, ["colour"], metric="euclidean")
        read = shares(one_band, "colour")
        assert read["vv"] > 0.8 and max(read["ii"], read["vi"], read["iv"]) < 0.2
        turned = factor_probes(planted(matrix, table, factors, infrared=-4, size=0), table, factors, ["size"], metric="euclidean")
        read = shares(turned, "size")
        assert min(read["vv"], read["ii"]) > 0.85 and max(read["vi"], read["iv"]) < -1, "a rule that turns round misleads"

    def test_knowing_who_it_is_does_not_help(self) -> None:
        """One dimension a person: fitted on the same people this would read everything."""
        _, table, factors = small_world()
        known = np.eye(PEOPLE)[table["identity"]]
        found = factor_probes(known, table, factors, metric="euclidean")
        assert (found["share"].abs() < 0.2).all()

    def test_shuffled_factors_are_at_chance(self) -> None:
        matrix, table, factors = small_world()
        matrix = planted(matrix, table, factors, size=0, colour=3, bag=8)
        shuffled = factors.assign(identity=np.random.default_rng(5).permutation(factors["identity"]))
        assert (factor_probes(matrix, table, shuffled, metric="euclidean")["share"] < 0.2).all()
        assert (factor_probes(matrix, table, factors, metric="euclidean")["share"] > 0.7).all()

    def test_names_order_scale_and_band_means_do_not_matter(self) -> None:
        matrix, table, factors = small_world()
        matrix = planted(matrix, table, factors, visible=1.0, infrared=1.0, size=0, colour=3)
        expected = factor_probes(matrix, table, factors, metric="euclidean")
        order = np.random.default_rng(6).permutation(len(table))
        shift = np.where(table["modality"] == "visible", 3.0, -50.0)[:, None]
        other = factor_probes(
            100 * (matrix + shift)[order],
            table.iloc[order],
            factors.iloc[::-1].assign(size=7 + 2 * factors["size"], colour=factors["colour"].map({"red": "c", "green": "b", "blue": "a"})),
            metric="euclidean",
        )
        for factor in ("size", "bag"):
            assert shares(other, factor, "score") == pytest.approx(shares(expected, factor, "score"), abs=1e-6)
        # The classes' new names change which shuffle is which, so only the score is the same.
        assert shares(other, "colour", "score") == pytest.approx(shares(expected, "colour", "score"), abs=1e-6)

    def test_every_person_counts_the_same(self) -> None:
        """One person with very many images, all read wrong, weighs one sixtieth."""
        matrix, table, factors = small_world()
        matrix = planted(matrix, table, factors, bag=8)
        more = pd.concat([table, pd.DataFrame({"identity": 7, "modality": "visible"}, index=range(300))])
        wrong = -30.0 if factors["bag"][7] else 30.0
        extra = np.zeros((300, WIDTH))
        extra[:, 9], extra[:, 8] = wrong, -wrong  # "True" is the second of the two columns
        found = shares(factor_probes(np.concatenate([matrix, extra]), more, factors, ["bag"], metric="euclidean"), "bag", "score")
        assert found["vv"] > 0.75

    def test_seeds_repeat_and_features_bring_their_table_and_metric(self) -> None:
        matrix, table, factors = small_world()
        features = Features(planted(matrix, table, factors, size=0), table, "cosine")
        first, again, other = (factor_probes(features, None, factors, seed=seed) for seed in (1, 1, 2))
        pd.testing.assert_frame_equal(first, again)
        assert not first["score"].equals(other["score"])
        bare = factor_probes(features.matrix, table, factors, seed=1)  # a matrix is compared by cosine, too
        pd.testing.assert_frame_equal(first, bare)

    def test_missing_values_and_rare_choices_leave_people_out(self) -> None:
        matrix, table, factors = small_world()
        matrix = planted(matrix, table, factors, size=0, colour=3)
        factors["colour"] = factors["colour"].where(factors["identity"] != 0, "plaid")
        factors["size"] = factors["size"].where(factors["identity"] % 4 != 1)
        found = factor_probes(matrix, table, factors, metric="euclidean").set_index("factor")
        assert set(found.loc["colour", "choices"]) == {3} and set(found.loc["colour", "people"]) == {PEOPLE - 1}
        assert set(found.loc["size", "people"]) == {PEOPLE * 3 // 4}
        assert (found.loc["size", "share"] > 0.8).all()

    def test_what_cannot_be_judged_is_nan(self) -> None:
        matrix, table, factors = small_world()
        factors = factors.assign(same=1.0, lonely=[f"choice {number}" for number in range(PEOPLE)], sparse=np.nan)
        factors.loc[:4, "sparse"] = range(5)
        found = factor_probes(matrix, table, factors, ["same", "lonely", "sparse", "size"]).set_index("factor")
        for factor in ("same", "lonely", "sparse"):
            assert found.loc[factor, ["score", "low", "chance", "share"]].isna().all(axis=None)
        assert found.loc["size", "score"].notna().all()

    def test_an_outfit_that_several_wear_gives_its_colour_away_unless_they_stay_together(self) -> None:
        """Six people an outfit: the descriptor shows the outfit, not the colour, and every outfit has a colour drawn at random."""
        matrix, table, factors = small_world()
        factors["outfit"] = np.arange(PEOPLE) // 6
        factors["colour"] = np.random.default_rng(8).permutation(["red", "green"] * 5)[factors["outfit"]]
        shown = np.concatenate([matrix, 5 * np.eye(10)[factors["outfit"].to_numpy()[table["identity"]]]], axis=1)
        apart = factor_probes(shown, table, factors, ["colour"], metric="euclidean")
        together = factor_probes(shown, table, factors, ["colour"], metric="euclidean", together="outfit")
        assert (apart["share"] > 0.7).all() and (together["share"] < 0.2).all()

    def test_those_who_wear_their_own_are_no_group(self) -> None:
        matrix, table, factors = small_world()
        factors["outfit"] = np.where(np.arange(PEOPLE) < 6, 0.0, np.where(np.arange(PEOPLE) < 9, -1.0, np.nan))
        found = factor_probes(planted(matrix, table, factors, size=0), table, factors, ["size"], metric="euclidean", together="outfit")
        assert (found["share"] > 0.85).all()
        with pytest.raises(ValueError, match="5 folds need as many groups of people, found 1"):
            factor_probes(matrix, table, factors.assign(outfit=1), ["size"], together="outfit")
        with pytest.raises(ValueError, match="no column 'clothes'"):
            factor_probes(matrix, table, factors, ["size"], together="clothes")

    def test_one_band_is_enough_and_kinds_can_be_said(self) -> None:
        matrix, table, factors = small_world()
        visible = (table["modality"] == "visible").to_numpy()
        factors["tone"] = np.arange(PEOPLE) % 3
        matrix[:, 5] += 5 * (factors["tone"].to_numpy()[table["identity"]] == 1)  # the middle one: no straight line
        found = factor_probes(matrix[visible], table[visible], factors, ["tone"], kinds={"tone": "choice"}, metric="euclidean")
        assert len(found) == 1 and found["kind"][0] == "choice" and found["share"][0] > 0.3
        assert found["choices"][0] == 3

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"names": ["siez"]}, "unknown factor 'siez'; known: size"),
            ({"kinds": {"size": "nubmer"}}, "must be number or choice, found 'nubmer'"),
            ({"kinds": {"colour": "number"}}, "'colour' is no number: found"),
            ({"folds": 2}, "between 3 and the number of people, 60; found 2"),
            ({"folds": 61}, "between 3 and the number of people, 60; found 61"),
            ({"metric": "hamming"}, "metric must be"),
        ],
    )
    def test_mistakes_say_what_was_expected(self, change: dict[str, Any], message: str) -> None:
        matrix, table, factors = small_world()
        with pytest.raises(ValueError, match=message):
            factor_probes(matrix, table, factors, **change)

    def test_tables_that_do_not_fit(self) -> None:
        matrix, table, factors = small_world()
        with pytest.raises(ValueError, match="one table row for each of 480"):
            factor_probes(matrix, table[:-1], factors)
        with pytest.raises(ValueError, match="no factors are known of 1 people in the pictures, first identity 3"):
            factor_probes(matrix, table, factors[factors["identity"] != 3])
        with pytest.raises(ValueError, match="several of identity 0"):
            factor_probes(matrix, table, pd.concat([factors, factors[:1]]))
        with pytest.raises(ValueError, match="need a column 'identity'"):
            factor_probes(matrix, table, factors.rename(columns={"identity": "id"}))
        with pytest.raises(ValueError, match="finite"):
            factor_probes(matrix, table, factors.assign(size=np.inf))
