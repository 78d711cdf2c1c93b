"""What it brings that people check the answers which are least sure, as far as that can be said honestly."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import exact_interval
from labeltune.evaluation.metrics.promise import STEP, Ranking, fewest_rows, promise_of
from labeltune.evaluation.report.headline import Checked
from labeltune.evaluation.report.shares import Share

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.evaluation.report.model import SureAnswers
    from labeltune.task import Task

__all__ = ["ACCURACY", "check_least_sure", "checked_by_limit", "measure_checked"]

ACCURACY = 0.95
"""What the others are promised to be, as `thresholds --accuracy` has it by default."""
_LOOKS = 24
"""About how many limits are tried: a report should not wait for more."""
_FEWEST = 20
"""From fewer rows no share is said."""


def measure_checked(predictions: Predictions, task: Task, sure: SureAnswers | None) -> Checked | None:
    """What people must check of the rows of a table, for the others to be right as often as is promised.

    None where no valid answer has a confidence, and none is said to be unsure.

    Where answers are unsure by a limit that was chosen on other rows, the others are measured as they are.
    Else the limit would be chosen on the rows that it is measured on, and the best of many noisy figures is
    too good: so it is one whose promise is kept on new rows (`metrics.promise`). Where there is none, about a
    third is left to people, whatever the answers are worth: a cut that does not depend on which are right.
    """
    inverse = predictions.patterns.inverse
    confidence = predictions.confidence
    if confidence is not None:
        confidence = np.where(predictions.pairs.valid[inverse], confidence, np.nan)
    said = checked_by_limit(predictions.rows, task, sure)
    if said is not None or confidence is None or np.isnan(confidence).all():
        return said
    return check_least_sure(confidence, predictions.pairs.right[inverse])


def checked_by_limit(rows: int, task: Task, sure: SureAnswers | None) -> Checked | None:
    """What is left to people where answers are unsure by a limit that was chosen on other rows; else None."""
    if sure is None or sure.accuracy is None or not all(one.type == "single" for one in task.fields):
        return None
    promised = ACCURACY if sure.limit is None else sure.limit.accuracy
    return Checked(rows - sure.coverage.count, sure.accuracy, "unsure", promised)


def check_least_sure(confidence: FloatArray, right: BoolArray) -> Checked:
    """Both (n_rows,); a row without a confidence (NaN) is always checked."""
    rows = len(confidence)
    step = max(STEP, (rows / fewest_rows(ACCURACY)) ** (1 / _LOOKS))
    ranking = Ranking.of(confidence, right)
    promise = promise_of(ranking, accuracy=ACCURACY, step=step)
    if promise is not None:
        rest = Share(promise.right, promise.sure, promise.interval)
        return Checked(rows - promise.sure, rest, "promise", ACCURACY)
    kept, hits = _kept(ranking)
    more_rows = bool(kept.size == 0 or (hits >= ACCURACY * kept).any())
    two_thirds = np.flatnonzero(3 * kept <= 2 * rows)
    if not two_thirds.size:
        return Checked(0, None, "third", ACCURACY, more_rows=more_rows)
    sure, of_them = int(kept[two_thirds[-1]]), int(hits[two_thirds[-1]])
    rest = Share(of_them, sure, exact_interval(of_them, sure))
    return Checked(rows - sure, rest, "third", ACCURACY, more_rows=more_rows)


def _kept(ranking: Ranking) -> tuple[IntArray, IntArray]:
    """How many rows each limit keeps, rising and from `_FEWEST` on, and how many of those are right.

    Rows of equal confidence stand or fall together.
    """
    ranked = ranking.confidence
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]) + 1, len(ranked))
    ends = ends[ends >= _FEWEST]
    return ends, ranking.hits(ends)
