"""Protocols whose queries and gallery the data set lists: LLCM, Market-1501, Duke, and the video sets. Tables made here, no pictures."""

from __future__ import annotations

import json
import random

import numpy as np
import pandas as pd
import pytest
import torch
from oracles import chunk_frames, rank_loop
from test_evaluation_protocols import Fake

from vireidkit.errors import SettingError
from vireidkit.evaluation import Features, evaluate, get_protocol, trial_distance
from vireidkit.evaluation.protocols import Trial

COLUMNS = ["path", "identity", "camera", "modality", "tracklet", "frame", "role"]
VIDEO = ["mars-image2video", "mars-video2video", "dukev-image2video", "dukev-video2video"]
VERI = ["veri-image2image", "veri-image2video", "veri-video2image", "veri-video2video"]
ACROSS = ["vcm-ir2vis", "vcm-vis2ir", "bupt-ir2vis", "bupt-vis2ir"]
ALONE = ["market", "duke", "llcm-ir2vis-L1", "llcm-vis2ir-L1", "llcm-vis2ir-L2", "llcm-L3"]


def fake(rows, name="fake", shuffle=None):
    table = pd.DataFrame(rows, columns=COLUMNS)
    if shuffle is not None:
        table = table.sample(frac=1, random_state=shuffle)
    return Fake(table.reset_index(drop=True), name)


