"""Corrections that people made, put into the table that they are about: the use case of `labeltune merge`."""

from __future__ import annotations

from collections import Counter
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from labeltune.errors import ConflictError, DataError, Finding, SettingsError, Where
from labeltune.files.sources import GZIP_ENDING, ByteSource
from labeltune.files.tables import open_table, take_off_marks
from labeltune.files.tables.editing import write_edited
from labeltune.files.tables.opening import WORKBOOKS
from labeltune.files.tables.packing import packed_write
from labeltune.files.tables.written import open_written
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.chat import Renderer
from labeltune.task.columns import PROBLEM, require_columns
from labeltune.task.corrections import LINE, PATH_SIGN, correction_columns, questions_of
from labeltune.task.label_cells import LabelCellError, LabelReader, written_labels
from labeltune.task.provenance import VERIFIED, is_verified

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from labeltune.files.tables import Table
    from labeltune.task import Task
    from labeltune.task.corrections import Path as Answer
    from labeltune.task.corrections import Question
    from labeltune.task.labels import Labels

__all__ = ["Change", "Merged", "merge"]

_YES = "yes"


@dataclass(frozen=True, slots=True)
class Change:
    """So many rows in which a label came in the place of another.

    Of a multi field labels come (`before` is None) and go (`after` is None) one by one.
    """

    before: str | None
    after: str | None
    count: int


@dataclass(frozen=True, slots=True)
class Merged:
    """What came of it: rows of the table, and what was done with the rows of the corrections.

    `changed` rows of the table have other labels now, `confirmed` ones had those labels already, `added` came
    from the corrections. `empty` corrections say nothing, `not_found` ones stand on these lines and are about
    no row of the table. `joined_by` is `line`, the name of the id column, or `text`.
    """

    output: str
    joined_by: str
    rows: int
    changed: int
    confirmed: int
    added: int
    empty: int
    not_found: tuple[int, ...]
    changes: tuple[Change, ...]
    warnings: tuple[str, ...] = ()


@dataclass(slots=True)
class _Correction:
    """A row of the corrections that says something."""

    line: int
    values: list[str]
    text: str
    answers: list[Answer | None]
    """By question; None for one that nobody has answered."""
    twins: list[_Correction] = field(default_factory=list)
    """Those that say the same of the same row."""
    used: bool = False

    def use(self) -> None:
        """It was about a row of the table."""
        for one in (self, *self.twins):
            one.used = True


def merge(
    corrections: str,
    data: str,
    task: Task,
    *,
    output: str,
    append: bool = True,
    read: ReadOptions = NOTHING_TOLD,
) -> Merged:
    """Write the table `data` with the labels that `corrections` says, every other byte as it was.

    Corrections are the cells of `correction_columns`, or without those columns the table's own label columns;
    an empty cell says nothing. A table of suspects is joined by line, others by the task's id or by the text.
    With `append`, corrected rows that the table lacks are added to it, unless they were joined by line.

    Raises `DataError` with every correction that is no label, or where two contradict each other;
    `ConflictError` if rows of the table are not those that were corrected; `SettingsError` and `DiskError`.
    """
    _check_paths(corrections, data, output)
    with ExitStack() as stack:
        told = stack.enter_context(open_written(corrections, task, NOTHING_TOLD, correction_columns(task)))
        if PROBLEM in told.header:  # of predictions, which may have been made safe for spreadsheets
            take_off_marks(told, {*task.columns, *correction_columns(task)})
        source = ByteSource(data)
        stack.callback(source.close)
        table, again = (stack.enter_context(open_table(source, read, task=task)) for _ in range(2))
        said = _Said(task, told)
        merger = _Merger(task, said, table)
        merger.look()
        added = merger.add_missing() if append else []
        write_edited(table, again, output, packed_write, merger.changes, added)
    return Merged(
        output=output,
        joined_by=said.joined_by(table.header),
        rows=merger.rows,
        changed=merger.changed,
        confirmed=merger.confirmed,
        added=len(added),
        empty=said.empty,
        not_found=tuple(one.line for one in said.rows if not one.used),
        changes=tuple(Change(*pair, count) for pair, count in merger.counts.most_common()),
        warnings=(*told.warnings, *table.warnings),
    )


def _check_paths(corrections: str, data: str, output: str) -> None:
    if STANDARD_STREAM in (data, output):
        raise SettingsError("merge puts a table into a table: neither is standard input or output")
    for path in (corrections, data):
        if same_file(path, output):
            raise SettingsError(f"{output}: is an input, which is never overwritten", hint="name another")
    ending, own = (_ending(path) for path in (data, output))
    if own != ending and not (own == ".xlsx" and ending in WORKBOOKS):
        raise SettingsError(f"{output}: the table stays what {data} is: expected a name with {ending}")


def _ending(path: str) -> str:
    return Path(path.lower().removesuffix(GZIP_ENDING)).suffix


# ------------------------------------------------------------------------------------------- what people said


