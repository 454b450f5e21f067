"""Run notebooks from the command line with papermill: one process each, a record beside each, an index over all.

Two sides. Inside a notebook: ``record`` and ``environment_report`` leave named numbers in the outputs. Outside:
``run_notebook`` and ``run_study`` execute, read those numbers back, and write pages that open without a network.
"""

from __future__ import annotations

import argparse
import ast
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

from vireidkit.errors import KitError, SettingError
from vireidkit.files import write_json

METADATA = "vireidkit"
STUDY = ("00", "01", "02", "03", "04", "05")
COSTS = ("training", "projection")
CELL_TIMEOUT = 900
NOTEBOOK_TIMEOUT = 3600
TIMED_OUT = -1000


# --- inside a notebook ----------------------------------------------------------------------------------------------------------------


def record(name: str, value: float | int | str, unit: str = "", *, label: str | None = None) -> None:
    """Show a key number of a notebook and leave it in the output under ``name``, for tests, the run record and the index.

    Args:
        name: a stable key, such as "ir2vis_rank1".
        value: a number (shares as 0-1) or a short text.
        unit: "share" is shown in percent; any other text follows the number.
        label: the words shown to a reader; by default the name.
    """
    from IPython.display import display

    value = value.item() if hasattr(value, "item") else value
    value = None if value != value else value  # NaN is no JSON
    entry = {"number": name, "value": value, "unit": unit, "label": label or name.replace("_", " ")}
    display({"text/plain": f"{entry['label']}: {spoken(value, unit)}"}, raw=True, metadata={METADATA: entry})


def spoken(value: float | int | str | None, unit: str = "") -> str:
    """A recorded number as a reader sees it: shares in percent, others with four significant digits."""
    if value is None or value != value:
        return "not defined"
    if isinstance(value, (str, bool)):
        return f"{value} {unit}".strip()
    if unit == "share":
        return f"{100 * value:.1f} %"
    text = f"{value:,}" if isinstance(value, int) else f"{value:.4g}"
    return f"{text} {unit}".strip()


def environment_report(seed: int, dataset: Any = None, device: str = "cpu") -> Any:
    """Versions, device, threads, seed, commit and the data set's fingerprint: the first thing a notebook prints.

    Args:
        seed: the notebook's seed.
        dataset: a ``Dataset`` or None.
        device: what the notebook computes on, as torch names it.

    Returns:
        A pandas table, one row a fact. Showing it also leaves the same facts in the run record.
    """
    import pandas as pd
    import torch
    from IPython.display import display

    from vireidkit.training.run import commit, versions

    facts = {**versions(), "device": str(device), "threads": torch.get_num_threads(), "seed": seed, "commit": commit()}
    if dataset is not None:
        facts |= {"data set": f"{dataset.title} ({dataset.name})", "fingerprint": dataset.fingerprint}
    display({"text/plain": f"commit {facts['commit']}, seed {seed}"}, raw=True, metadata={METADATA: {"environment": facts}})
    facts |= {"fingerprint": dataset.fingerprint[:16]} if dataset is not None else {}  # enough to compare by eye
    return pd.DataFrame({"value": [str(value) for value in facts.values()]}, index=pd.Index(list(facts), name="what"))


# --- what a finished notebook holds ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class CellError:
    """Where a notebook failed: the cell's id, its number in the executed copy (from 1), and the last line of the error."""

    cell: str
    number: int
    line: str

    def __str__(self) -> str:
        return f"cell {self.number} ({self.cell}): {self.line}"


@dataclass(frozen=True)
class NotebookRun:
    """One executed notebook and what it cost. Times in seconds, memory in MiB (the largest process)."""

    name: str
    path: Path
    parameters: dict[str, Any]
    started: str
    wall_seconds: float
    process_seconds: float
    peak_memory_mib: float
    error: CellError | None = None
    costs: dict[str, float] = field(default_factory=dict)
    numbers: dict[str, dict[str, Any]] = field(default_factory=dict)
    figures: list[str] = field(default_factory=list)
    environment: dict[str, Any] = field(default_factory=dict)

    @property
    def succeeded(self) -> bool:
        """Whether every cell ran."""
        return self.error is None

    def value(self, number: str) -> Any:
        """A recorded number by its name.

        Raises:
            KeyError: the notebook recorded no such number.
        """
        return self.numbers[number]["value"]


