"""Pieces of the commands that hints propose: what is pasted must work."""

from __future__ import annotations

import os
import shlex

from labeltune.defaults import DEFAULT_TASK_FILE

__all__ = ["pasted", "task_words"]


def pasted(name: str | os.PathLike[str]) -> str:
    """A name as a shell takes it for one word."""
    return shlex.quote(os.fspath(name))


def task_words(task: str | os.PathLike[str]) -> str:
    """` --task FILE` behind a command, where it is not the default file."""
    return "" if os.fspath(task) == DEFAULT_TASK_FILE else f" --task {pasted(task)}"
