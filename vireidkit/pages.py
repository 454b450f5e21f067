"""Executed notebooks as HTML pages that load nothing from a network: maths as MathML, pictures inside the file, no scripts.

Interactive widgets need a running kernel, so a page keeps a note in their place; each has a static twin in its notebook.
"""

from __future__ import annotations

import os
import re
import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import nbformat
from bs4 import BeautifulSoup
from jinja2 import pass_context
from latex2mathml.converter import convert as latex_to_mathml
from nbconvert.exporters import HTMLExporter
from nbconvert.filters.markdown_mistune import IPythonRenderer, MarkdownWithMath

from vireidkit.files import write_text

if TYPE_CHECKING:
    from vireidkit.reproduce import NotebookRun

WIDGET = "application/vnd.jupyter.widget-view+json"
SCRIPTS = ("application/javascript", "text/javascript")
NOTE = '<p class="note">An interactive widget stands here when the notebook is open in JupyterLab; the static figures show the same.</p>'


def mathml(latex: str, *, block: bool = False) -> str:
    """LaTeX maths as MathML, which browsers draw by themselves. What cannot be read stays as its source in a ``code`` element."""
    try:
        found = latex_to_mathml(latex.strip(), display="block" if block else "inline")
    except Exception:
        found = "\\"
    # The converter leaves a command that it does not know as it is.
    return f'<code class="math">{escape(latex)}</code>' if "\\" in found else found


def anchor(heading: str) -> str:
    """The anchor of a heading: lower case, words joined by hyphens, as code hosts make it."""
    text = unicodedata.normalize("NFC", re.sub(r"<[^>]+>", "", heading)).strip().lower()
    return re.sub(r"\s", "-", re.sub(r"[^\w\s-]", "", text))


def page_link(url: str) -> str:
    """A link between notebooks as a link between their pages; other links stay."""
    url = re.sub(r"^(\./)?GLOSSARY\.md(?=#|$)", "glossary.html", url)
    return re.sub(r"^(\./)?([\w-]+)\.ipynb(?=#|$)", r"\2.html", url)


class _Renderer(IPythonRenderer):
    """Markdown with MathML instead of maths left to a script, and links that work between pages."""

    def __init__(self, *, source_folder: Path, page_folder: Path, **options: Any) -> None:
        super().__init__(escape=False, exclude_anchor_links=True, embed_images=True, **options)
        self.source_folder, self.page_folder = source_folder, page_folder

    def heading(self, text: str, level: int, **attrs: Any) -> str:
        return f'<h{level} id="{anchor(text)}">{text}</h{level}>\n'

    def block_html(self, html: str) -> str:
        # The parent parses every piece to embed pictures, which would close a <details> before its content.
        return super().block_html(html) if "<img" in html else html + "\n"

    def inline_html(self, html: str) -> str:
        return super().inline_html(html) if "<img" in html else html

    def block_math(self, body: str) -> str:
        return mathml(body, block=True)

    def inline_math(self, body: str) -> str:
        return mathml(body)

    def latex_environment(self, name: str, body: str) -> str:
        return mathml(rf"\begin{{{name}}}{body}\end{{{name}}}", block=True)

    def link(self, text: str, url: str, title: str | None = None) -> str:
        url = page_link(url)
        path, mark, fragment = url.partition("#")
        # A link to a file of the checkout is seen from the notebook's folder; the page lies elsewhere.
        if path and not re.match(r"[a-z]+:", path) and (self.source_folder / path).exists():
            url = Path(os.path.relpath(self.source_folder / path, self.page_folder)).as_posix() + mark + fragment
        return super().link(text, url, title)


class _Exporter(HTMLExporter):
    """nbconvert's plain body, with the renderer above."""

    def __init__(self, source_folder: Path, page_folder: Path) -> None:
        super().__init__(template_name="basic", exclude_input_prompt=True, exclude_output_prompt=True, embed_images=True)
        self.folders = {"source_folder": source_folder, "page_folder": page_folder}

    @pass_context
    def markdown2html(self, context: Any, source: str) -> str:
        attachments = context.get("cell", {}).get("attachments", {})
        return render_markdown(source, attachments=attachments, **self.folders)