def read_notebook(path: Path) -> dict[str, Any]:
    """A notebook file as plain JSON.

    Raises:
        KitError: the file is missing or is no notebook.
    """
    try:
        book = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as missing:
        raise KitError(f"notebook not found: {path}") from missing
    except (OSError, ValueError) as broken:
        raise KitError(f"notebook cannot be read: {path}: {broken}") from broken
    if not isinstance(book, dict) or not isinstance(book.get("cells"), list):
        raise KitError(f"notebook cannot be read: {path}: expected cells, found none")
    return book


def outputs_with(book: Mapping[str, Any], key: str) -> Iterable[tuple[dict[str, Any], dict[str, Any]]]:
    """(the kit's metadata, the output) of every output whose metadata from the kit holds ``key``."""
    for cell in book["cells"]:
        for output in cell.get("outputs", []):
            entry = output.get("metadata", {}).get(METADATA, {})
            if key in entry:
                yield entry, output


def has_tag(cell: Mapping[str, Any], tag: str) -> bool:
    """Whether a cell carries a tag."""
    return tag in cell.get("metadata", {}).get("tags", [])


def declared_parameters(book: Mapping[str, Any]) -> dict[str, Any]:
    """Names and default values of the cell tagged ``parameters``: literals only.

    Raises:
        KitError: a line of the cell is no plain assignment of a literal.
    """
    found: dict[str, Any] = {}
    for cell in book["cells"]:
        if cell["cell_type"] != "code" or not has_tag(cell, "parameters"):
            continue
        for node in ast.parse("".join(cell["source"])).body:
            try:
                (target,) = node.targets if isinstance(node, ast.Assign) else (node.target,)  # type: ignore[attr-defined]
                found[target.id] = ast.literal_eval(node.value)  # type: ignore[attr-defined]
            except (AttributeError, ValueError) as error:
                raise KitError(f"cell {cell.get('id')}: parameters are literals, found {ast.unparse(node)}") from error
    return found


def _failure(book: Mapping[str, Any], log: str) -> CellError:
    """Which cell stopped a notebook, and its last line of error.

    papermill marks a cell that raised. One that was stopped from outside (time limit, killed kernel) is the last that began.
    """
    cells = [(number, cell) for number, cell in enumerate(book["cells"], start=1) if cell["cell_type"] == "code"]
    marks = [(number, cell, cell.get("metadata", {}).get("papermill", {})) for number, cell in cells]
    raised = [(number, cell) for number, cell, mark in marks if mark.get("exception")]
    began = [(number, cell) for number, cell, mark in marks if mark.get("start_time")]
    line = _error_line(log)
    if not raised and not began:
        return CellError("none", 0, line)
    number, cell = raised[0] if raised else began[-1]
    errors = [output for output in cell["outputs"] if output["output_type"] == "error"]
    if raised and errors:
        line = f"{errors[-1]['ename']}: {errors[-1]['evalue']}".splitlines()[0]
    return CellError(cell.get("id", "?"), number, line)


def _error_line(log: str) -> str:
    """The line of a process's output that names the error; else its last line."""
    lines = [line.strip() for line in log.replace("\r", "\n").splitlines() if line.strip()]
    named = [line for line in lines if re.match(r"[\w.]+(Error|Exception|Interrupt|Exit)\b", line)]
    return (named or lines or ["the process ended without a message"])[-1]


def _startup(book: Mapping[str, Any], began: datetime) -> float:
    """Seconds from the process's start to the end of the cell tagged ``setup`` (without one: to the start of the first cell)."""
    ran = [cell for cell in book["cells"] if cell.get("metadata", {}).get("papermill", {}).get("start_time")]
    setup = [cell for cell in ran if has_tag(cell, "setup")]
    times = [cell["metadata"]["papermill"]["end_time" if setup else "start_time"] for cell in (setup or ran)[:1]]
    return (datetime.fromisoformat(times[0]) - began).total_seconds() if times and times[0] else 0.0


def _costs(book: Mapping[str, Any], began: datetime) -> dict[str, float]:
    """Seconds of start-up and of the cells tagged with a cost."""
    costs = {"start-up": round(_startup(book, began), 2)}
    for name in COSTS:
        seconds = [cell["metadata"].get("papermill", {}).get("duration") or 0.0 for cell in book["cells"] if has_tag(cell, name)]
        costs[name] = round(sum(seconds), 2)
    return costs


# --- running --------------------------------------------------------------------------------------------------------------------------


