"""Protocols: which images ask, which answer, which answers do not count, and how a ranking is scored."""

from __future__ import annotations

import difflib
import inspect
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from typing import Protocol as Shape

import numpy as np
import pandas as pd

from vireidkit.errors import SettingError
from vireidkit.evaluation.metrics import TIE_RULE


class TestedDataset(Shape):
    """All that a protocol needs of a data set. (The SYSU-MM01 permutation sampler also reads ``root``.)"""

    @property
    def name(self) -> str: ...

    def table(self, split: str) -> pd.DataFrame: ...


@dataclass(frozen=True, eq=False)
class Trial:
    """One draw of a protocol.

    Attributes:
        query: rows of the split's table, in its order; the index is the position in that table, and so in the features.
        gallery: rows of the same table in the protocol's gallery order, which decides between equal distances.
        excluded: bool (Q, G), True where a gallery image is removed for a query; None removes nothing.
        number: which trial this is, from 0.
        query_frames, gallery_frames: None where every row stands for one image. Else every row stands for a tracklet (its index and
            path are those of the first frame), and entry i holds the positions, in the split's table, of the frames whose mean
            descriptor stands for row i; a position may occur twice, and then counts twice.
    """

    query: pd.DataFrame
    gallery: pd.DataFrame
    excluded: np.ndarray | None = None
    number: int = 0
    query_frames: tuple[np.ndarray, ...] | None = None
    gallery_frames: tuple[np.ndarray, ...] | None = None

    def __post_init__(self) -> None:
        for side, rows, frames in (("query", self.query, self.query_frames), ("gallery", self.gallery, self.gallery_frames)):
            if frames is not None and (len(frames) != len(rows) or not all(len(own) for own in frames)):
                raise ValueError(f"{side}_frames must hold at least one position for each of {len(rows)} rows, found {len(frames)} entries")

    def rows(self) -> np.ndarray:
        """Positions, in the split's table, of all images that the trial needs; int64, ascending, each once."""
        sides = ((self.query, self.query_frames), (self.gallery, self.gallery_frames))
        needed = [rows.index.to_numpy(dtype=np.int64) if not frames else np.concatenate(frames) for rows, frames in sides]
        return np.unique(np.concatenate(needed))


class Protocol(ABC):
    """A published or own way to test. Subclass it in a file of your own and decorate the class with ``@register_protocol(name)``.

    Attributes:
        key: short name, used in scores.json and in the ledger's columns.
        cmc: kind of the CMC curve; ap: kind of the average precision (see ``rank_metrics``).
        trial_count: how many trials there are; scores are their mean, all weighing the same.
    """

    key: str = ""
    cmc: str = "identity"
    ap: str = "plain"
    trial_count: int = 10

    @abstractmethod
    def trials(self, dataset: TestedDataset, split: str = "test") -> Iterator[Trial]:
        """The trials on one split, each time the same.

        Raises:
            SettingError: the split lacks the images that the protocol needs.
        """

    @abstractmethod
    def parts(self) -> dict[str, str]:
        """In words: ``query``, ``gallery``, ``sampler``, ``exclusion``; where tracklets are compared, also ``frames`` (which of a
        tracklet's frames stand for it), ``query_unit`` and ``gallery_unit`` ("images" or "tracklets").
        """

    def rows(self, dataset: TestedDataset, split: str = "test") -> np.ndarray | None:
        """Positions, in a split's table, of the images that some trial needs: int64, ascending; None when that is all of them.

        Only these need descriptors. Of MARS with 8 frames a tracklet they are a seventh.

        Raises:
            SettingError: as ``trials``.
        """
        needed = np.zeros(len(dataset.table(split)), dtype=bool)
        for trial in self.trials(dataset, split):
            needed[trial.rows()] = True
        return None if needed.all() else np.flatnonzero(needed)

    def describe(self) -> dict[str, Any]:
        """Everything that a score depends on besides the features, as JSON values. ``evaluate`` adds the counts."""
        fixed = {"cmc": self.cmc, "ap": self.ap, "ties": TIE_RULE, "trials": self.trial_count, "reranking": None}
        return {"key": self.key, **self.parts(), **fixed}

    def __str__(self) -> str:
        return sentence(self.describe())


