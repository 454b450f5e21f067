"""The measurements of Twilight's data card, made again: ``python benchmarks/twilight_card.py [RUN] [--out FOLDER]``.

Correlations of visible lightness with the near-infrared value, the floor (chance, random features, raw pixels), retrieval on the test
pictures rendered without people, and what forgetting the rule on cameras 2 and 3 does. RUN is a folder that ``vireidkit train agw
twilight`` left; its network is used where a trained feature is needed. What training reaches comes from the ledger
(``data/results/twilight_card.csv``, ``twilight_thermal.csv``). Writes ``measurements.json``, the tables in the card between its two
marks, and ``unusual.webp``, a montage of the 200 test pictures that lie farthest from all others in the trained feature. Without RUN
only the tables are written again, from ``measurements.json`` and the ledger.
"""

from __future__ import annotations

import argparse
import json
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
from vireidkit.files import read_json, write_json, write_text
from vireidkit.ledger import Ledger
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
    Image.fromarray(np.concatenate(lines)).save(file, quality=85, method=6)


# --- the card ---------------------------------------------------------------------------------------------------------------------

BEGINS, ENDS = "<!-- measured: written by benchmarks/twilight_card.py -->", "<!-- end of measured -->"
HEADS = {
    "ir2vis": "infrared to visible",
    "vis2ir": "visible to infrared",
    "within-visible": "within visible",
    "within-infrared": "within infrared",
    "sysu-all-single": "SYSU all-search",
    "regdb-vis2ir": "visible to thermal",
    "regdb-ir2vis": "thermal to visible",
}
TRAINED = {
    "{}": "AGW from the shipped trunk",
    '{"augmentation": "caj"}': "the same with channel augmentation",
    '{"pretrained": null}': "AGW from scratch",
}


def markdown_table(rows: dict[str, dict[str, str]], protocols: list[str]) -> str:
    """A table with one line a kind of descriptor and one column a protocol."""
    lines = ["| | " + " | ".join(HEADS[name] for name in protocols) + " |", "|---" * (len(protocols) + 1) + "|"]
    lines += [f"| {kind} | " + " | ".join(by.get(name, "-") for name in protocols) + " |" for kind, by in rows.items()]
    return "\n".join(lines)


def percent(by: dict[str, dict[str, float]]) -> dict[str, str]:
    """Rank-1 / mAP of every protocol, in percent."""
    return {name: f"{100 * score['rank1']:.1f} / {100 * score['map']:.1f}" for name, score in by.items()}


def trained_rows(name: str, fingerprint: str, protocols: list[str]) -> dict[str, dict[str, str]]:
    """Mean over seeds of the ledger's rows of one grid, with the smallest and largest Rank-1 in brackets."""
    rows = Ledger.read().rows
    rows = rows[(rows["file"] == name) & (rows["fingerprint"] == fingerprint)]
    found = {}
    for settings, kind in TRAINED.items():
        own = rows[[json.loads(text) == json.loads(settings) for text in rows["settings"]]]
        if len(own):
            found[f"{kind} ({len(own)} seeds)"] = {p: _over_seeds(own, p) for p in protocols}
    return found


def _over_seeds(rows: pd.DataFrame, protocol: str) -> str:
    rank1, ap = (100 * rows[f"{protocol}_{metric}"].astype(float) for metric in ("rank1", "map"))
    return f"**{rank1.mean():.1f}** / {ap.mean():.1f} ({rank1.min():.1f}-{rank1.max():.1f})"


def card_text(found: dict[str, Any], data: Dataset, thermal: Dataset) -> str:
    """All measured tables of the card."""
    names, pairs = list(data.protocols), ["regdb-vis2ir", "regdb-ir2vis"]
    main = {kind: percent(by) for kind, by in found["floor"].items()} | trained_rows("twilight_card", data.fingerprint, names)
    other = {k: percent(by) for k, by in found["thermal floor"].items()} | trained_rows("twilight_thermal", thermal.fingerprint, pairs)
    scenes = {kind: percent(by) for kind, by in found["without people"].items()}
    rule = {name: f"{100 * value:.1f}" for name, value in found["camera rule"].items()}
    link = ", ".join(f"{part} {value:.2f}" for part, value in found["lightness and near-infrared, correlation"].items())
    parts = [
        "### Main part, 100 test people, Rank-1 / mAP in percent\n",
        markdown_table(main, names),
        "\n### Thermal part, split 1, 50 test people, Rank-1 / mAP in percent\n",
        markdown_table(other, pairs),
        "\n### The same test pictures without the people\n",
        markdown_table(scenes, names[:4]),
        "\n### Forgetting the rule on cameras 2 and 3\n",
        "Queries of camera 3, Rank-1 / mAP in percent: "
        f"camera 2 removed, as the protocol has it: {rule['kept rank1']} / {rule['kept map']}; "
        f"nothing removed: {rule['forgotten rank1']} / {rule['forgotten map']}; "
        f"another visible camera removed instead (mean of three): {rule['other camera rank1']} / {rule['other camera map']}.",
        f"\n### Visible lightness against near-infrared value, correlation over all 500 people\n\n{link}.",
    ]
    return "\n".join(parts)


def write_card(readme: Path, text: str) -> None:
    """Put the tables between the marks of the card."""
    before, begins, rest = readme.read_text(encoding="utf-8").partition(BEGINS)
    _, ends, after = rest.partition(ENDS)
    if not (begins and ends):
        raise SystemExit(f"{readme} has no marks {BEGINS} and {ENDS}")
    write_text(readme, f"{before}{BEGINS}\n\n{text}\n\n{ENDS}{after}")


def measured(run: Path, data: Dataset, thermal: Dataset, out: Path) -> dict[str, Any]:
    """Everything that is measured here; the montage is written on the way."""
    store = ImageStore(data, data.test, SIZE, progress=False)
    method = open_run(run).method()
    features = extract_features(method, store)
    montage(features, data, out / "unusual.webp")
    return {
        "fingerprint": data.fingerprint,
        "lightness and near-infrared, correlation": correlations(data),
        "floor": floor(data, store),
        "without people": without_people(data, method),
        "camera rule": camera_rule(features, data),
        "thermal floor": floor(thermal, ImageStore(thermal, thermal.test, SIZE, progress=False)),
    }


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path, nargs="?")
    parser.add_argument("--out", type=Path, default=Path("data/twilight"))
    arguments = parser.parse_args()
    data, thermal = load_dataset("twilight"), load_dataset("twilight-thermal")
    file = arguments.out / "measurements.json"
    if arguments.run is not None:
        write_json(file, measured(arguments.run, data, thermal, arguments.out))
    found = read_json(file, what="measurements")
    if found["fingerprint"] != data.fingerprint:
        raise SystemExit(f"{file} was measured on other pictures: name a RUN")
    write_card(arguments.out / "README.md", card_text(found, data, thermal))
    print(card_text(found, data, thermal))


if __name__ == "__main__":
    main()
