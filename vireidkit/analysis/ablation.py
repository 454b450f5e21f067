"""What a part of a method is worth: the settings of an ablation against one of them, seed by seed; and published scores beside ours."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd

from vireidkit.evaluation.intervals import Interval, interval, paired_difference
from vireidkit.evaluation.scores import TITLES


def ablation(
    scores: Mapping[str, Mapping[str, Interval | Mapping[int, float]]],
    *,
    against: str,
    own: Mapping[str, Mapping[str, float]] | None = None,
) -> pd.DataFrame:
    """Each setting of an ablation beside the one that it is compared with: means, and differences paired by seed.

    Args:
        scores: metric (such as "ir2vis_map") -> name of a setting -> its scores (``ledger.value``, or a mapping seed -> value), in the
            order of reading.
        against: the name of the setting that all others are compared with.
        own: name of a setting -> metric -> the score of the reader's own run of it, as a fraction. It stands beside and counts nowhere.

    Returns:
        One row for each metric and setting, fractions: ``metric, name, seeds`` (their number), ``mean, low, high`` (95 % percentile
        interval), ``difference, difference_low, difference_high`` (setting minus ``against``; NaN in its own row), ``pairs`` (seeds
        that both have), ``by_seed`` (seed -> difference), ``own, own_difference`` (NaN where the reader has no such run), ``reading``
        (in words, whichever way it falls) and ``stale``.

    Raises:
        ValueError: no metric, a metric without the setting ``against``, or settings without a common seed.
    """
    if not scores:
        raise ValueError("an ablation needs a metric, found none")
    rows = []
    for metric, found in scores.items():
        if against not in found:
            raise ValueError(f"{metric} has no setting {against!r}; it has {', '.join(found) or 'none'}")
        known = {name: _as_interval(one) for name, one in found.items()}
        rows += [_row(metric, name, known, against, own or {}) for name in known]
    return pd.DataFrame(rows)


def _as_interval(found: Interval | Mapping[int, float]) -> Interval:
    """Scores with their seeds."""
    return found if isinstance(found, Interval) else replace(interval(found.values(), of="seeds"), by_seed=dict(found))


def _row(metric: str, name: str, found: Mapping[str, Interval], against: str, own: Mapping[str, Mapping[str, float]]) -> dict[str, Any]:
    """One setting in one metric."""
    score, mine = found[name], own.get(name, {}).get(metric, math.nan)
    row = {"metric": metric, "name": name, "seeds": score.n, "mean": score.mean, "low": score.low, "high": score.high}
    if name == against:
        values, by_seed, reading = (math.nan, math.nan, math.nan, score.n), {}, "what the others are compared with"
    else:
        gain = paired_difference(score, found[against])
        values, by_seed, reading = (gain.mean, gain.low, gain.high, gain.n), dict(gain.by_seed), verdict(gain)
    row |= dict(zip(("difference", "difference_low", "difference_high", "pairs"), values, strict=True))
    beside = math.nan if name == against else mine - own.get(against, {}).get(metric, math.nan)
    return row | {"by_seed": by_seed, "own": mine, "own_difference": beside, "reading": reading, "stale": score.stale}


def verdict(gain: Interval) -> str:
    """A paired difference in words: which way it falls, and whether its interval leaves out zero (if not, no difference is shown)."""
    size = f"{abs(100 * gain.mean):.1f} points"
    if gain.n < 2:
        return f"{'higher' if gain.mean > 0 else 'lower'} by {size} in one seed: no interval"
    if gain.low > 0 or gain.high < 0:
        return f"{'higher' if gain.mean > 0 else 'lower'} by {size}; the interval leaves out 0"
    return f"no difference shown ({100 * gain.mean:+.1f} points)"


def beside_published(
    published: pd.DataFrame, ours: Mapping[str, Mapping[str, Any]], *, metrics: tuple[str, ...] = ("rank1", "map")
) -> pd.DataFrame:
    """Published scores and ours in one table, each with what it was measured on, so that nobody compares them by accident.

    Args:
        published: rows of ``vireidkit.published.published(...)``: percent, as printed.
        ours: name -> ``on`` (data set and protocol, in words), ``with`` (network and training, in words) and the metrics, fractions.

    Returns:
        Columns ``whose`` ("published" or "ours"), ``method, measured on, with``, and the metrics in percent under their usual names,
        NaN where nothing was printed. ``with`` of a published row is its source.

    Raises:
        ValueError: an entry of ours lacks ``on``, ``with``, or all metrics.
    """
    rows = []
    for row in published.to_dict("records"):
        name = f"{row['method']} ({row['variant']})" if row["variant"] else row["method"]
        about = {"whose": "published", "method": name, "measured on": f"{row['dataset']}, {row['setting']}", "with": row["source"]}
        rows.append(about | {TITLES.get(one, one): row[one] for one in metrics})
    for name, entry in ours.items():
        missing = [key for key in ("on", "with") if not entry.get(key)]
        missing += [] if any(one in entry for one in metrics) else [" or ".join(metrics)]
        if missing:
            raise ValueError(f"our score {name!r} needs {missing[0]!r}")
        about = {"whose": "ours", "method": name, "measured on": entry["on"], "with": entry["with"]}
        rows.append(about | {TITLES.get(one, one): 100 * float(entry.get(one, math.nan)) for one in metrics})
    return pd.DataFrame(rows)
