"""The two instruments without a browser: what they accept, refuse, answer and write, and that their static twins show the same."""

from __future__ import annotations

import io
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
import traitlets
from PIL import Image
from viz_world import PEOPLE, image_of, small_features, small_table, small_trial

from vireidkit import viz
from vireidkit.analysis import order_queries, project, query_table, ranked
from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import Features
from vireidkit.viz.atlas import Thumbnails
from vireidkit.viz.colouring import REST, colour_by, factor_table
from vireidkit.viz.retrieval_static import heat_picture
from vireidkit.viz.retrieval_view import FAILURES, FIRST, SECOND, Filters, Rankings

LINE = np.stack([np.arange(40.0), np.zeros(40)], axis=1)


def explorer(**options: Any) -> viz.GapExplorer:
    """Two epochs and another method over one line of points."""
    keys = [("agw", "10"), ("agw", "20"), ("other", "")]
    features = {key: small_features(seed=number) for number, key in enumerate(keys)}
    return viz.GapExplorer(features, dict.fromkeys(keys, LINE), image_of, **options)


def told(content: dict[str, Any], widget: Any) -> tuple[dict[str, Any], list[bytes]]:
    """The reply to a message of the page."""
    sent: list[Any] = []
    widget.send = lambda reply, buffers=None: sent.append((reply, buffers))
    widget._heard(widget, content, [])
    (one,) = sent
    json.dumps(one[0], allow_nan=False)  # what a message can carry
    return one


# --- pictures -----------------------------------------------------------------------------------------------------------------------------


def test_thumbnails_are_small_kept_up_to_a_limit_and_exact_enough() -> None:
    big = np.random.default_rng(0).integers(0, 255, (512, 200, 3), dtype=np.uint8)
    small = Thumbnails(lambda row: big, height=128, limit=30_000)
    with Image.open(io.BytesIO(small.of(0))) as found:
        assert found.size == (50, 128)
    for row in range(20):
        small.of(row)
    assert 0 < small.held <= 30_000
    flat = Thumbnails(lambda row: np.full((16, 8, 3), 90, np.uint8))
    with Image.open(io.BytesIO(flat.of(3))) as found:
        assert np.abs(np.asarray(found).astype(int) - 90).max() <= 2


def test_a_picture_is_read_once_while_it_is_kept() -> None:
    asked: list[int] = []
    pictures = Thumbnails(lambda row: asked.append(row) or image_of(row))
    assert pictures.of(1) == pictures.of(1) and asked == [1]


def test_missing_pictures_have_a_reason_and_may_come_back() -> None:
    gone = {"row": True}

    def some(row: int) -> Any:
        if gone["row"]:
            raise FileNotFoundError("cam1/0001.png\nis gone")
        return image_of(row)

    pictures = Thumbnails(some)
    assert pictures.of(0) is None and pictures.missing == {0: "cam1/0001.png is gone"}
    gone["row"] = False
    assert pictures.of(0) and pictures.missing == {}
    assert Thumbnails(lambda row: np.zeros((4, 4))).of(0) is None  # no picture at all
    assert Thumbnails(None).of(0) is None


def test_a_batch_says_which_pictures_are_missing() -> None:
    def some(row: int) -> Any:
        return image_of(row) if row else None

    widget = viz.GapExplorer(small_features(), LINE, some)
    reply, sent = told({"ask": "pictures", "number": "a-1", "rows": [0, 5, 6, 99, -3]}, widget)
    assert reply["rows"] == [5, 6] and len(sent) == 2 and list(reply["missing"]) == ["0"] and reply["number"] == "a-1"
    assert reply["paths"]["5"] == small_table()["path"].iloc[5]
    assert len(told({"ask": "pictures", "rows": list(range(40)) * 3}, widget)[1]) <= 64


# --- colours ------------------------------------------------------------------------------------------------------------------------------


def test_colours_are_groups_that_can_be_told_apart() -> None:
    table, none = small_table(), factor_table(None, 40)
    modality = colour_by(table, none, "modality", ("day", "night"))
    assert modality.labels == ("day", "night") and modality.counts() == [20, 20]
    camera = colour_by(table, none, "camera")
    assert camera.labels == ("camera 1", "camera 2", "camera 3", "camera 6") and len(set(camera.colours)) == 4
    people = colour_by(table, none, "identity", people=["14", "12"])
    assert people.labels == ("person 14", "person 12", "all others") and people.colours[-1] == REST
    assert people.counts() == [8, 8, 24]


