"""``vireidkit cost`` and ``vireidkit export``: what a method takes, and its descriptor as a file for elsewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vireidkit.cli_pairs import pairs
from vireidkit.errors import SettingError

if TYPE_CHECKING:
    import pandas as pd

cost_app = typer.Typer()

HEADINGS = {
    "method": "method",
    "parameters": "parameters",
    "parameters_test": "at test",
    "multiply_adds": "multiply-adds",
    "descriptor": "descriptor",
    "latency_ms": "ms alone",
    "batch_ms": "ms in a batch",
}


@cost_app.command("cost")
def cost_command(
    method: Annotated[str | None, typer.Argument(help="A name that `vireidkit list` shows; default: a table of all.")] = None,
    dataset: Annotated[
        str | None,
        typer.Option(help="Of the recipe whose settings and picture size count; no data are read. Default: sysu-mm01 where there is one."),
    ] = None,
    profile: Annotated[
        str | None, typer.Option(help="smoke, study, compare or paper; default: study for Twilight, paper otherwise.")
    ] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A method setting or a recipe field; repeatable.")
    ] = None,
    identities: Annotated[int, typer.Option(help="Training identities, which classifiers depend on.")] = 395,
    rounds: Annotated[int, typer.Option(help="Timed repetitions; their median is shown.")] = 5,
    device: Annotated[str, typer.Option(help="auto, cpu or cuda.")] = "auto",
    out: Annotated[Path | None, typer.Option(help="Also write the table to this CSV file.")] = None,
) -> None:
    """Parameters in training and at test, multiply-adds, latency on this device and length of the descriptor."""
    from vireidkit.cost import DATASET, cost_table, usual_dataset
    from vireidkit.files import write_text

    if method is None and set_:
        raise SettingError("--set belongs to one method: vireidkit cost METHOD --set KEY=VALUE")
    overrides = pairs(set_ or [])
    chosen = None if method is None else [method]
    dataset = dataset or (DATASET if method is None else usual_dataset(method))
    table = cost_table(chosen, dataset, profile, overrides=overrides, identities=identities, rounds=rounds, device=device)
    typer.echo(shown(table).to_string(index=False))
    if method is not None:
        typer.echo(_parts(table.iloc[0], overrides))
    typer.echo(_measured(table.iloc[0], rounds))
    if out is not None:
        write_text(out, table.to_csv(index=False))


def shown(table: pd.DataFrame) -> pd.DataFrame:
    """The columns of a cost table that fit a screen, as text."""
    found = table[list(HEADINGS)].copy()
    for name in ("parameters", "parameters_test", "descriptor"):
        found[name] = [f"{value:,}" for value in table[name]]
    found["multiply_adds"] = [f"{value / 1e6:,.1f} M" for value in table["multiply_adds"]]
    for name in ("latency_ms", "batch_ms"):
        found[name] = [f"{value:.1f}" for value in table[name]]
    return found.rename(columns=HEADINGS)


def _parts(row: pd.Series, overrides: dict[str, str]) -> str:
    """Where the parameters of one method are."""
    from vireidkit.cost import parts_of
    from vireidkit.methods import build_method, get_recipe, with_overrides

    recipe, settings = with_overrides(row["method"], get_recipe(row["method"], row["dataset"], row["profile"]), overrides)
    network = build_method(row["method"], int(row["identities"]), **settings).eval()
    lines = [
        f"  {part:<20} {own:>12,} {at_test:>12,}" for part, own, at_test in parts_of(network, recipe.image_size).itertuples(index=False)
    ]
    return "\n".join([f"  {'part':<20} {'parameters':>12} {'at test':>12}", *lines])


def _measured(row: pd.Series, rounds: int) -> str:
    """What the numbers are of, and how latency was taken."""
    return (
        f"recipe {row['dataset']}, {row['profile']}: pictures {row['height']}x{row['width']}, {row['identities']} identities, random "
        f"weights. Multiply-adds of one picture by torch's flop counter. Milliseconds a picture, alone and in a batch of {row['batch']}: "
        f"median of {rounds} on {row['device']} (threads: {row['threads']}); compare them with each other only."
    )


@cost_app.command("export")
def export_command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    out: Annotated[Path, typer.Option(help="Folder for visible.pt2, infrared.pt2 and card.json.")],
    checkpoint: Annotated[str | None, typer.Option(help="best, latest or step-N; default: best where validation chose one.")] = None,
    band: Annotated[str, typer.Option(help="visible, infrared or both.")] = "both",
) -> None:
    """Write a run's descriptor as programs that torch loads without this kit (torch.export), each checked against the network."""
    from vireidkit.export import export_run
    from vireidkit.modality import MODALITIES

    if band not in (*MODALITIES, "both"):
        raise SettingError(f"--band takes visible, infrared or both; found {band!r}")
    for path in export_run(run, out, checkpoint=checkpoint, bands=MODALITIES if band == "both" else (band,)):
        typer.echo(str(path))
