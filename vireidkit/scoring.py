"""Scoring a run: the descriptors that its protocols need, and scores.json, where kinds of scores stand beside each other."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from vireidkit.data import Dataset, ImageStore, load_dataset
from vireidkit.data.manifest import possible_protocols
from vireidkit.errors import KitError, SettingError
from vireidkit.evaluation import Features, Protocol, Scores, evaluate, extract_features, get_protocol, read_scores, write_scores
from vireidkit.evaluation.reranking import RERANKED, ReRanking
from vireidkit.methods import Method, Recipe
from vireidkit.training import Run, find_checkpoint, open_run

if TYPE_CHECKING:
    from vireidkit.data.corruption import CorruptionPlan


def evaluate_run(
    run: Run | str | Path,
    protocols: Sequence[str | Protocol] | None = None,
    *,
    checkpoint: str | None = None,
    data_root: str | Path | None = None,
    device: str = "auto",
    quiet: bool = True,
    rerank: ReRanking | None = None,
    corruption: CorruptionPlan | None = None,
) -> dict[str, Scores]:
    """Score a run on its data set's test split and write the scores into ``scores.json``.

    Re-ranked scores and scores of corrupted pictures have keys of their own ("-reranked", "-corrupted-seed0"), so that they stand
    beside the plain ones and never in their place. What the file already holds is kept as long as it is of the same checkpoint.

    Args:
        protocols: names, or protocols made with options; by default every protocol of the data set.
        checkpoint: "best", "latest" or "step-N"; by default the best on validation identities, or the latest where there is none.
        rerank: re-rank every list; None ranks by distance.
        corruption: corrupt the pictures of its bands before they are described; None leaves all as they are.

    Returns:
        The new scores, by key.

    Raises:
        KitError: anything the user can mend.
    """
    run = run if isinstance(run, Run) else open_run(run)
    data = dataset_of(run, data_root)
    chosen = [get_protocol(one) if isinstance(one, str) else one for one in protocols or data.protocols]
    if not chosen:
        raise SettingError(f"no protocol applies to the test images of {data.name!r}; name one with --protocol")
    step = find_checkpoint(run.path / "checkpoint", checkpoint or run.best_checkpoint()).name
    rows = needed_rows(chosen, data)
    features = test_features(run, data=data, checkpoint=step, device=device, quiet=quiet, rows=rows, corruption=corruption)
    told = [_labelled(evaluate(features, data, protocol, rerank=rerank), step, corruption) for protocol in chosen]
    scores = {one.protocol["key"]: one for one in told}
    write_scores(run.path / "scores.json", {**_earlier(run.path / "scores.json", step), **scores})
    return scores


def test_features(
    run: Run,
    *,
    data: Dataset | None = None,
    checkpoint: str | None = None,
    untrained: bool = False,
    device: str = "auto",
    quiet: bool = True,
    rows: np.ndarray | None = None,
    corruption: CorruptionPlan | None = None,
) -> Features:
    """Test descriptors of a run: of a checkpoint, or (``untrained``) of the weights that training began from.

    Args:
        rows: positions in the test table, ascending; None is all of it.
        corruption: see ``evaluate_run``.

    Raises:
        KitError: anything the user can mend, such as a corruption of a band that the data set lacks.
    """
    data = data or dataset_of(run)
    method = run.untrained() if untrained else run.method(checkpoint)
    table = data.table("test") if rows is None else data.table("test").iloc[rows].reset_index(drop=True)
    store = ImageStore(data, table, run.image_size, progress=not quiet, resample=run.resample)
    seen: Any = store
    if corruption is not None:
        from vireidkit.data.corruption import Corrupted  # twenty operators that nothing else needs

        if not table["modality"].isin(corruption.bands).any():
            bands = " and ".join(corruption.bands)
            raise SettingError(f"{bands} pictures were to be corrupted, but the test part of {data.name!r} has none")
        seen = Corrupted(store, corruption)
    return extract_features(method, seen, device=resolve_device(device), allow_untrained=untrained, progress=not quiet)


def needed_rows(protocols: Sequence[Protocol], data: Dataset, split: str = "test") -> np.ndarray | None:
    """Positions, in the split's table, of the images that these protocols need, int64 ascending; None is all of them.

    None also where they need more than half: the pictures of a part are a cache file of their own, next to that of the whole.
    """
    found = [protocol.rows(data, split) for protocol in protocols]
    if any(rows is None for rows in found):
        return None
    rows = np.unique(np.concatenate(found))
    return rows if 2 * len(rows) <= len(data.table(split)) else None


def _labelled(scores: Scores, checkpoint: str, corruption: CorruptionPlan | None) -> Scores:
    """The scores with the checkpoint that they are of, and what was done to the pictures, in their description and key."""
    told: dict[str, Any] = {**scores.protocol, "checkpoint": checkpoint}
    if corruption is not None:
        base, reranked, parameters = told["key"].partition(RERANKED)
        told |= {"key": f"{base}{corruption.suffix}{reranked}{parameters}", "corruption": corruption.describe()}
    return replace(scores, protocol=told)


def _earlier(path: Path, checkpoint: str) -> dict[str, Scores]:
    """The scores that a file holds of this checkpoint. Those of other weights go, and a file that cannot be read is written anew."""
    if not path.exists():
        return {}
    try:
        return {key: scores for key, scores in read_scores(path).items() if scores.protocol.get("checkpoint") == checkpoint}
    except KitError:
        return {}


def dataset_of(run: Run, data_root: str | Path | None = None) -> Dataset:
    """The data set that a run was trained on, from its recorded folder or from ``data_root``.

    Raises:
        SettingError: the folder's content is not what the run was trained on.
    """
    info = run.info
    data = load_dataset(info["dataset"], data_root or info["data_root"], split=info["split"], allow_partial=True)
    if info["recipe"]["limit_identities"] is not None:
        data = data.limited(info["recipe"]["limit_identities"])
    if data.fingerprint != info["fingerprint"]:
        raise SettingError(
            f"{data.root} is not what {run.path} was trained on: expected fingerprint {info['fingerprint']}, found {data.fingerprint}"
        )
    return data


def resolve_device(device: str = "auto") -> torch.device:
    """ "auto" is the GPU when there is one.

    Raises:
        SettingError: "cuda" was asked for and is not there, or another name.
    """
    if device not in ("auto", "cpu", "cuda"):
        raise SettingError(f"unknown device {device!r}; known: auto, cpu, cuda")
    if device == "cuda" and not torch.cuda.is_available():
        raise SettingError("device 'cuda' was asked for, but torch finds no GPU; use 'cpu' or 'auto'")
    return torch.device("cuda" if device != "cpu" and torch.cuda.is_available() else "cpu")


# --- validation ---------------------------------------------------------------------------------------------------------------


def validation_protocol(data: Dataset, recipe: Recipe) -> str | None:
    """The protocol that chooses a run's best checkpoint: infrared to visible where validation people were seen in both bands, else
    within the band that several cameras saw. None where there are no such people, or the recipe learns them or never validates.
    """
    if recipe.train_on != "train" or not recipe.validate_every:
        return None
    return next(iter(possible_protocols(data.table("validation"))), None)


def validation_of(data: Dataset, recipe: Recipe) -> Callable[[Method], dict[str, float]] | None:
    """What scores a method on identities that are not learnt: Rank-1 and mAP under ``validation_protocol``; None without one."""
    name = validation_protocol(data, recipe)
    if name is None:
        return None
    store = ImageStore(data, data.table("validation"), recipe.image_size, progress=False, resample=recipe.resample)
    protocol = get_protocol(name)

    def validate(method: Method) -> dict[str, float]:
        scores = evaluate(extract_features(method, store), data, protocol, split="validation")
        return {"rank1": scores.mean["rank1"], "map": scores.mean["map"]}

    return validate
