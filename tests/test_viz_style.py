"""The look of the series, and showing a figure with its text."""

from __future__ import annotations

import base64
import io
import warnings
from typing import Any

import matplotlib
import matplotlib.pyplot as plt
import nbformat
import numpy as np
import pytest
from bs4 import BeautifulSoup
from matplotlib.figure import Figure
from nbconvert import HTMLExporter
from PIL import Image

from vireidkit.viz import show, use
from vireidkit.viz import style as looks
from vireidkit.viz.pages import Page, image_reader, picture_of


@pytest.fixture
def shown(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, Any], dict[str, Any]]]:
    """What a notebook would get: (data, metadata) of every display."""
    calls: list[tuple[dict[str, Any], dict[str, Any]]] = []
    monkeypatch.setattr(looks, "publish_display_data", lambda data, metadata: calls.append((data, metadata)))
    return calls


def small_figure() -> Figure:
    fig = looks.new_figure(2.0, 3.0)
    fig.subplots().plot([1, 2])
    return looks.finish(fig, "two is more than one", "A line.", "A rising line.")


def test_show_hands_over_a_picture_with_its_text(shown: list) -> None:
    show(small_figure())
    data, metadata = shown[0]
    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    assert picture.size == (300, 200)
    assert metadata == {"image/png": {"alt": "Two is more than one. A rising line."}}
    assert "Two is more than one" in data["text/plain"]


def test_show_takes_another_text_and_a_name(shown: list) -> None:
    show(small_figure(), alt='a "line"\nthat rises', name="line")
    assert shown[0][1] == {"image/png": {"alt": 'a "line" that rises'}, "vireidkit": {"name": "line"}}


def test_show_refuses_a_figure_without_text(shown: list) -> None:
    with pytest.raises(ValueError, match="cannot see it"):
        show(looks.new_figure(2))
    assert not shown


def test_the_text_reaches_an_html_page(shown: list) -> None:
    show(small_figure(), alt='more < "less"')
    data, metadata = shown[0]
    cell = nbformat.v4.new_code_cell("", outputs=[nbformat.v4.new_output("display_data", data, metadata=metadata)])
    page, _ = HTMLExporter(template_name="classic").from_notebook_node(nbformat.v4.new_notebook(cells=[cell]))
    assert [image["alt"] for image in BeautifulSoup(page, "html.parser").find_all("img")] == ['more < "less"']


def test_a_figure_of_pyplot_is_closed_so_that_it_is_not_shown_twice(shown: list) -> None:
    before = plt.get_fignums()
    fig = plt.figure()
    show(fig, alt="empty")
    assert plt.get_fignums() == before


def test_figures_of_the_kit_belong_to_no_pyplot_list() -> None:
    before = plt.get_fignums()
    small_figure()
    assert plt.get_fignums() == before


def test_figures_look_the_same_whatever_the_notebook_set() -> None:
    @looks.styled
    def draw() -> Figure:
        return small_figure()

    with matplotlib.rc_context():
        first = looks.png_of(draw())
        matplotlib.rcParams.update({"font.size": 30, "figure.dpi": 33, "axes.grid": False, "savefig.dpi": 20})
        assert looks.png_of(draw()) == first
        assert matplotlib.rcParams["font.size"] == 30
        use()
        assert matplotlib.rcParams["font.size"] == looks.LABEL


def test_modalities_differ_by_colour_mark_and_line() -> None:
    visible, infrared = looks.look_of("visible"), looks.look_of(1)
    assert looks.look_of(0) is visible
    assert (visible.colour, visible.marker) == (looks.OKABE_ITO["orange"], "o")
    assert infrared.colour == looks.OKABE_ITO["blue"]
    assert all(getattr(visible, part) != getattr(infrared, part) for part in ("colour", "marker", "line", "hatch"))
    assert not {visible.colour, infrared.colour} & set(looks.CYCLE)
    for wrong in ("thermal", 2, -1):
        with pytest.raises(ValueError, match="modality must be"):
            looks.look_of(wrong)


def test_titles_are_broken_before_the_edge() -> None:
    text = "a finding that takes more than one line because it says a lot " * 3
    lines = looks.wrapped(text, 300, 12, "bold").split("\n")
    assert len(lines) > 3
    assert max(looks.text_width(line, 12, "bold") for line in lines) <= 300
    assert " ".join(lines).split() == text.split()
    assert looks.wrapped("unbreakablyLongWord", 10) == "unbreakablyLongWord"
    assert looks.wrapped("one\ntwo", 300) == "one\ntwo"


def test_words_and_numbers() -> None:
    assert looks.percent(0.184) == "18 %"
    assert looks.percent(0.1849, 1) == "18.5 %"
    assert looks.percent(float("nan")) == "unknown"
    assert looks.signed(-1.25) == "\N{MINUS SIGN}1.2"
    assert (looks.many(1, "query", "queries"), looks.many(1200, "image")) == ("1 query", "1,200 images")
    assert looks.capitalised("aGW") == "AGW"


def test_pictures_of_every_kind() -> None:
    array = np.zeros((4, 2, 3), np.uint8)
    assert picture_of(Image.fromarray(array[..., 0])).shape == (4, 2, 3)
    assert picture_of(array) is array
    with pytest.raises(ValueError, match="float64"):
        picture_of(np.zeros((4, 2, 3)))
    with pytest.raises(ValueError, match=r"\(4, 2\)"):
        picture_of(array[..., 0])


def test_image_reader_opens_the_file_of_a_row() -> None:
    class Data:
        def table(self, split: str) -> Any:
            import pandas as pd

            return pd.DataFrame({"path": [f"{split}/a.png", f"{split}/b.png"]})

        def open(self, path: str) -> Image.Image:
            return Image.new("RGB", (2, 4), (len(path), ord(path[-5]), 0))

    assert image_reader(Data(), "validation")(1)[0, 0].tolist() == [len("validation/b.png"), ord("b"), 0]


def test_a_page_keeps_its_limits_and_grows_with_its_title() -> None:
    short, long = Page("short", 2.0), Page("a long title that needs another line " * 4, 2.0)
    assert long.height > short.height
    short.picture(np.zeros((4, 2, 3), np.uint8), 1, 1, 0.5, 1)
    assert short.axes.get_xlim() == (0, short.width)
    assert short.axes.get_ylim() == (short.height, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        looks.png_of(short.fig)
