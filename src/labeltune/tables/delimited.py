"""CSV and TSV: quoted as RFC 4180 has it, read strictly, with the physical line of every row."""

from __future__ import annotations

import csv
from contextlib import contextmanager
from io import BytesIO, StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING, ClassVar

from labeltune.errors import DataError, SettingsError
from labeltune.findings import Findings
from labeltune.tables.table import Table, check_header, no_rows
from labeltune.tables.text_lines import (
    MARKS,
    Transcoder,
    alarm,
    byte_lines,
    decoded,
    find_encoding,
    known_encoding,
)

if TYPE_CHECKING:
    import _csv
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.sources import ByteSource
    from labeltune.tables.table import ReadOptions
    from labeltune.tables.text_lines import Readable

__all__ = ["SEPARATORS", "CsvTable", "TsvTable"]

SEPARATORS = ",;\t|"
"""Those that are looked for."""
NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}
LONGEST_VALUE = 1 << 22
"""Characters. More than any model reads; without a limit, a quote left open would hold the rest in memory."""

_SAMPLE_RECORDS = 50
_UTF8 = "utf-8"


class CsvTable(Table):
    """A table whose columns are separated by a character that is found, or told."""

    format: ClassVar[str] = "csv"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        super().__init__(source, source.name)
        self._bytes = source
        head = self._head = source.head()
        marked = find_encoding(head)
        self._encoding = marked or _UTF8
        if options.encoding is not None:
            told = known_encoding(options.encoding)
            # A byte order mark says which of the two UTF-16 it is; `utf-8-sig` is UTF-8 to us.
            self._encoding = marked if marked and marked.startswith(told.removesuffix("-sig")) else told
        csv.field_size_limit(max(csv.field_size_limit(), LONGEST_VALUE))
        self.separator = self._separator(options)
        self._header_line, self.header = self._read_header()

    def _separator(self, options: ReadOptions) -> str:
        if options.separator is not None:
            return _told_separator(options.separator)
        sample = self._utf8(BytesIO(self._head)).read(len(self._head)).decode(errors="replace")
        found = find_separator(sample)
        if found != ",":
            self.notes.append(f'{self.source}: columns are separated by "{_shown(found)}"')
        return found

    # reading

    def _utf8(self, stream: Readable) -> Readable:
        return stream if self._encoding == _UTF8 else Transcoder(stream, self._encoding, self.source)

    @contextmanager
    def _lines(self) -> Iterator[Iterator[Iterable[bytes]]]:
        with self._bytes.open() as stream:
            yield byte_lines(self._utf8(stream), self.source)

    def _read_header(self) -> tuple[int, tuple[str, ...]]:
        """The header and the line on which it ends. Blank lines before it are passed over."""
        with self._lines() as batches:
            calm, reader, last = alarm.count, self._reader(decoded(batches)), 0
            try:
                for header in reader:
                    if header:
                        break
                    last = reader.line_num
                else:
                    raise no_rows(self.source)
            except csv.Error as error:
                message = _broken(error, last + 1, reader.line_num)
                raise DataError(f"{self.source}:{last + 1}: in the header, {message}") from error
        if alarm.count != calm and (fault := self._bad_text(header)):
            raise DataError(f"{self.source}:{last + 1}: in the header, {fault[1]}")
        return reader.line_num, check_header(self.source, last + 1, header)

    def _reader(self, lines: Iterator[str]) -> _csv.Reader:
        return csv.reader(lines, delimiter=self.separator or ",", strict=True)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return self._records()

    def _records(self, taken: list[bytes] | None = None) -> Iterator[tuple[int, list[str]]]:
        """The good rows. `taken` gets each line that is read, as UTF-8, before the row it belongs to."""
        with self._lines() as batches:
            calm, width, any_row = alarm.count, len(self.header), False
            reader = self._reader(decoded(batches if taken is None else _noted(batches, taken)))
            while reader.line_num < self._header_line:
                next(reader)
            last = self._header_line
            while True:
                try:
                    for values in reader:
                        line = last + 1
                        last = reader.line_num
                        if len(values) == width and alarm.count == calm:
                            any_row = True
                            yield line, values
                        elif values:  # a blank line is no row
                            any_row = True
                            fault = self._fault(line, values)
                            if fault is None:
                                yield line, values
                            else:
                                self.reject(*fault)
                    break
                except csv.Error as error:
                    any_row = True
                    self.reject("broken_quotes", last + 1, _broken(error, last + 1, reader.line_num))
                    last = reader.line_num
        self._finish(any_row=any_row)

    # bad rows

    def _fault(self, line: int, values: Sequence[str]) -> tuple[str, int, str, Sequence[str]] | None:
        found = self._bad_text(values) or self._ragged(values)
        return found and (found[0], line, found[1], values)

    def _ragged(self, values: Sequence[str]) -> tuple[str, str] | None:
        width, found = len(self.header), len(values)
        if width == found:
            return None
        message = f"expected {width} column{'s' * (width > 1)}, found {found}"
        if width == 1:
            message += "; is the first line a comment, or the separator another one (--sep)?"
        elif found > width:
            message += f'; a value that holds "{_shown(self.separator or ",")}" is written in quotes'
        return "ragged_row", message

    def _bad_text(self, values: Sequence[str]) -> tuple[str, str] | None:
        joined = "\n".join(values)
        if "\0" in joined:
            message = "a NUL byte"
            if joined.count("\0") > len(joined) // 3:
                message += "; this looks like UTF-16 without a byte order mark: --encoding utf-16-le"
            return "nul_byte", message
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            if self._encoding != _UTF8:
                return "bad_byte", f"not {self._encoding}"
            byte = ord(joined[error.start]) - 0xDC00
            message = f"byte 0x{byte:02x} is not UTF-8"
            if not self._findings.counts["bad_byte"]:
                message += f" (byte offset {self._first_bad_byte():,} of the file)"
            return "bad_byte", f"{message}; if Windows or Excel wrote it, try --encoding cp1252"
        return None

    def _first_bad_byte(self) -> int:
        """The offset of the first byte of the file that is not UTF-8."""
        offset = 0
        with self._bytes.open() as stream:
            for line in stream:
                try:
                    line.decode()
                except UnicodeDecodeError as error:
                    return offset + error.start
                offset += len(line)
        return offset

    # bytes

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """See `Table.raw`."""
        self._findings = Findings(self.source, self.on_bad)
        taken: list[bytes] = []
        before = 0  # lines taken for earlier records
        for line, _ in self._records(taken):
            own = b"".join(taken[line - 1 - before :])
            before += len(taken)
            taken.clear()
            yield line, self._as_written(own)

    @property
    def header_bytes(self) -> bytes:
        """See `Table.header_bytes`."""
        with self._lines() as batches:
            lines = islice(chain.from_iterable(batches), self._header_line)
            header = self._as_written(b"".join(lines))
        mark = next((m for m, name in MARKS if name == self._encoding and self._head.startswith(m)), b"")
        return mark + header

    def _as_written(self, utf8: bytes) -> bytes:
        return utf8 if self._encoding == _UTF8 else utf8.decode().encode(self._encoding)


