"""Which encoding a text has: UTF-8, what a byte order mark says, or what was told; nothing is guessed."""

from __future__ import annotations

import codecs

from labeltune.errors import SettingsError

__all__ = ["UTF8", "choose_encoding", "mark_of"]

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


def choose_encoding(head: bytes, told: str | None, source: str) -> str:
    """The encoding of a text that begins with `head`, by its own name.

    Raises `SettingsError` if the one that was told does not exist, needs a byte order mark that is not there,
    or is another one than the mark says.
    """
    mark = mark_of(head)
    if told is None:
        return UTF8 if mark is None else mark[1]
    name = _known(told).removesuffix("-sig")
    if mark is not None and not mark[1].startswith(name):
        raise SettingsError(
            f"{source}: begins with the byte order mark of {mark[1]}, but --encoding says {told}",
            hint="leave --encoding out",
        )
    if mark is None and name in ("utf-16", "utf-32"):
        raise SettingsError(
            f"{source}: has no byte order mark, so --encoding {told} does not say which byte comes first",
            hint=f"give --encoding {name}-le or {name}-be",
        )
    return name if mark is None else mark[1]


def _known(encoding: str) -> str:
    """The encoding's own name. Raises `SettingsError` if there is no such encoding of text."""
    try:
        name = codecs.lookup(encoding).name
        "".encode(name)  # refuses what is no encoding of text, such as base64
        codecs.getincrementaldecoder(name)
    except (LookupError, ValueError) as error:
        raise SettingsError(
            f"--encoding {encoding}: no such encoding of text", hint="known are utf-8, utf-16, cp1252, …"
        ) from error
    return name
