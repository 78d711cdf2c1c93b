"""Byte order marks: what a text may begin with that tells its encoding."""

from __future__ import annotations

import codecs

__all__ = ["UTF8", "mark_of"]

UTF8 = "utf-8"
_MARKS = (
    (codecs.BOM_UTF8, UTF8),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)


def mark_of(head: bytes) -> tuple[bytes, str] | None:
    """The byte order mark with which a text begins, and the encoding that it tells."""
    return next((found for found in _MARKS if head.startswith(found[0])), None)
