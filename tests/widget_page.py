"""A widget on a page of its own, without JupyterLab: the same scripts, and a model that talks to the Python object in this process."""

from __future__ import annotations

import base64
import os
import shutil
from pathlib import Path
from typing import Any

HOME = "http://widget.test/"
SCREENSHOTS = "VIREIDKIT_SCREENSHOTS"  # names a folder where screenshots are kept besides the test's own

PAGE = """<!doctype html><meta charset="utf-8"><title>widget</title><style>STYLE</style>
<body style="margin: 12px"><div id="box"></div><script type="module">
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0)).buffer);
const listeners = new Map();
const tell = (name, ...values) => [...(listeners.get(name) || [])].forEach((action) => action(...values));
let state = await toState({});
const take = (fresh) => {
  const changed = Object.keys(fresh).filter((name) => JSON.stringify(fresh[name]) !== JSON.stringify(state[name]));
  state = fresh;
  changed.forEach((name) => tell(`change:${name}`));
};
let dirty = {};
// As in JupyterLab, a change is told when it is set, and only then sent.
const model = {
  get: (name) => state[name],
  set: (name, value) => {
    if (JSON.stringify(state[name]) === JSON.stringify(value)) return;
    state = { ...state, [name]: value };
    dirty[name] = value;
    tell(`change:${name}`);
  },
  save_changes: () => {
    const sent = dirty;
    dirty = {};
    toState(sent).then(take);
  },
  on: (name, action) => listeners.set(name, new Set([...(listeners.get(name) || []), action])),
  off: (name, action) => listeners.get(name)?.delete(action),
  send: async (content) => {
    const replies = await toKernel(content);
    replies.forEach(({ content, buffers }) => tell("msg:custom", content, buffers.map(bytes)));
  },
};
window.take = take;
const { default: widget } = await import("/widget.js");
window.close = await widget.render({ model, el: document.getElementById("box") });
</script></body>"""


class WidgetPage:
    """A page with one widget on it.

    Attributes:
        page: playwright's page; requests: every address that it asked for besides its own; errors: what its scripts threw.
    """

    def __init__(self, browser: Any, widget: Any, *, width: int = 1000, height: int = 900) -> None:
        self.widget = widget
        self.errors: list[str] = []
        self.requests: list[str] = []
        self.page = browser.new_page(viewport={"width": width, "height": height}, accept_downloads=True)
        self.page.on("pageerror", lambda error: self.errors.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.expose_function("toState", self._to_state)
        self.page.expose_function("toKernel", self._to_kernel)
        self.page.route("**/*", self._serve)
        self.page.goto(HOME)

    def _serve(self, route: Any) -> None:
        """The page and its script; nothing else is there."""
        address = route.request.url
        if address == HOME:
            route.fulfill(content_type="text/html", body=PAGE.replace("STYLE", self.widget._css))
        elif address == f"{HOME}widget.js":
            route.fulfill(content_type="text/javascript", body=self.widget._esm)
        else:
            route.abort()

    def _to_state(self, values: dict[str, Any]) -> dict[str, Any]:
        """What the page set; answers with the state that holds then."""
        self.widget.set_state(values)
        return self.state()

    def state(self) -> dict[str, Any]:
        """The synced choices of the widget."""
        return {name: value for name, value in self.widget.get_state().items() if not name.startswith("_") and name != "layout"}

    def _to_kernel(self, content: dict[str, Any]) -> list[dict[str, Any]]:
        """A message of the page; the answers with their buffers in base64."""
        sent: list[dict[str, Any]] = []

        def send(content: Any, buffers: Any = None) -> None:
            sent.append({"content": content, "buffers": [base64.b64encode(one).decode() for one in buffers or []]})

        self.widget.send = send
        self.widget._heard(self.widget, content, [])
        return sent

    def push(self) -> None:
        """Tell the page what Python set."""
        self.page.evaluate("state => window.take(state)", self.state())

    def outside(self) -> list[str]:
        """Addresses other than the page's own."""
        return [url for url in self.requests if not url.startswith((HOME, "blob:", "data:"))]

    def close(self) -> None:
        self.page.close()


def keep_screenshot(page: Any, folder: Path, name: str, **options: Any) -> Path:
    """A screenshot in the test's folder and, where the environment names one, in that folder too."""
    file = folder / f"{name}.png"
    page.screenshot(path=file, **options)
    kept = os.environ.get(SCREENSHOTS)
    if kept:
        Path(kept).mkdir(parents=True, exist_ok=True)
        shutil.copy(file, Path(kept) / file.name)
    return file
