"""Opening a table of predictions: as predict wrote it, whatever the tables of its task are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.files.tables.written import open_written
from labeltune.task.columns import predicted_columns

if TYPE_CHECKING:
    from labeltune.files.sources import ByteSource
    from labeltune.files.tables import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["open_predictions"]


def open_predictions(
    path: str | ByteSource, task: Task, read: ReadOptions, *, may_be_empty: bool = False
) -> Table:
    """Open a table that predict wrote; see `open_written`."""
    columns = [name for group in predicted_columns(task) for name in group]
    return open_written(path, task, read, columns, may_be_empty=may_be_empty)
