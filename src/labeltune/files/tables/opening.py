"""Which format a table has: from its name, from what was told, or from its first bytes."""

from __future__ import annotations

import os
import re
from typing import TYPE_CHECKING, TypeAlias

from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.files.sources import GZIP_ENDING, ByteSource
from labeltune.files.tables.columnar import ExcelTable, FrameTable, ParquetTable
from labeltune.files.tables.delimited import CsvTable, TsvTable
from labeltune.files.tables.json_lines import JsonLinesTable
from labeltune.files.tables.table import ReadOptions

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from labeltune.files.tables.table import Table

__all__ = ["FORMATS", "Source", "open_table"]

Source: TypeAlias = "str | os.PathLike[str] | ByteSource | pd.DataFrame"
"""What a table is opened from: a path, `-` for standard input, bytes already at hand, or a DataFrame."""

FORMATS: dict[str, tuple[Callable[[ByteSource, ReadOptions], Table], tuple[str, ...]]] = {
    "csv": (CsvTable, (".csv", ".txt")),
    "tsv": (TsvTable, (".tsv", ".tab")),
    "jsonl": (JsonLinesTable, (".jsonl", ".ndjson")),
    "parquet": (ParquetTable, (".parquet", ".pq")),
    "excel": (ExcelTable, (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")),
}
"""Each format that is read: what opens it, and how files of it are called."""

_MAGIC = (
    (b"\x1f\x8b", "gzip", None),
    (b"PK\x03\x04", "an Excel or ZIP file", "excel"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file", "excel"),
    (b"PAR1", "Parquet", "parquet"),
    (b"BZh", "bzip2", None),
    (b"\xfd7zXZ", "xz", None),
    (b"\x28\xb5\x2f\xfd", "Zstandard", None),
    (b"%PDF", "a PDF file", None),
    (b"SQLite format 3", "an SQLite database", None),
)
_JSON_START = re.compile(rb'(?:\xef\xbb\xbf)?\s*(\{\s*["}]|\[\s*[\[{"\d\]-])')


def open_table(
    source: Source,
    *,
    format: str | None = None,
    encoding: str | None = None,
    separator: str | None = None,
) -> Table:
    """Open a table: a path, `-` for standard input, or a DataFrame. Close it, or use it with `with`.

    `format` is one of `FORMATS`, where the name does not tell; the others are for text formats.
    Raises `SettingsError` (no such file or format, an extra that is missing), `DataError` (no header or not a
    usable one, bytes of another format) and `DiskError`.
    """
    if not isinstance(source, str | os.PathLike | ByteSource):
        return FrameTable(source)
    opened = source if isinstance(source, ByteSource) else ByteSource(source)
    try:
        reader = FORMATS[_format_of(opened, format)][0]
        return reader(opened, ReadOptions(encoding, separator))
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
    looks_like, format = _content(source.head())
    if looks_like is None or named in ("parquet", "excel"):
        return named or "csv"
    if format is None or named not in (None, format):
        raise DataError(
            f"{source.name}: this is {looks_like}, not {named or 'a table'}",
            hint=_ways_on(source, looks_like, format),
        )
    return format


def _content(head: bytes) -> tuple[str | None, str | None]:
    """What the first bytes look like, if not like CSV, and the format that reads it."""
    for magic, name, format in _MAGIC:
        if head.startswith(magic):
            return name, format
    start = _JSON_START.match(head)
    if start is None:
        return None, None
    if start[1].startswith(b"["):
        return "a JSON array", None
    return "JSON", "jsonl"


def _ways_on(source: ByteSource, looks_like: str, format: str | None) -> str:
    if looks_like == "a JSON array":
        return "write one object per line and name the file .jsonl"
    if looks_like == "gzip":
        return f"name the file {source.ending or '.csv'}{GZIP_ENDING}, or unpack it"
    return "unpack or export it as CSV" if format is None else f"give --format {format}"
