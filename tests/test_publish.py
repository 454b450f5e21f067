"""Twilight to disk: nothing half-written, nothing drawn twice, every damage named, and what is written can be read."""

from __future__ import annotations

import csv
import dataclasses
import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from PIL import Image
from stub_part import StubPart

from vireidkit import publish, publish_files
from vireidkit.cli import main
from vireidkit.data import load_dataset, read_factors
from vireidkit.errors import DatasetError, KitError, SettingError
from vireidkit.publish import compare, render, render_population, verify
from vireidkit.publish_files import STATE, cell
from vireidkit.twilight.parts import PARTS, Pairs, PictureKey, Stills, Tracklets
from vireidkit.twilight.settings import VERSION_1, Settings

PLAIN = {"jobs": 1, "progress": False}


@pytest.fixture
def parts(monkeypatch: pytest.MonkeyPatch) -> dict[str, StubPart]:
    """Two quick parts in the place of Twilight's."""
    stubs = {"main": StubPart("main"), "thermal": StubPart("thermal", people=2)}
    monkeypatch.setattr(publish, "known_parts", lambda: stubs)
    monkeypatch.setattr(publish, "PART_NAMES", ("main", "thermal"))
    return stubs


@pytest.fixture
def out(parts: dict[str, StubPart], tmp_path: Path) -> Path:
    """A rendered folder."""
    render(tmp_path / "data", parts=("main", "thermal"), **PLAIN)
    return tmp_path / "data"


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder, by path."""
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


# --- render ---


def test_a_rendered_folder_holds_pictures_lists_tables_and_a_manifest_and_nothing_else(out: Path) -> None:
    found = contents(out)
    pictures = {f"main/cam{c}/{i:04d}/0001.webp" for c in (1, 3) for i in (1, 2, 3, 4)}
    pictures |= {f"thermal/cam{c}/{i:04d}/0001.webp" for c in (1, 3) for i in (1, 2)}
    tables = {f"{part}/{name}" for part in ("main", "thermal") for name in ("exp/train_id.txt", "identities.csv", "images.csv")}
    assert set(found) == pictures | tables | {"manifest.json"}
    with Image.open(out / "main/cam1/0001/0001.webp") as picture:
        assert picture.format == "WEBP" and picture.size == (64, 128)
    assert (out / "main/images.csv").stat().st_mode & 0o444 == 0o444


def test_tables_hold_every_factor_in_three_digits(out: Path) -> None:
    with open(out / "main/identities.csv", newline="") as stream:
        people = list(csv.DictReader(stream))
    assert people[0] == {"identity": "1", "top": "none", "height": "0.333", "beard": "False"}
    with open(out / "main/images.csv", newline="") as stream:
        pictures = list(csv.DictReader(stream))
    first = {"path": "cam1/0001/0001.webp", "identity": "1", "camera": "1", "number": "1", "band": "visible"}
    assert pictures[0] == first | {"blur_px": "0.143", "occluder": "none"}
    assert [row["path"] for row in pictures[:4]] == [f"cam{c}/{i:04d}/0001.webp" for i in (1, 2) for c in (1, 3)]
    assert b"\r" not in (out / "main/images.csv").read_bytes()


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.123456, "0.123"), (-123.456, "-123.0"), (-0.0, "0.0"), (1e-9, "1e-09"), (3, "3"), (12345.678, "12300.0"), (True, "True"),
     (None, ""), ("none", "none"), (np.float32(0.5), "0.5"), (np.int64(7), "7"), (np.bool_(False), "False")],
)  # fmt: skip
def test_cells(value: object, text: str) -> None:
    assert cell(value) == text


def test_the_manifest_says_how_it_was_made(out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    assert (manifest["title"], manifest["version"]) == ("Twilight", 1)
    assert set(manifest["made_with"]) == {"python", "numpy", "scipy", "pillow", "webp"}
    assert manifest["totals"] == {
        "identities": 6,
        "pictures": 12,
        "files": 18,
        "bytes": sum(map(len, contents(out / "main").values())) + sum(map(len, contents(out / "thermal").values())),
    }
    main = manifest["parts"]["main"]
    assert main["settings"] == dataclasses.asdict(VERSION_1) and re.fullmatch("[0-9a-f]{64}", main["renderer"])
    assert main["sha256"]["cam1/0002"]["0001.webp"] == publish_files.sha256_of(out / "main/cam1/0002/0001.webp")
    assert (out / "manifest.json").read_text().count("\n") > 10  # one line a folder: a change shows as a small difference


def test_several_processes_write_the_same_bytes(out: Path, tmp_path: Path) -> None:
    before = dict(os.environ)
    assert render(tmp_path / "again", parts=("main", "thermal"), jobs=2, progress=False) == {"main": 4, "thermal": 2}
    assert contents(tmp_path / "again") == contents(out)
    assert dict(os.environ) == before


def test_a_finished_folder_is_left_as_it_is(out: Path) -> None:
    before, times = contents(out), {path: path.stat().st_mtime_ns for path in out.rglob("*.webp")}
    assert render(out, parts=("main", "thermal"), **PLAIN) == {"main": 0, "thermal": 0}
    assert contents(out) == before and times == {path: path.stat().st_mtime_ns for path in out.rglob("*.webp")}


def test_identities_that_are_not_whole_are_drawn_again(out: Path) -> None:
    before = contents(out)
    (out / "main/cam3/0002/0001.webp").unlink()
    (out / "main/cam1/0004/0001.webp").write_bytes(b"damaged")
    (out / "thermal/cam1/.0001.webp.abc.part").write_bytes(b"left by a killed process")
    assert render(out, parts=("main", "thermal"), **PLAIN) == {"main": 2, "thermal": 0}
    assert contents(out) == before
    (out / "main/images.csv").unlink()
    assert render(out, parts=("main",), **PLAIN) == {"main": 4}
    assert contents(out) == before


def test_a_part_alone_leaves_the_others_in_the_manifest(parts: dict[str, StubPart], out: Path, tmp_path: Path) -> None:
    assert render(tmp_path / "steps", parts=("thermal",), **PLAIN) == {"thermal": 2}
    assert list(json.loads((tmp_path / "steps/manifest.json").read_text())["parts"]) == ["thermal"]
    render(tmp_path / "steps", parts=("main",), **PLAIN)
    assert contents(tmp_path / "steps") == contents(out)


def stopping_at(monkeypatch: pytest.MonkeyPatch, last: int, error: type[BaseException]) -> None:
    """Let rendering stop in the middle of an identity, before its last picture is in place."""
    real = os.replace

    def replace(source: object, target: object) -> None:
        if str(target).endswith(f"cam3/{last:04d}/0001.webp"):
            raise error("stopped")
        real(source, target)

    monkeypatch.setattr(os, "replace", replace)


@pytest.mark.parametrize("error", [KeyboardInterrupt, OSError])
def test_stopped_rendering_goes_on(
    parts: dict[str, StubPart], out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    stopped = tmp_path / "stopped"
    with monkeypatch.context() as patch:
        stopping_at(patch, 3, error)
        with pytest.raises(error):
            render(stopped, parts=("main", "thermal"), **PLAIN)
    files = set(contents(stopped))
    assert not [path for path in files if path.endswith(".part")] and "manifest.json" not in files
    assert f"main/{STATE}/2.json" in files and f"main/{STATE}/3.json" not in files
    with pytest.raises(DatasetError, match="manifest not found"):
        verify(stopped)
    assert render(stopped, parts=("main", "thermal"), **PLAIN) == {"main": 2, "thermal": 2}
    assert contents(stopped) == contents(out)


def test_a_stop_while_a_finished_part_is_mended_forgets_nothing(
    parts: dict[str, StubPart], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = contents(out)
    for identity in (2, 3):
        (out / f"main/cam3/{identity:04d}/0001.webp").unlink()
    with monkeypatch.context() as patch:
        stopping_at(patch, 3, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            render(out, parts=("main",), **PLAIN)
    assert render(out, parts=("main",), **PLAIN) == {"main": 1}
    assert contents(out) == before


SCRIPT = """
import signal
import sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from stub_part import StubPart
from vireidkit import publish
publish.known_parts = lambda: {"main": StubPart(people=400, seconds=0.05)}
if __name__ == "__main__":
    # A shell starts background jobs with Ctrl-C ignored, and that is inherited.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        publish.render(Path(sys.argv[1]), parts=("main",), jobs=2, progress=False)
    except KeyboardInterrupt:
        sys.exit(130)