def run_notebook(
    source: Path,
    out: Path,
    parameters: Mapping[str, Any] | None = None,
    *,
    cell_timeout: int = CELL_TIMEOUT,
    timeout: int = NOTEBOOK_TIMEOUT,
    progress: bool = False,
) -> NotebookRun:
    """Execute a notebook in a process and a kernel of its own; leave ``out/NAME.ipynb`` and the record ``out/NAME.json``.

    A failing notebook raises nothing here: the returned run carries the error, and the executed part is kept.

    Args:
        source: the notebook, run in its own folder; out: folder of the executed copy, made when missing.
        parameters: values for names of the cell tagged ``parameters``.
        cell_timeout, timeout: seconds that one cell and the whole notebook may take.
        progress: show papermill's bar, one tick a cell.

    Raises:
        SettingError: a parameter that the notebook does not have.
        KitError: no notebook there, or ``out`` cannot be written.
    """
    book, parameters = read_notebook(source), dict(parameters or {})
    all_parameters = _merged(source.name, declared_parameters(book), parameters)
    target = _writable(out) / source.name
    for old in (target, target.with_suffix(".json")):
        old.unlink(missing_ok=True)
    began, clock = datetime.now(UTC), time.monotonic()
    code, log, usage = _execute(source, target, parameters, cell_timeout, timeout, progress)
    cost = {"wall_seconds": round(time.monotonic() - clock, 2), "process_seconds": round(usage.ru_utime + usage.ru_stime, 2)}
    executed = read_notebook(target) if target.exists() else book
    error = None if code == 0 else _failure(executed, log)
    run = NotebookRun(
        source.stem,
        target,
        all_parameters,
        began.isoformat(timespec="seconds"),
        **cost,
        peak_memory_mib=round(usage.ru_maxrss / 1024, 1),
        error=error,
        **_left_behind(executed, began),
    )
    write_json(target.with_suffix(".json"), {**asdict(run), "path": target.name, "status": "failed" if error else "finished"})
    return run


def _merged(notebook: str, known: Mapping[str, Any], given: Mapping[str, Any]) -> dict[str, Any]:
    """A notebook's own parameters with those that are given instead."""
    unknown = sorted(set(given) - set(known))
    if unknown:
        raise SettingError(f"{notebook} has no parameter {unknown[0]!r}; it has: {', '.join(known) or 'none'}")
    return {**known, **given}


def _left_behind(book: Mapping[str, Any], began: datetime) -> dict[str, Any]:
    """What an executed notebook tells of itself: costs, recorded numbers, named figures, environment."""
    return {
        "costs": _costs(book, began),
        "numbers": {entry["number"]: entry for entry, _ in outputs_with(book, "number")},
        "figures": [entry["name"] for entry, _ in outputs_with(book, "name")],
        "environment": next((entry["environment"] for entry, _ in outputs_with(book, "environment")), {}),
    }