class _Said:
    """The rows of the corrections that say something.

    Raises `DataError` where labels are none of the task's, or rows contradict each other.
    """

    def __init__(self, task: Task, told: Table) -> None:
        self._task, self._told = task, told
        self.questions = questions_of(task)
        self.header = told.header
        self.source = told.source
        self.text_of = Renderer(task, told.header, source=told.source).text
        self._columns = [question.column("correct") for question in self.questions]
        self._in_columns = any(column in told.header for column in self._columns)
        if not self._in_columns:
            names = ", ".join(f'"{column}"' for column in self._columns)
            require_columns(
                task.label_columns,
                told.header,
                source=told.source,
                why=f"and neither {names}: there is nothing to put in",
            )
        has_labels = all(column in told.header for column in task.label_columns)
        self.labels = (
            LabelReader(task, told.header, source=told.source, strip=told.strip) if has_labels else None
        )
        self.empty = 0
        self.rows = self._read()

    def joined_by(self, header: Sequence[str]) -> str:
        """What tells which row of a table with this header a correction is about."""
        given = [question.column("given") for question in self.questions]
        if all(column in self.header for column in (LINE, *given)):
            return LINE
        name = self._task.id
        return name if name is not None and name in header and name in self.header else "text"

    def _read(self) -> list[_Correction]:
        found: list[_Correction] = []
        for line, values in self._told:
            try:
                answers = self._answers(values)
            except LabelCellError as error:
                self._told.reject(error.code, line, f'column "{error.column}": {error}', values)
                continue
            if all(answer is None for answer in answers):
                self.empty += 1
            else:
                found.append(_Correction(line, list(values), self.text_of(values), answers))
        self._told.raise_findings()
        return found

    def _answers(self, values: Sequence[str]) -> list[Answer | None]:
        if self._in_columns:
            return [
                question.read(values[self.header.index(column)], column) if column in self.header else None
                for question, column in zip(self.questions, self._columns, strict=True)
            ]
        assert self.labels is not None  # its columns were required
        if not any(cell.strip() for cell in self.labels.cells(values)):
            return [None] * len(self.questions)
        labels = self.labels.read(values)
        return [question.of(labels) for question in self.questions]

    def cells_before(self, one: _Correction) -> tuple[str, ...] | None:
        """The label cells of the row when it was corrected, where the corrections have them beside."""
        return self.labels.cells(one.values) if self._in_columns and self.labels is not None else None

    def keyed(self, key: Callable[[_Correction], object]) -> dict[object, _Correction]:
        """The corrections by what they are joined by; the same one twice counts once."""
        found: dict[object, _Correction] = {}
        findings = []
        for one in self.rows:
            first = found.setdefault(key(one), one)
            if first.answers != one.answers:
                message = f"says other labels than line {first.line} for the same row"
                findings.append(Finding("contradiction", "error", message, Where(self.source, one.line)))
            elif first is not one:
                first.twins.append(one)
        if findings:
            raise DataError.of(findings, hint="leave one of them, or empty the other's cell")
        return found


# -------------------------------------------------------------------------------------------- into the table


