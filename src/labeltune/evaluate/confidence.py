"""What confidences and probabilities are worth, where a file of predictions has them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from labeltune.metrics.calibration import (
    COVERAGE_LIMITS,
    binary_losses,
    calibration_error,
    calibration_interval,
    class_losses,
    coverage_table,
    ranking,
    recall_precision,
    reliability,
)
from labeltune.report.model import Calibration, Curve, FieldProbabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.metrics.patterns import BoolArray, FloatArray
    from labeltune.metrics.quality import Shape
    from labeltune.predictions import Predictions

__all__ = ["measure_confidence", "measure_probabilities"]


def measure_confidence(
    predictions: Predictions, limit: float | None = None, *, bootstrap: int, seed: int
) -> Calibration | None:
    """Calibration and the coverage table, with a line for `limit`; None without confidences."""
    confidence = predictions.confidence
    if confidence is None:
        return None
    right = predictions.pairs.right[predictions.patterns.inverse]
    valid = predictions.pairs.valid[predictions.patterns.inverse]
    known = ~np.isnan(confidence) & valid
    if not known.any():
        return None
    bins = reliability(confidence[known], right[known])
    limits = COVERAGE_LIMITS if limit is None else (*COVERAGE_LIMITS, limit)
    return Calibration(
        rows=int(known.sum()),
        error=calibration_error(bins),
        interval=calibration_interval(bins, bootstrap=bootstrap, seed=seed),
        bins=bins,
        coverage=coverage_table(np.where(valid, confidence, np.nan), right, limits),
    )


def measure_probabilities(
    predictions: Predictions, shapes: Sequence[Shape]
) -> Mapping[str, FieldProbabilities]:
    """By field; empty where the file has no probabilities. Rows that lack one are left out."""
    probabilities = predictions.probabilities
    if probabilities is None:
        return {}
    known = ~np.isnan(probabilities).any(axis=1)
    if not known.any():
        return {}
    true = predictions.pairs.true[predictions.patterns.inverse[known]]
    return {
        shape.name: _field(shape, true[:, shape.part], probabilities[known][:, shape.part])
        for shape in shapes
    }


def _field(shape: Shape, true: BoolArray, probabilities: FloatArray) -> FieldProbabilities:
    log_loss, brier = (class_losses if shape.single else binary_losses)(true, probabilities)
    curves = [recall_precision(true[:, place], probabilities[:, place]) for place in range(true.shape[1])]
    return FieldProbabilities(
        rows=len(true),
        log_loss=log_loss,
        brier=brier,
        ranking=ranking(true, probabilities),
        curves=tuple(None if curve is None else Curve(*curve) for curve in curves),
    )
