"""``KEY=VALUE`` as several commands take it."""

from __future__ import annotations

from typing import Any

from vireidkit.errors import SettingError


def pairs(items: list[str], option: str = "--set") -> dict[str, Any]:
    """``key=value`` texts as a dict.

    Raises:
        SettingError: a text of another form; names ``option``.
    """
    found = {}
    for item in items:
        key, sign, value = item.partition("=")
        if not sign or not key:
            raise SettingError(f"{option} takes KEY=VALUE, found {item!r}")
        found[key] = value
    return found
