"""A cleaned copy of a file, where the mend is beyond doubt; all else stays byte for byte."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.errors import SettingsError
from labeltune.files.jsonl import ChatFile
from labeltune.files.sources import GZIP_ENDING, ByteSource
from labeltune.files.tables import open_table, table_writer
from labeltune.files.tables.copying import copy_rows, workbook_like
from labeltune.files.tables.excel import ExcelTable
from labeltune.files.tables.opening import WORKBOOKS
from labeltune.files.tables.packing import packed_write
from labeltune.files.tables.text_table import TextTable
from labeltune.files.writing import STANDARD_STREAM, same_file
from labeltune.prepare.check.opening import is_chat
from labeltune.prepare.check.prompts import PromptForm
from labeltune.task import ReadOptions
from labeltune.task.answers import decode_answer, encode_answer
from labeltune.task.chat import Renderer
from labeltune.task.label_cells import LabelCellError, LabelReader, stripped
from labeltune.task.records import record_problems, text_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.files.jsonl import Record
    from labeltune.files.tables import Table
    from labeltune.files.tables.row_writer import Handle
    from labeltune.prepare.check.options import CheckOptions
    from labeltune.task import Task

__all__ = ["COMMA", "DUPLICATE", "EMPTY", "EMPTY_LINE", "MARK", "SPACE", "Fixed", "copy_options", "fix"]

EMPTY, DUPLICATE, SPACE, EMPTY_LINE, MARK, COMMA = (
    "rows_without_text",
    "exact_duplicates",
    "surrounding_space",
    "empty_lines",
    "byte_order_mark",
    "stray_commas",
)
"""What is mended: rows without text, exact duplicates and empty lines are left out; space, a byte order mark
and commas behind records are taken off.
"""

_KEPT_LINES = 10


@dataclass(slots=True)
class Fixed:
    """What was mended: `rows` were read and `written` of them are in `output`; a row may be mended twice."""

    output: str
    rows: int = 0
    written: int = 0
    mends: dict[str, int] = field(default_factory=dict)
    """How many there are of each kind."""
    lines: dict[str, list[int]] = field(default_factory=dict)
    """The lines of the first ten of each kind."""

    def note(self, mend: str, line: int) -> None:
        """One more mend."""
        self.mends[mend] = self.mends.get(mend, 0) + 1
        lines = self.lines.setdefault(mend, [])
        if len(lines) < _KEPT_LINES:
            lines.append(line)


def fix(path: str | os.PathLike[str], output: str, task: Task | None, options: CheckOptions) -> Fixed:
    """Write a copy without exact duplicates, rows without text, and space around texts and labels.

    A duplicate is a row that becomes the same record as an earlier one. In a chat file, space is taken off
    where the task is known, empty lines are left out, and what stands before and behind the records is taken
    off: a byte order mark, commas. Of Parquet files rows are only left out.

    Raises `SettingsError` for an output of another kind, `DataError` with every finding for a file with rows
    that cannot be read, and `DiskError`; nothing is written then.
    """
    fixed = Fixed(output)
    with _open(path, output) as source:
        if options.read.format is None and is_chat(source, task):
            with ChatFile(source) as chat, packed_write(output) as handle:
                _fix_chat(chat, handle, fixed, task)
            return fixed
        if task is None:
            raise SettingsError(f"{source.name}: a table is mended with its task, and there is no task file")
        with ExitStack() as stack:
            table, again = (
                stack.enter_context(open_table(source, options.read, task=task)) for _ in range(2)
            )
            row = _RowMender(task, table, fixed)
            if isinstance(table, TextTable) and table.header_bytes is not None:
                _fix_lines(table, again, stack.enter_context(packed_write(output)), row)
            elif table.format == "parquet":
                routes = ([] if row(line, values) is None else [0] for line, values in table)
                copy_rows(again, source, routes, [stack.enter_context(packed_write(output))])
            else:
                if isinstance(table, ExcelTable) and output.lower().endswith(".xlsx"):
                    write = stack.enter_context(
                        workbook_like(table, stack.enter_context(packed_write(output)))
                    )
                else:
                    write = stack.enter_context(table_writer(output, table.header, like=table))
                for line, values in table:
                    mended = row(line, values)
                    if mended is not None:
                        write(mended)
    return fixed


def copy_options(path: str | os.PathLike[str], output: str, options: CheckOptions) -> CheckOptions:
    """The options to check a copy with: those of what it is the copy of, as far as its format has them."""
    if not os.fspath(path).lower().endswith(WORKBOOKS) or output.lower().endswith(".xlsx"):
        return options
    return replace(options, read=ReadOptions(strip=options.read.strip))


def _open(path: str | os.PathLike[str], output: str) -> ByteSource:
    if STANDARD_STREAM in (os.fspath(path), output):
        raise SettingsError("--fix mends a file into a file, not standard input or output")
    if same_file(path, output):
        raise SettingsError(f"{output}: is the file itself, which is never overwritten", hint="name another")
    source = ByteSource(path)
    ending = Path(output.lower().removesuffix(GZIP_ENDING)).suffix
    if source.ending not in (*WORKBOOKS, ending):  # the copy of a workbook may be of any format
        source.close()
        raise SettingsError(
            f"--fix {output}: the copy stays what {source.name} is: expected a name with {source.ending}"
        )
    return source


class _Seen(set[bytes]):
    """Contents that were there before, by a hash that no two of them share."""

    def twice(self, content: bytes) -> bool:
        """Whether a content was there before; from now on it was."""
        digest = hashlib.blake2b(content, digest_size=16).digest()
        known = digest in self
        self.add(digest)
        return known


# --------------------------------------------------------------------------------------------------- tables


class _RowMender:
    """Mends the rows of a table, and keeps account of it."""

    def __init__(self, task: Task, table: Table, fixed: Fixed) -> None:
        header = table.header
        self._fixed = fixed
        self._renderer = Renderer(task, header, source=table.source)
        self._labels = LabelReader(task, header, source=table.source, strip=True)
        self._texts = [header.index(column) for column in task.text]
        self._cells = [
            (header.index(field_.column), field_) for field_ in task.fields if field_.column is not None
        ]
        self._seen = _Seen()

    def __call__(self, line: int, values: Sequence[str]) -> list[str] | None:
        """The values as they should be; None for a row that is left out."""
        fixed = self._fixed
        fixed.rows += 1
        if not self._renderer.text(values):
            fixed.note(EMPTY, line)
            return None
        try:
            labels: object = self._labels.read(values)
        except LabelCellError:
            labels = self._labels.cells(values)
        contents = [message["content"] for message in self._renderer.messages(values)]
        if self._seen.twice(repr((contents, labels)).encode()):
            fixed.note(DUPLICATE, line)
            return None
        mended = list(values)
        for place in self._texts:
            mended[place] = values[place].strip()
        for place, field_ in self._cells:
            mended[place] = stripped(field_, values[place])
        if mended != list(values):
            fixed.note(SPACE, line)
        fixed.written += 1
        return mended


def _fix_lines(table: TextTable, again: Table, handle: Handle, row: _RowMender) -> None:
    """Rows that are bytes: those that need no mend are written as they are."""
    header = table.header_bytes or b""
    handle.write(header)
    for (line, values), (_, content) in zip(table, again.raw(), strict=True):
        mended = row(line, values)
        if mended is None:
            continue
        if mended != list(values):
            text = content.decode(table.encoding)
            end = text[len(text.rstrip("\r\n")) :]
            text = (
                _replaced(text, values, mended)
                if table.separator is None
                else _delimited(mended, table.separator, quoted=table.quoted) + end
            )
            content = text.encode(table.encoding)  # noqa: PLW2901  # the row, mended
        handle.write(content)


def _delimited(values: Sequence[str], separator: str, *, quoted: bool) -> str:
    if not quoted:
        return separator.join(values)
    text = io.StringIO()
    csv.writer(text, delimiter=separator, lineterminator="").writerow(values)
    return text.getvalue()


def _replaced(text: str, values: Sequence[str], mended: Sequence[str]) -> str:
    """A JSON object with some of its strings replaced, and nothing else touched."""
    for old, new in zip(values, mended, strict=True):
        for escaped in (False, True):
            literal = json.dumps(old, ensure_ascii=escaped)
            if old != new and text.count(literal) == 1:
                text = text.replace(literal, json.dumps(new, ensure_ascii=escaped))
                break
    return text


# ----------------------------------------------------------------------------------------------- chat files


def _fix_chat(chat: ChatFile, handle: Handle, fixed: Fixed, task: Task | None) -> None:
    seen, last = _Seen(), 0
    mend = _RecordMender(task)
    chat.mends_commas = True
    if chat.has_mark:
        fixed.note(MARK, 1)
    for line, content in chat.raw():
        for empty in range(last + 1, line):
            fixed.note(EMPTY_LINE, empty)
        last = line
        fixed.rows += 1
        if line in chat.commas[-1:]:
            fixed.note(COMMA, line)
        record = orjson.loads(content)
        text, mended = mend(record)
        if text is not None and not text.strip():
            fixed.note(EMPTY, line)
            continue
        if seen.twice(_canonical(record, content)):
            fixed.note(DUPLICATE, line)
            continue
        if mended:
            fixed.note(SPACE, line)
            end = content[len(content.rstrip(b"\r\n")) :]
            content = json.dumps(record, ensure_ascii=False).encode() + end  # noqa: PLW2901  # the record, mended
        fixed.written += 1
        handle.write(content)


def _canonical(record: Record, content: bytes) -> bytes:
    try:
        return orjson.dumps(record, option=orjson.OPT_SORT_KEYS)
    except orjson.JSONEncodeError:  # nested deeper than it writes
        return content


class _RecordMender:
    """Takes space off the text and the answer of a record, where the task tells which they are."""

    def __init__(self, task: Task | None) -> None:
        self._task = task
        self._form = None if task is None else PromptForm(task, task.user_template)

    def __call__(self, record: Record) -> tuple[str | None, bool]:
        """The record's text, if it has a place for one, and whether the record was changed."""
        if any(code != "special_token" for code, _ in record_problems(record)):
            return None, False
        messages = record["messages"]
        user = next((message for message in reversed(messages) if message["role"] == "user"), None)
        if user is None:
            return None, False
        content = text_of(user.get("content")) or ""
        form, task = self._form, self._task
        if form is None or task is None:
            return content, False
        text = form.text(content)
        if text is None or not isinstance(user["content"], str):
            return (content if text is None else text), False
        changed = False
        if form.simple and text != text.strip():
            user["content"] = form.prefix + text.strip() + form.suffix
            changed = True
        return text, _strip_answer(task, messages[-1]) or changed


def _strip_answer(task: Task, message: dict[str, Any]) -> bool:
    """Whether space was taken off an answer that is then spelled as the task spells it."""
    answer = message.get("content")
    if not isinstance(answer, str) or answer == answer.strip():
        return False
    labels = decode_answer(task, answer).labels
    if labels is None or encode_answer(task, labels) != answer.strip():
        return False
    message["content"] = answer.strip()
    return True
