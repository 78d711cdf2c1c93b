"""Columns by their names: those that a table must have, and those that predictions add, spelled only here."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from labeltune.errors import DataError, did_you_mean

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from labeltune.task import Task

__all__ = [
    "ANSWER",
    "CONFIDENCE",
    "PROBLEM",
    "UNSURE",
    "added_columns",
    "clashing_columns",
    "predicted_columns",
    "probability_columns",
    "require_columns",
]

ANSWER = "answer"
"""What the model answered, as it came."""
PROBLEM = "problem"
"""Empty if the answer is valid, else why it is not; or `UNSURE`."""
UNSURE = "unsure"
"""The problem of a valid answer that is too doubtful to be relied on: its row keeps its labels."""
CONFIDENCE = "confidence"
"""From 0 to 1."""

_NAMED_COLUMNS = 20
"""How many columns a message names."""


def require_columns(
    columns: Iterable[str],
    header: Sequence[str],
    *,
    source: str,
    why: str = "which the task names",
    hint: str = "",
) -> None:
    """Raise `DataError` unless the table `source` has all these columns; names the nearest ones.

    `why` says for what they are needed; `hint` what to do, if it is not to look at what the table has.
    """
    missing = [column for column in columns if column not in header]
    if missing:
        named = _listed([f'"{column}"{did_you_mean(column, header)}' for column in missing])
        has = f"the table has: {_listed(header)}"
        if list(header) == ["messages"]:
            has = "this is a chat file, which holds prompts and answers; name the table that it was made of"
        elif len(header) == 1:
            has += "; is its first line a comment, or the separator another one (--sep)?"
        raise DataError(f"{source}:1: no column {named}, {why}", hint=hint or has)


def _listed(columns: Sequence[str]) -> str:
    left = len(columns) - _NAMED_COLUMNS
    return ", ".join(columns[:_NAMED_COLUMNS]) + (f" and {left:,} more" if left > 0 else "")


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


def added_columns(task: Task, *, probabilities: bool) -> list[str]:
    """The columns that predict adds, in their order."""
    columns = [column for group in predicted_columns(task) for column in group]
    columns += [ANSWER, PROBLEM, CONFIDENCE]
    return columns + list(probability_columns(task) if probabilities else ())


def clashing_columns(task: Task, header: Sequence[str]) -> list[str]:
    """The columns of a table that are called like some that predict may add."""
    added = {*added_columns(task, probabilities=True)}
    return [column for column in header if column in added]


def _repeated(names: list[tuple[str, ...]]) -> set[str]:
    counts = Counter(name for group in names for name in group)
    return {name for name, count in counts.items() if count > 1}
