"""What a model gets wrong: how often each combination of labels is found, and what it is taken for.

Read from a table of predictions with true labels, of which nothing but the labels is looked at.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from labeltune.collect.unseen import refuse_test_part
from labeltune.files.tables import open_table
from labeltune.task.columns import predicted_columns, require_columns
from labeltune.task.label_cells import LabelCellError, LabelReader

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import ReadOptions, Task
    from labeltune.task.labels import Labels

__all__ = ["Errors", "read_errors"]


@dataclass(slots=True)
class Errors:
    """Of each label, by field and name: in how many rows it stands, and in how many of those it was found.

    `taken_for` counts rows by what they are and what they were taken for.
    """

    rows: Counter[tuple[int, str]] = field(default_factory=Counter)
    found: Counter[tuple[int, str]] = field(default_factory=Counter)
    taken_for: Counter[tuple[Labels, Labels]] = field(default_factory=Counter)

    def recall(self, label: tuple[int, str]) -> float:
        """The share of a label's rows in which it was found; 1 where there are none."""
        return self.found[label] / self.rows[label] if self.rows[label] else 1.0


def read_errors(path: str, task: Task, read: ReadOptions) -> Errors:
    """Read a table of predictions. Raises `SettingsError` for a part that is named test: what is written to
    mend its errors would make its score better than it is; `DataError` for a table without predictions.
    """
    refuse_test_part(path, "errors")
    errors = Errors()
    with open_table(path, read, task=task) as table:
        groups = predicted_columns(task)
        require_columns(
            [column for group in groups for column in group],
            table.header,
            source=table.source,
            why="which predict writes",
        )
        reader = LabelReader(task, table.header, source=table.source, strip=table.strip)
        places = [[table.header.index(column) for column in group] for group in groups]
        for line, values in table:
            try:
                true = reader.read(values)
            except LabelCellError as error:
                table.reject(error.code, line, str(error), values)
                continue
            predicted = _predicted(task, places, values)
            for number, (own, other) in enumerate(zip(true, predicted or true, strict=True)):
                errors.rows.update((number, label) for label in own)
                errors.found.update((number, label) for label in own if predicted and label in other)
            if predicted and predicted != true:
                errors.taken_for[true, predicted] += 1
        table.raise_findings()
    return errors


def _predicted(task: Task, places: Sequence[Sequence[int]], values: Sequence[str]) -> Labels | None:
    """The predicted labels of a row; None where there was no valid answer."""
    found: list[tuple[str, ...]] = []
    for field_, own in zip(task.fields, places, strict=True):
        cells = [values[place].strip() for place in own]
        if not all(cells):
            return None
        if field_.type == "single":
            found.append((cells[0],))
        else:
            pairs = zip(field_.labels, cells, strict=True)
            found.append(tuple(label for label, cell in pairs if cell in ("1", "1.0", "True", "true")))
    return tuple(found)
