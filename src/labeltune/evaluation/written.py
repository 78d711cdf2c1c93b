"""Opening a table of predictions: as predict wrote it, whatever the tables of its task are like."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.files.tables.written import open_written
from labeltune.task.columns import predicted_columns

if TYPE_CHECKING:
    from labeltune.files.tables import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["open_predictions"]


def open_predictions(path: str, task: Task, read: ReadOptions) -> Table:
    """Open a table that predict wrote; see `open_written`."""
    return open_written(path, task, read, [name for group in predicted_columns(task) for name in group])