def render_markdown(source: str, *, source_folder: Path, page_folder: Path, attachments: dict[str, Any] | None = None) -> str:
    """Markdown as HTML; local pictures are embedded.

    Args:
        source: the text.
        source_folder: where relative links start.
        page_folder: where the page will lie.
        attachments: pictures inside the notebook cell.
    """
    renderer = _Renderer(source_folder=source_folder, page_folder=page_folder, attachments=attachments or {}, path=str(source_folder))
    return MarkdownWithMath(renderer=renderer).render(source)


def _still(output: Any) -> list[Any]:
    """An output as a page can hold it: no widgets, no scripts, no progress bars."""
    if output.output_type == "stream":
        lines = [line.split("\r")[-1] for line in output.text.replace("\r\n", "\n").split("\n")]
        text = "\n".join(line for line in lines if not re.search(r"\d%\|.*\|", line))
        return [nbformat.from_dict({**output, "text": text})] if text.strip() else []
    data = output.get("data", {})
    if WIDGET in data:
        bar = "%|" in data.get("text/plain", "") or "it/s" in data.get("text/plain", "")
        return [] if bar else [nbformat.v4.new_output("display_data", {"text/html": NOTE})]
    if data.keys() & set(SCRIPTS):
        return []
    # Facts left for the run record are shown as a table right after them.
    return [] if "environment" in output.get("metadata", {}).get("vireidkit", {}) else [output]


def still(book: Any) -> Any:
    """A copy of a notebook without anything that needs a kernel, a script or a network."""
    book = nbformat.from_dict(book)
    book.metadata.pop("widgets", None)
    for cell in book.cells:
        if cell.cell_type == "code":
            cell.outputs = [kept for output in cell.outputs for kept in _still(output)]
    return book


def notebook_page(book: Any, *, source_folder: Path, page_folder: Path, home: str = "index.html") -> str:
    """A notebook as one HTML document.

    Args:
        book: a notebook node, executed or not.
        source_folder: the notebook's own folder, where its relative links start.
        page_folder: where the page will lie.
        home: link at the head of the page.
    """
    body, _ = _Exporter(source_folder, page_folder).from_notebook_node(still(book))
    return document(title_of(book), f"<main>{body}</main>", home=home)


def title_of(book: Any) -> str:
    """The first heading of a notebook, as plain text."""
    for cell in book["cells"]:
        match = re.search(r"^#\s+(.+)$", "".join(cell["source"]), re.M) if cell["cell_type"] == "markdown" else None
        if match:
            return re.sub(r"[*`$]", "", match[1]).strip()
    return "Notebook"


@lru_cache(maxsize=1)
def _style() -> str:
    """The style sheet of all pages, with the colours of highlighted code."""
    from pygments.formatters import HtmlFormatter

    own = files("vireidkit").joinpath("page.css").read_text(encoding="utf-8")
    return own + HtmlFormatter(style="default").get_style_defs(".highlight")


def document(title: str, body: str, *, home: str | None = None) -> str:
    """A whole HTML document around a body, style included."""
    back = f'<nav><a href="{escape(home)}">All notebooks</a> <a href="glossary.html">Glossary</a></nav>' if home else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title>\n<style>\n{_style()}\n</style></head>\n<body>{back}\n{body}\n</body></html>\n"
    )


def write_page(executed: Path, target: Path, *, source_folder: Path | None = None) -> None:
    """Make the page of an executed notebook.

    Args:
        executed: the notebook with outputs.
        target: the page to write.
        source_folder: where the notebook's relative links start; by default the folder of the executed copy.
    """
    book = nbformat.read(executed, as_version=4)
    folder = (source_folder or executed.parent).resolve()
    write_text(target, notebook_page(book, source_folder=folder, page_folder=target.parent.resolve()))


def write_glossary(source: Path, target: Path) -> None:
    """Make the page of the glossary that notebooks link to."""
    html = render_markdown(source.read_text(encoding="utf-8"), source_folder=source.parent.resolve(), page_folder=target.parent.resolve())
    write_text(target, document("Glossary", f'<main class="glossary">{html}</main>', home="index.html"))


