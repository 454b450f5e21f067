"""The gap explorer and the retrieval browser in Chromium: both in JupyterLab from end to end, and each on a page of its own."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from lab import asked_outside, show_widget, started_lab
from PIL import Image
from typer.testing import CliRunner
from viz_world import image_of, small_features, small_table, small_trial
from widget_page import WidgetPage, keep_screenshot

from vireidkit.cli_look import look_app
from vireidkit.evaluation.protocols import Trial
from vireidkit.experiment import load_or_train
from vireidkit.viz import GapExplorer, RetrievalBrowser
from vireidkit.viz.style import RIGHT, WRONG

pytestmark = pytest.mark.browser

CELLS = (
    """from viz_world import image_of, small_features, small_trial
from vireidkit import viz
from vireidkit.analysis import project
features = {"alpha": small_features(noise=0.6), "beta": small_features(noise=0.6, gap=2.0)}
explorer = viz.GapExplorer(features, {name: project(one, method="pca") for name, one in features.items()}, image_of)
explorer""",
    "print(f'selected {len(explorer.selected)} images of {explorer.selected[\"identity\"].nunique()} people, {explorer.method}')",
    "browser = viz.RetrievalBrowser(features, small_trial(), image_of, k=6)\nbrowser",
    "print(f'query {browser.selection}, {browser.first} and {browser.second}')",
)


def place_of(page: Any, explorer: GapExplorer, row: int, frame: int = 0) -> tuple[float, float]:
    """Where a row's point stands on the page, as long as nobody zoomed."""
    box = page.locator("canvas.vk-map").bounding_box()
    unit = min(box["width"], box["height"]) / 2 - 18
    x, y = (float(value) for value in explorer._points[frame][row])
    return box["x"] + box["width"] / 2 + x * unit, box["y"] + box["height"] / 2 + y * unit


def draw_around(page: Any, corners: list[tuple[float, float]]) -> None:
    """A lasso through these places."""
    page.mouse.move(*corners[0])
    page.mouse.down()
    for corner in [*corners[1:], corners[0]]:
        page.mouse.move(*corner, steps=4)
    page.mouse.up()


def canvas_box(page: Any, share: float = 0.005) -> list[tuple[float, float]]:
    """Corners of a rectangle just inside the canvas."""
    box = page.locator("canvas.vk-map").bounding_box()
    left, top = box["x"] + share * box["width"], box["y"] + share * box["height"]
    right, bottom = box["x"] + (1 - share) * box["width"], box["y"] + (1 - share) * box["height"]
    return [(right, bottom), (left, bottom), (left, top), (right, top)]


# --- in JupyterLab ----------------------------------------------------------------------------------------------------------------------


def test_the_whole_way_in_jupyterlab(browser: Any, tmp_path: Path) -> None:
    """Run all, hover, lasso, read back in Python, two queries, another method; and nothing is asked of the network."""
    asked: list[str] = []
    with started_lab(tmp_path, CELLS) as lab:
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.on("request", lambda request: asked.append(request.url))
        try:
            show_widget(page, lab, ".vk-explorer canvas.vk-map")
            selected = _hover_and_lasso(page, tmp_path)
            page.locator(".vk-explorer").get_by_label("Method", exact=True).select_option("beta")
            run_cell(page, 1)
            page.get_by_text(f"selected {selected} images of 5 people, beta").wait_for(timeout=20_000)
            _two_queries(page, tmp_path, "beta", "alpha")
            run_cell(page, 3)
            shown = int(re.search(r"Query (\d+)", page.locator(".vk-query h3").inner_text())[1])
            page.get_by_text(f"query {shown}, beta and alpha").wait_for(timeout=20_000)
        finally:
            keep_screenshot(page, tmp_path, "lab-end")
            page.close()
    assert not asked_outside(asked), f"the page asked the network for {asked_outside(asked)[:3]}"


def run_cell(page: Any, number: int) -> None:
    """Run one cell by its place."""
    page.locator(".jp-CodeCell .cm-content").nth(number).click()
    page.keyboard.press("Shift+Enter")


