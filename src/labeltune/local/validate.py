"""Training files, held to OpenAI's rules: what a line may contain, and what each refusal is called."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from labeltune.local.engines import Record

__all__ = ["MIN_EXAMPLES", "Problem", "TrainingFile", "read_training_file", "text_of"]

MIN_EXAMPLES = 10
"""A training file with fewer examples is refused with `invalid_n_examples`."""

SHOWN = 20
"""How many problems a message lists before the rest is only counted."""

_LINE_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
_MESSAGE_KEYS = {
    "role",
    "content",
    "name",
    "weight",
    "tool_calls",
    "tool_call_id",
    "function_call",
    "refusal",
}
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")
_SPECIAL = re.compile(
    r"<\|(?:endoftext|endofprompt|im_start|im_end|im_sep|fim_prefix|fim_middle|fim_suffix|start|end|message|channel)\|>"
)


@dataclass(frozen=True, slots=True)
class Problem:
    """What is wrong with one line; lines count from 1."""

    line: int
    message: str

    def __str__(self) -> str:
        return f"Line {self.line}: {self.message}"


@dataclass(slots=True)
class TrainingFile:
    """The examples of a training or validation file, and what is wrong with it."""

    records: list[Record] = field(default_factory=list)
    examples: int = 0
    problems: list[Problem] = field(default_factory=list)
    problem_count: int = 0

    def report(self, problem: Problem) -> None:
        """Note a problem; only the first are kept, all are counted."""
        self.problem_count += 1
        if len(self.problems) < SHOWN:
            self.problems.append(problem)

    def refusal(self, *, least: int = 1) -> tuple[str, str] | None:
        """Code and message of the first rule that the file breaks, or None."""
        if self.problems:
            rest = self.problem_count - len(self.problems)
            shown = " ".join(f"{problem}." for problem in self.problems)
            more = f" … and {rest:,} more." if rest else ""
            return "invalid_file_format", f"Invalid file format. {shown}{more}"
        if self.examples < least:
            has = "1 example" if self.examples == 1 else f"{self.examples} examples"
            return "invalid_n_examples", f"The file has {has}, but at least {least} are needed."
        return None


def read_training_file(lines: Iterable[bytes], *, keep: bool = True) -> TrainingFile:
    """Read chat JSONL and hold every line to the rules; problems are collected, never raised.

    Records keep role and text of each message; with `keep` False the examples are only counted. An example
    whose answer has weight 0 counts, but is no record. Empty lines are refused, except at the end.
    """
    result = TrainingFile()
    empty: list[int] = []
    for number, line in enumerate(lines, start=1):
        text = line.removeprefix(b"\xef\xbb\xbf") if number == 1 else line
        if not text.strip():
            empty.append(number)
            continue
        for skipped in empty:
            result.report(Problem(skipped, "the line is empty"))
        empty.clear()
        result.examples += 1
        try:
            value = orjson.loads(text)
        except orjson.JSONDecodeError as error:
            result.report(Problem(number, _why_no_json(text, error)))
            continue
        first = next(_problems(value), None)
        if first is not None:
            result.report(Problem(number, first))
        elif keep and value["messages"][-1].get("weight") != 0:
            result.records.append([_plain(message) for message in value["messages"]])
    return result


def _why_no_json(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as bad:
        return f"byte {bad.start + 1} of the line is not UTF-8"
    return f"the line is not valid JSON ({error.msg}, column {error.colno})"


def _problems(value: Any) -> Iterator[str]:
    """What is wrong with one example, in order."""
    if not isinstance(value, dict):
        yield "expected an object with the key 'messages'"
        return
    for key in value:
        if key not in _LINE_KEYS:
            yield f"unknown key {key[:64]!r}; expected 'messages'"
    messages = value.get("messages")
    if not isinstance(messages, list) or not messages:
        yield "'messages' must be a non-empty array"
        return
    for position, message in enumerate(messages):
        yield from _message_problems(message, f"messages[{position}]")
    if messages[-1]["role"] != "assistant":
        yield f"the last message must be the assistant's, but its role is {messages[-1]['role']!r}"


def _message_problems(message: Any, where: str) -> Iterator[str]:
    if not isinstance(message, dict):
        yield f"{where} must be an object"
        return
    for key in message:
        if key not in _MESSAGE_KEYS:
            yield f"{where} has the unknown key {key[:64]!r}"
    role = message.get("role")
    if role not in _ROLES:
        yield f"{where}.role must be one of {', '.join(_ROLES)}, but is {str(role)[:64]!r}"
        return
    if "weight" in message and (role != "assistant" or message["weight"] not in (0, 1, None)):
        yield f"{where}.weight must be 0 or 1, and only the assistant's messages have one"
    text = text_of(message.get("content"))
    if text is None:
        if message.get("content") is not None or not (
            message.get("tool_calls") or message.get("function_call")
        ):
            yield f"{where}.content must be text"
        return
    special = _SPECIAL.search(text)
    if special is not None:
        yield f"{where}.content contains the special token {special[0]}, which is not allowed"


def text_of(content: Any) -> str | None:
    """The text of a message's content: a string, or text parts joined; None if it is anything else."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    texts = []
    for part in content:
        if not isinstance(part, dict) or part.get("type") != "text" or not isinstance(part.get("text"), str):
            return None
        texts.append(part["text"])
    return "".join(texts)


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": text_of(message.get("content")) or ""}
