"""Opening tables that labeltune wrote: as it writes them, whatever the tables of their task are like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labeltune.files.sources import ByteSource
from labeltune.files.tables.opening import open_table

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.files.tables.table import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["open_written"]


def open_written(
    path: str | ByteSource,
    task: Task,
    read: ReadOptions,
    columns: Iterable[str],
    *,
    may_be_empty: bool = False,
) -> Table:
    """Open a table that labeltune wrote: UTF-8, with a header, quoted as CSV, whatever `[read]` says.

    `columns` are those that it is known by. A table that does not begin with them, or is no UTF-8, was
    written by something else, and is read as the task's other tables. Options come before both. Raises as
    `open_table` does.
    """
    source = path if isinstance(path, ByteSource) else ByteSource(path)
    try:
        head = source.head().decode("utf-8", "replace")
        if all(name in head or name.replace('"', '""') in head for name in columns):
            kept = replace(task.read, separator=None, quote="csv", header=None, sheet=None)
            if kept.encoding is not None and _is_utf8(source):
                kept = replace(kept, encoding=None)
            task = replace(task, read=kept)
    except BaseException:
        source.close()
        raise
    return open_table(source, read, task=task, may_be_empty=may_be_empty)


def _is_utf8(source: ByteSource) -> bool:
    with source.open() as stream:
        try:
            for line in stream:
                line.decode()
        except UnicodeDecodeError:
            return False
    return True
