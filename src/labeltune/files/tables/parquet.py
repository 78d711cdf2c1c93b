"""Parquet files written: with the types of the values, or those of the table that the rows are of."""

from __future__ import annotations

import json
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from labeltune.files.tables.cells import Typed
from labeltune.files.tables.values import needs_package

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables.row_writer import Handle, WriteRow

__all__ = ["parquet_writer"]

_BATCH = 4096


@contextmanager
def parquet_writer(handle: Handle, header: Sequence[str], *, schema: Any = None) -> Iterator[WriteRow]:
    """What writes the rows of a Parquet file; columns of `schema` (pyarrow's) keep the types they have there.

    The columns are held in memory until all rows are known, for the last one may be of another type.
    """
    pa = needs_package("pyarrow", "the output")
    from pyarrow import parquet

    columns: list[list[Any]] = [[] for _ in header]
    batch: list[Sequence[str]] = []
    types = [
        None if schema is None or name not in schema.names else schema.field(name).type for name in header
    ]

    def flush() -> None:
        for chunks, cells, type_ in zip(columns, zip(*batch, strict=True), types, strict=True):
            chunks.append(_array(pa, cells, type_))
        batch.clear()

    def write(row: Sequence[str]) -> None:
        batch.append(row)
        if len(batch) == _BATCH:
            flush()

    yield write
    if batch:
        flush()
    arrays = [_joined(pa, chunks) for chunks in columns]
    parquet.write_table(pa.Table.from_arrays(arrays, names=list(header)), handle)


def _array(pa: Any, cells: Sequence[str], type_: Any) -> Any:
    """Some cells of a column: their values, as far as they are of one type, else their texts."""
    values = [cell.value if isinstance(cell, Typed) else cell for cell in cells]
    if type_ is not None:
        try:
            return pa.array(values, type_)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            pass
    # Numbers and truth values beside each other would be taken for numbers.
    if len({type(value) for value in values if value is not None}) <= 1 or not any(
        isinstance(value, bool) for value in values
    ):
        try:
            return pa.array(values)
        except (pa.ArrowException, ValueError, TypeError, OverflowError):
            pass
    return pa.array([str(cell) for cell in cells], pa.string())


def _joined(pa: Any, chunks: list[Any]) -> Any:
    """The pieces of a column as one, of the type that holds all of them; an empty column is one of texts."""
    kinds = {chunk.type for chunk in chunks if not pa.types.is_null(chunk.type)}
    if not kinds:
        return pa.chunked_array([chunk.cast(pa.string()) for chunk in chunks], pa.string())
    kind = kinds.pop() if len(kinds) == 1 else pa.float64() if kinds == {pa.int64(), pa.float64()} else None
    if kind is not None:
        return pa.chunked_array([chunk.cast(kind) for chunk in chunks], kind)
    return pa.chunked_array([_texts(pa, chunk) for chunk in chunks], pa.string())


def _texts(pa: Any, chunk: Any) -> Any:
    try:
        return chunk.cast(pa.string())
    except pa.ArrowException:
        values = (
            None if value is None else json.dumps(value, ensure_ascii=False, default=str)
            for value in chunk.to_pylist()
        )
        return pa.array(list(values), pa.string())
