"""The wrong rows that a report shows, fetched from their parts."""

from __future__ import annotations

from dataclasses import replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.reading import compared_columns, read_chosen
from labeltune.evaluation.rows import RowView, fetch_rows
from labeltune.files.tables import take_off_marks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.parts.listing import Parts
    from labeltune.evaluation.report.model import ShownRow
    from labeltune.task import ReadOptions, Task

__all__ = ["show_wrong_rows"]


def show_wrong_rows(
    chosen: Sequence[tuple[int, int]],
    parts: Parts,
    marked: Sequence[bool],
    task: Task,
    read: ReadOptions,
) -> dict[int, ShownRow]:
    """The rows at these places of these parts, which come in order, numbered from 1."""
    shown: list[ShownRow] = []
    for part, places in groupby(chosen, key=itemgetter(0)):
        with parts.open(part, task, read) as table:
            if marked[part]:
                take_off_marks(table, compared_columns(task))
            rows = [*fetch_rows(table, np.array([place for _, place in places])).values()]
            view = RowView(read_chosen(table, task, rows), table, task)
            shown += [
                replace(view.show(number, values), file=table.source)
                for number, (_, values) in enumerate(rows)
            ]
    return dict(enumerate(shown, 1))