class TsvTable(CsvTable):
    """A table whose columns are separated by tabs."""

    format: ClassVar[str] = "tsv"

    def _separator(self, options: ReadOptions) -> str:
        return "\t" if options.separator is None else _told_separator(options.separator)


def _noted(batches: Iterable[Iterable[bytes]], taken: list[bytes]) -> Iterator[Iterable[bytes]]:
    def note(line: bytes) -> bytes:
        taken.append(line)
        return line

    for lines in batches:
        yield map(note, lines)


def _told_separator(separator: str) -> str:
    character = NAMED_SEPARATORS.get(separator.lower(), separator)
    if len(character) != 1 or character in '"\r\n\0':
        raise SettingsError(
            f"--sep {separator!r}: expected one character, or tab, comma, semicolon, pipe, space"
        )
    return character


def find_separator(sample: str) -> str:
    """The one of `SEPARATORS` under which the most rows are as wide as the header; `,` if there is none."""
    best, chosen = (0.0, 1), ","
    for separator in SEPARATORS:
        reader = csv.reader(StringIO(sample, newline=""), delimiter=separator)
        try:
            records = [record for record in islice(reader, _SAMPLE_RECORDS) if record]
        except csv.Error:
            continue
        if len(records) > 1:
            records.pop()  # the sample may end within it
        width = len(records[0]) if records else 1
        if width > 1:
            score = (sum(len(record) == width for record in records) / len(records), width)
            best, chosen = max((best, chosen), (score, separator))
    return chosen


def _shown(separator: str) -> str:
    return "tab" if separator == "\t" else separator


def _broken(error: csv.Error, first: int, last: int) -> str:
    """A sentence about a record that is not quoted as it should be."""
    reason = str(error)
    if "unexpected end" in reason:
        return "a quote is opened in this row and never closed"
    if "field limit" in reason:
        return f"a value of more than {LONGEST_VALUE:,} characters; is a quote opened and not closed?"
    where = "in this row" if first == last else f"in this row, which ends in line {last}"
    return f'text follows a closing quote {where}; inside a quoted value, a quote is written twice ("")'