# --- the index ------------------------------------------------------------------------------------------------------------------------


def write_index(runs: Sequence[NotebookRun], target: Path, *, total: int, install: float | None = None) -> None:
    """Write the start page of a study: what ran, its key figures and numbers, and what it cost.

    Args:
        runs: the notebooks that ran, in order.
        target: the page to write, beside the notebooks' pages.
        total: how many notebooks the study has.
        install: seconds of the installation, when known.
    """
    from vireidkit.reproduce import as_text, cost_rows

    failed = [run for run in runs if not run.succeeded]
    state = f"{failed[0].name} failed" if failed else "complete" if len(runs) == total else f"{len(runs)} of {total} notebooks so far"
    facts = f'{escape(state)} · {escape(_provenance(runs))} · <a href="glossary.html">Glossary</a>'
    costs = escape(as_text(cost_rows(runs, install)))
    parts = [
        "<header><h1>vireidkit study</h1>",
        "<p>Visible-infrared person re-identification, from the first look at the pictures to the rank lists of a trained network.</p>",
        f'<p class="facts">{facts}</p></header><main class="index">',
        *(_card(run) for run in runs),
        f"<section><h2>What it cost</h2><pre>{costs}</pre></section></main>",
    ]
    write_text(target, document("vireidkit study", "\n".join(parts)))


def _provenance(runs: Sequence[NotebookRun]) -> str:
    """Profile, seed, commit, data and versions in one line, from what the notebooks printed themselves."""
    parameters = next((run.parameters for run in runs if "profile" in run.parameters), {})
    facts = next((run.environment for run in runs if "fingerprint" in run.environment), next((run.environment for run in runs), {}))
    words = [f"{key} {parameters[key]}" for key in ("profile", "seed") if key in parameters]
    facts = {key: str(value)[:16] if key == "fingerprint" else value for key, value in facts.items()}
    words += [f"{key} {facts[key]}" for key in ("data set", "fingerprint", "vireidkit", "torch", "commit", "device") if key in facts]
    return ", ".join(words) or "profile and seed of each notebook's own"


def _card(run: NotebookRun) -> str:
    """One notebook on the index: title, question, key numbers and key figures."""
    from vireidkit.reproduce import spoken

    title, question, pictures = run.name, "", ""
    if run.path.exists():
        book = nbformat.read(run.path, as_version=4)
        title, question = title_of(book), _opening(book)
        pictures = "".join(_picture(entry, output) for entry, output in _figures(book))
    numbers = "".join(
        f"<tr><th>{escape(entry['label'])}</th><td>{escape(spoken(entry['value'], entry['unit']))}</td></tr>"
        for entry in run.numbers.values()
    )
    table = f'<table class="numbers">{numbers}</table>' if numbers else ""
    trouble = f'<p class="error">Failed in {escape(str(run.error))}</p>' if run.error else ""
    figures = f'<div class="figures">{pictures}</div>' if pictures else ""
    return f'<section><h2><a href="{escape(run.name)}.html">{escape(title)}</a></h2>{question}{trouble}{table}{figures}</section>'


def _figures(book: Any) -> list[tuple[Any, Any]]:
    """The figures that a notebook gave a name: key figures."""
    from vireidkit.reproduce import outputs_with

    return [(entry, output) for entry, output in outputs_with(book, "name") if "image/png" in output.get("data", {})]


def _picture(entry: Any, output: Any) -> str:
    """A key figure, embedded, with its text alternative."""
    alt = output.metadata.get("image/png", {}).get("alt", entry["name"])
    data = "".join(output.data["image/png"].split())
    return f'<figure><img src="data:image/png;base64,{data}" alt="{escape(alt)}"><figcaption>{escape(alt)}</figcaption></figure>'


def _opening(book: Any) -> str:
    """The first paragraph under a notebook's title: the question it answers."""
    for cell in book.cells:
        if cell.cell_type == "markdown" and re.search(r"^#\s", cell.source, re.M):
            here = Path()
            soup = BeautifulSoup(render_markdown(cell.source, source_folder=here, page_folder=here), "html.parser")
            return str(soup.p) if soup.p else ""
    return ""
