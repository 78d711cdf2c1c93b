"""Opening a table of predictions: as predict wrote it, whatever the tables of its task are like."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from labeltune.files.sources import ByteSource
from labeltune.files.tables import open_table
from labeltune.task.columns import predicted_columns

if TYPE_CHECKING:
    from labeltune.files.tables import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["open_predictions"]


def open_predictions(path: str | ByteSource, task: Task, read: ReadOptions) -> Table:
    """Open a table that predict wrote: UTF-8, with a header, quoted as CSV, whatever `[read]` says.

    A table that does not begin with the predicted columns, or is no UTF-8, was written again by something
    else, and is read as the task's other tables. Options come before both. Raises as `open_table` does.
    """
    source = path if isinstance(path, ByteSource) else ByteSource(path)
    try:
        head = source.head().decode("utf-8", "replace")
        names = [name for group in predicted_columns(task) for name in group]
        if all(name in head or name.replace('"', '""') in head for name in names):
            kept = replace(task.read, separator=None, quote="csv", header=None, sheet=None)
            if kept.encoding is not None and _is_utf8(source):
                kept = replace(kept, encoding=None)
            task = replace(task, read=kept)
    except BaseException:
        source.close()
        raise
    return open_table(source, read, task=task)


def _is_utf8(source: ByteSource) -> bool:
    with source.open() as stream:
        try:
            for line in stream:
                line.decode()
        except UnicodeDecodeError:
            return False
    return True
