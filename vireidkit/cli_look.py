"""``vireidkit look``: open runs, or features of one's own, in the explorer and the retrieval browser."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from vireidkit.errors import SettingError

look_app = typer.Typer()

PROJECTIONS = ("umap", "tsne", "pca")


@look_app.command("look")
def look_command(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run folders on the same data.")] = None,
    features: Annotated[
        Path | None, typer.Option(help="Features of your own: .npz or .safetensors with an array `features` (N, D).")
    ] = None,
    table: Annotated[
        Path | None, typer.Option(help="Their table: .csv with identity, modality, and camera and path where there are.")
    ] = None,
    images: Annotated[Path | None, typer.Option(help="Folder that the table's paths start from.")] = None,
    metric: Annotated[str, typer.Option(help="How your features are compared: cosine or euclidean.")] = "cosine",
    checkpoint: Annotated[str | None, typer.Option(help="Of the runs: best, latest or step-N; default: best where there is one.")] = None,
    data_root: Annotated[Path | None, typer.Option(help="Folder of the runs' data set; default: where they were trained.")] = None,
    projection: Annotated[str, typer.Option(help="umap, tsne or pca.")] = "umap",
    out: Annotated[Path | None, typer.Option(help="Folder for the notebook; default: a temporary one.")] = None,
    no_open: Annotated[bool, typer.Option("--no-open", help="Only write the notebook and print where it is.")] = False,
    allow_root: Annotated[bool, typer.Option("--allow-root", help="Start JupyterLab for the user root too, as in a container.")] = False,
) -> None:
    """Open the gap explorer and the retrieval browser in JupyterLab, on runs or on features of your own."""
    from vireidkit.look import call, start_lab, write_notebook

    if projection not in PROJECTIONS:
        raise SettingError(f"unknown projection {projection!r}; known: {', '.join(PROJECTIONS)}")
    if bool(runs) == (features is not None or table is not None):
        raise SettingError("look at runs, or at features of your own: vireidkit look RUN..., or vireidkit look --features F --table T")
    if runs:
        _check_runs(runs, checkpoint)
        opening = call("open_runs", runs, checkpoint=checkpoint, data_root=data_root)
    else:
        opening = _own(features, table, images, metric)
    path = write_notebook(out or Path(tempfile.mkdtemp(prefix="vireidkit-look-")), opening, projection)
    typer.echo(str(path))
    if not no_open and (code := start_lab(path, allow_root)):
        raise typer.Exit(code)


def _check_runs(paths: list[Path], checkpoint: str | None) -> None:
    """A mistake is told here, and not by a traceback in a notebook."""
    from vireidkit.training import find_checkpoint, open_run

    for run in map(open_run, paths):
        find_checkpoint(run.path / "checkpoint", checkpoint or run.best_checkpoint())


def _own(features: Path | None, table: Path | None, images: Path | None, metric: str) -> str:
    """The call that opens a user's features, once it is known to work."""
    from vireidkit.look import call, open_features

    if features is None or table is None:
        raise SettingError(f"features and table belong together: {'--features' if features is None else '--table'} is missing")
    for note in open_features(features, table, images=images, metric=metric).notes:
        typer.echo(note, err=True)
    return call("open_features", features, table, images=images, metric=metric)
