"""From a table's columns to a proposed task: what `labeltune init` does."""

from __future__ import annotations

import os
import re
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from labeltune.errors import DataError, SettingsError
from labeltune.files.sources import ByteSource
from labeltune.files.tables import ending_of_parts, open_table
from labeltune.files.writing import STANDARD_STREAM, atomic_write
from labeltune.task import (
    DEFAULT_SEPARATOR,
    NOTHING_TOLD,
    AnswerFormat,
    Field,
    Prompt,
    ReadOptions,
    Task,
    format_task,
)
from labeltune.task.cells import LIST_DELIMITER, list_items, nfc
from labeltune.task.labels import require_columns

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    import pandas as pd

    from labeltune.files.tables import Table
    from labeltune.task import Format

__all__ = ["Proposal", "Wishes", "init", "propose_task"]

MOST_LABELS = 500
"""A column of more distinct values than this is not taken for labels."""

MOST_LISTED = 20
"""A proposed prompt lists the labels if there are at most so many: each costs tokens on every row."""

MOST_VALUES = 10_000
"""Distinct values of a column that are kept: combinations of joined labels, or labels that were asked for."""

LONGEST_LABEL = 500
"""A column with a longer value, in characters, holds no labels."""

DELIMITERS = ("|", ";", ",")
_ID_NAME = re.compile(r"(?i)(.*[_ ])?(id|uuid|guid)")
_SPARE_SEPARATORS = (DEFAULT_SEPARATOR, ";", "|", " / ")


@dataclass(frozen=True, slots=True)
class Wishes:
    """What the user said, to be taken as it is; what is None or empty is found in the table."""

    text: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    id: str | None = None
    delimiter: str | None = None
    answer: Format | None = None
    none: str | None = None
    system: str | None = None
    user: str | None = None


@dataclass(frozen=True, slots=True)
class Proposal:
    """A proposed task, with what was concluded and why, and what should be looked at."""

    task: Task
    conclusions: tuple[str, ...]
    warnings: tuple[str, ...]
    ending: str = ".csv"
    """What the names of the table's parts will end with."""


