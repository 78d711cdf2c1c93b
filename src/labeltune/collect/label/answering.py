"""What may be answered: the task as the page asks it, and an answer as the page sends it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from labeltune.task.labels import illegal_pair

if TYPE_CHECKING:
    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["AnswerError", "fits", "questions_of", "read_answer"]


class AnswerError(ValueError):
    """Labels that are no answer to the task; says why."""


def questions_of(task: Task) -> list[dict[str, Any]]:
    """The fields as the page asks them, in task order."""
    places = {field.name: place for place, field in enumerate(task.fields)}
    return [
        {
            "name": field.name,
            "type": field.type,
            "labels": list(field.labels),
            "parent": None if field.parent is None else places[field.parent],
            "children": {upper: list(lowers) for upper, lowers in field.children.items()},
        }
        for field in task.fields
    ]


def read_answer(task: Task, value: Any) -> Labels:
    """The labels of an answer: for each field, in task order, a list of its labels. Raises `AnswerError`."""
    if not isinstance(value, list) or len(value) != len(task.fields):
        raise AnswerError(f"expected a list of labels for each of the {len(task.fields)} fields")
    labels = tuple(_of_field(field, found) for field, found in zip(task.fields, value, strict=True))
    if pair := illegal_pair(task, labels):
        child, upper, lower = pair
        raise AnswerError(f'{child.name}: "{lower}" does not stand under "{upper}"')
    return labels


def fits(task: Task, labels: Labels) -> bool:
    """Whether labels that were answered once are still an answer: the task may have been edited since."""
    try:
        return read_answer(task, [list(found) for found in labels]) == labels
    except AnswerError:
        return False


def _of_field(field: Field, found: Any) -> tuple[str, ...]:
    if not isinstance(found, list) or any(label not in field.labels for label in found):
        raise AnswerError(f"{field.name}: expected a list of its labels")
    if field.type == "single" and len(found) != 1:
        raise AnswerError(f"{field.name}: expected one label, got {len(found)}")
    return tuple(label for label in field.labels if label in found)
