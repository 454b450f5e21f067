"""The command line: ``vireidkit`` or ``python -m vireidkit``. A user's mistake is one line and exit code 2, never a traceback."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from vireidkit.cli_cost import cost_app
from vireidkit.cli_data import data_app
from vireidkit.cli_look import look_app
from vireidkit.cli_pairs import pairs
from vireidkit.cli_twilight import twilight_app
from vireidkit.errors import KitError, SettingError

if TYPE_CHECKING:  # torch takes seconds to import, which a list or a mistake should not cost
    from vireidkit.data.corruption import CorruptionPlan
    from vireidkit.evaluation import Protocol

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    help="A study kit for visible-infrared person re-identification.",
)
app.add_typer(data_app)  # its commands stand among the others
app.add_typer(look_app)
app.add_typer(cost_app)
app.add_typer(twilight_app, name="twilight")

MethodName = Annotated[str, typer.Argument(help="A name that `vireidkit list` shows.")]
DataRoot = Annotated[str | None, typer.Option(help="Folder of the data set; Twilight is found by itself.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Profile = Annotated[str | None, typer.Option(help="smoke, study, compare or paper; default: study for Twilight, paper otherwise.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress bars.")]


@app.command("list")
def list_command() -> None:
    """Methods, data sets, and the recipes that are defined for them."""
    from vireidkit.data import list_datasets
    from vireidkit.methods import list_methods, list_recipes, method_class

    typer.echo("methods")
    for name in list_methods():
        cls = method_class(name)
        typer.echo(f"  {name:<10} {cls.title or name}  [{cls.grade}]  {cls.paper}".rstrip())
    typer.echo("data sets")
    for name in list_datasets():
        typer.echo(f"  {name}")
    typer.echo("recipes")
    for own in list_recipes().to_dict("records"):
        typer.echo(f"  {own['method']:<10} {own['data set']:<25} {own['profile']:<8} {own['cost']}")


@app.command("train")
def train_command(
    method: MethodName,
    dataset: Annotated[str, typer.Argument(help="A data set that `vireidkit list` shows.")],
    profile: Profile = None,
    seed: Annotated[int, typer.Option(help="Keys every random draw.")] = 0,
    out: Annotated[Path | None, typer.Option(help="Run folder; default: a name under runs/.")] = None,
    set_: Annotated[
        list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A method setting or a recipe field; repeatable.")
    ] = None,
    data_root: DataRoot = None,
    split: Annotated[int, typer.Option(help="Split of data sets that have several.")] = 1,
    allow_partial: Annotated[bool, typer.Option("--allow-partial", help="Go on when files of the data set are missing.")] = False,
    device: Device = "auto",
    devices: Annotated[int, typer.Option(help="Number of processes, one a device.", min=1)] = 1,
    precision: Annotated[str | None, typer.Option(help="32-true, bf16-mixed, 16-mixed, 64-true; default: the recipe's.")] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from the folder's latest checkpoint.")] = False,
    keep_every: Annotated[int, typer.Option(help="Keep the checkpoint after every so many epochs; 0: best and latest alone.", min=0)] = 0,
    quiet: Quiet = False,
) -> None:
    """Train a method and leave a run folder with history, checkpoints and run.json."""
    from lightning_fabric.utilities.rank_zero import rank_zero_only

    from vireidkit.experiment import train

    run = train(
        method,
        dataset,
        profile=profile,
        seed=seed,
        out=out,
        overrides=pairs(set_ or []),
        data_root=data_root,
        split=split,
        allow_partial=allow_partial,
        device=device,
        devices=devices,
        precision=precision,
        resume=resume,
        keep_every=keep_every,
        quiet=quiet,
    )
    info = run.info
    best = info.get("best_validation_map")
    chosen = f"; best validation mAP ({info['validation']}) {100 * best:.1f} %" if best is not None else ""
    rank_zero_only(typer.echo)(f"{run.path}: {info['steps']} steps in {info['seconds']:.0f} s{chosen}")


@app.command("evaluate")
def evaluate_command(
    run: Annotated[Path, typer.Argument(help="A run folder.")],
    protocol: Annotated[
        list[str] | None,
        typer.Option(help="NAME or NAME:OPTION=VALUE,..., as in sysu-all-single:sampler=perm; repeatable; default: all of the data set."),
    ] = None,
    checkpoint: Annotated[str | None, typer.Option(help="best, latest or step-N; default: best where validation chose one.")] = None,
    data_root: DataRoot = None,
    rerank: Annotated[bool, typer.Option("--rerank", help="Re-rank by k-reciprocal neighbours; keys end in -reranked.")] = False,
    corrupt: Annotated[
        int | None, typer.Option(metavar="SEED", help="Corrupt the test pictures, each in a way drawn from this seed and its path.")
    ] = None,
    severity: Annotated[int | None, typer.Option(help="Of all corruptions, 1 to 5; default: drawn for each picture.")] = None,
    corrupt_band: Annotated[str | None, typer.Option(help="visible (default, as published), infrared or both.")] = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Score a run on the test identities, print each score with its protocol, and write them into scores.json.

    Re-ranked scores and those of corrupted pictures are written beside the plain ones, under keys of their own. Published corrupted
    scores of SYSU-MM01 are of its first gallery alone: --protocol sysu-all-single:trials=1 --corrupt SEED.
    """
    from vireidkit.evaluation.reranking import ReRanking
    from vireidkit.experiment import evaluate_run

    found = evaluate_run(
        run,
        [_protocol(text) for text in protocol or []],
        checkpoint=checkpoint,
        data_root=data_root,
        device=device,
        quiet=quiet,
        rerank=ReRanking() if rerank else None,
        corruption=_corruption(corrupt, severity, corrupt_band),
    )
    for scores in found.values():
        typer.echo(str(scores))


