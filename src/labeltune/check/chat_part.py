"""The examples of a chat file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.check.answers import AnswerReader
from labeltune.check.part import MAY_BE_SPECIAL, Batch, Part
from labeltune.check.prompts import PromptForm
from labeltune.records import record_problems, text_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from labeltune.check.rule import Setting
    from labeltune.errors import Finding
    from labeltune.jsonl import ChatFile, Record
    from labeltune.labels import Labels

__all__ = ["ChatPart"]


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
        self._regular = False
        if task is not None:
            self._system = PromptForm(task, task.system_template) if task.system_template else None
            self._user = PromptForm(task, task.user_template)
            self._answers = AnswerReader(task)
            if self._user.simple and (self._system is None or self._system.constant):
                self._regular = True
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
        read = self._own_record_reader() if self._regular else lambda _: None
        messages = 2 + (self._system is not None)
        batch = Batch()
        for line, record in self._chat:
            if line != self._last_line + 1:
                self._step(line)
            self._last_line = line
            own = read(record)
            if own is None:
                self._slow(batch, line, record)
            else:
                text, answer, prompt = own
                batch.add(line, text, answer, self._decode(answer, line), prompt)
                batch.regular += 1
                batch.messages += messages
                self.examples += 1
            if batch.is_full:
                yield batch
                batch = Batch()
        yield batch

    def _own_record_reader(self) -> Callable[[Record], tuple[str, str, str] | None]:
        """What reads a record of exactly the form that convert writes: text, answer, what of it is counted.

        It returns None for any other record. Nearly all records pass here and nowhere else, so no more is
        done than must be.
        """
        system, form, whole = self._system, self._user, self.whole
        assert form is not None
        first = None if system is None else {"role": "system", "content": system.prefix}
        expected = 2 if system is None else 3
        prefix, suffix = form.prefix, form.suffix
        start, fixed, end = len(prefix), len(prefix) + len(suffix), -len(suffix) or None
        sign = MAY_BE_SPECIAL[0]

        def read(record: Record) -> tuple[str, str, str] | None:
            try:
                messages = record["messages"]
                user, assistant = messages[-2], messages[-1]
                prompt, answer = user["content"], assistant["content"]
                if (
                    len(messages) != expected
                    or (first is not None and messages[0] != first)
                    or len(record) + len(user) + len(assistant) != 5
                    or user["role"] != "user"
                    or assistant["role"] != "assistant"
                    or not prompt.startswith(prefix)
                    or not prompt.endswith(suffix)
                    or len(prompt) < fixed
                    or not answer
                    or answer.isspace()
                ):
                    return None
                text = prompt[start:end]
                # One sign is found far sooner than two.
                if (sign in prompt and MAY_BE_SPECIAL in prompt) or MAY_BE_SPECIAL in answer:
                    return None
            except (KeyError, TypeError, AttributeError, IndexError):
                return None
            return text, answer, prompt if whole else text

        return read

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
