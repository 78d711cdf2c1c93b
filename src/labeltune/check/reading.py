"""Reading what is checked: tables and chat files, as batches of examples; what is unreadable is a finding."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.chat import Renderer
from labeltune.check.answers import AnswerReader
from labeltune.check.prompts import PromptForm
from labeltune.errors import DataError, Finding, SettingsError
from labeltune.jsonl import LONGEST_RECORD, ChatFile
from labeltune.labels import LabelCellError, LabelReader, Labels, encode_answer
from labeltune.records import MAX_BYTES, SPECIAL_TOKEN, record_problems, text_of
from labeltune.sources import ByteSource
from labeltune.tables import open_table

if TYPE_CHECKING:
    import os
    from collections.abc import Iterator, Sequence

    from labeltune.check.options import CheckOptions
    from labeltune.check.rule import Setting
    from labeltune.jsonl import Record
    from labeltune.tables import Table
    from labeltune.task import Task

__all__ = ["Batch", "ChatPart", "Part", "TablePart", "is_chat", "open_part"]

BATCH = 512
"""Examples that are looked at together: enough to share the cost, few enough for the processor's cache."""

LONG_TEXT = 1 << 16
"""Characters; a batch ends with so long a text, so that batches have a bound in bytes too."""


_MAY_BE_SPECIAL = "<|"


@dataclass(slots=True)
class Batch:
    """Examples of one file, as columns of equal length but for `others`."""

    lines: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    answers: list[str | None] = field(default_factory=list)
    """The answers as they are spelled; None for rows that training leaves out, or whose labels are wrong."""
    labels: list[Labels | None] = field(default_factory=list)
    prompts: list[str] = field(default_factory=list)
    """What of each example's prompt is to be counted beside `Part.fixed`."""
    others: list[str] = field(default_factory=list)
    """Further messages that are to be counted, of any examples."""
    regular: int = 0
    """How many examples consist of `Part.fixed`, their prompt and their answer."""
    messages: int = 0
    """How many messages the examples have in all."""

    def add(self, line: int, text: str, answer: str | None, labels: Labels | None, prompt: str) -> None:
        """One more example."""
        self.lines.append(line)
        self.texts.append(text)
        self.answers.append(answer)
        self.labels.append(labels)
        self.prompts.append(prompt)


class Part(ABC):
    """One of the files: its `role` (train, validation, test), and what was found in it."""

    kind: str

    def __init__(self, name: str, role: str, setting: Setting) -> None:
        self.name = name
        self.role = role
        self.notes: list[str] = []
        self.whole = not setting.counter.estimated
        """Whether prompts are counted as wholes: exactly. Else their fixed parts are counted once."""
        self.fixed: tuple[str, ...] = ()
        """What the prompts of regular examples share."""
        self.examples = 0
        self._desk = setting.desk

    def add(self, code: str, message: str, line: int | None = None) -> None:
        """A finding in this file."""
        self._desk.add(code, message, self.name, line)

    def batches(self) -> Iterator[Batch]:
        """The examples. What keeps the file from being read on ends them, as a finding."""
        try:
            yield from self._batches()
        except DataError as error:
            self.add("unreadable", str(error).removeprefix(f"{self.name}: "))

    @abstractmethod
    def _batches(self) -> Iterator[Batch]: ...

    @abstractmethod
    def close(self) -> None:
        """Let go of what is open."""

    def _on_bad(self, finding: Finding, _values: Sequence[str]) -> None:
        self.add(finding.code, finding.message, finding.where.line)

    def _fix(self, system: PromptForm | None, user: PromptForm) -> None:
        fixed = [] if system is None else [system.prefix]
        self.fixed = tuple(fixed) if self.whole else (*fixed, user.prefix, user.suffix)


