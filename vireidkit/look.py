"""``vireidkit look``: trained runs, or features that a user brings, opened in the explorer and the retrieval browser."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from vireidkit.data import Dataset, ImageStore
from vireidkit.data.dataset import open_image
from vireidkit.data.twilight import read_factors
from vireidkit.errors import CheckpointError, DatasetError, SettingError
from vireidkit.evaluation import Features, Trial, get_protocol
from vireidkit.experiment import dataset_of, test_features
from vireidkit.files import write_json
from vireidkit.own_features import own_trials, read_own_features
from vireidkit.training import Run, open_run

if TYPE_CHECKING:
    from vireidkit.viz.explorer import GapExplorer
    from vireidkit.viz.retrieval_browser import RetrievalBrowser

POINTS = 3000  # of the map: a projection of more takes minutes, and shows no more
BEFORE, AFTER = "before training", "after training"
NOTEBOOK = "look.ipynb"


@dataclass(frozen=True, eq=False)
class Look:
    """What the two instruments are opened on.

    Attributes:
        mapped: for the map, (method, epoch) or method -> ``Features``; ranked: for the rankings, method -> ``Features``.
        trials: name -> ``Trial``; image_of: the picture of a row, or None.
        factors: further columns, one value a row, or None; map_of: method -> similarity map of a pair of rows.
        bands: names of the two modalities; notes: what is missing, one sentence each.
    """

    mapped: Mapping[Any, Features]
    ranked: Mapping[str, Features]
    trials: Mapping[str, Trial]
    image_of: Callable[[int], Any] | None
    factors: pd.DataFrame | None = None
    map_of: Mapping[str, Callable[[int, int], Any]] = field(default_factory=dict)
    bands: tuple[str, str] = ("visible", "infrared")
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        images = len(next(iter(self.ranked.values())))
        return "\n".join([f"{', '.join(self.ranked)}: {images:,} images; trials: {', '.join(self.trials)}", *self.notes])

    __repr__ = __str__

    def explorer(self, projection: str = "umap", *, seed: int = 0, points: int = POINTS) -> GapExplorer:
        """The map of the images, each method and epoch laid out by itself and aligned; evenly thinned out to at most ``points``."""
        from vireidkit import viz
        from vireidkit.analysis.aligned import project_many

        size = len(next(iter(self.mapped.values())))
        rows = np.arange(size) if size <= points else np.linspace(0, size - 1, points).round().astype(int)
        shown = {key: replace(own, matrix=own.matrix[rows], table=own.table.iloc[rows]) for key, own in self.mapped.items()}
        image_of = self.image_of
        picture = None if image_of is None else lambda row: image_of(int(rows[row]))
        factors = None if self.factors is None else self.factors.iloc[rows].reset_index(drop=True)
        # Not "joint": whoever waits for a map need not wait several times as long.
        laid = project_many(shown, method=projection, align="procrustes", seed=seed)
        return viz.GapExplorer(shown, laid, picture, factors=factors, bands=self.bands)

    def browser(self) -> RetrievalBrowser:
        """The rankings of these features."""
        from vireidkit import viz

        return viz.RetrievalBrowser(self.ranked, self.trials, self.image_of, map_of=self.map_of, bands=self.bands)


def open_runs(
    paths: Sequence[str | Path], *, checkpoint: str | None = None, data_root: str | Path | None = None, device: str = "auto"
) -> Look:
    """The test images of one or more runs on the same data, before and after training.

    Args:
        paths: run folders. checkpoint, data_root, device: as for ``vireidkit evaluate``.

    Raises:
        SettingError: no run, or runs on different data. CheckpointError, DatasetError: a run or its data cannot be read.
    """
    if not paths:
        raise SettingError("name a run folder, or bring features with --features and --table")
    runs = _named([open_run(Path(path)) for path in paths])
    first = next(iter(runs.values()))
    data = dataset_of(first, data_root)
    for name, run in runs.items():
        if run.info["fingerprint"] != first.info["fingerprint"]:
            raise SettingError(f"runs are looked at together only on the same data: {first.path} and {run.path} ({name}) differ")
    mapped: dict[Any, Features] = {}
    ranked: dict[str, Features] = {}
    notes = []
    for name, run in runs.items():
        trained = test_features(run, data=data, checkpoint=checkpoint, device=device)
        start, why = _start(run, data, device)
        mapped |= {(name, BEFORE): start, (name, AFTER): trained} if start is not None else {(name, AFTER): trained}
        ranked |= {name: trained} | ({f"{name} {BEFORE}": start} if start is not None and len(runs) == 1 else {})
        notes += [why] if why else []
    trials, skipped = _trials(data)
    maps = {name: _maps(run, data, checkpoint) for name, run in runs.items()}
    return Look(mapped, ranked, trials, _pictures(data), _factors(data), maps, data.bands, (*notes, *skipped))


def open_features(
    features: str | Path, table: str | Path, *, images: str | Path | None = None, metric: str = "cosine", name: str | None = None
) -> Look:
    """Features that a user brings: see ``read_own_features``.

    Args:
        images: the folder that the table's paths start from; without it, or without a column ``path``, places stay grey.

    Raises:
        SettingError, DatasetError: files that cannot be read or do not fit each other, or a folder that is not there.
    """
    own = read_own_features(features, table, metric=metric)
    name = name or Path(features).stem
    notes, image_of = [], None
    if images is not None and not Path(images).is_dir():
        raise DatasetError(f"--images {images}: this folder does not exist")
    if images is None or "path" not in own.table.columns:
        notes.append(f"No pictures: {'the table has no column path' if images is not None else 'name their folder with --images'}.")
    else:
        image_of = _folder(Path(images), own.table)
    if "camera" not in own.table.columns:
        notes.append("The table has no column camera: nothing is removed from a gallery, and the map has no camera colours.")
    return Look({name: own}, {name: own}, own_trials(own.table), image_of, notes=tuple(notes))


def _named(runs: Sequence[Run]) -> dict[str, Run]:
    """Runs by method; by folder where a method comes twice."""
    methods = [run.info["method"] for run in runs]
    names = methods if len(set(methods)) == len(runs) else [run.path.resolve().name for run in runs]
    if len(set(names)) != len(runs):
        raise SettingError(f"a run was named twice: {', '.join(str(run.path) for run in runs)}")
    return dict(zip(names, runs, strict=True))


def _start(run: Run, data: Dataset, device: str) -> tuple[Features | None, str]:
    """Features before training; None, and why, where the weights it began from are gone."""
    try:
        return test_features(run, data=data, untrained=True, device=device), ""
    except CheckpointError as error:
        return None, f"Not shown before training: {error}."


def _trials(data: Dataset) -> tuple[dict[str, Trial], list[str]]:
    """The first trial of every protocol that the data allows, and a sentence on each that it does not."""
    trials, skipped = {}, []
    for name in data.protocols:
        try:
            trials[name] = next(iter(get_protocol(name).trials(data)))
        except SettingError as error:
            skipped.append(f"Skipped {name}: {error}.")
    return trials, skipped


def _factors(data: Dataset) -> pd.DataFrame | None:
    """What was drawn, picture by picture, where the data set is a rendered one."""
    try:
        people, pictures = read_factors(data)
    except DatasetError:
        return None
    joined = data.test.merge(pictures, on="path", how="left").merge(people, on="identity", how="left")
    return joined.drop(columns=list(data.test.columns))


def _maps(run: Run, data: Dataset, checkpoint: str | None) -> Callable[[int, int], Any]:
    """``map_of`` of a run; the network is loaded when the first map is asked for."""
    found: list[Callable[[int, int], Any]] = []

    def map_of(query_row: int, gallery_row: int) -> Any:
        if not found:
            from vireidkit.analysis.similarity import similarity_map_of

            store = ImageStore(data, data.test, run.image_size, progress=False, resample=run.resample)
            found.append(similarity_map_of(run.method(checkpoint), store))
        return found[0](query_row, gallery_row)

    return map_of


def _pictures(data: Dataset) -> Callable[[int], Any]:
    paths = data.test["path"].tolist()
    return lambda row: data.open(paths[row])


def _folder(folder: Path, table: pd.DataFrame) -> Callable[[int], Any]:
    """``image_of`` over a folder; paths are relative to it, with "/" between their parts."""
    paths = table["path"].tolist()

    def image_of(row: int) -> Any:
        if not isinstance(paths[row], str) or not paths[row]:
            raise DatasetError(f"row {row} names no picture")
        file = folder.joinpath(*paths[row].split("/"))
        return open_image(file, file)

    return image_of


# --- the notebook ---------------------------------------------------------------------------------------------------------------------

ABOUT = """# Look

