"""Published results as a table: what papers print, with where it was read and what is doubtful about it.

The file ``published_results.csv`` lies in the package (``data/published_results.csv`` of a checkout is a link to it). Its columns:

- ``method``; ``variant``, what sets a row apart from the method as published; ``year`` and ``venue`` of the method;
- ``dataset``, the kit's name; ``setting``, in the field's words; ``protocol``, the key of the kit's protocol that computes the same,
  empty where there is none or the setting is not known;
- ``rank1, rank10, rank20, map, minp`` in percent, as printed; empty where not printed;
- ``reranking``: no, yes, disputed, unknown; ``checked``: yes if the number was read in the source itself, no if recalled;
- ``origin``: primary (the authors), secondary (quoted by others), reported (by users), recalled; ``source``: where; ``note``.

None of these numbers was reached by this kit: its own are in the ledger.
"""

from __future__ import annotations

import csv
import html
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from vireidkit.errors import KitError, SettingError

FILE = Path(__file__).with_name("published_results.csv")
METRICS = ("rank1", "rank10", "rank20", "map", "minp")
ABOUT = ("method", "variant", "year", "venue", "dataset", "setting", "protocol")
COLUMNS = (*ABOUT, *METRICS, "reranking", "checked", "origin", "source", "note")
RERANKING = {"no": "", "yes": "re-ranked", "disputed": "re-ranking disputed", "unknown": "re-ranking unknown"}
ORIGINS = ("primary", "secondary", "reported", "recalled")
TITLES = {
    "sysu-mm01": "SYSU-MM01",
    "regdb": "RegDB",
    "llcm": "LLCM",
    "hitsz-vcm": "HITSZ-VCM",
    "buptcampus": "BUPTCampus",
    "mars": "MARS",
    "dukemtmc-reid": "DukeMTMC-reID",
    "sysu-cmcc": "SYSU-CMCC",
}
HEADINGS = {"rank1": "Rank-1", "rank10": "Rank-10", "rank20": "Rank-20", "map": "mAP", "minp": "mINP"}
UNSTATED = "not stated"
ROUNDING = 0.06  # printed with one digit here and two there
CAPTION = "published, not reached by this kit"


def read_published(path: Path | None = None) -> pd.DataFrame:
    """The whole file as it stands, checked; None reads the kit's. Metrics are float64 with NaN where nothing is printed.

    Raises:
        KitError: the file is missing or holds what does not belong there; names file and line.
    """
    path = FILE if path is None else path
    try:
        with open(path, encoding="utf-8", newline="") as stream:
            lines = csv.DictReader(stream)
            if tuple(lines.fieldnames or ()) != COLUMNS:
                raise KitError(f"{path} line 1: expected the columns {', '.join(COLUMNS)}, found {', '.join(lines.fieldnames or ())}")
            rows = [_checked(row, f"{path} line {lines.line_num}") for row in lines]
    except (OSError, UnicodeError, csv.Error) as error:
        raise KitError(f"published results cannot be read: {path}: {getattr(error, 'strerror', None) or error}") from error
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _checked(row: dict[str, str], where: str) -> dict[str, str | int | float]:
    """A row with its numbers as numbers."""
    if None in row or None in row.values():
        raise KitError(f"{where}: expected {len(COLUMNS)} columns")
    for column in ("method", "dataset", "setting", "source"):
        if not row[column].strip():
            raise KitError(f"{where}: {column} is empty")
    for column, known in (("dataset", TITLES), ("reranking", RERANKING), ("checked", ("yes", "no")), ("origin", ORIGINS)):
        if row[column] not in known:
            raise KitError(f"{where}: {column} must be one of {', '.join(known)}, found {row[column]!r}")
    if not row["year"].isdecimal():
        raise KitError(f"{where}: year must be a number, found {row['year']!r}")
    return {**row, "year": int(row["year"]), **{metric: _percent(row[metric], f"{where}: {metric}") for metric in METRICS}}


def _percent(text: str, where: str) -> float:
    try:
        value = float(text) if text else math.nan
    except ValueError as error:
        raise KitError(f"{where} must be a number or empty, found {text!r}") from error
    if text and not 0 <= value <= 100:
        raise KitError(f"{where} must be a percentage 0..100, found {text}")
    return value


