"""Published results: every row sound and sourced, unknown settings hidden, doubts marked, nothing passed off as the kit's own."""

from __future__ import annotations

import fnmatch
import html.parser
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pandas as pd
import pytest
from conftest import ROOT

from vireidkit.errors import KitError, SettingError
from vireidkit.published import FILE, METRICS, TITLES, PublishedTable, published, published_table, read_published

ALL = read_published()


def test_every_row_is_sound() -> None:
    assert len(ALL) >= 234
    values = ALL[list(METRICS)].stack().dropna()
    assert values.between(0, 100).all() and (values > 1).all()  # no fraction among the percentages
    assert set(ALL["dataset"]) <= set(TITLES)
    assert ALL["source"].str.strip().ne("").all() and ALL["year"].between(2015, 2030).all()
    assert ALL["rank1"].notna().all()
    ordered = ALL.dropna(subset=["rank10", "rank20"])
    assert (ordered["rank1"] <= ordered["rank10"]).all() and (ordered["rank10"] <= ordered["rank20"]).all()
    assert not ALL.duplicated(["method", "variant", "dataset", "setting", "source"]).any()
    assert (ALL["minp"].isna() | (ALL["minp"] < ALL["map"]) | (ALL["map"].isna())).all()


def test_what_was_recalled_counts_as_unchecked() -> None:
    recalled = ALL["origin"] == "recalled"
    assert recalled.any() and (ALL.loc[recalled, "checked"] == "no").all()


def test_protocol_keys_are_the_kits() -> None:
    known = {
        *("sysu-all-single", "sysu-indoor-single", "regdb-vis2ir", "regdb-ir2vis", "llcm-ir2vis-L1", "llcm-vis2ir-L1", "llcm-vis2ir-L2"),
        *("llcm-L3", "duke", "mars-image2video", "mars-video2video", "vcm-ir2vis", "vcm-vis2ir", "bupt-ir2vis", "bupt-vis2ir", ""),
    }
    assert set(ALL["protocol"]) <= known
    # One protocol is one setting of one data set.
    pairs = ALL[ALL["protocol"] != ""].groupby("protocol")[["dataset", "setting"]].nunique()
    assert (pairs == 1).all(axis=None)


@pytest.mark.parametrize(
    ("method", "dataset", "setting", "rank1", "mean_precision"),
    [
        ("AGW", "sysu-mm01", "all-search single-shot", 47.50, 47.65),
        ("DEEN", "llcm", "visible-to-infrared (L1)", 62.5, 65.8),
        ("DEEN", "llcm", "visible-to-infrared (L2)", 69.21, 55.52),
        ("MITML", "hitsz-vcm", "infrared-to-visible", 63.74, 45.31),
        ("ResVKD-50", "mars", "image-to-video", 83.89, 77.27),
    ],
)
def test_numbers_of_the_specification(method: str, dataset: str, setting: str, rank1: float, mean_precision: float) -> None:
    rows = published(dataset, setting)
    assert ((rows["method"] == method) & (rows["rank1"] == rank1) & (rows["map"] == mean_precision)).any()


def test_both_directions_of_llcm_stay_apart() -> None:
    """L1 and L2 are different protocols: no row of one is listed under the other."""
    first, second = published("llcm", "llcm-vis2ir-L1"), published("llcm", "llcm-vis2ir-L2")
    assert set(first["setting"]) == {"visible-to-infrared (L1)"} and set(second["setting"]) == {"visible-to-infrared (L2)"}
    assert (second["map"] < second["rank1"] - 10).all() and (first["map"] > first["rank1"]).all()


def test_unknown_settings_are_hidden_until_asked_for() -> None:
    shown, everything = published("sysu-mm01"), published("sysu-mm01", unknown=True)
    assert len(everything) == len(shown) + 2
    assert not shown["setting"].str.contains("not stated").any() and not (shown["reranking"] == "unknown").any()
    marks = everything.loc[everything["setting"].str.contains("not stated"), "mark"]
    assert (marks == "unchecked, re-ranking unknown, setting not stated").all()
    with pytest.raises(SettingError, match="unknown=True"):
        published("sysu-cmcc")
    assert len(published("sysu-cmcc", unknown=True)) == 2


def test_marks() -> None:
    rows = published("sysu-mm01", "sysu-all-single").set_index(["method", "variant"])
    marks = {name: set(rows.loc[[(name, "")], "mark"]) for name in ("IDKL", "cmGAN", "DEEN")}
    assert marks == {"IDKL": {"unchecked, re-ranking disputed"}, "cmGAN": {"unchecked"}, "DEEN": {""}}
    assert "doubtful" in set(published("regdb")["mark"]) and "doubtful" in set(published("sysu-mm01", "sysu-indoor-single")["mark"])