class TablePart(Part):
    """A table, of which the task tells the text and the labels."""

    kind = "table"

    def __init__(self, table: Table, role: str, setting: Setting, task: Task, *, strip: bool = False) -> None:
        super().__init__(table.source, role, setting)
        self._table = table
        self._task = task
        self._renderer = Renderer(task, table.header, source=table.source)
        self._labels = LabelReader(task, table.header, source=table.source, strip=strip)
        table.on_bad = self._on_bad
        system = PromptForm(task, task.system_template) if task.system_template else None
        self._user = PromptForm(task, task.user_template)
        self._regular = self._user.simple and (system is None or system.constant)
        self._messages = 2 + (system is not None)
        if self._regular:
            self._fix(system, self._user)

    def close(self) -> None:
        """Let go of what is open."""
        self._table.close()

    def _batches(self) -> Iterator[Batch]:
        # Bound once: this loop is what a table of millions of rows waits for.
        text_of_row, cells_of, read = (
            self._renderer.text,
            self._labels.cells,
            _Cells(self._task, self._labels),
        )
        regular, whole = self._regular, self.whole
        batch = Batch()
        for line, values in self._table:
            text = text_of_row(values)
            labels, answer, error = read[cells_of(values)]
            if error is not None:
                self.add(error.code, str(error), line)
            batch.lines.append(line)
            batch.texts.append(text)
            batch.labels.append(labels)
            batch.answers.append(answer)
            if whole or not regular:
                self._add_prompt(batch, values, text)
            if len(batch.lines) == BATCH or len(text) > LONG_TEXT:
                yield self._completed(batch)
                batch = Batch()
        self.notes += [*self._table.notes, *self._table.warnings]
        yield self._completed(batch)

    def _add_prompt(self, batch: Batch, values: Sequence[str], text: str) -> None:
        if self._regular:
            batch.prompts.append(f"{self._user.prefix}{text}{self._user.suffix}")
            return
        *before, last = self._renderer.messages(values)
        batch.prompts.append(last["content"])
        batch.others.extend(message["content"] for message in before)

    def _completed(self, batch: Batch) -> Batch:
        examples = len(batch.answers) - batch.answers.count(None)
        self.examples += examples
        batch.messages = examples * self._messages
        if self._regular:
            batch.regular = examples
            if not self.whole:
                batch.prompts = batch.texts
        if _MAY_BE_SPECIAL in "\n".join(batch.texts):
            for line, text in zip(batch.lines, batch.texts, strict=True):
                if special := SPECIAL_TOKEN.search(text):
                    self.add("special_token", f"the text holds the special token {special[0]}", line)
        return batch


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


class ChatPart(Part):
    """A chat file. Without a task, only what holds for any record is looked at."""

    kind = "chat"

    def __init__(self, chat: ChatFile, role: str, setting: Setting) -> None:
        super().__init__(chat.source, role, setting)
        task = setting.task
        self._chat = chat
        chat.on_bad = self._on_bad
        self._last_line = 0
        self._system = self._user = None
        self._answers = None
        if task is not None:
            self._system = PromptForm(task, task.system_template) if task.system_template else None
            self._user = PromptForm(task, task.user_template)
            self._answers = AnswerReader(task)
            if self._user.simple and (self._system is None or self._system.constant):
                self._fix(self._system, self._user)

    def close(self) -> None:
        """Let go of what is open."""
        self._chat.close()

    def _on_bad(self, finding: Finding, _values: Sequence[str]) -> None:
        self._step(finding.where.line or 0)
        super()._on_bad(finding, _values)

    def _step(self, line: int) -> None:
        """Blank lines are passed over by the reader; between records, they are findings."""
        for empty in range(self._last_line + 1, line):
            self.add("empty_line", "the line is empty, expected a record", empty)
        self._last_line = line

    def _batches(self) -> Iterator[Batch]:
        fast = self._fast if self.fixed else None
        batch = Batch()
        for line, record in self._chat:
            if line != self._last_line + 1:
                self._step(line)
            self._last_line = line
            if fast is None or not fast(batch, line, record):
                self._slow(batch, line, record)
            if len(batch.lines) >= BATCH or (batch.texts and len(batch.texts[-1]) > LONG_TEXT):
                yield batch
                batch = Batch()
        yield batch

    def _fast(self, batch: Batch, line: int, record: Record) -> bool:  # noqa: PLR0911  # each says no
        """Take in a record of exactly the form that convert writes for this task; false for any other."""
        messages = record.get("messages")
        system, form = self._system, self._user
        assert form is not None
        expected = 2 if system is None else 3
        if len(record) != 1 or type(messages) is not list or len(messages) != expected:
            return False
        try:
            if system is not None and messages[0] != {"role": "system", "content": system.prefix}:
                return False
            user, assistant = messages[-2], messages[-1]
            content, answer = user["content"], assistant["content"]
            if user["role"] != "user" or assistant["role"] != "assistant" or len(user) + len(assistant) != 4:
                return False
        except (KeyError, TypeError):
            return False
        if type(content) is not str or type(answer) is not str or not answer or answer.isspace():
            return False
        text = form.text(content)
        if text is None or _MAY_BE_SPECIAL in text or _MAY_BE_SPECIAL in answer:
            return False
        batch.add(line, text, answer, self._decode(answer, line), content if self.whole else text)
        batch.regular += 1
        batch.messages += expected
        self.examples += 1
        return True

    def _decode(self, answer: str, line: int) -> Labels | None:
        if self._answers is None:
            return None
        labels, problem = self._answers[answer]
        if problem is not None:
            self.add(*problem, line)
        return labels

    def _slow(self, batch: Batch, line: int, record: Record) -> None:
        """Take in any record, with what is wrong with it."""
        self.examples += 1
        problems = list(record_problems(record))
        for code, message in problems:
            self.add(code, message, line)
        if any(code != "special_token" for code, _ in problems):
            return
        messages = record["messages"]
        contents = [text_of(message.get("content")) or "" for message in messages]
        answer, trained = contents[-1], messages[-1].get("weight") != 0
        calls = messages[-1].get("tool_calls") or messages[-1].get("function_call")
        if not answer.strip() and not calls:
            self.add("empty_answer", "the assistant's message is empty", line)
            return
        place = max((at for at, message in enumerate(messages) if message["role"] == "user"), default=None)
        prompt = "" if place is None else contents[place]
        text = self._text(messages, contents, line) if trained else None
        batch.others.extend(content for at, content in enumerate(contents[:-1]) if at != place)
        batch.messages += len(messages)
        labels = self._decode(answer, line) if trained and not calls else None
        batch.add(line, prompt if text is None else text, answer, labels, prompt)

    def _text(self, messages: list[dict[str, Any]], contents: list[str], line: int) -> str | None:
        """The text that the task's prompt was made for, if it is the task's."""
        if self._user is None:
            return None
        forms = (
            [("user", self._user)]
            if self._system is None
            else [("system", self._system), ("user", self._user)]
        )
        roles = ["system" if message["role"] == "developer" else message["role"] for message in messages[:-1]]
        if roles != [role for role, _ in forms]:
            expected = " and ".join(role for role, _ in forms)
            found = ", ".join(roles) or "none"
            self.add(
                "prompt_differs",
                f"before the answer, the task has the messages {expected}; found {found}",
                line,
            )
            return None
        text = None
        for (role, form), content in zip(forms, contents, strict=False):
            text = form.text(content)
            if text is None:
                difference = form.difference(content)
                self.add("prompt_differs", f"the {role} message is not the task's: {difference}", line)
                return None
        return text


