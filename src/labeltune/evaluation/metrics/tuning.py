"""Choosing the probability from which a label is predicted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray

__all__ = ["DEFAULT_THRESHOLD", "NEVER", "Choice", "between", "choose_threshold"]

DEFAULT_THRESHOLD = 0.5
"""What a label keeps about which nothing can be learnt."""
NEVER = math.inf
"""The threshold of a label that is never predicted, because nothing reaches the precision asked for."""


@dataclass(frozen=True, slots=True)
class Choice:
    """A threshold, and what it scores on the rows that it was chosen on. Predicted is what reaches it."""

    threshold: float
    precision: float
    recall: float
    f1: float

    @property
    def never(self) -> bool:
        """Whether the label is never predicted."""
        return math.isinf(self.threshold)


def choose_threshold(
    true: BoolArray, probability: FloatArray, *, min_precision: float | None = None
) -> Choice:
    """The threshold of the best F1, or, with `min_precision`, of the best recall that keeps it.

    Both arrays (n_rows,). Between equally good thresholds the highest is taken; it lies half-way between the
    probabilities on its two sides. A label that no row has keeps `DEFAULT_THRESHOLD`.
    """
    positives = int(true.sum())
    if positives == 0:
        return Choice(DEFAULT_THRESHOLD, 0.0, 0.0, 0.0)
    order = np.argsort(-probability, kind="stable")
    ranked, hits = probability[order], np.cumsum(true[order])
    # A cut can only lie where the probability changes: rows of equal probability stand or fall together.
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    both, said = hits[ends], ends + 1
    precision, recall, f1 = both / said, both / positives, 2 * both / (said + positives)
    if min_precision is None:
        best = int(f1.argmax())
    else:
        good = precision >= min_precision
        if not good.any():
            return Choice(NEVER, 0.0, 0.0, 0.0)
        best = int(np.where(good, recall, -1).argmax())
    end = int(ends[best])
    below = float(ranked[end + 1]) if end + 1 < len(ranked) else 0.0
    return Choice(
        threshold=between(below, float(ranked[end])),
        precision=float(precision[best]),
        recall=float(recall[best]),
        f1=float(f1[best]),
    )


def between(below: float, above: float) -> float:
    """The shortest number near the middle that separates the two: people read it in a file."""
    middle = (below + above) / 2
    for digits in range(2, 17):
        rounded = round(middle, digits)
        if below < rounded <= above:
            return rounded
    return above
