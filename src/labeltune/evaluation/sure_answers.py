"""Which answers can be relied on: how sure each is, which are unsure, and what that brings."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.metrics.intervals import exact_interval
from labeltune.evaluation.predictions import require_probabilities
from labeltune.evaluation.report.model import SureAnswers
from labeltune.evaluation.report.shares import Share
from labeltune.files.unsure import has_single

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.unsure import Unsure
    from labeltune.task import Task

__all__ = ["answer_sureness", "find_unsure", "measure_sure", "right_answers"]


def answer_sureness(predictions: Predictions, task: Task) -> FloatArray:
    """(n_rows,) how sure each answer is of its single fields, as `labeltune.files.unsure.sureness` has it.

    NaN where that is not known, and for invalid answers. Raises `DataError` where the table tells it of none.
    """
    by_row = predictions.pairs[predictions.patterns.inverse]
    if all(field.type == "single" for field in task.fields):
        sure = predictions.confidence
    else:
        shares = require_probabilities(predictions, task)
        places = _single_places(task)
        sure = np.where(by_row.pred[:, places], shares[:, places], 1.0).prod(axis=1)
    sure = np.full(predictions.rows, np.nan) if sure is None else np.where(by_row.valid, sure, np.nan)
    if np.isnan(sure).all():
        raise DataError(
            f"{predictions.source}: no valid answer has a confidence",
            hint="labeltune predict DATA --model MODEL writes them, unless --no-confidence is given or the "
            "provider has no log-probabilities",
        )
    return sure


def right_answers(predictions: Predictions, task: Task) -> BoolArray:
    """(n_rows,) where all single fields are right; an invalid answer never is."""
    pairs, places = predictions.pairs, _single_places(task)
    right = (pairs.true[:, places] == pairs.pred[:, places]).all(axis=1) & pairs.valid
    by_row: BoolArray = right[predictions.patterns.inverse]
    return by_row


def _single_places(task: Task) -> list[int]:
    """The places of the label vector that belong to single fields."""
    parts = [task.slices[field.name] for field in task.fields if field.type == "single"]
    return [place for part in parts for place in range(part.start, part.stop)]


def find_unsure(predictions: Predictions, task: Task, limit: Unsure) -> BoolArray:
    """(n_rows,) which valid answers are unsure; one without a confidence is. Raises `DataError`."""
    valid = predictions.pairs.valid[predictions.patterns.inverse]
    unsure: BoolArray = valid & ~(answer_sureness(predictions, task) >= limit.below)
    return unsure


def measure_sure(predictions: Predictions, task: Task, limit: Unsure | None = None) -> SureAnswers | None:
    """The accuracy of single fields with and without the unsure answers, and how many rows remain.

    None where nothing was said to be unsure: no `limit`, and no row of the table.
    """
    if not has_single(task) or (limit is None and not predictions.unsure.any()):
        return None
    valid = predictions.pairs.valid[predictions.patterns.inverse]
    sure, right = valid & ~predictions.unsure, right_answers(predictions, task)
    return SureAnswers(
        unsure=int(predictions.unsure.sum()),
        coverage=_share(sure),
        accuracy=_share(right[sure]) if sure.any() else None,
        accuracy_of_all=_share(right),
        limit=limit,
    )


def _share(chosen: BoolArray) -> Share:
    count, of = int(chosen.sum()), len(chosen)
    return Share(count, of, exact_interval(count, of))
