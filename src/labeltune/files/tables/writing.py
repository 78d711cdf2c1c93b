"""Tables written: whole or not at all, row by row, in the format that the file's name tells."""

from __future__ import annotations

import csv
import io
import json
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from labeltune.errors import SettingsError
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.tables.cells import Typed, plain_value
from labeltune.files.tables.columnar import ParquetTable
from labeltune.files.tables.packing import packed_write
from labeltune.files.tables.parquet import parquet_writer
from labeltune.files.tables.workbook import workbook_writer
from labeltune.files.writing import STANDARD_STREAM

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.tables.row_writer import Handle, Writer, WriteRow
    from labeltune.files.tables.table import Table

__all__ = ["WRITERS", "json_row", "table_writer", "write_table"]


def write_table(
    path: str | os.PathLike[str],
    header: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    like: Table | None = None,
) -> None:
    """Write a table so that `path` ends up whole or untouched; `-` is standard output, as CSV.

    The format follows from the ending (`WRITERS`), which `.gz` may follow. What is written reads back as the
    same values; formats that know types get the values that cells are the text of, and Parquet the types of
    the columns of `like`. Raises `SettingsError` for another ending, and `DiskError`.
    """
    with table_writer(path, header, like=like) as write:
        for row in rows:
            write(row)


@contextmanager
def table_writer(
    path: str | os.PathLike[str], header: Sequence[str], *, like: Table | None = None
) -> Iterator[WriteRow]:
    """What writes the rows of a table one by one; see `write_table`."""
    name = Path(path).name.lower()
    ending = ".csv" if name == STANDARD_STREAM else Path(name.removesuffix(GZIP_ENDING)).suffix
    if ending not in WRITERS:
        raise SettingsError(
            f"{path}: tables are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    with ExitStack() as stack:
        handle = stack.enter_context(packed_write(path))
        writer = WRITERS[ending]
        if writer is parquet_writer and isinstance(like, ParquetTable):
            writer = partial(parquet_writer, schema=like.schema)
        yield stack.enter_context(writer(handle, header))


def _delimited(separator: str) -> Writer:
    @contextmanager
    def writer(handle: Handle, header: Sequence[str]) -> Iterator[WriteRow]:
        text = io.TextIOWrapper(handle, "utf-8", newline="", errors="surrogateescape")
        plain = csv.writer(text, delimiter=separator, lineterminator="\n")
        # A lone "\r" ends a line for readers, yet csv leaves it unquoted where lines end with "\n".
        quoted = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)

        def write(row: Sequence[str]) -> None:
            (quoted if any("\r" in value for value in row) else plain).writerow(row)

        write(header)
        yield write
        text.detach()

    return writer


def json_row(header: Sequence[str], row: Sequence[str]) -> bytes:
    """A row as a JSON object, its values of the types that they had."""
    values = {name: _json_value(cell) for name, cell in zip(header, row, strict=True)}
    return json.dumps(values, ensure_ascii=False, default=str).encode()


def _json_value(cell: str) -> Any:
    """What a cell's text stands for, if JSON can say it."""
    if not isinstance(cell, Typed):
        return cell
    value = plain_value(cell)
    return value if isinstance(value, bool | int | float | list | dict | None) else str(cell)


@contextmanager
def _json_lines(handle: Handle, header: Sequence[str]) -> Iterator[WriteRow]:
    def write(row: Sequence[str]) -> None:
        handle.write(json_row(header, row) + b"\n")

    yield write


@contextmanager
def _json_array(handle: Handle, header: Sequence[str]) -> Iterator[WriteRow]:
    between = b"[\n"

    def write(row: Sequence[str]) -> None:
        nonlocal between
        handle.write(between + json_row(header, row))
        between = b",\n"

    yield write
    handle.write((b"" if between == b",\n" else between) + b"\n]\n")


WRITERS: dict[str, Writer] = {
    ".csv": _delimited(","),
    ".txt": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".json": _json_array,
    ".parquet": parquet_writer,
    ".pq": parquet_writer,
    ".xlsx": workbook_writer,
}
"""What writes each kind of file."""
