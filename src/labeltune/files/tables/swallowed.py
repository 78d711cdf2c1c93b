"""Rows that a quote has swallowed: a value of several lines that holds rows of its own table.

A text may begin with a quote that is no quoting of CSV, and one some rows further down may end with one. All
rows between them are then one value, with every rule of CSV obeyed. What tells it is that lines of the value
are as wide as the table, with a value in its place that recurs in that column: a label.
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.files.tables.separators import shown

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from collections.abc import Set as AbstractSet

__all__ = ["recurring", "rows_in", "tell_swallowed"]

_LEAST = 2
_AS_MANY = 2
"""A value recurs if it stands in so many rows, and its column has at most one in so many distinct values."""


def recurring(rows: Iterable[Sequence[str]], width: int) -> Mapping[int, AbstractSet[str]]:
    """The values that recur in columns of few values, by the column's place; `rows` are some of a table."""
    counts: dict[int, Counter[str]] = {place: Counter() for place in range(width)}
    for row in rows:
        if len(row) == width:
            for place, value in enumerate(row):
                counts[place][value] += 1
    found = {}
    for place, values in counts.items():
        del values[""]
        again = {value for value, count in values.items() if count >= _LEAST and "\n" not in value}
        if again and len(values) * _AS_MANY <= values.total():
            found[place] = again
    return found


def rows_in(
    values: Sequence[str], separator: str, known: Mapping[int, AbstractSet[str]]
) -> tuple[int, int, str]:
    """How many lines of a row look like rows of its table; the column of their value, and a label of theirs.

    A line counts if it has as many cells as the table has columns, and in one that lies within quotes a value
    that is known there. No column and no label without such a line.
    """
    width = len(values)
    for column, value in enumerate(values):
        if "\n" not in value or separator not in value:
            continue
        lines = value.splitlines()
        labels = [
            label
            for number, line in enumerate(lines)
            if (label := _label_in(line.split(separator), column, width, number, len(lines) - 1, known))
        ]
        if labels:
            return len(labels), column, labels[0]
    return 0, -1, ""


def _label_in(
    cells: list[str], column: int, width: int, number: int, last: int, known: Mapping[int, AbstractSet[str]]
) -> str | None:
    """The known value in one line of a value in some column, if the line is as wide as a row."""
    # Before the quote that opens stand the row's own columns, and behind the one that closes as well.
    before = column if number == 0 else 0
    after = width - 1 - column if number == last else 0
    if before + len(cells) + after != width:
        return None
    first, end = int(number == 0), len(cells) - int(number == last)
    return next((cells[at] for at in range(first, end) if cells[at] in known.get(before + at, ())), None)


def tell_swallowed(line: int, last: int, rows: int, column: str, label: str, separator: str) -> str:
    """A sentence about a value that looks as if a quote had swallowed rows, and the ways on."""
    look = "one of which looks" if rows == 1 else f"{rows:,} of which look"
    return (
        f'the value of column "{column}" goes on to line {last}, over {last - line + 1} lines, {look} like '
        f'rows of this table (such as one with "{label}"). Was a quote opened in line {line} by mistake? '
        f'Then write it twice within quotes (""), or give --quote none if no value with "{shown(separator)}" '
        "is in quotes; --quote csv says that the value is right"
    )
