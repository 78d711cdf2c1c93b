"""Predictions read from a table: in blocks of many rows, or row by row where the table asks for it."""

from __future__ import annotations

import hashlib
import math
from array import array
from collections import Counter
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from labeltune.evaluation.ids import Ids
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.metrics.scores import Pairs
from labeltune.evaluation.predictions import UNNAMED_PROBLEM, Predictions
from labeltune.files.tables import FORMULA_BYTES, MarkFinder, UnusualTableError, take_off_marks
from labeltune.task.columns import (
    ANSWER,
    CONFIDENCE,
    PROBLEM,
    UNSURE,
    predicted_columns,
    probability_columns,
    require_columns,
)
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.vectors import label_matrix

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from numpy.typing import NDArray

    from labeltune.evaluation.metrics.patterns import FloatArray
    from labeltune.files.tables import Table
    from labeltune.files.tables.row_blocks import RowBlock, Written
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = [
    "block_pieces",
    "compared_columns",
    "read_blocks",
    "read_chosen",
    "read_predictions",
    "read_rows",
    "row_pieces",
]

_DIGEST_BYTES = 8
_PIECE_ROWS = 1 << 16


def compared_columns(task: Task) -> frozenset[str]:
    """The columns whose cells are compared with what stands elsewhere: ids, texts, labels and answers."""
    predicted = (name for names in predicted_columns(task) for name in names)
    return frozenset([*task.text, *task.label_columns, *predicted, ANSWER, *filter(None, [task.id])])


def read_predictions(table: Table, task: Task, *, digests: bool = True) -> Predictions:
    """Read a table that has the task's label columns and the predicted ones, without marks of spreadsheets.

    `digests` is whether those of the texts are wanted, which cost more than all the rest. Raises `DataError`
    with the lines of all cells that cannot be what they should, and for a table without rows.
    """
    found = read_blocks(table, task, digests=digests)
    return read_rows(table, task, digests=digests) if found is None else found


def read_rows(table: Table, task: Task, *, digests: bool = True) -> Predictions:
    """The same as `read_predictions`, row by row."""
    take_off_marks(table, compared_columns(task))
    reader = _Reader(task, table, digests=digests)
    for line, values in table:
        reader.add(line, values)
    return reader.finish()


def read_blocks(table: Table, task: Task, *, digests: bool = True) -> Predictions | None:
    """The same many rows at a time; None for a table that is to be read row by row: a bad one among them."""
    reader: _Reader | None = None
    try:
        for block in table.blocks():
            reader = reader or _Reader(task, table, digests=digests)
            reader.add_block(block)
    except UnusualTableError:
        return None
    return None if reader is None or reader.marks.found else reader.finish()


def block_pieces(table: Table, task: Task) -> Iterator[Predictions]:
    """The rows of a table without digests of their texts, a piece for each block: one of them is held.

    The problems of a piece are in the order in which the table has them. Raises `UnusualTableError`, perhaps
    after the last piece, for a table that `row_pieces` reads.
    """
    reader: _Reader | None = None
    for block in table.blocks():
        reader = reader or _Reader(task, table, digests=False)
        reader.add_block(block)
        if reader.marks.found:
            raise UnusualTableError
        yield reader.take()


def row_pieces(table: Table, task: Task) -> Iterator[Predictions]:
    """The same, row by row."""
    take_off_marks(table, compared_columns(task))
    reader = _Reader(task, table, digests=False)
    for line, values in table:
        reader.add(line, values)
        if reader.rows == _PIECE_ROWS:
            yield reader.take()
    if reader.rows:
        yield reader.take()


def read_chosen(table: Table, task: Task, rows: Iterable[tuple[int, Sequence[str]]]) -> Predictions:
    """Some rows of a table, with the lines that they begin on, as they were read before."""
    reader = _Reader(task, table, digests=False)
    for line, values in rows:
        reader.add(line, values)
    return reader.finish()


