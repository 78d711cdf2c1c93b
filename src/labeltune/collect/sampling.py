"""A sheet for people: rows that a model labelled, drawn at random, to be labelled again without seeing it."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING

from labeltune.files.tables import write_table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import Task

__all__ = ["Sample", "correct_columns"]


def correct_columns(task: Task) -> list[str]:
    """Where people write the labels: `correct_label`, or `correct_FIELD` for each of several fields."""
    if len(task.fields) == 1:
        return ["correct_label"]
    return [f"correct_{field.name}" for field in task.fields]


class Sample:
    """Draws so many of the rows that are offered, each as likely as any other (Vitter 1985, algorithm R)."""

    def __init__(self, task: Task, header: Sequence[str], size: int, *, seed: int) -> None:
        self._task, self._size = task, size
        # Neither the model's labels nor how sure it was: who sees an answer agrees with it too easily.
        self._shown = [column for column in (task.id, *task.text) if column is not None and column in header]
        self._places = [header.index(column) for column in self._shown]
        self._random = random.Random(seed)  # noqa: S311  # not for secrets
        self._offered = 0
        self._drawn: list[tuple[int, list[str]]] = []

    def offer(self, values: Sequence[str]) -> None:
        """A row that the model labelled."""
        place = self._offered
        self._offered += 1
        if place >= self._size:
            place = self._random.randrange(self._offered)
        if place >= self._size:
            return
        row = (self._offered, [values[column] for column in self._places])
        self._drawn[place : place + 1] = [row]

    def write(self, path: str) -> str | None:
        """Write the sheet, in the order of the table. Returns its path, or None if nothing was drawn."""
        if not self._drawn:
            return None
        empty = [""] * len(self._task.fields)
        rows = ([*row, *empty] for _, row in sorted(self._drawn))
        write_table(path, [*self._shown, *correct_columns(self._task)], rows)
        return path
