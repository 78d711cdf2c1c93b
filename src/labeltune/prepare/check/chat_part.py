"""The examples of a chat file."""

from __future__ import annotations

from array import array
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from labeltune.files.chat_form import NOT_LINES, NOT_UTF8
from labeltune.prepare.check.answers import AnswerReader
from labeltune.prepare.check.converted_records import WrittenForm
from labeltune.prepare.check.part import BATCH, LONG_TEXT, Batch, Part
from labeltune.prepare.check.prompts import PromptForm
from labeltune.task.records import record_problems, text_of
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from labeltune.errors import Finding
    from labeltune.files.jsonl import ChatFile
    from labeltune.prepare.check.converted_records import RecordReader
    from labeltune.prepare.check.setting import Setting
    from labeltune.task.labels import Labels

__all__ = ["ChatPart"]


class ChatPart(Part):
    """A chat file. Without a task, only what holds for any record is looked at."""

    kind = "chat"

    def __init__(self, chat: ChatFile, role: str, setting: Setting) -> None:
        super().__init__(chat.source, role, setting)
        task = setting.task
        self._chat = chat
        chat.on_bad = self._on_bad
        self._task = task
        self._last_line = 0
        self._untaught = array("q")
        """The lines of records from which nothing is learnt."""
        self._system = self._user = None
        self._answers = None
        self._form: WrittenForm | None = None
        if task is not None:
            self._system = PromptForm(task, task.system_template) if task.system_template else None
            self._user = PromptForm(task, task.user_template)
            self._answers = AnswerReader(task)
            if self._user.simple and (self._system is None or self._system.constant):
                self._form = WrittenForm(self._system, self._user, self._answers)
                self._fix(self._system, self._user)

    def close(self) -> None:
        """Let go of what is open."""
        self._chat.close()

    def _step(self, line: int) -> None:
        """Blank lines are passed over by the reader; between records, they are findings."""
        for empty in range(self._last_line + 1, line):
            self.add("empty_line", "the line is empty, expected a record", empty)
        self._last_line = line

    def _batches(self) -> Iterator[Batch]:
        if self._chat.has_mark:
            self.add("byte_order_mark", "a byte order mark before the first record", 1)
        lines = self._chat.lines()
        first = next(lines, None)
        if first is not None:
            read = (lambda _: None) if self._form is None else self._form.reader(first[1])
            lines = chain([first], lines)
            while self._fill(batch := Batch(), lines, read):
                yield batch
            self._tell_untaught()

    def _on_bad(self, finding: Finding, values: Sequence[str]) -> None:
        self.misformed = self.misformed or finding.code in (NOT_LINES, NOT_UTF8)
        super()._on_bad(finding, values)

    def _tell_untaught(self) -> None:
        """Records whose answer has no weight; if it is all of them, nothing is left."""
        lines = self._untaught
        if len(lines) == self.examples > 0:
            self.add("nothing_to_learn", "nothing to learn: the answer of every record has the weight 0")
        elif lines:
            records = counted(len(lines), "record teaches", "records teach")
            self.add("untaught", f"{records} nothing: the answer's weight is 0", lines[0])

    def _fill(self, batch: Batch, lines: Iterator[tuple[int, bytes]], read: RecordReader) -> bool:
        """Take the next lines in; whether there were any."""
        add_line, add_text, add_answer = batch.lines.append, batch.texts.append, batch.answers.append
        add_labels, add_prompt = batch.labels.append, batch.prompts.append
        regular = taken = 0
        prefix, suffix = ("", "") if self._user is None else (self._user.prefix, self._user.suffix)
        for line, content in islice(lines, BATCH):
            taken += 1
            if line != self._last_line + 1:
                self._step(line)
            self._last_line = line
            own = read(content)
            if own is None:
                self._take_any(batch, line, content)
                if batch.ends_long:
                    break
                continue
            # Nearly all records pass here and nowhere else, so no more is done than must be.
            text, (answer, labels, problem) = own
            add_line(line)
            add_text(text)
            add_answer(answer)
            add_labels(labels)
            add_prompt(prefix + text + suffix if self.whole else text)
            regular += 1
            if problem is not None:
                self.add(*problem, line)
            if len(text) > LONG_TEXT:
                break
        self.examples += regular
        batch.regular += regular
        batch.messages += regular * (2 + (self._system is not None))
        if regular == len(batch.lines) and not self.whole:
            batch.prompts = batch.texts
        return taken > 0

    def _decode(self, answer: str, line: int) -> Labels | None:
        if self._answers is None:
            return None
        labels, problem = self._answers[answer]
        if problem is not None:
            self.add(*problem, line)
        return labels

    def _take_any(self, batch: Batch, line: int, content: bytes) -> None:
        """Take in any line, with what is wrong with it."""
        record = self._chat.record(line, content)
        if record is None:
            return
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
        if not trained:
            self._untaught.append(line)
        if calls and self._task is not None:
            self.add(
                "bad_answer", f"the answer calls a tool, and {self._task.source} has labels for answers", line
            )
            return
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