def _hover_and_lasso(page: Any, folder: Path) -> int:
    """How many images the lasso caught."""
    canvas = page.locator("canvas.vk-map")
    canvas.scroll_into_view_if_needed()
    page.wait_for_function("document.querySelector('.vk-told')?.textContent.includes('PCA')")
    canvas.focus()
    page.keyboard.press("ArrowRight")  # brings the first point's picture
    page.locator(".vk-tip img").wait_for()
    where = page.locator(".vk-tip img").get_attribute("alt")
    assert re.fullmatch(r"person 1[1-5], camera [1236], (visible|infrared)", where)
    keep_screenshot(page, folder, "lab-hover")
    draw_around(page, canvas_box(page))
    page.locator(".vk-thumb img").first.wait_for()
    keep_screenshot(page, folder, "lab-lasso")
    caught = int(re.fullmatch(r"(\d+) images selected", page.locator(".vk-side h3").last.inner_text())[1])
    assert caught == 40
    return caught


def _two_queries(page: Any, folder: Path, wanted: str, other: str) -> None:
    """Two steps on, then the second method comes first."""
    view = page.locator(".vk-retrieval")
    view.scroll_into_view_if_needed()
    view.locator(".vk-answer img").first.wait_for()
    before = view.locator(".vk-query h3").inner_text()
    for _ in range(2):
        view.get_by_label("next query").click()
        page.wait_for_function("before => document.querySelector('.vk-query h3').innerText !== before", arg=before)
        before = view.locator(".vk-query h3").inner_text()
    view.get_by_label("Method", exact=True).select_option(wanted)  # the other list's: the two change places
    page.wait_for_function("other => document.querySelectorAll('.vk-list')[1]?.getAttribute('aria-label') === other", arg=other)
    keep_screenshot(page, folder, "lab-retrieval")


# Two methods at smoke; the second is trained in seconds.
BOTH = {"profile": "smoke", "methods": ["agw", "smmd"]}


def notebook_cells(name: str, **parameters: Any) -> list[str]:
    """The code cells of a notebook of the kit, with these parameters set behind its own."""
    book = json.loads((ROOT / "notebooks" / f"{name}.ipynb").read_text(encoding="utf-8"))
    cells = [("".join(cell["source"]), cell["metadata"].get("tags", [])) for cell in book["cells"] if cell["cell_type"] == "code"]
    own = "".join(f"\n{key} = {value!r}" for key, value in parameters.items())
    return [text + own if "parameters" in tags else text for text, tags in cells]


def cell_with(cells: list[str], start: str) -> int:
    """The place of the cell that begins so."""
    return next(number for number, text in enumerate(cells) if text.startswith(start))


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the notebooks' networks are: whoever comes first trains them."""
    return tmp_path_factory.mktemp("runs")


@contextmanager
def shown_in_lab(browser: Any, folder: Path, cells: list[str] | Path, selector: str) -> Iterator[Any]:
    """A page of JupyterLab on a notebook, all of it run; afterwards no cell may have failed, and nobody been asked for anything."""
    asked: list[str] = []
    with started_lab(folder, cells) as lab:
        page = browser.new_page(viewport={"width": 1400, "height": 1100})
        page.on("request", lambda request: asked.append(request.url))
        try:
            show_widget(page, lab, selector, patience=300_000)
            yield page
            assert not page.locator('[data-mime-type="application/vnd.jupyter.error"]').all_inner_texts()
        finally:
            keep_screenshot(page, folder, "lab-last")
            page.close()
    assert not asked_outside(asked), f"the page asked the network for {asked_outside(asked)[:3]}"


def hover_somewhere(page: Any) -> str:
    """Move over the map, line by line, until a point shows its picture; who it is."""
    box = page.locator("canvas.vk-map").bounding_box()
    tip = page.locator(".vk-tip img")
    for y in np.linspace(0.25, 0.75, 9):
        for x in np.linspace(0.2, 0.8, 61):
            page.mouse.move(box["x"] + x * box["width"], box["y"] + y * box["height"])
            if page.locator(".vk-tip").is_visible():
                tip.wait_for()
                page.wait_for_function("document.querySelector('.vk-tip img')?.naturalWidth > 0")
                return str(tip.get_attribute("alt"))
    raise AssertionError("no point of the map shows its picture")


def lasso_all(page: Any) -> int:
    """How many images a line around the map catches."""
    draw_around(page, canvas_box(page))
    page.locator(".vk-thumb img").first.wait_for()
    return int(re.match(r"([\d,]+) images selected", page.locator(".vk-side h3").last.inner_text())[1].replace(",", ""))


