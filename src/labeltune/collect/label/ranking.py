"""What a model says of the rows: the labels it would give, and how sure it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np
    from numpy.typing import NDArray

    from labeltune.task import Task
    from labeltune.task.labels import Labels

__all__ = ["Ranking", "margin_of"]


@dataclass(frozen=True, slots=True)
class Ranking:
    """What one model says."""

    source: str
    """The model's name; empty for what was trained on the answers."""
    margins: NDArray[np.float32]
    """(n_rows,): NaN where the model says nothing."""
    numbers: NDArray[np.int32]
    """(n_rows,): which of `answers`; -1 where the model says nothing."""
    answers: Sequence[Labels]

    def suggestion(self, place: int) -> Labels | None:
        """The labels that the model would give a row."""
        number = int(self.numbers[place])
        return None if number < 0 else self.answers[number]


def margin_of(task: Task, shares: Sequence[float | None], confidence: float | None) -> float:
    """By how much the best labels of a row are ahead of the second best, 0 to 1.

    `shares` are the probabilities of all labels, in task order. Of a single field that is the difference of
    the two highest; of a multi field, each of whose labels is there or not, the smallest such difference; of
    several fields the smallest. Where the model tells no probabilities, `confidence` stands for the best.
    """
    margins = []
    for field in task.fields:
        told = [share for share in shares[task.slices[field.name]] if share is not None]
        if field.type == "multi":
            margins += [abs(2 * share - 1) for share in told]
        elif told:
            best, second, *_ = [*sorted(told, reverse=True), 0.0]
            margins.append(best - second)
    if margins:
        return min(margins)
    return float("nan") if confidence is None else max(0.0, 2 * confidence - 1)