"""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_signal_leaves_no_half_written_file_and_no_process(number: signal.Signals, tmp_path: Path) -> None:
    """Ctrl-C reaches every process of the terminal; a killed parent must not leave its workers behind."""
    (tmp_path / "script.py").write_text(SCRIPT)
    out = tmp_path / "data"
    process = subprocess.Popen(
        [sys.executable, tmp_path / "script.py", out, ROOT / "tests"], cwd=ROOT, stderr=subprocess.PIPE, start_new_session=True
    )
    deadline = time.monotonic() + 60
    while len(list(out.rglob("[0-9]*.json"))) < 4 and time.monotonic() < deadline:
        time.sleep(0.02)
    os.killpg(process.pid, number) if number == signal.SIGINT else process.kill()
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number), stderr
    while alive(process.pid) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not alive(process.pid)
    done = len(list(out.rglob("[0-9]*.json")))
    assert 4 <= done < 400
    for file in out.rglob("[0-9]*.webp"):
        with Image.open(file) as picture:
            picture.load()
    if number == signal.SIGINT:
        assert b"Traceback" not in stderr and not list(out.rglob(".*.part"))
        assert len(list(out.rglob("[0-9]*.webp"))) == 2 * done  # identities that had begun are whole


def alive(group: int) -> bool:
    """Whether a process group still has members."""
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


def test_pictures_of_two_renderers_or_settings_are_never_mixed(
    parts: dict[str, StubPart], out: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = contents(out)
    parts["main"] = StubPart("main", settings=Settings(train_seed=5))
    with pytest.raises(DatasetError, match=r"pictures in .*main were drawn with other settings: draw everything anew .*--fresh"):
        render(out, parts=("main",), **PLAIN)
    assert contents(out) == whole
    with pytest.raises(DatasetError, match=r"part main of .* was drawn with other settings than this version's"):
        compare(out, 1)
    assert render(out, parts=("main",), resume=False, **PLAIN) == {"main": 4}
    assert contents(out)["main/cam1/0001/0001.webp"] != whole["main/cam1/0001/0001.webp"] and verify(out).ok
    monkeypatch.setattr(publish_files, "renderer_hash", lambda: "0" * 64)
    with pytest.raises(DatasetError, match="drawn by another version of the renderer"):
        render(out, parts=("main",), **PLAIN)


def test_an_unfinished_rendering_is_not_mixed_either(parts: dict[str, StubPart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        stopping_at(patch, 3, KeyboardInterrupt)
        with pytest.raises(KeyboardInterrupt):
            render(tmp_path, parts=("main",), **PLAIN)
    parts["main"] = StubPart("main", settings=Settings(hardness=0.5))
    with pytest.raises(DatasetError, match="with other settings"):
        render(tmp_path, parts=("main",), **PLAIN)
    assert render(tmp_path, parts=("main",), resume=False, **PLAIN) == {"main": 4}


def test_a_renderer_that_is_changed_while_it_draws_is_noticed(out: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    hashes = iter("abb")
    monkeypatch.setattr(publish_files, "renderer_hash", lambda: next(hashes))
    with pytest.raises(DatasetError, match="drawn by another version of the renderer"):
        render(tmp_path / "new", parts=("main",), **PLAIN)
    assert not (tmp_path / "new/manifest.json").exists()


def test_the_renderers_hash_follows_its_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert publish_files.renderer_hash() == publish_files.renderer_hash()
    monkeypatch.setattr(publish_files, "RENDERER", tmp_path)
    (tmp_path / "tables").mkdir()
    (tmp_path / "tables/fabrics.csv").write_text("a")
    first = publish_files.renderer_hash()
    (tmp_path / "readme.md").write_text("a")
    assert publish_files.renderer_hash() == first
    (tmp_path / "tables/fabrics.csv").write_text("b")
    assert publish_files.renderer_hash() != first


def test_wrong_arguments_and_places(parts: dict[str, StubPart], tmp_path: Path) -> None:
    with pytest.raises(SettingError, match="unknown part 'tracks' of Twilight; known: main, thermal"):
        render(tmp_path / "data", parts=("main", "tracks"), **PLAIN)
    with pytest.raises(SettingError, match="at least 1 job"):
        render(tmp_path / "data", parts=("main",), jobs=0, progress=False)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / "file").write_text("kept")
    with pytest.raises(KitError, match=r"cannot write .*file"):
        render(tmp_path / "file", parts=("main",), **PLAIN)
    parts["main"] = StubPart(clash=True)
    with pytest.raises(ValueError, match="different names; both have height"):
        render(tmp_path / "data", parts=("main",), **PLAIN)


# --- verify ---


def test_a_fresh_copy_is_verified(out: Path) -> None:
    (out / "README.md").write_text("files beside the parts are nobody's business")
    report = verify(out)
    assert report.ok and report.files == 18 and "18 files" in str(report) and "all as in manifest.json" in str(report)


def test_every_planted_damage_is_named(out: Path) -> None:
    (out / "main/cam1/0001/0001.webp").unlink()
    (out / "main/cam3/0002/0001.webp").write_bytes((out / "main/cam3/0003/0001.webp").read_bytes())
    (out / "main/cam1/0003/.DS_Store").write_bytes(b"x")
    (out / "thermal/exp/train_id.txt").write_text("1\n")
    (out / "thermal/identities.csv").unlink()
    report = verify(out)
    assert not report.ok and set(report.problems) == {
        "main/cam1/0001/0001.webp is missing",
        "main/cam3/0002/0001.webp has other bytes than in manifest.json",
        "main/cam1/0003/.DS_Store is not in manifest.json",
        "thermal/exp/train_id.txt has other bytes than in manifest.json",
        "thermal/identities.csv is missing",
    }
    assert str(report) == f"{out} is not as in manifest.json: 5 problems"


def test_a_manifest_that_lacks_something_is_not_believed(parts: dict[str, StubPart], out: Path) -> None:
    manifest = json.loads((out / "manifest.json").read_text())
    del manifest["parts"]["thermal"]
    del manifest["parts"]["main"]["sha256"]["cam1/0002"]
    manifest["parts"]["main"]["pictures"] = 7
    (out / "manifest.json").write_text(json.dumps(manifest))
    problems = verify(out).problems
    assert "manifest.json names no part thermal" in problems
    assert "manifest.json, part main: expected 8 pictures, found 7" in problems
    assert "manifest.json, part main lacks 1 file, first cam1/0002/0001.webp" in problems
    assert "main/cam1/0002/0001.webp is not in manifest.json" in problems
    parts["main"] = StubPart(people=3)
    assert any("part main should not name 2 files, first cam1/0004" in problem for problem in verify(out).problems)
    del parts["main"]
    assert any("names a part main, which Twilight does not have" in problem for problem in verify(out).problems)


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"parts": {"main": {}}}', '{"parts": {"main": {"sha256": [], "settings": {}}}}'])
def test_a_damaged_manifest_is_one_line(out: Path, content: str) -> None:
    (out / "manifest.json").write_text(content)
    with pytest.raises(DatasetError, match="manifest cannot be read") as caught:
        verify(out)
    assert str(out) in str(caught.value) and "\n" not in str(caught.value)


# --- compare ---


def test_a_fresh_rendering_has_equal_bytes(out: Path) -> None:
    found = compare(out, 20)
    assert [(one.part, one.identity) for one in found.identities] == [("main", i) for i in (1, 2, 3, 4)] + [("thermal", 1), ("thermal", 2)]
    assert found.mean == found.worst == 0 and found.pictures == 12 and "12 files have equal bytes" in str(found)
    assert {one.part for one in compare(out, 2).identities} == {"main", "thermal"}


def test_a_difference_is_measured_in_grey_levels(out: Path) -> None:
    file = out / "main/cam3/0001/0001.webp"
    with Image.open(file) as picture:
        grey = np.asarray(picture.convert("RGB"))
    Image.fromarray(np.where(grey > 127, grey - 3, grey + 3).astype(np.uint8)).save(file, lossless=True)
    found = compare(out, 6)
    assert found.worst == pytest.approx(3, abs=0.5) and found.mean == pytest.approx(found.worst / 12)
    assert "11 files have equal bytes" in str(found)
    Image.new("RGB", (10, 20)).save(file)
    with pytest.raises(DatasetError, match=r"0001.webp has 10 x 20 pixels, expected 64 x 128"):
        compare(out, 6)
    file.write_bytes(b"no picture")
    with pytest.raises(DatasetError, match=r"image file cannot be read: .*cam3/0001/0001.webp"):
        compare(out, 6)
    with pytest.raises(SettingError, match="at least 1 identity"):
        compare(out, 0)


# --- the command line ---


def command(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    """The exit code of a command that is run in this process."""
    monkeypatch.setattr(sys, "argv", ["vireidkit", "twilight", *map(str, arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return stopped.value.code or 0


def test_render_verify_and_compare_by_command(
    parts: dict[str, StubPart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    out = tmp_path / "data"
    assert command(monkeypatch, "render", out, "--jobs", 1, "--quiet") == 0
    assert f"{out / 'main'}: 4 identities drawn" in capsys.readouterr().out
    monkeypatch.setenv("VIREIDKIT_TWILIGHT", str(out))
    assert command(monkeypatch, "verify") == 0 and "18 files" in capsys.readouterr().out
    assert command(monkeypatch, "compare", "--identities", 2) == 0 and "0.000 of 255 grey levels" in capsys.readouterr().out
    (out / "main/cam1/0001/0001.webp").write_bytes((out / "main/cam1/0002/0001.webp").read_bytes())
    assert command(monkeypatch, "verify") == 2
    told = capsys.readouterr()
    assert told.out == "main/cam1/0001/0001.webp has other bytes than in manifest.json\n"
    assert told.err == f"error: {out} is not as in manifest.json: 1 problem\n"
    assert command(monkeypatch, "compare") == 2
    assert re.fullmatch(
        r"error: the renderer of this machine differs by \d+\.\d\d grey levels, expected at most 1\n", capsys.readouterr().err
    )
    assert command(monkeypatch, "render", "--part", "tracks") == 2 and "unknown part 'tracks'" in capsys.readouterr().err


def test_many_problems_are_counted(out: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    for number in range(25):
        (out / f"main/{number}.txt").write_text("x")
    assert command(monkeypatch, "verify", out) == 2
    told = capsys.readouterr()
    assert told.out.splitlines()[-1] == "and 5 more" and "25 problems" in told.err


def test_a_stopped_command_says_how_to_go_on(
    parts: dict[str, StubPart], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    stopping_at(monkeypatch, 2, KeyboardInterrupt)
    assert command(monkeypatch, "render", tmp_path / "data", "--jobs", 1, "--quiet") == 130
    assert capsys.readouterr().err == f"stopped; the same command goes on with {tmp_path / 'data'}\n"


def test_a_contact_sheet_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    assert command(monkeypatch, "sheet", tmp_path / "sheet.png", "--people", 1, "--camera", 1, "--camera", 3) == 0
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width > 128 and sheet.height > 128
    capsys.readouterr()
    assert command(monkeypatch, "sheet", tmp_path / "sheet.txt") == 2 and ".png, .jpg or .webp" in capsys.readouterr().err
    assert command(monkeypatch, "sheet", tmp_path / "other.png", "--camera", 9) == 2
    assert "camera must be one of 1, 2" in capsys.readouterr().err and not (tmp_path / "other.png").exists()


# --- Twilight's own parts ---


def keys_of(name: str) -> list[PictureKey]:
    return [key for identity in PARTS[name].identities for key in PARTS[name].pictures(identity)]


def test_parts_hold_the_promised_numbers() -> None:
    assert {name: (len(part.identities), len(keys_of(name))) for name, part in PARTS.items()} == {
        "main": (500, 8000),
        "thermal": (100, 1200),
        "tracklets": (80, 2560),
    }
    for name in PARTS:
        paths = [key.path for key in keys_of(name)]
        assert len(set(paths)) == len(paths)
    assert {key.band for key in keys_of("thermal")} == {"visible", "thermal"}


def test_main_has_the_lists_of_sysu_and_a_test_seed_of_its_own() -> None:
    part = PARTS["main"]
    lists = {path: [int(word) for word in text.split(",")] for path, text in part.lists().items()}
    assert lists["exp/train_id.txt"] == list(range(1, 361)) and lists["exp/val_id.txt"] == list(range(361, 401))
    assert lists["exp/test_id.txt"] == list(range(401, 501)) and lists["exp/available_id.txt"] == list(range(1, 501))
    assert all(text.count("\n") == 1 for text in part.lists().values())
    seeds = {identity: part.seed_of(identity) for identity in (1, 360, 361, 400, 401, 500)}
    assert set(list(seeds.values())[:4]) == {VERSION_1.train_seed} and set(list(seeds.values())[4:]) == {VERSION_1.test_seed}
    assert part.pictures(7)[0] == PictureKey("cam1/0007/0001.webp", 7, 1, "visible", 1)
    assert [key.camera for key in part.pictures(401)] == [1, 1, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 6, 6]


def test_thermal_has_ten_different_halves() -> None:
    part = PARTS["thermal"]
    lists = part.lists()
    assert len(lists) == 40
    halves = []
    for split in range(1, 11):
        rows = {}
        for half in ("train", "test"):
            visible, thermal = (
                [line.split() for line in lists[f"idx/{half}_{band}_{split}.txt"].splitlines()] for band in ("visible", "thermal")
            )
            assert len(visible) == len(thermal) == 300
            assert [label for _, label in visible] == [label for _, label in thermal]
            rows[half] = {int(path.split("/")[1]): int(label) for path, label in visible}
        assert rows["train"] == {identity: label for label, identity in enumerate(sorted(rows["train"]))}
        assert all(identity == label for identity, label in rows["test"].items())
        assert len(rows["train"]) == len(rows["test"]) == 50 and sorted([*rows["train"], *rows["test"]]) == list(range(100))
        halves.append(tuple(rows["train"]))
    assert len(set(halves)) == 10
    assert part.pictures(12)[2].path == "Visible/12/visible_3.webp" and part.pictures(12)[8].path == "Thermal/12/thermal_3.webp"
    assert dataclasses.replace(part, settings=Settings(thermal_seed=1)).halves(1) != part.halves(1)


def test_a_pair_shares_its_viewpoint_and_a_tracklet_its_exposure() -> None:
    pairs = PARTS["thermal"]
    person = pairs.person(5)
    visible, thermal = (pairs.view(person, pairs.pictures(5)[place]) for place in (2, 8))
    assert visible.heading_degrees == thermal.heading_degrees and visible.walk_phase == thermal.walk_phase
    assert pairs.view(person, pairs.pictures(5)[3]).heading_degrees != visible.heading_degrees
    tracklets = PARTS["tracklets"]
    walker = tracklets.person(3)
    views = [tracklets.view(walker, key) for key in tracklets.pictures(3)[:8]]
    assert len({view.exposure_stops for view in views}) == len({view.blur_px for view in views}) == 1
    assert len({view.walk_phase for view in views}) == 8
    assert tracklets.view(walker, tracklets.pictures(3)[8]).exposure_stops != views[0].exposure_stops


def test_identities_in_two_splits_and_unknown_splits_are_refused() -> None:
    with pytest.raises(ValueError, match="every identity in one of them"):
        Stills("population", splits={"train": (1, 2), "test": (2,)})
    with pytest.raises(ValueError, match="expected the splits train, validation, test"):
        Stills("population", splits={"training": (1, 2)})


@pytest.fixture(scope="module")
def twilight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twilight's three parts with two or three people each, drawn by the real renderer."""
    small = {
        "main": Stills("main", splits={"train": (1,), "validation": (361,), "test": (401,)}, cameras={1: 1, 2: 1, 3: 1, 4: 1, 5: 1, 6: 1}),
        "thermal": Pairs("thermal", people=2),
        "tracklets": Tracklets("tracklets", splits={"test": (41,)}),
    }
    out = tmp_path_factory.mktemp("twilight")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(publish, "known_parts", lambda: small)
        render(out, jobs=2, progress=False)
        assert verify(out).ok
        again = compare(out, 2)
        assert again.mean == 0 and all(one.equal == one.pictures for one in again.identities)
    return out


