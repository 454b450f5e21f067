"""One look for the whole series: colours and marks of the modalities, fonts, sizes, titles, and how a figure is shown."""

from __future__ import annotations

import base64
import functools
import io
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import matplotlib
from IPython.display import publish_display_data
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.lines import Line2D

from vireidkit.modality import MODALITIES

# Okabe and Ito, "Color universal design" (2008): eight colours that colour-blind readers tell apart.
OKABE_ITO = {
    "black": "#000000",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "yellow": "#F0E442",
    "blue": "#0072B2",
    "vermillion": "#D55E00",
    "purple": "#CC79A7",
}
# For methods and settings, which must not be taken for a modality: orange and blue are left out.
CYCLE = tuple(OKABE_ITO[name] for name in ("green", "purple", "vermillion", "sky", "black", "yellow"))
RIGHT, WRONG = OKABE_ITO["green"], OKABE_ITO["vermillion"]
TICK, CROSS, MINUS = "\N{CHECK MARK}", "\N{BALLOT X}", "\N{MINUS SIGN}"
INK, FAINT, PAPER = "#222222", "#6B6B6B", "#F1F1F1"

WIDTH = 9.0  # inches; 900 pixels at 100 dpi, the width of a notebook cell
DPI = 100
TITLE, LABEL, SMALL = 12.0, 10.0, 8.5

SERIES: dict[str, Any] = {
    "figure.dpi": DPI,
    "savefig.dpi": DPI,
    "figure.facecolor": "white",
    "savefig.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": LABEL,
    "figure.titlesize": TITLE,
    "figure.titleweight": "bold",
    "axes.titlesize": LABEL,
    "axes.titlelocation": "left",
    "axes.labelsize": LABEL,
    "axes.labelcolor": INK,
    "axes.edgecolor": FAINT,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.prop_cycle": matplotlib.cycler(color=CYCLE),
    "grid.color": "#E3E3E3",
    "grid.linewidth": 0.7,
    "text.color": INK,
    "xtick.labelsize": 9,
    "ytick.labelsize": 9,
    "xtick.color": INK,
    "ytick.color": INK,
    "legend.fontsize": 9,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 6,
    "hatch.linewidth": 0.8,
}

Inputs = ParamSpec("Inputs")
Output = TypeVar("Output")


@dataclass(frozen=True)
class Look:
    """How one modality is drawn: never by colour alone."""

    colour: str
    marker: str
    line: str
    hatch: str


LOOKS = {
    "visible": Look(OKABE_ITO["orange"], "o", "-", ""),
    "infrared": Look(OKABE_ITO["blue"], "x", "--", "////"),
}


def look_of(modality: Any) -> Look:
    """Colour and marks of a modality, by name or code.

    Raises:
        ValueError: no such modality.
    """
    name = modality if isinstance(modality, str) else MODALITIES[int(modality)] if int(modality) in (0, 1) else modality
    if name not in LOOKS:
        raise ValueError(f"modality must be one of {', '.join(MODALITIES)} (or 0, 1), found {modality!r}")
    return LOOKS[name]


def use() -> None:
    """Give a notebook's own figures the look of the series. The kit's figures have it in any case."""
    matplotlib.rcParams.update(SERIES)


def styled(function: Callable[Inputs, Output]) -> Callable[Inputs, Output]:
    """Decorator: draw with the series' settings whatever the caller's are, and leave the caller's alone."""

    @functools.wraps(function)
    def inside(*arguments: Inputs.args, **named: Inputs.kwargs) -> Output:
        with matplotlib.rc_context(SERIES):
            return function(*arguments, **named)

    return inside


def new_figure(height: float, width: float = WIDTH) -> Figure:
    """An empty figure of the series, in inches. It belongs to no pyplot list, so a notebook never shows it twice."""
    fig = Figure(figsize=(width, height), dpi=DPI, layout="constrained")
    fig.get_layout_engine().set(w_pad=0.1, h_pad=0.07, hspace=0.03, wspace=0.02)
    return fig


