"""Figures of tracklets and of MDKT: what they say is what the numbers say, nothing is drawn that was not given, bad input is named."""

from __future__ import annotations

import matplotlib.colors
import numpy as np
import pandas as pd
import pytest

from vireidkit import viz
from vireidkit.viz.mdkt import SCOPE


def test_a_film_sheet_says_how_much_changes_inside_and_between_tracklets():
    tracklets = pd.DataFrame({"identity": [7, 7, 7], "camera": [1, 4, 3], "modality": ["visible", "visible", "infrared"]})
    grey = {0: 100, 1: 104, 2: 130, 3: 134, 4: 10, 5: 14}  # two frames each
    fig = viz.film_sheet(tracklets, [[0, 1], [2, 3], [4, 5]], lambda row: np.full((32, 16, 3), grey[row], np.uint8), bands=("day", "night"))
    assert "two frames differ by 4 of 255" in fig.get_label() and "two tracklets of a band by 30" in fig.get_label()
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert sum("person 7" in text for text in texts) == 3 and any("camera 3\nnight" in text for text in texts)
    assert len(fig.axes[0].images) == 6
    alone = viz.film_sheet(tracklets[:1], [[0, 1]], lambda row: np.full((32, 16, 3), grey[row], np.uint8))
    assert "by 4" in alone.get_label() and "of a band" not in alone.get_label()
    with pytest.raises(ValueError, match="found 3 tracklets and 1 lists"):
        viz.film_sheet(tracklets, [[0]], lambda row: None)


def test_a_chunk_sheet_marks_the_frames_of_a_test():
    fig = viz.chunk_sheet((3, 9))
    assert "Of 9 frames frame 8 counts 4 times among the 8" in fig.get_label()
    texts = [text.get_text() for text in fig.axes[0].texts]
    assert texts == ["0", "1", "2 ×6", "0", "2", "4", "6", "8 ×4"]
    with pytest.raises(ValueError, match=r"found lengths \[0\]"):
        viz.chunk_sheet((0,))


def test_frame_curves_draw_every_number_and_interval():
    rows = [(panel, series, n, 10.0 * n, 5.0 * n, 15.0 * n) for panel in "ab" for series in ("x", "y") for n in (1, 8)]
    table = pd.DataFrame(rows, columns=["panel", "series", "frames", "value", "low", "high"])
    fig = viz.frame_curves(table, measure="mAP (%)", title="finding")
    assert [axes.get_title("left") for axes in fig.axes] == ["a", "b"]
    line = fig.axes[0].lines[0]
    assert line.get_ydata().tolist() == [10, 80] and len(fig.axes[0].collections) == 2
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["x", "y"]
    with pytest.raises(ValueError, match="needs a column 'low'"):
        viz.frame_curves(table.drop(columns="low"), measure="", title="")
    with pytest.raises(ValueError, match="needs a score"):
        viz.frame_curves(table[:0], measure="", title="")


def test_noise_curves_say_as_how_many_the_frames_count():
    table = pd.DataFrame({"frames": [1, 8], "spread": [4.0, 2.5], "independent": [4.0, 0.5], "expected": [4.0, 2.29]})
    table = table.assign(counts_as=4.0 / table["spread"], correlation=0.5)
    fig = viz.noise_curves({"teacher": table, "pixels": table.assign(correlation=np.nan)})
    assert fig.get_label().startswith("8 frames of a tracklet count as 1.6 (teacher), 1.6 (pixels) independent ones")
    assert fig.axes[0].lines[0].get_ydata().tolist() == [100, 62.5]
    with pytest.raises(ValueError, match="found 0"):
        viz.noise_curves({})


def test_the_sketch_names_both_numbers_of_frames():
    fig = viz.mdkt_sketch(8, 2)
    assert "sees 8 frames, a student that sees 2" in fig.get_label()
    texts = " ".join(text.get_text() for text in fig.axes[0].texts)
    assert "8 views of\na person" in texts and "2 of them" in texts


def test_the_sureness_scatter_has_a_mark_a_triplet_and_tells_the_difference():
    teacher, student, modality = np.array([0.5, 0.6, 0.9]), np.array([0.4, 0.6, 0.7]), np.array([0, 1, 1])
    fig = viz.sureness_scatter({"before": (teacher, student, modality), "after": (teacher, teacher, modality)}, bands=("day", "night"))
    assert "before 0.100; after 0.000" in fig.get_label()
    marks = [line for line in fig.axes[0].lines if line.get_marker() in ("o", "x")]
    assert sum(len(line.get_xdata()) for line in marks) == 3
    assert [text.get_text() for text in fig.legends[0].get_texts()] == ["day", "night"]
    low, high = fig.axes[0].get_xlim()
    assert low < 0.4 and high > 0.9
    with pytest.raises(ValueError, match=r"probabilities in 0\.\.1"):
        viz.sureness_scatter({"a": (teacher + 1, student, modality)})


def test_a_scope_sheet_marks_positives_and_negatives_only_where_they_count():
    people, modality = [0, 1, 0, 1], [0, 0, 1, 1]
    band = np.array(modality)
    fig = viz.scope_sheet(people, modality, {"cross": band[:, None] != band, "intra": (band[:, None] == band) & ~np.eye(4, dtype=bool)})
    signs = [[text.get_text() for text in axes.texts] for axes in fig.axes]
    assert signs[0].count("+") == 4 and signs[0].count("\N{MINUS SIGN}") == 4 and signs[1].count("+") == 0 and len(signs[1]) == 4
    assert [label.get_text() for label in fig.axes[0].get_yticklabels()] == ["vis 0", "vis 1", "inf 0", "inf 1"]
    assert isinstance(SCOPE, matplotlib.colors.ListedColormap) and fig.axes[0].images[0].get_array().max() == 2
    with pytest.raises(ValueError, match="scope 'bad' must be"):
        viz.scope_sheet(people, modality, {"bad": np.ones((2, 2))})