def test_factors_of_numbers_words_and_gaps() -> None:
    numbers = np.arange(40.0)
    numbers[3] = np.nan
    factors = factor_table({"light": numbers, "bag": ["none"] * 20 + ["left"] * 19 + [None], "many": [f"w{i}" for i in range(40)]}, 40)
    light = colour_by(small_table(), factors, "light")
    assert light.labels[-1] == "unknown" and light.codes[3] == 5 and light.counts()[-1] == 1
    edges = np.quantile(numbers[np.isfinite(numbers)], np.linspace(0, 1, 6))
    for row in np.flatnonzero(np.isfinite(numbers)):  # a loop oracle: the last part holds its upper end
        assert light.codes[row] == min(4, sum(numbers[row] >= edge for edge in edges[1:]))
    assert colour_by(small_table(), factors, "bag").labels == ("none", "left", "unknown")
    many = colour_by(small_table(), factors, "many")
    assert many.labels[-1] == "other" and many.counts()[-1] == 33
    assert colour_by(small_table(), factor_table({"one": np.full(40, 2.5)}, 40), "one").counts() == [40]
    assert colour_by(small_table(), factor_table({"nothing": np.full(40, np.nan)}, 40), "nothing").labels == ("unknown",)


def test_factors_of_another_length_are_refused() -> None:
    with pytest.raises(SettingError, match="factor 'light' needs one value for each of 40 images, found 39"):
        viz.GapExplorer(small_features(), LINE, image_of, factors={"light": np.zeros(39)})
    with pytest.raises(SettingError, match="unknown colour 'luck'; known: modality, identity, camera"):
        colour_by(small_table(), factor_table(None, 40), "luck")


# --- the explorer -------------------------------------------------------------------------------------------------------------------------


def test_choices_can_be_set_followed_and_refused() -> None:
    one = explorer(factors={"light": np.arange(40)})
    assert (one.method, one.epoch) == ("agw", "20")
    seen: list[Any] = []
    one.observe(lambda change: seen.append(change["new"]), "selection")
    one.selection = [7, 3, 7]
    assert one.selection == [3, 7] and seen == [[3, 7]]
    assert one.selected["path"].tolist() == small_table()["path"].iloc[[3, 7]].tolist() and one.selected["light"].tolist() == [3, 7]
    one.method = "other"
    assert one.epoch == ""  # it has no epochs
    for name, value, says in (("selection", [40], "0 and 39"), ("method", "x", "agw"), ("epoch", "30", "20"), ("colour", "x", "light")):
        with pytest.raises(traitlets.TraitError, match=says):
            setattr(one, name, value)
    assert one.selection == [3, 7] and repr(one) == "GapExplorer(40 images, other, 2 selected)"


def test_no_picture_and_no_table_is_saved_with_the_notebook() -> None:
    for widget in (explorer(), browser()):
        for ask in ("scene", "pictures"):
            told({"ask": ask, **({"rows": list(range(40))} if ask == "pictures" else {})}, widget)
        state = {name: value for name, value in widget.get_state().items() if name not in ("_esm", "_css")}
        assert len(json.dumps(state, default=str)) < 3000
        assert not [name for name, value in widget.get_state().items() if isinstance(value, (bytes, memoryview, bytearray))]


