"""vireidkit: a study kit for visible-infrared person re-identification.

The names below are loaded on first use, so that ``python -m vireidkit list`` and an import in a notebook start fast.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from vireidkit.data import load_dataset
    from vireidkit.methods import build_method, list_methods

__version__ = "0.1.0"
__all__ = ["__version__", "build_method", "list_methods", "load_dataset"]

_HOME = {"build_method": "vireidkit.methods", "list_methods": "vireidkit.methods", "load_dataset": "vireidkit.data"}


def __getattr__(name: str) -> Any:
    """Import a promised name from its room when it is first asked for."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """The promised names beside what is loaded."""
    return sorted({*globals(), *__all__})
