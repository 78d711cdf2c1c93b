"""Whether a table carries the marks of cells that are safe in a spreadsheet, and reading it without them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

from labeltune.files.tables.marks import MARK, MAY_BE_FORMULA, neutralise, restore

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Sequence

    from labeltune.errors import Finding
    from labeltune.files.tables.table import Table

__all__ = ["take_off_marks"]


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
    found = any(table.header[place].startswith(MARK) for place in wanted)
    # Bad rows are told when the table is read for what is in it.
    told, table.on_bad = table.on_bad, _pass_over
    try:
        with closing(cast("Generator[tuple[int, list[str]]]", iter(table))) as rows:
            for _, values in rows:
                cells = [values[place] for place in wanted if values[place].startswith(MAY_BE_FORMULA)]
                if cells and neutralise(restore(cells)) != cells:
                    return False
                found = found or any(cell.startswith(MARK) for cell in cells)
    finally:
        table.on_bad = told
    return found


def _pass_over(finding: Finding, values: Sequence[str]) -> None: ...
