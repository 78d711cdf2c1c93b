r"""Whether the quotes of a table are CSV's quoting, or signs of its texts.

Many tables separated by tabs are written without any quoting: a quote at the start of a text is then part of
it, and read as CSV it swallows all rows up to the next one. What a writer of CSV does leaves marks, which are
looked for in the whole file:

- a value that begins with a quote ends with one, and the quotes within it are doubled;
- a value with a quote in it is quoted;
- a value is quoted because it must be (it holds a separator, a quote or a line break), or because its whole
  column is: as `"5" disk` is no quoting, neither is `"Great!"` where other texts stand without quotes;
- a value in quotes that spans several lines does not look like several rows.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import TYPE_CHECKING

from labeltune.files.tables.csv_records import LONGEST_VALUE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = ["first_misfit"]

_QUOTE = b'"'


def first_misfit(lines: Iterable[bytes], separator: str) -> int | None:
    """The first line (from 1) on which quotes cannot be CSV's; None if all of them can be.

    `lines` have their ends; the first one may be a header, which has to be well-formed and no more.
    """
    sign = separator.encode()
    form = _Form(sign)
    held, first, rows, width = b"", 0, 0, None
    for number, line in enumerate(lines, 1):
        width = line.count(sign) if width is None else width
        if not held:
            first = number
            if _QUOTE not in line:
                rows += number > 1
                continue
        held += line
        if held.count(_QUOTE) % 2:
            if len(held) > LONGEST_VALUE:
                return first
            continue
        if not form.fits(held) or _looks_like_rows(held, sign, width):
            return first
        if first > 1:  # a header may be quoted where the values below it are numbers
            rows += 1
            form.note(held, first)
        held = b""
    return first if held else form.misfit(rows)


class _Form:
    """What values separated by `sign` look like, and which were in quotes."""

    def __init__(self, sign: bytes) -> None:
        self._sign = sign
        between = re.escape(sign)
        value = rb'(?:"(?:[^"]|"")*"|[^"%s\r\n]*)' % between
        self._record = re.compile(rb"%s(?:%s%s)*[\r\n]*" % (value, between, value))
        self._value = re.compile(rb"(%s)(%s|\Z)" % (value, between))
        self._quoted: Counter[int] = Counter()
        self._idle: dict[int, int] = {}
        """Of columns with values in quotes that need none: the first line of one."""

    def fits(self, record: bytes) -> bool:
        """Whether each value is in quotes as a whole, those within doubled, or has none."""
        return self._record.fullmatch(record) is not None

    def note(self, record: bytes, line: int) -> None:
        """Count the values in quotes by column, and remember where one needs them not."""
        values = list(self._values(record.rstrip(b"\r\n")))
        if all(value.startswith(_QUOTE) for value in values):
            return  # a writer that quotes whole rows
        for column, value in enumerate(values):
            if value.startswith(_QUOTE):
                self._quoted[column] += 1
                inner = value[1:-1]
                if inner and not any(one in inner for one in (self._sign, _QUOTE, b"\n", b"\r")):
                    self._idle.setdefault(column, line)

    def _values(self, record: bytes) -> Iterator[bytes]:
        for match in self._value.finditer(record):
            yield match[1]
            if not match[2]:
                return

    def misfit(self, rows: int) -> int | None:
        """The first line with idle quotes in a column in which most of so many rows have none."""
        return min(
            (line for column, line in self._idle.items() if 2 * self._quoted[column] < rows), default=None
        )


def _looks_like_rows(record: bytes, sign: bytes, width: int) -> bool:
    """Whether a record of several lines has more than one that could be a row by itself."""
    return width > 0 and sum(line.count(sign) == width for line in record.splitlines()) > 1
