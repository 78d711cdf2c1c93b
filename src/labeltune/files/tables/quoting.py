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

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["first_misfit"]

_QUOTE = b'"'
_LONGEST = 1 << 22
"""Bytes that a quoted value is looked for in; see `csv_records.LONGEST_VALUE`."""


def first_misfit(lines: Iterable[bytes], separator: str) -> int | None:
    """The first line (from 1) on which quotes cannot be CSV's; None if all of them can be.

    `lines` have their ends; the first one may be a header, which has to be well-formed and no more.
    """
    sign = separator.encode()
    field = rb'(?:"(?:[^"]|"")*"|[^"%s\r\n]*)' % re.escape(sign)
    record = re.compile(rb"%s(?:%s%s)*[\r\n]*" % (field, re.escape(sign), field))
    held, first, rows, width = b"", 0, 0, None
    quoted: Counter[int] = Counter()
    idle: dict[int, int] = {}
    """Of columns with values in quotes that need none: the first line of one."""
    for number, line in enumerate(lines, 1):
        width = line.count(sign) if width is None else width
        if not held:
            first = number
            if _QUOTE not in line:
                rows += number > 1
                continue
        held += line
        if held.count(_QUOTE) % 2:
            if len(held) > _LONGEST:
                return first
            continue
        if not record.fullmatch(held) or _looks_like_rows(held, sign, width):
            return first
        rows += first > 1
        if first > 1:  # a header may be quoted where the values below it are numbers
            _note(re.findall(field + rb"(?:%s|[\r\n]*$)" % re.escape(sign), held), sign, first, quoted, idle)
        held = b""
    if held:
        return first
    misfits = [line for column, line in idle.items() if 2 * quoted[column] < rows]
    return min(misfits, default=None)


def _looks_like_rows(record: bytes, sign: bytes, width: int) -> bool:
    """Whether a record of several lines has more than one that could be a row by itself."""
    return width > 0 and sum(line.count(sign) == width for line in record.splitlines()) > 1


def _note(fields: list[bytes], sign: bytes, line: int, quoted: Counter[int], idle: dict[int, int]) -> None:
    """Count the values in quotes by column, and remember where one needs them not."""
    if all(value.startswith(_QUOTE) for value in fields):
        return  # a writer that quotes whole rows
    for column, value in enumerate(fields):
        if value.startswith(_QUOTE):
            quoted[column] += 1
            inner = value.rstrip(sign + b"\r\n")[1:-1]
            if inner and not any(one in inner for one in (sign, _QUOTE, b"\n", b"\r")):
                idle.setdefault(column, line)