def test_the_readers_take_what_the_renderer_writes(twilight: Path) -> None:
    main = load_dataset("twilight", twilight, allow_partial=True)
    assert [len(main.table(split)) for split in ("train", "validation", "test")] == [6, 6, 6]
    thermal = load_dataset("twilight-thermal", twilight, split=7, allow_partial=True)
    assert len(thermal.train) == len(thermal.test) == 12 and set(thermal.test["frame"]) == {1, 2, 3, 4, 5, 6}
    tracklets = load_dataset("twilight-tracklets", twilight, allow_partial=True)
    assert len(tracklets.test) == 32 and tracklets.train.empty and tracklets.test["tracklet"].nunique() == 4
    assert tracklets.protocols[:4] == ("ir2vis", "vis2ir", "within-visible", "within-infrared")
    for dataset in (main, thermal, tracklets):
        identities, images = read_factors(dataset)
        merged = dataset.test.merge(images, on="path", validate="1:1").merge(identities, on="identity", validate="m:1")
        assert len(merged) == len(dataset.test) and {"heading_degrees", "top_colour", "exposure_stops"} <= set(merged.columns)
        assert set(merged.columns) == {*dataset.test.columns, *images.columns, *identities.columns}


def test_pictures_are_64_by_128_and_infrared_ones_have_one_channel(twilight: Path) -> None:
    for file in twilight.rglob("*.webp"):
        with Image.open(file) as picture:
            pixels = np.asarray(picture.convert("RGB")).astype(int)
        assert pixels.shape == (128, 64, 3) and pixels.std() > 5
        if not re.search(r"cam[1245]|isible", file.relative_to(twilight).as_posix()):
            assert np.ptp(pixels, axis=2).max() <= 1  # WebP's conversion to RGB rounds green on its own


