"""Labels that a reader would take for one."""

from __future__ import annotations

import re
import unicodedata
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["alike"]

_BETWEEN = re.compile(r"(?<!\d)[\s_]+|[\s_]+(?!\d)|[-\u2010-\u2015](?!\d)")
"""Space, hyphens and underscores; but a hyphen before a digit is a sign, and space keeps two digits apart."""
_VARIATION = range(0xFE00, 0xFE10)


def alike(labels: Iterable[str]) -> list[list[str]]:
    """Groups of labels that differ in nothing but case, space, hyphens, Unicode form or what is not seen."""
    groups: dict[str, list[str]] = {}
    for label in labels:
        groups.setdefault(_fold(label), []).append(label)
    return [group for group in groups.values() if len(group) > 1]


def _fold(label: str) -> str:
    seen = "".join(
        sign
        for sign in unicodedata.normalize("NFKC", label)
        if unicodedata.category(sign) != "Cf" and ord(sign) not in _VARIATION
    )
    folded = unicodedata.normalize("NFKC", seen.casefold())
    # Nothing is left of `-`: it keeps its sign.
    return _BETWEEN.sub("", folded) or folded