def features_of(data, seed=0, dim=5):
    matrix = torch.randn(len(data.rows), dim, dtype=torch.float64, generator=torch.Generator().manual_seed(seed))
    people = torch.randn(2000, dim, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    return Features(matrix + people[torch.tensor(data.rows["identity"].to_numpy().copy())], data.rows)


def only(data, name, **options):
    """The single trial of a protocol."""
    trials = list(get_protocol(name, **options).trials(data))
    assert len(trials) == 1
    return trials[0]


# --- LLCM ----------------------------------------------------------------------------------------------------------------------


def llcm(shuffle=None):
    sizes = np.random.default_rng(3)
    rows = []
    for identity in (12, 7, 351, 90):
        for modality, word in (("visible", "vis"), ("infrared", "nir")):
            for camera in range(1, 10):
                if (word, camera) != ("nir", 3) and sizes.random() < 0.7:
                    for number in range(sizes.integers(1, 9)):
                        path = f"{word}/{identity:04d}/{identity:04d}_c{camera:02d}_s{number:06d}_f{number * 7:04d}_{word}.jpg"
                        rows.append((path, identity, camera, modality, -1, -1, ""))
    return fake(rows, "llcm", shuffle)


@pytest.mark.parametrize(
    ("name", "drawn", "cameras"),
    [
        ("llcm-ir2vis-L1", "visible", range(1, 10)),
        ("llcm-vis2ir-L1", "infrared", (1, 2, 4, 5, 6, 7, 8, 9)),
        ("llcm-vis2ir-L2", "infrared", (1, 2, 4, 5, 6, 7, 8, 9)),
    ],
)
def test_llcm_draws_as_the_released_code(name, drawn, cameras):
    data = llcm(shuffle=1)
    trials = list(get_protocol(name).trials(data))
    assert len(trials) == 10
    rows = data.rows
    for number, trial in enumerate(trials):
        theirs, expected = random.Random(number), []
        for identity in ("0007", "0012", "0090", "0351"):
            for camera in cameras:
                own = rows[(rows["identity"] == int(identity)) & (rows["camera"] == camera) & (rows["modality"] == drawn)]
                if len(own):
                    expected.append(theirs.choice(sorted(own["path"])))
        sampled, complete = (trial.query, trial.gallery) if name.endswith("L2") else (trial.gallery, trial.query)
        assert sampled["path"].tolist() == expected
        assert complete.index.tolist() == rows.index[rows["modality"] != drawn].tolist()
        query, gallery = trial.query[["identity", "camera"]].to_numpy(), trial.gallery[["identity", "camera"]].to_numpy()
        assert (trial.excluded == (query[:, None] == gallery).all(2)).all() and trial.excluded.any()


def test_llcm_l2_swaps_who_is_complete():
    data = llcm()
    features = features_of(data, dim=16)
    first, second = (evaluate(features, data, f"llcm-vis2ir-{version}") for version in ("L1", "L2"))
    assert first.protocol["queries"] == second.protocol["gallery_images"] == (data.rows["modality"] == "visible").sum()
    assert first.protocol["gallery_images"] == second.protocol["queries"]
    assert first.mean["map"] != second.mean["map"]


def test_llcm_leaves_infrared_camera_3_out():
    data = llcm()
    data.rows.loc[data.rows["modality"] == "infrared", "camera"] = 3
    with pytest.raises(SettingError, match="infrared images of cameras 1, 2, 4"):
        next(get_protocol("llcm-vis2ir-L1").trials(data))


def test_llcm_l3_is_complete_and_removes_nothing():
    data = llcm()
    trial = only(data, "llcm-L3")
    assert trial.excluded is None and len(trial.query) + len(trial.gallery) == len(data.rows)
    assert set(trial.query["modality"]) == {"infrared"}
    assert (get_protocol("llcm-L3").cmc, get_protocol("llcm-L3").trial_count) == ("identity", 1)


# --- Market-1501, DukeMTMC-reID ----------------------------------------------------------------------------------------------


def market():
    draw = np.random.default_rng(0)
    rows = [
        (f"{role}/{i:04d}_c{c}s1_{n:06d}_00.jpg", i, c, "visible", -1, n, role)
        for role, number in (("query", 1), ("gallery", 3))
        for i in ((0, 2, 5, 9, 11) if role == "gallery" else (2, 5, 9, 11))
        for c in range(1, 5)
        for n in range(number)
        if draw.random() < 0.8
    ]
    return fake(rows, "market1501", shuffle=2)


@pytest.mark.parametrize("name", ["market", "duke"])
@pytest.mark.parametrize("ap", ["plain", "trapezoid"])
def test_market_against_the_loop(name, ap):
    data = market()
    features = features_of(data)
    scores = evaluate(features, data, get_protocol(name, ap=ap))
    query, gallery = (data.rows[data.rows["role"] == role] for role in ("query", "gallery"))
    unit = torch.nn.functional.normalize(features.matrix, dim=1).numpy()
    distance = (1 - unit[query.index] @ unit[gallery.index].T).tolist()
    pairs = [list(zip(rows["identity"], rows["camera"], strict=True)) for rows in (query, gallery)]
    removed = [[one == other for other in pairs[1]] for one in pairs[0]]
    expected = rank_loop(distance, query["identity"].tolist(), gallery["identity"].tolist(), removed, "image", ap, 20)
    assert scores.mean["map"] == pytest.approx(expected.map, abs=1e-12) and scores.mean["minp"] == pytest.approx(expected.minp, abs=1e-12)
    assert scores.mean["rank1"] == pytest.approx(expected.cmc[0]) and scores.mean["rank5"] == pytest.approx(expected.cmc[4])
    assert 0 in set(gallery["identity"]) and scores.protocol["key"] == name + ("" if ap == "plain" else "-trapezoid")
    assert scores.protocol["queries"] == len(query) and scores.protocol["gallery_images"] == len(gallery)


def test_an_image_of_both_roles_asks_and_answers():
    rows = [("a", 1, 1, "visible", -1, 0, "both"), ("b", 1, 2, "visible", -1, 0, "gallery"), ("c", 1, 2, "visible", -1, 0, "query")]
    trial = only(fake(rows), "market")
    assert trial.query["path"].tolist() == ["a", "c"] and trial.gallery["path"].tolist() == ["a", "b"]
    assert trial.excluded.tolist() == [[True, False], [False, True]]


@pytest.mark.parametrize("name", ["market", "duke", *VIDEO, *VERI, *ACROSS])
def test_a_data_set_without_roles_is_named(name):
    data = market()
    data.rows = data.rows.drop(columns="role")
    with pytest.raises(SettingError, match=rf"protocol '{name}' needs .*column role.*'market1501' does not"):
        next(get_protocol(name).trials(data))
    with pytest.raises(SettingError, match="column role"):
        get_protocol(name).rows(data)


@pytest.mark.parametrize("name", ["market", *VIDEO, *VERI, *ACROSS])
def test_missing_queries_are_named(name):
    data = market()
    data.rows = data.rows.assign(role="")
    with pytest.raises(SettingError, match=r"needs (query|gallery) images; split 'test'"):
        next(get_protocol(name).trials(data))


# --- tracklets ---------------------------------------------------------------------------------------------------------------


def tracks(listed, name="mars", shuffle=None):
    """``listed``: (tracklet, identity, camera, modality, frames, role)."""
    rows = [
        (f"{identity:04d}/{modality[0]}C{camera}T{tracklet:04d}F{frame:03d}.jpg", identity, camera, modality, tracklet, frame, role)
        for tracklet, identity, camera, modality, frames, role in listed
        for frame in range(1, frames + 1)
    ]
    return fake(rows, name, shuffle)


# Identity 4 has its only other tracklet among the queries; 0 is a distractor; lengths from 1 to more than 8 chunks divide.
MARS = [
    (1, 2, 1, "visible", 11, "query"),
    (2, 2, 3, "visible", 8, "gallery"),
    (3, 2, 1, "visible", 3, "gallery"),
    (4, 3, 2, "visible", 17, "query"),
    (5, 3, 4, "visible", 1, "gallery"),
    (6, 4, 1, "visible", 9, "query"),
    (7, 4, 2, "visible", 16, "query"),
    (8, 0, 5, "visible", 24, "gallery"),
    (9, 3, 1, "visible", 40, "gallery"),
]


@pytest.mark.parametrize("shuffle", [None, 3])
@pytest.mark.parametrize("name", ["mars-video2video", "mars-image2video"])
def test_mars_puts_the_queries_back_and_samples_eight_chunks(name, shuffle):
    data = tracks(MARS, shuffle=shuffle)
    trial = only(data, name)
    rows = data.rows
    order = rows["tracklet"].drop_duplicates().tolist()  # tracklets stand as in the table
    roles = rows.groupby("tracklet")["role"].first()
    queries = [t for t in order if roles[t] == "query"]
    assert trial.query["tracklet"].tolist() == queries
    assert trial.gallery["tracklet"].tolist() == [t for t in order if roles[t] == "gallery"] + queries

    def expected(tracklet):
        own = rows[rows["tracklet"] == tracklet].sort_values("frame")
        return [own.index[place] for place in chunk_frames(len(own), 8)]

    assert [list(frames) for frames in trial.gallery_frames] == [expected(t) for t in trial.gallery["tracklet"]]
    firsts = [expected(t)[0] for t in queries]
    assert trial.query.index.tolist() == firsts and trial.query["frame"].eq(1).all()
    if name.startswith("mars-video"):
        assert [list(frames) for frames in trial.query_frames] == [expected(t) for t in queries]
    else:
        assert trial.query_frames is None
    person, camera = (trial.query[c].to_numpy()[:, None] == trial.gallery[c].to_numpy() for c in ("identity", "camera"))
    assert (trial.excluded == (person & camera)).all()
    own = trial.query["tracklet"].to_numpy()[:, None] == trial.gallery["tracklet"].to_numpy()
    assert trial.excluded[own].all() and own.sum() == len(queries)  # nobody finds itself


def test_mars_without_the_queries_loses_those_without_a_match():
    data = tracks(MARS)
    features = features_of(data)
    with_them, without = (evaluate(features, data, get_protocol("mars-video2video", queries_in_gallery=put)) for put in (True, False))
    assert (with_them.trials["valid_queries"][0], without.trials["valid_queries"][0]) == (4, 2)
    assert (with_them.protocol["gallery_images"], without.protocol["gallery_images"]) == (9, 5)
    assert "4 queries, 4 with a match, 9 gallery tracklets" in str(with_them)


def test_a_tracklet_listed_twice_is_put_back_once():
    listed = [(*row[:5], "both") if row[0] == 1 else row for row in MARS]
    assert sorted(only(tracks(listed), "mars-video2video").gallery["tracklet"]) == list(range(1, 10))


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_a_tracklet_is_the_mean_of_its_sampled_frames_before_any_is_normalised(metric):
    data = tracks(MARS, shuffle=5)
    features = Features(features_of(data).matrix, data.rows, metric)
    trial = only(data, "dukev-video2video")
    means = [
        torch.stack([features.matrix[list(own)].mean(0) for own in frames]).numpy() for frames in (trial.query_frames, trial.gallery_frames)
    ]
    if metric == "cosine":
        means = [side / np.linalg.norm(side, axis=1, keepdims=True) for side in means]
        expected = 1 - means[0] @ means[1].T
    else:
        expected = np.linalg.norm(means[0][:, None] - means[1], axis=2)
    np.testing.assert_allclose(trial_distance(features, trial).numpy(), expected, atol=1e-7)


def test_many_tracklets_are_averaged_in_pieces(monkeypatch):
    from vireidkit.evaluation import distances

    data = tracks(MARS)
    features, trial = features_of(data), only(data, "mars-video2video")
    whole = trial_distance(features, trial)
    monkeypatch.setattr(distances, "TRACKLETS_AT_ONCE", 2)
    torch.testing.assert_close(trial_distance(features, trial), whole, atol=0, rtol=0)


@pytest.mark.parametrize("name", [*VIDEO, "vcm-ir2vis"])
def test_only_the_sampled_frames_are_needed(name):
    listed = [(t, i, c, m, 60, role) for t, i, c, m, _, role in MARS]
    data = tracks(listed)
    features = features_of(data)
    needed = get_protocol(name).rows(data)
    assert len(needed) == 9 * (6 if name == "vcm-ir2vis" else 8) - (4 * 7 if name == "dukev-image2video" else 0)
    part = Features(features.matrix[needed], data.rows.iloc[needed])
    whole = evaluate(features, data, name)
    pd.testing.assert_frame_equal(evaluate(part, data, name).trials, whole.trials)
    lacking = Features(features.matrix[needed[:-1]], data.rows.iloc[needed[:-1]])
    with pytest.raises(ValueError, match=f"lack '{data.rows['path'][needed[-1]]}'"):
        evaluate(lacking, data, name)


def test_frames_are_ordered_by_number_and_equal_numbers_as_in_the_table():
    data = tracks([(1, 1, 1, "visible", 3, "query"), (2, 1, 2, "visible", 12, "gallery")])
    data.rows.loc[data.rows["tracklet"] == 2, "frame"] = [-1] * 12
    trial = only(data, "dukev-video2video")
    assert trial.gallery_frames[0].tolist() == [3, 5, 7, 9, 11, 13, 14, 14]
    assert trial.query_frames[0].tolist() == [0, 1, 2, 2, 2, 2, 2, 2]


@pytest.mark.parametrize("column", ["identity", "camera", "modality"])
def test_a_tracklet_of_two_people_is_refused(column):
    data = tracks(MARS)
    data.rows.loc[data.rows.index[data.rows["tracklet"] == 8][5], column] = 7 if column != "modality" else "infrared"
    with pytest.raises(
        SettingError, match=rf"tracklet 8 in split 'test' of 'mars' must show one {column}, found a second: 0000/vC5T0008F006"
    ):
        only(data, "mars-video2video")


def test_single_images_are_no_tracklets():
    data = tracks(MARS)
    data.rows["tracklet"] = -1
    with pytest.raises(SettingError, match="needs query tracklets; split 'test' of 'mars' has none"):
        only(data, "mars-image2video")


def test_trapezoid_is_the_default_and_the_plain_one_has_another_key():
    data = tracks(MARS)
    features = features_of(data)
    trapezoid, plain = (evaluate(features, data, get_protocol("mars-image2video", ap=ap)) for ap in ("trapezoid", "plain"))
    assert trapezoid.mean["map"] <= plain.mean["map"] and trapezoid.mean["rank1"] == plain.mean["rank1"]
    assert (trapezoid.protocol["key"], plain.protocol["key"]) == ("mars-image2video", "mars-image2video-plain-ap")
    both = get_protocol("mars-video2video", ap="plain", queries_in_gallery=False)
    assert both.key == "mars-video2video-plain-ap-without-queries"
    assert get_protocol("mars-image2video", ap="trapezoid").key == get_protocol("mars-image2video").key == "mars-image2video"
    assert get_protocol("dukev-image2video").key == "dukev-image2video"


# --- VeRi-776 ----------------------------------------------------------------------------------------------------------------


def veri():
    listed = [
        (1, 1, 3, "visible", 9, "gallery"),
        (2, 1, 3, "visible", 2, "gallery"),
        (3, 1, 5, "visible", 4, "gallery"),
        (4, 2, 3, "visible", 10, "gallery"),
        (5, 2, 4, "visible", 3, "gallery"),
    ]
    data = tracks(listed, "veri776")
    images = [(f"q/{i}_{c}", i, c, "visible", -1, 0, "query") for i, c in ((2, 4), (1, 3), (1, 5), (2, 3))]
    loose = [("loose", 2, 7, "visible", -1, 0, "gallery")]  # a test image that no track lists
    data.rows = pd.concat([pd.DataFrame(loose + images, columns=COLUMNS), data.rows], ignore_index=True)
    return data


def test_veri_image_to_image_takes_every_frame_of_every_track():
    data = veri()
    trial = only(data, "veri-image2image")
    assert trial.query["path"].tolist() == ["q/2_4", "q/1_3", "q/1_5", "q/2_3"]
    assert len(trial.gallery) == 28 and "loose" not in set(trial.gallery["path"]) and trial.gallery_frames is None
    assert set(trial.gallery["tracklet"]) == {1, 2, 3, 4, 5}


def test_veri_videos_ask_as_the_first_track_of_the_identity_and_camera():
    data = veri()
    for name in ("veri-video2video", "veri-video2image"):
        trial = only(data, name)
        assert trial.query["tracklet"].tolist() == [5, 1, 3, 4]
        assert all(len(frames) == 8 for frames in trial.query_frames)
        assert (trial.gallery_frames is None) == (name == "veri-video2image")
    same = trial.query["identity"].to_numpy()[:, None] == trial.gallery["identity"].to_numpy()
    assert trial.excluded[same].sum() == 3 + 11 + 4 + 10


def test_veri_queries_without_a_track_are_dropped_with_a_warning():
    data = veri()
    data.rows.loc[data.rows["path"] == "q/1_5", "camera"] = 6
    with pytest.warns(UserWarning, match="drops 1 of 4 queries: no test track of the identity and camera of q/1_5"):
        trial = only(data, "veri-video2video")
    assert trial.query["tracklet"].tolist() == [5, 1, 4]


def test_veri_without_any_track_for_its_queries():
    data = veri()
    data.rows.loc[data.rows["role"] == "query", "camera"] = 9
    with pytest.warns(UserWarning, match="drops 4 of 4"), pytest.raises(SettingError, match="needs test tracks of the queries"):
        only(data, "veri-video2video")


@pytest.mark.parametrize("name", VERI)
def test_veri_scores(name):
    data = veri()
    scores = evaluate(features_of(data), data, name)
    assert scores.trials["valid_queries"][0] == 4 and scores.protocol["ap"] == "trapezoid"
    gallery = "28 gallery images" if name.endswith("image") else "5 gallery tracklets"
    assert gallery in str(scores) and ("frames: 8 a tracklet" in str(scores)) == ("video" in name)


# --- HITSZ-VCM, BUPTCampus ---------------------------------------------------------------------------------------------------

CROSS = [
    (1, 1, 1, "infrared", 24, "query"),
    (2, 1, 1, "visible", 24, "gallery"),
    (3, 1, 2, "visible", 13, "gallery"),
    (4, 2, 3, "infrared", 12, "query"),
    (5, 2, 4, "visible", 11, "gallery"),
    (6, 2, 5, "visible", 19, "gallery"),
    (7, 2, 5, "infrared", 5, "query"),
]


def test_vcm_leaves_short_tracklets_out_and_samples_six_chunks():
    data = tracks(CROSS, "hitsz-vcm", shuffle=1)
    forth, back = only(data, "vcm-ir2vis"), only(data, "vcm-vis2ir")
    assert set(forth.query["tracklet"]) == {1, 4} and set(forth.gallery["tracklet"]) == {2, 3, 6}
    assert back.query["tracklet"].tolist() == forth.gallery["tracklet"].tolist()
    assert (back.excluded == forth.excluded.T).all() and forth.excluded.sum() == 1  # tracklets 1 and 2: identity 1, camera 1
    for tracklet, frames in zip(forth.gallery["tracklet"], forth.gallery_frames, strict=True):
        numbers = data.rows["frame"].iloc[list(frames)].tolist()
        assert numbers == [place + 1 for place in chunk_frames(CROSS[tracklet - 1][4], 6)]


def test_vcm_with_short_tracklets_only():
    data = tracks([(*row[:4], 11, row[5]) for row in CROSS])
    with pytest.raises(SettingError, match="needs query tracklets of at least 12 frames"):
        only(data, "vcm-ir2vis")


def test_bupt_selects_by_band_removes_nothing_and_spaces_ten_frames():
    listed = [(*row[:5], "both" if row[0] in (1, 3) else row[5]) for row in CROSS] + [(8, 3, 1, "infrared", 30, "gallery")]
    data = tracks(listed, "buptcampus")
    forth, back = only(data, "bupt-ir2vis"), only(data, "bupt-vis2ir")
    assert forth.query["tracklet"].tolist() == [1, 4, 7] and forth.gallery["tracklet"].tolist() == [2, 3, 5, 6]
    assert back.query["tracklet"].tolist() == [3] and back.gallery["tracklet"].tolist() == [1, 8]
    assert forth.excluded is None and back.excluded is None
    for trial in (forth, back):
        for side, frames in ((trial.query, trial.query_frames), (trial.gallery, trial.gallery_frames)):
            for tracklet, own in zip(side["tracklet"], frames, strict=True):
                length = listed[tracklet - 1][4]
                numbers = data.rows["frame"].iloc[list(own)].tolist()
                assert numbers == (np.linspace(0, length, 10, endpoint=False).astype(int) + 1).tolist()


# --- all of them -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [*ALONE, *VIDEO, *VERI, *ACROSS])
def test_every_protocol_says_everything_a_score_must_carry(name):
    protocol = get_protocol(name)
    cross = tracks([(*row[:5], "both") for row in CROSS] if "bupt" in name else CROSS)
    data = llcm() if "llcm" in name else market() if name in ALONE else veri() if "veri" in name else cross
    scores = evaluate(features_of(data), data, protocol)
    told = scores.protocol
    assert told["key"] == protocol.key == name
    needed = {"query", "gallery", "sampler", "exclusion", "cmc", "ap", "ties", "trials", "reranking", "metric", "queries", "valid_queries"}
    assert set(told) >= needed | {"gallery_images", "dataset", "split"} and json.loads(json.dumps(told)) == told
    assert told["cmc"] == ("identity" if "llcm" in name else "image")
    assert told["ap"] == ("trapezoid" if name.split("-")[0] in ("mars", "dukev", "veri") else "plain")
    assert told["trials"] == len(scores.trials) == (10 if name.endswith(("L1", "L2")) else 1)
    line = str(scores)
    unit = told.get("gallery_unit", "images")
    for word in (
        told["sampler"],
        told["exclusion"],
        told["ties"],
        f"{told['ap']} AP",
        "re-ranking: none",
        "distance: cosine",
        f" gallery {unit})",
    ):
        assert word in line


@pytest.mark.parametrize(
    ("name", "options", "message"),
    [
        ("market", {"ap": "area"}, "plain, trapezoid"),
        ("mars-image2video", {"ap": "area"}, "plain, trapezoid"),
        ("dukev-image2video", {"queries_in_gallery": True}, "no option 'queries_in_gallery'; known: ap"),
        ("mars-image2video", {"queries_in_gallery": "no"}, "'queries_in_gallery' takes one of True, False"),
        ("llcm-L3", {"trials": 3}, "no option 'trials'"),
        ("llcm-ir2vis-L1", {"trials": 0}, "whole number from 1"),
        ("llcm-ir2vis", {}, "did you mean 'llcm-ir2vis-L1'"),
    ],
)
def test_wrong_options_are_named(name, options, message):
    with pytest.raises(SettingError, match=message):
        get_protocol(name, **options)


def test_frames_must_fit_their_rows():
    rows = tracks(CROSS).rows
    for frames in ((), (np.array([0]),), (np.array([0]), np.array([], dtype=int))):
        with pytest.raises(ValueError, match="query_frames must hold at least one position for each of 2 rows"):
            Trial(rows[:2], rows[2:4], query_frames=frames)


def test_large_lists_are_quick_and_small():
    """As many tracklets as MARS has, of 60 frames: sampling is not done frame by frame in Python."""
    lengths = np.random.default_rng(0).integers(1, 119, 11310)
    tracklet = np.repeat(np.arange(11310), lengths)
    frame = np.concatenate([np.arange(length) for length in lengths])
    table = pd.DataFrame({"path": frame.astype(str), "identity": tracklet % 626, "camera": tracklet % 6, "modality": "visible"})
    table = table.assign(tracklet=tracklet, frame=frame, role=np.where(tracklet < 1980, "query", "gallery"))
    needed = get_protocol("mars-video2video").rows(Fake(table))
    assert len(needed) == sum(len(set(chunk_frames(length, 8))) for length in lengths.tolist())