def test_notebook_04_in_jupyterlab(browser: Any, tmp_path: Path, runs: Path) -> None:
    """The notebook itself: run all, hover, lasso, another method, and the selection in Python."""
    cells = notebook_cells("04_see_the_gap", runs=str(runs), projection="pca", **BOTH)
    cells.append("print(f'now {explorer.method}, {explorer.epoch}')")
    with shown_in_lab(browser, tmp_path, cells, ".vk-explorer canvas.vk-map") as page:
        page.locator("canvas.vk-map").scroll_into_view_if_needed()
        assert re.fullmatch(r"person \d+, camera [1-6], (visible|near-infrared)", hover_somewhere(page))
        keep_screenshot(page, tmp_path, "notebook-04-hover")
        caught = lasso_all(page)
        keep_screenshot(page, tmp_path, "notebook-04-lasso")
        told = page.locator(".vk-explorer .vk-told").inner_text()
        page.locator(".vk-explorer").get_by_label("Method", exact=True).select_option("smmd")
        page.wait_for_function("told => document.querySelector('.vk-explorer .vk-told').innerText !== told", arg=told)
        keep_screenshot(page, tmp_path, "notebook-04-method")
        run_cell(page, cell_with(cells, "mine = explorer.selected"))
        page.get_by_text(re.compile(rf"selected {caught} images of \d+ people")).wait_for()
        keep_screenshot(page, tmp_path, "notebook-04-selected")
        run_cell(page, len(cells) - 1)
        page.get_by_text("now smmd, after training").wait_for()
    assert caught > 100  # all of the map but what lies on its rim


def test_notebook_05_in_jupyterlab(browser: Any, tmp_path: Path, runs: Path) -> None:
    """The notebook itself: run all, two queries on, another method, an answer's similarity map, and the query in Python."""
    cells = notebook_cells("05_inspect_retrieval", runs=str(runs), **BOTH)
    with shown_in_lab(browser, tmp_path, cells, ".vk-retrieval") as page:
        _two_queries(page, tmp_path, "smmd", "agw")
        run_cell(page, cell_with(cells, "mine = browser.selected"))
        shown = int(re.search(r"Query (\d+)", page.locator(".vk-query h3").inner_text())[1])
        page.get_by_text(f"query {shown}, smmd and agw").wait_for()
        keep_screenshot(page, tmp_path, "notebook-05-selected")
        page.locator('.vk-list[aria-label="agw"] .vk-answer').first.click()
        page.locator(".vk-heat").wait_for()
        page.locator(".vk-heat").scroll_into_view_if_needed()
        keep_screenshot(page, tmp_path, "notebook-05-map")


# --- what `vireidkit look` writes -----------------------------------------------------------------------------------------------------


def looked(*arguments: Any) -> Path:
    """The notebook that ``vireidkit look`` writes."""
    done = CliRunner().invoke(look_app, [*map(str, arguments), "--no-open"])
    assert done.exit_code == 0, done.output
    return Path(done.stdout.strip().splitlines()[-1])


def walk(page: Any, folder: Path, name: str) -> None:
    """Both instruments of such a notebook, as somebody uses them who has just opened it; then the two cells below them again."""
    page.locator("canvas.vk-map").scroll_into_view_if_needed()
    assert re.fullmatch(r"person \d+, camera \d+, (visible|infrared|near-infrared)", hover_somewhere(page))
    keep_screenshot(page, folder, f"{name}-map")
    caught = lasso_all(page)
    run_cell(page, 2)
    told = "count => { const cell = document.querySelectorAll('.jp-CodeCell')[2]; "  # pandas cuts a long table and says how long it is
    told += "return cell.innerText.includes(`${count} rows`) || cell.querySelectorAll('tbody tr').length === count; }"
    page.wait_for_function(told, arg=caught)
    page.locator(".vk-retrieval").scroll_into_view_if_needed()
    page.locator(".vk-answer img").first.wait_for()
    before = page.locator(".vk-query h3").inner_text()
    page.locator(".vk-retrieval").get_by_label("next query").click()
    page.wait_for_function("before => document.querySelector('.vk-query h3').innerText !== before", arg=before)
    keep_screenshot(page, folder, f"{name}-rankings")
    run_cell(page, 4)
    page.locator(".jp-CodeCell").nth(4).locator("table").wait_for()