class _Reader:
    """Collects what rows say; equal cells are understood once, for a file has few combinations of them."""

    def __init__(self, task: Task, table: Table, *, digests: bool) -> None:
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
        self._problem = _place(header, PROBLEM)
        self._id = None if task.id is None else _place(header, task.id)
        self._texts = [header.index(column) for column in task.text] if digests else []
        self._confidence = _Shares(header, [CONFIDENCE])
        self._probabilities = _Shares(header, probability_columns(task))
        self._known: dict[tuple[object, ...], int | LabelCellError] = {}
        self._true_labels: list[Labels] = []
        self._answers: list[Labels | None] = []
        self._reasons: list[str] = []
        self._begin()
        # of blocks only
        labels = [*task.label_columns, *(name for names in predicted for name in names)]
        self._answered = [header.index(column) for column in labels]
        if self._problem is not None:
            self._answered.append(self._problem)
        compared = compared_columns(task).intersection(header).difference(labels)
        self._told = [header.index(column) for column in sorted(compared)]
        self._spellings: dict[Written, int] = {}
        self.marks = MarkFinder(name for name in header if name in compared or name in labels)
        """Of the compared cells in blocks."""

    def _begin(self) -> None:
        """Begin to collect rows; what is understood of cells stays."""
        self.rows = 0
        self._codes, self._lines = _Collected("q"), _Collected("q")
        self._digests = bytearray()
        self._ids = Ids()
        for shares in (self._confidence, self._probabilities):
            shares.begin()

    def add(self, line: int, values: Sequence[str]) -> None:
        """Take a row; reports it to the table where a cell cannot be what it should."""
        problem = "" if self._problem is None else values[self._problem]
        try:
            code = self._code((self._true.cells(values), self._pred.cells(values), problem))
            self._confidence.add(values)
            self._probabilities.add(values)
        except LabelCellError as error:
            self._table.reject(error.code, line, str(error), values)
            return
        self.rows += 1
        self._codes.extend((code,))
        self._lines.extend((line,))
        if self._id is not None:
            self._ids.append(values[self._id])
        if self._texts:
            self._digest(values[place].encode("utf-8", "replace") for place in self._texts)

    def add_block(self, block: RowBlock) -> None:
        """Take many rows. Raises `UnusualTableError` where a cell cannot be what it should."""
        spellings, rows, inverse = block.distinct(self._answered)
        codes = [
            self._spellings[written] if written in self._spellings else self._spell(written, block.row(row))
            for written, row in zip(spellings, rows.tolist(), strict=True)
        ]
        for shares in (self._confidence, self._probabilities):
            shares.add_block(block)
        self.rows += len(block)
        self._codes.add_block(np.array(codes, dtype=np.int64)[inverse])
        self._lines.add_block(block.lines)
        for place in self._told:
            if not self.marks.sure:
                self.marks.look(block.texts_beginning(place, FORMULA_BYTES))
        if self._id is not None:
            self._ids.add_block(block, self._id)
        if self._texts:
            for texts in zip(*map(block.values, self._texts), strict=True):
                self._digest(texts)

    def _spell(self, written: Written, values: Sequence[str]) -> int:
        """The number of a combination of cells that has not been written like this before."""
        true, pred = self._true.cells(values), self._pred.cells(values)
        self.marks.look((*true, *pred))
        try:
            code = self._code((true, pred, "" if self._problem is None else values[self._problem]))
        except LabelCellError as error:
            raise UnusualTableError from error
        self._spellings[written] = code
        return code

    def _digest(self, texts: Iterable[bytes]) -> None:
        self._digests += hashlib.blake2b(b"\0".join(texts), digest_size=_DIGEST_BYTES).digest()

    def _code(self, key: tuple[tuple[str, ...], tuple[str, ...], str]) -> int:
        """The number of this combination of cells. Raises `LabelCellError` for a wrong one."""
        known = self._known.get(key)
        if known is None:
            known = self._known[key] = self._understand(*key)
        if isinstance(known, LabelCellError):
            raise known
        return known

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
        """The predicted labels, and whether they are `UNSURE`; or None and the reason."""
        empty = not any(cell.strip() for cell in cells)
        if empty or problem not in ("", UNSURE):
            return None, UNNAMED_PROBLEM if problem in ("", UNSURE) else problem
        try:
            return self._pred.parse(cells), problem
        except LabelCellError as error:
            if error.code == "illegal_pair":
                return None, error.code
            raise

    def take(self) -> Predictions:
        """The rows since the last piece, which are let go."""
        piece = self._collected()
        self._begin()
        return piece

    def finish(self) -> Predictions:
        """All rows, the commonest problem first."""
        found = self._collected()
        return replace(found, problems=dict(Counter(found.problems).most_common()))

    def _collected(self) -> Predictions:
        codes = self._codes.all()
        # The combinations of cells are patterns already, but for their order and for spellings of one label.
        pairs = Pairs(
            true=label_matrix(self._task, self._true_labels),
            pred=label_matrix(self._task, self._answers),
            valid=np.array([answer is not None for answer in self._answers]),
        )
        counts = np.bincount(codes, minlength=len(self._reasons))
        patterns = find_patterns([pairs.true, pairs.pred, pairs.valid[:, None]], counts=counts)
        problems: Counter[str] = Counter()
        for reason, count in zip(self._reasons, counts.tolist(), strict=True):
            if count and reason not in ("", UNSURE):
                problems[reason] += count
        unsure = np.array([reason == UNSURE for reason in self._reasons], dtype=np.bool_)
        return Predictions(
            source=self._table.source,
            labels=self._task.labels,
            pairs=pairs[patterns.first],
            patterns=replace(patterns, inverse=patterns.inverse[codes]),
            problems=dict(problems),
            lines=self._lines.all(),
            texts=np.frombuffer(bytes(self._digests), dtype=np.int64),
            ids=None if self._id is None else self._ids,
            confidence=self._confidence.column(),
            probabilities=self._probabilities.matrix(),
            unsure=unsure[codes],
            lacks=self._probabilities.lacks,
            place=self._table.place,
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


def _place(header: Sequence[str], column: str) -> int | None:
    return header.index(column) if column in header else None


class _Collected:
    """Numbers that come a few at a time, or in blocks, which are put together at the end."""

    def __init__(self, typecode: str) -> None:
        self._few: array[Any] = array(typecode)
        self.extend = self._few.extend
        self._blocks: list[NDArray[Any]] = []

    def add_block(self, numbers: NDArray[Any]) -> None:
        self._blocks.append(numbers)

    def all(self) -> NDArray[Any]:
        return np.concatenate([np.frombuffer(self._few, dtype=self._few.typecode), *self._blocks])


class _Shares:
    """Collects columns of numbers from 0 to 1, empty cells allowed; nothing where a column is missing.

    `lacks` are the missing ones where there are others.
    """

    def __init__(self, header: Sequence[str], columns: Sequence[str]) -> None:
        self._columns = columns
        missing = tuple(column for column in columns if column not in header)
        self._positions = [] if missing else [header.index(column) for column in columns]
        self.lacks = missing if len(missing) < len(columns) else ()
        self.begin()

    def begin(self) -> None:
        """Let go of what was collected."""
        self._values = _Collected("d")

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

    def add_block(self, block: RowBlock) -> None:
        """Take the cells of many rows. Raises `UnusualTableError` where one holds another thing."""
        if self._positions:
            columns = []
            for position in self._positions:
                shares = block.numbers(position)
                if shares is None or not ((shares >= 0) & (shares <= 1) | np.isnan(shares)).all():
                    raise UnusualTableError
                columns.append(shares)
            self._values.add_block(np.column_stack(columns).ravel())

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
        return self._values.all().reshape(-1, len(self._positions))
