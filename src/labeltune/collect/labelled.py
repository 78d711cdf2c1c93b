"""Labelled rows of a table, in memory: examples for a prompt, seeds of new texts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.collect.unseen import is_test_part, part_column, refuse_test_part
from labeltune.errors import DataError
from labeltune.files.tables import open_table
from labeltune.task.chat import Renderer
from labeltune.task.columns import require_columns
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.provenance import SOURCE, VERIFIED, is_human, is_synthetic

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.files.tables import Source, Table
    from labeltune.task import ReadOptions, Task
    from labeltune.task.labels import Labels

__all__ = ["MOST", "Labelled", "balanced", "is_labelled", "read_labelled"]

MOST = 5_000
"""More examples than these are not looked through for each row: some are drawn, the rare labels first."""


@dataclass(frozen=True, slots=True)
class Labelled:
    """A row with its labels: what it is called (its id, else its line), its text, its user message."""

    name: str
    line: int
    text: str
    user: str
    labels: Labels


def is_labelled(task: Task, header: Sequence[str], values: Sequence[str]) -> bool:
    """Whether any label column of a row holds something."""
    return any(values[header.index(column)].strip() for column in task.label_columns if column in header)


def read_labelled(
    source: Source,
    task: Task,
    read: ReadOptions,
    *,
    what: str,
    required: bool = True,
    by_models: bool = False,
) -> list[Labelled]:
    """The labelled rows of a table that have a text; `what` says for messages what they are for.

    Rows that a model wrote are passed over, and, without `by_models`, those that one labelled, unless a
    person vouches for them: nothing is learned from one's own answers.
    Without `required` a table may lack the label columns: it has no labelled rows then. Raises
    `SettingsError` for a part that is named test, `DataError` for such rows in a column `part` or `split`,
    for labels that are not the task's, and, if `required`, where no row is labelled.
    """
    refuse_test_part(source, what)
    with open_table(source, read, task=task) as table:
        if required:
            require_columns(task.label_columns, table.header, source=table.source)
        elif not {*task.label_columns} <= {*table.header}:
            return []
        found = _rows(table, task, what, by_models=by_models)
    if required and not found:
        raise DataError(f"{table.source}: no row has a label, and {what} need one", hint="label a few rows")
    return found


def _rows(table: Table, task: Task, what: str, *, by_models: bool) -> list[Labelled]:
    reader = LabelReader(task, table.header, source=table.source, strip=table.strip)
    renderer = Renderer(task, table.header, source=table.source)
    part = part_column(table.header)
    trusted = _trust(table.header, by_models=by_models)
    named = table.header.index(task.id) if task.id in table.header else None
    found = []
    for line, values in table:
        if not is_labelled(task, table.header, values) or not renderer.text(values):
            continue
        if not trusted(values):
            continue
        if part is not None and is_test_part(values[part]):
            said = f'is of the part "{values[part]}", and {what} are never taken from one that is named test'
            table.reject("test_row", line, said, values)
            continue
        try:
            labels = reader.read(values)
        except LabelCellError as error:
            table.reject(error.code, line, str(error), values)
            continue
        name = str(line) if named is None else values[named]
        user = renderer.messages(values)[-1]["content"]
        found.append(Labelled(name, line, renderer.text(values), user, labels))
    table.raise_findings()
    return found


def _trust(header: Sequence[str], *, by_models: bool) -> Callable[[Sequence[str]], bool]:
    """Tells of a row's values whether people vouch for it; with `by_models` its text alone need be theirs."""
    if SOURCE not in header:
        return lambda _: True
    source = header.index(SOURCE)
    seen = header.index(VERIFIED) if VERIFIED in header else None

    def trusted(values: Sequence[str]) -> bool:
        if by_models and not is_synthetic(values[source]):
            return True
        return is_human(values[source], "" if seen is None else values[seen])

    return trusted


def balanced(rows: Sequence[Labelled], most: int, *, seed: int) -> list[Labelled]:
    """At most so many of the rows, drawn so that each combination of labels has as many as any other where
    there are enough; in the order they had.
    """
    if len(rows) <= most:
        return list(rows)
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)  # noqa: S311  # not for secrets
    seen: dict[Labels, int] = {}
    turns: list[tuple[int, int, int]] = []
    for place in order:
        turn = seen[rows[place].labels] = seen.get(rows[place].labels, 0) + 1
        turns.append((turn, len(turns), place))
    return [rows[place] for place in sorted(place for _, _, place in sorted(turns)[:most])]
