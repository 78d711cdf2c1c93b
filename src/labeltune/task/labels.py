"""The labels of one example."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.task import Field, Task

__all__ = ["Labels", "illegal_pair"]

Labels = tuple[tuple[str, ...], ...]
"""The labels of one example: for each field, in task order, its labels, in task order."""


def illegal_pair(task: Task, labels: Labels) -> tuple[Field, str, str] | None:
    """The first child field whose label does not stand under its parent's, with both labels."""
    by_field = {field.name: found for field, found in zip(task.fields, labels, strict=True)}
    for field, found in zip(task.fields, labels, strict=True):
        if field.parent is not None:
            upper, lower = by_field[field.parent][0], found[0]
            if lower not in field.children.get(upper, ()):
                return field, upper, lower
    return None
