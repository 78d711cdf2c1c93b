"""Predictions read from a table: what was true, what was answered, how sure the model was."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.metrics.patterns import Patterns, find_patterns
from labeltune.evaluation.metrics.scores import Pairs
from labeltune.task.columns import (
    ANSWER,
    CONFIDENCE,
    PROBLEM,
    predicted_columns,
    probability_columns,
    require_columns,
)
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.vectors import label_matrix

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.files.tables import Table
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["UNNAMED_PROBLEM", "Predictions", "compared_columns", "read_predictions", "require_probabilities"]

UNNAMED_PROBLEM = "unknown"
"""The problem of a row without an answer in a table that names none."""

_DIGEST_BYTES = 8


@dataclass(frozen=True, slots=True)
class Predictions:
    """One file of predictions. Arrays by row are in the order of the file."""

    source: str
    labels: tuple[str, ...]
    """(n_labels,) in task order"""
    pairs: Pairs
    """one line per pattern"""
    patterns: Patterns
    problems: Mapping[str, int]
    """how many answers were invalid for which reason, the commonest first"""
    lines: IntArray
    """(n_rows,) the line each row begins on"""
    texts: IntArray
    """(n_rows,) a digest of each row's text columns"""
    ids: tuple[str, ...] | None
    """(n_rows,) None if the task has no id column or the table lacks it"""
    confidence: FloatArray | None
    """(n_rows,) NaN where none was given; None if the table has no such column"""
    probabilities: FloatArray | None
    """(n_rows, n_labels), NaN where none was given; None if the table lacks a column of them"""
    lacks: tuple[str, ...] = ()
    """columns of probabilities that the table lacks, though it has others of them"""

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.patterns.rows

    def predicted(self, row: int) -> tuple[str, ...]:
        """The predicted labels of a row, in task order."""
        return self._named(self.pairs.pred, row)

    def true(self, row: int) -> tuple[str, ...]:
        """The true labels of a row, in task order."""
        return self._named(self.pairs.true, row)

    def _named(self, vectors: BoolArray, row: int) -> tuple[str, ...]:
        places = np.flatnonzero(vectors[self.patterns.inverse[row]])
        return tuple(self.labels[place] for place in places)

    def warnings(self) -> list[str]:
        """What should be known of the table: ids that occur more than once, probabilities left aside."""
        names = Counter(self.ids or ())
        repeated = [name for name, count in names.items() if count > 1]
        said = []
        if repeated:
            said.append(f'{len(repeated):,} ids occur more than once, such as "{repeated[0]}"')
        if self.lacks:
            said.append(
                f'the other probabilities are not used, for there is no column "{self.lacks[0]}"'
                + (f" (nor {len(self.lacks) - 1:,} more)" if len(self.lacks) > 1 else "")
            )
        return [f"{self.source}: {one}" for one in said]


def compared_columns(task: Task) -> frozenset[str]:
    """The columns whose cells are compared with what stands elsewhere: ids, texts, labels and answers."""
    predicted = (name for names in predicted_columns(task) for name in names)
    return frozenset([*task.text, *task.label_columns, *predicted, ANSWER, *filter(None, [task.id])])


def read_predictions(table: Table, task: Task) -> Predictions:
    """Read a table that has the task's label columns and the predicted ones.

    Raises `DataError` with the lines of all cells that cannot be what they should, and for a table without
    rows.
    """
    reader = _RowReader(task, table)
    for line, values in table:
        reader.add(line, values)
    return reader.finish()


def require_probabilities(predictions: Predictions, task: Task) -> FloatArray:
    """(n_rows, n_labels). Raises `DataError` where there are none."""
    probabilities = predictions.probabilities
    columns = probability_columns(task)
    if probabilities is not None and np.isnan(probabilities).any(axis=1).all():
        raise DataError(
            f'{predictions.source}: no row has a probability for every label, "{columns[0]}" and so on',
            hint="a list tells that of labels that it holds only; answers as flags tell all",
        )
    if probabilities is None:
        raise DataError(
            f'{predictions.source}: there are no probabilities: columns "{columns[0]}" and so on are needed',
            hint="labeltune predict DATA --model MODEL --probabilities writes them",
        )
    return probabilities


