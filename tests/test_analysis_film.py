"""What more frames are worth: the sweep agrees with the registered protocols, and the noise of known tracklets is found again."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pytest
import torch

from vireidkit import analysis
from vireidkit.evaluation import Features, evaluate, get_protocol

FRAMES = 8
KINDS = {(1, 1): "image2image", (1, 8): "image2video", (8, 1): "video2image", (8, 8): "video2video"}


def table(people: int = 6, cameras: tuple[int, ...] = (1, 4, 3, 6), frames: int = FRAMES) -> pd.DataFrame:
    """Every person in two visible and two infrared cameras."""
    rows = [
        {"path": f"{who}/{camera}/{frame}", "identity": who, "camera": camera, "modality": "visible" if camera in (1, 4) else "infrared"}
        | {"tracklet": who * len(cameras) + place, "frame": frame}
        for who in range(people)
        for place, camera in enumerate(cameras)
        for frame in range(frames)
    ]
    return pd.DataFrame(rows)


@dataclass(frozen=True)
class Filmed:
    """All that a protocol asks of a data set."""

    test: pd.DataFrame
    name: str = "made"
    protocols: tuple[str, ...] = tuple(f"{kind}-{bands}" for kind in KINDS.values() for bands in ("ir2vis", "within-visible"))

    def table(self, split: str) -> pd.DataFrame:
        return self.test


def features(rows: pd.DataFrame, shared: float, alone: float, dim: int = 1500, metric: str = "euclidean") -> Features:
    """Person + what a tracklet shares + a frame's own, each a normal vector of known expected square."""
    draw = np.random.default_rng(0)

    def vectors(codes: np.ndarray, square: float) -> np.ndarray:
        return draw.normal(size=(codes.max() + 1, dim))[codes] * np.sqrt(square / dim)

    person, tracklet = rows["identity"].to_numpy(), rows["tracklet"].to_numpy()
    matrix = vectors(person, 1.0) + vectors(tracklet, shared) + vectors(np.arange(len(rows)), alone)
    return Features(torch.from_numpy(matrix), rows, metric)


@pytest.fixture(scope="module")
def made() -> tuple[Features, Filmed]:
    rows = table()
    return features(rows, 2.0, 2.0, dim=12, metric="cosine"), Filmed(rows)


def test_searches_are_found_by_what_asks_and_answers():
    assert analysis.film_searches(("ir2vis", "image2video-ir2vis", "video2video-ir2vis")) == {"ir2vis": "video2video-ir2vis"}
    assert analysis.film_searches(("mars-image2video", "mars-video2video")) == {"mars": "mars-video2video"}
    assert analysis.film_searches(("vis2ir",)) == {}


def test_one_and_eight_frames_are_the_registered_protocols(made):
    own, data = made
    searches = analysis.film_searches(data.protocols)
    found = analysis.film_sweep(own, data, searches, list(KINDS), resamples=50)
    assert found["value"].min() > 0.1 and found["value"].max() < 1  # neither hopeless nor trivial
    for row in found.to_dict("records"):
        kind = KINDS[row["query"], row["gallery"]]
        assert row["value"] == pytest.approx(evaluate(own, data, f"{kind}-{row['search']}").mean[row["metric"]])
        assert row["low"] <= row["value"] <= row["high"] and row["people"] == 6 and row["queries"] == 12
    first = found[(found["query"] == 1) & (found["gallery"] == 1)]
    assert (first[["gain", "gain_low", "gain_high"]] == 0).all().all()
    both = found.set_index(["search", "metric", "query", "gallery"])
    assert both.loc[("ir2vis", "map", 8, 8), "gain"] == pytest.approx(
        both.loc[("ir2vis", "map", 8, 8), "value"] - both.loc[("ir2vis", "map", 1, 1), "value"]
    )


def test_thinning_takes_each_frame_once_and_far_apart(made):
    trial = next(get_protocol("video2video-ir2vis").trials(made[1]))
    drawn = [analysis.thinned(trial, 2, 4, number) for number in range(4)]
    assert sorted(np.concatenate([one.query_frames[0] for one in drawn])) == sorted(trial.query_frames[0])
    assert (np.diff(drawn[1].query_frames[0]) == 4).all() and (np.diff(drawn[1].gallery_frames[0]) == 2).all()
    with pytest.raises(ValueError, match="8 frames can be thinned to one of their divisors, found 3"):
        analysis.thinned(trial, 3, 8)
    images = next(get_protocol("image2video-ir2vis").trials(made[1]))
    with pytest.raises(ValueError, match="only a trial of tracklets on both sides"):
        analysis.thinned(images, 1, 1)


