"""Tables that are text in some encoding: read as UTF-8, and given back as the bytes that they were."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.files.tables.encodings import UTF8, choose_encoding, mark_of
from labeltune.files.tables.table import Table
from labeltune.files.tables.text_lines import LONGEST_LINE, Transcoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from labeltune.files.sources import ByteSource

__all__ = ["TextTable"]

_CHUNK = 1 << 18


class TextTable(Table):
    """A table of text. Raises `SettingsError` for an encoding that does not exist or is not this text's."""

    def __init__(self, source: ByteSource, encoding: str | None) -> None:
        super().__init__(source, source.name)
        self._bytes = source
        self._head = source.head()
        self._encoding = choose_encoding(self._head, encoding, source.name)

    @contextmanager
    def _utf8(self) -> Iterator[BufferedIOBase]:
        """The text from its start, as UTF-8, with its byte order mark."""
        with self._bytes.open() as stream:
            if self._encoding == UTF8:
                yield stream
            else:
                with BufferedReader(Transcoder(stream, self._encoding, self.source)) as transcoded:
                    yield transcoded

    def check_reversible(self) -> None:
        """Raise `DataError` unless the text, decoded and encoded again, has the bytes that it has.

        Some encodings write one sign in several ways (cp932 and the sign ≒), so that rows could not be copied
        as they are.
        """
        if self._encoding == UTF8:
            return
        decoder = codecs.getincrementaldecoder(self._encoding)()
        encoder = codecs.getincrementalencoder(self._encoding)()
        held, line, ended = b"", 1, False
        with self._bytes.open() as stream:
            while not ended:
                chunk = stream.read(_CHUNK)
                ended = not chunk
                text = decoder.decode(chunk, ended)
                held += chunk
                again = encoder.encode(text, ended)
                if not held.startswith(again):
                    both = zip(held, again, strict=False)
                    same = next((place for place, (own, other) in enumerate(both) if own != other), len(held))
                    line += held[:same].decode(self._encoding, "replace").count("\n")
                    raise DataError(
                        f"{self.source}:{line}: a sign is not written as {self._encoding} writes it, and "
                        "would be changed",
                        hint="save the file as UTF-8 first",
                    )
                held = held[len(again) :]
                line += text.count("\n")

    def _as_written(self, utf8: bytes) -> bytes:
        """A piece of the text in its own encoding."""
        return utf8 if self._encoding == UTF8 else utf8.decode().encode(self._encoding)

    @property
    def _mark(self) -> bytes:
        """The byte order mark at the start, or nothing."""
        mark = mark_of(self._head)
        return b"" if mark is None else mark[0]

    def _endless(self) -> DataError:
        """The error of a table with a line that is longer than any of a table's."""
        with self._utf8() as stream:
            lines = enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1)
            line = next((number for number, content in lines if len(content) > LONGEST_LINE), 1)
        return DataError(
            f"{self.source}:{line}: a line of more than {LONGEST_LINE:,} bytes",
            hint="this is not a table, or its lines do not end as they should",
        )