def test_the_scripts_reach_for_nothing() -> None:
    for widget in (viz.GapExplorer, viz.RetrievalBrowser):
        text = f"{widget._esm}{widget._css}"
        assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)|\bfetch\(|XMLHttpRequest|WebSocket|@import|\bimport\b|innerHTML", text)


def test_the_scene_tells_who_is_where() -> None:
    reply, (infrared, people, cameras) = told({"ask": "scene"}, explorer(bands=("day", "night")))
    table = small_table()
    assert np.frombuffer(infrared, np.uint8).tolist() == (table["modality"] == "infrared").astype(int).tolist()
    assert [reply["identities"][code] for code in np.frombuffer(people, np.int32)] == table["identity"].astype(str).tolist()
    assert [reply["cameras"][code] for code in np.frombuffer(cameras, np.int32)] == table["camera"].astype(str).tolist()
    assert reply["frames"][1] == {"method": "agw", "epoch": "20"} and reply["bands"] == ["day", "night"]


def test_points_are_scaled_to_the_canvas_by_method() -> None:
    keys = [("a", "1"), ("a", "2"), ("b", "1")]
    one = viz.GapExplorer(dict.fromkeys(keys, small_features()), {keys[0]: LINE, keys[1]: 2 * LINE, keys[2]: LINE + np.array([0, 5])}, None)
    first, second, other = (np.frombuffer(one.answer("points", method=m, epoch=e)[1][0], np.float32).reshape(-1, 2) for m, e in keys)
    assert first[:, 0].min() == -1 and second[:, 0].max() == 1  # one scale for the epochs of a method
    assert np.allclose(np.diff(second[:, 0]), 2 * np.diff(first[:, 0]))
    assert np.allclose([other[:, 0].min(), other[:, 0].max()], [-1, 1]) and np.allclose(other[:, 1], 0)
    up = viz.GapExplorer(small_features(), LINE[:, ::-1], None).answer("points", method="features", epoch="")[1][0]
    assert np.frombuffer(up, np.float32).reshape(-1, 2)[0, 1] == 1  # y points down on a canvas


def test_places_that_are_not_finite_are_counted() -> None:
    points = LINE.copy()
    points[[2, 9]] = np.nan, np.inf
    reply, (sent,) = viz.GapExplorer(small_features(), points, None).answer("points", method="features", epoch="")
    found = np.frombuffer(sent, np.float32).reshape(-1, 2)
    assert reply["placeless"] == 2 and np.isfinite(found).all(axis=1).sum() == 38
    viz.GapExplorer(small_features(), np.full((40, 2), np.nan), None)  # nothing to see, and said so


@pytest.mark.parametrize("metric", ["cosine", "euclidean"])
def test_neighbours_are_those_of_the_original_space(metric: str) -> None:
    features = small_features(noise=0.5, metric=metric)
    reply, _ = viz.GapExplorer(features, LINE, None).answer("neighbours", row=4, method="features", epoch="")
    matrix = features.matrix.double().numpy()
    away = {}
    for other in range(40):
        if metric == "cosine":
            away[other] = 1 - matrix[4] @ matrix[other] / np.linalg.norm(matrix[4]) / np.linalg.norm(matrix[other])
        else:
            away[other] = np.sqrt(((matrix[4] - matrix[other]) ** 2).sum())
    nearest = sorted((other for other in away if other != 4), key=away.get)[:12]
    assert reply["rows"] == nearest and np.allclose(reply["distances"], [away[other] for other in nearest], atol=1e-4)


def test_features_that_are_not_finite_have_no_neighbours_and_stop_nothing() -> None:
    matrix = small_features().matrix.clone()
    matrix[3] = torch.nan
    widget = viz.GapExplorer(Features(matrix, small_table()), LINE, image_of)
    assert "not finite" in told({"ask": "neighbours", "row": 3, "method": "features", "epoch": ""}, widget)[0]["error"]
    assert 3 not in widget.answer("neighbours", row=2, method="features", epoch="")[0]["rows"]
    assert told({"ask": "scene"}, widget)[0]["images"] == 40


def test_what_goes_wrong_is_answered() -> None:
    widget = explorer()
    assert "unknown question 'luck'" in told({"ask": "luck", "number": "b-7"}, widget)[0]["error"]
    assert "error" in told({"ask": "colours", "name": "luck"}, widget)[0]
    assert "error" in told({"ask": "points", "method": "luck", "epoch": ""}, widget)[0]
    widget.send = lambda *_, **__: pytest.fail("nobody asked")
    widget._heard(widget, "no question", [])


@pytest.mark.parametrize(
    ("features", "projections", "says"),
    [
        ({}, {}, "found none"),
        ({"a": small_features()}, {}, "at least one projection"),
        ({"a": small_features()}, {"b": LINE}, "no features for the projection 'b'; there are features for 'a'"),
        (small_features(), LINE[:39], r"coordinates of shape \(40, 2\), one row an image; found \(39, 2\)"),
        (small_features(), np.zeros((40, 3)), r"found \(40, 3\)"),
        (replace(small_features(), table=small_table().drop(columns="identity")), LINE, "needs a column 'identity'"),
        (replace(small_features(), table=small_table().replace({"modality": {"infrared": "thermal"}})), LINE, "found 'thermal' in row 4"),
        (
            {"a": small_features(), "b": replace(small_features(), table=small_table().iloc[::-1])},
            {"a": LINE, "b": LINE},
            "the same order: row 0 is identity 11 in 'a' and 15 in 'b'",
        ),
        ({"a": small_features(), "b": Features(torch.zeros(39, 6), small_table()[:39])}, {"a": LINE}, "'a' has 40 rows, 'b' has 39"),
    ],
)
def test_what_does_not_fit_is_refused_in_one_line(features: Any, projections: Any, says: str) -> None:
    for make in (viz.GapExplorer, viz.gap_explorer_static):
        with pytest.raises(SettingError, match=says) as refused:
            make(features, projections, image_of)
        assert "\n" not in str(refused.value)


def test_a_table_without_cameras_only_lacks_them() -> None:
    bare = replace(small_features(), table=small_table()[["identity", "modality"]])
    reply, (_, _, cameras) = told({"ask": "scene"}, viz.GapExplorer(bare, LINE, image_of))
    assert reply["colours"] == ["modality", "identity"] and reply["cameras"] == [] and set(np.frombuffer(cameras, np.int32)) == {-1}
    viz.gap_explorer_static(bare, LINE, None, selection=[1, 2])


def test_the_static_map_shows_the_same() -> None:
    features = {"start": small_features(gap=2.0), "end": small_features()}
    laid = {name: project(one, method="pca") for name, one in features.items()}
    fig = viz.gap_explorer_static(features, laid, image_of, colour="camera", selection=[0, 5, 9])
    assert "3 selected images of 2 people: 33 % infrared" in fig.get_label()
    drawn = [axes for part in fig.subfigs for axes in part.axes]
    assert [axes.get_title(loc="left") for axes in drawn[:2]] == ["start", "end"]
    assert sum(bool(axes.images) for axes in drawn) == 3
    ringed = drawn[0].collections[-1].get_offsets()
    assert np.allclose(ringed, laid["start"].coordinates[[0, 5, 9]])
    with pytest.raises(IndexError, match="0 and 39"):
        viz.gap_explorer_static(features, laid, image_of, selection=[40])


def test_the_explorer_draws_what_it_shows() -> None:
    one = explorer()
    one.selection, one.method = [1], "other"
    assert "1 selected image of 1 person" in one.figure().get_label()


# --- the retrieval browser ----------------------------------------------------------------------------------------------------------------


def browser(**options: Any) -> viz.RetrievalBrowser:
    """Two methods on the trial in which camera 3 must not see camera 2 and one person is not in the gallery."""
    features = {"alpha": small_features(noise=0.8), "beta": small_features(noise=0.8, seed=2)}
    return viz.RetrievalBrowser(features, small_trial(absent=13), image_of, **{"k": 4} | options)


def choices(widget: viz.RetrievalBrowser, *names: str) -> dict[str, Any]:
    return {name: getattr(widget, name) for name in names}


def test_it_starts_with_the_worst_query_and_shows_its_list() -> None:
    one = browser()
    queries = query_table(one.rankings.features["alpha"], one.rankings.trials["queries"])
    assert one.selection == order_queries(queries)[0] == one.selected["query"]
    reply, _ = told({"ask": "lists", **choices(one, "trial", "first", "second", "selection", "k")}, one)
    assert [found["method"] for found in reply["lists"]] == ["alpha", "beta"]
    for found in reply["lists"]:
        oracle = ranked(one.rankings.features[found["method"]], one.rankings.trials["queries"], one.selection, 4).head(4)
        assert found["row"] == oracle["row"].tolist() and found["correct"] == oracle["correct"].tolist()
        assert np.allclose(found["distance"], oracle["distance"])


def test_removed_images_take_few_places_and_are_counted() -> None:
    rankings = Rankings(small_features(noise=2.0, seed=5), small_trial())
    camera_three = np.flatnonzero(small_trial().query["camera"].to_numpy() == 3)
    hidden = 0
    for query in camera_three:
        shown, more = rankings.answers("features", "queries", int(query), 8)
        assert shown["excluded"].sum() <= 3 and len(shown) <= 8
        counted = shown.loc[~shown["excluded"], "rank"].tolist()
        assert counted == list(range(1, len(counted) + 1))  # those that count leave no gap
        full = ranked(rankings.features["features"], rankings.trials["queries"], int(query), None)
        upto = full.iloc[: int(np.flatnonzero(full["row"] == shown["row"].iloc[-1])[0]) + 1]
        assert more == upto["excluded"].sum() - shown["excluded"].sum()
        hidden += more
    assert hidden > 0


def test_filters_against_a_loop() -> None:
    one = browser()
    alpha, beta = (one.rankings.queries(name, "queries") for name in ("alpha", "beta"))
    wanted = {
        FAILURES: lambda a, b: a > 1,
        FIRST: lambda a, b: a == 1 and b != 1,
        SECOND: lambda a, b: b == 1 and a != 1,
    }
    for show, keeps in wanted.items():
        for camera in ("", "3"):
            expected = {
                query
                for query in range(20)
                if alpha["valid"][query]
                and keeps(alpha["first_hit"][query], beta["first_hit"][query])
                and (not camera or alpha["camera"][query] == int(camera))
            }
            one.show, one.camera = show, camera
            assert set(one.listed) == expected
    one.show, one.camera, one.identity = "all queries", "", "12"
    assert set(alpha["identity"][one.listed]) == {12}
    one.identity = "99"
    assert one.listed == []
    with pytest.raises(SettingError, match="unknown queries"):
        one.rankings.listed("queries", "alpha", order="by AP", filters=Filters(show="luck"))


def test_queries_say_what_can_be_filtered_by() -> None:
    one = browser()
    reply, _ = told({"ask": "queries", **choices(one, "trial", "first", "second", "order", "show", "camera", "modality", "identity")}, one)
    assert reply["values"] == {"camera": ["3", "6"], "modality": ["infrared"], "identity": [str(person) for person in PEOPLE]}
    assert reply["query"] == one.listed and reply["all"] == 20
    assert [value is None for value in reply["ap"]] == [not valid for valid in reply["valid"]]  # NaN is no JSON


def test_the_selection_can_be_set_and_is_checked() -> None:
    one = browser()
    one.answer_row = 8
    one.selection = 6
    assert one.selected["query"] == 6 and one.answer_row == -1
    for name, value in (("selection", 20), ("trial", "x"), ("first", "x"), ("second", "x"), ("k", 0), ("order", "luck")):
        with pytest.raises(traitlets.TraitError):
            setattr(one, name, value)
    one.second = ""
    assert one.methods == ["alpha"] and repr(one) == "RetrievalBrowser(query 6 of 20 in queries, alpha)"


def test_a_gallery_picture_asks_where_it_is_a_query() -> None:
    there, table = small_trial(), small_table()
    back = type(there)(table[table["modality"] == "visible"].iloc[3:], table[table["modality"] == "infrared"])
    one = viz.RetrievalBrowser(small_features(), {"there": there, "back": back}, None)
    inside, outside = int(back.query.index[2]), 0
    assert one.answer("back", row=inside, trial="there")[0] == {"trial": "back", "position": 2}
    assert one.answer("back", row=outside, trial="there")[0]["position"] == -1
    assert one.answer("back", row=int(there.query.index[4]), trial="there")[0] == {"trial": "there", "position": 4}
    one.selection = 19
    one.trial = "back"  # which has 17 queries
    assert 0 <= one.selection < 17


def test_exported_table_and_picture(tmp_path: Path) -> None:
    one = browser()
    one.selection = 2
    saved = pd.read_csv(one.export(tmp_path / "new" / "view.csv"))
    assert saved["method"].tolist() == ["alpha"] * 4 + ["beta"] * 4
    row = small_trial(absent=13).query.index[2]
    assert (saved["query_row"] == row).all() and (saved["query_path"] == small_table()["path"][row]).all()
    features = small_features(noise=0.8)
    assert np.allclose(saved["distance"][:4], features.distance([row], saved["row"][:4].to_numpy())[0])
    with Image.open(one.export(tmp_path / "view.PNG")) as picture:
        assert picture.width == 900
    with pytest.raises(SettingError, match=r"\.png or \.csv, found 'view.pdf'"):
        one.export(tmp_path / "view.pdf")
    (tmp_path / "file").write_text("kept")
    with pytest.raises(KitError, match="cannot write"):
        one.export(tmp_path / "file" / "view.csv")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "new", "view.PNG"]