# --- populations ---


def test_a_population_is_read_through_its_manifest(tmp_path: Path) -> None:
    settings = Settings(train_seed=11, test_seed=12)
    render_population(tmp_path / "p", settings=settings, identities={"train": [1], "test": [2]}, cameras={1: 1, 3: 1}, **PLAIN)
    dataset = load_dataset("manifest", tmp_path / "p")
    assert (len(dataset.train), len(dataset.test)) == (2, 2) and dataset.protocols == ("ir2vis", "vis2ir") and dataset.notes == ()
    identities, images = read_factors(dataset)
    assert dict(zip(identities["identity"], identities["seed"], strict=True)) == {1: 11, 2: 12}
    assert set(images["path"]) == {*dataset.train["path"], *dataset.test["path"]}
    assert (tmp_path / "p/exp/train_id.txt").read_text() == "1\n"


def test_a_population_grows_without_drawing_anybody_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = []
    real = publish.write_identity
    monkeypatch.setattr(publish, "write_identity", lambda part, identity, folder: drawn.append(identity) or real(part, identity, folder))
    for people in ([1], [1, 2]):
        render_population(tmp_path, settings=VERSION_1, identities=people, cameras={1: 1}, **PLAIN)
    assert drawn == [1, 2] and len(pd.read_csv(tmp_path / "images.csv")) == 2
    with pytest.raises(DatasetError, match="with other settings"):
        render_population(tmp_path, settings=Settings(hardness=0.1), identities=[1], cameras={1: 1}, **PLAIN)
    with pytest.raises(DatasetError, match="with or without people"):
        render_population(tmp_path, settings=VERSION_1, identities=[1], cameras={1: 1}, with_people=False, **PLAIN)
    for people, cameras in (([], {1: 1}), ([1], {}), ([1], {1: 0})):
        with pytest.raises(SettingError, match="at least one identity and one picture"):
            render_population(tmp_path / "none", settings=VERSION_1, identities=people, cameras=cameras, **PLAIN)


