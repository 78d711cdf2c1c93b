"""The parts of a folder as one table, for what needs all rows side by side."""

from __future__ import annotations

import hashlib
from bisect import bisect_right
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, ClassVar

import numpy as np

from labeltune.errors import DataError
from labeltune.files.tables import Table, UnusualTableError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables.row_blocks import RowBlock

__all__ = ["JoinedTable"]


class JoinedTable(Table):
    """Tables with the same columns one below the other. Its lines are numbers of rows, from 1."""

    format: ClassVar[str] = "parts"

    def __init__(self, name: str, tables: Sequence[Table]) -> None:
        super().__init__(None, name)
        self._tables = tables
        self.opened = ExitStack()
        """What is closed with the table."""
        self.header = tables[0].header
        self.strip = tables[0].strip
        for table in tables:
            if {*table.header} != {*self.header}:
                other = min({*table.header} ^ {*self.header})
                raise DataError(
                    f'{table.source}: has not the columns of {tables[0].source}: "{other}" is in one only',
                    hint="what compares rows needs the same columns in all parts",
                )
        self._columns = [[table.header.index(name) for name in self.header] for table in tables]
        self._lines: list[list[int]] = []
        self._starts: list[int] = []
        self._all_known = False
        """Whether `_lines` and `_starts` are those of all rows: reading some of them again changes nothing"""

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        self._begin()
        number = 0
        for place, (table, columns) in enumerate(zip(self._tables, self._columns, strict=True)):
            self._note_part(number)
            for line, values in table:
                number += 1
                self._note_lines(place, [line])
                yield number, [values[column] for column in columns]
        self._all_known = True
        self._finish(any_row=number > 0)

    def blocks(self) -> Iterator[RowBlock]:
        """See `Table.blocks`."""
        self._begin()
        number = 0
        for place, (table, columns) in enumerate(zip(self._tables, self._columns, strict=True)):
            if columns != sorted(columns):
                raise UnusualTableError
            self._note_part(number)
            for block in table.blocks():
                self._note_lines(place, block.lines.tolist())
                yield replace(block, lines=np.arange(number + 1, number + 1 + len(block)))
                number += len(block)
        self._all_known = True

    def _begin(self) -> None:
        if not self._all_known:
            self._starts, self._lines = [], []

    def _note_part(self, start: int) -> None:
        if not self._all_known:
            self._starts.append(start)
            self._lines.append([])

    def _note_lines(self, place: int, lines: list[int]) -> None:
        if not self._all_known:
            self._lines[place] += lines

    def place(self, line: int) -> tuple[str, int]:
        """See `Table.place`: of a row that has been read."""
        part = bisect_right(self._starts, line - 1) - 1
        return self._tables[part].source, self._lines[part][line - 1 - self._starts[part]]

    def reject(self, code: str, line: int, message: str, values: Sequence[str] = ()) -> None:
        """Report a row as bad, with the name of its part."""
        part = bisect_right(self._starts, line - 1) - 1
        self._tables[part].reject(code, self.place(line)[1], message, values)

    def raise_findings(self) -> None:
        """Raise what was found in the part that was read last, or in any."""
        for table in self._tables:
            table.raise_findings()

    def sha256(self) -> str:
        """The SHA-256 of the parts' own."""
        return hashlib.sha256("".join(table.sha256() for table in self._tables).encode()).hexdigest()

    def close(self) -> None:
        """Let go of what is open."""
        self.opened.close()
