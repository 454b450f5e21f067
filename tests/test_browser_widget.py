"""The query browser in JupyterLab, in a real browser: run all cells, move the slider, and the next cell knows the query."""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import pytest
from conftest import ROOT

CELLS = (
    "from viz_world import image_of, small_features, small_trial\nfrom vireidkit.viz import QueryBrowser\n"
    "browser = QueryBrowser(small_features(noise=0.8), small_trial(), image_of, k=4)\nbrowser",
    "print(f\"selected: {browser.selection} of person {browser.selected['identity']}\")",
)
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"autoStartDefaultKernel": True},
}
PROMPT = ".jp-CodeCell .jp-InputPrompt"
STARTED = f"Array.from(document.querySelectorAll('{PROMPT}')).some(prompt => /[0-9*]/.test(prompt.textContent))"
IDLE = "/[|] Idle/.test(document.body.innerText)"
SHOWN = "document.querySelector('.widget-html img') || /model not found/.test(document.body.innerText)"
DONE = f"Array.from(document.querySelectorAll('{PROMPT}')).every(prompt => /[0-9]/.test(prompt.textContent))"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    port: int
    token: str

    @property
    def page(self) -> str:
        # Without "&reset": it makes JupyterLab connect to the kernel twice, and only the first connection of a page serves widgets.
        return f"http://127.0.0.1:{self.port}/lab/tree/browse.ipynb?token={self.token}"

    def answers(self) -> bool:
        """Whether the server is up."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status?token={self.token}", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """JupyterLab on a notebook of two cells, with settings and state of its own."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR"):
        environment[name] = str(tmp_path / name.lower())
        Path(environment[name]).mkdir()
    for name, values in SETTINGS.items():
        path = Path(environment["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (tmp_path / "books").mkdir()
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in CELLS]), tmp_path / "books" / "browse.ipynb")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = Lab(free.getsockname()[1], secrets.token_hex(16))
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={found.port}", "--ServerApp.port_retries=0"]
    options += [
        f"--IdentityProvider.token={found.token}",
        f"--ServerApp.root_dir={tmp_path / 'books'}",
        "--LabApp.extension_manager=readonly",
    ]
    with (tmp_path / "lab.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + 60
            while not found.answers():
                assert server.poll() is None and time.monotonic() < until, (tmp_path / "lab.log").read_text(encoding="utf-8")[-2000:]
                time.sleep(0.3)
            yield found
        finally:
            server.terminate()
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()


def accept_dialogs(page: Any) -> None:
    """Close what JupyterLab asks on its first start."""
    for button in page.locator(".jp-Dialog button.jp-mod-accept").all():
        button.click(timeout=3000)


def run_all(page: Any) -> None:
    """Run → Run All Cells once the kernel is idle, again when the click is ignored, and wait until every cell has its number."""
    from playwright.sync_api import TimeoutError as Late

    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=40_000)
    page.wait_for_function(IDLE, timeout=40_000)
    for _ in range(4):
        accept_dialogs(page)
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
        try:
            page.wait_for_function(STARTED, timeout=4000)
            break
        except Late:
            continue
    page.wait_for_function(DONE, timeout=40_000)


def show_widget(page: Any, url: str) -> None:
    """Open the notebook and run it. On a slow start JupyterLab may connect to a kernel twice and lose the widgets; then once more."""
    page.goto(url)
    for _ in range(3):
        run_all(page)
        page.wait_for_function(SHOWN, timeout=20_000)
        if page.locator(".widget-html img").count():
            return
        page.reload()
    pytest.fail(f"the widget did not appear: {page.locator('.jp-OutputArea-output').all_inner_texts()}")


def shown_query(page: Any) -> int:
    """The query that the widget's text names."""
    return int(re.match(r"Query (\d+):", page.locator(".jp-OutputArea .widget-html p").first.inner_text())[1])


@pytest.mark.browser
def test_the_slider_moves_the_query_and_the_next_cell_knows(browser: Any, lab: Lab, tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 1280, "height": 1000})
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    try:
        show_widget(page, lab.page)
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
    outside = [url for url in asked if not re.match(r"(https?|wss?)://127\.0\.0\.1:|data:|blob:", url)]
    assert not outside, f"the page asked the network for {outside[:3]}"
