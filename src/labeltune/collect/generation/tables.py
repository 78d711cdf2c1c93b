"""The two tables: texts that were kept, and those for people to look at."""

from __future__ import annotations

from itertools import count
from typing import TYPE_CHECKING

from labeltune.files.tables import write_table
from labeltune.task.columns import PROBLEM
from labeltune.task.label_cells import written_labels
from labeltune.task.provenance import SEEDS, SOURCE, SYNTHETIC, TEACHER, VERIFIED, seeds_cell

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from labeltune.collect.generation.guard import Draft
    from labeltune.task import Task

__all__ = ["CELL", "SECOND_LOOK", "WrittenRows"]

CELL = "cell"
"""What was drawn: labels, and in what the text should differ from others."""
SECOND_LOOK = "second_look"
"""The model that gave the same labels without being told them. A person's word is `VERIFIED`."""

_ADDED = (SOURCE, TEACHER, SEEDS, CELL, SECOND_LOOK, VERIFIED)


class WrittenRows:
    """Makes the rows of both tables, with the columns `own` of the training table.

    `models` are the one that wrote and the one that looked again; `names` the ids that are taken.
    """

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

    def write_kept(self, path: str, drafts: Iterable[Draft]) -> None:
        """Write the output. Raises `DiskError`."""
        write_table(path, self.header, map(self._kept, drafts))

    def write_doubtful(self, path: str, drafts: Iterable[tuple[Draft, str]]) -> None:
        """Write what people should look at, without labels, each with the reason. Raises `DiskError`."""
        write_table(path, [*self.header, PROBLEM], ([*self._doubtful(draft), why] for draft, why in drafts))

    def _kept(self, draft: Draft) -> list[str]:
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

    def _doubtful(self, draft: Draft) -> list[str]:
        # Without what was drawn, too: it says the labels.
        return self._row(draft, {TEACHER: self._models[0], SEEDS: seeds_cell(draft.request.seeds)})

    def _row(self, draft: Draft, cells: dict[str, str]) -> list[str]:
        cells |= {SOURCE: SYNTHETIC, **dict(zip(self._task.text, draft.cells, strict=True))}
        if self._task.id is not None:
            cells[self._task.id] = next(self._ids)
        return [cells.get(name, "") for name in self.header]
