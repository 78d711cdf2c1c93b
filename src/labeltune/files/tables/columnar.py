"""Tables whose rows are not lines of text: Parquet, Excel, and pandas DataFrames in memory."""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables.cells import cell_text, row_of_text
from labeltune.files.tables.table import Table, check_header

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import pandas as pd

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.table import ReadOptions

__all__ = ["ExcelTable", "FrameTable", "ParquetTable", "needs_package"]

_BATCH = 4096


class _ValueTable(Table):
    """A table of values that become text. A row's line is its number, as the format counts rows."""

    @abstractmethod
    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        """The rows and their numbers."""

    def _rows(self) -> Iterator[tuple[int, list[str]]]:
        any_row = False
        for line, values in self._values():
            any_row = True
            try:
                row = row_of_text(values, self.header, self._text)
            except ValueError as error:
                self.reject("bad_value", line, str(error))
                continue
            yield line, row
        self._finish(any_row=any_row)

    _text = staticmethod(cell_text)


class ParquetTable(_ValueTable):
    """A Parquet file. Its first row is line 1."""

    format: ClassVar[str] = "parquet"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        super().__init__(source, source.name)
        _refuse_options(self, options)
        pyarrow = needs_package("pyarrow", self.source)
        from pyarrow import parquet

        try:
            self._file = parquet.ParquetFile(source.path)
            names = self._file.schema_arrow.names
        except (pyarrow.ArrowException, OSError, ValueError) as error:
            raise DataError(
                f"{self.source}: not a Parquet file that can be read: {error}", hint="fetch or write it again"
            ) from error
        self.header = check_header(self.source, None, names)

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        import pyarrow as pa

        line = 0
        try:
            for batch in self._file.iter_batches(_BATCH):
                for values in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    line += 1
                    yield line, values
        except (pa.ArrowException, OSError, ValueError, OverflowError) as error:
            raise DataError(
                f"{self.source}:{line + 1}: damaged in this row or soon after: {error}",
                hint="fetch or write the file again",
            ) from error

    def close(self) -> None:
        """Let go of what is open."""
        self._file.close()
        super().close()


class ExcelTable(_ValueTable):
    """The first sheet of an Excel or OpenDocument file; lines are the sheet's rows."""

    format: ClassVar[str] = "excel"

    def __init__(self, source: ByteSource, options: ReadOptions) -> None:
        super().__init__(source, source.name)
        _refuse_options(self, options)
        calamine = needs_package("python_calamine", self.source)
        try:
            book = calamine.load_workbook(str(source.path))
            sheet = book.get_sheet_by_index(0)
        except (calamine.CalamineError, OSError, IndexError, ValueError) as error:
            raise DataError(
                f"{self.source}: not an Excel file that can be read: {error}",
                hint="open it in a spreadsheet program and save it again, or export it as CSV",
            ) from error
        self._sheet = sheet
        self.warnings.append(
            f'{self.source}: read the values of sheet "{sheet.name}", without formulas and formats; '
            "dates are written as 2026-01-31"
        )
        if len(book.sheet_names) > 1:
            others = ", ".join(f'"{name}"' for name in book.sheet_names[1:])
            self.warnings.append(f"{self.source}: only the first sheet is read, not {others}")
        if getattr(sheet, "merged_cell_ranges", None):
            self.warnings.append(f"{self.source}: of merged cells, only the first one has the value")
        for line, values in self._sheet_rows():
            self._header_line = line
            self.header = check_header(self.source, line, [self._text(value) for value in values])
            return
        raise self._no_rows()

    def _no_rows(self) -> DataError:
        return DataError(
            f'{self.source}: no rows in the first sheet, "{self._sheet.name}"',
            hint="the first sheet is the one that is read: names of columns, then a row for each text",
        )

    def _sheet_rows(self) -> Iterator[tuple[int, list[Any]]]:
        """The rows that hold anything."""
        for line, values in enumerate(self._sheet.iter_rows(), 1):
            if any(value != "" for value in values):
                yield line, values

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        return (row for row in self._sheet_rows() if row[0] > self._header_line)

    @staticmethod
    def _text(value: Any) -> str:
        # Excel knows no integers: a cell that shows 1 holds 1.0.
        if isinstance(value, float) and value.is_integer():
            return str(int(value))
        return cell_text(value)


class FrameTable(_ValueTable):
    """A pandas DataFrame. Its first row is line 1; missing values are empty."""

    format: ClassVar[str] = "dataframe"

    def __init__(self, frame: pd.DataFrame) -> None:
        super().__init__(None, "DataFrame")
        self._frame = frame
        self.header = check_header(self.source, None, [str(name) for name in frame.columns])

    def _values(self) -> Iterator[tuple[int, Iterable[Any]]]:
        # Missing values differ by column type (NaN, NaT, NA); all of them say nothing.
        columns = [
            self._frame.iloc[:, index].astype(object).where(self._frame.iloc[:, index].notna(), None)
            for index in range(len(self.header))
        ]
        return enumerate(zip(*columns, strict=True), 1)


def _refuse_options(table: Table, options: ReadOptions) -> None:
    for name, value in (("--sep", options.separator), ("--encoding", options.encoding)):
        if value is not None:
            raise SettingsError(f"{table.source}: {name} is for text tables; this is {table.format}")


def needs_package(module: str, source: str) -> Any:
    """A module that the base install leaves out. Raises `SettingsError` that says how to install it."""
    from importlib import import_module

    try:
        return import_module(module)
    except ImportError as error:
        raise SettingsError(
            f"{source}: Excel and Parquet need one more package each",
            hint=f"pip install {module.replace('_', '-')}",
        ) from error
