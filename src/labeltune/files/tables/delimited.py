"""CSV and TSV: quoted as RFC 4180 has it, read strictly, with the physical line of every row."""

from __future__ import annotations

import codecs
import csv
from contextlib import contextmanager
from io import StringIO
from itertools import chain, islice
from typing import TYPE_CHECKING, ClassVar

from labeltune.errors import DataError, SettingsError
from labeltune.files.findings import Findings
from labeltune.files.tables.csv_records import LONGEST_VALUE, QUOTE, Records, strict_reader
from labeltune.files.tables.encodings import UTF8
from labeltune.files.tables.table import UnusualTableError, check_header
from labeltune.files.tables.text_lines import ByteLines, EndlessLineError, alarm, decoded
from labeltune.files.tables.text_table import TextTable

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.row_blocks import RowBlock
    from labeltune.files.tables.table import ReadOptions

__all__ = ["SEPARATORS", "CsvTable", "TsvTable"]

SEPARATORS = ",;\t|"
"""Those that are looked for; of two that fit as well, the one that stands first."""
NAMED_SEPARATORS = {"tab": "\t", "\\t": "\t", "comma": ",", "semicolon": ";", "pipe": "|", "space": " "}

_SAMPLE_RECORDS = 50
_CHUNK = 1 << 21
_CUT = "the last line has no line end; is the file whole?"


class CsvTable(TextTable):
    """A table whose columns are separated by a character that is found, or told."""

    format: ClassVar[str] = "csv"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        super().__init__(source, options.encoding)
        with self._utf8() as stream:
            sample = stream.read(len(self._head)).removeprefix(codecs.BOM_UTF8).decode(errors="replace")
        self._separated_by = self.separator = self._choose_separator(options, sample)
        lines = sample.split("\n")
        self._mostly_unquoted = 2 * sum(QUOTE in line for line in lines) < len(lines)
        self._header_line, self.header = self._read_header()

    def _choose_separator(self, options: ReadOptions, sample: str) -> str:
        if options.separator is not None:
            return _told_separator(options.separator)
        found = find_separator(sample)
        if found != ",":
            self.notes.append(f'{self.source}: columns are separated by "{_shown(found)}"')
        return found

    # reading

    @contextmanager
    def _lines(self) -> Iterator[Iterator[Iterable[bytes]]]:
        with self._utf8() as stream:
            self._read = ByteLines(stream)
            try:
                yield self._read.batches()
            except EndlessLineError as error:
                raise self._endless() from error

    def _read_header(self) -> tuple[int, tuple[str, ...]]:
        """The header and the line on which it ends. Blank lines before it are passed over."""
        calm = alarm.count
        with self._lines() as batches:
            reader, last = strict_reader(decoded(batches), self._separated_by), 0
            try:
                for header in reader:
                    if header:
                        break
                    last = reader.line_num
                else:
                    raise self._no_rows()
            except csv.Error as error:
                message = _broken(error, last + 1, reader.line_num)
                raise DataError(f"{self.source}:{last + 1}: in the header, {message}") from error
        if alarm.count != calm and (fault := self._bad_text(header)):
            raise DataError(f"{self.source}:{last + 1}: in the header, {fault[1]}")
        return reader.line_num, check_header(self.source, last + 1, header)

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        return self._records()

    def _records(self, taken: list[bytes] | None = None) -> Iterator[tuple[int, list[str]]]:
        """The good rows. `taken` gets each line that is read, as UTF-8, before the row it belongs to."""
        self._blank = 0
        width = len(self.header)
        records = Records(self._separated_by, width, alarm.count, self._accept, self._broken)
        read = records.read_mostly_unquoted if self._mostly_unquoted else records.read
        with self._lines() as batches:
            lines = decoded(batches if taken is None else _noted(batches, taken))
            for _ in range(self._header_line):
                next(lines)
            last = yield from read(lines, self._header_line)
            self._note_cut(cut=self._read.cut)
        self._finish(any_row=last - self._header_line > self._blank)

    def _note_cut(self, *, cut: bool) -> None:
        if cut and (note := f"{self.source}: {_CUT}") not in self.notes:
            self.notes.append(note)

    def blocks(self) -> Iterator[RowBlock]:
        """See `Table.blocks`."""
        # numpy comes with it, which most commands do without.
        from labeltune.files.tables.block_scan import BlockScan

        self._findings = Findings(self.source, self.on_bad)
        header = self._header()
        if self.marked or b"\r" in header.replace(b"\r\n", b""):
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

    def _broken(self, first: int, last: int, error: csv.Error) -> None:
        self.reject("broken_quotes", first, _broken(error, first, last))

    def _ragged(self, values: Sequence[str]) -> tuple[str, str] | None:
        width, found = len(self.header), len(values)
        if width == found:
            return None
        message = f"expected {width} column{'s' * (width > 1)}, found {found}"
        if width == 1:
            message += "; is the first line a comment, or the separator another one (--sep)?"
        elif found > width:
            message += f'; a value that holds "{_shown(self._separated_by)}" is written in quotes'
        if self._read.cut:
            message += f"; {_CUT}"
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
            return "bad_byte", self._bad_byte(joined[error.start :])
        return None

    def _bad_byte(self, text: str) -> str:
        """A sentence about a text that begins with what does not decode."""
        if self._encoding != UTF8:
            # It was made UTF-8, so that one lone surrogate stands there as three bytes that are none.
            number = ord(text[:3].encode(errors="surrogateescape").decode(errors="surrogatepass")[0])
            what = f"byte 0x{number - 0xDC00:02x}" if 0xDC80 <= number <= 0xDCFF else f"U+{number:04X}"
            if self._encoding.startswith(("utf-16", "utf-32")):
                what = f"U+{number:04X}, half of a surrogate pair,"
            return f"{what} is not {self._encoding}"
        message = f"byte 0x{ord(text[0]) - 0xDC00:02x} is not UTF-8"
        if not self._findings.counts["bad_byte"]:
            message += f" (byte offset {self._first_bad_byte():,} of the file)"
        return f"{message}; if Windows or Excel wrote it, try --encoding cp1252"

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
        return self._mark + self._as_written(self._header())

    def _header(self) -> bytes:
        """The lines of the header, and blank ones before it, as UTF-8."""
        with self._lines() as batches:
            return b"".join(islice(chain.from_iterable(batches), self._header_line))


class TsvTable(CsvTable):
    """A table whose columns are separated by tabs."""

    format: ClassVar[str] = "tsv"

    def _choose_separator(self, options: ReadOptions, sample: str) -> str:  # noqa: ARG002  # nothing to find
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
    best, chosen = (0.0, 1), SEPARATORS[0]
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
            if score > best:
                best, chosen = score, separator
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
