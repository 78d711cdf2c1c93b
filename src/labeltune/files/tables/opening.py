"""Which format a table has: from its name, from what was told, or from its first bytes."""

from __future__ import annotations

import os
from dataclasses import replace
from typing import TYPE_CHECKING, TypeAlias

from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.files.sources import GZIP_ENDING, ByteSource
from labeltune.files.tables.columnar import FrameTable, ParquetTable
from labeltune.files.tables.content import look
from labeltune.files.tables.delimited import CsvTable, TsvTable
from labeltune.files.tables.excel import ExcelTable
from labeltune.files.tables.json_array import JsonArrayTable, is_one_key, is_one_table, may_hold_rows
from labeltune.files.tables.json_lines import JsonLinesTable
from labeltune.files.tables.reading import Reading
from labeltune.task.read_options import NOTHING_TOLD

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from labeltune.files.tables.content import Content
    from labeltune.files.tables.table import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["FORMATS", "WORKBOOKS", "Source", "open_table"]

Source: TypeAlias = "str | os.PathLike[str] | ByteSource | pd.DataFrame"
"""What a table is opened from: a path, `-` for standard input, bytes already at hand, or a DataFrame."""

FORMATS: dict[str, tuple[Callable[[ByteSource, Reading], Table], tuple[str, ...]]] = {
    "csv": (CsvTable, (".csv", ".txt")),
    "tsv": (TsvTable, (".tsv", ".tab")),
    "jsonl": (JsonLinesTable, (".jsonl", ".ndjson")),
    "json": (JsonArrayTable, (".json",)),
    "parquet": (ParquetTable, (".parquet", ".pq")),
    "excel": (ExcelTable, (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")),
}
"""Each format that is read: what opens it, and how files of it are called."""

WORKBOOKS = FORMATS["excel"][1]


def open_table(
    source: Source,
    read: ReadOptions = NOTHING_TOLD,
    *,
    task: Task | None = None,
    may_be_empty: bool = False,
) -> Table:
    """Open a table: a path, `-` for standard input, or a DataFrame. Close it, or use it with `with`.

    `read` tells what should not be found out; what it does not say, the task's `[read]` does where it fits.
    The task also tells which columns matter: what stands in others refuses no row. One of many tables
    `may_be_empty`: JSON without rows then has no column.
    Raises `SettingsError` (no such file or format, options of another format, an extra that is missing),
    `DataError` (no header or not a usable one, bytes of another format) and `DiskError`.
    """
    reading = Reading(read, may_be_empty=may_be_empty)
    if task is not None:
        reading = replace(reading, kept=task.read, columns=task.columns)
    if not isinstance(source, str | os.PathLike | ByteSource):
        return FrameTable(source, reading)
    opened = source if isinstance(source, ByteSource) else ByteSource(source)
    try:
        return FORMATS[_format_of(opened, read.format)][0](opened, reading)
    except BaseException:
        opened.close()
        raise


def _format_of(source: ByteSource, told: str | None) -> str:
    if told is not None:
        if told not in FORMATS:
            raise SettingsError(
                f"--format {told}: no such format{did_you_mean(told, FORMATS)}",
                hint=f"known are {', '.join(FORMATS)}",
            )
        return told
    named = next((name for name, (_, endings) in FORMATS.items() if source.ending in endings), None)
    found = look(source)
    if named == "jsonl" and found.format == "jsonl" and is_one_key(_only_line(source)):
        return "json"
    if found.format is None or found.format == named:
        if found.what is None and (named not in ("parquet", "excel") or not found.is_text):
            return named or "csv"
        if found.format is not None:
            return found.format
    elif named == "json" and found.format == "jsonl":
        return "json" if is_one_table(_only_line(source)) else "jsonl"
    elif named is None:
        return found.format
    raise DataError(
        f"{source.name}: this is {found.what or 'text'}, not {named or 'a table'}",
        hint=_way_on(source, found),
    )


def _only_line(source: ByteSource) -> bytes:
    """The head, or the whole file if the head ends within a first line that may hold all rows of a table."""
    head = source.head()
    if source.is_short or b"\n" in head.strip() or not may_hold_rows(head):
        return head
    with source.open() as stream:
        return stream.read()


def _way_on(source: ByteSource, found: Content) -> str:
    if found.hint is not None:
        return found.hint
    if found.what == "gzip":
        return f"name the file {source.ending or '.csv'}{GZIP_ENDING}, or unpack it"
    if found.what is None:
        return "give --format csv"
    return "unpack or export it as CSV" if found.format is None else f"give --format {found.format}"
