"""Pages made from notebooks: everything inside the file, maths drawn without scripts, text alternatives kept."""

from __future__ import annotations

import base64
import io
from html.parser import HTMLParser
from pathlib import Path

import nbformat
import pytest
from conftest import ROOT
from PIL import Image

from vireidkit.pages import anchor, document, mathml, notebook_page, page_link, title_of, write_glossary, write_index, write_page
from vireidkit.reproduce import CellError, NotebookRun

ALT = 'The "gap" <closes> & opens'
TEXT = r"""# What does $x^2$ ask?

How far down stands the *last* answer? See [CMC](GLOSSARY.md#cmc), [next](03_evaluate.ipynb#ap), [code](../vireidkit/errors.py), [paper](https://doi.org/10.0/x).

$$ \mathrm{AP} = \frac{1}{K} \sum_{j=1}^{K} \frac{j}{p_j} $$

\begin{align} d_{ij} &= \lVert x_i - x_j \rVert_2 \end{align}

Where $a<b$ and `$HOME` is no formula.

## A second part

<details><summary>Solution</summary>

It is $y_i$.

</details>
"""


def png() -> str:
    """A small picture, base64."""
    stream = io.BytesIO()
    Image.new("RGB", (8, 8), "teal").save(stream, "PNG")
    return base64.b64encode(stream.getvalue()).decode()


def book(*cells: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """An executed notebook with every kind of output that a page has to deal with."""
    new = nbformat.v4
    outputs = [
        new.new_output(
            "display_data", {"image/png": png()}, metadata={"image/png": {"alt": ALT}, "vireidkit": {"name": "gap", "alt": ALT}}
        ),
        new.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "x"}, "text/plain": "IntSlider()"}),
        new.new_output("display_data", {"application/vnd.jupyter.widget-view+json": {"model_id": "y"}, "text/plain": "  0%|  | 0/3"}),
        new.new_output("display_data", {"application/javascript": "element.append(1)", "text/plain": "<JS>"}),
        new.new_output("stream", name="stderr", text="\r 10%|#  | 1/9 [00:01]\r100%|###| 9/9 [00:09]\nsaved to disk\n"),
        new.new_output("display_data", {"text/plain": "commit abc"}, metadata={"vireidkit": {"environment": {"commit": "abc"}}}),
        new.new_output("display_data", {"text/plain": "Rank-1: 20.7 %"}, metadata={"vireidkit": {"number": "r1", "value": 0.207}}),
    ]
    widgets = {"application/vnd.jupyter.widget-state+json": {"state": {"x": {}}, "version_major": 2}}
    first = [new.new_markdown_cell(TEXT), new.new_code_cell("show(figure)", outputs=outputs)]
    return new.new_notebook(cells=[*first, *cells], metadata={"widgets": widgets, "language_info": {"name": "python"}})


