"""``vireidkit check`` and ``vireidkit data``: is the folder of a data set whole, and how is the data set obtained."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

data_app = typer.Typer()

Name = Annotated[str, typer.Argument(help="A data set that `vireidkit list` shows.")]


@data_app.command("check")
def check_command(
    dataset: Name,
    root: Annotated[Path | None, typer.Option(help="Folder of the data set; Twilight is found by itself.")] = None,
    split: Annotated[int, typer.Option(help="Split of data sets that have several.")] = 1,
    decode: Annotated[bool, typer.Option("--decode/--no-decode", help="Open every picture.")] = True,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress bar.")] = False,
) -> None:
    """Compare a folder with the published counts and open its pictures; exit code 1 when anything differs."""
    from vireidkit.data.check import check_dataset

    report = check_dataset(dataset, root, split=split, decode=decode, progress=not quiet)
    typer.echo(str(report))
    if not report.ok:
        raise typer.Exit(1)


@data_app.command("data")
def data_command(dataset: Annotated[str | None, typer.Argument(help="One of them; default: a line for each.")] = None) -> None:
    """How to obtain a data set, its terms, the layout of its folder, its counts and its protocols."""
    from vireidkit.data.obtaining import guide, guides

    typer.echo(str(guide(dataset)) if dataset else "\n".join(f"{own.name:<26} {own.what}" for own in guides()))
