"""CSV and TSV: quoted as RFC 4180 has it, read strictly, with the physical line of every row."""

from __future__ import annotations

import codecs
import csv
import re
from contextlib import contextmanager
from dataclasses import replace
from functools import cached_property
from itertools import chain, islice
from typing import TYPE_CHECKING, ClassVar

from labeltune.errors import DataError, SettingsError
from labeltune.files.byte_marks import UTF8
from labeltune.files.findings import Findings
from labeltune.files.tables.csv_faults import bad_sign, broken, nul_byte, ragged
from labeltune.files.tables.csv_records import QUOTE, Records, strict_reader, unquoted
from labeltune.files.tables.foreign import as_table, recognise
from labeltune.files.tables.headers import column_names, refuse_width
from labeltune.files.tables.odd_quoting import odd_quoting
from labeltune.files.tables.quoting import first_misfit
from labeltune.files.tables.separators import find_separator, first_line, sample_records, shown
from labeltune.files.tables.swallowed import recurring, rows_in, tell_swallowed
from labeltune.files.tables.table import UnusualTableError
from labeltune.files.tables.text_lines import ByteLines, EndlessLineError, alarm, decoded
from labeltune.files.tables.text_table import TextTable
from labeltune.task.read_options import QUOTES, SEPARATORS_TOLD, separator_named

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence
    from collections.abc import Set as AbstractSet

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading
    from labeltune.files.tables.row_blocks import RowBlock
    from labeltune.task.read_options import ReadOptions

__all__ = ["CsvTable", "TsvTable"]

_CHUNK = 1 << 21
_TAB = "\t"
_SAID = re.compile(r"sep=(.)\r?\n")
"""What spreadsheet programs read, and write, as a first line: the separator."""
_MISREAD = {"ragged_row", "broken_quotes"}
"""Findings of rows that may be good ones, had they another quoting."""
_CUT = "the last line has no line end; is the file whole?"


