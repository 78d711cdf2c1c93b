"""How often people agree with a model's labels: the sheet that `annotate --sample` wrote, filled in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from labeltune.collect.sampling import correct_columns
from labeltune.errors import DataError, did_you_mean
from labeltune.evaluation.metrics.intervals import exact_interval
from labeltune.files.tables import open_table
from labeltune.task.chat import Renderer
from labeltune.task.columns import require_columns
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.provenance import ANNOTATED, SOURCE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.evaluation.metrics.intervals import Interval
    from labeltune.files.tables import Table
    from labeltune.task import Field, ReadOptions, Task
    from labeltune.task.labels import Labels

__all__ = ["Agreement", "Disagreement", "check_sample"]

NONE = ("none", "-")
"""What people write where no label of a multi field applies: an empty cell is a row that nobody looked at."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A row about which a person says something else: its line in the sheet, and both labels."""

    line: int
    text: str
    model: str
    person: str


@dataclass(frozen=True, slots=True)
class Agreement:
    """Of `checked` rows people gave `agreed` the model's labels, all of them; `unchecked` have no answer yet.

    `share` and its interval (Clopper and Pearson 1934, 95 %) are for all rows that the model labelled, of
    which the sheet is a random sample. `fields` has the same for each field alone.
    """

    checked: int
    agreed: int
    unchecked: int
    share: float
    interval: Interval
    fields: Mapping[str, tuple[int, Interval]]
    disagreements: Sequence[Disagreement]


def check_sample(annotated: str, sheet: str, *, task: Task, read: ReadOptions) -> Agreement:
    """Compare the labels that people wrote into a sheet with those in the annotated table.

    Raises `DataError` for a label that is not the task's, a text that the table does not hold, a row that is
    filled in part, and a sheet in which nothing is filled in.
    """
    known = _labels(annotated, task, read)
    checked: list[tuple[int, str, Labels, Labels]] = []
    unchecked = 0
    with open_table(sheet, read, task=task) as table:
        columns = correct_columns(task)
        require_columns(columns, table.header, source=table.source, why="which annotate --sample writes")
        places = [table.header.index(column) for column in columns]
        renderer = Renderer(task, table.header, source=table.source)
        for line, values in table:
            cells = [values[place] for place in places]
            if not any(cell.strip() for cell in cells):
                unchecked += 1
                continue
            text = renderer.text(values)
            try:
                person = tuple(
                    _read(field, cell, column)
                    for field, cell, column in zip(task.fields, cells, columns, strict=True)
                )
            except ValueError as error:
                table.reject("unknown_label", line, str(error), values)
                continue
            if text not in known:
                table.reject("other_text", line, f"{annotated} has no such text with a label", values)
                continue
            checked.append((line, text, known[text], person))
        table.raise_findings()
    if not checked:
        raise DataError(f"{sheet}: nothing is filled in", hint=f'write labels into the column "{columns[0]}"')
    return _agreement(task, checked, unchecked)


def _labels(annotated: str, task: Task, read: ReadOptions) -> dict[str, Labels]:
    """The model's labels of each text; equal texts were asked once, and have the same."""
    with open_table(annotated, read, task=task) as table:
        return _read_labels(table, task)


def _read_labels(table: Table, task: Task) -> dict[str, Labels]:
    reader = LabelReader(task, table.header, source=table.source, strip=table.strip)
    renderer = Renderer(task, table.header, source=table.source)
    known: dict[str, Labels] = {}
    source = table.header.index(SOURCE) if SOURCE in table.header else None
    for line, values in table:
        if source is not None and values[source] != ANNOTATED:
            continue
        try:
            known[renderer.text(values)] = reader.read(values)
        except LabelCellError as error:
            table.reject(error.code, line, str(error), values)
    table.raise_findings()
    return known


def _read(field: Field, cell: str, column: str) -> tuple[str, ...]:
    """The labels that a person wrote. Raises `ValueError` with a sentence."""
    bare = cell.strip()
    if not bare:
        raise ValueError(f'column "{column}" is empty, and others of the row are not')
    if bare in field.labels:
        return (bare,)
    if field.type == "single":
        raise ValueError(f'column "{column}": "{bare}" is no label{did_you_mean(bare, field.labels)}')
    if bare.casefold() in NONE:
        return ()
    found = {part.strip() for part in bare.replace("|", ",").split(",")}
    for label in found:
        if label not in field.labels:
            raise ValueError(
                f'column "{column}": "{label}" is no label{did_you_mean(label, field.labels)}; '
                'several are joined by "," or "|", and "none" says that none applies'
            )
    return tuple(label for label in field.labels if label in found)


def _agreement(task: Task, checked: Sequence[tuple[int, str, Labels, Labels]], unchecked: int) -> Agreement:
    n = len(checked)
    agreed = sum(model == person for _, _, model, person in checked)
    by_field = {
        field.name: sum(model[place] == person[place] for _, _, model, person in checked)
        for place, field in enumerate(task.fields)
    }
    return Agreement(
        checked=n,
        agreed=agreed,
        unchecked=unchecked,
        share=agreed / n,
        interval=exact_interval(agreed, n),
        fields={name: (count, exact_interval(count, n)) for name, count in by_field.items()},
        disagreements=[
            Disagreement(line, text, _shown(model), _shown(person))
            for line, text, model, person in checked
            if model != person
        ],
    )


def _shown(labels: Labels) -> str:
    return " / ".join(", ".join(found) or "none" for found in labels)