def test_a_population_without_people_has_the_same_draws_and_nobody_in_it(tmp_path: Path) -> None:
    both = {}
    for name, with_people in (("with", True), ("without", False)):
        render_population(tmp_path / name, settings=VERSION_1, identities=[1], cameras={1: 1, 3: 1}, with_people=with_people, **PLAIN)
        both[name] = [
            np.asarray(Image.open(tmp_path / name / f"cam{camera}/0001/0001.webp").convert("RGB")).astype(int) for camera in (1, 3)
        ]
    assert (tmp_path / "with/images.csv").read_bytes() == (tmp_path / "without/images.csv").read_bytes()
    for there, gone in zip(both["with"], both["without"], strict=True):
        change = np.abs(there - gone).mean(axis=2)
        assert change[40:90, 20:44].mean() > 3 * change[:20, :6].mean()  # the middle of the body, a corner of the scene


# --- what the repository holds --------------------------------------------------------------------------------------------------------

COMMITTED = Path(__file__).resolve().parents[1] / "data" / "twilight"


def test_the_committed_pictures_are_whole_and_small() -> None:
    report = publish.verify(COMMITTED)
    assert report.ok, str(report)
    assert sum(path.stat().st_size for path in COMMITTED.rglob("*") if path.is_file()) <= 16e6


def test_the_committed_pictures_are_what_the_renderer_draws() -> None:
    found = publish.compare(COMMITTED, identities=3)
    assert found.pictures >= 3 * 12 and found.worst <= 1