def published(dataset: str, setting: str | None = None, *, unknown: bool = False) -> pd.DataFrame:
    """Published results on a data set, as printed, in percent (the kit's own scores are fractions).

    Args:
        dataset: the kit's name or the usual one ("sysu-mm01", "SYSU-MM01").
        setting: in the field's words ("all-search single-shot") or a protocol's key ("sysu-all-single"); None takes all.
        unknown: also rows whose setting or post-processing nobody states.

    Returns:
        The file's columns (see the module) and ``mark``, which says what sets a row apart from a sound one: "unchecked",
        "re-ranked", "re-ranking disputed", "re-ranking unknown", "setting not stated", "doubtful"; empty for most.

    Raises:
        SettingError: no such data set or setting; lists what there is.
    """
    rows = read_published()
    name = dataset.strip().lower()
    rows = rows[rows["dataset"] == name]
    if rows.empty:
        raise SettingError(f"no published results on {dataset!r}; there are some on {', '.join(TITLES)}")
    hidden = rows["setting"].str.contains(UNSTATED) | (rows["reranking"] == "unknown")
    shown = rows if unknown else rows[~hidden]
    if setting is not None:
        wanted = setting.strip().lower()
        shown = shown[(shown["setting"].str.lower() == wanted) | (shown["protocol"].str.lower() == wanted)]
    if shown.empty:
        known = list(dict.fromkeys(rows["setting"] if unknown else rows["setting"][~hidden]))
        which = f"no published results on {TITLES[name]}" + ("" if setting is None else f" in the setting {setting!r}")
        raise SettingError(f"{which}; settings: {', '.join(known) or 'none that is stated, pass unknown=True to see the others'}")
    return shown.assign(mark=[_mark(row) for row in shown.to_dict("records")]).reset_index(drop=True)


def _mark(row: dict[str, str]) -> str:
    marks = [
        "unchecked" if row["checked"] != "yes" else "",
        RERANKING[row["reranking"]],
        "setting not stated" if UNSTATED in row["setting"] else "",
        "doubtful" if "doubtful" in row["note"] else "",
    ]
    return ", ".join(filter(None, marks))


@dataclass(frozen=True, eq=False)
class PublishedTable:
    """Published results ready to be looked at; a notebook shows it with its caption.

    Attributes:
        rows: method, year, venue, setting where there are several, the metrics that somebody prints, mark, source and note.
        caption: says what the table is, and that the kit did not reach these numbers.
    """

    rows: pd.DataFrame
    caption: str

    def __str__(self) -> str:
        return f"{self.caption}\n{self.rows.to_string(index=False, na_rep='–', float_format=str)}"

    def _repr_html_(self) -> str:
        table = self.rows.to_html(index=False, na_rep="–", float_format=str, border=0)
        head, _, body = table.partition(">")
        return f"{head}>\n  <caption>{html.escape(self.caption)}</caption>{body}"


def published_table(
    dataset: str, setting: str | None = None, *, unknown: bool = False, methods: Sequence[str] | None = None, repeats: bool = False
) -> PublishedTable:
    """Published results as a table for the eye, best mAP last; arguments and errors as ``published``.

    Args:
        methods: only these; None takes all.
        repeats: also rows that only repeat another of the same method up to rounding.

    Raises:
        SettingError: also when a method has no row.
    """
    rows = published(dataset, setting, unknown=unknown)
    if methods is not None:
        missing = [name for name in methods if name not in set(rows["method"])]
        if missing:
            raise SettingError(f"no published results of {missing[0]!r} there; methods: {', '.join(sorted(set(rows['method'])))}")
        rows = rows[rows["method"].isin(methods)]
    rows = rows if repeats else _without_repeats(rows)
    settings = list(dict.fromkeys(rows["setting"]))
    rows = rows.assign(order=rows["setting"].map(settings.index)).sort_values(["order", "map", "rank1"], na_position="first", kind="stable")
    title = f"{TITLES[rows['dataset'].iloc[0]]}{', ' + settings[0] if len(settings) == 1 else ''}"
    names = [f"{method} ({variant})" if variant else method for method, variant in zip(rows["method"], rows["variant"], strict=True)]
    printed = [metric for metric in METRICS if rows[metric].notna().any()]
    columns = ["method", "year", "venue", *(["setting"] if len(settings) > 1 else []), *printed, "mark", "source", "note"]
    shown = rows.assign(method=names)[columns].rename(columns=HEADINGS).reset_index(drop=True)
    return PublishedTable(shown, f"{title}: {CAPTION}. In percent, as printed; see the marks.")


def _without_repeats(rows: pd.DataFrame) -> pd.DataFrame:
    """The rows without those that another of the same method and setting repeats up to rounding; the nearest to its authors stays."""
    order = rows.assign(rank=rows["origin"].map(ORIGINS.index), gaps=rows[list(METRICS)].isna().sum(axis=1))
    kept: list[int] = []
    for place in order.sort_values(["rank", "gaps"], kind="stable").index:
        if not any(_repeats(rows.loc[place], rows.loc[other]) for other in kept):
            kept.append(place)
    return rows.loc[sorted(kept)]


def _repeats(row: pd.Series, other: pd.Series) -> bool:
    """Whether a row has the method and setting of another and no number that differs by more than rounding."""
    if any(row[column] != other[column] for column in ("method", "variant", "setting", "reranking")):
        return False
    return all(math.isnan(row[m]) or math.isnan(other[m]) or abs(row[m] - other[m]) <= ROUNDING for m in METRICS)
