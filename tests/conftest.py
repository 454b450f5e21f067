"""What all tests share: one image cache for the whole run, a browser when there is one, notebooks first."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
# Nothing of a browser may call home; the tests also check that pages ask for nothing.
BROWSER_FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def chromium() -> str | None:
    """The path of Chromium, or None."""
    return shutil.which("chromium") or shutil.which("chromium-browser")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Notebooks take longest, so they start first and the two workers end together."""
    items.sort(key=lambda item: item.get_closest_marker("notebook") is None)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what a machine without a browser left out."""
    if chromium() is None:
        terminalreporter.write_line("browser tests not run: no chromium found")


@pytest.fixture(scope="session", autouse=True)
def image_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Decoded images of this test run, shared by its workers; the user's own cache is left alone."""
    base = tmp_path_factory.getbasetemp()
    # Under xdist every worker has a folder of its own inside the run's.
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "image-cache"
    before = os.environ.get("VIREIDKIT_CACHE")
    os.environ["VIREIDKIT_CACHE"] = str(folder)
    yield folder
    if before is None:
        del os.environ["VIREIDKIT_CACHE"]
    else:
        os.environ["VIREIDKIT_CACHE"] = before


@pytest.fixture(scope="session")
def browser() -> Iterator[object]:
    """Headless Chromium. Missing, its tests are skipped, unless REQUIRE_BROWSER is set."""
    path = chromium()
    if path is None:
        if os.environ.get("REQUIRE_BROWSER"):
            pytest.fail("REQUIRE_BROWSER is set, but no chromium was found")
        pytest.skip("not run: no chromium found")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=path, args=BROWSER_FLAGS)
        yield started
        started.close()