def finish(fig: Figure, title: str, reading: str, alt: str) -> Figure:
    """Set the finding above a figure and how to read it below, and keep the text for those who cannot see it.

    The alternative text is the figure's label (``fig.get_label()``): finding, then content. ``show`` takes it from there.
    """
    title = capitalised(title)
    width = 72 * (fig.get_figwidth() - 0.3)
    fig.suptitle(wrapped(title, width, TITLE, "bold"), x=0.1 / fig.get_figwidth(), ha="left", fontsize=TITLE, fontweight="bold")
    if reading:
        text = wrapped(reading, width, SMALL)
        fig.supxlabel(text, x=0.1 / fig.get_figwidth(), ha="left", fontsize=SMALL, color=FAINT)
    fig.set_label(f"{title.rstrip('.')}. {alt}")
    return fig


def wrapped(text: str, points: float, size: float = LABEL, weight: str = "normal") -> str:
    """The text with line breaks so that no line is wider than ``points`` (1/72 inch)."""
    lines: list[str] = []
    for paragraph in text.split("\n"):
        line = ""
        for word in paragraph.split():
            longer = f"{line} {word}".strip()
            if line and text_width(longer, size, weight) > points:
                lines.append(line)
                longer = word
            line = longer
        lines.append(line)
    return "\n".join(lines)


@functools.lru_cache(maxsize=4096)
def text_width(text: str, size: float, weight: str = "normal") -> float:
    """Width of one line in points."""
    font = get_font(findfont(FontProperties(family="DejaVu Sans", weight=weight)))
    # Measured ten times too large, so that the rounding of letters to pixels does not count; FreeType counts in 1/64 pixel.
    font.set_size(size, 720)
    font.set_text(text, 0.0)
    return font.get_width_height()[0] / 640


def percent(value: float, digits: int = 0) -> str:
    """A fraction as a reader wants it: 0.184 is "18 %"."""
    return "unknown" if value != value else f"{100 * value:.{digits}f} %"


def many(number: int, word: str, plural: str | None = None) -> str:
    """ "1 query", "2 queries"."""
    return f"{number:,} {word if number == 1 else plural or word + 's'}"


def capitalised(text: str) -> str:
    """The text with a capital first letter; the rest stays (names such as "AGW" must)."""
    return text[:1].upper() + text[1:]


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, and a minus as wide as the plus."""
    return f"{value:+.{digits}f}".replace("-", MINUS)


def band_handles(bands: Sequence[str] = MODALITIES) -> list[Line2D]:
    """Legend entries of the two modalities under the names of a data set's bands."""
    looks = zip((LOOKS[name] for name in MODALITIES), bands, strict=True)
    return [Line2D([], [], linestyle="", marker=look.marker, color=look.colour, markeredgewidth=1.6, label=band) for look, band in looks]


def png_of(fig: Figure) -> bytes:
    """The figure as PNG, at its own size."""
    page = io.BytesIO()
    with matplotlib.rc_context(SERIES):
        fig.savefig(page, format="png", dpi=DPI)
    return page.getvalue()


def show(fig: Figure, alt: str | None = None, name: str | None = None) -> None:
    """Show a figure in a notebook, with a text for readers who cannot see it.

    The text lies in the output's metadata, ``{"image/png": {"alt": ...}}``, where nbconvert and screen readers look for it.

    Args:
        fig: a matplotlib figure; one of pyplot's is closed, so that it is not shown twice.
        alt: what the figure shows; by default what the kit's figure says of itself.
        name: makes it a key figure: the index page shows it under this name (metadata ``{"vireidkit": {"name": ...}}``).

    Raises:
        ValueError: the figure has no text of its own and none was given.
    """
    alt = " ".join((alt or fig.get_label() or "").split())
    if not alt:
        raise ValueError("a figure needs a text for readers who cannot see it: show(fig, alt='what it shows')")
    metadata: dict[str, Any] = {"image/png": {"alt": alt}, **({"vireidkit": {"name": name}} if name else {})}
    image = base64.b64encode(png_of(fig)).decode()
    publish_display_data({"image/png": image, "text/plain": f"[figure] {alt}"}, metadata)
    pyplot = sys.modules.get("matplotlib.pyplot")
    if pyplot is not None:
        pyplot.close(fig)
