"""The ledger: rows that survive a stop, name their damage, and give means with intervals."""

from __future__ import annotations

import csv
import json
import multiprocessing

import numpy as np
import pandas as pd
import pytest

from vireidkit import files, ledger
from vireidkit.errors import DatasetError, KitError, SettingError
from vireidkit.ledger import Ledger, canonical_settings, interval, mark_stale, paired_difference

PROBE = [{"id": 5.0, "triplet": 0.7}, {"id": 4.5, "triplet": 0.6}, {"id": 4.0, "triplet": 0.5}]
RUN = {"method": "agw", "dataset": "twilight", "profile": "compare"}


def row(seed: int = 0, score: float = 0.5, **changes) -> dict:
    fixed = {**RUN, "settings": {}, "seed": seed, "fingerprint": "f1", "probe": PROBE, "seconds": 61.25, "torch": "2.13", "commit": "abc"}
    return {**fixed, "ir2vis_rank1": score, "ir2vis_rank1_std": 0.01, "ir2vis_map": score / 2, **changes}


@pytest.fixture
def filled(tmp_path):
    book = Ledger.read(tmp_path)
    for seed, score in enumerate([0.40, 0.44, 0.46]):
        book.append("baseline", row(seed, score))
        book.append("baseline", row(seed, score - 0.05, settings={"triplet": "batch-hard"}))
    book.append("others", row(0, 0.3, method="ddag"))
    return book


