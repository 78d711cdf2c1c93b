"""The two kinds of files that are split: tables and chat files."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError, SettingsError, did_you_mean
from labeltune.files.jsonl import ChatFile, is_chat_file
from labeltune.files.sources import ByteSource
from labeltune.files.tables import copy_raw, copy_rows, ending_of_copies, open_table
from labeltune.files.tables.reading import Reading
from labeltune.local.engines.common.records import Frame
from labeltune.prepare.split.reading import Input
from labeltune.prepare.split.synthetic import SyntheticRows
from labeltune.prepare.stratify import Combinations
from labeltune.task.answers import decode_answer
from labeltune.task.chat import Renderer
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.records import record_problems, text_of
from labeltune.task.vectors import label_vector
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Hashable, Iterable, Iterator, Sequence

    from labeltune.files.tables import Source, Table
    from labeltune.files.tables.copying import Route
    from labeltune.files.tables.row_writer import Handle
    from labeltune.prepare.split.options import SplitOptions
    from labeltune.prepare.split.reading import Row
    from labeltune.prepare.stratify.integer_arrays import Ints
    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["open_input"]

_TOLERATED = {"special_token", "unknown_key", "bad_weight"}
"""What is wrong with records and keeps none from being put in a part; `check` finds it."""
_SHOWN = 60


def open_input(data: Source, task: Task | None, options: SplitOptions) -> Input:
    """Open a table or a chat file, whichever it is.

    Raises `SettingsError` if there is no such file, or a table without a task that needs one; `DataError` for
    a table without a usable header or without the columns that are named.
    """
    if not isinstance(data, str | os.PathLike | ByteSource):
        return TableInput(
            None, open_table(data, options.read, task=task), _needed(task, "DataFrame", options), options
        )
    source = data if isinstance(data, ByteSource) else ByteSource(data)
    try:
        if options.read.format in (None, "jsonl") and is_chat_file(source):
            return ChatInput(source, task, options)
        task = _needed(task, source.name, options)
        table = open_table(source, options.read, task=task)
        return TableInput(source, table, task, options)
    except BaseException:
        source.close()
        raise


def _needed(task: Task | None, name: str, options: SplitOptions) -> Task | None:
    """The task, which only tables that are split by chance alone can do without."""
    if task is None and (options.stratified or options.keep_duplicates_together):
        raise SettingsError(
            f"{name}: there is no task file that says which columns hold text and labels",
            hint=f"labeltune init {pasted(name)} proposes one; rows are split without one with "
            "--no-stratify and --no-keep-duplicates-together",
        )
    return task


class TableInput(Input):
    """A table; without a task it has neither labels nor texts."""

    def __init__(
        self, source: ByteSource | None, table: Table, task: Task | None, options: SplitOptions
    ) -> None:
        ending = ".csv" if source is None else source.ending
        super().__init__(source, table.source, ending_of_copies(table, ending))
        self._table = table
        self._task = task
        header, name = table.header, table.source
        self._text = None
        self._labels = None
        if task is not None:
            if options.keep_duplicates_together:
                self._text = Renderer(task, header, source=name).text
            if _has_labels(task, table, options):
                self._labels = LabelReader(task, header, source=name, strip=table.strip)
        self._group = None
        if options.group is not None:
            if options.group not in header:
                near = did_you_mean(options.group, header)
                raise DataError(
                    f'{name}:1: no column "{options.group}"{near}, which --group names',
                    hint=f"the table has: {', '.join(header)}",
                )
            self._group = header.index(options.group)

    def _rows(self) -> Iterator[Row]:
        table, text_of_row, group = self._table, self._text, self._group
        read = None if self._labels is None else self._labels.read
        synthetic = self._synthetic = SyntheticRows(
            table.header, None if self._task is None else self._task.id
        )
        for line, values in table:
            labels = None
            if read is not None:
                try:
                    labels = read(values)
                except LabelCellError as error:
                    table.reject(error.code, line, str(error), values)
                    continue
            synthetic.add(line, values)
            yield labels, text_of_row(values) if text_of_row else "", "" if group is None else values[group]

    def _combinations(self, sets: list[Hashable], codes: Ints) -> tuple[Combinations, tuple[str, ...]]:
        if self._task is None or self._labels is None:
            return Combinations.of_vectors(np.zeros((len(sets), 0), np.bool_), codes), ()
        return _vectors(self._task, sets, codes)  # type: ignore[arg-type]  # what `_rows` yields

    def copy(self, routes: Iterable[Route], files: Sequence[Handle]) -> None:
        """See `Input`."""
        copy_rows(self._table, self._source, routes, files)

    def messages(self) -> tuple[Sequence[str], Sequence[str]]:
        """See `Input`."""
        return self._table.notes, self._table.warnings

    def close(self) -> None:
        """See `Input`."""
        self._table.close()


def _has_labels(task: Task, table: Table, options: SplitOptions) -> bool:
    """Whether the labels of the table are to be read. A table without any is told what is expected."""
    if any(column in table.header for column in task.label_columns):
        return True
    if not options.stratified:
        return False
    columns = ", ".join(f'"{column}"' for column in task.label_columns)
    raise DataError(
        f"{table.source}:1: no labels: expected the column{'s' * (len(task.label_columns) > 1)} {columns}",
        hint=f"the table has: {', '.join(table.header)}; rows without labels are split with --no-stratify",
    )


class ChatInput(Input):
    """A chat file. Its labels are those that the answers say; without a task, each answer is a label."""

    def __init__(self, source: ByteSource, task: Task | None, options: SplitOptions) -> None:
        super().__init__(source, source.name, source.ending or ".jsonl")
        if options.group is not None:
            raise SettingsError(
                f"{source.name}: --group names a column, and a chat file has none",
                hint="split the table, then convert its parts",
            )
        Reading(options.read).fitting(source.name, "a chat file", frozenset())
        self._chat = ChatFile(source)
        self._task = task
        self._sets: dict[str, Labels | str] = {}

    def _rows(self) -> Iterator[Row]:
        chat, sets = self._chat, self._sets
        for line, record in chat:
            problems = [problem for problem in record_problems(record) if problem[0] not in _TOLERATED]
            if problems:
                chat.reject(problems[0][0], line, problems[0][1])
                continue
            *before, last = record["messages"]
            answer = text_of(last.get("content")) or ""
            labels = sets.get(answer)
            if labels is None:
                labels = self._decode(answer, line)
                if labels is None:
                    continue
                sets[answer] = labels
            texts = [text_of(message.get("content")) or "" for message in before if message["role"] == "user"]
            yield labels, "\n".join(texts), ""

    def _decode(self, answer: str, line: int) -> Labels | str | None:
        """What the row is stratified by; None, and a finding, if the task knows no such answer."""
        task = self._task
        if task is None:
            return answer
        decoded = decode_answer(task, answer)
        if decoded.labels is None:
            shown = answer if len(answer) <= _SHOWN else answer[: _SHOWN - 1] + "…"
            near = did_you_mean(answer[:_SHOWN], task.labels)
            self._chat.reject(
                "bad_answer", line, f'answer "{shown}" is none of {task.source}: {decoded.problem}{near}'
            )
        return decoded.labels

    def _combinations(self, sets: list[Hashable], codes: Ints) -> tuple[Combinations, tuple[str, ...]]:
        if self._task is None:
            return Combinations.of_classes(codes), tuple(str(answer) for answer in sets)
        return _vectors(self._task, sets, codes)  # type: ignore[arg-type]  # what `_rows` yields

    def _compared(self, texts: Iterable[str]) -> Iterable[str]:
        """The texts without the words of the prompt, which would make all of them alike."""
        texts = list(texts)
        frame = Frame.around(texts) if texts else Frame()
        return texts if frame.constant else map(frame.varying, texts)

    def copy(self, routes: Iterable[Route], files: Sequence[Handle]) -> None:
        """See `Input`."""
        copy_raw(self._chat.raw(), routes, files)


def _vectors(task: Task, sets: Iterable[Labels | None], codes: Ints) -> tuple[Combinations, tuple[str, ...]]:
    vectors = np.array([label_vector(task, labels) for labels in sets], np.bool_)
    names = tuple(label for field in task.fields for label in field.labels)
    repeated = len(set(names)) < len(names)
    if repeated:
        names = tuple(
            f"{field.name}.{label}" if names.count(label) > 1 else label
            for field in task.fields
            for label in field.labels
        )
    return Combinations.of_vectors(vectors.reshape(-1, len(names)), codes), names
