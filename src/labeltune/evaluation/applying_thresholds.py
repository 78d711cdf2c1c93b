"""Thresholds: applied to predictions, and never to the rows that they were chosen on."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from labeltune.errors import DataError
from labeltune.evaluation.metrics.patterns import find_patterns
from labeltune.evaluation.metrics.scores import Pairs
from labeltune.evaluation.predictions import require_probabilities

if TYPE_CHECKING:
    from labeltune.evaluation.metrics.patterns import BoolArray
    from labeltune.evaluation.predictions import Predictions
    from labeltune.files.threshold_file import Thresholds
    from labeltune.task import Task

__all__ = ["SAME_DATA", "apply_thresholds"]

SAME_DATA = 0.5
"""From this share of common texts on, data are called the same."""


def apply_thresholds(
    predictions: Predictions, task: Task, thresholds: Thresholds, *, sha256: str
) -> tuple[Predictions, list[str]]:
    """Predict multi fields anew from the probabilities; also what should be known about the thresholds.

    Rows without probabilities keep their answer. Where the labels are no longer those of the answer, its
    confidence is not theirs, and is left out. Raises `DataError` if these are the rows that the thresholds
    were tuned on, or there are thresholds of labels and no probabilities.
    """
    warnings = []
    tuned_on = thresholds.tuned_on
    overlap = tuned_on.overlap(predictions.texts.tolist())
    if sha256 == tuned_on.sha256 or overlap >= SAME_DATA:
        raise DataError(
            f"{predictions.source}: the thresholds were tuned on these rows ({tuned_on.name}), so what is "
            "measured on them would be too good",
            hint="tune on predictions for the validation part, report on those for the test part",
        )
    if overlap:
        warnings.append(
            f"about {100 * overlap:.0f} % of the texts that the thresholds were tuned on ({tuned_on.name}) "
            f"are also in {predictions.source}"
        )
    if thresholds.fields:
        predictions = _predicted_anew(predictions, task, thresholds)
    return predictions, warnings


def _predicted_anew(predictions: Predictions, task: Task, thresholds: Thresholds) -> Predictions:
    probabilities = require_probabilities(predictions, task)
    by_row = predictions.pairs[predictions.patterns.inverse]
    chosen = thresholds.apply(task, by_row.pred, probabilities)
    predicted: BoolArray = np.logical_and(chosen, by_row.valid[:, None])
    patterns = find_patterns([by_row.true, predicted, by_row.valid[:, None]])
    pairs = Pairs(by_row.true, predicted, by_row.valid)[patterns.first]
    confidence = predictions.confidence
    if confidence is not None:
        confidence = np.where((predicted == by_row.pred).all(axis=1), confidence, np.nan)
    return replace(predictions, pairs=pairs, patterns=patterns, confidence=confidence)
