"""From a table to another tool's file: the use case behind `labeltune export`."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.collect.exchange.formats import FORMATS, WRITTEN
from labeltune.collect.exchange.items import Item, Tally
from labeltune.collect.exchange.shape import ANNOTATOR
from labeltune.collect.exchange.writing import Sheet
from labeltune.errors import DataError, SettingsError, Where, did_you_mean
from labeltune.files.tables import open_table
from labeltune.files.tables.cells import plain_value
from labeltune.files.writing import STANDARD_STREAM, atomic_write, same_file, sweep_leftovers
from labeltune.prepare.infer import Wishes, propose_task
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.columns import require_columns
from labeltune.task.label_cells import LabelCellError, LabelReader

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables import Table
    from labeltune.task import Task

__all__ = ["ExportOptions", "Exported", "export_data"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """What is told about an export."""

    task: Task | None = None
    """What the columns are; by default what `init` would propose."""
    field: str | None = None
    """Which field is written, where the format has place for one."""
    read: ReadOptions = NOTHING_TOLD


@dataclass(frozen=True, slots=True)
class Exported:
    """What came of a table."""

    input: str
    output: str
    format: str
    rows: int
    lost: dict[str, int]
    notes: tuple[str, ...]
    warnings: tuple[str, ...]


def export_data(
    data: str | os.PathLike[str],
    to: str,
    output: str | os.PathLike[str] | None = None,
    options: ExportOptions | None = None,
) -> Exported:
    """Write a table as another tool reads it, whole or not at all; its labels are those of the task.

    `output` is by default the table's name with that tool's name: `data.doccano.jsonl`.
    Raises `SettingsError` for a format that is not written or has no place for several fields, `DataError`
    for rows that hold no label of the task, all of them together, and `DiskError`.
    """
    options = options or ExportOptions()
    if to not in WRITTEN:
        known = f"known are {', '.join(WRITTEN)}"
        reads = " (it is read only)" if to in FORMATS else did_you_mean(to, WRITTEN)
        raise SettingsError(f"--to {to}: no format that is written{reads}", hint=known)
    path = os.fspath(data)
    target = _default_output(path, to) if output is None else os.fspath(output)
    _protect(path, target, options.task)
    with open_table(path, options.read, task=options.task) as table:
        task, notes = _task(table, options)
        tally = Tally()
        chosen = _chosen(task, to, options.field, tally)
        rows = _Rows(table, task, chosen)
        format = FORMATS[to]
        assert format.write is not None
        if target != STANDARD_STREAM:
            sweep_leftovers(Path(target).parent)
        with atomic_write(target) as handle:
            sheet = Sheet(iter(rows), tuple(task.field(name) for name in chosen), tally)
            format.write(handle, sheet)
        return Exported(
            table.source, target, to, rows.written, dict(tally.lost),
            (*table.notes, *notes, *tally.told), tuple(table.warnings),
        )  # fmt: skip


def _task(table: Table, options: ExportOptions) -> tuple[Task, list[str]]:
    if options.task is not None:
        return options.task, []
    people = (ANNOTATOR,) if ANNOTATOR in table.header else ()
    proposal = propose_task(table, Wishes(ignore=people))
    return proposal.task, ["no task file: the columns are taken as init would", *proposal.conclusions]


def _chosen(task: Task, to: str, field: str | None, tally: Tally) -> tuple[str, ...]:
    """The names of the fields that are written."""
    names = tuple(one.name for one in task.fields)
    if field is not None:
        if field not in names:
            nearest = did_you_mean(field, names)
            raise SettingsError(
                f"--field {field}: no such field{nearest}", hint=f"the task has {', '.join(names)}"
            )
        tally.lose(f"fields besides {field}", len(names) - 1)
        return (field,)
    if len(names) > 1 and not FORMATS[to].several_fields:
        several = ", ".join(name for name in WRITTEN if FORMATS[name].several_fields)
        raise SettingsError(
            f"--to {to}: has place for one field, and the task has {len(names)}: {', '.join(names)}",
            hint=f"choose one with --field NAME, or a format that takes several: {several}",
        )
    return names


class _Rows:
    """The rows of a table as items. Bad ones are raised together when they end."""

    def __init__(self, table: Table, task: Task, fields: Sequence[str]) -> None:
        require_columns(task.text, table.header, source=table.source)
        self._table, self._task, self._fields = table, task, {*fields}
        self._labels = LabelReader(task, table.header, source=table.source, strip=table.strip)
        places = {name: place for place, name in enumerate(table.header)}
        self._texts = {name: places[name] for name in task.text}
        self._id = places.get(task.id or "id")
        self._person = places.get(ANNOTATOR)
        used = {*self._texts.values(), *(places[name] for name in task.label_columns), self._id, self._person}
        self._extra = {name: place for name, place in places.items() if place not in used}
        self.written = 0

    def __iter__(self) -> Iterator[Item]:
        for line, values in self._table:
            try:
                labels = self._labels.read(values)
            except LabelCellError as error:
                self._table.reject(error.code, line, str(error), values)
                continue
            self.written += 1
            yield self._item(line, values, labels)
        if not self.written:
            raise DataError(f"{self._table.source}: no row to export")

    def _item(self, line: int, values: Sequence[str], labels: Sequence[Sequence[str]]) -> Item:
        return Item(
            where=Where(self._table.source, line),
            texts={name: str(values[place]) for name, place in self._texts.items()},
            labels={
                field.name: tuple((label,) for label in found)
                for field, found in zip(self._task.fields, labels, strict=True)
                if field.name in self._fields
            },
            id="" if self._id is None else str(values[self._id]),
            annotator="" if self._person is None else str(values[self._person]),
            extra={name: _value(values[place]) for name, place in self._extra.items()},
        )


def _value(cell: str) -> object:
    """What a cell stands for, if it is a value that JSON knows."""
    value = plain_value(cell)
    return value if isinstance(value, str | int | float | None) else str(cell)


def _default_output(path: str, to: str) -> str:
    if path == STANDARD_STREAM:
        return STANDARD_STREAM
    name = Path(path)
    bare = name.with_suffix("") if name.suffix.lower() == ".gz" else name
    return str(bare.with_suffix(f".{to}{FORMATS[to].ending}"))


def _protect(path: str, target: str, task: Task | None) -> None:
    if target == STANDARD_STREAM:
        return
    for name in (path, None if task is None else task.source):
        if name not in (None, STANDARD_STREAM) and same_file(name, target):
            raise SettingsError(
                f"{target}: is read by this command, and an input is never overwritten",
                hint="name another output with -o",
            )