class TestRows:
    """Writing and reading"""

    def test_comes_back(self, tmp_path):
        Ledger.read(tmp_path / "new").append("a", row(3, 0.123456789012345, settings={"b": 1, "a": None}))
        found = Ledger.read(tmp_path / "new").rows.iloc[0]
        assert (found["seed"], found["ir2vis_rank1"], found["seconds"]) == (3, 0.123456789012345, 61.25)
        assert found["settings"] == '{"a":null,"b":1}' and json.loads(found["probe"]) == PROBE and found["file"] == "a"

    def test_append_shows_at_once(self, tmp_path):
        book = Ledger.read(tmp_path)
        assert not book.has(**RUN, seed=0)
        book.append("a", row(0))
        assert book.has(**RUN, settings={}, seed=0) and book.has(method="agw") and not book.has(**RUN, settings={"x": 1}, seed=0)

    def test_new_columns_join_and_old_rows_stay_empty(self, tmp_path):
        book = Ledger.read(tmp_path)
        book.append("a", row(0))
        book.append("a", row(1, vis2ir_map=0.25, note="shared machine", memory=12))
        header, first, second = csv.reader((tmp_path / "a.csv").read_text().splitlines())
        assert header[:7] == ["method", "dataset", "profile", "settings", "seed", "fingerprint", "probe"]
        assert header[7:11] == ["ir2vis_map", "ir2vis_rank1", "ir2vis_rank1_std", "vis2ir_map"]
        assert header[11:] == ["memory", "note", "seconds", "torch", "commit", "stale"]
        assert first[10:13] == ["", "", ""] and second[10:13] == ["0.25", "12", "shared machine"]
        before = (tmp_path / "a.csv").read_text()
        book.append("a", row(1, vis2ir_map=0.25, note="shared machine", memory=12))
        assert (tmp_path / "a.csv").read_text() == before

    def test_a_run_that_is_repeated_replaces_its_row(self, tmp_path):
        book = Ledger.read(tmp_path)
        book.append("a", row(0, 0.1))
        book.append("a", row(1, 0.2))
        book.append("a", row(0, 0.3))
        assert book.rows.set_index("seed")["ir2vis_rank1"].to_dict() == {1: 0.2, 0: 0.3}

    def test_none_and_nan_are_empty_fields(self, tmp_path):
        Ledger.read(tmp_path).append("a", row(0, ir2vis_map=float("nan"), commit=None, seconds=np.float64(2)))
        found = Ledger.read(tmp_path).rows.iloc[0]
        assert np.isnan(found["ir2vis_map"]) and found["commit"] == "" and found["seconds"] == 2

    def test_a_missing_folder_is_an_empty_ledger(self, tmp_path):
        assert Ledger.read(tmp_path / "none").rows.empty
        with pytest.raises(SettingError, match="there is: nothing"):
            ledger.value(folder=tmp_path / "none", **RUN, metric="ir2vis_map")

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"method": ""}, "column method is empty"),
            ({"seed": None}, "column seed is empty"),
            ({"seed": 1.5}, "whole number"),
            ({"seed": "nan"}, "whole number"),
            ({"ir2vis_map": 45.2}, "ir2vis_map must hold a fraction 0-1, found '45.2'"),
            ({"ir2vis_map": "high"}, "ir2vis_map must hold a number"),
            ({"seconds": "long"}, "seconds must hold a number"),
            ({"settings": "[1]"}, "JSON object"),
            ({"probe": [{"id": float("nan")}]}, "probe must hold"),
        ],
    )
    def test_wrong_rows_are_refused_and_leave_the_file(self, tmp_path, changes, message):
        book = Ledger.read(tmp_path)
        book.append("a", row(0))
        before = (tmp_path / "a.csv").read_bytes()
        with pytest.raises(ValueError, match=message):
            book.append("a", {**row(1), **changes})
        assert (tmp_path / "a.csv").read_bytes() == before

    @pytest.mark.parametrize("name", ["../a", "a/b", "", ".hidden"])
    def test_names_are_plain(self, tmp_path, name):
        with pytest.raises(ValueError, match="plain name"):
            Ledger.read(tmp_path).append(name, row(0))

    def test_a_stop_while_writing_leaves_the_old_file(self, tmp_path, monkeypatch):
        book = Ledger.read(tmp_path)
        book.append("a", row(0))
        before = (tmp_path / "a.csv").read_bytes()

        def stopped(*arguments):
            raise KeyboardInterrupt

        monkeypatch.setattr(files.os, "replace", stopped)
        with pytest.raises(KeyboardInterrupt):
            book.append("a", row(1))
        monkeypatch.undo()
        assert (tmp_path / "a.csv").read_bytes() == before
        assert not list(tmp_path.glob("*.part")) and not list(tmp_path.glob(".*.part"))
        book.append("a", row(1))  # the lock was given back
        assert len(book.rows) == 2

    def test_a_folder_that_cannot_be_written_to(self, tmp_path):
        (tmp_path / "file").write_text("in the way")
        with pytest.raises(KitError, match=r"cannot write .*a\.csv"):
            Ledger.read(tmp_path / "file").append("a", row(0))

    def test_two_processes_lose_no_row(self, tmp_path):
        context = multiprocessing.get_context("fork")
        workers = [context.Process(target=append_many, args=(tmp_path, first)) for first in (0, 100)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join(60)
        assert [worker.exitcode for worker in workers] == [0, 0]
        assert sorted(Ledger.read(tmp_path).rows["seed"]) == [*range(8), *range(100, 108)]


def append_many(folder, first: int) -> None:
    book = Ledger.read(folder)
    for seed in range(first, first + 8):
        book.append("a", row(seed))


DAMAGE = {
    "cut in the last line": (lambda text: text[:-20], "line 3: cut off"),
    "cut at the end of a field": (lambda text: text[:-1], "line 3: cut off"),
    "a field too many": (lambda text: text.replace("twilight,", "twilight,x,", 1), r"line 2: 14 fields expected, found 15"),
    "an empty line": (lambda text: text.replace("\n", "\n\n", 1), "line 2: 14 fields expected, found 0"),
    "percent": (lambda text: text.replace("0.25,", "25.0,", 1), "line 2: column ir2vis_map must hold a fraction 0-1, found '25.0'"),
    "a word for a number": (lambda text: text.replace("0.3,", "good,", 1), "line 3: column ir2vis_map must hold a number, found 'good'"),
    "no seed": (lambda text: text.replace('{},1,', '{},,'), "line 3: column seed is empty"),
    "settings": (lambda text: text.replace("{},1,", "{,1,"), r"line 3: column settings must hold a JSON object, found '{'"),
    "probe": (lambda text: text.replace('""id""', '""id', 1), "line 2: column probe must hold"),
    "stale": (lambda text: text[:-1] + "perhaps\n", "line 3: column stale must hold yes, no or nothing"),
    "a column missing": (lambda text: text.replace(",profile,", ",x,"), "line 1: the header lacks the column profile"),
    "a column twice": (lambda text: text.replace(",ir2vis_rank1,", ",ir2vis_map,"), "line 1: the header names a column twice"),
    "no header": (lambda text: "", "line 1: the header lacks the column method"),
    "a run twice": (lambda text: text + text.splitlines(keepends=True)[1], "line 4: the run agw, .*, 0 stands in the file twice"),
    "a quote that does not close": (lambda text: text.replace("agw", '"agw', 1), "line 2: "),
    "binary": (lambda text: text.replace("agw", "a\udcffw"), "cannot be read"),
}  # fmt: skip


@pytest.mark.parametrize("kind", DAMAGE)
def test_damage_is_named_with_file_and_line(tmp_path, kind):
    book = Ledger.read(tmp_path)
    book.append("good", row(0, method="ddag"))
    book.append("bad", row(0, 0.5))
    book.append("bad", row(1, 0.6))
    change, message = DAMAGE[kind]
    path = tmp_path / "bad.csv"
    text = path.read_text()
    changed = change(text)
    assert changed != text
    path.write_bytes(changed.encode(errors="surrogateescape"))
    with pytest.raises(KitError, match=message) as found:
        Ledger.read(tmp_path)
    assert str(path) in str(found.value) and "\n" not in str(found.value)
    with pytest.raises(KitError):
        book.append("bad", row(2))
    assert path.read_bytes() == changed.encode(errors="surrogateescape")


def test_line_ends_and_byte_order_mark_of_an_editor_are_fine(tmp_path):
    Ledger.read(tmp_path).append("a", row(0))
    path = tmp_path / "a.csv"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes().replace(b"\n", b"\r\n"))
    assert Ledger.read(tmp_path).rows["commit"].tolist() == ["abc"]