def test_look_at_a_run_in_jupyterlab(browser: Any, tmp_path: Path, runs: Path) -> None:
    run = load_or_train("agw", "twilight", profile="smoke", runs=runs, quiet=True)
    book = looked(run.path, "--projection", "pca", "--out", tmp_path / "look")
    with shown_in_lab(browser, tmp_path, book, ".vk-retrieval") as page:
        walk(page, tmp_path, "look-run")
        page.locator('.vk-list[aria-label="agw"] .vk-answer').first.click()
        page.locator(".vk-heat").wait_for()
        assert page.get_by_text(re.compile(r"agw, agw before training: \d+ images; trials: ir2vis, vis2ir")).count() == 1


def test_look_at_own_features_in_jupyterlab(browser: Any, tmp_path: Path) -> None:
    np.savez(tmp_path / "F.npz", features=small_features().matrix.numpy())
    small_table()[["identity", "camera", "modality", "path"]].to_csv(tmp_path / "T.csv", index=False)
    for row, path in enumerate(small_table()["path"]):
        (tmp_path / "pictures" / path).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image_of(row)).save(tmp_path / "pictures" / path)
    own = ["--features", tmp_path / "F.npz", "--table", tmp_path / "T.csv", "--images", tmp_path / "pictures"]
    book = looked(*own, "--projection", "pca", "--out", tmp_path / "look")
    with shown_in_lab(browser, tmp_path, book, ".vk-retrieval") as page:
        walk(page, tmp_path, "look-features")


# --- on a page of their own ---------------------------------------------------------------------------------------------------------------

Opened = Callable[..., WidgetPage]


@pytest.fixture
def opened(browser: Any) -> Iterator[Opened]:
    """Opens a widget; afterwards its page must have thrown nothing and asked nobody."""
    pages: list[WidgetPage] = []

    def open_one(widget: Any, **size: int) -> WidgetPage:
        pages.append(WidgetPage(browser, widget, **size))
        return pages[-1]

    yield open_one
    for one in pages:
        one.close()
    assert not [error for one in pages for error in one.errors]
    assert not [url for one in pages for url in one.outside()]


def two_epochs(**options: Any) -> GapExplorer:
    """Two epochs of one method, and another method; coordinates by hand, on a ring and shifted."""
    angle = np.linspace(0, 2 * np.pi, 40, endpoint=False)
    ring = np.stack([np.cos(angle), np.sin(angle)], axis=1)
    keys = [("agw", "1"), ("agw", "2"), ("other", "1")]
    features = {key: small_features(noise=0.5, seed=number) for number, key in enumerate(keys)}
    laid = {key: ring * (1 + number) for number, key in enumerate(keys)}
    return GapExplorer(features, laid, options.pop("image_of", image_of), **options)


def test_hover_shows_the_picture_and_who_it_is(opened: Opened, tmp_path: Path) -> None:
    explorer = two_epochs()
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    assert explorer.epoch == "2"  # the last epoch comes first
    page.mouse.move(*place_of(page, explorer, 10, frame=1))
    image = page.locator(".vk-tip img")
    image.wait_for()
    entry = small_table().iloc[10]
    assert image.get_attribute("alt") == f"person {entry['identity']}, camera {entry['camera']}, {entry['modality']}"
    assert page.locator(".vk-file").inner_text() == entry["path"]
    assert image.evaluate("image => [image.naturalWidth, image.naturalHeight]") == [8, 16]
    keep_screenshot(page, tmp_path, "explorer-hover")
    page.mouse.move(5, 5)
    assert page.locator(".vk-tip").is_hidden()


def test_click_shift_click_and_lasso_select_in_python(opened: Opened, tmp_path: Path) -> None:
    explorer = two_epochs()
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    seen: list[list[int]] = []
    explorer.observe(lambda change: seen.append(change["new"]), "selection")
    page.mouse.click(*place_of(page, explorer, 3, frame=1))
    page.keyboard.down("Shift")
    page.mouse.click(*place_of(page, explorer, 20, frame=1))
    page.keyboard.up("Shift")
    page.get_by_text("2 images selected").first.wait_for()
    assert seen == [[3], [3, 20]] and explorer.selected["identity"].tolist() == [11, 13]
    x, y = place_of(page, explorer, 30, frame=1)
    draw_around(page, [(x - 9, y - 9), (x + 9, y - 9), (x + 9, y + 9), (x - 9, y + 9)])
    page.get_by_text("1 image selected").first.wait_for()
    assert explorer.selection == [30]
    page.get_by_text("of 12 show the same person", exact=False).wait_for()  # 12 neighbours in the original space
    keep_screenshot(page, tmp_path, "explorer-one")
    box = page.locator("canvas.vk-map").bounding_box()
    page.mouse.click(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)  # nothing lies there
    page.get_by_text("Nothing selected").wait_for()
    assert explorer.selection == []