class CsvTable(TextTable):
    """A table whose columns are separated by a character that is found, or told."""

    format: ClassVar[str] = "csv"
    takes: ClassVar[frozenset[str]] = frozenset({"encoding", "separator", "quote", "header"})
    _usual_separator: ClassVar[str] = ","

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        super().__init__(source, reading)
        with self._utf8() as stream:
            sample = stream.read(len(self._head)).removeprefix(codecs.BOM_UTF8).decode(errors="replace")
        self._refuse_foreign(sample)
        self._separated_by = self.separator = self._choose_separator(sample)
        self.quoted = self._choose_quoting()
        """Whether values may be in quotes; else quotes are signs of the text."""
        lines = sample.split("\n")
        self._mostly_unquoted = 2 * sum(QUOTE in line for line in lines) < len(lines)
        self._sample = sample
        self._swallowed = 0
        """The first line of a row that may be several ones."""
        self._header_line, self.header = self._read_header(sample)

    @property
    def read(self) -> ReadOptions:
        """See `Table.read`."""
        separator = None if self._separated_by == self._usual_separator else self._separated_by
        return replace(
            super().read,
            separator=separator,
            quote=self._options.quote if self.quoted else "none",
            header=None if self._header_line else False,
        )

    # how it is read

    def _refuse_foreign(self, sample: str) -> None:
        told = self._reading.told
        found = None if told.format or told.separator else recognise(sample)
        if found is not None:
            raise DataError(
                f'{self.source}: this looks like {found.name}, "{found.line}", which is no table',
                hint=as_table(found, self.source),
            )

    def _choose_separator(self, sample: str) -> str:
        told = self._reading.told.separator
        if told is not None:
            character = separator_named(told)
            if character is None:
                raise SettingsError(f"--sep {told!r}: expected {SEPARATORS_TOLD}")
            return character
        if said := _SAID.match(sample):
            return said[1]
        kept = self._options.separator and separator_named(self._options.separator)
        return kept if kept and kept in first_line(sample) else self._find_separator(sample)

    def _find_separator(self, sample: str) -> str:
        found = find_separator(sample)
        if found != ",":
            self.notes.append(f'{self.source}: columns are separated by "{shown(found)}"')
        return found

    def _choose_quoting(self) -> bool:
        told = self._options.quote
        if told not in (None, *QUOTES):
            raise SettingsError(f"--quote {told}: expected {' or '.join(QUOTES)}")
        if told is not None or self._separated_by != _TAB:
            return told != "none"
        with self._utf8() as stream:
            if not any(b'"' in chunk for chunk in iter(lambda: stream.read(1 << 20), b"")):
                return True
        with self._lines() as batches:
            line = first_misfit(chain.from_iterable(batches), self._separated_by)
        if line is not None:
            self.notes.append(
                f"{self.source}:{line}: the quotes here are signs of the text, not CSV's quoting, and so are "
                "all others; --quote csv reads them as quoting"
            )
        return line is None

    # reading

    @contextmanager
    def _lines(self) -> Iterator[Iterator[Iterable[bytes]]]:
        with self._utf8() as stream:
            self._read = ByteLines(stream)
            try:
                yield self._read.batches()
            except EndlessLineError as error:
                raise self._endless() from error

    def _read_header(self, sample: str) -> tuple[int, tuple[str, ...]]:
        """The header and the line on which it ends, 0 if there is none."""
        calm = alarm.count
        first, last, names = self._first_record()
        # A second byte order mark, of a program that did not see the first one, is no part of a name.
        names = [name.lstrip("\ufeff") for name in names]
        if self._is_without_header(names):
            return 0, column_names(len(names))
        if alarm.count != calm and (fault := self._bad_text(names)):
            raise DataError(f"{self.source}:{first}: in the header, {fault[1]}")
        is_whole = self.encoding == UTF8 and self._bytes.is_short
        rows = sample_records(sample, self._separated_by, quoted=self.quoted, whole=is_whole)
        following = [(line, row) for line, row in rows if line > last]
        refuse_width(self.source, first, names, following, lambda: self._odd_quoting(sample))
        return last, self._take_header(first, names, following, lambda line, _: f"line {line}")

    def _first_record(self) -> tuple[int, int, list[str]]:
        """The first line of the first record that is not blank, its last one, and its values."""
        with self._lines() as batches:
            lines = decoded(batches)
            if not self.quoted:
                for number, line in enumerate(lines, 1):
                    values = unquoted(line, self._separated_by)
                    if values and not self._says_separator(number, line):
                        return number, number, values
                raise self._no_rows()
            reader, last = strict_reader(lines, self._separated_by), 0
            try:
                for values in reader:
                    if values and not self._says_separator(reader.line_num, self._separated_by.join(values)):
                        return last + 1, reader.line_num, values
                    last = reader.line_num
            except csv.Error as error:
                message = broken(error, last + 1, reader.line_num)
                raise DataError(f"{self.source}:{last + 1}: in the header, {message}") from error
            raise self._no_rows()

    def _says_separator(self, line: int, text: str) -> bool:
        """Whether the first line is but a word to spreadsheet programs."""
        return line == 1 and text.strip() == f"sep={self._separated_by}".strip()

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return self._records()

    def _records(self, taken: list[bytes] | None = None) -> Iterator[tuple[int, list[str]]]:
        """The good rows. `taken` gets each line that is read, as UTF-8, before the row it belongs to."""
        self._blank = 0
        width = len(self.header)
        records = Records(
            self._separated_by, width, alarm.count, self._accept, self._broken, self._look_within
        )
        if not self.quoted:
            read = records.read_unquoted
        else:
            read = records.read_mostly_unquoted if self._mostly_unquoted else records.read
        with self._lines() as batches:
            lines = decoded(batches if taken is None else _noted(batches, taken))
            for _ in range(self._header_line):
                next(lines)
            last = yield from read(lines, self._header_line)
            self._note_cut(cut=self._read.cut)
        self._finish(any_row=last - self._header_line > self._blank)

    def _note_cut(self, *, cut: bool) -> None:
        if cut:
            self._note(f"{self.source}: {_CUT}")

    def blocks(self) -> Iterator[RowBlock]:
        """See `Table.blocks`."""
        # numpy comes with it, which most commands do without.
        from labeltune.files.tables.block_scan import BlockScan

        self._findings = Findings(self.source, self.on_bad)
        header = self._header()
        if self.marked or not self.quoted or not self._header_line or b"\r" in header.replace(b"\r\n", b""):
            raise UnusualTableError
        scan = BlockScan(self._separated_by, len(self.header), self._header_line)
        with self._utf8() as stream:
            start = stream.read(len(codecs.BOM_UTF8) + len(header))
            rest = start.removeprefix(codecs.BOM_UTF8)[len(header) :]
            yield from scan.blocks(chain((rest,), iter(lambda: stream.read(_CHUNK), b"")))
        self._note_cut(cut=scan.cut)
        self._finish(any_row=True)

    # bad rows

    def _accept(self, line: int, values: list[str]) -> bool:
        """Whether a row that looked strange is good; else reports it, unless it is but a blank line."""
        if not values:
            self._blank += 1
            return False
        fault = self._bad_text(values) or self._ragged(values)
        if fault is not None:
            self.reject(fault[0], line, fault[1], values)
        return fault is None

    def _look_within(self, line: int, last: int, values: Sequence[str]) -> None:
        """Tell of a row of several lines which may be several rows, unless quoting was told."""
        if self._options.quote is not None or len(values) != len(self.header):
            return
        rows, column, label = rows_in(values, self._separated_by, self._recurring)
        if rows and not self._swallowed:
            self._swallowed = line
            told = tell_swallowed(line, last, rows, self.header[column], label, self._separated_by)
            self._warn(f"{self.source}:{line}: {told}", cause=True)

    @cached_property
    def _recurring(self) -> Mapping[int, AbstractSet[str]]:
        rows = sample_records(self._sample, self._separated_by, quoted=self.quoted)
        return recurring((row for line, row in rows if line > self._header_line), len(self.header))

    def _way_on(self, codes: Iterable[str]) -> str | None:
        odd = self._odd_quoting(self._sample) if {*codes} <= _MISREAD else None
        return odd or super()._way_on(codes)

    def _odd_quoting(self, sample: str) -> str | None:
        return odd_quoting(sample, self._separated_by) if self.quoted else None

    def _broken(self, first: int, last: int, error: csv.Error) -> None:
        self.reject("broken_quotes", first, broken(error, first, last))

    def _ragged(self, values: Sequence[str]) -> tuple[str, str] | None:
        width, found = len(self.header), len(values)
        if width == found:
            return None
        message = ragged(width, found, self._separated_by)
        return "ragged_row", f"{message}; {_CUT}" if self._read.cut else message

    def _bad_text(self, values: Sequence[str]) -> tuple[str, str] | None:
        joined = "\n".join(values)
        if "\0" in joined:
            return "nul_byte", nul_byte(joined)
        try:
            joined.encode()
        except UnicodeEncodeError as error:
            return "bad_byte", self._bad_byte(joined[error.start :])
        return None

    def _bad_byte(self, text: str) -> str:
        """A sentence about a text that begins with what does not decode."""
        if self.encoding != UTF8:
            return bad_sign(text, self.encoding)
        message = f"byte 0x{ord(text[0]) - 0xDC00:02x} is not UTF-8"
        if not self._findings.counts["bad_byte"]:
            offset, likely = self._first_bad_byte()
            message += f" (byte offset {offset:,} of the file); {likely}"
        return message

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
        return self.mark + self._as_written(self._header())

    def _header(self) -> bytes:
        """The lines of the header, and blank ones before it, as UTF-8."""
        with self._lines() as batches:
            return b"".join(islice(chain.from_iterable(batches), self._header_line))


class TsvTable(CsvTable):
    """A table whose columns are separated by tabs."""

    format: ClassVar[str] = "tsv"
    _usual_separator: ClassVar[str] = _TAB

    def _find_separator(self, sample: str) -> str:  # noqa: ARG002  # nothing to find
        return _TAB


def _noted(batches: Iterable[Iterable[bytes]], taken: list[bytes]) -> Iterator[Iterable[bytes]]:
    def note(line: bytes) -> bytes:
        taken.append(line)
        return line

    for lines in batches:
        yield map(note, lines)