class TestAnswers:
    """table and value"""

    def test_value_is_the_mean_over_seeds_of_the_plain_recipe(self, filled):
        found = filled.value(**RUN, metric="ir2vis_rank1")
        assert found.mean == pytest.approx((0.40 + 0.44 + 0.46) / 3) and found.n == 3 and float(found) == found.mean
        assert found.by_seed == {0: 0.40, 1: 0.44, 2: 0.46}
        assert 0.40 <= found.low < found.mean < found.high <= 0.46
        assert str(found) == f"43.3 % [{100 * found.low:.1f}, {100 * found.high:.1f}] (95 % percentile interval, 3 seeds resampled)"

    def test_value_of_other_settings_in_any_notation(self, filled):
        for settings in ({"triplet": "batch-hard"}, '{ "triplet": "batch-hard" }'):
            assert filled.value(**RUN, settings=settings, metric="ir2vis_rank1").mean == pytest.approx(0.35 + 0.1 / 3)

    def test_module_functions_read_a_folder(self, filled):
        assert ledger.value(folder=filled.folder, **RUN, metric="ir2vis_map") == filled.value(**RUN, metric="ir2vis_map")
        pd.testing.assert_frame_equal(ledger.table(folder=filled.folder, method="agw"), filled.table(method="agw"))

    def test_module_functions_read_the_checkout_by_default(self, filled, monkeypatch):
        monkeypatch.setattr(ledger, "default_folder", lambda: filled.folder)
        assert ledger.value(**RUN, metric="ir2vis_map").n == 3
        assert len(ledger.table()) == 7

    def test_the_default_folder_is_that_of_the_checkout(self):
        assert ledger.default_folder().parts[-2:] == ("data", "results")

    def test_table_of_runs(self, filled):
        found = filled.table(method="agw", dataset="twilight")
        assert len(found) == 6 and set(found["mark"]) == {""}
        assert {"seed", "settings", "ir2vis_map", "seconds", "fingerprint"} <= set(found.columns)
        assert len(filled.table(settings={"triplet": "batch-hard"})) == 3 and len(filled.table()) == 7

    def test_table_of_metrics(self, filled):
        found = filled.table(metric=["ir2vis_rank1", "ir2vis_map"])
        assert found.groupby(["method", "settings"], sort=False)["n"].first().tolist() == [3, 3, 1]
        plain = found.query("method == 'agw' and settings == '{}' and metric == 'ir2vis_map'").iloc[0]
        assert plain["mean"] == pytest.approx(0.65 / 3) and plain["low"] < plain["mean"] < plain["high"]
        alone = found.query("method == 'ddag'").iloc[0]
        assert np.isnan(alone["low"]) and alone["mean"] == 0.3

    def test_rows_without_the_metric_are_left_out(self, filled):
        filled.append("baseline", row(7, vis2ir_map=0.2))
        assert filled.value(**RUN, metric="vis2ir_map").by_seed == {7: 0.2}
        assert str(filled.value(**RUN, metric="vis2ir_map")) == "20.0 % (n = 1, no interval)"

    @pytest.mark.parametrize(
        ("wanted", "message"),
        [
            ({"method": "adw"}, "no ledger row for method='adw', dataset=.*there is: agw, twilight, compare, {}; "),
            ({"settings": {"triplet": "x"}}, r"settings=.*batch-hard"),
            ({"fingerprint": "f2"}, "fingerprint='f2'"),
            ({"metric": "ir2vis_rank7"}, "no ledger row has the metric 'ir2vis_rank7'; there is: ir2vis_map, ir2vis_rank1, "),
        ],
    )  # fmt: skip
    def test_what_is_not_there_is_answered_with_what_is(self, filled, wanted, message):
        with pytest.raises(SettingError, match=message):
            filled.value(**{**RUN, "metric": "ir2vis_map", **wanted})
        with pytest.raises(SettingError, match=message):
            filled.table(**{**RUN, "metric": "ir2vis_map", **wanted})

    def test_two_versions_of_the_data_are_never_averaged(self, filled):
        filled.append("baseline", row(9, 0.9, fingerprint="f2"))
        with pytest.raises(SettingError, match="several versions of the data set; choose a fingerprint of f1, f2"):
            filled.value(**RUN, metric="ir2vis_rank1")
        assert filled.value(**RUN, metric="ir2vis_rank1", fingerprint="f1").n == 3
        assert filled.table(metric="ir2vis_rank1", settings={}, method="agw")["fingerprint"].tolist() == ["f1", "f2"]

    def test_a_seed_in_two_files_counts_for_nothing(self, filled):
        filled.append("more", row(1, 0.9))
        with pytest.raises(SettingError, match="seed 1 stands in several files: baseline, more"):
            filled.value(**RUN, metric="ir2vis_rank1")

    def test_unknown_selection_of_has(self, filled):
        with pytest.raises(ValueError, match="found 'sead'"):
            filled.has(sead=1)


