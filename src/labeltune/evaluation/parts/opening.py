"""Opening predictions, whether they are one file or many."""

from __future__ import annotations

from contextlib import ExitStack
from typing import TYPE_CHECKING

from labeltune.evaluation.parts.joined import JoinedTable
from labeltune.evaluation.parts.listing import no_rows, parts_of
from labeltune.evaluation.written import open_predictions

if TYPE_CHECKING:
    from labeltune.files.tables import Table
    from labeltune.task import ReadOptions, Task

__all__ = ["open_whole"]


def open_whole(path: str, task: Task, read: ReadOptions) -> Table:
    """A table of predictions; the parts of a folder or a pattern as one table. Raises as `open_table`."""
    parts = parts_of(path)
    if parts is None:
        return open_predictions(path, task, read)
    with ExitStack() as stack:
        tables = [stack.enter_context(parts.open(number, task, read)) for number in range(len(parts))]
        with_columns = [table for table in tables if table.header]
        if not with_columns:
            raise no_rows(path, parts)
        joined = JoinedTable(path, with_columns)
        joined.opened = stack.pop_all()
    return joined
