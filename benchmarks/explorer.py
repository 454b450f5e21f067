"""How fast the gap explorer answers with 10,000 points: hover to picture, and frames a second while the map is moved.

    python benchmarks/explorer.py [--points 10000] [--page lab|own]

Twilight's test pictures stand for the images, repeated up to the wanted number, at random places. "lab" is JupyterLab with a kernel
(all that a reader waits for), "own" a page that talks to this process. Appends a row to benchmarks/results/explorer.csv. Hover: from
the pointer's event to the picture decoded in the page; "cold" in the first seconds, when the page has hardly begun to fetch pictures
ahead and must ask the kernel; "ready" after it has fetched what it may keep (10 MB), at points that were never pointed at. Frames: of
zooming and panning, every frame with all points drawn anew. Headless Chromium draws on the CPU, and shows at most 60 frames a second.
"""

from __future__ import annotations

import argparse
import csv
import os
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import torch
from playwright.sync_api import sync_playwright

from vireidkit.data import load_dataset
from vireidkit.evaluation import Features
from vireidkit.training.run import commit
from vireidkit.viz import GapExplorer
from vireidkit.viz.pages import image_reader

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "benchmarks" / "results" / "explorer.csv"
COLUMNS = (
    "page",
    "points",
    "hover_text_ms",
    "hover_cold_ms",
    "hover_cold_p95_ms",
    "hover_ready_ms",
    "hover_ready_p95_ms",
    "pictures_held",
    "ready_seconds",
    "frames_per_second",
    "frame_p95_ms",
)
HOVERS = 40
FRAMES = 120

CELL = """import sys
sys.path[:0] = {paths!r}
from explorer import explorer_of
explorer = explorer_of({points})
explorer"""

# In the page: put the pointer on a row, and wait until the tooltip shows that row's picture.
HOVER = """async (row) => {
  const canvas = document.querySelector("canvas.vk-map");
  const box = canvas.getBoundingClientRect();
  const send = (x, y) => canvas.dispatchEvent(new PointerEvent("pointermove", { clientX: x, clientY: y, bubbles: true }));
  send(box.left + 1, box.top + 1);
  await new Promise((done) => setTimeout(done, 30));
  const unit = Math.min(box.width, box.height) / 2 - 18;
  const began = performance.now();
  send(box.left + box.width / 2 + row.x * unit, box.top + box.height / 2 + row.y * unit);
  const tip = document.querySelector(".vk-tip");
  const text = performance.now() - began;
  const shown = Number(tip.dataset.row);
  for (;;) {
    const image = tip.querySelector("img");
    if (image) {
      await image.decode();
      return { shown, text, picture: performance.now() - began };
    }
    if (performance.now() - began > 5000) throw new Error("no picture in five seconds");
    await new Promise((done) => { const channel = new MessageChannel(); channel.port1.onmessage = done; channel.port2.postMessage(0); });
  }
}"""

# In the page: a turn of the wheel before every frame; how long each frame took.
MOVE = """async (frames) => {
  const canvas = document.querySelector("canvas.vk-map");
  canvas.focus();
  const box = canvas.getBoundingClientRect();
  const middle = { clientX: box.left + box.width / 2, clientY: box.top + box.height / 2 };
  const times = [];
  let last = await new Promise(requestAnimationFrame);
  for (let i = 0; i < frames; i++) {
    const deltaY = Math.floor(i / 15) % 2 ? 12 : -12;
    canvas.dispatchEvent(new WheelEvent("wheel", { ...middle, deltaY, bubbles: true, cancelable: true }));
    const now = await new Promise(requestAnimationFrame);
    times.push(now - last);
    last = now;
  }
  return times;
}"""


def explorer_of(points: int) -> GapExplorer:
    """An explorer with so many points: Twilight's test pictures again and again, at random places."""
    data = load_dataset("twilight")
    rows = np.arange(points) % len(data.test)
    random = np.random.default_rng(0)
    features = Features(torch.tensor(random.normal(size=(points, 64))), data.test.iloc[rows], name="random")
    read = image_reader(data)
    return GapExplorer(features, places(points), lambda row: read(int(rows[row])), bands=data.bands)


