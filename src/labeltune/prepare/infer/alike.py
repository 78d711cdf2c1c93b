"""Labels that a reader would take for one."""

from __future__ import annotations

import html
import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["alike"]

_BETWEEN = re.compile(r"(?<!\d)[\s_]+|[\s_]+(?!\d)|[-\u2010-\u2015](?!\d)")
"""Space, hyphens and underscores; but a hyphen before a digit is a sign, and space keeps two digits apart."""
_WHOLE = re.compile(r"([+-]?\d+)\.0+\Z")
"""A whole number, as programs write it where other values of a column are broken or missing."""
_VARIATION = range(0xFE00, 0xFE10)
_QUOTES = str.maketrans(
    {**dict.fromkeys("\u2018\u2019\u02bc\u00b4`", "'"), **dict.fromkeys("\u201c\u201d\u201e", '"')}
)
_DOTTED = str.maketrans({"\u0307": None, "\u0131": "i"})
"""What is left of Turkish letters beside `i` when case is folded: a dot, and an `i` without one."""


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Groups of labels that differ in case, space, hyphens, quotes, a stop or what is not seen only.

    What a program made of a label on its way is the same label: HTML's `&amp;`, and UTF-8 read as cp1252.
    """
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(_fold(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _fold(label: str) -> str:
    meant = html.unescape(_decoded(label)).translate(_QUOTES)
    seen = "".join(
        sign
        for sign in unicodedata.normalize("NFKC", meant)
        if unicodedata.category(sign) != "Cf" and ord(sign) not in _VARIATION
    )
    folded = unicodedata.normalize("NFKC", seen.casefold()).translate(_DOTTED)
    folded = _WHOLE.sub(r"\1", folded)
    # Nothing is left of `-`: it keeps its sign.
    return _BETWEEN.sub("", folded).rstrip(".,;:!") or folded


def _decoded(label: str) -> str:
    """The label as UTF-8, where it was read as cp1252; else as it is."""
    try:
        return label.encode("cp1252").decode()
    except UnicodeError:
        return label
