"""What makes a provider refuse a chat file, found before the file is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError
from labeltune.jsonl import ChatFile
from labeltune.labels import decode_answer

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.task import Task

__all__ = ["MIN_RECORDS", "precheck"]

MIN_RECORDS = 10
"""Fewer examples than this are refused (`invalid_n_examples`)."""

_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}
_ROLES = ("system", "developer", "user", "assistant", "tool", "function")


def precheck(path: Path, task: Task | None) -> None:
    """Raise a `DataError` with every line that would be refused, or whose answer is none of the task's."""
    records = 0
    with ChatFile(path) as file:
        for line, record in file:
            records += 1
            problem = _problem(record)
            if problem is not None:
                file.reject("bad_record", line, problem)
            elif task is not None:
                _check_answer(file, line, record["messages"][-1], task)
    if records < MIN_RECORDS:
        raise DataError(
            f"{path}: {records} record{'' if records == 1 else 's'}, expected at least {MIN_RECORDS}",
            hint="providers refuse to train on fewer; nothing was sent",
        )


def _check_answer(file: ChatFile, line: int, last: dict[str, Any], task: Task) -> None:
    answer = last.get("content")
    if not isinstance(answer, str) or last.get("weight") == 0:
        return
    problem = decode_answer(task, answer).problem
    if problem is not None:
        file.reject("bad_answer", line, f'answer "{answer[:80]}" is not one of {task.source} ({problem})')


def _problem(record: dict[str, Any]) -> str | None:
    """What is wrong with one record, if anything."""
    messages = record.get("messages")
    if not isinstance(messages, list) or not messages:
        return 'expected {"messages": […]}'
    strange = sorted(record.keys() - _KEYS)
    if strange:
        return f'unknown key "{strange[0]}", expected "messages" only'
    for message in messages:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return f"every message needs a role: one of {', '.join(_ROLES)}"
    last = messages[-1]
    if last["role"] != "assistant":
        return f"the last message must be the assistant's, but is the {last['role']}'s"
    if not last.get("content") and not last.get("tool_calls") and not last.get("function_call"):
        return "the assistant's message is empty"
    return None