**Map.** Point at an image to see it, draw a line around images to select them; `explorer.selected` is their table.
**Rankings.** Choose a query, click on an answer; `browser.selected` is the query, `browser.answers()` the lists.

Positions in a projection have no unit, and distances between clusters mean nothing: look at the numbers under the map,
and at the nearest images in the original space (select one image)."""


def notebook(opening: str, projection: str = "umap") -> dict[str, Any]:
    """A notebook that opens both instruments; ``opening`` is the call that makes the ``Look``."""
    function = opening.split("(")[0]
    cells = [
        ("markdown", ABOUT),
        ("code", f"from vireidkit.look import {function}\n\nlook = {opening}\nlook"),
        ("code", f"explorer = look.explorer({projection!r})\nexplorer"),
        ("code", "explorer.selected  # run again after selecting"),
        ("code", "browser = look.browser()\nbrowser"),
        ("code", "browser.answers()  # run again after choosing"),
    ]
    kernel = {"display_name": "Python 3", "language": "python", "name": "python3"}
    return {
        "cells": [_cell(*cell, i) for i, cell in enumerate(cells)],
        "metadata": {"kernelspec": kernel},
        "nbformat": 4,
        "nbformat_minor": 5,
    }


def _cell(kind: str, text: str, place: int) -> dict[str, Any]:
    code = {"execution_count": None, "outputs": []} if kind == "code" else {}
    return {"cell_type": kind, "id": f"look-{place:03d}", "metadata": {}, "source": text.splitlines(keepends=True), **code}


def call(function: str, *values: Any, **named: Any) -> str:
    """A call as Python text, leaving out what is None. Paths become absolute, so that the notebook may lie anywhere."""
    texts = [_literal(value) for value in values] + [f"{name}={_literal(value)}" for name, value in named.items() if value is not None]
    return f"{function}({', '.join(texts)})"


def _literal(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return f"[{', '.join(map(_literal, value))}]"
    return repr(str(value.absolute())) if isinstance(value, Path) else repr(value)


def write_notebook(folder: Path, opening: str, projection: str = "umap") -> Path:
    """Write the notebook into a folder, which is made where it is missing; an older one is replaced.

    Raises:
        KitError: the folder cannot be written to.
    """
    path = folder / NOTEBOOK
    write_json(path, notebook(opening, projection))
    return path


def start_lab(path: Path, allow_root: bool = False) -> int:
    """Open a notebook in JupyterLab and wait until it is closed; its exit code.

    Args:
        allow_root: start it for the user root too, which JupyterLab refuses otherwise: whoever reaches it may do anything.

    Raises:
        SettingError: JupyterLab is not installed, or it would refuse the user root.
    """
    if importlib.util.find_spec("jupyterlab") is None:
        raise SettingError("JupyterLab is not installed: pip install 'vireidkit[notebooks]', or use --no-open")
    if not allow_root and hasattr(os, "geteuid") and os.geteuid() == 0:
        raise SettingError(
            f"JupyterLab does not start for the user root: add --allow-root (as in a container), or open {path} as another user"
        )
    options = ["--allow-root"] if allow_root else []
    return subprocess.run([sys.executable, "-m", "jupyterlab", path.name, *options], cwd=path.parent).returncode
