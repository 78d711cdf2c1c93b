"""What makes a provider refuse a chat file, found before the file is sent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.errors import DataError
from labeltune.jsonl import ChatFile
from labeltune.labels import decode_answer
from labeltune.records import MIN_EXAMPLES, record_problems

if TYPE_CHECKING:
    from pathlib import Path

    from labeltune.task import Task

__all__ = ["precheck"]

_SHOWN = 80


def precheck(path: Path, task: Task | None) -> None:
    """Raise a `DataError` with every line that would be refused, or whose answer is none of the task's."""
    records = 0
    with ChatFile(path) as file:
        for line, record in file:
            records += 1
            problem = next(record_problems(record), None)
            if problem is not None:
                file.reject(problem[0], line, problem[1])
            elif task is not None:
                _check_answer(file, line, record["messages"][-1], task)
    if records < MIN_EXAMPLES:
        raise DataError(
            f"{path}: {records} record{'' if records == 1 else 's'}, expected at least {MIN_EXAMPLES}",
            hint="providers refuse to train on fewer; nothing was sent",
        )


def _check_answer(file: ChatFile, line: int, last: dict[str, Any], task: Task) -> None:
    answer = last.get("content")
    if not isinstance(answer, str) or last.get("weight") == 0:
        return
    problem = decode_answer(task, answer).problem
    if problem is not None:
        file.reject("bad_answer", line, f'answer "{answer[:_SHOWN]}" is not one of {task.source} ({problem})')
