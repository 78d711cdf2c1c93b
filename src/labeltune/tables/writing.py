"""Tables written: whole or not at all, row by row, in the format that the file's name tells."""

from __future__ import annotations

import csv
import gzip
import io
import json
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING

from labeltune.errors import SettingsError
from labeltune.files import STANDARD_STREAM, atomic_write
from labeltune.sources import GZIP_ENDING

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable, Sequence

    Handle = IO[bytes] | gzip.GzipFile
    Writer = Callable[[Handle, Sequence[str], Iterable[Sequence[str]]], None]

__all__ = ["WRITERS", "write_table"]

_BATCH = 4096


def write_table(path: str | os.PathLike[str], header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Write a table so that `path` ends up whole or untouched; `-` is standard output, as CSV.

    The format follows from the ending (`WRITERS`), which `.gz` may follow. What is written reads back as the
    same values. Raises `SettingsError` for another ending, and `DiskError`.
    """
    name = Path(path).name.lower()
    packed = name.endswith(GZIP_ENDING)
    ending = Path(name.removesuffix(GZIP_ENDING)).suffix
    if name == STANDARD_STREAM:
        ending = ".csv"
    if ending not in WRITERS:
        raise SettingsError(
            f"{path}: tables are not written as {ending or 'files without an ending'}",
            hint=f"known are {', '.join(WRITERS)}",
        )
    with atomic_write(path) as handle:
        if not packed:
            WRITERS[ending](handle, header, rows)
            return
        # Neither name nor time: the same rows give the same bytes.
        with gzip.GzipFile("", "wb", fileobj=handle, mtime=0) as pack:
            WRITERS[ending](pack, header, rows)


def _delimited(separator: str) -> Writer:
    def write(handle: Handle, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        text = io.TextIOWrapper(handle, "utf-8", newline="", errors="surrogateescape")
        plain = csv.writer(text, delimiter=separator, lineterminator="\n")
        # A lone "\r" ends a line for readers, yet csv leaves it unquoted where lines end with "\n".
        quoted = csv.writer(text, delimiter=separator, lineterminator="\n", quoting=csv.QUOTE_ALL)
        plain.writerow(header)
        for row in rows:
            (quoted if any("\r" in value for value in row) else plain).writerow(row)
        text.detach()

    return write


def _json_lines(handle: Handle, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    for row in rows:
        document = json.dumps(dict(zip(header, row, strict=True)), ensure_ascii=False)
        handle.write(document.encode() + b"\n")


def _parquet(handle: Handle, header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    from labeltune.tables.columnar import needs_extra

    pa = needs_extra("pyarrow", "parquet", "the output")
    from pyarrow import parquet

    schema = pa.schema([(name, pa.string()) for name in header])
    remaining = iter(rows)
    with parquet.ParquetWriter(handle, schema) as writer:
        while batch := list(islice(remaining, _BATCH)):
            columns = [pa.array(column, pa.string()) for column in zip(*batch, strict=True)]
            writer.write_batch(pa.record_batch(columns, schema=schema))


WRITERS: dict[str, Writer] = {
    ".csv": _delimited(","),
    ".txt": _delimited(","),
    ".tsv": _delimited("\t"),
    ".tab": _delimited("\t"),
    ".jsonl": _json_lines,
    ".ndjson": _json_lines,
    ".parquet": _parquet,
    ".pq": _parquet,
}
"""What writes each kind of file."""
