"""The query browser in JupyterLab, in a real browser: run all cells, move the slider, and the next cell knows the query."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from lab import Lab, asked_outside, show_widget, started_lab

CELLS = (
    "from viz_world import image_of, small_features, small_trial\nfrom vireidkit.viz import QueryBrowser\n"
    "browser = QueryBrowser(small_features(noise=0.8), small_trial(), image_of, k=4)\nbrowser",
    "print(f\"selected: {browser.selection} of person {browser.selected['identity']}\")",
)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab on the two cells."""
    with started_lab(tmp_path, CELLS) as found:
        yield found


def shown_query(page: Any) -> int:
    """The query that the widget's text names."""
    return int(re.match(r"Query (\d+):", page.locator(".jp-OutputArea .widget-html p").first.inner_text())[1])


@pytest.mark.browser
def test_the_slider_moves_the_query_and_the_next_cell_knows(browser: Any, lab: Lab, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        show_widget(page, lab, ".widget-html img")
        first = shown_query(page)
        alt = page.locator(".widget-html img").get_attribute("alt")
        assert f"query {first} of person" in alt
        assert page.get_by_text(f"selected: {first} of person").is_visible()

        page.locator(".noUi-handle").focus()
        page.keyboard.press("ArrowRight")
        page.wait_for_function("before => !document.querySelector('.widget-html p').innerText.startsWith(before)", arg=f"Query {first}:")
        second = shown_query(page)
        assert second != first
        page.wait_for_function("before => document.querySelector('.widget-html img').alt !== before", arg=alt)
        assert f"query {second} of person" in page.locator(".widget-html img").get_attribute("alt")

        page.locator(".jp-CodeCell .cm-content").last.click()
        page.keyboard.press("Shift+Enter")
        page.get_by_text(f"selected: {second} of person").wait_for(timeout=20_000)
    finally:
        page.screenshot(path=tmp_path / "lab.png")
        page.close()
    assert not asked_outside(asked), f"the page asked the network for {asked_outside(asked)[:3]}"
