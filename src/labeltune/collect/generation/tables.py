"""The two tables: texts that were kept, and those for people to look at."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from labeltune.files.tables import table_writer
from labeltune.task.columns import PROBLEM
from labeltune.task.label_cells import written_labels
from labeltune.task.provenance import SEEDS, SOURCE, SYNTHETIC, TEACHER, VERIFIED, seeds_cell

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.collect.generation.guard import Draft
    from labeltune.task import Task

__all__ = ["CELL", "SECOND_LOOK", "write_tables"]

CELL = "cell"
"""What was drawn: labels, and in what the text should differ from others."""
SECOND_LOOK = "second_look"
"""The model that gave the same labels without being told them. A person's word is `VERIFIED`."""

_ADDED = (SOURCE, TEACHER, SEEDS, CELL, SECOND_LOOK, VERIFIED)


def write_tables(  # each is one thing
    outputs: Sequence[str],
    task: Task,
    own: Sequence[str],
    models: tuple[str, str],
    names: set[str],
    kept: Sequence[Draft],
    doubtful: Sequence[tuple[Draft, str]],
) -> None:
    """Write what was kept, with the columns `own` of the training table, and what is doubtful, unlabelled.

    `models` are the one that wrote and the one that looked again; `names` the ids that are taken.
    """
    rows = _Rows(task, own, models, names)
    output, review = outputs
    with (
        table_writer(review, [*rows.header, PROBLEM]) as to_review,
        table_writer(output, rows.header) as to_output,
    ):
        for draft in kept:
            to_output(rows.kept(draft))
        for draft, why in doubtful:
            to_review([*rows.doubtful(draft), why])


class _Rows:
    """Makes the rows."""

    def __init__(self, task: Task, own: Sequence[str], models: tuple[str, str], names: set[str]) -> None:
        self._task, self._models = task, models
        self.header = [
            *(name for name in own if name != PROBLEM),
            *(name for name in _ADDED if name not in own),
        ]
        self._ids = self._free(names)

    @staticmethod
    def _free(names: set[str]) -> Iterator[str]:
        return (name for name in (f"{SYNTHETIC}-{number}" for number in count(1)) if name not in names)

    def kept(self, draft: Draft) -> list[str]:
        """A row of the output."""
        labels = written_labels(self._task, draft.request.labels)
        teacher, looked = self._models
        return self._row(
            draft,
            {
                **dict(zip(self._task.label_columns, labels, strict=True)),
                TEACHER: teacher,
                SEEDS: seeds_cell(draft.request.seeds),
                CELL: draft.request.cell,
                SECOND_LOOK: looked,
                VERIFIED: "no",
            },
        )

    def doubtful(self, draft: Draft) -> list[str]:
        """A row for people: without labels, and without what was drawn, which says them."""
        return self._row(draft, {TEACHER: self._models[0], SEEDS: seeds_cell(draft.request.seeds)})

    def _row(self, draft: Draft, cells: dict[str, str]) -> list[str]:
        cells |= {SOURCE: SYNTHETIC, **dict(zip(self._task.text, draft.cells, strict=True))}
        if self._task.id is not None:
            cells[self._task.id] = next(self._ids)
        return [cells.get(name, "") for name in self.header]
