"""Images and tracklets of two bands: the same people asked and answered with one frame and with eight."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import chunk_frames, rank_loop
from test_evaluation_protocols import Fake

from vireidkit.data import load_dataset
from vireidkit.errors import SettingError
from vireidkit.evaluation import Features, evaluate, get_protocol, list_protocols, trial_distance

BANDS = ("ir2vis", "vis2ir", "within-visible", "within-infrared")
KINDS = tuple(f"{query}2{gallery}" for query in ("image", "video") for gallery in ("image", "video"))
CAMERAS = {1: "visible", 4: "visible", 3: "infrared", 6: "infrared"}


def tracklets(shuffle: int | None = None) -> Fake:
    """Five people; tracklets of 3 to 20 frames, one person twice in a camera, and some single images that no tracklet holds."""
    rows, number, draw = [], 0, np.random.default_rng(0)
    for identity, camera in itertools.product((12, 7, 351, 90, 8), CAMERAS):
        for _ in range(2 if (identity, camera) == (7, 4) else 1):
            number += 1
            for frame in range(int(draw.integers(3, 21))):
                rows.append((f"{number}/{frame}", identity, camera, CAMERAS[camera], number, 3 * frame))
        rows.append((f"single/{identity}/{camera}", identity, camera, CAMERAS[camera], -1, -1))
    table = pd.DataFrame(rows, columns=["path", "identity", "camera", "modality", "tracklet", "frame"])
    return Fake((table if shuffle is None else table.sample(frac=1, random_state=shuffle)).reset_index(drop=True))


def features_of(data: Fake) -> Features:
    matrix = torch.randn(len(data.rows), 6, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    people = torch.randn(400, 6, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Features(2 * matrix + people[torch.tensor(data.rows["identity"].to_numpy().copy())], data.rows)


def sides_of(key: str) -> tuple[str, str, str, str]:
    """(query's kind, gallery's kind, band that asks, band that answers), read from a key."""
    kind, _, bands = key.partition("-")
    query, gallery = kind.split("2")
    names = {"ir": "infrared", "vis": "visible"}
    if bands.startswith("within-"):
        return query, gallery, bands.removeprefix("within-"), bands.removeprefix("within-")
    return query, gallery, *(names[one] for one in bands.split("2"))


@pytest.mark.parametrize("key", [f"{kind}-{bands}" for kind in KINDS for bands in BANDS])
def test_every_trial_is_what_its_name_says(key: str) -> None:
    """Distances, galleries, exclusion and metrics from plain loops over the table."""
    data = tracklets(shuffle=3)
    features, table = features_of(data), data.rows
    query, gallery, asks, answers = sides_of(key)
    protocol = get_protocol(key)
    trials = list(protocol.trials(data))
    assert protocol.key == key and key in list_protocols() and len(trials) == protocol.trial_count == (8 if "image" in key else 1)
    unit = features.matrix / features.matrix.norm(dim=1, keepdim=True)
    scores = []
    for number, trial in enumerate(trials):
        listed = []
        for kind, band in ((query, asks), (gallery, answers)):
            side = []
            own = table[(table["modality"] == band) & (table["tracklet"] >= 0)]
            for tracklet in dict.fromkeys(own["tracklet"].tolist()):  # in the order of the table
                frames = own[own["tracklet"] == tracklet].sort_values("frame").index.to_numpy()
                chosen = frames[chunk_frames(len(frames), 8)]
                chosen = chosen if kind == "video" else chosen[number : number + 1]
                row = table.loc[frames[0]]
                side.append((row["identity"], row["camera"], features.matrix[chosen].mean(0) if kind == "video" else unit[chosen[0]]))
            listed.append(side)
        distance = [[1 - float(torch.cosine_similarity(a[2], b[2], dim=0)) for b in listed[1]] for a in listed[0]]
        torch.testing.assert_close(trial_distance(features, trial), torch.tensor(distance, dtype=torch.float64))
        excluded = [[asks == answers and a[1] == b[1] for b in listed[1]] for a in listed[0]]
        assert trial.number == number
        assert (trial.excluded is None) == (asks != answers) and (asks != answers or trial.excluded.tolist() == excluded)
        people = [[one[0] for one in side] for side in listed]
        assert [rows["identity"].tolist() for rows in (trial.query, trial.gallery)] == people
        scores.append(rank_loop(distance, *people, excluded, "image", "plain", 20))
    found = evaluate(features, data, protocol)
    assert found.mean["map"] == pytest.approx(np.mean([one.map for one in scores]))
    assert found.mean["rank1"] == pytest.approx(np.mean([one.cmc[0] for one in scores]))


def test_the_kinds_differ_in_frames_alone() -> None:
    data = tracklets()
    for bands in BANDS:
        trials = [next(get_protocol(f"{kind}-{bands}").trials(data)) for kind in KINDS]
        for one in trials[1:]:
            assert one.query["tracklet"].tolist() == trials[0].query["tracklet"].tolist()
            assert one.gallery["tracklet"].tolist() == trials[0].gallery["tracklet"].tolist()
            assert (one.excluded is None and trials[0].excluded is None) or (one.excluded == trials[0].excluded).all()


def test_more_frames_tell_more() -> None:
    """Noise that changes from frame to frame is what a mean over frames takes away."""
    data = tracklets()
    features = features_of(data)
    for bands in BANDS:
        image, both, video = (
            evaluate(features, data, f"{kind}-{bands}").mean["map"] for kind in ("image2image", "image2video", "video2video")
        )
        assert image < both < video


@pytest.mark.parametrize("key", ["image2video-ir2vis", "video2video-within-visible", "image2image-vis2ir"])
def test_it_describes_itself(key: str) -> None:
    told = get_protocol(key).describe()
    assert json.loads(json.dumps(told)) == told and told["key"] == key and told["cmc"] == "image" and told["ap"] == "plain"
    assert told["query_unit"] == ("images" if key.startswith("image") else "tracklets")
    line = str(get_protocol(key))
    assert "\n" not in line and "frames: " in line and ("own camera" in line) == ("within" in key)


def test_another_definition_has_another_key() -> None:
    keys = [
        get_protocol("image2video-ir2vis").key,
        get_protocol("image2video-ir2vis", trials=1).key,
        get_protocol("image2video-ir2vis", ap="trapezoid").key,
    ]
    assert len(set(keys)) == 3 and get_protocol("image2video-ir2vis", trials=8).key == keys[0]
    first = next(get_protocol("image2video-ir2vis", trials=1).trials(tracklets()))
    assert first.query["frame"].eq(0).all()  # VKD's query: the first frame


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("image2video-ir2vis", {"trials": 9}, "from 1 to 8"),
        ("video2video-ir2vis", {"trials": 2}, "from 1 to 1"),
        ("image2video-ir2vis", {"ap": "area"}, "plain, trapezoid"),
        ("image2video-ir2vi", {}, "did you mean 'image2video-ir2vis'"),
    ],
)
def test_wrong_options_are_named(name: str, options: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        get_protocol(name, **options)


def test_tables_that_it_cannot_test_are_named() -> None:
    data = tracklets()
    lone = Fake(data.rows[data.rows["camera"] != 4].reset_index(drop=True))
    with pytest.raises(SettingError, match="has visible tracklets of only one, 1; test across bands instead"):
        next(get_protocol("video2video-within-visible").trials(lone))
    images = Fake(data.rows.assign(tracklet=-1))
    with pytest.raises(SettingError, match="'image2video-vis2ir' needs visible tracklets; split 'test' of 'fake' has none"):
        next(get_protocol("image2video-vis2ir").trials(images))


def test_twilights_tracklets_name_them_all() -> None:
    data = load_dataset("twilight-tracklets")
    kinds = ("image2image", "image2video", "video2video")
    assert data.protocols == (*BANDS, *(f"{kind}-{bands}" for kind in kinds for bands in BANDS))
    for name in data.protocols[4:]:
        trial = next(get_protocol(name).trials(data))
        assert len(trial.query) == len(trial.gallery) == 80  # 40 people, two cameras of a band
