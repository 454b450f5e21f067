"""What the retrieval browser shows, without a browser: trials by name, queries that pass the filters, answers, and all of it as CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from vireidkit.analysis.retrieval import order_queries, query_table, ranked
from vireidkit.errors import SettingError
from vireidkit.viz.tables import common_table, finite_rows, label_of, named

ALL, FAILURES, FIRST, SECOND = "all queries", "failures only", "found only by the first", "found only by the second"
SHOW = (ALL, FAILURES, FIRST, SECOND)
NO_CAMERA = -1
REMOVED = 3  # places of a list that may go to images which the camera rule removes


@dataclass(frozen=True)
class Filters:
    """Which queries are listed. Empty texts let everything pass; the others are compared with the table's values as people write them."""

    show: str = ALL
    camera: str = ""
    modality: str = ""
    identity: str = ""


class Rankings:
    """Rankings of one or more methods under one or more trials; query tables are made when first asked for.

    Attributes:
        features: name -> ``Features``; trials: name -> ``Trial``, each with a column ``camera`` (-1 where the user's table has none).
        cameras: whether cameras are known.
    """

    def __init__(self, features: Any, trials: Any) -> None:
        """Rankings of these features.

        Args:
            features: ``Features``, or a mapping name -> ``Features`` of the same images.
            trials: a ``Trial``, or a mapping name -> ``Trial``, indexed by position in the features.

        Raises:
            SettingError: no trial, a trial without queries or gallery, a position that is not there, or a descriptor in use that is
                not finite.
        """
        self.features = {str(name): one for name, one in named(features).items()}
        self.table = common_table(self.features)
        self.cameras = "camera" in self.table.columns
        found = dict(trials) if isinstance(trials, Mapping) else {"queries": trials}
        if not found:
            raise SettingError("a retrieval browser needs a trial, found none")
        self.trials = {str(name): _with_camera(trial) for name, trial in found.items()}
        for name, trial in self.trials.items():
            _check_trial(name, trial, len(self.table))
        self._check_finite()
        self._queries: dict[tuple[str, str], pd.DataFrame] = {}

    def _check_finite(self) -> None:
        used = np.unique(np.concatenate([part.index.to_numpy() for trial in self.trials.values() for part in (trial.query, trial.gallery)]))
        for name, features in self.features.items():
            bad = used[~finite_rows(features)[used]]
            if len(bad):
                where = self.table["path"].iloc[bad[0]] if "path" in self.table.columns else f"position {bad[0]}"
                raise SettingError(
                    f"features {name!r} are not finite (NaN or infinity) for {len(bad)} of {len(used)} ranked images, "
                    f"first {where}; a ranking needs every distance: leave these rows out"
                )

    def queries(self, method: str, trial: str) -> pd.DataFrame:
        """``query_table`` of a method under a trial."""
        if (method, trial) not in self._queries:
            self._queries[method, trial] = query_table(self.features[method], self.trials[trial])
        return self._queries[method, trial]

    def listed(self, trial: str, first: str, second: str = "", *, order: str, filters: Filters) -> NDArray[np.int64]:
        """Positions of the queries that pass the filters, in the order of the first method's table; may be none.

        Raises:
            SettingError: unknown order or an unknown ``filters.show``.
        """
        if filters.show not in SHOW:
            raise SettingError(f"unknown queries {filters.show!r}; known: {', '.join(SHOW)}")
        table = self.queries(first, trial)
        keep = np.ones(len(table), bool)
        for column in ("camera", "modality", "identity"):
            wanted = getattr(filters, column).strip()
            if wanted:
                keep &= np.array([label_of(value) == wanted for value in table[column]])
        if filters.show != ALL:
            keep &= table["valid"].to_numpy() & self._shown(trial, first, second, filters.show)
        sequence = order_queries(table, order)
        return sequence[keep[sequence]]

    def _shown(self, trial: str, first: str, second: str, show: str) -> NDArray[np.bool_]:
        mine = self.queries(first, trial)["first_hit"].to_numpy() == 1
        if show == FAILURES or not second:
            return ~mine if show in (FAILURES, SECOND) else mine
        theirs = self.queries(second, trial)["first_hit"].to_numpy() == 1
        return mine & ~theirs if show == FIRST else theirs & ~mine

    def answers(self, method: str, trial: str, query: int, k: int) -> tuple[pd.DataFrame, int]:
        """The k places that are shown of a list, and how many more removed images stood among them.

        At most ``REMOVED`` places go to images that the camera rule removes. Columns as ``ranked``.
        """
        full = ranked(self.features[method], self.trials[trial], query, k)
        shown = full[~full["excluded"] | (full["excluded"].cumsum() <= REMOVED)].head(k)
        upto = full.loc[: shown.index[-1]] if len(shown) else full
        return shown.reset_index(drop=True), int(upto["excluded"].sum() - shown["excluded"].sum())

    def asking(self, row: int, trial: str) -> tuple[str, int] | None:
        """The trial and position in which an image is a query, the given trial first; None where it never is."""
        for name in dict.fromkeys([trial, *self.trials]):
            place = np.flatnonzero(self.trials[name].query.index.to_numpy() == row)
            if len(place):
                return name, int(place[0])
        return None

    def export(self, methods: Sequence[str], trial: str, query: int, k: int) -> pd.DataFrame:
        """The shown lists as one table, one row a place, with the query's own columns before it."""
        parts = []
        for method in methods:
            entry = self.queries(method, trial).iloc[query]
            shown, _ = self.answers(method, trial, query, k)
            about = {"method": method, "trial": trial} | {
                f"query_{name}": entry[name] for name in ("row", "identity", "camera", "modality")
            }
            about |= {"query_ap": entry["ap"], "query_first_hit": entry["first_hit"]}
            modality = self.table["modality"].to_numpy()[shown["row"]]
            part = shown.drop(columns="gallery").assign(modality=modality, **self._paths(entry["row"], shown["row"]), **about)
            parts.append(part[[*about, *[name for name in part.columns if name not in about]]])
        found = pd.concat(parts, ignore_index=True)
        return found if self.cameras else found.drop(columns=["query_camera", "camera"])

    def _paths(self, query: int, rows: pd.Series) -> dict[str, Any]:
        if "path" not in self.table.columns:
            return {}
        paths = self.table["path"].to_numpy()
        return {"query_path": paths[int(query)], "path": paths[rows]}


def _with_camera(trial: Any) -> Any:
    """The trial; tables without cameras get one that stands for "unknown"."""
    if "camera" in trial.query.columns and "camera" in trial.gallery.columns:
        return trial
    return replace(trial, query=trial.query.assign(camera=NO_CAMERA), gallery=trial.gallery.assign(camera=NO_CAMERA))


def _check_trial(name: str, trial: Any, rows: int) -> None:
    if len(trial.query) == 0 or len(trial.gallery) == 0:
        raise SettingError(f"trial {name!r} needs queries and a gallery, found {len(trial.query)} and {len(trial.gallery)} images")
    for what, table in (("query", trial.query), ("gallery", trial.gallery)):
        index = table.index.to_numpy()
        if index.dtype.kind not in "iu" or index.min() < 0 or index.max() >= rows:
            raise SettingError(
                f"the index of trial {name!r}'s {what} table must be positions in the features, 0 to {rows - 1}; "
                f"found {index.min()} to {index.max()}"
            )
