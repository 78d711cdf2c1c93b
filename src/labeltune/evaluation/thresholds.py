"""Choose thresholds on predictions for validation data: the use case behind `labeltune thresholds`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import GateError, SettingsError
from labeltune.evaluation.metrics.promise import choose_promise, fewest_rows
from labeltune.evaluation.metrics.tuning import choose_threshold
from labeltune.evaluation.predictions import require_probabilities
from labeltune.evaluation.reading import read_predictions
from labeltune.evaluation.sure_answers import answer_sureness, right_answers
from labeltune.evaluation.written import open_predictions
from labeltune.files.threshold_file import Thresholds, TunedOn, row_sample
from labeltune.files.unsure import Unsure, has_single
from labeltune.task import NOTHING_TOLD, ReadOptions

if TYPE_CHECKING:
    from collections.abc import Mapping

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray
    from labeltune.evaluation.metrics.promise import Promise
    from labeltune.evaluation.metrics.tuning import Choice
    from labeltune.evaluation.predictions import Predictions
    from labeltune.task import Task

__all__ = ["ACCURACY", "Tuning", "tune_thresholds"]

ACCURACY = 0.95
"""What is promised of sure answers, unless said otherwise."""


@dataclass(frozen=True, slots=True)
class Tuning:
    """Thresholds, and what each label, and the sure answers, score on the rows that they were chosen on."""

    thresholds: Thresholds
    choices: Mapping[str, Mapping[str, Choice]]
    """by multi field and label"""
    promise: Promise | None = None
    """of single fields"""


def tune_thresholds(
    path: str,
    task: Task,
    *,
    min_precision: float | None = None,
    accuracy: float | None = None,
    read: ReadOptions = NOTHING_TOLD,
) -> Tuning:
    """Choose the threshold of every label of the task's multi fields, the best F1, or recall at a precision;
    and of single fields the confidence below which an answer is unsure, so that the others have an accuracy.

    `accuracy` is `ACCURACY` by default; where there are multi fields too, single ones get a limit only if it
    is given. Raises `SettingsError` for an option about fields that the task has not, `DataError` for a table
    without probabilities, or without confidences, and `GateError` where no limit keeps the promise.
    """
    multi = any(field.type == "multi" for field in task.fields)
    if min_precision is not None and not multi:
        raise SettingsError(f"{task.source}: --min-precision is for multi fields, and the task has none")
    if accuracy is not None and not has_single(task):
        raise SettingsError(f"{task.source}: --accuracy is for single fields, and the task has none")
    if accuracy is not None and not 0 < accuracy < 1:
        raise SettingsError(f"--accuracy {accuracy:g}: expected a number between 0 and 1, such as 0.95")
    with open_predictions(path, task, read) as table:
        predictions = read_predictions(table, task)
        sha256 = table.sha256()
    given: BoolArray = np.ones(predictions.rows, dtype=np.bool_)
    choices: Mapping[str, Mapping[str, Choice]] = {}
    if multi:
        given = _has_all(require_probabilities(predictions, task))
        choices = _choose_by_label(predictions, task, min_precision)
    promise = None
    if accuracy is not None or not multi:
        promise = _choose_limit(predictions, task, ACCURACY if accuracy is None else accuracy)
    tuned_on = TunedOn(
        name=Path(path).name,
        sha256=sha256,
        rows=int(given.sum()),
        sample=row_sample(predictions.texts[given].tolist()),
    )
    levels = {
        name: {label: choice.threshold for label, choice in labels.items()}
        for name, labels in choices.items()
    }
    unsure = None if promise is None else Unsure(promise.below, promise.accuracy, promise.probability)
    objective = _objective(min_precision, None if multi else promise)
    return Tuning(Thresholds(objective, tuned_on, levels, unsure), choices, promise)


def _objective(min_precision: float | None, promise: Promise | None) -> str:
    if promise is not None:
        return f"coverage at accuracy >= {promise.accuracy:g}"
    return "f1" if min_precision is None else f"recall at precision >= {min_precision:g}"


def _choose_by_label(
    predictions: Predictions, task: Task, min_precision: float | None
) -> dict[str, dict[str, Choice]]:
    """The threshold of each label of multi fields, on the rows that have all probabilities."""
    probabilities = require_probabilities(predictions, task)
    given = _has_all(probabilities)
    true = predictions.pairs.true[predictions.patterns.inverse[given]]
    return {
        field.name: {
            label: choose_threshold(true[:, place], probabilities[given, place], min_precision=min_precision)
            for place, label in enumerate(field.labels, task.slices[field.name].start)
        }
        for field in task.fields
        if field.type == "multi"
    }


def _has_all(probabilities: FloatArray) -> BoolArray:
    """(n_rows,) which rows have the probability of every label."""
    given: BoolArray = np.isfinite(probabilities.sum(axis=1))
    return given


def _choose_limit(predictions: Predictions, task: Task, accuracy: float) -> Promise:
    """The limit of single fields. Raises `GateError` where none keeps the promise."""
    sure, right = answer_sureness(predictions, task), right_answers(predictions, task)
    promise = choose_promise(sure, right, accuracy=accuracy)
    if promise is None:
        known, least = int((~np.isnan(sure)).sum()), fewest_rows(accuracy)
        few = f"; at least {least:,}, all right, are needed" if known < least else ""
        raise GateError(
            f"{predictions.source}: no confidence is shown to leave answers of which {accuracy:g} are right: "
            f"of {known:,} valid answers with a confidence {int(right.sum()):,} are right{few}",
            hint="more validation rows show more; a lower --accuracy promises less",
        )
    return promise
