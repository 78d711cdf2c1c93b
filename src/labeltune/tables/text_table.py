"""Tables that are text in some encoding: read as UTF-8, and given back as the bytes that they were."""

from __future__ import annotations

from contextlib import contextmanager
from io import BufferedReader
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.tables.encodings import UTF8, choose_encoding, mark_of
from labeltune.tables.table import Table
from labeltune.tables.text_lines import LONGEST_LINE, Transcoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from labeltune.sources import ByteSource

__all__ = ["TextTable"]


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
