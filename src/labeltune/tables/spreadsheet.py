"""Cells that no spreadsheet program takes for formulas, and the way back.

A CSV file cannot say that a cell is text. So a cell that a spreadsheet might compute gets an apostrophe
before it, and so does a cell that begins with one: to undo it, take one off every cell that has it.
"""

from __future__ import annotations

import re
from contextlib import closing
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from labeltune.errors import Finding
    from labeltune.tables.table import Table

__all__ = ["neutralise", "restore", "take_off_marks"]

_MARK = "'"
_DANGEROUS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠", _MARK)
"""What a formula may begin with; the full-width signs count in some languages."""

_NUMBER = re.compile(r"[+-]?[0-9]+(\.[0-9]+)?([eE][+-]?[0-9]+)?")


def neutralise(row: Sequence[str]) -> list[str]:
    """The cells of a row, each safe to open in a spreadsheet. Numbers stay what they are."""
    return [
        _MARK + cell if cell.startswith(_DANGEROUS) and not _NUMBER.fullmatch(cell) else cell for cell in row
    ]


def restore(row: Sequence[str]) -> list[str]:
    """The cells as they were before `neutralise`."""
    return [cell.removeprefix(_MARK) for cell in row]


def take_off_marks(table: Table, columns: Collection[str]) -> None:
    """From now on give the cells and column names as before `neutralise`, if these columns carry its marks.

    They do if some of their cells begin with an apostrophe and every one is as `neutralise` leaves cells: a
    text that only begins with a quotation mark is left alone. Reads the rows up to the first that was not
    neutralised. Raises `DataError` for a table without rows.
    """
    wanted = [place for place, name in enumerate(restore(table.header)) if name in columns]
    if _carries_marks(table, wanted):
        table.marked = True
        table.header = tuple(restore(table.header))


def _carries_marks(table: Table, wanted: Sequence[int]) -> bool:
    found = any(table.header[place].startswith(_MARK) for place in wanted)
    # Bad rows are told when the table is read for what is in it.
    told, table.on_bad = table.on_bad, _pass_over
    try:
        with closing(cast("Generator[tuple[int, list[str]]]", iter(table))) as rows:
            for _, values in rows:
                cells = [values[place] for place in wanted if values[place].startswith(_DANGEROUS)]
                if cells and neutralise(restore(cells)) != cells:
                    return False
                found = found or any(cell.startswith(_MARK) for cell in cells)
    finally:
        table.on_bad = told
    return found


def _pass_over(finding: Finding, values: Sequence[str]) -> None: ...
