"""How much of a score is luck: scores person by person, the best of several, galleries short enough to read."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from test_evaluation_protocols import made
from test_evaluation_scores import PEOPLE, knowing

from vireidkit.analysis import choose_the_best, query_table, ranked, scores_by_identity, shortened
from vireidkit.evaluation import evaluate, get_protocol, rank_metrics


@pytest.mark.parametrize("name", ["ir2vis", "sysu-all-single"])
def test_the_mean_over_people_who_ask_equally_often_is_the_score(name):
    data = made(PEOPLE)
    features = knowing(data, 1.5)
    people, scores = scores_by_identity(features, data, name), evaluate(features, data, name)
    assert people.index.tolist() == sorted(data.rows["identity"].unique())
    for metric in ("rank1", "map", "minp"):
        assert people[metric].mean() == pytest.approx(scores.mean[metric])
    assert people["queries"].eq(6).all()


def test_a_person_is_scored_as_by_a_loop():
    data, protocol = made({**PEOPLE, (3, 3): 1}), get_protocol("ir2vis", trials=2)
    features, found = knowing(data, 1.5), []
    for trial in protocol.trials(data):
        for row, person in zip(trial.query.index, trial.query["identity"], strict=True):
            if person == 3:
                one = rank_metrics(features.distance([row], trial.gallery.index), [person], trial.gallery["identity"])
                found.append((one.cmc[0], one.map, one.minp))
    assert scores_by_identity(features, data, protocol).loc[3].tolist() == pytest.approx([4.0, *np.mean(found, axis=0)])


def test_people_without_an_answer_are_left_out():
    shape = {key: number for key, number in PEOPLE.items() if key[0] != 5 or key[1] in (3, 6)}
    data = made(shape)
    assert 5 not in scores_by_identity(knowing(data, 1.0), data, "ir2vis").index


def test_the_best_of_equals_is_chosen_for_its_luck():
    """200 people keep the two halves of one draw nearly independent."""
    scores = pd.DataFrame(np.random.default_rng(0).normal(0.3, 0.2, (10, 200)))
    found = choose_the_best(scores, splits=300).mean()
    luck = 0.2 / 10  # standard deviation of a mean over 100 people
    assert found["chosen"] == pytest.approx(0.3 + 1.54 * luck, abs=0.6 * luck)
    assert found["fresh"] == pytest.approx(0.3, abs=luck) and found["chosen"] - found["fresh"] > luck


def test_a_candidate_that_is_better_stays_better():
    scores = pd.DataFrame(np.full((3, 9), 0.2))
    scores.iloc[1] = 0.6
    found = choose_the_best(scores, splits=20)
    assert found["candidate"].eq(1).all() and found[["chosen", "fresh"]].to_numpy() == pytest.approx(0.6)
    assert found["typical"].to_numpy() == pytest.approx(1 / 3)


def test_the_two_halves_share_nobody_and_leave_nobody_out():
    people = 7
    found = choose_the_best(pd.DataFrame(np.arange(people)[None] ** 3.0), splits=50)
    assert (3 * found["chosen"] + 4 * found["fresh"]).to_numpy() == pytest.approx(sum(k**3 for k in range(people)))
    assert found["chosen"].nunique() > 5


@pytest.mark.parametrize("values", [np.ones((2, 1)), np.ones((0, 4)), np.array([[0.1, np.nan], [0.2, 0.3]])])
def test_a_choice_needs_finite_scores_of_people(values):
    with pytest.raises(ValueError, match="finite scores of at least 2 people"):
        choose_the_best(pd.DataFrame(values))


def test_a_short_gallery_keeps_the_right_images_and_the_rule():
    data = made(PEOPLE)
    trial = next(iter(get_protocol("sysu-all-single").trials(data)))
    short = shortened(trial, 10, seed=1)
    same = trial.query["identity"].to_numpy()[:, None] == trial.gallery["identity"].to_numpy()
    assert ((~short.excluded).sum(axis=1) == 10).all() and short.excluded[trial.excluded].all()
    assert not (short.excluded & same & ~trial.excluded).any()
    again, other = shortened(trial, 10, seed=1), shortened(trial, 10, seed=2)
    assert (short.excluded == again.excluded).all() and (short.excluded != other.excluded).any()
    features = knowing(data, 1.5)
    queries = query_table(features, short)
    answers = ranked(features, short, 4, k=None).query("not excluded")
    places = np.flatnonzero(answers["correct"]) + 1
    assert len(answers) == 10 and queries["ap"][4] == pytest.approx((np.arange(1, len(places) + 1) / places).mean())


def test_a_gallery_with_less_room_than_right_images():
    trial = next(iter(get_protocol("ir2vis").trials(made(PEOPLE))))
    short = shortened(trial, 2)
    same = trial.query["identity"].to_numpy()[:, None] == trial.gallery["identity"].to_numpy()
    assert ((~short.excluded & same).sum(axis=1) == 2).all() and trial.excluded is None
