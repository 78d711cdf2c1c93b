"""Records of CSV from lines of text: the values, and the line on which each record begins.

Reading a table is most of the work of converting it, so there are two ways, with the same results.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.files.tables.text_lines import alarm

if TYPE_CHECKING:
    import _csv
    from collections.abc import Callable, Generator, Iterator

__all__ = ["LONGEST_VALUE", "QUOTE", "Records", "strict_reader", "unquoted"]

QUOTE = '"'
LONGEST_VALUE = 1 << 22
"""Characters. More than any model reads; without a limit, a quote left open would hold the rest in memory."""


def strict_reader(lines: Iterator[str], separator: str) -> _csv.Reader:
    """A reader that takes a misplaced quote for an error, and values of any sensible length."""
    csv.field_size_limit(max(csv.field_size_limit(), LONGEST_VALUE))
    return csv.reader(lines, delimiter=separator, strict=True)


def unquoted(line: str, separator: str) -> list[str]:
    """The values of a line in which quotes are signs of the text; none if it is blank."""
    bare = line.rstrip("\r\n")
    return bare.split(separator) if bare else []


@dataclass(frozen=True, slots=True)
class Records:
    """How the records of a table are read.

    One that has `width` values is good, unless the alarm's count is no longer `calm`, which it was before the
    table was opened. Any other is asked about: `accept(line, values)`. One that is not quoted as it should be
    is told: `broken(first line, last line, error)`; so is one of several lines: `spans(first, last, values)`.
    """

    separator: str
    width: int
    calm: int
    accept: Callable[[int, list[str]], bool]
    broken: Callable[[int, int, csv.Error], None]
    spans: Callable[[int, int, list[str]], None]

    def read(self, lines: Iterator[str], last: int) -> Generator[tuple[int, list[str]], None, int]:
        """The good records that follow line `last`, each with its first line. Returns the last line."""
        start, calm = last, self.calm
        reader = strict_reader(lines, self.separator)
        width, accept = self.width, self.accept
        while True:
            try:
                for values in reader:
                    line = last + 1
                    last = start + reader.line_num
                    if last > line:
                        self.spans(line, last, values)
                    if (len(values) == width and alarm.count == calm) or accept(line, values):
                        yield line, values
            except csv.Error as error:
                first, last = last + 1, start + reader.line_num
                self.broken(first, last, error)
            else:
                return last

    def read_unquoted(self, lines: Iterator[str], last: int) -> Generator[tuple[int, list[str]], None, int]:
        """The same as `read` where quotes are signs of the text: each line is a record."""
        width, accept, separator, calm = self.width, self.accept, self.separator, self.calm
        line = last
        for line, text in enumerate(lines, last + 1):
            values = unquoted(text, separator)
            if (len(values) == width and alarm.count == calm) or accept(line, values):
                yield line, values
        return line

    def read_mostly_unquoted(
        self, lines: Iterator[str], last: int
    ) -> Generator[tuple[int, list[str]], None, int]:
        """The same as `read`, sooner where most lines hold no quote: such a line is split as it is."""
        calm = self.calm
        held: list[str] = []
        reader = strict_reader(_HeldFirst(held, lines), self.separator)
        width, accept, separator = self.width, self.accept, self.separator
        for text in lines:
            line = last + 1
            if QUOTE not in text and len(text) < LONGEST_VALUE:
                last = line
                values = unquoted(text, separator)
            else:
                held.append(text)
                before = reader.line_num
                try:
                    values = next(reader)
                except csv.Error as error:
                    last += reader.line_num - before
                    self.broken(line, last, error)
                    continue
                last += reader.line_num - before
                if last > line:
                    self.spans(line, last, values)
            if (len(values) == width and alarm.count == calm) or accept(line, values):
                yield line, values
        return last


class _HeldFirst:
    """The line that was taken from `lines` to look at it, then those that follow."""

    def __init__(self, held: list[str], lines: Iterator[str]) -> None:
        self._held, self._lines = held, lines

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        return self._held.pop() if self._held else next(self._lines)
