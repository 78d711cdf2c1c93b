"""The names of the columns that predictions add to a table: the one place where they are spelled."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from labeltune.task import Task

__all__ = ["ANSWER", "CONFIDENCE", "PROBLEM", "predicted_columns", "probability_columns"]

ANSWER = "answer"
"""What the model answered, as it came."""
PROBLEM = "problem"
"""Empty if the answer is valid, else why it is not."""
CONFIDENCE = "confidence"
"""From 0 to 1."""


def predicted_columns(task: Task) -> tuple[tuple[str, ...], ...]:
    """For each field `predicted_<label>` by label, or `predicted_<field>` if it is single.

    Names that would stand there twice are prefixed: `predicted_<field>_<label>`.
    """
    plain = [(field.name,) if field.type == "single" else field.labels for field in task.fields]
    repeated = _repeated(plain)
    return tuple(
        tuple(
            f"predicted_{field.name}_{name}"
            if name in repeated and field.type == "multi"
            else f"predicted_{name}"
            for name in names
        )
        for field, names in zip(task.fields, plain, strict=True)
    )


def probability_columns(task: Task) -> tuple[str, ...]:
    """`probability_<label>` for each place of the label vector.

    A label of several fields is prefixed: `probability_<field>_<label>`.
    """
    repeated = _repeated([field.labels for field in task.fields])
    return tuple(
        f"probability_{field.name}_{label}" if label in repeated else f"probability_{label}"
        for field in task.fields
        for label in field.labels
    )


def _repeated(names: list[tuple[str, ...]]) -> set[str]:
    counts = Counter(name for group in names for name in group)
    return {name for name, count in counts.items() if count > 1}
