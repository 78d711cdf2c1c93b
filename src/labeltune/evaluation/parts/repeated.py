"""Ids that occur more than once, in whichever parts."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.evaluation.reading import compared_columns
from labeltune.files.tables import take_off_marks

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from labeltune.evaluation.parts.listing import Parts
    from labeltune.evaluation.parts.pieces import Key
    from labeltune.task import ReadOptions, Task

__all__ = ["find_repeated"]


def find_repeated(
    keys: Collection[int], key: Key, parts: Parts, marked: Sequence[bool], task: Task, read: ReadOptions
) -> list[str]:
    """The ids that occur more than once, in the order of the rows; `keys` are those of ids that may."""
    if not keys or task.id is None:
        return []
    counts: Counter[str] = Counter()
    for number, has_marks in enumerate(marked):
        with parts.open(number, task, read) as table:
            if has_marks:
                take_off_marks(table, compared_columns(task))
            if task.id in table.header:
                place = table.header.index(task.id)
                counts.update(values[place] for _, values in table if key(values[place]) in keys)
    return [name for name, count in counts.items() if count > 1]