def test_python_selects_and_the_page_follows(opened: Opened, tmp_path: Path) -> None:
    explorer = two_epochs(factors={"light": np.arange(40.0), "bag": ["none", "left"] * 20})
    one = opened(explorer)
    one.page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    explorer.selection, explorer.colour, explorer.lines = [12, 5, 12], "light", "selected people"
    one.push()
    one.page.get_by_text("2 images selected").first.wait_for()
    one.page.get_by_text("31.2 to 39").wait_for()
    assert one.page.get_by_label("Lines", exact=True).input_value() == "selected people"
    one.page.get_by_label("Colour", exact=True).select_option("identity")
    one.page.locator(".vk-legend").get_by_text("person 11").wait_for()
    assert explorer.colour == "identity"
    keep_screenshot(one.page, tmp_path, "explorer-identity")
    one.page.locator(".vk-legend").get_by_text("person 12").click()  # a legend entry selects its group
    one.page.get_by_text("8 images selected").first.wait_for()
    assert explorer.selection == list(range(8, 16))


def test_epochs_and_methods_switch(opened: Opened) -> None:
    explorer = two_epochs()
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    slider = page.get_by_label("Epoch", exact=True)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function("document.querySelector('.vk-choice output').textContent === '1'")
    assert explorer.epoch == "1"
    page.get_by_label("Method", exact=True).select_option("other")
    page.wait_for_function("document.querySelector('.vk-bar-top > span:nth-child(2)').hidden")  # it has one epoch
    assert (explorer.method, explorer.epoch) == ("other", "1")


def test_the_keyboard_walks_selects_and_clears(opened: Opened, tmp_path: Path) -> None:
    explorer = two_epochs()
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    canvas = page.locator("canvas.vk-map")
    canvas.focus()
    page.keyboard.press("ArrowRight")
    first = int(page.locator(".vk-tip").get_attribute("data-row"))
    page.keyboard.press("Enter")
    page.get_by_text("1 image selected").first.wait_for()
    moved = {first}
    for key in ("ArrowLeft", "ArrowUp", "ArrowRight", "ArrowDown", "ArrowDown"):
        page.keyboard.press(key)
        moved.add(int(page.locator(".vk-tip").get_attribute("data-row")))
    assert len(moved) >= 3
    page.keyboard.press("Shift+Enter")
    page.get_by_text("2 images selected").first.wait_for()
    assert first in explorer.selection and len(explorer.selection) == 2
    assert re.search(r"\d images? selected|person", page.locator(".vk-status").inner_text())  # said aloud
    keep_screenshot(page, tmp_path, "explorer-keyboard")
    for key in ("+", "+", "-", "0", "Shift+ArrowLeft", "Escape"):
        page.keyboard.press(key)
    page.get_by_text("Nothing selected").wait_for()
    assert explorer.selection == []
    assert canvas.evaluate("canvas => getComputedStyle(canvas).outlineStyle") == "solid"  # the focus can be seen


