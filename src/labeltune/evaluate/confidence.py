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
    reliability,
)
from labeltune.metrics.paired import compare_ranking
from labeltune.metrics.ranking import UNITS, measure_ranking, recall_precision
from labeltune.report.model import Calibration, Curve, FieldProbabilities

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from labeltune.metrics.paired import Difference
    from labeltune.metrics.patterns import BoolArray, FloatArray, IntArray
    from labeltune.metrics.quality import Shape
    from labeltune.predictions import Predictions

__all__ = ["compare_probabilities", "measure_confidence", "measure_probabilities"]


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
    predictions: Predictions, shapes: Sequence[Shape], *, bootstrap: int, seed: int
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
        shape.name: _field(
            shape, true[:, shape.part], probabilities[known][:, shape.part], bootstrap=bootstrap, seed=seed
        )
        for shape in shapes
    }


def _field(
    shape: Shape, true: BoolArray, probabilities: FloatArray, *, bootstrap: int, seed: int
) -> FieldProbabilities:
    log_loss, brier = (class_losses if shape.single else binary_losses)(true, probabilities)
    curves = [recall_precision(true[:, place], probabilities[:, place]) for place in range(true.shape[1])]
    average, rankings = measure_ranking(true, probabilities, bootstrap=bootstrap, seed=seed)
    return FieldProbabilities(
        rows=len(true),
        log_loss=log_loss,
        brier=brier,
        macro=average,
        ranking=rankings,
        groups=UNITS if bootstrap and len(true) > UNITS else None,
        curves=tuple(None if curve is None else Curve(*curve) for curve in curves),
    )


def compare_probabilities(
    ours: Predictions,
    other: Predictions,
    order: IntArray,
    shapes: Sequence[Shape],
    *,
    bootstrap: int,
    seed: int,
) -> Mapping[str, Difference]:
    """How much better ours rank rows, by `METRIC`, or by `FIELD.METRIC` where there are several fields.

    `order` says where each of our rows stands in the other file. Empty where a file has no probabilities;
    rows that lack one in either are left out.
    """
    if ours.probabilities is None or other.probabilities is None:
        return {}
    theirs = other.probabilities[order]
    known = ~np.isnan(ours.probabilities + theirs).any(axis=1)
    if not known.any():
        return {}
    true = ours.pairs.true[ours.patterns.inverse[known]]
    mine, theirs = ours.probabilities[known], theirs[known]
    found: dict[str, Difference] = {}
    for shape in shapes:
        prefix = "" if len(shapes) == 1 else f"{shape.name}."
        part = shape.part
        one = compare_ranking(true[:, part], mine[:, part], theirs[:, part], bootstrap=bootstrap, seed=seed)
        found |= {prefix + name: difference for name, difference in one.items()}
    return found
