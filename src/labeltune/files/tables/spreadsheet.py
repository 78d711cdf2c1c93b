"""Whether a table carries the marks of cells that are safe in a spreadsheet, and reading it without them."""

from __future__ import annotations

from contextlib import closing
from typing import TYPE_CHECKING, cast

from labeltune.files.tables.marks import MARK, MAY_BE_FORMULA, neutralise, restore

if TYPE_CHECKING:
    from collections.abc import Collection, Generator, Iterable, Sequence

    from labeltune.errors import Finding
    from labeltune.files.tables.table import Table

__all__ = ["MarkFinder", "take_off_marks"]


class MarkFinder:
    """Looks at cells for the marks of `neutralise`, until it is sure that they are not there.

    They are if some cells begin with an apostrophe and every one is as `neutralise` leaves cells: a text that
    only begins with a quotation mark is left alone.
    """

    def __init__(self, names: Iterable[str] = ()) -> None:
        self._seen = any(name.startswith(MARK) for name in names)
        self.sure = False
        """Whether a cell was found that is not as `neutralise` leaves cells."""

    def look(self, cells: Iterable[str]) -> None:
        """Look at some cells; `sure` may be true then."""
        found = [cell for cell in cells if cell.startswith(MAY_BE_FORMULA)]
        if found and not self.sure:
            self.sure = neutralise(restore(found)) != found
            self._seen = self._seen or any(cell.startswith(MARK) for cell in found)

    @property
    def found(self) -> bool:
        """Whether the cells seen so far carry marks."""
        return self._seen and not self.sure


def take_off_marks(table: Table, columns: Collection[str]) -> None:
    """From now on give the cells and column names as before `neutralise`, if these columns carry its marks.

    Reads the rows up to the first that was not neutralised. Raises `DataError` for a table without rows.
    """
    wanted = [place for place, name in enumerate(restore(table.header)) if name in columns]
    if _carries_marks(table, wanted):
        table.marked = True
        table.header = tuple(restore(table.header))


def _carries_marks(table: Table, wanted: Sequence[int]) -> bool:
    marks = MarkFinder(table.header[place] for place in wanted)
    # Bad rows are told when the table is read for what is in it.
    told, table.on_bad = table.on_bad, _pass_over
    try:
        with closing(cast("Generator[tuple[int, list[str]]]", iter(table))) as rows:
            for _, values in rows:
                marks.look([values[place] for place in wanted])
                if marks.sure:
                    return False
    finally:
        table.on_bad = told
    return marks.found


def _pass_over(finding: Finding, values: Sequence[str]) -> None: ...
