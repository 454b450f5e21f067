"""The gap stage by stage of a network, and between every two cameras."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
import torch
from attribution_world import Store, mapped
from gap_world import World
from viz_world import small_features

from vireidkit.analysis import MEASURES, gap_by_camera_pair, gap_by_layer, modality_gap
from vireidkit.analysis.gap_cameras import PAIR_MEASURES
from vireidkit.errors import KitError, SettingError

QUICK = {"resamples": 20, "shuffles": 3, "halves": 2}


def test_layers_are_pooled_maps_and_the_descriptor() -> None:
    method, store = mapped(), Store()
    found = gap_by_layer(method, store, batch_size=7, **QUICK)
    assert list(dict.fromkeys(found["layer"])) == ["first", "second", "descriptor"]
    assert found.groupby("layer", sort=False)[["depth", "width"]].first().to_numpy().tolist() == [[0, 8], [1, 12], [2, 12]]
    assert found["value"].notna().all() and found.attrs["name"] == "mapped" and found.attrs["images"] == 40
    assert method.training  # left as it was
    with torch.no_grad():
        images = (
            store.images(torch.arange(40)).float().permute(0, 3, 1, 2) / 255 - torch.tensor([0.485, 0.456, 0.406]).reshape(3, 1, 1)
        ) / torch.tensor([0.229, 0.224, 0.225]).reshape(3, 1, 1)
        pooled = method.eval().stages_of(images, None)["second"].mean((2, 3)).double().numpy()
    infrared = (store.table["modality"] == "infrared").to_numpy()
    spread = np.sqrt(np.mean([pooled[infrared == band].var(axis=0).sum() for band in (False, True)]))
    from vireidkit.evaluation import Features

    alone = modality_gap(
        Features(torch.tensor(pooled / spread), store.table, "euclidean"), measures=list(found["measure"].unique()), shuffles=3, halves=2
    )
    np.testing.assert_allclose(found.loc[found["layer"] == "second", "value"], alone["value"], rtol=1e-4, atol=1e-6)


def test_layers_of_some_rows() -> None:
    rows = np.flatnonzero(Store().table["identity"] < 14)
    found = gap_by_layer(mapped(), Store(), rows=rows, measures=["mixing of neighbours"], **QUICK)
    assert found.attrs["images"] == 24 and len(found) == 3
    limited = gap_by_layer(mapped(), Store(), limit=20, measures=["mixing of neighbours"], **QUICK)
    assert limited.attrs["images"] == 20 and limited.attrs["of_images"] == 40


def test_layers_need_maps() -> None:
    method = mapped()
    method.stages_of = lambda images, modality: {}
    with pytest.raises(SettingError, match="no maps of its stages"):
        gap_by_layer(method, Store(), **QUICK)
    method.stages_of = lambda images, modality: {"flat": torch.ones(len(images), 4)}
    with pytest.raises(ValueError, match="'flat'"):
        gap_by_layer(method, Store(), **QUICK)
    method.stages_of = lambda images, modality: {"bad": torch.full((len(images), 2, 1, 1), torch.nan)}
    with pytest.raises(ValueError, match=r"'bad' .* not finite for 40 images"):
        gap_by_layer(method, Store(), **QUICK)
    with pytest.raises(SettingError, match="found none"):
        gap_by_layer(mapped(), Store(), rows=[], **QUICK)
    with pytest.raises(ValueError, match="batch_size"):
        gap_by_layer(mapped(), Store(), batch_size=0, **QUICK)


def test_every_pair_of_cameras_once() -> None:
    found = gap_by_camera_pair(small_features(gap=0.8), resamples=20, halves=2)
    assert set(found["measure"]) == set(PAIR_MEASURES) == {name for name in MEASURES if "within" not in name}
    one = found[found["measure"] == "MMD squared"]
    assert [(row.first_camera, row.second_camera) for row in one.itertuples()] == [
        (1, 1), (1, 2), (1, 3), (1, 6), (2, 2), (2, 3), (2, 6), (3, 3), (3, 6), (6, 6),
    ]  # fmt: skip
    assert one["kind"].value_counts().to_dict() == {"across": 4, "one camera, halved": 4, "within visible": 1, "within infrared": 1}
    assert (one["people"] == 5).all()
    across, inside = (one.loc[one["kind"].str.startswith(kind), "value"] for kind in ("across", "within"))
    assert across.min() > inside.max()


def test_a_pair_of_cameras_is_a_gap_of_its_own() -> None:
    world = World(people=32, numbers=5, shift=1.0)
    matrix, table = world.draw(0)
    found = gap_by_camera_pair(matrix, table, resamples=40)
    two = table["camera"].isin([2, 3]).to_numpy()
    alone = modality_gap(matrix[two], table[two], measures=PAIR_MEASURES, shuffles=0, halves=0, resamples=40).set_index("measure")
    pair = found[(found["first_camera"] == 2) & (found["second_camera"] == 3)].set_index("measure")
    np.testing.assert_allclose(
        pair[["value", "low", "high"]].astype(float), alone.loc[pair.index, ["value", "low", "high"]].astype(float), atol=1e-9
    )


def test_people_seen_by_one_camera_only_are_left_out() -> None:
    matrix, table = World(people=12, numbers=4).draw(1)
    kept = ~((table["camera"] == 1) & (table["identity"] > 6)) & ~((table["camera"] == 4) & (table["identity"] < 6))
    found = gap_by_camera_pair(matrix[kept], table[kept], measures=["mixing of neighbours"], resamples=20, k=3)
    people = found.set_index(["first_camera", "second_camera"])["people"]
    assert people[(1, 2)] == 7 and people[(2, 3)] == 12
    alone = found.set_index(["first_camera", "second_camera"]).loc[(1, 4)]
    assert np.isnan(alone["value"]) and alone["per"] == "1 people are seen by both cameras, 2 are needed"


def test_a_camera_of_both_bands_is_two() -> None:
    matrix, table = World(people=8, numbers=4, shift=3.0).draw(2)
    found = gap_by_camera_pair(
        matrix,
        table.assign(camera=table["camera"].map({1: "a", 2: "b", 3: "a", 4: "b"})),
        measures=["same-identity cosine across"],
        resamples=20,
    )
    assert len(found) == 10 and found["value"].notna().all()
    one = found[(found["first_camera"] == "a") & (found["second_camera"] == "a")]
    assert sorted(one["kind"]) == ["across", "one camera, halved", "one camera, halved"]


def test_cameras_are_checked() -> None:
    features = small_features()
    with pytest.raises(ValueError, match="'camera'"):
        gap_by_camera_pair(features, features.table.drop(columns="camera"))
    with pytest.raises(SettingError, match="one side alone"):
        gap_by_camera_pair(features, measures=["overlap within visible"])
    with pytest.raises(KitError, match="unknown measure"):
        gap_by_camera_pair(features, measures=["overlap"])


def test_one_image_a_camera_has_no_halves() -> None:
    table = pd.DataFrame([(p, c) for p in range(6) for c in (1, 3)], columns=["identity", "camera"])
    table["modality"] = np.where(table["camera"] > 2, "infrared", "visible")
    found = gap_by_camera_pair(np.random.default_rng(0).normal(size=(12, 3)), table, measures=["mixing of neighbours"], resamples=20)
    assert found["value"].isna().tolist() == [True, False, True]
    assert "0 people were seen more than once" in found["per"].iloc[0]
