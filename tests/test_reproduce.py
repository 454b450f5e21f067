"""Running notebooks: recorded numbers come back, failures name their cell, nothing is left running."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import psutil
import pytest

from vireidkit import reproduce
from vireidkit.errors import KitError, SettingError
from vireidkit.reproduce import as_text, cost_rows, declared_parameters, every_notebook, find_notebooks, main, run_notebook, spoken

GOOD = """
from IPython.display import display
from vireidkit.reproduce import record
record("ir2vis_rank1", 0.25, "share", label="Rank-1")
record("images", 12, "images")
record("nothing", float("nan"))
print("seed", seed)
"""
BURN = "import time\nbegan = time.process_time()\nwhile time.process_time() - began < 1.5: pass"


def write(
    folder: Path, name: str, *cells: str, tags: dict[int, list[str]] | None = None, parameters: str = "seed = 0  # of all draws"
) -> Path:
    """A small notebook: title, parameters, then code cells."""
    new = nbformat.v4
    book = new.new_notebook(metadata={"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}})
    book.cells = [new.new_markdown_cell(f"# {name}\n\nWhy?"), new.new_code_cell(parameters, metadata={"tags": ["parameters"]})]
    for number, text in enumerate(cells):
        book.cells.append(new.new_code_cell(text.strip(), metadata={"tags": (tags or {}).get(number, [])}))
    for number, cell in enumerate(book.cells):
        cell["id"] = f"{name.replace('_', '-')}-{number:03d}"
    folder.mkdir(exist_ok=True)
    nbformat.write(book, folder / f"{name}.ipynb")
    return folder / f"{name}.ipynb"


def test_run_reads_numbers_costs_and_parameters_back(tmp_path: Path) -> None:
    source = write(tmp_path / "nb", "00_good", GOOD, BURN, tags={0: ["setup"], 1: ["training"]})
    run = run_notebook(source, tmp_path / "out", {"seed": 7}, cell_timeout=60)
    assert run.succeeded, run.error
    assert run.parameters == {"seed": 7}
    assert run.value("ir2vis_rank1") == 0.25 and run.value("images") == 12 and run.value("nothing") is None
    assert run.costs["training"] >= 1.5 and run.costs["start-up"] > 0 and run.costs["projection"] == 0
    assert run.process_seconds >= 1.5, "the kernel's time is part of the notebook's"
    assert run.peak_memory_mib > 20
    record = json.loads((tmp_path / "out" / "00_good.json").read_text())
    assert record["status"] == "finished" and record["parameters"] == {"seed": 7} and record["numbers"]["images"]["unit"] == "images"
    assert "seed 7" in (tmp_path / "out" / "00_good.ipynb").read_text()
    assert nbformat.read(source, 4).cells[2].outputs == [], "the source stays as it is"


def test_a_failing_notebook_fails_the_study_names_the_cell_and_keeps_the_rest(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = tmp_path / "nb"
    write(
        folder,
        "00_bad",
        "kept = 'the part that ran'\nprint(kept)",
        "def f():\n    raise ValueError('first\\nsecond')\nf()",
        "print('never')",
    )
    write(folder, "01_after", "print(1)")
    (folder / "GLOSSARY.md").write_text("# Glossary\n\n### CMC\n\nA curve.\n")
    out = tmp_path / "out"
    assert main(["--notebooks", str(folder), "--only", "00", "01", "--out", str(out)]) == 1
    said = capsys.readouterr()
    assert "00_bad failed in cell" in said.err and "00-bad-003" in said.err and "ValueError: first" in said.err
    assert "second" not in said.err and "Traceback" not in said.err
    assert "partial notebook kept" in said.err
    book = json.loads((out / "00_bad.ipynb").read_text())
    outputs = {cell["id"]: cell.get("outputs") for cell in book["cells"]}
    assert outputs["00-bad-002"][0]["text"] == ["the part that ran\n"] and outputs["00-bad-004"] == []
    assert not (out / "01_after.ipynb").exists()
    assert "00_bad failed" in (out / "index.html").read_text() and (out / "00_bad.html").exists()
    assert json.loads((out / "00_bad.json").read_text())["error"]["cell"] == "00-bad-003"


@pytest.mark.parametrize(
    ("code", "limits", "line"),
    [
        ("import time; time.sleep(60)", {"cell_timeout": 1}, "CellTimeoutError"),
        ("import time; time.sleep(60)", {"timeout": 6}, "stopped after 6 s"),
        ("import os; os.kill(os.getpid(), 9)", {}, "DeadKernelError"),
    ],
    ids=["slow cell", "slow notebook", "killed kernel"],
)
def test_a_notebook_that_hangs_or_dies_is_ended(tmp_path: Path, code: str, limits: dict[str, int], line: str) -> None:
    source = write(tmp_path, "02_stuck", "print('before')", code)
    began = time.monotonic()
    run = run_notebook(source, tmp_path / "out", **limits)
    assert time.monotonic() - began < 45
    assert run.error is not None and line in run.error.line
    if limits.get("timeout") is None:
        assert run.error.cell == "02-stuck-003"
    kernels = [p for p in psutil.Process().children(recursive=True) if p.is_running() and p.status() != psutil.STATUS_ZOMBIE]
    assert not [p for p in kernels if "ipykernel_launcher" in " ".join(p.cmdline())]


def test_a_stopped_study_leaves_no_process(tmp_path: Path) -> None:
    write(
        tmp_path / "nb",
        "00_long",
        f"open({str(tmp_path / 'mark')!r}, 'w').write(str(__import__('os').getpid()))",
        "import time; time.sleep(120)",
    )
    command = [
        sys.executable,
        "-m",
        "vireidkit.reproduce",
        "--notebooks",
        str(tmp_path / "nb"),
        "--only",
        "00",
        "--out",
        str(tmp_path / "out"),
    ]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 60
    while not (tmp_path / "mark").exists() or not (tmp_path / "mark").read_text():
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.1)
    kernel = int((tmp_path / "mark").read_text())
    process.terminate()
    assert process.wait(timeout=20) == 143
    while psutil.pid_exists(kernel) and psutil.Process(kernel).status() != psutil.STATUS_ZOMBIE:
        assert time.monotonic() < deadline, "the kernel outlived its study"
        time.sleep(0.1)


def test_users_mistakes_are_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = write(tmp_path / "nb", "00_a", "1")
    with pytest.raises(SettingError, match="has no parameter 'sed'; it has: seed"):
        run_notebook(source, tmp_path / "out", {"sed": 1})
    with pytest.raises(KitError, match="notebook not found"):
        run_notebook(tmp_path / "nb" / "09_none.ipynb", tmp_path / "out")
    (tmp_path / "file").write_text("")
    with pytest.raises(KitError, match="cannot write"):
        run_notebook(source, tmp_path / "file" / "out")
    (tmp_path / "nb" / "01_b.ipynb").write_text("{")
    with pytest.raises(KitError, match="cannot be read"):
        run_notebook(tmp_path / "nb" / "01_b.ipynb", tmp_path / "out")
    assert main(["--notebooks", str(tmp_path / "nb"), "--only", "07", "--out", str(tmp_path / "out")]) == 2
    said = capsys.readouterr().err
    assert said == f"error: no notebook '07' in {tmp_path / 'nb'}; there are: 00_a, 01_b\n"


def test_parameters_are_literals(tmp_path: Path) -> None:
    good = json.loads(write(tmp_path, "00_a", parameters="a = 1  # x\nb: str = 'x'  # y\nc = (-1, None)  # z").read_text())
    assert declared_parameters(good) == {"a": 1, "b": "x", "c": (-1, None)}
    bad = json.loads(write(tmp_path, "00_a", parameters="a = 1 + len('x')  # x").read_text())
    with pytest.raises(KitError, match="00-a-001: parameters are literals"):
        declared_parameters(bad)


def test_notebooks_are_found_by_number(tmp_path: Path) -> None:
    for name in ("01_b", "00_a"):
        write(tmp_path, name)
    assert [path.stem for path in find_notebooks(tmp_path, ["00", "01"])] == ["00_a", "01_b"]
    write(tmp_path, "13_c")
    assert [path.stem for path in every_notebook(tmp_path)] == ["00_a", "01_b", "13_c"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(SettingError, match="no notebook in"):
        every_notebook(tmp_path / "empty")


def test_spoken_numbers() -> None:
    assert spoken(0.2071, "share") == "20.7 %"
    assert spoken(4800, "images") == "4,800 images"
    assert spoken(1.23456) == "1.235"
    assert spoken(None) == spoken(float("nan")) == "not defined"
    assert spoken("yes") == "yes" and spoken(True) == "True"


def test_cost_table_adds_up(monkeypatch: pytest.MonkeyPatch) -> None:
    common = {"parameters": {}, "started": "", "path": Path("x")}
    runs = [
        reproduce.NotebookRun(
            "00_a", wall_seconds=10, process_seconds=12, peak_memory_mib=300, costs={"start-up": 5, "training": 2}, **common
        ),
        reproduce.NotebookRun(
            "01_b", wall_seconds=20, process_seconds=30, peak_memory_mib=200, costs={"start-up": 6, "projection": 4}, **common
        ),
    ]
    rows = cost_rows(runs, install=180.4)
    assert rows[1][:2] == ["install (once)", "180"]
    assert rows[-1] == ["all notebooks", "30", "42", "11", "2", "4", "300"]
    text = as_text(rows).splitlines()
    assert text[0].endswith("memory MiB") and text[-1].endswith("300") and len({len(line) for line in text[2:]}) == 1