def test_maps_are_checked_and_coloured() -> None:
    dark, bright = (np.array(matplotlib.colormaps["inferno"](value)[:3]) * 255 for value in (0.0, 1.0))
    found = heat_picture(torch.tensor([[0.0, 1.0]]))
    assert np.abs(found[0] - np.stack([dark, bright])).max() <= 1
    for bad, says in ((np.zeros(3), r"found \(3,\)"), (np.full((2, 2), np.nan), "finite"), (np.full((2, 2), 1.5), r"0\.\.1")):
        with pytest.raises(SettingError, match=says):
            heat_picture(bad)
    one = browser(map_of={"beta": lambda query, answer: np.ones((3, 5))})
    with Image.open(io.BytesIO(one.answer("map", method="beta", query_row=4, gallery_row=0)[1][0])) as picture:
        assert picture.size == (5, 3)
    assert "no similarity maps" in told({"ask": "map", "method": "alpha", "query_row": 4, "gallery_row": 0}, one)[0]["error"]
    assert told({"ask": "scene"}, one)[0]["maps"] == ["beta"]


def test_a_table_without_cameras_is_ranked_all_the_same(tmp_path: Path) -> None:
    bare, trial = small_table()[["identity", "modality"]], small_trial(rule=False)
    own = type(trial)(bare.loc[trial.query.index], bare.loc[trial.gallery.index])
    one = viz.RetrievalBrowser(replace(small_features(), table=bare), own, None)
    assert told({"ask": "scene"}, one)[0]["cameras"] is False
    saved = pd.read_csv(one.export(tmp_path / "view.csv"))
    assert "camera" not in saved.columns and "path" not in saved.columns
    assert "camera unknown" in " ".join(text.get_text() for text in one.figure().axes[0].texts)


