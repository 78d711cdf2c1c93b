"""Tables that are text in some encoding: read as UTF-8, and given back as the bytes that they were."""

from __future__ import annotations

import codecs
from contextlib import contextmanager
from dataclasses import replace
from io import BufferedReader
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.files.byte_marks import UTF8, mark_of
from labeltune.files.tables.encodings import choose_encoding, doubt, suggestion
from labeltune.files.tables.table import Table
from labeltune.files.tables.text_lines import LONGEST_LINE, Transcoder

if TYPE_CHECKING:
    from collections.abc import Iterator
    from io import BufferedIOBase

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading
    from labeltune.task.read_options import ReadOptions

__all__ = ["TextTable"]

_CHUNK = 1 << 18


class TextTable(Table):
    """A table of text. Raises `SettingsError` for an encoding that does not exist or is not this text's."""

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        super().__init__(source, source.name, reading)
        self._bytes = source
        self._head = source.head()
        told = reading.told.encoding
        self.quoted = False
        """Whether values may stand in quotes, as in CSV."""
        self.encoding = choose_encoding(self._head, told, reading.kept.encoding, source.name)
        named = self._options.encoding
        if named is not None and (why := doubt(self._head, self.encoding, named)):
            self._warn(f"{self.source}: {why}", cause=True)

    @property
    def read(self) -> ReadOptions:
        """See `Table.read`."""
        found = None if self.encoding == UTF8 or self.mark else self._options.encoding
        return replace(super().read, encoding=found)

    @contextmanager
    def _utf8(self) -> Iterator[BufferedIOBase]:
        """The text from its start, as UTF-8, with its byte order mark."""
        with self._bytes.open() as stream:
            if self.encoding == UTF8:
                yield stream
            else:
                with BufferedReader(Transcoder(stream, self.encoding, self.source)) as transcoded:
                    yield transcoded

    def check_reversible(self) -> None:
        """Raise `DataError` unless the text, decoded and encoded again, has the bytes that it has.

        Some encodings write one sign in several ways (cp932 and the sign ≒), so that rows could not be copied
        as they are.
        """
        if self.encoding == UTF8:
            return
        decoder = codecs.getincrementaldecoder(self.encoding)()
        encoder = codecs.getincrementalencoder(self.encoding)()
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
                    line += held[:same].decode(self.encoding, "replace").count("\n")
                    raise DataError(
                        f"{self.source}:{line}: a sign is not written as {self.encoding} writes it, and "
                        "would be changed",
                        hint="save the file as UTF-8 first",
                    )
                held = held[len(again) :]
                line += text.count("\n")

    def encoded(self, text: str) -> bytes:
        """Some text in this table's encoding."""
        return self._as_written(text.encode())

    def _as_written(self, utf8: bytes) -> bytes:
        """A piece of the text in its own encoding."""
        return utf8 if self.encoding == UTF8 else utf8.decode().encode(self.encoding)

    @property
    def mark(self) -> bytes:
        """The byte order mark at the start, or nothing."""
        mark = mark_of(self._head)
        return b"" if mark is None else mark[0]

    def _first_bad_byte(self) -> tuple[int, str]:
        """The offset of the first byte of the file that is not UTF-8, and which encodings it may be of."""
        offset = utf8 = 0
        with self._bytes.open() as stream:
            for line in stream:
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return offset + error.start, suggestion(line + stream.read(_CHUNK), utf8)
                offset += len(line)
                utf8 += not line.isascii()
        return offset, ""

    def _endless(self) -> DataError:
        """The error of a table with a line that is longer than any of a table's."""
        with self._utf8() as stream:
            lines = enumerate(iter(lambda: stream.readline(LONGEST_LINE + 1), b""), 1)
            line = next((number for number, content in lines if len(content) > LONGEST_LINE), 1)
        return DataError(
            f"{self.source}:{line}: a line of more than {LONGEST_LINE:,} bytes",
            hint="this is not a table, or its lines do not end as they should",
        )
