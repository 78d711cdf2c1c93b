"""From answers to the two tables of `annotate`: the labelled rows, and those for people to look at."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.collect.asking import as_json_task
from labeltune.collect.labelled import is_labelled
from labeltune.errors import DataError
from labeltune.files.tables.cells import NOTHING, Typed
from labeltune.prediction.confidence import answer_confidence
from labeltune.prediction.export import outcome
from labeltune.prediction.replies import answer_of
from labeltune.task.answers import decode_answer
from labeltune.task.columns import CONFIDENCE, PROBLEM
from labeltune.task.label_cells import written_labels
from labeltune.task.provenance import ANNOTATED, SOURCE, TEACHER, is_human

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.tables import Table
    from labeltune.prediction.journal import Result
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["AnnotatedRows", "added_columns", "refuse_other_sources"]


def added_columns(task: Task, table: Table) -> list[str]:
    """The columns of the output: the table's, those of labels that it lacks, and where its labels are from.

    Raises `DataError` where some of a field's label columns are there and others are not, or the task needs
    a column that is called like one of those that are added.
    """
    for field in task.fields:
        there = [column for column in field.source_columns if column in table.header]
        if there and len(there) < len(field.source_columns):
            missing = next(column for column in field.source_columns if column not in table.header)
            raise DataError(
                f'{table.source}:1: no column "{missing}", but other labels of "{field.name}" have one',
                hint="give all columns of a field, empty ones too, or none",
            )
    provenance = (SOURCE, TEACHER, CONFIDENCE)
    taken = {*task.columns}.intersection((*provenance, PROBLEM))
    if taken:
        raise DataError(
            f'{table.source}: the task names the column "{min(taken)}", which annotate writes',
            hint="rename the column in the table and the task",
        )
    added = [column for column in (*task.label_columns, *provenance) if column not in table.header]
    return [*table.header, *added]


def refuse_other_sources(task: Task, table: Table) -> None:
    """Raise `DataError` where a row without labels holds something that its labels' provenance would replace.

    What an earlier run left there may be replaced.
    """
    places = [table.header.index(column) for column in (SOURCE, TEACHER) if column in table.header]
    if not places:
        return
    for line, values in table:
        own = next((place for place in places if values[place].strip()), None)
        is_ours = SOURCE in table.header and not is_human(values[table.header.index(SOURCE)])
        if own is not None and not is_ours and not is_labelled(task, table.header, values):
            raise DataError(
                f'{table.source}:{line}: column "{table.header[own]}" holds something, and annotate writes '
                "there where the label is from",
                hint="rename the column",
            )


class AnnotatedRows:
    """Makes the rows, and counts them."""

    def __init__(
        self,
        task: Task,
        own: Sequence[str],
        header: Sequence[str],
        model: str,
        review_below: float | None,
    ) -> None:
        self._task, self._json, self._own = task, as_json_task(task), own
        self._width, self._model, self._below = len(header), model, review_below
        self._labels = [header.index(column) for column in task.label_columns]
        self._source, self._teacher, self._confidence = (
            header.index(column) for column in (SOURCE, TEACHER, CONFIDENCE)
        )
        self.review_header = [*header, *([] if PROBLEM in header else [PROBLEM])]
        self._problem = self.review_header.index(PROBLEM)
        self.total = self.labelled = self.had_labels = self.reviewed = 0
        self.problems: Counter[str] = Counter()
        self.last_is_new = False
        """Whether the labels of the row made last are the model's."""

    def row(self, values: Sequence[str], result: Result) -> tuple[list[str], bool]:
        """A row of the input with what was answered, and whether it is for people to look at."""
        self.total += 1
        self.last_is_new = False
        row = [*values, *[NOTHING] * (self._width - len(values))]
        if is_labelled(self._task, self._own, values):
            self.had_labels += 1
            return row, False
        labels, confidence, problem = self._answer(result)
        row[self._confidence] = _shown(confidence)
        doubtful = self._below is not None and (confidence is None or confidence < self._below)
        if labels is not None and not doubtful:
            for place, cell in zip(self._labels, written_labels(self._task, labels), strict=True):
                row[place] = cell
            row[self._source], row[self._teacher] = ANNOTATED, self._model
            self.labelled += 1
            self.last_is_new = True
            return row, False
        row += [NOTHING] * (len(self.review_header) - len(row))
        row[self._problem] = problem or "unsure"
        self.reviewed += 1
        if problem:
            self.problems[problem] += 1
        return row, True

    def _answer(self, result: Result) -> tuple[Labels | None, float | None, str]:
        """What was answered, how sure, and what is wrong with it."""
        choice, _, problem = outcome(result)
        if choice is None or problem:
            return None, None, problem
        decoded = decode_answer(self._json, answer_of(choice))
        return decoded.labels, answer_confidence(choice), decoded.problem or ""


def _shown(confidence: float | None) -> str:
    if confidence is None:
        return NOTHING
    text = f"{confidence:.6g}"
    return Typed(text, float(text))