def test_what_cannot_be_ranked_is_refused() -> None:
    trial, features = small_trial(), small_features()
    matrix = features.matrix.clone()
    matrix[trial.gallery.index[3]] = torch.nan
    with pytest.raises(SettingError, match=r"not finite \(NaN or infinity\) for 1 of 30 ranked images, first cam"):
        viz.RetrievalBrowser(Features(matrix, small_table()), trial, image_of)
    unused = features.matrix.clone()
    unused[small_table().index.difference(trial.query.index.union(trial.gallery.index))] = torch.nan
    viz.RetrievalBrowser(Features(unused, small_table()), trial, image_of)  # nobody asks for these
    with pytest.raises(SettingError, match="found 0 and 10 images"):
        viz.RetrievalBrowser(features, type(trial)(trial.query[:0], trial.gallery), image_of)
    with pytest.raises(SettingError, match="0 to 39; found 100 to 119"):
        viz.RetrievalBrowser(features, type(trial)(trial.query.set_axis(range(100, 120)), trial.gallery), image_of)
    with pytest.raises(SettingError, match="found none"):
        viz.RetrievalBrowser(features, {}, image_of)
    with pytest.raises(SettingError, match="unknown order 'luck'"):
        viz.RetrievalBrowser(features, trial, image_of, order="luck")


def test_the_static_list_shows_the_same() -> None:
    one = browser(map_of=lambda query, answer: np.eye(4))
    fig = viz.retrieval_browser_static(one.rankings, None, image_of, selection=one.selection, k=4)
    assert fig.get_label() == one.figure().get_label() and f"Query {one.selection} of queries" in fig.get_label()
    assert len(fig.axes[0].images) == 1 + 8
    assert len(one.figure(maps=True).axes[0].images) == 1 + 8 + 8
    words = {text.get_text() for text in fig.axes[0].texts}
    assert {"alpha", "beta"} <= words
    absent = int(one.queries.query("not valid")["query"].iloc[0])
    assert "holds no image of person 13" in viz.retrieval_browser_static(one.rankings, None, None, selection=absent).get_label()
    with pytest.raises(SettingError, match="unknown method 'x'; known: alpha, beta"):
        viz.retrieval_browser_static(one.rankings, None, None, methods=["x"])
