"""The task of one single field that predict, serve and start are measured with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.task import AnswerFormat, Field, Prompt, Task, format_task

if TYPE_CHECKING:
    from collections.abc import Sequence


def task_file(labels: Sequence[str], *, system: str = "") -> str:
    """A task file for a table with the columns `text` and `label`."""
    field = Field("intent", "single", tuple(labels), column="label")
    return format_task(Task(("text",), (field,), Prompt(system), AnswerFormat("label")))