class _RowReader:
    """Reads rows one by one; equal cells are understood once, for a file has few combinations of them."""

    def __init__(self, task: Task, table: Table) -> None:
        self._task, self._table = task, table
        header, source = table.header, table.source
        predicted = predicted_columns(task)
        require_columns(
            [name for names in predicted for name in names],
            header,
            source=source,
            why="which predict adds",
            hint="expected is a table that `predict` wrote, with this task",
        )
        require_columns(task.text, header, source=source)
        self._true = LabelReader(task, header, source=source, strip=table.strip)
        self._pred = LabelReader(_as_predicted(task, predicted), header, source=source)
        self._problem = _pick(header, PROBLEM)
        self._id = None if task.id is None else _pick(header, task.id)
        self._texts = [header.index(column) for column in task.text]
        self._confidence = _Shares(header, [CONFIDENCE])
        self._probabilities = _Shares(header, probability_columns(task))
        self._known: dict[tuple[object, ...], int | LabelCellError] = {}
        self._true_labels: list[Labels] = []
        self._answers: list[Labels | None] = []
        self._reasons: list[str] = []
        self._codes, self._lines = array("q"), array("q")
        self._digests = bytearray()
        self._ids: list[str] = []

    def add(self, line: int, values: Sequence[str]) -> None:
        problem = self._problem(values) if self._problem else ""
        key = (self._true.cells(values), self._pred.cells(values), problem)
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._understand(*key)
        try:
            if isinstance(known, LabelCellError):
                raise known
            self._confidence.add(values)
            self._probabilities.add(values)
        except LabelCellError as error:
            self._table.reject(error.code, line, str(error), values)
            return
        self._codes.append(known)
        self._lines.append(line)
        if self._id:
            self._ids.append(self._id(values))
        text = "\0".join([values[position] for position in self._texts])
        self._digests += hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=_DIGEST_BYTES).digest()

    def _understand(self, true: tuple[str, ...], pred: tuple[str, ...], problem: str) -> int | LabelCellError:
        """The number of this combination of cells, or what is wrong with it."""
        try:
            labels = self._true.parse(true)
            answer, reason = self._answer(pred, problem)
        except LabelCellError as error:
            return error
        self._true_labels.append(labels)
        self._answers.append(answer)
        self._reasons.append(reason)
        return len(self._reasons) - 1

    def _answer(self, cells: tuple[str, ...], problem: str) -> tuple[Labels | None, str]:
        """The predicted labels, or None and the reason."""
        if problem or not any(cell.strip() for cell in cells):
            return None, problem or UNNAMED_PROBLEM
        try:
            return self._pred.parse(cells), ""
        except LabelCellError as error:
            if error.code == "illegal_pair":
                return None, error.code
            raise

    def finish(self) -> Predictions:
        codes = np.frombuffer(self._codes, dtype=np.int64)
        # The combinations of cells are patterns already, but for their order and for spellings of one label.
        pairs = Pairs(
            true=label_matrix(self._task, self._true_labels),
            pred=label_matrix(self._task, self._answers),
            valid=np.array([answer is not None for answer in self._answers]),
        )
        counts = np.bincount(codes)
        patterns = find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]], counts=counts)
        problems: Counter[str] = Counter()
        for reason, count in zip(self._reasons, counts.tolist(), strict=True):
            if reason:
                problems[reason] += count
        return Predictions(
            source=self._table.source,
            labels=self._task.labels,
            pairs=pairs[patterns.first],
            patterns=replace(patterns, inverse=patterns.inverse[codes]),
            problems=dict(problems.most_common()),
            lines=np.frombuffer(self._lines, dtype=np.int64),
            texts=np.frombuffer(bytes(self._digests), dtype=np.int64),
            ids=tuple(self._ids) if self._id else None,
            confidence=self._confidence.column(),
            probabilities=self._probabilities.matrix(),
            lacks=self._probabilities.lacks,
        )


def _as_predicted(task: Task, columns: Sequence[tuple[str, ...]]) -> Task:
    """The same task, its labels found in the predicted columns."""
    fields = tuple(
        replace(field, column=names[0], empty=None)
        if field.type == "single"
        else replace(field, columns=names, column=None, delimiter=None, yes="1", no="0")
        for field, names in zip(task.fields, columns, strict=True)
    )
    return replace(task, fields=fields)


def _pick(header: Sequence[str], column: str) -> Callable[[Sequence[str]], str] | None:
    if column not in header:
        return None
    position = header.index(column)
    return lambda values: values[position]


class _Shares:
    """Collects columns of numbers from 0 to 1, empty cells allowed; nothing where a column is missing.

    `lacks` are the missing ones where there are others.
    """

    def __init__(self, header: Sequence[str], columns: Sequence[str]) -> None:
        self._columns = columns
        missing = tuple(column for column in columns if column not in header)
        self._positions = [] if missing else [header.index(column) for column in columns]
        self.lacks = missing if len(missing) < len(columns) else ()
        self._values = array("d")

    def add(self, values: Sequence[str]) -> None:
        """Take the cells of one row. Raises `LabelCellError`."""
        cells = [values[position] for position in self._positions]
        try:
            shares = [float(cell) for cell in cells]
        except ValueError:
            shares = []
        # A comparison with NaN is false, which a sum finds among many.
        if not (shares and min(shares) >= 0 and max(shares) <= 1 and sum(shares) >= 0):
            shares = [self._share(cell, column) for cell, column in zip(cells, self._columns, strict=False)]
        self._values.extend(shares)

    @staticmethod
    def _share(cell: str, column: str) -> float:
        if not cell:
            return math.nan
        try:
            share = float(cell)
        except ValueError:
            share = math.nan
        if not 0 <= share <= 1:
            raise LabelCellError(
                "bad_number", column, f'column "{column}" holds "{cell}", expected a number from 0 to 1'
            )
        return share

    def column(self) -> FloatArray | None:
        matrix = self.matrix()
        return None if matrix is None else matrix[:, 0]

    def matrix(self) -> FloatArray | None:
        """What was collected, (n_rows, n_columns)."""
        if not self._positions:
            return None
        return np.frombuffer(self._values, dtype=np.float64).reshape(-1, len(self._positions))
