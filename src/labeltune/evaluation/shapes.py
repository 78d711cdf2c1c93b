"""A task's fields as the metrics need them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from labeltune.evaluation.metrics.quality import Shape

if TYPE_CHECKING:
    from labeltune.task import Field, Task

__all__ = ["shapes_of"]


def shapes_of(task: Task) -> tuple[Shape, ...]:
    """The shape of each field, in task order."""
    return tuple(
        Shape(
            name=field.name,
            labels=field.labels,
            part=task.slices[field.name],
            single=field.type == "single",
            paths=_paths(task, field) if field.parent is not None else (),
        )
        for field in task.fields
    )


def _paths(task: Task, field: Field) -> tuple[tuple[int, ...], ...]:
    """The legal paths down to a field, as places in the label vector."""
    start = task.slices[field.name].start
    if field.parent is None:
        return tuple((start + place,) for place in range(len(field.labels)))
    parent = task.field(field.parent)
    first = task.slices[parent.name].start
    return tuple(
        (*path, start + field.labels.index(label))
        for path in _paths(task, parent)
        for label in field.children.get(parent.labels[path[-1] - first], ())
    )