_CHAT_ENDINGS = (".jsonl", ".ndjson", ".json", "")
_SNIFFED = 20


def open_part(path: str | os.PathLike[str], role: str, setting: Setting, options: CheckOptions) -> Part:
    """Open a table or a chat file, whichever it is.

    Raises `SettingsError` if there is no such file, or a table without a task; `DataError` for a table
    without a usable header or without the task's columns.
    """
    source = ByteSource(path)
    try:
        if options.format is None and is_chat(source, setting.task):
            size = source.path.stat().st_size
            if size > MAX_BYTES:
                message = f"{size:,} bytes, more than {MAX_BYTES:,} (512 MB)"
                setting.desk.add("too_large", message, source.name)
            return ChatPart(ChatFile(source), role, setting)
        return _open_table(source, role, setting, options)
    except BaseException:
        source.close()
        raise


def _open_table(source: ByteSource, role: str, setting: Setting, options: CheckOptions) -> TablePart:
    if setting.task is None:
        raise SettingsError(
            f"{source.name}: a table is checked with its task, and there is no task file",
            hint=f"labeltune init {source.name} proposes one, or name it with --task",
        )
    table = open_table(source, format=options.format, encoding=options.encoding, separator=options.separator)
    return TablePart(table, role, setting, setting.task, strip=options.strip)


def is_chat(source: ByteSource, task: Task | None) -> bool:
    """Whether the lines are records rather than rows: told by the first lines that are JSON objects."""
    if source.ending not in _CHAT_ENDINGS:
        return False
    with source.open() as stream:
        lines = chain([stream.readline(LONGEST_RECORD).removeprefix(b"\xef\xbb\xbf")], _more(stream))
        any_line = json_like = False
        for line in islice((line for line in lines if not line.isspace() and line), _SNIFFED):
            any_line = True
            json_like = json_like or line.lstrip()[:1] in (b"{", b"[")
            try:
                row = orjson.loads(line)
            except orjson.JSONDecodeError:
                continue
            if isinstance(row, dict):
                return "messages" in row or task is None or not any(column in row for column in task.text)
    return any_line and (bool(source.ending) or json_like)


def _more(stream: Any) -> Iterator[bytes]:
    return iter(lambda: stream.readline(LONGEST_RECORD), b"")
