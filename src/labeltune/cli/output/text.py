"""Text as it may be printed, and values as text."""

from __future__ import annotations

import unicodedata

__all__ = ["as_text", "visible"]


def visible(text: str) -> str:
    r"""The text with control and invisible characters shown as `\xNN`, so that data cannot drive a terminal.

    Line ends, tabs and the joiner inside emoji stay.
    """
    if text.isprintable():
        return text
    return "".join(
        char
        if char in "\n\t\u200d" or unicodedata.category(char) not in ("Cc", "Cs", "Cf")
        else f"\\x{ord(char):02x}"
        if ord(char) < 256
        else f"\\u{ord(char):04x}"
        for char in text
    )


def as_text(value: object) -> str:
    """A value as people read it: thousands apart, four digits of a fraction, nothing for None."""
    if isinstance(value, bool):
        return str(value)
    if isinstance(value, int):
        return f"{value:,}"
    if isinstance(value, float):
        return f"{value:.4g}"
    return "" if value is None else str(value)
