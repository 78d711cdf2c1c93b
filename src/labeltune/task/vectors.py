"""Labels as vectors: bool, in task order."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["label_matrix", "label_vector"]


def label_vector(task: Task, labels: Labels | None) -> list[bool]:
    """The label vector, length n_labels, all fields in task order; all false for None (an invalid answer)."""
    if labels is None:
        return [False] * len(task.labels)
    return [
        label in found for field, found in zip(task.fields, labels, strict=True) for label in field.labels
    ]


def label_matrix(task: Task, rows: Iterable[Labels | None]) -> NDArray[np.bool_]:
    """The label vectors of many rows: bool (n_rows, n_labels). Equal label sets are worked out once."""
    import numpy as np

    known: dict[Labels | None, int] = {}
    indices = [known.setdefault(labels, len(known)) for labels in rows]
    distinct = np.array([label_vector(task, labels) for labels in known], dtype=np.bool_)
    return distinct.reshape(-1, len(task.labels))[np.array(indices, dtype=np.intp)]
