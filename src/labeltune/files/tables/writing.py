"""Tables written: whole or not at all, row by row, in the format that the file's name tells."""

from __future__ import annotations

import csv
import gzip
import io
import json
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.files.sources import GZIP_ENDING
from labeltune.files.tables.columnar import needs_package
from labeltune.files.tables.workbook import workbook_writer
from labeltune.files.writing import STANDARD_STREAM, atomic_write

if TYPE_CHECKING:
    import os
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.files.tables.row_writer import Handle, Writer, WriteRow

__all__ = ["WRITERS", "table_writer", "write_table"]

_BATCH = 4096


def write_table(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table so that `path` ends up whole or untouched; `-` is standard output, as CSV.

    The format follows from the ending (`WRITERS`), which `.gz` may follow. What is written reads back as the
    same values. Raises `SettingsError` for another ending, and `DiskError`.
    """
    with table_writer(path, header) as write:
        for row in rows:
            write(row)


@contextmanager
def table_writer(path: str | os.PathLike[str], header: Sequence[str]) -> Iterator[WriteRow]:
    """What writes the rows of a table one by one; see `write_table`."""
    name = Path(path).name.lower()
    packed = name.endswith(GZIP_ENDING)
    ending = ".csv" if name == STANDARD_STREAM else Path(name.removesuffix(GZIP_ENDING)).suffix
    if ending not in WRITERS:
        raise SettingsError(
            f"{path}: tables are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    with ExitStack() as stack:
        handle: Handle = stack.enter_context(atomic_write(path))
        if packed:  # with neither name nor time: the same rows give the same bytes
            handle = stack.enter_context(gzip.GzipFile("", "wb", fileobj=handle, mtime=0))
        yield stack.enter_context(WRITERS[ending](handle, header))


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


@contextmanager
def _json_lines(handle: Handle, header: Sequence[str]) -> Iterator[WriteRow]:
    def write(row: Sequence[str]) -> None:
        document = json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False)
        handle.write(document.encode() + b"\n")

    yield write


@contextmanager
def _parquet(handle: Handle, header: Sequence[str]) -> Iterator[WriteRow]:
    pa = needs_package("pyarrow", "the output")
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in header])
    batch: list[Sequence[str]] = []

    def flush() -> None:
        columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
        file.write_batch(pa.record_batch(columns, schema=schema))
        batch.clear()

    def write(row: Sequence[str]) -> None:
        batch.append(row)
        if len(batch) == _BATCH:
            flush()

    with parquet.ParquetWriter(handle, schema) as file:
        yield write
        if batch:
            flush()


WRITERS: dict[str, Writer] = {
    ".csv": _delimited(","),
    ".txt": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".pq": _parquet,
    ".xlsx": workbook_writer,
}
"""What writes each kind of file."""
