"""What every data set is, how it is obtained and under which terms, and how its folder must look: what ``vireidkit data`` prints."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from vireidkit.data.guides_images import IMAGE_GUIDES
from vireidkit.data.guides_videos import VIDEO_GUIDES
from vireidkit.data.registry import list_datasets, load_dataset

WIDTH = 100


@dataclass(frozen=True)
class Guide:
    """One data set in words; ``print(guide)`` shows it.

    Attributes:
        name: for ``load_dataset``; what: one line; obtain: whom to ask; terms: what is allowed, and whom to cite.
        layout: the folder as a tree; counts: the published numbers that the reader checks; protocols: keys of its protocols.
        notes: what trips people up, one sentence each.
    """

    name: str
    what: str
    obtain: str
    terms: str
    layout: str
    counts: str
    protocols: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __str__(self) -> str:
        filled = (("how to obtain it", self.obtain), ("terms", self.terms))
        lines = [f"{self.name}: {self.what}", ""]
        for title, text in filled:
            lines += [title, textwrap.fill(text, WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
        lines += ["layout", textwrap.indent(textwrap.dedent(self.layout).strip("\n"), "  "), ""]
        lines += ["published counts", textwrap.indent(textwrap.dedent(self.counts).strip("\n"), "  "), ""]
        lines += ["protocols", textwrap.fill(", ".join(self.protocols), WIDTH, initial_indent="  ", subsequent_indent="  "), ""]
        if self.notes:
            lines += ["notes", *(textwrap.fill(note, WIDTH, initial_indent="  - ", subsequent_indent="    ") for note in self.notes), ""]
        root = "" if self.name.startswith("twilight") else " --root DIR"
        return "\n".join([*lines, f"is yours whole?   vireidkit check {self.name}{root}"])


_GUIDES = {name: Guide(name, **words) for name, words in {**IMAGE_GUIDES, **VIDEO_GUIDES}.items()}


def guides() -> list[Guide]:
    """The guides of all data sets that have a reader, image sets first; a reader without one is left out."""
    return [own for name, own in _GUIDES.items() if name in list_datasets()]


def guide(name: str) -> Guide:
    """The guide of one data set. For a reader of the user's own it says only that.

    Raises:
        SettingError: unknown name.
    """
    if name in _GUIDES:
        return _GUIDES[name]
    if name not in list_datasets():
        load_dataset(name)  # says which names there are
    none = "known to its reader only"
    return Guide(name, "a data set with a reader of its own", none, none, none, none, (none,))
