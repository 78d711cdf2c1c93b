"""Whether confidences and probabilities can be believed, and what a limit on them buys."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from labeltune.evaluation.metrics.intervals import Z_LEVEL, Interval, clopper_pearson, percentile_interval

if TYPE_CHECKING:
    from collections.abc import Sequence

    from labeltune.evaluation.metrics.patterns import BoolArray, FloatArray

__all__ = [
    "LOSSES",
    "Bin",
    "Coverage",
    "Loss",
    "binary_losses",
    "calibration_error",
    "calibration_interval",
    "class_losses",
    "coverage_table",
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


def calibration_interval(bins: Sequence[Bin], *, bootstrap: int, seed: int) -> Interval | None:
    """The bootstrap interval of `calibration_error`, None without resamples.

    What is drawn is how many rows of each bin are right and how many wrong; the mean confidence of a bin
    stays, for within its width it can hardly move.
    """
    if not bootstrap:
        return None
    rows = np.array([one.rows for one in bins], dtype=np.int64)
    sure = np.array([one.confidence for one in bins])
    right = np.rint([one.rows * one.accuracy for one in bins]).astype(np.int64)
    total = int(rows.sum())
    generator = np.random.default_rng(seed)
    drawn = generator.multinomial(total, np.concatenate([right, rows - right]) / total, size=bootstrap)
    hits, misses = drawn[:, : len(bins)], drawn[:, len(bins) :]
    gaps = np.abs(hits - (hits + misses) * sure).sum(axis=1) / total
    low, high = percentile_interval(gaps)
    return Interval(float(low), float(high))


@dataclass(frozen=True, slots=True)
class Coverage:
    """What it brings to let a person look at rows whose confidence is below `limit`."""

    limit: float
    kept: int
    review: int
    accuracy: float | None
    """of the rows kept; None if there are none"""
    interval: Interval | None
    """of the accuracy, exact"""
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
        low, high = clopper_pearson(hits, rows)
        table.append(
            Coverage(
                limit=limit,
                kept=rows,
                review=len(kept) - rows,
                accuracy=hits / rows if rows else None,
                interval=Interval(float(low), float(high)) if rows else None,
                errors_found=int((~right & ~kept).sum()),
            )
        )
    return tuple(table)


@dataclass(frozen=True, slots=True)
class Loss:
    """A mean over rows, with its interval by the normal distribution; None where there is one row only."""

    mean: float
    interval: Interval | None

    @classmethod
    def of(cls, values: FloatArray) -> Loss:
        """From the loss of each row, (n_rows,)."""
        mean = float(values.mean())
        if len(values) < 2:
            return cls(mean, None)
        reach = Z_LEVEL * float(values.std(ddof=1)) / math.sqrt(len(values))
        return cls(mean, Interval(max(0.0, mean - reach), mean + reach))


LOSSES = ("log_loss", "brier")
"""Less is better."""


def class_losses(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log loss and Brier score of each row of a single field, (n_rows,); the arrays are (n_rows, n_labels),
    `true` one-hot.

    Probabilities are divided by their sum. The Brier score (1950) is summed over the labels, and halved where
    there are only two.
    """
    total = probability.sum(axis=1, keepdims=True)
    shares = np.where(total > 0, probability / np.where(total > 0, total, 1), 1 / probability.shape[1])
    brier = ((shares - true) ** 2).sum(axis=1)
    return -np.log(_clipped(shares[true])), brier / 2 if true.shape[1] == 2 else brier


def binary_losses(true: BoolArray, probability: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Log loss and Brier score of each row of a multi field, (n_rows,): of each label as a yes or no, and the
    mean over labels.
    """
    said = np.where(true, probability, 1 - probability)
    return -np.log(_clipped(said)).mean(axis=1), ((probability - true) ** 2).mean(axis=1)


def _clipped(probability: FloatArray) -> FloatArray:
    """Away from 0 by the smallest step from 1, so that one certain error does not outweigh everything."""
    return np.maximum(probability, np.finfo(np.float64).eps)
