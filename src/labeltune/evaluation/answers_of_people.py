"""What several people said of the same texts, read from tables and joined by id or text."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from labeltune.errors import DataError, SettingsError
from labeltune.files.tables import open_table
from labeltune.prepare.infer import Wishes, propose_task
from labeltune.task import AnswerFormat, Prompt
from labeltune.task.cells import LIST_DELIMITER
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.tables import Table
    from labeltune.task import Field, ReadOptions, Task

__all__ = ["ANNOTATOR", "Answers", "By", "read_answers"]

ANNOTATOR = "annotator"
"""The column that says who labelled a row, as `import` writes it."""

By = Literal["id", "text"]
_ID = "id"
_TEXT_JOINER = "\n\n"

_Labels = tuple[tuple[str, ...] | None, ...]
"""The labels of each field; None where someone left it out."""


@dataclass(slots=True)
class Answers:
    """What each person said of each text."""

    fields: tuple[Field, ...]
    by: By
    units: list[tuple[str, str]] = field(default_factory=list)
    """the id and the text of what was labelled"""
    given: dict[str, dict[int, _Labels]] = field(default_factory=dict)
    """by person and number of the unit"""
    notes: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)

    @property
    def shared(self) -> int:
        """How many texts at least two people labelled."""
        times = [0] * len(self.units)
        for own in self.given.values():
            for unit in own:
                times[unit] += 1
        return sum(count > 1 for count in times)


def read_answers(paths: Sequence[str], task: Task | None, *, by: By | None, read: ReadOptions) -> Answers:
    """Read the answers of all people. Raises `DataError` and `SettingsError`, see `measure_agreement`."""
    with ExitStack() as stack:
        tables = [stack.enter_context(open_table(path, read, task=task)) for path in paths]
        names = _people(tables)
        task, notes = _common_task(tables, task)
        key = _key(tables, task, by)
        answers = Answers(task.fields, "text" if key is None else "id", notes=notes)
        joining = _Joining(answers, task, key)
        for table, name in zip(tables, names, strict=True):
            joining.read(table, name)
            answers.warnings += table.warnings
            notes += table.notes
    joining.finish()
    return answers


def _people(tables: Sequence[Table]) -> list[str | None]:
    """Who each table is of; None where a column says it."""
    names = [None if ANNOTATOR in table.header else Path(table.source).stem for table in tables]
    if len(tables) == 1 and names != [None]:
        raise SettingsError(
            f'{tables[0].source}: one person\'s labels, and no column "{ANNOTATOR}" that says whose',
            hint=f"name a file for each person, or one with a column {ANNOTATOR}, as import writes it",
        )
    for place, name in enumerate(names):
        if name is not None and name in names[:place]:
            first = tables[names.index(name)].source
            raise SettingsError(
                f'{first} and {tables[place].source}: two people are called "{name}"',
                hint="a person is called as their file: rename one of the two",
            )
    return names


# ------------------------------------------------------------------------------------------------ the task


def _common_task(tables: Sequence[Table], task: Task | None) -> tuple[Task, list[str]]:
    """The task, or what the tables propose together; a label stands alone there, under no other."""
    notes: list[str] = []
    if task is None:
        wishes = [Wishes(ignore=tuple(c for c in table.header if c == ANNOTATOR)) for table in tables]
        proposals = [propose_task(table, wish).task for table, wish in zip(tables, wishes, strict=True)]
        task = replace(proposals[0], fields=_merged(tables, proposals), answer=AnswerFormat("json"), id=None)
        columns = ", ".join(f'"{column}"' for column in task.label_columns)
        notes.append(f"no task file: labels are taken from {columns}, as init would")
    bare = tuple(replace(one, parent=None, children={}) for one in task.fields)
    return replace(task, fields=bare, answer=AnswerFormat("json")), notes


def _merged(tables: Sequence[Table], proposals: Sequence[Task]) -> tuple[Field, ...]:
    """The fields of all proposals with the labels of all. Raises `DataError` where they differ in columns."""
    fields = {one.name: replace(one, parent=None, children={}) for one in proposals[0].fields}
    for table, proposal in zip(tables[1:], proposals[1:], strict=True):
        for one in proposal.fields:
            known = fields.get(one.name)
            if known is None or known.columns != one.columns or known.column != one.column:
                raise DataError(
                    f"{table.source}: labels seem to stand in {', '.join(one.source_columns)}, and not so in "
                    f"{tables[0].source}",
                    hint="name a task file that says which columns hold labels: --task FILE",
                )
            fields[one.name] = _with_labels_of(known, one)
    return tuple(fields.values())


def _with_labels_of(one: Field, other: Field) -> Field:
    labels = tuple(sorted({*one.labels, *other.labels}))
    if one.columns:
        return one
    if one.type == other.type and one.delimiter == other.delimiter:
        return replace(one, labels=labels)
    joined = next((each.delimiter for each in (one, other) if each.delimiter is not None), LIST_DELIMITER)
    return replace(one, type="multi", delimiter=joined, labels=labels)


def _key(tables: Sequence[Table], task: Task, by: By | None) -> str | None:
    """The column of ids that ties answers; None for the text."""
    name = task.id or _ID
    missing = next((table.source for table in tables if name not in table.header), None)
    if by == "text":
        return None
    if by == "id" and missing is not None:
        raise SettingsError(f'{missing}: no column "{name}", by which rows are joined', hint="give --by text")
    if by not in (None, "id"):
        raise SettingsError(f"--by {by}: expected id or text")
    return name if missing is None else None


# ------------------------------------------------------------------------------------------------- joining


class _Joining:
    """Puts what people said of the same text beside each other."""

    def __init__(self, answers: Answers, task: Task, key: str | None) -> None:
        self._answers, self._task, self._key = answers, task, key
        self._numbers: dict[str, int] = {}
        self._places: list[str] = []
        self._repeated = 0

    def read(self, table: Table, name: str | None) -> None:
        """Take the answers of a table: of one person, or of those whom a column names."""
        person_at = table.header.index(ANNOTATOR) if name is None else None
        texts = [table.header.index(column) for column in self._task.text if column in table.header]
        key_at = None if self._key is None else table.header.index(self._key)
        readers = [_FieldReader(self._task, one, table) for one in self._task.fields]
        for line, values in table:
            person = name if person_at is None else values[person_at]
            if not person:
                table.reject("no_annotator", line, f'no name in column "{ANNOTATOR}"', values)
                continue
            text = _TEXT_JOINER.join(stripped for place in texts if (stripped := values[place].strip()))
            key = text if key_at is None else values[key_at].strip()
            try:
                found = tuple(reader.read(values) for reader in readers)
            except LabelCellError as error:
                table.reject(error.code, line, str(error), values)
                continue
            if key and any(labels is not None for labels in found):
                self._add(person, self._unit(key, text, f"{table.source}:{line}"), found)

    def _unit(self, key: str, text: str, place: str) -> int:
        """The number of what was labelled. Raises `DataError` where one id stands for two texts."""
        units = self._answers.units
        number = self._numbers.setdefault(key, len(units))
        if number == len(units):
            units.append((key, text))
            self._places.append(place)
        elif text != units[number][1]:
            raise DataError(
                f'{place}: {self._key} "{key}" is another text than in {self._places[number]}',
                hint="if the ids were given anew in each file, give --by text",
            )
        return number

    def _add(self, person: str, unit: int, labels: _Labels) -> None:
        own = self._answers.given.setdefault(person, {})
        if unit in own:
            self._repeated += 1
        else:
            own[unit] = labels

    def finish(self) -> None:
        """Raise `DataError` unless two people labelled one text."""
        if self._repeated:
            self._answers.warnings.append(
                f"{counted(self._repeated, 'row is', 'rows are')} another answer of one person to one text: "
                "the first one counts"
            )
        if not self._answers.shared:
            joined = "text" if self._key is None else f'column "{self._key}"'
            people = ", ".join(self._answers.given) or "nobody"
            raise DataError(
                f"no text was labelled by two people (rows are joined by {joined}, the people are {people})",
                hint="--by id or --by text says what ties their rows together",
            )


class _FieldReader:
    """Reads the labels of one field of a table's rows."""

    def __init__(self, task: Task, one: Field, table: Table) -> None:
        alone = replace(task, fields=(one,), prompt=Prompt("", "{text}"))
        self._reader = LabelReader(alone, table.header, source=table.source, strip=table.strip)

    def read(self, values: Sequence[str]) -> tuple[str, ...] | None:
        """The labels; None where nothing stands. Raises `LabelCellError` for what is no label."""
        cells = self._reader.cells(values)
        try:
            return self._reader.parse(cells)[0]
        except LabelCellError as error:
            if error.code == "no_label" or not "".join(cells).strip():
                return None
            raise
