"""Pieces of the commands that hints propose, where what is pasted must work, and of other sentences."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from labeltune.defaults import DEFAULT_PROVIDER, DEFAULT_TASK_FILE
from labeltune.files.writing import STANDARD_STREAM
from labeltune.wording import pasted

if TYPE_CHECKING:
    from labeltune.task import Task

__all__ = ["model_words", "place_of", "task_words"]

_BASES = {"local": "", "openai": " --model gpt-4.1-mini-2025-04-14"}
"""How a base model is named that the provider has; this machine's has one for whoever names none."""


def place_of(output: str) -> str:
    """Where something was written, behind what it is."""
    return "on standard output" if output == STANDARD_STREAM else f"in {output}"


def task_words(task: str | os.PathLike[str]) -> str:
    """` --task FILE` behind a command, where it is not the default file."""
    return "" if os.fspath(task) == DEFAULT_TASK_FILE else f" --task {pasted(task)}"


def model_words(task: Task | None, provider: str | None = None) -> str:
    """` --model BASE` behind `train`, of the provider in use; nothing where the task names a model."""
    if task is not None and task.defaults.model is not None:
        return ""
    kept = None if task is None else task.defaults.provider
    place = provider or os.environ.get("LABELTUNE_PROVIDER") or kept or DEFAULT_PROVIDER
    return _BASES.get(place, " --model BASE")
