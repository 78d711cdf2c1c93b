"""Training files, held to OpenAI's rules: what a line may contain, and what each refusal is called."""

from __future__ import annotations

import codecs
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson

from labeltune.task.records import MIN_EXAMPLES, record_problems, text_of
from labeltune.wording import counted

if TYPE_CHECKING:
    from collections.abc import Iterable

    from labeltune.local.engines import Record

__all__ = ["MIN_EXAMPLES", "Problem", "TrainingFile", "read_training_file", "text_of"]

SHOWN = 20
"""How many problems a message lists before the rest is only counted."""


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
            has = counted(self.examples, "example")
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
        text = line.removeprefix(codecs.BOM_UTF8) if number == 1 else line
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
        first = next(record_problems(value), None)
        if first is not None:
            result.report(Problem(number, first[1]))
        elif keep and value["messages"][-1].get("weight") != 0:
            result.records.append([_plain(message) for message in value["messages"]])
    return result


def _why_no_json(line: bytes, error: orjson.JSONDecodeError) -> str:
    try:
        line.decode()
    except UnicodeDecodeError as bad:
        return f"byte {bad.start + 1} of the line is not UTF-8"
    return f"the line is not valid JSON ({error.msg}, column {error.colno})"


def _plain(message: dict[str, Any]) -> dict[str, Any]:
    return {"role": message["role"], "content": text_of(message.get("content")) or ""}
