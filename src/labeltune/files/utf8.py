"""Text files that are no tables, as UTF-8 whatever they are written in."""

from __future__ import annotations

from contextlib import contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.files.byte_marks import UTF8, mark_of
from labeltune.files.tables.encodings import choose_encoding, suggestion
from labeltune.files.tables.text_lines import Transcoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from labeltune.files.sources import ByteSource

__all__ = ["decoded", "head_text", "utf8"]

_CHUNK = 1 << 18


@contextmanager
def utf8(source: ByteSource, told: str | None = None) -> Iterator[BufferedIOBase]:
    """The bytes as UTF-8, without a byte order mark. `told` is the encoding, where someone said it.

    Raises `SettingsError` for an encoding that does not exist or does not fit, `DataError` for bytes that are
    not of it. UTF-8 is not checked here: see `decoded`.
    """
    encoding = choose_encoding(source.head(), told, None, source.name)
    mark = mark_of(source.head())
    with source.open() as stream:
        if encoding == UTF8:
            stream.read(len(mark[0]) if mark else 0)
            yield stream
            return
        with BufferedReader(Transcoder(stream, encoding, source.name)) as transcoded:
            if transcoded.peek(3).startswith(b"\xef\xbb\xbf"):
                transcoded.read(3)
            yield transcoded


def decoded(content: bytes, source: ByteSource, line: int) -> str:
    """Some UTF-8 as text. Raises `DataError`, with the encodings that the bytes may be of."""
    try:
        return content.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{source.name}:{line}: byte 0x{content[error.start]:02x} is not UTF-8; {suggestion(content)}",
            hint="name the encoding with --encoding",
        ) from error


def head_text(source: ByteSource, told: str | None = None) -> str:
    """The first characters, for a look at what a file holds; bad bytes are replaced."""
    with utf8(source, told) as stream:
        return stream.read(_CHUNK // 4).decode(errors="replace")
