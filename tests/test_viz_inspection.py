"""The figures of the inspection: maps over pictures, filmstrips, failure groups, hubs. Checked on what they say and hold."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text
from viz_world import image_of, small_features, small_table, small_trial

from vireidkit import viz
from vireidkit.analysis import Projection, attractors, failure_groups, hubness, project_many, query_table
from vireidkit.analysis.similarity import SideMap, SimilarityMaps
from vireidkit.viz.attribution import overlay, thirds_of


def words(fig: Figure) -> list[str]:
    return [text.get_text() for text in fig.findobj(lambda one: isinstance(one, Text) and one.get_visible() and one.get_text().strip())]


def holds(fig: Figure, part: str) -> bool:
    return any(part in " ".join(text.split()) for text in words(fig))


def title_of(fig: Figure) -> str:
    return " ".join(fig.get_suptitle().split())


def side(row: int, shares: list[list[float]], *, exact: bool = True) -> SideMap:
    return SideMap(row, np.asarray(shares, dtype=np.float64), 0.0, 0.0, exact)


def pair(query: int, gallery: int, *, exact: bool = True) -> SimilarityMaps:
    shares = [[0.3, 0.0], [0.1, -0.1], [0.2, 0.0]]
    return SimilarityMaps(side(query, shares, exact=exact), side(gallery, shares, exact=exact), 0.5, "last")


def frames(*, mixed: bool = True) -> dict[str, Projection]:
    features = {name: small_features(gap=gap) for name, gap in (("start", 1.0), ("epoch 1", 0.5), ("epoch 2", 0.0))}
    bare = {name: one.matrix.numpy() for name, one in features.items()}
    return project_many(features if mixed else bare, method="pca")


def groups(*, clear: bool = True) -> pd.DataFrame:
    rows = [
        ("camera", "3", 40, 10, 0.9, 0.8, 0.95, 0.5, 0.4, 0.2 if clear else -0.1, 0.6),
        ("camera", "6", 40, 10, 0.5, 0.4, 0.6, 0.9, -0.4, -0.6, -0.2 if clear else 0.1),
        ("hidden_part", "yes", 2, 1, 1.0, np.nan, np.nan, np.nan, np.nan, np.nan, np.nan),
    ]
    columns = ["queries", "identities", "failed", "low", "high", "elsewhere", "difference", "difference_low", "difference_high"]
    return pd.DataFrame(rows, columns=["factor", "value", *columns])


def check(*, passed: bool = True) -> pd.DataFrame:
    rows = [("head", 1.0, 1.0, 1.0, 1.0, 20, False), ("everything", 0.05 if passed else 0.8, -0.1, 0.2, 0.0, 20, passed)]
    return pd.DataFrame(rows, columns=["randomised", "correlation", "low", "high", "absolute", "maps", "passed"])


FIGURES: dict[str, Callable[[], Figure]] = {
    "similarity_sheet": lambda: viz.similarity_sheet([pair(4, 0), pair(4, 8), pair(6, 2)], image_of, small_table()),
    "one pair": lambda: viz.similarity_sheet([pair(4, 0, exact=False)], image_of, small_table(), columns=1),
    "map_sheet": lambda: viz.map_sheet([0, 4, 9], {"Grad-CAM": np.full((3, 4, 2), 0.6), "own mask": np.eye(3, 4)[:, :, None]}, image_of),
    "randomisation_plot": lambda: viz.randomisation_plot({"similarity": check(), "Grad-CAM": check()}),
    "filmstrip": lambda: viz.filmstrip(frames(), small_table()),
    "filmstrip in two lines": lambda: viz.filmstrip(
        {f"{name} {turn}": one for turn in (1, 2) for name, one in frames().items()}, small_table()
    ),
    "filmstrip by camera": lambda: viz.filmstrip(frames(), small_table(), by="camera", no_gap=0.5),
    "failure_bars": lambda: viz.failure_bars(groups()),
    "hub_sheet": lambda: viz.hub_sheet(hubness(small_features(noise=0.8), small_trial(), k=3), image_of),
    "attractor_plot": lambda: viz.attractor_plot(attractors(query_table(small_features(noise=1.5), small_trial()))),
}


@pytest.mark.parametrize("name", FIGURES)
@pytest.mark.filterwarnings("error")
def test_every_figure_has_a_finding_a_text_and_room_for_its_words(name: str) -> None:
    fig = FIGURES[name]()
    assert len(title_of(fig)) > 15
    assert fig.get_label().startswith(title_of(fig).rstrip("."))
    assert len(fig.get_label()) > len(title_of(fig)) + 20
    canvas = FigureCanvasAgg(fig)
    canvas.draw()
    page, heads = fig.bbox.padded(1), [text for text in (fig._suptitle, fig._supxlabel) if text is not None]
    ticks = {tick for axes in fig.axes for axis in (axes.xaxis, axes.yaxis) for tick in axis.get_ticklabels(which="both")}
    shown = [
        one for one in fig.findobj(lambda one: isinstance(one, Text) and one.get_visible() and one.get_text().strip()) if one not in ticks
    ]
    boxes = {text: text.get_window_extent(canvas.get_renderer()) for text in shown}
    for text, box in boxes.items():
        assert page.x0 <= box.x0 and box.x1 <= page.x1, f"{text.get_text()!r} leaves the page"
        assert page.y0 <= box.y0 and box.y1 <= page.y1, f"{text.get_text()!r} leaves the page"
        assert text in heads or not any(box.overlaps(boxes[head]) for head in heads), f"{text.get_text()!r} runs into a title or reading"


# --- maps over pictures ---------------------------------------------------------------------------------------------------------------


def test_overlay_colours_what_speaks_for_and_against() -> None:
    picture = np.full((12, 6, 3), 120, np.uint8)
    found = overlay(picture, [[1.0, 0.0], [0.0, -1.0]], 1.0).astype(int)
    green, plain, purple = found[0, 0], found[0, -1], found[-1, -1]
    assert green[1] > green[0] + 40 and green[1] > green[2] + 20
    assert np.ptp(plain) < 12, "where a map is 0, the picture stays grey"
    assert purple[0] > purple[1] + 40 and purple[2] > purple[1] + 40
    assert np.array_equal(overlay(picture, np.ones((2, 2)), 1.0), overlay(picture, np.full((2, 2), 9.0), 1.0))
    for wrong in (np.ones(3), np.full((2, 2), np.nan)):
        with pytest.raises(ValueError, match=r"\(h, w\) of finite"):
            overlay(picture, wrong, 1.0)
    with pytest.raises(ValueError, match="limit above 0"):
        overlay(picture, np.ones((2, 2)), 0.0)


def test_similarity_sheet_says_where_and_right_or_wrong() -> None:
    fig = viz.similarity_sheet([pair(4, 0), pair(4, 8)], image_of, small_table())
    # Per picture 0.3, 0.1, 0.2 above 0 from top to bottom.
    assert "50 % lies in the upper third of the picture, 17 % in the middle, 33 % below" in title_of(fig)
    assert len(fig.axes[0].images) == 8
    assert holds(fig, "\N{CHECK MARK} right, cosine 0.50") and holds(fig, "\N{BALLOT X} wrong, cosine 0.50")
    assert holds(fig, "Exact: each position") and not holds(fig, "First order")
    assert holds(viz.similarity_sheet([pair(4, 0, exact=False)], image_of, small_table()), "First order")
    assert holds(fig, "against a match") and holds(fig, "what a position adds to the cosine")
    with pytest.raises(ValueError, match="found none"):
        viz.similarity_sheet([], image_of, small_table())


def test_thirds_of_maps_whose_rows_do_not_divide_by_three() -> None:
    assert list(thirds_of([side(0, [[1.0], [1.0], [1.0], [1.0]])]).values()) == pytest.approx([1 / 3] * 3)
    assert list(thirds_of([side(0, [[1.0], [0.0]])]).values()) == pytest.approx([2 / 3, 1 / 3, 0])
    assert np.isnan(list(thirds_of([side(0, [[-1.0]])]).values())).all()


def test_map_sheet_shows_every_map_of_every_picture() -> None:
    maps = {"Grad-CAM": np.zeros((2, 4, 2)), "mask": np.ones((2, 4, 2))}
    fig = viz.map_sheet([0, 4], maps, image_of, table=small_table())
    assert len(fig.axes[0].images) == 2 * 3
    assert "Grad-CAM marks 0 %, mask marks 100 %" in title_of(fig)
    assert holds(fig, "p 11") and holds(fig, "share of the map's largest value")
    with pytest.raises(ValueError, match=r"'mask' must be \(3, h, w\) in 0..1"):
        viz.map_sheet([0, 1, 2], {"mask": maps["mask"]}, image_of)
    with pytest.raises(ValueError, match=r"'wild' must be"):
        viz.map_sheet([0], {"wild": np.full((1, 2, 2), 1.5)}, image_of)
    with pytest.raises(ValueError, match="0 maps"):
        viz.map_sheet([0], {}, image_of)


def test_randomisation_plot_gives_the_verdict() -> None:
    fig = viz.randomisation_plot({"similarity": check(), "Grad-CAM": check()})
    assert title_of(fig).endswith("similarity 0.05, Grad-CAM 0.05: the maps depend on what was learnt")
    assert "not all maps" in title_of(viz.randomisation_plot({"edges": check(passed=False)}))
    with pytest.raises(ValueError, match="different ones"):
        viz.randomisation_plot({"a": check(), "b": check()[1:]})
    with pytest.raises(ValueError, match="none"):
        viz.randomisation_plot({})


# --- filmstrip ------------------------------------------------------------------------------------------------------------------------


def test_filmstrip_prints_the_numbers_of_every_frame() -> None:
    made = frames()
    fig = viz.filmstrip(made, small_table(), no_gap=0.5)
    panels = [axes for axes in fig.axes if axes.get_xlabel()]
    assert [axes.get_title(loc="left") for axes in panels] == list(made)
    for axes, found in zip(panels, made.values(), strict=True):
        assert f"mixing {100 * found.mixing:.0f} % (in the picture {100 * found.picture_mixing:.0f} %)" in axes.get_xlabel()
        assert f"trustworthiness {found.trustworthiness:.2f}" in axes.get_xlabel()
    first, last = made["start"].mixing, made["epoch 2"].mixing
    assert title_of(fig).endswith(f"goes from {100 * first:.0f} % to {100 * last:.0f} %")
    assert holds(fig, "Procrustes") and holds(fig, "Without a gap mixing would be 50 %")


def test_filmstrip_from_features_is_that_of_their_projections() -> None:
    features = {"a": small_features(gap=1.0), "b": small_features()}
    fig = viz.filmstrip(features, method="pca")
    other = viz.filmstrip(project_many(features, method="pca"), small_table())
    assert fig.get_label() == other.get_label()


def test_frames_share_one_cut_but_for_pca() -> None:
    def limits(made: dict[str, Projection]) -> set[tuple[float, float]]:
        return {axes.get_xlim() for axes in viz.filmstrip(made, small_table()).axes if axes.get_xlabel()}

    made = frames()
    assert len(limits(made)) == 3
    assert len(limits({name: Projection(one.coordinates, 0.9, 0.5, 0.1, "umap", 0) for name, one in made.items()})) == 1


def test_filmstrip_without_modality_claims_no_more_than_it_keeps() -> None:
    fig = viz.filmstrip(frames(mixed=False), small_table())
    assert "read them as a hint" in title_of(fig)
    unaligned = {name: Projection(one.coordinates, 0.9, 0.5, 0.1, "umap", 0) for name, one in frames().items()}
    assert holds(viz.filmstrip(unaligned, small_table()), "not aligned")
    with pytest.raises(ValueError, match="two frames or more, found 1"):
        viz.filmstrip({"a": small_features()})
    with pytest.raises(ValueError, match="needs table="):
        viz.filmstrip(frames())


def test_panels_take_the_mixing_that_projections_know() -> None:
    made = frames()
    fig = viz.projection_panels({(name, ""): one for name, one in made.items()}, small_table())
    assert f"{100 * made['start'].mixing:.0f} % are of the other band start" in title_of(fig)


# --- failures and hubs ----------------------------------------------------------------------------------------------------------------


def test_failure_bars_speak_of_what_the_interval_shows() -> None:
    fig = viz.failure_bars(groups(), labels={"hidden_part": "hidden"})
    assert title_of(fig) == "Camera 3: 90 % of the queries fail, 40 points more than of the others (95 % interval 20 to 60)"
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["camera: 3", "camera: 6", "hidden: yes"]
    assert [text.get_text() for text in fig.axes[0].get_legend().get_texts()] == [
        "more often",
        "less often",
        "no difference shown",
        "all queries",
    ]
    hatches = [patch.get_hatch() for patch in fig.axes[0].patches]
    assert len({hatch or "" for hatch in hatches}) == 3, "not by colour alone"
    assert title_of(viz.failure_bars(groups(clear=False))).startswith("None of 3 kinds of query is shown to fail more often")
    with pytest.raises(ValueError, match="'difference_low'"):
        viz.failure_bars(groups().drop(columns="difference_low"))
    with pytest.raises(ValueError, match="found none"):
        viz.failure_bars(groups()[:0])


def test_failure_bars_of_a_real_table() -> None:
    fig = viz.failure_bars(failure_groups(query_table(small_features(noise=1.5), small_trial())))
    assert len(fig.axes[0].patches) == 2


def test_hub_sheet_shows_the_largest_hubs() -> None:
    found = hubness(small_features(noise=0.8), small_trial(), k=3)
    fig = viz.hub_sheet(found, image_of, top=4)
    assert len(fig.axes[0].images) == 4
    first = found.table.iloc[0]
    assert holds(fig, f"p {first['identity']} N = {first['occurrences']} wrong {first['wrong']}")
    assert f"among the 3 nearest of {first['occurrences']} queries" in title_of(fig)
    assert sum(bar.get_height() for bar in fig.axes[1].patches) == 10
    with pytest.raises(ValueError, match="top = 0"):
        viz.hub_sheet(found, image_of, top=0)


def test_attractors_are_marked_beyond_luck_only() -> None:
    table = pd.DataFrame({"identity": range(40), "first_hit": 2, "wrong_identity": 50, "valid": True, "wrong_row": 0})
    fig = viz.attractor_plot(attractors(table), top=5)
    assert title_of(fig) == "1 person of 41 got 100 % of 40 wrong first places, more than luck explains"
    assert [bool(bar.get_hatch()) for bar in fig.axes[0].patches[:5]] == [True] + [False] * 4
    lucky = attractors(pd.DataFrame({"identity": [1, 2, 3], "first_hit": 2, "wrong_identity": [2, 3, 1], "valid": True, "wrong_row": 0}))
    assert "no more than luck" in title_of(viz.attractor_plot(lucky))
    none = attractors(pd.DataFrame({"identity": [1, 2], "first_hit": 1, "wrong_identity": [2, 1], "valid": True, "wrong_row": 0}))
    assert title_of(viz.attractor_plot(none)) == "No query has a wrong first place"
    with pytest.raises(ValueError, match="found none"):
        viz.attractor_plot(lucky[:0])
