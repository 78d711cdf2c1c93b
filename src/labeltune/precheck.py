"""What makes a provider refuse a chat file, found before the file is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import orjson

from labeltune.findings import Findings
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
    findings = Findings(str(path))
    records = 0
    with path.open("rb") as lines:
        for number, line in enumerate(lines, start=1):
            if line.strip():
                records += 1
                _check_line(findings, number, line, task)
            elif line.endswith(b"\n"):
                findings.add("empty_line", number, "the line is empty, expected a record")
    if records < MIN_RECORDS:
        findings.add(
            "too_few", None, f"{records} record{'' if records == 1 else 's'}, expected at least {MIN_RECORDS}"
        )
    findings.raise_if_any(hint="a chat file is what `labeltune convert` writes; nothing was sent")


def _check_line(findings: Findings, number: int, line: bytes, task: Task | None) -> None:
    try:
        record = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        findings.add("bad_json", number, f"is no JSON: {error.msg} at column {error.colno}")
        return
    problem = _problem(record)
    if problem is not None:
        findings.add("bad_record", number, problem)
        return
    last = record["messages"][-1]
    if task is not None and isinstance(last.get("content"), str) and last.get("weight") != 0:
        decoded = decode_answer(task, last["content"])
        if decoded.problem is not None:
            shown = last["content"][:80]
            findings.add(
                "bad_answer", number, f'answer "{shown}" is not one of {task.source} ({decoded.problem})'
            )


def _problem(record: Any) -> str | None:
    """What is wrong with one record, if anything."""
    if not isinstance(record, dict) or not isinstance(record.get("messages"), list) or not record["messages"]:
        return 'expected {"messages": […]}'
    strange = sorted(record.keys() - _KEYS)
    if strange:
        return f'unknown key "{strange[0]}", expected "messages" only'
    for message in record["messages"]:
        if not isinstance(message, dict) or message.get("role") not in _ROLES:
            return f"every message needs a role: one of {', '.join(_ROLES)}"
    last = record["messages"][-1]
    if last["role"] != "assistant":
        return f"the last message must be the assistant's, but is the {last['role']}'s"
    if not last.get("content") and not last.get("tool_calls") and not last.get("function_call"):
        return "the assistant's message is empty"
    return None