class TestStale:
    """Rows measured with code that behaves differently today"""

    def changed(self, row):
        return PROBE if row["settings"] == "{}" else [*PROBE[:2], {"id": 4.0, "triplet": 0.51}]

    def test_marks_follow_behaviour(self, filled):
        found = mark_stale(filled.rows, self.changed)
        assert found["stale"].eq("yes").equals(found["settings"] != "{}") and found["stale"].isin(["yes", "no"]).all()
        assert filled.rows["stale"].eq("").all()

    @pytest.mark.parametrize(
        ("today", "verdict"),
        [
            (PROBE, "no"),
            ([{**step, "id": step["id"] * 1.0005} for step in PROBE], "no"),
            ([{**step, "id": step["id"] * 1.01} for step in PROBE], "yes"),
            (PROBE[:2], "yes"),
            ([{"id": step["id"]} for step in PROBE], "yes"),
            ([{**step, "extra": 0.0} for step in PROBE], "yes"),
            ([{**step, "id": float("nan")} for step in PROBE], "yes"),
            (SettingError("unknown method"), "yes"),
            (DatasetError("not here"), ""),
        ],
    )
    def test_what_counts_as_a_change(self, filled, today, verdict):
        def probe_of(row):
            if isinstance(today, Exception):
                raise today
            return today

        assert set(mark_stale(filled.rows, probe_of)["stale"]) == {verdict}

    def test_a_row_without_a_probe_is_not_judged(self, tmp_path):
        book = Ledger.read(tmp_path)
        book.append("a", row(0, probe=None))
        assert mark_stale(book.rows, lambda row: 1 / 0)["stale"].tolist() == [""]

    def test_marks_are_kept_shown_and_cleared_by_a_new_run(self, filled):
        assert filled.check(self.changed) is filled
        again = Ledger.read(filled.folder)
        hard = {"triplet": "batch-hard"}
        assert again.table(settings=hard)["mark"].eq("stale").all() and again.table(settings={})["mark"].eq("").all()
        assert again.table(metric="ir2vis_map", settings=hard)["mark"].tolist() == ["stale"]
        assert str(again.value(**RUN, settings=hard, metric="ir2vis_map")).endswith("(stale)")
        assert not again.value(**RUN, metric="ir2vis_map").stale
        for seed in range(3):
            again.append("baseline", row(seed, settings=hard))
        assert not again.value(**RUN, settings=hard, metric="ir2vis_map").stale


