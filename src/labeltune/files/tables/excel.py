"""Excel and OpenDocument files: one sheet, its values without formulas and formats."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.files.tables.cells import Typed, cell_text
from labeltune.files.tables.headers import column_names
from labeltune.files.tables.values import ValueTable, needs_package

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.reading import Reading
    from labeltune.task.read_options import ReadOptions

__all__ = ["ExcelTable"]

_LOOKED_AT = 200
_NAMED = 5


class ExcelTable(ValueTable):
    """One sheet of a workbook, the first if no other is told; lines are the sheet's rows."""

    format: ClassVar[str] = "excel"
    takes: ClassVar[frozenset[str]] = frozenset({"header", "sheet"})

    def __init__(self, source: ByteSource, reading: Reading) -> None:
        super().__init__(source, source.name, reading)
        calamine = needs_package("python_calamine", self.source)
        try:
            book = calamine.load_workbook(str(source.path))
            name = self._choose_sheet(book.sheet_names)
            sheet = book.get_sheet_by_name(name)
        except (calamine.CalamineError, OSError, IndexError, ValueError) as error:
            raise DataError(
                f"{self.source}: not an Excel file that can be read: {error}",
                hint="open it in a spreadsheet program and save it again, or export it as CSV",
            ) from error
        self._book, self._sheet = book, sheet
        self.warnings.append(
            f'{self.source}: read the values of sheet "{name}", without formulas and formats; '
            "dates are written as 2026-01-31"
        )
        others = [f'"{other}"' for other in book.sheet_names if other != name]
        if others and self._options.sheet is None:
            self.warnings.append(
                f"{self.source}: only the first sheet is read, not {', '.join(others)}: --sheet names another"
            )
        self._tell_merged(getattr(sheet, "merged_cell_ranges", None) or ())
        self._header_line, self.header = self._read_header()

    @property
    def sheet(self) -> str:
        """The name of the sheet."""
        return str(self._sheet.name)

    @property
    def read(self) -> ReadOptions:
        """See `Table.read`."""
        is_first = self._sheet.name == self._book.sheet_names[0]
        return replace(
            super().read,
            sheet=None if is_first else self._sheet.name,
            header=None if self._header_line else False,
        )

    def _choose_sheet(self, names: Sequence[str]) -> str:
        told, kept = self._reading.told.sheet, self._options.sheet
        if told is not None and told not in names:
            raise SettingsError(
                f'{self.source}: no sheet "{told}"{did_you_mean(told, names)}',
                hint=f"it has: {', '.join(names)}",
            )
        if kept in names:
            return str(kept)
        if kept is not None and len(names) > 1:
            raise SettingsError(
                f'{self.source}: no sheet "{kept}", which the task names under [read]',
                hint=f"name another with --sheet; it has: {', '.join(names)}",
            )
        return names[0]

    def _tell_merged(self, ranges: Iterable[Any]) -> None:
        told = [f"{_place(*first)}:{_place(*last)}" for first, last in ranges]
        if told:
            more = f" and {len(told) - _NAMED:,} more" if len(told) > _NAMED else ""
            self._warn(
                f"{self.source}: of merged cells, only the first one has the value "
                f"({', '.join(told[:_NAMED])}{more}); unmerge them and fill each cell",
                cause=True,
            )

    def _read_header(self) -> tuple[int, tuple[str, ...]]:
        """The line of the header, 0 if there is none, and the names."""
        rows = self._sheet_rows()
        first = next(rows, None)
        if first is None:
            raise self._no_rows()
        line, names = first[0], [str(self._text(value)) for value in first[1]]
        if self._is_without_header(names):
            return 0, column_names(len(names))
        following = [
            (number, [str(value) for value in values])
            for (number, values), _ in zip(rows, range(_LOOKED_AT), strict=False)
        ]
        header = self._take_header(
            line, names, following, lambda row, column: f"cell {_place(row - 1, column - 1)}"
        )
        return line, header

    def _no_rows(self) -> DataError:
        filled = [
            f'"{name}"'
            for name in self._book.sheet_names
            if name != self._sheet.name and self._book.get_sheet_by_name(name).height
        ]
        hint = "a sheet begins with the names of columns, then a row for each text"
        if filled:
            hint = f"name one that has rows: --sheet {' or --sheet '.join(filled)}"
        which = "first sheet" if self._sheet.name == self._book.sheet_names[0] else "sheet"
        return DataError(f'{self.source}: no rows in the {which}, "{self._sheet.name}"', hint=hint)

    def _sheet_rows(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows that hold anything."""
        for line, values in enumerate(self._sheet.iter_rows(), 1):
            if any(value != "" for value in values):
                yield line, values

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        empty = set(range(len(self.header)))
        any_row = False
        for line, values in self._sheet_rows():
            if line > self._header_line:
                empty = {place for place in empty if values[place] == ""} if empty else empty
                any_row = True
                yield line, values
        for place in sorted(empty) if any_row else ():
            if (name := self.header[place]) not in self.unnamed:
                self._warn(
                    f'{self.source}: column "{name}" is empty in every row; are its cells formulas that no '
                    "spreadsheet program has calculated?",
                    cause=True,
                )

    @staticmethod
    def _text(value: Any) -> str:
        # Excel knows no integers: a cell that shows 1 holds 1.0.
        if isinstance(value, float) and value.is_integer():
            return Typed(str(int(value)), int(value))
        return cell_text(value)


def _place(row: int, column: int) -> str:
    """A cell as spreadsheets call it: rows and columns counted from 0, `E5`."""
    letters = ""
    column += 1
    while column:
        column, rest = divmod(column - 1, 26)
        letters = chr(ord("A") + rest) + letters
    return f"{letters}{row + 1}"