def test_missing_pictures_cameras_and_places_are_shown_as_such(opened: Opened, tmp_path: Path) -> None:
    def some(row: int) -> Any:
        if row % 2:
            raise FileNotFoundError(f"picture {row} is gone <b>")
        return image_of(row)

    bare = replace(small_features(), table=small_table()[["identity", "modality"]])
    points = np.stack([np.arange(40) % 8, np.arange(40) // 8], axis=1).astype(float)
    points[7] = np.nan
    explorer = GapExplorer(bare, points, some)
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    assert "1 image has no place here" in page.locator(".vk-told").inner_text()
    assert [option.inner_text() for option in page.get_by_label("Colour", exact=True).locator("option").all()] == ["modality", "identity"]
    draw_around(page, canvas_box(page))
    page.locator(".vk-thumbs .vk-missing").first.wait_for()
    page.locator(".vk-thumbs img").first.wait_for()
    assert explorer.selection == [row for row in range(40) if row != 7]
    assert "picture missing" in page.locator(".vk-missing-text").first.inner_text()
    assert page.locator(".vk-missing").first.get_attribute("title").endswith("is gone <b>")  # as text, not as HTML
    page.mouse.move(*place_of(page, explorer, 20))
    assert "camera unknown" in page.locator(".vk-tip").inner_text()
    keep_screenshot(page, tmp_path, "explorer-missing")


def test_zoom_keeps_the_point_under_the_pointer(opened: Opened) -> None:
    explorer = two_epochs()
    page = opened(explorer).page
    page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    x, y = place_of(page, explorer, 0, frame=1)
    page.mouse.move(x, y)
    page.mouse.wheel(0, -120)  # the map was not clicked into: the page scrolls, the map stays
    page.locator("canvas.vk-map").focus()
    page.mouse.wheel(0, -120)
    page.wait_for_timeout(150)
    page.mouse.move(x + 3, y)
    page.locator(".vk-tip").wait_for()
    assert page.locator(".vk-tip").get_attribute("data-row") == "0"
    page.get_by_label("drag to move the map").click()
    page.mouse.move(x, y)
    page.mouse.down()
    page.mouse.move(x - 50, y - 40, steps=4)
    page.mouse.up()
    page.mouse.move(x - 49, y - 40)
    page.locator(".vk-tip").wait_for()
    assert page.locator(".vk-tip").get_attribute("data-row") == "0" and explorer.selection == []


def rankings(**options: Any) -> RetrievalBrowser:
    """Two methods, both directions, and a map for one method."""
    features = {"alpha": small_features(noise=0.8), "beta": small_features(noise=0.8, seed=1)}
    there = small_trial()
    table = small_table()
    back = Trial(table[table["modality"] == "visible"], table[table["modality"] == "infrared"])

    def map_of(query_row: int, gallery_row: int) -> np.ndarray:
        return np.linspace(0, 1, 32).reshape(8, 4)

    settings = {"map_of": {"alpha": map_of}, "k": 6} | options
    return RetrievalBrowser(features, {"there": there, "back": back}, settings.pop("image_of", image_of), **settings)


def test_queries_filter_and_step(opened: Opened, tmp_path: Path) -> None:
    widget = rankings()
    page = opened(widget).page
    page.locator(".vk-answer img").first.wait_for()
    page.get_by_label("Camera", exact=True).select_option("3")
    page.wait_for_function("document.querySelectorAll('.vk-queries option').length === 10")
    assert widget.camera == "3" and set(widget.queries["camera"].iloc[widget.listed]) == {3}
    page.locator(".vk-removed").first.wait_for()  # the rule removes camera 2 for camera 3
    keep_screenshot(page, tmp_path, "retrieval-rule")
    page.get_by_label("Show", exact=True).select_option("failures only")
    failures = widget.queries.query("camera == 3 and first_hit > 1")["query"]
    page.wait_for_function("count => document.querySelectorAll('.vk-queries option').length === count", arg=len(failures))
    assert sorted(widget.listed) == sorted(failures)
    person = page.get_by_label("Person", exact=True)
    person.fill("99")
    person.press("Enter")
    page.get_by_text("no query passes these filters", exact=False).wait_for()
    keep_screenshot(page, tmp_path, "retrieval-empty")
    person.fill("")
    person.press("Enter")
    page.wait_for_function("count => document.querySelectorAll('.vk-queries option').length === count", arg=len(failures))
    before = widget.selection
    page.get_by_label("next query").click()
    page.wait_for_function("before => !document.querySelector('.vk-query h3').innerText.startsWith(`Query ${before}:`)", arg=before)
    assert widget.selection == widget.listed[widget.listed.index(before) + 1]


def test_marks_say_right_and_wrong_without_colour(opened: Opened) -> None:
    widget = rankings()
    page = opened(widget).page
    page.locator(".vk-answer img").first.wait_for()
    shown = widget.answers().query("method == 'alpha'")
    cards = page.locator(".vk-list").first.locator(".vk-answer")
    assert cards.count() == len(shown) == 6
    for place, entry in enumerate(shown.itertuples()):
        words = cards.nth(place).get_attribute("aria-label")
        kind = "removed" if entry.excluded else f"rank {entry.rank}, {'right person' if entry.correct else 'someone else'}"
        assert words.startswith(kind) and f"person {entry.identity}, camera {entry.camera}" in words
        style = cards.nth(place).locator(".vk-frame").evaluate("frame => getComputedStyle(frame).borderTopStyle")
        assert style == ("dotted" if entry.excluded else "solid" if entry.correct else "dashed")
    assert RIGHT.lower() in widget._css.lower() and WRONG.lower() in widget._css.lower()


def test_an_answer_shows_its_map_and_asks_back(opened: Opened, tmp_path: Path) -> None:
    widget = rankings()
    page = opened(widget).page
    page.locator(".vk-answer img").first.wait_for()
    began = (widget.trial, widget.selection)
    card = page.locator(".vk-list").first.locator(".vk-answer").first
    row = int(card.get_attribute("data-row"))
    card.click()
    page.locator(".vk-heat").wait_for()
    assert widget.answer_row == row
    assert page.locator(".vk-heat").evaluate("image => [image.naturalWidth, image.naturalHeight]") == [4, 8]
    slider = page.get_by_label("strength of the map")
    slider.fill("20")
    assert page.locator(".vk-heat").evaluate("image => getComputedStyle(image).opacity") == "0.2"
    keep_screenshot(page, tmp_path, "retrieval-pair")
    page.get_by_text("Make it the query").click()
    page.wait_for_function("document.querySelector('.vk-picker select').value === 'back'")
    assert widget.trial == "back" and int(widget.selected["row"]) == row and widget.answer_row == -1
    page.get_by_text("Back", exact=True).click()
    page.wait_for_function("document.querySelector('.vk-picker select').value === 'there'")
    assert (widget.trial, widget.selection) == began


def test_one_list_or_two(opened: Opened) -> None:
    widget = rankings()
    page = opened(widget).page
    page.locator(".vk-answer img").first.wait_for()
    page.get_by_label("and", exact=True).select_option("one method only")
    page.wait_for_function("document.querySelectorAll('.vk-list').length === 1")
    assert widget.methods == ["alpha"]
    page.get_by_label("Method", exact=True).select_option("beta")
    page.get_by_text("Compare with").click()
    page.wait_for_function("document.querySelectorAll('.vk-list').length === 2")
    assert widget.methods == ["beta", "alpha"]


def test_a_broken_map_and_missing_pictures_leave_the_rest(opened: Opened, tmp_path: Path) -> None:
    def bad(query_row: int, gallery_row: int) -> np.ndarray:
        return np.full((4, 4), np.nan)

    widget = rankings(map_of=bad, image_of=None)
    page = opened(widget).page
    page.locator(".vk-answer .vk-missing").first.wait_for()
    page.locator(".vk-answer").first.click()
    page.get_by_text("a similarity map must lie in 0..1", exact=False).first.wait_for()
    assert page.get_by_text("Make it the query").is_enabled()
    keep_screenshot(page, tmp_path, "retrieval-broken")


def test_saved_files_are_those_of_python(opened: Opened, tmp_path: Path) -> None:
    widget = rankings()
    page = opened(widget).page
    page.locator(".vk-answer img").first.wait_for()
    for kind in ("csv", "png"):
        with page.expect_download() as waiting:
            page.get_by_text(f"Save {kind.upper()}").click()
        waiting.value.save_as(tmp_path / f"page.{kind}")
        widget.export(tmp_path / f"python.{kind}")
        assert (tmp_path / f"page.{kind}").read_bytes() == (tmp_path / f"python.{kind}").read_bytes()
    saved = pd.read_csv(tmp_path / "page.csv")
    assert saved["method"].unique().tolist() == ["alpha", "beta"] and len(saved) == 12
    assert (tmp_path / "page.png").read_bytes().startswith(b"\x89PNG")


def test_narrow_pages_and_closing(opened: Opened, tmp_path: Path) -> None:
    one = opened(two_epochs(), width=420, height=1300)
    one.page.wait_for_function("document.querySelector('.vk-told')?.textContent")
    assert one.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep_screenshot(one.page, tmp_path, "explorer-narrow")
    one.page.evaluate("window.close()")
    other = opened(rankings(), width=420, height=1600)
    other.page.locator(".vk-answer img").first.wait_for()
    assert other.page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    keep_screenshot(other.page, tmp_path, "retrieval-narrow")
    other.page.evaluate("window.close()")
