"""Viz: tables in, pictures out. Every figure states its finding and carries a text for readers who cannot see it."""

import importlib
from typing import Any

from vireidkit.viz.ablation import ablation_plot
from vireidkit.viz.attribution import map_sheet, randomisation_plot, similarity_sheet
from vireidkit.viz.batches import augmentation_changes, augmentation_sheet, batch_sheet
from vireidkit.viz.costs import accuracy_against_cost, time_against_work
from vireidkit.viz.counterfactual import counterfactual_sheet, picture_table
from vireidkit.viz.courses import line_panels, term_groups
from vireidkit.viz.curves import cmc_curves, compare_bars, seed_and_trial_spread, training_curves
from vireidkit.viz.distances import distance_histograms
from vireidkit.viz.explorer_static import gap_explorer_static
from vireidkit.viz.failures import failure_bars
from vireidkit.viz.film import chunk_sheet, film_sheet, frame_curves, noise_curves
from vireidkit.viz.filmstrip import filmstrip
from vireidkit.viz.floor import floor_bars
from vireidkit.viz.gap import gap_by_layer_plot, gap_plot
from vireidkit.viz.gap_cameras import gap_camera_plot
from vireidkit.viz.hubs import attractor_plot, hub_sheet
from vireidkit.viz.idkl import distance_weights, idkl_sketch
from vireidkit.viz.images import band_comparison, image_grid
from vireidkit.viz.intervals import interval_dots, stacked_bars
from vireidkit.viz.layers import layer_lines
from vireidkit.viz.materials import dial_curves, lightness_links
from vireidkit.viz.mdkt import mdkt_sketch, scope_sheet, sureness_scatter
from vireidkit.viz.mdpr import circle_margin_plot, mdpr_sketch
from vireidkit.viz.osnet import gate_panels, osnet_block, split_sketch
from vireidkit.viz.pages import image_reader
from vireidkit.viz.panels import panel_bars
from vireidkit.viz.pixels import brightness_scatter, channel_histograms
from vireidkit.viz.probes import probe_bars
from vireidkit.viz.projection import projection_panels, projection_scatter
from vireidkit.viz.ranking import precision_figure, rank_sheet
from vireidkit.viz.retrieval_static import retrieval_browser_static
from vireidkit.viz.sensors import dye_strip, network_view
from vireidkit.viz.smmd import prototype_circle, smmd_idea
from vireidkit.viz.spread import spread_bars
from vireidkit.viz.stripes import stripe_sheet
from vireidkit.viz.style import show, use
from vireidkit.viz.terms import term_panels
from vireidkit.viz.views import view_sheet
from vireidkit.viz.weighted import weighted_terms

_WIDGETS = {
    "CounterfactualPlayer": "player",
    "GapExplorer": "explorer",
    "player_sheet": "player",
    "QueryBrowser": "widgets",
    "query_browser_static": "widgets",
    "RetrievalBrowser": "retrieval_browser",
}

__all__ = [
    "CounterfactualPlayer",
    "GapExplorer",
    "QueryBrowser",
    "RetrievalBrowser",
    "ablation_plot",
    "accuracy_against_cost",
    "attractor_plot",
    "augmentation_changes",
    "augmentation_sheet",
    "band_comparison",
    "batch_sheet",
    "brightness_scatter",
    "channel_histograms",
    "chunk_sheet",
    "circle_margin_plot",
    "cmc_curves",
    "compare_bars",
    "counterfactual_sheet",
    "dial_curves",
    "distance_histograms",
    "distance_weights",
    "dye_strip",
    "failure_bars",
    "film_sheet",
    "filmstrip",
    "floor_bars",
    "frame_curves",
    "gap_by_layer_plot",
    "gap_camera_plot",
    "gap_explorer_static",
    "gap_plot",
    "gate_panels",
    "hub_sheet",
    "idkl_sketch",
    "image_grid",
    "image_reader",
    "interval_dots",
    "layer_lines",
    "lightness_links",
    "line_panels",
    "map_sheet",
    "mdkt_sketch",
    "mdpr_sketch",
    "network_view",
    "noise_curves",
    "osnet_block",
    "panel_bars",
    "picture_table",
    "player_sheet",
    "precision_figure",
    "probe_bars",
    "projection_panels",
    "projection_scatter",
    "prototype_circle",
    "query_browser_static",
    "randomisation_plot",
    "rank_sheet",
    "retrieval_browser_static",
    "scope_sheet",
    "seed_and_trial_spread",
    "show",
    "similarity_sheet",
    "smmd_idea",
    "split_sketch",
    "spread_bars",
    "stacked_bars",
    "stripe_sheet",
    "sureness_scatter",
    "term_groups",
    "term_panels",
    "time_against_work",
    "training_curves",
    "use",
    "view_sheet",
    "weighted_terms",
]


def __getattr__(name: str) -> Any:
    """The widgets are imported when first asked for: figures do not need ipywidgets."""
    if name in _WIDGETS:
        return getattr(importlib.import_module(f"vireidkit.viz.{_WIDGETS[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
