"""Viz: tables in, pictures out. Every figure states its finding and carries a text for readers who cannot see it."""

import importlib
from typing import Any

from vireidkit.viz.batches import augmentation_changes, augmentation_sheet, batch_sheet
from vireidkit.viz.counterfactual import counterfactual_sheet, picture_table
from vireidkit.viz.curves import cmc_curves, compare_bars, seed_and_trial_spread, training_curves
from vireidkit.viz.distances import distance_histograms
from vireidkit.viz.floor import floor_bars
from vireidkit.viz.images import band_comparison, image_grid
from vireidkit.viz.materials import dial_curves, lightness_links
from vireidkit.viz.pages import image_reader
from vireidkit.viz.pixels import brightness_scatter, channel_histograms
from vireidkit.viz.probes import probe_bars
from vireidkit.viz.projection import projection_panels, projection_scatter
from vireidkit.viz.ranking import precision_figure, rank_sheet
from vireidkit.viz.sensors import dye_strip, network_view
from vireidkit.viz.style import show, use

_WIDGETS = {
    "CounterfactualPlayer": "player",
    "player_sheet": "player",
    "QueryBrowser": "widgets",
    "query_browser_static": "widgets",
}

__all__ = [
    "CounterfactualPlayer",
    "QueryBrowser",
    "augmentation_changes",
    "augmentation_sheet",
    "band_comparison",
    "batch_sheet",
    "brightness_scatter",
    "channel_histograms",
    "cmc_curves",
    "compare_bars",
    "counterfactual_sheet",
    "dial_curves",
    "distance_histograms",
    "dye_strip",
    "floor_bars",
    "image_grid",
    "image_reader",
    "lightness_links",
    "network_view",
    "picture_table",
    "player_sheet",
    "precision_figure",
    "probe_bars",
    "projection_panels",
    "projection_scatter",
    "query_browser_static",
    "rank_sheet",
    "seed_and_trial_spread",
    "show",
    "training_curves",
    "use",
]


def __getattr__(name: str) -> Any:
    """The widgets are imported when first asked for: figures do not need ipywidgets."""
    if name in _WIDGETS:
        return getattr(importlib.import_module(f"vireidkit.viz.{_WIDGETS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
