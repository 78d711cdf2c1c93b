"""The JSON schema of a task's answers, for providers that hold a model to one."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.task import Field, Task

__all__ = ["answer_schema"]


def answer_schema(task: Task, *, pairs: bool = False) -> dict[str, Any] | None:
    """The strict JSON schema of the answers `json` and `flags`; None for the others, which are not JSON.

    A schema of this kind may have no alternatives at its root for most providers, so that parent and child
    can each be held to their labels but not to their pairs; with `pairs` it has one alternative per parent
    label.
    """
    if task.answer.format == "flags":
        return _object_schema({label: {"type": "boolean"} for label in task.fields[0].labels})
    if task.answer.format != "json":
        return None
    child = next((field for field in task.fields if field.parent is not None), None)
    if not pairs or child is None:
        return _object_schema({field.name: _field_schema(field, field.labels) for field in task.fields})
    return {
        "anyOf": [
            _object_schema(
                {
                    field.name: _field_schema(
                        field,
                        (upper,)
                        if field.name == child.parent
                        else lowers
                        if field is child
                        else field.labels,
                    )
                    for field in task.fields
                }
            )
            for upper, lowers in child.children.items()
            if lowers
        ]
    }


def _object_schema(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _field_schema(field: Field, labels: Sequence[str]) -> dict[str, Any]:
    one = {"type": "string", "enum": list(labels)}
    return one if field.type == "single" else {"type": "array", "items": one}