@app.command("sweep")
def sweep_command(
    grid: Annotated[Path, typer.Argument(help="A YAML file: name, methods, dataset, profile, seeds, settings.")],
    runs: Annotated[Path, typer.Option(help="Where the run folders go.")] = Path("runs/sweep"),
    results: Annotated[Path | None, typer.Option(help="Ledger folder; default: data/results of the checkout.")] = None,
    data_root: DataRoot = None,
    jobs: Annotated[int, typer.Option(help="Runs at a time, one thread each.", min=1)] = 2,
) -> None:
    """Run methods x settings x seeds and write one ledger row a run; rows that exist are skipped."""
    from vireidkit.sweep import sweep

    typer.echo(f"{sweep(grid, runs=runs, results=results, data_root=data_root, jobs=jobs)} new rows")


@app.command("ledger")
def ledger_command(
    results: Annotated[Path | None, typer.Option(help="Ledger folder; default: data/results of the checkout.")] = None,
    metric: Annotated[str, typer.Option(help="Column to summarise.")] = "ir2vis_map",
    check: Annotated[bool, typer.Option("--check", help="Recompute each row's behaviour probe and mark stale rows (slow).")] = False,
) -> None:
    """Print the recorded results: mean over seeds with a 95 % interval."""
    from vireidkit.ledger import Ledger

    ledger = Ledger.read(results)
    if check:
        from vireidkit.sweep import probe_of_row

        ledger.check(probe_of_row)
    if ledger.rows.empty:
        typer.echo(f"no rows in {ledger.folder}")
        return
    found = ledger.table(metric=metric)
    for name in ("mean", "low", "high"):
        found[name] = (100 * found[name]).round(1)
    typer.echo(f"{metric}: mean over n seeds with 95 % interval (seeds resampled), percent")
    typer.echo(found.drop(columns=["fingerprint", "metric"]).to_string(index=False))


