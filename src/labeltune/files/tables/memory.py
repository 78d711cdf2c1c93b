"""A table that was made here: rows of requests, which no file holds."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

from labeltune.files.tables.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["MadeTable"]


class MadeTable(Table):
    """Rows that are in memory already; the first is line 1."""

    format: ClassVar[str] = "made"

    def __init__(self, name: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> None:
        super().__init__(None, name)
        self.header = tuple(header)
        self._made = rows

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        for line, values in enumerate(self._made, 1):
            yield line, list(values)
        self._finish(any_row=bool(self._made))