class TestIntervals:
    """Bootstrap over seeds"""

    def test_agrees_with_the_normal_interval_for_many_values(self):
        values = np.random.default_rng(0).normal(0.5, 0.1, 400)
        found = interval(values)
        assert found.low == pytest.approx(values.mean() - 1.96 * values.std() / 20, abs=0.001)
        assert found.high == pytest.approx(values.mean() + 1.96 * values.std() / 20, abs=0.001)

    def test_two_values_give_their_range(self):
        # A quarter of the resamples holds one of them twice.
        found = interval([0.2, 0.4])
        assert (found.low, found.high) == (0.2, 0.4)

    def test_follows_its_seed_alone(self):
        values = np.random.default_rng(0).random(30)
        assert interval(values) == interval(values) and interval(values, seed=1) != interval(values)

    def test_does_not_depend_on_the_order_much_and_takes_any_sequence(self):
        assert interval(pd.Series([0.1, 0.2, 0.6])).mean == interval(iter([0.6, 0.1, 0.2])).mean == pytest.approx(0.3)

    def test_memory_is_bounded_for_many_values(self):
        found = interval(np.linspace(0, 1, 600_000), resamples=3)
        assert found.low == pytest.approx(0.5, abs=0.01)

    @pytest.mark.parametrize("values", [[], [0.1, float("nan")], [float("inf")]])
    def test_needs_finite_values(self, values):
        with pytest.raises(ValueError, match="finite numbers"):
            interval(values)

    def test_pairs_are_made_by_seed(self):
        first, second = {2: 0.6, 0: 0.5, 1: 0.1}, {0: 0.4, 1: 0.0, 2: 0.5, 7: 0.9}
        found = paired_difference(first, second)
        assert found.by_seed == pytest.approx({0: 0.1, 1: 0.1, 2: 0.1}) and found.n == 3
        assert (found.low, found.high) == (pytest.approx(0.1), pytest.approx(0.1))  # the pairing takes the seeds' spread out
        assert "10.0 points [10.0, 10.0] (95 % percentile interval, 3 seeds in pairs resampled)" in str(found)

    def test_pairs_of_values_and_series(self, filled):
        plain, hard = (filled.value(**RUN, settings=settings, metric="ir2vis_rank1") for settings in ({}, {"triplet": "batch-hard"}))
        assert paired_difference(plain, hard).mean == pytest.approx(0.05)
        assert paired_difference(pd.Series(plain.by_seed), hard).mean == pytest.approx(0.05)
        filled.check(TestStale().changed)
        stale = filled.value(**RUN, settings={"triplet": "batch-hard"}, metric="ir2vis_rank1")
        assert paired_difference(plain, stale).stale and not paired_difference(plain, hard).stale

    @pytest.mark.parametrize(
        ("first", "message"),
        [({5: 0.1}, "no seed in common"), ([0.1, 0.2], "paired by seed"), (pd.Series([0.1, 0.2], index=[0, 0]), "appears twice")],
    )
    def test_pairs_that_cannot_be_made(self, first, message):
        with pytest.raises(ValueError, match=message):
            paired_difference(first, {0: 0.1})


def test_equal_settings_are_equal_text():
    assert canonical_settings({"b": 1, "a": {"y": 0.5, "x": None}}) == canonical_settings('{"a": {"x": null, "y": 0.5}, "b": 1}')
    assert canonical_settings(None) == canonical_settings({}) == "{}"
    for wrong in ("[]", "{", {"a": float("nan")}):
        with pytest.raises(ValueError):
            canonical_settings(wrong)
