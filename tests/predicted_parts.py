"""Folders of predictions, as `predict` might have written them, of tasks of every kind."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import tasks
from labeltune.files.tables import write_table
from labeltune.files.tables.cells import Typed
from labeltune.task.columns import added_columns, predicted_columns

if TYPE_CHECKING:
    import random
    from collections.abc import Sequence
    from pathlib import Path

    from labeltune.task import Task

__all__ = ["CASES", "ENDINGS", "Case", "write_parts"]

ENDINGS = ("csv", "jsonl", "parquet", "tsv", "csv.gz", "json")
Row = list[str]


@dataclass(frozen=True)
class Case:
    """A task, and how a row of its predictions is made of random numbers."""

    task: Task
    probabilities: bool

    @property
    def header(self) -> list[str]:
        task = self.task
        columns = [*task.text, *([] if task.id is None else [task.id]), *task.label_columns]
        return [*columns, *added_columns(task, probabilities=self.probabilities)]

    def row(self, number: int, chance: random.Random) -> Row:
        task, cells = self.task, {}
        cells[task.text[0]] = f'text {number}, said "so"' + ("\nand more" if number % 50 == 7 else "")
        if task.id is not None:
            cells[task.id] = f"r{number}"
        above = {"true": "", "pred": ""}
        for field, columns in zip(task.fields, predicted_columns(task), strict=True):
            for which, place in (("true", 0), ("pred", 1)):
                labels: Sequence[str] = field.labels
                if field.parent is not None:
                    labels = field.children[above[which]]
                wanted = [label for label in field.labels if chance.random() < 0.4]
                single = chance.choice(list(labels))
                above[which] = single
                if field.type == "single":
                    cells[(field.column or "", columns[0])[place]] = single
                elif place == 0 and field.column is not None:
                    cells[field.column] = (field.delimiter or ",").join(wanted)
                else:
                    names = (field.columns, columns)[place]
                    cells |= {
                        name: str(int(label in wanted))
                        for name, label in zip(names, field.labels, strict=True)
                    }
        sure = f"{chance.random():.6g}"
        cells |= {"answer": "answer", "problem": "", "confidence": sure}
        if self.probabilities:
            cells |= {f"probability_{label}": f"{chance.random():.6g}" for label in task.labels}
        if number % 17 == 3:
            cells |= {name: "" for names in predicted_columns(task) for name in names}
            cells |= {"problem": chance.choice(["off_list", "truncated", "refused"]), "confidence": ""}
        elif number % 23 == 5 and task.fields[0].type == "single":
            cells["problem"] = "unsure"
        return [cells[name] for name in self.header]


CASES = {
    "single": Case(tasks.INTENT, probabilities=True),
    "multi": Case(tasks.TOXIC, probabilities=True),
    "multi, one column": Case(tasks.EMOTION, probabilities=False),
    "two levels": Case(tasks.INQUIRY, probabilities=False),
}


def typed(row: Row) -> list[str]:
    """Numbers as numbers, for formats that have such."""
    return [Typed(cell, float(cell)) if cell.startswith("0.") else cell for cell in row]


def write_parts(folder: Path, case: Case, rows: Sequence[Row], *, parts: int = 12) -> Path:
    folder.mkdir()
    for number in range(parts):
        mine = rows[number * len(rows) // parts : (number + 1) * len(rows) // parts]
        order = list(range(len(case.header)))
        if number % 5 == 4:  # the columns in another order
            order.reverse()
        write_table(
            folder / f"part-{number:03}.{ENDINGS[number % len(ENDINGS)]}",
            [case.header[place] for place in order],
            [typed([row[place] for place in order]) for row in mine],
        )
    (folder / "_SUCCESS").touch()
    (folder / "_labeltune.json").write_text("{}")
    return folder