def test_names_in_any_case_and_unknown_ones() -> None:
    assert published("SYSU-MM01", "All-search single-shot").equals(published("sysu-mm01", "sysu-all-single"))
    with pytest.raises(SettingError, match="there are some on sysu-mm01, regdb"):
        published("imagenet")
    with pytest.raises(SettingError, match=r"no published results on RegDB in the setting 'all'; settings: visible-to-thermal, thermal"):
        published("regdb", "all")


def test_the_answer_can_be_changed_without_harm() -> None:
    rows = published("mars")
    rows["rank1"] = 0.0
    assert published("mars")["rank1"].min() > 70


def test_the_table_says_what_it_is() -> None:
    table = published_table("sysu-mm01", "sysu-all-single")
    assert isinstance(table, PublishedTable)
    assert "published, not reached by this kit" in str(table) and "SYSU-MM01, all-search single-shot" in table.caption
    assert "<caption>SYSU-MM01" in table._repr_html_()
    for text in (str(table), table._repr_html_()):
        assert "NaN" not in text and "47.65" in text and "47.650" not in text  # digits as printed
    assert list(table.rows)[:4] == ["method", "year", "venue", "Rank-1"] and {"mark", "source"} <= set(table.rows)
    best = table.rows["mAP"].dropna()
    assert best.is_monotonic_increasing
    html.parser.HTMLParser().feed(table._repr_html_())


def test_several_settings_keep_their_column_and_their_order() -> None:
    rows = published_table("mars").rows
    assert list(dict.fromkeys(rows["setting"])) == ["image-to-video", "video-to-video"]


def test_the_table_drops_repeats_only() -> None:
    few, many = published_table("sysu-mm01", "sysu-all-single").rows, published_table("sysu-mm01", "sysu-all-single", repeats=True).rows
    assert len(many) == len(published("sysu-mm01", "sysu-all-single")) > len(few)
    assert set(few["method"]) == set(many["method"])
    agw = few[few["method"] == "AGW"]
    assert agw["source"].tolist() == ["Cross-Modal-Re-ID-baseline README"]
    # The paper and the corrected table differ by more than rounding: both stay.
    assert len(published_table("llcm", "llcm-ir2vis-L1", methods=["DEEN"]).rows) == 3
    with pytest.raises(SettingError, match="no published results of 'Nobody'"):
        published_table("llcm", methods=["Nobody"])


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (",17.0,", ",117.0,", r"line 2: rank1 must be a percentage 0\.\.100, found 117"),
        (",17.0,", ",much,", "line 2: rank1 must be a number or empty, found 'much'"),
        (",17.0,", ",nan,", "line 2: rank1 must be a percentage"),
        ("sysu-mm01", "sysu", "line 2: dataset must be one of sysu-mm01"),
        (",no,yes,", ",maybe,yes,", "line 2: reranking must be one of no, yes"),
        ("DEEN paper (CVPR 2023) Table 2", "", "line 2: source is empty"),
        ("method,variant", "method", "line 1: expected the columns method, variant"),
        ("BDTR,,2018,", "BDTR,,2018,extra,", "line 2: expected 17 columns"),
        (",2018,", ",soon,", "line 2: year must be a number"),
    ],
)
def test_a_damaged_file_is_named_with_its_line(tmp_path: Path, old: str, new: str, complaint: str) -> None:
    damaged = tmp_path / "published_results.csv"
    damaged.write_text(FILE.read_text(encoding="utf-8").replace(old, new, 1), encoding="utf-8")
    with pytest.raises(KitError, match=rf"published_results\.csv {complaint}"):
        read_published(damaged)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(KitError, match=r"published results cannot be read: .*gone\.csv: No such file"):
        read_published(tmp_path / "gone.csv")


def test_the_checkouts_file_is_the_packages() -> None:
    assert (ROOT / "data" / "published_results.csv").resolve() == FILE.resolve()
    pd.testing.assert_frame_equal(read_published(ROOT / "data" / "published_results.csv"), ALL)


def test_wheels_carry_the_file() -> None:
    patterns = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]["vireidkit"]
    assert any(fnmatch.fnmatch(FILE.name, pattern) for pattern in patterns), "package-data must name published_results.csv"


def test_it_works_away_from_the_checkout(tmp_path: Path) -> None:
    """The package alone, copied elsewhere, as a wheel installs it."""
    package = tmp_path / "vireidkit"
    package.mkdir()
    for name in ("__init__.py", "errors.py", "published.py", FILE.name):
        shutil.copy(FILE.parent / name, package / name)
    code = "import vireidkit.published as p; print(p.__file__, len(p.published('regdb', 'regdb-vis2ir')))"
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, env={"PYTHONPATH": str(tmp_path)})
    assert re.fullmatch(rf"{re.escape(str(package))}\S* 3\d\n", done.stdout), done.stderr
