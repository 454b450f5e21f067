"""JupyterLab for browser tests: started on a notebook with settings of its own, run by its menus, and watched."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
from conftest import ROOT

NOTEBOOK = "browse.ipynb"
SETTINGS = {
    "apputils-extension/notification": {"fetchNews": "false", "checkForUpdates": False},
    "docmanager-extension/plugin": {"autosave": False},
    "notebook-extension/tracker": {"autoStartDefaultKernel": True, "windowingMode": "none"},
}
START = 60  # seconds
PATIENCE = 40_000  # milliseconds, for everything but the run of a whole notebook
PROMPT = ".jp-CodeCell .jp-InputPrompt"
STARTED = f"Array.from(document.querySelectorAll('{PROMPT}')).some(prompt => /[0-9*]/.test(prompt.textContent))"
IDLE = "/[|] Idle/.test(document.body.innerText)"
DONE = f"Array.from(document.querySelectorAll('{PROMPT}')).every(prompt => /[0-9]/.test(prompt.textContent))"


@dataclass(frozen=True)
class Lab:
    """A running JupyterLab."""

    port: int
    token: str

    @property
    def page(self) -> str:
        # Without "&reset": it makes JupyterLab connect to the kernel twice, and only the first connection of a page serves widgets.
        return f"http://127.0.0.1:{self.port}/lab/tree/{NOTEBOOK}?token={self.token}"

    def answers(self) -> bool:
        """Whether the server is up."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/status?token={self.token}", timeout=5) as reply:
                return reply.status == 200
        except OSError:
            return False


@contextmanager
def started_lab(folder: Path, cells: Sequence[str] | Path) -> Iterator[Lab]:
    """JupyterLab on a notebook of these code cells, or on a copy of a notebook, with settings and state of its own inside ``folder``."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    for name in ("JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "JUPYTERLAB_WORKSPACES_DIR", "JUPYTERLAB_SETTINGS_DIR"):
        environment[name] = str(folder / name.lower())
        Path(environment[name]).mkdir()
    for name, values in SETTINGS.items():
        path = Path(environment["JUPYTERLAB_SETTINGS_DIR"]) / "@jupyterlab" / f"{name}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(values), encoding="utf-8")
    (folder / "books").mkdir()
    if isinstance(cells, Path):
        shutil.copy(cells, folder / "books" / NOTEBOOK)
    else:
        book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(text) for text in cells])
        nbformat.write(book, folder / "books" / NOTEBOOK)
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        found = Lab(free.getsockname()[1], secrets.token_hex(16))
    options = ["--no-browser", "--allow-root", "--ServerApp.ip=127.0.0.1", f"--ServerApp.port={found.port}", "--ServerApp.port_retries=0"]
    options += [
        f"--IdentityProvider.token={found.token}",
        f"--ServerApp.root_dir={folder / 'books'}",
        "--LabApp.extension_manager=readonly",
    ]
    with (folder / "lab.log").open("wb") as log:
        server = subprocess.Popen([sys.executable, "-m", "jupyterlab", *options], env=environment, stdout=log, stderr=log)
        try:
            until = time.monotonic() + START
            while not found.answers():
                assert server.poll() is None and time.monotonic() < until, (folder / "lab.log").read_text(encoding="utf-8")[-2000:]
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


def run_all(page: Any, patience: int = PATIENCE) -> None:
    """Run → Run All Cells once the kernel is idle, again when the click is ignored, and wait (ms) until every cell has its number."""
    from playwright.sync_api import TimeoutError as Late

    page.wait_for_selector(".jp-Notebook .jp-CodeCell", timeout=PATIENCE)
    page.wait_for_function(IDLE, timeout=PATIENCE)
    for _ in range(4):
        accept_dialogs(page)
        page.locator(".lm-MenuBar-itemLabel", has_text=re.compile("^Run$")).click()
        page.locator('.lm-Menu-item[data-command="runmenu:run-all"]').click()
        try:
            page.wait_for_function(STARTED, timeout=4000)
            break
        except Late:
            continue
    page.wait_for_function(DONE, timeout=patience)


def show_widget(page: Any, lab: Lab, selector: str, patience: int = PATIENCE) -> None:
    """Open the notebook and run it until ``selector`` shows. On a slow start JupyterLab may connect to a kernel twice and lose the
    widgets; then once more."""
    page.set_default_timeout(PATIENCE)
    page.goto(lab.page)
    shown = f"document.querySelector({json.dumps(selector)}) || /model not found/.test(document.body.innerText)"
    for _ in range(3):
        run_all(page, patience)
        page.wait_for_function(shown)
        if page.locator(selector).count():
            return
        page.reload()
    raise AssertionError(f"the widget did not appear: {page.locator('.jp-OutputArea-output').all_inner_texts()}")


def asked_outside(asked: Sequence[str]) -> list[str]:
    """The addresses that are not on this machine."""
    return [url for url in asked if not re.match(r"(https?|wss?)://127\.0\.0\.1:|data:|blob:", url)]