@dataclass(slots=True)
class _Column:
    """What one pass over the rows shows of a column."""

    name: str
    rows: int = 0
    filled: int = 0
    characters: int = 0
    counts: Counter[str] | None = field(default_factory=Counter)
    """How often each value occurs; None once there are too many distinct ones to be labels."""
    parts: dict[str, Counter[str]] = field(default_factory=lambda: {sign: Counter() for sign in DELIMITERS})
    """For each delimiter that may still join labels here: how often each part occurs."""
    unique: bool = True

    def add(self, value: str) -> None:
        self.rows += 1
        self.filled += bool(value.strip())
        self.characters += len(value)
        for sign in list(self.parts):
            # `a || b` and `a |` are prose, not labels.
            parts = self.parts[sign]
            pieces = value.split(sign) if value else []
            parts.update(pieces)
            if len(parts) > MOST_LABELS or not all(piece.strip() for piece in pieces):
                del self.parts[sign]
        if self.counts is not None:
            self.counts[value] += 1
            self.unique = self.unique and self.counts[value] == 1
            if len(self.counts) > MOST_VALUES or len(value) > LONGEST_LABEL:
                self.counts = None

    @property
    def mean_length(self) -> float:
        return self.characters / self.filled if self.filled else 0.0

    @property
    def labels(self) -> list[str]:
        """The distinct values, without space around them and without the empty one, sorted."""
        return sorted({nfc(value.strip()) for value in self.counts or ()} - {""})

    @property
    def lists(self) -> list[str] | None:
        """The labels in a column whose cells are lists, sorted; None if they are not."""
        cells = [value for value in self.counts or () if value.strip()]
        items = [list_items(cell) for cell in cells]
        found = {nfc(label.strip()) for labels in items for label in labels or ()} - {""}
        if not found or None in items or len(found) > min(MOST_LABELS, self.filled):
            return None
        return sorted(found)

    @property
    def is_flag(self) -> bool:
        return bool(self.counts) and {value.strip() for value in self.counts or ()} <= {"0", "1"}

    @property
    def has_few_values(self) -> bool:
        """Between two and `MOST_LABELS` distinct values, each in two rows on average."""
        return 2 <= len(self.labels) <= min(MOST_LABELS, self.filled // 2)

    @property
    def delimiter(self) -> str | None:
        """What joins labels here: its parts recur in more combinations than there are parts."""
        for sign, counts in self.parts.items():
            cells = [value for value in self.counts or () if value]
            joined = sum(sign in cell for cell in cells)
            if (
                joined
                and len(counts) <= min(MOST_LABELS, self.filled // 2)
                and len(counts) < len(cells) + (sign != ",")
            ):
                return sign
        return None


def init(
    data: str | os.PathLike[str] | pd.DataFrame,
    output: str | os.PathLike[str] = "task.toml",
    *,
    wishes: Wishes | None = None,
    force: bool = False,
    read: ReadOptions = NOTHING_TOLD,
) -> Proposal:
    """Propose a task from a table and write it to `output` (`-`: standard output).

    Raises `SettingsError` if `output` exists and `force` is false, or if the wishes contradict each other,
    and `DataError` if the table is refused or shows no labels.
    """
    if os.fspath(output) != STANDARD_STREAM and os.path.lexists(output) and not force:
        raise SettingsError(
            f"{os.fspath(output)}: exists already", hint="give --force to replace it, or -o another file"
        )
    source = ByteSource(data) if isinstance(data, str | os.PathLike) else data
    with open_table(source, read) as table:
        proposal = propose_task(table, wishes or Wishes())
        proposal = replace(
            proposal,
            conclusions=(*table.notes, *proposal.conclusions),
            warnings=(*table.warnings, *proposal.warnings),
            ending=ending_of_parts(table, source if isinstance(source, ByteSource) else None),
        )
    with atomic_write(output) as handle:
        handle.write(format_task(proposal.task).encode())
    return proposal


def propose_task(table: Table, wishes: Wishes) -> Proposal:
    """Look at every row of a table, twice, and propose a task. Raises as `init` does."""
    return _Proposer(table, wishes).propose()


class _Proposer:
    def __init__(self, table: Table, wishes: Wishes) -> None:
        self.table, self.wishes = table, wishes
        self.conclusions: list[str] = []
        self.warnings: list[str] = []
        self.read = NOTHING_TOLD
        """What [read] must say beyond how the table was read."""
        named = (*wishes.text, *wishes.labels, *([wishes.id] if wishes.id else []))
        require_columns(named, table.header, source=table.source)
        self.columns = {name: _Column(name) for name in table.header}

    def propose(self) -> Proposal:
        columns = list(self.columns.values())
        for _, values in self.table:
            for column, value in zip(columns, values, strict=True):
                column.add(value)
        if not columns or not columns[0].rows:
            raise DataError(f"{self.table.source}: no rows, so there is nothing to conclude from")
        text = self.text()
        name = self.id(text)
        aside = {*text, name, *self.table.unnamed, *self.table.structured}
        fields = self.fields([column for column in columns if column.name not in aside])
        answer = self.answer(fields)
        read = self.read.over(self.table.read)
        task = Task(text, fields, self.prompt(fields, answer), answer, id=name, read=read)
        return Proposal(task, tuple(self.conclusions), tuple(self.warnings))

    def text(self) -> tuple[str, ...]:
        if self.wishes.text:
            return self.wishes.text
        taken = {*self.wishes.labels, self.wishes.id, *self.table.unnamed, *self.table.structured}
        free = [column for column in self.columns.values() if column.name not in taken]
        longest = max(free, key=lambda column: column.mean_length, default=None)
        if longest is None or not longest.filled:
            raise DataError(f"{self.table.source}: no column holds text", hint="name it with --text COLUMN")
        self.conclusions.append(
            f'text: column "{longest.name}", the longest values ({longest.mean_length:.0f} characters each)'
        )
        return (longest.name,)

    def id(self, text: tuple[str, ...]) -> str | None:
        if self.wishes.id:
            return self.wishes.id
        for column in self.columns.values():
            free = column.name not in (*text, *self.wishes.labels)
            if free and column.unique and column.filled == column.rows and _ID_NAME.fullmatch(column.name):
                self.conclusions.append(f'id: column "{column.name}", a different value in every row')
                return column.name
        return None

    def fields(self, free: list[_Column]) -> tuple[Field, ...]:
        if self.wishes.labels:
            chosen = [self.columns[name] for name in self.wishes.labels]
        else:
            chosen = [
                c
                for c in free
                if c.is_flag or c.has_few_values or c.delimiter or self.wishes.delimiter or c.lists
            ]
        flags = [column for column in chosen if column.is_flag]
        fields: list[Field] = []
        if len(flags) >= 2:
            fields.append(self.flag_field(flags))
            chosen = [column for column in chosen if not column.is_flag]
        singles: list[Field] = []
        for column in chosen:
            delimiter = self.wishes.delimiter or (LIST_DELIMITER if column.lists else column.delimiter)
            if delimiter and not column.is_flag:
                fields.append(self.delimited_field(column, delimiter))
            else:
                singles.append(self.single_field(column))
        fields += self.refined(singles)
        if not fields:
            raise DataError(
                f"{self.table.source}: no column looks like labels: neither 0 and 1, nor few distinct values",
                hint="name them with --label COLUMN",
            )
        return tuple(fields)

    def flag_field(self, flags: list[_Column]) -> Field:
        names = tuple(column.name for column in flags)
        self.conclusions.append(
            f"labels: one multi field of the {len(names)} columns that hold 0 or 1: {_listed(names)}"
        )
        for column in flags:
            if len(column.labels) == 1:
                self.warnings.append(f'column "{column.name}" holds {column.labels[0]} in every row')
        return Field("labels", "multi", names, columns=names)

    def delimited_field(self, column: _Column, delimiter: str) -> Field:
        # Counted afresh: a delimiter that was asked for may be none of ours.
        cells = self.all_values(column)
        labels = tuple(
            sorted({nfc(part.strip()) for cell in cells for part in _pieces(cell, delimiter)} - {""})
        )
        if any(label != label.strip() for cell in cells for label in _pieces(cell, delimiter)):
            self.strips(column)
        joined = "in lists" if delimiter == LIST_DELIMITER else f'joined by "{delimiter}"'
        self.conclusions.append(
            f"{column.name}: a multi field, {len(labels)} labels {joined}: {_listed(labels)}"
        )
        return Field(column.name, "multi", labels, column=column.name, delimiter=delimiter)

    def single_field(self, column: _Column) -> Field:
        values = self.all_values(column)
        labels = column.labels
        if not labels or len(labels) > MOST_VALUES:
            raise DataError(f'{self.table.source}: column "{column.name}" holds no labels')
        if column.filled < column.rows:
            self.warnings.append(
                f'column "{column.name}" is empty in {column.rows - column.filled:,} rows: they have no label'
            )
        if any(value != value.strip() for value in values if value.strip()):
            self.strips(column)
        by_fold: dict[str, list[str]] = {}
        for label in labels:
            by_fold.setdefault(re.sub(r"[\W_]+", "", label.casefold()), []).append(label)
        for alike in by_fold.values():
            if len(alike) > 1:
                self.warnings.append(f'column "{column.name}": are these one label? {_listed(alike)}')
        self.conclusions.append(f"{column.name}: a single field of {len(labels)} labels: {_listed(labels)}")
        return Field(column.name, "single", tuple(labels), column=column.name)

    def strips(self, column: _Column) -> None:
        """Space around labels is taken off by all commands: the task says so."""
        self.read = replace(self.read, strip=True)
        self.warnings.append(
            f'column "{column.name}": some labels have space around them, which is taken off: [read] strip'
        )

    def all_values(self, column: _Column) -> Iterable[str]:
        if column.counts is None:
            raise DataError(
                f'{self.table.source}: column "{column.name}" holds no labels: '
                f"more than {MOST_VALUES:,} distinct values"
            )
        return column.counts

    def refined(self, singles: list[Field]) -> list[Field]:
        """The single fields, each after the one it refines, and with the pairs that occur."""
        if len(singles) < 2:
            return singles
        positions = [self.table.header.index(field_.name) for field_ in singles]
        rows = Counter(tuple(values[position].strip() for position in positions) for _, values in self.table)
        # The coarsest first; a parent stands before its children.
        order = sorted(range(len(singles)), key=lambda index: len(singles[index].labels))
        result: list[Field] = []
        for place, lower in enumerate(order):
            field_ = singles[lower]
            for upper in reversed(order[:place]):
                pairs = {(row[upper], row[lower]) for row in rows if row[upper] and row[lower]}
                if _refines(pairs, singles[upper], field_):
                    children = {
                        label: tuple(x for x in field_.labels if (label, x) in pairs)
                        for label in singles[upper].labels
                    }
                    field_ = replace(field_, parent=singles[upper].name, children=children)
                    self.conclusions.append(f'{field_.name}: refines "{field_.parent}", {len(pairs)} pairs')
                    break
            result.append(field_)
        if all(field_.parent is None for field_ in result):
            return singles
        return result

    def answer(self, fields: Sequence[Field]) -> AnswerFormat:
        form = self.wishes.answer
        if form is None:
            form = "json" if len(fields) > 1 else "label" if fields[0].type == "single" else "list"
        if form != "list":
            return AnswerFormat(form)
        labels = [label for field_ in fields for label in field_.labels]
        free = (sign for sign in _SPARE_SEPARATORS if not any(sign.strip() in label for label in labels))
        separator = next(free, None)
        if separator is None:
            raise SettingsError(
                "the labels contain every separator that a list could use", hint="give --answer json"
            )
        bare = 0 if self.wishes.none else self.rows_without_labels(fields[0])
        if bare:
            self.warnings.append(
                f"{bare:,} rows have no label and will be left out of training, so the model never learns to "
                "answer that none applies; --none WORD keeps them, with that word as their answer"
            )
        return AnswerFormat("list", separator, self.wishes.none or "")

    def rows_without_labels(self, field_: Field) -> int:
        positions = [self.table.header.index(column) for column in field_.source_columns]
        return sum(
            all(values[position].strip() in ("", "0") for position in positions) for _, values in self.table
        )

    def prompt(self, fields: Sequence[Field], answer: AnswerFormat) -> Prompt:
        user = self.wishes.user if self.wishes.user is not None else "{text}"
        if self.wishes.system is not None:
            return Prompt(self.wishes.system, user)
        listed = sum(len(field_.labels) for field_ in fields) <= MOST_LISTED
        return Prompt(_system_message(fields, answer, listed=listed), user)


def _pieces(cell: str, delimiter: str) -> list[str]:
    """The labels that are joined in a cell."""
    return (list_items(cell) or []) if delimiter == LIST_DELIMITER else cell.split(delimiter)


def _refines(pairs: set[tuple[str, str]], upper: Field, lower: Field) -> bool:
    """Whether the lower field's labels stand under the upper's: nearly each of them under one only."""
    shared = len(pairs) - len(lower.labels)
    return len(lower.labels) > len(upper.labels) and 0 <= shared <= len(lower.labels) // 4


def _system_message(fields: Sequence[Field], answer: AnswerFormat, *, listed: bool) -> str:
    if answer.format == "label":
        return "Classify the text. Answer with one label alone" + (", out of {labels}." if listed else ".")
    if answer.format == "list":
        none = f" If none applies, answer {_escaped(answer.none)}." if answer.none else ""
        signs = {",": "commas", ";": "semicolons"}.get(answer.separator, f'"{answer.separator.strip()}"')
        of = ", out of {labels}" if listed else ""
        return f"Label the text. Answer with the labels that apply, joined by {signs}{of}.{none}"
    if answer.format == "flags":
        return (
            "Say of each label whether it applies to the text. Answer with a JSON object of true and false."
        )
    keys = [
        f'"{_escaped(field_.name)}"'
        + (f" (one of {{labels:{field_.name}}})" if listed and field_.type == "single" else "")
        + (f" (a list, out of {{labels:{field_.name}}})" if listed and field_.type == "multi" else "")
        for field_ in fields
    ]
    joined = keys[0] if len(keys) == 1 else f"{', '.join(keys[:-1])} and {keys[-1]}"
    return f"Classify the text. Answer with a JSON object with {joined}."


def _escaped(text: str) -> str:
    return text.replace("{", "{{").replace("}", "}}")


def _listed(values: Sequence[str], most: int = 6) -> str:
    shown = ", ".join(values[:most])
    return f"{shown}, …" if len(values) > most else shown
