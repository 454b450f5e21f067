"""The measurements of Twilight's data card, made again: ``python benchmarks/twilight_card.py RUN [--out FOLDER]``.

Correlations of visible lightness with the near-infrared value, the floor (chance, random features, raw pixels), retrieval on the test
pictures rendered without people, and what forgetting the rule on cameras 2 and 3 does. RUN is a folder that ``vireidkit train agw
twilight`` left; its network is used where a trained feature is needed. Writes ``measurements.json`` and ``unusual.png``, a montage
of the 200 test pictures that lie farthest from all others in the trained feature.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from PIL import Image

from vireidkit import load_dataset
from vireidkit.data import Dataset, ImageStore
from vireidkit.data.twilight import read_factors
from vireidkit.evaluation import Features, chance_scores, evaluate, extract_features, get_protocol, random_features, raw_pixel_features
from vireidkit.evaluation.scores import score_trial
from vireidkit.files import write_json
from vireidkit.publish import render_population
from vireidkit.training import open_run
from vireidkit.twilight.parts import STILLS
from vireidkit.twilight.settings import VERSION_1

PARTS_OF_A_PERSON = {"skin": "skin", "hair": "hair", "upper": "top", "lower": "bottom"}
SIZE = (128, 64)
NEIGHBOURS, UNUSUAL, COLUMNS = 5, 200, 20


def correlations(data: Dataset) -> dict[str, float]:
    """Pearson correlation of visible lightness with the near-infrared value over all people who show the part."""
    people, _ = read_factors(data)
    shown = {"hair": people["hair"] != "bald", "lower": people["bottom"] != "none"}
    return {
        part: float(people[shown.get(part, slice(None))][[f"{name}_lightness", f"{name}_nir"]].corr().iloc[0, 1])
        for part, name in PARTS_OF_A_PERSON.items()
    }


def scores(features: Features, data: Dataset) -> dict[str, dict[str, float]]:
    """Rank-1 and mAP under every protocol of the data set."""
    found = {name: evaluate(features, data, name) for name in data.protocols}
    return {name: {"rank1": score.mean["rank1"], "map": score.mean["map"]} for name, score in found.items()}


def floor(data: Dataset, store: ImageStore) -> dict[str, Any]:
    """What needs no training."""
    chance = {name: chance_scores(data, name) for name in data.protocols}
    return {
        "chance": {name: {"rank1": score.mean["rank1"], "map": score.mean["map"]} for name, score in chance.items()},
        "random features": scores(random_features(data.test), data),
        "raw pixels, grey": scores(raw_pixel_features(store), data),
        "raw pixels, colour": scores(raw_pixel_features(store, grey=False), data),
    }


def without_people(data: Dataset, method: Any) -> dict[str, Any]:
    """Retrieval on the test pictures rendered again with nobody in them: everything but the person is equal."""
    people = sorted(data.test["identity"].unique().tolist())
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "scenes"
        render_population(root, settings=VERSION_1, identities={"test": people}, cameras=STILLS, with_people=False)
        scenes = load_dataset("manifest", root)
        store = ImageStore(scenes, scenes.test, SIZE, cache=Path(folder) / "cache", progress=False)
        protocols = ("ir2vis", "vis2ir", "within-visible", "within-infrared")
        features = {"raw pixels, colour": raw_pixel_features(store, grey=False), "trained on people": extract_features(method, store)}
        return {
            kind: {name: {k: evaluate(own, scenes, name).mean[k] for k in ("rank1", "map")} for name in protocols}
            for kind, own in features.items()
        }


def camera_rule(features: Features, data: Dataset) -> dict[str, float]:
    """Queries of camera 3 in the ten trials of sysu-all-single, with camera 2 removed from their gallery and with it left there.

    ``other camera`` removes camera 1, 4 or 5 instead (the mean of the three): what a gallery without a camera costs by itself.
    """
    protocol = get_protocol("sysu-all-single")
    found: dict[str, list[dict[str, float]]] = {"kept": [], "forgotten": [], "other camera": []}
    for trial in protocol.trials(data):
        query = trial.query[trial.query["camera"] == 3]
        cameras = trial.gallery["camera"].to_numpy()
        removed = {"kept": [2], "forgotten": [0], "other camera": [1, 4, 5]}
        for name, gone in removed.items():
            for camera in gone:
                excluded = np.broadcast_to(cameras == camera, (len(query), len(cameras))).copy()
                found[name].append(score_trial(features, type(trial)(query, trial.gallery, excluded, trial.number), protocol))
    return {
        f"{name} {metric}": float(np.mean([row[metric] for row in rows])) for name, rows in found.items() for metric in ("rank1", "map")
    }


def montage(features: Features, data: Dataset, file: Path) -> None:
    """The pictures whose nearest neighbours are farthest away, band by band, as one sheet."""
    matrix = torch.nn.functional.normalize(features.matrix.double())
    rows = []
    for modality in ("visible", "infrared"):
        own = np.flatnonzero((data.test["modality"] == modality).to_numpy())
        near = (matrix[own] @ matrix[own].T).fill_diagonal_(-2).topk(NEIGHBOURS).values.mean(1)
        rows += own[near.argsort()[: UNUSUAL // 2].numpy()].tolist()
    pictures = [np.pad(np.asarray(data.open(data.test["path"][row])), ((1, 1), (1, 1), (0, 0)), constant_values=255) for row in rows]
    lines = [np.concatenate(pictures[start : start + COLUMNS], 1) for start in range(0, len(pictures), COLUMNS)]
    Image.fromarray(np.concatenate(lines)).save(file, optimize=True)


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--out", type=Path, default=Path("data/twilight"))
    arguments = parser.parse_args()
    data = load_dataset("twilight")
    store = ImageStore(data, data.test, SIZE, progress=False)
    method = open_run(arguments.run).method()
    features = extract_features(method, store)
    found = {
        "fingerprint": data.fingerprint,
        "lightness and near-infrared, correlation": correlations(data),
        "floor": floor(data, store),
        "without people": without_people(data, method),
        "camera rule": camera_rule(features, data),
    }
    montage(features, data, arguments.out / "unusual.png")
    write_json(arguments.out / "measurements.json", found)
    for part in ("floor", "without people"):
        table = pd.DataFrame({kind: {f"{p} {m}": v for p, s in by.items() for m, v in s.items()} for kind, by in found[part].items()})
        print(f"{part}, percent\n{(100 * table).round(1).to_string()}\n")
    for part in ("lightness and near-infrared, correlation", "camera rule"):
        print(part, {name: round(value, 3) for name, value in found[part].items()})


if __name__ == "__main__":
    main()