def sentence(description: dict[str, Any]) -> str:
    """A protocol's description in one line, with the counts as far as they are known."""
    told = dict(description)
    counts = ""
    if "queries" in told:
        unit = told.get("gallery_unit", "images")
        counts = f" ({told['queries']} queries, {told['valid_queries']:g} with a match, {told['gallery_images']} gallery {unit})"
    frames = f"frames: {told['frames']}; " if "frames" in told else ""
    metric = f"; distance: {told['metric']}" if "metric" in told else ""
    reranking = ", ".join(f"{name} {value}" for name, value in (told["reranking"] or {}).items())
    return (
        f"{told['key']}: {told['query']} ask, {told['gallery']} answer{counts}; sampler: {told['sampler']}; {frames}"
        f"trials: {told['trials']}; "
        f"removed: {told['exclusion']}; CMC over {'distinct identities' if told['cmc'] == 'identity' else 'images'}, {told['ap']} AP; "
        f"ties: {told['ties']}; re-ranking: {reranking or 'none'}{metric}"
    )


_PROTOCOLS: dict[str, Callable[..., Protocol]] = {}
Choice = TypeVar("Choice")
Maker = TypeVar("Maker", bound=Callable[..., Protocol])


def register_protocol(name: str) -> Callable[[Maker], Maker]:
    """Decorator for a class or function that makes a protocol from keyword options: ``get_protocol(name, **options)`` calls it.

    Raises:
        ValueError: the name is taken by something else.
    """

    def record(maker: Maker) -> Maker:
        known = _PROTOCOLS.get(name)
        if known is not None and known.__qualname__ != maker.__qualname__:
            raise ValueError(f"protocol name {name!r} is taken by {known.__qualname__}")
        _PROTOCOLS[name] = maker
        return maker

    return record


def list_protocols() -> list[str]:
    """Names of all registered protocols, sorted."""
    return sorted(_PROTOCOLS)


def get_protocol(name: str, **options: Any) -> Protocol:
    """The protocol with this name, such as ``get_protocol("cross-band", query="infrared", gallery="visible")``.

    Raises:
        SettingError: unknown name or option, a missing option, or a value that the option does not take.
    """
    if name not in _PROTOCOLS:
        close = difflib.get_close_matches(str(name), _PROTOCOLS, n=1)
        hint = f" (did you mean {close[0]!r}?)" if close else ""
        raise SettingError(f"unknown protocol {name!r}{hint}; known: {', '.join(list_protocols())}")
    maker = _PROTOCOLS[name]
    known = inspect.signature(maker).parameters
    for option in options:
        if option not in known:
            raise SettingError(f"protocol {name!r} has no option {option!r}; known: {', '.join(known) or 'none'}")
    missing = [option for option, parameter in known.items() if parameter.default is parameter.empty and option not in options]
    if missing:
        raise SettingError(f"protocol {name!r} needs the option {missing[0]!r}, as in get_protocol({name!r}, {missing[0]}=...)")
    return maker(**options)


def check_choice(option: str, value: Choice, choices: Sequence[Choice]) -> Choice:
    """An option's value, if it is one of the choices.

    Raises:
        SettingError: it is not.
    """
    if value not in choices:
        raise SettingError(f"option {option!r} takes one of {', '.join(map(str, choices))}; found {value!r}")
    return value


def check_trials(value: Any, most: int | None = None) -> int:
    """A number of trials.

    Raises:
        SettingError: no whole number of at least 1, or more than there are.
    """
    if not isinstance(value, int) or isinstance(value, bool) or value < 1 or (most is not None and value > most):
        raise SettingError(f"option 'trials' takes a whole number from 1{f' to {most}' if most else ''}; found {value!r}")
    return value


def check_images(rows: pd.DataFrame, needed: str, protocol: Protocol, dataset: TestedDataset, split: str) -> pd.DataFrame:
    """The rows, if there are any.

    Raises:
        SettingError: there are none; names the protocol, the images it needs, the split and the data set.
    """
    if rows.empty:
        raise SettingError(f"protocol {protocol.key!r} needs {needed}; split {split!r} of {dataset.name!r} has none")
    return rows
