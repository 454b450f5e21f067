"""The ledger: one row a run in ``data/results/*.csv``, written by the tool only, read by tables, figures and notebooks."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from vireidkit.errors import DatasetError, SettingError
from vireidkit.evaluation.intervals import Interval, interval, paired_difference
from vireidkit.ledger_rows import (
    FIRST,
    LAST,
    RUN,
    SCORE,
    as_text,
    canonical_settings,
    checked,
    locked,
    ordered,
    read_file,
    run_of,
    write_file,
)

__all__ = ["Interval", "Ledger", "canonical_settings", "default_folder", "interval", "mark_stale", "paired_difference", "table", "value"]

MARK = "stale"

Probe = Sequence[Mapping[str, float]]


def default_folder() -> Path:
    """``data/results`` of the checkout that this package lies in."""
    return Path(__file__).resolve().parent.parent / "data" / "results"


@dataclass(eq=False)
class Ledger:
    """All rows of a folder. ``rows`` is a table with one row a run; its column ``file`` says where each stands."""

    folder: Path
    rows: pd.DataFrame

    @classmethod
    def read(cls, folder: str | os.PathLike[str] | None = None) -> Ledger:
        """Read every CSV file of a folder (None: ``default_folder()``). A folder that is not there is an empty ledger.

        Raises:
            KitError: a file that is cut off or was changed by hand into something else; names file and line.
        """
        folder = default_folder() if folder is None else Path(folder)
        tables = [pd.DataFrame(read_file(path)).assign(file=path.stem) for path in sorted(folder.glob("*.csv"))]
        tables = [table for table in tables if len(table)]
        if not tables:
            return cls(folder, pd.DataFrame(columns=[*FIRST, *LAST, "file"]))
        rows = pd.concat(tables, ignore_index=True)
        return cls(folder, rows[[*ordered([column for column in rows if column != "file"]), "file"]])

    def append(self, name: str, row: Mapping[str, Any]) -> None:
        """Add a run to ``<folder>/<name>.csv``; a run that stands there already (same method, data set, profile, settings and seed)
        is replaced. Afterwards ``rows`` is read anew, with what others have written.

        The file is changed under a lock and replaced as a whole: several sweeps may write at once, and a stop leaves the old file.

        Args:
            row: the columns; ``settings`` may be a mapping and ``probe`` a list, missing ``seconds``, ``torch``, ``commit`` and
                ``probe`` stay empty, a value that is None or NaN too. Scores are fractions 0-1.

        Raises:
            KitError: the folder cannot be written to, or the file is damaged.
            ValueError: the row lacks what names a run, or holds a value that does not belong there.
        """
        if not re.fullmatch(r"[\w.-]+", name) or name.startswith("."):
            raise ValueError(f"a ledger file needs a plain name, found {name!r}")
        path = self.folder / f"{name}.csv"
        new = checked(as_text(row), lambda text: ValueError(f"ledger row: {text}"))
        with locked(path):
            rows = [old for old in (read_file(path) if path.exists() else []) if run_of(old) != run_of(new)]
            write_file(path, [*rows, new])
        self.rows = Ledger.read(self.folder).rows

    def has(self, **run: Any) -> bool:
        """Whether a run is in the ledger: ``has(method=, dataset=, profile=, settings=, seed=)``; what is left out may be anything."""
        return not _select(self.rows, run).empty

    def check(self, probe_of: Callable[[Mapping[str, Any]], Probe], *, tolerance: float = 1e-3) -> Ledger:
        """Recompute every row's probe (see the function ``mark_stale``), write the marks into the files, and return the ledger."""
        marked = mark_stale(self.rows, probe_of, tolerance=tolerance)
        # The probe is part of the key: a row that another process replaced meanwhile was not the one that was checked.
        verdicts = {(row["file"], run_of(row), row["probe"]): row["stale"] for row in marked.to_dict("records")}
        for name in marked["file"].unique():
            path = self.folder / f"{name}.csv"
            with locked(path):
                rows = read_file(path)
                write_file(path, [{**row, "stale": verdicts.get((name, run_of(row), row["probe"]), row["stale"])} for row in rows])
        self.rows = Ledger.read(self.folder).rows
        return self

    def table(
        self,
        *,
        dataset: str | None = None,
        profile: str | None = None,
        method: str | None = None,
        settings: Mapping[str, Any] | str | None = None,
        metric: str | Sequence[str] | None = None,
        fingerprint: str | None = None,
    ) -> pd.DataFrame:
        """Rows of the ledger; what is left out (None) may be anything. Stale rows are there, with "stale" in the column ``mark``.

        Returns:
            Without ``metric``: one row a run, all columns. With one or several metrics (columns such as "ir2vis_map"): one row for
            each method, data set, profile, settings, fingerprint and metric, with ``n`` seeds, ``mean``, ``low``, ``high`` (95 %
            percentile interval, seeds resampled; fractions) and ``mark``.

        Raises:
            SettingError: nothing fits, or no row has the metric; lists what exists.
        """
        wanted = {"method": method, "dataset": dataset, "profile": profile, "settings": settings, "fingerprint": fingerprint}
        rows = self._rows(wanted)
        if metric is None:
            shown = rows.dropna(axis=1, how="all").drop(columns=["stale", "probe"], errors="ignore")
            return shown.assign(mark=_marks(rows)).reset_index(drop=True)
        summary = []
        for one in [metric] if isinstance(metric, str) else metric:
            for names, group in _with_metric(rows, one).groupby([*RUN[:-1], "fingerprint"], sort=False):
                found = _over_seeds(group, one)
                ends = {"n": found.n, "mean": found.mean, "low": found.low, "high": found.high, "mark": MARK if found.stale else ""}
                summary.append({**dict(zip((*RUN[:-1], "fingerprint"), names, strict=True)), "metric": one, **ends})
        return pd.DataFrame(summary)

    def value(
        self,
        *,
        method: str,
        dataset: str,
        profile: str,
        metric: str,
        settings: Mapping[str, Any] | str | None = None,
        fingerprint: str | None = None,
    ) -> Interval:
        """One number: the mean of a metric over the seeds of one setting, with its 95 % percentile interval, seeds resampled.

        Args:
            metric: a column such as "ir2vis_rank1"; the value is a fraction.
            settings: None is the recipe as it stands, without overrides.

        Raises:
            SettingError: nothing fits; lists what exists. Or rows of two versions of the data set, or a seed in two files.
        """
        wanted = {"method": method, "dataset": dataset, "profile": profile, "settings": settings or {}, "fingerprint": fingerprint}
        return _over_seeds(_with_metric(self._rows(wanted), metric), metric)

    def _rows(self, wanted: Mapping[str, Any]) -> pd.DataFrame:
        rows = _select(self.rows, wanted)
        if rows.empty:
            asked = ", ".join(f"{key}={value!r}" for key, value in wanted.items() if value is not None) or "anything"
            there = [", ".join(map(str, names)) for names in self.rows[list(RUN[:-1])].drop_duplicates().itertuples(index=False)]
            raise SettingError(f"no ledger row for {asked} in {self.folder}; there is: {'; '.join(there) or 'nothing'}")
        return rows


