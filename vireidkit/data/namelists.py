"""Tracklets that a table of line numbers cuts out of a list of picture names: the form of MARS and of HITSZ-VCM."""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
import pandas as pd

from vireidkit.data.tracklets import fields_of
from vireidkit.errors import DatasetError

TRACK_COLUMNS = ("first", "last", "identity", "camera")


@dataclass(frozen=True)
class Cut:
    """The pictures of the tracks, one after the other.

    Attributes:
        names: (N) picture names; fields: (N, groups) what the names say, as text; lines: (N,) their lines in the list, from 1.
        tracks: (N,) position of each picture's track in the table.
    """

    names: list[str]
    fields: np.ndarray
    lines: np.ndarray
    tracks: np.ndarray


@dataclass(frozen=True)
class Sources:
    """How errors call the two files; ``form``: what a name should look like, in words; ``pattern``: how it is read."""

    names: str
    tracks: str
    form: str
    pattern: re.Pattern[str]


def cut(names: list[str], tracks: pd.DataFrame, sources: Sources, where: str) -> Cut:
    """The pictures of every track, in the order of the table and of the list.

    Args:
        tracks: columns ``first`` and ``last`` (lines, from 1, both belong to the track); the index is the row in the file, from 1.

    Raises:
        DatasetError: a name that cannot be read.
    """
    first, lengths = tracks["first"].to_numpy(), (tracks["last"] - tracks["first"] + 1).to_numpy()
    owner = np.repeat(np.arange(len(tracks)), lengths)  # (N,)
    begins = np.cumsum(lengths) - lengths
    lines = first[owner] + np.arange(len(owner)) - begins[owner]
    chosen = [names[line - 1] for line in lines.tolist()]
    return Cut(chosen, fields_of(chosen, sources.pattern, lines, sources.names, sources.form, where), lines, owner)


def check_lines(tracks: pd.DataFrame, names: list[str], sources: Sources, where: str) -> None:
    """Raise DatasetError unless every track is a run of lines of the list and no line belongs to two tracks."""
    wrong = tracks[(tracks["first"] < 1) | (tracks["last"] < tracks["first"]) | (tracks["last"] > len(names))]
    if len(wrong):
        row = wrong.iloc[0]
        raise DatasetError(
            f"{where}: row {wrong.index[0]} of {sources.tracks} holds lines {row['first']} to {row['last']}, expected lines inside "
            f"1 to {len(names)} of {sources.names}; the two files do not belong together, or one is truncated"
        )
    ordered = tracks.sort_values("first", kind="stable")
    again = ordered[ordered["first"] <= ordered["last"].shift(fill_value=0)]
    if len(again):
        raise DatasetError(f"{where}: row {again.index[0]} of {sources.tracks} holds lines that another row holds too")


def check_agreement(pictures: Cut, tracks: pd.DataFrame, group: int, column: str, sources: Sources, where: str) -> None:
    """Raise DatasetError where a picture's name and its track's row differ in ``column`` (whole numbers)."""
    named = pictures.fields[:, group].astype("int64")
    told = tracks[column].to_numpy()[pictures.tracks]
    wrong = np.flatnonzero(named != told)
    if len(wrong):
        place = wrong[0]
        raise DatasetError(
            f"{where}: line {pictures.lines[place]} of {sources.names} is a picture of {column} {named[place]}, row "
            f"{tracks.index[pictures.tracks[place]]} of {sources.tracks} says {column} {told[place]}; the two files do not belong together"
        )


def query_rows(rows: np.ndarray, tracks: pd.DataFrame, file: str, sources: Sources, where: str) -> np.ndarray:
    """Role of every track: "query" where ``rows`` (from 1) names it, else "gallery".

    Raises:
        DatasetError: a row that is not in the table, or one that is named twice.
    """
    outside = rows[(rows < 1) | (rows > len(tracks))]
    if len(outside):
        raise DatasetError(f"{where}: {file} names row {outside[0]}, expected rows 1 to {len(tracks)} of {sources.tracks}")
    values, times = np.unique(rows, return_counts=True)
    if (times > 1).any():
        raise DatasetError(f"{where}: {file} names row {values[times > 1][0]} more than once")
    return np.where(tracks.index.isin(rows), "query", "gallery")