def places(points: int) -> np.ndarray:
    """Where the points lie: two clouds; float64 (points, 2)."""
    random = np.random.default_rng(1)
    return random.normal(size=(points, 2)) + 1.5 * (np.arange(points) % 2)[:, None]


@contextmanager
def lab_page(browser: Any, points: int) -> Iterator[Any]:
    """The explorer in JupyterLab."""
    from lab import show_widget, started_lab

    cell = CELL.format(paths=[str(ROOT), str(ROOT / "benchmarks")], points=points)
    with tempfile.TemporaryDirectory() as folder, started_lab(Path(folder), [cell]) as lab:
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        show_widget(page, lab, "canvas.vk-map")
        yield page
        page.close()


@contextmanager
def own_page(browser: Any, points: int) -> Iterator[Any]:
    """The explorer on a page that talks to this process."""
    from widget_page import WidgetPage

    one = WidgetPage(browser, explorer_of(points))
    one.page.wait_for_selector("canvas.vk-map")
    yield one.page
    one.close()


def measure(page: Any, points: int) -> dict[str, float]:
    """Medians and 95th percentiles in milliseconds, and frames a second."""
    page.wait_for_function("document.querySelector('.vk-told')?.textContent && document.querySelector('.vk-legend li')")
    began = time.monotonic()
    laid = places(points)
    low, high = laid.min(axis=0), laid.max(axis=0)
    laid = (laid - (low + high) / 2) / ((high - low).max() / 2) * (1, -1)  # as the explorer scales them
    chosen = np.random.default_rng(2).choice(points, 2 * HOVERS, replace=False)
    targets = [{"x": float(x), "y": float(y)} for x, y in laid[chosen]]
    cold = [page.evaluate(HOVER, target) for target in targets[:HOVERS]]
    held = wait_until_stocked(page)
    stocked = time.monotonic() - began
    ready = [page.evaluate(HOVER, target) for target in targets[HOVERS:]]
    frames = np.array(page.evaluate(MOVE, FRAMES))
    pictures = {name: np.array([one["picture"] for one in found]) for name, found in (("cold", cold), ("ready", ready))}
    timed = {f"hover_{name}_ms": np.median(values) for name, values in pictures.items()}
    timed |= {f"hover_{name}_p95_ms": np.percentile(values, 95) for name, values in pictures.items()}
    text = np.median([one["text"] for one in cold])
    timed |= {"pictures_held": held, "ready_seconds": stocked}
    return timed | {"hover_text_ms": text, "frames_per_second": 1000 / frames.mean(), "frame_p95_ms": np.percentile(frames, 95)}


def wait_until_stocked(page: Any) -> int:
    """Wait until the page fetches no more pictures ahead; how many it holds."""
    before = -1
    for _ in range(120):
        held = int(page.locator(".vk-explorer").get_attribute("data-pictures"))
        if held == before:
            break
        before = held
        page.wait_for_timeout(2500)
    return before


def main() -> None:
    """Measure, print, append."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int, default=10_000)
    parser.add_argument("--page", choices=("lab", "own"), default="lab")
    arguments = parser.parse_args()
    sys.path.insert(0, str(ROOT / "tests"))
    from conftest import BROWSER_FLAGS, chromium

    load = f"{os.getloadavg()[0]:.1f}"  # of the machine before: on a busy one all times are longer
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium(), args=BROWSER_FLAGS)
        with {"lab": lab_page, "own": own_page}[arguments.page](browser, arguments.points) as page:
            found = measure(page, arguments.points)
        device = f"headless Chromium {browser.version}, CPU"
        browser.close()
    row = {"page": arguments.page, "points": arguments.points} | {name: f"{value:.1f}" for name, value in found.items()}
    fresh = not RESULTS.exists()
    with RESULTS.open("a", newline="", encoding="utf-8") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        if fresh:
            writer.writerow([*COLUMNS, "load", "device", "commit"])
        writer.writerow([*(row[name] for name in COLUMNS), load, device, commit()])
    for name in COLUMNS:
        print(f"{name:<20} {row[name]}")


if __name__ == "__main__":
    main()
