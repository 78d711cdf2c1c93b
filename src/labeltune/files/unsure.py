"""Answers that are too doubtful to be relied on: the limit that tells them, and what it is compared with."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Unsure", "has_single", "sureness"]


@dataclass(frozen=True, slots=True)
class Unsure:
    """Answers that are not as sure as `below` are unsure; what was promised of the others, 0 to 1 each."""

    below: float
    accuracy: float
    probability: float

    def doubts(self, sure: float | None) -> bool:
        """Whether an answer is unsure; one of which nothing is known is."""
        return sure is None or not sure >= self.below

    @classmethod
    def of(cls, table: Mapping[str, Any]) -> Unsure:
        """From what stands in a file. Raises `KeyError` and `ValueError` where it is nothing such."""
        numbers = [table[name] for name in ("below", "accuracy", "probability")]
        for number in numbers:
            if isinstance(number, bool) or not isinstance(number, int | float) or not 0 <= number <= 1:
                raise ValueError(f"[unsure] holds {number!r}, expected a number from 0 to 1")
        return cls(*map(float, numbers))


def has_single(task: Task) -> bool:
    """Whether an answer has a part that is right or wrong as a whole."""
    return any(field.type == "single" for field in task.fields)


def sureness(
    task: Task, answered: Labels, confidence: float | None, shares: Sequence[float | None]
) -> float | None:
    """How sure an answer is of its single fields, 0 to 1; None where that is not known.

    It is the confidence of the whole answer, of all levels of a path, unless multi fields are part of that:
    then the product of the probabilities of the labels that single fields have. `shares` has the probability
    of each label, length n_labels.
    """
    if all(field.type == "single" for field in task.fields):
        return confidence
    own = [
        shares[task.slices[field.name].start + field.labels.index(found[0])]
        for field, found in zip(task.fields, answered, strict=True)
        if field.type == "single"
    ]
    known = [share for share in own if share is not None]
    return math.prod(known) if len(known) == len(own) else None