@app.command("pretrain")
def pretrain_command(
    trunk: Annotated[str, typer.Argument(help="resnet18, osnet or resnet50.")],
    data: Annotated[Path, typer.Option(help="Folder with cam1, cam2, cam4 and cam5 in the form of SYSU-MM01.")],
    out: Annotated[Path, typer.Option(help="Folder of the weights.")] = Path("data/weights"),
    width: Annotated[float, typer.Option(help="Factor on the trunk's channels.")] = 0.25,
    seed: Annotated[int, typer.Option(help="Of weights, batches and augmentation.")] = 0,
    render: Annotated[int | None, typer.Option(help="Render so many people into the data folder first.", min=1)] = None,
    population_seed: Annotated[int, typer.Option(help="Of the rendered people.")] = 20261201,
    set_: Annotated[list[str] | None, typer.Option("--set", metavar="KEY=VALUE", help="A PretrainSettings field; repeatable.")] = None,
    quiet: Quiet = False,
) -> None:
    """Pretrain a small trunk on visible pictures of people who are in no data set."""
    from vireidkit.pretrain import pretrain

    options = {"width": width, "seed": seed, "render": render, "population_seed": population_seed, "quiet": quiet}
    entry = pretrain(trunk, root=data, out=out, overrides=pairs(set_ or []), **options)
    score = entry["held_out"]
    typer.echo(f"{out / entry['file']}: {entry['steps']} steps in {entry['seconds']:.0f} s of CPU time")
    for label, found in (("held-out people", score), ("before training", score["untrained"]), ("raw pixels", score["raw_pixels"])):
        typer.echo(f"  {label:<16} within-visible Rank-1 {100 * found['rank1']:.1f}, mAP {100 * found['map']:.1f}")


@app.command("cite")
def cite_command(method: MethodName) -> None:
    """Print a method's BibTeX entry."""
    from vireidkit.methods import method_class

    cls = method_class(method)
    if not cls.citation:
        raise SettingError(f"method {method!r} names no citation")
    typer.echo(cls.citation.strip())


def _protocol(text: str) -> Protocol:
    """``name:option=value,...`` as a protocol; a value that reads as a whole number, true or false is one."""
    from vireidkit.evaluation import get_protocol

    name, colon, options = text.partition(":")
    chosen = pairs(options.split(","), "a protocol's option") if colon else {}
    words = {"true": True, "false": False}
    return get_protocol(name, **{key: words.get(value, int(value) if value.isdecimal() else value) for key, value in chosen.items()})


def _corruption(seed: int | None, severity: int | None, band: str | None) -> CorruptionPlan | None:
    """What the options of ``evaluate`` ask to be done to the pictures."""
    if seed is None:
        given = [option for option, value in (("--severity", severity), ("--corrupt-band", band)) if value is not None]
        if given:
            raise SettingError(f"{given[0]} belongs to --corrupt SEED, which was not given")
        return None
    bands = {"visible": ("visible",), "infrared": ("infrared",), "both": ("visible", "infrared")}
    band = band or "visible"
    if band not in bands:
        raise SettingError(f"--corrupt-band takes visible, infrared or both; found {band!r}")
    from vireidkit.data.corruption import CorruptionPlan

    return CorruptionPlan(seed, bands=bands[band], severity=severity)


def main() -> None:
    """Entry point: errors that the user can mend become one line on stderr and exit code 2."""
    try:
        app()
    except KitError as error:
        print(f"error: {' '.join(str(error).split())}", file=sys.stderr)
        sys.exit(2)
    except OSError as error:
        print(f"error: {error.filename or ''}: {error.strerror or error}", file=sys.stderr)
        sys.exit(2)
    except BaseException as error:
        _leave_after_signal(error)
        raise


def _leave_after_signal(error: BaseException) -> None:
    """A run stopped by a signal ends with the shell's exit code for that signal."""
    training = sys.modules.get("vireidkit.training.loop")
    if training is not None and isinstance(error, training.TrainingStopped):
        print(error, file=sys.stderr)
        sys.exit(128 + error.signum)
