"""Distances of the same and of different people, within each band and across."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from vireidkit.analysis.distances import GROUPS, separation
from vireidkit.modality import MODALITIES
from vireidkit.viz.style import OKABE_ITO, RIGHT, finish, many, new_figure, percent, styled


@styled
def distance_histograms(
    pairs: pd.DataFrame, *, metric: str | None = None, bands: Sequence[str] = MODALITIES, bins: int = 40, title: str | None = None
) -> Figure:
    """Distances of pairs of one person and of two people, one panel each within visible, within infrared and across.

    Args:
        pairs: ``pair_distances(features, table)``: columns group, same, distance.
        metric: names the axis; by default what the pairs were measured in. bands: names of the two bands.

    Raises:
        ValueError: no pair at all.
    """
    if len(pairs) == 0:
        raise ValueError("a distance figure needs pairs, found none")
    told, metric = separation(pairs), metric or pairs.attrs.get("metric", "cosine")
    names = dict(zip(GROUPS, (f"within {bands[0]}", f"within {bands[1]}", "across bands"), strict=True))
    edges = np.linspace(*np.quantile(pairs["distance"], (0.0005, 0.9995)), bins + 1)
    edges[-1] = max(edges[-1], edges[0] + 1e-9)
    fig = new_figure(3.4)
    panels = fig.subplots(1, len(told), sharex=True, sharey=True, squeeze=False)[0]
    for axes, entry in zip(panels, told.itertuples(index=False), strict=True):
        _draw(axes, pairs[pairs["group"] == entry.group], edges)
        axes.set_title(names[entry.group])
        axes.set_xlabel(f"{metric} distance (no unit)\nsame person closer: {percent(entry.auc, 1)}")
    panels[0].set_ylabel("pairs of their kind (%)")
    fig.legend(*panels[0].get_legend_handles_labels(), loc="outside right center")
    return finish(
        fig,
        title or _title(told, names),
        f"{many(len(pairs), 'random pair')}. Same person closer: how often one person's pair is closer than two people's (50 % is chance).",
        "Histograms: "
        + "; ".join(f"{names[e.group]}, medians {e.same_median:.2f} and {e.other_median:.2f}" for e in told.itertuples())
        + ".",
    )


def _draw(axes: Axes, inside: pd.DataFrame, edges: np.ndarray) -> None:
    """The two histograms of one panel: filled for one person, an outline for two."""
    for same, style in (
        (True, {"color": RIGHT, "alpha": 0.45, "label": "same person"}),
        (False, {"color": OKABE_ITO["black"], "histtype": "step", "linewidth": 1.6, "label": "two people"}),
    ):
        values = inside.loc[inside["same"] == same, "distance"].to_numpy()
        if len(values):
            axes.hist(values.clip(edges[0], edges[-1]), bins=edges, weights=np.full(len(values), 100 / len(values)), **style)


def _title(told: pd.DataFrame, names: dict[str, str]) -> str:
    """Where the same person is told from others best, and where worst."""
    known = told.dropna(subset=["auc"])
    if known.empty:
        return "Too few pairs to compare"
    text = "One person's images are closer than two people's"
    return f"{text} in " + ", in ".join(f"{percent(row.auc)} of cases {names[row.group]}" for row in known.itertuples())
