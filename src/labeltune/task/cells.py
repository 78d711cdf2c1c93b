"""What stands in a cell of labels: lists in their several spellings, and one spelling of equal signs."""

from __future__ import annotations

import ast
import json
import re
import unicodedata

__all__ = ["LIST_DELIMITER", "list_items", "nfc"]

LIST_DELIMITER = "json"
"""The `delimiter` of a field whose cells are lists, such as `["a", "b"]`."""

_LONGEST = 1 << 16
"""Characters. A longer cell is a text that begins with a bracket, no list of labels."""

_PAIRS = {"[": "]", "(": ")", "{": "}"}
_CALL = re.compile(
    r"(?:(?:np\.)?array|frozenset|set|list|tuple)\(([\[({].*[\])}])?(?:,\s*dtype=[^()\[\]]*)?\)", re.DOTALL
)
"""What Python and numpy write around some lists: `array([…], dtype=object)`, `frozenset({…})`, `set()`."""
_STRING = r"""(?:"(?:[^"\\]|\\.)*"|'(?:[^'\\]|\\.)*')"""
_ITEMS = re.compile(rf"\s*(?:{_STRING}(?:\s*,\s*|\s+|(?=\s*$)))*", re.DOTALL)
_ITEM = re.compile(_STRING, re.DOTALL)
_NUMBER = re.compile(r"[+-]?\d+(?:\.\d*)?")
_NUMBERS = re.compile(rf"\s*{_NUMBER.pattern}(?:(?:\s*,\s*|\s+){_NUMBER.pattern})*\s*,?\s*")


def nfc(text: str) -> str:
    """The text with each sign in its composed form (Unicode's NFC): `é` is one sign, however it was typed."""
    return text if text.isascii() else unicodedata.normalize("NFC", text)


def list_items(cell: str) -> list[str] | None:
    """The items of a cell that is a list of texts; None if it is none.

    Lists are JSON's `["a", "b"]`, what Python writes of its lists, tuples and sets, and what numpy writes
    (`['a' 'b']`, `array(['a', 'b'], dtype=object)`). Numbers are taken as they are written. Nothing is
    evaluated.
    """
    bare = cell.strip()
    if bare.endswith(")") and len(bare) <= _LONGEST and (called := _CALL.fullmatch(bare)):
        bare = called[1] or "[]"
    if len(bare) < 2 or len(bare) > _LONGEST or _PAIRS.get(bare[0]) != bare[-1]:
        return None
    if bare[0] == "[":
        items = _of_json(bare)
        if items is not None:
            return items
    return _of_literals(bare)


def _of_json(text: str) -> list[str] | None:
    try:
        found = json.loads(text, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        return None
    return found if all(isinstance(item, str) for item in found) else None


def _of_literals(text: str) -> list[str] | None:
    """The strings between the brackets, each as Python reads a string: quoted, with escapes; or numbers."""
    inner = text[1:-1]
    # `(1)` is no tuple.
    if _NUMBERS.fullmatch(inner) and (text[0] != "(" or "," in inner):
        return _NUMBER.findall(inner)
    if not _ITEMS.fullmatch(inner) or (text[0] == "{" and not inner.strip()):
        return None
    try:
        return [ast.literal_eval(item.replace("\n", "\\n")) for item in _ITEM.findall(inner)]
    except (ValueError, SyntaxError):
        return None
