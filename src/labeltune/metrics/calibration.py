"""Whether confidences and probabilities can be believed, and what a limit on them buys."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.metrics.patterns import BoolArray, FloatArray

__all__ = [
    "Bin",
    "Coverage",
    "Ranking",
    "binary_losses",
    "calibration_error",
    "class_losses",
    "coverage_table",
    "ranking",
    "reliability",
]

BINS = 15
"""As Guo and others (2017)."""
COVERAGE_LIMITS = (0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Bin:
    """Rows of about the same confidence: how sure the model was, and how often it was right."""

    low: float
    high: float
    rows: int
    confidence: float
    accuracy: float


def reliability(confidence: FloatArray, right: BoolArray, *, bins: int = BINS) -> tuple[Bin, ...]:
    """Rows by confidence in bins of equal width, empty bins left out; both arrays (n_rows,)."""
    places = np.minimum((confidence * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    sure = np.bincount(places, weights=confidence, minlength=bins)
    hits = np.bincount(places, weights=right, minlength=bins)
    return tuple(
        Bin(
            place / bins,
            (place + 1) / bins,
            int(counts[place]),
            float(sure[place] / counts[place]),
            float(hits[place] / counts[place]),
        )
        for place in np.flatnonzero(counts).tolist()
    )


def calibration_error(bins: Sequence[Bin]) -> float:
    """The expected calibration error (Naeini and others 2015): the mean gap, bins weighted by rows."""
    rows = sum(one.rows for one in bins)
    return sum(one.rows * abs(one.accuracy - one.confidence) for one in bins) / rows


@dataclass(frozen=True, slots=True)
class Coverage:
    """What it brings to let a person look at rows whose confidence is below `limit`."""

    limit: float
    kept: int
    review: int
    accuracy: float | None
    """of the rows kept; None if there are none"""
    errors_found: int
    """wrong rows among those to review"""


def coverage_table(
    confidence: FloatArray, right: BoolArray, limits: Sequence[float] = COVERAGE_LIMITS
) -> tuple[Coverage, ...]:
    """Coverage and accuracy at each limit. A row without a confidence (NaN) is always for review."""
    table = []
    for limit in sorted(set(limits)):
        kept = confidence >= limit  # false for NaN
        hits = int((right & kept).sum())
        rows = int(kept.sum())
        table.append(
            Coverage(
                limit=limit,
                kept=rows,
                review=len(kept) - rows,
                accuracy=hits / rows if rows else None,
                errors_found=int((~right & ~kept).sum()),
            )
        )
    return tuple(table)


def class_losses(true: BoolArray, probability: FloatArray) -> tuple[float, float]:
    """Log loss and Brier score of a single field; both arrays (n_rows, n_labels), `true` one-hot.

    Probabilities are divided by their sum. The Brier score (1950) is summed over the labels, and halved where
    there are only two.
    """
    total = probability.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, probability / np.where(total > 0, total, 1), 1 / probability.shape[1])
    log_loss = -np.log(_clipped(shares[true])).mean()
    brier = ((shares - true) ** 2).sum(axis=1).mean()
    return float(log_loss), float(brier / 2 if true.shape[1] == 2 else brier)


def binary_losses(true: BoolArray, probability: FloatArray) -> tuple[float, float]:
    """Log loss and Brier score of a multi field: of each label as a yes or no, and the mean over labels."""
    said = np.where(true, probability, 1 - probability)
    return float(-np.log(_clipped(said)).mean()), float(((probability - true) ** 2).mean())


def _clipped(probability: FloatArray) -> FloatArray:
    """Away from 0 by the smallest step from 1, so that one certain error does not outweigh everything."""
    return np.maximum(probability, np.finfo(np.float64).eps)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How well a label's probability ranks rows; None where a label is on all rows or on none."""

    average_precision: float | None
    roc_auc: float | None


def ranking(true: BoolArray, probability: FloatArray) -> tuple[Ranking, ...]:
    """The ranking of each label, from scikit-learn; both arrays (n_rows, n_labels)."""
    from sklearn.metrics import average_precision_score, roc_auc_score

    result = []
    for place in range(true.shape[1]):
        here, shares = true[:, place], probability[:, place]
        if here.all() or not here.any():
            result.append(Ranking(None, None))
            continue
        result.append(
            Ranking(float(average_precision_score(here, shares)), float(roc_auc_score(here, shares)))
        )
    return tuple(result)


CURVE_POINTS = 200
"""A curve on a page needs no more."""


def recall_precision(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray] | None:
    """Recall and precision of one label at every threshold, thinned out; None if no row has it, or all."""
    from sklearn.metrics import precision_recall_curve

    if true.all() or not true.any():
        return None
    precision, recall, _ = precision_recall_curve(true, probability, drop_intermediate=True)
    kept = np.unique(np.linspace(0, len(recall) - 1, CURVE_POINTS).round().astype(np.int64))
    return recall[kept], precision[kept]
