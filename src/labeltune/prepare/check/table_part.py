"""The examples of a table."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING

from labeltune.prepare.check.part import BATCH, LONG_TEXT, MAY_BE_SPECIAL, Batch, Part
from labeltune.prepare.check.prompts import PromptForm
from labeltune.task.answers import encode_answer
from labeltune.task.chat import Renderer
from labeltune.task.columns import clashing_columns
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.task.labels import Labels
from labeltune.task.provenance import SOURCE, is_synthetic
from labeltune.task.records import SPECIAL_TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.files.tables import Table
    from labeltune.prepare.check.setting import Setting
    from labeltune.task import Task

__all__ = ["TablePart"]

_SIGN = MAY_BE_SPECIAL.encode()


class TablePart(Part):
    """A table, of which the task tells the text and the labels."""

    kind = "table"

    def __init__(self, table: Table, role: str, setting: Setting, task: Task) -> None:
        super().__init__(table.source, role, setting)
        self._table = table
        self._task = task
        self._renderer = Renderer(task, table.header, source=table.source)
        self._labels = LabelReader(task, table.header, source=table.source, strip=table.strip)
        table.on_bad = self._on_bad
        system = PromptForm(task, task.system_template) if task.system_template else None
        self._user = PromptForm(task, task.user_template)
        self._regular = self._user.simple and (system is None or system.constant)
        self._messages = 2 + (system is not None)
        if self._regular:
            self._fix(system, self._user)
        self._read = _Cells(task, self._labels)
        self._source = table.header.index(SOURCE) if role == "test" and SOURCE in table.header else None
        for name in clashing_columns(task, table.header):
            self.add("column_clash", f'column "{name}" is called like one that predict adds', 1)

    def close(self) -> None:
        """Let go of what is open."""
        self._table.close()

    def _batches(self) -> Iterator[Batch]:
        rows = iter(self._table)
        while batch := self._batch(rows):
            yield batch
        self.notes += [*self._table.notes, *self._table.warnings]

    def _batch(self, rows: Iterator[tuple[int, list[str]]]) -> Batch | None:
        """The next examples; None if there are no more."""
        # Bound once: this loop is what a table of millions of rows waits for.
        text_of_row, cells_of, read = self._renderer.text, self._labels.cells, self._read
        lines, texts, answers, labels = [], [], [], []
        prompts: list[str] = []
        others: list[str] = []
        plain = self._regular and not self.whole
        source = self._source
        for line, values in islice(rows, BATCH):
            text = text_of_row(values)
            own, answer, error = read[cells_of(values)]
            lines.append(line)
            texts.append(text)
            answers.append(answer)
            labels.append(own)
            if error is not None:
                self.add(error.code, str(error), line)
            if source is not None and is_synthetic(values[source]):
                self.add("synthetic_in_test", "a model wrote this row, so it measures none", line)
            if not plain:
                *before, last = self._renderer.messages(values)
                prompts.append(last["content"])
                if not self._regular:
                    others += [message["content"] for message in before]
            if len(text) > LONG_TEXT:
                break
        if not lines:
            return None
        examples = len(answers) - answers.count(None)
        self.examples += examples
        batch = Batch(
            lines=lines,
            texts=texts,
            answers=answers,
            labels=labels,
            prompts=texts if plain else prompts,
            others=others,
            regular=examples if self._regular else 0,
            messages=examples * self._messages,
        )
        if _SIGN in batch.joined.uncommon:
            self._find_special_tokens(lines, texts)
        return batch

    def _find_special_tokens(self, lines: Sequence[int], texts: Sequence[str]) -> None:
        for line, text in zip(lines, texts, strict=True):
            if special := SPECIAL_TOKEN.search(text):
                self.add("special_token", f"the text holds the special token {special[0]}", line)


class _Cells(dict[tuple[str, ...], tuple[Labels | None, str | None, LabelCellError | None]]):
    """For the label cells of a row its labels and its answer, or what is wrong with them; worked out once."""

    def __init__(self, task: Task, labels: LabelReader) -> None:
        super().__init__()
        self._task, self._labels = task, labels

    def __missing__(self, cells: tuple[str, ...]) -> tuple[Labels | None, str | None, LabelCellError | None]:
        if len(self) >= _MOST_CELLS:
            self.clear()
        read: tuple[Labels | None, str | None, LabelCellError | None]
        try:
            labels = self._labels.parse(cells)
            read = labels, encode_answer(self._task, labels), None
        except LabelCellError as error:
            read = None, None, error
        self[cells] = read
        return read


_MOST_CELLS = 1 << 16
