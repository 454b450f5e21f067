"""``vireidkit twilight``: render the data set that comes with the kit, check it, compare it with a fresh rendering, look at it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from vireidkit.errors import DatasetError, SettingError

twilight_app = typer.Typer(no_args_is_help=True, help="Twilight, the rendered data set: render, verify, compare, sheet.")

Folder = Annotated[Path | None, typer.Argument(help="Twilight's folder; default: $VIREIDKIT_TWILIGHT, else data/twilight of the checkout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bar.")]
SHOWN = 20  # problems that are printed one by one
TOLERANCE = 1.0  # grey levels


@twilight_app.command("render")
def render_command(
    folder: Folder = None,
    part: Annotated[list[str] | None, typer.Option(help="main, thermal or tracklets; repeatable; default: all.")] = None,
    jobs: Annotated[int | None, typer.Option(help="Processes; default: one a CPU.", min=1)] = None,
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw everybody anew, also those who are there.")] = False,
    quiet: Quiet = False,
) -> None:
    """Draw the pictures and tables that are not there yet; stopped at any moment, the same command goes on."""
    from vireidkit.publish import PART_NAMES, render

    out = _folder(folder)
    try:
        drawn = render(out, parts=part or PART_NAMES, jobs=jobs, resume=not fresh, progress=not quiet)
    except KeyboardInterrupt as error:
        typer.echo(f"stopped; the same command goes on with {out}", err=True)
        raise typer.Exit(130) from error
    for name, identities in drawn.items():
        typer.echo(f"{out / name}: {identities} identities drawn")


@twilight_app.command("verify")
def verify_command(folder: Folder = None) -> None:
    """Check every file against manifest.json: all there, with their bytes, and no others."""
    from vireidkit.publish import verify

    report = verify(_folder(folder))
    for problem in report.problems[:SHOWN]:
        typer.echo(problem)
    if len(report.problems) > SHOWN:
        typer.echo(f"and {len(report.problems) - SHOWN} more")
    if not report.ok:
        raise DatasetError(str(report))
    typer.echo(str(report))


@twilight_app.command("compare")
def compare_command(
    folder: Folder = None,
    identities: Annotated[int, typer.Option(help="How many people are drawn again, spread over all parts.", min=1)] = 20,
) -> None:
    """Draw some people again and compare the decoded pictures with the files; more than one grey level on average is an error."""
    from vireidkit.publish import compare

    found = compare(_folder(folder), identities)
    typer.echo(str(found))
    if found.mean > TOLERANCE:
        raise DatasetError(f"the renderer of this machine differs by {found.mean:.2f} grey levels, expected at most {TOLERANCE:g}")


@twilight_app.command("sheet")
def sheet_command(
    out: Annotated[Path, typer.Argument(help="Picture file to write, such as sheet.png.")],
    people: Annotated[int, typer.Option(help="How many rows.", min=1, max=200)] = 8,
    first: Annotated[int, typer.Option(help="Number of the first person of the training population.", min=0)] = 1,
    camera: Annotated[list[int] | None, typer.Option(help="1 to 8; repeatable; default: the six of the main part.")] = None,
    band: Annotated[str | None, typer.Option(help="visible, near-infrared or thermal; default: each camera's own.")] = None,
    hardness: Annotated[float | None, typer.Option(help="Spread of the nuisances.", min=0, max=1)] = None,
    coupling: Annotated[float | None, typer.Option(help="How far lightness survives in near-infrared.", min=0, max=1)] = None,
) -> None:
    """Draw people in rows and cameras in columns, to look at."""
    from PIL import Image

    from vireidkit.files import written_aside
    from vireidkit.twilight.sheet import USUAL_CAMERAS, contact_sheet

    kind = Image.registered_extensions().get(out.suffix.lower())
    if kind not in ("PNG", "JPEG", "WEBP"):
        raise SettingError(f"a contact sheet is written as .png, .jpg or .webp; found {out.name!r}")
    try:
        sheet = contact_sheet(range(first, first + people), camera or USUAL_CAMERAS, band=band, hardness=hardness, coupling=coupling)
    except ValueError as error:
        raise SettingError(str(error)) from error
    with written_aside(out) as aside:
        sheet.save(aside, format=kind)
    typer.echo(f"{out}: {sheet.width} x {sheet.height} pixels")


def _folder(named: Path | None) -> Path:
    """The folder that was named, else the one where the reader finds Twilight."""
    if named is not None:
        return named
    from vireidkit.data.twilight import find_twilight

    return find_twilight()