def test_features_of_the_needed_frames_are_enough(made):
    own, data = made
    kept = own.table.index[own.table["modality"] == "visible"]
    part = Features(own.matrix[kept], own.table.loc[kept])
    options = {"query": 1, "gallery": 8}
    whole, fewer = (analysis.film_queries(one, data, "video2video-within-visible", **options) for one in (own, part))
    assert np.allclose(whole["map"], fewer["map"])
    with pytest.raises(ValueError, match="lack 0/3/0, which protocol"):
        analysis.film_queries(part, data, "video2video-ir2vis", **options)


def test_without_the_camera_rule_a_query_finds_its_own_film():
    rows = table()
    own, data = features(rows, 20.0, 0.5, dim=40, metric="cosine"), Filmed(rows)
    ruled, leaking = (
        analysis.film_queries(own, data, "video2video-within-visible", 1, 8, camera_rule=rule)["rank1"].mean() for rule in (True, False)
    )
    assert ruled < 0.6 and leaking == 1


@pytest.mark.parametrize(("shared", "alone"), [(3.0, 1.0), (0.0, 2.0)])
def test_the_noise_of_known_tracklets_is_found_again(shared, alone):
    rows = table(people=12)
    found = analysis.frame_noise(features(rows, shared, alone), Filmed(rows), {"ir2vis": "video2video-ir2vis"})
    first = found.iloc[0]
    assert first["inside"] == pytest.approx(alone, rel=0.03) and first["shared"] == pytest.approx(shared, abs=0.15)
    assert first["correlation"] == pytest.approx(shared / (shared + alone), abs=0.05) and first["groups"] == 24
    assert np.allclose(found["spread"], found["expected"], rtol=0.1)
    assert found["counts_as"].iloc[-1] == pytest.approx(8 / (1 + 7 * first["correlation"]), rel=0.1)
    assert (found["independent"] == first["spread"] / found["frames"]).all()


def test_a_frame_that_stands_for_several_counts_once_in_the_noise():
    rows = table(people=4, frames=2)  # each tracklet: frame 0, then seven times frame 1
    found = analysis.frame_noise(features(rows, 0.0, 2.0), Filmed(rows), {"ir2vis": "video2video-ir2vis"})
    assert found["inside"].iloc[0] == pytest.approx(2.0, rel=0.05)
    single = rows[rows["frame"] == 0].reset_index(drop=True)
    alone = analysis.frame_noise(features(single, 0.0, 2.0), Filmed(single), {"a": "video2video-ir2vis"})
    assert np.isnan(alone["inside"]).all() and np.isnan(alone["correlation"]).all()


def test_a_second_camera_is_worth_more_than_more_of_the_same():
    rows = table(people=12)
    own, data = features(rows, 8.0, 0.2, dim=40, metric="cosine"), Filmed(rows)
    found = analysis.camera_sweep(own, data, analysis.film_searches(data.protocols), resamples=50)
    assert set(found["search"]) == {"ir2vis"}, "within a band the query's camera is removed"
    gain = found[found["metric"] == "map"].set_index(["cameras", "frames"])["gain"]
    assert gain[(1, 1)] == 0 and gain[(2, 2)] > 0.05 > abs(gain[(1, 8)]) and gain[(2, 8)] > 0.05
    assert found["people"].eq(12).all() and found["queries"].eq(24).all()


def test_intervals_resample_people_with_all_their_queries():
    people = np.repeat(np.arange(20), 5)
    values = np.repeat(np.random.default_rng(0).normal(size=20), 5)  # a person's queries say the same
    mean, low, high = analysis.over_people(values, people)
    assert mean == pytest.approx(values.mean()) and low < mean < high
    assert (high - low) / 3.92 == pytest.approx(values.std() / np.sqrt(20), rel=0.15)
    assert np.isnan(analysis.over_people(values[:5], people[:5])[1])


def test_the_frames_of_a_test():
    assert analysis.chunk_frames(9) == [0, 2, 4, 6, 8, 8, 8, 8] and analysis.chunk_frames(3) == [0, 1, 2, 2, 2, 2, 2, 2]
    assert analysis.chunk_frames(16) == list(range(0, 16, 2)) and analysis.chunk_frames(17, 4) == [0, 5, 10, 15]
