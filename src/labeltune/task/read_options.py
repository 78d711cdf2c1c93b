"""How a table is read, as far as it is told instead of found: the options of a command, or `[read]`."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, fields, replace
from typing import Literal, TypeAlias

__all__ = [
    "NOTHING_TOLD",
    "QUOTES",
    "SEPARATORS_TOLD",
    "Quote",
    "ReadOptions",
    "encoding_named",
    "separator_named",
]

Quote: TypeAlias = Literal["csv", "none"]
"""`csv`: a value in quotes is quoted as RFC 4180 has it. `none`: quotes are signs of the text."""

QUOTES: tuple[Quote, ...] = ("csv", "none")

_NAMED = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}

SEPARATORS_TOLD = "one character, or tab, comma, semicolon, pipe, space"
"""What may be told as a separator; for messages."""


def separator_named(told: str) -> str | None:
    """The character that a separator's name means, or that it is; None if it is neither."""
    character = _NAMED.get(told.lower(), told)
    return character if len(character) == 1 and character not in '"\r\n\0' else None


def encoding_named(told: str) -> str | None:
    """The own name of an encoding of text; None if there is no such encoding."""
    try:
        name = codecs.lookup(told).name
        "".encode(name)  # refuses what is no encoding of text, such as base64
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError):
        return None
    return name


@dataclass(frozen=True, slots=True, kw_only=True)
class ReadOptions:
    """What is told about a table; None is not said, and is found or is the default.

    `format` is one of `files.tables.FORMATS`. `header`: whether the first line names the columns; without
    one they are `column_1`, `column_2`, …. `sheet`: which one of a workbook. `strip`: whether space around
    labels is taken off. A task keeps all but `format`, which a file's name or its first bytes tell.
    """

    format: str | None = None
    encoding: str | None = None
    separator: str | None = None
    quote: Quote | None = None
    header: bool | None = None
    sheet: str | None = None
    strip: bool | None = None

    def over(self, other: ReadOptions) -> ReadOptions:
        """These options; what they do not say is taken from `other`."""
        return replace(other, **self.said())  # type: ignore[arg-type]  # values of the fields' own types

    def said(self) -> dict[str, str | bool | None]:
        """The options that are said, by name and in order."""
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {name: value for name, value in values.items() if value is not None}


NOTHING_TOLD = ReadOptions()
"""All is to be found, or is the default."""
