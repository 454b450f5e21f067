"""Scores: features through a protocol, averaged over trials, with the protocol's words beside them."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import Image, rerank_rows, sysu_off, sysu_ye
from test_evaluation_protocols import BAND, Fake, made

from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import (
    Features,
    ReRanking,
    chance_scores,
    evaluate,
    get_protocol,
    random_features,
    rank_metrics,
    read_scores,
    write_scores,
)

METRICS = ["rank1", "rank5", "rank10", "rank20", "map", "minp"]
PEOPLE = {(identity, camera): 3 for identity in range(1, 13) for camera in BAND}


def knowing(data: Fake, noise: float) -> Features:
    """Descriptors that know the identity, with noise."""
    generator = torch.Generator().manual_seed(0)
    people = torch.randn(int(data.rows["identity"].max()) + 1, 16, generator=generator)
    matrix = people[torch.tensor(data.rows["identity"].to_numpy().copy())] + noise * torch.randn(len(data.rows), 16, generator=generator)
    return Features(matrix, data.rows, name="knowing")


def test_a_perfect_descriptor_scores_one():
    data = made(PEOPLE)
    for name in ("sysu-all-single", "ir2vis", "vis2ir", "within-visible", "within-infrared"):
        scores = evaluate(knowing(data, 0.0), data, name)
        assert scores.mean == pytest.approx(dict.fromkeys(METRICS, 1.0)) and scores.std == pytest.approx(dict.fromkeys(METRICS, 0.0))


def test_scores_are_the_mean_of_the_trials():
    data, protocol = made(PEOPLE), get_protocol("sysu-all-single", trials=3)
    features = knowing(data, 1.5)
    scores = evaluate(features, data, protocol)
    unit = torch.nn.functional.normalize(features.matrix.double(), dim=1)
    maps, thirds = [], []
    for trial in protocol.trials(data):
        distance = 1 - unit[trial.query.index.to_numpy().copy()] @ unit[trial.gallery.index.to_numpy().copy()].T
        found = rank_metrics(distance, trial.query["identity"], trial.gallery["identity"], excluded=trial.excluded)
        maps.append(found.map)
        thirds.append(found.cmc[4])
    assert scores.trials["map"].tolist() == pytest.approx(maps)
    assert scores.mean["rank5"] == pytest.approx(np.mean(thirds))
    assert scores.std["map"] == pytest.approx(np.std(maps, ddof=1)) and scores.std["map"] > 0
    assert 0.1 < scores.mean["map"] < 0.9


def test_the_camera_rule_reaches_the_scores():
    """Descriptors that know the room well and the person a little: the room of camera 3 answers unless the rule removes it."""
    data = made({(i, c): 2 for i in range(8) for c in (2, 3, 4)})
    rooms, people = (data.rows["camera"] == 4).to_numpy(dtype=np.int64, copy=True), data.rows["identity"].to_numpy(copy=True)
    one_hot = torch.nn.functional.one_hot
    features = Features(torch.cat([one_hot(torch.tensor(rooms)), 0.1 * one_hot(torch.tensor(people))], dim=1), data.rows)
    # With the rule one match is left, in first place; without it the match in camera 4 comes after all 8 people of camera 2.
    assert evaluate(features, data, "sysu-all-single").mean["minp"] == pytest.approx(1.0)
    assert evaluate(features, data, "ir2vis").mean["minp"] == pytest.approx(2 / 9)


def test_protocol_and_counts_go_with_the_scores():
    data = made(PEOPLE)
    scores = evaluate(knowing(data, 1.0), data, "sysu-all-single")
    told = scores.protocol
    assert (told["queries"], told["valid_queries"], told["gallery_images"]) == (72, 72, 48)
    assert (told["dataset"], told["split"], told["metric"], told["key"]) == ("fake", "test", "cosine", "sysu-all-single")
    text = str(scores)
    assert "72 queries, 72 with a match, 48 gallery images" in text and "camera-2 gallery images for camera-3 queries" in text
    assert f"mAP {100 * scores.mean['map']:.2f} ± {100 * scores.std['map']:.2f}" in text and "10 trials" in text


def test_one_trial_has_no_spread():
    data = made(PEOPLE)
    scores = evaluate(knowing(data, 1.0), data, get_protocol("ir2vis", trials=1))
    assert np.isnan(scores.std["map"]) and "±" not in str(scores).splitlines()[0].split("(")[0]


def test_row_for_the_ledger():
    data = made(PEOPLE)
    scores = evaluate(knowing(data, 1.0), data, "ir2vis")
    row = scores.row()
    assert set(row) == {f"ir2vis_{metric}{end}" for metric in METRICS for end in ("", "_std")}
    assert row["ir2vis_rank1"] == scores.mean["rank1"] and row["ir2vis_minp_std"] == scores.std["minp"]


def test_queries_without_a_match_are_told():
    data = made({**PEOPLE, (50, 3): 6})  # seen only in infrared
    scores = evaluate(knowing(data, 1.0), data, "sysu-all-single")
    assert scores.protocol["queries"] == 78 and scores.trials["valid_queries"].eq(72).all()


def test_no_match_at_all_is_an_error():
    data = made({(1, 3): 2, (2, 1): 2})
    with pytest.raises(SettingError, match="no query of split 'test' of 'fake' has a match"):
        evaluate(knowing(data, 0.0), data, "ir2vis")


def test_features_of_other_images_are_refused():
    data = made(PEOPLE)
    with pytest.raises(
        ValueError, match=r"216 images, the features 'chance' have 10 and lack 'cam\d/.*' \(row \d+\), which protocol 'ir2vis'"
    ):
        evaluate(random_features(data.rows.iloc[:10]), data, "ir2vis")
    other = data.rows.assign(identity=data.rows["identity"] + (data.rows.index == 7))
    with pytest.raises(ValueError, match=r"not split 'test' of 'fake': row 7 has identity \S*4\S*, not \S*3"):
        evaluate(random_features(other), data, "ir2vis")
    with pytest.raises(ValueError, match="row 7 has identity"):  # the same image where the features stand in another order
        evaluate(random_features(other.iloc[::-1]), data, "ir2vis")
    with pytest.raises(ValueError, match="twice"):
        evaluate(random_features(pd.concat([data.rows, data.rows[:1]])), data, "ir2vis")
    with pytest.raises(ValueError, match="have 10 and no paths"):
        evaluate(random_features(data.rows.drop(columns="path").iloc[:10]), data, "ir2vis")


@pytest.mark.parametrize("name", ["sysu-all-single", "ir2vis", "within-visible", "regdb-vis2ir"])
def test_features_are_found_by_path_and_may_be_those_that_the_protocol_needs(name):
    data = made(PEOPLE, shuffle=6)
    features = knowing(data, 1.5)
    protocol = get_protocol(name, **({} if name.startswith("regdb") else {"trials": 1}))
    whole = evaluate(features, data, protocol)
    needed = protocol.rows(data)
    assert (needed is None) == (protocol.key == "regdb-vis2ir")
    some = np.arange(len(data.rows)) if needed is None else needed
    for rows in (some, some[::-1].copy(), np.random.default_rng(0).permutation(some)):
        part = evaluate(Features(features.matrix[rows], data.rows.iloc[rows]), data, protocol)
        pd.testing.assert_frame_equal(part.trials, whole.trials)
    lacking = Features(features.matrix[some[1:]], data.rows.iloc[some[1:]], name="short")
    with pytest.raises(ValueError, match=f"lack '{data.rows['path'][some[0]]}' "):
        evaluate(lacking, data, protocol)
    extra = pd.concat([data.rows, data.rows[:3].assign(path=["x", "y", "z"])])
    more = Features(torch.cat([features.matrix, features.matrix[:3]]), extra)
    pd.testing.assert_frame_equal(evaluate(more, data, protocol).trials, whole.trials)


def test_rows_are_what_the_trials_touch():
    data = made(PEOPLE)
    protocol = get_protocol("sysu-all-single", trials=2)
    touched = set()
    for trial in protocol.trials(data):
        touched |= {*trial.query.index, *trial.gallery.index}
        assert trial.rows().tolist() == sorted({*trial.query.index, *trial.gallery.index})
    assert protocol.rows(data).tolist() == sorted(touched) and len(touched) < len(data.rows)


class TestReRanked:
    """Re-ranking in a score"""

    def test_is_said_and_has_a_key_of_its_own(self):
        data = made(PEOPLE)
        plain, scores = (evaluate(knowing(data, 1.5), data, "ir2vis", rerank=rerank) for rerank in (None, ReRanking(k1=8, k2=3)))
        assert ReRanking().suffix == "-reranked" and ReRanking(neighbours="queries").suffix == "-reranked-20-6-0.3-queries"
        assert plain.protocol["reranking"] is None and "re-ranking: none" in str(plain)
        assert scores.protocol["reranking"] == {"k1": 8, "k2": 3, "lambda": 0.3, "neighbours": "all"}
        assert scores.protocol["key"] == "ir2vis-reranked-8-3-0.3" and "k1 8, k2 3, lambda 0.3, neighbours all" in str(scores)
        assert not set(scores.row()) & set(plain.row())
        assert scores.mean["map"] != plain.mean["map"]

    @pytest.mark.parametrize("metric", ["cosine", "euclidean"])
    def test_ranks_by_the_re_ranked_distance_and_removes_afterwards(self, metric):
        data = made(PEOPLE)
        features = replace(knowing(data, 1.5), metric=metric)
        trial = next(get_protocol("sysu-all-single").trials(data))
        query, gallery = (features.matrix[rows.index.to_numpy().copy()].double() for rows in (trial.query, trial.gallery))
        if metric == "cosine":
            query, gallery = (torch.nn.functional.normalize(side, dim=1) for side in (query, gallery))
        distance = rerank_rows(query.numpy(), gallery.numpy(), k1=6, k2=2)
        expected = rank_metrics(distance, trial.query["identity"], trial.gallery["identity"], excluded=trial.excluded)
        scores = evaluate(features, data, "sysu-all-single", rerank=ReRanking(k1=6, k2=2))
        assert scores.trials["map"][0] == pytest.approx(expected.map, abs=1e-9)

    def test_comes_back_from_its_file(self, tmp_path):
        data = made(PEOPLE)
        scores = evaluate(knowing(data, 1.5), data, "ir2vis", rerank=ReRanking())
        write_scores(tmp_path / "scores.json", {scores.protocol["key"]: scores})
        assert str(read_scores(tmp_path / "scores.json")["ir2vis-reranked"]) == str(scores)


SOME_ABSENT = {(i, c): 3 + (i + c) % 3 for i in range(1, 15) for c in BAND if (i * c) % 5 or c in (3, 6)}


class TestPublishedEvaluators:
    """SYSU-MM01 against both published evaluations, written from their descriptions"""

    def images(self, features, rows):
        matrix = features.matrix.numpy()
        return [Image(*who, matrix[row]) for row, *who in zip(rows.index, rows["identity"], rows["camera"], strict=True)]

    @pytest.mark.parametrize("name", ["sysu-all-single", "sysu-indoor-single"])
    def test_agree_with_ours(self, name):
        data = made(SOME_ABSENT, shuffle=9)
        features = knowing(data, 2.0)
        scores = evaluate(features, data, get_protocol(name, trials=2))
        unit = replace(features, matrix=torch.nn.functional.normalize(features.matrix.double(), dim=1))
        for number, trial in enumerate(get_protocol(name, trials=2).trials(data)):
            ours = scores.trials.iloc[number]
            curve, mean, penalty = sysu_ye(self.images(features, trial.query), self.images(features, trial.gallery))
            other_curve, other_mean = sysu_off(self.images(unit, trial.query), self.images(unit, trial.gallery))
            expected = [*(curve[rank - 1] for rank in (1, 5, 10, 20)), mean, penalty]
            assert ours[METRICS].tolist() == pytest.approx(expected, abs=1e-12)
            assert other_curve.tolist() == pytest.approx(curve.tolist(), abs=1e-12) and other_mean == pytest.approx(mean, abs=1e-12)


def test_unknown_protocol_is_named():
    data = made(PEOPLE)
    with pytest.raises(SettingError, match="unknown protocol 'ir2viz'"):
        evaluate(random_features(data.rows), data, "ir2viz")


class TestChance:
    """What knows nothing"""

    def test_is_near_the_expected_values(self):
        data = made(PEOPLE)
        scores = chance_scores(data, "vis2ir", seeds=20)
        # A gallery of 24 images, 2 of each of 12 identities, in random order.
        assert scores.mean["rank1"] == pytest.approx(1 / 12, abs=0.015)
        assert scores.mean["rank5"] == pytest.approx(5 / 12, abs=0.03)
        places = [(first, second) for first in range(1, 25) for second in range(first + 1, 25)]
        assert scores.mean["map"] == pytest.approx(np.mean([(1 / a + 2 / b) / 2 for a, b in places]), abs=0.015)
        assert scores.mean["minp"] == pytest.approx(np.mean([2 / b for _, b in places]), abs=0.01)

    def test_has_a_row_for_every_seed_and_trial(self):
        scores = chance_scores(made(PEOPLE), get_protocol("ir2vis", trials=3), seeds=4)
        assert len(scores.trials) == 12 and scores.trials["seed"].tolist() == [0] * 3 + [1] * 3 + [2] * 3 + [3] * 3
        assert scores.protocol["features"] == "random, 4 seeds"
        with pytest.raises(SettingError, match="at least 1 seed"):
            chance_scores(made(PEOPLE), "ir2vis", seeds=0)


class TestFile:
    """scores.json"""

    @pytest.fixture
    def scores(self):
        data = made(PEOPLE)
        return {name: evaluate(knowing(data, 1.0), data, name) for name in ("ir2vis", "sysu-all-single")}

    def test_has_the_promised_form(self, scores, tmp_path):
        write_scores(tmp_path / "scores.json", scores)
        stored = json.loads((tmp_path / "scores.json").read_text())["protocols"]
        assert set(stored) == {"ir2vis", "sysu-all-single"}
        for key, value in stored.items():
            for metric in METRICS:
                assert value[metric] == {"mean": scores[key].mean[metric], "std": scores[key].std[metric]}
            assert value["protocol"]["ties"].startswith("stable sort") and value["protocol"]["key"] == key

    def test_comes_back(self, scores, tmp_path):
        write_scores(tmp_path / "scores.json", scores)
        back = read_scores(tmp_path / "scores.json")
        for key, value in scores.items():
            pd.testing.assert_frame_equal(back[key].trials, value.trials)
            assert back[key].protocol == value.protocol and str(back[key]) == str(value)

    def test_one_trial_is_written_without_nan(self, tmp_path):
        data = made(PEOPLE)
        write_scores(tmp_path / "s.json", {"ir2vis": evaluate(knowing(data, 1.0), data, get_protocol("ir2vis", trials=1))})
        assert json.loads((tmp_path / "s.json").read_text())["protocols"]["ir2vis"]["map"]["std"] is None
        assert np.isnan(read_scores(tmp_path / "s.json")["ir2vis"].std["map"])

    @pytest.mark.parametrize("text", ["{}", "[]", '{"protocols": {"x": {}}}', '{"protocols": {"x": {"trials": {"map": [1]}}}}', "{", ""])
    def test_broken_file_is_named(self, tmp_path, text):
        (tmp_path / "scores.json").write_text(text)
        with pytest.raises(KitError, match=r"cannot be read: .*scores\.json"):
            read_scores(tmp_path / "scores.json")

    def test_missing_file_is_named(self, tmp_path):
        with pytest.raises(KitError, match=r"scores not found: .*scores\.json"):
            read_scores(tmp_path / "scores.json")