def table(*, folder: str | os.PathLike[str] | None = None, **selection: Any) -> pd.DataFrame:
    """``Ledger.table`` of the checkout's ledger, or of ``folder``."""
    return Ledger.read(folder).table(**selection)


def value(*, folder: str | os.PathLike[str] | None = None, **selection: Any) -> Interval:
    """``Ledger.value`` of the checkout's ledger, or of ``folder``."""
    return Ledger.read(folder).value(**selection)


def mark_stale(rows: pd.DataFrame, probe_of: Callable[[Mapping[str, Any]], Probe], *, tolerance: float = 1e-3) -> pd.DataFrame:
    """The rows with a column ``stale``: "yes" where the code behaves differently today, "no" where it does not, "" where the row
    has no probe to compare with.

    A probe is the list of the loss terms of three fixed steps. Only a change of behaviour counts, not a change of a file; other
    CPUs round differently, hence the tolerance.

    Args:
        rows: rows of a ledger.
        probe_of: computes a row's probe with today's code. A ``SettingError`` of it (a method or setting that no longer exists)
            makes the row stale; a ``DatasetError`` (the data are not here) leaves the row unmarked.
        tolerance: largest difference, relative to the larger of the two values and 1.
    """

    def verdict(row: Mapping[str, Any]) -> str:
        """One row's mark."""
        stored = json.loads(row["probe"] or "[]")
        if not stored:
            return ""
        try:
            return "no" if _agree(stored, probe_of(row), tolerance) else "yes"
        except SettingError:
            return "yes"
        except DatasetError:
            return ""

    return rows.assign(stale=[verdict(row) for row in rows.to_dict("records")])


def _agree(stored: Probe, today: Probe, tolerance: float) -> bool:
    """Whether two probes have the same steps, terms and, nearly, values."""
    if len(stored) != len(today) or any(set(old) != set(new) for old, new in zip(stored, today, strict=True)):
        return False
    pairs = [(old[term], float(new[term])) for old, new in zip(stored, today, strict=True) for term in old]
    return all(abs(old - new) <= tolerance * max(1.0, abs(old), abs(new)) for old, new in pairs)


def _select(rows: pd.DataFrame, wanted: Mapping[str, Any]) -> pd.DataFrame:
    """The rows that fit; None fits all."""
    unknown = set(wanted) - {*RUN, "fingerprint"}
    if unknown:
        raise ValueError(f"rows are selected by {', '.join(RUN)}, fingerprint; found {sorted(unknown)[0]!r}")
    for column, wish in wanted.items():
        if wish is not None:
            rows = rows[rows[column] == (canonical_settings(wish) if column == "settings" else wish)]
    return rows


def _with_metric(rows: pd.DataFrame, metric: str) -> pd.DataFrame:
    """The rows that have a metric."""
    there = [column for column in rows if SCORE.fullmatch(column) and rows[column].notna().any()]
    if metric not in there:
        raise SettingError(f"no ledger row has the metric {metric!r}; there is: {', '.join(there) or 'none'}")
    return rows[rows[metric].notna()]


def _over_seeds(rows: pd.DataFrame, metric: str) -> Interval:
    """Mean and interval of a metric over the seeds of one setting."""
    name = ", ".join(map(str, rows.iloc[0][list(RUN[:-1])]))
    if rows["fingerprint"].nunique() > 1:
        versions = ", ".join(rows["fingerprint"].unique())
        raise SettingError(f"ledger rows of {name} come from several versions of the data set; choose a fingerprint of {versions}")
    twice = rows[rows["seed"].duplicated()]
    if len(twice):
        files = ", ".join(rows.loc[rows["seed"] == twice["seed"].iloc[0], "file"])
        raise SettingError(f"ledger rows of {name}: seed {twice['seed'].iloc[0]} stands in several files: {files}")
    values = {int(seed): float(number) for seed, number in zip(rows["seed"], rows[metric], strict=True)}
    found = interval(values.values())
    return Interval(found.mean, found.low, found.high, found.n, values, stale=bool((rows["stale"] == "yes").any()))


def _marks(rows: pd.DataFrame) -> list[str]:
    return [MARK if stale == "yes" else "" for stale in rows["stale"]]
