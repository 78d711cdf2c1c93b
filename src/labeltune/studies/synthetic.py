"""What texts that a model wrote are worth: how varied they are, and whether a model learns from them.

Composes the local provider's training, prediction and comparison: once with the rows alone, once with the
texts beside them, measured on the same validation part.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.collect.generation.away import parts_beside
from labeltune.collect.generation.guard import NEAR
from labeltune.collect.labelled import is_labelled
from labeltune.errors import SettingsError
from labeltune.evaluation.evaluate import EvaluateOptions, evaluate
from labeltune.evaluation.metrics.paired import rows_needed
from labeltune.evaluation.metrics.variety import told_apart, variety
from labeltune.evaluation.report.model import Comparison
from labeltune.files.tables import open_table, table_writer
from labeltune.studies.baseline import baseline
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.records import MIN_EXAMPLES

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.collect.generation.generate import Generated
    from labeltune.evaluation.metrics.paired import Difference
    from labeltune.evaluation.metrics.variety import Told, Variety
    from labeltune.task import Task

__all__ = ["Look", "Proof", "find_validation", "local_base", "look_at", "prove"]


@dataclass(frozen=True, slots=True)
class Look:
    """The figures of the texts beside those of as many rows, drawn at random; `told` is how well a linear
    model tells the two apart. `covered` of `cells` pairs of labels and values of the plan have a text.
    """

    written: Variety
    rows: Variety
    told: Told | None
    near_duplicates: float
    """The share of all that was written that is nearly a row, another text, or one to keep away from."""
    covered: int
    cells: int


@dataclass(frozen=True, slots=True)
class Proof:
    """The macro-F1 of a local model on the validation part, without and with the texts, and the paired
    difference with its 95 % bootstrap interval.
    """

    base: str
    validation: str
    rows: int
    without: float
    with_texts: float
    difference: Difference
    shown: bool

    @property
    def verdict(self) -> str:
        """`gain`, `loss`, or that neither is shown."""
        if not self.shown:
            return "no gain shown"
        return "gain" if self.difference.low > 0 else "loss"

    @property
    def rows_needed(self) -> int | None:
        """How many validation rows it takes to show a difference of this size."""
        return rows_needed(self.difference, self.rows)


def look_at(done: Generated, *, seed: int) -> Look:
    """How varied the texts are that were kept, against the rows that they were written after."""
    kept, rows = [draft.text for draft in done.kept], [row.text for row in done.rows]
    # Figures of unequally many texts are not compared.
    size = min(len(kept), len(rows))
    near = sum(done.left_out.get(reason, 0) for reason in NEAR)
    drawn = {
        (draft.request.labels, name, value)
        for draft in done.kept
        for name, value in draft.request.drawn.items()
    }
    planned = sum(cell.texts > 0 for cell in done.plan.cells) * sum(map(len, done.plan.vary.values()))
    return Look(
        written=variety(kept, size, seed=seed),
        rows=variety(rows, size, seed=seed),
        told=told_apart(kept, rows, seed=seed),
        near_duplicates=near / done.texts if done.texts else 0.0,
        covered=len(drawn),
        cells=planned,
    )


def local_base() -> str:
    """The base model that a proof trains: the best that is quick and installed."""
    from labeltune.local.engines.embed.extra import is_installed

    return "embed" if is_installed() else "linear"


def prove(
    training: str,
    texts: str,
    validation: str,
    *,
    task: Task,
    base: str | None = None,
    read: ReadOptions = NOTHING_TOLD,
) -> Proof | None:
    """Train on the labelled rows of a table, and on them with the texts beside, and compare on another table.

    None where there are too few rows to train on. Nothing of it is kept but the two models. Raises what
    `baseline` and `evaluate` raise; `SettingsError` where the validation part is the training table.
    """
    base = base or local_base()
    if Path(validation).resolve() == Path(training).resolve():
        raise SettingsError(f"{validation}: is what the texts were written after", hint="give another part")
    with tempfile.TemporaryDirectory(prefix="labeltune-") as name:
        folder = Path(name)
        alone, both = str(folder / "rows.csv"), str(folder / "rows_and_texts.csv")
        count = _write(alone, [training], task, read)
        if count < MIN_EXAMPLES:
            return None
        _write(both, [training, texts], task, read)
        for table in (alone, both):
            baseline(
                table, validation, task=task, model=base, output=f"{table}.out.csv", read=read, state=folder
            )
        measured = evaluate(f"{alone}.out.csv", task, EvaluateOptions(read=read, state=folder))
        report = evaluate(
            f"{both}.out.csv",
            task,
            EvaluateOptions(compare=(f"{alone}.out.csv",), read=read, state=folder),
        )
    (comparison,) = report.comparisons
    return Proof(
        base=base,
        validation=validation,
        rows=comparison.result.rows,
        without=measured.quality.metrics[Comparison.HEADLINE],
        with_texts=report.quality.metrics[Comparison.HEADLINE],
        difference=comparison.result.differences[Comparison.HEADLINE],
        shown=comparison.shown,
    )


def _write(path: str, tables: Sequence[str], task: Task, read: ReadOptions) -> int:
    """Write what the task names of all labelled rows into one table. Returns how many they are."""
    with open_table(tables[0], read, task=task) as table:
        header = [column for column in table.header if column in task.columns]
    count = 0
    with table_writer(path, header) as write:
        for name in tables:
            # What was written here is read as it is; how the training table is read was told for that one.
            for row in _labelled(name, header, task, read if name == tables[0] else NOTHING_TOLD):
                write(row)
                count += 1
    return count


def _labelled(path: str, header: Sequence[str], task: Task, read: ReadOptions) -> Iterator[list[str]]:
    with open_table(path, read, task=task) as table:
        places = [table.header.index(column) for column in header]
        for _, values in table:
            if is_labelled(task, table.header, values):
                yield [values[place] for place in places]


def find_validation(training: str) -> str | None:
    """The table named validation, or short for it, beside the training table, if there is just one."""
    found = [path for path in parts_beside(training, (), ()) if Path(path).stem.casefold() in _VALIDATION]
    return found[0] if len(found) == 1 else None


_VALIDATION = ("validation", "valid", "val", "dev")
