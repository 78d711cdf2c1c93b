"""The rows that are asked about, each known by what people read of it."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TYPE_CHECKING

from labeltune.errors import DataError
from labeltune.files.tables import open_table
from labeltune.task.chat import Renderer
from labeltune.task.template import ColumnSlot

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.tables import Source
    from labeltune.task import ReadOptions, Task
    from labeltune.task.chat import Message

__all__ = ["Row", "Rows", "read_rows"]

_KEY_BYTES = 16


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its key, its line in the table, its values as they stand there, and what is shown."""

    key: str
    line: int
    values: Sequence[str]
    shown: tuple[tuple[str, str], ...]
    """Columns with their values, those that are not empty."""


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of a table that are asked about, in its order."""

    source: str
    header: tuple[str, ...]
    rows: Sequence[Row]
    renderer: Renderer
    empty: int = 0
    """Rows without a text, which are not asked about."""
    repeated: int = 0
    """Rows that say what an earlier one says, which is asked about once."""
    places: dict[str, int] = field(default_factory=dict)
    """Where the row of a key stands in `rows`."""

    def __len__(self) -> int:
        return len(self.rows)

    def messages(self, place: int) -> list[Message]:
        """What a model is asked about a row."""
        return self.renderer.messages(self.rows[place].values)


def read_rows(data: Source, task: Task, read: ReadOptions) -> Rows:
    """Read the table whole; the file is not needed afterwards.

    A row is known by the hash of its id, if the task has one, and of the columns that are shown: the text and
    what else the prompt has in it. So answers stay with their rows wherever these move. Raises what
    `open_table` and `Renderer` raise, and `DataError` if no row has a text.
    """
    with open_table(data, read, task=task) as table:
        renderer = Renderer(task, table.header, source=table.source)
        columns = _shown_columns(task)
        positions = [table.header.index(column) for column in columns]
        named = None if task.id is None or task.id not in table.header else table.header.index(task.id)
        rows: dict[str, Row] = {}
        empty = repeated = 0
        for line, values in table:
            if not renderer.text(values):
                empty += 1
                continue
            shown = [(name, values[at]) for name, at in zip(columns, positions, strict=True)]
            key = _key([values[at] for at in positions], None if named is None else values[named])
            repeated += key in rows
            rows.setdefault(key, Row(key, line, values, tuple(one for one in shown if one[1].strip())))
        header, source = tuple(table.header), table.source
    if not rows:
        raise DataError(f"{source}: no row has a text", hint="which columns hold it is said in the task")
    places = {key: place for place, key in enumerate(rows)}
    return Rows(source, header, list(rows.values()), renderer, empty, repeated, places)


def _shown_columns(task: Task) -> list[str]:
    slots = (*task.system_template, *task.user_template)
    placed = [slot.column for slot in slots if isinstance(slot, ColumnSlot)]
    return list(dict.fromkeys([*task.text, *placed]))


def _key(shown: Sequence[str], name: str | None) -> str:
    content = json.dumps([name, *shown]).encode()
    return blake2b(content, digest_size=_KEY_BYTES).hexdigest()
