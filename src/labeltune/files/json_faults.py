"""What is wrong with a line that should be JSON, said so that it can be mended."""

from __future__ import annotations

import unicodedata

__all__ = ["PYTHON_DICT", "is_python_dict", "json_fault"]

PYTHON_DICT = "this is how Python writes a dict, with ' for \"; write it with json.dumps"


def json_fault(message: str, text: str, place: int) -> str:
    """A sentence on the fault that a reader of JSON found at a place (from 0) of a text.

    `message` is the reader's own, which is kept where nothing more can be said.
    """
    where = f" at character {place + 1}" if place else ""
    rest = text[place:]
    if is_python_dict(text, place):
        return PYTHON_DICT
    if rest.lstrip(" ,\r").startswith("{") and text[:place].rstrip(" ,\r").endswith("}"):
        return f"a second object begins{where}, and a line holds one"
    if rest[:1] and not rest[0].isascii():
        sign = f'"{rest[0]}"' if rest[0].isprintable() else "a sign that is not seen"
        name = unicodedata.name(rest[0], f"U+{ord(rest[0]):04X}").lower()
        return f"{sign} ({name}){where} is no sign of JSON"
    return f"{message}{where}"


def is_python_dict(text: str, place: int) -> bool:
    """Whether the place is where the first key of a dict stands, as Python writes it."""
    return text[place : place + 1] == "'" and text[:place].rstrip().endswith("{")