class _Merger:
    """Finds the rows that were corrected, and what is to be written in them."""

    def __init__(self, task: Task, said: _Said, table: Table) -> None:
        self._task, self._said, self._table = task, said, table
        self._labels = LabelReader(task, table.header, source=table.source, strip=table.strip)
        self._text_of = Renderer(task, table.header, source=table.source).text
        self._places = [table.header.index(column) for column in task.label_columns]
        self._verified = table.header.index(VERIFIED) if VERIFIED in table.header else None
        self._by = said.joined_by(table.header)
        self._conflicts: list[Finding] = []
        self.changes: dict[int, dict[int, str]] = {}
        self.counts: Counter[tuple[str | None, str | None]] = Counter()
        self.rows = self.changed = self.confirmed = 0

    def look(self) -> None:
        """Go through the table. Raises `ConflictError` if its rows are not those that were corrected."""
        find = self._finder()
        for line, values in self._table:
            self.rows += 1
            one = find(line, values)
            if one is not None:
                one.use()
                self._correct(one, line, values)
        if self._by == LINE:
            lost = [one for one in self._said.rows if not one.used]
            self._conflicts += [
                self._conflict(one, f"line {_line_of(self._said, one)} is no row") for one in lost
            ]
        if self._conflicts:
            error = DataError.of(self._conflicts)
            raise ConflictError(
                f"{self._table.source} is not the table that was corrected, or has changed since:\n{error}",
                hint="give the table that the corrections were made of, as it was then",
            )

    def _finder(self) -> Callable[[int, Sequence[str]], _Correction | None]:
        said, text_of = self._said, self._text_of
        if self._by == LINE:
            by_line = said.keyed(lambda one: _line_of(said, one))
            return lambda line, values: self._same(by_line.get(line), line, values)
        if self._by == "text":
            by_text = said.keyed(lambda one: one.text)
            return lambda _, values: by_text.get(text_of(values))
        place, own = (header.index(self._by) for header in (self._table.header, said.header))
        by_id = said.keyed(lambda one: one.values[own].strip() or one.text)
        # By text only what the ids tell nothing of: the same text may be in rows of other ids.
        ids = {values[place].strip() for _, values in self._table}
        rest = {one.text: one for one in said.rows if one.values[own].strip() not in ids}

        def find(line: int, values: Sequence[str]) -> _Correction | None:
            one = by_id.get(values[place].strip())
            return self._same(one, line, values) if one is not None else rest.get(text_of(values))

        return find

    def _same(self, one: _Correction | None, line: int, values: Sequence[str]) -> _Correction | None:
        """The correction, if it is about the row as it is; else a conflict."""
        if one is None:
            return None
        before = self._said.cells_before(one)
        if one.text != self._text_of(values):
            self._conflicts.append(self._conflict(one, f"line {line} has another text"))
        elif before is not None and before != self._labels.cells(values) and not self._is_done(one, values):
            self._conflicts.append(self._conflict(one, f"line {line} has other labels than then"))
        else:
            return one
        one.use()
        return None

    def _conflict(self, one: _Correction, what: str) -> Finding:
        return Finding("changed", "error", f"{self._table.source} {what}", Where(self._said.source, one.line))

    def _is_done(self, one: _Correction, values: Sequence[str]) -> bool:
        own = self._read(values)
        return own is not None and all(
            answer in (None, question.of(own))
            for question, answer in zip(self._said.questions, one.answers, strict=True)
        )

    def _read(self, values: Sequence[str]) -> Labels | None:
        try:
            return self._labels.read(values)
        except LabelCellError:
            return None

    def _correct(self, one: _Correction, line: int, values: Sequence[str]) -> None:
        cells: dict[int, str] = {}
        own = self._read(values)
        for question, answer in zip(self._said.questions, one.answers, strict=True):
            if answer is None or (own is not None and question.of(own) == answer):
                continue
            before = {place: values[place] for place in self._places_of(question)}
            self._count(question, None if own is None else question.of(own), answer, [*before.values()])
            cells |= self._cells(question, answer)
        self.changed += bool(cells)
        self.confirmed += not cells
        if self._verified is not None and not is_verified(values[self._verified]):
            cells[self._verified] = _VERIFIED_AS.get(values[self._verified], _YES)
        if cells:
            self.changes[line] = cells

    def _places_of(self, question: Question) -> list[int]:
        columns = {column for own in question.fields for column in own.source_columns}
        every = zip(self._places, self._task.label_columns, strict=True)
        return [place for place, column in every if column in columns]

    def _cells(self, question: Question, answer: Answer) -> dict[int, str]:
        """By position, the cells in which an answer stands."""
        # The other questions' cells are not taken: any labels do.
        others = tuple((own.labels[0],) if own.type == "single" else () for own in self._task.fields)
        written = written_labels(self._task, question.into(others, answer))
        by_place = dict(zip(self._places, written, strict=True))
        return {place: by_place[place] for place in self._places_of(question)}

    def _count(self, question: Question, before: Answer | None, after: Answer, cells: Sequence[str]) -> None:
        if not question.is_multi:
            old = PATH_SIGN.join(cells) if before is None else question.spell(before)
            self.counts[old, question.spell(after)] += 1
            return
        known = before or ()
        self.counts.update((None, label) for label in after if label not in known)
        self.counts.update((label, None) for label in known if label not in after)

    def add_missing(self) -> list[list[str]]:
        """A row for each correction that is about no row of the table, if it answers every question."""
        missing = [one for one in self._said.rows if not one.used]
        added = []
        for one in missing:
            if one.used:  # the twin of one that was added
                continue
            answers = self._all_answers(one)
            if answers is not None and one.text:
                one.use()
                added.append(self._row(one, answers))
        return added

    def _all_answers(self, one: _Correction) -> list[Answer] | None:
        labels = None
        if self._said.labels is not None:
            with suppress(LabelCellError):
                labels = self._said.labels.read(one.values)
        answers = [
            question.of(labels) if answer is None and labels is not None else answer
            for question, answer in zip(self._said.questions, one.answers, strict=True)
        ]
        return None if None in answers else [answer for answer in answers if answer is not None]

    def _row(self, one: _Correction, answers: Sequence[Answer]) -> list[str]:
        by_name = dict(zip(self._said.header, map(str, one.values), strict=True))
        row = [by_name.get(column, "") for column in self._table.header]
        for question, answer in zip(self._said.questions, answers, strict=True):
            for place, cell in self._cells(question, answer).items():
                row[place] = cell
        if self._verified is not None:
            row[self._verified] = _YES
        return row


def _line_of(said: _Said, one: _Correction) -> int:
    cell = one.values[said.header.index(LINE)].strip()
    if not cell.isdecimal():
        raise DataError(
            f'{said.source}:{one.line}: column "{LINE}" holds "{cell}", expected the number of a line'
        )
    return int(cell)


_VERIFIED_AS = {"0": "1", "false": "true", "False": "True", "FALSE": "TRUE", "No": "Yes", "NO": "YES"}
"""What stands for yes where the cell said no so; else `yes`."""
