"""What every table offers, whatever its format."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, ClassVar

from labeltune.errors import DataError, Finding, SettingsError
from labeltune.files.findings import Findings
from labeltune.files.tables.headers import (
    holds_texts,
    name_columns,
    names_itself,
    refuse_title,
    tell_texts,
    tell_unnamed,
)
from labeltune.files.tables.marks import restore
from labeltune.files.tables.reading import Reading
from labeltune.files.tables.ways_on import way_on
from labeltune.task.read_options import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
    from typing import Self

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.row_blocks import RowBlock

__all__ = ["Table", "UnusualTableError"]


class UnusualTableError(Exception):
    """A table that cannot be read in blocks, only row by row."""


class Table(ABC):
    """Rows of text under a header, read one by one, as often as wanted.

    Iterating yields `(line, values)` for each good row: the physical line on which the row begins, counted
    from 1, and one value per column of `header`, exactly as it is written. Bad rows are passed over and kept
    in `findings`; when the rows end, they are raised together as a `DataError`, or, if `on_bad` is set, have
    been handed to it one by one with the values that could be read. A table without any row is a `DataError`
    in both cases. Used with `with`, a `DataError` that passes says what is odd about the table, too.
    """

    format: ClassVar[str]
    _rows_hint: ClassVar[str] = "the first line names the columns, each further line is a row"
    """What is expected where there are no rows."""
    takes: ClassVar[frozenset[str]] = frozenset()
    """The options of `ReadOptions` that this format has."""
    header: tuple[str, ...]
    separator: str | None = None
    """What separates the columns, for text formats."""

    def __init__(self, source: ByteSource | None, name: str, reading: Reading | None = None) -> None:
        self._source = source
        self.source = name
        """The name that stands in messages."""
        self._reading = reading or Reading()
        self._options = self._reading.fitting(name, self.format, self.takes)
        self.strip = bool(self._options.strip)
        """Whether space around labels is taken off: for those who read labels."""
        self.on_bad: Callable[[Finding, Sequence[str]], None] | None = None
        self.may_be_empty = self._reading.may_be_empty
        """Whether a header without rows is a table: one of many may hold none."""
        self.marked = False
        """Whether marks of `neutralise` are taken off what is read; `take_off_marks` finds out."""
        self.notes: list[str] = []
        """What a reader of the table's messages should know; complete when the rows have ended."""
        self.warnings: list[str] = []
        self.causes: list[str] = []
        """Those of the warnings that explain why rows are refused; they stand before such an error."""
        self.unnamed: frozenset[str] = frozenset()
        """Columns that have no name in the header, by the names that they got: `column_3`."""
        self.structured: set[str] = set()
        """Columns in which objects stand, of the rows read so far."""
        self._findings = Findings(name)

    @property
    def findings(self) -> list[Finding]:
        """What is wrong with rows read so far: the first twenty."""
        return self._findings.first

    @property
    def bad_rows(self) -> int:
        """How many findings there are in all."""
        return self._findings.total

    @property
    def bad_counts(self) -> Mapping[str, int]:
        """How many findings there are of each code."""
        return self._findings.counts

    @property
    def read(self) -> ReadOptions:
        """How this table is read, as far as it is not what would be found or taken anyway: for a task."""
        return ReadOptions(strip=self.strip or None)

    def reject(self, code: str, line: int, message: str, values: Sequence[str] = ()) -> None:
        """Report a row as bad; for users of the table that find fault with a row's values."""
        self._findings.add(code, line, message, values)

    def raise_findings(self) -> None:
        """Raise the findings, if there are any and `on_bad` is not set. Iterating does it at the end."""
        try:
            self._findings.raise_if_any(hint=self._way_on(self._findings.counts))
        except DataError as error:
            error.say_before(self.causes)
            raise

    def _way_on(self, codes: Iterable[str]) -> str | None:
        """What to do about rows with findings of these codes."""
        return way_on(codes)

    def __iter__(self) -> Iterator[tuple[int, list[str]]]:
        self._findings = Findings(self.source, self.on_bad)
        rows = self._rows()
        return ((line, restore(values)) for line, values in rows) if self.marked else rows

    @abstractmethod
    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        """The good rows; bad ones go to `reject`. Ends with a call of `_finish`."""

    def _finish(self, *, any_row: bool) -> None:
        """What is left to say when the rows have ended."""
        if self._source is not None:
            self._source.check_unchanged()
        if not any_row and not self.may_be_empty:
            raise self._no_rows()
        self.raise_findings()

    def _no_rows(self) -> DataError:
        """The error of this table, if it holds none."""
        return DataError(f"{self.source}: no rows", hint=self._rows_hint)

    def blocks(self) -> Iterator[RowBlock]:
        """The rows, which are those that iterating yields, many at a time and far sooner.

        Raises `UnusualTableError`, at once or after any block, for a table of which that cannot be done, and
        for one that holds anything that is not good: iterating then reads it, and tells what is wrong.
        """
        raise UnusualTableError

    def _is_without_header(self, first: Sequence[str]) -> bool:
        """Whether a first row is a row, by what was told and what the task keeps."""
        if self._reading.told.header is not None:
            return not self._reading.told.header
        # A table that was written again, such as that of predict, names the columns that had no names.
        return self._options.header is False and not names_itself(first)

    def _take_header(
        self,
        line: int,
        names: Sequence[str],
        following: Sequence[tuple[int, Sequence[str]]],
        place: Callable[[int, int], str],
    ) -> tuple[str, ...]:
        """The header, with a name for each column; those that had none are noted.

        `following` are some rows with their lines; `place` says where a column stands in a row.
        """
        refuse_title(self.source, line, names, (row for _, row in following))
        header, unnamed = name_columns(self.source, line, names)
        rows = [row for _, row in following]
        if texts := [number for number in unnamed if holds_texts(rows, number)]:
            unnamed = [number for number in unnamed if number not in texts]
            self.notes.append(f"{self.source}:{line}: {tell_texts([header[number - 1] for number in texts])}")
        if unnamed:
            self.unnamed = frozenset(header[number - 1] for number in unnamed)
            filled = (
                place(row, number)
                for row, values in following
                for number in unnamed
                if "".join(values[number - 1 : number])
            )
            self.notes.append(f"{self.source}:{line}: {tell_unnamed(unnamed, next(filled, None))}")
        return header

    def _may_pass(self, column: str) -> bool:
        """Whether an object in this column refuses no row: nobody asks about it. Tells it once."""
        if column in self._reading.columns:
            return False
        if column not in self.structured:
            self.structured.add(column)
            self._warn(f'{self.source}: column "{column}" holds objects, and is passed over')
        return True

    def _warn(self, warning: str, *, cause: bool = False) -> None:
        """A warning, once, however often the rows are read; `cause`: it may explain what is refused."""
        if warning not in self.warnings:
            self.warnings.append(warning)
            if cause:
                self.causes.append(warning)

    def _note(self, note: str) -> None:
        if note not in self.notes:
            self.notes.append(note)

    def raw(self) -> Iterator[tuple[int, bytes]]:
        """The good rows as the bytes they are in the file, with their own line ends; the last may lack one.

        The same rows, in the same order, as iterating yields. `header_bytes` are what stands before them.
        Raises `SettingsError` for formats whose rows are not bytes in a file.
        """
        raise SettingsError(f"{self.source}: the rows of a {self.format} table have no bytes of their own")

    @property
    def header_bytes(self) -> bytes | None:
        """What stands before the first row, byte for byte; None where rows are not bytes (see `raw`)."""
        return None

    def place(self, line: int) -> tuple[str, int]:
        """The name of the file in which a row stands that begins on this line, and the line there.

        The name is empty where there is one file only.
        """
        return "", line

    @property
    def progress(self) -> tuple[int, int]:
        """How many bytes of how many have been read in the present iteration; zeros where that is unknown."""
        return (0, 0) if self._source is None else (self._source.position, self._source.size)

    def sha256(self) -> str:
        """The SHA-256 of the bytes that the table was read from."""
        if self._source is None:
            raise SettingsError(f"{self.source}: is not read from bytes")
        return self._source.sha256()

    def close(self) -> None:
        """Let go of what is open."""
        if self._source is not None:
            self._source.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, _: object, error: BaseException | None, __: object) -> None:
        self.close()
        if isinstance(error, DataError):
            error.say_before(self.causes)
