"""Rows copied into other files of the same format, as they are: byte for byte where rows are bytes."""

from __future__ import annotations

from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.files.sources import GZIP_ENDING
from labeltune.files.tables.excel import ExcelTable
from labeltune.files.tables.json_array import JsonArrayTable
from labeltune.files.tables.opening import FORMATS
from labeltune.files.tables.text_table import TextTable
from labeltune.files.tables.workbook import workbook_writer
from labeltune.files.tables.writing import WRITERS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Sequence
    from contextlib import AbstractContextManager
    from typing import TypeAlias

    from labeltune.files.sources import ByteSource
    from labeltune.files.tables.row_writer import Handle, WriteRow
    from labeltune.files.tables.table import Table

    Route: TypeAlias = Sequence[int]
    """The positions of the files that a row is copied to."""

__all__ = ["copy_raw", "copy_rows", "ending_of_copies", "ending_of_parts", "workbook_like"]

_WRITTEN_AS = {"excel": ".xlsx", "dataframe": ".csv"}


def ending_of_copies(table: Table, ending: str) -> str:
    """What names of files of copied rows end with: the table's own `ending`, if it tells the format.

    Every spreadsheet becomes an `.xlsx`, and a DataFrame a `.csv`.
    """
    if table.format in _WRITTEN_AS:
        return _WRITTEN_AS[table.format]
    known = {one for _, endings in FORMATS.values() for one in endings}
    return ending if ending in known else FORMATS[table.format][1][0]


def ending_of_parts(table: Table) -> str:
    """What files of rows of a table end with: see `ending_of_copies`; text packed as gzip stays so."""
    name = table.source.lower()
    ending = ending_of_copies(table, Path(name.removesuffix(GZIP_ENDING)).suffix)
    packed = name.endswith(GZIP_ENDING) and isinstance(table, TextTable)
    return ending + (GZIP_ENDING if packed else "")


def copy_rows(
    table: Table, source: ByteSource | None, routes: Iterable[Route], files: Sequence[Handle]
) -> None:
    """Copy each good row of a table, in order, to the files that its route names; each file gets the header.

    `source` is what the table was opened from; None for a DataFrame.

    Rows of text keep their bytes; rows of Parquet keep their types; of other tables the values are written.
    Raises `DataError` for text in an encoding that does not let its bytes be kept.
    """
    if isinstance(table, JsonArrayTable):
        table.check_reversible()
        _copy_array(table, routes, files)
    elif isinstance(table, TextTable):
        table.check_reversible()
        for file in files:
            file.write(table.header_bytes or b"")
        copy_raw(table.raw(), routes, files)
    elif source is not None and table.format == "parquet":
        _copy_parquet(source, routes, files)
    else:
        with ExitStack() as stack:
            if isinstance(table, ExcelTable):
                writes = [stack.enter_context(workbook_like(table, file)) for file in files]
            else:
                writer = WRITERS[_WRITTEN_AS[table.format]]
                writes = [stack.enter_context(writer(file, table.header)) for file in files]
            _deal((values for _, values in table), routes, writes)


def workbook_like(table: ExcelTable, file: Handle) -> AbstractContextManager[WriteRow]:
    """What writes rows into a workbook like the table: its sheet, and a header if it has one."""
    header = None if table.read.header is False else table.header
    return workbook_writer(file, header, sheet=table.sheet)


def copy_raw(raw: Iterable[tuple[int, bytes]], routes: Iterable[Route], files: Sequence[Handle]) -> None:
    """The same for rows, or records of a chat file, given as their lines and bytes."""
    _deal((content for _, content in raw), routes, [file.write for file in files])


def _deal(rows: Iterable[Any], routes: Iterable[Route], writes: Sequence[Callable[[Any], object]]) -> None:
    for route, row in zip(routes, rows, strict=False):
        for file in route:
            writes[file](row)


def _copy_array(table: JsonArrayTable, routes: Iterable[Route], files: Sequence[Handle]) -> None:
    """The rows as JSON arrays, each row the bytes that it was."""
    begin, between, end = (table.encoded(sign) for sign in ("[\n", ",\n", "\n]\n"))
    for file in files:
        file.write(table.mark)
    is_first = [True] * len(files)
    for route, (_, row) in zip(routes, table.raw(), strict=False):
        for place in route:
            files[place].write((begin if is_first[place] else between) + row)
            is_first[place] = False
    for file, empty in zip(files, is_first, strict=True):
        file.write(begin + end if empty else end)


def _copy_parquet(source: ByteSource, routes: Iterable[Route], files: Sequence[Handle]) -> None:
    import pyarrow as pa
    from pyarrow import parquet

    ahead = iter(routes)
    with parquet.ParquetFile(source.path) as whole, ExitStack() as stack:
        writers = [stack.enter_context(parquet.ParquetWriter(file, whole.schema_arrow)) for file in files]
        for batch in whole.iter_batches():
            own = list(islice(ahead, batch.num_rows))
            for position, writer in enumerate(writers):
                rows = batch.filter(pa.array([position in route for route in own]))
                if rows.num_rows:
                    writer.write_batch(rows)