class Links(HTMLParser):
    """Collects what a page would load, and where it leads."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.loads: list[str] = []
        self.leads: list[str] = []
        self.tags: list[str] = []
        self.alts: list[str | None] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        found = dict(attrs)
        if tag == "a":
            self.leads.append(found.get("href") or "")
        else:
            self.loads += [value for name, value in attrs if name in {"src", "href", "srcset", "poster", "data"} and value]
        if tag == "img":
            self.alts.append(found.get("alt"))


def assert_offline(html: str) -> Links:
    """Nothing is loaded from anywhere: embedded data only, no scripts, no style sheets or fonts by address."""
    links = Links(html)
    assert all(value.startswith("data:") for value in links.loads), [value[:80] for value in links.loads]
    assert not {"script", "link", "iframe", "object", "embed"} & set(links.tags)
    assert "@import" not in html and "url(" not in html
    return links


@pytest.fixture(scope="module")
def page() -> str:
    return notebook_page(book(), source_folder=ROOT / "notebooks", page_folder=ROOT / "runs" / "study")


def test_page_loads_nothing(page: str) -> None:
    assert_offline(page)
    assert "MathJax" not in page and "require" not in page


def test_maths_becomes_mathml(page: str) -> None:
    body = page[page.index("<body>") :]
    assert body.count("<math") == 5  # in the title, two displayed, two in sentences
    assert body.count('display="block"') == 2
    assert "\\frac" not in page and "\\begin" not in page
    assert "<mfrac>" in page and "$HOME" in page


def test_unknown_maths_stays_readable() -> None:
    assert mathml(r"\nosuchcommand{x}") == '<code class="math">\\nosuchcommand{x}</code>'
    assert mathml(r"a < \frac{1}{2}").startswith("<math")


def test_pictures_are_embedded_with_their_text(page: str) -> None:
    links = assert_offline(page)
    assert links.alts == [ALT]


def test_widgets_scripts_and_progress_bars_are_gone(page: str) -> None:
    assert "widget-view" not in page and "widget-state" not in page and "model_id" not in page
    assert page.count("An interactive widget stands here") == 1
    assert "element.append" not in page
    assert "9/9" not in page and "saved to disk" in page
    assert "Rank-1: 20.7 %" in page and "commit abc" not in page


def test_links_lead_to_pages_and_files(page: str) -> None:
    leads = Links(page).leads
    assert {"glossary.html#cmc", "03_evaluate.html#ap", "../../vireidkit/errors.py", "https://doi.org/10.0/x", "index.html"} <= set(leads)


def test_folded_solutions_keep_their_content(page: str) -> None:
    inside = page[page.index("<details>") : page.index("</details>")]
    assert "It is" in inside and "<math" in inside


def test_links_and_anchors() -> None:
    assert page_link("GLOSSARY.md#map") == "glossary.html#map"
    assert page_link("./05_inspect.ipynb") == "05_inspect.html"
    assert page_link("../x.ipynb") == "../x.ipynb"
    assert anchor("t-SNE") == "t-sne"
    assert anchor("Modality <em>gap</em>") == "modality-gap"
    assert title_of(book()) == "What does x^2 ask?"


def test_error_output_is_shown() -> None:
    error = nbformat.v4.new_output("error", ename="ValueError", evalue="broken", traceback=["\x1b[31mValueError\x1b[0m: broken"])
    html = notebook_page(book(nbformat.v4.new_code_cell("f()", outputs=[error])), source_folder=ROOT, page_folder=ROOT)
    assert "broken" in html and "output_error" in html and "\x1b" not in html


def run_of(path: Path, **changes: object) -> NotebookRun:
    """A finished notebook for the index."""
    numbers = {"r1": {"number": "r1", "value": 0.207, "unit": "share", "label": "Rank-1 <ir2vis>"}}
    values = {
        "parameters": {"profile": "study", "seed": 0},
        "started": "2026-01-01T00:00:00+00:00",
        "wall_seconds": 61.0,
        "process_seconds": 100.0,
    }
    values |= {"peak_memory_mib": 500.0, "costs": {"start-up": 9.0, "training": 40.0}, "numbers": numbers, "figures": ["gap"]}
    return NotebookRun(path.stem, path, **{**values, "environment": {"commit": "abc123", "fingerprint": "f00"}, **changes})


@pytest.fixture
def executed(tmp_path: Path) -> Path:
    path = tmp_path / "00_start_here.ipynb"
    nbformat.write(book(), path)
    return path


def test_index_shows_question_numbers_figures_and_costs(executed: Path) -> None:
    target = executed.with_name("index.html")
    write_index([run_of(executed)], target, total=1, install=200.0)
    html = target.read_text()
    links = assert_offline(html)
    assert links.alts == [ALT]
    assert {"00_start_here.html", "glossary.html"} <= set(links.leads)
    for text in (
        "complete",
        "How far down stands",
        "Rank-1 &lt;ir2vis&gt;",
        "20.7 %",
        "abc123",
        "profile study",
        "seed 0",
        "install (once)",
        "200",
    ):
        assert text in html, text


def test_index_names_a_failed_notebook(executed: Path) -> None:
    target = executed.with_name("index.html")
    write_index([run_of(executed, error=CellError("00-start-here-007", 8, "ValueError: <b>"))], target, total=6)
    html = target.read_text()
    assert "00_start_here failed" in html and "cell 8 (00-start-here-007): ValueError: &lt;b&gt;" in html


def test_glossary_page_has_the_anchors_that_links_use(tmp_path: Path) -> None:
    write_glossary(ROOT / "notebooks" / "GLOSSARY.md", tmp_path / "glossary.html")
    html = (tmp_path / "glossary.html").read_text()
    assert_offline(html)
    for name in ("cmc", "map", "modality-gap", "t-sne", "rank-k"):
        assert f'id="{name}"' in html


def test_document_escapes_its_title() -> None:
    assert "<title>a &lt; b</title>" in document("a < b", "")


@pytest.mark.browser
def test_page_in_a_browser(browser, executed: Path) -> None:
    """Chromium asks for nothing but the file, and draws formulas and pictures."""
    write_page(executed, executed.with_suffix(".html"), source_folder=ROOT / "notebooks")
    view = browser.new_page()
    asked, complaints = [], []
    view.on("request", lambda request: asked.append(request.url))
    view.on("console", lambda message: complaints.append(message.text))
    view.on("pageerror", lambda error: complaints.append(str(error)))
    view.goto(executed.with_suffix(".html").as_uri())
    assert [url[:5] for url in asked if not url.startswith("data:")] == ["file:"]
    assert not complaints
    fraction = view.locator("math mfrac").first.bounding_box()
    letter = view.locator("math mi").first.bounding_box()
    assert fraction["height"] > 1.5 * letter["height"], "the fraction is not drawn as one"
    assert view.evaluate("document.querySelector('img').naturalWidth") == 8
    assert view.evaluate("document.documentElement.scrollWidth <= window.innerWidth")
    view.close()
