"""Convert: from a table to a chat file, every row checked, whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Literal, get_args

import orjson

from labeltune.errors import DataError, SettingsError
from labeltune.files.parts import refuse_place
from labeltune.files.sources import GZIP_ENDING, ByteSource
from labeltune.files.tables import open_table, table_writer
from labeltune.files.writing import STANDARD_STREAM, atomic_write, is_stream, same_file, sweep_leftovers
from labeltune.prepare.repeating import Repeater
from labeltune.task import NOTHING_TOLD, ReadOptions
from labeltune.task.answers import encode_answer
from labeltune.task.chat import Renderer
from labeltune.task.label_cells import LabelCellError, LabelReader
from labeltune.wording import pasted

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence

    from labeltune.errors import Finding
    from labeltune.files.tables import Source, Table
    from labeltune.task import Task

__all__ = ["Converted", "OnError", "convert", "default_output"]

OnError = Literal["stop", "skip"]
CHAT_ENDING = ".jsonl"
REJECTED_ENDING = ".rejected.csv"
_PROGRESS_MASK = 0x3FFF
"""Progress is told each time that this many records and one more are written."""
_MOST_ANSWERS = 1 << 16
_PIPE_CHUNK = 1 << 16


@dataclass(frozen=True, slots=True)
class Converted:
    """What came of a table. `rows` is the sum of `written` and of the counts in `left_out`; the file holds
    `repeated` records besides.
    """

    input: str
    output: str
    rows: int
    written: int
    left_out: dict[str, int]
    """Rows without a record by reason: `no_label`, and with `on_error="skip"` the codes of bad rows."""
    rejected: str | None
    """Where the bad rows are, with `on_error="skip"`."""
    seconds: float
    notes: list[str]
    warnings: list[str]
    repeated: int = 0
    """How many records stand there once more, with `repeat_rare`."""


def convert(
    task: Task,
    data: Source,
    output: str | os.PathLike[str] | None = None,
    *,
    on_error: OnError = "stop",
    repeat_rare: int = 1,
    read: ReadOptions = NOTHING_TOLD,
    progress: Callable[[int, int], None] | None = None,
    may_be_empty: bool = False,
) -> Converted:
    """Write each row of a table as a record of a chat file: the task's prompt, its labels as the answer.

    `output` is by default the table's name with `.jsonl`; `-` is standard output. Bad rows are raised
    together as a `DataError`, and nothing is written; with `on_error="skip"` they go to `OUT.rejected.csv`.
    `repeat_rare` writes rows of rare labels up to so many times, one after the other, until their label is as
    frequent as the commonest: for training only. `read` tells how to read the table, before the task.
    `progress` is told now and then how many bytes of how many were read. With `may_be_empty` a table without
    any labelled row becomes an empty file.
    Raises `SettingsError`, `DataError` and `DiskError`.
    """
    started = time.monotonic()
    if on_error not in get_args(OnError):
        raise SettingsError(f"--on-error {on_error}: expected stop or skip")
    if repeat_rare < 1:
        raise SettingsError(f"--repeat-rare {repeat_rare}: expected a number from 1 on")
    target = default_output(data) if output is None else os.fspath(output)
    refuse_place(target)
    rejected = _rejected_path(target, data) if on_error == "skip" else None
    for written in (target, rejected):
        if written not in (None, STANDARD_STREAM):
            _protect((_name_of(data), task.source), written)
            sweep_leftovers(Path(written).parent)
    repeated = 0
    with ExitStack() as stack:
        table = stack.enter_context(open_table(data, read, task=task))
        table.may_be_empty = may_be_empty
        conversion = _Conversion(task, table, progress=progress)
        handle = stack.enter_context(_whole(target))
        if rejected is not None:
            write_row = stack.enter_context(table_writer(rejected, ("line", "reason", *table.header)))
            table.on_bad = _rejecter(write_row, len(table.header), table.separator or " ")
        if repeat_rare > 1:
            repeater = stack.enter_context(Repeater(task, repeat_rare))
            conversion.run(repeater.keep, repeater.note)
            repeated = repeater.write(handle.write)
        else:
            conversion.run(handle.write)
    return Converted(
        input=table.source,
        output=target,
        rows=conversion.written + sum(conversion.left_out.values()),
        written=conversion.written,
        left_out=conversion.left_out,
        rejected=rejected if table.bad_rows else None,
        seconds=round(time.monotonic() - started, 3),
        notes=table.notes,
        warnings=table.warnings,
        repeated=repeated,
    )


class _Conversion:
    """The rows of one table on their way to records. Raises `DataError` if it does not fit the task."""

    def __init__(self, task: Task, table: Table, *, progress: Callable[[int, int], None] | None) -> None:
        self._table = table
        self._renderer = Renderer(task, table.header, source=table.source)
        self._labels = LabelReader(task, table.header, source=table.source, strip=table.strip)
        self._answers = _Answers(task, self._labels)
        self._progress = progress
        self.written = 0
        self.left_out: dict[str, int] = {}

    def run(self, write: Callable[[bytes], object], note: Callable[[bytes], object] | None = None) -> None:
        """Write a line for each row that has an answer, and note its answer; the rest is counted, or told to
        the table.
        """
        # Bound once: this loop is what a table of millions of rows waits for.
        cells, answers = self._labels.cells, self._answers
        text_of, record_line = self._renderer.text, self._renderer.record_line
        table, progress = self._table, self._progress
        written = unlabelled = 0
        for line, values in table:
            answer = answers[cells(values)]
            text = text_of(values)
            if not text:
                table.reject("empty_text", line, "the text is empty", values)
            elif isinstance(answer, bytes):
                write(record_line(values, text, answer))
                written += 1
                if note is not None:
                    note(answer)
                if progress is not None and not written & _PROGRESS_MASK:
                    progress(*table.progress)
            elif answer is None:
                unlabelled += 1
            else:
                table.reject(answer.code, line, str(answer), values)
        self.written = written
        if unlabelled:
            self.left_out["no_label"] = unlabelled
        for code, count in table.bad_counts.items():
            self.left_out[code] = self.left_out.get(code, 0) + count
        if not written and (table.bad_rows or not table.may_be_empty):
            raise self._nothing()

    def _nothing(self) -> DataError:
        why = ", ".join(f"{count:,} {code}" for code, count in self.left_out.items())
        findings = self._table.findings
        shown = [f"{self._table.source}: no row becomes a record ({why})", *map(str, findings)]
        if rest := self._table.bad_rows - len(findings):
            shown.append(f"… and {rest:,} more")
        return DataError(
            "\n".join(shown),
            findings=findings,
            hint='if a row may have no label, give such rows an answer: none = "…" under [answer] in the task'
            if "no_label" in self.left_out
            else None,
        )


class _Answers(dict[tuple[str, ...], "bytes | LabelCellError | None"]):
    """The answer, as JSON, for the label cells of a row; None if such rows are left out; or what is wrong.

    A table has few distinct sets of labels, so nearly every row is but a look-up.
    """

    def __init__(self, task: Task, labels: LabelReader) -> None:
        super().__init__()
        self._task, self._labels = task, labels

    def __missing__(self, cells: tuple[str, ...]) -> bytes | LabelCellError | None:
        if len(self) >= _MOST_ANSWERS:
            self.clear()
        answer: bytes | LabelCellError | None
        try:
            spelled = encode_answer(self._task, self._labels.parse(cells))
            answer = None if spelled is None else orjson.dumps(spelled)
        except LabelCellError as error:
            answer = error
        self[cells] = answer
        return answer


# --------------------------------------------------------------------------------------------------- files


def default_output(data: Source) -> str:
    """The chat file beside a table: its name with `.jsonl`; standard output for standard input."""
    name = _name_of(data)
    if name is None:
        raise SettingsError("a DataFrame has no name to derive the output's from", hint="name the output")
    if name == STANDARD_STREAM:
        return STANDARD_STREAM
    path = Path(name)
    if not path.name:  # "." and "/"
        raise SettingsError(f"{name}: is a folder, expected a file")
    if path.suffix.lower() == GZIP_ENDING:
        path = path.with_suffix("")
    return str(path.with_suffix(CHAT_ENDING))


def _name_of(data: Source) -> str | None:
    """The path of a table, `-` for standard input; None for a DataFrame, which has none."""
    if isinstance(data, ByteSource):
        return data.name if data.is_file else STANDARD_STREAM
    return os.fspath(data) if isinstance(data, str | os.PathLike) else None


def _rejected_path(target: str, data: Source) -> str:
    """`train.rejected.csv` for `train.jsonl`."""
    if target == STANDARD_STREAM and _name_of(data) is not None:
        target = default_output(data)
    name = "stdin" if target == STANDARD_STREAM else target.removesuffix(CHAT_ENDING)
    return name + REJECTED_ENDING


def _protect(inputs: Iterable[str | None], target: str) -> None:
    """Raise `SettingsError` if writing `target` would overwrite one of the files that are read."""
    for name in inputs:
        if name is None or name == STANDARD_STREAM:
            continue
        if same_file(name, target):
            raise SettingsError(
                f"{target}: is read by this command, and an input is never overwritten",
                hint=f"name another output: -o {pasted(f'{Path(target).stem}.chat.jsonl')}",
            )


@contextmanager
def _whole(target: str) -> Iterator[IO[bytes]]:
    """`target` for writing, whole or not at all: a stream too gets nothing before all is well."""
    with atomic_write(target) as handle:
        if not is_stream(target):
            yield handle
            return
        with tempfile.TemporaryFile() as kept:
            yield kept
            kept.seek(0)
            shutil.copyfileobj(kept, handle, _PIPE_CHUNK)


def _rejecter(
    write: Callable[[Sequence[str]], object], width: int, separator: str
) -> Callable[[Finding, Sequence[str]], None]:
    """Writes bad rows with line and reason. What a row has too much stands in its last column."""

    def reject(finding: Finding, values: Sequence[str]) -> None:
        fitting = [*values, *[""] * (width - len(values))]
        if len(fitting) > width:
            fitting[width - 1 :] = [separator.join(fitting[width - 1 :])]
        write((str(finding.where.line), finding.message, *fitting))

    return reject
