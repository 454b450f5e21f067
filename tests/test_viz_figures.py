"""Figures are checked on what they say and hold: titles, artists, texts. Nothing is compared pixel by pixel."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.text import Text
from viz_world import image_of, small_features, small_images, small_table, small_trial

from vireidkit import viz
from vireidkit.analysis import Projection, found_first, pair_distances, pixel_table, precision_steps, query_table, ranked, separation
from vireidkit.data.augmentation import normalise
from vireidkit.data.batch import Batch
from vireidkit.evaluation.intervals import Interval, interval, paired_difference
from vireidkit.viz.style import LOOKS, percent


def visible_text(artist: object) -> bool:
    """Whether an artist is text that is seen."""
    return isinstance(artist, Text) and artist.get_visible() and bool(artist.get_text().strip())


def words(fig: Figure) -> list[str]:
    """All visible text of a figure."""
    return [text.get_text() for text in fig.findobj(visible_text)]


def holds(fig: Figure, part: str) -> bool:
    """Whether some text of the figure holds ``part``; line breaks do not count."""
    return any(part in " ".join(text.split()) for text in words(fig))


def title_of(fig: Figure) -> str:
    return " ".join(fig.get_suptitle().split())


def pictures(fig: Figure) -> int:
    return sum(len(axes.images) for axes in fig.axes)


def scores_of(*values: float) -> Interval:
    """An interval as the ledger gives it."""
    found = interval(values)
    return Interval(found.mean, found.low, found.high, found.n, dict(enumerate(values)))


def small_history(*, validated: bool = True) -> pd.DataFrame:
    steps = np.arange(40)
    history = pd.DataFrame({"step": steps, "epoch": steps // 10, "lr": 0.1, "images_per_second": 100.0})
    history["term.id"], history["term.triplet"] = 4 - steps / 20, 1 - steps / 50
    history["total"] = history["term.id"] + history["term.triplet"]
    if validated:
        history.loc[[9, 19, 29, 39], "validation.map"] = [0.1, 0.2, 0.312, 0.3]
        history.loc[[9, 19, 29, 39], "validation.rank1"] = [0.1, 0.2, 0.25, 0.4]
    return history


def small_projection(seed: int = 0) -> Projection:
    points = np.random.default_rng(seed).normal(size=(40, 2))
    return Projection(points, 0.87, 0.41, 0.1, "umap", seed, {"judged_at": 15})


def small_batch(*, views: int = 1, repeated: bool = False) -> tuple[Batch, np.ndarray]:
    """Two people, two images a band; visible rows once a view."""
    table = small_table()
    order = []
    for view in range(views):
        order += [(row, view) for row in table.index[(table["modality"] == "visible") & (table["identity"] < 13) & (table["frame"] == 1)]]
    order += [(row, 0) for row in table.index[(table["modality"] == "infrared") & (table["identity"] < 13) & (table["frame"] == 1)]]
    rows = np.array([row for row, _ in order])
    if repeated:
        rows[1] = rows[0]
    part = table.loc[rows]
    columns = {
        "labels": part["identity"] - 11,
        "modality": (part["modality"] == "infrared").astype(int),
        "cameras": part["camera"],
        "rows": rows,
        "views": [view for _, view in order],
    }
    return Batch(torch.empty(len(rows), 0), **{name: torch.tensor(np.array(values)) for name, values in columns.items()}), small_images()[
        rows
    ]


FIGURES: dict[str, Callable[[], Figure]] = {
    "image_grid": lambda: viz.image_grid(image_of, small_table()),
    "band_comparison": lambda: viz.band_comparison(image_of, small_table()),
    "channel_histograms": lambda: viz.channel_histograms(small_images(), small_table()),
    "brightness_scatter": lambda: viz.brightness_scatter(small_images(), small_table()),
    "training_curves": lambda: viz.training_curves(small_history()),
    "cmc_curves": lambda: viz.cmc_curves({"AGW": [0.3, 0.5, 0.6]}, floors={"chance": [0.1, 0.2, 0.3]}),
    "compare_bars": lambda: viz.compare_bars({"a": scores_of(0.1, 0.2), "b": scores_of(0.3, 0.4)}, floor=("raw pixels", 0.05)),
    "seed_and_trial_spread": lambda: viz.seed_and_trial_spread(small_trials()),
    "projection_panels": lambda: viz.projection_panels({("", "one"): small_projection()}, small_table()),
    "distance_histograms": lambda: viz.distance_histograms(pair_distances(small_features())),
    "rank_sheet": lambda: viz.rank_sheet(small_features(noise=0.8), small_trial(), image_of, k=4, rows=2),
    "precision_figure": lambda: viz.precision_figure(ranked(small_features(), small_trial(), 0), image_of, query_row=4),
    "batch_sheet": lambda: viz.batch_sheet(*small_batch()),
    "augmentation_sheet": lambda: viz.augmentation_sheet(small_images()[:2], {"mirror": small_images()[:2, :, ::-1]}),
}


def small_trials(seeds: int = 3) -> pd.DataFrame:
    rows = [(seed, trial, 0.2 + 0.05 * seed + 0.001 * trial) for seed in range(seeds) for trial in range(4)]
    return pd.DataFrame(rows, columns=["seed", "trial", "rank1"])


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error")
def test_every_figure_has_a_finding_a_text_and_room_for_its_words(name: str) -> None:
    fig = FIGURES[name]()
    assert len(title_of(fig)) > 15
    assert fig.get_label().startswith(title_of(fig).rstrip("."))
    assert len(fig.get_label()) > len(title_of(fig)) + 20
    assert 5.9 < fig.get_figwidth() <= 10
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    page, heads = fig.bbox.padded(1), [text for text in (fig._suptitle, fig._supxlabel) if text is not None]
    # Tick labels beyond the ends of an axis exist but are not drawn.
    ticks = {tick for axes in fig.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklabels(which="both")}
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in fig.findobj(visible_text) if text not in ticks}
    for text, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1, f"{text.get_text()!r} leaves the page"
        assert page.y0 <= box.y0 and box.y1 <= page.y1, f"{text.get_text()!r} leaves the page"
        assert text in heads or not any(box.overlaps(boxes[head]) for head in heads), f"{text.get_text()!r} runs into a title or reading"
    for axes in fig.axes:
        if axes.axison and axes.get_visible():
            siblings = [axes, *axes.get_shared_x_axes().get_siblings(axes), *axes.get_shared_y_axes().get_siblings(axes)]
            assert any(one.get_xlabel() for one in siblings) or any(one.get_ylabel() for one in siblings)


def test_a_title_of_one_s_own_is_kept() -> None:
    assert title_of(viz.training_curves(small_history(), title="mine")) == "Mine"
    assert viz.rank_sheet(small_features(), small_trial(), image_of, title="Mine").get_suptitle() == "Mine"


# --- pictures of the data -------------------------------------------------------------------------------------------------------------


def test_grid_shows_visible_cameras_first_and_hatches_what_is_missing() -> None:
    table = small_table()
    fig = viz.image_grid(
        image_of, table[~((table["identity"] == 12) & (table["camera"] == 2))], per_cell=2, bands=("visible", "near-infrared")
    )
    assert pictures(fig) == 5 * 4 * 2 - 2
    assert [text for text in words(fig) if text.startswith("camera")] == ["camera 1", "camera 2", "camera 3", "camera 6"]
    assert sum(bool(patch.get_hatch()) for patch in fig.axes[0].patches) == 1
    marks = [(line.get_marker(), line.get_color()) for line in fig.axes[0].lines]
    assert marks == [("o", LOOKS["visible"].colour)] * 2 + [("x", LOOKS["infrared"].colour)] * 2
    assert holds(fig, "near-infrared")


def test_grid_title_is_measured_on_the_shown_pictures() -> None:
    fig = viz.image_grid(image_of, small_table(), identities=[11])
    table = small_table()
    own = table.index[(table["identity"] == 11) & (table["modality"] == "visible") & (table["frame"] == 1)]
    colour = pixel_table(small_images()[own])["colour"].mean()
    assert f"by 0 of 255 grey levels in infrared images, by {colour:.0f} in visible ones" in title_of(fig)
    with pytest.raises(ValueError, match="identity 99"):
        viz.image_grid(image_of, small_table(), identities=[99])


def test_band_comparison_rows() -> None:
    fig = viz.band_comparison(image_of, small_table(), identities=[12, 14])
    assert pictures(fig) == 2 * 7
    for head in ("red only", "grey", "infrared", "person 12"):
        assert holds(fig, head)
    visible_only = small_table().query("modality == 'visible'")
    with pytest.raises(ValueError, match="both bands"):
        viz.band_comparison(image_of, visible_only)


def test_histograms_say_that_infrared_has_one_channel() -> None:
    fig = viz.channel_histograms(small_images(), small_table())
    assert title_of(fig).startswith("The three channels of an infrared image are one: they differ by 0.0")
    panels = [axes for axes in fig.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in panels] == [
        "camera 1, visible",
        "camera 2, visible",
        "camera 3, infrared",
        "camera 6, infrared",
    ]
    red, green, blue = (line.get_ydata() for line in panels[2].lines)
    assert np.array_equal(red, green) and np.array_equal(green, blue)
    assert np.isclose(red.sum(), 100)
    only = small_table()["modality"] == "visible"
    assert "visible images" in title_of(viz.channel_histograms(small_images()[only], small_table()[only]))


def test_brightness_names_its_correlation() -> None:
    fig = viz.brightness_scatter(small_images(), small_table())
    points = fig.axes[0].collections[0].get_offsets()
    assert len(points) == 5
    assert f"correlation {np.corrcoef(points.T)[0, 1]:.2f}" in title_of(fig)
    few = small_table()["identity"] < 13
    with pytest.raises(ValueError, match="found 2"):
        viz.brightness_scatter(small_images()[few], small_table()[few])


# --- curves and bars ------------------------------------------------------------------------------------------------------------------


def test_training_curves_find_the_best_epoch_by_map() -> None:
    fig = viz.training_curves(small_history())
    assert "The loss fell from" in title_of(fig)
    assert "validation mAP was best in epoch 3, 31.2 %" in title_of(fig)
    assert [axes.get_title(loc="left") for axes in fig.axes] == [
        "loss terms, unweighted",
        "validation identities",
        "learning rate",
        "speed",
    ]
    labels = fig.axes[0].get_legend_handles_labels()[1]
    assert labels == ["total (weighted sum)", "id", "triplet"]


def test_training_curves_without_validation_or_success() -> None:
    history = small_history(validated=False)
    history["total"] = history["total"].to_numpy()[::-1]
    fig = viz.training_curves(history.drop(columns="images_per_second"))
    assert "did not fall" in title_of(fig)
    assert len([axes for axes in fig.axes if axes.get_visible()]) == 2
    with pytest.raises(ValueError, match="total"):
        viz.training_curves(history.drop(columns="total"))
    with pytest.raises(ValueError, match="0 rows"):
        viz.training_curves(history[:0])


def test_one_step_is_a_curve() -> None:
    assert "1 step" in title_of(viz.training_curves(small_history(validated=False)[:1]))


def test_cmc_draws_floors_apart() -> None:
    fig = viz.cmc_curves({"AGW": [0.3, 0.5], "CAJ": [0.4, 0.7]}, floors={"raw pixels": [0.06, 0.1], "chance": [0.02, 0.04]})
    assert title_of(fig) == "AGW finds 30 % of the people at the first rank; raw pixels 6 %, chance 2 %"
    lines = fig.axes[0].lines
    assert [line.get_ydata()[0] for line in lines] == [30, 40, 6, 2]
    assert [line.get_marker() for line in lines][2:] == ["None", "None"]
    assert len({(line.get_color(), line.get_linestyle()) for line in lines}) == 4
    assert "distinct people" in fig.axes[0].get_xlabel()
    assert "images" in viz.cmc_curves({"AGW": [0.3]}, kind="image").axes[0].get_xlabel()


def test_bars_say_who_is_ahead_only_where_the_interval_does() -> None:
    first, second = scores_of(0.30, 0.31, 0.33), scores_of(0.20, 0.22, 0.23)
    fig = viz.compare_bars({"x": first, "y": second}, metric="ir2vis_rank1", differences={("y", "x"): paired_difference(second, first)})
    assert title_of(fig).startswith("X beats y by 9.7 points of ir2vis Rank-1")
    assert holds(fig, "y \N{MINUS SIGN}9.7 points against x")
    assert holds(fig, "(3 seeds in pairs)")
    assert sorted(patch.get_width() for patch in fig.axes[0].patches) == pytest.approx([100 * second.mean, 100 * first.mean])
    close = scores_of(0.29, 0.33, 0.32)
    fig = viz.compare_bars({"x": first, "z": close}, differences={("x", "z"): paired_difference(first, close)})
    assert "No difference shown between x and z" in title_of(fig)
    assert "holds 0" in title_of(fig)


def test_bars_of_one_seed_admit_it_and_stale_rows_are_marked() -> None:
    one, other = scores_of(0.3), scores_of(0.2)
    fig = viz.compare_bars({"x": one, "y": other}, differences={("x", "y"): paired_difference(one, other)})
    assert "one seed says little" in title_of(fig)
    assert holds(fig, "One seed each: no interval")
    assert holds(fig, "30.0 (1 seed)")
    old = Interval(0.2, 0.1, 0.3, 3, {0: 0.1, 1: 0.2, 2: 0.3}, stale=True)
    assert holds(viz.compare_bars({"x": old}), "x (stale)")
    with pytest.raises(ValueError, match="at least one"):
        viz.compare_bars({})


def test_spread_names_the_larger_one() -> None:
    fig = viz.seed_and_trial_spread(small_trials())
    assert title_of(fig) == "Luck in training moves Rank-1 more (5.0 points) than luck in the gallery draw (0.1 points)"
    swapped = small_trials().rename(columns={"seed": "trial", "trial": "seed"})
    assert title_of(viz.seed_and_trial_spread(swapped)).startswith("Luck in the gallery draw moves Rank-1 more")
    alike = pd.DataFrame({"seed": [0, 1, 2], "rank1": [0.20, 0.22, 0.24], "rank1_std": [0.015, 0.015, 0.015]})
    assert title_of(viz.seed_and_trial_spread(alike)).endswith("by 2.0 points, another gallery draw by 1.5: one size of luck")
    assert "one seed cannot tell" in title_of(viz.seed_and_trial_spread(small_trials(1)))
    with pytest.raises(ValueError, match="'rank1_std'"):
        viz.seed_and_trial_spread(small_trials().drop(columns="trial"))


def test_spread_of_ledger_rows_equals_that_of_their_trials() -> None:
    seeds = small_trials().groupby("seed")["rank1"].agg(rank1="mean", rank1_std="std").reset_index()
    assert title_of(viz.seed_and_trial_spread(seeds)) == title_of(viz.seed_and_trial_spread(small_trials()))


# --- projections and distances --------------------------------------------------------------------------------------------------------


def test_panels_print_their_numbers_and_mark_modality() -> None:
    panels = {(row, f"seed {seed}"): small_projection(seed) for row in ("before training", "after training") for seed in (0, 1)}
    mixing = {"before training": 0.06, "after training": 0.31}
    fig = viz.projection_panels(panels, small_table(), mixing=mixing, no_gap=0.52)
    assert "6 % are of the other band before training, 31 % after training (52 % without a gap)" in title_of(fig)
    shown = [axes for axes in fig.axes if axes.get_visible()]
    assert [axes.get_title(loc="left") for axes in shown] == [f"{row}, {column}" for row, column in panels]
    for axes in shown:
        assert "trustworthiness 0.87" in axes.get_xlabel() and "mixing" in axes.get_xlabel()
        clouds = [one for one in axes.collections if isinstance(one, PathCollection)]
        assert [len(one.get_offsets()) for one in clouds] == [20, 20]
        assert len(clouds[0].get_paths()[0].vertices) != len(clouds[1].get_paths()[0].vertices)


def test_projection_by_person_and_camera() -> None:
    fig = viz.projection_scatter(small_projection(), small_table(), by="camera", mixing=0.25)
    legend = [text.get_text() for text in fig.legends[0].get_texts()]
    assert legend == ["visible", "infrared", "camera 1", "camera 2", "camera 3", "camera 6"]
    assert title_of(fig).startswith("25 % of an image's nearest neighbours")
    table = small_table()
    table.loc[table.index[-1], "identity"] = 77
    legend = [text.get_text() for text in viz.projection_scatter(small_projection(), table, by="identity").legends[0].get_texts()]
    assert legend[2:] == [f"person {n}" for n in (11, 12, 13, 14, 15)] + ["all others"]
    with pytest.raises(ValueError, match="age"):
        viz.projection_scatter(small_projection(), table, by="age")
    with pytest.raises(ValueError, match="39 rows"):
        viz.projection_scatter(small_projection(), table[1:])
    with pytest.raises(ValueError, match="found none"):
        viz.projection_panels({}, table)


def test_a_projection_without_mixing_claims_no_more_than_it_keeps() -> None:
    assert "keeps 41 % of the nearest neighbours" in title_of(viz.projection_scatter(small_projection(), small_table()))


def test_distances_say_how_often_the_same_person_is_closer() -> None:
    pairs = pair_distances(small_features(gap=1.0, noise=0.6))
    told = separation(pairs)
    fig = viz.distance_histograms(pairs, bands=("visible", "near-infrared"))
    for axes, auc in zip(fig.axes, told["auc"], strict=True):
        assert f"same person closer: {percent(auc, 1)}" in axes.get_xlabel()
        for patches in axes.containers:
            assert sum(patch.get_height() for patch in patches) == pytest.approx(100)
    assert "within near-infrared" in title_of(fig)
    assert fig.axes[0].get_xlabel().startswith("cosine distance")
    far = viz.distance_histograms(pair_distances(small_features(metric="euclidean")))
    assert far.axes[0].get_xlabel().startswith("euclidean distance")
    assert len(viz.distance_histograms(pairs[pairs["group"] == "across bands"]).axes) == 1
    with pytest.raises(ValueError, match="found none"):
        viz.distance_histograms(pairs[:0])


# --- rank lists -----------------------------------------------------------------------------------------------------------------------


def test_rank_sheet_marks_right_wrong_and_removed() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    table = query_table(features, trial)
    position = int(table[(table["camera"] == 3) & (table["first_hit"] > 1)]["query"].iloc[0])
    fig = viz.rank_sheet(features, trial, image_of, queries=[position], k=7)
    shown = ranked(features, trial, position, 7)
    shown = shown[~shown["excluded"] | (shown["excluded"].cumsum() <= 2)].head(7)
    assert pictures(fig) == 1 + len(shown)
    assert sum(text.endswith("\N{CHECK MARK}") for text in words(fig)) == (shown["correct"] & ~shown["excluded"]).sum()
    assert sum(text.endswith("\N{BALLOT X}") for text in words(fig)) == (~shown["correct"] & ~shown["excluded"]).sum()
    assert words(fig).count("removed") == shown["excluded"].sum() > 0
    assert sum(bool(patch.get_hatch()) for patch in fig.axes[0].patches) == shown["excluded"].sum()
    first = shown.iloc[0]
    assert holds(fig, f"p {first['identity']} c {first['camera']} d {first['distance']:.3f}")
    assert holds(fig, "removed: 5")


def test_rank_sheet_shows_failures_first_and_counts_all_queries() -> None:
    features, trial = small_features(noise=0.8), small_trial()
    table = query_table(features, trial)
    fig = viz.rank_sheet(features, trial, image_of, rows=3, k=4)
    assert title_of(fig).startswith(f"Infrared queries find the right person first in {percent(found_first(table), 1)} of cases")
    shown = [int(text.split()[1]) for text in words(fig) if text.startswith("query ")]
    worst = table.sort_values(["first_hit", "ap"], ascending=[False, True])["query"].tolist()
    assert shown == worst[:3]
    assert f"rank {table['first_hit'].max()}" in title_of(fig) or f"to {table['first_hit'].max()}" in title_of(fig)


def test_rank_sheet_of_a_person_who_is_not_there() -> None:
    features, trial = small_features(), small_trial(absent=11)
    assert holds(viz.rank_sheet(features, trial, image_of, queries=[0]), "not in the gallery")
    with pytest.raises(ValueError, match="found none"):
        viz.rank_sheet(features, trial, image_of, queries=[])


def test_precision_figure_adds_up() -> None:
    answers = pd.DataFrame({"row": range(10), "correct": [True, False, True, False, False, True, False, False, False, False]})
    fig = viz.precision_figure(answers, image_of, query_row=4)
    assert title_of(fig) == "AP = (1/1 + 2/3 + 3/6) / 3 = 0.72: right at ranks 1, 3, 6"
    assert pictures(fig) == 11
    for entry in precision_steps(answers["correct"]).itertuples():
        assert f"{entry.hits}/{entry.rank} = {entry.precision:.2f}" in words(fig)
    excluded = answers.assign(excluded=[True] + [False] * 9)
    assert title_of(viz.precision_figure(excluded, image_of)) == "AP = (1/2 + 2/5) / 2 = 0.45: right at ranks 2, 5"
    assert title_of(viz.precision_figure(answers.assign(correct=False), image_of)).startswith("AP = 0")
    with pytest.raises(ValueError, match="ranked list"):
        viz.precision_figure(answers[:0], image_of)


# --- batches --------------------------------------------------------------------------------------------------------------------------


def test_batch_sheet_counts_people_bands_and_repeats() -> None:
    fig = viz.batch_sheet(*small_batch())
    assert title_of(fig) == "8 pictures of 2 people, 2 visible and 2 infrared each; none drawn twice"
    assert pictures(fig) == 8
    assert [text for text in words(fig) if text.startswith("label")] == ["label 0", "label 1"]
    fig = viz.batch_sheet(*small_batch(repeated=True))
    assert title_of(fig).endswith("2 of them drawn more than once")
    assert len(fig.axes[0].patches) == 2


def test_batch_sheet_tells_views_from_repeats() -> None:
    fig = viz.batch_sheet(*small_batch(views=2))
    assert title_of(fig) == "12 pictures of 2 people, 4 visible and 2 infrared each, every visible one in 2 views; none drawn twice"
    assert holds(fig, "view 1")


def test_batch_sheet_takes_normalised_images_back_to_pixels() -> None:
    batch, images = small_batch()
    filled = batch.with_images(normalise(torch.tensor(images)))
    shown = [np.asarray(one.get_array()) for one in viz.batch_sheet(filled).axes[0].images]
    expected = [np.asarray(one.get_array()) for one in viz.batch_sheet(batch, images).axes[0].images]
    assert all(np.abs(a.astype(int) - b).max() <= 1 for a, b in zip(shown, expected, strict=True))
    with pytest.raises(ValueError, match="8 rows"):
        viz.batch_sheet(batch, images[:3])


def test_augmentation_sheet_measures_colour_and_change() -> None:
    original = small_images()[[0, 1, 4, 5]]
    grey = np.repeat(original[..., :1], 3, axis=3)
    half = original.copy()
    half[:, :8] = 0
    fig = viz.augmentation_sheet(original, {"one channel": grey, "half": half}, modality=[0, 0, 1, 1])
    assert pictures(fig) == 12
    changes = viz.augmentation_changes(original, {"one channel": grey, "half": half}, [0, 0, 1, 1]).set_index("operator")
    assert changes.loc["original"].tolist() == [0, 1]
    assert changes.loc["one channel", "colour_left"] == 0
    assert changes.loc["half", "changed"] == pytest.approx(0.5)
    assert title_of(fig).startswith("Colour that is left in visible pictures: one channel 0 %, half ")
    infrared = viz.augmentation_sheet(original[2:], {"half": half[2:]}, modality=[1, 1])
    assert title_of(infrared) == "Pixels changed: half 50 %"
    with pytest.raises(ValueError, match="'half' must keep the shape"):
        viz.augmentation_sheet(original, {"half": half[:2]})


def test_unknown_names_of_the_room() -> None:
    with pytest.raises(AttributeError, match="no attribute 'pie'"):
        _: Any = viz.pie