def _writable(folder: Path) -> Path:
    """The folder, made when missing.

    Raises:
        KitError: it cannot be made or written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise KitError(f"cannot write {folder}: {error.strerror or error}") from error
    return folder


def _execute(
    source: Path, target: Path, parameters: dict[str, Any], cell_timeout: int, timeout: int, progress: bool
) -> tuple[int, str, Any]:
    """Run papermill as a child and return its exit code, what it said, and its resource usage with the kernel's."""
    with tempfile.TemporaryDirectory(prefix="vireidkit-") as scratch:
        settings = Path(scratch) / "parameters.yaml"
        settings.write_text(json.dumps(parameters), encoding="utf-8")  # JSON is YAML
        command = [
            sys.executable,
            "-m",
            "papermill",
            str(source.resolve()),
            str(target.resolve()),
            "-f",
            str(settings),
            "--kernel",
            "python3",
        ]
        command += ["--cwd", str(source.resolve().parent), "--execution-timeout", str(cell_timeout), "--log-level", "WARNING"]
        command += ["--progress-bar" if progress else "--no-progress-bar"]
        process = subprocess.Popen(command, env=kernel_environment(scratch), stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        said: list[bytes] = []
        listener = threading.Thread(target=_listen, args=(process.stdout, said, progress), daemon=True)
        listener.start()
        code, usage = _wait(process, timeout)
        listener.join(timeout=10)
    log = b"".join(said).decode("utf-8", errors="replace")
    return code, log if code != TIMED_OUT else f"stopped after {timeout} s, the time limit of a whole notebook", usage


def _listen(stream: IO[bytes], said: list[bytes], progress: bool) -> None:
    """Keep what papermill says for the error message, and pass its progress bar on to the terminal."""
    while chunk := os.read(stream.fileno(), 65536):
        said.append(chunk)
        if progress and b"Executing" in chunk:
            sys.stderr.write(chunk.decode("utf-8", errors="replace"))
            sys.stderr.flush()


def kernel_environment(scratch: str) -> dict[str, str]:
    """The environment of a notebook process: no settings, start-up files or kernels of the user's own."""
    own = {
        name: str(Path(scratch) / name.lower()) for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
    }
    fixed = {"MPLBACKEND": "module://matplotlib_inline.backend_inline", "JUPYTER_PREFER_ENV_PATH": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    return {**os.environ, **own, **fixed}


def _wait(process: subprocess.Popen[bytes], timeout: int) -> tuple[int, Any]:
    """Exit code (TIMED_OUT at the time limit) and resource usage, descendants included, of a child; it never outlives this call."""
    deadline = time.monotonic() + timeout
    late = False
    try:
        while True:
            finished, status, usage = os.wait4(process.pid, os.WNOHANG)
            if finished:
                process.returncode = os.waitstatus_to_exitcode(status)
                return (TIMED_OUT if late else process.returncode), usage
            if not late and time.monotonic() > deadline:
                late = True
                _end(process.pid)
            time.sleep(0.05)
    finally:
        if process.returncode is None:
            _end(process.pid)
            process.wait()


def _end(pid: int) -> None:
    """Kill a process and its descendants (a kernel lives in a session of its own, so a group would miss it)."""
    import psutil

    try:
        family = [*psutil.Process(pid).children(recursive=True), psutil.Process(pid)]
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue


# --- a whole study --------------------------------------------------------------------------------------------------------------------


def notebook_folder() -> Path:
    """The checkout's ``notebooks/``.

    Raises:
        KitError: the package was installed without its checkout.
    """
    folder = Path(__file__).resolve().parents[1] / "notebooks"
    if not folder.is_dir():
        raise KitError(f"notebooks not found: expected {folder}; run this from a checkout, or name them with --notebooks")
    return folder


def find_notebooks(folder: Path, numbers: Sequence[str]) -> list[Path]:
    """The notebooks whose names begin with these two-digit numbers, in the given order.

    Raises:
        SettingError: no notebook has one of the numbers.
    """
    found = []
    for number in numbers:
        matches = sorted(folder.glob(f"{number}*.ipynb"))
        if not matches:
            known = ", ".join(path.stem for path in sorted(folder.glob("[0-9]*.ipynb"))) or "none"
            raise SettingError(f"no notebook {number!r} in {folder}; there are: {known}")
        found.append(matches[0])
    return found


def every_notebook(folder: Path) -> list[Path]:
    """All numbered notebooks of a folder, in order.

    Raises:
        SettingError: there is none.
    """
    found = sorted(folder.glob("[0-9][0-9]*.ipynb"))
    if not found:
        raise SettingError(f"no notebook in {folder}")
    return found


def run_study(
    notebooks: Sequence[Path], out: Path, parameters: Mapping[str, Any], *, cell_timeout: int = CELL_TIMEOUT
) -> list[NotebookRun]:
    """Run notebooks in order into ``out``; stop at the first that fails. Pages and the index are written either way.

    Each notebook gets those of ``parameters`` that it has, and ``runs`` (where trained runs lie) inside ``out``.
    """
    from vireidkit.pages import write_glossary, write_index, write_page

    offered = {"runs": str(_writable(out).resolve() / "runs"), **parameters}
    done: list[NotebookRun] = []
    for position, source in enumerate(notebooks, start=1):
        own = {name: value for name, value in offered.items() if name in declared_parameters(read_notebook(source))}
        print(f"[{position}/{len(notebooks)}] {source.stem} ...", flush=True)
        run = run_notebook(source, out, own, cell_timeout=cell_timeout, progress=sys.stderr.isatty())
        done.append(run)
        print(
            f"      {'done' if run.succeeded else 'FAILED'} in {run.wall_seconds:.0f} s, {run.process_seconds:.0f} s of process time",
            flush=True,
        )
        if run.path.exists():
            write_page(run.path, out / f"{run.name}.html", source_folder=source.parent)
        write_index(done, out / "index.html", total=len(notebooks), install=install_seconds())
        if not run.succeeded:
            break
    write_glossary(notebooks[0].parent / "GLOSSARY.md", out / "glossary.html")
    return done


def install_seconds() -> float | None:
    """How long ``make`` needed to install, from its stamp; None when it was installed otherwise."""
    stamp = Path(sys.prefix) / ".installed"
    try:
        return float(stamp.read_text().split()[0])
    except (OSError, ValueError, IndexError):
        return None


def cost_rows(runs: Sequence[NotebookRun], install: float | None) -> list[list[str]]:
    """The cost table, header first: per notebook wall and process time, start-up, training, projection, and peak memory."""
    rows = [["", "wall s", "process s", "start-up s", *(f"{name} s" for name in COSTS), "memory MiB"]]
    if install is not None:
        rows.append(["install (once)", f"{install:.0f}", "", "", "", "", ""])
    for run in runs:
        parts = [f"{run.costs.get(name, 0):.0f}" for name in ("start-up", *COSTS)]
        rows.append([run.name, f"{run.wall_seconds:.0f}", f"{run.process_seconds:.0f}", *parts, f"{run.peak_memory_mib:.0f}"])
    sums = [sum(run.costs.get(name, 0) for run in runs) for name in ("start-up", *COSTS)]
    wall, process = sum(run.wall_seconds for run in runs), sum(run.process_seconds for run in runs)
    peak = max((run.peak_memory_mib for run in runs), default=0.0)
    rows.append(["all notebooks", f"{wall:.0f}", f"{process:.0f}", *(f"{value:.0f}" for value in sums), f"{peak:.0f}"])
    return rows


def as_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned text, the first column to the left and numbers to the right."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    lines = [
        " ".join([row[0].ljust(widths[0]), *(cell.rjust(width + 1) for cell, width in zip(row[1:], widths[1:], strict=True))])
        for row in rows
    ]
    return "\n".join(line.rstrip() for line in lines)


def _arguments(argv: Sequence[str] | None) -> argparse.Namespace:
    """The command line of ``python -m vireidkit.reproduce``."""
    parser = argparse.ArgumentParser(
        prog="python -m vireidkit.reproduce", description="Run the notebooks in order and write pages of the results."
    )
    parser.add_argument(
        "--out", type=Path, default=Path("runs/study"), help="folder of the executed notebooks and pages (default: runs/study)"
    )
    parser.add_argument("--profile", help="smoke, study, compare or paper (default: each notebook's own)")
    parser.add_argument("--seed", type=int, help="default: each notebook's own")
    for name in ("method", "dataset", "data-root", "device", "projection"):
        parser.add_argument(f"--{name}", help="handed to the notebooks that have this parameter")
    chosen = parser.add_mutually_exclusive_group()
    chosen.add_argument("--only", nargs="+", metavar="NN", default=STUDY, help="numbers of the notebooks to run (default: 00 to 05)")
    chosen.add_argument("--all", action="store_true", help="run every notebook of the folder")
    parser.add_argument("--notebooks", type=Path, help="folder of the notebooks (default: the checkout's)")
    parser.add_argument("--cell-timeout", type=int, default=CELL_TIMEOUT, help="seconds that one cell may take (default: %(default)s)")
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    """Run a study from the command line. Exit code 0; 1 when a notebook failed; 2 for a user's mistake."""
    arguments = _arguments(argv)
    # Ends like Ctrl-C does, so that no notebook process stays behind.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    names = ("profile", "seed", "method", "dataset", "data_root", "device", "projection")
    parameters = {name: getattr(arguments, name) for name in names if getattr(arguments, name) is not None}
    if "data_root" in parameters:
        parameters["data_root"] = str(Path(parameters["data_root"]).resolve())  # notebooks run in a folder of their own
    try:
        folder = arguments.notebooks or notebook_folder()
        notebooks = every_notebook(folder) if arguments.all else find_notebooks(folder, arguments.only)
        runs = run_study(notebooks, arguments.out, parameters, cell_timeout=arguments.cell_timeout)
    except KitError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    print("\n" + as_text(cost_rows(runs, install_seconds())))
    if runs[-1].error is not None:
        kept = f"partial notebook kept: {runs[-1].path}" if runs[-1].path.exists() else "nothing was executed"
        print(f"\nerror: {runs[-1].name} failed in {runs[-1].error}\n{kept}", file=sys.stderr)
        return 1
    print(f"\nopen {arguments.out / 'index.html'}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
