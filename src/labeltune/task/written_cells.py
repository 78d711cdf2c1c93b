"""From labels to the cells of a table: what `label_cells` reads, written."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from labeltune.task.cells import LIST_DELIMITER

if TYPE_CHECKING:
    from collections.abc import Iterator

    from labeltune.task import Field, Task
    from labeltune.task.labels import Labels

__all__ = ["written_cells"]


def written_cells(task: Task, labels: Labels) -> list[str]:
    """The cells of `task.label_columns` for these labels; reading them gives the same labels."""
    return [
        cell for field, found in zip(task.fields, labels, strict=True) for cell in _cells_of(field, found)
    ]


def _cells_of(field: Field, found: tuple[str, ...]) -> Iterator[str]:
    if field.columns:
        yield from (field.yes if label in found else field.no for label in field.labels)
    elif field.delimiter is None:
        yield from found
    elif field.delimiter == LIST_DELIMITER:
        yield json.dumps(list(found), ensure_ascii=False)
    else:
        yield field.delimiter.join(found)
